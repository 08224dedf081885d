//! Everything the engine reports, and what it gives back.

use std::net::SocketAddr;

use crate::command::LegChange;
use crate::conference::{Conference, Equipment};
use crate::frame::Frame;
use crate::id::{CommandId, LegId};
use crate::leg::{Leg, QualityReport};
use crate::time::Tick;

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The command counts from this tick on.
    Applied {
        /// The command.
        command: CommandId,
        /// The first tick it counts in.
        tick: Tick,
    },
    /// The command changed nothing.
    Refused {
        /// The command.
        command: CommandId,
        /// Why.
        refusal: Refusal,
    },
    /// Something happened on a leg.
    Leg {
        /// The leg.
        leg: LegId,
        /// What.
        event: LegEvent,
    },
}

/// What can happen on a leg by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegEvent {
    /// The far end's address is known: from now on packets from elsewhere are discarded, and ours go
    /// there.
    Latched {
        /// The far end.
        source: SocketAddr,
    },
    /// Neither RTP nor RTCP came for the leg's receive time-out.
    SilentFarEnd,
    /// A key was pressed (RFC 4733), reported when it is released or known to have ended.
    Digit(Digit),
}

/// A key of a telephone: `0`-`9`, `*`, `#`, `A`-`D`. It cannot be printed: what callers type may be a card
/// number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digit(u8);

impl Digit {
    /// All keys, in the order of their telephone-event codes (RFC 4733 §3.2).
    const KEYS: [u8; 16] = *b"0123456789*#ABCD";

    /// The key for a telephone-event code 0-15 (RFC 4733 §3.2); other events are not keys.
    pub const fn from_event(event: u8) -> Option<Self> {
        if event < 16 { Some(Self(Self::KEYS[event as usize])) } else { None }
    }

    /// The key that is written so; letters have no case.
    pub fn from_char(key: char) -> Option<Self> {
        let byte = u8::try_from(key).ok()?.to_ascii_uppercase();
        Self::KEYS.contains(&byte).then_some(Self(byte))
    }

    /// The key's telephone-event code, 0-15.
    pub fn event(self) -> u8 {
        // Every key is one of these.
        Self::KEYS.iter().position(|&key| key == self.0).unwrap_or(0) as u8
    }

    /// The key, for the one who collects it.
    pub const fn expose(self) -> char {
        self.0 as char
    }
}

impl std::fmt::Debug for Digit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digit(redacted)")
    }
}

/// Why a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such leg here.
    NoLeg,
    /// No such conference here.
    NoConference,
    /// The leg has no seat.
    NotSeated,
    /// A leg or conference of this id is here already.
    Exists,
    /// All seats of the conference are taken.
    ConferenceFull,
    /// The conference has no means for the leg's codec, or the leg none for the one it is to change to.
    NotEquipped,
    /// The engine holds as many legs or conferences as it was built for.
    EngineFull,
}

/// Something the engine no longer needs, travelling home so that its memory is freed on the control side.
#[derive(Debug)]
pub enum Retired {
    /// A leg that was removed, or never taken.
    Leg(Box<Leg>),
    /// A conference that was removed, or never taken.
    Conference(Box<Conference>),
    /// What a leg had before a change, or a change that was refused.
    LegChange(Box<LegChange>),
    /// What a conference did not need of its equipment.
    Equipment(Box<Equipment>),
    /// How a leg sounds, as was asked; empty if the leg is not here.
    Quality(Box<QualityReport>),
}

/// 20 ms of one side of a tapped leg.
#[derive(Clone, Debug)]
pub struct Tap {
    /// Whose.
    pub leg: LegId,
    /// When: both sides of all legs of a conference carry the same tick for the same moment.
    pub tick: Tick,
    /// Which side.
    pub side: TapSide,
    /// The sound.
    pub frame: Frame,
    /// Tap frames that were dropped just before this one because nobody took them.
    pub dropped_before: u32,
}

/// The side of a leg a tap copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapSide {
    /// What the far end says.
    Received,
    /// What the far end is sent.
    Sent,
}
