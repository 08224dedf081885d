//! How long changes take from the request to the first packet in which they are heard, and how long they may.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::truth::Act;
use crate::load::histogram::{Histogram, Times};

/// Changes that take about as long as each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Of a seat: mute, hold, coach, barge, monitor; removing somebody.
    Seat,
    /// From one place to another by a call script, which is fetched first.
    Move,
    /// A call that comes or goes.
    Call,
    /// Music, which is fetched and decoded first.
    Music,
}

/// How long a change of a seat may take after its answer.
const SEAT_SETTLES: Duration = Duration::from_millis(250);
/// How long somebody may take from one place to another: two requests to a web server, and a queue.
const MOVE_SETTLES: Duration = Duration::from_millis(1_000);
/// How long after its answer a call may take to be heard, or after its BYE to be gone.
const CALL_SETTLES: Duration = Duration::from_millis(300);

impl Group {
    pub(super) fn of(act: Act) -> Self {
        match act {
            Act::Mute { .. }
            | Act::Hold { .. }
            | Act::Coach { .. }
            | Act::Barge(_)
            | Act::Monitor(_)
            | Act::Kick(_) => Self::Seat,
            Act::Enter { .. } | Act::Park(_) | Act::Wait(_) | Act::Serve { .. } | Act::Release { .. } => {
                Self::Move
            }
            Act::Dial { .. } | Act::HangUp(_) => Self::Call,
        }
    }

    /// For how long after its answer what a change changes is not judged.
    pub(super) fn settles(self) -> Duration {
        match self {
            Self::Seat => SEAT_SETTLES,
            Self::Move | Self::Music => MOVE_SETTLES,
            Self::Call => CALL_SETTLES,
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Seat => "seat changed, to the wire",
            Self::Move => "moved by a script, to the wire",
            Self::Call => "call came or went, to the wire",
            Self::Music => "music began",
        }
    }
}

/// How long changes took, by group.
#[derive(Clone, Debug, Default)]
pub(super) struct Reactions(BTreeMap<Group, Histogram>);

impl Reactions {
    pub(super) fn add(&mut self, group: Group, ms: f64) {
        self.0.entry(group).or_default().add(ms);
    }

    pub(super) fn times(&self) -> BTreeMap<Group, Times> {
        self.0.iter().map(|(group, times)| (*group, times.times())).collect()
    }
}
