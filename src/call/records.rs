//! A table of things that live, end, and are remembered for a while: calls, conferences.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;

/// Ended things that are remembered. A busy node's last hour or so; what must outlive the process belongs in a
/// store.
const ENDED_MAX: usize = 10_000;

/// Things by name, in the order they came.
#[derive(Debug)]
pub(super) struct Records<K, T> {
    by_name: HashMap<K, Record<T>>,
    by_age: BTreeMap<u64, K>,
    ended: VecDeque<K>,
    next: u64,
}

#[derive(Debug)]
struct Record<T> {
    number: u64,
    thing: T,
}

impl<K: Copy + Eq + Hash, T> Records<K, T> {
    pub(super) fn new() -> Self {
        Self { by_name: HashMap::new(), by_age: BTreeMap::new(), ended: VecDeque::new(), next: 0 }
    }

    pub(super) fn insert(&mut self, name: K, thing: T) {
        let number = self.next;
        self.next += 1;
        self.by_age.insert(number, name);
        self.by_name.insert(name, Record { number, thing });
    }

    /// Notes that the thing lives no longer. When too many are remembered, the one that ended first is forgotten.
    pub(super) fn end(&mut self, name: K) {
        self.ended.push_back(name);
        if self.ended.len() > ENDED_MAX
            && let Some(oldest) = self.ended.pop_front()
            && let Some(record) = self.by_name.remove(&oldest)
        {
            self.by_age.remove(&record.number);
        }
    }

    /// Forgets a thing that has ended.
    pub(super) fn remove(&mut self, name: K) {
        if let Some(record) = self.by_name.remove(&name) {
            self.by_age.remove(&record.number);
            self.ended.retain(|ended| *ended != name);
        }
    }

    pub(super) fn get(&self, name: K) -> Option<&T> {
        self.by_name.get(&name).map(|record| &record.thing)
    }

    pub(super) fn get_mut(&mut self, name: K) -> Option<&mut T> {
        self.by_name.get_mut(&name).map(|record| &mut record.thing)
    }

    /// Living and remembered, the newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &T> {
        self.by_age.values().rev().filter_map(|name| self.get(*name))
    }

    pub(super) fn living(&self) -> usize {
        self.by_name.len() - self.ended.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_to_end_is_forgotten_first_and_the_living_never() {
        let mut records = Records::new();
        for n in 0..ENDED_MAX + 10 {
            records.insert(n, n);
        }
        for n in 5..ENDED_MAX + 10 {
            records.end(n);
        }
        assert_eq!(records.living(), 5);
        assert!((0..5).all(|n| records.get(n).is_some()));
        assert!((5..10).all(|n| records.get(n).is_none()));
        assert_eq!(records.newest_first().next(), Some(&(ENDED_MAX + 9)));
        assert_eq!(records.newest_first().count(), ENDED_MAX + 5);
    }
}
