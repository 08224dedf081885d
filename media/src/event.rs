//! Everything the engine reports, and what it gives back.

use std::net::SocketAddr;

use zeroize::Zeroize;

use crate::command::LegChange;
use crate::conference::{Conference, ConferenceTap, Equipment};
use crate::dsp::level::{Level, SpeechChange};
use crate::engine::Programme;
use crate::frame::{Frame, SampleRate};
use crate::id::{CaptureId, CommandId, ConferenceId, LegId, PlayerId};
use crate::leg::{Capture, DigitSender, Leg, PlayEnd, Player, PressedDigit, QualityReport};
use crate::time::{Tick, Time};

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
    /// Something is otherwise in a conference.
    Conference {
        /// The conference.
        conference: ConferenceId,
        /// What.
        event: ConferenceEvent,
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
    /// What the leg was played has ended. One that is replaced by another ends with the answer to that command.
    Played {
        /// Which.
        player: PlayerId,
        /// How.
        end: PlayEnd,
    },
    /// A key was pressed, reported once, when it is released or known to have ended. It may have been told as a
    /// telephone-event (RFC 4733), in signalling or as a tone, or in several of these ways.
    Digit(PressedDigit),
    /// Keys wait to be taken from the [`CapturedDigits`](crate::CapturedDigits) of this capture. Told once for all that
    /// wait; it says neither which nor how many.
    DigitsCaptured(CaptureId),
    /// Began to speak in its conference, or stopped. Starts and stops of a leg take turns. Who is muted or leaves
    /// their conference has stopped; with the leg itself it all ends, without a word. What changed and changed back
    /// before anybody fetched it is not told: what was fetched last is always so now, or the news of it waits.
    Speech(SpeechChange),
}

/// What can be otherwise in a conference. It waits in the conference; who speaks is overwritten by who does later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConferenceEvent {
    /// This leg is the active speaker now: a participant whom everybody hears, and who speaks or was the last to. By
    /// voices alone it changes four times a second at most.
    ActiveSpeaker(Option<LegId>),
    /// What was played to all has ended.
    Played {
        /// Which.
        player: PlayerId,
        /// How.
        end: PlayEnd,
    },
}

/// How loud those are who speak to everyone in a conference, as was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelReport {
    /// The conference.
    pub conference: ConferenceId,
    loudest: [Option<(LegId, Level)>; Self::CAPACITY],
}

impl LevelReport {
    /// More than this are not told apart on a screen.
    pub const CAPACITY: usize = 8;

    /// An empty one, to be filled in.
    pub fn about(conference: ConferenceId) -> Box<Self> {
        Box::new(Self { conference, loudest: [None; Self::CAPACITY] })
    }

    /// The loudest first, each with the level of about the last half second.
    pub fn iter(&self) -> impl Iterator<Item = (LegId, Level)> {
        self.loudest.iter().flatten().copied()
    }

    pub(crate) const fn fill_in(&mut self, loudest: [Option<(LegId, Level)>; Self::CAPACITY]) {
        self.loudest = loudest;
    }
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

    /// Overwrites which it is; what is left is no key.
    pub(crate) fn wipe(&mut self) {
        self.0.zeroize();
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
    /// Nothing is played to the leg.
    NotPlaying,
    /// The leg has a capture that was not told to stop.
    Capturing,
    /// The leg has none.
    NotCapturing,
    /// The conference has no means for the leg's codec, or the leg none for the one it is to change to.
    NotEquipped,
    /// As much is played to the conference as can be at a time.
    AnnouncementsFull,
    /// More keys wait to be pressed than there is room for: none of these will be.
    DigitsFull,
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
    /// What a leg or a conference was played before, or a player that found none.
    Player(Box<Player>),
    /// What was on for many, and is not any more.
    Programme(Box<Programme>),
    /// What pressed keys, and is done or was not needed.
    Presses(Box<DigitSender>),
    /// What captured keys and has ended, with its attestation; or was refused, with an empty one.
    Capture(Box<Capture>),
    /// What copied a conference, or was not needed for it.
    ConferenceTap(Box<ConferenceTap>),
    /// What a conference did not need of its equipment.
    Equipment(Box<Equipment>),
    /// Who speaks how loudly, as was asked; empty if the conference is not here.
    Levels(Box<LevelReport>),
    /// How a leg sounds, as was asked; empty if the leg is not here.
    Quality(Box<QualityReport>),
}

/// 20 ms of one side of what is tapped.
#[derive(Clone, Debug)]
pub struct Tap {
    /// Of what.
    pub of: Tapped,
    /// When: a conference and both sides of all its legs carry the same tick for the same moment.
    pub tick: Tick,
    /// The time that tick was for. Ticks that were given up leave a gap in it, and it goes on when a leg moves to
    /// another engine.
    pub at: Time,
    /// Which side.
    pub side: TapSide,
    /// The sound.
    pub frame: Frame,
    /// Tap frames that were dropped just before this one because nobody took them.
    pub dropped_before: u32,
}

impl Tap {
    /// What others are made of: silence of nobody.
    pub const fn empty() -> Self {
        Self {
            of: Tapped::Leg(LegId(0)),
            tick: Tick(0),
            at: Time::ZERO,
            side: TapSide::Received,
            frame: Frame::silence(SampleRate::Hz8000),
            dropped_before: 0,
        }
    }

    /// All of it but the samples.
    pub const fn head(&self) -> TapHead {
        let Self { of, tick, at, side, dropped_before, ref frame } = *self;
        TapHead { of, tick, at, side, rate: frame.rate(), dropped_before }
    }

    /// Makes it another, and gives its samples to be written: what is in them is old.
    pub fn begin(&mut self, head: TapHead) -> &mut [i16] {
        let TapHead { of, tick, at, side, rate, dropped_before } = head;
        (self.of, self.tick, self.at, self.side, self.dropped_before) = (of, tick, at, side, dropped_before);
        self.frame.samples_at(rate)
    }
}

/// A [`Tap`] without its samples, to keep many of them in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TapHead {
    /// Of what.
    pub of: Tapped,
    /// When.
    pub tick: Tick,
    /// The time that tick was for.
    pub at: Time,
    /// Which side.
    pub side: TapSide,
    /// What tells how many samples there are: 20 ms.
    pub rate: SampleRate,
    /// Tap frames that were dropped just before it.
    pub dropped_before: u32,
}

impl TapHead {
    /// That of what all others say, where this is that of what one participant says: the two come together.
    #[must_use]
    pub const fn of_rest(self) -> Self {
        Self { side: TapSide::Rest, dropped_before: 0, ..self }
    }
}

/// What is tapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tapped {
    /// A leg: what it says and hears.
    Leg(LegId),
    /// A conference as a whole.
    Conference(ConferenceId),
}

/// The side of a leg, or the part of a conference, that a tap copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapSide {
    /// What the far end says.
    Received,
    /// What the far end is sent.
    Sent,
    /// What all in the conference say to everyone.
    Mix,
    /// What the one says who is recorded apart.
    Apart,
    /// What all others say.
    Rest,
    /// What this participant says to everyone.
    Seat(LegId),
}
