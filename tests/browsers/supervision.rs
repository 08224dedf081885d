//! A supervisor at the console, whose browser is their leg: on a call of two, which no conference's name leads to.

use confab::server::Options;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::end::{Browser, ask};
use crate::peer::{Peer, within};
use crate::running::Running;

const FLAGS: [&str; 1] = ["--outbound-allow=sip:*@127.0.0.1:*"];

/// Somebody who is logged in: their cookie.
struct LoggedIn(String);

impl LoggedIn {
    async fn at(node: &Running) -> Self {
        let body = json!({"account_sid": node.account_sid, "auth_token": node.auth_token}).to_string();
        let answer = post(node, "/v1/console/login", "", &body).await;
        let set = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
        Self(set.split(';').next().unwrap().to_owned())
    }

    async fn token(&self, node: &Running) -> String {
        let answer = post(node, "/v1/console/token", &format!("Cookie: {}\r\n", self.0), "").await;
        let told: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        told["token"].as_str().unwrap().to_owned()
    }

    /// The only conference on the floor, when so many are in it.
    async fn conference_of(&self, node: &Running, count: usize) -> Value {
        let mut request = format!("ws://{}/v1/console/feed", node.node.http).into_client_request().unwrap();
        request.headers_mut().insert("cookie", self.0.parse().unwrap());
        let stream = TcpStream::connect(node.node.http).await.unwrap();
        let (mut feed, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
        within(&format!("a conference of {count}"), async {
            loop {
                let Message::Text(text) = feed.next().await.expect("it goes on").unwrap() else { continue };
                let told: Value = serde_json::from_str(&text).unwrap();
                let one = &told["conferences"][0];
                if one["participants"].as_array().is_some_and(|all| all.len() == count) {
                    return one.clone();
                }
            }
        })
        .await
    }
}

/// What the console's page posts.
async fn post(node: &Running, path: &str, headers: &str, body: &str) -> String {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nX-Confab-Console: 1\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        node.node.http,
        body.len()
    );
    let mut stream = TcpStream::connect(node.node.http).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("an answer", stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

/// Two phones that the node has connected.
async fn two(node: &Running) -> (Peer, Peer) {
    let (mut one, mut other) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
    let script = format!("<Response><Dial><Sip>sip:other@{}</Sip></Dial></Response>", other.address());
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("To", &format!("sip:one@{}", one.address()))
        .append_pair("From", "+15550100")
        .append_pair("Twiml", &script)
        .finish();
    let (status, call) = node.create("Calls.json", &form).await;
    assert_eq!(status, 201, "{call}");
    for phone in [&mut one, &mut other] {
        let invite = phone.is_called().await;
        phone.pick_up(&invite).await;
    }
    one.rtp.speak(700);
    other.rtp.speak(1_300);
    tokio::join!(one.rtp.hears(1_300), other.rtp.hears(700));
    (one, other)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_two_is_listened_to_and_joined_and_goes_on_without_the_supervisor() {
    let node = Running::start_with(Options::default(), &FLAGS).await;
    let (mut one, mut other) = two(&node).await;
    let supervisor = LoggedIn::at(&node).await;
    let sid = supervisor.conference_of(&node, 2).await["sid"].as_str().unwrap().to_owned();
    let token = supervisor.token(&node).await;
    let query = format!("?Conference={sid}&Muted=true");
    let leg = Browser::new().await.call(&node, &token, &query).await;
    leg.speak(1_900);
    tokio::join!(leg.hears(700), leg.hears(1_300));
    let seat = format!("Conferences/{sid}/Participants/{}.json", leg.sid);
    node.post(&seat, "Muted=false").await;
    tokio::join!(one.rtp.hears(1_900), other.rtp.hears(1_900));
    node.post(&seat, "Muted=true").await;
    tokio::join!(one.rtp.hears_no_more(1_900), other.rtp.hears_no_more(1_900));

    // Without the supervisor it goes on as it was.
    assert_eq!(ask(&node, "DELETE", &leg.location, &token, "").await.status, 204);
    supervisor.conference_of(&node, 2).await;
    tokio::join!(one.rtp.hears(1_300), other.rtp.hears(700));
    // No conference was begun by mistake, and none is to be found by a name.
    assert_eq!(node.get("Conferences.json").await["conferences"], json!([]));

    // Without the two there is nothing to listen to.
    let leg = Browser::new().await.call(&node, &token, &query).await;
    tokio::join!(leg.hears(700), leg.hears(1_300));
    one.hang_up().await;
    other.is_hung_up().await;
    node.wait_for(&format!("Calls/{}.json", leg.sid), "status", "completed").await;
    let late = Browser::new().await.post(&node, &token, &query).await;
    assert!(late.status == 400 || late.status == 404, "{}", late.body);
}
