//! How alike parts of a sound are: finds by how much it can be moved against itself and still fit, which for a voice
//! is its pitch period or a multiple.
//!
//! The search is made at 8 kHz whatever the rate, and its result refined between two samples of that.

use std::ops::RangeInclusive;

use crate::frame::SampleRate;

/// Samples at 8 kHz that are looked at: three ticks.
const COARSE_MAX: usize = 480;

/// The longest shift that is tried, in samples at 8 kHz: 15 ms, the period of a voice of 67 Hz, and with that two or
/// more periods of most voices.
pub(super) const LAG_MAX: usize = 120;

/// Samples at 8 kHz that can be compared: 20 ms. More would not fit the arithmetic.
const WINDOW_MAX: usize = 160;

/// A shift that is so little worse than the best is as good; with a voice, those are multiples of the period.
const AS_GOOD: f32 = 0.03;

/// A shift and how well the sound fits itself after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fit {
    /// In samples.
    pub(super) lag: usize,
    /// The normalised correlation: 1 for what repeats exactly, about 0 for noise.
    pub(super) likeness: f32,
}

/// Which of equally good shifts is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefer {
    /// The period itself: what is repeated often should be short.
    Shorter,
    /// Several periods: what is left out at once need not be left out again soon.
    Longer,
}

/// What is compared with what. Lengths are samples at 8 kHz.
#[derive(Clone, Debug)]
pub(super) struct Search {
    /// Where the part begins that is compared with those before it.
    pub(super) at: usize,
    /// How long it is.
    pub(super) window: usize,
    /// By how much the others begin earlier.
    pub(super) lags: RangeInclusive<usize>,
    pub(super) prefer: Prefer,
}

impl Search {
    /// The shift back by which `sound` resembles itself most. None if there is not enough of it.
    pub(super) fn best_fit(&self, sound: &[i16], rate: SampleRate) -> Option<Fit> {
        let factor = factor(rate);
        let mut coarse = [0; COARSE_MAX];
        let len = decimate(sound, factor, &mut coarse);
        let (least, most) = (*self.lags.start(), *self.lags.end());
        let fits = self.at >= most && self.at + self.window <= len;
        if !fits || least > most || most > LAG_MAX || self.window > WINDOW_MAX {
            return None;
        }
        let fit = self.coarse_fit(&coarse[..len]);
        Some(if factor == 1 { fit } else { self.refine(sound, factor, fit) })
    }

    fn coarse_fit(&self, coarse: &[i16]) -> Fit {
        let likenesses = self.likenesses(coarse);
        let least = *self.lags.start();
        let count = self.lags.end() - least + 1;
        let best = likenesses[..count].iter().copied().fold(f32::MIN, f32::max);
        let is_as_good = |&n: &usize| {
            let around = n.saturating_sub(1)..(n + 2).min(count);
            let is_peak = likenesses[around].iter().all(|&other| other <= likenesses[n]);
            is_peak && likenesses[n] >= best - AS_GOOD
        };
        let chosen = match self.prefer {
            Prefer::Shorter => (0..count).find(is_as_good),
            Prefer::Longer => (0..count).rev().find(is_as_good),
        };
        let chosen = chosen.unwrap_or(0);
        Fit { lag: least + chosen, likeness: likenesses[chosen] }
    }

    fn likenesses(&self, coarse: &[i16]) -> [f32; LAG_MAX + 1] {
        let lagged = |lag: usize| &coarse[self.at - lag..][..self.window];
        let square = |at: usize| i32::from(coarse[at]) * i32::from(coarse[at]);
        let own = product(lagged(0), lagged(0)) as f32;
        let mut energy = product(lagged(*self.lags.start()), lagged(*self.lags.start()));
        let mut likenesses = [0.0; LAG_MAX + 1];
        for (found, lag) in likenesses.iter_mut().zip(self.lags.clone()) {
            *found = likeness(product(lagged(0), lagged(lag)) as f32, own, energy as f32);
            // The next lag's window begins a sample earlier and ends a sample earlier.
            if let Some(before) = (self.at - lag).checked_sub(1) {
                energy += square(before) - square(before + self.window);
            }
        }
        likenesses
    }

