//! What a media thread publishes of itself: written by it after each tick, read by whoever likes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use confab_media::{Counters, Discard};

/// Upper ends of the lateness histogram's buckets, in microseconds. The last, open one begins where a frame
/// is lost to a peer with a jitter buffer of one packet.
pub const LATENESS_BUCKETS_US: [u64; 9] = [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 20_000];

/// Numbers of one media thread.
#[derive(Debug, Default)]
pub struct WorkerStats {
    ticks: AtomicU64,
    received: AtomicU64,
    transmitted: AtomicU64,
    encoded: AtomicU64,
    limited: AtomicU64,
    digits_dropped: AtomicU64,
    discards: [AtomicU64; Discard::ALL.len()],
    legs: AtomicU64,
    conferences: AtomicU64,
    lateness: [AtomicU64; LATENESS_BUCKETS_US.len() + 1],
    lateness_sum_us: AtomicU64,
    caught_up: AtomicU64,
    skipped: AtomicU64,
    send_failed: AtomicU64,
    panics: AtomicU64,
}

/// Numbers of one media thread at a moment.
#[derive(Clone, Debug, Default)]
pub struct WorkerSnapshot {
    /// Engine counters.
    pub counters: Counters,
    /// Legs it holds.
    pub legs: u64,
    /// Conferences it holds.
    pub conferences: u64,
    /// Ticks by how late they began; not cumulative.
    pub lateness: [u64; LATENESS_BUCKETS_US.len() + 1],
    /// Sum of all ticks' lateness.
    pub lateness_sum_us: u64,
    /// Ticks made late, in a row, to catch up.
    pub caught_up: u64,
    /// Ticks that were never made because the thread was too late.
    pub skipped: u64,
    /// Datagrams that the kernel did not take.
    pub send_failed: u64,
    /// Times the thread panicked and was started again.
    pub panics: u64,
}

impl WorkerStats {
    pub(crate) fn publish(&self, counters: &Counters, (legs, conferences): (usize, usize)) {
        let set = |to: &AtomicU64, value| to.store(value, Ordering::Relaxed);
        set(&self.ticks, counters.ticks);
        set(&self.received, counters.received);
        set(&self.transmitted, counters.transmitted);
        set(&self.encoded, counters.encoded);
        set(&self.limited, counters.limited);
        set(&self.digits_dropped, counters.digits_dropped);
        for (to, &value) in self.discards.iter().zip(&counters.discards) {
            set(to, value);
        }
        set(&self.legs, legs as u64);
        set(&self.conferences, conferences as u64);
    }

    pub(crate) fn tick_late_by(&self, late: Duration) {
        let us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        let bucket = LATENESS_BUCKETS_US.partition_point(|&end| end < us);
        self.lateness[bucket].fetch_add(1, Ordering::Relaxed);
        self.lateness_sum_us.fetch_add(us, Ordering::Relaxed);
    }

    pub(crate) fn caught_up(&self) {
        self.caught_up.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn skipped(&self, ticks: u64) {
        self.skipped.fetch_add(ticks, Ordering::Relaxed);
    }

    pub(crate) fn send_failed(&self) {
        self.send_failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// The numbers now. Each is right; together they may be a tick apart.
    pub fn snapshot(&self) -> WorkerSnapshot {
        let get = |from: &AtomicU64| from.load(Ordering::Relaxed);
        let mut snapshot = WorkerSnapshot {
            counters: Counters {
                ticks: get(&self.ticks),
                received: get(&self.received),
                transmitted: get(&self.transmitted),
                encoded: get(&self.encoded),
                limited: get(&self.limited),
                digits_dropped: get(&self.digits_dropped),
                ..Counters::default()
            },
            legs: get(&self.legs),
            conferences: get(&self.conferences),
            lateness_sum_us: get(&self.lateness_sum_us),
            caught_up: get(&self.caught_up),
            skipped: get(&self.skipped),
            send_failed: get(&self.send_failed),
            panics: get(&self.panics),
            ..WorkerSnapshot::default()
        };
        for (to, from) in snapshot.counters.discards.iter_mut().zip(&self.discards) {
            *to = get(from);
        }
        for (to, from) in snapshot.lateness.iter_mut().zip(&self.lateness) {
            *to = get(from);
        }
        snapshot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_lands_in_its_bucket() {
        let stats = WorkerStats::default();
        for us in [0, 50, 51, 20_000, 20_001] {
            stats.tick_late_by(Duration::from_micros(us));
        }
        assert_eq!(stats.snapshot().lateness, [2, 1, 0, 0, 0, 0, 0, 0, 1, 1]);
    }
}
