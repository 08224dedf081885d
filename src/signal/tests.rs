//! Connections in memory and in virtual time: how long who may say nothing.

use std::net::IpAddr;

use chrono::{TimeDelta, Utc};
use futures_util::{SinkExt, StreamExt};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::io::{DuplexStream, duplex};
use tokio::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::*;
use crate::call::scripted::{account, stopped};
use crate::config::{Codecs, Secret};
use crate::directory::MainAccount;
use crate::token::Wanted;

/// Bytes on the way in each direction, as a system's buffers would hold.
const WIRE: usize = 256 * 1_024;

struct World {
    routes: Router,
    tokens: Tokens,
    stop: watch::Sender<bool>,
}

impl World {
    fn new() -> Self {
        let main = MainAccount { sid: account(), auth_token: Secret::new("main".to_owned()) };
        let directory = Directory::in_memory(main);
        let tokens = Tokens::blank(directory.clone());
        let (stop, stopping) = watch::channel(false);
        let metrics = Metrics::new();
        let (address, codecs) = ((IpAddr::from([192, 0, 2, 1]), None), Codecs::default());
        let browsers =
            Browsers::start(Vec::new(), address, codecs, stopped(), &metrics).expect("a certificate");
        let tell = Box::new(drop);
        let state =
            SignalState { calls: stopped(), browsers, directory, tokens: tokens.clone(), tell, stopping };
        Self { routes: router(state, &metrics, Router::new()), tokens, stop }
    }

    async fn open(&self) -> Device {
        let (ours, theirs) = duplex(WIRE);
        let service = TowerToHyperService::new(self.routes.clone());
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(theirs), service)
                .with_upgrades();
            // How it ends is the test's affair.
            let _ = connection.await;
        });
        let (socket, _) = client_async("ws://node/signal", ours).await.expect("a WebSocket");
        Device { socket }
    }

    fn token(&self) -> String {
        let wanted = Wanted {
            account: account(),
            identity: "alice".to_owned(),
            application_sid: None,
            incoming_allow: true,
            is_supervisor: false,
            lifetime: TimeDelta::seconds(600),
        };
        self.tokens.issue(&wanted, Utc::now())
    }
}

struct Device {
    socket: WebSocketStream<DuplexStream>,
}

impl Device {
    async fn say(&mut self, kind: &str, payload: Value) {
        let text = json!({"type": kind, "payload": payload}).to_string();
        self.socket.send(Message::text(text)).await.expect("room");
    }

    /// What comes next: a message, a sign of life, or the end.
    async fn next(&mut self) -> Option<Value> {
        match self.socket.next().await?.ok()? {
            Message::Text(text) if text.as_str() == "\n" => Some(Value::Null),
            Message::Text(text) => Some(serde_json::from_str(&text).expect("JSON")),
            Message::Binary(_)
            | Message::Ping(_)
            | Message::Pong(_)
            | Message::Close(_)
            | Message::Frame(_) => None,
        }
    }

    async fn listen(&mut self, token: &str) {
        self.say("listen", json!({"token": token})).await;
        assert_eq!(self.next().await.expect("an answer")["type"], "connected");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stranger_has_ten_seconds_to_say_who_they_are() {
    let world = World::new();
    let (mut device, begin) = (world.open().await, Instant::now());
    assert_eq!(device.next().await, Some(Value::Null), "a sign of life");
    while device.next().await.is_some() {}
    assert!((10..12).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn signs_of_life_come_and_who_gives_none_is_let_go_of() {
    let world = World::new();
    let mut device = world.open().await;
    device.listen(&world.token()).await;
    // An hour of nothing but signs of life.
    let begin = Instant::now();
    for _ in 0..720 {
        let before = Instant::now();
        assert_eq!(device.next().await, Some(Value::Null));
        assert!(before.elapsed() < Duration::from_secs(15), "the SDK would give the connection up");
        device.socket.send(Message::text("\n")).await.expect("room");
    }
    assert!(begin.elapsed() >= Duration::from_secs(3_500));
    let silent = Instant::now();
    while device.next().await.is_some() {}
    assert!((20..30).contains(&silent.elapsed().as_secs()), "{:?}", silent.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stops_says_goodbye() {
    let world = World::new();
    let mut device = world.open().await;
    device.listen(&world.token()).await;
    device.say("register", json!({"media": {"audio": true}})).await;
    assert_eq!(device.next().await.expect("an answer")["type"], "ready");
    world.stop.send_replace(true);
    assert_eq!(device.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn so_many_strangers_may_come_and_no_more_and_agents_have_places_still() {
    let world = World::new();
    let mut agent = world.open().await;
    agent.listen(&world.token()).await;
    let mut strangers = Vec::new();
    for _ in 0..256 {
        strangers.push(world.open().await);
    }
    let (ours, theirs) = duplex(WIRE);
    let service = TowerToHyperService::new(world.routes.clone());
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(theirs), service);
    tokio::spawn(connection.with_upgrades());
    assert!(client_async("ws://node/signal", ours).await.is_err());
    // One who says who they are makes room.
    strangers[0].listen(&world.token()).await;
    world.open().await.listen(&world.token()).await;
}
