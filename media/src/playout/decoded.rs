//! Samples that are decoded and not played yet: what a tick left over of a packet.
//!
//! Packets last 10-60 ms and ticks 20 ms. When a step is to be left out, two ticks' worth must be here
//! at once.

use super::conceal::JOIN;
use super::delay::STEP;
use super::packet_buffer::PAYLOAD_MAX;
use crate::codec::Codec;

/// One tick, as a length.
const TICK: usize = STEP as usize;

/// A packet is only loaded while less than two ticks are here.
const CAPACITY: usize = 2 * TICK + PAYLOAD_MAX;

/// Up to one packet and two ticks of samples, oldest first.
pub(super) struct Decoded {
    samples: [i16; CAPACITY],
    start: usize,
    end: usize,
}

impl Decoded {
    pub(super) const fn new() -> Self {
        Self { samples: [0; CAPACITY], start: 0, end: 0 }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(super) const fn len(&self) -> usize {
        self.end - self.start
    }

    pub(super) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Decodes one packet behind what is here. What does not fit is left out; it always fits while
    /// less than two ticks are here.
    pub(super) fn load(&mut self, codec: Codec, payload: &[u8]) {
        self.samples.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.len());
        self.end += codec.decode(payload, &mut self.samples[self.end..]);
    }

    /// Passes over up to `count` samples.
    pub(super) fn skip(&mut self, count: usize) {
        self.start += count.min(self.len());
    }

    /// Moves samples to `out` and returns how many.
    pub(super) fn take(&mut self, out: &mut [i16]) -> usize {
        let count = out.len().min(self.len());
        out[..count].copy_from_slice(&self.samples[self.start..][..count]);
        self.start += count;
        count
    }

    /// Whether the next two ticks are so quiet that nobody hears one of them missing.
    pub(super) fn is_quiet(&self) -> bool {
        self.samples[self.start..self.end].iter().take(2 * TICK).all(|s| s.unsigned_abs() <= QUIET_PEAK)
    }

    /// Makes one tick out of the next two: the first one's beginning and the second one's end, joined
    /// where they are most alike. Two ticks must be here, else nothing happens.
    pub(super) fn take_shrunk(&mut self, out: &mut [i16]) -> bool {
        if self.len() < 2 * TICK || out.len() != TICK {
            return false;
        }
        let both = &self.samples[self.start..][..2 * TICK];
        let (first, second) = both.split_at(TICK);
        let join = most_alike(first, second);
        out[..join].copy_from_slice(&first[..join]);
        out[join..].copy_from_slice(&second[join..]);
        for (i, sample) in out[join..].iter_mut().take(JOIN).enumerate() {
            *sample = cross_fade(first[join + i], second[join + i], i);
        }
        self.skip(2 * TICK);
        true
    }
}

/// The peak of a pause: about -42 dBov, above line noise and below speech.
const QUIET_PEAK: u16 = 256;

/// Places for a join are tried so far apart: 1 ms.
const JOIN_GRID: usize = 8;

/// Where the two differ least over the length of a join.
fn most_alike(first: &[i16], second: &[i16]) -> usize {
    let difference = |at: &usize| -> u32 {
        let pairs = first[*at..].iter().zip(&second[*at..]);
        pairs.take(JOIN).map(|(a, b)| u32::from(a.abs_diff(*b))).sum()
    };
    (0..=first.len() - JOIN).step_by(JOIN_GRID).min_by_key(difference).unwrap_or(0)
}

/// From `old` to `new`, `at` samples into a join.
pub(super) fn cross_fade(old: i16, new: i16, at: usize) -> i16 {
    let join = JOIN as i32;
    let weight = (at as i32 + 1).min(join);
    let sum = i32::from(old) * (join - weight) + i32::from(new) * weight;
    (sum / join) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(samples: &[i16]) -> Decoded {
        let mut decoded = Decoded::new();
        decoded.samples[..samples.len()].copy_from_slice(samples);
        decoded.end = samples.len();
        decoded
    }

    #[test]
    fn packets_line_up_behind_each_other() {
        let mut decoded = Decoded::new();
        decoded.load(Codec::Pcmu, &[0x80; 480]);
        let mut out = [0; TICK];
        assert_eq!(decoded.take(&mut out), TICK);
        decoded.load(Codec::Pcmu, &[0xff; 480]);
        assert_eq!(decoded.len(), 800);
        decoded.skip(319);
        assert_eq!(decoded.take(&mut out[..2]), 2);
        assert_eq!(out[..2], [32_124, 0]);
        decoded.load(Codec::Pcmu, &[0xff; 480]);
        assert_eq!(decoded.len(), 800);
    }

    #[test]
    fn a_steady_tone_stays_a_steady_tone_when_a_step_is_left_out() {
        let tone: Vec<i16> = (0..320).map(|i| [0, 5_000, 0, -5_000][i % 4]).collect();
        let mut decoded = with(&tone);
        let mut out = [0; TICK];
        assert!(decoded.take_shrunk(&mut out));
        assert!(decoded.is_empty());
        assert_eq!(out[..], tone[..TICK]);
        assert!(!decoded.take_shrunk(&mut out));
    }

    #[test]
    fn a_step_left_out_leaves_no_edge() {
        let noise: Vec<i16> = (0..320i32).map(|i| (i * 7_919 % 2_001 - 1_000) as i16).collect();
        let mut decoded = with(&noise);
        let mut out = [0; TICK];
        assert!(decoded.take_shrunk(&mut out));
        assert_eq!(out[0], noise[0]);
        assert_eq!(out[TICK - 1], noise[319]);
    }

    #[test]
    fn quiet_is_judged_over_two_ticks() {
        let mut samples = [10; 400];
        samples[330] = 9_000;
        assert!(with(&samples).is_quiet());
        samples[310] = 9_000;
        assert!(!with(&samples).is_quiet());
    }
}
