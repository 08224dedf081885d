//! What a capture can say of itself: since when it withheld what, and what was measured of the result.

use std::fmt;

use crate::time::{Tick, Time};

/// What was measured while a capture was on. It holds no digit, no sound, and nothing that either could be told from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attestation {
    /// The time of the first tick in which everything was withheld, on the clock that the engine is handed; it is the
    /// [`at`](crate::Tap::at) of that tick's taps. None before the first tick.
    pub from: Option<Time>,
    /// The time of the last tick so far, or at all once the capture has ended.
    pub until: Option<Time>,
    /// The number of the first tick in the engine in which it began.
    pub first_tick: Option<Tick>,
    /// Ticks in which it was on.
    pub ticks: u64,
    /// Ticks of which a part was replaced by noise, because a key was in them or may have been.
    pub masked_ticks: u64,
    /// The most that was left in any of the eight bands of keys, in what took the place of a key. None if nothing was
    /// replaced.
    pub residual_max: Option<Dbfs>,
    /// Keys that were still heard in what was let through, by the ear that listens to other legs. It should be none.
    pub keys_let_through: u32,
    /// Keys that were handed to the holder of the digits.
    pub digits: u32,
    /// Keys that were lost because those before were not taken.
    pub digits_lost: u32,
}

/// A level in hundredths of a decibel; a sine that reaches full scale is zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dbfs(i16);

impl Dbfs {
    /// Below this nothing is told apart: a hundredth of the smallest step of 16 bits.
    pub const FLOOR: Self = Self(-13_000);

    /// The level of a sine with this peak, in steps of 16 bits.
    pub fn of_peak(peak: f64) -> Self {
        let level = 2_000.0 * (peak / f64::from(i16::MAX)).log10();
        // What is no number becomes zero, the worst there is.
        Self((level.round() as i16).max(Self::FLOOR.0))
    }

    /// Hundredths of a decibel.
    pub const fn hundredths(self) -> i16 {
        self.0
    }
}

impl fmt::Display for Dbfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} dBFS", f64::from(self.0) / 100.0)
    }
}

impl fmt::Debug for Dbfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_relative_to_a_sine_at_full_scale() {
        assert_eq!(Dbfs::of_peak(32_767.0).hundredths(), 0);
        assert_eq!(Dbfs::of_peak(32.767).hundredths(), -6_000);
        assert_eq!(Dbfs::of_peak(0.0), Dbfs::FLOOR);
        assert_eq!(Dbfs::of_peak(f64::NAN), Dbfs::of_peak(32_767.0));
        assert_eq!(Dbfs::of_peak(3_276.7).to_string(), "-20.0 dBFS");
    }
}
