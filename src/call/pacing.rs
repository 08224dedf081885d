//! Not too many calls begun in a second: when each may begin, and who waits for their turn.
//!
//! Turns are spaced evenly, a second divided by the rate, so that no second has more of them than it should wherever it
//! begins, and a far end sees no bursts. The time comes from outside: a run is the same from the same input.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// Gives out turns, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    interval: Duration,
    /// When the next turn is, if that is not past.
    next: Option<Instant>,
}

impl Pace {
    /// So many turns in a second; of 0 there is one as well.
    pub fn new(per_second: u32) -> Self {
        Self { interval: Duration::from_secs(1) / per_second.max(1), next: None }
    }

    /// When the next turn is: now or later.
    pub fn turn(&self, now: Instant) -> Instant {
        self.next.map_or(now, |next| next.max(now))
    }

    /// Takes the next turn.
    pub fn take(&mut self, now: Instant) -> Instant {
        let turn = self.turn(now);
        self.next = Some(turn + self.interval);
        turn
    }

    /// How long one waits whose turn comes after so many others.
    fn wait(&self, now: Instant, before: usize) -> Duration {
        let before = u32::try_from(before).unwrap_or(u32::MAX);
        self.turn(now).saturating_duration_since(now).saturating_add(self.interval.saturating_mul(before))
    }
}

/// Things of many owners that wait for their turn: those of one in their order and at their pace, whatever others have.
#[derive(Debug)]
pub(super) struct Lanes<K, T> {
    lanes: HashMap<K, Lane<T>>,
    /// Things that may wait in one lane.
    waiting_max: usize,
}

#[derive(Debug)]
struct Lane<T> {
    pace: Pace,
    waiting: VecDeque<T>,
}

/// There is no room for another to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LaneFull {
    /// When there will be.
    pub(super) retry_after: Duration,
}

impl<K: Copy + Eq + Hash, T> Lanes<K, T> {
    pub(super) fn new(waiting_max: usize) -> Self {
        Self { lanes: HashMap::new(), waiting_max }
    }

    /// How long a thing of this owner would wait if it came now. Its lane is made if there is none.
    pub(super) fn expect(&mut self, owner: K, per_second: u32, now: Instant) -> Result<Duration, LaneFull> {
        let lane = self
            .lanes
            .entry(owner)
            .or_insert_with(|| Lane { pace: Pace::new(per_second), waiting: VecDeque::new() });
        if lane.waiting.len() >= self.waiting_max {
            return Err(LaneFull { retry_after: lane.pace.wait(now, 0) });
        }
        Ok(lane.pace.wait(now, lane.waiting.len()))
    }

    /// Lets a thing wait in its owner's lane, which there must be and have room; else it is given back.
    pub(super) fn push(&mut self, owner: K, thing: T) -> Result<(), T> {
        match self.lanes.get_mut(&owner) {
            Some(lane) if lane.waiting.len() < self.waiting_max => {
                lane.waiting.push_back(thing);
                Ok(())
            }
            Some(_) | None => Err(thing),
        }
    }

    /// Something whose turn has come. Lanes in which nobody waits and whose next turn is past are forgotten on the way.
    pub(super) fn next_due(&mut self, now: Instant) -> Option<T> {
        self.lanes.retain(|_, lane| !lane.waiting.is_empty() || lane.pace.turn(now) > now);
        let is_due = |lane: &&mut Lane<T>| !lane.waiting.is_empty() && lane.pace.turn(now) <= now;
        let lane = self.lanes.values_mut().find(is_due)?;
        lane.pace.take(now);
        lane.waiting.pop_front()
    }

    /// When somebody's turn comes next.
    pub(super) fn next_turn(&self, now: Instant) -> Option<Instant> {
        let waiting = self.lanes.values().filter(|lane| !lane.waiting.is_empty());
        waiting.map(|lane| lane.pace.turn(now)).min()
    }

    /// Takes out what waits and is wanted no more.
    pub(super) fn remove(&mut self, owner: K, is_it: impl FnMut(&T) -> bool) -> Option<T> {
        let lane = self.lanes.get_mut(&owner)?;
        let place = lane.waiting.iter().position(is_it)?;
        lane.waiting.remove(place)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Lets the time pass and writes down what was due when, in milliseconds.
    fn run(lanes: &mut Lanes<u8, u32>, began: Instant) -> Vec<(u128, u32)> {
        let (mut now, mut seen) = (began, Vec::new());
        loop {
            while let Some(thing) = lanes.next_due(now) {
                seen.push(((now - began).as_millis(), thing));
            }
            match lanes.next_turn(now) {
                Some(turn) => now = turn,
                None => return seen,
            }
        }
    }

    #[test]
    fn the_first_does_not_wait_and_each_after_it_does_a_little_longer() {
        let (began, mut lanes) = (Instant::now(), Lanes::new(3));
        for n in 0..3 {
            let expected = lanes.expect(1, 10, began).unwrap();
            assert_eq!(expected.as_millis(), u128::from(n) * 100);
            lanes.push(1, n).unwrap();
        }
        assert!(lanes.expect(1, 10, began).is_err());
        assert_eq!(lanes.push(1, 3), Err(3));
        // Another owner does not wait for this one.
        assert_eq!(lanes.expect(2, 10, began), Ok(Duration::ZERO));
        lanes.push(2, 9).unwrap();
        let mut seen = run(&mut lanes, began);
        seen.sort_unstable();
        assert_eq!(seen, [(0, 0), (0, 9), (100, 1), (200, 2)]);
        // Nothing is kept of those who have not called for a while.
        assert_eq!(lanes.next_due(began + Duration::from_secs(2)), None);
        assert!(lanes.lanes.is_empty());
    }

    #[test]
    fn what_is_taken_out_takes_no_turn() {
        let (began, mut lanes) = (Instant::now(), Lanes::new(9));
        lanes.expect(1, 1, began).unwrap();
        for n in 0..4 {
            lanes.push(1, n).unwrap();
        }
        assert_eq!(lanes.remove(1, |n| *n == 1), Some(1));
        assert_eq!(lanes.remove(1, |n| *n == 1), None);
        assert_eq!(run(&mut lanes, began), [(0, 0), (1_000, 2), (2_000, 3)]);
    }

    proptest! {
        #[test]
        fn no_second_has_more_turns_than_the_rate_and_nobody_is_overtaken(
            rate in 1u32..50, pauses in proptest::collection::vec(0u64..400, 1..60),
        ) {
            let began = Instant::now();
            let (mut now, mut lanes, mut seen) = (began, Lanes::new(1_000), Vec::new());
            for (n, pause) in pauses.iter().enumerate() {
                now += Duration::from_millis(*pause);
                lanes.expect(1u8, rate, now).unwrap();
                lanes.push(1, n).unwrap();
                while let Some(thing) = lanes.next_due(now) {
                    seen.push((now, thing));
                }
            }
            while let Some(turn) = lanes.next_turn(now) {
                now = turn;
                while let Some(thing) = lanes.next_due(now) {
                    seen.push((now, thing));
                }
            }
            prop_assert!(seen.iter().map(|(_, thing)| *thing).eq(0..pauses.len()));
            for (at, _) in &seen {
                let within = seen.iter().filter(|(other, _)| other >= at && *other < *at + Duration::from_secs(1));
                // One more by the rounding of the interval to nanoseconds.
                prop_assert!(within.count() <= rate as usize + 1);
            }
        }
    }
}
