//! One function per parser of ours: it takes any bytes and panics if an invariant breaks.
//!
//! Used twice: by the fuzzer (`fuzz_targets/`), which explores, and by `tests/corpus.rs`, which replays what is
//! known on every run. A new parser gets a function here, a line in [`ALL`], a file in `fuzz_targets/`, a
//! `[[bin]]` in `Cargo.toml` and a folder in `corpus/`.

use std::net::SocketAddr;

use confab::sdp::{self, Codec, Local, Security};
use confab::sip::guard::{Framer, Guard, MESSAGE_MAX, Transport, Verdict, redact};
use rsipstack::sip::SipMessage;

/// A parser's name, which is its corpus's folder as well, and its function.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All of them.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
pub(crate) const ALL: &[Target] = &[
    ("guard", guard),
    ("framer", framer),
    ("sdp_offer", sdp_offer),
    ("sdp_answer", sdp_answer),
    // The engine's parsers (RTP, RTCP, telephone-event) follow here.
];

/// What the guard forwards, the library parses, and a second look changes nothing; what it answers is
/// a message; what it lets a log see is one.
#[allow(dead_code, reason = "each fuzz binary uses one target only")]
pub(crate) fn guard(data: &[u8]) {
    for transport in [Transport::Udp, Transport::Tcp] {
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

fn source() -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 20], 5062))
}

fn local() -> Local {
    let security = Some(Security::new(false, &[7; Security::ENTROPY]));
    Local { security, ..Local::new([192, 0, 2, 50].into(), 20_000, Codec::ALL.to_vec()) }
}
