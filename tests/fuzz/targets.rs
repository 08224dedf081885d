//! One function per parser of ours: it takes any bytes and panics if an invariant breaks.
//!
//! Used twice: by the fuzzer (`fuzz_targets/`), which explores, and by `tests/corpus.rs`, which replays what is
//! known on every run. A new parser gets a function here, a line in [`ALL`], a file in `fuzz_targets/`, a
//! `[[bin]]` in `Cargo.toml` and a folder in `corpus/`.

#[path = "../engine_leg/mod.rs"]
pub(crate) mod engine_leg;
#[path = "../played/mod.rs"]
pub(crate) mod played;
#[path = "../witnesses/mod.rs"]
pub(crate) mod witnesses;

#[path = "engine.rs"]
mod state_machine;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use confab::config::Secret;
use confab::pay::{Capture, Payment, Terms, read_reply};
use confab::script::verbs::{Gather, Redirect};
use confab::script::{Document, Gathering, Use, Verb};
use confab::sdp::browser::{self, BrowserLocal, Fingerprint};
use confab::sdp::{self, Codec, Local, Security};
use confab::signal::{Said, parse_message};
use confab::sip::challenge::{self, Challenged};
use confab::sip::digest::{self, Asked, Credentials, Verifier};
use confab::sip::guard::{Framer, Guard, MESSAGE_MAX, Transport, Verdict, redact};
use confab::sip::registrar::Contacts;
use confab::sip::replaces;
use confab::sound::Limits;
use confab::stream::protocol::{FromServer, MARK_NAME_MAX, read_bytes};
use confab::token::{TOKEN_LEN_MAX, TokenError, Unverified};
use confab_media::LegId;
use confab_media::codec::PACKET_SAMPLES_MAX;
use confab_media::ice::{Agents, CONSENT, IceCredentials, Message, REPLY_MAX, Taken};
use confab_media::rtp::rtcp::{Compound, Packet};
use confab_media::rtp::{
    DigitReceiver, PacketView, RtpHeader, SequenceNumber, Ssrc, TelephoneEvent, is_rtcp, is_rtp_or_rtcp,
};
use confab_media::srtp::{Profile, Protector, SrtpError, SrtpKeys, Unprotector};
use confab_media::{
    ComfortNoise, Decoder, Digit, EXPECTED_LOSS_MAX, LegRtcp, REPORT_INTERVAL, REPORT_LEN_MAX, RtcpSettings,
    SampleRate, Sent, Time, WallClock,
};
use rsipstack::sip::SipMessage;

/// A parser's name, which is its corpus's folder as well, and its function.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All of them.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
pub(crate) const ALL: &[Target] = &[
    ("guard", guard),
    ("framer", framer),
    ("digest", credentials),
    ("contacts", contacts),
    ("challenge", challenge),
    ("replaces", replaces),
    ("sdp_offer", sdp_offer),
    ("sdp_answer", sdp_answer),
    ("browser_offer", browser_offer),
    ("ice", ice),
    ("rtp", rtp),
    ("srtp", srtp),
    ("telephone_event", telephone_event),
    ("rtcp", rtcp),
    ("codecs", codecs),
    ("playout", playout),
    ("engine", engine),
    ("twiml", twiml),
    ("sound", sound),
    ("stream_message", stream_message),
    ("pay_reply", pay_reply),
    ("access_token", access_token),
    ("signal_message", signal_message),
];

/// A token is refused with one of the original's numbers, or read; what it was signed over is a part of it, whole.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
pub(crate) fn access_token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Unverified::read(text) {
        Ok(read) => {
            assert!(text.len() <= TOKEN_LEN_MAX && text.starts_with(read.signed));
            assert_eq!(read.signed.matches('.').count(), 1, "a header and claims");
            assert_eq!(text.as_bytes()[read.signed.len()], b'.');
        }
        Err(refused) => assert!(matches!(
            refused,
            TokenError::Malformed(_) | TokenError::Header(_) | TokenError::Issuer | TokenError::Signature
        )),
    }
}

