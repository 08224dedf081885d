//! The life of a call: INVITE, 200, ACK, BYE, what is repeated, cancelled or asked in between, and what is
//! refused.

use std::time::Duration;

use confab::server::Options;

use crate::message::audio_formats;
use crate::peer::Peer;
use crate::running::Running;

async fn node() -> Running {
    Running::start(Options::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_calls_hear_each_other_until_one_hangs_up() {
    let node = node().await;
    let (mut a, mut b) = (Peer::udp(node.node.sip).await, Peer::tcp(node.node.sip).await);
    a.dial("conf-talk").await;
    b.dial("conf-talk").await;
    a.rtp.speak(700);
    b.rtp.speak(1_100);
    tokio::join!(a.rtp.hears(1_100), b.rtp.hears(700), a.rtp.hears_no_more(700), b.rtp.hears_no_more(1_100));
    node.wait_for_calls("in-progress", 2).await;

    a.hang_up().await;
    b.rtp.hears_no_more(700).await;
    node.wait_for_calls("completed", 1).await;
    b.hang_up().await;
    node.wait_for_calls("completed", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retransmitted_invite_makes_no_second_call() {
    let node = node().await;
    let mut peer = Peer::udp(node.node.sip).await;
    let invite = peer.invite("conf-again");
    peer.send(&invite).await;
    let ok = peer.ask(&invite).await;
    peer.learn(&ok);
    let ack = peer.ack_of(&ok);
    peer.send(&ack).await;
    peer.is_in_call().await;

    // One that was long on its way, and one that came by another.
    peer.send(&invite).await;
    let merged = peer.by_another_way(&invite);
    assert_eq!(peer.ask(&merged).await.status(), Some(482));
    peer.is_in_call().await;
    assert_eq!(node.calls_in_progress().await, 1);
    let again = peer.ask(&invite).await;
    assert_eq!((again.status(), again.tag("To")), (Some(200), ok.tag("To")));
    assert_eq!(node.calls_in_progress().await, 1);
    peer.hang_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_that_comes_by_two_ways_is_answered_once_with_482() {
    let node = node().await;
    let mut peer = Peer::udp(node.node.sip).await;
    let invite = peer.invite("conf-merge").set("From", "\"One, Two\" <sip:peer@127.0.0.1>;tag=twice");
    let other = peer.by_another_way(&invite);
    peer.send(&invite).await;
    peer.send(&other).await;
    // Whichever of the two was looked at first.
    let mut answers = [peer.response_to(&invite).await.status(), peer.response_to(&other).await.status()];
    answers.sort_unstable();
    assert_eq!(answers, [Some(200), Some(482)]);
    assert_eq!(node.calls_in_progress().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_200_is_repeated_until_the_ack() {
    let node = node().await;
    let mut peer = Peer::udp(node.node.sip).await;
    let invite = peer.invite("conf-patience");
    let first = peer.ask(&invite).await;
    let second = peer.response_to(&invite).await;
    assert_eq!(first.to_bytes(), second.to_bytes());

    peer.learn(&first);
    let ack = peer.ack_of(&first);
    peer.send(&ack).await;
    peer.is_in_call().await;
    // The next would have come a second after the second.
    assert_eq!(peer.count_for(Duration::from_millis(1_500)).await, 0);
    peer.hang_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_that_comes_too_late_changes_nothing() {
    let node = node().await;
    let mut peer = Peer::udp(node.node.sip).await;
    let invite = peer.invite("conf-late");
    let ok = peer.ask(&invite).await;
    peer.learn(&ok);
    // RFC 3261 §9.2: the transaction is known, so 200; it has its final response, so nothing else.
    let cancel = peer.cancel_of(&invite);
    assert_eq!(peer.ask(&cancel).await.status(), Some(200));
    let ack = peer.ack_of(&ok);
    peer.send(&ack).await;
    peer.is_in_call().await;
    assert_eq!(peer.ask(&cancel).await.status(), Some(200));
    peer.is_in_call().await;

    let unknown = peer.by_another_way(&cancel);
    assert_eq!(peer.ask(&unknown).await.status(), Some(481));
    peer.is_in_call().await;
    assert_eq!(node.calls_in_progress().await, 1);
    peer.hang_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn options_tells_what_the_node_can_do_and_leaves_calls_alone() {
    let node = node().await;
    let mut peer = Peer::udp(node.node.sip).await;
    let outside = peer.request("OPTIONS", "conf-x");
    let answer = peer.ask(&outside).await;
    assert_eq!(answer.status(), Some(200));
    assert!(answer.header("Allow").contains("INVITE") && answer.header("Accept").contains("application/sdp"));
    assert_eq!(answer.header("Supported"), "timer, replaces");

    let mut other = Peer::udp(node.node.sip).await;
    peer.dial("conf-options").await;
    other.dial("conf-options").await;
    peer.is_in_call().await;
    other.rtp.speak(900);
    peer.rtp.hears(900).await;
    peer.is_in_call().await;
    let nowhere = peer.request("OPTIONS", "conf-x").set("To", "<sip:conf-x@127.0.0.1>;tag=nobody");
    assert_eq!(peer.ask(&nowhere).await.status(), Some(481));
    peer.hang_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_an_unknown_method_is_refused_and_the_connection_lives() {
    let node = node().await;
    let mut listener = Peer::udp(node.node.sip).await;
    listener.dial("conf-odd").await;
    for mut peer in [Peer::udp(node.node.sip).await, Peer::tcp(node.node.sip).await] {
        peer.dial("conf-odd").await;
        for (method, status) in [("FROBNICATE", 501), ("SUBSCRIBE", 405), ("REGISTER", 405)] {
            let request = peer.request(method, "conf-odd");
            let answer = peer.ask(&request).await;
            assert_eq!(answer.status(), Some(status));
            assert!(answer.header("Allow").contains("INVITE"));
        }
        let within = peer.within_call("FROBNICATE");
        assert_eq!(peer.ask(&within).await.status(), Some(501));
        peer.rtp.speak(1_300);
        listener.rtp.hears(1_300).await;
        peer.is_in_call().await;
        peer.hang_up().await;
        listener.rtp.hears_no_more(1_300).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn junk_on_a_connection_between_messages_costs_no_call() {
    let node = node().await;
    let mut peer = Peer::tcp(node.node.sip).await;
    peer.dial("conf-junk").await;
    peer.send_bytes(b"\r\n\r\n").await;
    peer.send_bytes(b"OPTIONS sip:x SIP/2.0\r\nNothing: else\r\nContent-Length: 0\r\n\r\n").await;
    peer.send_bytes(b"SIP/2.0 200 OK\r\nVia: of nobody\r\nContent-Length: 0\r\n\r\n").await;
    // The answer to the keep-alive is no message; it is read as blank lines before the next one.
    peer.is_in_call().await;
    peer.hang_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_datagram_without_content_length_keeps_its_body() {
    let node = node().await;
    let (mut a, mut b) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
    let invite = a.invite("conf-uncounted").sdp(&a.description_of("8", "")).uncounted();
    let ok = a.dial_with(&invite).await;
    // An answer, and not an offer to one who made none.
    assert_eq!(audio_formats(&ok.description()), ["8"]);
    b.dial("conf-uncounted").await;
    b.rtp.speak(500);
    a.rtp.hears(500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_is_not_utf_8_survives() {
    let node = node().await;
    let mut peer = Peer::udp(node.node.sip).await;
    let invite = peer
        .invite("conf-latin")
        .set("From", b"\"J\xfcrgen\" <sip:juergen@127.0.0.1>;tag=latin")
        .with("Subject", b"\xe9t\xe9 \xff");
    let ok = peer.ask(&invite).await;
    assert_eq!((ok.status(), ok.tag("From").as_deref()), (Some(200), Some("latin")));
    assert_eq!(node.get("Calls.json").await["calls"][0]["from"], "juergen");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_served_is_refused_with_its_reason() {
    let node = node().await;
    let mut peer = Peer::udp(node.node.sip).await;
    let required = peer.invite("conf-refused").with("Require", "timer, 100rel, x-nobody");
    let refused = peer.ask(&required).await;
    assert_eq!((refused.status(), refused.header("Unsupported").as_str()), (Some(420), "100rel, x-nobody"));

    let unknown = peer.description_of("18 4", "a=rtpmap:18 G729/8000\r\n");
    let invites = [
        (peer.invite("conf-refused").set("Max-Forwards", "0"), 483),
        (peer.invite("somebody"), 404),
        (peer.invite("conf-"), 404),
        (peer.invite("conf-refused").sdp(&unknown), 488),
        (peer.invite("conf-refused").body("text/plain", "hello"), 415),
    ];
    for (invite, status) in invites {
        assert_eq!(peer.ask(&invite).await.status(), Some(status), "{}", invite.text());
    }
    assert_eq!(node.calls_in_progress().await, 0);
    // None of it left anything behind.
    peer.dial("conf-refused").await;
    peer.hang_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_before_the_ack_is_put_off() {
    let node = node().await;
    let mut peer = Peer::udp(node.node.sip).await;
    let invite = peer.invite("conf-early");
    let ok = peer.ask(&invite).await;
    peer.learn(&ok);
    let early = peer.within_call("OPTIONS");
    let answer = peer.ask(&early).await;
    assert_eq!((answer.status(), answer.has("Retry-After")), (Some(500), true));
    let early = peer.within_call("INVITE").sdp(&peer.description());
    assert_eq!(peer.ask(&early).await.status(), Some(491));
    let ack = peer.ack_of(&ok);
    peer.send(&ack).await;
    peer.is_in_call().await;
    peer.renegotiate(&peer.description()).await;
    // One may hang up at any time.
    let mut other = Peer::udp(node.node.sip).await;
    let invite = other.invite("conf-early");
    let ok = other.ask(&invite).await;
    other.learn(&ok);
    other.hang_up().await;
    node.wait_for_calls("completed", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_right_behind_the_ack_are_answered() {
    let node = node().await;
    for _ in 0..20 {
        let mut peer = Peer::udp(node.node.sip).await;
        let invite = peer.invite("conf-hasty");
        let ok = peer.ask(&invite).await;
        peer.learn(&ok);
        let ack = peer.ack_of(&ok);
        let hold = peer.within_call("INVITE").sdp(&peer.description_of("0", "a=sendonly\r\n"));
        peer.send(&ack).await;
        let held = peer.ask(&hold).await;
        assert_eq!(held.status(), Some(200));
        let ack = peer.ack_of(&held);
        let update = peer.within_call("UPDATE");
        peer.send(&ack).await;
        assert_eq!(peer.ask(&update).await.status(), Some(200));
        peer.hang_up().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_do_not_begin_shortly_before_their_numbers_begin_again() {
    let node = node().await;
    for _ in 0..12 {
        let mut phone = Peer::udp(node.node.sip).await;
        phone.dial("conf-numbers").await;
        let first = phone.rtp.next(1).await[0].sequence;
        // Whoever lost some hundred before it knows all the same which are its first.
        assert!(first < 0x8000 + 100, "{first:#x}");
        phone.hang_up().await;
    }
}
