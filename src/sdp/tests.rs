//! Negotiation as its callers see it; more inputs, as trunks and phones send them, are in sip-fixtures/sdp.

mod security;

use confab_media::OpusTerms;
use confab_media::codec::L16Rate;
use proptest::prelude::*;

use super::*;

#[test]
fn a_plain_offer_is_answered_with_our_first_codec_and_its_payload_types() {
    let offer =
        parse(&sdp("m=audio 4000 RTP/AVP 8 0 96\r\na=rtpmap:96 telephone-event/8000\r\na=ptime:30\r\n"));
    let audio = &offer.audio[0];
    assert_eq!(audio.remote, Some("192.0.2.4:4000".parse().unwrap()));
    assert_eq!(audio.codecs().collect::<Vec<_>>(), [(8, Codec::Pcma), (0, Codec::Pcmu)]);
    assert_eq!(audio.ptime, Some(30));

    let answer = answer(&offer, &local()).unwrap();
    assert_eq!(
        answer.sdp,
        "v=0\r\no=- 7 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
         m=audio 20000 RTP/AVP 0 96\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:96 telephone-event/8000\r\n\
         a=fmtp:96 0-15\r\na=ptime:20\r\na=maxptime:60\r\na=sendrecv\r\n"
    );
    let agreed = answer.agreed;
    assert_eq!((agreed.codec, agreed.payload_type), (Codec::Pcmu, 0));
    assert_eq!(agreed.telephone_event, Some(96));
    assert_eq!(agreed.remote, audio.remote);
    assert_eq!(agreed.terms.rtcp, Some("192.0.2.4:4001".parse().unwrap()));
    assert_eq!((agreed.terms.ptime, agreed.terms.rtcp_mux), (30, false));
    assert_eq!(agreed.srtp, None);
}

#[test]
fn the_codec_is_the_one_we_like_best_whatever_their_order() {
    let offer = parse(&sdp(WIDE));
    let l16 = |rate| Codec::L16(rate);
    for (ours, chosen) in [
        (Codec::ALL.to_vec(), (96, Codec::Opus)),
        (vec![Codec::G722, Codec::Opus], (9, Codec::G722)),
        (vec![Codec::Pcma, Codec::Opus], (8, Codec::Pcma)),
        (vec![l16(L16Rate::Hz8000), l16(L16Rate::Hz16000)], (97, l16(L16Rate::Hz16000))),
    ] {
        let agreed = answer(&offer, &Local { codecs: ours, ..local() }).unwrap().agreed;
        assert_eq!((agreed.payload_type, agreed.codec), chosen);
    }
}

#[test]
fn opus_is_answered_as_it_must_be_written_and_heard_as_it_is_wanted() {
    let all = Local { codecs: Codec::ALL.to_vec(), ..local() };
    let lines =
        format!("{WIDE}a=fmtp:96 useinbandfec=1;maxaveragebitrate=20000;usedtx=1\r\na=fmtp:9 usedtx=0\r\n");
    let answer = answer(&parse(&sdp(&lines)), &all).unwrap();
    assert!(answer.sdp.contains("a=rtpmap:96 opus/48000/2\r\na=fmtp:96 minptime=10;useinbandfec=1\r\n"));
    let wanted = OpusTerms { fec: true, dtx: true, bitrate_max: Some(20_000), ..OpusTerms::default() };
    assert_eq!(answer.agreed.terms.opus, wanted);
}

#[test]
fn digits_are_counted_like_the_sound_or_like_everybody_counts_them() {
    let agreed = |ours: Codec, events: &str| {
        let offer = parse(&sdp(&format!(
            "m=audio 4000 RTP/AVP 96 97 0 101 102\r\na=rtpmap:96 opus/48000/2\r\n\
                                         a=rtpmap:97 L16/16000\r\n{events}"
        )));
        let agreed = answer(&offer, &Local { codecs: vec![ours], ..local() }).unwrap().agreed;
        (agreed.telephone_event, agreed.terms.telephone_event_rate)
    };
    let both = "a=rtpmap:101 telephone-event/8000\r\na=rtpmap:102 telephone-event/48000\r\n";
    assert_eq!(agreed(Codec::Opus, both), (Some(102), 48_000));
    assert_eq!(agreed(Codec::Pcmu, both), (Some(101), 8_000));
    assert_eq!(agreed(Codec::L16(L16Rate::Hz16000), both), (Some(101), 8_000));
    assert_eq!(agreed(Codec::Opus, "a=rtpmap:101 telephone-event/8000\r\n"), (Some(101), 8_000));
    assert_eq!(agreed(Codec::Pcmu, "a=rtpmap:101 telephone-event/48000\r\n"), (None, 8_000));
}

