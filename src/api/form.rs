//! Parameters in and JSON out: what is given in a query or a form body, read strictly.
//!
//! Both are `application/x-www-form-urlencoded` (WHATWG URL, section 5). Its usual parsers take anything:
//! a stray `%` stands for itself, bad UTF-8 becomes a replacement character. Here either is refused, because a
//! label that arrives changed would name somebody else.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode;
use serde::Serialize;

use super::error::{ApiError, Quoted};

/// The type of every answer that has a body in JSON.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// How long a body may take to arrive, in seconds. It is at most 64 KiB, and [`super::layers::in_time`] gives the
/// whole request only a little more.
const BODY_SECONDS_MAX: u64 = 10;

/// Names and values in the order given.
#[derive(Debug, Default)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads `text`, found in `place` (for the sentence, should it be wrong).
    pub(super) fn parse(text: &[u8], place: &str) -> Result<Self, ApiError> {
        check_encoding(text, place)?;
        Ok(Self(form_urlencoded::parse(text).into_owned().collect()))
    }

    /// The value of `name`, which may be given once at most.
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, ApiError> {
        #[cfg(test)]
        asked::note(name);
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let value = values.next();
        if values.next().is_some() {
            return Err(ApiError::parameter(format!("{name} is given more than once; give it once.")));
        }
        Ok(value)
    }

    /// All values of `name`, in the order given.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        #[cfg(test)]
        asked::note(name);
        self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Checks the parameters of an update that takes only `known`.
    ///
    /// One of `unsupported`, which the original documents and this node does not do, is refused. Others are ignored
    /// beside `known`, and refused without: `status=completed` for `Status=completed` would else change nothing and
    /// answer that all is well.
    pub(super) fn check_update(&self, known: &[&str], unsupported: &[&str]) -> Result<(), ApiError> {
        let names = self.0.iter().map(|(name, _)| name.as_str());
        if let Some(name) = names.clone().find(|name| unsupported.contains(name)) {
            return Err(ApiError::parameter(format!(
                "{name} is not supported by this node; leave it out. Nothing was changed."
            )));
        }
        match names.clone().next() {
            Some(first) if names.clone().all(|name| !known.contains(&name)) => {
                Err(ApiError::parameter(format!(
                    "{} is not known in this update; it takes {}. Nothing was changed.",
                    Quoted(first),
                    known.join(", ")
                )))
            }
            _ => Ok(()),
        }
    }

    /// All but those called one of `names`.
    pub(super) fn without(&self, names: &[&str]) -> Vec<(String, String)> {
        self.0.iter().filter(|(name, _)| !names.contains(&name.as_str())).cloned().collect()
    }
}

/// Refuses a `%` without two hexadecimal digits behind it (RFC 3986, section 2.1), and what is not UTF-8
/// once decoded.
pub(super) fn check_encoding(text: &[u8], place: &str) -> Result<(), ApiError> {
    for (at, _) in text.iter().enumerate().filter(|(_, byte)| **byte == b'%') {
        let digits = text.get(at + 1..at + 3);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            let found = String::from_utf8_lossy(&text[at..text.len().min(at + 3)]);
            return Err(ApiError::parameter(format!(
                "{place} has {} at byte {at}; after % there must be two hexadecimal digits (a % itself is %25).",
                Quoted(&found)
            )));
        }
    }
    percent_decode(text)
        .decode_utf8()
        .map(|_| ())
        .map_err(|_| ApiError::parameter(format!("{place} is not UTF-8 after percent-decoding; it must be.")))
}

/// The parameters in the query.
pub(super) struct Query(pub(super) Parameters);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Parameters::parse(parts.uri.query().unwrap_or_default().as_bytes(), "The query").map(Self)
    }
}

/// The parameters in the body. An empty body has none, whatever its type is said to be. Parameters in the query of
/// the same request are refused, for they would do nothing.
pub(super) struct Form(pub(super) Parameters);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if request.uri().query().is_some_and(|query| !query.is_empty()) {
            return Err(ApiError::parameter(
                "Parameters are in the query; those of a POST go into its body.".to_owned(),
            ));
        }
        let content_type = content_type(request.headers());
        let body = read_body(request, state).await?;
        if body.is_empty() {
            return Ok(Self(Parameters::default()));
        }
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(ApiError::not_a_form(&content_type));
        }
        Parameters::parse(&body, "The request's body").map(Self)
    }
}

fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    String::from_utf8_lossy(value).into_owned()
}

async fn read_body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    let body = Bytes::from_request(request, state);
    match tokio::time::timeout(Duration::from_secs(BODY_SECONDS_MAX), body).await {
        Err(_) => Err(ApiError::slow_body(BODY_SECONDS_MAX)),
        Ok(Ok(body)) => Ok(body),
        Ok(Err(refused)) if refused.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(ApiError::large_body()),
        Ok(Err(refused)) => Err(ApiError::parameter(format!(
            "The request's body could not be read: {}.",
            refused.body_text()
        ))),
    }
}

/// An answer in JSON.
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let text = serde_json::to_vec(&self.0).expect("our representations have only text for keys");
        ([(CONTENT_TYPE, JSON)], text).into_response()
    }
}

/// Which parameters the handlers of this thread asked for: what they take, whatever is written of them.
#[cfg(test)]
pub(super) mod asked {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    thread_local! {
        static NAMES: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
    }

    pub(super) fn note(name: &str) {
        NAMES.with_borrow_mut(|names| names.insert(name.to_owned()));
    }

    /// All since this was asked last.
    pub(in super::super) fn take() -> BTreeSet<String> {
        NAMES.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Parameters {
        Parameters::parse(text.as_bytes(), "The query").expect("well-formed")
    }

    #[test]
    fn names_and_values_are_decoded() {
        let parameters = parsed("StartTime%3E=2024-01-02T03%3A04%3A05Z&To=a+b%2Bc&Empty=&Bare");
        let of = |name| parameters.one(name).expect("once");
        assert_eq!(of("StartTime>"), Some("2024-01-02T03:04:05Z"));
        assert_eq!(of("To"), Some("a b+c"));
        assert_eq!(of("Empty"), Some(""));
        assert_eq!(of("Bare"), Some(""));
        assert_eq!(of("Absent"), None);
    }

    #[test]
    fn a_parameter_given_twice_is_refused() {
        assert!(parsed("Muted=true&Muted=false").one("Muted").is_err());
    }

    #[test]
    fn what_does_not_decode_is_refused() {
        for text in ["a=%", "a=%4", "a=%zz", "a=%+1", "%g0=1", "a=%ff", "a=%c3%28"] {
            assert!(Parameters::parse(text.as_bytes(), "The query").is_err(), "{text}");
        }
        assert!(Parameters::parse(b"a=\xff", "The query").is_err());
    }
}
