//! The low-pass filter between two sample rates, as tables that the compiler makes: a sinc under a Kaiser window.
//!
//! One shape serves all ratios, because it is drawn on the scale of the lower rate's samples: [`REACH`] of them to
//! each side. Let the lower rate's Nyquist frequency be 1. Then, for every ratio (measured in `tests/spectral`):
//!
//! ```text
//!  0 ─── flat within 0.3 dB ─── 0.85 ─── falls ─── 0.91: -6 dB ─── falls ─── 1 ─── below -69 dB ───▶
//! ```
//!
//! Nothing is folded back into the band at all: what a downsampler would fold, from 1 upwards, is already gone.

/// How far the filter reaches to each side, in samples of the lower rate: this is also its delay, 3 ms at 8 kHz
/// and 1.5 ms at 16 kHz. At 20 the stop band would be at -57 dB or begin above 1.
pub(super) const REACH: usize = 24;

/// Coefficients of one phase: with these, one sample of the higher rate is made from samples of the lower one.
pub(super) const TAPS: usize = 2 * REACH;

/// Where the filter is at half its amplitude, with the lower rate's Nyquist frequency as 1.
const CUT_OFF: f64 = 0.91;

/// The Kaiser window's shape: as narrow a fall as the reach allows with a stop band of about -70 dB.
const BETA: f64 = 6.7;

/// Coefficients for upsampling 2, 3 and 6 times: by phase, in the order of the samples.
pub(super) static UP_2: [[f32; TAPS]; 2] = phases();
pub(super) static UP_3: [[f32; TAPS]; 3] = phases();
pub(super) static UP_6: [[f32; TAPS]; 6] = phases();

/// Coefficients for downsampling 2, 3 and 6 times, in the order of the samples.
pub(super) static DOWN_2: [f32; 2 * TAPS] = whole(2);
pub(super) static DOWN_3: [f32; 3 * TAPS] = whole(3);
pub(super) static DOWN_6: [f32; 6 * TAPS] = whole(6);

const fn phases<const RATIO: usize>() -> [[f32; TAPS]; RATIO] {
    let mut phases = [[0.0; TAPS]; RATIO];
    let mut phase = 0;
    while phase < RATIO {
        let sum = sum_of_phase(phase, RATIO);
        let mut tap = 0;
        while tap < TAPS {
            phases[phase][tap] = (at((tap + 1) * RATIO - phase, RATIO) / sum) as f32;
            tap += 1;
        }
        phase += 1;
    }
    phases
}

const fn whole<const LEN: usize>(ratio: usize) -> [f32; LEN] {
    let mut coefficients = [0.0; LEN];
    let mut tap = 0;
    while tap < LEN {
        // The taps of a phase lie a ratio apart, and the filter is symmetric.
        let sum = sum_of_phase((ratio - tap % ratio) % ratio, ratio);
        coefficients[tap] = (at(tap, ratio) / (sum * ratio as f64)) as f32;
        tap += 1;
    }
    coefficients
}

/// Each phase is made to pass a constant unchanged: else one would be heard at the lower rate.
const fn sum_of_phase(phase: usize, ratio: usize) -> f64 {
    let (mut sum, mut tap) = (0.0, 0);
    while tap < TAPS {
        sum += at((tap + 1) * ratio - phase, ratio);
        tap += 1;
    }
    sum
}

/// The filter, `position` samples of the higher rate from its beginning; both ends are zero.
const fn at(position: usize, ratio: usize) -> f64 {
    let middle = REACH * ratio;
    let from_middle = position.abs_diff(middle);
    if from_middle >= middle {
        return 0.0;
    }
    let time = from_middle as f64 / ratio as f64;
    let part = from_middle as f64 / middle as f64;
    sinc(CUT_OFF * time) * bessel_of_squared(BETA * BETA * (1.0 - part * part))
}

/// sin(πx)/(πx).
const fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { sin_pi(x) / (std::f64::consts::PI * x) }
}

/// sin(πx) for x not below zero, as a series around the nearest whole number.
const fn sin_pi(x: f64) -> f64 {
    let whole = (x + 0.5) as u32;
    let angle = (x - whole as f64) * std::f64::consts::PI;
    let (mut term, mut sum, mut n) = (angle, angle, 1.0);
    while n < 12.0 {
        term *= -angle * angle / ((2.0 * n) * (2.0 * n + 1.0));
        sum += term;
        n += 1.0;
    }
    if whole.is_multiple_of(2) { sum } else { -sum }
}

/// The modified Bessel function of the first kind and order zero, of the root of `squared`: its series needs no
/// root.
const fn bessel_of_squared(squared: f64) -> f64 {
    let (mut term, mut sum, mut n) = (1.0, 1.0, 1.0);
    // At the largest argument (6.7) the terms shrink from the fourth on, below what is left in 64 bits after 40.
    while n < 40.0 {
        term *= squared / (4.0 * n * n);
        sum += term;
        n += 1.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_are_the_functions() {
        for i in 0..400 {
            let x = f64::from(i) * 0.061;
            assert!((sin_pi(x) - (x * std::f64::consts::PI).sin()).abs() < 1e-12, "{x}");
        }
        // Abramowitz and Stegun, table 9.8: e^-x I0(x).
        for (x, scaled) in [(0.0, 1.0), (1.0, 0.465_759_607_6), (5.0, 0.183_540_812_6)] {
            assert!((bessel_of_squared(x * x) * f64::exp(-x) - scaled).abs() < 1e-9, "{x}");
        }
    }

    #[test]
    fn a_constant_passes_every_phase_unchanged() {
        for phase in UP_2.iter().chain(&UP_3).chain(&UP_6) {
            assert!((phase.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
        for whole in [&DOWN_2[..], &DOWN_3, &DOWN_6] {
            assert!((whole.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn the_filter_is_symmetric() {
        for whole in [&DOWN_2[..], &DOWN_3, &DOWN_6] {
            assert_eq!(whole[0], 0.0);
            assert!(whole[1..].iter().eq(whole[1..].iter().rev()));
        }
    }
}
