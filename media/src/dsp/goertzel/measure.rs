//! Measures a row and a column exactly, in a window of 20 ms under a Hann curve, and holds them against what a key
//! may be (ITU-T Q.24).
//!
//! Under that curve the spectrum of a sine is known in closed form. From its values half a bin (25 Hz) to either side
//! of where a tone should be follow both its frequency and its level: with m₊ and m₋ the two, it lies
//! d = 1.5 (m₊ − m₋) / (m₊ + m₋) bins off.

use std::f32::consts::PI;

use super::bank::{Bank, FILTERS, KEYS, Values, cos, energy};
use super::{RATE, WINDOW};
use crate::dsp::tone::{COLUMNS, ROWS};

/// One bin of the window, in Hz.
const BIN: f64 = RATE / WINDOW as f64;

/// What was measured of a row and a column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tones {
    row: Measured,
    column: Measured,
    /// Part of the window's energy that is these two.
    part: f32,
}

#[derive(Clone, Copy, Debug)]
struct Measured {
    /// How far off its frequency is, as a part of it.
    off: f32,
    peak: f32,
    /// Power of its second harmonic, as a part of its own; zero where another tone hides it.
    harmonic: f32,
}

/// What a key may be.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// How far off its frequencies may be.
    pub(super) off: f32,
    /// The least peak of either tone.
    pub(super) peak: f32,
    /// How much stronger the row may be, in power.
    pub(super) row_over_column: f32,
    /// How much stronger the column may be, in power.
    pub(super) column_over_row: f32,
    /// How much of a tone's power its second harmonic may have.
    pub(super) harmonic: f32,
    /// How much of the energy must be the two tones.
    pub(super) part: f32,
}

/// Measures a row and a column, by their numbers, in `window`.
pub(super) fn measure(window: &[f32; WINDOW], row: usize, column: usize) -> Tones {
    let (shaped, energy) = under_hann(window);
    let values = BANKS[row][column].run(&shaped);
    let row_harmonic = if is_clear(2.0 * ROWS[row], COLUMNS[column]) { magnitude(&values, 4) } else { 0.0 };
    let row = Measured::of(&values, 0, row_harmonic, ROWS[row]);
    let column = Measured::of(&values, 2, magnitude(&values, 5), COLUMNS[column]);
    let explained = HANN_ENERGY * (row.peak * row.peak + column.peak * column.peak) / 2.0;
    Tones { row, column, part: explained / energy.max(1.0) }
}

/// The greatest peak of a sine in one of the eight bands.
pub(super) fn loudest_band(window: &[f32; WINDOW]) -> f32 {
    static BANDS: Bank = Bank::new(KEYS, WINDOW);
    let (shaped, _) = under_hann(window);
    let values = BANDS.run(&shaped);
    (0..FILTERS).map(|band| magnitude(&values, band) / HANN_GAIN).fold(0.0, f32::max)
}

/// The filters for each row and column: half a bin to either side of both, and their second harmonics.
static BANKS: [[Bank; 4]; 4] = {
    let mut banks = [[Bank::new([0.0; FILTERS], WINDOW); 4]; 4];
    let mut n = 0;
    while n < 16 {
        let (row, column, half) = (ROWS[n / 4], COLUMNS[n % 4], BIN / 2.0);
        let hertz = [row - half, row + half, column - half, column + half, 2.0 * row, 2.0 * column, 0.0, 0.0];
        banks[n / 4][n % 4] = Bank::new(hertz, WINDOW);
        n += 1;
    }
    banks
};

/// A row's second harmonic can lie beside a column's tone and would be taken for it: three bins are enough for
/// the curve to keep them apart.
fn is_clear(harmonic: f64, column: f64) -> bool {
    (harmonic - column).abs() > 3.0 * BIN
}

/// Sum of the curve over the window, half of it: what a sine's spectrum has at its own frequency for a peak of one.
const HANN_GAIN: f32 = WINDOW as f32 / 4.0;

/// Sum of the curve's squares.
const HANN_ENERGY: f32 = WINDOW as f32 * 3.0 / 8.0;

