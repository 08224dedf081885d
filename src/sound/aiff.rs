//! AIFF and AIFF-C: chunks of greatest bytes first, a `COMM` with the format and an `SSND` with the samples.

use super::error::SoundError;
use super::pcm::{Coding, Order, Pcm};

/// Finds format and samples, in whichever order.
pub(super) fn read(bytes: &[u8]) -> Result<Pcm<'_>, SoundError> {
    let is_compressed = bytes.get(11) == Some(&b'C');
    let (mut format, mut data) = (None, None);
    let mut rest = bytes.get(12..).unwrap_or_default();
    while let Some((head, body)) = rest.split_at_checked(8) {
        let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let chunk = &body[..length.min(body.len())];
        match &head[..4] {
            b"COMM" => {
                let common = Common::read(chunk, is_compressed);
                format = Some(common.ok_or_else(|| wrong("its COMM chunk is too short"))?);
            }
            // Offset and block size come before the samples.
            b"SSND" => data = chunk.get(8..),
            _ => {}
        }
        rest = body.get(length.saturating_add(length % 2)..).unwrap_or_default();
    }
    match (format, data) {
        (Some(format), Some(data)) => format.of(data),
        _ => Err(wrong("it ends before its data and their format")),
    }
}

fn wrong(why: &str) -> SoundError {
    SoundError::unread("AIFF", why)
}

struct Common {
    channels: u16,
    bits: u16,
    rate: u32,
    compression: [u8; 4],
}

impl Common {
    fn read(chunk: &[u8], is_compressed: bool) -> Option<Self> {
        let word = |at: usize| Some(u16::from_be_bytes([*chunk.get(at)?, *chunk.get(at + 1)?]));
        let compression = if is_compressed { chunk.get(18..22)?.try_into().ok()? } else { *b"NONE" };
        Some(Self { channels: word(0)?, bits: word(6)?, rate: extended(chunk.get(8..18)?), compression })
    }

    fn of(self, data: &[u8]) -> Result<Pcm<'_>, SoundError> {
        let (big, little) = (Order::Big, Order::Little);
        // Of what does not fill its bytes, the rest is zero (AIFF 1.3, "SampleSize").
        let bytes = usize::from(self.bits.div_ceil(8));
        let coding = match (&self.compression, bytes) {
            (b"NONE" | b"twos" | b"sowt", 1) => Coding::Signed8,
            (b"NONE" | b"twos", 2..=4) => Coding::Signed { bytes, order: big },
            (b"sowt", 2..=4) => Coding::Signed { bytes, order: little },
            (b"fl32" | b"FL32", _) => Coding::Float32(big),
            (b"fl64" | b"FL64", _) => Coding::Float64(big),
            (b"ulaw" | b"ULAW", _) => Coding::Ulaw,
            (b"alaw" | b"ALAW", _) => Coding::Alaw,
            _ => return Err(wrong("its samples are compressed in a way that is not read")),
        };
        Ok(Pcm { coding, channels: self.channels, rate: self.rate, data })
    }
}

/// Where the exponent of an 80-bit number is 0, for a mantissa whose point is behind all 64 bits.
const EXPONENT_OF_ONE: i32 = 16_383 + 63;

/// A rate as 80-bit floating point (IEEE 754 extended), which is what AIFF has; 0 for what is no rate.
fn extended(bytes: &[u8]) -> u32 {
    let (head, mantissa) = bytes.split_at(2);
    let exponent = i32::from(u16::from_be_bytes([head[0], head[1]]) & 0x7fff) - EXPONENT_OF_ONE;
    let mantissa = mantissa.iter().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
    (mantissa as f64 * f64::from(exponent).exp2()).round() as u32
}
