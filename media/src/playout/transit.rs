//! How long packets are on their way, compared with each other: the difference between when a packet came and where
//! it lies on the sender's timeline (RFC 3550 §6.4.1 calls it relative transit time).
//!
//! Its least value of the last two seconds is what the network can do, and what all lateness is measured from. It
//! moves with a drifting clock and with a changed route.
//!
//! ```text
//!  transit ─┬▶ least ◀──────────┐
//!           ├▶ greatest of 1 s ─┤ lateness
//!           └▶ histogram ───────┘
//! ```

use std::time::Duration;

use super::histogram::{BIN, Histogram};
use super::media_time::MediaTime;
use crate::time::Time;

/// What the last seconds' packets showed of the network.
pub(super) struct Transits {
    windows: [Window; WINDOWS],
    /// The number of the last of them.
    newest: u64,
    /// When the first packet came.
    since: Option<Time>,
    least: i64,
    /// The transit from which the histogram counts.
    origin: i64,
    histogram: Histogram,
    jitter: Jitter,
}

/// The least and the greatest transit in nanoseconds in a part of a second.
#[derive(Clone, Copy, Debug)]
struct Window {
    least: i64,
    greatest: i64,
}

/// How long a window is. A quarter of a second is a few packets of any packet time.
const WINDOW: Duration = Duration::from_millis(250);

/// Two seconds of them.
const WINDOWS: usize = 8;

/// One second of them and the one under way: for so long a single late packet is in sight.
const RECENT: usize = 5;

/// The share of packets that the histogram's quantile leaves out; more delay for the last few is no good bargain.
const LATE_SHARE: f32 = 0.03;

impl Window {
    const EMPTY: Self = Self { least: i64::MAX, greatest: i64::MIN };
}

impl Transits {
    pub(super) const fn new() -> Self {
        Self {
            windows: [Window::EMPTY; WINDOWS],
            newest: 0,
            since: None,
            least: 0,
            origin: 0,
            histogram: Histogram::new(),
            jitter: Jitter { last: None, estimate: 0 },
        }
    }

    /// A packet came that belongs at `at` and lasts `len`. One that is later than `limit` says that there was a
    /// stall and not how late packets are: no delay could have provided for it.
    pub(super) fn record(&mut self, came: Time, at: MediaTime, len: MediaTime, limit: Duration) {
        let transit = i64::try_from(came.as_nanos()).unwrap_or(i64::MAX).saturating_sub(at.nanos());
        self.open_window(came, transit);
        let window = &mut self.windows[WINDOWS - 1];
        window.least = window.least.min(transit);
        window.greatest = window.greatest.max(transit);
        self.least = self.windows.iter().map(|w| w.least).min().unwrap_or(transit);
        self.follow_least();
        if transit.saturating_sub(self.least) <= limit.as_nanos() as i64 {
            self.histogram.record(transit.saturating_sub(self.origin), len);
        }
        self.jitter.record(transit);
    }

    /// The transit that the network can do, in nanoseconds on a scale without meaning.
    pub(super) const fn least(&self) -> i64 {
        self.least
    }

    /// How much later than the least the latest packet of the last second came, in nanoseconds.
    pub(super) fn latest(&self) -> i64 {
        let recent = &self.windows[WINDOWS - RECENT..];
        let greatest = recent.iter().map(|w| w.greatest).max().unwrap_or(i64::MIN);
        greatest.saturating_sub(self.least).max(0)
    }

    /// How much later than the least packets come, in nanoseconds, but for a small share of them.
    pub(super) fn usual_lateness(&self) -> i64 {
        let from_origin = self.histogram.exceeded_by(LATE_SHARE);
        from_origin.saturating_sub(self.least.saturating_sub(self.origin)).clamp(0, self.latest_in_sight())
    }

    /// Whether packets came for so long before `now` that what they show can be trusted.
    pub(super) fn is_known_for(&self, time: Duration, now: Time) -> bool {
        self.since.is_some_and(|since| now.since(since) >= time)
    }

    /// The interarrival jitter of RFC 3550 §6.4.1.
    pub(super) fn jitter(&self) -> Duration {
        Duration::from_nanos(self.jitter.estimate)
    }

    fn open_window(&mut self, came: Time, transit: i64) {
        let number = (came.as_nanos() / WINDOW.as_nanos() as u64).max(self.newest);
        if self.since.is_none() {
            self.since = Some(came);
            self.origin = transit;
        }
        let passed = usize::try_from(number - self.newest).unwrap_or(WINDOWS).min(WINDOWS);
        self.newest = number;
        self.windows.rotate_left(passed % WINDOWS);
        self.windows[WINDOWS - passed..].fill(Window::EMPTY);
    }

