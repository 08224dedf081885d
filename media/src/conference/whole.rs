//! What is copied of a conference as a whole, for recorders: its mix with nobody subtracted, one participant beside all
//! others, or each participant by themselves. It reads what is said and never contributes.
//!
//! ```text
//! said at 8 kHz  ─▶ converter, or none ─▶ delay ─┐
//! said at 16 kHz ─▶ converter, or none ─▶ delay ─┼▶ sum ─▶ limiter ─▶ tap
//! said at 48 kHz ─▶ converter, or none ─▶ delay ─┘
//! ```
//!
//! Converters delay, and a conference mixes what came through one with what did not. Nobody hears that, but a recording is
//! aligned to the sample: here all ways take equally long, [`ConferenceTap::DELAY`], which whoever places the frames takes
//! off again.

use std::time::Duration;

use super::Buses;
use super::participant::Participant;
use super::voices::Voices;
use crate::command::Audience;
use crate::dsp::converter::{RateConverter, conversion_delay};
use crate::dsp::limiter::Limiter;
use crate::event::{TapSide, Tapped};
use crate::frame::{FRAME_LEN_MAX, SampleRate};
use crate::id::{ConferenceId, LegId};
use crate::prefetch::{fetch, fetch_all};
use crate::tap::{AnySink, copy};
use crate::time::{Tick, Time};

/// What is copied of a conference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TapParts {
    /// All that is heard by everyone, as one.
    pub mix: bool,
    /// What this participant says to everyone, and all the rest.
    pub apart: Option<LegId>,
    /// What each participant says to everyone, at their own rates.
    pub each: bool,
}

impl TapParts {
    const fn are_summed(self) -> bool {
        self.mix || self.apart.is_some()
    }
}

/// The means to copy a conference as a whole. Built on the control side.
pub struct ConferenceTap {
    rate: SampleRate,
    parts: TapParts,
    all: Ways,
    one: Ways,
    mix_limiter: Limiter,
    one_limiter: Limiter,
    rest_limiter: Limiter,
}

/// Where a tick of a conference is brought together to be copied. One is enough for all conferences of an engine, and
/// stays near the processor where one of each would have to be fetched.
pub(crate) struct TapBench {
    mix: [i32; FRAME_LEN_MAX],
    alone: [i32; FRAME_LEN_MAX],
    sound: [i16; FRAME_LEN_MAX],
}

impl TapBench {
    pub(crate) fn new() -> Box<Self> {
        let nothing = [0; FRAME_LEN_MAX];
        Box::new(Self { mix: nothing, alone: nothing, sound: [0; FRAME_LEN_MAX] })
    }
}

/// What a tick of a conference is copied from.
pub(super) struct Said<'a> {
    pub(super) participants: &'a [Participant],
    pub(super) voices: &'a Voices,
    pub(super) buses: &'a Buses,
}

impl ConferenceTap {
    /// By how much the mix, the one apart and the rest are late. Participants by themselves are not.
    pub const DELAY: Duration = Duration::from_millis(3);

    /// Copies at a rate; each participant comes at their own.
    pub fn new(rate: SampleRate, parts: TapParts) -> Box<Self> {
        Box::new(Self {
            rate,
            parts,
            all: Ways::to(rate),
            one: Ways::to(rate),
            mix_limiter: Limiter::default(),
            one_limiter: Limiter::default(),
            rest_limiter: Limiter::default(),
        })
    }

    /// Becomes `new`. What is needed no more comes back; where the rate stays nothing is interrupted, and what was not copied
    /// until now begins after silence.
    pub(super) fn become_other(&mut self, mut new: Box<Self>) -> Box<Self> {
        if new.rate == self.rate {
            if !self.parts.are_summed() {
                self.all.forget();
            }
            if self.parts.apart.is_none() {
                self.one.forget();
            }
            self.parts = new.parts;
        } else {
            std::mem::swap(self, &mut new);
        }
        new
    }