/// Whatever a browser says, it is read or refused, and nothing that may be a secret is shown.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
pub(crate) fn signal_message(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let read = parse_message(text);
    if matches!(read, Ok(Said::Listen(_) | Said::Dtmf(_))) {
        assert!(format!("{read:?}").contains("[redacted]"));
    }
    if let Err(why) = read {
        assert!(why.len() < 100, "{why}");
    }
}

/// What the guard forwards, the library parses, and a second look changes nothing; what it answers is
/// a message; what it lets a log see is one.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
pub(crate) fn guard(data: &[u8]) {
    for transport in [Transport::Udp, Transport::Tcp, Transport::WebSocket] {
        match Guard.inspect(data, source(), transport) {
            Verdict::Forward(message) => {
                SipMessage::try_from(&*message).expect("what is forwarded can be parsed");
                assert!(message.len() <= MESSAGE_MAX);
                let again = Guard.inspect(&message, source(), transport);
                assert_eq!(again, Verdict::Forward(message.clone()), "repaired for good");
            }
            Verdict::Reply { message, .. } => {
                let is_keep_alive = message == b"\r\n";
                assert!(is_keep_alive || SipMessage::try_from(message.as_slice()).is_ok());
            }
            Verdict::Discard(_) => {}
        }
    }
    let text = redact(data);
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
}

/// Credentials are read in one way or not at all, and whatever they say, they prove no password that their writer does
/// not know.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
pub(crate) fn credentials(data: &[u8]) {
    let header = String::from_utf8_lossy(data);
    if let Ok(credentials) = Credentials::parse(&header) {
        assert_eq!(Credentials::parse(&credentials.to_string()).as_ref(), Ok(&credentials));
    }
    let verifier = Verifier::new([7; 32], digest::Settings::default());
    let password = Secret::new("open sesame".to_owned());
    let asked =
        Asked { method: "REGISTER", uri: "sip:confab.example", realm: "confab.example", now: Duration::ZERO };
    let verdict = verifier.verify(&asked, [&*header], |_| Some(&password));
    assert!(matches!(verdict, digest::Verdict::Missing | digest::Verdict::Refused(_)), "{verdict:?}");
}

/// The contacts of a registration can be written and read again, and there are not more than an answer can list.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
pub(crate) fn contacts(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(Contacts::These(contacts)) = Contacts::read(text.split('\n')) else {
        return;
    };
    assert!(contacts.len() <= 64);
    for contact in contacts {
        assert!(contact.q <= 1_000 && !contact.uri.contains(char::is_control));
        let again = Contacts::read([format!("<{}>", contact.uri).as_str()]);
        assert!(matches!(again, Ok(Contacts::These(these)) if these[0].uri == contact.uri));
    }
}

/// Whatever a stream's server says, what counts of it is bounded, and what is wrong is told in a short sentence.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
pub(crate) fn stream_message(data: &[u8]) {
    let stream = "MZ00000000000000000000000000000003".parse().expect("a SID");
    let flaw = match read_bytes(data, stream) {
        Ok(received) => {
            match received.message {
                FromServer::Media(payload) => assert!(payload.len() <= data.len()),
                FromServer::Mark(name) => assert!(name.len() <= MARK_NAME_MAX),
                FromServer::Clear => {}
            }
            received.flaw
        }
        Err(flaw) => Some(flaw),
    };
    if let Some(flaw) = flaw {
        let text = flaw.to_string();
        assert!(text.len() < 400 && !text.contains(char::is_control), "{text:?}");
        assert!(matches!(flaw.code(), 31_950 | 31_951));
    }
}

