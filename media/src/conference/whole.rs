//! What is copied of a conference as a whole, for recorders: its mix with nobody subtracted, one participant beside all
//! others, or each participant by themselves. It reads what is said and never contributes.
//!
//! ```text
//! said at 8 kHz  ─▶ converter, or none ─▶ delay ─┐
//! said at 16 kHz ─▶ converter, or none ─▶ delay ─┼▶ sum ─▶ limiter ─▶ tap
//! said at 48 kHz ─▶ converter, or none ─▶ delay ─┘
//! ```
//!
//! Mostly all is said at the rate of the copies, and softly: then nothing is converted or limited, and one pass over the
//! samples does for all ([`ConferenceTap::copy_plain`]). What comes out is the same.
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
use crate::dsp::limiter::{Limiter, bits_of, is_soft};
use crate::event::{TapSide, Tapped};
use crate::frame::{FRAME_LEN_MAX, SampleRate};
use crate::id::{ConferenceId, LegId};
use crate::prefetch::{fetch, fetch_all};
use crate::tap::{AnySink, copy, copy_beside};
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
// In this order: what most ticks need lies side by side.
#[repr(C)]
pub struct ConferenceTap {
    rate: SampleRate,
    parts: TapParts,
    mix_limiter: Limiter,
    one_limiter: Limiter,
    rest_limiter: Limiter,
    all: Ways,
    one: Ways,
}

/// Where a tick of a conference is brought together to be copied. One is enough for all conferences of an engine, and
/// stays near the processor where one of each would have to be fetched.
pub(crate) struct TapBench {
    mix: [i32; FRAME_LEN_MAX],
    alone: [i32; FRAME_LEN_MAX],
    copies: Copies,
}

/// What is handed on.
struct Copies {
    mix: [i16; FRAME_LEN_MAX],
    one: [i16; FRAME_LEN_MAX],
    rest: [i16; FRAME_LEN_MAX],
}

