//! A conference: hears every participant, mixes once, gives each the mix without their own voice.
//!
//! ```text
//! legs ─hear─▶ voices ─▶ talkers ─▶ sum ─▶ limiter's gain ─┬▶ listeners: one frame, encoded once a codec
//!                │       (who is mixed)                    └▶ talkers: sum − own, own encode
//!                └▶ private talkers ─▶ added for those who are in their audience
//! ```

mod encode_group;
mod participant;
mod talkers;
mod voices;

use self::encode_group::EncodeGroup;
use self::participant::Participant;
use self::talkers::take_turns;
use self::voices::Voices;
use crate::command::{Audience, Hearing};
use crate::dsp::limiter::{Gain, Limiter};
use crate::dsp::mix;
use crate::engine::legs::{LegIndex, Legs};
use crate::event::TapSide;
use crate::fault::Planted;
use crate::frame::{FRAME_LEN_MAX, Frame, SampleRate};
use crate::id::{ConferenceId, LegId};
use crate::leg::Encoded;
use crate::stats::Counters;
use crate::tap::Taps;
use crate::time::{Tick, Time};

/// A participant's place in the primitive of who hears whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Who hears them.
    pub audience: Audience,
    /// What they hear.
    pub hearing: Hearing,
}

impl Default for Seat {
    /// Heard by everyone, hearing everyone.
    fn default() -> Self {
        Self { audience: Audience::Everyone, hearing: Hearing::Conference }
    }
}

/// What a tick needs from its engine.
pub(crate) struct Step<'a> {
    pub(crate) tick: Tick,
    pub(crate) now: Time,
    pub(crate) legs: &'a mut Legs,
    pub(crate) taps: &'a mut Taps,
    pub(crate) counters: &'a mut Counters,
    pub(crate) faults: Planted,
}

/// A conference. Built on the control side, with room for all its seats.
pub struct Conference {
    id: ConferenceId,
    rate: SampleRate,
    participants: Vec<Participant>,
    seats_max: usize,
    talkers_max: usize,
    voices: Voices,
    limiter: Limiter,
    mixing: Mixing,
    /// Seats that say something to a few only in this tick. Mostly empty, so that looking for what a
    /// listener hears alone costs nothing.
    private_talkers: Vec<usize>,
}

/// What the mixer writes in each tick; kept so that nothing is allocated.
struct Mixing {
    sum: [i32; FRAME_LEN_MAX],
    own_mix: [i32; FRAME_LEN_MAX],
    heard: Frame,
    listeners: EncodeGroup,
}

/// How a conference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConferenceSettings {
    /// Participants; one more is refused.
    pub seats_max: usize,
    /// Participants that are mixed when more speak at once: the loudest. At least one.
    pub talkers_max: usize,
}

impl ConferenceSettings {
    /// More voices than this at once are a noise in which nobody is understood.
    pub const TALKERS_MAX_DEFAULT: usize = 16;

    /// A conference of so many seats that is otherwise as usual.
    pub const fn seats(seats_max: usize) -> Self {
        Self { seats_max, talkers_max: Self::TALKERS_MAX_DEFAULT }
    }
}

impl Conference {
    /// A conference with room for all its participants.
    pub fn new(id: ConferenceId, settings: ConferenceSettings) -> Box<Self> {
        // All that can be a member so far is G.711, which is sampled at 8 kHz.
        let rate = SampleRate::Hz8000;
        let seats_max = settings.seats_max;
        Box::new(Self {
            id,
            rate,
            participants: Vec::with_capacity(seats_max),
            seats_max,
            talkers_max: settings.talkers_max.max(1),
            voices: Voices::new(seats_max, rate),
            limiter: Limiter::default(),
            mixing: Mixing {
                sum: [0; FRAME_LEN_MAX],
                own_mix: [0; FRAME_LEN_MAX],
                heard: Frame::silence(rate),
                listeners: EncodeGroup::new(rate),
            },
            private_talkers: Vec::with_capacity(seats_max),
        })
    }

    /// Its name.
    pub const fn id(&self) -> ConferenceId {
        self.id
    }

    pub(crate) fn is_full(&self) -> bool {
        self.participants.len() >= self.seats_max
    }

    /// Seats a leg; there must be a free seat.
    pub(crate) fn seat(&mut self, leg: LegId, index: LegIndex, seat: Seat) {
        let slot = self.voices.take_slot().expect("there are as many slots as seats");
        self.participants.push(Participant::new(leg, index, seat, slot));
    }

    /// Takes a participant out; the others keep their order.
    pub(crate) fn unseat(&mut self, leg: LegId) {
        let voices = &mut self.voices;
        self.participants.retain(|p| {
            if p.leg == leg {
                voices.give_back(p.slot);
            }
            p.leg != leg
        });
    }

    pub(crate) fn participant_mut(&mut self, leg: LegId) -> Option<&mut Participant> {
        self.participants.iter_mut().find(|p| p.leg == leg)
    }

    pub(crate) fn leg_indices(&self) -> impl Iterator<Item = LegIndex> {
        self.participants.iter().map(|p| p.index)
    }