/// Whatever a connector answers, with any status: what is told of it is bounded, has a code of the contract, and does not have
/// the card that it was sent.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
pub(crate) fn pay_reply(data: &[u8]) {
    const CARD: &str = "4111111111111111";
    let Some((kind, body)) = data.split_first() else {
        return;
    };
    let amount = (kind & 1 == 1).then_some("12.50");
    let terms =
        Terms::read(|name| amount.filter(|_| name == "ChargeAmount"), false).expect("terms that can be");
    let mut payment = Payment::new(terms).expect("memory for a card");
    payment.capture(Capture::parse("payment-card-number").expect("an item")).expect("it is asked for");
    for key in CARD.chars() {
        payment.press(
            Digit::from_char(key).expect("a key"),
            Instant::now(),
            std::time::SystemTime::UNIX_EPOCH.into(),
        );
    }
    let status = [200, 201, 302, 400, 402, 404, 500, 99][usize::from(kind >> 1 & 7)];
    let mut said = Vec::new();
    match read_reply(status, body, &payment) {
        Ok(receipt) => {
            assert!(receipt.parameters.len() <= 50 && !receipt.id.is_empty());
            said.push(receipt.id);
            for (name, value) in receipt.parameters {
                said.extend([name, value.as_str().expect("parameters are texts").to_owned()]);
            }
        }
        Err(declined) => {
            assert!((64_005..=64_012).contains(&declined.code), "{}", declined.code);
            said.push(declined.message);
            said.extend(declined.error);
        }
    }
    for text in said {
        assert!(text.chars().count() <= 500 && !text.contains(char::is_control), "{text:?}");
        let digits: Vec<(usize, char)> = text.char_indices().filter(|(_, c)| c.is_ascii_digit()).collect();
        for window in digits.windows(CARD.len()) {
            // Digits far apart are those of something else.
            let is_near = window[CARD.len() - 1].0 - window[0].0 < 2 * CARD.len();
            assert!(!is_near || window.iter().map(|(_, digit)| *digit).ne(CARD.chars()), "{text:?}");
        }
    }
}

/// Whatever a challenge says, the answer is one line of a header, and the password is not in it.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
pub(crate) fn challenge(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let credentials = challenge::Credentials {
        username: "confab".to_owned(),
        password: Secret::new("open sesame".to_owned()),
        realm: None,
    };
    let mut challenged = Challenged::new(Some(credentials));
    let asked = challenge::Asked { method: "INVITE", uri: "sip:x@192.0.2.1" };
    for line in text.lines() {
        if let Ok(answer) = challenged.answer([line], asked, "c") {
            assert!(answer.starts_with("Digest username=\"confab\", realm=\""), "{answer}");
            assert!(line.contains("open sesame") || !answer.contains("open sesame"), "{answer}");
            assert!(!answer.contains(['\r', '\n']), "{answer}");
        }
    }
}

/// What names a dialog names it in one way: written again, in a header as in a URI, it is the same.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
pub(crate) fn replaces(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let named = replaces::parse(&text);
    assert_eq!(
        replaces::of_uri(&format!("sip:x@192.0.2.1?Replaces={}", escape(&text))),
        named.clone().map(Some)
    );
    let found = replaces::of_uri(&text).ok().flatten();
    for named in named.into_iter().chain(found) {
        let dialog = &named.dialog;
        let early = if named.early_only { ";early-only" } else { "" };
        let again =
            format!("{};from-tag={};to-tag={}{early}", dialog.call_id, dialog.remote_tag, dialog.local_tag);
        assert_eq!(replaces::parse(&again), Ok(named.clone()), "{again}");
    }
}

/// However a stream is cut, the same messages come out of it, and no byte is kept behind an error.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
pub(crate) fn framer(data: &[u8]) {
    let whole = frames(data, data.len().max(1));
    // The first byte chooses the size of the pieces.
    let size = usize::from(data.first().copied().unwrap_or(0) % 64) + 1;
    assert_eq!(frames(data, size), whole);
}

