//! Who must hear whom, and what music, after what was asked of the node. Pure: it knows seats and places and nothing of
//! packets, requests or time.

use std::collections::{BTreeMap, BTreeSet};

/// Somebody on the floor, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Who(pub(super) usize);

/// A conference, or the line between two whom a queue has brought together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Spot(pub(super) usize);

/// What somebody hears instead of people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Music {
    /// Of those on hold.
    Hold,
    /// Of those who wait in a queue.
    Wait,
}

/// One thing that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Calls, and is alone or in a conference.
    Dial {
        who: Who,
        into: Option<Spot>,
    },
    /// Hangs up.
    HangUp(Who),
    /// Goes to a conference, from wherever they are; a monitor is silent there from the first moment.
    Enter {
        who: Who,
        spot: Spot,
        monitors: bool,
    },
    /// Goes where nobody is.
    Park(Who),
    /// Is removed from the conference, and alone.
    Kick(Who),
    Mute {
        who: Who,
        on: bool,
    },
    Hold {
        who: Who,
        on: bool,
    },
    /// Is heard by one agent alone.
    Coach {
        who: Who,
        whom: Who,
    },
    /// Is heard by all.
    Barge(Who),
    /// Is heard by nobody.
    Monitor(Who),
    /// Waits in a queue.
    Wait(Who),
    /// Takes the caller out of the queue: both are on a line of their own.
    Serve {
        agent: Who,
        caller: Who,
        spot: Spot,
    },
    /// Leaves the caller from the queue; both are alone.
    Release {
        agent: Who,
        caller: Who,
    },
}

/// Where somebody is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// Not on the line.
    #[default]
    Away,
    /// Where nobody else is.
    Alone,
    In(Spot),
    /// In a queue.
    Waiting,
}

/// Whom a supervisor whispers to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Whisper {
    #[default]
    No,
    To(Who),
    /// To one who has left.
    ToNobody,
}

/// One participant as the node was asked to have them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) place: Place,
    pub(super) muted: bool,
    /// Muted, as a supervisor who listens in.
    pub(super) monitors: bool,
    pub(super) held: bool,
    pub(super) whisper: Whisper,
}

/// What somebody must hear: these people, or this music, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hearing {
    pub(super) people: Vec<Who>,
    pub(super) music: Option<Music>,
}

/// Everybody's seat.
#[derive(Clone, Debug)]
pub(super) struct Floor {
    seats: Vec<Seat>,
    spots: BTreeMap<Spot, BTreeSet<Who>>,
}

impl Floor {
    /// So many people, all of them away.
    pub(super) fn new(people: usize) -> Self {
        Self { seats: vec![Seat::default(); people], spots: BTreeMap::new() }
    }

    pub(super) fn seat(&self, who: Who) -> Seat {
        self.seats[who.0]
    }

    /// Does what was asked, and says whose hearing that may have changed.
    pub(super) fn apply(&mut self, act: Act) -> BTreeSet<Who> {
        let subjects = act.subjects();
        let mut touched: BTreeSet<Who> = subjects.iter().flat_map(|who| self.around(*who)).collect();
        match act {
            Act::Dial { who, into } => self.put(who, into.map_or(Place::Alone, Place::In)),
            Act::HangUp(who) => self.put(who, Place::Away),
            Act::Park(who) | Act::Kick(who) => self.put(who, Place::Alone),
            Act::Wait(who) => self.put(who, Place::Waiting),
            Act::Enter { who, spot, monitors } => {
                self.put(who, Place::In(spot));
                self.seats[who.0].monitors = monitors;
                self.seats[who.0].muted = monitors;
            }
            Act::Serve { agent, caller, spot } => {
                self.put(agent, Place::In(spot));
                self.put(caller, Place::In(spot));
            }
            Act::Release { agent, caller } => {
                self.put(agent, Place::Alone);
                self.put(caller, Place::Alone);
            }
            Act::Mute { who, on } => self.seats[who.0].muted = on,
            Act::Hold { who, on } => self.seats[who.0].held = on,
            Act::Coach { who, whom } => self.supervise(who, false, Whisper::To(whom)),
            Act::Barge(who) => self.supervise(who, false, Whisper::No),
            Act::Monitor(who) => self.supervise(who, true, Whisper::No),
        }
        touched.extend(subjects.iter().flat_map(|who| self.around(*who)));
        touched
    }

