//! What one caller's phone says and hears, as far as streams are concerned: when each packet left, when each came, and what it
//! was: the other's voice, or what the agent at the other end of the caller's stream says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::round::{Follower, Round, octets_of};
use super::sentences::{Ear, Sentence};
use crate::load::floor::phones::Attendant;
use crate::load::rtp::Header;

/// A packet that came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) at_ns: i64,
    pub(super) sequence: u16,
}

/// What a caller hears.
#[derive(Debug)]
pub(super) enum Hearing {
    /// The one they talk to.
    Partner(Follower),
    /// An agent that speaks through a stream.
    Agent(Ear),
}

/// What is known of one phone.
#[derive(Debug)]
pub(super) struct Notes {
    /// When each packet left.
    pub(super) sent_ns: Vec<i64>,
    pub(super) arrivals: Vec<Arrival>,
    pub(super) hearing: Hearing,
}

/// One phone.
#[derive(Debug)]
pub(super) struct Line(Mutex<Notes>);

impl Line {
    pub(super) fn with_partner(round: Arc<Round>) -> Self {
        Self::hearing(Hearing::Partner(Follower::new(round)))
    }

    pub(super) fn with_agent(round: Arc<Round>) -> Self {
        Self::hearing(Hearing::Agent(Ear::new(round)))
    }

    fn hearing(hearing: Hearing) -> Self {
        Self(Mutex::new(Notes { sent_ns: Vec::new(), arrivals: Vec::new(), hearing }))
    }

    /// A sentence is about to be said.
    pub(super) fn expect(&self, sentence: Sentence) {
        if let Hearing::Agent(ear) = &mut self.notes().hearing {
            ear.expect(sentence);
        }
    }

    /// A panic while it was locked left it whole.
    pub(super) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attendant for Line {
    fn spoke(&self, at_ns: i64) {
        self.notes().sent_ns.push(at_ns);
    }

    fn heard(&self, header: &Header, at_ns: i64, sound: &[i16]) {
        let octets = octets_of(sound);
        let mut notes = self.notes();
        notes.arrivals.push(Arrival { at_ns, sequence: header.sequence });
        match &mut notes.hearing {
            Hearing::Partner(follower) => follower.hear(at_ns, &octets),
            Hearing::Agent(ear) => ear.hear(at_ns, &octets),
        }
    }
}
