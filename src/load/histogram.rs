//! How often a time was how long, in memory that does not grow with the run.

use serde::Serialize;

/// Width of a step. Fine enough for a percentile in tenths of a millisecond.
const STEP_MS: f64 = 0.1;
/// 500 ms; what is longer is counted in the last step, and the maximum is kept exactly.
const STEPS: usize = 5_000;

/// Counts of times in milliseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    /// Grows to the longest time seen, at most to [`STEPS`].
    counts: Vec<u32>,
    total: u64,
    max: f64,
}

/// What people want to know of many times, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Times {
    /// How many were measured.
    pub count: u64,
    /// The median.
    pub p50: f64,
    /// 95 of 100 were at most this.
    pub p95: f64,
    /// 99 of 100 were at most this.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Times {
    /// Of a few times, each of which may be as long as it likes.
    pub(super) fn of(mut times: Vec<f64>) -> Self {
        times.sort_unstable_by(f64::total_cmp);
        let below = |percent: usize| {
            let place = (times.len() * percent).div_ceil(100).max(1) - 1;
            times.get(place).copied().unwrap_or(0.0)
        };
        Self { count: times.len() as u64, p50: below(50), p95: below(95), p99: below(99), max: below(100) }
    }
}

impl Histogram {
    pub(super) fn add(&mut self, ms: f64) {
        let step = ((ms.max(0.0) / STEP_MS) as usize).min(STEPS - 1);
        if step >= self.counts.len() {
            self.counts.resize(step + 1, 0);
        }
        self.counts[step] += 1;
        self.total += 1;
        self.max = self.max.max(ms);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, count)| *sum += count);
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn max(&self) -> f64 {
        self.max
    }

    pub(super) fn times(&self) -> Times {
        let at = |share| self.percentile(share);
        Times { count: self.total, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: self.max }
    }

    /// The middle of the step in which this share is reached.
    pub(super) fn percentile(&self, share: f64) -> f64 {
        let wanted = (self.total as f64 * share).ceil() as u64;
        let mut sum = 0;
        for (step, &count) in self.counts.iter().enumerate() {
            sum += u64::from(count);
            if sum >= wanted && count > 0 {
                let middle = (step as f64 + 0.5) * STEP_MS;
                // Two digits: more would pretend to know what the step has swallowed.
                return ((middle * 100.0).round() / 100.0).min(self.max);
            }
        }
        self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_come_within_a_step() {
        let mut histogram = Histogram::default();
        (1..=100).for_each(|ms| histogram.add(f64::from(ms)));
        let times = histogram.times();
        assert_eq!(times.count, 100);
        assert!((times.p50 - 50.0).abs() <= STEP_MS && (times.p99 - 99.0).abs() <= STEP_MS);
        assert!((times.max - 100.0).abs() < 1e-9);
    }

    #[test]
    fn merging_adds_up_and_an_outlier_takes_no_memory() {
        let mut a = Histogram::default();
        a.add(1e9);
        let mut b = Histogram::default();
        b.add(2.0);
        b.merge(&a);
        assert_eq!(b.times().count, 2);
        assert!(b.counts.len() <= STEPS);
        assert_eq!(b.times().max, 1e9);
    }

    #[test]
    fn a_few_times_are_exact_however_long_they_are() {
        let times = Times::of((1..=100).rev().map(|n| f64::from(n) * 20.0).collect());
        assert_eq!((times.count, times.p50, times.p95), (100, 1_000.0, 1_900.0));
        assert_eq!((times.p99, times.max), (1_980.0, 2_000.0));
        assert_eq!(Times::of(vec![7.0]), Times { count: 1, p50: 7.0, p95: 7.0, p99: 7.0, max: 7.0 });
        assert_eq!(Times::of(Vec::new()), Times::default());
    }

    #[test]
    fn nothing_measured_is_all_zero() {
        assert_eq!(Histogram::default().times(), Times::default());
    }
}
