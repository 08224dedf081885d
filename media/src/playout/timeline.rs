//! Where on the sender's timeline playing stands.
//!
//! ```text
//!  media   ── played ──┃ position ── waiting ──▶
//!  ticks   ── past ────┃ next_tick
//! ```
//!
//! Packets come whole and ticks take 20 ms, so a packet must be here at the tick in which its first sample lies,
//! wherever in the tick that is. Packets of 20 ms whose beginnings lie within ticks wait longer than if they began
//! with them, and bear no more jitter for it. [`Timeline::tolerance`] is the jitter that is borne.

use std::time::Duration;

use super::media_time::MediaTime;
use crate::time::{Tick, Time};

/// The link between media and time: the sample at `position` is played at `next_tick`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timeline {
    pub(super) position: MediaTime,
    next_tick: Time,
    last_tick: Time,
}

/// Where a stream's packets lie, as far as it matters to when they are needed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pattern {
    /// Where one of them begins.
    pub(super) at: MediaTime,
    /// How long they are.
    pub(super) len: MediaTime,
}

impl Pattern {
    /// The grid that packets' beginnings share with ticks'. With 30 ms packets it is 10 ms: a packet begins with a
    /// tick, or in its middle.
    pub(super) fn grid(&self) -> MediaTime {
        let (mut grid, mut rest) = (MediaTime::TICK.0, self.len.0);
        while rest > 0 {
            (grid, rest) = (rest, grid % rest);
        }
        MediaTime(grid)
    }
}

impl Timeline {
    /// A tick begins: whatever was foreseen, `position` is played now.
    pub(super) fn begin_tick(&mut self, now: Time) {
        self.next_tick = now;
    }

    /// A tick is over; the next is foreseen 20 ms later.
    pub(super) fn end_tick(&mut self, now: Time) {
        self.last_tick = now;
        self.next_tick = now + Tick::DURATION;
    }

    /// From `position` to `at`, negative if it lies behind.
    pub(super) fn ahead(&self, at: MediaTime) -> MediaTime {
        at - self.position
    }

    /// When a packet came, for all that playing could make of it: one handed in after a tick could not be played by
    /// that tick, however early the kernel had it.
    pub(super) fn usable_from(&self, received_at: Time) -> Time {
        received_at.max(self.last_tick)
    }

    /// Time from a packet's arrival to the play of its first sample.
    pub(super) fn delay(&self, at: MediaTime, received_at: Time) -> Duration {
        let nanos = nanos_between(received_at, self.next_tick).saturating_add(self.ahead(at).nanos());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }

    /// Time from a packet's arrival to the first tick after it, on the grid of the one that is played now.
    pub(super) fn wait(&self, received_at: Time) -> Duration {
        let nanos = nanos_between(received_at, self.next_tick).max(0);
        Duration::from_nanos(nanos as u64 % Tick::DURATION.as_nanos() as u64)
    }

    /// How much must be left out before a packet's delay is at most `ceiling`: whole ticks, so that packets stay
    /// where they are within them, and never so much that the packet itself would be passed.
    pub(super) fn beyond(&self, at: MediaTime, received_at: Time, ceiling: Duration) -> MediaTime {
        let excess = self.delay(at, received_at).saturating_sub(ceiling).as_nanos();
        if excess == 0 {
            return MediaTime::ZERO;
        }
        let excess = MediaTime::of_nanos(i64::try_from(excess).unwrap_or(i64::MAX)) + MediaTime(1);
        let ticks = MediaTime::TICK.times(excess.covered_by(MediaTime::TICK));
        ticks.min(self.ahead(at)).max(MediaTime::ZERO)
    }

    /// How much later than those with the least transit packets can come, in nanoseconds, and still be in time,
    /// wherever in the pattern they are. `least` is that transit. Below zero not even those are in time.
    pub(super) fn tolerance(&self, pattern: &Pattern, least: i64) -> i64 {
        let grid = pattern.grid();
        let offset = self.next_tick_nanos().saturating_sub(self.position.nanos());
        let needed_ahead = MediaTime::TICK - grid + self.residue(pattern);
        offset.saturating_sub(least).saturating_sub(needed_ahead.nanos())
    }

    /// How far behind the grid's points packets begin: delay that serves nothing.
    pub(super) fn residue(&self, pattern: &Pattern) -> MediaTime {
        self.ahead(pattern.at).beyond(pattern.grid())
    }

    fn next_tick_nanos(&self) -> i64 {
        i64::try_from(self.next_tick.as_nanos()).unwrap_or(i64::MAX)
    }

