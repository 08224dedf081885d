//! Guests: legs that live on this thread, while their browsers come to another thread's port. This thread looks at that port
//! too, just before its tick, so that nothing waits for the other thread's: what is of a guest it takes, and all else goes to
//! whose port it is.
//!
//! Where a guest's far end is the port's owner tells, with each of the browser's checks. What it told is good for as long as
//! the owner itself keeps a source from everybody else, so the two cannot take the same source for different legs.

use std::net::SocketAddr;

use confab_media::ice::CONSENT;
use confab_media::{IdMap, LegId, Time, id_map};

use super::WorkerIndex;
use super::browser_port::BrowserPort;

/// One thread's guests.
pub(super) struct Guests {
    /// Of all threads.
    ports: Vec<BrowserPort>,
    by_leg: IdMap<LegId, Guest>,
    /// By whose port, and where they come from.
    by_far_end: IdMap<(WorkerIndex, SocketAddr), Found>,
    /// How many guests have been found, by whose port.
    found: Vec<usize>,
}

struct Guest {
    /// Whose port.
    home: WorkerIndex,
    far_end: Option<SocketAddr>,
}

/// Somebody's far end.
struct Found {
    leg: LegId,
    told_at: Time,
}

impl Guests {
    /// Room for so many.
    pub(super) fn new(ports: Vec<BrowserPort>, legs_max: usize) -> Self {
        let found = vec![0; ports.len()];
        Self { ports, by_leg: id_map(legs_max), by_far_end: id_map(legs_max), found }
    }

    /// A leg lives here from now on whose browser comes to that port.
    pub(super) fn arrives(&mut self, leg: LegId, port: &BrowserPort) {
        if let Some(home) = self.ports.iter().position(|other| other.is(port)) {
            self.leaves(leg);
            self.by_leg.insert(leg, Guest { home, far_end: None });
        }
    }

    /// A leg lives here no more, or never did.
    pub(super) fn leaves(&mut self, leg: LegId) {
        let Some(Guest { home, far_end: Some(far_end) }) = self.by_leg.remove(&leg) else {
            return;
        };
        self.found[home] -= 1;
        self.forget(leg, (home, far_end));
    }

    /// All of them are gone.
    pub(super) fn all_leave(&mut self) {
        self.by_leg.clear();
        self.by_far_end.clear();
        self.found.fill(0);
    }

    /// The port's owner says where a leg's far end is.
    pub(super) fn is_at(&mut self, leg: LegId, far_end: SocketAddr, now: Time) {
        // Said of one who has just left.
        let Some(guest) = self.by_leg.get_mut(&leg) else {
            return;
        };
        let home = guest.home;
        match guest.far_end.replace(far_end) {
            None => self.found[home] += 1,
            Some(before) if before != far_end => self.forget(leg, (home, before)),
            Some(_) => {}
        }
        self.by_far_end.insert((home, far_end), Found { leg, told_at: now });
    }

    /// It may be another's by now.
    fn forget(&mut self, leg: LegId, far_end: (WorkerIndex, SocketAddr)) {
        if self.by_far_end.get(&far_end).is_some_and(|found| found.leg == leg) {
            self.by_far_end.remove(&far_end);
        }
    }

    /// The ports that guests come to, with whose they are.
    pub(super) fn ports(&self) -> impl Iterator<Item = (WorkerIndex, &BrowserPort)> {
        self.ports.iter().enumerate().filter(|(home, _)| self.found[*home] > 0)
    }

    /// Of whom a datagram is that came to that thread's port. Of nobody, if it is not sound: the port's owner tells what a
    /// browser says of itself (RFC 7983 §7).
    pub(super) fn whose(
        &self,
        home: WorkerIndex,
        source: SocketAddr,
        payload: &[u8],
        now: Time,
    ) -> Option<LegId> {
        let found = self.by_far_end.get(&(home, source)).filter(|_| matches!(payload, [128..=191, ..]))?;
        (now.since(found.told_at) < CONSENT).then_some(found.leg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &[u8] = &[128, 0];
    const LEG: LegId = LegId(7);

    /// The guests of the first thread of two, and the ports.
    fn guests() -> (Guests, Vec<BrowserPort>) {
        let port = || BrowserPort::bind([127, 0, 0, 1].into(), 0).unwrap();
        let ports = vec![port(), port()];
        (Guests::new(ports.clone(), 4), ports)
    }

    /// Whose ports are looked at.
    fn homes(guests: &Guests) -> Vec<WorkerIndex> {
        guests.ports().map(|(home, _)| home).collect()
    }

    fn source(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds * 1_000)
    }

    #[test]
    fn only_sound_from_where_the_owner_of_the_port_said_is_a_guests() {
        let (mut guests, ports) = guests();
        guests.arrives(LEG, &ports[1]);
        assert!(homes(&guests).is_empty());
        guests.is_at(LEG, source(1), at(0));
        assert_eq!(homes(&guests), [1]);
        assert_eq!(guests.whose(1, source(1), SOUND, at(1)), Some(LEG));
        for (home, from, payload) in [
            (0, source(1), SOUND),
            (1, source(2), SOUND),
            // A check, and a handshake.
            (1, source(1), &[0, 1]),
            (1, source(1), &[22, 1]),
            (1, source(1), &[]),
        ] {
            assert_eq!(guests.whose(home, from, payload, at(1)), None, "{home} {from} {payload:?}");
        }
    }

    #[test]
    fn who_goes_to_another_network_is_known_only_there() {
        let (mut guests, ports) = guests();
        guests.arrives(LEG, &ports[1]);
        guests.is_at(LEG, source(1), at(0));
        guests.is_at(LEG, source(2), at(1));
        assert_eq!(guests.whose(1, source(1), SOUND, at(2)), None);
        assert_eq!(guests.whose(1, source(2), SOUND, at(2)), Some(LEG));
    }

    #[test]
    fn what_was_said_of_one_who_has_left_or_before_they_came_is_not_kept() {
        let (mut guests, ports) = guests();
        guests.is_at(LEG, source(1), at(0));
        guests.arrives(LEG, &ports[1]);
        assert_eq!(guests.whose(1, source(1), SOUND, at(0)), None);
        guests.is_at(LEG, source(1), at(0));
        guests.leaves(LEG);
        guests.is_at(LEG, source(1), at(0));
        assert_eq!(guests.whose(1, source(1), SOUND, at(0)), None);
        assert!(homes(&guests).is_empty());
    }

    #[test]
    fn a_source_is_given_up_when_its_owner_may_give_it_to_another() {
        let (mut guests, ports) = guests();
        guests.arrives(LEG, &ports[1]);
        guests.is_at(LEG, source(1), at(0));
        assert_eq!(guests.whose(1, source(1), SOUND, at(29)), Some(LEG));
        assert_eq!(guests.whose(1, source(1), SOUND, at(30)), None);
        guests.is_at(LEG, source(1), at(31));
        assert_eq!(guests.whose(1, source(1), SOUND, at(31)), Some(LEG));
    }

    #[test]
    fn one_who_leaves_does_not_take_along_a_source_that_is_anothers_by_now() {
        let (mut guests, ports) = guests();
        for leg in [LEG, LegId(8)] {
            guests.arrives(leg, &ports[1]);
            guests.is_at(leg, source(1), at(0));
        }
        guests.leaves(LEG);
        assert_eq!(guests.whose(1, source(1), SOUND, at(0)), Some(LegId(8)));
        guests.all_leave();
        assert_eq!(guests.whose(1, source(1), SOUND, at(0)), None);
        assert!(homes(&guests).is_empty());
    }
}
