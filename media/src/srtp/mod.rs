//! SRTP: RTP and RTCP that nobody else can read or forge (RFC 3711; RFC 7714 for GCM), with the keys that
//! signalling agreed (RFC 4568).
//!
//! ```text
//!   RTP, RTCP ──▶ Protector ──▶ network ──▶ Unprotector ──▶ RTP, RTCP, or an SrtpError to count
//! ```
//!
//! Both are built on the control side, from [`SrtpKeys`]; from then on they allocate nothing, draw no randomness and
//! hold a bounded amount: what is not authentic leaves no trace in them. Ciphers and MAC are those of `aes`, `sha1`
//! and `ring`. The packets are laid out here rather than by a library for SRTP because of what the
//! engine promises: in place, without allocating, with a table of sources that forged packets cannot fill.
//!
//! - New keys come as a new [`Protector`] and [`Unprotector`], from which those in use take over:
//!   [`Protector::rekey`], [`Unprotector::rekey`].
//! - A sequence number may roll over any number of times, packets may be lost, late, doubled and out of order, and
//!   the source may change or begin anew: all that holds is what proves to be from the holder of the keys.

mod keys;
mod protector;
mod stream;
mod transform;
mod unprotector;

#[cfg(test)]
mod tests;

use std::fmt;

pub use keys::{Profile, SrtpKeys, SrtpPair};
pub use protector::Protector;
pub use unprotector::Unprotector;

/// Why a packet was not protected or not believed. Each has a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SrtpError {
    /// Shorter than its header and what protection adds, or it has no such header.
    TooShort,
    /// It does not fit the buffer.
    TooLong,
    /// Not from the holder of the keys, or damaged.
    NotAuthentic,
    /// Authentic, and it came before, or is so old that this cannot be known.
    Replayed,
    /// Authentic, and from one source more than are kept apart under one pair of keys.
    TooManyStreams,
    /// These keys have protected as much as they may (RFC 3711 §9.2), or the sequence number went back.
    IndexUsedUp,
}

impl SrtpError {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::TooShort,
        Self::TooLong,
        Self::NotAuthentic,
        Self::Replayed,
        Self::TooManyStreams,
        Self::IndexUsedUp,
    ];

    /// The counter's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooShort => "srtp_too_short",
            Self::TooLong => "srtp_too_long",
            Self::NotAuthentic => "srtp_not_authentic",
            Self::Replayed => "srtp_replayed",
            Self::TooManyStreams => "srtp_too_many_streams",
            Self::IndexUsedUp => "srtp_index_used_up",
        }
    }
}

impl fmt::Display for SrtpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "too short for SRTP",
            Self::TooLong => "too long for the buffer",
            Self::NotAuthentic => "not authentic",
            Self::Replayed => "came before",
            Self::TooManyStreams => "one source too many",
            Self::IndexUsedUp => "no unused index under these keys",
        })
    }
}

impl std::error::Error for SrtpError {}

/// What protection needs to know of an RTP header (RFC 3550 §5.1): nothing in it is believed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RtpParts {
    ssrc: u32,
    sequence_number: u16,
    header_len: usize,
}

impl RtpParts {
    /// Only lengths are looked at. The padding is part of what is encrypted.
    fn read(packet: &[u8]) -> Option<Self> {
        let (fixed, rest) = packet.split_first_chunk::<12>()?;
        let sources_len = usize::from(fixed[0] & 0x0f) * 4;
        let extension_len = match fixed[0] & 0x10 {
            0 => 0,
            _ => {
                let head = rest.get(sources_len..sources_len + 4)?;
                4 + 4 * usize::from(u16::from_be_bytes([head[2], head[3]]))
            }
        };
        let header_len = fixed.len() + sources_len + extension_len;
        let sequence_number = u16::from_be_bytes([fixed[2], fixed[3]]);
        let ssrc = u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]);
        (packet.len() >= header_len).then_some(Self { ssrc, sequence_number, header_len })
    }
}

/// Who an RTCP packet is from: the first of a compound one speaks for all (RFC 3711 §3.4).
fn rtcp_ssrc(packet: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*packet.get(4..8)?.first_chunk()?))
}

/// Copies a packet to the front of a buffer.
fn place(packet: &[u8], buffer: &mut [u8]) -> Result<(), SrtpError> {
    buffer.get_mut(..packet.len()).ok_or(SrtpError::TooLong)?.copy_from_slice(packet);
    Ok(())
}