    /// Plays one 20 ms step.
    pub(crate) fn tick(&mut self, step: &mut Step<'_>) {
        self.hear(step);
        let crowded = take_turns(&mut self.participants, self.talkers_max, &mut self.voices);
        step.counters.crowded += u64::from(crowded);
        self.sum(step.faults);
        let gain = self.limiter.follow(&self.mixing.sum[..self.rate.frame_len()]);
        if !gain.is_unity() {
            step.counters.limited += 1;
        }
        self.mixing.listeners.begin();
        for seat in 0..self.participants.len() {
            self.give(seat, gain, step);
        }
    }

    fn hear(&mut self, step: &mut Step<'_>) {
        for participant in &mut self.participants {
            let leg = step.legs.at(participant.index);
            let frame = &mut self.mixing.heard;
            let sound = leg.hear(step.now, step.counters, frame);
            participant.hear(sound, frame, &mut self.voices);
            if leg.tapped {
                let said = self.voices.now(participant.slot, participant.frame_len());
                step.taps.copy(participant.leg, step.tick, TapSide::Received, participant.rate(), said);
            }
        }
    }

    fn sum(&mut self, faults: Planted) {
        let sum = &mut self.mixing.sum[..self.rate.frame_len()];
        sum.fill(0);
        self.private_talkers.clear();
        for (seat, participant) in self.participants.iter().enumerate() {
            if let Some(frame) = participant.mixed(&self.voices)
                && !faults.leaves_out(seat)
            {
                mix::add(sum, frame);
            }
            if participant.speaks_to_few() {
                self.private_talkers.push(seat);
            }
        }
    }

    /// Sends one participant what they hear.
    fn give(&mut self, seat: usize, gain: Gain, step: &mut Step<'_>) {
        let hearer = step.faults.mix_for(seat, self.participants.len());
        let index = self.participants[seat].index;
        let leg = step.legs.at(index);
        let codec = leg.codec();
        let tapped = leg.tapped;

        let heard = self.hears(hearer, step.faults);
        if !matches!(heard, Heard::OwnMix) {
            // Who speaks next begins with the gain at which they have listened.
            self.participants[hearer].limiter = self.limiter;
        }
        let encoded = match heard {
            Heard::Nothing => self.mixing.listeners.silence(codec, step.counters),
            Heard::FullMix => {
                let sum = &self.mixing.sum[..self.rate.frame_len()];
                self.mixing.listeners.full_mix(codec, sum, gain, step.counters)
            }
            Heard::OwnMix => {
                self.mix_own(hearer, step.faults);
                step.counters.encoded += 1;
                Encoded::of(codec, self.mixing.heard.samples())
            }
        };
        if tapped {
            let mut heard = Frame::silence(self.rate);
            codec.decode(encoded.bytes(), heard.samples_mut());
            step.taps.copy(self.participants[seat].leg, step.tick, TapSide::Sent, self.rate, heard.samples());
        }
        step.legs.send(index, &encoded, step.faults);
    }

    fn hears(&self, seat: usize, faults: Planted) -> Heard {
        let participant = &self.participants[seat];
        match participant.seat.hearing {
            Hearing::Nothing => Heard::Nothing,
            Hearing::Conference => {
                let own = participant.mixed(&self.voices).is_some() && !faults.keeps_own_voice();
                if own || self.private_talkers_to(participant.leg).next().is_some() {
                    Heard::OwnMix
                } else {
                    Heard::FullMix
                }
            }
        }
    }

    fn private_talkers_to(&self, leg: LegId) -> impl Iterator<Item = &Participant> {
        let talkers = self.private_talkers.iter().map(|&seat| &self.participants[seat]);
        talkers.filter(move |p| p.speaks_privately_to(leg))
    }

    /// Mixes for one who hears something of their own: without their voice, with what is meant for them alone.
    /// Such a mix can be louder than the whole, so it has a limiter of its own.
    fn mix_own(&mut self, seat: usize, faults: Planted) {
        let len = self.rate.frame_len();
        let participant = &self.participants[seat];
        let own_mix = &mut self.mixing.own_mix[..len];
        match participant.mixed(&self.voices) {
            Some(own) if !faults.leaves_out(seat) && !faults.keeps_own_voice() => {
                mix::without(&self.mixing.sum[..len], own, own_mix);
            }
            Some(_) | None => own_mix.copy_from_slice(&self.mixing.sum[..len]),
        }
        for &talker in &self.private_talkers {
            let talker = &self.participants[talker];
            if talker.speaks_privately_to(participant.leg) {
                mix::add(own_mix, self.voices.now(talker.slot, len));
            }
        }
        let gain = self.participants[seat].limiter.follow(own_mix);
        gain.apply(own_mix, self.mixing.heard.samples_mut());
    }
}

/// What a participant hears in a tick.
enum Heard {
    Nothing,
    /// What all mere listeners hear.
    FullMix,
    OwnMix,
}

impl std::fmt::Debug for Conference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conference")
            .field("id", &self.id)
            .field("participants", &self.participants.len())
            .finish_non_exhaustive()
    }
}
