//! The legs of one engine: a table that is as long at the start as it may become, and the lists of those
//! that have something to send or to report.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::costs::{TickCosts, TickTimes};
use crate::event::{Event, Refusal};
use crate::id::LegId;
use crate::leg::{Capture, Leg};
use crate::playout::PlayoutCounters;
use crate::time::Time;
use crate::transmit::Transmit;

/// A place in the table. It is only ever used while the leg it was given for is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LegIndex(u32);

#[cfg(test)]
impl LegIndex {
    pub(crate) const fn for_test(index: u32) -> Self {
        Self(index)
    }
}

pub(crate) struct Legs {
    slots: Vec<Option<Box<Leg>>>,
    free: Vec<u32>,
    by_id: IdMap<LegId, LegIndex>,
    /// Legs in no conference.
    unseated: Vec<LegIndex>,
    /// Legs with a packet of this tick, in the order in which they were given it.
    to_send: Vec<LegIndex>,
    sent: usize,
    /// Datagrams of the next leg that were fetched.
    sent_of_leg: usize,
    /// Legs with events.
    to_report: Vec<LegIndex>,
    /// Legs whose captures have ended and were not fetched. Each is here once.
    captured: Vec<LegIndex>,
    costs: TickCosts,
    /// What the legs' receive buffers have counted.
    playout: PlayoutCounters,
}

impl Legs {
    pub(crate) fn new(capacity: usize) -> Self {
        let capacity = u32::try_from(capacity).unwrap_or(u32::MAX);
        Self {
            slots: (0..capacity).map(|_| None).collect(),
            // The lowest places are used first: short walks while there are few legs.
            free: (0..capacity).rev().collect(),
            by_id: id_map(capacity as usize),
            unseated: Vec::with_capacity(capacity as usize),
            to_send: Vec::with_capacity(capacity as usize),
            sent: 0,
            sent_of_leg: 0,
            to_report: Vec::with_capacity(capacity as usize),
            captured: Vec::with_capacity(capacity as usize),
            costs: TickCosts::default(),
            playout: PlayoutCounters::default(),
        }
    }

    pub(crate) fn add(&mut self, mut leg: Box<Leg>, now: Time) -> Result<LegIndex, (Box<Leg>, Refusal)> {
        if self.by_id.contains_key(&leg.id()) {
            return Err((leg, Refusal::Exists));
        }
        let Some(slot) = self.free.pop() else {
            return Err((leg, Refusal::EngineFull));
        };
        let index = LegIndex(slot);
        self.by_id.insert(leg.id(), index);
        leg.arrive(now);
        self.slots[slot as usize] = Some(leg);
        self.unseated.push(index);
        Ok(index)
    }

    pub(crate) fn remove(&mut self, id: LegId) -> Option<Box<Leg>> {
        let index = self.by_id.remove(&id)?;
        self.unseated.retain(|&i| i != index);
        self.to_report.retain(|&i| i != index);
        self.captured.retain(|&i| i != index);
        if let Some(place) = self.to_send.iter().position(|&i| i == index) {
            self.to_send.remove(place);
            // Whoever is next to be fetched stays next, whether this one was fetched or not.
            if place == self.sent {
                self.sent_of_leg = 0;
            }
            self.sent -= usize::from(place < self.sent);
        }
        let mut leg = self.slots[index.0 as usize].take();
        self.free.push(index.0);
        if let Some(leg) = &mut leg {
            leg.take_counts(&mut self.playout);
        }
        leg
    }

    pub(crate) fn index(&self, id: LegId) -> Option<LegIndex> {
        self.by_id.get(&id).copied()
    }

    /// The leg at `index`, which must be taken: an index lives no longer than its leg.
    pub(crate) fn at(&mut self, index: LegIndex) -> &mut Leg {
        self.slots[index.0 as usize].as_mut().expect("an index is dropped with its leg")
    }

    /// Has fetched of a leg what its next key needs.
    pub(crate) fn fetch_presses(&self, index: LegIndex) {
        if let Some(leg) = self.slots.get(index.0 as usize).and_then(Option::as_deref) {
            leg.fetch_presses();
        }
    }

    /// Has fetched what will be needed of one leg itself, and of another, which was asked for before, what it points to.
    pub(crate) fn fetch_ahead(&self, itself: Option<LegIndex>, beyond: Option<LegIndex>) {
        let leg = |index: LegIndex| self.slots.get(index.0 as usize).and_then(Option::as_deref);
        if let Some(itself) = itself.and_then(leg) {
            itself.fetch_ahead();
        }
        if let Some(beyond) = beyond.and_then(leg) {
            beyond.fetch_beyond();
        }
    }

    pub(crate) fn get(&mut self, id: LegId) -> Option<&mut Leg> {
        let index = self.index(id)?;
        Some(self.at(index))
    }

    /// Notes that the leg has taken a seat, or left it.
    pub(crate) fn set_seated(&mut self, index: LegIndex, seated: bool) {
        self.unseated.retain(|&i| i != index);
        if !seated {
            self.unseated.push(index);
        }
    }