/// Frames, and whether the stream failed. Errors carry what was read so far, which depends on the cut.
fn frames(data: &[u8], size: usize) -> (Vec<Vec<u8>>, bool) {
    let mut framer = Framer::new();
    let mut frames = Vec::new();
    for piece in data.chunks(size) {
        framer.push(piece);
        while let Some(frame) = framer.next() {
            let Ok(frame) = frame else {
                assert_eq!((framer.buffered(), framer.next()), (0, None));
                return (frames, true);
            };
            assert!(!frame.is_empty() && frame.len() <= MESSAGE_MAX);
            frames.push(frame);
        }
    }
    (frames, false)
}

/// An offer that is answered gets an answer that can be read as SDP, with as many streams.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
pub(crate) fn sdp_offer(data: &[u8]) {
    let Ok(offer) = sdp::parse_offer(data) else {
        return;
    };
    assert!(offer.streams.len() <= sdp::STREAMS_MAX);
    for audio in &offer.audio {
        assert!(audio.index < offer.streams.len() && audio.formats.len() <= 128 && audio.crypto.len() <= 16);
        if let Some(remote) = audio.remote {
            assert!(remote.port() != 0 && !remote.ip().is_unspecified() && !remote.ip().is_multicast());
        }
    }
    let Ok(answer) = sdp::answer(&offer, &local()) else {
        return;
    };
    let streams = answer.sdp.lines().filter(|line| line.starts_with("m=")).count();
    assert_eq!(streams, offer.streams.len());
    if answer.sdp.len() <= sdp::SDP_MAX {
        let mirrored = sdp::parse_offer(answer.sdp.as_bytes()).expect("our answer can be read");
        let codecs: Vec<_> = mirrored.audio[0].codecs().collect();
        assert_eq!(codecs, [(answer.agreed.payload_type, answer.agreed.codec)]);
        assert_eq!(mirrored.audio[0].direction, answer.agreed.direction);
        assert_eq!(mirrored.audio[0].crypto.is_empty(), answer.agreed.srtp.is_none());
    }
}

/// Whatever is agreed, we offered it.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
pub(crate) fn sdp_answer(data: &[u8]) {
    let local = Local { codecs: vec![Codec::Pcma], rtcp_mux: true, ..local() };
    let Ok(agreed) = sdp::read_answer(data, &local) else {
        return;
    };
    assert_eq!(agreed.codec, Codec::Pcma);
    assert!(agreed.payload_type < 128 && agreed.telephone_event.is_none_or(|event| event < 128));
}

/// An RTP packet is taken when a second, plainer reading of RFC 3550 §5.1 takes it, and they find the same in it.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
pub(crate) fn rtp(data: &[u8]) {
    let packet = PacketView::parse(data);
    assert_eq!(packet.is_ok(), payload_range(data).is_some(), "{packet:?}");
    assert!(!is_rtcp(data) || is_rtp_or_rtcp(data));
    let (Ok(packet), Some((start, end))) = (packet, payload_range(data)) else {
        return;
    };
    assert_eq!(packet.payload(), &data[start..end]);
    let header = RtpHeader {
        marker: packet.marker(),
        payload_type: packet.payload_type(),
        sequence_number: packet.sequence_number(),
        timestamp: packet.timestamp(),
        ssrc: packet.ssrc(),
    };
    // All but the first byte, which has the padding, the extension and the contributing sources.
    assert_eq!(header.to_bytes()[1..], data[1..RtpHeader::LEN]);
    if let Some((_, extension)) = packet.extension() {
        assert!(extension.len().is_multiple_of(4) && data[..start].ends_with(extension));
    }
}