    /// What somebody must hear now.
    pub(super) fn hearing(&self, listener: Who) -> Hearing {
        let seat = self.seat(listener);
        let people = |spot: &Spot| {
            let there = self.spots.get(spot).into_iter().flatten().copied();
            there.filter(|who| *who != listener && self.is_heard(*who, listener)).collect()
        };
        match seat.place {
            Place::Away | Place::Alone => Hearing::default(),
            Place::Waiting => Hearing { music: Some(Music::Wait), ..Hearing::default() },
            Place::In(_) if seat.held => Hearing { music: Some(Music::Hold), ..Hearing::default() },
            Place::In(spot) => Hearing { people: people(&spot), music: None },
        }
    }

    fn is_heard(&self, who: Who, listener: Who) -> bool {
        let seat = self.seat(who);
        let reaches = match seat.whisper {
            Whisper::No => true,
            Whisper::To(whom) => whom == listener,
            Whisper::ToNobody => false,
        };
        reaches && !seat.muted && !seat.held
    }

    /// Who is where somebody is, themselves included.
    fn around(&self, who: Who) -> BTreeSet<Who> {
        let mut there = match self.seat(who).place {
            Place::In(spot) => self.spots.get(&spot).cloned().unwrap_or_default(),
            Place::Away | Place::Alone | Place::Waiting => BTreeSet::new(),
        };
        there.insert(who);
        there
    }

    /// Whoever comes to another place has a new seat there, and nobody whispers to them any longer.
    fn put(&mut self, who: Who, place: Place) {
        if let Place::In(spot) = self.seat(who).place {
            for other in self.around(who) {
                if self.seats[other.0].whisper == Whisper::To(who) {
                    self.seats[other.0].whisper = Whisper::ToNobody;
                }
            }
            if let Some(there) = self.spots.get_mut(&spot) {
                there.remove(&who);
            }
        }
        self.seats[who.0] = Seat { place, ..Seat::default() };
        if let Place::In(spot) = place {
            self.spots.entry(spot).or_default().insert(who);
        }
    }

    fn supervise(&mut self, who: Who, monitors: bool, whisper: Whisper) {
        let seat = &mut self.seats[who.0];
        (seat.muted, seat.monitors, seat.whisper) = (monitors, monitors, whisper);
    }
}

