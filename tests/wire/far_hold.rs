//! Phones that hold us: who hears what meanwhile, what the live feed tells, and that all goes on afterwards as if nothing
//! had been. And offers that meet each other.

use std::time::Duration;

use confab::server::Options;

use crate::app::App;
use crate::feed::Feed;
use crate::negotiation::assert_continuous;
use crate::peer::Peer;
use crate::rtp::Rtp;
use crate::running::Running;

const SENDONLY: &str = "a=sendonly\r\n";
const INACTIVE: &str = "a=inactive\r\n";

async fn node(more: &[&str]) -> Running {
    let mut flags = vec!["--outbound-allow=sip:*@127.0.0.1:*", "--egress-allow=127.0.0.0/8"];
    flags.extend(more);
    Running::start_with(Options::default(), &flags).await
}

/// A phone that has called a conference, and speaks a tone.
async fn caller(node: &Running, conference: &str, hertz: u32) -> Peer {
    let mut peer = Peer::udp(node.node.sip).await;
    peer.dial(conference).await;
    peer.rtp.speak(hertz);
    peer
}

/// The phone says in a re-INVITE what it wants to do.
async fn holds(peer: &mut Peer, attribute: &str) {
    peer.renegotiate(&peer.description_of("0 8 101", attribute)).await;
}

