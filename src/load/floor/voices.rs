//! Voices that one packet tells apart: tones on a grid of 50 Hz, each of which is whole in every 20 ms. So each packet that
//! comes says by itself who is in it, and a change of who hears whom is seen to the packet.
//!
//! A voice has two tones, both below 1 kHz or both above 1.1 kHz: a key of a telephone has one of either, and is withheld.

use std::f32::consts::TAU;
use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};

/// The grid's step: one turn in 20 ms, in Hz.
const STEP_HZ: usize = 50;
/// The lowest tone, which any telephone lets pass.
const FIRST_HZ: usize = 300;
/// Tones on the grid, up to 3,300 Hz.
const TONES: usize = 61;
/// The first tones: those up to 950 Hz are in the low group.
const LOW_TONES: usize = 14;
/// Tones left out between the groups, so that neither tone of a voice is near one of the other group of keys.
const BETWEEN: usize = 3;
/// Samples of 20 ms at the lowest rate.
const FRAME: usize = 160;
/// The peak of a tone. Eight voices at once stay below any limiter's knee, even if all their peaks met.
pub(super) const AMPLITUDE: f32 = 1_500.0;
/// A tone is in a packet from a tenth (−20 dB) of what was sent.
const HEARD: f32 = 0.1;
/// A tone is as it should be between these, as shares of what was sent.
const STRONG: std::ops::RangeInclusive<f32> = 0.5..=1.8;

/// A set of tones of the grid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Tones(u64);

impl Tones {
    pub(super) const NONE: Self = Self(0);

    pub(super) fn one(tone: usize) -> Self {
        Self(1 << tone)
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Those in one of the two alone.
    pub(super) fn difference(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of the other's tones are among these.
    pub(super) fn has(self, other: Self) -> bool {
        other.without(self).is_empty()
    }

    pub(super) fn meets(self, other: Self) -> bool {
        !self.common(other).is_empty()
    }

    fn list(self) -> impl Iterator<Item = usize> {
        (0..TONES).filter(move |tone| self.0 >> tone & 1 == 1)
    }
}

/// Voices of two tones each, no two of which share one.
pub(super) fn pairs() -> Vec<Tones> {
    let group = |tones: std::ops::Range<usize>| {
        let (first, half) = (tones.start, tones.len() / 2);
        // A pair is half a group apart, so that its two tones are no neighbours.
        (0..half).map(move |n| Tones::one(first + n).and(Tones::one(first + n + half)))
    };
    group(0..LOW_TONES).chain(group(LOW_TONES + BETWEEN..TONES)).collect()
}

/// The two groups of tones that voices are made from, the low one first.
pub(super) fn groups() -> [std::ops::Range<usize>; 2] {
    [0..LOW_TONES, LOW_TONES + BETWEEN..TONES]
}

/// 20 ms of a voice, at `factor` times 8 kHz. It goes on at its end as it began.
pub(super) fn sound(voice: Tones, factor: usize) -> Vec<i16> {
    let samples = FRAME * factor;
    let at = |n: usize| -> f32 {
        let tone = |tone: usize| (TAU * (turn(tone, n, samples) + phase(tone))).sin();
        voice.list().map(|t| AMPLITUDE * tone(t)).sum()
    };
    (0..samples).map(|n| at(n).round() as i16).collect()
}

/// How strong a voice is in a longer sound, at `factor` times 8 kHz: the mean square of the peaks of its tones. What is not a
/// whole number of 20 ms at the end is left out. Other sound counts the less the longer it is.
pub(super) fn power(voice: Tones, sound: &[i16], factor: usize) -> f64 {
    let samples = FRAME * factor;
    let whole = &sound[..sound.len() / samples * samples];
    let square = |tone: usize| {
        let product = |quarter: f64| -> f64 {
            let wave = |n: usize| {
                let turn = (turns(tone) * n % samples) as f64 / samples as f64;
                ((turn + quarter) * std::f64::consts::TAU).sin()
            };
            whole.iter().enumerate().map(|(n, &sample)| wave(n) * f64::from(sample)).sum()
        };
        let scale = 2.0 / whole.len().max(1) as f64;
        (product(0.0) * scale).powi(2) + (product(0.25) * scale).powi(2)
    };
    let tones = voice.list().count().max(1) as f64;
    voice.list().map(square).sum::<f64>() / tones
}

/// How many turns of the tone there are in 20 ms.
fn turns(tone: usize) -> usize {
    FIRST_HZ / STEP_HZ + tone
}

fn turn(tone: usize, n: usize, samples: usize) -> f32 {
    (turns(tone) * n % samples) as f32 / samples as f32
}

/// Phases that grow with the square of the number keep a sum's peaks apart.
fn phase(tone: usize) -> f32 {
    ((tone * tone) as f32 * 0.618_034).fract()
}

/// What one packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Glimpse {
    /// When it came, on the monotonic clock.
    pub(super) at_ns: i64,
    /// Tones that are in it, however faint above −20 dB.
    pub(super) heard: Tones,
    /// Tones that are in it as strong as they were sent.
    pub(super) strong: Tones,
}

impl Glimpse {
    /// Whether each tone is there as it was sent or not at all. A packet in which sound begins, ends or jumps is not
    /// whole, and shows tones that nobody sent.
    pub(super) fn is_whole(&self) -> bool {
        self.heard == self.strong
    }
}

/// Sees which tones are in 20 ms.
pub(super) struct Eye {
    samples: usize,
    transform: Arc<dyn RealToComplex<f32>>,
}

impl Eye {
    /// For sound at `factor` times 8 kHz.
    pub(super) fn new(factor: usize) -> Self {
        let samples = FRAME * factor;
        Self { samples, transform: RealFftPlanner::new().plan_fft_forward(samples) }
    }