    /// Keeps the histogram's origin at the least transit or up to a bin below.
    fn follow_least(&mut self) {
        let bins = self.least.saturating_sub(self.origin).div_euclid(BIN);
        if bins != 0 {
            self.histogram.move_origin(bins);
            self.origin = self.origin.saturating_add(bins.saturating_mul(BIN));
        }
    }

    /// The greatest lateness in all windows: the histogram rounds up to whole bins, and this does not.
    fn latest_in_sight(&self) -> i64 {
        let greatest = self.windows.iter().map(|w| w.greatest).max().unwrap_or(i64::MIN);
        greatest.saturating_sub(self.least).max(0)
    }
}

/// Smoothed differences of neighbours' transit (RFC 3550 §6.4.1), in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Jitter {
    last: Option<i64>,
    estimate: u64,
}

/// A difference moves the estimate by a sixteenth (RFC 3550 §6.4.1).
const GAIN: u64 = 16;

impl Jitter {
    fn record(&mut self, transit: i64) {
        if let Some(last) = self.last.replace(transit) {
            let kept = self.estimate - self.estimate / GAIN;
            self.estimate = kept.saturating_add(transit.abs_diff(last) / GAIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;
    const LIMIT: Duration = Duration::from_millis(200);

    /// Packets of 20 ms, each so many ms late, from `first` on.
    fn receive(transits: &mut Transits, first: u64, latenesses: impl Iterator<Item = u64>) -> u64 {
        let mut n = first;
        for lateness in latenesses {
            let came = Time::from_millis(5_000 + n * 20 + lateness);
            transits.record(came, MediaTime::TICK.times(n as i64), MediaTime::TICK, LIMIT);
            n += 1;
        }
        n
    }

    #[test]
    fn lateness_is_measured_from_the_fastest_packets() {
        let mut transits = Transits::new();
        receive(&mut transits, 0, [9, 3, 11, 7].into_iter().cycle().take(100));
        assert_eq!(transits.least(), 5_003 * MS);
        assert_eq!(transits.latest(), 8 * MS);
        assert_eq!(transits.usual_lateness(), 8 * MS);
    }

    #[test]
    fn one_late_packet_is_in_sight_for_a_second_and_not_usual() {
        let mut transits = Transits::new();
        let n = receive(&mut transits, 0, std::iter::repeat_n(1, 200));
        let n = receive(&mut transits, n, [61].into_iter());
        assert_eq!(transits.latest(), 60 * MS);
        assert_eq!(transits.usual_lateness(), 4 * MS);
        let n = receive(&mut transits, n, std::iter::repeat_n(1, 48));
        assert_eq!(transits.latest(), 60 * MS);
        receive(&mut transits, n, std::iter::repeat_n(1, 20));
        assert_eq!(transits.latest(), 0);
    }

    #[test]
    fn a_longer_route_is_the_new_measure_after_two_seconds() {
        let mut transits = Transits::new();
        let n = receive(&mut transits, 0, std::iter::repeat_n(1, 200));
        let n = receive(&mut transits, n, std::iter::repeat_n(101, 80));
        assert_eq!(transits.usual_lateness(), 100 * MS);
        receive(&mut transits, n, std::iter::repeat_n(101, 30));
        assert_eq!((transits.latest(), transits.usual_lateness()), (0, 0));
    }

    #[test]
    fn a_pause_makes_the_next_packet_the_measure() {
        let mut transits = Transits::new();
        receive(&mut transits, 0, std::iter::repeat_n(0, 100));
        receive(&mut transits, 1_000, std::iter::once(30));
        assert_eq!((transits.least(), transits.latest()), (5_030 * MS, 0));
    }

    #[test]
    fn jitter_is_what_rtcp_reports() {
        let mut transits = Transits::new();
        receive(&mut transits, 0, [0, 8].into_iter().cycle().take(300));
        let micros = transits.jitter().as_micros();
        assert!((7_900..=8_000).contains(&micros), "{micros}");
    }

    #[test]
    fn clocks_that_go_anywhere_are_survived() {
        let mut transits = Transits::new();
        for (came, at) in [(0, i64::MAX), (u64::MAX, i64::MIN), (1, 0), (u64::MAX / 2, -1), (0, 0)] {
            transits.record(Time::from_nanos(came), MediaTime(at), MediaTime::TICK, LIMIT);
            transits.latest();
            transits.usual_lateness();
        }
    }
}