async fn resumes(peer: &mut Peer) {
    peer.renegotiate(&peer.description()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn music_of_a_phone_that_holds_is_not_heard_in_a_conference() {
    let node = node(&[]).await;
    let mut feed = Feed::of(&node).await;
    let mut agent = caller(&node, "conf-floor", 700).await;
    let (bob, carol) = (caller(&node, "conf-floor", 1_100).await, caller(&node, "conf-floor", 1_900).await);
    tokio::join!(agent.rtp.hears(1_100), bob.rtp.hears(700), carol.rtp.hears(700));

    holds(&mut agent, SENDONLY).await;
    let told = feed.next_of("call.held-by-far-end").await;
    assert_eq!(told["call"]["status"], "in-progress");
    // The phone plays its music.
    agent.rtp.speak(1_400);
    tokio::join!(bob.rtp.hears_no_more(700), carol.rtp.hears_no_more(700));
    let heard = bob.rtp.next(30).await;
    assert!(!Rtp::any_has(&heard, 1_400), "music in the conference");
    tokio::join!(bob.rtp.hears(1_900), carol.rtp.hears(1_100));

    agent.rtp.speak(700);
    resumes(&mut agent).await;
    assert_eq!(feed.next_of("call.unheld-by-far-end").await["call"]["sid"], told["call"]["sid"]);
    tokio::join!(agent.rtp.hears(1_100), bob.rtp.hears(700), carol.rtp.hears(700));
    assert_continuous(&agent.rtp.packets());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_are_connected_one_hears_the_music_of_the_others_phone() {
    let (app, node) = (App::start().await, node(&[]).await);
    let mut agent = Peer::udp(node.node.sip).await;
    app.says("call", &format!("<Dial><Sip>sip:agent@{}</Sip></Dial>", agent.address()));
    let mut caller = Peer::udp(node.node.sip).await;
    let form = format!("To=sip:caller@{}&From=x&Url={}", caller.address(), app.url("call"));
    assert_eq!(node.create("Calls.json", &form).await.0, 201);
    let invite = caller.is_called().await;
    caller.pick_up(&invite).await;
    let invite = agent.is_called().await;
    agent.pick_up(&invite).await;
    caller.rtp.speak(700);
    agent.rtp.speak(1_100);
    tokio::join!(agent.rtp.hears(700), caller.rtp.hears(1_100));

    for attribute in [SENDONLY, INACTIVE] {
        holds(&mut agent, attribute).await;
        let held = agent.rtp.count();
        if attribute == SENDONLY {
            agent.rtp.speak(1_900);
            caller.rtp.hears(1_900).await;
        } else {
            caller.rtp.hears_no_more(1_100).await;
        }
        caller.rtp.next(20).await;
        // One may have been on its way.
        assert!(agent.rtp.count() <= held + 1, "sent to one who holds");
        agent.rtp.speak(1_100);
        resumes(&mut agent).await;
        tokio::join!(agent.rtp.hears(700), caller.rtp.hears(1_100));
    }
    assert_continuous(&agent.rtp.packets());
    assert_continuous(&caller.rtp.packets());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_holds_may_be_silent_for_longer_than_others() {
    let node = node(&["--rtp-timeout=2s"]).await;
    let mut agent = caller(&node, "conf-quiet", 700).await;
    let bob = caller(&node, "conf-quiet", 1_100).await;
    bob.rtp.hears(700).await;
    for attribute in [INACTIVE, SENDONLY] {
        holds(&mut agent, attribute).await;
        agent.rtp.be_quiet();
        bob.rtp.next(150).await;
        agent.is_in_call().await;
        agent.rtp.speak(700);
        resumes(&mut agent).await;
        bob.rtp.hears(700).await;
    }
    // Back, it is missed as any other.
    agent.rtp.be_quiet();
    assert!(agent.is_hung_up().await.contains("no RTP"));
}

#[tokio::test(flavor = "multi_thread")]
async fn hold_over_the_api_and_hold_by_the_phone_do_not_undo_each_other() {
    let node = node(&[]).await;
    let bob = caller(&node, "conf-both", 1_100).await;
    let mut agent = Peer::udp(node.node.sip).await;
    let form = format!("To=sip:agent@{}&From=x&Beep=false&WaitUrl=", agent.address());
    let (_, seat) = node.create("Conferences/both/Participants.json", &form).await;
    let invite = agent.is_called().await;
    agent.pick_up(&invite).await;
    agent.rtp.speak(700);
    bob.rtp.hears(700).await;
    let (conference, call) = (seat["conference_sid"].as_str().unwrap(), seat["call_sid"].as_str().unwrap());
    let path = format!("Conferences/{conference}/Participants/{call}.json");

    holds(&mut agent, SENDONLY).await;
    assert_eq!(node.post(&path, "Hold=true").await["hold"], true);
    resumes(&mut agent).await;
    // There is music for them now, and they are not heard.
    agent.rtp.next(5).await;
    bob.rtp.hears_no_more(700).await;
    holds(&mut agent, SENDONLY).await;
    assert_eq!(node.post(&path, "Hold=false").await["hold"], false);
    let heard = bob.rtp.next(30).await;
    assert!(!Rtp::any_has(&heard, 700), "the phone still holds");
    assert_eq!(node.get(&path).await["hold"], false);
    resumes(&mut agent).await;
    tokio::join!(agent.rtp.hears(1_100), bob.rtp.hears(700));
    assert_continuous(&agent.rtp.packets());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_may_begin_on_hold_and_our_own_offer_is_to_talk() {
    let node = node(&[]).await;
    let mut feed = Feed::of(&node).await;
    let bob = caller(&node, "conf-begin", 1_100).await;
    let mut agent = Peer::udp(node.node.sip).await;
    let invite = agent.invite("conf-begin").sdp(&agent.description_of("0 8 101", SENDONLY));
    let ok = agent.dial_with(&invite).await;
    assert!(ok.description().contains("a=recvonly\r\n"), "{}", ok.text());
    feed.next_of("call.held-by-far-end").await;
    agent.rtp.speak(700);
    let heard = bob.rtp.next(30).await;
    assert!(!Rtp::any_has(&heard, 700), "heard though it holds");
    assert_eq!(agent.rtp.count(), 0);

    // It is the phone that holds, not we (RFC 6337 §5.3).
    let offerless = agent.within_call("INVITE").without_body();
    let ok = agent.ask(&offerless).await;
    assert!(ok.description().contains("a=sendrecv\r\n"), "{}", ok.text());
    let ack = agent.ack_of(&ok).sdp(&agent.description());
    agent.send(&ack).await;
    tokio::join!(agent.rtp.hears(1_100), bob.rtp.hears(700));
}

#[tokio::test(flavor = "multi_thread")]
async fn offers_that_meet_are_both_made_again() {
    let node = Running::start(Options::default().with_session_interval_min(4)).await;
    let mut peer = Peer::udp(node.node.sip).await;
    let invite = peer.invite("conf-glare").with("Session-Expires", "4;refresher=uas");
    peer.dial_with(&invite.with("Supported", "timer")).await;
    let ours = peer.request_of("INVITE").await;
    let theirs = peer.within_call("INVITE").sdp(&peer.description_of("0", SENDONLY));
    assert_eq!(peer.ask(&theirs).await.status(), Some(491));
    let update = peer.within_call("UPDATE").sdp(&peer.description_of("0", SENDONLY));
    assert_eq!(peer.ask(&update).await.status(), Some(491));
    // What offers nothing meets nothing.
    let update = peer.within_call("UPDATE").with("Session-Expires", "4;refresher=uas");
    assert_eq!(peer.ask(&update.with("Supported", "timer")).await.status(), Some(200));
    peer.is_in_call().await;
    peer.answer(&ours, "491 Request Pending").await;
    peer.request_of("ACK").await;

    let ours = peer.request_of("INVITE").await;
    let answer = peer.answer_to(&ours, "200 OK").with("Contact", format!("<{}>", peer.contact));
    let answer = answer.sdp(&peer.description());
    peer.send(&answer).await;
    peer.request_of("ACK").await;
    // Theirs again, until the node has taken that in.
    let ok = loop {
        let theirs = peer.within_call("INVITE").sdp(&peer.description_of("0", SENDONLY));
        let answer = peer.ask(&theirs).await;
        if answer.status() != Some(491) {
            break answer;
        }
    };
    assert!(ok.description().contains("a=recvonly\r\n"), "{}", ok.text());
    peer.learn(&ok);
    let ack = peer.ack_of(&ok);
    peer.send(&ack).await;
    peer.hang_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_can_be_ended_while_its_refresh_is_unanswered() {
    let node = Running::start(Options::default().with_session_interval_min(4)).await;
    let mut peer = Peer::udp(node.node.sip).await;
    let invite = peer.invite("conf-glare").with("Session-Expires", "4;refresher=uas");
    peer.dial_with(&invite.with("Supported", "timer")).await;
    peer.request_of("INVITE").await;
    node.end_all_calls().await;
    peer.is_hung_up().await;
    assert_eq!(peer.count_for(Duration::ZERO).await, 0);
}