/// Where the payload of an RTP packet begins and ends.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
fn payload_range(data: &[u8]) -> Option<(usize, usize)> {
    let (first, mut start) = (usize::from(*data.first()?), RtpHeader::LEN);
    start += 4 * (first & 15);
    if first & 0x10 != 0 {
        let words = usize::from(*data.get(start + 2)?) << 8 | usize::from(*data.get(start + 3)?);
        start += 4 + 4 * words;
    }
    let padding = if first & 0x20 == 0 { 0 } else { usize::from(*data.last()?) };
    let has_padding = first & 0x20 == 0 || padding > 0;
    let end = data.len().checked_sub(padding)?;
    (first >> 6 == 2 && has_padding && start <= end).then_some((start, end))
}

/// Nobody without the keys is believed, whatever they send; what can be protected comes out again as it went in; and
/// neither costs the packet behind it.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
pub(crate) fn srtp(data: &[u8]) {
    for profile in Profile::ALL {
        let keys = SrtpKeys::new(profile, &vec![7; profile.material_len()]).expect("keys of its length");
        let (mut sender, mut receiver) = (Protector::new(&keys), Unprotector::new(&keys));
        let (mut sealed, mut opened) = (vec![0; data.len() + 64], vec![0; data.len() + 64]);
        assert!(receiver.unprotect(data, &mut opened).is_err());
        let protected = if is_rtcp(data) {
            sender.protect_rtcp(data, &mut sealed)
        } else {
            sender.protect_rtp(data, &mut sealed)
        };
        if let Ok(protected) = protected {
            assert_eq!(receiver.unprotect(protected, &mut opened), Ok(data));
            assert_eq!(receiver.unprotect(protected, &mut opened), Err(SrtpError::Replayed));
        }
        let genuine = RtpHeader {
            marker: false,
            payload_type: 0,
            sequence_number: SequenceNumber(9),
            timestamp: 0,
            ssrc: Ssrc(0x0c0f_fab0),
        };
        let genuine = genuine.to_bytes();
        let mut sender = Protector::new(&keys);
        let (mut sealed, mut opened) = ([0; 64], [0; 64]);
        let protected = sender.protect_rtp(&genuine, &mut sealed).expect("a packet of ours");
        let ours = receiver.unprotect(protected, &mut opened);
        assert!(ours == Ok(&genuine[..]) || data.get(8..12) == Some(&genuine[8..12]), "{ours:?}");
    }
}

/// A press is reported once at most, as a key, and takes a packet. Each packet of the input is a byte of time that
/// passes before it, a byte that chooses its start, and four of payload.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
pub(crate) fn telephone_event(data: &[u8]) {
    let mut receiver = DigitReceiver::new();
    let mut now = Time::from_millis(1);
    let (mut packets, mut reported) = (0, Vec::new());
    for piece in data.chunks(6) {
        let [pause, start, payload @ ..] = piece else {
            break;
        };
        now += Duration::from_millis(u64::from(*pause) * 2);
        reported.extend(receiver.expire(now));
        let (timestamp, ssrc) = (u32::from(start >> 1) * 7_919, u32::from(start & 1));
        let bytes = engine_leg::rtp(engine_leg::TELEPHONE_EVENT, packets, timestamp, ssrc, payload);
        let packet = PacketView::parse(&bytes).expect("a packet of ours");
        reported.extend(receiver.receive(&packet, now));
        packets += 1;
        assert!(reported.len() <= usize::from(packets), "a press takes a packet");
        let event = TelephoneEvent::parse(payload);
        assert_eq!(event.is_some(), payload.len() >= 4);
        assert!(event.is_none_or(|e| e.event == payload[0] && e.end == (payload[1] >= 0x80)));
    }
    reported.extend(receiver.expire(now + Duration::from_secs(1)));
    assert_eq!(receiver.expire(now + Duration::from_secs(2)), None, "a press is reported once");
    assert!(reported.len() <= usize::from(packets) && reported.iter().all(|key| key.event < 16));
}

