//! The application that browsers of a run belong to: it lets them in with tokens that it signs with a key of its own, and its
//! script leads each to the conference that it names.

use std::convert::Infallible;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use ring::hmac;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::load::node_api::NodeApi;

/// So long a token is good: it is made when it is needed.
const TOKEN_LASTS: Duration = Duration::from_secs(600);
/// What the node tells of a call has some hundred bytes.
const TOLD_LEN_MAX: usize = 1 << 16;

/// An application of the node's, as long as its browsers call.
#[derive(Debug)]
pub(in crate::load) struct Application {
    api: NodeApi,
    sid: String,
    key: Key,
    server: JoinHandle<()>,
}

/// What tokens are signed with.
struct Key {
    sid: String,
    secret: hmac::Key,
}

/// The secret is nobody's business.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("sid", &self.sid).finish_non_exhaustive()
    }
}

impl Application {
    /// Makes one whose script is served at any port of this address.
    ///
    /// # Errors
    /// When there is no port, or the node does not make it.
    pub(in crate::load) async fn start(api: &NodeApi, at: IpAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((at, 0)).await.context("no port for the browsers' script")?;
        let url = format!("http://{}/voice", listener.local_addr()?);
        let server = tokio::spawn(serve(listener));
        let made = make(api, &url).await;
        if made.is_err() {
            server.abort();
        }
        let (sid, key) = made.context("the node makes no application for browsers")?;
        Ok(Self { api: api.clone(), sid, key, server })
    }

    /// A token for somebody, good for ten minutes.
    pub(in crate::load) fn token(&self, identity: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (begin, end) = (now.as_secs(), (now + TOKEN_LASTS).as_secs());
        let header = json!({"alg": "HS256", "typ": "JWT", "cty": "twilio-fpa;v=1"});
        let claims = json!({
            "jti": format!("{}-{begin}", self.key.sid),
            "iss": self.key.sid,
            "sub": self.api.account(),
            "exp": end,
            "grants": {"identity": identity, "voice": {"outgoing": {"application_sid": self.sid}}},
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = hmac::sign(&self.key.secret, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Takes it away from the node again. What the node will not let go of stays with it.
    pub(in crate::load) async fn end(&self) {
        let account = self.api.account_path();
        let connection = &mut None;
        for path in [format!("Applications/{}.json", self.sid), format!("Keys/{}.json", self.key.sid)] {
            let _ = self.api.ask(connection, "DELETE", &format!("{account}/{path}"), "").await;
        }
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn make(api: &NodeApi, url: &str) -> anyhow::Result<(String, Key)> {
    let (account, connection) = (api.account_path(), &mut None);
    let text = |answer: &Value, field: &str| {
        answer[field].as_str().map(str::to_owned).with_context(|| format!("its answer has no {field}"))
    };
    let form = form_urlencoded::Serializer::new(String::new()).append_pair("VoiceUrl", url).finish();
    let made = api.ask(connection, "POST", &format!("{account}/Applications.json"), &form).await?;
    let key = api.ask(connection, "POST", &format!("{account}/Keys.json"), "").await?;
    let secret = hmac::Key::new(hmac::HMAC_SHA256, text(&key, "secret")?.as_bytes());
    Ok((text(&made, "sid")?, Key { sid: text(&key, "sid")?, secret }))
}

async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        // The node reads the answer or does not.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)));
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let told = Limited::new(request.into_body(), TOLD_LEN_MAX).collect().await;
    let script = told.ok().and_then(|told| script(&told.to_bytes()));
    let status = if script.is_some() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let mut response = Response::new(Full::new(Bytes::from(script.unwrap_or_default())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    Ok(response)
}

/// The script for a call to `conf-NAME`, the name that telephones dial.
fn script(told: &[u8]) -> Option<String> {
    let to = form_urlencoded::parse(told).find(|(name, _)| name == "To")?.1;
    let name = to.strip_prefix("conf-")?;
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    is_plain.then(|| {
        format!(
            "<Response><Dial><Conference beep=\"false\" waitUrl=\"\">{name}</Conference></Dial></Response>"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_leads_to_the_conference_that_was_asked_for_and_nowhere_else() {
        assert!(script(b"CallSid=CA1&To=conf-load-1a-0").unwrap().contains(">load-1a-0</Conference>"));
        for nothing in [&b""[..], b"To=alice", b"To=conf-%3Cx%3E", b"From=conf-a"] {
            assert_eq!(script(nothing), None);
        }
    }
}
