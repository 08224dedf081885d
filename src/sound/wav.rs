//! WAV: RIFF with a `fmt ` and a `data` chunk (Multimedia Programming Interface and Data Specifications 1.0), also
//! in its extensible form, and with lengths that a pipe could not know.

use super::error::SoundError;
use super::pcm::{Coding, Order, Pcm};

/// Integers.
const FORMAT_PCM: u16 = 1;
/// Floating point.
const FORMAT_FLOAT: u16 = 3;
/// A-law, µ-law.
const FORMAT_ALAW: u16 = 6;
const FORMAT_ULAW: u16 = 7;
/// The format is in an extension of the chunk.
const FORMAT_EXTENSIBLE: u16 = 0xfffe;

/// Where the extension says the format: the first two bytes of its GUID.
const SUBFORMAT_AT: usize = 24;

/// Finds format and samples.
pub(super) fn read(bytes: &[u8]) -> Result<Pcm<'_>, SoundError> {
    let mut format = None;
    let mut rest = bytes.get(12..).unwrap_or_default();
    while let Some((head, body)) = rest.split_at_checked(8) {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        // A length beyond the end, as pipes write it, means all there is.
        let chunk = &body[..length.min(body.len())];
        match &head[..4] {
            b"fmt " => format = Some(Format::read(chunk).ok_or_else(|| wrong("its fmt chunk is too short"))?),
            b"data" => {
                let format = format.ok_or_else(|| wrong("its data come before their format"))?;
                // Some that write to a pipe claim nothing at all.
                let data = if length == 0 { body } else { chunk };
                return format.of(data);
            }
            _ => {}
        }
        rest = body.get(length.saturating_add(length % 2)..).unwrap_or_default();
    }
    Err(wrong("it ends before its data"))
}

fn wrong(why: &str) -> SoundError {
    SoundError::unread("WAV", why)
}

struct Format {
    tag: u16,
    channels: u16,
    rate: u32,
    bits: u16,
}

impl Format {
    fn read(chunk: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u16::from_le_bytes([*chunk.get(at)?, *chunk.get(at + 1)?]));
        let tag = match word(0)? {
            FORMAT_EXTENSIBLE => word(SUBFORMAT_AT)?,
            tag => tag,
        };
        let rate = u32::from(word(4)?) | u32::from(word(6)?) << 16;
        Some(Self { tag, channels: word(2)?, rate, bits: word(14)? })
    }

    fn of(self, data: &[u8]) -> Result<Pcm<'_>, SoundError> {
        let order = Order::Little;
        let coding = match (self.tag, self.bits) {
            (FORMAT_PCM, 8) => Coding::Unsigned8,
            (FORMAT_PCM, 16) => Coding::Signed { bytes: 2, order },
            (FORMAT_PCM, 24) => Coding::Signed { bytes: 3, order },
            (FORMAT_PCM, 32) => Coding::Signed { bytes: 4, order },
            (FORMAT_FLOAT, 32) => Coding::Float32(order),
            (FORMAT_FLOAT, 64) => Coding::Float64(order),
            (FORMAT_ALAW, 8) => Coding::Alaw,
            (FORMAT_ULAW, 8) => Coding::Ulaw,
            (tag, bits) => {
                let why = format!(
                    "it has the format {tag} with {bits} bits; PCM of 8, 16, 24 and 32 bits, floating point, A-law \
                     and \u{b5}-law can"
                );
                return Err(wrong(&why));
            }
        };
        Ok(Pcm { coding, channels: self.channels, rate: self.rate, data })
    }
}
