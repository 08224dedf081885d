//! Whether it is worth while to wait for the packet after a lost one, because it holds a copy of it (RFC 6716 §2.1.7).
//!
//! On a clean line a packet is played as soon as it may be, and when it is missing the next one has not come yet. Where
//! packets get lost whose successors could mend it, the delay grows by one packet; when that has not happened for a
//! while, it shrinks again.

use super::media_time::MediaTime;

/// Loss of late, as far as copies could have mended it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Redundancy {
    /// Mendable losses, each of which counts less and less.
    score: f32,
    is_worth_waiting: bool,
    /// How long the last packet was.
    len: MediaTime,
}

/// In so much sound a loss comes to count a third: long enough to tell 1 % of loss from a single one.
const MEMORY: MediaTime = MediaTime::of_millis(4_000);

/// It begins to be worth while here: two losses in a row of a second or two, or 1 % for long.
const BEGIN: f32 = 1.8;

/// It ceases here: five seconds after what began it, or below 0.3 %.
const END: f32 = 0.5;

/// However much was lost, this is the most that is remembered: eight seconds after it, the delay shrinks.
const SCORE_MAX: f32 = 4.0;

impl Redundancy {
    /// The next packet came, `len` long. `mends` says whether the one before is missing, and in it.
    pub(super) fn note(&mut self, len: MediaTime, mends: bool) {
        self.len = len;
        if mends {
            self.score = (self.score + 1.0).min(SCORE_MAX);
        } else if self.score > 0.0 {
            self.score -= self.score * (len.0 as f32 / MEMORY.0 as f32);
        }
        self.is_worth_waiting = self.score > if self.is_worth_waiting { END } else { BEGIN };
    }

    /// One that was missing came after all.
    pub(super) fn take_back(&mut self) {
        self.score = (self.score - 1.0).max(0.0);
    }

    /// What is waited for the sake of copies, in nanoseconds.
    pub(super) const fn provision(&self) -> i64 {
        if self.is_worth_waiting { self.len.nanos() } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets in a second.
    const SECOND: u32 = 50;

    fn run(redundancy: &mut Redundancy, packets: u32, is_mended: impl Fn(u32) -> bool) {
        (0..packets).for_each(|n| redundancy.note(MediaTime::TICK, is_mended(n)));
    }

    #[test]
    fn a_single_loss_is_not_worth_a_longer_delay() {
        let mut redundancy = Redundancy::default();
        for _ in 0..10 {
            run(&mut redundancy, 10 * SECOND, |n| n == 7);
            assert_eq!(redundancy.provision(), 0);
        }
    }

    #[test]
    fn lasting_loss_is_and_for_a_while_after() {
        let mut redundancy = Redundancy::default();
        run(&mut redundancy, 3 * SECOND, |n| n % 20 == 19);
        assert_eq!(redundancy.provision(), 20_000_000);
        run(&mut redundancy, 60 * SECOND, |n| n % 20 == 19);
        run(&mut redundancy, 4 * SECOND, |_| false);
        assert_eq!(redundancy.provision(), 20_000_000);
        run(&mut redundancy, 5 * SECOND, |_| false);
        assert_eq!(redundancy.provision(), 0);
    }

    #[test]
    fn what_was_only_overtaken_does_not_count() {
        let mut redundancy = Redundancy::default();
        for n in 0..1_000 {
            redundancy.note(MediaTime::TICK, n % 10 == 0);
            if n % 10 == 0 {
                redundancy.take_back();
            }
        }
        assert_eq!(redundancy.provision(), 0);
    }
}
