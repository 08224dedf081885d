//! A plain radix-2 Fourier transform (Cooley–Tukey), enough to measure the strength of every tone on the
//! grid over one period at once. A Goertzel filter per tone would cost more from about ten tones on.
//!
//! Periods at 16 and 48 kHz are 2 and 6 times as long and show the same grid: their samples are dealt out to as many
//! transforms of the short length, two real ones in each complex one, and the results turned back into step.

use std::f32::consts::PI;

/// Turns one period of samples into the strength of every grid step.
#[derive(Debug)]
pub(super) struct Spectrum {
    size: usize,
    /// `e^(-2πi k / size)` for the first half turn.
    twiddles: Vec<(f32, f32)>,
    /// `e^(-2πi n / (6 size))` for the first half turn: what a delay by a sample of a higher rate does.
    delays: Vec<(f32, f32)>,
}

/// The multiple that all sample rates divide: 48 kHz.
const FACTOR_MAX: usize = 6;

/// A complex number as (real, imaginary).
pub(super) type Complex = (f32, f32);

impl Spectrum {
    /// For periods of `size` samples at 8 kHz.
    ///
    /// # Panics
    /// When `size` is not a power of two.
    pub(super) fn new(size: usize) -> Self {
        assert!(size.is_power_of_two(), "periods are powers of two");
        Self { size, twiddles: half_turn(size), delays: half_turn(size * FACTOR_MAX) }
    }

    /// The coefficients of one period, scaled so that a sine of peak `a` on a grid step has magnitude `a`. The
    /// period may have any whole multiple of the samples that it has at 8 kHz; the steps beyond 4 kHz are left out.
    pub(super) fn transform(&self, samples: &[i16]) -> Vec<Complex> {
        let factor = samples.len() / self.size;
        debug_assert_eq!(samples.len(), self.size * factor);
        if factor == 1 {
            return self.transform_pair(samples, 1, 0);
        }
        let mut sum = vec![(0.0, 0.0); self.size / 2];
        for first in (0..factor).step_by(2) {
            let pair = self.transform_pair(samples, factor, first);
            for (k, to) in sum.iter_mut().enumerate() {
                let (even, odd) = part_pair(pair[k], pair[(self.size - k) % self.size]);
                let delay = |samples: usize| self.delays[samples * k * (FACTOR_MAX / factor)];
                let (even, odd) = (turn(even, delay(first)), turn(odd, delay(first + 1)));
                *to = (to.0 + even.0 + odd.0, to.1 + even.1 + odd.1);
            }
        }
        sum
    }

    /// The transform of every `factor`-th sample from `first` on, as the real part, and (if there is more than one) of
    /// those after them, as the imaginary part.
    fn transform_pair(&self, samples: &[i16], factor: usize, first: usize) -> Vec<Complex> {
        let bits = self.size.ilog2();
        let scale = 2.0 / samples.len() as f32;
        let at = |n: usize| f32::from(samples[n]) * scale;
        let mut values: Vec<Complex> = (0..self.size)
            .map(|n| (n.reverse_bits() >> (usize::BITS - bits)) * factor + first)
            .map(|n| (at(n), if factor == 1 { 0.0 } else { at(n + 1) }))
            .collect();
        let mut half = 1;
        while half < self.size {
            self.butterflies(&mut values, half);
            half *= 2;
        }
        values
    }

    /// One stage: joins neighbouring transforms of `half` values each.
    fn butterflies(&self, values: &mut [Complex], half: usize) {
        let stride = self.size / (2 * half);
        for block in values.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for (k, (a, b)) in low.iter_mut().zip(high).enumerate() {
                let turned = turn(*b, self.twiddles[k * stride]);
                *b = (a.0 - turned.0, a.1 - turned.1);
                *a = (a.0 + turned.0, a.1 + turned.1);
            }
        }
    }
}

/// `e^(-2πi n / steps)` for the first half turn, as (cosine, sine).
fn half_turn(steps: usize) -> Vec<(f32, f32)> {
    let angle = |n: usize| -2.0 * PI * n as f32 / steps as f32;
    (0..steps / 2).map(|n| (angle(n).cos(), angle(n).sin())).collect()
}

fn turn((re, im): Complex, (cos, sin): Complex) -> Complex {
    (re * cos - im * sin, re * sin + im * cos)
}

/// The transforms of the real and the imaginary part, by the symmetry that each has alone.
fn part_pair(at: Complex, mirrored: Complex) -> (Complex, Complex) {
    let real = ((at.0 + mirrored.0) / 2.0, (at.1 - mirrored.1) / 2.0);
    let imaginary = ((at.1 + mirrored.1) / 2.0, (mirrored.0 - at.0) / 2.0);
    (real, imaginary)
}

/// The magnitude of a coefficient.
pub(super) fn magnitude((re, im): Complex) -> f32 {
    re.hypot(im)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_shows_at_its_step_with_its_strength_and_nowhere_else() {
        let size = 1_024;
        for factor in [1, 2, 6] {
            let sine = |n: usize| (2.0 * PI * 50.0 * n as f32 / (size * factor) as f32 + 0.3).sin();
            let samples: Vec<i16> = (0..size * factor).map(|n| (1_000.0 * sine(n)).round() as i16).collect();
            let spectrum = Spectrum::new(size).transform(&samples);
            for (bin, &value) in spectrum[..size / 2].iter().enumerate() {
                let expected = if bin == 50 { 1_000.0 } else { 0.0 };
                assert!((magnitude(value) - expected).abs() < 0.5, "{factor}, step {bin}: {value:?}");
            }
        }
    }

    #[test]
    fn what_is_above_4_khz_is_not_folded_down() {
        let (size, factor) = (1_024, 6);
        let sine = |n: usize| (2.0 * PI * 974.0 * n as f32 / (size * factor) as f32).sin();
        let samples: Vec<i16> = (0..size * factor).map(|n| (1_000.0 * sine(n)).round() as i16).collect();
        let spectrum = Spectrum::new(size).transform(&samples);
        assert!(spectrum.iter().all(|&value| magnitude(value) < 0.5));
    }

    #[test]
    fn where_the_period_begins_does_not_matter() {
        for factor in [1, 2] {
            let size = 1_024 * factor;
            let noise = |n: usize| ((n * 7_919 % size) as i16 - 512) * 20;
            let samples: Vec<i16> = (0..size).map(noise).collect();
            let mut turned = samples.clone();
            turned.rotate_left(333);
            let spectrum = Spectrum::new(1_024);
            for (a, b) in spectrum.transform(&samples).iter().zip(spectrum.transform(&turned)) {
                assert!((magnitude(*a) - magnitude(b)).abs() < 0.1);
            }
        }
    }
}
