//! The live feed.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::StatusCode;
use futures_util::StreamExt;
use serde_json::Value;
use tower::ServiceExt;

use super::{Node, Tour};

/// A client that reads the feed.
struct Client {
    body: BodyDataStream,
    read: String,
}

/// One message of it.
#[derive(Debug, Default)]
struct Message {
    id: String,
    r#type: String,
    data: Value,
}

impl Client {
    async fn connect(node: &Node, path: &str, last: Option<&str>) -> Self {
        let mut request = node.request("GET", path);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let request = request.body(Body::empty()).expect("a request");
        let response = node.router.clone().oneshot(request).await.expect("never fails");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), read: String::new() }
    }

    /// The next message; `None` at the end of the feed.
    async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some((message, rest)) = self.read.split_once("\n\n") {
                let message = parse(message);
                self.read = rest.to_owned();
                return Some(message);
            }
            let chunk = self.body.next().await?.expect("a chunk");
            self.read.push_str(std::str::from_utf8(&chunk).expect("text"));
        }
    }
}

fn parse(text: &str) -> Message {
    let mut message = Message::default();
    for line in text.lines() {
        match line.split_once(": ") {
            Some(("id", id)) => message.id = id.to_owned(),
            Some(("event", r#type)) => message.r#type = r#type.to_owned(),
            Some(("data", data)) => message.data = serde_json::from_str(data).expect("JSON"),
            other => panic!("{other:?} in {text}"),
        }
    }
    message
}

impl Tour {
    async fn mute(&self, muted: bool) {
        let path = "/Conferences/{CF}/Participants/{CA}.json";
        self.post(path, &format!("Muted={muted}")).await.ok();
    }
}

#[tokio::test]
async fn what_is_done_over_the_api_is_told_in_order() {
    let tour = Tour::start();
    let mut client = Client::connect(&tour.node, "/v1/events", None).await;
    tour.mute(true).await;
    tour.mute(false).await;
    let muted = client.next().await.expect("a message");
    assert_eq!(muted.r#type, "participant.muted");
    assert_eq!(muted.data["type"], "participant.muted");
    assert_eq!(muted.data["participant"]["call_sid"], tour.calls[0].to_string());
    assert_eq!(muted.data["participant"]["muted"], true);
    assert_eq!(muted.data["account_sid"], tour.node.account.to_string());
    assert_eq!(muted.data["id"].to_string(), muted.id);
    let unmuted = client.next().await.expect("a message");
    assert_eq!(unmuted.r#type, "participant.unmuted");
    assert!(unmuted.data["id"].as_u64() > muted.data["id"].as_u64());
}

#[tokio::test]
async fn who_comes_back_goes_on_after_the_last_they_saw() {
    let tour = Tour::start();
    let mut client = Client::connect(&tour.node, "/v1/events", None).await;
    for muted in [true, false, true] {
        tour.mute(muted).await;
    }
    let first = client.next().await.expect("a message");
    drop(client);
    for (path, header) in [("/v1/events".to_owned(), true), (format!("/v1/events?after={}", first.id), false)]
    {
        let mut client = Client::connect(&tour.node, &path, header.then_some(first.id.as_str())).await;
        let second = client.next().await.expect("a message");
        assert_eq!(second.r#type, "participant.unmuted");
        assert_eq!(client.next().await.expect("a message").r#type, "participant.muted");
    }
}

#[tokio::test]
async fn an_id_from_before_what_is_kept_tells_what_is_missing() {
    let tour = Tour::start();
    let mut client = Client::connect(&tour.node, "/v1/events", Some("7")).await;
    tour.mute(true).await;
    let missed = client.next().await.expect("a message");
    assert_eq!(missed.r#type, "missed");
    assert_eq!(missed.data["first"], 8);
    assert_eq!(missed.data["last"].to_string(), missed.id);
    assert_eq!(client.next().await.expect("a message").r#type, "participant.muted");
}

#[tokio::test(start_paused = true)]
async fn a_silent_feed_is_kept_alive_and_ends_when_the_node_stops() {
    let tour = Tour::start();
    let mut client = Client::connect(&tour.node, "/v1/events", None).await;
    let alive = tokio::time::timeout(Duration::from_secs(20), client.body.next()).await;
    assert_eq!(alive.expect("in time").expect("a chunk").expect("no error"), ":\n\n");
    tour.node.stopping.send(true).expect("somebody listens");
    assert!(client.next().await.is_none());
}

#[tokio::test]
async fn the_feed_wants_credentials_and_ids_that_are_numbers() {
    let tour = Tour::start();
    for path in ["/v1/events", "/v1/nothing"] {
        let request = axum::http::Request::get(path).body(Body::empty()).expect("a request");
        tour.node.ask(request).await.assert_error(401, 20_003);
    }
    tour.node.send("GET", "/v1/events?after=yesterday", None).await.assert_error(400, 20_001);
    tour.node.send("GET", "/v1/nothing", None).await.assert_error(404, 20_404);
    tour.node.send("POST", "/v1/events", Some("")).await.assert_error(405, 20_004);
}