/// The curve.
static HANN: [f32; WINDOW] = {
    let mut curve = [0.0; WINDOW];
    let mut n = 0;
    while n < WINDOW {
        curve[n] = (0.5 - 0.5 * cos(std::f64::consts::TAU * n as f64 / WINDOW as f64)) as f32;
        n += 1;
    }
    curve
};

/// The window under the curve, and the energy of that.
fn under_hann(window: &[f32; WINDOW]) -> ([f32; WINDOW], f32) {
    let mut shaped = *window;
    for (sample, curve) in shaped.iter_mut().zip(&HANN) {
        *sample *= curve;
    }
    let energy = energy(&shaped);
    (shaped, energy)
}

fn magnitude(values: &Values, filter: usize) -> f32 {
    debug_assert!(filter < FILTERS);
    values.re[filter].hypot(values.im[filter])
}

impl Measured {
    /// From the filters `first` and the one after it, half a bin below and above `hertz`.
    fn of(values: &Values, first: usize, harmonic: f32, hertz: f64) -> Self {
        let (below, above) = (magnitude(values, first), magnitude(values, first + 1));
        let sum = (below + above).max(f32::MIN_POSITIVE);
        let bins = 1.5 * (above - below) / sum;
        let peak = below.max(above) / (HANN_GAIN * hann_spectrum(0.5 - bins.abs()));
        let harmonic = harmonic / (HANN_GAIN * peak.max(f32::MIN_POSITIVE));
        Self { off: bins * (BIN / hertz) as f32, peak, harmonic: harmonic * harmonic }
    }
}

/// The curve's spectrum `bins` off its middle, where it is one: sin πu / (πu (1 − u²)). Never nothing.
fn hann_spectrum(bins: f32) -> f32 {
    let spectrum =
        if bins.abs() < 1e-3 { 1.0 } else { (PI * bins).sin() / (PI * bins * (1.0 - bins * bins)) };
    // Two bins off, where it is nought, nothing can be said of a level.
    if spectrum.is_finite() { spectrum.max(0.1) } else { 0.5 }
}

impl Tones {
    /// Of the row and of the column.
    pub(super) const fn peaks(&self) -> [f32; 2] {
        [self.row.peak, self.column.peak]
    }

    pub(super) fn are_within(&self, limits: &Limits) -> bool {
        let (row, column) = (self.row.peak * self.row.peak, self.column.peak * self.column.peak);
        let each = |tone: &Measured| {
            tone.off.abs() <= limits.off && tone.peak >= limits.peak && tone.harmonic <= limits.harmonic
        };
        each(&self.row)
            && each(&self.column)
            && row <= column * limits.row_over_column
            && column <= row * limits.column_over_row
            && self.part >= limits.part
    }
}

#[cfg(test)]
mod tests {
    use super::super::sense::USUAL;
    use super::*;

    #[test]
    fn frequencies_and_levels_are_measured_exactly() {
        for off in [-0.04, -0.015, 0.0, 0.01, 0.035] {
            for (row, column) in [(0, 0), (3, 3), (2, 0)] {
                let mut window = [0.0; WINDOW];
                for (n, sample) in window.iter_mut().enumerate() {
                    let sine = |hertz: f64| (std::f64::consts::TAU * hertz * n as f64 / RATE + 0.7).sin();
                    let sum = 5_000.0 * sine(ROWS[row] * (1.0 + off))
                        + 2_500.0 * sine(COLUMNS[column] * (1.0 + off));
                    *sample = sum as f32;
                }
                let tones = measure(&window, row, column);
                for (tone, peak) in [(tones.row, 5_000.0), (tones.column, 2_500.0)] {
                    assert!((f64::from(tone.off) - off).abs() < 0.002, "{off} {row} {column}: {tones:?}");
                    assert!((tone.peak / peak - 1.0).abs() < 0.03, "{off} {row} {column}: {tones:?}");
                    assert!(tone.harmonic < 0.001, "{off} {row} {column}: {tones:?}");
                }
                assert!((0.97..1.03).contains(&tones.part), "{off} {row} {column}: {tones:?}");
            }
        }
    }

    #[test]
    fn silence_is_measured_as_nothing() {
        let tones = measure(&[0.0; WINDOW], 0, 0);
        assert!(!tones.are_within(&USUAL.suspicion), "{tones:?}");
    }
}