    /// Has fetched what tells what a tick needs of it.
    pub(super) fn fetch_ahead(&self) {
        fetch(&self.rate);
        fetch(&self.parts);
        fetch(&self.all.used);
        fetch(&self.one.used);
    }

    /// Has fetched the rest, once that is here.
    pub(super) fn fetch_beyond(&self) {
        let (n, len) = (self.rate.index(), samples(Self::DELAY, self.rate));
        if self.parts.are_summed() {
            fetch_all(&self.all.held[n][..len]);
        }
        if self.parts.apart.is_some() {
            fetch_all(&self.one.held[n][..len]);
        }
    }

    /// Copies what is said in this tick.
    pub(super) fn copy(
        &mut self,
        when: (Tick, Time),
        id: ConferenceId,
        said: &Said<'_>,
        (bench, taps): (&mut TapBench, &mut AnySink),
    ) {
        if self.parts.are_summed() {
            self.sum(said, bench);
        }
        let (of, rate) = (Tapped::Conference(id), self.rate);
        let len = rate.frame_len();
        let TapBench { mix, alone, sound, .. } = bench;
        let (mix, alone, sound) = (&mut mix[..len], &alone[..len], &mut sound[..len]);
        if self.parts.mix {
            copy(taps, when, of, TapSide::Mix, rate, limited(&mut self.mix_limiter, mix, sound));
        }
        if self.parts.apart.is_some() {
            mix.iter_mut().zip(alone).for_each(|(mixed, alone)| *mixed -= alone);
            copy(taps, when, of, TapSide::Apart, rate, limited(&mut self.one_limiter, alone, sound));
            copy(taps, when, of, TapSide::Rest, rate, limited(&mut self.rest_limiter, mix, sound));
        }
        if self.parts.each {
            copy_each(when, of, said, taps);
        }
    }

    /// Brings what is said at all rates to that of the copies.
    fn sum(&mut self, said: &Said<'_>, bench: &mut TapBench) {
        let len = self.rate.frame_len();
        let (mut mix, mut alone) = (Sum::of(&mut bench.mix[..len]), Sum::of(&mut bench.alone[..len]));
        for bus in said.buses.iter().flatten() {
            self.all.add(bus.rate(), bus.speaks().then(|| bus.said()), &mut mix);
        }
        mix.end();
        let Some(leg) = self.parts.apart else {
            return;
        };
        let one = said.participants.iter().find(|participant| participant.leg == leg);
        let one = one.and_then(|one| Some((one.rate(), one.mixed(said.voices)?)));
        for rate in SampleRate::ALL {
            let sound = one.filter(|(at, _)| *at == rate).map(|(_, frame)| frame);
            self.one.add(rate, sound, &mut alone);
        }
        alone.end();
    }
}

/// Who does not speak to everyone is silent here.
fn copy_each(when: (Tick, Time), of: Tapped, said: &Said<'_>, taps: &mut AnySink) {
    let silence = [0; FRAME_LEN_MAX];
    for participant in said.participants {
        let sound = match participant.seat.audience {
            Audience::Everyone => said.voices.now(participant.slot, participant.frame_len()),
            Audience::Only(_) | Audience::Nobody => &silence[..participant.frame_len()],
        };
        copy(taps, when, of, TapSide::Seat(participant.leg), participant.rate(), sound);
    }
}

fn limited<'a>(limiter: &mut Limiter, mix: &[i32], sound: &'a mut [i16]) -> &'a [i16] {
    limiter.follow(mix).apply(mix, sound);
    sound
}

/// From each rate to one, all equally long.
struct Ways {
    /// What tells which of the rest is in use: together, since the rest is kilobytes, of which a tick needs little.
    used: Used,
    /// By rate, what is in the delay by which its way would be shorter than the others.
    held: [[i32; DELAY_MAX]; SampleRate::ALL.len()],
    converters: [RateConverter; SampleRate::ALL.len()],
}

struct Used {
    to: SampleRate,
    /// By rate, whether sound of the tick before is still on its way.
    rings: [bool; SampleRate::ALL.len()],
    /// Samples in `held`.
    delays: [u16; SampleRate::ALL.len()],
}

