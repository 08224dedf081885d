//! Where on the sender's timeline playing stands, and how long before they are needed packets come.
//!
//! A packet's *lead* is the time from its arrival to the tick that plays its first sample. The worst
//! lead of the last seconds says whether the delay can shrink: all packets could have been played by so
//! much earlier.
//!
//! ```text
//!  timestamps   ── played ──┃ position ── waiting ──▶
//!  ticks        ── past ────┃ next_tick
//! ```

use std::time::Duration;

use crate::time::{Tick, Time};

/// Timestamp units, which are samples, in one tick.
pub(super) const STEP: u32 = 160;

/// A tick in nanoseconds, to count with signs.
const STEP_NANOS: i64 = Tick::DURATION.as_nanos() as i64;

/// The link between timestamps and time: the sample at `position` is played at `next_tick`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timeline {
    pub(super) position: u32,
    pub(super) next_tick: Time,
    last_tick: Time,
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

    /// Timestamp units from `position` to `timestamp`, negative if it lies behind.
    pub(super) const fn ahead(&self, timestamp: u32) -> i32 {
        timestamp.wrapping_sub(self.position) as i32
    }

    /// Whole ticks from the next one to the one that plays `timestamp`.
    pub(super) const fn steps_ahead(&self, timestamp: u32) -> i64 {
        (self.ahead(timestamp) as i64).div_euclid(STEP as i64)
    }

    /// Time from a packet's arrival to the tick that plays its first sample.
    pub(super) fn delay(&self, timestamp: u32, received_at: Time) -> Duration {
        let nanos = self.nanos_to_play(timestamp, received_at);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }

    /// The same as a lead: below zero if the packet missed its tick. A packet that was handed in after
    /// a tick could not be played by that tick, however early the kernel had it.
    pub(super) fn lead(&self, timestamp: u32, received_at: Time) -> Lead {
        Lead(self.nanos_to_play(timestamp, received_at.max(self.last_tick)))
    }

    /// How many ticks must be left out before a packet's delay is at most `ceiling`: never so many
    /// that the packet itself would be passed.
    pub(super) fn steps_beyond(&self, timestamp: u32, received_at: Time, ceiling: Duration) -> u32 {
        let waited = self.next_tick.since(received_at);
        let allowed = ceiling.saturating_sub(waited).as_nanos() / Tick::DURATION.as_nanos();
        let allowed = i64::try_from(allowed).unwrap_or(i64::MAX);
        let beyond = self.steps_ahead(timestamp).saturating_sub(allowed);
        u32::try_from(beyond).unwrap_or(0)
    }

    fn nanos_to_play(&self, timestamp: u32, from: Time) -> i64 {
        let to_next_tick = self.next_tick.as_nanos().wrapping_sub(from.as_nanos()) as i64;
        to_next_tick.saturating_add(self.steps_ahead(timestamp) * STEP_NANOS)
    }
}

/// How long before it was needed a packet came, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lead(i64);

impl Lead {
    /// Greater than any that is measured.
    const UNKNOWN: Self = Self(i64::MAX);

    /// The least lead a stream starts with. Packets that come up to 10 ms later than the first one did
    /// cost nothing; with the tick's 20 ms grid on top, the delay of a steady stream is 10-30 ms.
    pub(super) const START: Self = Self(10_000_000);

    /// With so much to spare even after a step is left out, the lead is still one to start with.
    const SPARE: Self = Self(Self::START.0 + STEP_NANOS);

    /// The lead as a length of time; none if it is negative.
    pub(super) fn duration(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }

    fn later_by(self, steps: i64) -> Self {
        match self {
            Self::UNKNOWN => self,
            Self(nanos) => Self(nanos.saturating_add(steps.saturating_mul(STEP_NANOS))),
        }
    }
}

/// The worst leads of the last two to three seconds of sound.
#[derive(Clone, Copy, Debug)]
pub(super) struct WorstLeads {
    /// One per second; the last one is being filled.
    seconds: [Lead; WINDOW_SECONDS],
    ticks: u32,
}

/// Two full seconds and the one under way: what has not recurred for two seconds is not waited for.
const WINDOW_SECONDS: usize = 3;

/// Ticks in a second.
const SECOND: u32 = 50;

impl WorstLeads {
    pub(super) const fn new() -> Self {
        Self { seconds: [Lead::UNKNOWN; WINDOW_SECONDS], ticks: 0 }
    }

    /// A packet came.
    pub(super) fn record(&mut self, lead: Lead) {
        let under_way = &mut self.seconds[WINDOW_SECONDS - 1];
        *under_way = lead.min(*under_way);
    }

    /// A tick of sound was played. Silent ticks do not count: they prove nothing about the network.
    pub(super) fn pass_tick(&mut self) {
        self.ticks += 1;
        if self.ticks == SECOND {
            self.ticks = 0;
            self.seconds.rotate_left(1);
            self.seconds[WINDOW_SECONDS - 1] = Lead::UNKNOWN;
        }
    }

    /// Playing was moved by so many ticks, later if positive.
    pub(super) fn move_by(&mut self, steps: i64) {
        for lead in &mut self.seconds {
            *lead = lead.later_by(steps);
        }
    }

    /// Whether every packet of the window came so early that one step could be left out.
    pub(super) fn can_shrink(&self) -> bool {
        let [past @ .., under_way] = &self.seconds;
        *under_way >= Lead::SPARE && past.iter().all(|&lead| lead >= Lead::SPARE && lead != Lead::UNKNOWN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline() -> Timeline {
        let mut timeline = Timeline { position: 1_000, ..Timeline::default() };
        timeline.end_tick(Time::from_millis(100));
        timeline
    }

    #[test]
    fn leads_count_from_the_tick_that_plays_the_first_sample() {
        let timeline = timeline();
        let came = Time::from_millis(105);
        assert_eq!(timeline.lead(1_000, came), Lead(15_000_000));
        assert_eq!(timeline.lead(1_159, came), Lead(15_000_000));
        assert_eq!(timeline.lead(1_160, came), Lead(35_000_000));
        assert_eq!(timeline.lead(999, came), Lead(-5_000_000));
        assert_eq!(timeline.lead(1_000, Time::from_millis(50)), Lead(20_000_000));
        assert_eq!(timeline.delay(1_000, Time::from_millis(50)), Duration::from_millis(70));
        assert_eq!(timeline.delay(0, came), Duration::ZERO);
    }

    #[test]
    fn steps_beyond_the_ceiling_never_pass_the_packet_itself() {
        let timeline = timeline();
        let ceiling = Duration::from_millis(60);
        let beyond = |timestamp, millis| timeline.steps_beyond(timestamp, Time::from_millis(millis), ceiling);
        assert_eq!(beyond(1_000, 110), 0);
        assert_eq!(beyond(1_000 + 3 * 160, 120), 0);
        assert_eq!(beyond(1_000 + 3 * 160, 119), 1);
        assert_eq!(beyond(1_000 + 2 * 160, 0), 2);
        assert_eq!(beyond(500, 0), 0);
    }

    #[test]
    fn one_bad_lead_in_two_seconds_forbids_to_shrink() {
        let mut worst = WorstLeads::new();
        let mut seconds_until_shrink = 0;
        worst.record(Lead(0));
        while !worst.can_shrink() {
            assert!(seconds_until_shrink < 10);
            seconds_until_shrink += 1;
            for _ in 0..SECOND {
                worst.pass_tick();
                worst.record(Lead::SPARE);
            }
        }
        assert_eq!(seconds_until_shrink, 3);
        worst.move_by(-1);
        assert!(!worst.can_shrink());
    }
}
