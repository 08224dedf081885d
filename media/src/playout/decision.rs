//! When the delay is made longer or shorter, and how good a place in the sound has to be for it.

use std::time::Duration;

use super::media_time::MediaTime;
use super::time_stretch::PIECE_MIN;
use crate::frame::SampleRate;

/// What a decision is made of. Times are nanoseconds where they come from the network.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    /// How much later than the fastest packets may come and still be in time.
    pub(super) tolerance: i64,
    /// How much later than the fastest packets do come, but for a few.
    pub(super) provision: i64,
    /// The latest of all in the last second.
    pub(super) latest: i64,
    /// The step in which tolerance changes with the delay.
    pub(super) grid: MediaTime,
    /// The part of the delay that tolerance does not need.
    pub(super) residue: MediaTime,
}

/// Tolerance is let fall this far below the provision before the delay grows: what the measure itself wavers.
const SLACK: i64 = 1_000_000;

/// Tolerance stays this far above the provision when the delay shrinks. A stream whose first packet was 4 ms late
/// starts with 4 ms too much, and is left alone: only what is surely of no use is worth a change.
const RESERVE: i64 = 5_000_000;

impl View {
    /// How much delay must be added for the provision.
    pub(super) fn missing(&self) -> MediaTime {
        if self.tolerance >= self.provision.saturating_sub(SLACK) {
            return MediaTime::ZERO;
        }
        let missing = MediaTime::of_nanos(self.provision.saturating_sub(self.tolerance)) + MediaTime(1);
        self.grid.times(missing.covered_by(self.grid)) - self.residue
    }

    /// How much delay serves nothing.
    pub(super) fn spare(&self) -> MediaTime {
        let kept = self.provision.max(self.latest).saturating_add(RESERVE);
        let spare = MediaTime::of_nanos(self.tolerance.saturating_sub(kept)).max(MediaTime::ZERO);
        spare - spare.beyond(self.grid) + self.residue
    }
}

/// What to do in a tick.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// Leave out a piece of at most this length.
    Shrink(MediaTime),
    /// Repeat a piece; this length is missing in all.
    Stretch(MediaTime),
}

/// Decides from tick to tick.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Decision {
    change: Direction,
    /// Ticks for which that has been wanted.
    wanted: u16,
    /// Ticks until the next change.
    rest: u16,
    /// How fast what is asked of the sound falls.
    urgency: f32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Direction {
    #[default]
    None,
    Shorter,
    Longer,
}

/// A change is wanted for so many ticks before it is made: 100 ms, in which a tick that came late is made up for.
const PATIENCE: u16 = 5;

/// What is asked of the first place that is found: almost a repetition, in which nobody hears a change.
const LIKENESS_FIRST: f32 = 0.95;

/// In a tick, what is asked falls by this,
const RELAX: f32 = 0.01;

/// and by this for each millisecond that is wanted: 200 ms too much are more of a nuisance than a few rough places.
const RELAX_PER_MS: f32 = 0.002_5;

/// More than this much too much, and the rest between two changes is short.
const MUCH: MediaTime = MediaTime::of_millis(60);

/// More than this too much, and there is no rest: who hears the others so late cannot talk with them.
const TOO_MUCH: MediaTime = MediaTime::of_millis(120);

/// Ticks between changes when there is much to do: speech is then up to a third faster.
const REST_SHORT: u16 = 1;

/// Ticks between changes otherwise: about a tenth faster, which is hardly noticed.
const REST: u16 = 3;

/// How long packets must have come before the delay is made shorter on their evidence.
pub(super) const EVIDENCE: Duration = Duration::from_secs(1);

/// The least change that is worth while in sound, and possible.
const LEAST: MediaTime = MediaTime::of_samples(PIECE_MIN, SampleRate::Hz8000);

impl Decision {
    /// One tick has come; what is to be done in it?
    pub(super) fn decide(&mut self, view: &View, shrink_allowed: bool) -> Change {
        self.rest = self.rest.saturating_sub(1);
        let (missing, spare) = (view.missing(), view.spare());
        if missing > MediaTime::ZERO {
            self.want(Direction::Longer, missing, Change::Stretch(missing))
        } else if shrink_allowed && spare >= LEAST {
            self.want(Direction::Shorter, spare, Change::Shrink(spare))
        } else {
            *self = Self { rest: self.rest, ..Self::default() };
            Change::None
        }
    }

    /// How alike the sound must be to itself where a piece is left out or repeated.
    pub(super) fn likeness_asked(&self) -> f32 {
        let waited = self.wanted.saturating_sub(PATIENCE);
        LIKENESS_FIRST - f32::from(waited) * self.urgency
    }

