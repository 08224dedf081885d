//! An ear for keys, made for finding what should not be there: it shares nothing with the node's, and says how much is in the
//! bands of keys even where no key can be made out.
//!
//! 32 ms at a time, every 8 ms, under a Hann window: wide enough to tell one row's tone from the next one's (73 Hz apart), short
//! enough to find 20 ms of a key. A voice of the callers is a kilohertz above the bands and does not reach into them.

use std::f64::consts::TAU;

use super::keys::{COLUMNS_HZ, KEYS, ROWS_HZ};

/// Samples in a second, as it listens.
const RATE: usize = 8_000;
/// Samples that it looks at, and by how many it goes on.
const WINDOW: usize = 256;
const HOP: usize = 64;
/// The tones of rows and of columns.
const TONES: usize = 8;
/// A tone is one from here, as a peak: -50 dBFS. Ten decibels above what may be left, forty below what telephones send.
const FAINT: f64 = 104.0;
/// By so much a tone is stronger than the others of its group: 6 dB.
const OUTSTANDING: f64 = 2.0;
/// By so much the two may differ: 12 dB, what ITU-T Q.24 has receivers bear, and some.
const TWIST_MAX: f64 = 4.0;
/// So many looks in a row at the same key, and it is one: noise shows none twice.
const LOOKS: usize = 2;
/// What is not there at all is said to be this strong.
const NOTHING_DBFS: f64 = -120.0;
/// Taps of the filter before a higher rate is thinned out, for each sample that is left.
const TAPS_EACH: usize = 16;
/// Where it ends to let pass, in Hz: above the bands of keys, and so far below 4 kHz that what folds does not reach them.
const PASS_HZ: f64 = 3_000.0;

/// What was found in a sound.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Found {
    /// Keys, and when each began, in ms.
    pub(super) keys: Vec<(char, u64)>,
    /// The most in any band of a key, as the peak of a tone relative to full scale.
    pub(super) residual_dbfs: f64,
    /// When that was, in ms.
    pub(super) residual_at_ms: u64,
}

impl Found {
    /// The keys as they were pressed.
    #[cfg(test)]
    pub(super) fn typed(&self) -> String {
        self.keys.iter().map(|(key, _)| key).collect()
    }
}

/// Listens to any number of sounds.
pub(super) struct Ear {
    /// For each tone, what samples are multiplied by.
    waves: Vec<[(f64, f64); WINDOW]>,
}

impl Ear {
    pub(super) fn new() -> Self {
        let hann = |n: usize| 0.5 - 0.5 * (TAU * n as f64 / WINDOW as f64).cos();
        let weight: f64 = (0..WINDOW).map(hann).sum();
        let wave = |hertz: f64| {
            std::array::from_fn(|n| {
                let (sine, cosine) = (TAU * hertz * n as f64 / RATE as f64).sin_cos();
                let scale = 2.0 * hann(n) / weight;
                (scale * cosine, scale * sine)
            })
        };
        Self { waves: ROWS_HZ.into_iter().chain(COLUMNS_HZ).map(wave).collect() }
    }

    /// Looks for keys in a sound at `factor` times 8 kHz.
    pub(super) fn listen(&self, sound: &[i16], factor: usize) -> Found {
        let thin = thinned(sound, factor);
        let (mut keys, mut strongest) = (Vec::new(), (0.0_f64, 0));
        let mut last: (Option<char>, usize) = (None, 0);
        for (look, samples) in thin.windows(WINDOW).step_by(HOP).enumerate() {
            let at_ms = (look * HOP * 1_000 / RATE) as u64;
            let peaks = self.peaks(samples);
            let most = peaks.iter().copied().fold(0.0, f64::max);
            if most > strongest.0 {
                strongest = (most, at_ms);
            }
            let key = key_of(&peaks);
            last = if key == last.0 { (key, last.1 + 1) } else { (key, 1) };
            if let (Some(key), LOOKS) = last {
                keys.push((key, at_ms));
            }
        }
        let residual_dbfs = (20.0 * (strongest.0 / 32_768.0).log10()).max(NOTHING_DBFS);
        Found { keys, residual_dbfs, residual_at_ms: strongest.1 }
    }

    /// The peak of each tone.
    fn peaks(&self, samples: &[f64]) -> [f64; TONES] {
        std::array::from_fn(|tone| {
            let wave = self.waves[tone].iter().zip(samples);
            let (real, imaginary) = wave.fold((0.0, 0.0), |(real, imaginary), ((cosine, sine), sample)| {
                (real + cosine * sample, imaginary + sine * sample)
            });
            f64::hypot(real, imaginary)
        })
    }
}

