//! How sound is written into RTP payloads.
//!
//! A codec is an enum, not a trait: the set is ours, and a leg's codec travels by value through
//! commands and packet buffers. Nothing here allocates or can fail: a payload of any content decodes
//! to some sound.

mod g711;

use crate::frame::SampleRate;

/// How a leg's audio is coded, both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 µ-law (RFC 3551 §4.5.14).
    Pcmu,
    /// G.711 A-law (RFC 3551 §4.5.14).
    Pcma,
}

impl Codec {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Pcmu, Self::Pcma];

    /// The codec of that name and clock rate in SDP; names have no case (RFC 8866 §6.6).
    pub fn of_name(name: &str, clock_rate: u32) -> Option<Self> {
        let fits = |codec: &Self| codec.name().eq_ignore_ascii_case(name) && codec.clock_rate() == clock_rate;
        Self::ALL.into_iter().find(fits)
    }

    /// The codec of a payload type that was not negotiated.
    pub fn of_static_payload_type(payload_type: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.static_payload_type() == payload_type)
    }

    /// The rate of the samples it decodes to and encodes from.
    pub const fn sample_rate(self) -> SampleRate {
        match self {
            Self::Pcmu | Self::Pcma => SampleRate::Hz8000,
        }
    }

    /// Units of the RTP timestamp in a second. Not always the sample rate (RFC 3551 §4.5.2).
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8_000,
        }
    }

    /// The payload type it has without negotiation (RFC 3551 §6, table 4).
    pub const fn static_payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// Its encoding name in SDP (RFC 3551 §6).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// How far the RTP timestamp moves over `payload`.
    pub const fn timestamp_units(self, payload: &[u8]) -> usize {
        match self {
            Self::Pcmu | Self::Pcma => payload.len(),
        }
    }

    /// The payload byte of digital silence.
    pub const fn silence_byte(self) -> u8 {
        match self {
            Self::Pcmu => g711::ULAW_SILENCE,
            Self::Pcma => g711::ALAW_SILENCE,
        }
    }

    /// Decodes `payload` into the front of `out` and returns how many samples were written. What does
    /// not fit in `out` is left out.
    pub fn decode(self, payload: &[u8], out: &mut [i16]) -> usize {
        match self {
            Self::Pcmu => g711::decode(&g711::ULAW_TO_LINEAR, payload, out),
            Self::Pcma => g711::decode(&g711::ALAW_TO_LINEAR, payload, out),
        }
    }

    /// Encodes `samples` into the front of `out` and returns how many bytes were written. What does
    /// not fit in `out` is left out.
    pub fn encode(self, samples: &[i16], out: &mut [u8]) -> usize {
        match self {
            Self::Pcmu => g711::encode_ulaw(samples, out),
            Self::Pcma => g711::encode_alaw(samples, out),
        }
    }
}
