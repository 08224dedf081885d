//! SRTP in offers and answers: what each policy makes of each kind of offer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

#[test]
fn policies_take_what_they_should_and_refuse_the_rest() {
    let plain = "m=audio 4000 RTP/AVP 0\r\n".to_owned();
    let secure = format!("m=audio 4000 RTP/SAVP 0\r\n{}", line(1, EIGHTY));
    let best_effort = format!("m=audio 4000 RTP/AVP 0\r\n{}", line(1, EIGHTY));
    let keyless = "m=audio 4000 RTP/SAVP 0\r\n".to_owned();
    let unknown = "m=audio 4000 RTP/SAVP 0\r\na=crypto:1 F8_128_HMAC_SHA1_80 inline:AAAA\r\n".to_owned();
    use SdpError::{OnlyPlain, OnlySecure};
    for (offer, off, optional, required) in [
        (&plain, Ok(false), Ok(false), Err(OnlyPlain)),
        (&best_effort, Ok(false), Ok(true), Ok(true)),
        (&secure, Err(OnlySecure), Ok(true), Ok(true)),
        (&keyless, Err(OnlySecure), Err(OnlySecure), Err(OnlySecure)),
        (&unknown, Err(OnlySecure), Err(OnlySecure), Err(OnlySecure)),
    ] {
        for (local, expected) in [(local(), off), (with_srtp(false), optional), (with_srtp(true), required)] {
            let answered = answer(&parse(&sdp(offer)), &local);
            if let Ok(answer) = &answered {
                assert_eq!(answer.sdp.contains("a=crypto:"), answer.agreed.srtp.is_some(), "{offer}");
            }
            let is_secure = answered.map(|answer| answer.agreed.srtp.is_some());
            assert_eq!(is_secure, expected, "{offer}, {:?}", local.security);
        }
    }
    assert_eq!((OnlyPlain.status(), OnlySecure.status()), (488, 488));
}

#[test]
fn an_answer_has_the_offers_protocol_and_tag_and_a_key_of_its_own() {
    for protocol in ["RTP/SAVP", "RTP/AVP", "RTP/SAVPF", "RTP/AVPF"] {
        let offer = parse(&sdp(&format!("m=audio 4000 {protocol} 0\r\n{}", line(7, EIGHTY))));
        let answer = answer(&offer, &with_srtp(false)).unwrap();
        assert!(answer.sdp.contains(&format!("m=audio 20000 {protocol} 0\r\n")));
        let pair = answer.agreed.srtp.unwrap();
        let key = STANDARD.encode(pair.send.expose());
        assert!(answer.sdp.contains(&format!("a=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:{key}\r\n")));
        assert_eq!(pair.receive, theirs(EIGHTY));
        assert_ne!(pair.receive, pair.send);
    }
}

#[test]
fn of_several_suites_the_best_is_taken() {
    let lines = [line(1, THIRTY_TWO), line(2, EIGHTY), line(3, GCM)];
    for (offered, tag, profile) in [(0..3, 3, GCM), (0..2, 2, EIGHTY), (0..1, 1, THIRTY_TWO)] {
        let lines = lines[offered].concat();
        let offer = parse(&sdp(&format!("m=audio 4000 RTP/SAVP 0\r\n{lines}")));
        let answer = answer(&offer, &with_srtp(true)).unwrap();
        assert!(answer.sdp.contains(&format!("a=crypto:{tag} {} inline:", profile.name())));
        assert_eq!(answer.sdp.matches("a=crypto:").count(), 1);
    }
}

#[test]
fn of_a_secure_and_a_plain_stream_one_is_taken_and_the_other_refused() {
    let secure = format!("m=audio 4000 RTP/SAVP 0\r\n{}", line(1, EIGHTY));
    let plain = "m=audio 4002 RTP/AVP 0\r\n";
    for (lines, at) in [(format!("{secure}{plain}"), 0), (format!("{plain}{secure}"), 1)] {
        let ports = |local: &Local| {
            let answer = answer(&parse(&sdp(&lines)), local).unwrap();
            let ports = answer.sdp.lines().filter_map(|line| line.strip_prefix("m=audio "));
            ports.map(|rest| rest.starts_with("20000")).collect::<Vec<_>>()
        };
        let secure_taken = [at == 0, at == 1];
        assert_eq!(ports(&with_srtp(false)), secure_taken);
        assert_eq!(ports(&with_srtp(true)), secure_taken);
        assert_eq!(ports(&local()), [at != 0, at != 1]);
    }
}

