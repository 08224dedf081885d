//! An ear for keys of the tests' own: blocks of 12.75 ms, eight filters, two blocks in a row. It has nothing in common
//! with the engine's but the table of frequencies.
#![allow(dead_code, reason = "each user needs a part")]

use std::f64::consts::TAU;

const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
const KEYS: [&str; 4] = ["123A", "456B", "789C", "*0#D"];

/// The row and column of a key.
pub(crate) fn hertz(key: char) -> [f64; 2] {
    let row = KEYS.iter().position(|row| row.contains(key)).unwrap();
    [ROWS[row], COLUMNS[KEYS[row].find(key).unwrap()]]
}

/// A key as sound: both tones at this level, in dBm0.
pub(crate) fn tone(key: char, rate: u32, millis: f64, level: f64) -> Vec<i16> {
    let peak = 32_767.0 * 10f64.powf((level - 3.17) / 20.0);
    let len = (millis * f64::from(rate) / 1_000.0) as usize;
    let sine = |n: usize, hertz: f64| (TAU * hertz * n as f64 / f64::from(rate)).sin();
    let [row, column] = hertz(key);
    (0..len).map(|n| (peak * (sine(n, row) + sine(n, column))).clamp(-32_768.0, 32_767.0) as i16).collect()
}

/// Keys that are heard, wherever the blocks begin.
pub(crate) fn heard(samples: &[i16], rate: u32) -> Vec<char> {
    let block = (0.012_75 * f64::from(rate)) as usize;
    let mut keys = Vec::new();
    for offset in (0..block).step_by(block / 8) {
        let mut before = None;
        for samples in samples[offset.min(samples.len())..].chunks_exact(block) {
            let now = key_in(samples, rate);
            if now.is_some() && now == before {
                keys.extend(now);
            }
            before = now;
        }
    }
    keys
}

/// The key in a block: a row and a column 8 dB over the others, no farther apart than 12 dB, with half of the energy.
fn key_in(samples: &[i16], rate: u32) -> Option<char> {
    let energy: f64 = samples.iter().map(|&s| f64::from(s).powi(2)).sum();
    if energy / (samples.len() as f64) < 50.0 * 50.0 {
        return None;
    }
    let powers = |group: [f64; 4]| group.map(|hertz| power(samples, hertz, rate));
    let (row, row_power) = strongest(powers(ROWS))?;
    let (column, column_power) = strongest(powers(COLUMNS))?;
    let twist = row_power / column_power;
    let all = (row_power + column_power) * 2.0 / samples.len() as f64;
    ((0.06..16.0).contains(&twist) && all > 0.5 * energy).then(|| KEYS[row].chars().nth(column).unwrap())
}

fn strongest(powers: [f64; 4]) -> Option<(usize, f64)> {
    let best = (0..4).max_by(|&a, &b| powers[a].total_cmp(&powers[b]))?;
    let alone = (0..4).all(|n| n == best || powers[n] * 3.0 < powers[best]);
    alone.then_some((best, powers[best]))
}

fn power(samples: &[i16], hertz: f64, rate: u32) -> f64 {
    let turn = TAU * hertz / f64::from(rate);
    let (mut re, mut im) = (0.0, 0.0);
    for (n, &sample) in samples.iter().enumerate() {
        re += f64::from(sample) * (turn * n as f64).cos();
        im += f64::from(sample) * (turn * n as f64).sin();
    }
    re * re + im * im
}
