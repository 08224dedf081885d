//! Samples that are decoded and not played yet: what a tick left over of a packet, and what is looked at ahead when
//! sound is to be shrunk or stretched. Sound that a decoder made for a gap waits here too, always before real sound.

use super::arena::PAYLOAD_MAX;
use super::join::convert;
use super::pitch::factor;
use super::time_stretch::needed_to_shrink;
use crate::frame::SampleRate;

/// Samples in a queue for sound of up to `rate`: the longest packet, which is of G.711, behind as much as is looked
/// at ahead.
const fn capacity(rate: SampleRate) -> usize {
    PAYLOAD_MAX * factor(rate) + needed_to_shrink(rate.frame_len(), rate)
}

/// Up to one packet and two ticks of samples, oldest first.
pub(super) struct Decoded {
    samples: Box<[i16]>,
    start: usize,
    end: usize,
    /// How many of the first were made for a gap.
    made: usize,
}

impl Decoded {
    /// A queue for sound of up to that rate.
    pub(super) fn new(rate_max: SampleRate) -> Self {
        Self { samples: vec![0; capacity(rate_max)].into_boxed_slice(), start: 0, end: 0, made: 0 }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether nothing here was received.
    pub(super) const fn is_all_made(&self) -> bool {
        self.made == self.len()
    }

    pub(super) const fn len(&self) -> usize {
        self.end - self.start
    }

    pub(super) fn clear(&mut self) {
        (self.start, self.end, self.made) = (0, 0, 0);
    }

    /// All that is here.
    pub(super) fn samples(&self) -> &[i16] {
        &self.samples[self.start..self.end]
    }

    /// Lets `decode` write up to `len` samples behind what is here, and say how many it wrote. They are brought from
    /// rate `from` to rate `to`, which is that of the rest. What does not fit is left out.
    pub(super) fn load(
        &mut self,
        len: usize,
        (from, to): (SampleRate, SampleRate),
        decode: impl FnOnce(&mut [i16]) -> usize,
    ) {
        self.samples.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.len());
        let free = &mut self.samples[self.end..];
        let len = len.min(free.len());
        let decoded = decode(&mut free[..len]).min(len);
        self.end += if from == to { decoded } else { convert(free, decoded, from, to) };
    }

    /// The same for sound made for a gap, when nothing is here. `false` if `make` says that it made none.
    pub(super) fn load_made(&mut self, len: usize, make: impl FnOnce(&mut [i16]) -> bool) -> bool {
        self.clear();
        let len = len.min(self.samples.len());
        if make(&mut self.samples[..len]) {
            (self.end, self.made) = (len, len);
        }
        self.made > 0
    }

    /// Passes over up to `count` samples.
    pub(super) fn skip(&mut self, count: usize) {
        let count = count.min(self.len());
        self.start += count;
        self.made = self.made.saturating_sub(count);
    }

    /// Moves samples to `out` that are all made or all received, and returns how many and whether they were made.
    pub(super) fn take(&mut self, out: &mut [i16]) -> (usize, bool) {
        let made = self.made > 0;
        let alike = if made { self.made } else { self.len() };
        let count = out.len().min(alike);
        out[..count].copy_from_slice(&self.samples[self.start..][..count]);
        self.skip(count);
        (count, made)
    }

    /// Brings all that is here to another rate.
    pub(super) fn convert(&mut self, from: SampleRate, to: SampleRate) {
        self.samples.copy_within(self.start..self.end, 0);
        let len = self.len();
        let len = convert(&mut self.samples, len, from, to);
        self.made = self.made * factor(to) / factor(from);
        (self.start, self.end) = (0, len);
    }

    /// Takes all that is in another queue, as far as it fits.
    pub(super) fn take_over(&mut self, other: &Self) {
        let len = other.len().min(self.samples.len());
        self.samples[..len].copy_from_slice(&other.samples()[..len]);
        (self.start, self.end, self.made) = (0, len, other.made.min(len));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAME: (SampleRate, SampleRate) = (SampleRate::Hz8000, SampleRate::Hz8000);

    fn filled(len: usize, value: i16) -> impl FnOnce(&mut [i16]) -> usize {
        move |out| {
            out[..len].fill(value);
            len
        }
    }

    #[test]
    fn packets_line_up_behind_each_other() {
        let mut decoded = Decoded::new(SampleRate::Hz8000);
        decoded.load(480, SAME, filled(480, 1));
        let mut out = [0; 160];
        assert_eq!(decoded.take(&mut out), (160, false));
        decoded.load(480, SAME, filled(480, 2));
        assert_eq!(decoded.len(), 800);
        decoded.skip(319);
        assert_eq!(decoded.take(&mut out[..2]), (2, false));
        assert_eq!(out[..2], [1, 2]);
    }

    #[test]
    fn the_longest_packet_fits_behind_what_is_looked_at_ahead() {
        for rate in [SampleRate::Hz8000, SampleRate::Hz16000, SampleRate::Hz48000] {
            let mut decoded = Decoded::new(rate);
            let ahead = needed_to_shrink(rate.frame_len(), rate) - 1;
            decoded.load(ahead, (rate, rate), filled(ahead, 1));
            decoded.load(PAYLOAD_MAX, (SampleRate::Hz8000, rate), filled(PAYLOAD_MAX, 2));
            assert_eq!(decoded.len(), ahead + PAYLOAD_MAX * factor(rate));
            decoded.load(PAYLOAD_MAX, (SampleRate::Hz8000, rate), filled(0, 3));
            assert_eq!(decoded.len(), ahead + PAYLOAD_MAX * factor(rate));
        }
    }

    #[test]
    fn sound_made_and_sound_received_are_told_apart() {
        let mut decoded = Decoded::new(SampleRate::Hz8000);
        assert!(!decoded.load_made(20, |_| false));
        assert!(decoded.is_empty());
        assert!(decoded.load_made(20, |out| {
            out.fill(5);
            true
        }));
        assert!(decoded.is_all_made());
        decoded.load(160, SAME, filled(160, 9));
        assert!(!decoded.is_all_made());
        let mut out = [0; 160];
        assert_eq!(decoded.take(&mut out[..8]), (8, true));
        assert_eq!(decoded.take(&mut out), (12, true));
        assert_eq!(decoded.take(&mut out), (160, false));
        assert!(decoded.is_empty());
    }

    #[test]
    fn what_is_left_over_can_change_its_rate() {
        let mut decoded = Decoded::new(SampleRate::Hz16000);
        decoded.load(100, SAME, filled(100, 7));
        decoded.convert(SampleRate::Hz8000, SampleRate::Hz16000);
        assert_eq!(decoded.samples(), [7; 200]);
        let mut larger = Decoded::new(SampleRate::Hz48000);
        larger.take_over(&decoded);
        assert_eq!(larger.samples(), [7; 200]);
    }
}
