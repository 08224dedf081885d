//! Opus (RFC 6716, RFC 7587) by libopus: mono at 48 kHz, whatever is in the packets.
//!
//! libopus keeps its state in one block that is allocated when it is made, and works on the stack after
//! that. A packet is parsed here before it is shown to it ([`packet`]): we must know how long it lasts and
//! whether it holds a copy of the one before, and libopus tells neither before it has decoded.

mod joiner;
mod packet;

use super::{Codec, CodecError, Decoded, EncoderSettings};
use crate::frame::SampleRate;
use packet::Packet;

pub(crate) use joiner::Joiner;
pub(super) use packet::{duration, has_copy, is_dtx};

/// The rate at which we decode and encode; Opus's timestamps count at it too (RFC 7587 §4.1).
const RATE: u32 = SampleRate::Hz48000.hertz();

/// 2.5 ms: the shortest frame, and what concealment comes in multiples of.
const GRAIN: usize = 120;

/// How far the encoder looks ahead when it codes for speech, in samples: 6.5 ms. The decoder adds nothing.
pub(super) const DELAY: usize = 312;

/// How long the packet before a stream's first is taken to have lasted: 20 ms, what nearly everybody sends.
const USUAL_DURATION: usize = 960;

pub(super) struct Decoder {
    libopus: ::opus::Decoder,
    /// Samples of the packet decoded last.
    last_duration: usize,
    /// Whether that one was of the kind without linear prediction, after which libopus uses no copies.
    after_celt: bool,
}

impl Decoder {
    pub(super) fn new() -> Result<Self, CodecError> {
        let libopus = ::opus::Decoder::new(RATE, ::opus::Channels::Mono).map_err(refused)?;
        Ok(Self { libopus, last_duration: USUAL_DURATION, after_celt: false })
    }

    pub(super) fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Decoded {
        let Some(packet) = Packet::parse(payload) else {
            return self.conceal_damaged(self.last_duration, out);
        };
        if packet.duration() > out.len() {
            return self.conceal_damaged(packet.duration(), out);
        }
        self.last_duration = packet.duration();
        match self.libopus.decode(payload, out, false) {
            Ok(samples) => {
                self.after_celt = packet.is_celt_only();
                Decoded { samples, damaged: false }
            }
            Err(_) => self.conceal_damaged(packet.duration(), out),
        }
    }

    fn conceal_damaged(&mut self, duration: usize, out: &mut [i16]) -> Decoded {
        let samples = duration.min(out.len() / GRAIN * GRAIN);
        let out = &mut out[..samples];
        if !self.conceal(out) {
            out.fill(0);
        }
        Decoded { samples, damaged: true }
    }

    pub(super) fn conceal(&mut self, out: &mut [i16]) -> bool {
        is_grains(out) && self.libopus.decode(&[], out, false).is_ok()
    }

    pub(super) fn recover(&mut self, next_payload: &[u8], out: &mut [i16]) -> bool {
        let Some(next) = Packet::parse(next_payload) else {
            return false;
        };
        // Of a copy that is longer than what was lost, libopus takes nothing.
        if !next.has_copy() || self.after_celt || !is_grains(out) || out.len() < next.frame_len() {
            return false;
        }
        self.libopus.decode(next_payload, out, true).is_ok()
    }

    pub(super) fn reset(&mut self) {
        // Fails only for a request that libopus does not know.
        let _ = self.libopus.reset_state();
        self.last_duration = USUAL_DURATION;
        self.after_celt = false;
    }
}

const fn is_grains(out: &[i16]) -> bool {
    !out.is_empty() && out.len().is_multiple_of(GRAIN)
}

/// The configuration of a frame of 10 ms of all that can be heard, without linear prediction (RFC 6716 §3.1, table 2). The next
/// one is that of 20 ms.
const CELT_FULLBAND_10_MS: u8 = 30;

pub(super) struct Encoder {
    libopus: ::opus::Encoder,
}

impl Encoder {
    pub(super) fn new(settings: EncoderSettings) -> Result<Self, CodecError> {
        Self::set_up(settings).map_err(refused)
    }

    fn set_up(settings: EncoderSettings) -> ::opus::Result<Self> {
        let mono = ::opus::Channels::Mono;
        let mut libopus = ::opus::Encoder::new(RATE, mono, ::opus::Application::Voip)?;
        libopus.set_complexity(settings.complexity.min(10).into())?;
        libopus.set_inband_fec(settings.fec)?;
        libopus.set_dtx(settings.dtx)?;
        libopus.set_max_bandwidth(match settings.playback_rate {
            SampleRate::Hz8000 => ::opus::Bandwidth::Narrowband,
            SampleRate::Hz16000 => ::opus::Bandwidth::Wideband,
            SampleRate::Hz48000 => ::opus::Bandwidth::Fullband,
        })?;
        let mut encoder = Self { libopus };
        encoder.set_bitrate(settings.bitrate);
        encoder.set_expected_loss(settings.expected_loss_percent);
        Ok(encoder)
    }

    pub(super) fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> usize {
        // It fails for frames and buffers that are too short for it.
        let is_frame = matches!(samples.len(), 480 | 960 | 1_920 | 2_880);
        if is_frame { self.libopus.encode(samples, out).unwrap_or(0) } else { 0 }
    }

    pub(super) fn set_expected_loss(&mut self, percent: u8) {
        let percent = percent.min(EncoderSettings::EXPECTED_LOSS_PERCENT_MAX);
        // Fails only outside of 0-100.
        let _ = self.libopus.set_packet_loss_perc(percent.into());
    }

    pub(super) fn set_bitrate(&mut self, bitrate: u32) {
        let range = EncoderSettings::BITRATE;
        let bitrate = bitrate.clamp(*range.start(), *range.end());
        // Fails only for rates that are not positive.
        let _ = self.libopus.set_bitrate(::opus::Bitrate::Bits(bitrate as i32));
    }

    /// Starts afresh after a packet of silence, which is given if there is one of that length.
    ///
    /// The packet is of the kind without linear prediction, which has a flag for silence (RFC 6716 §4.3: nothing but ones is
    /// how the range coder writes it at its end). Gains of linear prediction fall by 22 dB a frame at most (§4.2.7.4), and
    /// what is coded behind loud sound is not silent before the third; a decoder that changes to the other kind forgets them
    /// (§4.5.2), and libopus fades out what it has within 5 ms.
    pub(super) fn cut(&mut self, samples: usize) -> Option<[u8; 3]> {
        let config = match samples {
            480 => CELT_FULLBAND_10_MS,
            960 => CELT_FULLBAND_10_MS + 1,
            _ => return None,
        };
        // Fails only for a request that libopus does not know.
        let _ = self.libopus.reset_state();
        Some([config << 3, 0xff, 0xfe])
    }

    pub(super) fn warm_up(&mut self, previous: &[i16]) {
        // Fails only for a request that libopus does not know.
        let _ = self.libopus.reset_state();
        let mut thrown_away = [0; super::PAYLOAD_MAX];
        let (_, whole_frames) = previous.split_at(previous.len() % USUAL_DURATION);
        for frame in whole_frames.chunks(USUAL_DURATION) {
            self.encode(frame, &mut thrown_away);
        }
    }
}

fn refused(error: ::opus::Error) -> CodecError {
    CodecError { codec: Codec::Opus, reason: error.code().description() }
}

#[cfg(test)]
mod tests;
