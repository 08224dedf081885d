//! Proofs as a client makes them, and all the ways to make a wrong one. The hashes are held against the RFCs' examples.

use std::time::Duration;

use proptest::prelude::*;

use super::credentials::Protection;
use super::verifier::response;
use super::*;
use crate::config::Secret;

const KEY: [u8; 32] = [7; 32];
const REALM: &str = "confab.example";
const URI: &str = "sip:confab.example";
const LIFETIME: Duration = Duration::from_secs(300);

fn verifier() -> Verifier {
    Verifier::new(KEY, Settings::default())
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

/// What is asked for a REGISTER.
fn asked(now: Duration) -> Asked<'static> {
    Asked { method: "REGISTER", uri: URI, realm: REALM, now }
}

/// The nonce of a challenge.
fn nonce(challenge: &[String]) -> String {
    challenge[0].split("nonce=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

/// What a phone answers to a challenge.
fn proof(algorithm: Algorithm, nonce: &str, count: u32, password: &str) -> Credentials {
    let credentials = Credentials {
        username: "alice".to_owned(),
        realm: REALM.to_owned(),
        nonce: nonce.to_owned(),
        uri: URI.to_owned(),
        response: String::new(),
        algorithm: Some(algorithm.name().to_owned()),
        protection: Some(Protection {
            qop: "auth".to_owned(),
            count: format!("{count:08x}"),
            cnonce: "0a4f113b".to_owned(),
        }),
        is_hashed: false,
    };
    signed(algorithm, credentials, password)
}

/// The same with a digest that is right for what they say.
fn signed(algorithm: Algorithm, mut credentials: Credentials, password: &str) -> Credentials {
    credentials.response =
        response(algorithm, "REGISTER", &credentials, &secret(password)).as_str().to_owned();
    credentials
}

fn judged(verifier: &Verifier, now: Duration, credentials: &Credentials) -> Verdict {
    judged_text(verifier, now, &credentials.to_string())
}

fn judged_text(verifier: &Verifier, now: Duration, header: &str) -> Verdict {
    let password = secret("open sesame");
    verifier.verify(&asked(now), [header], |user| (user == "alice").then_some(&password))
}

fn proved() -> Verdict {
    Verdict::Proved("alice".to_owned())
}

#[test]
fn digests_are_those_of_the_rfcs() {
    let credentials = |realm: &str, nonce: &str, cnonce: &str| Credentials {
        username: "Mufasa".to_owned(),
        realm: realm.to_owned(),
        nonce: nonce.to_owned(),
        uri: "/dir/index.html".to_owned(),
        response: String::new(),
        algorithm: None,
        protection: Some(Protection {
            qop: "auth".to_owned(),
            count: "00000001".to_owned(),
            cnonce: cnonce.to_owned(),
        }),
        is_hashed: false,
    };
    // RFC 2617 §3.5.
    let old = credentials("testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "0a4f113b");
    let digest = response(Algorithm::Md5, "GET", &old, &secret("Circle Of Life"));
    assert_eq!(*digest, "6629fae49393a05397450978507c4ef1");
    // RFC 7616 §3.9.1.
    let new = credentials(
        "http-auth@example.org",
        "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    );
    let digest = |algorithm| response(algorithm, "GET", &new, &secret("Circle of Life"));
    assert_eq!(*digest(Algorithm::Md5), "8ca523f5e9506fed4657c9700eebdbec");
    assert_eq!(
        *digest(Algorithm::Sha256),
        "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
    );
}

#[test]
fn the_better_hash_is_offered_first_and_both_with_one_nonce() {
    let challenge = verifier().challenge("a \"b\"", true, Duration::ZERO);
    let nonce = nonce(&challenge);
    let expected = |algorithm: &str| {
        let realm = r#""a \"b\"""#;
        format!("Digest realm={realm}, nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\", stale=true")
    };
    assert_eq!(challenge, [expected("SHA-256"), expected("MD5")]);
    assert!(!verifier().challenge(REALM, false, Duration::ZERO)[0].contains("stale"));
}

#[test]
fn the_password_is_proved_with_either_hash_and_with_none_named() {
    let verifier = verifier();
    for algorithm in Algorithm::ALL {
        let nonce = nonce(&verifier.challenge(REALM, false, Duration::ZERO));
        let credentials = proof(algorithm, &nonce, 1, "open sesame");
        assert_eq!(judged(&verifier, Duration::from_secs(1), &credentials), proved());
    }
    let nonce = nonce(&verifier.challenge(REALM, false, Duration::ZERO));
    let unnamed = Credentials { algorithm: None, ..proof(Algorithm::Md5, &nonce, 1, "open sesame") };
    assert_eq!(judged(&verifier, Duration::ZERO, &unnamed), proved());
}

#[test]
fn nobody_proves_anything_in_these_ways() {
    let verifier = verifier();
    let fresh = || nonce(&verifier.challenge(REALM, false, Duration::ZERO));
    let right = || proof(Algorithm::Sha256, &fresh(), 1, "open sesame");
    let re_signed = |credentials| signed(Algorithm::Sha256, credentials, "open sesame");
    let qop = |qop: &str| {
        let mut credentials = right();
        credentials.protection.as_mut().unwrap().qop = qop.to_owned();
        re_signed(credentials)
    };
    let cases = [
        ("wrong password", proof(Algorithm::Sha256, &fresh(), 1, "open sesamE"), Fault::WrongDigest),
        ("no password", proof(Algorithm::Sha256, &fresh(), 1, ""), Fault::WrongDigest),
        (
            "unknown user",
            re_signed(Credentials { username: "mallory".into(), ..right() }),
            Fault::WrongDigest,
        ),
        ("another user's proof", Credentials { username: "mallory".into(), ..right() }, Fault::WrongDigest),
        ("no user", re_signed(Credentials { username: String::new(), ..right() }), Fault::WrongDigest),
        ("no digest", Credentials { response: String::new(), ..right() }, Fault::WrongDigest),
        (
            "half a digest",
            Credentials { response: right().response[..32].into(), ..right() },
            Fault::WrongDigest,
        ),
        ("a digest of the other hash", Credentials { algorithm: None, ..right() }, Fault::WrongDigest),
        ("another realm", re_signed(Credentials { realm: "pbx".into(), ..right() }), Fault::WrongRealm),
        (
            "another host",
            re_signed(Credentials { uri: "sip:evil.example".into(), ..right() }),
            Fault::WrongUri,
        ),
        (
            "another user of the host",
            re_signed(Credentials { uri: "sip:x@confab.example".into(), ..right() }),
            Fault::WrongUri,
        ),
        (
            "another port",
            re_signed(Credentials { uri: "sip:confab.example:5070".into(), ..right() }),
            Fault::WrongUri,
        ),
        ("no place", re_signed(Credentials { uri: String::new(), ..right() }), Fault::WrongUri),
        (
            "SHA-512-256",
            Credentials { algorithm: Some("SHA-512-256".into()), ..right() },
            Fault::UnknownAlgorithm,
        ),
        ("MD5-sess", Credentials { algorithm: Some("MD5-sess".into()), ..right() }, Fault::UnknownAlgorithm),
        ("an empty hash", Credentials { algorithm: Some(String::new()), ..right() }, Fault::UnknownAlgorithm),
        ("auth-int", qop("auth-int"), Fault::UnknownProtection),
        ("an empty qop", qop(""), Fault::UnknownProtection),
        ("a hashed user", re_signed(Credentials { is_hashed: true, ..right() }), Fault::HashedUsername),
    ];
    for (what, credentials, fault) in cases {
        assert_eq!(judged(&verifier, Duration::ZERO, &credentials), Verdict::Refused(fault), "{what}");
    }
}

#[test]
fn a_proof_of_one_method_is_none_of_another() {
    let verifier = verifier();
    let nonce = nonce(&verifier.challenge(REALM, false, Duration::ZERO));
    let header = proof(Algorithm::Sha256, &nonce, 1, "open sesame").to_string();
    let invite = Asked { method: "INVITE", ..asked(Duration::ZERO) };
    let password = secret("open sesame");
    let verdict = verifier.verify(&invite, [header.as_str()], |_| Some(&password));
    assert_eq!(verdict, Verdict::Refused(Fault::WrongDigest));
}

#[test]
fn a_proof_is_good_once_and_the_next_must_count_higher() {
    let verifier = verifier();
    let nonce = nonce(&verifier.challenge(REALM, false, Duration::ZERO));
    for (count, verdict) in [
        (1, proved()),
        (1, Verdict::Stale),
        (0, Verdict::Stale),
        (2, proved()),
        (9, proved()),
        (8, Verdict::Stale),
        (u32::MAX, proved()),
        (u32::MAX, Verdict::Stale),
    ] {
        let credentials = proof(Algorithm::Sha256, &nonce, count, "open sesame");
        assert_eq!(judged(&verifier, Duration::ZERO, &credentials), verdict, "{count}");
    }
}

#[test]
fn credentials_without_a_count_use_their_nonce_up() {
    let verifier = verifier();
    let nonce = nonce(&verifier.challenge(REALM, false, Duration::ZERO));
    let counted = proof(Algorithm::Md5, &nonce, 1, "open sesame");
    let uncounted =
        signed(Algorithm::Md5, Credentials { protection: None, ..counted.clone() }, "open sesame");
    assert_eq!(judged(&verifier, Duration::ZERO, &uncounted), proved());
    assert_eq!(judged(&verifier, Duration::ZERO, &uncounted), Verdict::Stale);
    assert_eq!(judged(&verifier, Duration::ZERO, &counted), Verdict::Stale);
}

#[test]
fn a_nonce_grows_old_and_only_who_knows_the_password_is_told_so() {
    let verifier = verifier();
    let start = Duration::from_secs(1_000);
    let nonce = nonce(&verifier.challenge(REALM, false, start));
    let right = |count| proof(Algorithm::Sha256, &nonce, count, "open sesame");
    let last = start + LIFETIME - Duration::from_millis(1);
    assert_eq!(judged(&verifier, last, &right(1)), proved());
    assert_eq!(judged(&verifier, start + LIFETIME, &right(2)), Verdict::Stale);
    let wrong = proof(Algorithm::Sha256, &nonce, 3, "open barley");
    assert_eq!(judged(&verifier, start + LIFETIME, &wrong), Verdict::Refused(Fault::WrongDigest));
}

#[test]
fn nonces_that_were_not_made_here_for_this_realm_are_stale() {
    let (verifier, other) = (verifier(), Verifier::new([8; 32], Settings::default()));
    let ours = nonce(&verifier.challenge(REALM, false, Duration::ZERO));
    let flipped = format!("{}{}", if ours.starts_with('0') { "1" } else { "0" }, &ours[1..]);
    let younger = format!("{}{:016x}{}", &ours[..16], 100_000_000, &ours[32..]);
    for nonce in [
        nonce(&other.challenge(REALM, false, Duration::ZERO)),
        nonce(&verifier.challenge("another", false, Duration::ZERO)),
        flipped,
        younger,
        ours.to_ascii_uppercase().replace('A', "a"),
        format!("{ours}0"),
        ours[1..].to_owned(),
        String::new(),
        "ä".repeat(32),
    ] {
        if nonce == ours {
            continue;
        }
        let credentials = proof(Algorithm::Sha256, &nonce, 1, "open sesame");
        assert_eq!(judged(&verifier, Duration::ZERO, &credentials), Verdict::Stale, "{nonce}");
    }
}

#[test]
fn when_there_is_no_room_the_oldest_nonces_are_used_up_and_none_is_good_twice() {
    let verifier = Verifier::new(KEY, Settings { lifetime: LIFETIME, in_use_max: 2 });
    let nonces: Vec<String> =
        (0..4).map(|_| nonce(&verifier.challenge(REALM, false, Duration::ZERO))).collect();
    let verdict = |at: usize, count| {
        judged(&verifier, Duration::ZERO, &proof(Algorithm::Sha256, &nonces[at], count, "open sesame"))
    };
    assert_eq!((verdict(1, 1), verdict(2, 1), verdict(3, 1)), (proved(), proved(), proved()));
    // The second was forgotten for the fourth: neither it nor the first, which is older, is good any more.
    assert_eq!(
        (verdict(1, 1), verdict(1, 2), verdict(0, 1)),
        (Verdict::Stale, Verdict::Stale, Verdict::Stale)
    );
    assert_eq!(verdict(3, 2), proved());
}

#[test]
fn nonces_that_are_too_old_make_room() {
    let verifier = Verifier::new(KEY, Settings { lifetime: LIFETIME, in_use_max: 2 });
    let mut now = Duration::ZERO;
    for _ in 0..10 {
        let nonces = [0; 2].map(|_| nonce(&verifier.challenge(REALM, false, now)));
        for count in [1, 2] {
            for nonce in &nonces {
                let credentials = proof(Algorithm::Sha256, nonce, count, "open sesame");
                assert_eq!(judged(&verifier, now, &credentials), proved());
            }
        }
        now += LIFETIME;
    }
}

#[test]
fn a_proof_for_others_beside_ours_does_no_harm() {
    let (verifier, password) = (verifier(), secret("open sesame"));
    let nonce = nonce(&verifier.challenge(REALM, false, Duration::ZERO));
    let ours = proof(Algorithm::Sha256, &nonce, 1, "open sesame").to_string();
    let theirs = "Digest username=\"a\", realm=\"proxy\", nonce=\"n\", uri=\"sip:x\", response=\"0\"";
    let verify = |headers: &[&str]| {
        verifier.verify(&asked(Duration::ZERO), headers.iter().copied(), |_| Some(&password))
    };
    assert_eq!(verify(&[]), Verdict::Missing);
    assert_eq!(verify(&[theirs]), Verdict::Refused(Fault::WrongRealm));
    assert_eq!(verify(&["Basic YTpi"]), Verdict::Refused(Fault::Malformed));
    assert_eq!(verify(&[theirs, &ours]), proved());
}

#[test]
fn a_place_may_be_written_in_more_than_one_way() {
    let verifier = verifier();
    let password = secret("open sesame");
    for (uri, said) in [
        ("sip:confab.example", "sip:confab.example:5060"),
        ("sip:Confab.Example;transport=tcp", "SIP:confab.example"),
        ("sip:a%20b@confab.example", "sip:a b@confab.example"),
        ("sip:+1%3Bnpdi@confab.example", "sip:+1;npdi@confab.example"),
        ("sips:confab.example:5061", "sips:confab.example"),
    ] {
        let nonce = nonce(&verifier.challenge(REALM, false, Duration::ZERO));
        let mut credentials = proof(Algorithm::Sha256, &nonce, 1, "open sesame");
        credentials.uri = said.to_owned();
        let header = signed(Algorithm::Sha256, credentials, "open sesame").to_string();
        let asked = Asked { uri, ..asked(Duration::ZERO) };
        assert_eq!(verifier.verify(&asked, [header.as_str()], |_| Some(&password)), proved(), "{uri} {said}");
    }
}

#[test]
fn phones_write_the_header_in_many_ways() {
    let read = |text: &str| Credentials::parse(text).unwrap();
    let usual = read(
        "Digest username=\"al\\\"ice\", realm=\"a, b\", nonce=\"n=1\", uri=\"sip:x\", response=\"0f\", \
         algorithm=SHA-256, qop=auth, nc=0000000A, cnonce=\"\", opaque=\"o\"",
    );
    assert_eq!((usual.username.as_str(), usual.realm.as_str()), ("al\"ice", "a, b"));
    assert_eq!(usual.protection.as_ref().map(Protection::count), Some(10));
    let odd = "  dIGEST\tUserName = \"al\\\"ice\" ,,realm=\"a, b\",  NONCE=\"n=1\",uri=sip:x,response=0f,algorithm=\"SHA-256\",\
               qop=\"auth\",cnonce=\"\",nc=\"0000000A\",";
    assert_eq!(read(odd), usual);
}

#[test]
fn what_is_no_header_is_refused() {
    let right = "Digest username=\"a\", realm=\"r\", nonce=\"n\", uri=\"u\", response=\"0\"";
    assert!(Credentials::parse(right).is_ok());
    for wrong in [
        "",
        "Digest",
        "Digest ",
        "Basic username=\"a\", realm=\"r\", nonce=\"n\", uri=\"u\", response=\"0\"",
        &right.replace("username=\"a\", ", ""),
        &right.replace("realm=\"r\", ", ""),
        &right.replace(", response=\"0\"", ""),
        &format!("{right}, username=\"b\""),
        &format!("{right}, Realm=\"r\""),
        &format!("{right}, qop=auth"),
        &format!("{right}, qop=auth, nc=1, cnonce=\"c\""),
        &format!("{right}, qop=auth, nc=+0000001, cnonce=\"c\""),
        &format!("{right}, qop=auth, nc=00000001"),
        &format!("{right}, opaque"),
        &format!("{right}, opaque=\"o"),
        &format!("{right}, opaque=\"o\\"),
        &format!("{right}, opaque=\"o\" x"),
        &format!("{right}, opaque=\"\u{1}\""),
        &format!("{right}, =\"o\""),
        &format!("{right}{}", ", x=1".repeat(20)),
    ] {
        assert_eq!(Credentials::parse(wrong), Err(Malformed), "{wrong}");
    }
}

#[test]
fn nothing_that_could_be_guessed_from_is_shown() {
    let verifier = verifier();
    let nonce = nonce(&verifier.challenge(REALM, false, Duration::ZERO));
    let credentials = proof(Algorithm::Sha256, &nonce, 1, "open sesame");
    let shown = format!("{credentials:?} {verifier:?} {:?}", credentials.protection);
    for secret in [credentials.response.as_str(), "0a4f113b", "alice", &*hex(&KEY)] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

fn texts() -> impl Strategy<Value = String> {
    proptest::string::string_regex(r#"[ -~äß€"\\,=]{0,12}"#).unwrap()
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        texts in proptest::collection::vec(texts(), 8),
        count in any::<u32>(),
        (has_algorithm, has_qop, is_hashed) in any::<(bool, bool, bool)>(),
    ) {
        let [username, realm, nonce, uri, response, algorithm, qop, cnonce] = texts.try_into().unwrap();
        let protection = has_qop.then(|| Protection { qop, count: format!("{count:08x}"), cnonce });
        let algorithm = has_algorithm.then_some(algorithm);
        let written = Credentials { username, realm, nonce, uri, response, algorithm, protection, is_hashed };
        prop_assert_eq!(Credentials::parse(&written.to_string()), Ok(written));
    }

    #[test]
    fn no_text_proves_anything_or_makes_the_reader_panic(
        header in r#"(Digest )?((username|realm|nonce|uri|response|qop|nc|cnonce|algorithm|userhash|\PC{0,5})=("?\PC{0,12}"?),? ?){0,9}"#
    ) {
        let verdict = judged_text(&verifier(), Duration::ZERO, &header);
        prop_assert!(!matches!(verdict, Verdict::Proved(_) | Verdict::Stale));
    }

    /// Every other password, nonce or count than the right ones is refused, and no byte of a header can be changed
    /// into something else that proves.
    #[test]
    fn a_changed_header_proves_nothing_but_the_same(at in any::<prop::sample::Index>(), byte in 0x20_u8..0x7f) {
        let verifier = verifier();
        let nonce = nonce(&verifier.challenge(REALM, false, Duration::ZERO));
        let header = proof(Algorithm::Sha256, &nonce, 1, "open sesame").to_string();
        let mut changed = header.clone().into_bytes();
        let at = at.index(changed.len());
        changed[at] = byte;
        let changed = String::from_utf8(changed).unwrap();
        if let (Ok(before), Ok(after)) = (Credentials::parse(&header), Credentials::parse(&changed)) {
            let mut lower = after.clone();
            lower.response.make_ascii_lowercase();
            lower.algorithm = lower.algorithm.map(|name| name.to_ascii_uppercase());
            let verdict = judged_text(&verifier, Duration::ZERO, &changed);
            prop_assert_eq!(verdict == proved(), lower == before);
        }
    }
}
