//! Who guesses passwords: an address that fails too often, and a user for whom it fails too often, are not asked any more
//! for a while. Nothing is remembered of those who do not fail.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::time::Duration;

/// How often one may fail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// At once.
    pub(super) burst: u32,
    /// After that, one failure for each such time.
    pub(super) every: Duration,
}

/// Names that are remembered at a time. When one more fails, one that failed least recently is forgotten.
const REMEMBERED: usize = 8_192;

/// Names that share one hash. Looking through eight is as good as free, and it bounds what a flood of names costs.
const WAYS: usize = 8;

/// Counts failures by name.
#[derive(Debug)]
pub(super) struct Failures {
    patience: Patience,
    slots: Vec<Option<Slot>>,
    hasher: RandomState,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    name: u64,
    /// When all failures will be forgotten.
    forgotten_at: Duration,
}

impl Failures {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, slots: vec![None; REMEMBERED], hasher: RandomState::new() }
    }

    /// Whether one who has failed so far may try once more.
    pub(super) fn may_try(&self, name: &impl Hash, now: Duration) -> bool {
        let name = self.hasher.hash_one(name);
        let slots = &self.slots[self.set(name)..][..WAYS];
        let slot = slots.iter().flatten().find(|slot| slot.name == name);
        slot.is_none_or(|slot| {
            slot.forgotten_at.saturating_sub(now) + self.patience.every
                <= self.patience.every * self.patience.burst
        })
    }

    /// Remembers a failure.
    pub(super) fn failed(&mut self, name: &impl Hash, now: Duration) {
        let name = self.hasher.hash_one(name);
        let set = self.set(name);
        let slots = &mut self.slots[set..][..WAYS];
        let known = slots.iter().position(|slot| slot.is_some_and(|slot| slot.name == name));
        let forgotten_at = |at: usize| slots[at].map(|slot| slot.forgotten_at);
        let at = known.unwrap_or_else(|| (0..WAYS).min_by_key(|&at| forgotten_at(at)).unwrap_or(0));
        let since = known.and_then(forgotten_at).unwrap_or(now).max(now);
        slots[at] = Some(Slot { name, forgotten_at: since + self.patience.every });
    }

    const fn set(&self, name: u64) -> usize {
        (name as usize % (REMEMBERED / WAYS)) * WAYS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience { burst: 3, every: Duration::from_secs(10) };

    #[test]
    fn who_fails_too_often_must_wait_and_nobody_else() {
        let (mut failures, mut now) = (Failures::new(PATIENCE), Duration::from_secs(100));
        for _ in 0..3 {
            assert!(failures.may_try(&"mallory", now));
            failures.failed(&"mallory", now);
        }
        assert!(!failures.may_try(&"mallory", now));
        assert!(failures.may_try(&"alice", now));
        now += Duration::from_millis(10_001);
        assert!(failures.may_try(&"mallory", now));
        failures.failed(&"mallory", now);
        assert!(!failures.may_try(&"mallory", now));
        assert!(failures.may_try(&"mallory", now + Duration::from_secs(60)));
    }

    #[test]
    fn a_flood_of_names_takes_no_more_room() {
        let (mut failures, now) = (Failures::new(PATIENCE), Duration::ZERO);
        for name in 0..100_000 {
            failures.failed(&name, now);
        }
        assert_eq!(failures.slots.len(), REMEMBERED);
    }
}