/// Compounds are walked to their end and every part lies within them; what is written can be read.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
pub(crate) fn rtcp(data: &[u8]) {
    let Ok(compound) = Compound::parse(data) else {
        return;
    };
    let mut blocks = 0;
    for packet in compound.packets() {
        match packet {
            Packet::SenderReport(report) => blocks += report.blocks.count(),
            Packet::ReceiverReport(report) => blocks += report.blocks.count(),
            Packet::Descriptions(descriptions) => blocks += descriptions.count(),
            Packet::Bye(bye) => blocks += bye.sources().count(),
            Packet::Malformed(_) | Packet::Other(_) => blocks += 1,
        }
    }
    assert!(blocks * 4 <= data.len(), "no part is shorter than a word");
    let wall = WallClock::default();
    let settings =
        RtcpSettings { ssrc: Ssrc(1), cname: [b'a'; 16], seed: 1, interval: REPORT_INTERVAL, wall };
    let mut rtcp = LegRtcp::new(settings);
    rtcp.receive(&compound, Time::from_millis(20));
    assert!(rtcp.expected_loss_percent(Time::from_millis(40)) <= EXPECTED_LOSS_MAX);
    let mut report = [0; REPORT_LEN_MAX];
    let len = rtcp.write_report(Time::from_millis(60), &Sent::default(), &mut report).expect("there is room");
    assert!(Compound::parse(&report[..len]).is_ok());
}

/// Any payload decodes to some sound, within its room; the first byte chooses the codec.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
pub(crate) fn codecs(data: &[u8]) {
    let Some((&choice, payloads)) = data.split_first() else {
        return;
    };
    let codec = Codec::ALL[usize::from(choice) % Codec::ALL.len()];
    let mut decoder = Decoder::new(codec).expect("memory for a codec");
    let mut noise = ComfortNoise::new(codec.sample_rate(), 1);
    let mut sound = [0; PACKET_SAMPLES_MAX];
    for payload in payloads.split(|byte| *byte == 0xa5) {
        let decoded = decoder.decode(payload, &mut sound);
        assert!(decoded.samples <= sound.len());
        assert!(decoded.damaged || decoded.samples == codec.samples(payload).min(sound.len()));
        decoder.recover(payload, &mut sound[..960]);
        decoder.conceal(&mut sound[..960]);
        noise.update(payload);
        noise.fill(&mut sound[..160]);
    }
}

/// A receive buffer, driven by a script of packets, ticks and changes.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
pub(crate) fn playout(data: &[u8]) {
    confab_media::playout::exercise(data);
}

/// The whole engine, driven by a script: see [`state_machine`].
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
pub(crate) fn engine(data: &[u8]) {
    state_machine::run(data);
}

/// A call script is read in every way or refused in words, and what is read can be followed: each URL leads somewhere by
/// HTTP or says why not, and no message grows with its document.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
pub(crate) fn twiml(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for purpose in [Use::Call, Use::Listening, Use::Queue, Use::Whisper] {
        let document = match Document::parse_for(&text, purpose) {
            Ok(document) => document,
            Err(error) => {
                assert!(error.message.len() < MESSAGE_BYTES_MAX && error.code > 0, "{error}");
                continue;
            }
        };
        assert!(document.warnings.iter().all(|warning| warning.message.len() < MESSAGE_BYTES_MAX));
        for verb in &document.verbs {
            assert!(purpose != Use::Listening || !matches!(verb, Verb::Dial(_) | Verb::Gather(_)));
            if let Verb::Gather(gather) = verb {
                gathers(gather);
            }
            if let Verb::Redirect(redirect) = verb {
                let url = redirect.to.target.resolve(None);
                assert!(url.is_ok_and(|url| url.scheme().starts_with("http")) || is_relative(redirect));
            }
        }
    }
}

/// The longest that a message about a document may be: two values of 60 characters are quoted at most.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
const MESSAGE_BYTES_MAX: usize = 1_500;

/// Whether it is a URL beside another.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
fn is_relative(redirect: &Redirect) -> bool {
    let base = "https://example.com/a/b".parse().expect("a URL");
    redirect.to.target.resolve(Some(&base)).is_ok()
}

