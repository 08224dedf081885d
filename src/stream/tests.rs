//! Streams with servers that behave in every way, over connections in memory and in virtual time.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use confab_media::{
    Ask, Codec, Command, CommandId, Engine, EngineSettings, Feed, Frame, LegId, Player, PlayerId, SampleRate,
    Tap, TapSide, Tapped, Tick, Time, feed,
};
use futures_util::{SinkExt, StreamExt};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::crypto::ring;
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::protocol::{Opening, Parameters, Tracks};
use super::*;
use crate::config::{Networks, Secret};
use crate::sid::{AccountSid, CallSid, StreamSid};
use crate::telemetry::Metrics;
use crate::webhook::{Egress, Network, Stream};
use crate::worker::{Bell, Listener};

const LEG: LegId = LegId(1);

/// Hands the other end of each connection to the test.
struct Wires(mpsc::Sender<DuplexStream>);

/// Bytes on the way in each direction, as a system's buffers would hold.
const WIRE: usize = 16 * 1024;

#[async_trait]
impl Network for Wires {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }

    async fn connect(&self, _: SocketAddr) -> io::Result<Box<dyn Stream>> {
        let (ours, theirs) = duplex(WIRE);
        self.0.send(theirs).await.map_err(io::Error::other)?;
        Ok(Box::new(ours))
    }
}

/// A stream, and the servers that it finds.
struct World {
    ears: Arc<Ears>,
    forks: Forks,
    reports: mpsc::Receiver<Report>,
    servers: mpsc::Receiver<DuplexStream>,
    stream: StreamSid,
    step: Mutex<u64>,
}

impl World {
    fn new(url: &str) -> Self {
        Self::with(url, None)
    }

    /// One whose server is heard, if `speech` is there.
    fn with(url: &str, speech: Option<Speech>) -> Self {
        let (given, servers) = mpsc::channel(16);
        let egress = Egress::new(Networks::parse("127.0.0.0/8").expect("a network"));
        let keys = |_: &str| Some(Secret::new("token".to_owned()));
        let dialler =
            Dialler::over(Arc::new(Wires(given)), egress, None, Arc::new(keys)).expect("authorities");
        let ears = Arc::new(Ears::new(Bell::default()));
        let (forks, reports) = Forks::new(dialler, Arc::clone(&ears), &Metrics::new());
        let stream = StreamSid::generate();
        let world = Self { ears, forks, reports, servers, stream, step: Mutex::new(0) };
        world.begin(url, stream, speech);
        world
    }

    fn begin(&self, url: &str, stream: StreamSid, speech: Option<Speech>) {
        let (account, call) = (AccountSid::generate(), CallSid::generate());
        let parameters = Parameters::default();
        let opening = Opening { account, call, stream, tracks: Tracks::Inbound, parameters };
        self.forks.begin(Begin { leg: LEG, url: StreamUrl::parse(url).expect("a URL"), opening, speech });
    }

    /// Another stream of the same leg.
    fn another(&self, url: &str) -> StreamSid {
        let stream = StreamSid::generate();
        self.begin(url, stream, None);
        stream
    }

    async fn server(&mut self) -> WebSocketStream<DuplexStream> {
        accept_async(self.servers.recv().await.expect("a connection")).await.expect("a WebSocket")
    }

    /// So many steps of 20 ms are heard at once.
    fn hears(&self, steps: u64) {
        let mut step = self.step.lock().expect("no panic");
        for _ in 0..steps {
            self.ears.hear(&Tap {
                of: Tapped::Leg(LEG),
                tick: Tick(*step),
                at: Time::from_nanos(*step * 20_000_000),
                side: TapSide::Received,
                frame: Frame::silence(SampleRate::Hz8000),
                dropped_before: 0,
            });
            *step += 1;
        }
        self.ears.caught_up();
    }

    fn ends(&self) {
        self.forks.end(LEG, self.stream);
        self.ears.caught_up();
    }

    async fn report(&mut self) -> Report {
        self.reports.recv().await.expect("a report")
    }

    /// The code of a failure, which is to be reported next.
    async fn failure(&mut self) -> u32 {
        let report = self.report().await;
        let Report::Failed(_, problem) = report else { panic!("{report:?} is no failure") };
        problem.code
    }

    async fn is_started(&mut self) {
        assert_eq!(self.report().await, Report::Started(self.stream));
    }

    async fn note(&mut self) -> Problem {
        let report = self.report().await;
        let Report::Noted(_, problem) = report else { panic!("{report:?} is no note") };
        problem
    }
}

async fn next(server: &mut WebSocketStream<DuplexStream>) -> Value {
    let message = server.next().await.expect("a message").expect("a message");
    serde_json::from_str(message.to_text().expect("text")).expect("JSON")
}

fn timestamp(message: &Value) -> u64 {
    message["media"]["timestamp"].as_str().expect("a text").parse().expect("a number")
}

