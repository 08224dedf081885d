//! Offers and answers for one audio stream, plain or over SRTP (RFC 3264, RFC 8866, RFC 4733, RFC 4568, RFC 5761).
//!
//! Lenient in what is read, because trunks write much that no RFC allows and little of it matters here;
//! exact in what is written. The parser below is syntax only: which stream is taken, which codec, which keys, who
//! sends, and what an answer must repeat is decided here.
//!
//! ```text
//!  their offer ─> parse_offer ─> Offer ─> answer ──────────> Answer: SDP to send and what was agreed
//!  no offer ───────────────────> make_offer ─> SDP to send
//!                                their answer ─> read_answer ─> what was agreed
//! ```

mod agree;
pub mod browser;
mod clean;
mod crypto;
mod formats;
mod offer;
mod write;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

pub use confab_media::Codec;
use confab_media::LegTerms;
use confab_media::srtp::{Profile, SrtpKeys, SrtpPair};

pub use agree::read_answer;
pub use crypto::Crypto;
pub use formats::Format;
pub use offer::parse_offer;
pub use write::{answer, make_offer};

/// The longest SDP, in bytes. The longest real ones are browsers' offers, with about 8 KiB.
pub const SDP_MAX: usize = 16 * 1024;

/// The most streams in one SDP. An answer must repeat them all.
pub const STREAMS_MAX: usize = 32;

/// Why SDP is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// Longer than [`SDP_MAX`].
    #[error("SDP longer than {SDP_MAX} bytes")]
    TooLong,
    /// More streams than [`STREAMS_MAX`].
    #[error("more than {STREAMS_MAX} streams in one SDP")]
    TooManyStreams,
    /// It cannot be read as SDP.
    #[error("malformed SDP")]
    Malformed,
    /// No stream of audio over RTP with an address that can be sent to.
    #[error("no audio over RTP")]
    NoAudio,
    /// Audio over plain RTP only, and we take it over SRTP only.
    #[error("only plain RTP, and SRTP is required")]
    OnlyPlain,
    /// Audio over SRTP only, which we do not do here, or in no suite that we have.
    #[error("only SRTP, which is off or in no suite in common")]
    OnlySecure,
    /// The far end has no codec that we have.
    #[error("no codec in common")]
    NoCommonCodec,
    /// A browser's stream without credentials for ICE (RFC 8839).
    #[error("no `a=ice-ufrag` and `a=ice-pwd` of the length that ICE wants")]
    NoIce,
    /// A browser's stream without the SHA-256 fingerprint of a certificate (RFC 8122).
    #[error("no `a=fingerprint:sha-256`")]
    NoFingerprint,
    /// A browser that would have us begin the handshake (RFC 8842).
    #[error("`a=setup` must be `actpass` or `active`: the browser begins the handshake")]
    NoRole,
}

impl SdpError {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::TooLong,
        Self::TooManyStreams,
        Self::Malformed,
        Self::NoAudio,
        Self::OnlyPlain,
        Self::OnlySecure,
        Self::NoCommonCodec,
        Self::NoIce,
        Self::NoFingerprint,
        Self::NoRole,
    ];

    /// The counter's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::TooManyStreams => "too_many_streams",
            Self::Malformed => "malformed",
            Self::NoAudio => "no_audio",
            Self::OnlyPlain => "only_plain",
            Self::OnlySecure => "only_secure",
            Self::NoCommonCodec => "no_common_codec",
            Self::NoIce => "no_ice",
            Self::NoFingerprint => "no_fingerprint",
            Self::NoRole => "no_role",
        }
    }

    /// The SIP status that says so: 400 for what is no SDP or beyond all measure, 488 for what could be agreed with
    /// somebody else (RFC 3261 §21.4.1, §21.4.26).
    pub const fn status(self) -> u16 {
        match self {
            Self::TooLong | Self::TooManyStreams | Self::Malformed => 400,
            Self::NoAudio
            | Self::OnlyPlain
            | Self::OnlySecure
            | Self::NoCommonCodec
            | Self::NoIce
            | Self::NoFingerprint
            | Self::NoRole => 488,
        }
    }
}

