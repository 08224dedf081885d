//! Eight Goertzel filters side by side, and the two of them that may be a key.
//!
//! The filters run over each half of a window (10 ms) once; two halves are brought into phase and added, so that a
//! window of 20 ms costs as much as one of 10.

use super::sense::Sense;
use super::{HOP, RATE};
use crate::dsp::tone::{COLUMNS, ROWS};

/// Filters in a bank: as many as the compiler can run at once in vectors.
pub(super) const FILTERS: usize = 8;

/// Constants of a bank's filters. They are made when this is compiled.
#[derive(Clone, Copy)]
pub(super) struct Bank {
    each: Turns,
    /// From the middle of what a run takes to its end.
    half: Turns,
}

/// How far each filter's frequency turns in some samples.
#[derive(Clone, Copy)]
struct Turns {
    cos: [f32; FILTERS],
    sin: [f32; FILTERS],
}

impl Turns {
    const fn of(hertz: [f64; FILTERS], samples: usize) -> Self {
        let mut turns = Self { cos: [0.0; FILTERS], sin: [0.0; FILTERS] };
        let mut n = 0;
        while n < FILTERS {
            let turn = std::f64::consts::TAU * (hertz[n] * samples as f64 / RATE % 1.0);
            turns.cos[n] = cos(turn) as f32;
            turns.sin[n] = cos(turn - std::f64::consts::FRAC_PI_2) as f32;
            n += 1;
        }
        turns
    }
}

/// What came out of a bank's filters: spectral values, in phase with the last sample that went in.
#[derive(Clone, Copy, Default)]
pub(super) struct Values {
    pub(super) re: [f32; FILTERS],
    pub(super) im: [f32; FILTERS],
}

impl Values {
    /// The values of two runs as if they had been one: those of the older are turned on by as far as the newer went.
    fn followed_by(&self, newer: &Self, turns: &Turns) -> Self {
        let mut joined = Self::default();
        for n in 0..FILTERS {
            let (cos, sin) = (turns.cos[n], turns.sin[n]);
            joined.re[n] = self.re[n] * cos - self.im[n] * sin + newer.re[n];
            joined.im[n] = self.re[n] * sin + self.im[n] * cos + newer.im[n];
        }
        joined
    }

    fn power(&self) -> [f32; FILTERS] {
        std::array::from_fn(|n| self.re[n] * self.re[n] + self.im[n] * self.im[n])
    }
}

/// The rows, then the columns.
pub(super) const KEYS: [f64; FILTERS] =
    [ROWS[0], ROWS[1], ROWS[2], ROWS[3], COLUMNS[0], COLUMNS[1], COLUMNS[2], COLUMNS[3]];

/// From one half of a window to the next.
const HOP_TURNS: Turns = Turns::of(KEYS, HOP);

impl Bank {
    /// For one half of a window.
    const KEYS: Self = Self::new(KEYS, HOP);

    /// Filters at these frequencies, for runs of so many samples; those of frequency 0 are not used.
    pub(super) const fn new(hertz: [f64; FILTERS], samples: usize) -> Self {
        Self { each: Turns::of(hertz, 1), half: Turns::of(hertz, samples / 2) }
    }

    /// Runs all filters over `samples`: over both halves of them at once, since each step waits for the one
    /// before and a processor has time for two.
    pub(super) fn run(&self, samples: &[f32]) -> Values {
        let (older, newer) = samples.split_at(samples.len() / 2);
        let twice = self.each.cos.map(|cos| 2.0 * cos);
        let (mut a, mut b) = (States::default(), States::default());
        for (&x, &y) in older.iter().zip(newer) {
            a = a.stepped(&twice, x);
            b = b.stepped(&twice, y);
        }
        a.values(&self.each).followed_by(&b.values(&self.each), &self.half)
    }
}

/// Where a bank's filters stand.
#[derive(Clone, Copy, Default)]
struct States {
    s1: [f32; FILTERS],
    s2: [f32; FILTERS],
}

impl States {
    #[inline]
    fn stepped(self, twice_cos: &[f32; FILTERS], sample: f32) -> Self {
        let mut s0 = [0.0; FILTERS];
        for n in 0..FILTERS {
            s0[n] = (sample - self.s2[n]) + twice_cos[n] * self.s1[n];
        }
        Self { s1: s0, s2: self.s1 }
    }