#[test]
fn comfort_noise_is_taken_at_the_sounds_clock_rate() {
    let noise = |ours: Codec, lines: &str| {
        let answer = answer(&parse(&sdp(lines)), &Local { codecs: vec![ours], ..local() }).unwrap();
        let answered = answer.sdp.contains("CN/");
        assert_eq!(answered, answer.agreed.terms.comfort_noise.is_some());
        answer.agreed.terms.comfort_noise
    };
    assert_eq!(noise(Codec::Pcmu, "m=audio 4000 RTP/AVP 0 13\r\n"), Some(13));
    assert_eq!(noise(Codec::Pcmu, "m=audio 4000 RTP/AVP 0 13 98\r\na=rtpmap:13 CN/8000\r\n"), Some(13));
    assert_eq!(noise(Codec::Pcmu, "m=audio 4000 RTP/AVP 0\r\n"), None);
    let wide = "m=audio 4000 RTP/AVP 97 13 98\r\na=rtpmap:97 L16/16000\r\na=rtpmap:98 CN/16000\r\n";
    assert_eq!(noise(Codec::L16(L16Rate::Hz16000), wide), Some(98));
}

#[test]
fn packets_are_as_long_as_they_are_wanted_and_can_be() {
    for (lines, narrow, opus) in [
        ("", 20, 20),
        ("a=ptime:10\r\n", 10, 10),
        ("a=ptime:30\r\n", 30, 20),
        ("a=ptime:60\r\n", 60, 60),
        ("a=ptime:150\r\n", 60, 60),
        ("a=ptime:5\r\n", 10, 10),
        ("a=ptime:25\r\n", 20, 20),
        ("a=ptime:20.0\r\n", 20, 20),
        ("a=ptime:60\r\na=maxptime:40\r\n", 40, 40),
        ("a=maxptime:10\r\n", 10, 10),
        ("a=ptime:0\r\na=maxptime:99999999999\r\n", 20, 20),
        ("a=ptime:-20\r\n", 20, 20),
    ] {
        let offer = parse(&sdp(&format!("m=audio 4000 RTP/AVP 0 96\r\na=rtpmap:96 opus/48000/2\r\n{lines}")));
        let ptime =
            |codec| answer(&offer, &Local { codecs: vec![codec], ..local() }).unwrap().agreed.terms.ptime;
        assert_eq!((ptime(Codec::Pcmu), ptime(Codec::Opus)), (narrow, opus), "{lines:?}");
    }
}

#[test]
fn audio_levels_are_taken_from_who_would_send_them() {
    let level = |line: &str| {
        let lines = format!("m=audio 4000 RTP/AVP 0\r\n{line}\r\n");
        let answer = answer(&parse(&sdp(&lines)), &local()).unwrap();
        let written = answer.sdp.lines().find(|line| line.starts_with("a=extmap")).map(str::to_owned);
        assert_eq!(written.is_some(), answer.agreed.terms.audio_level.is_some());
        written
    };
    let taken = |id| Some(format!("a=extmap:{id}/recvonly {LEVEL}"));
    assert_eq!(level(&format!("a=extmap:1 {LEVEL}")), taken(1));
    assert_eq!(
        level(&format!("a=extmap:14/sendonly {LEVEL} vad=on")),
        taken(14).map(|line| line + " vad=on")
    );
    for line in [
        format!("a=extmap:15 {LEVEL}"),
        format!("a=extmap:0 {LEVEL}"),
        format!("a=extmap:1/recvonly {LEVEL}"),
        format!("a=extmap:1/inactive {LEVEL}"),
        format!("a=extmap:x {LEVEL}"),
        "a=extmap:1 urn:ietf:params:rtp-hdrext:toffset".to_owned(),
        "a=extmap:".to_owned(),
    ] {
        assert_eq!(level(&line), None, "{line}");
    }
    let session = format!("a=extmap:2 {LEVEL}\r\nm=audio 4000 RTP/AVP 0\r\n");
    let agreed = answer(&parse(&sdp(&session)), &local()).unwrap().agreed;
    assert_eq!(agreed.terms.audio_level, Some(2));
}

