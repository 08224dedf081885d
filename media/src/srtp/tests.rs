//! What two ends see of each other through a network that loses, doubles, delays and forges. Other people's SRTP is
//! met in `tests/srtp/`.

use proptest::prelude::*;

use super::*;

const PROFILES: [Profile; 3] = Profile::ALL;

#[test]
fn what_is_protected_is_hidden_and_comes_out_as_it_went_in() {
    for profile in PROFILES {
        let mut pair = Pair::new(profile);
        // Two contributing sources, an extension whose elements have gaps, and padding.
        let mut packet = rtp(7, 1);
        packet[0] = 0xb2;
        packet.splice(12..12, *b"src1src2\xbe\xde\x00\x02\x10\xaa\x00\x00\xf0\x00\x00\x00");
        packet.extend([0, 0, 3]);
        let protected = pair.protect(&packet);
        assert_eq!(protected.len(), packet.len() + profile.rtp_overhead());
        assert_eq!(protected[..32], packet[..32], "the header stays readable");
        assert!(!protected.windows(8).any(|window| window == &packet[40..48]));
        assert_eq!(pair.unprotect(&protected).unwrap(), packet);

        let report = rtcp(7);
        let protected = pair.protect_rtcp(&report);
        assert_eq!(protected.len(), report.len() + profile.rtcp_overhead());
        assert_eq!(protected[..8], report[..8]);
        assert!(!protected.windows(8).any(|window| window == &report[8..16]));
        assert_eq!(pair.unprotect(&protected).unwrap(), report);
    }
}

#[test]
fn a_packet_without_a_payload_is_one() {
    for profile in PROFILES {
        let mut pair = Pair::new(profile);
        let packet = &rtp(7, 1)[..12];
        let protected = pair.protect(packet);
        assert_eq!(pair.unprotect(&protected).unwrap(), packet);
    }
}

#[test]
fn no_bit_can_be_changed() {
    for profile in PROFILES {
        let mut pair = Pair::new(profile);
        let datagrams = [pair.protect(&rtp(7, 1)[..24]), pair.protect_rtcp(&rtcp(7))];
        for datagram in datagrams {
            for bit in 0..datagram.len() * 8 {
                let mut changed = datagram.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert!(pair.unprotect(&changed).is_err(), "{profile:?}, bit {bit}");
            }
            for len in 0..datagram.len() {
                assert!(pair.unprotect(&datagram[..len]).is_err(), "{profile:?}, {len} bytes");
            }
            pair.unprotect(&datagram).unwrap();
        }
    }
}

#[test]
fn readable_rtcp_is_not_believed_unless_it_is_authentic() {
    for profile in PROFILES {
        let mut pair = Pair::new(profile);
        let mut datagram = rtcp(7);
        datagram.extend([0; 20]);
        assert_eq!(pair.unprotect(&datagram), Err(SrtpError::NotAuthentic), "{profile:?}");
    }
}

#[test]
fn a_packet_that_came_is_not_taken_again() {
    for profile in PROFILES {
        let mut pair = Pair::new(profile);
        let datagrams: Vec<_> = (0..128).map(|sequence| pair.protect(&rtp(7, sequence))).collect();
        datagrams.iter().for_each(|datagram| drop(pair.unprotect(datagram).unwrap()));
        for datagram in &datagrams {
            assert_eq!(pair.unprotect(datagram), Err(SrtpError::Replayed));
        }
        let report = pair.protect_rtcp(&rtcp(7));
        pair.unprotect(&report).unwrap();
        assert_eq!(pair.unprotect(&report), Err(SrtpError::Replayed));
    }
}

#[test]
fn around_a_roll_over_the_order_does_not_matter() {
    for profile in PROFILES {
        let mut pair = Pair::new(profile);
        let sequences: Vec<u16> = (0..100).map(|n| 65_500_u16.wrapping_add(n)).collect();
        let mut datagrams: Vec<_> =
            sequences.iter().map(|sequence| (*sequence, pair.protect(&rtp(7, *sequence)))).collect();
        // The first is not to be late: before it nothing is known of the roll-overs.
        datagrams[1..].reverse();
        for (sequence, datagram) in &datagrams {
            assert_eq!(pair.unprotect(datagram).unwrap(), rtp(7, *sequence));
        }
    }
}

#[test]
fn a_source_of_which_the_first_round_was_missed_is_understood() {
    let mut pair = Pair::new(Profile::AesCm128HmacSha1_80);
    (65_530..65_535).for_each(|sequence| drop(pair.protect(&rtp(7, sequence))));
    pair.protect(&rtp(7, 65_535));
    let datagram = pair.protect(&rtp(7, 0));
    assert_eq!(pair.unprotect(&datagram).unwrap(), rtp(7, 0));
}

