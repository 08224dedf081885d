//! A leg's seat in a conference, and what it says in the current tick.

use super::Seat;
use crate::command::Audience;
use crate::engine::legs::LegIndex;
use crate::frame::{Frame, SampleRate};
use crate::id::LegId;
use crate::playout::Sound;

pub(crate) struct Participant {
    pub(crate) leg: LegId,
    pub(crate) index: LegIndex,
    pub(crate) seat: Seat,
    /// What they say; holds an old tick's samples while they are silent.
    pub(crate) frame: Frame,
    talks: bool,
}

impl Participant {
    pub(crate) fn new(leg: LegId, index: LegIndex, seat: Seat, rate: SampleRate) -> Self {
        Self { leg, index, seat, frame: Frame::silence(rate), talks: false }
    }

    /// Notes what the tick brought.
    pub(crate) fn hear(&mut self, sound: Sound) {
        self.talks = match sound {
            // Digital silence adds nothing: who sends it hears what all listeners hear, and shares its encoding.
            Sound::Voice | Sound::Concealed | Sound::Noise => self.frame.samples().iter().any(|&s| s != 0),
            Sound::Silence => {
                self.frame.samples_mut().fill(0);
                false
            }
        };
    }

    /// What they say, silence included.
    pub(crate) fn spoken(&self) -> &Frame {
        &self.frame
    }

    /// Whether everyone hears something from them in this tick.
    pub(crate) fn is_public_talker(&self) -> bool {
        self.talks && self.seat.audience == Audience::Everyone
    }

    /// Whether a few hear something from them in this tick.
    pub(crate) fn is_private_talker(&self) -> bool {
        self.talks && matches!(self.seat.audience, Audience::Only(_))
    }

    /// Whether `leg` alone, or with a few others, hears something from them in this tick.
    pub(crate) fn talks_privately_to(&self, leg: LegId) -> bool {
        match &self.seat.audience {
            Audience::Everyone | Audience::Nobody => false,
            Audience::Only(legs) => self.talks && self.leg != leg && legs.contains(leg),
        }
    }
}