#[test]
fn names_have_no_case_and_a_map_overrules_a_static_payload_type() {
    let codecs = |lines: &str| parse(&sdp(lines)).audio[0].codecs().collect::<Vec<_>>();
    let lines = "m=audio 4000 RTP/AVP 0 97 98\r\na=rtpmap:0 GSM/8000\r\n\
                 a=RTPMAP: 97 pcmA/8000/1\r\na=rtpmap:98 Telephone-Event/8000\r\n";
    assert_eq!(codecs(lines), [(97, Codec::Pcma)]);
    let audio = &parse(&sdp(lines)).audio[0];
    assert_eq!(audio.payload_type(Format::TelephoneEvent(8_000)), Some(98));
    let others = "m=audio 4000 RTP/AVP 97 98 99 100\r\na=rtpmap:97 PCMU/16000\r\na=rtpmap:98 L16/44100\r\n\
                  a=rtpmap:99 PCMU/8000/2\r\na=rtpmap:100 opus/16000/2\r\n";
    assert_eq!(codecs(others), []);
    let lax = "m=audio 4000 RTP/AVP 97\r\na=rtpmap:97 OPUS/48000\r\n";
    assert_eq!(codecs(lax), [(97, Codec::Opus)]);
}

#[test]
fn hundreds_of_payload_types_and_contradictions_are_bounded() {
    let types: String = (0..400).map(|n| format!(" {}", n % 140)).collect();
    let maps: String =
        (0..120).map(|n| format!("a=rtpmap:{n} PCMA/8000\r\na=rtpmap:{n} PCMU/8000\r\n")).collect();
    let offer = parse(&sdp(&format!("m=audio 4000 RTP/AVP{types}\r\n{maps}")));
    let audio = &offer.audio[0];
    assert!(audio.formats.len() <= 64);
    assert!(audio.codecs().all(|(_, codec)| codec == Codec::Pcma), "the first line counts");
    assert!(answer(&offer, &local()).is_ok());
}

#[test]
fn every_stream_is_answered_and_all_but_one_refused() {
    let offer = parse(&sdp("m=audio 0 RTP/AVP 0\r\nm=audio 4002 RTP/SAVP 0\r\nm=image 4004 udptl t38\r\n\
                            m=audio 4006 RTP/AVP 0\r\nm=video 4008 RTP/AVP 96\r\nm=audio 4010 RTP/AVP 0\r\n"));
    let answer = answer(&offer, &local()).unwrap();
    let lines: Vec<&str> = answer.sdp.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(
        lines,
        [
            "m=audio 0 RTP/AVP 0",
            "m=audio 0 RTP/SAVP 0",
            "m=image 0 udptl t38",
            "m=audio 20000 RTP/AVP 0",
            "m=video 0 RTP/AVP 96",
            "m=audio 0 RTP/AVP 0",
        ]
    );
}

#[test]
fn a_stream_with_a_known_codec_is_preferred_to_an_earlier_one_without() {
    let offer = parse(&sdp("m=audio 4000 RTP/AVP 18\r\nm=audio 4002 RTP/AVP 0\r\n"));
    let answer = answer(&offer, &local()).unwrap();
    assert_eq!(answer.agreed.remote, Some("192.0.2.4:4002".parse().unwrap()));
}

#[test]
fn without_a_common_codec_there_is_no_answer() {
    let offer = parse(&sdp("m=audio 4000 RTP/AVP 18 3\r\n"));
    assert_eq!(answer(&offer, &local()), Err(SdpError::NoCommonCodec));
    let pcma = parse(&sdp("m=audio 4000 RTP/AVP 8\r\n"));
    let only_pcmu = Local { codecs: vec![Codec::Pcmu], ..local() };
    assert_eq!(answer(&pcma, &only_pcmu), Err(SdpError::NoCommonCodec));
}

#[test]
fn directions_are_answered_reversed_and_the_stream_overrules_the_session() {
    for (offered, answered) in [
        ("sendrecv", Direction::SendRecv),
        ("sendonly", Direction::RecvOnly),
        ("recvonly", Direction::SendOnly),
        ("inactive", Direction::Inactive),
    ] {
        let session = format!("a={offered}\r\nm=audio 4000 RTP/AVP 0\r\n");
        let stream = format!("a=inactive\r\nm=audio 4000 RTP/AVP 0\r\na={offered}\r\n");
        for lines in [session, stream] {
            let answer = answer(&parse(&sdp(&lines)), &local()).unwrap();
            assert_eq!(answer.agreed.direction, answered);
            assert!(answer.sdp.ends_with(&format!("a={}\r\n", answered.name())));
        }
    }
}

#[test]
fn hold_in_the_old_way_means_that_we_do_not_send() {
    let held = sdp("m=audio 4000 RTP/AVP 0\r\n").replace("192.0.2.4", "0.0.0.0");
    let agreed = answer(&parse(&held), &local()).unwrap().agreed;
    assert_eq!((agreed.remote, agreed.terms.rtcp), (None, None));
    assert_eq!(agreed.direction, Direction::RecvOnly);
    let six = held.replace("IP4 0.0.0.0", "IP6 ::");
    assert_eq!(parse(&six).audio[0].remote, None);
}

