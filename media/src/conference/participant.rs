//! A leg's seat in a conference, and what it says in the current tick.

use super::speakers::{Speaker, Speech, is_heard};
use super::talkers::Talker;
use super::voices::Voices;
use super::{Seat, Turn};
use crate::command::Audience;
use crate::dsp::level::Power;
use crate::dsp::limiter::Limiter;
use crate::engine::legs::LegIndex;
use crate::frame::{Frame, SampleRate};
use crate::id::LegId;
use crate::playout::Sound;

pub(crate) struct Participant {
    pub(crate) leg: LegId,
    pub(crate) index: LegIndex,
    pub(crate) seat: Seat,
    /// Where its frames are in the conference's [`Voices`].
    pub(super) slot: usize,
    /// Whether and how it is mixed.
    pub(super) talker: Talker,
    /// When it was given what it heard in the last tick.
    pub(super) turn: Turn,
    /// Turns down what it hears when that is a mix of its own.
    pub(super) limiter: Limiter,
    /// The rate at which it speaks and hears.
    rate: SampleRate,
    /// Of what it says in this tick.
    power: Power,
    speech: Speech,
}

impl Participant {
    pub(super) fn new(leg: LegId, index: LegIndex, seat: Seat, slot: usize) -> Self {
        let rate = SampleRate::Hz8000;
        Self {
            leg,
            index,
            seat,
            slot,
            talker: Talker::default(),
            turn: Turn::Shared,
            limiter: Limiter::default(),
            rate,
            power: Power::SILENCE,
            speech: Speech::default(),
        }
    }

    /// Notes what the tick brought.
    pub(super) fn hear(&mut self, sound: Sound, frame: &Frame, voices: &mut Voices) {
        if self.rate != frame.rate() {
            // Another codec: what is remembered is of another length.
            self.rate = frame.rate();
            self.talker = Talker::default();
        }
        let samples = frame.samples();
        self.power = match sound {
            Sound::Voice | Sound::Concealed | Sound::Noise => Power::of(samples),
            Sound::Silence => Power::SILENCE,
        };
        self.speech.hear(sound, self.power);
        if self.sounds() {
            voices.set(self.slot, samples);
        } else {
            voices.set_silent(self.slot);
        }
    }

    /// The rate at which it speaks and hears.
    pub(super) const fn rate(&self) -> SampleRate {
        self.rate
    }

    /// Samples in its frames.
    pub(super) const fn frame_len(&self) -> usize {
        self.rate.frame_len()
    }

    /// Digital silence adds nothing: who sends it hears what all listeners hear, and shares its encoding.
    fn sounds(&self) -> bool {
        !self.power.is_silence()
    }

    /// The effective amplitude of what it says in this tick.
    pub(super) fn amplitude(&self) -> u32 {
        self.power.amplitude()
    }

    /// Whether it speaks, pauses between words included, and somebody may hear it.
    pub(crate) fn is_heard_speaking(&self) -> bool {
        self.speech.is_speaking() && is_heard(&self.seat.audience)
    }

    /// How it speaks to everyone, if it may.
    pub(super) fn speaker(&self) -> Option<Speaker> {
        (self.seat.audience == Audience::Everyone).then(|| self.speech.of(self.leg))
    }

    /// Whether it says something to everyone in this tick.
    pub(super) fn speaks_to_all(&self) -> bool {
        self.sounds() && self.seat.audience == Audience::Everyone
    }

    /// What of it is in the full mix: never anything of one who does not speak to everyone, whatever is
    /// remembered of the time when they did.
    pub(super) fn mixed<'a>(&self, voices: &'a Voices) -> Option<&'a [i16]> {
        if self.seat.audience != Audience::Everyone {
            return None;
        }
        voices.mixed(self.slot, self.talker.contribution, self.frame_len())
    }

    /// Whether it speaks to a few only, when it speaks.
    pub(super) const fn has_few(&self) -> bool {
        matches!(self.seat.audience, Audience::Only(_))
    }

    /// Takes a slot in other voices. What was remembered stays behind.
    pub(super) fn move_to(&mut self, voices: &mut Voices) {
        self.slot = voices.take_slot().expect("there are as many slots as seats");
        self.talker = Talker::default();
    }

    /// Whether a few hear something from it in this tick.
    pub(super) fn speaks_to_few(&self) -> bool {
        self.sounds() && self.has_few()
    }

    /// Whether `leg` alone, or with a few others, hears something from it in this tick.
    pub(super) fn speaks_privately_to(&self, leg: LegId) -> bool {
        match &self.seat.audience {
            Audience::Everyone | Audience::Nobody => false,
            Audience::Only(legs) => self.sounds() && self.leg != leg && legs.contains(leg),
        }
    }
}
