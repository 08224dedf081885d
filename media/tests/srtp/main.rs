//! Our SRTP against other people's: packets that libsrtp made, byte for byte (`libsrtp.txt`), and long calls with
//! `rtc-srtp` in both directions, through a network that loses, doubles and reorders. The network's random numbers
//! come from a fixed seed, so that a run repeats itself.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, helpers included")]

use confab_media::srtp::{Profile, Protector, SrtpError, SrtpKeys, Unprotector};
use rtc_srtp::context::Context;
use rtc_srtp::crypto::default_provider;
use rtc_srtp::option::{srtcp_no_replay_protection, srtp_no_replay_protection};
use rtc_srtp::protection_profile::ProtectionProfile;

/// Three roll-overs of the sequence number.
const PACKETS: u32 = 3 * 66_000;

/// Where sequence numbers begin: just before a roll-over.
const FIRST: u32 = 65_000;

const SSRC: u32 = 0xcafe_babe;

#[test]
fn packets_are_those_of_libsrtp() {
    let mut ends = None;
    let mut packets = 0;
    for line in include_str!("libsrtp.txt").lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        if words[0] == "keys" {
            let keys = SrtpKeys::new(Profile::of_name(words[1]).unwrap(), &hex(words[2])).unwrap();
            ends = Some((Protector::new(&keys), Unprotector::new(&keys)));
            continue;
        }
        let (protector, unprotector) = ends.as_mut().unwrap();
        let (plain, theirs) = (hex(words[1]), hex(words[2]));
        let mut out = [0; 300];
        let ours = match words[0] {
            "rtp" => protector.protect_rtp(&plain, &mut out),
            _ => protector.protect_rtcp(&plain, &mut out),
        };
        assert_eq!(ours.unwrap(), theirs, "{line}");
        assert_eq!(unprotector.unprotect(&theirs, &mut out).unwrap(), plain, "{line}");
        packets += 1;
    }
    assert_eq!(packets, 27);
}

#[test]
fn a_long_call_from_somebody_elses_srtp_is_heard_whole() {
    for (profile, theirs) in PROFILES {
        let keys = keys(profile);
        let (mut sender, mut receiver) = (context(&keys, theirs), Unprotector::new(&keys));
        let heard = call(
            |packet| sender.encrypt_rtp(packet).unwrap().to_vec(),
            |datagram| receiver.unprotect(datagram, &mut [0; 300]).map(<[u8]>::to_vec),
        );
        assert_eq!(heard.wrong, 0, "{profile:?}");
        assert_eq!((heard.refused, heard.replayed), (0, heard.doubled), "{profile:?}");
        assert!(heard.right > PACKETS * 9 / 10, "{profile:?}");

        for n in 0..100 {
            let report = rtcp(n);
            let datagram = sender.encrypt_rtcp(&report).unwrap();
            assert_eq!(receiver.unprotect(&datagram, &mut [0; 300]).unwrap(), report);
            assert_eq!(receiver.unprotect(&datagram, &mut [0; 300]), Err(SrtpError::Replayed));
        }
    }
}

#[test]
fn a_long_call_of_ours_is_heard_whole_by_somebody_elses_srtp() {
    for (profile, theirs) in PROFILES {
        let keys = keys(profile);
        let (mut sender, mut receiver) = (Protector::new(&keys), context(&keys, theirs));
        let heard = call(
            |packet| sender.protect_rtp(packet, &mut [0; 300]).unwrap().to_vec(),
            |datagram| match receiver.decrypt_rtp(datagram) {
                Ok(packet) => Ok(packet.to_vec()),
                Err(_) => Err(SrtpError::NotAuthentic),
            },
        );
        // Without replay protection, what is doubled is heard twice.
        assert_eq!((heard.wrong, heard.refused, heard.replayed), (0, 0, 0), "{profile:?}");
        assert!(heard.right > PACKETS * 9 / 10, "{profile:?}");

        for n in 0..100 {
            let report = rtcp(n);
            let mut out = [0; 300];
            let datagram = sender.protect_rtcp(&report, &mut out).unwrap();
            assert_eq!(receiver.decrypt_rtcp(datagram).unwrap(), report);
        }
    }
}

#[derive(Default)]
struct Heard {
    right: u32,
    wrong: u32,
    doubled: u32,
    replayed: u32,
    refused: u32,
}

/// Sends [`PACKETS`] through a network that loses 5 %, doubles 2 % and delays 10 % by up to 60 packets.
fn call(
    mut protect: impl FnMut(&[u8]) -> Vec<u8>,
    mut unprotect: impl FnMut(&[u8]) -> Result<Vec<u8>, SrtpError>,
) -> Heard {
    let (mut random, mut heard) = (Random(0x0c0f_fab0), Heard::default());
    let mut on_the_way: Vec<(u32, u32, Vec<u8>)> = Vec::new();
    // At the end, what is still on the way arrives.
    for now in 0..PACKETS + 100 {
        if now < PACKETS {
            let datagram = protect(&rtp(now));
            // The first packet is not lost or late: before it nothing is known of the roll-overs.
            let is_first = now == 0;
            let late = if random.chance(10) && !is_first { random.below(60) } else { 0 };
            if random.chance(2) {
                heard.doubled += 1;
                on_the_way.push((now + late + 1, now, datagram.clone()));
                on_the_way.push((now + late, now, datagram));
            } else if !random.chance(5) || is_first {
                on_the_way.push((now + late, now, datagram));
            }
        }
        for (_, n, datagram) in on_the_way.extract_if(.., |(at, ..)| *at <= now) {
            match unprotect(&datagram) {
                Ok(packet) if packet == rtp(n) => heard.right += 1,
                Ok(_) => heard.wrong += 1,
                Err(SrtpError::Replayed) => heard.replayed += 1,
                Err(_) => heard.refused += 1,
            }
        }
    }
    heard
}

const PROFILES: [(Profile, ProtectionProfile); 3] = [
    (Profile::AesCm128HmacSha1_80, ProtectionProfile::Aes128CmHmacSha1_80),
    (Profile::AesCm128HmacSha1_32, ProtectionProfile::Aes128CmHmacSha1_32),
    (Profile::AeadAes128Gcm, ProtectionProfile::AeadAes128Gcm),
];

fn keys(profile: Profile) -> SrtpKeys {
    let material: Vec<u8> = (0..profile.material_len() as u8).map(|n| n * 7 + 1).collect();
    SrtpKeys::new(profile, &material).unwrap()
}

fn context(keys: &SrtpKeys, profile: ProtectionProfile) -> Context {
    let (key, salt) = keys.expose().split_at(16);
    let (rtp, rtcp) = (srtp_no_replay_protection(), srtcp_no_replay_protection());
    Context::new(key, salt, profile, Some(rtp), Some(rtcp), default_provider().unwrap().crypto()).unwrap()
}

/// The nth packet of the call.
fn rtp(n: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(((FIRST + n) as u16).to_be_bytes());
    packet.extend((n * 160).to_be_bytes());
    packet.extend(SSRC.to_be_bytes());
    packet.extend((0..20).flat_map(|_| n.to_be_bytes()));
    packet
}

/// A sender report without blocks.
fn rtcp(n: u8) -> Vec<u8> {
    let mut packet = vec![0x80, 200, 0, 6];
    packet.extend(SSRC.to_be_bytes());
    packet.extend([n; 20]);
    packet
}

fn hex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

/// SplitMix64: enough for a bad network, and the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % u64::from(bound)) as u32
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }
}
