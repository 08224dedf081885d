//! From samples to payloads: one encoder for each stream that is sent, or for all who hear the same.

use super::{Codec, CodecError, g711, g722, l16, opus};
use crate::frame::SampleRate;

/// What a stream's encoder remembers between frames.
pub struct Encoder {
    codec: Codec,
    state: State,
}

enum State {
    Ulaw,
    Alaw,
    L16,
    G722(Box<g722::Encoder>),
    Opus(opus::Encoder),
}

/// How an encoder weighs sound, bits and work. Only Opus has the choice; the others ignore all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderSettings {
    /// Bits a second, on the average. Held within [`BITRATE`](Self::BITRATE).
    pub bitrate: u32,
    /// How hard it tries: 0 (least work) to 10.
    pub complexity: u8,
    /// Whether packets carry a coarse copy of the one before, while loss is expected (RFC 6716 §2.1.7).
    pub fec: bool,
    /// How many of a hundred packets the far end will miss. Held below
    /// [`EXPECTED_LOSS_PERCENT_MAX`](Self::EXPECTED_LOSS_PERCENT_MAX).
    pub expected_loss_percent: u8,
    /// Whether silence is told in packets of one or two bytes, most of which need not be sent.
    pub dtx: bool,
    /// The rate at which the far end plays (`maxplaybackrate`, RFC 7587 §6.1): sounds it cannot play are not
    /// coded.
    pub playback_rate: SampleRate,
}

impl EncoderSettings {
    /// Bits a second that may be asked for. RFC 7587 §6.1 allows from 6,000; above 128,000 mono sound does
    /// not get any better, and 60 ms would not fit into a packet.
    pub const BITRATE: std::ops::RangeInclusive<u32> = 6_000..=128_000;

    /// The most loss that an encoder prepares for. Up to here libopus gives more and more to the copies;
    /// beyond, it would only throw away prediction and with it half of the quality, for a far end that claims
    /// (or suffers) what no copy of a single packet can mend.
    pub const EXPECTED_LOSS_PERCENT_MAX: u8 = 25;
}

impl Default for EncoderSettings {
    /// Full-band speech: at 34 kbit/s libopus makes copies from 1 % of loss on and keeps sounds above 8 kHz. At 32 it
    /// makes none up to 5 %, and speech takes 31.5 in either case.
    /// Complexity 5 costs half as much as 10 and is hard to tell from it at this rate. Loss is expected when it is
    /// reported: copies cost quality where nothing is lost.
    fn default() -> Self {
        Self {
            bitrate: 34_000,
            complexity: 5,
            fec: true,
            expected_loss_percent: 0,
            dtx: false,
            playback_rate: SampleRate::Hz48000,
        }
    }
}

impl Encoder {
    /// An encoder at the beginning of a stream. Allocates; nothing after it does.
    ///
    /// # Errors
    ///
    /// When libopus has no memory for its state.
    pub fn new(codec: Codec, settings: EncoderSettings) -> Result<Self, CodecError> {
        let state = match codec {
            Codec::Pcmu => State::Ulaw,
            Codec::Pcma => State::Alaw,
            Codec::L16(_) => State::L16,
            Codec::G722 => State::G722(Box::default()),
            Codec::Opus => State::Opus(opus::Encoder::new(settings)?),
        };
        Ok(Self { codec, state })
    }

    /// The codec it encodes.
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// Encodes `samples`, mono at the codec's sample rate, into the front of `out` and returns how many bytes
    /// were written. Opus codes 10, 20, 40 or 60 ms at a time and writes nothing for another length; of the
    /// others, what does not fit in `out` is left out. `out` should hold [`PAYLOAD_MAX`](super::PAYLOAD_MAX).
    pub fn encode(&mut self, samples: &[i16], out: &mut [u8]) -> usize {
        match &mut self.state {
            State::Ulaw => g711::encode_ulaw(samples, out),
            State::Alaw => g711::encode_alaw(samples, out),
            State::L16 => l16::encode(samples, out),
            State::G722(encoder) => encoder.encode(samples, out),
            State::Opus(encoder) => encoder.encode(samples, out),
        }
    }

    /// Prepares for this much loss on the way, at most
    /// [`EXPECTED_LOSS_PERCENT_MAX`](EncoderSettings::EXPECTED_LOSS_PERCENT_MAX): what far ends claim may come
    /// here as it is.
    pub fn set_expected_loss(&mut self, percent: u8) {
        if let State::Opus(encoder) = &mut self.state {
            encoder.set_expected_loss(percent);
        }
    }

    /// Changes the bits a second, within [`BITRATE`](EncoderSettings::BITRATE).
    pub fn set_bitrate(&mut self, bitrate: u32) {
        if let State::Opus(encoder) = &mut self.state {
            encoder.set_bitrate(bitrate);
        }
    }

    /// Starts afresh after a payload of silence that lasts so many samples, which is given: it stops what a decoder still has
    /// to say. `None` of a codec that has no such thing, or not of that length; then nothing has changed.
    pub(crate) fn cut(&mut self, samples: usize) -> Option<[u8; 3]> {
        match &mut self.state {
            State::Opus(encoder) => encoder.cut(samples),
            State::Ulaw | State::Alaw | State::L16 | State::G722(_) => None,
        }
    }

    /// Starts afresh as if `previous` had just been encoded, so that a decoder that played it from another
    /// encoder's stream can go on with this one's. Settings stay. Costs as much as encoding `previous`, the last
    /// sound before the next frame. Of Opus, 40 ms of it are enough: the change is as far from who stays with the
    /// first encoder as an encoder is that has been running all along (speech 1.8 against 1.7 dB in bands of
    /// 250 Hz, with a cold start 3.9 dB and a click), and no corner of the wave is sharper. Of 20 ms speech goes on
    /// as well, but a steady tone flutters. G.722 wants 60 ms for a steady tone.
    pub fn warm_up(&mut self, previous: &[i16]) {
        match &mut self.state {
            State::Ulaw | State::Alaw | State::L16 => {}
            State::G722(encoder) => encoder.warm_up(previous),
            State::Opus(encoder) => encoder.warm_up(previous),
        }
    }

    /// Goes on where `other` is, which has encoded `previous` last. Better than [`warm_up`](Self::warm_up) where
    /// the state can be copied (G.722: the decoder notices nothing at all), else the same.
    pub fn succeed(&mut self, other: &Self, previous: &[i16]) {
        match (&mut self.state, &other.state) {
            (State::G722(encoder), State::G722(other)) => encoder.clone_from(other),
            _ => self.warm_up(previous),
        }
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("codec", &self.codec).finish_non_exhaustive()
    }
}