#[test]
fn after_a_silence_of_more_than_half_a_round_the_far_end_is_heard_again() {
    for lost in [30_000, 40_000, 65_535, 70_000, 97_000] {
        let mut pair = Pair::new(Profile::AesCm128HmacSha1_80);
        let mut sequence = 60_000_u16;
        let mut next = |pair: &mut Pair| {
            sequence = sequence.wrapping_add(1);
            (sequence, pair.protect(&rtp(7, sequence)))
        };
        let (_, first) = next(&mut pair);
        pair.unprotect(&first).unwrap();
        (0..lost).for_each(|_| drop(next(&mut pair)));
        for _ in 0..100 {
            let (sequence, datagram) = next(&mut pair);
            assert_eq!(pair.unprotect(&datagram), Ok(rtp(7, sequence)), "{lost} lost");
        }
    }
}

#[test]
fn forged_sources_leave_no_trace() {
    let mut pair = Pair::new(Profile::AesCm128HmacSha1_80);
    for ssrc in 1_000..20_000 {
        let mut forged = rtp(ssrc, 65_000);
        forged.extend([0; 10]);
        assert_eq!(pair.unprotect(&forged), Err(SrtpError::NotAuthentic));
    }
    // Neither of a source that does not exist, nor of the one that does: a sequence number far ahead was forged.
    let mut ahead = rtp(7, 30_000);
    ahead.extend([0; 10]);
    for sequence in 0..1_000 {
        let datagram = pair.protect(&rtp(7, sequence));
        assert_eq!(pair.unprotect(&ahead), Err(SrtpError::NotAuthentic));
        assert_eq!(pair.unprotect(&datagram).unwrap(), rtp(7, sequence));
    }
}

#[test]
fn another_source_is_taken_as_soon_as_it_proves_itself() {
    for profile in PROFILES {
        let mut pair = Pair::new(profile);
        for ssrc in [7, 8, 7, 9] {
            let sequence = pair.next;
            pair.next += 1;
            let mut other = Pair::new(profile);
            let datagram = other.protect(&rtp(ssrc, sequence));
            assert_eq!(pair.unprotect(&datagram).unwrap(), rtp(ssrc, sequence));
        }
    }
}

#[test]
fn one_source_too_many_has_to_send_for_a_while() {
    let mut pair = Pair::new(Profile::AeadAes128Gcm);
    let from = |ssrc: u32, sequence: u16| Pair::new(Profile::AeadAes128Gcm).protect(&rtp(ssrc, sequence));
    for ssrc in 0..8 {
        pair.unprotect(&from(ssrc, 1)).unwrap();
    }
    let results: Vec<_> = (0..40).map(|sequence| pair.unprotect(&from(99, sequence))).collect();
    assert_eq!(results[0], Err(SrtpError::TooManyStreams));
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 24);
    assert!(results[24..].iter().all(Result::is_ok));
    // The one not heard for longest has made room, the others are still protected from replay.
    assert_eq!(pair.unprotect(&from(1, 1)), Err(SrtpError::Replayed));
    assert_eq!(pair.unprotect(&from(0, 1)), Err(SrtpError::TooManyStreams));
}

#[test]
fn a_far_end_that_begins_anew_is_heard_within_half_a_second() {
    for (rounds, begins_at) in [(0_u32, 100_u16), (0, 40_000), (2, 100), (2, 50_000)] {
        let mut pair = Pair::new(Profile::AesCm128HmacSha1_80);
        let last = (rounds << 16) + 50_500;
        (50_000..last).for_each(|index| {
            let datagram = pair.protect(&rtp(7, index as u16));
            pair.unprotect(&datagram).unwrap();
        });
        let mut anew = Pair::new(Profile::AesCm128HmacSha1_80);
        let sequences = (0..200).map(|n| begins_at.wrapping_add(n));
        let results: Vec<_> =
            sequences.map(|sequence| pair.unprotect(&anew.protect(&rtp(7, sequence)))).collect();
        let unheard = results.iter().filter(|result| result.is_err()).count();
        assert!(unheard < 25, "{unheard} packets, {rounds} rounds, from {begins_at}");
        assert!(results[25..].iter().all(Result::is_ok));
    }
}

#[test]
fn a_recording_is_not_taken_for_the_far_end_while_it_sends() {
    let mut pair = Pair::new(Profile::AesCm128HmacSha1_80);
    let recording: Vec<_> = (0..2_000).map(|sequence| pair.protect(&rtp(7, sequence))).collect();
    recording.iter().for_each(|datagram| drop(pair.unprotect(datagram).unwrap()));
    for (sequence, replayed) in (2_000..).zip(&recording[..1_500]) {
        assert_eq!(pair.unprotect(replayed), Err(SrtpError::Replayed));
        let datagram = pair.protect(&rtp(7, sequence));
        assert_eq!(pair.unprotect(&datagram).unwrap(), rtp(7, sequence));
    }
}

