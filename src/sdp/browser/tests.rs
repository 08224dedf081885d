//! Offers of browsers, with what breaks them.

use proptest::prelude::*;

use super::*;
use crate::sdp::{Codec, Direction};

const SUM: &str =
    "7B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08";

/// As Chromium writes it, shortened.
fn chromium() -> String {
    format!(
        "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
         a=ice-ufrag:abcd\r\na=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa\r\na=fingerprint:sha-256 {SUM}\r\n\
         a=setup:actpass\r\na=mid:0\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=sendrecv\r\n\
         a=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
         a=rtpmap:63 red/48000/2\r\na=rtpmap:9 G722/8000\r\na=rtpmap:110 telephone-event/48000\r\n\
         a=rtpmap:126 telephone-event/8000\r\na=candidate:1 1 udp 2113937151 4d3c.local 53210 typ host\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\n"
    )
}

fn local() -> BrowserLocal {
    BrowserLocal {
        local: Local::new([192, 0, 2, 9].into(), 19_000, vec![Codec::Opus, Codec::G722, Codec::Pcmu]),
        candidates: vec!["192.0.2.9:19000".parse().unwrap(), "[2001:db8::9]:19000".parse().unwrap()],
        credentials: IceCredentials::new(&[1; IceCredentials::ENTROPY]),
        fingerprint: Fingerprint::new([0xab; 32]),
        mid: None,
    }
}

#[test]
fn the_audio_of_an_offer_is_taken_and_all_else_refused() {
    let (sdp, agreed) = answer(&parse_offer(chromium().as_bytes()).unwrap(), &local()).unwrap();
    let expected = [
        "a=group:BUNDLE 0",
        "a=ice-lite",
        "m=audio 19000 UDP/TLS/RTP/SAVPF 111 110",
        "a=rtpmap:111 opus/48000/2",
        "a=rtpmap:110 telephone-event/48000",
        "a=sendrecv",
        "a=mid:0",
        "a=rtcp-mux",
        "a=ice-ufrag:BBBBBBBB",
        "a=setup:passive",
        "a=candidate:1 1 udp 2130706431 192.0.2.9 19000 typ host",
        "a=candidate:2 1 udp 2130706175 2001:db8::9 19000 typ host",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "m=video 0 UDP/TLS/RTP/SAVPF 96 97",
        "a=mid:1",
    ];
    for line in expected {
        assert!(sdp.lines().any(|said| said == line), "{line} in\n{sdp}");
    }
    assert_eq!(sdp.matches("telephone-event").count(), 1);
    assert!(sdp.contains(&format!("a=fingerprint:sha-256 {}", ["AB"; 32].join(":"))));
    let terms = &agreed.agreed.terms;
    assert!(terms.ice && terms.rtcp_mux && terms.rtcp.is_some() && terms.opus.fec);
    assert_eq!((agreed.agreed.codec, agreed.agreed.telephone_event), (Codec::Opus, Some(110)));
    assert_eq!((terms.audio_level, agreed.agreed.direction), (Some(1), Direction::SendRecv));
    assert_eq!(terms.audio_level_sent, Some(1));
    assert_eq!(agreed.remote.fingerprints, [Fingerprint::parse(&format!("sha-256 {SUM}")).unwrap()]);
}

#[test]
fn who_only_sends_how_loud_it_is_is_not_told_how_loud_we_are() {
    let offer = chromium().replace("extmap:1 urn", "extmap:1/sendonly urn");
    let (sdp, agreed) = answer(&parse_offer(offer.as_bytes()).unwrap(), &local()).unwrap();
    assert!(sdp.contains("a=extmap:1/recvonly urn:ietf:params:rtp-hdrext:ssrc-audio-level"), "{sdp}");
    assert_eq!((agreed.agreed.terms.audio_level, agreed.agreed.terms.audio_level_sent), (Some(1), None));
}

