//! The guard as its callers see it. Whatever it forwards is parsed with the library, as the library will
//! do itself; the cases as files are in sip-fixtures/.

use std::net::SocketAddr;

use proptest::prelude::*;
use rsipstack::sip::message::HeadersExt;
use rsipstack::sip::{Request, SipMessage};

use super::*;

#[test]
fn a_sound_message_is_forwarded_as_it_came_without_a_copy() {
    let message = invite("");
    let Verdict::Forward(Cow::Borrowed(forwarded)) = udp(&message) else { panic!("not borrowed") };
    assert_eq!(forwarded, message.as_bytes());
}

#[test]
fn a_known_method_that_is_not_served_is_answered_405_with_allow() {
    for method in ["SUBSCRIBE", "NOTIFY", "MESSAGE", "PUBLISH", "REFER", "PRACK"] {
        let reply = replied(&invite("").replace("INVITE", method));
        assert!(reply.starts_with("SIP/2.0 405 Method Not Allowed\r\n"), "{reply}");
        assert!(reply.contains(&format!("\r\nAllow: {ALLOW}\r\n")));
    }
}

#[test]
fn an_unknown_method_is_answered_501_where_the_library_would_give_up() {
    let message = invite("").replace("INVITE", "Oddity_1");
    assert!(SipMessage::try_from(message.as_bytes()).is_err());
    assert!(replied(&message).starts_with("SIP/2.0 501 Not Implemented\r\n"));
    // Methods are case-sensitive.
    assert!(replied(&invite("").replace("INVITE", "invite")).starts_with("SIP/2.0 501"));
}

#[test]
fn a_stream_goes_on_behind_a_message_with_an_unknown_method() {
    let odd = invite("").replace("INVITE", "ODDITY");
    let good = invite("");
    let mut framer = Framer::new();
    framer.push(odd.as_bytes());
    framer.push(good.as_bytes());

    let first = framer.next().unwrap().unwrap();
    assert!(matches!(Guard.inspect(&first, source(), Transport::Tcp), Verdict::Reply { .. }));
    let second = framer.next().unwrap().unwrap();
    assert!(matches!(Guard.inspect(&second, source(), Transport::Tcp), Verdict::Forward(_)));
}

#[test]
fn an_ack_is_never_answered_whatever_is_wrong_with_it() {
    let ack = invite("").replace("INVITE", "ACK");
    assert!(matches!(udp(&ack), Verdict::Forward(_)));
    for bad in [
        ack.replace("Call-ID: 1@pbx.example\r\n", ""),
        ack.replace("SIP/2.0\r\nVia", "SIP/3.0\r\nVia"),
        ack.replace("CSeq: 1 ACK", "CSeq: 1 INVITE"),
        ack.replace("Content-Length: 0", "Content-Length: 9"),
    ] {
        assert_eq!(udp(&bad), Verdict::Discard(Discard::BadAck), "{bad}");
    }
    let required = ack.replace("Max-Forwards: 70", "Max-Forwards: 0\r\nRequire: moonlight");
    assert!(matches!(udp(&required), Verdict::Forward(_)));
}

#[test]
fn a_datagram_without_content_length_keeps_its_body() {
    let message = invite("").replace("Content-Length: 0\r\n\r\n", "\r\nv=0\r\nrest");
    let SipMessage::Request(lost) = SipMessage::try_from(message.as_bytes()).unwrap() else {
        panic!("a request")
    };
    assert_eq!(lost.body, b"", "the library by itself");
    assert_eq!(forwarded(&message).body, b"v=0\r\nrest");
    // On a stream the same message has no body (RFC 3261 §18.3).
    let Verdict::Forward(tcp) = Guard.inspect(message.as_bytes(), source(), Transport::Tcp) else {
        panic!("not forwarded")
    };
    assert_eq!(Request::try_from(&*tcp).unwrap().body, b"");
}

#[test]
fn content_length_decides_what_is_body() {
    let with = |length: &str| invite("").replace(": 0\r\n\r\n", &format!(": {length}\r\n\r\nabcdef"));
    assert_eq!(forwarded(&with("6")).body, b"abcdef");
    assert_eq!(forwarded(&with("3")).body, b"abc");
    assert_eq!(forwarded(&with("003")).body, b"abc");
    for wrong in ["7", "-1", "", "x", "4294967296000000000000"] {
        let reply = replied(&with(wrong));
        assert!(reply.starts_with("SIP/2.0 400 ") && reply.contains("Content-Length"), "{reply}");
    }
    let reply = replied(&with("6\r\nl: 6"));
    assert!(reply.starts_with("SIP/2.0 400 Repeated Content-Length Header\r\n"), "{reply}");
}

