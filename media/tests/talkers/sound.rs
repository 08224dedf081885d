//! What far ends say: speech and what must not be taken for it, made from a seed.

use std::f64::consts::TAU;

/// A sound, loud as said in dBov: a root mean square against that of a square wave at full scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sound {
    Silence,
    /// The mains, and their overtones.
    Hum(f64),
    /// As many high tones as low ones.
    Noise(f64),
    /// Vowels of a pitch that goes up and down, in words of a few syllables with short pauses between them. The
    /// seed says whose.
    Voice(f64, u64),
    /// Something falls down, 5 ms long, three times in two seconds.
    Clicks,
    /// A tone of so many hertz and such an amplitude.
    Tone(f64, f64),
}

impl Sound {
    /// The sample at a time, in seconds since the sound began.
    pub(crate) fn at(self, time: f64) -> i16 {
        let value = match self {
            Self::Silence => 0.0,
            Self::Hum(dbov) => {
                let harmonics = [(50.0, 0.8), (150.0, 0.5), (250.0, 0.33)];
                let sum: f64 = harmonics.iter().map(|(hertz, part)| part * (TAU * hertz * time).sin()).sum();
                amplitude(dbov) * std::f64::consts::SQRT_2 * sum
            }
            // Evenly distributed, which has a third of the power of its peaks.
            Self::Noise(dbov) => amplitude(dbov) * 3f64.sqrt() * random(time),
            Self::Voice(dbov, seed) => amplitude(dbov) * syllable(time, seed) * vowel(time, seed),
            Self::Clicks => {
                let since = (time + 0.013) % 0.667;
                if since < 0.005 { 28_000.0 * random(time) } else { 0.0 }
            }
            Self::Tone(hertz, amplitude) => amplitude * (TAU * hertz * time).sin(),
        };
        value.clamp(-32_768.0, 32_767.0) as i16
    }
}

fn amplitude(dbov: f64) -> f64 {
    32_767.0 * 10f64.powf(dbov / 20.0)
}

/// From -1 to 1.
fn random(time: f64) -> f64 {
    let bits = (time * 48_000.0).round() as u64;
    mixed(bits) as f64 / (u64::MAX / 2) as f64 - 1.0
}

/// Bits that look like chance (splitmix64's finish).
fn mixed(bits: u64) -> u64 {
    let mut z = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// How open the mouth is. A word is made of syllables of 200 ms, and one in four of these is a pause; the first of a
/// sound is not.
fn syllable(time: f64, seed: u64) -> f64 {
    let (number, part) = ((time / 0.2) as u64, time / 0.2 % 1.0);
    let chance = mixed(seed << 32 ^ number);
    if number > 0 && chance.is_multiple_of(4) && !mixed(seed << 32 ^ (number - 1)).is_multiple_of(4) {
        return 0.002;
    }
    let loudness = 0.8 + 0.6 * (chance >> 32) as f64 / f64::from(u32::MAX);
    // It opens within 10 ms and closes within 60.
    let opening = (part / 0.05).min(1.0).min((1.0 - part) / 0.3 + 0.05);
    loudness * opening.min(1.0)
}

/// Of effective amplitude 1.
fn vowel(time: f64, seed: u64) -> f64 {
    let pitch = 100.0 + (seed % 7) as f64 * 18.0;
    let turn = TAU * (pitch * time - 2.0 * (time * 0.7 * TAU).cos());
    let harmonics = (1..10).map(|n| (turn * f64::from(n)).sin() / f64::from(n));
    harmonics.sum::<f64>() / 0.877
}
