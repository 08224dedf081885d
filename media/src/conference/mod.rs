//! A conference: hears every participant, mixes once, gives each the mix without their own voice.
//!
//! ```text
//! legs ─hear─▶ frames ─▶ sum of public talkers ─▶ limiter's gain ─┬▶ listeners: one frame, encoded once a codec
//!                   └─▶ private talkers ────────────┐             └▶ talkers: sum − own, own encode
//!                                                   └▶ added for those who are in their audience
//! ```

mod encode_group;
mod participant;

use self::encode_group::EncodeGroup;
use self::participant::Participant;
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

impl Conference {
    /// A conference with room for `seats_max` participants.
    pub fn new(id: ConferenceId, seats_max: usize) -> Box<Self> {
        // All that can be a member so far is G.711, which is sampled at 8 kHz.
        let rate = SampleRate::Hz8000;
        Box::new(Self {
            id,
            rate,
            participants: Vec::with_capacity(seats_max),
            seats_max,
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

    pub(crate) fn seat(&mut self, leg: LegId, index: LegIndex, seat: Seat) {
        self.participants.push(Participant::new(leg, index, seat, self.rate));
    }

    /// Takes a participant out; the others keep their order.
    pub(crate) fn unseat(&mut self, leg: LegId) {
        self.participants.retain(|p| p.leg != leg);
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
            let sound = leg.hear(step.now, step.counters, &mut participant.frame);
            participant.hear(sound);
            if leg.tapped {
                step.taps.copy(participant.leg, step.tick, TapSide::Received, participant.spoken());
            }
        }
    }

    fn sum(&mut self, faults: Planted) {
        let sum = &mut self.mixing.sum[..self.rate.frame_len()];
        sum.fill(0);
        self.private_talkers.clear();
        for (seat, participant) in self.participants.iter().enumerate() {
            if participant.is_public_talker() && !faults.leaves_out(seat) {
                mix::add(sum, participant.frame.samples());
            }
            if participant.is_private_talker() {
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

        let encoded = match self.hears(hearer, step.faults) {
            Heard::Nothing => self.mixing.listeners.silence(codec, step.counters),
            Heard::FullMix => {
                let sum = &self.mixing.sum[..self.rate.frame_len()];
                self.mixing.listeners.full_mix(codec, sum, gain, step.counters)
            }
            Heard::OwnMix => {
                self.mix_own(hearer, gain, step.faults);
                step.counters.encoded += 1;
                Encoded::of(codec, self.mixing.heard.samples())
            }
        };
        if tapped {
            let mut heard = Frame::silence(self.rate);
            codec.decode(encoded.bytes(), heard.samples_mut());
            step.taps.copy(self.participants[seat].leg, step.tick, TapSide::Sent, &heard);
        }
        step.legs.send(index, &encoded, step.faults);
    }

    fn hears(&self, seat: usize, faults: Planted) -> Heard {
        let participant = &self.participants[seat];
        match participant.seat.hearing {
            Hearing::Nothing => Heard::Nothing,
            Hearing::Conference => {
                let own = participant.is_public_talker() && !faults.keeps_own_voice();
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
        talkers.filter(move |p| p.talks_privately_to(leg))
    }

    /// Mixes for one who hears something of their own: without their voice, with what is meant for them alone.
    fn mix_own(&mut self, seat: usize, gain: Gain, faults: Planted) {
        let len = self.rate.frame_len();
        let participant = &self.participants[seat];
        let own_mix = &mut self.mixing.own_mix[..len];
        let is_in_sum = participant.is_public_talker() && !faults.leaves_out(seat);
        if is_in_sum && !faults.keeps_own_voice() {
            mix::without(&self.mixing.sum[..len], participant.frame.samples(), own_mix);
        } else {
            own_mix.copy_from_slice(&self.mixing.sum[..len]);
        }
        for &talker in &self.private_talkers {
            if self.participants[talker].talks_privately_to(participant.leg) {
                mix::add(own_mix, self.participants[talker].frame.samples());
            }
        }
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