/// The key whose tones stand out, if any does.
fn key_of(peaks: &[f64; TONES]) -> Option<char> {
    let outstanding = |group: &[f64]| {
        let (at, &peak) = group.iter().enumerate().max_by(|one, other| one.1.total_cmp(other.1))?;
        let others = group.iter().enumerate().filter(|(n, _)| *n != at);
        let next = others.map(|(_, peak)| *peak).fold(0.0, f64::max);
        (peak >= FAINT && peak >= OUTSTANDING * next).then_some((at, peak))
    };
    let (row, low) = outstanding(&peaks[..4])?;
    let (column, high) = outstanding(&peaks[4..])?;
    let twist = f64::max(low / high, high / low);
    (twist <= TWIST_MAX).then_some(KEYS[row][column])
}

/// The sound at 8 kHz.
fn thinned(sound: &[i16], factor: usize) -> Vec<f64> {
    if factor == 1 {
        return sound.iter().map(|&sample| f64::from(sample)).collect();
    }
    let taps = taps(factor);
    let last = (sound.len() + 1).saturating_sub(taps.len());
    let at = |start: usize| -> f64 {
        taps.iter().zip(&sound[start..]).map(|(tap, &sample)| tap * f64::from(sample)).sum()
    };
    (0..last).step_by(factor).map(at).collect()
}

/// A sinc under a Hann window.
fn taps(factor: usize) -> Vec<f64> {
    let count = TAPS_EACH * factor + 1;
    let turn = PASS_HZ / (RATE * factor) as f64;
    let tap = |n: usize| {
        let from_middle = n as f64 - (count - 1) as f64 / 2.0;
        let angle = TAU * turn * from_middle;
        let sinc = if from_middle == 0.0 { 1.0 } else { angle.sin() / angle };
        sinc * (0.5 - 0.5 * (TAU * n as f64 / (count - 1) as f64).cos())
    };
    let taps: Vec<f64> = (0..count).map(tap).collect();
    let sum: f64 = taps.iter().sum();
    taps.into_iter().map(|tap| tap / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::super::keys::{Keypad, Way};
    use super::super::voices_of;
    use super::*;
    use crate::load::codec::{Codec, Decoder, PAYLOAD_MAX};
    use crate::load::floor::voices::{Tones, sound};

    /// What a phone says while it is typed on.
    fn typed(codec: Codec, voice: Tones, keys: &str) -> Vec<i16> {
        let mut keypad = Keypad::new(codec, sound(voice, codec.factor()));
        let mut decoder = Decoder::new(codec);
        let (mut payload, mut samples) = ([0; PAYLOAD_MAX], vec![0; codec.samples_max()]);
        let mut all = Vec::new();
        for packet in 0..keys.len() * 7 + 40 {
            if packet == 20 {
                keypad.press(keys, Way::Tones);
            }
            let (length, _, _) = keypad.speak(&mut payload);
            let count = decoder.decode(&payload[..length], &mut samples).unwrap();
            all.extend(&samples[..count]);
        }
        all
    }

    #[test]
    fn every_key_is_made_out_under_a_voice_through_every_codec() {
        let ear = Ear::new();
        let keys = "123A456B789C*0#D11110000";
        for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus, Codec::L16] {
            let found = ear.listen(&typed(codec, voices_of(0)[0], keys), codec.factor());
            assert_eq!(found.typed(), keys, "{codec:?}");
            assert!((-18.0..-13.0).contains(&found.residual_dbfs), "{codec:?}: {}", found.residual_dbfs);
            assert!((350..450).contains(&found.keys[0].1), "{codec:?}: {:?}", found.keys[0]);
        }
    }

    #[test]
    fn what_was_turned_down_by_thirty_decibels_is_found_and_so_are_twenty_milliseconds_of_a_key() {
        let ear = Ear::new();
        let loud = typed(Codec::L16, Tones::NONE, "5");
        let faint: Vec<i16> = loud.iter().map(|sample| sample / 32).collect();
        assert_eq!(ear.listen(&faint, 2).typed(), "5");
        let piece: Vec<i16> =
            loud.iter().enumerate().map(|(n, &sample)| if n < 320 * 21 { sample } else { 0 }).collect();
        assert_eq!(ear.listen(&piece, 2).typed(), "5");
    }

    #[test]
    fn voices_alone_have_no_keys_and_next_to_nothing_in_their_bands() {
        let ear = Ear::new();
        for desk in 0..12 {
            for codec in [Codec::Pcmu, Codec::G722, Codec::Opus] {
                let [customer, agent, _] = voices_of(desk);
                let both = typed(codec, customer.and(agent), "");
                let found = ear.listen(&both[both.len() / 4..], codec.factor());
                assert_eq!(found.typed(), "", "{desk}, {codec:?}");
                assert!(found.residual_dbfs < -65.0, "{desk}, {codec:?}: {}", found.residual_dbfs);
            }
        }
    }

    #[test]
    fn silence_and_what_is_too_short_hold_nothing() {
        let ear = Ear::new();
        let nothing = Found { residual_dbfs: NOTHING_DBFS, ..Found::default() };
        assert_eq!(ear.listen(&[0; 4_000], 1), nothing);
        assert_eq!(ear.listen(&[9; 20], 6), nothing);
    }
}
