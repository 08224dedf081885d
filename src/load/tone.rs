//! The talkers' tones: two to each talker, no two talkers with the same.
//!
//! All tones lie on the grid `8000 / period` Hz, so whatever is mixed of them repeats exactly every
//! `period` samples (at 8 kHz; as many times more at higher rates), down to the last bit of the G.711 rounding
//! if the mixer adds up honestly. That makes two checks cheap and sharp: a spectrum over one period has no leakage
//! between tones, and one sample of a good stream is equal to the sample one period before it, or nearly so where a
//! codec on the way is lossy.

use super::codec::{BASE_RATE, Codec};
use super::plan::{LegNumber, Plan};

/// The telephone band, in Hz, within which any codec and filter must let a tone pass.
const BAND: (usize, usize) = (300, 3_300);
/// Periods to choose from, in samples at 8 kHz. Powers of two, for the FFT. The shortest that holds the tones is
/// chosen, because a verdict needs whole periods.
const PERIODS: [usize; 4] = [1_024, 2_048, 4_096, 8_192];
/// Two tones each: an overtone or a rounding product that falls on one of them is not taken for the talker.
const TONES_EACH: usize = 2;
/// The talkers that the longest period's grid can tell apart.
pub(super) const TALKERS_MAX: usize = (BAND.1 - BAND.0) * PERIODS[3] / BASE_RATE / TONES_EACH;
/// Where the loudest moment of the mix should lie: 6 dB below full scale, below any limiter's knee.
const MIX_PEAK: f64 = 16_000.0;
/// Peak over RMS of a sum of many tones in random phase that is hardly ever exceeded.
const CREST: f64 = 4.5;
/// Strength of a beep: loud enough to stand out of any noise, 12 dB below full scale.
const BEEP_LEVEL: f64 = 8_000.0;
const BEEP_HZ: f64 = 1_000.0;

/// There are more talkers than tones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ToneError;

/// The period that holds the tones of this many talkers, in samples at 8 kHz.
pub(super) fn period_for(talkers: usize) -> Result<usize, ToneError> {
    let wanted = talkers * TONES_EACH;
    // Neighbours two steps apart, where there is room: then a period that is not quite whole
    // (a frame was lost in it) still tells them apart.
    let roomy = PERIODS[..3].iter().find(|&&period| grid(period).len() >= 2 * wanted);
    let any = || PERIODS.iter().find(|&&period| grid(period).len() >= wanted);
    roomy.or_else(any).copied().ok_or(ToneError)
}

/// The grid steps that lie inside the band.
fn grid(period: usize) -> std::ops::Range<usize> {
    (BAND.0 * period).div_ceil(BASE_RATE)..BAND.1 * period / BASE_RATE + 1
}

/// Which tones each talker of a plan sends, and how strong.
#[derive(Clone, Debug)]
pub(super) struct Tones {
    period: usize,
    amplitude: f64,
    bins: Vec<[usize; TONES_EACH]>,
}

impl Tones {
    /// The tones of a plan's talkers. Neighbours on the grid belong to different conferences.
    pub(super) fn of(plan: &Plan) -> Self {
        let talkers = plan.talkers();
        // A plan has been checked against the same limit.
        let period = period_for(talkers).unwrap_or(PERIODS[PERIODS.len() - 1]);
        let bins = (0..talkers).map(|talker| bins_of(talker, talkers, &grid(period))).collect();
        Self { period, amplitude: amplitude(plan.talkers_each()), bins }
    }

    /// Samples at 8 kHz after which every mix of the tones repeats.
    pub(super) fn period(&self) -> usize {
        self.period
    }

    /// The peak of one tone, in linear 16-bit units.
    pub(super) fn amplitude(&self) -> f64 {
        self.amplitude
    }

    /// The talker's tones, in grid steps.
    pub(super) fn bins(&self, talker: LegNumber) -> [usize; TONES_EACH] {
        self.bins[talker.0]
    }

