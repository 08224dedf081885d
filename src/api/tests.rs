//! The whole API over a scripted model: each request goes through every layer, none through a socket unless
//! connections are what is tested.

mod accounts;
mod connections;
mod errors;
mod events;
mod full;
mod notifications;
mod numbers;
mod openapi;
mod quality;
mod resources;
mod sdk;

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::sync::watch;
use tower::ServiceExt;

use super::{ApiState, Listening, router};
use crate::call::scripted::{Script, account};
use crate::call::{AccountSid, CallSid, ConferenceSid, Handle};
use crate::config::Secret;
use crate::directory::{Directory, MainAccount};
use crate::store::Store;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const FORM: &str = "application/x-www-form-urlencoded";

/// The API of a node, ready to be asked.
struct Node {
    router: Router,
    account: AccountSid,
    stopping: watch::Sender<bool>,
}

/// A node with conference `tour` of three callers, and what is in it, newest first.
struct Tour {
    node: Node,
    conference: ConferenceSid,
    calls: Vec<CallSid>,
}

/// Browsers for whom there is no port.
fn browsers(calls: &Handle) -> crate::webrtc::Browsers {
    let (address, codecs) = (([127, 0, 0, 1].into(), None), crate::config::Codecs::default());
    let metrics = crate::telemetry::Metrics::new();
    crate::webrtc::Browsers::start(Vec::new(), address, codecs, calls.clone(), &metrics)
        .expect("a certificate")
}

/// Payments of which nobody is told.
fn payments(calls: &Handle) -> crate::pay::Payments {
    crate::pay::Payments::new(crate::pay::Means {
        calls: calls.clone(),
        tell: Box::new(|_| ()),
        connectors: crate::pay::Connectors::new([]),
        seal: crate::pay::Seal::blank(),
        saying: std::sync::Arc::new(crate::sound::Saying::new(None, 0)),
    })
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Tour {
    fn start() -> Self {
        Self::start_with(|_| ())
    }

    fn start_with(change: impl FnOnce(&mut Script)) -> Self {
        let mut script = Script::default();
        let conference = script.conference("tour", 3);
        change(&mut script);
        let calls = script.participants.iter().map(|seat| seat.call_sid).collect();
        Self { node: Node::over(script.play()), conference, calls }
    }

    /// `path` with SIDs in place of `CA`, `CF` and the account before it.
    fn path(&self, path: &str) -> String {
        let path =
            path.replace("{CA}", &self.calls[0].to_string()).replace("{CF}", &self.conference.to_string());
        format!("{}{path}", self.node.prefix())
    }

    async fn get(&self, path: &str) -> Answer {
        self.node.send("GET", &self.path(path), None).await
    }

    async fn post(&self, path: &str, form: &str) -> Answer {
        self.node.send("POST", &self.path(path), Some(form)).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.node.send("DELETE", &self.path(path), None).await
    }
}

impl Node {
    fn over(calls: Handle) -> Self {
        Self::with(calls, Store::blank())
    }

    fn with(calls: Handle, store: Store) -> Self {
        let (stopping, is_stopping) = watch::channel(false);
        let account = account();
        let listening = Listening {
            http: "127.0.0.1:8080".to_owned(),
            https: None,
            sip_udp: "127.0.0.1:5060".to_owned(),
            sip_tcp: "127.0.0.1:5061".to_owned(),
        };
        let main = MainAccount { sid: account, auth_token: Secret::new(TOKEN.to_owned()) };
        let directory = Directory::in_memory(main);
        let router = router(ApiState {
            payments: payments(&calls),
            browsers: browsers(&calls),
            calls,
            call_tokens: std::sync::Arc::new(crate::call::CallTokens::new().expect("entropy")),
            tokens: crate::token::Tokens::blank(directory.clone()),
            logins: crate::directory::Logins::default(),
            directory,
            store,
            listening,
            recordings: std::path::PathBuf::from("none"),
            encoders: super::Mp3Encoders::default(),
            public_url: "http://127.0.0.1:8080".to_owned(),
            stopping: is_stopping,
            followers: super::followers(),
            metrics: Box::new(|| "confab_calls 3\n".to_owned()),
        });
        Self { router, account, stopping }
    }

    fn prefix(&self) -> String {
        format!("/2010-04-01/Accounts/{}", self.account)
    }

    /// A request with the right credentials.
    fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        let method: Method = method.parse().expect("a method");
        let credentials = basic(&self.account.to_string(), TOKEN);
        Request::builder().method(method).uri(path).header(AUTHORIZATION, credentials)
    }

    async fn send(&self, method: &str, path: &str, form: Option<&str>) -> Answer {
        let request = self.request(method, path);
        let request = match form {
            None => request.body(Body::empty()),
            Some(form) => request.header(CONTENT_TYPE, FORM).body(Body::from(form.to_owned())),
        };
        self.ask(request.expect("a request")).await
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("never fails");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body in memory").to_bytes();
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        Answer { status: parts.status, headers: parts.headers, text }
    }
}

impl Answer {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The status and body of a success.
    #[track_caller]
    fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        self.json()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// Checks that this is the error of this status and code, whole and in the right form.
    #[track_caller]
    fn assert_error(&self, status: u16, code: u32) {
        let json = self.json();
        assert_eq!((self.status.as_u16(), &json["code"]), (status, &code.into()), "{self:?}");
        assert_eq!(json["status"], status);
        assert_eq!(json["more_info"], format!("https://www.twilio.com/docs/errors/{code}"));
        assert!(json["message"].as_str().is_some_and(|text| text.ends_with('.')), "{self:?}");
        assert_eq!(json.as_object().map(serde_json::Map::len), Some(4), "{self:?}");
        assert_eq!(self.header("content-type"), "application/json; charset=utf-8");
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}