    /// Places `position` so that a packet just before its play is in time if it comes `floor` later than `from`, and
    /// no tick sooner than needed. `from` is when the packet of `pattern.at` came; it is played from the next tick on.
    pub(super) fn start(&mut self, pattern: &Pattern, from: Time, floor: Duration) {
        let grid = pattern.grid();
        let waited = MediaTime::of_nanos(nanos_between(from, self.next_tick).max(0));
        let least = MediaTime::TICK - grid + MediaTime::of_nanos(floor.as_nanos() as i64);
        let more = (least - waited).max(MediaTime::ZERO).covered_by(grid);
        self.position = pattern.at - grid.times(more);
    }
}

/// Nanoseconds from `from` to `to`, negative if that is earlier.
fn nanos_between(from: Time, to: Time) -> i64 {
    to.as_nanos().wrapping_sub(from.as_nanos()) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn timeline() -> Timeline {
        let mut timeline = Timeline { position: MediaTime::of_millis(1_000), ..Timeline::default() };
        timeline.end_tick(Time::from_millis(100));
        timeline
    }

    fn media(millis: i64) -> MediaTime {
        MediaTime::of_millis(millis)
    }

    #[test]
    fn a_delay_counts_to_the_play_of_the_first_sample() {
        let timeline = timeline();
        let delay = |at, came| timeline.delay(media(at), Time::from_millis(came)).as_millis();
        assert_eq!(delay(1_000, 105), 15);
        assert_eq!(delay(1_019, 105), 34);
        assert_eq!(delay(1_000, 50), 70);
        assert_eq!(delay(900, 105), 0);
    }

    #[test]
    fn the_wait_for_the_tick_is_less_than_one_however_long_a_packet_is_kept() {
        let timeline = timeline();
        let wait = |came| timeline.wait(Time::from_millis(came)).as_millis();
        assert_eq!((wait(105), wait(85), wait(25)), (15, 15, 15));
        assert_eq!((wait(120), wait(121)), (0, 0));
    }

    #[test]
    fn what_is_beyond_the_ceiling_never_passes_the_packet_itself() {
        let timeline = timeline();
        let ceiling = Duration::from_millis(60);
        let beyond = |at, came| timeline.beyond(media(at), Time::from_millis(came), ceiling);
        assert_eq!(beyond(1_000, 110), media(0));
        assert_eq!(beyond(1_060, 120), media(0));
        assert_eq!(beyond(1_060, 119), media(20));
        assert_eq!(beyond(1_040, 0), media(40));
        assert_eq!(beyond(1_010, 0), media(10));
        assert_eq!(beyond(900, 0), media(0));
    }

    #[test]
    fn tolerance_does_not_grow_until_packets_begin_a_tick_later() {
        let mut timeline = timeline();
        let pattern = |len| Pattern { at: media(1_000), len: media(len) };
        // The packet of 1,000 came 15 ms before its tick.
        let least = (105 - 1_000) * MS;
        let (twenty, ten, thirty) = (pattern(20), pattern(10), pattern(30));
        assert_eq!(timeline.tolerance(&twenty, least), 15 * MS);
        assert_eq!(timeline.tolerance(&ten, least), 5 * MS);
        assert_eq!(timeline.tolerance(&thirty, least), 5 * MS);
        for later in [5, 10, 19] {
            timeline.position = media(1_000 - later);
            assert_eq!(timeline.tolerance(&twenty, least), 15 * MS, "{later}");
            assert_eq!(timeline.residue(&twenty), media(later));
        }
        timeline.position = media(980);
        assert_eq!(timeline.tolerance(&twenty, least), 35 * MS);
    }

    #[test]
    fn a_stream_starts_as_early_as_its_floor_and_the_ticks_allow() {
        for (len, slack) in [(20, 0), (10, 10), (30, 10), (60, 0), (50, 10), (5, 15)] {
            for came in 1..=16 {
                let mut timeline = timeline();
                timeline.begin_tick(Time::from_millis(120));
                let pattern = Pattern { at: media(1_000), len: media(len) };
                timeline.start(&pattern, Time::from_millis(100 + came), Duration::from_millis(4));
                let least = (100 + came as i64 - 1_000) * MS;
                let tolerance = timeline.tolerance(&pattern, least);
                let grid = pattern.grid().nanos();
                assert!((4 * MS..4 * MS + grid).contains(&tolerance), "{len} {came}: {tolerance}");
                assert_eq!(timeline.residue(&pattern), media(0));
                let delay = timeline.delay(pattern.at, Time::from_millis(100 + came)).as_millis();
                assert!(delay < 24 && delay >= 4 + slack, "{len} {came}: {delay}");
            }
        }
    }
}
