//! How often packets came how late: a histogram that forgets.
//!
//! Nothing in it fades; instead each packet counts a little more than the one before, which is the same and costs
//! nothing per bin.

use super::media_time::MediaTime;

/// What one bin covers, in nanoseconds: 4 ms, as much jitter as a stream starts with a provision for.
pub(super) const BIN: i64 = 4_000_000;

/// 512 ms in all: more than any ceiling.
const BINS: usize = 128;

/// In so much sound the weight of what was seen falls to a third. A stall of 200 ms that was followed by its backlog
/// stays in sight for 1.6 s, which leaves time to be back at the floor 3 s after it.
const MEMORY: f32 = 0.8 * 48_000.0;

/// Weights are brought back to one from here, long before an `f32` loses small ones beside large ones.
const WEIGHT_MAX: f32 = 1_000.0;

/// A bin at the top with less than this share is forgotten.
const SHARE_MIN: f32 = 0.001;

/// Lateness by bins from a movable origin.
pub(super) struct Histogram {
    bins: [f32; BINS],
    /// The highest bin that has anything, or 0.
    top: usize,
    total: f32,
    weight: f32,
}

impl Histogram {
    pub(super) const fn new() -> Self {
        Self { bins: [0.0; BINS], top: 0, total: 0.0, weight: 1.0 }
    }

    /// A packet that lasts `len` was `lateness` ns later than the origin. What is beyond the last bin is not counted:
    /// no ceiling is so high.
    pub(super) fn record(&mut self, lateness: i64, len: MediaTime) {
        let Some(bin) = usize::try_from(lateness / BIN).ok().filter(|&bin| bin < BINS) else {
            return;
        };
        let growth = len.0 as f32 / MEMORY;
        self.weight += self.weight * growth;
        // A long packet stands for as many as it replaces.
        let counted = self.weight * growth;
        self.bins[bin] += counted;
        self.total += counted;
        self.top = self.top.max(bin);
        self.forget_top();
        if self.weight > WEIGHT_MAX {
            self.scale_down();
        }
    }

    /// The lateness in ns, counted from the origin, that only `share` of the packets exceed: a bin's upper end.
    pub(super) fn exceeded_by(&self, share: f32) -> i64 {
        let (mut bin, mut above) = (self.top, self.bins[self.top]);
        while bin > 0 && above <= self.total * share {
            bin -= 1;
            above += self.bins[bin];
        }
        (bin as i64 + 1) * BIN
    }

    /// Moves the origin by so many bins, up if positive. What would fall off is kept at the end.
    pub(super) fn move_origin(&mut self, bins: i64) {
        let mut moved = [0.0; BINS];
        let mut top = 0;
        for (bin, &weight) in self.bins.iter().enumerate().take(self.top + 1) {
            let to = (bin as i64).saturating_sub(bins).clamp(0, BINS as i64 - 1) as usize;
            moved[to] += weight;
            top = top.max(to);
        }
        (self.bins, self.top) = (moved, top);
    }

    fn forget_top(&mut self) {
        while self.top > 0 && self.bins[self.top] <= self.total * SHARE_MIN {
            self.total -= self.bins[self.top];
            self.bins[self.top] = 0.0;
            self.top -= 1;
        }
    }

    fn scale_down(&mut self) {
        let scale = 1.0 / self.weight;
        self.bins.iter_mut().for_each(|bin| *bin *= scale);
        self.total = self.bins.iter().sum();
        self.weight = 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn recorded(latenesses: impl Iterator<Item = i64>) -> Histogram {
        let mut histogram = Histogram::new();
        latenesses.for_each(|lateness| histogram.record(lateness * MS, MediaTime::TICK));
        histogram
    }

    #[test]
    fn the_quantile_leaves_out_the_share_that_is_later() {
        let histogram = recorded((0..20_000).map(|n| n * 7_919 % 100));
        assert_eq!(histogram.exceeded_by(0.03), 100 * MS);
        assert_eq!(histogram.exceeded_by(0.5), 52 * MS);
        assert_eq!(histogram.exceeded_by(1.0), 4 * MS);
        assert_eq!(Histogram::new().exceeded_by(0.03), 4 * MS);
    }

    #[test]
    fn a_spike_is_forgotten_in_two_seconds_whatever_the_packet_time() {
        for millis in [10, 20, 60] {
            let len = MediaTime::of_millis(millis);
            let mut histogram = Histogram::new();
            let mut record = |lateness, time| {
                for _ in 0..time / millis {
                    histogram.record(lateness, len);
                }
                histogram.exceeded_by(0.03)
            };
            assert_eq!(record(0, 20_000), 4 * MS);
            assert_eq!(record(150 * MS, 200), 152 * MS, "{millis}");
            assert_eq!(record(0, 1_000), 152 * MS, "{millis}");
            assert_eq!(record(0, 1_000), 4 * MS, "{millis}");
        }
    }

    #[test]
    fn the_origin_can_move_and_nothing_is_lost() {
        let mut histogram = recorded([40, 80].into_iter().cycle().take(1_000));
        histogram.move_origin(5);
        assert_eq!((histogram.exceeded_by(0.03), histogram.exceeded_by(0.7)), (64 * MS, 24 * MS));
        histogram.move_origin(-5);
        assert_eq!((histogram.exceeded_by(0.03), histogram.exceeded_by(0.7)), (84 * MS, 44 * MS));
        histogram.move_origin(1_000);
        assert_eq!(histogram.exceeded_by(0.03), 4 * MS);
        histogram.move_origin(i64::MIN);
        assert_eq!(histogram.exceeded_by(0.03), 512 * MS);
    }
}
