//! The vector of RFC 5769, requests made by hand, and strangers.

use std::net::SocketAddr;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use proptest::prelude::*;
use sha1::Sha1;

use super::stun::REPLY_MAX;
use super::*;
use crate::id::LegId;
use crate::time::Time;

/// RFC 5769 §2.1: a request with all that ICE wants.
const VECTOR: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74\
                      002400046e0001ff80290008932ff9b151263b3600060009 6576746a3a68367659202020\
                      000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn credentials(seed: u8) -> IceCredentials {
    IceCredentials::new(&[seed; IceCredentials::ENTROPY])
}

fn source(number: u16) -> SocketAddr {
    SocketAddr::new([192, 0, 2, 7].into(), 50_000 + number)
}

/// A request by somebody who has these credentials, written apart from the code under test.
fn request(to: &IceCredentials, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut request = octets("000100002112a442000102030405060708090a0b");
    let user = format!("{}:them", to.ufrag());
    for (kind, value) in [(6, user.as_bytes())].iter().chain(attributes) {
        push(&mut request, *kind, value);
    }
    set_len(&mut request, 24);
    let mut mac = Hmac::<Sha1>::new_from_slice(to.expose_password().as_bytes()).unwrap();
    mac.update(&request);
    let sum: [u8; 20] = mac.finalize().into_bytes().into();
    push(&mut request, 8, &sum);
    set_len(&mut request, 8);
    let sum = request.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    });
    push(&mut request, 0x8028, &(!sum ^ 0x5354_554e).to_be_bytes());
    set_len(&mut request, 0);
    request
}

