//! Far ends that send nothing.

use std::time::Duration;

use confab::server::Options;

use crate::peer::Peer;
use crate::running::Running;

#[tokio::test(flavor = "multi_thread")]
async fn a_far_end_that_stays_silent_is_sent_to_until_its_time_is_up() {
    let node = Running::start_with(Options::default(), &["--rtp-timeout=3s"]).await;
    let (mut silent, mut other) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
    other.dial("conf-silent").await;
    other.rtp.speak(700);
    silent.dial("conf-silent").await;
    // It has never said a word, and hears all the same.
    silent.rtp.hears(700).await;
    let reason = silent.is_hung_up().await;
    assert!(reason.contains("cause=102") && reason.contains("no RTP"), "{reason}");
    node.wait_for_calls("completed", 1).await;

    // Whoever fell silent later has as long from then on.
    other.is_in_call().await;
    other.rtp.be_quiet();
    assert!(other.is_hung_up().await.contains("no RTP"));
    node.wait_for_calls("completed", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rtcp_is_a_sign_of_life() {
    let node = Running::start_with(Options::default(), &["--rtp-timeout=3s"]).await;
    let (mut muted, mut other) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
    muted.dial("conf-muted").await;
    other.dial("conf-muted").await;
    // A receiver report without blocks (RFC 3550 §6.4.2), on the port of RTP as those do who multiplex.
    let report = [0x80, 201, 0, 1, 0, 0, 0, 9];
    let keep_alive = async {
        loop {
            muted.rtp.send(&report).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        reason = other.is_hung_up() => assert!(reason.contains("no RTP")),
        () = keep_alive => {}
    }
    muted.is_in_call().await;
    assert_eq!(node.calls_in_progress().await, 1);
    assert!(muted.is_hung_up().await.contains("no RTP"));
}
