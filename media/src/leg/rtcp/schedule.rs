//! When reports are made (RFC 3550 §6.2, §6.3.1): every interval, spread between half and one and a half of it
//! so that the reports of many legs do not fall into one tick; the first after half as long.
//!
//! The RFC's reconsideration is left out: it calms groups of unknown size, and a leg has two ends.

use std::time::Duration;

use crate::time::Time;

#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    interval: Duration,
    random: u64,
    next: Option<Time>,
}

impl Schedule {
    pub(super) const fn new(interval: Duration, seed: u64) -> Self {
        Self { interval, random: seed, next: None }
    }

    /// Whether it is due, or would begin to be planned.
    pub(super) fn may_be_due(&self, now: Time) -> bool {
        self.next.is_none_or(|next| now >= next)
    }

    pub(super) fn is_due(&mut self, now: Time) -> bool {
        let next = match self.next {
            Some(next) => next,
            None => now + self.spread(self.interval / 2),
        };
        self.next = Some(next);
        now >= next
    }

    /// A report is made now.
    pub(super) fn reported(&mut self, now: Time) {
        self.next = Some(now + self.spread(self.interval));
    }

    /// Between half of `interval` and one and a half.
    fn spread(&mut self, interval: Duration) -> Duration {
        // SplitMix64: a counter, stirred. It need not be unpredictable.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.random;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let part = (x >> 32) as u32;
        interval / 2 + interval.mul_f64(f64::from(part) / f64::from(u32::MAX))
    }
}
