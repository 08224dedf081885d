//! Offers and answers for one audio stream (RFC 3264, RFC 8866, RFC 4733).
//!
//! Lenient in what is read, because trunks write much that no RFC allows and little of it matters here;
//! exact in what is written. The parser below is syntax only: which stream is taken, which codec, who
//! sends, and what an answer must repeat is decided here.
//!
//! ```text
//!  their offer ─> parse_offer ─> Offer ─> answer ──────────> Answer: SDP to send and what was agreed
//!  no offer ───────────────────> make_offer ─> SDP to send
//!                                their answer ─> read_answer ─> what was agreed
//! ```

mod clean;
mod offer;
mod write;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

pub use confab_media::Codec;
pub use offer::{parse_offer, read_answer};
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
    /// No stream of audio over plain RTP with an address that can be sent to (SIP: 488).
    #[error("no audio over RTP/AVP is offered")]
    NoAudio,
    /// The answer takes none of the codecs that were offered (SIP: 488, or a BYE after the fact).
    #[error(transparent)]
    NoCommonCodec(#[from] NoCommonCodec),
}

/// The far end has no codec that we have (SIP: 488).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no codec in common")]
pub struct NoCommonCodec;

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

/// What a far end offers: its first acceptable audio stream, and the shape of the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Where it wants its audio; `None` when it is on hold in the old way, `c=0.0.0.0` (RFC 3264 §8.4).
    pub remote: Option<SocketAddr>,
    /// Where it wants RTCP (RFC 3605), if not on the port after `remote`'s.
    pub rtcp: Option<SocketAddr>,
    /// Whether it would take RTCP on `remote` itself (RFC 5761).
    pub rtcp_mux: bool,
    /// The codecs we know, with their payload types, in its order of preference.
    pub codecs: Vec<(u8, Codec)>,
    /// The payload type of its digits (RFC 4733).
    pub telephone_event: Option<u8>,
    /// The packet length it would like to get, in milliseconds.
    pub ptime: Option<u32>,
    /// Who sends, as it sees it.
    pub direction: Direction,
    /// All its streams, in order.
    pub streams: Vec<Stream>,
    /// Which of them all of the above is about.
    pub chosen: usize,
}

/// One stream of an offer, as far as an answer that refuses it repeats it (RFC 3264 §6).
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
    /// What we take; in an offer of ours, the best first.
    pub codecs: Vec<Codec>,
    /// Whether the leg's RTP socket takes RTCP as well; then we agree to it when it is offered.
    pub rtcp_mux: bool,
}

/// What both sides will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The one codec, for both ways.
    pub codec: Codec,
    /// Its payload type, for both ways.
    pub payload_type: u8,
    /// The payload type of digits, if they come as such.
    pub telephone_event: Option<u8>,
    /// The one that our offer had for them, if they do and the offer was ours.
    pub telephone_event_offered: Option<u8>,
    /// Where we send; `None` on hold in the old way.
    pub remote: Option<SocketAddr>,
    /// Where we send RTCP.
    pub rtcp: Option<SocketAddr>,
    /// Who sends, as we see it.
    pub direction: Direction,
}

/// An answer to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The SDP.
    pub sdp: String,
    /// What it says.
    pub agreed: Agreed,
}