/// Whatever is pressed, there is one outcome at most, and time brings one.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
fn gathers(gather: &Gather) {
    let (mut gathering, now) = (Gathering::new(gather), Instant::now());
    let digits = (0..16).cycle().take(100).filter_map(Digit::from_event);
    let outcomes = digits.filter_map(|digit| gathering.press(digit, now)).count();
    gathering.prompts_ended(now);
    let late = gathering.time(now + gather.timeout + Duration::from_secs(1)).is_some();
    assert_eq!(outcomes + usize::from(late), 1);
}

/// Any bytes are a sound within its limits, or none.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
pub(crate) fn sound(data: &[u8]) {
    let limits = Limits { bytes: 1 << 20, duration: Duration::from_secs(2) };
    for content_type in [None, Some("audio/basic")] {
        match confab::sound::read(data, content_type, SampleRate::Hz8000, &limits) {
            Ok(sound) => assert!(!sound.samples.is_empty() && sound.duration() <= limits.duration),
            Err(error) => assert!(error.message.len() < MESSAGE_BYTES_MAX, "{error}"),
        }
    }
}

fn source() -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 20], 5062))
}

fn local() -> Local {
    let security = Some(Security::new(false, &[7; Security::ENTROPY]));
    Local { security, ..Local::new([192, 0, 2, 50].into(), 20_000, Codec::ALL.to_vec()) }
}

/// What a browser offers: refused, or answered with as many streams.
pub(crate) fn browser_offer(data: &[u8]) {
    let credentials = IceCredentials::new(&[3; IceCredentials::ENTROPY]);
    let local = BrowserLocal {
        local: Local::new([192, 0, 2, 9].into(), 19_000, Codec::ALL.to_vec()),
        candidates: vec![([192, 0, 2, 9], 19_000).into()],
        credentials,
        fingerprint: Fingerprint::new([1; 32]),
        mid: None,
    };
    let Ok(offer) = browser::parse_offer(data) else {
        return;
    };
    if let Ok((answer, agreed)) = browser::answer(&offer, &local) {
        let taken = answer.lines().filter(|line| line.starts_with("m=") && !line.contains(" 0 ")).count();
        assert_eq!(taken, 1, "one stream is taken:\n{answer}");
        assert!(agreed.agreed.terms.ice && !agreed.remote.fingerprints.is_empty());
        assert!(!answer.contains("\r\n\r\n"), "no line of theirs breaks ours:\n{answer}");
    }
    // As an answer to an offer of ours.
    let _ = browser::read_answer(data, &local);
}

/// What comes to the port of browsers, a datagram behind each length: nobody is answered who does not hold the password.
pub(crate) fn ice(data: &[u8]) {
    let mut agents = Agents::new(2);
    let credentials = IceCredentials::new(&[3; IceCredentials::ENTROPY]);
    let source: SocketAddr = ([192, 0, 2, 7], 4_000).into();
    assert!(agents.set(LegId(1), credentials.clone(), 0, Time::ZERO));
    let mut rest = data;
    let mut reply = [0; REPLY_MAX];
    while let Some((&len, after)) = rest.split_first() {
        let (datagram, after) = after.split_at(after.len().min(len.into()));
        rest = after;
        let holds = Message::parse(datagram)
            .is_ok_and(|message| message.is_from_holder_of(credentials.expose_password().as_bytes()));
        match agents.handle(source, datagram, Time::ZERO, &mut reply) {
            Ok(Taken::Answer { len, .. }) => {
                assert!(holds, "only who holds the password is answered");
                assert!(Message::parse(&reply[..len]).is_ok(), "answers are well-formed");
            }
            Ok(Taken::Dtls(_) | Taken::Media { .. }) | Err(_) => {}
        }
    }
    agents.find_lost(Time::ZERO + CONSENT, 2, |leg| assert_eq!(leg, LegId(1)));
}
