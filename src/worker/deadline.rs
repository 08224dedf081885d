//! When ticks are due: absolute deadlines 20 ms apart, so that lateness never adds up, and what is done about
//! a thread that was held up.

use std::time::Duration;

use confab_media::{Tick, Time};

/// Ticks made in a row after a stall before it is given up and the rest skipped.
///
/// Three (60 ms) hides a scheduling hiccup inside a usual jitter buffer. More would send a burst that the far
/// end must discard anyway.
const CATCH_UP_TICKS_MAX: u64 = 3;

/// The next deadline, and how it came to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    next: Time,
    /// Ticks made without a pause since one was late by more than a tick.
    in_a_row: u64,
}

/// A tick that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// The time it is for.
    pub(crate) at: Time,
    /// How late it is.
    pub(crate) late: Duration,
    /// It follows a late one at once.
    pub(crate) catches_up: bool,
    /// Ticks before it that were given up.
    pub(crate) skipped: u64,
}

impl Deadline {
    /// Those that are whole ticks from `phase`, from the first one that is after `now` on.
    pub(crate) fn first_after(now: Time, phase: Time) -> Self {
        let tick = Tick::DURATION.as_nanos() as u64;
        let since = now.since(phase).as_nanos() as u64;
        let next = if now < phase { phase } else { now + Duration::from_nanos(tick - since % tick) };
        Self { next, in_a_row: 0 }
    }

    /// How long to sleep.
    pub(crate) fn wait(&self, now: Time) -> Duration {
        self.next.since(now)
    }

    /// The tick that is due at `now`, if one is.
    pub(crate) fn due(&mut self, now: Time) -> Option<Due> {
        if now < self.next {
            return None;
        }
        let mut skipped = 0;
        if self.in_a_row > CATCH_UP_TICKS_MAX {
            skipped = self.skip(now);
        }
        let late = now.since(self.next);
        let due = Due { at: self.next, late, catches_up: self.in_a_row > 0 && skipped == 0, skipped };
        // Late by a whole tick or more: the next one is due as well.
        self.in_a_row = if late >= Tick::DURATION { self.in_a_row + 1 } else { 0 };
        self.next += Tick::DURATION;
        Some(due)
    }

    /// Gives up all deadlines but the last one that has passed.
    fn skip(&mut self, now: Time) -> u64 {
        let behind = now.since(self.next).as_nanos() / Tick::DURATION.as_nanos();
        let behind = u64::try_from(behind).unwrap_or(u64::MAX);
        let given_up = Duration::from_nanos(behind.saturating_mul(Tick::DURATION.as_nanos() as u64));
        self.next += given_up;
        behind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Time {
        Time::from_millis(ms)
    }

    #[test]
    fn the_first_one_is_in_phase() {
        for (now, phase, first) in
            [(0, 0, 20), (1_007, 3, 1_023), (1_003, 3, 1_023), (1_002, 3, 1_003), (5, 13, 13)]
        {
            assert_eq!(
                Deadline::first_after(ms(now), ms(phase)).due(ms(2_000)).unwrap().at,
                ms(first),
                "{now}"
            );
        }
    }

    #[test]
    fn deadlines_do_not_drift_with_lateness() {
        let mut deadline = Deadline::first_after(ms(0), ms(0));
        for tick in 1..1_000 {
            let due = deadline.due(ms(tick * 20 + 7)).unwrap();
            assert_eq!(due.at, ms(tick * 20));
            assert_eq!(due.late, Duration::from_millis(7));
            assert!(!due.catches_up);
            if tick % 3 == 0 {
                assert_eq!(deadline.due(ms(tick * 20 + 7)), None);
            }
        }
    }

    #[test]
    fn a_short_stall_is_caught_up_tick_by_tick() {
        let mut deadline = Deadline::first_after(ms(0), ms(0));
        let dues: Vec<Due> = std::iter::from_fn(|| deadline.due(ms(75))).collect();
        assert_eq!(dues.iter().map(|d| d.at).collect::<Vec<_>>(), [ms(20), ms(40), ms(60)]);
        assert_eq!(dues.iter().map(|d| d.catches_up).collect::<Vec<_>>(), [false, true, true]);
        assert!(dues.iter().all(|d| d.skipped == 0));
    }

    #[test]
    fn a_long_stall_is_given_up_after_three_and_counted() {
        let mut deadline = Deadline::first_after(ms(0), ms(0));
        let dues: Vec<Due> = std::iter::from_fn(|| deadline.due(ms(1_010))).collect();
        // One that was due, three to catch up, and the last whose time has come.
        assert_eq!(dues.len(), 5);
        assert_eq!(dues[4].at, ms(1_000));
        assert_eq!(dues[4].skipped, 45);
        assert_eq!(deadline.wait(ms(1_010)), Duration::from_millis(10));
    }
}
