//! Keys that a caller presses, told by INFO.

use confab::server::Options;

use crate::peer::Peer;
use crate::running::Running;

const RELAY: &str = "application/dtmf-relay";
const ALONE: &str = "application/dtmf";

async fn status(peer: &mut Peer, kind: &str, body: &str) -> u16 {
    let info = peer.within_call("INFO").body(kind, body);
    peer.ask(&info).await.status().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_by_info_are_taken_and_what_is_none_is_refused_with_a_reason() {
    let node = Running::start(Options::default()).await;
    let mut peer = Peer::udp(node.node.sip).await;
    peer.dial("conf-keys").await;
    for (kind, body, expected) in [
        (RELAY, "Signal=5\r\nDuration=160\r\n", 200),
        ("Application/DTMF-Relay; charset=utf-8", "Signal= #\r\nDuration= 90\r\n", 200),
        (ALONE, "5", 200),
        (ALONE, "*\r\n", 200),
        // A flash hook is no key, and no mistake.
        (RELAY, "Signal=16\r\nDuration=160\r\n", 200),
        (RELAY, "Signal=hf\r\n", 200),
        (RELAY, "Duration=160\r\n", 400),
        (RELAY, "Signal=\r\n", 400),
        (ALONE, "55", 400),
        (ALONE, &"5".repeat(300), 400),
        ("application/card", "5", 415),
        ("text/plain", "Signal=5", 415),
    ] {
        assert_eq!(status(&mut peer, kind, body).await, expected, "{kind} {body:?}");
    }
    let refused = |reason: &str| format!("reason=\"{reason}\"");
    for (reason, count) in [("no_key", 3.0), ("malformed", 1.0), ("other_type", 2.0)] {
        assert_eq!(node.figure("confab_sip_infos_refused_total{", &refused(reason)).await, count, "{reason}");
    }
    let info = peer.within_call("INFO").body(ALONE, "x");
    let answer = peer.ask(&info).await;
    assert_eq!(answer.header("Reason"), "SIP;cause=400;text=\"no key in the body\"");
    // Without a body it asks whether we are there.
    let info = peer.within_call("INFO").without_body();
    assert_eq!(peer.ask(&info).await.status(), Some(200));
    peer.is_in_call().await;
    peer.hang_up().await;
}
