//! Time as a sender's timestamps count it, whatever their clock: in the largest unit of which a sample of
//! 8, 16 and 48 kHz is a whole number.

use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::time::Duration;

use crate::frame::SampleRate;
use crate::time::Tick;

/// A point or a length on a sender's timeline, in 1/48,000 s. It wraps only after millions of years, and then
/// quietly, since far ends write timestamps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MediaTime(pub(super) i64);

/// Units in a second.
const UNITS: i64 = 48_000;

/// Nanoseconds in three units, the least that are whole.
const NANOS_OF_THREE: i64 = 62_500;

impl MediaTime {
    pub(super) const ZERO: Self = Self(0);

    /// What a tick plays.
    pub(super) const TICK: Self = Self(UNITS * Tick::DURATION.as_millis() as i64 / 1_000);

    pub(super) const fn of_millis(millis: i64) -> Self {
        Self(UNITS / 1_000 * millis)
    }

    /// How long so many samples last.
    pub(super) const fn of_samples(samples: usize, rate: SampleRate) -> Self {
        Self(samples as i64 * units_per_sample(rate))
    }

    /// How long so many units of an RTP clock last; `clock_rate` divides 48,000 for all our codecs.
    pub(super) fn of_timestamp(units: i64, clock_rate: u32) -> Self {
        Self(units.wrapping_mul(UNITS / i64::from(clock_rate).clamp(1, UNITS)))
    }

    /// The longest time that is not longer than `nanos`.
    pub(super) const fn of_nanos(nanos: i64) -> Self {
        Self(nanos.saturating_mul(3).div_euclid(NANOS_OF_THREE))
    }

    pub(super) const fn nanos(self) -> i64 {
        self.0.saturating_mul(NANOS_OF_THREE) / 3
    }

    /// As a length; none if it is negative.
    pub(super) fn duration(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.nanos()).unwrap_or(0))
    }

    /// Whole samples in it; none if it is negative.
    pub(super) fn samples(self, rate: SampleRate) -> usize {
        usize::try_from(self.0 / units_per_sample(rate)).unwrap_or(0)
    }

    /// What is left over `grid`, never negative.
    pub(super) const fn beyond(self, grid: Self) -> Self {
        Self(self.0.rem_euclid(if grid.0 > 0 { grid.0 } else { 1 }))
    }

    /// How many of `grid` it takes to cover it.
    pub(super) const fn covered_by(self, grid: Self) -> i64 {
        let grid = if grid.0 > 0 { grid.0 } else { 1 };
        self.0.div_euclid(grid) + (self.0.rem_euclid(grid) != 0) as i64
    }

    pub(super) const fn times(self, count: i64) -> Self {
        Self(self.0.saturating_mul(count))
    }
}

const fn units_per_sample(rate: SampleRate) -> i64 {
    UNITS / rate.hertz() as i64
}

impl Add for MediaTime {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }
}

impl Sub for MediaTime {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.wrapping_sub(other.0))
    }
}

impl Neg for MediaTime {
    type Output = Self;

    fn neg(self) -> Self {
        Self(self.0.wrapping_neg())
    }
}

impl AddAssign for MediaTime {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for MediaTime {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_20_ms_at_every_rate_and_clock() {
        for rate in [SampleRate::Hz8000, SampleRate::Hz16000, SampleRate::Hz48000] {
            assert_eq!(MediaTime::TICK.samples(rate), rate.frame_len());
            assert_eq!(MediaTime::of_samples(rate.frame_len(), rate), MediaTime::TICK);
        }
        assert_eq!(MediaTime::of_timestamp(160, 8_000), MediaTime::TICK);
        assert_eq!(MediaTime::of_timestamp(960, 48_000), MediaTime::TICK);
        assert_eq!(MediaTime::TICK.nanos(), 20_000_000);
        assert_eq!(MediaTime::of_nanos(20_000_000), MediaTime::TICK);
    }

    #[test]
    fn grids_are_counted_below_zero_as_above() {
        let grid = MediaTime(10);
        assert_eq!(MediaTime(-3).beyond(grid), MediaTime(7));
        assert_eq!([-10, -1, 0, 1, 10, 11].map(|t| MediaTime(t).covered_by(grid)), [-1, 0, 0, 1, 1, 2]);
    }
}
