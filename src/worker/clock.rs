//! The kernel's clocks. Media run on the monotonic one; the kernel stamps datagrams with the other, so
//! stamps are carried over.

use std::time::Duration;

use confab_media::rtp::rtcp::NtpTime;
use confab_media::{Time, WallClock};

use super::socket::sys;

/// Now, on the monotonic clock.
pub fn now() -> Time {
    Time::from_nanos(sys::clock_nanos(sys::Clock::Monotonic))
}

/// What the wall clock showed at [`Time::ZERO`], as NTP counts: seconds since 1900 and parts of them.
pub fn wall_clock() -> WallClock {
    /// From 1900 to 1970 (RFC 5905 §6).
    const NTP_EPOCH: i128 = 2_208_988_800;
    const NANOS: i128 = 1_000_000_000;
    let wall = i128::from(sys::clock_nanos(sys::Clock::Wall)) - i128::from(now().as_nanos());
    let seconds = wall.div_euclid(NANOS) + NTP_EPOCH;
    let parts = (wall.rem_euclid(NANOS) << 32) / NANOS;
    WallClock(NtpTime((seconds << 32 | parts) as u64))
}

/// Carries the kernel's receive stamps (wall clock) over to the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamps {
    /// Monotonic minus wall, in nanoseconds, now.
    offset: i128,
    earliest: Time,
    now: Time,
}

impl Stamps {
    /// For datagrams that came since `earliest`, the last time they were looked for.
    pub(crate) fn since(earliest: Time) -> Self {
        let wall = sys::clock_nanos(sys::Clock::Wall);
        let now = now();
        Self { offset: i128::from(now.as_nanos()) - i128::from(wall), earliest, now }
    }

    /// When a datagram with this wall-clock stamp came. A wall clock that was set in between cannot put it
    /// before the last look nor into the future.
    pub(crate) fn received_at(self, wall: Option<Duration>) -> Time {
        let Some(wall) = wall else {
            return self.now;
        };
        let nanos = i128::try_from(wall.as_nanos()).unwrap_or(i128::MAX).saturating_add(self.offset);
        Time::from_nanos(u64::try_from(nanos).unwrap_or(0)).clamp(self.earliest, self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_stays_between_the_last_look_and_now() {
        let stamps = Stamps { offset: 0, earliest: Time::from_millis(100), now: Time::from_millis(120) };
        let at = |ms| stamps.received_at(Some(Duration::from_millis(ms)));
        assert_eq!(at(110), Time::from_millis(110));
        assert_eq!(at(50), Time::from_millis(100));
        assert_eq!(at(9_000), Time::from_millis(120));
        assert_eq!(stamps.received_at(None), Time::from_millis(120));
    }
}