#[test]
fn a_streams_own_address_counts_before_the_sessions() {
    let offer = parse(&sdp("m=audio 4000 RTP/AVP 0\r\nc=IN IP6 2001:db8::4\r\n"));
    assert_eq!(offer.audio[0].remote, Some("[2001:db8::4]:4000".parse().unwrap()));
}

#[test]
fn addresses_that_nobody_should_send_to_are_refused() {
    for address in [
        "IP4 224.2.0.1/127",
        "IP4 255.255.255.255",
        "IP6 ff02::1",
        "IP4 host.example",
        "IP4 ::ffff:224.0.0.1",
    ] {
        let text = sdp("m=audio 4000 RTP/AVP 0\r\n").replace("IP4 192.0.2.4", address);
        assert_eq!(parse_offer(text.as_bytes()), Err(SdpError::NoAudio), "{address}");
    }
    let none = sdp("m=audio 4000 RTP/AVP 0\r\n").replace("c=IN IP4 192.0.2.4\r\n", "");
    assert_eq!(parse_offer(none.as_bytes()), Err(SdpError::NoAudio));
}

#[test]
fn what_trunks_write_wrongly_does_not_matter() {
    let text = "\r\nv=0\no=Some PBX 1.2 99999999999999999999999 1 IN IP4 x\nc=IN  IP4 192.0.2.4 \n\
                X-odd\nq=1\nb=nothing\nt=\nk=\nm=audio  4000   RTP/AVP  0\n a=sendonly\n";
    let offer = parse(text);
    assert_eq!(offer.audio[0].remote, Some("192.0.2.4:4000".parse().unwrap()));
    assert_eq!(offer.audio[0].direction, Direction::SendOnly);
    let latin = [sdp("").as_bytes(), b"i=caf\xE9\r\na=x:\xE9\r\nm=audio 4000 RTP/AVP 0\r\n"].concat();
    assert!(parse_offer(&latin).is_ok());
}

#[test]
fn sdp_has_bounds() {
    let many = |n| sdp(&"m=audio 4000 RTP/AVP 0\r\n".repeat(n));
    assert!(parse_offer(many(32).as_bytes()).is_ok());
    assert_eq!(parse_offer(many(33).as_bytes()), Err(SdpError::TooManyStreams));
    let long = sdp(&format!("a=x:{}\r\nm=audio 4000 RTP/AVP 0\r\n", "x".repeat(SDP_MAX)));
    assert_eq!(parse_offer(long.as_bytes()), Err(SdpError::TooLong));
    for bad in ["", "v=1\r\n", "hello", "v=0\r\nm=audio 70000 RTP/AVP 0\r\n", "v=0\r\nm=audio\r\n"] {
        assert_eq!(parse_offer(bad.as_bytes()), Err(SdpError::Malformed), "{bad:?}");
    }
    assert_eq!(parse_offer(b"v=0\r\n"), Err(SdpError::NoAudio));
}

#[test]
fn rtcp_goes_where_it_was_asked_to() {
    let rtcp = |lines: &str, local: &Local| {
        let offer = parse(&sdp(&format!("m=audio 4000 RTP/AVP 0\r\n{lines}")));
        answer(&offer, local).unwrap().agreed.terms.rtcp.unwrap().to_string()
    };
    let mux = Local { rtcp_mux: true, ..local() };
    assert_eq!(rtcp("a=rtcp:4444\r\n", &local()), "192.0.2.4:4444");
    assert_eq!(rtcp("a=rtcp:4444 IN IP4 192.0.2.5\r\n", &local()), "192.0.2.5:4444");
    assert_eq!(rtcp("a=rtcp:4444 IN IP4 224.0.0.1\r\n", &local()), "192.0.2.4:4001");
    assert_eq!(rtcp("a=rtcp-mux\r\n", &local()), "192.0.2.4:4001");
    assert_eq!(rtcp("a=rtcp-mux\r\n", &mux), "192.0.2.4:4000");
    let offer = parse(&sdp("m=audio 4000 RTP/AVP 0\r\na=rtcp-mux\r\n"));
    assert!(answer(&offer, &mux).unwrap().sdp.contains("a=rtcp-mux\r\n"));
    assert!(!answer(&offer, &local()).unwrap().sdp.contains("rtcp-mux"));
}

