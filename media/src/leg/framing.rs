//! From frames of 20 ms to packets of the length that a far end asks for (RFC 8866 §6.4, RFC 7587 §6.1).

use crate::codec::{Codec, OpusJoiner};

/// The longest packets that are sent, in milliseconds.
const PTIME_MAX: usize = 60;

/// Gathers or splits frames of 20 ms for a far end that wants packets of another length.
pub(super) enum Framing {
    /// Each frame is a packet.
    None,
    /// A packet is a run of so many bytes, wherever they are cut.
    Run { unit: usize, frame: usize, gathered: Vec<u8> },
    /// Opus: frames are laid side by side.
    Joined(OpusJoiner),
}

/// A packet's payload, and how long it lasts in units of the timestamp.
pub(super) type Emit<'a> = dyn FnMut(&[u8], u32) + 'a;

impl Framing {
    /// For packets of `ptime` milliseconds, in tens, made from frames of up to `frame` bytes. Of the codecs of which
    /// a packet is a run of bytes, any such length can be made; of Opus, whole frames. Opus in packets of 10 ms comes
    /// from an encoder that makes such.
    pub(super) fn new(codec: Codec, ptime: u8, frame: usize) -> Self {
        let tens = usize::from(ptime / 10).clamp(1, PTIME_MAX / 10);
        match codec {
            Codec::Opus if tens <= 2 => Self::None,
            Codec::Opus => Self::Joined(OpusJoiner::new(tens / 2, frame)),
            Codec::Pcmu | Codec::Pcma | Codec::G722 | Codec::L16(_) if tens == 2 => Self::None,
            Codec::Pcmu | Codec::Pcma | Codec::G722 | Codec::L16(_) => {
                let unit = frame / 2 * tens;
                // Less than a unit is left over, and a frame comes on top.
                Self::Run { unit, frame, gathered: Vec::with_capacity(unit + frame) }
            }
        }
    }

    /// Bytes of payload that may be sent in one tick.
    pub(super) fn most_a_tick(&self, frame: usize) -> usize {
        match self {
            Self::None => frame,
            Self::Run { unit, .. } => frame.max(*unit),
            // What was gathered, and one that does not go with it.
            Self::Joined(_) => OpusJoiner::packet_max(PTIME_MAX / 20, frame),
        }
    }

    /// Takes a payload that lasts `duration`, and emits what makes a packet now.
    pub(super) fn take(&mut self, payload: &[u8], duration: u32, emit: &mut Emit<'_>) {
        match self {
            Self::None => emit(payload, duration),
            Self::Run { unit, gathered, .. } => {
                gathered.extend_from_slice(payload);
                // As long as the frame is to its bytes.
                let lasts = duration as usize * *unit / payload.len().max(1);
                while gathered.len() >= *unit {
                    emit(&gathered[..*unit], lasts as u32);
                    gathered.drain(..*unit);
                }
            }
            Self::Joined(joiner) => {
                if !joiner.add(payload) {
                    emit_joined(joiner, duration, emit);
                    if !joiner.add(payload) {
                        emit(payload, duration);
                    }
                }
                if joiner.is_full() {
                    emit_joined(joiner, duration, emit);
                }
            }
        }
    }

    /// How long what is waiting lasts, of frames that last `duration`.
    pub(super) fn waiting(&self, duration: u32) -> u32 {
        match self {
            Self::None => 0,
            Self::Run { frame, gathered, .. } => (duration as usize * gathered.len() / *frame) as u32,
            Self::Joined(joiner) => duration * joiner.waiting() as u32,
        }
    }

    /// Forgets what is waiting.
    pub(super) fn forget(&mut self) {
        match self {
            Self::None => {}
            Self::Run { gathered, .. } => gathered.clear(),
            Self::Joined(joiner) => joiner.clear(),
        }
    }
}

fn emit_joined(joiner: &mut OpusJoiner, duration: u32, emit: &mut Emit<'_>) {
    if let Some((packet, frames)) = joiner.take() {
        emit(packet, duration * frames as u32);
    }
}
