//! RTP from one who is not the far end: neither mixed nor sent to, whenever it comes and from wherever.

use std::net::Ipv4Addr;

use confab::server::Options;

use crate::message::audio_port;
use crate::peer::Peer;
use crate::rtp::Rtp;
use crate::running::Running;

/// Packets of a stranger that must be without effect: more than enough to be latched, were it let.
const ATTACK: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_neither_mixed_nor_sent_to() {
    let node = Running::start(Options::default()).await;
    let (mut victim, mut listener) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
    listener.dial("conf-stranger").await;
    let ok = victim.dial("conf-stranger").await;
    let target = (node.node.sip.ip(), audio_port(&ok.description())).into();

    // From another port of the far end's address, and from another address.
    let strangers = [Rtp::new().await, Rtp::at(Ipv4Addr::new(127, 0, 0, 2)).await];
    for stranger in &strangers {
        stranger.aim(target);
    }
    // Before the far end has said a word.
    strangers[0].speak(1_700);
    strangers[1].speak(2_300);
    has_no_effect(&listener, &strangers).await;
    // After.
    victim.rtp.speak(700);
    listener.rtp.hears(700).await;
    has_no_effect(&listener, &strangers).await;
    listener.rtp.hears(700).await;
    // And when signalling has named the far end once more.
    victim.renegotiate(&victim.description()).await;
    has_no_effect(&listener, &strangers).await;

    listener.rtp.speak(1_100);
    victim.rtp.hears(1_100).await;
    assert!(victim.rtp.packets().iter().all(|packet| packet.source == target));
    let discarded = node.figure("confab_media_datagrams_discarded_total", "reason=\"not_far_end\"").await;
    assert!(discarded > 0.0, "nothing came from strangers, so nothing is proved");
}

async fn has_no_effect(listener: &Peer, strangers: &[Rtp]) {
    let heard = listener.rtp.next(ATTACK).await;
    assert!(!Rtp::any_has(&heard, 1_700) && !Rtp::any_has(&heard, 2_300), "a stranger was mixed");
    assert!(strangers.iter().all(|stranger| stranger.count() == 0), "a stranger was sent to");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_behind_a_nat_is_latched_by_its_stream_and_nobody_after_it() {
    let node = Running::start(Options::default()).await;
    let (mut phone, mut other) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
    other.dial("conf-nat").await;
    // It names an address of its own network, where nobody can be reached from here.
    let private = phone.description().replace("c=IN IP4 127.0.0.1", "c=IN IP4 127.0.0.3");
    let invite = phone.invite("conf-nat").sdp(&private);
    let ok = phone.dial_with(&invite).await;
    phone.rtp.speak(700);
    other.rtp.speak(1_100);
    tokio::join!(phone.rtp.hears(1_100), other.rtp.hears(700));

    let late = Rtp::new().await;
    late.aim((node.node.sip.ip(), audio_port(&ok.description())).into());
    late.speak(1_700);
    has_no_effect(&other, &[late]).await;
    tokio::join!(phone.rtp.hears(1_100), other.rtp.hears(700));
}