#[test]
fn new_keys_are_used_as_soon_as_the_far_end_does() {
    for (old, new) in [(PROFILES[0], PROFILES[1]), (PROFILES[1], PROFILES[2]), (PROFILES[1], PROFILES[1])] {
        let mut pair = Pair::new(old);
        let mut newer = Pair::with_keys(&keys(new, 99));
        let before = pair.protect(&rtp(7, 1));
        let on_the_way = pair.protect(&rtp(7, 2));
        let late = pair.protect(&rtp(7, 3));
        let after = newer.protect(&rtp(7, 4));
        pair.unprotect(&before).unwrap();
        pair.receiver.rekey(newer.receiver);
        assert_eq!(pair.unprotect(&on_the_way).unwrap(), rtp(7, 2));
        assert_eq!(pair.unprotect(&on_the_way), Err(SrtpError::Replayed));
        assert_eq!(pair.unprotect(&after).unwrap(), rtp(7, 4));
        assert_eq!(pair.unprotect(&late), Err(SrtpError::NotAuthentic));
    }
}

#[test]
fn roll_overs_may_go_on_or_begin_anew_under_new_keys() {
    let profile = Profile::AesCm128HmacSha1_80;
    for goes_on in [true, false] {
        let mut pair = Pair::new(profile);
        let mut newer = Pair::with_keys(&keys(profile, 99));
        for index in 0..200_000_u32 {
            let datagram = pair.protect(&rtp(7, index as u16));
            pair.unprotect(&datagram).unwrap();
            if goes_on {
                newer.protect(&rtp(7, index as u16));
            }
        }
        let datagram = newer.protect(&rtp(7, 200_000_u32 as u16));
        pair.receiver.rekey(newer.receiver);
        pair.unprotect(&datagram).unwrap();
    }
}

#[test]
fn keys_named_again_change_nothing() {
    let profile = Profile::AesCm128HmacSha1_80;
    let mut pair = Pair::new(profile);
    for index in 0..100_000_u32 {
        let datagram = pair.protect(&rtp(7, index as u16));
        pair.unprotect(&datagram).unwrap();
    }
    let again = Pair::new(profile);
    pair.sender.rekey(again.sender);
    pair.receiver.rekey(again.receiver);
    let datagram = pair.protect(&rtp(7, 100_000_u32 as u16));
    pair.unprotect(&datagram).unwrap();
    assert_eq!(pair.unprotect(&datagram), Err(SrtpError::Replayed));
}

#[test]
fn a_far_end_that_never_uses_its_new_keys_is_not_heard_for_ever() {
    let mut pair = Pair::new(Profile::AeadAes128Gcm);
    pair.receiver.rekey(Unprotector::new(&keys(Profile::AeadAes128Gcm, 99)));
    let heard = (0..1_000_u16).filter(|sequence| {
        let datagram = pair.protect(&rtp(7, *sequence));
        pair.unprotect(&datagram).is_ok()
    });
    assert_eq!(heard.count(), 250);
}

#[test]
fn two_changes_of_keys_in_a_row_keep_those_that_are_in_use() {
    let mut pair = Pair::new(Profile::AeadAes128Gcm);
    let datagram = pair.protect(&rtp(7, 1));
    pair.receiver.rekey(Unprotector::new(&keys(Profile::AeadAes128Gcm, 98)));
    pair.receiver.rekey(Unprotector::new(&keys(Profile::AeadAes128Gcm, 99)));
    pair.unprotect(&datagram).unwrap();
}

#[test]
fn no_sequence_number_of_ours_is_used_twice() {
    let mut pair = Pair::new(Profile::AesCm128HmacSha1_80);
    let mut out = [0; 300];
    pair.protect(&rtp(7, 500));
    for used in [500, 499, 100] {
        assert_eq!(pair.sender.protect_rtp(&rtp(7, used), &mut out), Err(SrtpError::IndexUsedUp));
    }
    pair.protect(&rtp(8, 500));
    assert_eq!(pair.sender.protect_rtp(&rtp(9, 1), &mut out), Err(SrtpError::TooManyStreams));
    pair.sender.rekey(Protector::new(&keys(Profile::AesCm128HmacSha1_80, 99)));
    pair.protect(&rtp(7, 1));
}