/// [`ConferenceTap::DELAY`] in samples at the highest rate.
const DELAY_MAX: usize = samples(ConferenceTap::DELAY, SampleRate::Hz48000);

const fn samples(duration: Duration, rate: SampleRate) -> usize {
    (duration.as_nanos() * rate.hertz() as u128).div_ceil(1_000_000_000) as usize
}

impl Ways {
    fn to(to: SampleRate) -> Self {
        let delay = |from| samples(ConferenceTap::DELAY, to) - samples(conversion_delay(from, to), to);
        let delays = SampleRate::ALL.map(|from| delay(from) as u16);
        Self {
            used: Used { to, rings: [false; SampleRate::ALL.len()], delays },
            held: [[0; DELAY_MAX]; SampleRate::ALL.len()],
            converters: SampleRate::ALL.map(|from| RateConverter::new(from, to)),
        }
    }

    /// What is still in them is old.
    fn forget(&mut self) {
        for (n, rings) in self.used.rings.iter_mut().enumerate() {
            if std::mem::take(rings) {
                self.converters[n].reset();
                self.held[n].fill(0);
            }
        }
    }

    /// Adds what is said at a rate, or nothing, to what has come by the other ways.
    fn add<T: Copy + Into<i32>>(&mut self, from: SampleRate, said: Option<&[T]>, sum: &mut Sum<'_>) {
        let n = from.index();
        if said.is_none() && !self.used.rings[n] {
            return;
        }
        // A tick is longer than the filters and delays are, so one tick of silence empties them.
        self.used.rings[n] = said.is_some();
        let held = &mut self.held[n][..usize::from(self.used.delays[n])];
        match said {
            Some(said) if from == self.used.to => sum.add_delayed(held, said),
            None if from == self.used.to => sum.add_delayed(held, &SILENCE[..from.frame_len()]),
            said => {
                let mut wide = [0; FRAME_LEN_MAX];
                let wide = &mut wide[..from.frame_len()];
                wide.iter_mut().zip(said.unwrap_or_default()).for_each(|(wide, said)| *wide = (*said).into());
                let mut converted = [0; FRAME_LEN_MAX];
                let converted = &mut converted[..sum.samples.len()];
                self.converters[n].convert(wide, converted);
                sum.add_delayed(held, converted);
            }
        }
    }
}

/// What is said in a tick in which nothing is.
static SILENCE: [i32; FRAME_LEN_MAX] = [0; FRAME_LEN_MAX];

/// What is added up in a tick. What comes first need not be added to silence: mostly nothing else comes.
struct Sum<'a> {
    /// Of the tick before, until something has come.
    samples: &'a mut [i32],
    is_empty: bool,
}

impl<'a> Sum<'a> {
    const fn of(samples: &'a mut [i32]) -> Self {
        Self { samples, is_empty: true }
    }

    /// Adds what was held, and `sound` but for its end, which is held instead.
    fn add_delayed<T: Copy + Into<i32>>(&mut self, held: &mut [i32], sound: &[T]) {
        let (now, later) = sound.split_at(sound.len() - held.len());
        let (first, rest) = self.samples.split_at_mut(held.len());
        if std::mem::take(&mut self.is_empty) {
            first.copy_from_slice(held);
            rest.iter_mut().zip(now).for_each(|(sum, sample)| *sum = (*sample).into());
        } else {
            first.iter_mut().zip(&*held).for_each(|(sum, sample)| *sum += sample);
            rest.iter_mut().zip(now).for_each(|(sum, sample)| *sum += (*sample).into());
        }
        held.iter_mut().zip(later).for_each(|(held, sample)| *held = (*sample).into());
    }

    /// Nothing more comes.
    fn end(self) {
        if self.is_empty {
            self.samples.fill(0);
        }
    }
}

impl std::fmt::Debug for ConferenceTap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConferenceTap")
            .field("rate", &self.rate)
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}
