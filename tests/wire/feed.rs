//! The live feed of a real node: what happens to its calls, in order, as it happens.

use confab::server::Options;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::peer::{Peer, within};
use crate::running::Running;

/// Somebody who follows.
pub(crate) struct Feed {
    stream: TcpStream,
    read: String,
}

impl Feed {
    pub(crate) async fn of(node: &Running) -> Self {
        let mut stream = TcpStream::connect(node.node.http).await.unwrap();
        let request = format!(
            "GET /v1/events HTTP/1.1\r\nHost: node\r\nAuthorization: {}\r\n\r\n",
            node.authorization()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut feed = Self { stream, read: String::new() };
        while !feed.read.contains("\r\n\r\n") {
            feed.more().await;
        }
        assert!(feed.read.starts_with("HTTP/1.1 200"), "{}", feed.read);
        feed
    }

    async fn more(&mut self) {
        let mut chunk = [0; 4_096];
        let len = within("more of the feed", self.stream.read(&mut chunk)).await.unwrap();
        assert!(len > 0, "the feed ended");
        self.read.push_str(std::str::from_utf8(&chunk[..len]).unwrap());
    }

    /// The next event.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            // Chunks of the transfer begin with their lengths, on lines of their own.
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: ").map(str::to_owned));
                self.read = rest.to_owned();
                match data {
                    Some(data) => return serde_json::from_str(&data).unwrap(),
                    None => continue,
                }
            }
            self.more().await;
        }
    }

    /// The next event of a type; others are passed over.
    pub(crate) async fn next_of(&mut self, r#type: &str) -> Value {
        loop {
            let event = self.next().await;
            if event["type"] == r#type {
                return event;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_a_call_is_told_in_order() {
    let node = Running::start(Options::default()).await;
    let mut feed = Feed::of(&node).await;
    let (mut a, mut b) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
    a.dial("conf-told").await;
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(feed.next().await);
    }
    let types: Vec<&str> = told.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["conference.created", "call.ringing", "call.answered", "participant.joined"]);
    let call = told[1]["call"]["sid"].clone();
    assert_eq!(told[3]["participant"]["call_sid"], call);
    assert_eq!(told[3]["participant"]["conference_sid"], told[0]["conference"]["sid"]);
    let ids: Vec<u64> = told.iter().map(|event| event["id"].as_u64().unwrap()).collect();
    assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1), "{ids:?}");

    b.dial("conf-told").await;
    feed.next_of("conference.started").await;
    a.hang_up().await;
    assert_eq!(feed.next_of("participant.left").await["participant"]["call_sid"], call);
    assert_eq!(feed.next_of("call.completed").await["call"]["sid"], call);
    b.hang_up().await;
    let ended = feed.next_of("conference.ended").await;
    assert_eq!(ended["conference"]["reason_conference_ended"], "last-participant-left");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_is_told_and_who_stops() {
    let node = Running::start(Options::default()).await;
    let mut feed = Feed::of(&node).await;
    let (mut a, mut b) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
    a.dial("conf-speech").await;
    b.dial("conf-speech").await;
    a.rtp.speak(700);
    let started = feed.next_of("participant.speech-started").await;
    let speaker = started["participant"]["call_sid"].clone();
    assert_eq!(feed.next_of("conference.active-speaker").await["active_speaker"]["call_sid"], speaker);
    a.rtp.be_quiet();
    let stopped = feed.next_of("participant.speech-stopped").await;
    assert_eq!(stopped["participant"]["call_sid"], speaker);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_told_in_two_ways_is_one_with_its_duration_and_method() {
    let node = Running::start(Options::default()).await;
    let mut feed = Feed::of(&node).await;
    let mut peer = Peer::udp(node.node.sip).await;
    peer.dial("conf-keys").await;
    let call = feed.next_of("call.answered").await["call"]["sid"].clone();
    for (event, key) in [(5, "5"), (11, "#"), (5, "5")] {
        let body = format!("Signal={key}\r\nDuration=160\r\n");
        let info = peer.within_call("INFO").body("application/dtmf-relay", body);
        assert_eq!(peer.ask(&info).await.status(), Some(200));
        peer.rtp.press(101, event).await;
        let told = feed.next_of("call.digit").await;
        assert_eq!(told["digit"]["call_sid"], call);
        assert_eq!(told["digit"]["digit"], key);
        // The event wins if it comes while the other is still waited with, which a busy machine may not let it.
        let method = told["digit"]["method"].as_str().unwrap();
        assert!(["telephone-event", "info"].contains(&method), "{told}");
        assert!(told["digit"]["duration_ms"].as_u64().is_some_and(|duration| duration > 0), "{told}");
    }
    // Nothing of it is told again: what comes next is the end.
    peer.hang_up().await;
    let next = feed.next().await;
    assert_eq!(next["type"], "participant.left", "{next}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_typed_faster_than_they_are_answered_come_in_their_order() {
    let node = Running::start(Options::default()).await;
    let mut feed = Feed::of(&node).await;
    for mut peer in [Peer::udp(node.node.sip).await, Peer::tcp(node.node.sip).await] {
        peer.dial("conf-keys").await;
        for key in "4000056655665556003#".chars() {
            let info = peer.within_call("INFO").body("application/dtmf", key.to_string());
            peer.send(&info).await;
        }
        let mut typed = String::new();
        while typed.len() < 20 {
            typed.push_str(feed.next_of("call.digit").await["digit"]["digit"].as_str().unwrap());
        }
        assert_eq!(typed, "4000056655665556003#");
        peer.hang_up().await;
    }
}

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<TcpStream>>;

/// Asks for the feed over a WebSocket.
async fn follow(node: &Running, path: &str) -> Result<Socket, u16> {
    let mut request = format!("ws://{}{path}", node.node.http).into_client_request().unwrap();
    request.headers_mut().insert("authorization", node.authorization().parse().unwrap());
    match tokio_tungstenite::connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

/// The next event of a type; others, and pings, are passed over.
async fn told(socket: &mut Socket, r#type: &str) -> Value {
    loop {
        let message = within("a message", socket.next()).await.unwrap().unwrap();
        if let Message::Text(text) = message {
            let event: Value = serde_json::from_str(&text).unwrap();
            if event["type"] == r#type {
                return event;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_is_told_over_a_websocket_and_who_comes_back_goes_on() {
    let node = Running::start(Options::default()).await;
    let mut socket = follow(&node, "/v1/events").await.unwrap();
    let mut peer = Peer::udp(node.node.sip).await;
    peer.dial("conf-told").await;
    let ringing = told(&mut socket, "call.ringing").await;
    let joined = told(&mut socket, "participant.joined").await;
    assert_eq!(joined["participant"]["call_sid"], ringing["call"]["sid"]);
    // What a client says is nobody's business, and no reason to let it go.
    socket.send(Message::text("hello")).await.unwrap();
    drop(socket);

    peer.hang_up().await;
    let mut again = follow(&node, &format!("/v1/events?after={}", ringing["id"])).await.unwrap();
    let answered = told(&mut again, "call.answered").await;
    assert!(answered["id"].as_u64() > ringing["id"].as_u64());
    told(&mut again, "conference.ended").await;

    assert_eq!(follow(&node, "/v1/events?after=soon").await.err(), Some(400));
    node.node.stop().await;
    let closed = async {
        while let Some(Ok(message)) = again.next().await {
            if let Message::Close(Some(frame)) = message {
                return frame.code.into();
            }
        }
        0_u16
    };
    assert_eq!(within("the close", closed).await, 1_001);
}
