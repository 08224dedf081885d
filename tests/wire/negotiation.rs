//! Offers and answers within a call's life: who offers, hold and resume, another codec, what cannot be agreed.

use confab::server::Options;

use crate::message::{audio_formats, audio_port};
use crate::peer::Peer;
use crate::rtp::{PCMA, PCMU, Packet, Rtp};
use crate::running::Running;

/// A node with a call in a conference, and a second call whose tone of 1,300 Hz the first hears.
async fn two_in_call(conference: &str) -> (Running, Peer, Peer) {
    let node = Running::start_with(Options::default(), &["--codecs=pcmu,pcma"]).await;
    let (mut a, mut b) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
    a.dial(conference).await;
    b.dial(conference).await;
    a.rtp.speak(700);
    b.rtp.speak(1_300);
    tokio::join!(a.rtp.hears(1_300), b.rtp.hears(700));
    (node, a, b)
}

/// Packets of one stream without a hole: by sequence number, and by timestamp where nothing was left out.
pub(crate) fn assert_continuous(packets: &[Packet]) {
    for pair in packets.windows(2) {
        assert_eq!(pair[1].ssrc, pair[0].ssrc);
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        assert_eq!(pair[1].timestamp.wrapping_sub(pair[0].timestamp) % 160, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_makes_no_offer_gets_ours_and_answers_in_the_ack() {
    let node = Running::start_with(Options::default(), &["--codecs=pcmu,pcma"]).await;
    let (mut late, mut other) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
    other.dial("conf-late").await;
    other.rtp.speak(700);

    let invite = late.invite("conf-late").without_body();
    let ok = late.ask(&invite).await;
    late.learn(&ok);
    assert_eq!(audio_formats(&ok.description()), ["0", "8", "101"]);
    let answer = late.description_of("8 96", "a=rtpmap:96 telephone-event/8000\r\n");
    let ack = late.ack_of(&ok).sdp(&answer);
    late.send(&ack).await;
    late.rtp.use_payload_type(PCMA);
    late.rtp.speak(1_300);
    tokio::join!(late.rtp.hears(700), other.rtp.hears(1_300));
    assert!(late.rtp.next(5).await.iter().all(|packet| packet.payload_type == PCMA));

    // Keys under the payload type that we offered, which is the right one, and under the one of the answer.
    late.rtp.press(101, 5).await;
    late.rtp.press(96, 6).await;
    late.rtp.press(97, 7).await;
    let unknown = ("confab_media_datagrams_discarded_total", "reason=\"unknown_payload_type\"");
    while node.figure(unknown.0, unknown.1).await < 4.0 {
        late.rtp.next(1).await;
    }
    late.rtp.next(10).await;
    assert_eq!(node.figure(unknown.0, unknown.1).await, 4.0);
    late.hang_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_takes_nothing_of_our_offer_ends_the_call() {
    let node = Running::start(Options::default()).await;
    let mut peer = Peer::udp(node.node.sip).await;
    let invite = peer.invite("conf-late").without_body();
    let ok = peer.ask(&invite).await;
    peer.learn(&ok);
    let ack = peer.ack_of(&ok).sdp(&peer.description_of("18", ""));
    peer.send(&ack).await;
    assert!(peer.is_hung_up().await.contains("488"));
    node.wait_for_calls("in-progress", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_held_and_resumed_in_every_way() {
    let (_node, mut a, b) = two_in_call("conf-hold").await;
    let ways = [("a=sendonly\r\n", "recvonly"), ("a=inactive\r\n", "inactive")];
    for (attribute, answered) in ways {
        let ok = a.renegotiate(&a.description_of("0 8 101", attribute)).await;
        assert!(ok.description().contains(&format!("a={answered}\r\n")), "{}", ok.text());
        hold_lasts_until_resumed(&mut a, &b).await;
    }
    let nowhere = a.description().replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0");
    a.renegotiate(&nowhere).await;
    hold_lasts_until_resumed(&mut a, &b).await;
}

/// The one who holds is sent nothing, and is not heard; then all is as before.
async fn hold_lasts_until_resumed(a: &mut Peer, b: &Peer) {
    b.rtp.hears_no_more(700).await;
    let held = a.rtp.count();
    b.rtp.next(20).await;
    // One may have been on its way.
    assert!(a.rtp.count() <= held + 1, "sent to one who holds");

    let ok = a.renegotiate(&a.description()).await;
    assert!(ok.description().contains("a=sendrecv\r\n"));
    tokio::join!(a.rtp.hears(1_300), b.rtp.hears(700));
    assert_continuous(&a.rtp.packets());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_codec_continues_the_same_stream() {
    let (_node, mut a, b) = two_in_call("conf-codec").await;
    for (formats, payload_type) in [("8", PCMA), ("0", PCMU)] {
        let ok = a.renegotiate(&a.description_of(formats, "")).await;
        assert_eq!(audio_formats(&ok.description()), [formats]);
        a.rtp.use_payload_type(payload_type);
        tokio::join!(a.rtp.hears(1_300), b.rtp.hears(700));
        assert!(a.rtp.next(5).await.iter().all(|packet| packet.payload_type == payload_type));
    }
    let packets = a.rtp.packets();
    assert_continuous(&packets);
    assert!(packets.windows(2).all(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp) == 160));
    let laws: Vec<u8> = packets.iter().map(|packet| packet.payload_type).collect();
    let changes = laws.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert_eq!(changes, 2, "{laws:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_re_invite_that_cannot_be_agreed_leaves_the_call_as_it_was() {
    let (node, mut a, b) = two_in_call("conf-disagree").await;
    let bad = a.within_call("INVITE").sdp(&a.description_of("18", "a=sendonly\r\n"));
    assert_eq!(a.ask(&bad).await.status(), Some(488));
    let bad = a.within_call("INVITE").with("Require", "x-nobody").sdp(&a.description());
    assert_eq!(a.ask(&bad).await.status(), Some(420));
    tokio::join!(a.rtp.hears(1_300), b.rtp.hears(700));
    a.is_in_call().await;
    assert_eq!(node.calls_in_progress().await, 2);
    a.hang_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_re_invite_without_an_offer_is_answered_with_ours() {
    let (_node, mut a, b) = two_in_call("conf-again").await;
    let invite = a.within_call("INVITE").without_body();
    let ok = a.ask(&invite).await;
    assert_eq!(audio_formats(&ok.description()), ["0", "8", "101"]);
    // Asked in between, which must not be taken for the ACK.
    let update = a.within_call("UPDATE");
    assert_eq!(a.ask(&update).await.status(), Some(200));
    let ack = a.ack_of(&ok).sdp(&a.description_of("8", ""));
    a.send(&ack).await;
    a.rtp.use_payload_type(PCMA);
    tokio::join!(a.rtp.hears(1_300), b.rtp.hears(700));
    while a.rtp.next(1).await[0].payload_type != PCMA {}
    a.is_in_call().await;
    a.hang_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_refreshes_and_can_change_media() {
    let (_node, mut a, b) = two_in_call("conf-update").await;
    let plain = a.within_call("UPDATE");
    let answer = a.ask(&plain).await;
    assert_eq!((answer.status(), answer.body.len(), answer.has("Content-Type")), (Some(200), 0, false));
    let hold = a.within_call("UPDATE").sdp(&a.description_of("0", "a=inactive\r\n"));
    let answer = a.ask(&hold).await;
    assert!(answer.description().contains("a=inactive\r\n"));
    b.rtp.hears_no_more(700).await;
    let resume = a.within_call("UPDATE").sdp(&a.description());
    assert_eq!(a.ask(&resume).await.status(), Some(200));
    tokio::join!(a.rtp.hears(1_300), b.rtp.hears(700));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_far_end_that_moves_is_followed_with_its_media() {
    let (node, mut a, b) = two_in_call("conf-move").await;
    let old = std::mem::replace(&mut a.rtp, Rtp::new().await);
    let ok = a.renegotiate(&a.description()).await;
    a.rtp.aim((node.node.sip.ip(), audio_port(&ok.description())).into());
    a.rtp.speak(2_100);
    tokio::join!(a.rtp.hears(1_300), b.rtp.hears(2_100), b.rtp.hears_no_more(700));
    let before = old.count();
    b.rtp.next(20).await;
    assert!(old.count() <= before + 1, "sent to where it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_far_end_that_moves_is_followed_with_requests_too() {
    let (node, mut a, _b) = two_in_call("conf-move").await;
    let mut elsewhere = Peer::udp(node.node.sip).await;
    a.contact = elsewhere.contact.clone();
    a.renegotiate(&a.description()).await;
    node.end_all_calls().await;
    assert_eq!(elsewhere.request_of("BYE").await.uri(), elsewhere.contact);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_to_the_contact_as_it_was_written() {
    for user in ["a%20b", "100%25", "x%40y:p%3Ass", "+1-(2)%3b"] {
        let node = Running::start(Options::default()).await;
        let mut peer = Peer::udp(node.node.sip).await;
        peer.contact = format!("sip:{user}@{}", peer.address());
        let from = format!("\"50%25 off\" <sip:{user}@127.0.0.1>;tag=escaped{}", user.len());
        let invite = peer.invite("conf-%65scaped").set("From", &from);
        let ok = peer.ask(&invite).await;
        peer.learn(&ok);
        let ack = peer.ack_of(&ok).set("From", &from);
        peer.send(&ack).await;
        node.end_all_calls().await;
        let bye = peer.request_of("BYE").await;
        assert_eq!(bye.uri(), peer.contact);
        assert!(bye.header("To").contains(&format!("<sip:{user}@")), "{}", bye.text());
        assert!(bye.header("From").contains("<sip:conf-%65scaped@"), "{}", bye.text());
        peer.answer(&bye, "200 OK").await;
    }
}
