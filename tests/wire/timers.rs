//! Session timers (RFC 4028) with the node as the called side. Its shortest interval is a minute and a half; here
//! it is a few seconds, so that an interval passes while a test runs.

use confab::server::Options;

use crate::peer::Peer;
use crate::running::Running;

async fn node() -> Running {
    Running::start(Options::default().with_session_interval_min(4)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn too_short_an_interval_is_refused_with_the_shortest() {
    let node = Running::start(Options::default()).await;
    let mut peer = Peer::udp(node.node.sip).await;
    let invite = peer.invite("conf-timer").with("Session-Expires", "89").with("Supported", "timer");
    let refused = peer.ask(&invite).await;
    assert_eq!((refused.status(), refused.header("Min-SE").as_str()), (Some(422), "90"));

    // One who would not understand that is taken as it is.
    let invite = peer.invite("conf-timer").with("x", "89");
    assert!(!peer.dial_with(&invite).await.has("Session-Expires"));
    // In a call too, and it leaves the call as it was.
    let update = peer.within_call("UPDATE").with("Session-Expires", "10").with("k", "timer");
    assert_eq!(peer.ask(&update).await.status(), Some(422));
    peer.is_in_call().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_was_to_refresh_and_does_not_is_hung_up_on() {
    let node = node().await;
    let mut peer = Peer::udp(node.node.sip).await;
    let invite = peer.invite("conf-timer").with("Session-Expires", "4").with("Supported", "timer");
    let ok = peer.dial_with(&invite).await;
    assert_eq!(ok.header("Session-Expires"), "4;refresher=uac");
    assert_eq!(ok.header("Require"), "timer");
    // Refreshed once, by one means, and then never again.
    let update =
        peer.within_call("UPDATE").with("Session-Expires", "4;refresher=uac").with("Supported", "timer");
    let refreshed = peer.ask(&update).await;
    assert_eq!(refreshed.header("Session-Expires"), "4;refresher=uac");
    assert!(peer.is_hung_up().await.contains("session expired"));
    node.wait_for_calls("completed", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_with_update_that_wants_us_to_refresh_gets_updates() {
    let node = node().await;
    let mut peer = Peer::udp(node.node.sip).await;
    let invite = peer
        .invite("conf-timer")
        .with("Session-Expires", "4;refresher=uas")
        .with("Supported", "timer")
        .with("Allow", "INVITE, ACK, BYE, UPDATE");
    let ok = peer.dial_with(&invite).await;
    assert_eq!(ok.header("Session-Expires"), "4;refresher=uas");
    for _ in 0..2 {
        let update = peer.request_of("UPDATE").await;
        assert_eq!(update.header("Session-Expires"), "4;refresher=uac");
        assert!(update.body.is_empty());
        peer.answer(&update, "200 OK").await;
    }
    // One who forgot the call.
    let update = peer.request_of("UPDATE").await;
    peer.answer(&update, "481 Call/Transaction Does Not Exist").await;
    assert!(peer.is_hung_up().await.contains("refresh failed"));
    node.wait_for_calls("completed", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_update_is_refreshed_by_a_re_invite_that_changes_nothing() {
    let node = node().await;
    let (mut peer, mut other) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
    other.dial("conf-timer").await;
    other.rtp.speak(700);
    // It does not know timers: something on its way wants them.
    let invite = peer.invite("conf-timer").with("Session-Expires", "4").sdp(&peer.description_of("8", ""));
    let ok = peer.dial_with(&invite).await;
    assert_eq!(ok.header("Session-Expires"), "4;refresher=uas");
    for _ in 0..2 {
        let reinvite = peer.request_of("INVITE").await;
        assert_eq!(reinvite.header("Session-Expires"), "4;refresher=uac");
        assert_eq!(reinvite.description(), ok.description());
        let answer = peer.answer_to(&reinvite, "200 OK").with("Contact", format!("<{}>", peer.contact));
        let answer = answer.sdp(&peer.description_of("8", ""));
        peer.send(&answer).await;
        let ack = peer.request_of("ACK").await;
        assert_eq!(ack.header("CSeq").replace("ACK", "INVITE"), reinvite.header("CSeq"));
        peer.rtp.hears(700).await;
    }
    peer.hang_up().await;
}
