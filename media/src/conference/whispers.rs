//! What is said to a few only, at the rates at which those few hear.
//!
//! Mostly there is none of it, and then it costs nothing.

use super::participant::Participant;
use super::voices::Voices;
use crate::dsp::mix;
use crate::engine::legs::Legs;
use crate::frame::SampleRate;

pub(super) struct Whispers {
    /// Seats of those who say something to a few in this tick.
    talkers: Vec<usize>,
    converted: Vec<Converted>,
    /// The converted frames, one behind the other.
    samples: Vec<i16>,
}

/// A voice at a rate that is not its own.
struct Converted {
    seat: usize,
    rate: SampleRate,
    start: usize,
}

impl Whispers {
    /// Room for all to whisper to all rates. What is never written to takes no memory.
    pub(super) fn new(seats_max: usize) -> Self {
        let others = SampleRate::ALL.len() - 1;
        let longest: usize = SampleRate::ALL.map(SampleRate::frame_len).into_iter().sum();
        Self {
            talkers: Vec::with_capacity(seats_max),
            converted: Vec::with_capacity(seats_max * others),
            samples: Vec::with_capacity(seats_max * longest),
        }
    }

    /// Collects what is said to a few in this tick.
    pub(super) fn hear(&mut self, people: &[Participant], voices: &Voices, legs: &mut Legs) {
        self.talkers.clear();
        self.converted.clear();
        self.samples.clear();
        for (seat, person) in people.iter().enumerate() {
            if person.speaks_to_few() {
                self.talkers.push(seat);
                self.convert(seat, people, voices, legs);
            } else if person.has_few() {
                legs.at(person.index).rest_voice();
            }
        }
    }

    fn convert(&mut self, seat: usize, people: &[Participant], voices: &Voices, legs: &mut Legs) {
        let person = &people[seat];
        let said = voices.now(person.slot, person.frame_len());
        for rate in SampleRate::ALL.into_iter().filter(|rate| *rate != person.rate()) {
            let is_heard = people.iter().any(|p| p.rate() == rate && person.speaks_privately_to(p.leg));
            if !is_heard {
                continue;
            }
            let start = self.samples.len();
            self.samples.resize(start + rate.frame_len(), 0);
            legs.at(person.index).convert_voice(rate, said, &mut self.samples[start..]);
            self.converted.push(Converted { seat, rate, start });
        }
    }

    /// Whether somebody says something to this one.
    pub(super) fn reach(&self, hearer: &Participant, people: &[Participant]) -> bool {
        self.talkers.iter().any(|&seat| people[seat].speaks_privately_to(hearer.leg))
    }

    /// Adds what is said to this one.
    pub(super) fn add_to(
        &self,
        hearer: &Participant,
        people: &[Participant],
        voices: &Voices,
        mix: &mut [i32],
    ) {
        for &seat in &self.talkers {
            if people[seat].speaks_privately_to(hearer.leg)
                && let Some(said) = self.at_rate(seat, hearer.rate(), &people[seat], voices)
            {
                mix::add(mix, said);
            }
        }
    }

    fn at_rate<'a>(
        &'a self,
        seat: usize,
        rate: SampleRate,
        talker: &Participant,
        voices: &'a Voices,
    ) -> Option<&'a [i16]> {
        if talker.rate() == rate {
            return Some(voices.now(talker.slot, rate.frame_len()));
        }
        let found = self.converted.iter().find(|c| c.seat == seat && c.rate == rate)?;
        Some(&self.samples[found.start..][..rate.frame_len()])
    }
}
