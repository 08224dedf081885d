//! What turns payloads into samples: the decoder that was agreed on, the one before it, and both laws of G.711, which
//! many far ends send whatever was agreed.

use super::conceal::Concealer;
use super::decoded::Decoded;
use super::history::History;
use crate::codec::{self, Codec, Decoder};
use crate::frame::SampleRate;

/// A leg's decoder, with memory for sound at its rate. Built on the control side, since it allocates, and given to
/// [`Playout`](super::Playout).
pub struct Decoding {
    pub(super) decoder: Option<Decoder>,
    pub(super) sound: SoundMemory,
}

impl Decoding {
    /// Takes a decoder that was made for one stream.
    pub fn new(decoder: Decoder) -> Self {
        let sound = SoundMemory::new(decoder.codec().sample_rate());
        Self { decoder: Some(decoder), sound }
    }

    /// For legs that receive nothing but G.711, whose laws need no decoder.
    pub fn g711() -> Self {
        Self { decoder: None, sound: SoundMemory::new(SampleRate::Hz8000) }
    }
}

impl std::fmt::Debug for Decoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoding").field("decoder", &self.decoder).finish_non_exhaustive()
    }
}

/// Sound that is between decoding and play, before and after.
pub(super) struct SoundMemory {
    /// The rate it is at now.
    pub(super) rate: SampleRate,
    /// The highest rate there is room for.
    rate_max: SampleRate,
    pub(super) decoded: Decoded,
    pub(super) history: History,
    pub(super) concealer: Concealer,
}

impl SoundMemory {
    fn new(rate: SampleRate) -> Self {
        Self {
            rate,
            rate_max: rate,
            decoded: Decoded::new(rate),
            history: History::new(rate, rate),
            concealer: Concealer::new(rate, rate),
        }
    }

    /// Goes on at another rate, as far as there is room for it.
    pub(super) fn change_rate(&mut self, to: SampleRate) {
        let to = to.min(self.rate_max);
        if to == self.rate {
            return;
        }
        self.decoded.convert(self.rate, to);
        self.history.convert(self.rate, to);
        self.concealer.change_rate(&self.history, to);
        self.rate = to;
    }

    /// Takes over what is in `other`, if there is more room here.
    fn outgrow(&mut self, other: &mut Self) {
        if self.rate_max <= other.rate_max {
            std::mem::swap(self, other);
            return;
        }
        self.rate = other.rate;
        self.decoded.take_over(&other.decoded);
        self.history.take_over(&other.history);
        self.concealer.take_over(&mut other.concealer);
    }
}

/// What a decoder made for a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    Nothing,
    /// A guess.
    Concealed,
    /// What was lost, from its copy.
    Recovered,
}

/// All that a leg can decode: what was agreed, and both laws of G.711, which need no decoder.
pub(super) struct Decoders {
    agreed: Option<Decoder>,
    /// What was agreed before: its packets may still wait, or be on the way.
    previous: Option<Decoder>,
}

impl Decoders {
    pub(super) const fn new(agreed: Option<Decoder>) -> Self {
        Self { agreed, previous: None }
    }

    /// Another one was agreed. Returns the one that is not needed any more.
    fn agree(&mut self, decoder: Option<Decoder>) -> Option<Decoder> {
        let before = std::mem::replace(&mut self.agreed, decoder);
        std::mem::replace(&mut self.previous, before)
    }

    /// Whether it can be decoded.
    pub(super) fn know(&self, codec: Codec) -> bool {
        let mut agreed = self.agreed.iter().chain(&self.previous);
        Codec::G711.contains(&codec) || agreed.any(|d| d.codec() == codec)
    }

    /// Decodes into the front of `out`.
    pub(super) fn decode(&mut self, codec: Codec, payload: &[u8], out: &mut [i16]) -> codec::Decoded {
        match codec {
            Codec::Pcmu | Codec::Pcma => {
                codec::Decoded { samples: codec.decode(payload, out), damaged: payload.is_empty() }
            }
            Codec::G722 | Codec::Opus | Codec::L16(_) => {
                let nothing = codec::Decoded { samples: 0, damaged: true };
                self.of(codec).map_or(nothing, |decoder| decoder.decode(payload, out))
            }
        }
    }

    /// Fills `out` with the codec's own idea of what is missing, from the packet after it if that tells.
    pub(super) fn make(&mut self, codec: Codec, next: Option<&[u8]>, out: &mut [i16]) -> Made {
        let Some(decoder) = self.of(codec) else {
            return Made::Nothing;
        };
        if next.is_some_and(|next| decoder.recover(next, out)) {
            Made::Recovered
        } else if decoder.conceal(out) {
            Made::Concealed
        } else {
            Made::Nothing
        }
    }

    /// Another stream begins.
    pub(super) fn reset(&mut self) {
        self.agreed.iter_mut().for_each(Decoder::reset);
        self.previous.iter_mut().for_each(Decoder::reset);
    }

    fn of(&mut self, codec: Codec) -> Option<&mut Decoder> {
        self.agreed.iter_mut().chain(&mut self.previous).find(|d| d.codec() == codec)
    }
}

/// Takes over another decoder and, if it needs more, its memory. What is not needed any more comes back.
pub(super) fn replace(decoders: &mut Decoders, sound: &mut SoundMemory, new: Decoding) -> Replaced {
    let Decoding { decoder, sound: mut memory } = new;
    memory.outgrow(sound);
    std::mem::swap(sound, &mut memory);
    Replaced { _decoder: decoders.agree(decoder), _sound: memory }
}

/// What a leg does not need any more since it has another decoder; to be freed where that does no harm.
pub struct Replaced {
    _decoder: Option<Decoder>,
    _sound: SoundMemory,
}

impl std::fmt::Debug for Replaced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replaced").finish_non_exhaustive()
    }
}