    /// The `n`th leg without a seat.
    pub(crate) fn unseated(&self, n: usize) -> Option<LegIndex> {
        self.unseated.get(n).copied()
    }

    /// Forgets the packets of the tick before.
    pub(crate) fn begin_tick(&mut self) {
        self.to_send.clear();
        (self.sent, self.sent_of_leg) = (0, 0);
    }

    /// Notes that the leg's part in this tick is done.
    pub(crate) fn done(&mut self, index: LegIndex) {
        let leg = self.slots[index.0 as usize].as_mut().expect("an index is dropped with its leg");
        if leg.observe(self.to_send.len(), &self.costs) {
            leg.take_counts(&mut self.playout);
        }
        if leg.has_datagrams() {
            self.to_send.push(index);
        } else {
            leg.was_sent();
        }
        if leg.has_ended_capture() && !self.captured.contains(&index) {
            self.captured.push(index);
        }
        self.list_events(index);
    }

    /// The next capture that has ended.
    pub(crate) fn take_ended_capture(&mut self) -> Option<Box<Capture>> {
        while let Some(index) = self.captured.pop() {
            if let Some(capture) = self.at(index).take_ended_capture() {
                return Some(capture);
            }
        }
        None
    }

    /// Takes in what the tick before took, in which so many datagrams were sent.
    pub(crate) fn note_times(&mut self, times: TickTimes, datagrams: u64) {
        self.costs.note(times, datagrams);
    }

    /// What the legs' receive buffers have counted.
    pub(crate) const fn playout(&self) -> PlayoutCounters {
        self.playout
    }

    /// Puts the leg on the list of those with events, if it has any.
    pub(crate) fn list_events(&mut self, index: LegIndex) {
        let leg = self.at(index);
        if leg.has_events() && !leg.listed {
            leg.listed = true;
            self.to_report.push(index);
        }
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        loop {
            let index = *self.to_send.get(self.sent)?;
            let nth = self.sent_of_leg;
            if nth == 0 {
                self.fetch_to_send();
            }
            let leg = self.slots[index.0 as usize].as_ref();
            if leg.is_some_and(|leg| leg.transmit(nth).is_some()) {
                self.sent_of_leg += 1;
                return self.slots[index.0 as usize].as_ref().and_then(|leg| leg.transmit(nth));
            }
            self.at(index).was_sent();
            self.sent += 1;
            self.sent_of_leg = 0;
        }
    }

    /// Has fetched what is sent soon.
    fn fetch_to_send(&self) {
        let ahead = |n: usize| {
            let index = self.to_send.get(self.sent + n)?;
            self.slots.get(index.0 as usize)?.as_deref()
        };
        if let Some(leg) = ahead(2) {
            leg.fetch_destination();
        }
        if let Some(leg) = ahead(1) {
            leg.fetch_datagrams();
        }
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        while let Some(&index) = self.to_report.last() {
            let leg = self.at(index);
            if let Some(event) = leg.take_event() {
                return Some(Event::Leg { leg: leg.id(), event });
            }
            leg.listed = false;
            self.to_report.pop();
        }
        None
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }
}

/// A map from ids to places. The ids are counted up by the control side and nobody outside chooses them, so they need not be
/// spread: ids that follow each other lie beside each other, and who goes through many legs finds them near by. What is made of
/// several parts, as an address is, is spread.
pub type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// A map for so many. Twice the room: one at its capacity would have to be rebuilt when ids come and go.
pub fn id_map<K, V>(capacity: usize) -> IdMap<K, V> {
    IdMap::with_capacity_and_hasher(capacity * 2, BuildHasherDefault::default())
}

/// Leaves ids that are counted up as they are, and spreads what comes in parts.
#[derive(Debug, Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        // The standard library's tables choose the place by the lowest bits, and tell what else lies there by the highest seven.
        self.0 ^ (self.0 << 57)
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        // 2^64 divided by the golden ratio (Knuth, TAOCP vol. 3 §6.4). Of nothing it leaves nothing.
        let mixed = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32) ^ id;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::BuildHasher;
    use std::net::SocketAddr;

    use super::*;

    /// Of a table for a thousand.
    fn place(key: impl std::hash::Hash) -> u64 {
        BuildHasherDefault::<IdHasher>::default().hash_one(key) % 2_048
    }

    #[test]
    fn ids_that_follow_each_other_lie_side_by_side() {
        assert!((1_000..1_500).all(|id| place(LegId(id + 1)) == (place(LegId(id)) + 1) % 2_048));
    }

    #[test]
    fn addresses_lie_apart_whichever_part_of_them_differs() {
        let apart = |addresses: Vec<SocketAddr>| {
            let places: HashSet<u64> = addresses.iter().map(|address| place((3_usize, address))).collect();
            // Of so many thrown at random some 790 hit a place of their own first.
            assert!(places.len() > 700, "{} places for {}", places.len(), addresses[0]);
        };
        apart((0..1_000).map(|n| SocketAddr::from(([192, 0, 2, 1], 10_000 + n))).collect());
        apart((0..1_000_u16).map(|n| SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 4_000))).collect());
        apart((0..1_000).map(|n| SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, n, 1], 4_000))).collect());
    }
}