#[test]
fn the_body_is_forwarded_byte_for_byte() {
    let body = [0, 255, b'\r', b'\n', b'\r', b'\n', 0xE9];
    let head = invite("X:\r\n folded\r\n").replace(": 0\r\n\r\n", &format!(": {}\r\n\r\n", body.len()));
    let message = [head.as_bytes(), &body].concat();
    let Verdict::Forward(bytes) = Guard.inspect(&message, source(), Transport::Udp) else {
        panic!("not forwarded")
    };
    assert_eq!(Request::try_from(&*bytes).unwrap().body, body);
}

#[test]
fn latin_1_in_headers_survives_as_utf_8_and_utf_8_stays() {
    let mut message = invite("Subject: caf\u{1}\r\n").into_bytes();
    let at = message.iter().position(|&byte| byte == 1).unwrap();
    message[at] = 0xE9;
    assert_eq!(header(&forwarded_bytes(&message), "Subject"), "café");
    let utf8 = invite("Subject: 東京\r\n");
    assert_eq!(header(&forwarded(&utf8), "Subject"), "東京");
}

#[test]
fn a_first_line_that_is_not_utf_8_is_refused() {
    let mut message = invite("").into_bytes();
    message[11] = 0xE9;
    let Verdict::Reply { message, .. } = Guard.inspect(&message, source(), Transport::Udp) else {
        panic!("not answered")
    };
    assert!(message.starts_with(b"SIP/2.0 400 Request-Line Is Not UTF-8\r\n"));
}

#[test]
fn required_extensions_that_we_lack_are_named() {
    let reply = replied(&invite("Require: timer, moonlight\r\nRequire: 100rel\r\n"));
    assert!(reply.starts_with("SIP/2.0 420 Bad Extension\r\n"));
    assert!(reply.contains("\r\nUnsupported: moonlight, 100rel\r\n"), "{reply}");
    forwarded(&invite("Require: Timer\r\n"));
    forwarded(&invite("Proxy-Require: moonlight\r\n"));
    forwarded(&invite("Require: moonlight\r\n").replace("INVITE", "CANCEL"));
}

#[test]
fn a_request_without_hops_left_starts_nothing_but_ends_what_there_is() {
    let spent = |method| invite("").replace("Max-Forwards: 70", "Max-Forwards: 0").replace("INVITE", method);
    assert!(replied(&spent("INVITE")).starts_with("SIP/2.0 483 Too Many Hops\r\n"));
    forwarded(&spent("OPTIONS"));
    forwarded(&spent("CANCEL"));
    forwarded(&spent("BYE").replace("conf-1@node.example>", "conf-1@node.example>;tag=ours"));
    for wrong in ["300", "-1", "x", ""] {
        let message = invite("").replace("Max-Forwards: 70", &format!("Max-Forwards: {wrong}"));
        assert!(replied(&message).starts_with("SIP/2.0 400 Invalid Max-Forwards\r\n"));
    }
}

#[test]
fn what_a_request_lacks_is_named() {
    for (line, name) in [
        ("From: <sip:ann@pbx.example>;tag=a1\r\n", "From"),
        ("To: <sip:conf-1@node.example>\r\n", "To"),
        ("Call-ID: 1@pbx.example\r\n", "Call-ID"),
        ("CSeq: 1 INVITE\r\n", "CSeq"),
        ("Contact: <sip:ann@192.0.2.9>\r\n", "Contact"),
    ] {
        let message = invite("");
        assert!(message.contains(line));
        let reply = replied(&message.replace(line, ""));
        assert!(reply.starts_with(&format!("SIP/2.0 400 Missing {name} Header\r\n")), "{reply}");
        let repeated = replied(&message.replace(line, &format!("{line}{line}")).replace("Contact", "X"));
        assert!(repeated.starts_with("SIP/2.0 400 "), "{repeated}");
    }
}

#[test]
fn a_request_without_via_cannot_be_answered() {
    let via = "Via: SIP/2.0/UDP 192.0.2.9;rport;branch=z9hG4bK1\r\n";
    assert_eq!(udp(&invite("").replace(via, "")), Verdict::Discard(Discard::NoVia));
    let broken = invite("").replace(via, "Via: nonsense\r\n");
    assert!(replied(&broken).starts_with("SIP/2.0 400 Malformed Via Header\r\nVia: nonsense\r\n"));
}

