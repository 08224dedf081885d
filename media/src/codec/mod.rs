//! How sound is written into RTP payloads.
//!
//! A codec is an enum, not a trait: the set is ours, and a leg's codec travels by value through
//! commands and packet buffers. [`Codec`] says what is fixed about each; [`Decoder`] and [`Encoder`]
//! hold what a stream remembers. Those two are built on the control side, where allocating is allowed,
//! and allocate nothing afterwards. A payload of any content decodes to some sound.

mod comfort_noise;
mod decoder;
mod encoder;
mod g711;
mod g722;
mod l16;
mod opus;

pub use comfort_noise::ComfortNoise;
pub use decoder::{Decoded, Decoder};
pub use encoder::{Encoder, EncoderSettings};
pub(crate) use opus::Joiner as OpusJoiner;

use crate::frame::SampleRate;

/// How a leg's audio is coded, both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 µ-law (RFC 3551 §4.5.14).
    Pcmu,
    /// G.711 A-law (RFC 3551 §4.5.14).
    Pcma,
    /// G.722 at 64 kbit/s (RFC 3551 §4.5.2).
    G722,
    /// Opus, sent mono (RFC 7587).
    Opus,
    /// Linear samples of 16 bits, mono (RFC 3551 §4.5.11).
    L16(L16Rate),
}

/// The rates at which L16 is spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum L16Rate {
    /// 8,000 samples a second.
    Hz8000,
    /// 16,000 samples a second.
    Hz16000,
}

/// The longest payload that an [`Encoder`] writes: 60 ms of L16 at 16 kHz. Opus is held below it by the
/// bit rate it may be set to.
pub const PAYLOAD_MAX: usize = 1_920;

/// The most samples that one packet decodes to: 120 ms of Opus (RFC 6716 §3.2). A G.711 or G.722 payload
/// that fits into an Ethernet frame stays below.
pub const PACKET_SAMPLES_MAX: usize = 5_760;