/// Who sends, as the side that says it sees it (RFC 3264 §5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both.
    #[default]
    SendRecv,
    /// Only the side that says it.
    SendOnly,
    /// Only the other side.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// The same seen from the other side (RFC 3264 §6.1).
    pub const fn reversed(self) -> Self {
        match self {
            Self::SendRecv => Self::SendRecv,
            Self::SendOnly => Self::RecvOnly,
            Self::RecvOnly => Self::SendOnly,
            Self::Inactive => Self::Inactive,
        }
    }

    /// The same for a side that has nowhere to send to.
    const fn without_send(self) -> Self {
        match self {
            Self::SendRecv | Self::RecvOnly => Self::RecvOnly,
            Self::SendOnly | Self::Inactive => Self::Inactive,
        }
    }

    /// The attribute's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}

/// What a far end offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its streams of audio that could be taken, in order. There is at least one.
    pub audio: Vec<Audio>,
    /// All its streams, in order.
    pub streams: Vec<Stream>,
}

/// A stream of audio over RTP or SRTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audio {
    /// Which of the offer's streams it is.
    pub index: usize,
    /// Whether it must be SRTP (`RTP/SAVP`).
    pub secure: bool,
    /// The keys it could be SRTP with. Of a stream that need not be, they are an offer to make it so all the same, as
    /// many exchanges do.
    pub crypto: Vec<Crypto>,
    /// Where it wants its audio; `None` when it is on hold in the old way, `c=0.0.0.0` (RFC 3264 §8.4).
    pub remote: Option<SocketAddr>,
    /// Where it wants RTCP (RFC 3605), if not on the port after `remote`'s.
    pub rtcp: Option<SocketAddr>,
    /// Whether it would take RTCP on `remote` itself (RFC 5761).
    pub rtcp_mux: bool,
    /// What its payload types stand for, in its order of preference.
    pub formats: Vec<(u8, Format)>,
    /// The packet length it would like to get, in milliseconds.
    pub ptime: Option<u32>,
    /// The longest it takes.
    pub maxptime: Option<u32>,
    /// The number of the header extension for audio levels (RFC 6464), if it would send it, and whether it would
    /// say who speaks in it.
    pub audio_level: Option<AudioLevel>,
    /// How it wants its Opus.
    pub opus: confab_media::OpusTerms,
    /// Who sends, as it sees it.
    pub direction: Direction,
}

impl Audio {
    /// The codecs that we have as well, with their payload types, in its order.
    pub fn codecs(&self) -> impl Iterator<Item = (u8, Codec)> {
        self.formats.iter().filter_map(|(payload_type, format)| match format {
            Format::Audio(codec) => Some((*payload_type, *codec)),
            Format::TelephoneEvent(_) | Format::ComfortNoise(_) | Format::Unknown => None,
        })
    }

    /// The payload type that stands for this.
    pub fn payload_type(&self, format: Format) -> Option<u8> {
        let found = self.formats.iter().find(|(_, other)| *other == format);
        found.map(|(payload_type, _)| *payload_type)
    }
}

/// The header extension that says how loud a packet is (RFC 6464).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioLevel {
    /// Its number, 1 to 14 (RFC 8285 §4.2).
    pub id: u8,
    /// What was said of the bit for speech (RFC 6464 §4), if anything.
    pub vad: Option<bool>,
    /// Whether the far end would take it from us as well.
    pub takes: bool,
}

/// One stream of an offer, as far as an answer repeats it (RFC 3264 §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// `audio`, `video`, `image`...
    pub media: String,
    /// `RTP/AVP`, `udptl`...
    pub protocol: String,
    /// Payload types, or whatever the protocol has.
    pub formats: String,
}

