//! The judge of media streams on a node as a whole: a sound node has no fault but slowness, which is the machine's, also while
//! servers beside it misbehave; and each thing that is wrong with a stream is named. The defects are planted on the way between
//! the node and the load tester's servers, so that no build of the node needs to be wrong.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use confab::load::{
    FloorFinding, FloorReport, NodeApi, ScenarioPlan, StreamFault, StreamShare, Surroundings, What,
    run_scenario,
};
use confab::server::Options;
use futures_util::{SinkExt, StreamExt};

use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::{accept_hdr_async, connect_async};

use crate::running::Running;
use crate::stalls::repeat;

/// What is done to the message of this number that goes to the server, or comes from it: what goes on, and where to.
type Defect = fn(usize, bool, Value) -> Vec<(bool, Value)>;

/// Where the node's stream of a path is led, and what is done to it on its way.
type Way = fn(&str) -> (String, Defect);

fn nothing(_: usize, to_server: bool, message: Value) -> Vec<(bool, Value)> {
    vec![(to_server, message)]
}

/// A way from the node to the servers, which listen there.
async fn proxy(servers: SocketAddr, way: Way) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((node, _)) = listener.accept().await {
            tokio::spawn(pass(node, servers, way));
        }
    });
    address
}

async fn pass(node: TcpStream, servers: SocketAddr, way: Way) {
    let mut path = String::new();
    #[expect(clippy::result_large_err, reason = "the library's own type")]
    let look = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        path = request.uri().path().to_owned();
        Ok(response)
    };
    let mut node = accept_hdr_async(node, look).await.unwrap();
    let (path, defect) = way(&path);
    let (mut server, _) = connect_async(format!("ws://{servers}{path}")).await.unwrap();
    let mut counts = [0; 2];
    loop {
        let (to_server, message) = tokio::select! {
            message = node.next() => (true, message),
            message = server.next() => (false, message),
        };
        let Some(Ok(message)) = message else { return };
        let Message::Text(text) = message else { continue };
        let count = &mut counts[usize::from(to_server)];
        *count += 1;
        for (to_server, message) in defect(*count, to_server, serde_json::from_str(&text).unwrap()) {
            let message = Message::text(message.to_string());
            let sent = if to_server { server.send(message).await } else { node.send(message).await };
            if sent.is_err() {
                return;
            }
        }
    }
}

/// A port that is free now.
async fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// So many streams for some seconds, again and again until it is as `expected`, which no stall of the machine can make up.
async fn run(
    (streams, misbehaving): (usize, usize),
    way: Option<Way>,
    expected: impl Fn(&FloorReport) -> bool,
) -> FloorReport {
    let run = async || {
        let node = Running::start_with(Options::default(), &["--egress-allow=127.0.0.0/8"]).await;
        let mut share = StreamShare { misbehaving, ..StreamShare::default() };
        if let Some(way) = way {
            let servers = free().await;
            (share.listen, share.told) = (Some(servers), Some(proxy(servers, way).await));
        }
        // A sentence whose clear gets lost goes on to its end, which must be heard.
        let seconds = if way.is_some() { 7 } else { 3 };
        let plan = ScenarioPlan::new(What::Streams, streams, 1, seconds, 5).unwrap();
        let plan = plan.with_streams(share).unwrap();
        let api = NodeApi::new(node.node.http, node.account_sid.clone(), node.auth_token.clone());
        let surroundings = Surroundings { node_api: Some(api), ..Surroundings::default() };
        let report = run_scenario(node.node.sip, &plan, &surroundings).await.unwrap();
        node.node.stop().await;
        report
    };
    let mut starved = 0;
    repeat(run, |report| {
        expected(report) || {
            starved += usize::from(is_starved(report));
            starved == STARVED_MAX
        }
    })
    .await
}

/// Starved runs before we believe that this machine has no time for streams at all.
const STARVED_MAX: usize = 4;

/// Of 100 messages fewer are on time, or half of all are longer on their way: then the machine gives node and servers no time
/// to run, and what they say comes too late to be heard whole.
const STARVED_PERCENT: f64 = 90.0;
const STARVED_MS: f64 = 40.0;

/// Whether this machine has no time for streams, which is said then.
fn is_starved(report: &FloorReport) -> bool {
    let is_starved = report.streams.as_ref().is_some_and(|streamed| {
        let way = &streamed.heard_to_message_ms;
        streamed.messages_on_time_percent < STARVED_PERCENT || way.count == 0 || way.p50 > STARVED_MS
    });
    if is_starved {
        println!("this machine has no time for streams, and proves nothing");
    }
    is_starved
}