#[test]
fn what_a_browser_leaves_out_is_named() {
    let refused = |from: &str, to: &str| {
        let offer = parse_offer(chromium().replace(from, to).as_bytes());
        offer.and_then(|offer| answer(&offer, &local())).err()
    };
    assert_eq!(refused("a=ice-pwd", "a=x"), Some(SdpError::NoIce));
    assert_eq!(refused("a=ice-ufrag:abcd", "a=ice-ufrag:abc"), Some(SdpError::NoIce));
    assert_eq!(refused("sha-256", "sha-1"), Some(SdpError::NoFingerprint));
    assert_eq!(refused(":19:08", ":19"), Some(SdpError::NoFingerprint));
    assert_eq!(refused(":19:08", ":19:08:AA"), Some(SdpError::NoFingerprint));
    assert_eq!(refused("a=setup:actpass", "a=setup:passive"), Some(SdpError::NoRole));
    assert_eq!(refused("UDP/TLS/RTP/SAVPF 111", "RTP/AVP 111"), Some(SdpError::NoAudio));
    assert_eq!(
        refused("m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0", "m=audio 9 UDP/TLS/RTP/SAVPF 63"),
        Some(SdpError::NoCommonCodec)
    );
    // What stands for all streams holds for each.
    let session = format!("t=0 0\r\na=fingerprint:sha-256 {SUM}");
    let moved = chromium()
        .replacen(&format!("a=fingerprint:sha-256 {SUM}\r\n"), "", 1)
        .replacen("t=0 0", &session, 1);
    assert!(parse_offer(moved.as_bytes()).is_ok());
    // In a bundle, a stream may have no port.
    let bundled = chromium().replace("m=audio 9", "m=audio 0").replace("a=mid:0", "a=mid:0\r\na=bundle-only");
    assert!(parse_offer(bundled.as_bytes()).is_ok());
}

#[test]
fn a_restart_is_told_by_other_credentials() {
    let before = parse_offer(chromium().as_bytes()).unwrap().remote;
    let with = |from: &str, to: &str| parse_offer(chromium().replace(from, to).as_bytes()).unwrap().remote;
    assert!(!with("sendrecv", "sendonly").is_restarted_since(&before));
    assert!(with("abcd", "efgh").is_restarted_since(&before));
    assert!(with("pwd:a", "pwd:b").is_restarted_since(&before));
}

#[test]
fn an_offer_of_ours_is_one_that_the_node_would_answer_and_its_answer_is_read() {
    let offer = make_offer(&local());
    assert!(offer.contains("a=setup:actpass") && offer.contains("a=ice-lite"));
    let answering =
        BrowserLocal { credentials: IceCredentials::new(&[2; IceCredentials::ENTROPY]), ..local() };
    let (answer, _) = answer(&parse_offer(offer.as_bytes()).unwrap(), &answering).unwrap();
    assert_eq!(read_answer(answer.as_bytes(), &local()), Err(SdpError::NoRole));
    let active = answer.replace("a=setup:passive", "a=setup:active");
    let agreed = read_answer(active.as_bytes(), &local()).unwrap();
    assert_eq!(agreed.agreed.codec, Codec::Opus);
    assert!(agreed.agreed.terms.ice);
    // Browsers speak in what stands first in their answer.
    let formats =
        active.lines().find_map(|line| line.strip_prefix("m=audio 19000 UDP/TLS/RTP/SAVPF ")).unwrap();
    let first = active.replace(formats, &format!("0 {formats}"));
    assert_eq!(read_answer(first.as_bytes(), &local()).unwrap().agreed.codec, Codec::Pcmu);
    assert_eq!(
        read_answer(active.replace("m=audio 19000", "m=audio 0").as_bytes(), &local()),
        Err(SdpError::NoAudio)
    );
}

#[test]
fn nothing_secret_is_in_what_is_shown() {
    let offer = parse_offer(chromium().as_bytes()).unwrap();
    assert!(!format!("{offer:?}").contains("aaaaaaaa"));
    let local = local();
    assert!(!format!("{local:?}").contains(local.credentials.expose_password()));
}

proptest! {
    #[test]
    fn whatever_comes_is_refused_or_answered_for_each_of_its_streams(cut in 0_usize..1_400, byte in any::<u8>(), len in 0_usize..40) {
        let mut bytes = chromium().into_bytes();
        let cut = cut.min(bytes.len());
        let end = (cut + len).min(bytes.len());
        bytes.splice(cut..end, [byte; 3]);
        if let Ok(offer) = parse_offer(&bytes)
            && let Ok((sdp, _)) = answer(&offer, &local())
        {
            let streams = sdp.lines().filter(|line| line.starts_with("m=")).count();
            prop_assert_eq!(streams, offer.streams.len());
        }
    }
}