#[test]
fn our_offer_is_understood_and_its_answer_read() {
    let ours = Local { codecs: Codec::ALL.to_vec(), ..local() };
    let offer = parse(&make_offer(&ours));
    let offered: Vec<Codec> = offer.audio[0].codecs().map(|(_, codec)| codec).collect();
    assert_eq!(offered, Codec::ALL);
    let events =
        [48_000, 8_000, 16_000].map(|rate| offer.audio[0].payload_type(Format::TelephoneEvent(rate)));
    assert!(events.iter().all(Option::is_some) && events[1] == Some(101));

    for codec in Codec::ALL {
        let address = "2001:db8::9".parse().unwrap();
        let theirs = Local { address, port: 5004, codecs: vec![codec], ..local() };
        let answer = answer(&offer, &theirs).unwrap();
        let agreed = read_answer(answer.sdp.as_bytes(), &ours).unwrap();
        assert_eq!((agreed.codec, agreed.payload_type), (codec, answer.agreed.payload_type));
        assert_eq!(agreed.remote, Some("[2001:db8::9]:5004".parse().unwrap()));
    }
}

#[test]
fn an_offer_of_ours_keeps_what_payload_types_stand_for() {
    let mut ours = Local { codecs: vec![Codec::Opus, Codec::Pcmu], ..local() };
    ours.remember(&parse(&sdp("m=audio 4000 RTP/AVP 0 98 111 101\r\na=rtpmap:0 GSM/8000\r\n\
                               a=rtpmap:98 opus/48000/2\r\na=rtpmap:111 telephone-event/8000\r\n\
                               a=rtpmap:101 G726-32/8000\r\n")));
    let offer = parse(&make_offer(&ours));
    let audio = &offer.audio[0];
    assert_eq!(audio.payload_type(Format::Audio(Codec::Opus)), Some(98));
    assert_eq!(audio.payload_type(Format::TelephoneEvent(8_000)), Some(111));
    let pcmu = audio.payload_type(Format::Audio(Codec::Pcmu)).unwrap();
    assert!(![0, 98, 101, 111].contains(&pcmu), "{pcmu}");
}

#[test]
fn of_an_answer_with_several_codecs_theirs_that_stands_first_counts() {
    let ours = Local { codecs: Codec::ALL.to_vec(), ..local() };
    let agreed = read_answer(sdp("m=audio 4000 RTP/AVP 18 8 0\r\n").as_bytes(), &ours).unwrap();
    assert_eq!(agreed.codec, Codec::Pcma);
}

#[test]
fn an_answer_that_refuses_or_invents_is_an_error() {
    let read = |lines: &str| read_answer(sdp(lines).as_bytes(), &local());
    assert_eq!(read("m=audio 0 RTP/AVP 0\r\n"), Err(SdpError::NoAudio));
    assert_eq!(read("m=video 4 RTP/AVP 9\r\nm=audio 4 RTP/AVP 0\r\n"), Err(SdpError::NoAudio));
    assert_eq!(read("m=audio 4 RTP/AVP 18\r\n"), Err(SdpError::NoCommonCodec));
}

proptest! {
    #[test]
    fn every_answer_repeats_the_offers_streams_and_is_sdp_itself(
        lines in prop::collection::vec("m=(audio|video|image) [0-9]{1,4} (RTP/AVP|RTP/SAVP|udptl) [0-9a-z ]{0,9}8", 1..9),
    ) {
        let offer = parse_offer(sdp(&format!("{}\r\n", lines.join("\r\n"))).as_bytes());
        if let Ok(Ok(answer)) = offer.map(|offer| answer(&offer, &local())) {
            let streams = answer.sdp.lines().filter(|line| line.starts_with("m=")).count();
            prop_assert_eq!(streams, lines.len());
            prop_assert!(parse_offer(answer.sdp.as_bytes()).is_ok());
        }
    }
}

fn parse(text: &str) -> Offer {
    parse_offer(text.as_bytes()).unwrap()
}

/// SDP with these lines behind the address.
fn sdp(lines: &str) -> String {
    format!("v=0\r\no=pbx 1 1 IN IP4 192.0.2.4\r\ns=-\r\nc=IN IP4 192.0.2.4\r\nt=0 0\r\n{lines}")
}

fn local() -> Local {
    let local = Local::new("198.51.100.1".parse().unwrap(), 20_000, Codec::G711.to_vec());
    Local { session_id: 7, version: 1, ..local }
}

/// What names the extension for audio levels.
const LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";

/// A stream of every codec that we have, in an order that is not ours.
const WIDE: &str =
    "m=audio 4000 RTP/AVP 0 8 9 97 96\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 L16/16000\r\n";
