//! Against the vectors of the RFCs, against another implementation, and past what streams live through.

use proptest::prelude::*;

use super::*;

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn keys_are_derived_as_in_rfc_3711_b_3() {
    let master = octets("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
    let keys = Keys::of(Suite::AesCm128HmacSha1_80, &master).unwrap();
    assert_eq!(keys.derive::<16>(LABEL_CIPHER)[..], octets("C61E7A93744F39EE10734AFE3FF7A087"));
    assert_eq!(keys.derive::<14>(LABEL_SALT)[..], octets("30CBBC08863D8C85D49DB34A9AE1"));
    assert_eq!(keys.derive::<20>(LABEL_HMAC)[..], octets("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
}

#[test]
fn a_packet_is_sealed_as_in_rfc_7714_16_1_1() {
    let key: [u8; 16] = octets("000102030405060708090a0b0c0d0e0f").try_into().unwrap();
    let mut salt = [0; SALT_MAX];
    salt[..12].copy_from_slice(&octets("517569642070726f2071756f"));
    let cipher = Cipher::Gcm(Box::new(Aes128Gcm::new(&key.into())));
    let mut protection = Protection { cipher, salt, stream: None };
    let plain = octets(
        "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465 \
         73207472 6573",
    );
    let mut packet = plain.clone();
    protection.protect(&mut packet);
    let sealed = octets(
        "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b \
         36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
    );
    assert_eq!(packet, sealed);
    protection.stream = None;
    assert_eq!(protection.unprotect(&mut packet), Some(plain.len()));
    assert_eq!(packet[..plain.len()], plain);
}

fn packet(sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 0, 1]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend((0..160).map(|n| n as u8 ^ sequence as u8));
    packet
}

#[test]
fn another_implementation_understands_us_and_we_it_past_three_roll_overs() {
    use rtc_srtp::context::Context;
    use rtc_srtp::protection_profile::ProtectionProfile;
    for (suite, profile) in [
        (Suite::AesCm128HmacSha1_80, ProtectionProfile::Aes128CmHmacSha1_80),
        (Suite::AeadAes128Gcm, ProtectionProfile::AeadAes128Gcm),
    ] {
        let keys = Keys::random(suite);
        let theirs = || {
            let crypto = &rtc_srtp::crypto::providers::RingCrypto;
            Context::new(&keys.key, &keys.salt[..suite.salt_length()], profile, None, None, crypto).unwrap()
        };
        let (mut sender, mut receiver) = (theirs(), theirs());
        let (mut ours, mut our_ear) = (Protection::new(&keys), Protection::new(&keys));
        for n in (0..66_000 * 3_u32).step_by(61) {
            let plain = packet((n + 60_000) as u16, 7);
            let mut sent = plain.clone();
            ours.protect(&mut sent);
            assert_eq!(receiver.decrypt_rtp(&sent).unwrap()[..], plain, "{suite:?} {n}");
            let mut heard = sender.encrypt_rtp(&plain).unwrap().to_vec();
            assert_eq!(our_ear.unprotect(&mut heard), Some(plain.len()), "{suite:?} {n}");
            assert_eq!(heard[..plain.len()], plain);
        }
    }
}

#[test]
fn a_changed_packet_and_one_of_another_key_are_not_taken() {
    for suite in Suite::ALL {
        let keys = Keys::random(suite);
        let mut sealed = packet(9, 1);
        Protection::new(&keys).protect(&mut sealed);
        for n in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[n] ^= 0x10;
            assert_eq!(Protection::new(&keys).unprotect(&mut changed), None, "{suite:?} octet {n}");
        }
        assert_eq!(Protection::new(&Keys::random(suite)).unprotect(&mut sealed.clone()), None);
        for length in 0..12 + HMAC_TAG {
            assert_eq!(Protection::new(&keys).unprotect(&mut sealed[..length].to_vec()), None);
        }
    }
}

#[test]
fn another_source_begins_with_no_roll_overs() {
    let keys = Keys::random(Suite::AeadAes128Gcm);
    let (mut sender, mut ear) = (Protection::new(&keys), Protection::new(&keys));
    let restarted = (0..3_u32).map(|n| (n as u16, 2));
    for (sequence, ssrc) in (65_530..65_545_u32).map(|n| (n as u16, 1)).chain(restarted) {
        let mut sealed = packet(sequence, ssrc);
        sender.protect(&mut sealed);
        assert!(ear.unprotect(&mut sealed).is_some(), "{sequence} of {ssrc}");
    }
}

#[test]
fn keys_survive_sdp_and_a_key_identifier_does_not() {
    for suite in Suite::ALL {
        let keys = Keys::random(suite);
        let text = keys.to_sdes();
        assert_eq!(Keys::from_sdes(&text), Some(keys.clone()));
        assert_eq!(Keys::from_sdes(&format!("{text}|2^31")), Some(keys.clone()));
        assert_eq!(Keys::from_sdes(&format!("{text}|2^31|1:4")), None);
        assert!(!format!("{keys:?}").contains(&text[text.len() - 10..]));
    }
    assert_eq!(Keys::from_sdes("AES_CM_128_HMAC_SHA1_80 inline:AAAA"), None);
}

proptest! {
    #[test]
    fn order_and_loss_around_a_wrap_break_nothing(swaps in proptest::collection::vec(0_usize..400, 0..60),
                                                  losses in proptest::collection::hash_set(0_usize..400, 0..80)) {
        let keys = Keys::random(Suite::AesCm128HmacSha1_80);
        let mut sender = Protection::new(&keys);
        let mut sealed: Vec<_> = (0..400_u32)
            .map(|n| {
                let mut sealed = packet((n + 65_336) as u16, 3);
                sender.protect(&mut sealed);
                sealed
            })
            .collect();
        // The first packets tell where the stream is; after them neighbours change places.
        swaps.iter().filter(|&&at| at > 3 && at + 1 < 400).for_each(|&at| sealed.swap(at, at + 1));
        let mut ear = Protection::new(&keys);
        for (n, mut packet) in sealed.into_iter().enumerate().filter(|(n, _)| *n < 3 || !losses.contains(n)) {
            prop_assert!(ear.unprotect(&mut packet).is_some(), "{}", n);
        }
    }
}
