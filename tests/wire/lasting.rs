//! How long calls and conferences may last, and the tone before their end.

use confab::server::Options;

use crate::feed::Feed;
use crate::peer::Peer;
use crate::rtp::Rtp;
use crate::running::Running;

/// The warning's one tone.
const WARNING: u32 = 850;

async fn node(flags: &[&str]) -> Running {
    let mut all = vec!["--outbound-allow=sip:*@127.0.0.1:*", "--warning-tone=2s"];
    all.extend(flags);
    Running::start_with(Options::default(), &all).await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_in_a_conference_are_warned_of_its_end_and_then_it_ends() {
    let node = node(&["--max-conference-duration=5s"]).await;
    let mut feed = Feed::of(&node).await;
    let (mut a, mut b) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
    a.dial("conf-long").await;
    b.dial("conf-long").await;
    a.rtp.speak(700);
    b.rtp.hears(700).await;
    tokio::join!(a.rtp.has_heard(WARNING), b.rtp.has_heard(WARNING));
    for peer in [&mut a, &mut b] {
        let reason = peer.is_hung_up().await;
        assert!(reason.contains("its time is up"), "{reason}");
    }
    let ended = feed.next_of("conference.ended").await;
    assert_eq!(ended["conference"]["reason_conference_ended"], "conference-ended-via-api");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_warned_alone_and_a_limit_of_its_own_counts_instead() {
    let node = node(&["--max-call-duration=5s"]).await;
    let mut own = Peer::udp(node.node.sip).await;
    let form = format!("To=sip:a@{}&From=x&TimeLimit=600&Beep=false&WaitUrl=", own.address());
    assert_eq!(node.create("Conferences/long/Participants.json", &form).await.0, 201);
    let invite = own.is_called().await;
    own.pick_up(&invite).await;
    let mut usual = Peer::udp(node.node.sip).await;
    usual.dial("conf-long").await;
    own.rtp.speak(700);
    usual.rtp.hears(700).await;
    usual.rtp.has_heard(WARNING).await;
    // And the conference again, until the end.
    usual.rtp.hears(700).await;
    assert!(usual.is_hung_up().await.contains("its time is up"));
    assert!(!Rtp::any_has(&own.rtp.packets(), WARNING), "warned of another's end");
    own.is_in_call().await;
    own.hang_up().await;
}