fn push(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend(kind.to_be_bytes());
    message.extend((value.len() as u16).to_be_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

fn set_len(message: &mut [u8], more: usize) {
    let len = (message.len() - 20 + more) as u16;
    message[2..4].copy_from_slice(&len.to_be_bytes());
}

const USE_CANDIDATE: (u16, &[u8]) = (0x25, &[]);
const SRTP: [u8; 20] = [0x80; 20];
const DTLS: [u8; 20] = [22; 20];

/// One leg, at place 3, and what it answers to.
fn one() -> (Agents, IceCredentials) {
    let mut agents = Agents::new(4);
    assert!(agents.set(LegId(1), credentials(1), 3, Time::ZERO));
    (agents, credentials(1))
}

fn hand_in(agents: &mut Agents, from: SocketAddr, datagram: &[u8], millis: u64) -> Result<Taken, IceDiscard> {
    agents.handle(from, datagram, Time::from_millis(millis), &mut [0; REPLY_MAX])
}

/// Whose far end the source is by this, if the request was answered.
fn far_end_of(taken: Result<Taken, IceDiscard>) -> Option<(LegId, Place)> {
    match taken {
        Ok(Taken::Answer { len, far_end_of }) if len > 0 => far_end_of,
        other => panic!("not answered: {other:?}"),
    }
}

fn media_at(agents: &mut Agents, from: SocketAddr) -> Result<SocketAddr, IceDiscard> {
    hand_in(agents, from, &SRTP, 0).map(|taken| match taken {
        Taken::Media { leg: LegId(1), place: 3, far_end } => far_end,
        other @ (Taken::Media { .. } | Taken::Answer { .. } | Taken::Dtls(_)) => panic!("{other:?}"),
    })
}

#[test]
fn the_request_of_rfc_5769_is_read_and_believed() {
    let bytes = octets(VECTOR);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.class, Class::Request);
    assert_eq!(message.username, Some(&b"evtj:h6vY"[..]));
    assert_eq!(message.user(), Some(&b"evtj"[..]));
    assert!(message.far_end_is_controlled && !message.use_candidate && message.unknown.is_none());
    assert!(message.is_from_holder_of(b"VOkJxbRl1RmTxUk/WvJxBt"));
    assert!(!message.is_from_holder_of(b"VOkJxbRl1RmTxUk/WvJxBu"));
}

#[test]
fn an_answer_tells_the_source_and_is_sealed() {
    let (mut agents, credentials) = one();
    for (from, attribute) in [
        ("192.0.2.1:32853", octets("002000080001a147e112a643")),
        // As a socket of both kinds of address shows the other kind.
        ("[::ffff:192.0.2.1]:32853", octets("002000080001a147e112a643")),
        // RFC 5769 §2.3, with the transaction of that.
        ("[2001:db8:1234:5678:11:2233:4455:6677]:32853", octets("002000140002a1470113a9fa")),
    ] {
        let mut reply = [0; REPLY_MAX];
        let request = request(&credentials, &[]);
        let taken = agents.handle(from.parse().unwrap(), &request, Time::ZERO, &mut reply);
        let Ok(Taken::Answer { len, .. }) = taken else { panic!("{taken:?}") };
        assert_eq!(reply[..2], [1, 1]);
        assert_eq!(reply[4..20], request[4..20]);
        assert_eq!(reply[20..20 + attribute.len()], attribute);
        let answer = Message::parse(&reply[..len]).unwrap();
        assert!(answer.is_from_holder_of(credentials.expose_password().as_bytes()));
    }
}

#[test]
fn a_source_is_a_legs_once_it_has_proved_to_hold_its_password() {
    let (mut agents, credentials) = one();
    assert_eq!(media_at(&mut agents, source(0)), Err(IceDiscard::Stranger));
    assert_eq!(hand_in(&mut agents, source(0), &DTLS, 0), Err(IceDiscard::Stranger));
    // The first is as good as chosen: there is no other yet.
    assert_eq!(
        far_end_of(hand_in(&mut agents, source(0), &request(&credentials, &[]), 0)),
        Some((LegId(1), 3))
    );
    assert_eq!(media_at(&mut agents, source(0)), Ok(source(0)));
    assert_eq!(hand_in(&mut agents, source(0), &DTLS, 0), Ok(Taken::Dtls(LegId(1))));
    assert_eq!(media_at(&mut agents, source(1)), Err(IceDiscard::Stranger));

    // A second one is where it is once the far end says so; what comes from the first goes on being its.
    assert_eq!(far_end_of(hand_in(&mut agents, source(1), &request(&credentials, &[]), 0)), None);
    assert_eq!(media_at(&mut agents, source(1)), Ok(source(0)));
    let chosen = request(&credentials, &[USE_CANDIDATE]);
    assert_eq!(far_end_of(hand_in(&mut agents, source(1), &chosen, 0)), Some((LegId(1), 3)));
    // Said again with each of its requests, wherever the leg is by then.
    assert_eq!(agents.move_to(LegId(1), 4), Some(source(1)));
    assert_eq!(
        far_end_of(hand_in(&mut agents, source(1), &request(&credentials, &[]), 0)),
        Some((LegId(1), 4))
    );
    assert_eq!(far_end_of(hand_in(&mut agents, source(0), &request(&credentials, &[]), 0)), None);
    agents.move_to(LegId(1), 3);
    assert_eq!(media_at(&mut agents, source(0)), Ok(source(1)));

    agents.remove(LegId(1));
    assert_eq!(media_at(&mut agents, source(1)), Err(IceDiscard::Stranger));
    assert_eq!(hand_in(&mut agents, source(1), &chosen, 0), Err(IceDiscard::UnknownUser));
    assert!(agents.is_empty());
}

#[test]
fn whoever_has_not_the_password_gets_no_answer() {
    let (mut agents, good) = one();
    let other = credentials(2);
    // Another's password under the leg's name.
    let mut forged = request(&other, &[]);
    forged[24..32].copy_from_slice(good.ufrag().as_bytes());
    assert_eq!(hand_in(&mut agents, source(0), &forged, 0), Err(IceDiscard::Malformed));
    assert_eq!(hand_in(&mut agents, source(0), &request(&other, &[]), 0), Err(IceDiscard::UnknownUser));
    let mut answer = request(&good, &[]);
    answer[0] = 1;
    assert_eq!(hand_in(&mut agents, source(0), &answer, 0), Err(IceDiscard::Malformed));
    assert_eq!(hand_in(&mut agents, source(0), &[200; 30], 0), Err(IceDiscard::Unknown));
    assert_eq!(hand_in(&mut agents, source(0), &[], 0), Err(IceDiscard::Unknown));
    assert_eq!(media_at(&mut agents, source(0)), Err(IceDiscard::Stranger));
}

#[test]
fn what_is_not_understood_or_another_role_is_told_to_those_who_may_ask() {
    let (mut agents, credentials) = one();
    for (attribute, code) in [((0x0123, &b"x"[..]), [4, 20]), ((0x8029, &[7; 8][..]), [4, 87])] {
        let mut reply = [0; REPLY_MAX];
        let request = request(&credentials, &[attribute]);
        let taken = agents.handle(source(0), &request, Time::ZERO, &mut reply);
        let Ok(Taken::Answer { len, far_end_of: None }) = taken else { panic!("{taken:?}") };
        assert_eq!((&reply[..2], &reply[26..28]), (&[1, 0x11][..], &code[..]));
        assert!(Message::parse(&reply[..len]).is_ok());
    }
    assert_eq!(media_at(&mut agents, source(0)), Err(IceDiscard::Stranger));
}

#[test]
fn a_restart_takes_new_credentials_and_keeps_the_way_until_they_are_used() {
    let (mut agents, before) = one();
    hand_in(&mut agents, source(0), &request(&before, &[]), 0).unwrap();
    let after = credentials(2);
    assert!(agents.set(LegId(1), after.clone(), 0, Time::ZERO));
    // Said again, nothing changes.
    assert!(agents.set(LegId(1), after.clone(), 0, Time::ZERO));
    assert_eq!(media_at(&mut agents, source(0)), Ok(source(0)));
    let as_before = far_end_of(hand_in(&mut agents, source(0), &request(&before, &[USE_CANDIDATE]), 0));
    assert_eq!(as_before, Some((LegId(1), 3)));
    let chosen = request(&after, &[USE_CANDIDATE]);
    assert_eq!(far_end_of(hand_in(&mut agents, source(1), &chosen, 0)), Some((LegId(1), 3)));
    assert_eq!(hand_in(&mut agents, source(0), &request(&before, &[]), 0), Err(IceDiscard::UnknownUser));
    assert_eq!(agents.len(), 1);
}

#[test]
fn a_far_end_that_stops_asking_is_told_of_once() {
    let (mut agents, credentials) = one();
    let lost_at = |agents: &mut Agents, seconds: u64| {
        let mut lost = Vec::new();
        agents.find_lost(Time::from_millis(seconds * 1_000), 8, |leg| lost.push(leg));
        lost
    };
    assert_eq!(lost_at(&mut agents, 29), []);
    hand_in(&mut agents, source(0), &request(&credentials, &[]), 29_000).unwrap();
    assert_eq!(lost_at(&mut agents, 58), []);
    assert_eq!(lost_at(&mut agents, 59), [LegId(1)]);
    assert_eq!(lost_at(&mut agents, 90), []);
    hand_in(&mut agents, source(0), &request(&credentials, &[]), 90_000).unwrap();
    assert_eq!(lost_at(&mut agents, 120), [LegId(1)]);
}

#[test]
fn nobody_takes_anothers_source_while_that_one_is_there() {
    let (mut agents, first) = one();
    let second = credentials(2);
    assert!(agents.set(LegId(2), second.clone(), 0, Time::ZERO));
    hand_in(&mut agents, source(0), &request(&first, &[USE_CANDIDATE]), 0).unwrap();
    let taking = request(&second, &[USE_CANDIDATE]);
    assert_eq!(hand_in(&mut agents, source(0), &taking, 1_000), Err(IceDiscard::SourceTaken));
    assert_eq!(media_at(&mut agents, source(0)), Ok(source(0)));
    let later = CONSENT + Duration::from_secs(1);
    let taken = hand_in(&mut agents, source(0), &taking, later.as_millis() as u64);
    assert_eq!(far_end_of(taken), Some((LegId(2), 0)));
    agents.remove(LegId(1));
    assert!(matches!(hand_in(&mut agents, source(0), &SRTP, 0), Ok(Taken::Media { leg: LegId(2), .. })));
}

#[test]
fn a_leg_has_so_many_sources_and_the_one_in_use_is_not_forgotten() {
    let (mut agents, credentials) = one();
    hand_in(&mut agents, source(0), &request(&credentials, &[USE_CANDIDATE]), 0).unwrap();
    for number in 1..1_000 {
        hand_in(&mut agents, source(number), &request(&credentials, &[]), 0).unwrap();
        assert_eq!(media_at(&mut agents, source(0)), Ok(source(0)));
    }
    let known = (0..1_000).filter(|&number| media_at(&mut agents, source(number)).is_ok()).count();
    assert_eq!(known, SOURCES_MAX);
}

#[test]
fn there_is_room_for_as_many_as_told() {
    let mut agents = Agents::new(2);
    assert!(agents.set(LegId(1), credentials(1), 0, Time::ZERO));
    assert!(agents.set(LegId(2), credentials(2), 0, Time::ZERO));
    assert!(!agents.set(LegId(3), credentials(3), 0, Time::ZERO));
    agents.remove(LegId(1));
    assert!(agents.set(LegId(3), credentials(3), 0, Time::ZERO));
}

#[test]
fn credentials_are_ice_characters_and_their_password_is_not_shown() {
    let credentials = IceCredentials::new(&std::array::from_fn(|i| (i * 37) as u8));
    let text = format!("{}{}", credentials.ufrag(), credentials.expose_password());
    assert_eq!(text.len(), IceCredentials::ENTROPY);
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/'));
    assert!(!format!("{credentials:?}").contains(credentials.expose_password()));
}

proptest! {
    #[test]
    fn nothing_that_strangers_send_is_answered_or_breaks_anything(
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20),
    ) {
        let (mut agents, _) = one();
        for mut datagram in datagrams {
            prop_assert!(hand_in(&mut agents, source(0), &datagram, 0).is_err());
            // The same, looking more like STUN.
            if datagram.len() >= 20 {
                datagram.truncate(datagram.len() / 4 * 4);
                datagram[..2].copy_from_slice(&[0, 1]);
                set_len(&mut datagram, 0);
                datagram[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
                prop_assert!(hand_in(&mut agents, source(0), &datagram, 0).is_err());
            }
        }
    }

    #[test]
    fn a_request_that_was_changed_anywhere_is_not_believed(at in 0_usize..1_000, bit in 0_u8..8) {
        let (mut agents, credentials) = one();
        let mut request = request(&credentials, &[USE_CANDIDATE]);
        let at = at % request.len();
        request[at] ^= 1 << bit;
        prop_assert!(hand_in(&mut agents, source(0), &request, 0).is_err());
    }
}
