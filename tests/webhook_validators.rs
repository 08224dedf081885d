//! The official SDKs' own validators judge what the client sends over real sockets: the URL is put together as an
//! application does it, from the request's first line and its `Host`. Each request is judged twice, the second time with
//! something altered, which must be refused.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, helpers included")]

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request as HttpRequest, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HOST};
use confab::config::{Networks, Secret};
use confab::telemetry::Metrics;
use confab::webhook::{Client, ClientSettings, Egress, HEADER, Payload, Request, SystemNetwork};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::Command;

const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
const TOKEN: &str = "12345678901234567890123456789012";

type Seen = Arc<Mutex<Vec<Value>>>;

#[tokio::test]
async fn python_accepts_what_is_sent() {
    judge("validate-python").await;
}

#[tokio::test]
async fn node_js_accepts_what_is_sent() {
    judge("validate-node").await;
}

async fn judge(validator: &str) {
    let requests = sent().await;
    assert_eq!(requests.len(), PATHS.len() * 3);
    let altered = requests.iter().map(alter);
    let lines: Vec<String> =
        requests.iter().cloned().chain(altered).map(|line| format!("{line}\n")).collect();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdk/run.sh");
    let mut command = Command::new(script);
    command.arg(validator).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut judging = command.kill_on_drop(true).spawn().unwrap();
    judging.stdin.take().unwrap().write_all(lines.concat().as_bytes()).await.unwrap();
    let judged = judging.wait_with_output().await.unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(judged.status.success(), "{}\n{}", said(&judged.stdout), said(&judged.stderr));
}

/// Each with what makes signing go wrong where somebody encodes twice, or not.
const PATHS: [&str; 8] = [
    "/",
    "/voice",
    "/voice?x=1&y=a%20b",
    "/a%2Fb//c;d=e/%C3%A9?q=%E2%82%AC&q=+plus&empty=&flag",
    "/v?next=https%3A%2F%2Fapp.example%2Fcb%3Fa%3Db%26c",
    "/v?q='single'&a=(b)*!~",
    "/caf\u{e9}?name=J\u{fc}rgen",
    "/v?x=1#rc=0&ct=2000",
];

/// What an application saw of a form, a GET and a body of JSON for each path.
async fn sent() -> Vec<Value> {
    let seen = Seen::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let app = Router::new().fallback(take).with_state(Arc::clone(&seen));
    let serving = tokio::spawn(async move { axum_serve(listener, app).await });
    let client = client();
    let params: Vec<(String, String)> = [
        ("CallSid", "CA0123456789abcdef0123456789abcdef"),
        ("From", "+15550100001"),
        ("Digits", "12#*"),
        ("SpeechResult", "J\u{fc}rgen said: 50% & more=less? \u{1f600}"),
        ("Empty", ""),
        ("Tag", "b"),
        ("Tag", "a"),
        ("Tag", "b"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    for path in PATHS {
        let url = format!("http://127.0.0.1:{port}{path}");
        client.notify(&Request::post(url.as_str(), ACCOUNT, params.clone())).await.unwrap();
        client.notify(&Request::get(url.as_str(), ACCOUNT, params.clone())).await.unwrap();
        let body = Payload::Json(r#"{"a":1,"b":"é"}"#.to_owned());
        client.notify(&Request { payload: body, ..Request::post(url, ACCOUNT, Vec::new()) }).await.unwrap();
    }
    serving.abort();
    let seen = seen.lock().unwrap();
    seen.clone()
}

fn client() -> Client {
    let egress = Egress::new(Networks::parse("127.0.0.0/8").unwrap());
    let settings = ClientSettings { egress, ..ClientSettings::default() };
    let keys = |_: &str| Some(Secret::new(TOKEN.to_owned()));
    let network = Arc::new(SystemNetwork::new());
    Client::new(&settings, network, Arc::new(keys), Arc::new(|_| {}), &Metrics::new()).unwrap()
}

async fn take(State(seen): State<Seen>, request: HttpRequest) -> StatusCode {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let header = |name: &str| head.headers.get(name).map_or("", |value| value.to_str().unwrap());
    let is_json = header(CONTENT_TYPE.as_str()) == "application/json";
    let mut form = BTreeMap::<String, Vec<String>>::new();
    if !is_json {
        for (name, value) in form_urlencoded::parse(&body).into_owned() {
            form.entry(name).or_default().push(value);
        }
    }
    let body = is_json.then(|| String::from_utf8(body.to_vec()).unwrap());
    seen.lock().unwrap().push(json!({
        "url": format!("http://{}{}", header(HOST.as_str()), head.uri),
        "signature": header(HEADER),
        "form": form,
        "body": body,
        "expected": true,
    }));
    StatusCode::NO_CONTENT
}

/// The same with a parameter more, or another body.
fn alter(request: &Value) -> Value {
    let mut altered = request.clone();
    altered["expected"] = json!(false);
    match request["body"].as_str() {
        Some(body) => altered["body"] = json!(format!("{body} ")),
        None => altered["form"]["Altered"] = json!(["1"]),
    }
    altered
}

async fn axum_serve(listener: TcpListener, app: Router) {
    use hyper_util::rt::TokioIo;
    use hyper_util::service::TowerToHyperService;
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let app = TowerToHyperService::new(app.clone());
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), app));
    }
}
