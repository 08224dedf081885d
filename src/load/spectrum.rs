//! A plain radix-2 Fourier transform (Cooley–Tukey), enough to measure the strength of every tone on the
//! grid over one period at once. A Goertzel filter per tone would cost more from about ten tones on.

use std::f32::consts::PI;

/// Turns one period of samples into the strength of every grid step.
#[derive(Debug)]
pub(super) struct Spectrum {
    size: usize,
    /// `e^(-2πi k / size)` for the first half turn, as (cosine, sine).
    twiddles: Vec<(f32, f32)>,
}

/// A complex number as (real, imaginary).
pub(super) type Complex = (f32, f32);

impl Spectrum {
    /// For periods of `size` samples.
    ///
    /// # Panics
    /// When `size` is not a power of two.
    pub(super) fn new(size: usize) -> Self {
        assert!(size.is_power_of_two(), "periods are powers of two");
        let angle = |k: usize| -2.0 * PI * k as f32 / size as f32;
        let twiddles = (0..size / 2).map(|k| (angle(k).cos(), angle(k).sin())).collect();
        Self { size, twiddles }
    }

    /// The coefficients of one period, scaled so that a sine of peak `a` on a grid step has magnitude `a`.
    pub(super) fn transform(&self, samples: &[i16]) -> Vec<Complex> {
        debug_assert_eq!(samples.len(), self.size);
        let bits = self.size.ilog2();
        let scale = 2.0 / self.size as f32;
        let mut values: Vec<Complex> = (0..self.size)
            .map(|n| samples[n.reverse_bits() >> (usize::BITS - bits)])
            .map(|sample| (f32::from(sample) * scale, 0.0))
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
                let (cos, sin) = self.twiddles[k * stride];
                let turned = (b.0 * cos - b.1 * sin, b.0 * sin + b.1 * cos);
                *b = (a.0 - turned.0, a.1 - turned.1);
                *a = (a.0 + turned.0, a.1 + turned.1);
            }
        }
    }
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
        let sine = |n: usize| (2.0 * PI * 50.0 * n as f32 / size as f32 + 0.3).sin();
        let samples: Vec<i16> = (0..size).map(|n| (1_000.0 * sine(n)).round() as i16).collect();
        let spectrum = Spectrum::new(size).transform(&samples);
        for (bin, &value) in spectrum[..size / 2].iter().enumerate() {
            let expected = if bin == 50 { 1_000.0 } else { 0.0 };
            assert!((magnitude(value) - expected).abs() < 0.5, "step {bin}: {value:?}");
        }
    }

    #[test]
    fn where_the_period_begins_does_not_matter() {
        let noise = |n: usize| ((n * 7_919 % 1_024) as i16 - 512) * 20;
        let samples: Vec<i16> = (0..1_024).map(noise).collect();
        let mut turned = samples.clone();
        turned.rotate_left(333);
        let spectrum = Spectrum::new(1_024);
        for (a, b) in spectrum.transform(&samples).iter().zip(spectrum.transform(&turned)) {
            assert!((magnitude(*a) - magnitude(b)).abs() < 0.1);
        }
    }
}