impl TapBench {
    pub(crate) fn new() -> Box<Self> {
        let (wide, nothing) = ([0; FRAME_LEN_MAX], [0; FRAME_LEN_MAX]);
        let copies = Copies { mix: nothing, one: nothing, rest: nothing };
        Box::new(Self { mix: wide, alone: wide, copies })
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

    /// Has fetched what most ticks need of it.
    pub(super) fn fetch_ahead(&self) {
        fetch(&self.rate);
        for ways in [&self.all, &self.one] {
            fetch(&ways.used);
            // As much as there is at 16 kHz; at 48 kHz few are recorded.
            fetch_all(&ways.own[..samples(Self::DELAY, SampleRate::Hz16000)]);
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
            if !self.copy_plain(said, &mut bench.copies) {
                self.sum(said, bench);
                self.limit(bench);
            }
            self.hand_on(when, id, &bench.copies, taps);
        }
        if self.parts.each {
            copy_each(when, Tapped::Conference(id), said, taps);
        }
    }

    fn hand_on(&self, when: (Tick, Time), id: ConferenceId, copies: &Copies, taps: &mut AnySink) {
        let (of, rate) = (Tapped::Conference(id), self.rate);
        let len = rate.frame_len();
        if self.parts.mix {
            copy(taps, when, of, TapSide::Mix, rate, &copies.mix[..len]);
        }
        if self.parts.apart.is_some() {
            copy_beside(taps, when, id, rate, [&copies.one[..len], &copies.rest[..len]]);
        }
    }

    /// Copies a tick in which all is said at the rate of the copies, and softly. Whether it is one; if it is not, nothing
    /// has changed.
    fn copy_plain(&mut self, said: &Said<'_>, copies: &mut Copies) -> bool {
        let len = self.rate.frame_len();
        let Some((all, one)) = self.all_at_own_rate(said) else {
            return false;
        };
        let late = self.all.late();
        let (held_all, held_one) = (&mut self.all.own[..late], &mut self.one.own[..late]);
        let (all_now, all_later) = all.split_at(len - late);
        let (one_now, one_later) = one.split_at(len - late);
        let mut bits = 0;
        if self.parts.mix {
            let (first, then) = copies.mix[..len].split_at_mut(late);
            bits |= narrow(held_all, first) | narrow(all_now, then);
        }
        if self.parts.apart.is_some() {
            let (first, then) = copies.one[..len].split_at_mut(late);
            bits |= narrow(held_one, first) | narrow(one_now, then);
            let (first, then) = copies.rest[..len].split_at_mut(late);
            bits |= subtract(held_all, held_one, first) | subtract(all_now, one_now, then);
        }
        if !is_soft(bits) {
            return false;
        }
        widen(all_later, held_all);
        widen(one_later, held_one);
        let n = self.rate.index();
        (self.all.used.rings[n], self.one.used.rings[n]) = (true, true);
        true
    }

    /// What all say, and what the one says who is apart, if in this tick nothing is to be converted or limited: nothing is
    /// said at other rates, nothing of them is still on its way, and no limiter is at work.
    fn all_at_own_rate<'a>(&self, said: &Said<'a>) -> Option<(&'a [i32], &'a [i16])> {
        let limiters = [self.mix_limiter, self.one_limiter, self.rest_limiter];
        if limiters.iter().any(|limiter| !limiter.rests()) || self.all.converts() || self.one.converts() {
            return None;
        }
        let len = self.rate.frame_len();
        let mut all = &SILENCE[..len];
        for bus in said.buses.iter().flatten().filter(|bus| bus.speaks()) {
            if bus.rate() != self.rate {
                return None;
            }
            all = bus.said();
        }
        let one = self.parts.apart.and_then(|leg| said.of(leg));
        let is_other = one.is_some_and(|(rate, _)| rate != self.rate);
        (!is_other).then_some((all, one.map_or(&SOFT_SILENCE[..len], |(_, sound)| sound)))
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
        let one = said.of(leg);
        for rate in SampleRate::ALL {
            let sound = one.filter(|(at, _)| *at == rate).map(|(_, frame)| frame);
            self.one.add(rate, sound, &mut alone);
        }
        alone.end();
    }

    /// Brings the sums down to 16 bits.
    fn limit(&mut self, bench: &mut TapBench) {
        let len = self.rate.frame_len();
        let TapBench { mix, alone, copies } = bench;
        let (mix, alone) = (&mut mix[..len], &alone[..len]);
        if self.parts.mix {
            limited(&mut self.mix_limiter, mix, &mut copies.mix[..len]);
        }
        if self.parts.apart.is_some() {
            mix.iter_mut().zip(alone).for_each(|(mixed, alone)| *mixed -= alone);
            limited(&mut self.one_limiter, alone, &mut copies.one[..len]);
            limited(&mut self.rest_limiter, mix, &mut copies.rest[..len]);
        }
    }
}

impl<'a> Said<'a> {
    /// What this participant says to everyone, if anything, and at which rate.
    fn of(&self, leg: LegId) -> Option<(SampleRate, &'a [i16])> {
        let one = self.participants.iter().find(|participant| participant.leg == leg)?;
        Some((one.rate(), one.mixed(self.voices)?))
    }
}

/// Samples as they are, in 16 bits. In the result all bits that any of them has, as [`is_soft`] wants them.
fn narrow<T: Copy + Into<i32>>(wide: &[T], out: &mut [i16]) -> i32 {
    let mut bits = 0;
    for (out, &sample) in out.iter_mut().zip(wide) {
        let sample = sample.into();
        bits |= bits_of(sample);
        *out = sample as i16;
    }
    bits
}

/// The same of what is left of `all` without `one`.
fn subtract<T: Copy + Into<i32>>(all: &[i32], one: &[T], out: &mut [i16]) -> i32 {
    let mut bits = 0;
    for (out, (&all, &one)) in out.iter_mut().zip(all.iter().zip(one)) {
        let rest = all - one.into();
        bits |= bits_of(rest);
        *out = rest as i16;
    }
    bits
}

