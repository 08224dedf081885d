//! AU: a head of six words and the samples, as `audio/basic` often comes.

use super::error::SoundError;
use super::pcm::{Coding, Order, Pcm};

/// Finds format and samples.
pub(super) fn read(bytes: &[u8]) -> Result<Pcm<'_>, SoundError> {
    let wrong = |why: &str| SoundError::unread("AU", why);
    let word = |at: usize| {
        let word = bytes.get(4 * at..4 * at + 4)?;
        Some(word.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)))
    };
    let (Some(data_at), Some(encoding), Some(rate), Some(channels)) = (word(1), word(3), word(4), word(5))
    else {
        return Err(wrong("it ends within its head"));
    };
    let order = Order::Big;
    let coding = match encoding {
        1 => Coding::Ulaw,
        2 => Coding::Signed8,
        3 => Coding::Signed { bytes: 2, order },
        4 => Coding::Signed { bytes: 3, order },
        5 => Coding::Signed { bytes: 4, order },
        6 => Coding::Float32(order),
        7 => Coding::Float64(order),
        27 => Coding::Alaw,
        other => return Err(wrong(&format!("it has the encoding {other}, which is not read"))),
    };
    let data = bytes.get(data_at as usize..).unwrap_or_default();
    Ok(Pcm { coding, channels: u16::try_from(channels).unwrap_or(u16::MAX), rate, data })
}