    fn values(&self, turns: &Turns) -> Values {
        let mut values = Values::default();
        for n in 0..FILTERS {
            values.re[n] = self.s1[n] - self.s2[n] * turns.cos[n];
            values.im[n] = self.s2[n] * turns.sin[n];
        }
        values
    }
}

/// The cosine of an angle within a turn, by its series: for tables that are made when this is compiled.
pub(super) const fn cos(angle: f64) -> f64 {
    let square = angle * angle;
    let (mut term, mut sum, mut n) = (1.0, 1.0, 1.0);
    // Thirty terms leave less than a float can hold.
    while n < 60.0 {
        term *= -square / (n * (n + 1.0));
        sum += term;
        n += 2.0;
    }
    sum
}

/// A row and a column that may sound in a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub(super) row: usize,
    pub(super) column: usize,
    /// One half of the window is much louder than the other: a tone that begins or ends in it.
    pub(super) is_edge: bool,
}

/// The older and the newer half of a window.
#[derive(Clone, Copy, Default)]
pub(super) struct Halves {
    older: Half,
    /// Part of the window's energy that the strongest of all rows and columns has.
    strongest_part: f32,
}

#[derive(Clone, Copy, Default)]
struct Half {
    energy: f32,
    values: Values,
}

/// How much stronger than its neighbours the chosen row or column must be: in power, 3 dB.
const OVER_OTHERS: f32 = 2.0;

/// A window is an edge if one half has less than this part of the other's energy: 3 of its 10 ms are tone.
const EDGE: f32 = 0.3;

impl Halves {
    /// Takes in the next half, and gives the row and the column that may sound in the window that it ends.
    pub(super) fn add(&mut self, samples: &[f32; HOP], sense: &Sense) -> Option<Pair> {
        let newer = Half::new(samples, sense);
        let older = std::mem::replace(&mut self.older, newer);
        let energy = older.energy + newer.energy;
        self.strongest_part = 0.0;
        if energy < sense.energy_min {
            return None;
        }
        let power = older.values.followed_by(&newer.values, &HOP_TURNS).power();
        self.strongest_part = power.iter().copied().fold(0.0, f32::max) / (energy * HOP as f32);
        let (rows, columns) = power.split_at(ROWS.len());
        let (row, row_power) = strongest(rows)?;
        let (column, column_power) = strongest(columns)?;
        // A sine of n samples and energy e has a power of e n / 2; here n is two halves.
        let needed = sense.energy_part_min * energy * HOP as f32;
        let is_edge = older.energy.min(newer.energy) < EDGE * older.energy.max(newer.energy);
        (row_power + column_power >= needed).then_some(Pair { row, column, is_edge })
    }

    /// Part of the last window's energy that one row or column has; nothing of a quiet one.
    pub(super) const fn strongest_part(&self) -> f32 {
        self.strongest_part
    }
}

impl Half {
    fn new(samples: &[f32; HOP], sense: &Sense) -> Self {
        let energy = energy(samples);
        let values =
            if energy < sense.energy_min / 4.0 { Values::default() } else { Bank::KEYS.run(samples) };
        Self { energy, values }
    }
}

/// In eight sums, which the compiler can keep in a vector.
pub(super) fn energy(samples: &[f32]) -> f32 {
    let mut sums = [0.0; 8];
    for eight in samples.as_chunks::<8>().0 {
        for (sum, sample) in sums.iter_mut().zip(eight) {
            *sum += sample * sample;
        }
    }
    sums.iter().sum()
}

/// The strongest of a group, if it stands out.
fn strongest(powers: &[f32]) -> Option<(usize, f32)> {
    let (best, &power) = powers.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
    let stands_out = powers.iter().enumerate().all(|(n, &other)| n == best || other * OVER_OTHERS <= power);
    stands_out.then_some((best, power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_those_of_the_library() {
        for samples in [1, 40, 80] {
            let turns = Turns::of(KEYS, samples);
            for (n, hertz) in KEYS.into_iter().enumerate() {
                let (sin, cos) = (std::f64::consts::TAU * hertz * samples as f64 / RATE).sin_cos();
                assert!((f64::from(turns.cos[n]) - cos).abs() < 1e-6, "{n} {samples}");
                assert!((f64::from(turns.sin[n]) - sin).abs() < 1e-6, "{n} {samples}");
            }
        }
    }
}
