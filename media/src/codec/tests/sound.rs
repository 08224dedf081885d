//! Sounds for the tests of codecs, and how alike two of them are.

use std::f64::consts::TAU;

use crate::frame::SampleRate;

/// Something that codecs take for speech: a gliding voice of some twenty harmonics that comes in syllables, and
/// hiss, more of it between them. Peaks at about a third of full scale.
pub(in crate::codec) fn speech(rate: SampleRate, len: usize, seed: u32) -> Vec<i16> {
    let mut random = seed.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let mut phase = 0.0_f64;
    let sample = |n: usize| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let hiss = f64::from(random as i32) / 2_147_483_648.0;
        let time = n as f64 / f64::from(rate.hertz()) + f64::from(seed % 10) * 0.1;
        phase += (140.0 + 40.0 * (time * 7.0).sin()) / f64::from(rate.hertz()) * TAU;
        let voice: f64 = (1..=20).map(|k| (phase * f64::from(k)).sin() / f64::from(k)).sum();
        let loud = (time * 9.0).sin().max(0.0);
        (voice * 5_000.0 * loud + hiss * 300.0 * (1.5 - loud)) as i16
    };
    (0..len).map(sample).collect()
}

/// A steady tone.
pub(in crate::codec) fn tone(rate: SampleRate, len: usize, hertz: f64, peak: f64) -> Vec<i16> {
    let step = TAU * hertz / f64::from(rate.hertz());
    (0..len).map(|n| (peak * (step * n as f64).sin()).round() as i16).collect()
}

/// The sum of squares.
pub(in crate::codec) fn energy(samples: &[i16]) -> f64 {
    samples.iter().map(|&s| f64::from(s).powi(2)).sum()
}

/// How far `heard` is below `meant` in what they differ by: their ratio of signal to noise in dB.
pub(in crate::codec) fn signal_to_noise(meant: &[i16], heard: &[i16]) -> f64 {
    let noise: f64 = meant.iter().zip(heard).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
    10.0 * (energy(&meant[..heard.len().min(meant.len())]) / noise.max(1e-9)).log10()
}

/// How much later than `meant` `heard` is, in samples.
pub(in crate::codec) fn lag(meant: &[i16], heard: &[i16], longest: usize) -> usize {
    let common = meant.len().min(heard.len()) - longest;
    let ratio = |lag: &usize| signal_to_noise(&meant[..common], &heard[*lag..][..common]);
    (0..longest).max_by(|a, b| ratio(a).total_cmp(&ratio(b))).unwrap()
}
