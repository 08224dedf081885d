//! More speak than are mixed: who becomes the loudest is heard from where they began to.
//!
//! Everybody murmurs a tone of their own, and one of them then speaks: each 20 ms of it is a tone that nothing else
//! contains. All tones are whole numbers of waves in a frame, so that a listener finds each of them by itself.

use std::f64::consts::TAU;

use confab_media::{Codec, ConferenceSettings};
use proptest::prelude::*;

use super::sound::Sound;
use super::stage::{SECOND, Stage};

const MIXED: usize = 16;

/// Waves in a frame times this is their frequency.
const HERTZ: f64 = 50.0;

/// Murmurs lie from here on, in waves a frame; speech below.
const MURMURS: u64 = 34;

/// Frames of speech, each with as many waves as its number and this.
const FRAMES: u64 = 24;
const FIRST: u64 = 8;

/// What a murmur is said with: some -46 dBov, over what counts as the noise of a line.
const MURMUR: f64 = 230.0;

/// What G.711 may add to one tone at the place of another, as a part of it: -30 dB. All that it adds to a tone whose samples come
/// again every few waves falls on few others.
const DISTORTION: f64 = 0.03;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn who_becomes_the_loudest_is_heard_from_their_onset_on(
        others in 20u64..40,
        who: u8,
        rises_for in 0u64..5,
        loudness in 1_500.0f64..9_000.0,
        was_silent: bool,
    ) {
        let settings = ConferenceSettings { seats_max: 64, talkers_max: MIXED };
        let mut stage = Stage::with(others as usize, settings);
        let listener = others;
        stage.add(Codec::Pcmu);
        let speaker = u64::from(who) % others;
        // Those who came before are mixed, and some of those who came later wait.
        for leg in (0..others).filter(|&leg| !was_silent || leg != speaker) {
            stage.says(leg, murmur(leg));
            stage.run(1);
        }
        stage.run(SECOND);
        prop_assert!(stage.engine.counters().crowded > 0);

        let said: Vec<f64> = (0..FRAMES).map(|n| onset(n, rises_for) * loudness).collect();
        let mut heard = Vec::new();
        for n in 0..FRAMES + SECOND {
            match said.get(n as usize) {
                Some(&amplitude) => stage.says(speaker, Sound::Tone(HERTZ * (FIRST + n) as f64, amplitude)),
                None => stage.says(speaker, Sound::Silence),
            }
            stage.run(1);
            heard.extend(tones(&stage.far_ends[listener as usize].heard, &said));
        }
        // Each frame once, in order. Of the first one half may be missing: it fades in.
        let all: Vec<u64> = (0..FRAMES).collect();
        prop_assert_eq!(heard, all);
    }
}

fn murmur(leg: u64) -> Sound {
    Sound::Tone(HERTZ * (MURMURS + leg) as f64, MURMUR)
}

/// How loud the frame is, as a part: speech rises to its full loudness within 100 ms.
fn onset(frame: u64, rises_for: u64) -> f64 {
    0.5f64.powi(rises_for.saturating_sub(frame) as i32)
}

/// The frames of the speech that are in this one.
fn tones(payload: &[u8], said: &[f64]) -> Vec<u64> {
    let mut samples = [0; 160];
    Codec::Pcmu.decode(payload, &mut samples);
    let levels: Vec<f64> = (FIRST..).zip(said).map(|(waves, _)| level(&samples, waves)).collect();
    let loudest = levels.iter().copied().fold(0.0, f64::max);
    let is_heard = |(_, (level, amplitude)): &(u64, (&f64, &f64))| {
        **level > 0.3 * **amplitude && **level > DISTORTION * loudest
    };
    (0..).zip(levels.iter().zip(said)).filter(is_heard).map(|(n, _)| n).collect()
}

/// The amplitude of so many waves a frame.
fn level(samples: &[i16], waves: u64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (i, &sample) in samples.iter().enumerate() {
        let (sin, cos) = (TAU * waves as f64 * i as f64 / samples.len() as f64).sin_cos();
        re += f64::from(sample) * cos;
        im += f64::from(sample) * sin;
    }
    2.0 * re.hypot(im) / samples.len() as f64
}