    /// What these 20 ms say; nothing of sound of another length.
    pub(super) fn look(&self, sound: &[i16], at_ns: i64) -> Option<Glimpse> {
        if sound.len() != self.samples {
            return None;
        }
        let mut samples: Vec<f32> = sound.iter().map(|&sample| f32::from(sample)).collect();
        let mut spectrum = self.transform.make_output_vec();
        self.transform.process(&mut samples, &mut spectrum).ok()?;
        let scale = 2.0 / (self.samples as f32 * AMPLITUDE);
        let (mut heard, mut strong) = (Tones::NONE, Tones::NONE);
        for tone in 0..TONES {
            let share = spectrum[turns(tone)].norm() * scale;
            if share >= HEARD {
                heard = heard.and(Tones::one(tone));
            }
            if STRONG.contains(&share) {
                strong = strong.and(Tones::one(tone));
            }
        }
        Some(Glimpse { at_ns, heard, strong })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_packet_says_exactly_who_is_in_it_at_every_rate() {
        let voices = pairs();
        assert!(voices.len() >= 28);
        for factor in [1, 2, 6] {
            let eye = Eye::new(factor);
            for first in 0..voices.len() - 4 {
                let together = &voices[first..first + 4];
                let mut mix = vec![0_i16; FRAME * factor];
                for voice in together {
                    mix.iter_mut().zip(sound(*voice, factor)).for_each(|(sum, sample)| *sum += sample);
                }
                let wanted = together.iter().fold(Tones::NONE, |all, voice| all.and(*voice));
                let seen = eye.look(&mix, 7).unwrap();
                assert_eq!(seen, Glimpse { at_ns: 7, heard: wanted, strong: wanted });
            }
        }
        assert_eq!(Eye::new(1).look(&[0; 80], 0), None);
    }

    #[test]
    fn no_two_voices_share_a_tone_and_none_is_like_a_key() {
        let mut all = Tones::NONE;
        for voice in pairs() {
            assert!(!all.meets(voice) && voice.list().count() == 2);
            all = all.and(voice);
            let [low, high] = [0, 1].map(|n| FIRST_HZ + STEP_HZ * voice.list().nth(n).unwrap());
            assert!(high < 1_000 || low > 1_100, "{low} and {high} Hz");
        }
    }

    #[test]
    fn the_power_of_a_voice_is_found_in_a_long_sound_however_faint() {
        for factor in [1, 6] {
            let [voice, other] = [pairs()[2], pairs()[9]];
            let long = |voice| sound(voice, factor).repeat(50);
            let full = f64::from(AMPLITUDE).powi(2);
            assert!((power(voice, &long(voice), factor) / full - 1.0).abs() < 0.01);
            assert!(power(voice, &long(other), factor) / full < 1e-8);
            let faint: Vec<i16> = long(voice).iter().map(|sample| sample / 300).collect();
            let db = 10.0 * (power(voice, &faint, factor) / full).log10();
            assert!((-54.0..-48.0).contains(&db), "{db}");
        }
    }

    #[test]
    fn a_faint_voice_is_heard_but_is_not_as_strong_as_it_was_sent() {
        let voice = pairs()[3];
        let faint: Vec<i16> = sound(voice, 1).iter().map(|sample| sample / 8).collect();
        let seen = Eye::new(1).look(&faint, 0).unwrap();
        assert!(seen.heard == voice && seen.strong.is_empty() && !seen.is_whole());
    }
}
