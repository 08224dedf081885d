//! What nobody should send to a WebSocket, and what comes of it: nothing for anybody else.

use confab::server::Options;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame as Piece;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::{alice, invite_of_alice, node, stranger};
use crate::app::App;
use crate::peer::{Peer, within};
use crate::running::Running;

/// The status with which a node answers a request to open a WebSocket that has these lines.
async fn opened(node: &Running, lines: &str) -> u16 {
    let mut stream = TcpStream::connect(node.node.http).await.unwrap();
    let request = format!("GET /sip HTTP/1.1\r\nHost: node\r\nConnection: close, Upgrade\r\n{lines}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    within("an answer", stream.read_exact(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer[9..]).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_sip_is_spoken_and_only_where_there_are_agents() {
    let key =
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let of = |protocol: &str| format!("{key}Sec-WebSocket-Protocol: {protocol}\r\n");
    let node = node().await;
    for (lines, status) in [
        (String::new(), 400),
        (key.to_owned(), 400),
        (of("chat"), 400),
        (of("SIP2, sips"), 400),
        (of("chat, sip"), 101),
        // Any page may open one, and can do nothing with it.
        (of("sip") + "Origin: https://elsewhere.example\r\nCookie: confab=1\r\n", 101),
    ] {
        assert_eq!(opened(&node, &lines).await, status, "{lines}");
    }
    let lonely = Running::start(Options::default()).await;
    assert_eq!(opened(&lonely, &of("sip")).await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_no_agent_may_call_nobody() {
    let node = node().await;
    let mut nobody = stranger(&node).await;
    let invite = nobody.invite("conf-floor");
    assert_eq!(nobody.ask(&invite).await.status(), Some(401), "though phones may without a password");
    let register = nobody.register("alice");
    assert_eq!(nobody.ask(&register).await.status(), Some(401));
    let options = nobody.request("OPTIONS", "conf-floor");
    assert_eq!(nobody.ask(&options).await.status(), Some(200));
    assert_eq!(node.get("Calls.json").await["calls"].as_array().map(Vec::len), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_is_passed_over_and_one_in_pieces_is_whole() {
    let node = node().await;
    let mut browser = stranger(&node).await;
    for garbage in
        [&b"hello"[..], b"\0\0\0\0", b"\xff\xfe SIP/2.0", b"INVITE", b"\r\n", b"", b"SIP/2.0 200 OK\r\n\r\n"]
    {
        browser.send_bytes(garbage).await;
    }
    // An empty line twice is a question whether we are there (RFC 5626 §3.5.1).
    browser.send_bytes(b"\r\n\r\n").await;
    let answer = within("an empty line", browser.socket().next()).await.unwrap().unwrap();
    assert_eq!(answer.into_data().as_ref(), b"\r\n");
    browser.socket().send(Frame::Ping(b"there?".to_vec().into())).await.unwrap();
    let answer = within("a pong", browser.socket().next()).await.unwrap().unwrap();
    assert_eq!(answer, Frame::Pong(b"there?".to_vec().into()));

    // A message needs no Content-Length (RFC 7118 §5), and may come as bytes, and in several frames.
    let options = browser.request("OPTIONS", "x").uncounted();
    assert_eq!(browser.ask(&options).await.status(), Some(200));
    let options = browser.request("OPTIONS", "x");
    let bytes = options.to_bytes();
    let (first, rest) = bytes.split_at(40);
    for (piece, code, is_last) in [(first, Data::Binary, false), (rest, Data::Continue, true)] {
        let piece = Piece::message(piece.to_vec(), OpCode::Data(code), is_last);
        browser.socket().send(Frame::Frame(piece)).await.unwrap();
    }
    assert_eq!(browser.response_to(&options).await.status(), Some(200));

    // Half of one is none: the other half does not come with the next.
    let invite = browser.invite("conf-floor");
    let half = invite.to_bytes();
    browser.send_bytes(&half[..half.len() - 20]).await;
    let refused = browser.response_to(&invite).await;
    assert_eq!(refused.status(), Some(400), "{}", refused.text());
    browser.send_bytes(&half[half.len() - 20..]).await;
    let options = browser.request("OPTIONS", "x");
    assert_eq!(browser.ask(&options).await.status(), Some(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_or_no_frame_ends_the_connection_and_no_other() {
    let node = node().await;
    let mut other = stranger(&node).await;
    let mut browser = stranger(&node).await;
    // What the node does not read any more may not all be taken.
    let _ = browser.socket().send(Frame::text("x".repeat(70_000))).await;
    assert!(matches!(ends(&mut browser).await, Some(1_009) | None));
    // Bits that mean nothing.
    let mut browser = stranger(&node).await;
    let MaybeTlsStream::Plain(stream) = browser.socket().get_mut() else { panic!("it is over TLS") };
    stream.write_all(&[0xf3, 0x81, 0, 0, 0, 0, 0]).await.unwrap();
    assert_eq!(ends(&mut browser).await, Some(1_002));
    let options = other.request("OPTIONS", "x");
    assert_eq!(other.ask(&options).await.status(), Some(200));
}

/// The code with which the node closes, if it does so in order.
async fn ends(browser: &mut Peer) -> Option<u16> {
    within("the end of a connection", async {
        loop {
            match browser.socket().next().await {
                Some(Ok(Frame::Close(Some(close)))) => return Some(close.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_back_by_the_connection_whatever_a_via_says() {
    let node = node().await;
    let mut elsewhere = Peer::udp(node.node.sip).await;
    let mut browser = stranger(&node).await;
    let there = elsewhere.address();
    for via in [
        format!("SIP/2.0/UDP {there};branch=z9hG4bKa;rport"),
        format!("SIP/2.0/TCP {there};branch=z9hG4bKb;received=127.0.0.9"),
        "SIP/2.0/WSS x.invalid;branch=z9hG4bKc".to_owned(),
    ] {
        let options = browser.request("OPTIONS", "x").set("Via", via);
        assert_eq!(browser.ask(&options).await.status(), Some(200));
    }
    assert_eq!(elsewhere.count_for(std::time::Duration::from_millis(50)).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_answered_and_who_is_beside_it_does_not_notice() {
    let node = node().await;
    let mut flood = stranger(&node).await;
    let requests: Vec<_> = (0..300).map(|_| flood.request("OPTIONS", "x")).collect();
    for request in &requests {
        flood.send(request).await;
    }
    let mut browser = alice(&node).await;
    let invite = invite_of_alice(&mut browser, "conf-floor").await;
    browser.dial_with(&invite).await;
    for request in &requests {
        assert_eq!(flood.response_to(request).await.status(), Some(200));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_whose_connection_is_gone_before_the_answer_has_given_up() {
    let app = App::start().await;
    app.says("voice", "<Pause length=\"60\"/><Dial><Conference>floor</Conference></Dial>");
    let routes = format!(
        "egress_allow = [\"127.0.0.0/8\"]\n{}[[route]]\nuser = \"wait\"\nvoice_url = \"{}\"\n",
        super::AGENTS,
        app.url("voice")
    );
    let node = Running::start_with_file(Options::default(), &routes).await;
    let mut browser = alice(&node).await;
    let invite = invite_of_alice(&mut browser, "wait").await;
    browser.send(&invite).await;
    app.told("voice", 1).await;
    browser.hangs_up_the_wire().await;
    node.wait_for_calls("canceled", 1).await;
}
