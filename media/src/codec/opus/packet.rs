//! What an Opus packet says of itself without being decoded (RFC 6716 §3, §4.2.3, §4.2.4).

use super::GRAIN;

/// The most that a packet may last: 120 ms, in samples at 48 kHz (RFC 6716 §3.2.5, R5).
const DURATION_MAX: usize = 48 * GRAIN;

/// The longest frame (RFC 6716 §3.2.1, R2).
const FRAME_BYTES_MAX: usize = 1_275;

/// 20 ms: how much sound one of the flags of linear prediction stands for.
const SILK_FRAME: usize = 960;

/// The first configuration without linear prediction (RFC 6716 §3.1, table 2).
const FIRST_CELT_ONLY: u8 = 16;

/// How long `payload` lasts, in samples at 48 kHz; 0 if it is no Opus packet.
pub(in crate::codec) fn duration(payload: &[u8]) -> usize {
    Packet::parse(payload).map_or(0, |packet| packet.duration())
}

/// Whether `payload` says only that there is nothing to say.
pub(in crate::codec) const fn is_dtx(payload: &[u8]) -> bool {
    matches!(payload.len(), 1 | 2)
}

/// Whether `payload` holds a copy of the end of the packet before it.
pub(in crate::codec) fn has_copy(payload: &[u8]) -> bool {
    Packet::parse(payload).is_some_and(|packet| packet.has_copy())
}

/// The outside of a packet that keeps the rules of RFC 6716 §3.4.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    toc: u8,
    frames: usize,
    pub(super) first: &'a [u8],
}

impl<'a> Packet<'a> {
    /// None for what breaks a rule: nobody may decode it.
    pub(super) fn parse(payload: &'a [u8]) -> Option<Self> {
        let (&toc, frames) = payload.split_first()?;
        // The two lowest bits say how the frames lie in the packet (RFC 6716 §3.2).
        let (frames, first) = match toc & 0b11 {
            0 => (1, frames),
            1 => {
                let is_even = frames.len().is_multiple_of(2);
                (2, is_even.then(|| &frames[..frames.len() / 2])?)
            }
            2 => (2, two_of_own_length(frames)?),
            _ => any_number(frames)?,
        };
        let packet = Self { toc, frames, first };
        (first.len() <= FRAME_BYTES_MAX && packet.duration() <= DURATION_MAX).then_some(packet)
    }

    /// Samples of each frame at 48 kHz (RFC 6716 §3.1, table 2).
    pub(super) const fn frame_len(&self) -> usize {
        let config = self.config();
        match config {
            0..12 => [480, 960, 1_920, 2_880][config as usize % 4],
            12..FIRST_CELT_ONLY => [480, 960][config as usize % 2],
            FIRST_CELT_ONLY.. => GRAIN << (config % 4),
        }
    }

    /// Samples of the whole packet at 48 kHz.
    pub(super) const fn duration(&self) -> usize {
        self.frame_len() * self.frames
    }

    pub(super) const fn is_celt_only(&self) -> bool {
        self.config() >= FIRST_CELT_ONLY
    }

    /// Whether the first frame carries a copy of the sound before it. Its first bits are, for each of one or
    /// two tracks, a flag of speech for every 20 ms and then one that says whether there is a copy. The range
    /// coder leaves these bits as they are (RFC 6716 §4.2.3).
    pub(super) fn has_copy(&self) -> bool {
        let Some(&bits) = self.first.first() else {
            return false;
        };
        if self.is_celt_only() {
            return false;
        }
        let speech_flags = self.frame_len().div_ceil(SILK_FRAME);
        let copy_flag = |track: usize| bits >> (7 - track * (speech_flags + 1) - speech_flags) & 1 == 1;
        copy_flag(0) || (self.is_stereo() && copy_flag(1))
    }

    const fn config(&self) -> u8 {
        self.toc >> 3
    }

    const fn is_stereo(&self) -> bool {
        self.toc & 0b100 != 0
    }
}

/// The first of two frames, of which it says its length (RFC 6716 §3.2.4).
fn two_of_own_length(bytes: &[u8]) -> Option<&[u8]> {
    let (len, frames) = frame_bytes(bytes)?;
    let (first, second) = frames.split_at_checked(len)?;
    (second.len() <= FRAME_BYTES_MAX).then_some(first)
}

/// The number of frames and the first of them, where a byte says how many there are, whether they say
/// their lengths and whether there is padding (RFC 6716 §3.2.5).
fn any_number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&says, rest) = bytes.split_first()?;
    let count = usize::from(says & 0x3f);
    let (own_lengths, padded) = (says & 0x80 != 0, says & 0x40 != 0);
    let rest = if padded { without_padding(rest)? } else { rest };
    if count == 0 {
        return None;
    }
    let first = if own_lengths { first_of_own_length(rest, count)? } else { first_of_equal(rest, count)? };
    Some((count, first))
}

fn first_of_equal(frames: &[u8], count: usize) -> Option<&[u8]> {
    frames.len().is_multiple_of(count).then(|| &frames[..frames.len() / count])
}

/// All but the last frame say their lengths, before the frames.
fn first_of_own_length(mut bytes: &[u8], count: usize) -> Option<&[u8]> {
    let (mut first, mut sum) = (None, 0);
    for _ in 1..count {
        let (len, rest) = frame_bytes(bytes)?;
        first = first.or(Some(len));
        sum += len;
        bytes = rest;
    }
    let last = bytes.len().checked_sub(sum)?;
    (last <= FRAME_BYTES_MAX).then(|| &bytes[..first.unwrap_or(last)])
}

/// Reads the length of a frame: one byte to 251, two above (RFC 6716 §3.2.1).
fn frame_bytes(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (&low, rest) = bytes.split_first()?;
    if low < 252 {
        return Some((low.into(), rest));
    }
    let (&high, rest) = rest.split_first()?;
    Some((usize::from(high) * 4 + usize::from(low), rest))
}

/// Cuts the padding off the end. Each length byte of 255 stands for 254 and says that another follows.
fn without_padding(mut bytes: &[u8]) -> Option<&[u8]> {
    let mut padding = 0;
    loop {
        let (&more, rest) = bytes.split_first()?;
        bytes = rest;
        if more < 255 {
            padding += usize::from(more);
            break;
        }
        padding += 254;
    }
    bytes.get(..bytes.len().checked_sub(padding)?)
}