#[test]
fn versions_other_than_ours_are_told_so() {
    let with = |version: &str| invite("").replace("SIP/2.0\r\nVia", &format!("{version}\r\nVia"));
    assert!(replied(&with("SIP/7.0")).starts_with("SIP/2.0 505 Version Not Supported\r\n"));
    assert!(replied(&with("SIP/two")).starts_with("SIP/2.0 400 Malformed SIP-Version\r\n"));
    forwarded(&with("sip/2.0"));
}

#[test]
fn an_answer_has_what_the_request_had_and_goes_where_it_asked() {
    let message = invite("Via: SIP/2.0/UDP 10.9.9.9;branch=z9hG4bK0\r\n").replace("INVITE", "ODDITY");
    let Verdict::Reply { message: reply, to } = udp(&message) else { panic!("not answered") };
    assert_eq!(to, source(), "rport was asked for");
    let again = udp(&message);
    assert_eq!(again, Verdict::Reply { message: reply.clone(), to }, "a repetition gets the same");

    let SipMessage::Response(reply) = SipMessage::try_from(reply.as_slice()).unwrap() else {
        panic!("a response")
    };
    let vias: Vec<_> = reply.headers.iter().filter(|h| h.name() == "Via").map(|h| h.value()).collect();
    assert_eq!(vias[0], "SIP/2.0/UDP 192.0.2.9;rport=40001;branch=z9hG4bK1;received=192.0.2.9");
    assert_eq!(vias[1], "SIP/2.0/UDP 10.9.9.9;branch=z9hG4bK0");
    assert!(reply.to_header().unwrap().tag().unwrap().is_some());
    assert_eq!(reply.call_id_header().unwrap().value(), "1@pbx.example");
    assert_eq!(reply.cseq_header().unwrap().value(), "1 ODDITY");

    let tagged = message.replace("node.example>", "node.example>;tag=kept");
    assert!(replied(&tagged).contains(">;tag=kept\r\n"));
}

#[test]
fn everything_has_a_bound() {
    let status = |message: &str| match Guard.inspect(message.as_bytes(), source(), Transport::Tcp) {
        Verdict::Reply { message, .. } => String::from_utf8(message).unwrap()[8..11].to_owned(),
        Verdict::Forward(_) => "forwarded".to_owned(),
        Verdict::Discard(reason) => reason.name().to_owned(),
    };
    assert_eq!(status(&invite(&"X: y\r\n".repeat(240))), "forwarded");
    assert_eq!(status(&invite(&"X: y\r\n".repeat(250))), "400");
    assert_eq!(status(&invite(&format!("X: {}\r\n", "y".repeat(8190)))), "forwarded");
    assert_eq!(status(&invite(&format!("X: {}\r\n", "y".repeat(8193)))), "400");
    assert_eq!(status(&invite(&format!("X: y{}\r\n", "\r\n yyyyy".repeat(2000)))), "400");
    assert_eq!(status(&invite(&"Via: SIP/2.0/UDP a\r\n".repeat(69))), "forwarded");
    assert_eq!(status(&invite(&"v: SIP/2.0/UDP a, SIP/2.0/UDP b\r\n".repeat(35))), "too_many_vias");
    let body = |n: usize| invite("").replace(": 0\r\n\r\n", &format!(": {n}\r\n\r\n{}", "b".repeat(n)));
    assert_eq!(status(&body(32 * 1024)), "forwarded");
    assert_eq!(status(&body(32 * 1024 + 1)), "513");
}

#[test]
fn a_datagram_that_the_library_would_cut_is_too_large() {
    let filler = |n: usize| format!("X: {}\r\nY: {}\r\n", "x".repeat(n), "y".repeat(3000));
    let room = DATAGRAM_MAX - invite(&filler(0)).len();
    assert_eq!(forwarded_bytes(invite(&filler(room)).as_bytes()).headers.iter().count(), 10);
    let reply = replied(&invite(&filler(room + 1)));
    assert!(reply.starts_with("SIP/2.0 513 Message Too Large\r\n"), "{reply}");
}

#[test]
fn compact_folded_spaced_and_oddly_cased_fields_are_read() {
    let message = "\r\n\r\nINVITE  sip:conf-1@node.example   SIP/2.0 \r\n\
                   v :  SIP  /   2.0\r\n /UDP\r\n\t192.0.2.9 ;branch =\r\n z9hG4bK77\r\n\
                   f\t: \"J Rosenberg \\\\\\\"\"  <sip:j@pbx.example>\r\n  ;\r\n  tag = 98asjd8\r\n\
                   TO :\r\n sip:conf-1@node.example ;   tag    = 19n\r\n\
                   I: odd\r\ncseq: 0009\r\n  INVITE\r\nMaX-fOrWaRdS: 0068\r\n\
                   m:\"Quoted \\\"\\\"\" <sip:j@192.0.2.9> ; newparam =\r\n newvalue\r\nL : 3\r\n\r\nabc";
    let request = forwarded(message);
    assert_eq!(request.via_header().unwrap().value(), "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK77");
    assert_eq!(request.from_header().unwrap().tag().unwrap().unwrap().value(), "98asjd8");
    assert_eq!(request.to_header().unwrap().tag().unwrap().unwrap().value(), "19n");
    assert_eq!(request.cseq_header().unwrap().seq().unwrap(), 9);
    assert_eq!(request.body, b"abc");
}