/// Our side of a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// The address that the far end sends to.
    pub address: IpAddr,
    /// The leg's RTP port.
    pub port: u16,
    /// The same for all SDP of a leg, and different for each leg (RFC 8866 §5.2).
    pub session_id: u64,
    /// One more for each SDP of a leg that differs from the one before (RFC 3264 §8).
    pub version: u64,
    /// What we take, the best liked first.
    pub codecs: Vec<Codec>,
    /// Whether the leg's RTP socket takes RTCP as well; then we agree to it when it is offered.
    pub rtcp_mux: bool,
    /// Our part of SRTP; `None` when it is off.
    pub security: Option<Security>,
    /// What payload types stand for already: they mean the same to the end of the dialog (RFC 3264 §8.3.2).
    pub formats: Vec<(u8, Format)>,
}

impl Local {
    /// A side that takes plain RTP on this address, of these codecs.
    pub const fn new(address: IpAddr, port: u16, codecs: Vec<Codec>) -> Self {
        Self {
            address,
            port,
            session_id: 0,
            version: 0,
            codecs,
            rtcp_mux: false,
            security: None,
            formats: Vec::new(),
        }
    }

    /// Keeps in mind what the payload types of an offer stand for.
    pub fn remember(&mut self, offer: &Offer) {
        for format in offer.audio.iter().flat_map(|audio| &audio.formats) {
            self.remember_format(*format);
        }
    }

    /// Keeps in mind what one payload type stands for.
    pub fn remember_format(&mut self, format: (u8, Format)) {
        // There are 128 payload types, so this has an end.
        match self.formats.iter_mut().find(|(payload_type, _)| *payload_type == format.0) {
            Some(known) => *known = format,
            None => self.formats.push(format),
        }
    }
}

/// Our part of SRTP: whether it must be, and keys for each suite. They stay the same for a whole call, so that what we
/// send goes on under them whatever the far end negotiates anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Security {
    /// Plain RTP is refused.
    pub required: bool,
    /// Keys, the best suite first.
    keys: [SrtpKeys; Profile::ALL.len()],
}

/// The most key and salt that one suite needs.
const MATERIAL_MAX: usize = 30;

impl Security {
    /// How many random bytes the keys are made of.
    pub const ENTROPY: usize = MATERIAL_MAX * Profile::ALL.len();

    /// Makes keys of `entropy`, which must be fit for it and be used for nothing else.
    pub fn new(required: bool, entropy: &[u8; Self::ENTROPY]) -> Self {
        let keys = std::array::from_fn(|at| {
            let profile = Profile::ALL[at];
            let material = &entropy[at * MATERIAL_MAX..][..profile.material_len()];
            SrtpKeys::new(profile, material).expect("the material has the profile's length")
        });
        Self { required, keys }
    }

    fn all(&self) -> &[SrtpKeys] {
        &self.keys
    }

    fn keys(&self, profile: Profile) -> Option<&SrtpKeys> {
        self.keys.iter().find(|keys| keys.profile() == profile)
    }
}

/// What both sides will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The one codec, for both ways.
    pub codec: Codec,
    /// Its payload type, for both ways.
    pub payload_type: u8,
    /// The payload type of digits, if they come as such; their clock rate is among the terms.
    pub telephone_event: Option<u8>,
    /// The one that our offer had for them, if they do and the offer was ours.
    pub telephone_event_offered: Option<u8>,
    /// Where we send; `None` on hold in the old way.
    pub remote: Option<SocketAddr>,
    /// Who sends, as we see it.
    pub direction: Direction,
    /// Everything else the engine is told.
    pub terms: LegTerms,
    /// The keys; `None` over plain RTP.
    pub srtp: Option<SrtpPair>,
}

/// An answer to send.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The SDP. There may be keys in it.
    pub sdp: String,
    /// What it says.
    pub agreed: Agreed,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("agreed", &self.agreed).finish_non_exhaustive()
    }
}