impl Codec {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Opus,
        Self::G722,
        Self::Pcmu,
        Self::Pcma,
        Self::L16(L16Rate::Hz16000),
        Self::L16(L16Rate::Hz8000),
    ];

    /// The two laws of G.711, which every far end speaks.
    pub const G711: [Self; 2] = [Self::Pcmu, Self::Pcma];

    /// The codec of that name and clock rate in SDP; names have no case (RFC 8866 §6.6).
    pub fn of_name(name: &str, clock_rate: u32) -> Option<Self> {
        let fits = |codec: &Self| codec.name().eq_ignore_ascii_case(name) && codec.clock_rate() == clock_rate;
        Self::ALL.into_iter().find(fits)
    }

    /// The codec of a payload type that was not negotiated.
    pub fn of_static_payload_type(payload_type: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.static_payload_type() == Some(payload_type))
    }

    /// The rate of the samples it decodes to and encodes from.
    pub const fn sample_rate(self) -> SampleRate {
        match self {
            Self::Pcmu | Self::Pcma | Self::L16(L16Rate::Hz8000) => SampleRate::Hz8000,
            Self::G722 | Self::L16(L16Rate::Hz16000) => SampleRate::Hz16000,
            Self::Opus => SampleRate::Hz48000,
        }
    }

    /// Units of the RTP timestamp in a second. Not always the sample rate: G.722 counts 8,000 for
    /// historical reasons (RFC 3551 §4.5.2).
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::G722 => 8_000,
            Self::Pcmu | Self::Pcma | Self::Opus | Self::L16(_) => self.sample_rate().hertz(),
        }
    }

    /// The payload type it has without negotiation (RFC 3551 §6, table 4). L16 has two, both for
    /// 44,100 samples a second, so ours has none.
    pub const fn static_payload_type(self) -> Option<u8> {
        match self {
            Self::Pcmu => Some(0),
            Self::Pcma => Some(8),
            Self::G722 => Some(9),
            Self::Opus | Self::L16(_) => None,
        }
    }

    /// Its encoding name in SDP (RFC 3551 §6, RFC 7587 §7).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::Opus => "opus",
            Self::L16(_) => "L16",
        }
    }

    /// What SDP writes behind the clock rate: Opus always says that it has two tracks, however many it
    /// sends (RFC 7587 §7). The others are mono and say nothing.
    pub const fn encoding_parameters(self) -> Option<u8> {
        match self {
            Self::Opus => Some(2),
            Self::Pcmu | Self::Pcma | Self::G722 | Self::L16(_) => None,
        }
    }

    /// Whether encoder and decoder remember what came before.
    pub const fn is_stateful(self) -> bool {
        match self {
            Self::Pcmu | Self::Pcma | Self::L16(_) => false,
            Self::G722 | Self::Opus => true,
        }
    }

    /// How far the RTP timestamp moves over `payload`; 0 for a payload that is not one of this codec.
    pub fn timestamp_units(self, payload: &[u8]) -> usize {
        match self {
            // G.722 codes two samples in a byte, and its clock counts half of them.
            Self::Pcmu | Self::Pcma | Self::G722 => payload.len(),
            Self::L16(_) => payload.len() / l16::SAMPLE_BYTES,
            Self::Opus => opus::duration(payload),
        }
    }

    /// How many samples `payload` decodes to; 0 for a payload that is not one of this codec.
    pub fn samples(self, payload: &[u8]) -> usize {
        self.timestamp_units(payload) * (self.sample_rate().hertz() / self.clock_rate()) as usize
    }

    /// Whether `payload` says only that nothing is being said: an Opus packet of discontinuous
    /// transmission is at most two bytes (RFC 7587 §3.1.3).
    pub const fn is_dtx(self, payload: &[u8]) -> bool {
        match self {
            Self::Opus => opus::is_dtx(payload),
            Self::Pcmu | Self::Pcma | Self::G722 | Self::L16(_) => false,
        }
    }

    /// Whether `payload` holds a copy, however coarse, of the end of the packet before it.
    pub fn has_copy(self, payload: &[u8]) -> bool {
        match self {
            Self::Opus => opus::has_copy(payload),
            Self::Pcmu | Self::Pcma | Self::G722 | Self::L16(_) => false,
        }
    }

    /// How much later a sound comes out of the decoder than it went into the encoder, in samples of
    /// [`sample_rate`](Self::sample_rate); the time to fill a packet is not in it.
    pub const fn delay(self) -> usize {
        match self {
            Self::Pcmu | Self::Pcma | Self::L16(_) => 0,
            Self::G722 => g722::DELAY,
            Self::Opus => opus::DELAY,
        }
    }

    /// Decodes a payload of G.711, which remembers nothing, into the front of `out` and returns how many
    /// samples were written. What does not fit in `out` is left out. Of the other codecs nothing is
    /// written: they want a [`Decoder`].
    pub fn decode(self, payload: &[u8], out: &mut [i16]) -> usize {
        match self {
            Self::Pcmu => g711::decode(&g711::ULAW_TO_LINEAR, payload, out),
            Self::Pcma => g711::decode(&g711::ALAW_TO_LINEAR, payload, out),
            Self::G722 | Self::Opus | Self::L16(_) => 0,
        }
    }

    /// Encodes `samples` as G.711, which remembers nothing, into the front of `out` and returns how many
    /// bytes were written. What does not fit in `out` is left out. Of the other codecs nothing is
    /// written: they want an [`Encoder`].
    pub fn encode(self, samples: &[i16], out: &mut [u8]) -> usize {
        match self {
            Self::Pcmu => g711::encode_ulaw(samples, out),
            Self::Pcma => g711::encode_alaw(samples, out),
            Self::G722 | Self::Opus | Self::L16(_) => 0,
        }
    }
}

/// Why a decoder or encoder could not be made: only libopus can refuse, when memory is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodecError {
    codec: Codec,
    reason: &'static str,
}

impl std::fmt::Display for CodecError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} cannot be set up: {}", self.codec.name(), self.reason)
    }
}

impl std::error::Error for CodecError {}

#[cfg(test)]
mod tests;