    /// A change was made in sound.
    pub(super) fn changed(&mut self, left: MediaTime) {
        let rest = match left {
            _ if left > TOO_MUCH => 0,
            _ if left > MUCH => REST_SHORT,
            _ => REST,
        };
        self.rest = rest + 1;
        // The next place must be good again.
        self.wanted = PATIENCE;
    }

    fn want(&mut self, direction: Direction, much: MediaTime, change: Change) -> Change {
        if self.change != direction {
            (self.change, self.wanted) = (direction, 0);
        }
        self.urgency = RELAX + RELAX_PER_MS * (much.0 as f32 / MediaTime::of_millis(1).0 as f32);
        if self.rest > 0 {
            return Change::None;
        }
        self.wanted = self.wanted.saturating_add(1);
        if self.wanted < PATIENCE { Change::None } else { change }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn view(tolerance: i64, provision: i64, latest: i64) -> View {
        View {
            tolerance: tolerance * MS,
            provision: provision * MS,
            latest: latest * MS,
            grid: MediaTime::TICK,
            residue: MediaTime::ZERO,
        }
    }

    fn ms(millis: i64) -> MediaTime {
        MediaTime::of_millis(millis)
    }

    #[test]
    fn delay_is_added_in_whole_steps_when_it_is_needed() {
        let missing = |tolerance, provision| view(tolerance, provision, 0).missing();
        assert_eq!(missing(4, 4), ms(0));
        assert_eq!(missing(3, 4), ms(0));
        assert_eq!(missing(2, 4), ms(20));
        assert_eq!(missing(-30, 4), ms(40));
        let partly = View { residue: ms(12), ..view(2, 4, 0) };
        assert_eq!(partly.missing(), ms(8));
    }

    #[test]
    fn delay_is_spare_when_neither_the_usual_nor_the_latest_packet_needs_it() {
        let spare = |tolerance, provision, latest| view(tolerance, provision, latest).spare();
        assert_eq!(spare(28, 4, 4), ms(0));
        assert_eq!(spare(29, 4, 4), ms(20));
        assert_eq!(spare(128, 4, 4), ms(100));
        assert_eq!(spare(128, 80, 4), ms(40));
        assert_eq!(spare(128, 4, 100), ms(20));
        assert_eq!(spare(-100, 4, 4), ms(0));
        let partly = View { residue: ms(7), ..view(29, 4, 4) };
        assert_eq!(partly.spare(), ms(27));
    }

    #[test]
    fn what_adds_delay_never_makes_it_spare() {
        for tolerance in -50..100 {
            for provision in 0..80 {
                let before = view(tolerance, provision, provision);
                let steps = before.missing().0 / before.grid.0;
                let after = view(tolerance + 20 * steps, provision, provision);
                assert_eq!(after.missing(), ms(0));
                if steps > 0 {
                    assert_eq!(after.spare(), ms(0), "{tolerance} {provision}");
                }
            }
        }
    }

    #[test]
    fn a_change_is_made_when_it_was_wanted_for_100_ms() {
        let mut decision = Decision::default();
        let changes: Vec<Change> = (0..5).map(|_| decision.decide(&view(40, 4, 4), true)).collect();
        assert_eq!(changes[..4], [Change::None; 4]);
        assert_eq!(changes[4], Change::Shrink(ms(20)));
        assert_eq!(decision.decide(&view(10, 4, 4), true), Change::None);
        assert_eq!(decision.decide(&view(40, 4, 4), true), Change::None);
    }

    #[test]
    fn nothing_is_left_out_without_evidence() {
        let mut decision = Decision::default();
        assert!((0..100).all(|_| decision.decide(&view(400, 4, 4), false) == Change::None));
        for _ in 0..4 {
            decision.decide(&view(-1, 4, 4), false);
        }
        assert_eq!(decision.decide(&view(-1, 4, 4), false), Change::Stretch(ms(20)));
    }

    #[test]
    fn much_to_do_is_done_sooner() {
        let changes_in_a_second = |tolerance| {
            let mut decision = Decision::default();
            let mut changes = 0;
            for _ in 0..50 {
                if decision.decide(&view(tolerance, 4, 4), true) != Change::None
                    && decision.likeness_asked() < 0.4
                {
                    decision.changed(view(tolerance, 4, 4).spare());
                    changes += 1;
                }
            }
            changes
        };
        let (little, much) = (changes_in_a_second(30), changes_in_a_second(200));
        assert!(little >= 3 && much >= 3 * little, "{little} {much}");
    }
}
