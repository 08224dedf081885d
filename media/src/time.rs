//! Time as the engine knows it: what it was handed, never what it read.
//!
//! [`Time`] is monotonic and counts nanoseconds from an epoch that the caller chooses (the shell uses
//! the kernel's monotonic clock, a test starts at zero). [`Tick`] numbers the 20 ms steps.

use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// Nanoseconds on the caller's monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The caller's epoch.
    pub const ZERO: Self = Self(0);

    /// `nanos` nanoseconds after the epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to `self`; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl AddAssign<Duration> for Time {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

impl Sub<Duration> for Time {
    type Output = Self;

    fn sub(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// The number of a 20 ms step of one engine, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u64);

impl Tick {
    /// How long a step lasts. 20 ms is the packet time that every SIP and WebRTC peer speaks (RFC 3551
    /// §4.2 default), so one step takes one packet from each leg and gives one back.
    pub const DURATION: Duration = Duration::from_millis(20);

    /// The step after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
