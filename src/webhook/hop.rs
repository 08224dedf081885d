//! One request of possibly several: a redirect makes the next hop, judged and signed like the first.
//!
//! | status | next hop |
//! |---|---|
//! | 301, 302, 303 | GET without parameters (RFC 9110 §15.4: what clients have always done) |
//! | 307, 308 | the same again, parameters included |
//!
//! Each hop has a signature of its own URL: one that was made for another would be refused there, and could be replayed
//! against the first. The reference does the same. User, password and cookies stay with their origin.

use std::time::SystemTime;

use bytes::Bytes;
use form_urlencoded::Serializer;
use http_body_util::Full;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{HeaderMap, StatusCode, Uri, header};

use super::cookies::Cookies;
use super::failure::FailureKind;
use super::request::{Method, Payload, Request};
use super::signature::{self, BODY_HASH, body_hash, sign};
use super::target::Target;
use crate::config::Secret;

/// How the node calls itself.
const AGENT: &str = concat!("Confab/", env!("CARGO_PKG_VERSION"));

/// Tells an application a repetition from news; the reference's own name for it.
const IDEMPOTENCY: &str = "I-Twilio-Idempotency-Token";

/// What a GET carries beside its URL.
const NOTHING: &Payload = &Payload::Form(Vec::new());

/// One request to one URL.
pub(super) struct Hop<'a> {
    pub(super) target: Target,
    method: Method,
    /// What the body says, and what is signed of it.
    payload: &'a Payload,
}

impl<'a> Hop<'a> {
    /// The first.
    pub(super) fn first(request: &'a Request, target: &Target) -> Self {
        match (request.method, &request.payload) {
            (Method::Post, form @ Payload::Form(_)) => {
                Self { target: target.clone(), method: Method::Post, payload: form }
            }
            (Method::Get, Payload::Form(params)) => Self::get(target.with_query(params)),
            (Method::Get | Method::Post, json @ Payload::Json(body)) => {
                let hash = (BODY_HASH.to_owned(), body_hash(body.as_bytes()));
                Self { target: target.with_query(&[hash]), method: Method::Post, payload: json }
            }
        }
    }

    fn get(target: Target) -> Self {
        Self { target, method: Method::Get, payload: NOTHING }
    }

    /// Where the server sends us next, if it does.
    pub(super) fn next(&self, status: StatusCode, headers: &HeaderMap) -> Result<Option<Self>, FailureKind> {
        let repeats = match status {
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => false,
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
            _ => return Ok(None),
        };
        let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let target = self.target.redirected(location.ok_or(FailureKind::BadRedirect)?)?;
        if repeats {
            return Ok(Some(Self { target, method: self.method, payload: self.payload }));
        }
        Ok(Some(Self::get(target)))
    }

    /// The message as it is sent.
    pub(super) fn message(
        &self,
        auth_token: &Secret,
        idempotency_token: &str,
        cookies: &Cookies,
    ) -> Result<hyper::Request<Full<Bytes>>, FailureKind> {
        let unsendable = || FailureKind::BadUrl("it has characters that cannot be sent");
        let uri: Uri = self.target.path_and_query().parse().map_err(|_| unsendable())?;
        let (params, body, kind) = self.body();
        let signature = sign(auth_token, self.target.as_str(), params);

        let mut message = hyper::Request::new(Full::new(body));
        *message.uri_mut() = uri;
        *message.method_mut() = match self.method {
            Method::Get => hyper::Method::GET,
            Method::Post => hyper::Method::POST,
        };
        let headers = message.headers_mut();
        headers.insert(HOST, plain(self.target.authority()).ok_or_else(unsendable)?);
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        if let Some(kind) = kind {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        let mut insert = |name: &str, value: &str| {
            let name: Option<HeaderName> = name.parse().ok();
            if let (Some(name), Some(value)) = (name, secret(value)) {
                headers.insert(name, value);
            }
        };
        insert(signature::HEADER, &signature);
        insert(IDEMPOTENCY, idempotency_token);
        if let Some(basic) = self.target.basic() {
            insert(AUTHORIZATION.as_str(), basic.expose());
        }
        if let Some(cookies) = cookies.header(&self.target, SystemTime::now()) {
            insert(COOKIE.as_str(), &cookies);
        }
        Ok(message)
    }

    /// Parameters to be signed, bytes to be sent, and what these are.
    fn body(&self) -> (&[(String, String)], Bytes, Option<&'static str>) {
        match (self.method, self.payload) {
            (Method::Get, _) => (&[], Bytes::new(), None),
            (Method::Post, Payload::Form(params)) => {
                let form = Serializer::new(String::new()).extend_pairs(params).finish();
                (params, form.into(), Some("application/x-www-form-urlencoded; charset=UTF-8"))
            }
            (Method::Post, Payload::Json(body)) => (&[], body.clone().into(), Some("application/json")),
        }
    }
}

fn plain(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}

/// Marked so that no layer below shows it.
fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = plain(text)?;
    value.set_sensitive(true);
    Some(value)
}