fn widen<T: Copy + Into<i32>>(sound: &[T], out: &mut [i32]) {
    out.iter_mut().zip(sound).for_each(|(out, sample)| *out = (*sample).into());
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

fn limited(limiter: &mut Limiter, mix: &[i32], sound: &mut [i16]) {
    limiter.follow(mix).apply(mix, sound);
}

/// From each rate to one, all equally long.
#[repr(C)]
struct Ways {
    used: Used,
    /// What is in the delay of what needs no converter.
    own: [i32; DELAY_MAX],
    /// Kilobytes, which a tick needs only where something is said at other rates.
    others: Box<Others>,
}

struct Used {
    to: SampleRate,
    /// By rate, whether sound of the tick before is still on its way.
    rings: [bool; SampleRate::ALL.len()],
}

struct Others {
    /// By rate, what is in the delay by which its way would be shorter than the others.
    held: [[i32; DELAY_MAX]; SampleRate::ALL.len()],
    /// Samples of that.
    delays: [usize; SampleRate::ALL.len()],
    converters: [RateConverter; SampleRate::ALL.len()],
}

/// [`ConferenceTap::DELAY`] in samples at the highest rate.
const DELAY_MAX: usize = samples(ConferenceTap::DELAY, SampleRate::Hz48000);

const fn samples(duration: Duration, rate: SampleRate) -> usize {
    (duration.as_nanos() * rate.hertz() as u128).div_ceil(1_000_000_000) as usize
}

impl Ways {
    fn to(to: SampleRate) -> Self {
        let delay = |from| samples(ConferenceTap::DELAY, to) - samples(conversion_delay(from, to), to);
        let others = Others {
            held: [[0; DELAY_MAX]; SampleRate::ALL.len()],
            delays: SampleRate::ALL.map(delay),
            converters: SampleRate::ALL.map(|from| RateConverter::new(from, to)),
        };
        let used = Used { to, rings: [false; SampleRate::ALL.len()] };
        Self { used, own: [0; DELAY_MAX], others: Box::new(others) }
    }

    /// Samples by which what needs no converter is late.
    const fn late(&self) -> usize {
        samples(ConferenceTap::DELAY, self.used.to)
    }

    /// Whether something that was said at another rate is still on its way.
    fn converts(&self) -> bool {
        SampleRate::ALL.iter().zip(self.used.rings).any(|(rate, rings)| rings && *rate != self.used.to)
    }

    /// What is still in them is old.
    fn forget(&mut self) {
        self.own.fill(0);
        for (n, rings) in self.used.rings.iter_mut().enumerate() {
            if std::mem::take(rings) {
                self.others.converters[n].reset();
                self.others.held[n].fill(0);
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
        if from == self.used.to {
            let late = self.late();
            let held = &mut self.own[..late];
            return match said {
                Some(said) => sum.add_delayed(held, said),
                None => sum.add_delayed(held, &SILENCE[..from.frame_len()]),
            };
        }
        self.others.convert(from, said.unwrap_or_default(), sum);
    }
}

impl Others {
    fn convert<T: Copy + Into<i32>>(&mut self, from: SampleRate, said: &[T], sum: &mut Sum<'_>) {
        let n = from.index();
        let mut wide = [0; FRAME_LEN_MAX];
        let wide = &mut wide[..from.frame_len()];
        widen(said, wide);
        let mut converted = [0; FRAME_LEN_MAX];
        let converted = &mut converted[..sum.samples.len()];
        self.converters[n].convert(wide, converted);
        sum.add_delayed(&mut self.held[n][..self.delays[n]], converted);
    }
}

/// What is said in a tick in which nothing is.
static SILENCE: [i32; FRAME_LEN_MAX] = [0; FRAME_LEN_MAX];
static SOFT_SILENCE: [i16; FRAME_LEN_MAX] = [0; FRAME_LEN_MAX];

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
