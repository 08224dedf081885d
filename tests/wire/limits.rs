//! What a full, a used-up and a stopping node do.

use std::net::UdpSocket;

use confab::server::Options;

use crate::peer::{Peer, within};
use crate::running::Running;

#[tokio::test(flavor = "multi_thread")]
async fn one_too_many_for_a_conference_is_refused_and_disturbs_nobody() {
    let node = Running::start_with(Options::default(), &["--max-participants=2"]).await;
    let (mut a, mut b) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
    a.dial("conf-two").await;
    b.dial("conf-two").await;
    let mut third = Peer::udp(node.node.sip).await;
    let invite = third.invite("conf-two");
    assert_eq!(third.ask(&invite).await.status(), Some(486));
    a.rtp.speak(700);
    b.rtp.speak(1_100);
    tokio::join!(a.rtp.hears(1_100), b.rtp.hears(700));

    third.dial("conf-other").await;
    a.hang_up().await;
    third.hang_up().await;
    third.dial("conf-two").await;
    third.rtp.hears(1_100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_node_says_when_to_try_again() {
    let node = Running::start_with(Options::default(), &["--max-calls=1"]).await;
    let (mut a, mut b) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
    a.dial("conf-one").await;
    let invite = b.invite("conf-two");
    let refused = b.ask(&invite).await;
    assert_eq!((refused.status(), refused.has("Retry-After")), (Some(503), true));
    a.is_in_call().await;
    a.hang_up().await;
    b.dial("conf-two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_free_rtp_port_a_call_is_refused_and_the_next_is_not() {
    let port = free_pair();
    let node = Running::start_with(Options::default(), &[&format!("--rtp-ports={port}-{}", port + 1)]).await;
    let (mut a, mut b) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
    a.dial("conf-one").await;
    let invite = b.invite("conf-one");
    let refused = b.ask(&invite).await;
    assert_eq!((refused.status(), refused.has("Retry-After")), (Some(503), true));
    a.is_in_call().await;
    a.hang_up().await;
    within("the port to be free again", async {
        loop {
            let invite = b.invite("conf-one");
            if b.ask(&invite).await.status() == Some(200) {
                return;
            }
        }
    })
    .await;
}

/// Two ports that are free, of those that the system does not give away by itself and no other test has.
fn free_pair() -> u16 {
    let is_free = |&port: &u16| {
        let both = [port, port + 1].map(|port| UdpSocket::bind(("127.0.0.1", port)));
        both.iter().all(Result::is_ok)
    };
    (17_000..18_000).step_by(2).find(is_free).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_hangs_up_on_everybody() {
    let node = Running::start(Options::default()).await;
    let mut peers = Vec::new();
    for conference in ["conf-a", "conf-a", "conf-b"] {
        let mut peer =
            if peers.is_empty() { Peer::tcp(node.node.sip).await } else { Peer::udp(node.node.sip).await };
        peer.dial(conference).await;
        peers.push(peer);
    }
    let stopping = tokio::spawn(node.node.stop());
    for peer in &mut peers {
        let bye = peer.request_of("BYE").await;
        assert!(bye.header("Reason").contains("stopping"));
        peer.answer(&bye, "200 OK").await;
    }
    within("the node's end", stopping).await.unwrap();
}