    /// The best shift within a sample at 8 kHz around the coarse one, by the sound itself.
    fn refine(&self, sound: &[i16], factor: usize, coarse: Fit) -> Fit {
        let at = self.at * factor;
        let window = &sound[at..][..self.window * factor];
        let middle = coarse.lag * factor;
        let least = (middle + 1 - factor).max(self.lags.start() * factor);
        let most = (middle + factor - 1).min(self.lags.end() * factor);
        let difference = |lag: &usize| -> i64 {
            let pairs = window.iter().zip(&sound[at - lag..]);
            pairs.map(|(&a, &b)| i64::from(i32::from(a) - i32::from(b)).pow(2)).sum()
        };
        let lag = (least..=most).min_by_key(difference).unwrap_or(middle);
        Fit { lag, ..coarse }
    }
}

/// How many samples of that rate are one at 8 kHz.
pub(super) const fn factor(rate: SampleRate) -> usize {
    (rate.hertz() / SampleRate::Hz8000.hertz()) as usize
}

/// Means of `factor` samples each, as a sixteenth: 160 products then fit an i32, which the compiler turns into
/// vector arithmetic.
fn decimate(sound: &[i16], factor: usize, coarse: &mut [i16; COARSE_MAX]) -> usize {
    let len = (sound.len() / factor).min(COARSE_MAX);
    for (coarse, part) in coarse.iter_mut().zip(sound.chunks_exact(factor)) {
        let sum: i32 = part.iter().map(|&s| i32::from(s)).sum();
        *coarse = ((sum / factor as i32) >> 4) as i16;
    }
    len
}

/// Silence fits silence.
fn likeness(correlation: f32, energy: f32, other_energy: f32) -> f32 {
    if energy <= 0.0 && other_energy <= 0.0 {
        return 1.0;
    }
    correlation / (energy * other_energy).sqrt().max(1.0)
}

fn product(a: &[i16], b: &[i16]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::playout) const RATES: [SampleRate; 3] =
        [SampleRate::Hz8000, SampleRate::Hz16000, SampleRate::Hz48000];

    /// A voice-like wave whose period is so many samples.
    pub(in crate::playout) fn wave(period: f64, len: usize) -> Vec<i16> {
        let sample = |i: usize| {
            let turn = i as f64 / period * std::f64::consts::TAU;
            (8_000.0 * turn.sin() + 4_000.0 * (3.0 * turn).sin()) as i16
        };
        (0..len).map(sample).collect()
    }

    /// Samples in which nothing repeats.
    pub(in crate::playout) fn noise(len: usize) -> Vec<i16> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as i16 / 4
        };
        (0..len).map(|_| next()).collect()
    }

    fn search(prefer: Prefer) -> Search {
        Search { at: 120, window: 80, lags: 20..=120, prefer }
    }

    #[test]
    fn a_voice_fits_itself_after_whole_periods_at_every_rate() {
        for rate in RATES {
            for millis in [3.1, 4.7, 7.0, 11.3] {
                let period = millis * f64::from(rate.hertz()) / 1_000.0;
                let sound = wave(period, rate.hertz() as usize / 40);
                let fit = |prefer| search(prefer).best_fit(&sound, rate).unwrap();
                let (short, long) = (fit(Prefer::Shorter), fit(Prefer::Longer));
                assert!(short.likeness > 0.9 && long.likeness > 0.9, "{rate:?} {millis} {short:?} {long:?}");
                let periods = |fit: Fit| fit.lag as f64 / period;
                assert!((periods(short) - 1.0).abs() < 0.05, "{rate:?} {millis} {short:?}");
                let off = (periods(long) - periods(long).round()).abs() * period;
                assert!(off <= factor(rate) as f64 / 2.0, "{rate:?} {millis} {long:?}");
                assert!(long.lag >= short.lag);
            }
        }
    }

    #[test]
    fn noise_fits_itself_nowhere_and_silence_everywhere() {
        for rate in RATES {
            let len = rate.hertz() as usize / 40;
            let fit = |sound: &[i16]| search(Prefer::Longer).best_fit(sound, rate).unwrap();
            assert!(fit(&noise(len)).likeness < 0.6);
            assert_eq!(fit(&vec![0; len]).likeness, 1.0);
            assert!(fit(&vec![0; len]).lag > 119 * factor(rate));
            assert!(fit(&vec![i16::MIN; len]).likeness > 0.99);
        }
    }

    #[test]
    fn too_little_sound_fits_nothing() {
        let sound = wave(50.0, 199);
        assert_eq!(search(Prefer::Longer).best_fit(&sound, SampleRate::Hz8000), None);
        assert_eq!(search(Prefer::Longer).best_fit(&sound, SampleRate::Hz48000), None);
        assert_eq!(search(Prefer::Longer).best_fit(&[], SampleRate::Hz16000), None);
    }
}