#[test]
fn a_lone_line_feed_ends_a_line_as_well() {
    let request = forwarded(&invite("").replace("\r\n", "\n"));
    assert_eq!(request.call_id_header().unwrap().value(), "1@pbx.example");
}

#[test]
fn lines_that_are_no_fields_are_left_out() {
    let request = forwarded(&invite("what is this\r\n: nor this\r\nbad name: nor this\r\n"));
    assert_eq!(request.headers.iter().count(), 8);
}

#[test]
fn stray_control_characters_are_refused_and_never_copied() {
    for bad in ["Subject: a\rb\r\n", "Subject: a\0b\r\n", "Subject: a\x1bb\r\n"] {
        assert!(replied(&invite(bad)).starts_with("SIP/2.0 400 Control Character In Header\r\n"));
    }
    let smuggled = invite("").replace("1@pbx.example", "1\rX: y");
    assert!(!replied(&smuggled).contains("1\rX"));
    forwarded(&invite("Subject: \"bell \\\x07\"\r\n"));
}

#[test]
fn the_user_part_of_the_request_uri_is_read_whole() {
    let message = invite("").replace("INVITE sip:conf-1@", "INVITE sip:conf-1;npdi?x@");
    let SipMessage::Request(alone) = SipMessage::try_from(message.as_bytes()).unwrap() else {
        panic!("a request")
    };
    assert!(alone.uri.auth.is_none(), "the library by itself loses the user");
    let request = forwarded(&message);
    assert_eq!(decode_user(&request.uri.auth.unwrap().user), "conf-1;npdi?x");
}

#[test]
fn a_user_part_must_be_decoded_before_the_library_prints_it() {
    let mut uri = rsipstack::sip::Uri::try_from("sip:a%3Bb@pbx.example").unwrap();
    assert_eq!(uri.to_string(), "sip:a%253Bb@pbx.example", "the library by itself");
    let auth = uri.auth.as_mut().unwrap();
    auth.user = decode_user(&auth.user);
    assert_eq!(uri.to_string(), "sip:a;b@pbx.example");
}

#[test]
fn contacts_must_be_addresses_that_requests_can_go_to() {
    let with = |contact: &str| invite("").replace("<sip:ann@192.0.2.9>", contact);
    forwarded(&with("<sips:ann@192.0.2.9;transport=tcp>;q=1"));
    for bad in ["<http://a.example>", "*", "sip:a@b.example?X=y", "<sip:a@b.example", "\"a <sip:b@c>"] {
        assert!(replied(&with(bad)).starts_with("SIP/2.0 400 "), "{bad}");
    }
}

#[test]
fn a_response_is_forwarded_if_it_is_for_us_and_makes_sense() {
    let response = invite("").replace("INVITE sip:conf-1@node.example SIP/2.0", "SIP/2.0 200 Fine");
    assert!(matches!(udp(&response), Verdict::Forward(Cow::Borrowed(_))));
    let other = response.replace("Via:", "Via: SIP/2.0/UDP 192.0.2.255;branch=z9\r\nVia:");
    assert_eq!(udp(&other), Verdict::Discard(Discard::ResponseNotOurs));
    for bad in [
        response.replace("200", "2000"),
        response.replace("CSeq: 1", "CSeq: 99999999999"),
        response.replace("Call-ID: 1@pbx.example\r\n", ""),
        response.replace("Content-Length: 0", "Content-Length: 5"),
        response.replace(";tag=a1", ""),
    ] {
        assert_eq!(udp(&bad), Verdict::Discard(Discard::BadResponse), "{bad}");
    }
}