#[test]
fn what_does_not_fit_is_refused() {
    for profile in PROFILES {
        let mut pair = Pair::new(profile);
        let packet = rtp(7, 1);
        let (room, room_rtcp) = (packet.len() + profile.rtp_overhead(), 28 + profile.rtcp_overhead());
        let mut out = vec![0; 300];
        assert_eq!(pair.sender.protect_rtp(&packet, &mut out[..room - 1]), Err(SrtpError::TooLong));
        assert_eq!(pair.sender.protect_rtp(&packet, &mut out[..room]).unwrap().len(), room);
        assert_eq!(pair.sender.protect_rtcp(&rtcp(7), &mut out[..room_rtcp - 1]), Err(SrtpError::TooLong));
        let datagram = pair.sender.protect_rtcp(&rtcp(7), &mut out[..room_rtcp]).unwrap().to_vec();
        assert_eq!(pair.receiver.unprotect(&datagram, &mut out[..10]), Err(SrtpError::TooLong));
        assert_eq!(pair.sender.protect_rtp(&packet[..11], &mut out), Err(SrtpError::TooShort));
        assert_eq!(pair.sender.protect_rtcp(&rtcp(7)[..7], &mut out), Err(SrtpError::TooShort));
    }
}

#[test]
fn errors_have_names_of_their_own() {
    let names: std::collections::HashSet<_> = SrtpError::ALL.map(SrtpError::name).into();
    assert_eq!(names.len(), SrtpError::ALL.len());
}

proptest! {
    #[test]
    fn no_bytes_do_harm(
        profile in prop::sample::select(&PROFILES[..]),
        junk in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 1..20),
        version in any::<bool>(),
    ) {
        let mut pair = Pair::new(profile);
        for (sequence, mut junk) in (0..).zip(junk) {
            if let (true, Some(first)) = (version, junk.first_mut()) {
                *first = *first & 0x3f | 0x80;
            }
            prop_assert!(pair.unprotect(&junk).is_err());
            let datagram = pair.protect(&rtp(7, sequence));
            prop_assert_eq!(pair.unprotect(&datagram).unwrap(), rtp(7, sequence));
        }
    }

    #[test]
    fn through_a_bad_network_every_packet_comes_once_and_as_it_was_sent(
        profile in prop::sample::select(&PROFILES[..]),
        first in any::<u16>(),
        // How late each is, in packets; none is lost.
        fates in prop::collection::vec(prop_oneof![4 => Just(Some(0)), 1 => (0..100_usize).prop_map(Some), 1 => Just(None)], 300),
        doubled in any::<prop::sample::Index>(),
    ) {
        let mut pair = Pair::new(profile);
        let begin = pair.protect(&rtp(7, first));
        pair.unprotect(&begin).unwrap();
        let mut arrivals: Vec<(usize, u16, Vec<u8>)> = Vec::new();
        for (n, fate) in fates.iter().enumerate() {
            let sequence = first.wrapping_add(n as u16 + 1);
            let datagram = pair.protect(&rtp(7, sequence));
            if let Some(late) = fate {
                arrivals.push((n + late, sequence, datagram));
            }
        }
        arrivals.sort_by_key(|arrival| arrival.0);
        for (_, sequence, datagram) in &arrivals {
            prop_assert_eq!(pair.unprotect(datagram).unwrap(), rtp(7, *sequence));
        }
        if !arrivals.is_empty() {
            let (_, _, datagram) = &arrivals[doubled.index(arrivals.len())];
            prop_assert_eq!(pair.unprotect(datagram), Err(SrtpError::Replayed));
        }
    }
}

/// A sender and a receiver with the same keys.
struct Pair {
    sender: Protector,
    receiver: Unprotector,
    next: u16,
}

impl Pair {
    fn new(profile: Profile) -> Self {
        Self::with_keys(&keys(profile, 1))
    }

    fn with_keys(keys: &SrtpKeys) -> Self {
        Self { sender: Protector::new(keys), receiver: Unprotector::new(keys), next: 1 }
    }

    fn protect(&mut self, packet: &[u8]) -> Vec<u8> {
        self.sender.protect_rtp(packet, &mut [0; 300]).unwrap().to_vec()
    }

    fn protect_rtcp(&mut self, packet: &[u8]) -> Vec<u8> {
        self.sender.protect_rtcp(packet, &mut [0; 300]).unwrap().to_vec()
    }

    fn unprotect(&mut self, datagram: &[u8]) -> Result<Vec<u8>, SrtpError> {
        self.receiver.unprotect(datagram, &mut [0; 300]).map(<[u8]>::to_vec)
    }
}

fn keys(profile: Profile, seed: u8) -> SrtpKeys {
    let material: Vec<u8> = (0..profile.material_len() as u8).map(|n| n.wrapping_mul(7) ^ seed).collect();
    SrtpKeys::new(profile, &material).unwrap()
}

/// A packet of some sound that is different for each source and sequence number.
fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend((0..160_u32).map(|n| (n * 31 + ssrc + u32::from(sequence)) as u8));
    packet
}

/// A sender report without blocks.
fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 200, 0, 6];
    packet.extend(ssrc.to_be_bytes());
    packet.extend(1..=20);
    packet
}
