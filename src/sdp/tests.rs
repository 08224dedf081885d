//! Negotiation as its callers see it; more inputs, as trunks and phones send them, are in sip-fixtures/sdp.

use proptest::prelude::*;

use super::*;

#[test]
fn a_plain_offer_is_answered_with_its_first_codec_and_its_payload_types() {
    let offer =
        parse(&sdp("m=audio 4000 RTP/AVP 8 0 96\r\na=rtpmap:96 telephone-event/8000\r\na=ptime:30\r\n"));
    assert_eq!(offer.remote, Some("192.0.2.4:4000".parse().unwrap()));
    assert_eq!(offer.codecs, [(8, Codec::Pcma), (0, Codec::Pcmu)]);
    assert_eq!((offer.telephone_event, offer.ptime), (Some(96), Some(30)));

    let answer = answer(&offer, &local()).unwrap();
    assert_eq!(
        answer.sdp,
        "v=0\r\no=- 7 1 IN IP4 198.51.100.1\r\ns=-\r\nc=IN IP4 198.51.100.1\r\nt=0 0\r\n\
         m=audio 20000 RTP/AVP 8 96\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:96 telephone-event/8000\r\n\
         a=fmtp:96 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    );
    let agreed = answer.agreed;
    assert_eq!((agreed.codec, agreed.payload_type), (Codec::Pcma, 8));
    assert_eq!(agreed.telephone_event, Some(96));
    assert_eq!(agreed.remote, offer.remote);
    assert_eq!(agreed.rtcp, Some("192.0.2.4:4001".parse().unwrap()));
}

#[test]
fn names_have_no_case_and_a_map_overrules_a_static_payload_type() {
    let offer = parse(&sdp("m=audio 4000 RTP/AVP 0 97 98\r\na=rtpmap:0 GSM/8000\r\n\
                            a=RTPMAP: 97 pcmA/8000/1\r\na=rtpmap:98 Telephone-Event/8000\r\n"));
    assert_eq!(offer.codecs, [(97, Codec::Pcma)]);
    assert_eq!(offer.telephone_event, Some(98));
    let other_rates = parse(&sdp("m=audio 4000 RTP/AVP 97 98 99\r\na=rtpmap:97 PCMU/16000\r\n\
                                  a=rtpmap:98 telephone-event/48000\r\na=rtpmap:99 PCMU/8000/2\r\n"));
    assert_eq!((other_rates.codecs, other_rates.telephone_event), (vec![], None));
}

#[test]
fn every_stream_is_answered_and_all_but_one_refused() {
    let offer = parse(&sdp("m=audio 0 RTP/AVP 0\r\nm=audio 4002 RTP/SAVP 0\r\nm=image 4004 udptl t38\r\n\
                            m=audio 4006 RTP/AVP 0\r\nm=video 4008 RTP/AVP 96\r\nm=audio 4010 RTP/AVP 0\r\n"));
    assert_eq!(offer.chosen, 3);
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
    assert_eq!(offer.chosen, 1);
}

#[test]
fn without_a_common_codec_there_is_no_answer() {
    let offer = parse(&sdp("m=audio 4000 RTP/AVP 18 3\r\n"));
    assert_eq!(answer(&offer, &local()), Err(NoCommonCodec));
    let pcma = parse(&sdp("m=audio 4000 RTP/AVP 8\r\n"));
    let only_pcmu = Local { codecs: vec![Codec::Pcmu], ..local() };
    assert_eq!(answer(&pcma, &only_pcmu), Err(NoCommonCodec));
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
    assert_eq!((agreed.remote, agreed.rtcp), (None, None));
    assert_eq!(agreed.direction, Direction::RecvOnly);
    let six = held.replace("IP4 0.0.0.0", "IP6 ::");
    assert_eq!(parse(&six).remote, None);
}

#[test]
fn a_streams_own_address_counts_before_the_sessions() {
    let offer = parse(&sdp("m=audio 4000 RTP/AVP 0\r\nc=IN IP6 2001:db8::4\r\n"));
    assert_eq!(offer.remote, Some("[2001:db8::4]:4000".parse().unwrap()));
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
    assert_eq!(offer.remote, Some("192.0.2.4:4000".parse().unwrap()));
    assert_eq!(offer.direction, Direction::SendOnly);
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
        answer(&offer, local).unwrap().agreed.rtcp.unwrap().to_string()
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
    let ours = Local { codecs: vec![Codec::Pcma, Codec::Pcmu], ..local() };
    let offer = parse(&make_offer(&ours));
    assert_eq!(offer.codecs, [(8, Codec::Pcma), (0, Codec::Pcmu)]);
    assert_eq!(offer.telephone_event, Some(101));

    let theirs = Local { address: "2001:db8::9".parse().unwrap(), port: 5004, ..local() };
    let answer = answer(&offer, &theirs).unwrap();
    let agreed = read_answer(answer.sdp.as_bytes(), &ours).unwrap();
    assert_eq!(agreed.codec, Codec::Pcma);
    assert_eq!(agreed.remote, Some("[2001:db8::9]:5004".parse().unwrap()));
}

#[test]
fn an_answer_that_refuses_or_invents_is_an_error() {
    let read = |lines: &str| read_answer(sdp(lines).as_bytes(), &local());
    assert_eq!(read("m=audio 0 RTP/AVP 0\r\n"), Err(SdpError::NoAudio));
    assert_eq!(read("m=video 4 RTP/AVP 9\r\nm=audio 4 RTP/AVP 0\r\n"), Err(SdpError::NoAudio));
    assert_eq!(read("m=audio 4 RTP/AVP 18\r\n"), Err(SdpError::NoCommonCodec(NoCommonCodec)));
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
    Local {
        address: "198.51.100.1".parse().unwrap(),
        port: 20000,
        session_id: 7,
        version: 1,
        codecs: Codec::G711.to_vec(),
        rtcp_mux: false,
    }
}