/// Whether nothing was found but what a machine is to blame for that is busy now and then.
fn is_only_slow(report: &FloorReport) -> bool {
    report.findings.iter().all(|finding| match finding {
        FloorFinding::Stream { fault, .. } => {
            matches!(fault, StreamFault::Late | StreamFault::MessageSlow | StreamFault::ClearSlow)
        }
        FloorFinding::CallersLate { .. } => true,
        _ => false,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_node_streams_what_was_said_whatever_other_servers_do() {
    let report = run((6, 4), None, is_only_slow).await;
    if is_starved(&report) {
        return;
    }
    assert!(is_only_slow(&report), "{report}");
    let streamed = report.streams.as_ref().unwrap();
    assert_eq!((streamed.forks, streamed.talks, streamed.misbehaving), (2, 4, 4));
    // Two tracks of two streams and one of four, of which some seconds are judged.
    assert!(streamed.sounds > 8 * 100 && streamed.dropped == 0, "{report}");
    assert!(streamed.said_to_message_ms.count > 8 * 100 && streamed.heard_to_message_ms.count > 4 * 100);
    assert!(streamed.sentences > 3 && streamed.sentences == streamed.sentences_heard, "{report}");
    // Each of them ends with its mark or is cleared.
    let ends = streamed.mark_off_ms.count + streamed.clear_to_silence_ms.count;
    assert_eq!(ends, streamed.sentences, "{report}");
    assert!(report.to_string().contains("from then to the message"));
}

/// The payload of a media message made something else.
fn other_sound(mut message: Value, make: impl Fn(&mut Vec<u8>)) -> Value {
    if let Some(payload) = message["media"]["payload"].as_str() {
        let mut sound = STANDARD.decode(payload).unwrap();
        make(&mut sound);
        message["media"]["payload"] = STANDARD.encode(sound).into();
    }
    message
}

fn wrong_way(path: &str) -> (String, Defect) {
    let defect: Defect = match path {
        // A message is lost.
        "/fork/1" => |n, to_server, message| {
            if to_server && n == 250 { vec![] } else { nothing(n, to_server, message) }
        },
        // Silence from a moment on.
        "/fork/3" => |n, to_server, message| {
            let is_silent = to_server && n > 250;
            vec![(
                to_server,
                if is_silent { other_sound(message, |sound| sound.fill(0xff)) } else { message },
            )]
        },
        // Marks come back at once, and not when their sound was heard.
        "/talk/4" => |n, to_server, message| match (&message["event"], to_server) {
            (Value::String(mark), false) if mark == "mark" => {
                let mut back = message.clone();
                back["sequenceNumber"] = n.to_string().into();
                vec![(true, back), (false, message)]
            }
            (Value::String(mark), true) if mark == "mark" => vec![],
            _ => vec![(to_server, message)],
        },
        // A clear is not heard. Of two, since each agent clears as the dice fall.
        "/talk/5" | "/talk/7" => |_, to_server, message| {
            if message["event"] == "clear" { vec![] } else { vec![(to_server, message)] }
        },
        // What is said is something else.
        "/talk/6" => |_, to_server, message| {
            let is_said = !to_server && message["event"] == "media";
            vec![(to_server, if is_said { other_sound(message, |sound| sound.reverse()) } else { message })]
        },
        _ => nothing,
    };
    let path = match path {
        // Two streams lead to each other's server.
        "/fork/0" => "/fork/2",
        "/fork/2" => "/fork/0",
        path => path,
    };
    (path.to_owned(), defect)
}

/// The callers of whose streams this was found.
fn of(report: &FloorReport, wanted: StreamFault) -> Vec<&str> {
    let found = report.findings.iter().find_map(|finding| match finding {
        FloorFinding::Stream { fault, streams, .. } if *fault == wanted => Some(streams),
        _ => None,
    });
    found.into_iter().flatten().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_stream_is_named_with_whose_it_is() {
    // A machine that stalls makes more that is not as it was said, and less of nothing that is here.
    let as_planted = |report: &FloorReport| {
        let clear = report
            .findings
            .iter()
            .any(|finding| matches!(finding, FloorFinding::Stream { fault: StreamFault::ClearSlow, .. }));
        let foreign = of(report, StreamFault::ForeignVoice) == ["caller 0", "caller 2"];
        let found = [
            (StreamFault::Chunk, "caller 1"),
            (StreamFault::Gap, "caller 1"),
            (StreamFault::SoundMissing, "caller 3"),
            (StreamFault::MarkOff, "caller 4"),
            (StreamFault::AgentStray, "caller 6"),
        ];
        foreign && clear && found.iter().all(|(fault, caller)| of(report, *fault).contains(caller))
    };
    let report = run((8, 0), Some(wrong_way), as_planted).await;
    if !as_planted(&report) && is_starved(&report) {
        return;
    }
    assert!(as_planted(&report), "{report}");
    assert_eq!(of(&report, StreamFault::Chunk), ["caller 1"], "{report}");
    assert_eq!(of(&report, StreamFault::SoundMissing), ["caller 3"], "{report}");
    assert!(of(&report, StreamFault::Sequence).contains(&"caller 1"), "{report}");
    assert!(!report.right && report.to_string().contains("that of caller 2"), "{report}");
    let streamed = report.streams.as_ref().unwrap();
    assert!(streamed.clear_to_silence_ms.max > 100.0, "{report}");
}
