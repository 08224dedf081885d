//! What people and acts are called in reports.

use super::script::PEOPLE_EACH;
use super::truth::{Act, Who};

/// How those on a floor are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// By their place at a desk.
    Desks,
    /// The first ones stay, the others come and go.
    Visitors { stay: usize },
    /// By their number.
    Callers,
    /// By their place where payments are taken.
    Counters,
}

impl Names {
    pub(super) fn of(self, who: Who) -> String {
        match self {
            Self::Desks => {
                let role = ["customer", "agent", "second agent", "supervisor"][who.0 % PEOPLE_EACH];
                format!("the {role} of desk {}", who.0 / PEOPLE_EACH)
            }
            Self::Visitors { stay } if who.0 < stay => format!("the one who stays in conference {}", who.0),
            Self::Visitors { stay } => format!("visitor {}", who.0 - stay),
            Self::Callers => format!("caller {}", who.0),
            Self::Counters => {
                let role = ["customer", "agent", "supervisor"][who.0 % super::pay::PEOPLE_EACH];
                format!("the {role} of desk {}", who.0 / super::pay::PEOPLE_EACH)
            }
        }
    }

    pub(super) fn act(self, act: Act) -> String {
        let subjects = act.subjects();
        let [who, other] = [0, 1].map(|n| subjects.get(n).map_or_else(String::new, |who| self.of(*who)));
        match act {
            Act::Dial { .. } => format!("{who} calls"),
            Act::HangUp(_) => format!("{who} hangs up"),
            Act::Enter { monitors: true, .. } => format!("{who} listens in"),
            Act::Enter { .. } => format!("{who} goes to a conference"),
            Act::Park(_) => format!("{who} goes out"),
            Act::Kick(_) => format!("{who} is removed"),
            Act::Mute { on: true, .. } => format!("{who} is muted"),
            Act::Mute { .. } => format!("{who} is unmuted"),
            Act::Hold { on: true, .. } => format!("{who} is put on hold"),
            Act::Hold { .. } => format!("{who} is taken off hold"),
            Act::Coach { whom, .. } => format!("{who} coaches {}", self.of(whom)),
            Act::Barge(_) => format!("{who} speaks to all"),
            Act::Monitor(_) => format!("{who} listens"),
            Act::Wait(_) => format!("{who} enters the queue"),
            Act::Serve { .. } => format!("{who} serves {other}"),
            Act::Release { .. } => format!("{who} leaves {other}"),
        }
    }
}
