//! Packets on the way through a network that is made up: they wait here, off their legs, until it is their time to leave.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Packets on the way for one leg: 2 s of them and as many duplicates, more than any network that the command line
/// lets through holds. When the line is full the newest is dropped.
const WAITING_PER_LEG: usize = 256;

/// Where a leg sits on its thread: its slot, and its place there.
pub(super) type Seat = (usize, usize);

/// The packets of one thread that wait.
#[derive(Debug)]
pub(super) struct DelayLine {
    waiting: BinaryHeap<Reverse<Waiting>>,
    room: usize,
    taken: u64,
}

/// One packet that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) due_ns: i64,
    /// Of two that are due at once, the one that came first leaves first.
    number: u64,
    pub(super) seat: Seat,
    pub(super) packet: Box<[u8]>,
}

impl DelayLine {
    /// Room for the packets of so many legs.
    pub(super) fn new(legs: usize) -> Self {
        Self { waiting: BinaryHeap::new(), room: legs * WAITING_PER_LEG, taken: 0 }
    }

    /// Lets a packet wait until then. Says whether there was room.
    pub(super) fn put(&mut self, due_ns: i64, seat: Seat, packet: &[u8]) -> bool {
        if self.waiting.len() >= self.room {
            return false;
        }
        self.taken += 1;
        self.waiting.push(Reverse(Waiting { due_ns, number: self.taken, seat, packet: packet.into() }));
        true
    }

    /// The next packet whose time has come.
    pub(super) fn take_due(&mut self, now_ns: i64) -> Option<Waiting> {
        if self.waiting.peek()?.0.due_ns > now_ns {
            return None;
        }
        self.waiting.pop().map(|Reverse(waiting)| waiting)
    }
}

impl Waiting {
    fn key(&self) -> (i64, u64) {
        (self.due_ns, self.number)
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Waiting {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_leave_in_the_order_of_their_times_and_not_before() {
        let mut line = DelayLine::new(1);
        for (due, name) in [(30, b"c"), (10, b"a"), (20, b"b"), (10, b"d")] {
            assert!(line.put(due, (0, 0), name));
        }
        let mut left = |now| -> Vec<u8> {
            std::iter::from_fn(|| line.take_due(now)).map(|waiting| waiting.packet[0]).collect()
        };
        assert_eq!(left(9), b"");
        assert_eq!(left(20), b"adb");
        assert_eq!(left(100), b"c");
    }

    #[test]
    fn a_full_line_drops_the_newest() {
        let mut line = DelayLine::new(1);
        let taken = (0..1_000).filter(|n| line.put(*n, (0, 0), b"x")).count();
        assert_eq!(taken, WAITING_PER_LEG);
        assert!(line.take_due(0).is_some() && line.put(5, (0, 0), b"x"));
    }
}