/// A call that hears a feed, and its clock.
struct Listening {
    engine: Engine,
    now: Time,
}

impl Listening {
    fn to(feed: Feed) -> Self {
        let mut engine = Engine::new(EngineSettings { legs_max: 1, conferences_max: 1, tap_frames_max: 0 });
        let leg = engine_leg::leg(LEG.0, engine_leg::media(LEG.0, Codec::Pcmu));
        for ask in [Ask::AddLeg(leg), Ask::Play(LEG, Player::of_feed(PlayerId(1), feed))] {
            engine.handle_command(Command { id: CommandId(0), ask });
        }
        Self { engine, now: Time::from_millis(1_000) }
    }

    fn tick(&mut self) {
        self.now += Duration::from_millis(20);
        self.engine.tick(self.now);
    }

    /// Its packets are sent: how many.
    fn sends(&mut self) -> usize {
        std::iter::from_fn(|| self.engine.poll_transmit().map(drop)).count()
    }
}

/// `connected` and `start` are heard.
async fn is_opened(server: &mut WebSocketStream<DuplexStream>) {
    assert_eq!(next(server).await["event"], "connected");
    let start = next(server).await;
    assert_eq!((&start["event"], &start["sequenceNumber"]), (&"start".into(), &"1".into()));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_nothing_loses_its_own_oldest_sound_and_is_told_how_much() {
    let mut world = World::new("ws://server.example/");
    let _deaf = world.server().await;
    world.is_started().await;
    // Twenty seconds at once, of which the wire takes some and the queue ten seconds.
    for _ in 0..100 {
        world.hears(10);
        tokio::task::yield_now().await;
    }
    assert_eq!(world.failure().await, 31_901);
    let mut server = world.server().await;
    world.is_started().await;
    is_opened(&mut server).await;
    let note = world.note().await;
    assert_eq!(note.code, 31_930);
    let first = next(&mut server).await;
    let timestamp: u64 = first["media"]["timestamp"].as_str().expect("a text").parse().expect("a number");
    assert_eq!(timestamp, 20 * (1_000 - CHUNKS_MAX as u64));
    // What was on its way, and what was dropped: all that is not here.
    let chunk: u64 = first["media"]["chunk"].as_str().expect("a text").parse().expect("a number");
    let dropped = 1_000 - CHUNKS_MAX as u64 - (chunk - 1);
    assert!(note.message.contains(&format!("{} ms", 20 * dropped)), "{}: {dropped}", note.message);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stalls_for_half_a_minute_has_a_gap_and_another_stream_of_the_call_has_none() {
    let mut world = World::new("ws://server.example/");
    let mut stalled = world.server().await;
    world.is_started().await;
    let other = world.another("ws://server.example/");
    let mut good = world.server().await;
    assert_eq!(world.report().await, Report::Started(other));
    for server in [&mut stalled, &mut good] {
        is_opened(server).await;
    }
    for step in 0..30 * 50 {
        world.hears(1);
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(timestamp(&next(&mut good).await), step * 20);
    }
    let mut times = vec![timestamp(&next(&mut stalled).await)];
    while times[times.len() - 1] < (30 * 50 - 1) * 20 {
        times.push(timestamp(&next(&mut stalled).await));
    }
    let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| *step != 20).collect();
    let [gap] = gaps[..] else { panic!("{gaps:?}") };
    // What was on the wire, and the last ten seconds.
    assert_eq!(times.len() as u64, 30 * 50 - (gap / 20 - 1));
    assert!(times.len() >= CHUNKS_MAX && gap > 15_000, "{gap}");
    let note = world.note().await;
    assert_eq!(note.code, 31_930);
    assert!(note.message.contains(&format!("{} ms", gap - 20)), "{}: {gap}", note.message);
}

#[tokio::test(start_paused = true)]
async fn the_end_does_not_wait_for_a_server_that_takes_nothing() {
    let mut world = World::new("ws://server.example/");
    let _deaf = world.server().await;
    world.is_started().await;
    world.hears(400);
    let began = tokio::time::Instant::now();
    world.ends();
    assert_eq!(world.report().await, Report::Ended(world.stream));
    assert!(began.elapsed() < Duration::from_secs(10), "in virtual time");
}

#[tokio::test(start_paused = true)]
async fn what_is_still_to_be_said_is_said_before_the_end() {
    let mut world = World::new("ws://server.example/");
    let mut server = world.server().await;
    world.is_started().await;
    world.hears(20);
    world.ends();
    is_opened(&mut server).await;
    for chunk in 1..=20 {
        assert_eq!(next(&mut server).await["media"]["chunk"], chunk.to_string());
    }
    assert_eq!(next(&mut server).await["event"], "stop");
    assert!(matches!(server.next().await, Some(Ok(Message::Close(_)))));
    assert_eq!(world.report().await, Report::Ended(world.stream));
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_read_slowly_noted_once_and_stops_nothing() {
    let mut world = World::new("ws://server.example/");
    let server = world.server().await;
    let (mut says, mut hears) = server.split();
    let flood = tokio::spawn(async move {
        for n in 0.. {
            let message = if n % 2 == 0 { Message::text("garbage") } else { Message::binary(vec![0; 900]) };
            if says.send(message).await.is_err() {
                return n;
            }
        }
        0
    });
    world.is_started().await;
    assert_eq!(world.note().await.code, 31_950);
    for step in 0..100 {
        world.hears(1);
        // `connected` and `start` come first.
        if step == 0 {
            hears.next().await.expect("connected").expect("connected");
            hears.next().await.expect("start").expect("start");
        }
        let message = hears.next().await.expect("a sound").expect("a sound");
        assert!(message.to_text().expect("text").contains(&format!("\"chunk\":\"{}\"", step + 1)));
    }
    world.ends();
    while hears.next().await.is_some_and(|message| message.is_ok()) {}
    drop(hears);
    assert_eq!(world.report().await, Report::Ended(world.stream));
    assert!(flood.await.expect("no panic") < 10_000, "it had to wait");
}

#[tokio::test(start_paused = true)]
async fn a_message_without_end_costs_its_socket_and_is_looked_behind() {
    let mut world = World::new("ws://server.example/");
    let mut server = world.server().await;
    world.is_started().await;
    // The head of a frame of a gigabyte (RFC 6455 §5.2).
    let head = [&[0x81, 127][..], &(1_u64 << 30).to_be_bytes()].concat();
    server.get_mut().write_all(&head).await.expect("room");
    assert_eq!(world.note().await.code, 31_951);
    assert_eq!(world.failure().await, 31_903);
    is_opened(&mut world.server().await).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_breaks_off_is_looked_for_and_one_that_breaks_the_protocol_too() {
    let mut world = World::new("ws://server.example/");
    let mut server = world.server().await;
    world.is_started().await;
    // It says no more, and would still hear.
    server.get_mut().shutdown().await.expect("its end");
    assert_eq!(world.failure().await, 31_903);
    let mut server = world.server().await;
    world.is_started().await;
    // A reserved opcode.
    server.get_mut().write_all(&[0x83, 0]).await.expect("room");
    assert_eq!(world.failure().await, 31_924);
    drop(server);
    let mut server = world.server().await;
    world.is_started().await;
    server.close(None).await.expect("its end");
    assert_eq!(world.failure().await, 31_921, "which is an end in order");
    assert_eq!(world.report().await, Report::Ended(world.stream));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_accepts_and_says_nothing_is_given_up() {
    let mut world = World::new("ws://server.example/");
    let _silent = world.servers.recv().await.expect("a connection");
    assert_eq!(world.failure().await, 31_901);
    assert_eq!(world.report().await, Report::Ended(world.stream));
}

#[tokio::test(start_paused = true)]
async fn marks_come_with_the_first_sound_after_their_packets_were_sent() {
    let (writer, feed) = feed(RATE);
    let (_keys, keys) = mpsc::channel(1);
    let mut world = World::with("ws://server.example/", Some(Speech { feed: writer, keys }));
    let mut listening = Listening::to(feed);
    let mut server = world.server().await;
    world.is_started().await;
    is_opened(&mut server).await;
    let sid = world.stream.to_string();
    let media = json!({"event": "media", "streamSid": sid, "media": {"payload": "f".repeat(320 / 3 * 4)}});
    let mark = |name: usize| json!({"event": "mark", "streamSid": sid, "mark": {"name": name.to_string()}});
    server.send(Message::text(media.to_string())).await.expect("room");
    // More than are told of in one write.
    for name in 0..250 {
        server.send(Message::text(mark(name).to_string())).await.expect("room");
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
    for step in 0..2 {
        listening.tick();
        world.hears(1);
        let heard = next(&mut server).await;
        assert_eq!((&heard["event"], timestamp(&heard)), (&"media".into(), step * 40));
        assert_eq!(listening.sends(), 1);
        world.hears(1);
        assert_eq!(timestamp(&next(&mut server).await), step * 40 + 20);
    }
    for name in 0..250 {
        let heard = next(&mut server).await;
        assert_eq!((&heard["event"], &heard["mark"]["name"]), (&"mark".into(), &name.to_string().into()));
    }
    world.hears(1);
    assert_eq!(timestamp(&next(&mut server).await), 80);
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_nobody_vouches_for_is_none() {
    let mut world = World::new("wss://server.example/");
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["server.example".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("a certificate");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let wire = world.servers.recv().await.expect("a connection");
    assert!(acceptor.accept(wire).await.is_err());
    let report = world.report().await;
    let Report::Failed(_, problem) = report else { panic!("{report:?} is no failure") };
    assert_eq!(problem.code, 31_910);
    assert!(problem.message.contains("certificate"), "{}", problem.message);
    assert_eq!(world.report().await, Report::Ended(world.stream));
}