#[test]
fn keep_alives_and_garbage_are_counted_apart() {
    let tcp = |bytes| Guard.inspect(bytes, source(), Transport::Tcp);
    assert_eq!(tcp(b"\r\n\r\n"), Verdict::Reply { message: b"\r\n".to_vec(), to: source() });
    assert_eq!(tcp(b"\r\n"), Verdict::Discard(Discard::KeepAlive));
    assert_eq!(udp("\r\n\r\n"), Verdict::Discard(Discard::KeepAlive));
    assert_eq!(udp(""), Verdict::Discard(Discard::KeepAlive));
    for garbage in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\0\u{1}\u{2}", "hello", "SIP/2.0"] {
        assert_eq!(udp(garbage), Verdict::Discard(Discard::NotSip), "{garbage}");
    }
    let names: std::collections::HashSet<_> = Discard::ALL.iter().map(|reason| reason.name()).collect();
    assert_eq!(names.len(), Discard::ALL.len());
}

#[test]
fn a_frame_error_can_be_answered_before_the_connection_is_closed() {
    let mut framer = Framer::new();
    framer.push(invite("").replace("Length: 0", "Length: many").as_bytes());
    let error = framer.next().unwrap().unwrap_err();
    let verdict = Guard.inspect(error.message(), source(), Transport::Tcp);
    let Verdict::Reply { message, .. } = verdict else { panic!("not answered") };
    assert!(message.starts_with(b"SIP/2.0 400 Invalid Content-Length\r\n"));
}

fn source() -> SocketAddr {
    "192.0.2.9:40001".parse().unwrap()
}

/// A sound INVITE with these header lines before its last.
fn invite(lines: &str) -> String {
    format!(
        "INVITE sip:conf-1@node.example SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.9;rport;branch=z9hG4bK1\r\n\
         From: <sip:ann@pbx.example>;tag=a1\r\n\
         To: <sip:conf-1@node.example>\r\n\
         Call-ID: 1@pbx.example\r\n\
         CSeq: 1 INVITE\r\n\
         Contact: <sip:ann@192.0.2.9>\r\n\
         Max-Forwards: 70\r\n\
         {lines}Content-Length: 0\r\n\r\n"
    )
}

fn udp(message: &str) -> Verdict<'_> {
    Guard.inspect(message.as_bytes(), source(), Transport::Udp)
}

fn forwarded(message: &str) -> Request {
    forwarded_bytes(message.as_bytes())
}

fn forwarded_bytes(message: &[u8]) -> Request {
    match Guard.inspect(message, source(), Transport::Udp) {
        Verdict::Forward(bytes) => Request::try_from(&*bytes).expect("the library takes it"),
        Verdict::Reply { message, .. } => panic!("answered {}", String::from_utf8_lossy(&message)),
        Verdict::Discard(reason) => panic!("discarded {reason:?}"),
    }
}

fn replied(message: &str) -> String {
    match udp(message) {
        Verdict::Reply { message, .. } => String::from_utf8(message).unwrap(),
        Verdict::Forward(_) => panic!("forwarded"),
        Verdict::Discard(reason) => panic!("discarded {reason:?}"),
    }
}

fn header(request: &Request, name: &str) -> String {
    request.header_value(name).unwrap()
}

proptest! {
    /// A message of a WebSocket means the same whether it says how long it is or not (RFC 7118 §5), and nothing that comes as one
    /// makes the guard panic.
    #[test]
    fn a_message_of_a_websocket_has_its_length_from_the_frame(body in "[ -~\r\n]{0,60}", cut in 0_usize..400, byte in any::<u8>()) {
        let head = "OPTIONS sip:a@b.example SIP/2.0\r\nVia: SIP/2.0/WS x.invalid;branch=z9hG4bK1\r\nMax-Forwards: 69\r\n\
            From: <sip:a@b.example>;tag=1\r\nTo: <sip:a@b.example>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\
            Content-Type: text/plain\r\n";
        let counted = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        let uncounted = format!("{head}\r\n{body}");
        let source = "192.0.2.9:40001".parse().unwrap();
        let inspect = |message: &[u8]| match Guard.inspect(message, source, Transport::WebSocket) {
            Verdict::Forward(message) => Some(message.into_owned()),
            Verdict::Reply { .. } | Verdict::Discard(_) => None,
        };
        prop_assert_eq!(inspect(uncounted.as_bytes()), inspect(counted.as_bytes()));
        prop_assert!(inspect(counted.as_bytes()).is_some());
        // More than it says it has is passed over, less is refused.
        prop_assert_eq!(inspect(format!("{counted}more").as_bytes()), inspect(counted.as_bytes()));
        let short = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len() + 1);
        prop_assert_eq!(inspect(short.as_bytes()), None);
        let mut broken = counted.into_bytes();
        let at = cut.min(broken.len() - 1);
        broken[at] = byte;
        if let Some(forwarded) = inspect(&broken) {
            prop_assert_eq!(inspect(&forwarded), Some(forwarded.clone()), "repaired for good");
        }
        let _ = inspect(&broken[..at]);
    }
}
