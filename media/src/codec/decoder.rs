//! From payloads to samples: one decoder for each stream that is received.

use super::{Codec, CodecError, g711, g722, l16, opus};

/// What a stream's decoder remembers between packets.
pub struct Decoder {
    codec: Codec,
    state: State,
}

enum State {
    /// A table of G.711.
    Law(&'static [i16; 256]),
    L16,
    G722(Box<g722::Decoder>),
    Opus(opus::Decoder),
}

/// What came out of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// How many samples were written.
    pub samples: usize,
    /// Whether the payload was not one of this codec, or not a whole one. The samples are then what could be
    /// made of it, or a concealment, or none.
    pub damaged: bool,
}

impl Decoder {
    /// A decoder at the beginning of a stream. Allocates; nothing after it does.
    ///
    /// # Errors
    ///
    /// When libopus has no memory for its state.
    pub fn new(codec: Codec) -> Result<Self, CodecError> {
        let state = match codec {
            Codec::Pcmu => State::Law(&g711::ULAW_TO_LINEAR),
            Codec::Pcma => State::Law(&g711::ALAW_TO_LINEAR),
            Codec::L16(_) => State::L16,
            Codec::G722 => State::G722(Box::default()),
            Codec::Opus => State::Opus(opus::Decoder::new()?),
        };
        Ok(Self { codec, state })
    }

    /// The codec it decodes.
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// Decodes `payload` into the front of `out`, at the codec's sample rate and mono. `out` should hold
    /// [`PACKET_SAMPLES_MAX`](super::PACKET_SAMPLES_MAX); what does not fit is left out. Any bytes are safe: of
    /// an Opus payload that cannot be parsed, as much is concealed as the packet before it lasted.
    pub fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Decoded {
        match &mut self.state {
            State::Law(table) => whole(g711::decode(table, payload, out), payload),
            State::G722(decoder) => whole(decoder.decode(payload, out), payload),
            State::L16 => Decoded {
                samples: l16::decode(payload, out),
                damaged: payload.is_empty() || !payload.len().is_multiple_of(l16::SAMPLE_BYTES),
            },
            State::Opus(decoder) => decoder.decode(payload, out),
        }
    }

    /// Fills `out` with the codec's own guess at what was lost, as if it had been decoded. False, and `out`
    /// as it was, when the codec has no such thing, or not for this length: Opus wants a multiple of 2.5 ms.
    pub fn conceal(&mut self, out: &mut [i16]) -> bool {
        match &mut self.state {
            State::Law(_) | State::L16 | State::G722(_) => false,
            State::Opus(decoder) => decoder.conceal(out),
        }
    }

    /// Fills `out` with the lost packet before `next_payload`, which carries a second, coarser copy of its end
    /// (RFC 6716 §2.1.7). `out` is as long as what was lost; the copy goes to its end, and what is before it is
    /// concealed. False, and `out` as it was, if there is no such copy. `next_payload` itself is to be
    /// decoded afterwards.
    pub fn recover(&mut self, next_payload: &[u8], out: &mut [i16]) -> bool {
        match &mut self.state {
            State::Law(_) | State::L16 | State::G722(_) => false,
            State::Opus(decoder) => decoder.recover(next_payload, out),
        }
    }

    /// Forgets the stream: the next payload is the first of another.
    pub fn reset(&mut self) {
        match &mut self.state {
            State::Law(_) | State::L16 => {}
            State::G722(decoder) => **decoder = g722::Decoder::default(),
            State::Opus(decoder) => decoder.reset(),
        }
    }
}

/// Where every byte means something, only a payload without any is damaged.
const fn whole(samples: usize, payload: &[u8]) -> Decoded {
    Decoded { samples, damaged: payload.is_empty() }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("codec", &self.codec).finish_non_exhaustive()
    }
}
