//! Tones, and what is in a sound besides them.
//!
//! Everything is measured over a whole second, the first tenth of which is left out so that filters have filled:
//! every frequency that is a whole number of hertz is then seen alone, under a window whose sidelobes are below
//! what 16 bits can hold.

use std::f64::consts::TAU;

/// A tone of whole-number frequency.
pub(crate) fn tone(rate: u32, hertz: u32, peak: f64, seconds: f64) -> Vec<i16> {
    let step = TAU * f64::from(hertz) / f64::from(rate);
    let len = (seconds * f64::from(rate)) as usize;
    (0..len).map(|n| (peak * (step * n as f64).sin()).round() as i16).collect()
}

/// The steady second of a sound.
pub(crate) struct Spectrum {
    rate: u32,
    windowed: Vec<f64>,
}

impl Spectrum {
    /// Of 1.1 seconds or more.
    pub(crate) fn of(rate: u32, samples: &[i16]) -> Self {
        let second = &samples[rate as usize / 10..][..rate as usize];
        let len = f64::from(rate);
        let windowed = second.iter().enumerate().map(|(n, &s)| f64::from(s) * window(n as f64 / len));
        Self { rate, windowed: windowed.collect() }
    }

    /// The amplitude of a tone of that frequency, in units of a sample.
    pub(crate) fn amplitude(&self, hertz: u32) -> f64 {
        // Goertzel's recursion.
        let turn = 2.0 * (TAU * f64::from(hertz) / f64::from(self.rate)).cos();
        let step = |(last, before), &s: &f64| (s + turn * last - before, last);
        let (last, before) = self.windowed.iter().fold((0.0, 0.0), step);
        let power: f64 = last * last + before * before - turn * last * before;
        power.max(0.0).sqrt() * 2.0 / (f64::from(self.rate) * WINDOW_MEAN)
    }

    /// The amplitude in dB over that of `reference`.
    pub(crate) fn level(&self, hertz: u32, reference: f64) -> f64 {
        decibels(self.amplitude(hertz) / reference)
    }

    /// The greatest level of what is 50 Hz or a multiple of it from `hertz`, up to 1 kHz, and of the multiples
    /// themselves: what frames of 20 ms leave behind if they do not join.
    pub(crate) fn frame_artefacts(&self, hertz: u32, reference: f64) -> f64 {
        let around = (1..=20).flat_map(|k| [hertz.checked_sub(50 * k), Some(hertz + 50 * k)]).flatten();
        let multiples = (1..=20).map(|k| 50 * k);
        let below_nyquist = around.chain(multiples).filter(|&at| at < self.rate / 2);
        below_nyquist.map(|at| self.level(at, reference)).fold(f64::NEG_INFINITY, f64::max)
    }
}

/// The mean of the window.
const WINDOW_MEAN: f64 = 0.358_75;

/// Blackman-Harris: sidelobes below -92 dB, four hertz away.
fn window(part: f64) -> f64 {
    let [a, b, c, d] = [WINDOW_MEAN, 0.488_29, 0.141_28, 0.011_68];
    a - b * (TAU * part).cos() + c * (2.0 * TAU * part).cos() - d * (3.0 * TAU * part).cos()
}

pub(crate) fn decibels(ratio: f64) -> f64 {
    20.0 * ratio.max(1e-12).log10()
}

/// The root mean square of the steady second.
pub(crate) fn loudness(rate: u32, samples: &[i16]) -> f64 {
    let second = &samples[rate as usize / 10..][..rate as usize];
    (second.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / f64::from(rate)).sqrt()
}