#[test]
fn our_offers_carry_keys_when_the_policy_says_so() {
    for (local, protocol, lines) in
        [(local(), "RTP/AVP", 0), (with_srtp(false), "RTP/AVP", 3), (with_srtp(true), "RTP/SAVP", 3)]
    {
        let offer = make_offer(&local);
        assert!(offer.contains(&format!("m=audio 20000 {protocol} 0")), "{offer}");
        assert_eq!(offer.matches("a=crypto:").count(), lines);
    }
}

#[test]
fn an_answer_to_our_offer_is_held_to_what_we_require() {
    let read = |lines: &str, local: &Local| {
        let agreed = read_answer(sdp(lines).as_bytes(), local);
        agreed.map(|agreed| agreed.srtp.map(|pair| (pair.send.profile(), pair.receive)))
    };
    let plain = "m=audio 4000 RTP/AVP 0\r\n";
    let secure = format!("m=audio 4000 RTP/SAVP 0\r\n{}", line(2, EIGHTY));
    let keyless = "m=audio 4000 RTP/SAVP 0\r\n";
    assert_eq!(read(plain, &with_srtp(false)), Ok(None));
    assert_eq!(read(plain, &with_srtp(true)), Err(SdpError::OnlyPlain));
    assert_eq!(read(&secure, &with_srtp(true)), Ok(Some((EIGHTY, theirs(EIGHTY)))));
    assert_eq!(read(&secure, &with_srtp(false)), Ok(Some((EIGHTY, theirs(EIGHTY)))));
    assert_eq!(read(&secure, &local()), Err(SdpError::OnlySecure));
    assert_eq!(read(keyless, &with_srtp(true)), Err(SdpError::OnlySecure));
}

#[test]
fn new_keys_in_a_second_offer_are_theirs_and_ours_stay() {
    let local = with_srtp(true);
    let agreed = |keys: &str| {
        let line = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{keys}\r\n");
        let offer = parse(&sdp(&format!("m=audio 4000 RTP/SAVP 0\r\n{line}")));
        answer(&offer, &local).unwrap().agreed.srtp.unwrap()
    };
    let (first, second) = (agreed(&STANDARD.encode([1; 30])), agreed(&STANDARD.encode([2; 30])));
    assert_ne!(first.receive, second.receive);
    assert_eq!(first.send, second.send);
}

#[test]
fn hundreds_of_keys_are_bounded_and_a_tag_counts_once() {
    let lines: String = (1..100).map(|tag| line(tag, THIRTY_TWO)).collect();
    let offer = parse(&sdp(&format!("m=audio 4000 RTP/SAVP 0\r\n{lines}")));
    assert_eq!(offer.audio[0].crypto.len(), 16);
    let twice = format!("{}{}", line(1, THIRTY_TWO), line(1, EIGHTY));
    let offer = parse(&sdp(&format!("m=audio 4000 RTP/SAVP 0\r\n{twice}")));
    assert_eq!(answer(&offer, &with_srtp(true)).unwrap().agreed.srtp.unwrap().send.profile(), THIRTY_TWO);
}

#[test]
fn keys_are_in_nothing_that_is_shown() {
    let local = with_srtp(true);
    let offer = parse(&sdp(&format!("m=audio 4000 RTP/SAVP 0\r\n{}", line(1, EIGHTY))));
    let answer = answer(&offer, &local).unwrap();
    let shown = format!("{offer:?} {offer:#?} {local:?} {answer:?} {answer:#?} {:?}", answer.agreed);
    let pair = answer.agreed.srtp.unwrap();
    for keys in [pair.send, pair.receive] {
        let bytes: Vec<String> = keys.expose().iter().take(4).map(u8::to_string).collect();
        for secret in [STANDARD.encode(keys.expose()), bytes.join(", ")] {
            assert!(!shown.contains(&secret));
        }
    }
    assert!(shown.contains("[redacted]"));
}

const EIGHTY: Profile = Profile::AesCm128HmacSha1_80;
const THIRTY_TWO: Profile = Profile::AesCm128HmacSha1_32;
const GCM: Profile = Profile::AeadAes128Gcm;

fn with_srtp(required: bool) -> Local {
    let entropy = std::array::from_fn(|n| n as u8);
    Local { security: Some(Security::new(required, &entropy)), ..local() }
}

fn theirs(profile: Profile) -> SrtpKeys {
    SrtpKeys::new(profile, &vec![0xa5; profile.material_len()]).unwrap()
}

fn line(tag: u32, profile: Profile) -> String {
    let key = STANDARD.encode(theirs(profile).expose());
    format!("a=crypto:{tag} {} inline:{key}\r\n", profile.name())
}
