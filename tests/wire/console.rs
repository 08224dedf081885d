//! The console of a real node: somebody logs in, watches a call come, and acts on it with nothing but their cookie.

use std::net::SocketAddr;

use confab::server::Options;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::peer::{Peer, within};
use crate::running::Running;

type Socket = tokio_tungstenite::WebSocketStream<TcpStream>;

/// What a browser has of a node.
struct Browser {
    node: SocketAddr,
    cookie: String,
}

impl Browser {
    async fn log_in(node: &Running) -> Self {
        let mut browser = Self { node: node.node.http, cookie: String::new() };
        let body = json!({"account_sid": node.account_sid, "auth_token": node.auth_token}).to_string();
        let answer = browser.ask("POST", "/v1/console/login", "X-Confab-Console: 1\r\n", &body).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let set = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
        browser.cookie = set.split(';').next().expect("a pair").to_owned();
        browser
    }

    /// Head and body of an answer.
    async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nConnection: close\r\n{headers}\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            self.node,
            self.cookie,
            body.len()
        );
        let mut stream = TcpStream::connect(self.node).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        within("an answer", stream.read_to_string(&mut answer)).await.unwrap();
        answer
    }

    async fn status(&self, method: &str, path: &str, headers: &str, body: &str) -> u16 {
        let answer = self.ask(method, path, headers, body).await;
        assert!(!answer.contains("www-authenticate"), "the page asks, not the browser: {answer}");
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap()
    }

    async fn watch(&self) -> Feed {
        let mut request = format!("ws://{}/v1/console/feed", self.node).into_client_request().unwrap();
        request.headers_mut().insert("cookie", self.cookie.parse().unwrap());
        let stream = TcpStream::connect(self.node).await.unwrap();
        Feed(tokio_tungstenite::client_async(request, stream).await.unwrap().0)
    }
}

struct Feed(Socket);

impl Feed {
    /// The next message of a type of which something holds.
    async fn until(&mut self, r#type: &str, holds: impl Fn(&Value) -> bool) -> Value {
        within(&format!("{type} in the feed"), async {
            loop {
                let Message::Text(text) = self.0.next().await.expect("it goes on").unwrap() else { continue };
                let told: Value = serde_json::from_str(&text).unwrap();
                if told["type"] == r#type && holds(&told) {
                    return told;
                }
            }
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_sees_a_call_and_mutes_it_with_the_cookie_alone() {
    let node = Running::start(Options::default()).await;
    let browser = Browser::log_in(&node).await;
    let mut feed = browser.watch().await;
    feed.until("floor", |told| told["conferences"] == json!([])).await;

    let (mut a, mut b) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
    a.dial("conf-%3Cb%3E").await;
    b.dial("conf-%3Cb%3E").await;
    let there =
        |told: &Value| told["conferences"][0]["participants"].as_array().is_some_and(|all| all.len() == 2);
    let told = feed.until("floor", there).await;
    let conference = &told["conferences"][0];
    assert_eq!((&conference["name"], &conference["started"]), (&json!("<b>"), &json!(true)));
    let call = conference["participants"][0]["call"].as_str().unwrap();
    feed.until("quality", |told| told["quality"][call].is_object()).await;

    let path = format!(
        "/2010-04-01/Accounts/{}/Conferences/{}/Participants/{call}.json",
        node.account_sid,
        conference["sid"].as_str().unwrap()
    );
    let ours = "X-Confab-Console: 1\r\n";
    for foreign in ["", "X-Confab-Console: 1\r\nOrigin: http://evil.example\r\n"] {
        assert_eq!(browser.status("POST", &path, foreign, "Muted=true").await, 401, "{foreign}");
    }
    assert_eq!(browser.status("GET", &path, "", "").await, 200, "looking takes the cookie alone");
    assert_eq!(browser.status("POST", &path, ours, "Muted=true").await, 200);
    feed.until("floor", |told| told["conferences"][0]["participants"][0]["muted"] == true).await;

    assert_eq!(browser.status("DELETE", "/v1/console/login", ours, "").await, 204);
    assert_eq!(browser.status("GET", &path, ours, "").await, 401);
    node.end_all_calls().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_of_another_account_sees_nothing_of_it() {
    let node = Running::start(Options::default()).await;
    let (_, made) = node.ask("POST", "/2010-04-01/Accounts.json", "FriendlyName=other").await;
    let (sid, token) = (made["sid"].as_str().unwrap(), made["auth_token"].as_str().unwrap());
    let mut caller = Peer::udp(node.node.sip).await;
    caller.dial("conf-theirs").await;
    let main = Browser::log_in(&node).await;
    main.watch().await.until("floor", |told| told["conferences"][0]["name"] == "theirs").await;

    let other = Running { account_sid: sid.to_owned(), auth_token: token.to_owned(), ..node };
    let browser = Browser::log_in(&other).await;
    let told = browser.watch().await.until("floor", |_| true).await;
    assert_eq!((&told["conferences"], &told["calls"]), (&json!([]), &json!([])));
    let path = format!("/2010-04-01/Accounts/{}/Conferences.json", main_account(&made));
    assert_eq!(browser.status("GET", &path, "", "").await, 404);
    other.node.stop().await;
}

/// The account that owns one that was made.
fn main_account(made: &Value) -> &str {
    made["owner_account_sid"].as_str().unwrap()
}
