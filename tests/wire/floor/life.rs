//! How conferences begin, fill up and end, and what is heard of those who come and go.

use super::{AGENT, CUSTOMER, SUPERVISOR, Seated, add, node};
use crate::peer::Peer;
use crate::rtp::Rtp;

/// The two tones that tell of a participant.
const TONES: [u32; 2] = [650, 850];

/// Dials one more in with a word about their tone, and has them hang up: whether a tone was heard of either.
async fn told_of(node: &crate::running::Running, listener: &Seated, beep: &str) -> [bool; 2] {
    let mut peer = Peer::udp(node.node.sip).await;
    let start = listener.peer.rtp.count();
    let form = format!("To=sip:x@{}&From=x&Beep={beep}&WaitUrl=", peer.address());
    let (status, seat) = node.create("Conferences/desk/Participants.json", &form).await;
    assert_eq!(status, 201, "{seat}");
    let invite = peer.is_called().await;
    peer.pick_up(&invite).await;
    node.wait_for(&super::path_of(&seat), "status", "connected").await;
    // Both steps of a tone last 160 ms each.
    listener.peer.rtp.next(40).await;
    let middle = listener.peer.rtp.count();
    peer.hang_up().await;
    super::seats(node, listener.conference(), 2).await;
    listener.peer.rtp.next(40).await;
    let packets = listener.peer.rtp.packets();
    let heard = |packets: &[crate::rtp::Packet]| TONES.iter().all(|&hertz| Rtp::any_is_loud(packets, hertz));
    [heard(&packets[start..middle]), heard(&packets[middle..])]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_word_of_beep_tells_of_coming_and_going_as_it_says() {
    let node = node().await;
    let listener = Seated::dialled(&node, AGENT, "").await;
    let _other = Seated::dialled(&node, CUSTOMER, "").await;
    listener.hears_just(&[CUSTOMER]).await;
    for (beep, expected) in [
        ("true", [true, true]),
        ("false", [false, false]),
        ("onEnter", [true, false]),
        ("onExit", [false, true]),
    ] {
        assert_eq!(told_of(&node, &listener, beep).await, expected, "{beep}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conference_takes_as_many_as_its_first_participant_said() {
    let node = node().await;
    let one = Seated::dialled(&node, AGENT, "MaxParticipants=2").await;
    let other = Seated::dialled(&node, CUSTOMER, "MaxParticipants=5").await;
    let form = "To=sip:x@127.0.0.1:9&From=x";
    let (status, error) = node.create("Conferences/desk/Participants.json", form).await;
    assert_eq!((status, &error["code"]), (400, &16_020.into()), "{error}");
    tokio::join!(one.hears_just(&[CUSTOMER]), other.hears_just(&[AGENT]));
    assert_eq!(node.delete(&other.path).await, 204);
    super::seats(&node, one.conference(), 1).await;
    let other = Seated::dialled(&node, CUSTOMER, "").await;
    tokio::join!(one.hears_just(&[CUSTOMER]), other.hears_just(&[AGENT]));
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_do_not_start_a_conference_hear_nobody_until_one_comes_who_does() {
    let node = node().await;
    let one = Seated::dialled(&node, CUSTOMER, "StartConferenceOnEnter=false").await;
    let two = Seated::dialled(&node, AGENT, "StartConferenceOnEnter=false").await;
    tokio::join!(one.hears_just(&[]), two.hears_just(&[]));
    let path = format!("Conferences/{}.json", one.conference());
    assert_eq!(node.get(&path).await["status"], "init");
    let three = Seated::dialled(&node, SUPERVISOR, "").await;
    assert_eq!(node.get(&path).await["status"], "in-progress");
    tokio::join!(
        one.hears_just(&[AGENT, SUPERVISOR]),
        two.hears_just(&[CUSTOMER, SUPERVISOR]),
        three.hears_just(&[CUSTOMER, AGENT])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_with_whom_a_conference_ends_takes_all_with_them_however_they_leave() {
    let node = node().await;
    for way in ["hangs up", "is kicked", "was changed"] {
        let mut other = Seated::dialled(&node, CUSTOMER, "").await;
        let ends = if way == "was changed" { "" } else { "EndConferenceOnExit=true" };
        let mut chair = Seated::dialled(&node, AGENT, ends).await;
        if way == "was changed" {
            chair.update(&node, "EndConferenceOnExit=true").await;
        }
        if way == "is kicked" {
            assert_eq!(node.delete(&chair.path).await, 204);
            chair.peer.is_hung_up().await;
        } else {
            chair.peer.hang_up().await;
        }
        other.peer.is_hung_up().await;
        let path = format!("Conferences/{}.json", other.conference());
        let ended = node.wait_for(&path, "status", "completed").await;
        let reason = "participant-with-end-conference-on-exit-left";
        let kicked = "participant-with-end-conference-on-exit-kicked";
        let expected = if way == "is kicked" { kicked } else { reason };
        assert_eq!(ended["reason_conference_ended"], expected, "{way}");
        assert_eq!(ended["call_sid_ending_conference"], chair.call(), "{way}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whom_nobody_answers_for_leaves_no_conference_behind() {
    let node = node().await;
    let mut nobody = Peer::udp(node.node.sip).await;
    let seat = add(&node, &format!("sip:x@{}", nobody.address()), "").await;
    let invite = nobody.is_called().await;
    nobody.reply(&invite, "486 Busy Here").await;
    let path = format!("Conferences/{}.json", seat["conference_sid"].as_str().unwrap());
    node.wait_for(&path, "status", "completed").await;
    let open = node.get("Conferences.json?Status=init").await;
    assert_eq!(open["conferences"].as_array().unwrap().len(), 0);
}
