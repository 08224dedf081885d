//! A defect on a media thread, planted: it costs the calls of that thread, and nobody else.
#![cfg(feature = "planted-faults")]

use confab::server::Options;
use confab_media::Fault;

use crate::peer::Peer;
use crate::running::Running;

/// What makes a media thread panic: no RTP, and nothing that anything else here sends.
const TRIGGER: &[u8] = b"panic";

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_on_a_media_thread_ends_its_calls_and_no_others() {
    let options = Options { fault: Some(Fault::Panic(TRIGGER)), ..Options::default() };
    let node = Running::start_with(options, &["--media-threads=2"]).await;
    // Conferences go to the least loaded thread, so each of these two has one to itself.
    let mut calls = Vec::new();
    for conference in ["conf-lost", "conf-lost", "conf-kept", "conf-kept"] {
        let mut peer = Peer::udp(node.node.sip).await;
        peer.dial(conference).await;
        calls.push(peer);
    }
    let mut kept = calls.split_off(2);
    kept[0].rtp.speak(700);
    kept[1].rtp.hears(700).await;

    // Before it there was sound, so the thread lives on after it and not before.
    calls[0].rtp.speak(1_100);
    calls[1].rtp.hears(1_100).await;
    calls[0].rtp.send(TRIGGER).await;
    for peer in &mut calls {
        let reason = peer.is_hung_up().await;
        assert!(reason.contains("media failed"), "{reason}");
    }
    node.wait_for_calls("failed", 2).await;
    assert_eq!(node.figure("confab_media_panics_total{", "").await, 1.0);

    kept[1].rtp.hears(700).await;
    for peer in &mut kept {
        peer.is_in_call().await;
    }
    // Both threads take calls again, and one of a name that was lost is like any other.
    for conference in ["conf-lost", "conf-new"] {
        let (mut a, mut b) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
        a.dial(conference).await;
        b.dial(conference).await;
        a.rtp.speak(1_300);
        b.rtp.hears(1_300).await;
    }
}
