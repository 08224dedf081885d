//! Which sequence numbers have come: tells newer, older, double and unbelievable packets apart (RFC
//! 3550 appendix A.1) and remembers enough to say later which are missing.

use crate::rtp::SequenceNumber;

/// What a packet's sequence number says, seen from those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// After all before it, perhaps with a gap.
    Newer,
    /// Before the newest, and not seen yet.
    Older,
    /// Seen already.
    Duplicate,
    /// Far from the rest, and alone so far.
    Unbelieved,
    /// Far from the rest, and the second in a row: the sender counts from somewhere else now.
    Restarted,
}

/// The sequence numbers of one source.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Arrivals {
    newest: Option<SequenceNumber>,
    /// Bit n: the number n before the newest has come.
    seen: u64,
    /// What must come next for a jump to be believed.
    expected_after_jump: Option<SequenceNumber>,
}

impl Arrivals {
    /// Takes note of one packet.
    pub(super) fn observe(&mut self, number: SequenceNumber) -> Order {
        let Some(newest) = self.newest else {
            self.restart(number);
            return Order::Newer;
        };
        match Relation::of(number, newest) {
            Relation::Ahead(steps) => {
                self.advance(number, steps);
                Order::Newer
            }
            Relation::Behind(steps) if self.has_seen(steps) => Order::Duplicate,
            Relation::Behind(steps) => {
                self.mark(steps);
                Order::Older
            }
            Relation::Elsewhere if self.expected_after_jump == Some(number) => {
                self.restart(number);
                Order::Restarted
            }
            Relation::Elsewhere => {
                self.expected_after_jump = Some(number.next());
                Order::Unbelieved
            }
        }
    }

    /// Takes note of a packet that used up a number of this source but carries no sound to play. One
    /// that cannot be placed is ignored.
    pub(super) fn note(&mut self, number: SequenceNumber) {
        let Some(newest) = self.newest else {
            return;
        };
        match Relation::of(number, newest) {
            Relation::Ahead(steps) => self.advance(number, steps),
            Relation::Behind(steps) => self.mark(steps),
            Relation::Elsewhere => (),
        }
    }

    /// How many of the numbers between the two have not come. Both ends are left out.
    pub(super) fn missing_between(&self, first: SequenceNumber, last: SequenceNumber) -> u64 {
        let between = u64::try_from(last.distance_from(first)).unwrap_or(0);
        let mut missing = between.saturating_sub(1);
        let Some(newest) = self.newest else {
            return missing;
        };
        let mut number = last.previous();
        // What lies beyond the memory was not seen within it, so it is missing.
        for _ in 0..missing.min(u64::from(u64::BITS)) {
            let behind = newest.0.wrapping_sub(number.0);
            missing -= u64::from(self.has_seen(behind));
            number = number.previous();
        }
        missing
    }

    /// Whether the number before the newest has not come.
    pub(super) fn lack_the_last_but_one(&self) -> bool {
        self.newest.is_some() && !self.has_seen(1)
    }

    /// Whether something came after `number`, and all up to the newest.
    pub(super) fn are_complete_after(&self, number: SequenceNumber) -> bool {
        self.newest.is_some_and(|newest| newest.is_after(number) && self.missing_between(number, newest) == 0)
    }

    fn restart(&mut self, number: SequenceNumber) {
        self.newest = Some(number);
        self.seen = 1;
        self.expected_after_jump = None;
    }

    fn advance(&mut self, number: SequenceNumber, steps: u16) {
        self.newest = Some(number);
        self.seen = self.seen.checked_shl(u32::from(steps)).unwrap_or(0) | 1;
        self.expected_after_jump = None;
    }

    fn has_seen(&self, behind: u16) -> bool {
        self.seen.checked_shr(u32::from(behind)).unwrap_or(0) & 1 != 0
    }

    fn mark(&mut self, behind: u16) {
        self.seen |= 1u64.checked_shl(u32::from(behind)).unwrap_or(0);
    }
}

/// Numbers that were skipped and still believed: a minute of 20 ms packets (RFC 3550 A.1,
/// `MAX_DROPOUT`).
const DROPOUT_MAX: u16 = 3_000;

/// How far a packet may be overtaken (RFC 3550 A.1, `MAX_MISORDER`).
const MISORDER_MAX: u16 = 100;

enum Relation {
    Ahead(u16),
    Behind(u16),
    Elsewhere,
}

impl Relation {
    fn of(number: SequenceNumber, newest: SequenceNumber) -> Self {
        let ahead = number.0.wrapping_sub(newest.0);
        let behind = ahead.wrapping_neg();
        if behind < MISORDER_MAX {
            Self::Behind(behind)
        } else if ahead < DROPOUT_MAX {
            Self::Ahead(ahead)
        } else {
            Self::Elsewhere
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(numbers: &[u16]) -> (Arrivals, Vec<Order>) {
        let mut arrivals = Arrivals::default();
        let orders = numbers.iter().map(|&n| arrivals.observe(SequenceNumber(n))).collect();
        (arrivals, orders)
    }

    #[test]
    fn newer_older_and_double_are_told_apart_across_the_wrap() {
        use Order::{Duplicate, Newer, Older};
        let (_, orders) = observed(&[65_534, 0, 65_535, 65_535, 0, 1, 65_534]);
        assert_eq!(orders, [Newer, Newer, Older, Duplicate, Duplicate, Newer, Duplicate]);
    }

    #[test]
    fn a_jump_is_believed_when_it_comes_twice_in_a_row() {
        use Order::{Newer, Restarted, Unbelieved};
        let (_, orders) = observed(&[10, 30_000, 11, 30_001, 30_002, 30_003]);
        assert_eq!(orders, [Newer, Unbelieved, Newer, Unbelieved, Restarted, Newer]);
    }

    #[test]
    fn missing_numbers_are_counted_and_noted_ones_are_not() {
        let (mut arrivals, _) = observed(&[100, 103, 110]);
        arrivals.note(SequenceNumber(105));
        let missing = |a, b| arrivals.missing_between(SequenceNumber(a), SequenceNumber(b));
        assert_eq!(missing(100, 103), 2);
        assert_eq!(missing(103, 110), 5);
        assert_eq!(missing(103, 104), 0);
        assert_eq!(missing(104, 103), 0);
        let complete = |n| arrivals.are_complete_after(SequenceNumber(n));
        assert!(!complete(104) && !complete(110) && complete(109));
        let (arrivals, _) = observed(&[65_000, 200]);
        assert_eq!(arrivals.missing_between(SequenceNumber(65_000), SequenceNumber(200)), 735);
    }
}