impl Act {
    /// Whose place or seat it changes.
    pub(super) fn subjects(self) -> Vec<Who> {
        match self {
            Self::Dial { who, .. }
            | Self::HangUp(who)
            | Self::Enter { who, .. }
            | Self::Park(who)
            | Self::Kick(who)
            | Self::Mute { who, .. }
            | Self::Hold { who, .. }
            | Self::Coach { who, .. }
            | Self::Barge(who)
            | Self::Monitor(who)
            | Self::Wait(who) => vec![who],
            Self::Serve { agent, caller, .. } | Self::Release { agent, caller } => vec![agent, caller],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUSTOMER: Who = Who(0);
    const AGENT: Who = Who(1);
    const OTHER: Who = Who(2);
    const SUPERVISOR: Who = Who(3);
    const MAIN: Spot = Spot(0);
    const ASIDE: Spot = Spot(1);

    fn after(acts: &[Act]) -> Floor {
        let mut floor = Floor::new(4);
        (0..4).for_each(|n| drop(floor.apply(Act::Dial { who: Who(n), into: None })));
        acts.iter().for_each(|act| drop(floor.apply(*act)));
        floor
    }

    fn enter(who: Who, spot: Spot) -> Act {
        Act::Enter { who, spot, monitors: false }
    }

    fn people(floor: &Floor, who: Who) -> Vec<usize> {
        let hearing = floor.hearing(who);
        assert_eq!(hearing.music, None);
        hearing.people.iter().map(|who| who.0).collect()
    }

    #[test]
    fn those_in_one_conference_hear_each_other_and_nobody_else_does() {
        let floor = after(&[enter(CUSTOMER, MAIN), enter(AGENT, MAIN), enter(OTHER, ASIDE)]);
        assert_eq!((people(&floor, CUSTOMER), people(&floor, AGENT)), (vec![1], vec![0]));
        assert_eq!((people(&floor, OTHER), people(&floor, SUPERVISOR)), (vec![], vec![]));
    }

    #[test]
    fn one_on_hold_has_music_alone_and_is_heard_by_nobody() {
        let mut floor = after(&[enter(CUSTOMER, MAIN), enter(AGENT, MAIN)]);
        let touched = floor.apply(Act::Hold { who: CUSTOMER, on: true });
        assert_eq!(touched, [CUSTOMER, AGENT].into());
        assert_eq!(floor.hearing(CUSTOMER), Hearing { people: vec![], music: Some(Music::Hold) });
        assert!(people(&floor, AGENT).is_empty());
        floor.apply(Act::Hold { who: CUSTOMER, on: false });
        assert_eq!((people(&floor, CUSTOMER), people(&floor, AGENT)), (vec![1], vec![0]));
    }

    #[test]
    fn a_supervisor_hears_all_and_is_heard_by_nobody_by_one_or_by_all() {
        let listens = Act::Enter { who: SUPERVISOR, spot: MAIN, monitors: true };
        let mut floor = after(&[enter(CUSTOMER, MAIN), enter(AGENT, MAIN), listens]);
        assert_eq!(people(&floor, SUPERVISOR), [0, 1]);
        assert_eq!((people(&floor, CUSTOMER), people(&floor, AGENT)), (vec![1], vec![0]));
        floor.apply(Act::Coach { who: SUPERVISOR, whom: AGENT });
        assert_eq!((people(&floor, CUSTOMER), people(&floor, AGENT)), (vec![1], vec![0, 3]));
        floor.apply(Act::Barge(SUPERVISOR));
        assert_eq!(people(&floor, CUSTOMER), [1, 3]);
        floor.apply(Act::Monitor(SUPERVISOR));
        assert_eq!(people(&floor, CUSTOMER), [1]);
    }

    #[test]
    fn a_coach_whose_agent_has_left_is_heard_by_nobody_until_told_otherwise() {
        let coach = Act::Coach { who: SUPERVISOR, whom: AGENT };
        let all = [enter(CUSTOMER, MAIN), enter(AGENT, MAIN), enter(SUPERVISOR, MAIN), coach];
        let mut floor = after(&all);
        floor.apply(Act::Kick(AGENT));
        floor.apply(enter(AGENT, MAIN));
        assert_eq!((people(&floor, CUSTOMER), people(&floor, AGENT)), (vec![1], vec![0]));
        floor.apply(Act::Barge(SUPERVISOR));
        assert_eq!(people(&floor, AGENT), [0, 3]);
    }

    #[test]
    fn who_waits_has_music_until_an_agent_takes_them() {
        let mut floor = after(&[Act::Wait(CUSTOMER)]);
        assert_eq!(floor.hearing(CUSTOMER).music, Some(Music::Wait));
        floor.apply(Act::Serve { agent: AGENT, caller: CUSTOMER, spot: Spot(2) });
        assert_eq!((people(&floor, CUSTOMER), people(&floor, AGENT)), (vec![1], vec![0]));
        let touched = floor.apply(Act::Release { agent: AGENT, caller: CUSTOMER });
        assert_eq!(touched, [CUSTOMER, AGENT].into());
        assert_eq!((people(&floor, CUSTOMER), people(&floor, AGENT)), (vec![], vec![]));
    }

    #[test]
    fn a_new_seat_is_neither_muted_nor_held() {
        let hold = Act::Hold { who: CUSTOMER, on: true };
        let mute = Act::Mute { who: CUSTOMER, on: true };
        let floor = after(&[enter(CUSTOMER, MAIN), mute, hold, enter(CUSTOMER, ASIDE)]);
        assert_eq!(floor.seat(CUSTOMER), Seat { place: Place::In(ASIDE), ..Seat::default() });
        assert_eq!(after(&[Act::HangUp(AGENT)]).hearing(AGENT), Hearing::default());
    }
}
