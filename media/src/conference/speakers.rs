//! Who speaks in a conference, and who is its active speaker: the one whom a screen would show.
//!
//! Everybody has an ear for their speech, which also tells its starts and stops. The active speaker is one of those
//! whom everybody hears:
//!
//! - Who begins to speak when the active speaker has stopped, or when there is none, is it at once.
//! - While the active speaker speaks, another must be clearly louder for 300 ms: those who talk across each other do
//!   not take turns at every word, and a cough or a "yes" changes nothing.
//! - While all are silent it stays who spoke last: people look at whom they have just heard.
//! - Who leaves, is muted or speaks to a few only is it no more, at once.
//!
//! It is a level, not a list of happenings: what nobody fetched is overwritten by what is so now.

use crate::command::Audience;
use crate::dsp::level::{Level, Power, SpeechGate};
use crate::event::{ConferenceEvent, LevelReport};
use crate::id::LegId;
use crate::playout::Sound;

/// Another must be twice as loud (6 dB) to be clearly louder: less is the difference between two telephones.
const CLEARLY_LOUDER: u32 = 2;

/// For so many ticks: 300 ms, longer than a cough, shorter than anybody waits to see who has taken over.
const AHEAD_TICKS: u8 = 15;

/// Ticks for which voices change nothing after a change: at most four changes a second, more cannot be followed.
const KEPT_TICKS: u8 = 13;

/// A loudness is the mean over about so many ticks (640 ms), times so many: longer than a word and the pause after it,
/// so that syllables do not decide.
const AVERAGED_TICKS: u32 = 32;

/// How one participant speaks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Speech {
    gate: SpeechGate,
    loudness: u32,
}

impl Speech {
    /// Takes in this tick's sound.
    pub(super) fn hear(&mut self, sound: Sound, power: Power) {
        match sound {
            Sound::Noise => self.gate.hear_noise(power.level()),
            Sound::Voice | Sound::Concealed | Sound::Silence => self.gate.hear(power.level()),
        };
        self.loudness = self.loudness - self.loudness / AVERAGED_TICKS + power.amplitude();
    }

    /// Whether they speak, pauses between words included.
    pub(super) const fn is_speaking(&self) -> bool {
        self.gate.is_speaking()
    }

    /// As one of those who may be the active speaker.
    pub(super) const fn of(&self, leg: LegId) -> Speaker {
        Speaker { leg, speaks: self.is_speaking(), loudness: self.loudness }
    }
}

/// Whether anybody may hear one with such an audience.
pub(super) fn is_heard(audience: &Audience) -> bool {
    match audience {
        Audience::Everyone => true,
        Audience::Only(legs) => !legs.as_slice().is_empty(),
        Audience::Nobody => false,
    }
}

/// One whom everybody hears, when they speak.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speaker {
    leg: LegId,
    speaks: bool,
    loudness: u32,
}

/// The active speaker, and what has been told of them.
#[derive(Debug, Default)]
pub(super) struct Speakers {
    active: Option<LegId>,
    told: Option<LegId>,
    /// The active speaker, if everybody hears them in this tick, and the loudest of the others who speak.
    holder: Option<Speaker>,
    loudest: Option<Speaker>,
    /// Ticks in a row in which another was clearly louder.
    ahead: u8,
    /// Ticks since it changed.
    kept: u8,
}

impl Speakers {
    /// Takes in one whom everybody hears.
    pub(super) fn hear(&mut self, speaker: Speaker) {
        let is_loudest = || self.loudest.is_none_or(|other| other.loudness < speaker.loudness);
        if self.active == Some(speaker.leg) {
            self.holder = Some(speaker);
        } else if speaker.speaks && is_loudest() {
            self.loudest = Some(speaker);
        }
    }

    /// Decides for this tick, when all were heard.
    pub(super) fn decide(&mut self) {
        let (active, loudest) = (self.holder.take(), self.loudest.take());
        self.kept = self.kept.saturating_add(1);
        match loudest {
            Some(other) if self.is_followed_by(active, other) => self.become_active(Some(other.leg)),
            None if active.is_none() => self.become_active(None),
            Some(_) | None => {}
        }
    }

    /// What has not been told yet, among all whom everybody hears.
    pub(super) fn take_event(
        &mut self,
        heard: impl Iterator<Item = Speaker> + Clone,
    ) -> Option<ConferenceEvent> {
        // They may have left since it was decided.
        if self.active != self.told && !heard.clone().any(|speaker| self.active == Some(speaker.leg)) {
            self.active = None;
        }
        if self.active == self.told {
            return None;
        }
        self.told = self.active;
        Some(ConferenceEvent::ActiveSpeaker(self.active))
    }

    fn is_followed_by(&mut self, active: Option<Speaker>, other: Speaker) -> bool {
        let Some(active) = active else {
            return true;
        };
        let is_ahead = active.speaks && other.loudness > active.loudness.saturating_mul(CLEARLY_LOUDER);
        self.ahead = if is_ahead { self.ahead.saturating_add(1) } else { 0 };
        self.kept >= KEPT_TICKS && (!active.speaks || self.ahead >= AHEAD_TICKS)
    }

    const fn become_active(&mut self, leg: Option<LegId>) {
        self.active = leg;
        (self.ahead, self.kept) = (0, 0);
    }
}

/// Fills in those who speak, the loudest first.
pub(super) fn report_levels(heard: impl Iterator<Item = Speaker>, report: &mut LevelReport) {
    let mut loudest = [None::<Speaker>; LevelReport::CAPACITY];
    for speaker in heard.filter(|speaker| speaker.speaks) {
        let quieter = |other: &Option<Speaker>| other.is_none_or(|other| other.loudness < speaker.loudness);
        if let Some(place) = loudest.iter().position(quieter) {
            loudest[place..].rotate_right(1);
            loudest[place] = Some(speaker);
        }
    }
    report.fill_in(loudest.map(|speaker| speaker.map(|s| (s.leg, level(s.loudness)))));
}

fn level(loudness: u32) -> Level {
    Power::of_amplitude(loudness / AVERAGED_TICKS).level()
}

#[cfg(test)]
mod tests;