    /// One period of the talker's sound, at the sample rate of this codec.
    pub(super) fn period_of(&self, talker: LegNumber, codec: Codec) -> Vec<i16> {
        let phases = [0, 1].map(|tone| phase(talker.0 * TONES_EACH + tone));
        let bins = self.bins(talker);
        let period = self.period * codec.factor();
        let turns = |n: usize, tone: usize| (bins[tone] * n % period) as f64 / period as f64 + phases[tone];
        let sine = |turns: f64| (turns * std::f64::consts::TAU).sin();
        (0..period)
            .map(|n| self.amplitude * (sine(turns(n, 0)) + sine(turns(n, 1))))
            .map(|sample| sample.round() as i16)
            .collect()
    }
}

/// Where a tone begins, in turns. Phases that grow with the square of the number spread a sum's energy over
/// time (phases that grow evenly would gather it in one peak), and are the same in every run.
fn phase(tone: usize) -> f64 {
    ((tone * tone) as f64 * 0.618_034).fract()
}

/// The talker's steps: the first half of the band holds each one's lower tone, the second half the upper ones
/// in another order, so that two talkers who are neighbours in one are not in the other.
fn bins_of(talker: usize, talkers: usize, grid: &std::ops::Range<usize>) -> [usize; TONES_EACH] {
    let at = |place: usize| grid.start + place * grid.len() / (TONES_EACH * talkers);
    let shuffled = (talker * stride(talkers)) % talkers;
    [at(talker), at(talkers + shuffled)]
}

/// A stride near a third of `n` that visits every place.
fn stride(n: usize) -> usize {
    let coprime = |step: &usize| gcd(*step, n) == 1;
    ((n / 3).max(1)..=n.max(1)).find(coprime).unwrap_or(1)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// How strong one tone may be so that all talkers of a conference together keep below [`MIX_PEAK`].
fn amplitude(talkers: usize) -> f64 {
    let tones = (talkers * TONES_EACH) as f64;
    MIX_PEAK / tones.min(CREST * (tones / 2.0).sqrt())
}

/// What a silent caller sends: noise of one quantisation step, as an idle line has.
pub(super) fn idle_noise(samples: usize, seed: u32) -> Vec<i16> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    (0..samples).map(|_| [-8, 0, 0, 8][next() as usize % 4]).collect()
}

/// One frame of beep. It starts at once and at full strength, so its onset is exact.
pub(super) fn beep(codec: Codec) -> Vec<i16> {
    let turns = |n: usize| BEEP_HZ * n as f64 / f64::from(codec.sample_rate());
    let sample = |n| (BEEP_LEVEL * (turns(n) * std::f64::consts::TAU).cos()) as i16;
    (0..codec.frame_samples()).map(sample).collect()
}

/// A linear sample stronger than this, in the time of beeps, is a beep's onset: 12 dB below the beep.
pub(super) const BEEP_ONSET: i16 = 2_000;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_talkers_share_a_tone() {
        for (legs, conferences, talkers) in
            [(1, 1, 1), (2, 1, 2), (250, 1, 250), (250, 25, 10), (1_000, 100, 10), (1_500, 1, 1_500)]
        {
            let plan = Plan::new(legs, conferences, talkers, 60).unwrap();
            let tones = Tones::of(&plan);
            let all: HashSet<_> = tones.bins.iter().flatten().collect();
            assert_eq!(all.len(), TONES_EACH * plan.talkers());
            assert!(all.iter().all(|&&bin| grid(tones.period()).contains(&bin)));
        }
    }

    #[test]
    fn few_talkers_are_told_apart_in_an_eighth_of_a_second() {
        assert_eq!(period_for(3), Ok(1_024));
        assert_eq!(period_for(250), Ok(4_096));
        assert_eq!(period_for(TALKERS_MAX), Ok(8_192));
        assert_eq!(period_for(TALKERS_MAX + 2), Err(ToneError));
    }

    #[test]
    fn the_mix_of_all_talkers_stays_below_full_scale() {
        for (legs, talkers) in [(1, 1), (3, 3), (10, 10), (250, 250)] {
            let tones = Tones::of(&Plan::new(legs, 1, talkers, 60).unwrap());
            let mut sum = vec![0_i32; tones.period()];
            for talker in 0..talkers {
                let sound = tones.period_of(LegNumber(talker), Codec::Pcmu);
                sum.iter_mut().zip(&sound).for_each(|(sum, &sample)| *sum += i32::from(sample));
            }
            let peak = sum.iter().map(|sample| sample.abs()).max().unwrap();
            assert!(peak < 24_000, "{talkers} talkers peak at {peak}");
        }
    }
}
