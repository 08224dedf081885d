//! Sounds that are made here and not read: the music for those who wait, and the tones that tell of who comes and goes.
//!
//! The music is four soft chords, broken upwards note by note over a low root. It ends where it begins, so that it can
//! go round without a seam: what still rings at the end rings into the beginning.

use std::f64::consts::TAU;
use std::sync::OnceLock;

use confab_media::{SampleRate, Sound};

/// As good as G.722 has it.
const RATE: SampleRate = SampleRate::Hz16000;

/// A note of the music, in samples: 0.45 s.
const STEP: usize = 7_200;

/// The chords, in semitones from middle C: the root below, and what is heard above it. Each is heard twice.
const CHORDS: [(i32, [i32; 4]); 4] =
    [(-24, [0, 4, 7, 11]), (-15, [-3, 0, 4, 7]), (-19, [-7, 0, 5, 9]), (-17, [-5, 2, 7, 11])];

/// The order in which a chord's notes come.
const PATTERN: [usize; 8] = [0, 1, 2, 3, 2, 3, 1, 2];

/// How loud a note begins: with three that still ring it stays 12 dB below the limit, as background music should.
const NOTE_PEAK: f64 = 2_400.0;

/// Samples until a note is full: 15 ms, so that it does not click.
const ATTACK: usize = 240;

/// Samples in which a note loses all but a third of its loudness.
const DECAY: f64 = 14_400.0;

/// Music for those who wait, 28.8 s of it, to be played in a circle. Made once; asking again costs nothing.
pub fn hold_music() -> Sound {
    static MUSIC: OnceLock<Sound> = OnceLock::new();
    MUSIC.get_or_init(|| Sound::new(RATE, music())).clone()
}

fn music() -> Vec<i16> {
    let beats = 2 * CHORDS.len() * PATTERN.len();
    let mut samples = vec![0.0; beats * STEP];
    for beat in 0..beats {
        let (root, notes) = CHORDS[beat / (2 * PATTERN.len())];
        let at = beat * STEP;
        if beat % PATTERN.len() == 0 {
            ring(&mut samples, at, root, 1.4);
        }
        ring(&mut samples, at, notes[PATTERN[beat % PATTERN.len()]], 0.8);
    }
    samples.into_iter().map(|sample| sample as i16).collect()
}

/// Adds a note that begins at a sample; what rings beyond the end rings at the beginning.
fn ring(samples: &mut [f64], at: usize, semitones: i32, loudness: f64) {
    let hertz = 261.63 * 2f64.powf(f64::from(semitones) / 12.0);
    // A little of the octave above makes it a bell rather than a whistle.
    for (multiple, share) in [(1.0, 1.0), (2.0, 0.25)] {
        let mut wave = Wave::new(hertz * multiple);
        let len = samples.len();
        let fade = (-multiple / DECAY).exp();
        let mut peak = share * loudness * NOTE_PEAK;
        for n in 0..(4.0 * DECAY) as usize {
            let attack = (n as f64 / ATTACK as f64).min(1.0);
            samples[(at + n) % len] += wave.next() * attack * peak;
            peak *= fade;
        }
    }
}

/// A sine by recurrence: a sample is twice the last by the cosine of the step, less the one before.
struct Wave {
    last: [f64; 2],
    factor: f64,
}

impl Wave {
    fn new(hertz: f64) -> Self {
        let step = TAU * hertz / f64::from(RATE.hertz());
        Self { last: [-step.sin(), -(2.0 * step).sin()], factor: 2.0 * step.cos() }
    }

    fn next(&mut self) -> f64 {
        let [one, two] = self.last;
        let sample = self.factor * one - two;
        self.last = [sample, one];
        sample
    }
}

/// A tone of two steps that tells of a participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chime {
    /// They come: it rises.
    Enter,
    /// They go: it falls.
    Exit,
    /// Their time is almost up: it stays.
    Warning,
}

/// The two steps of a chime, in hertz: far apart enough to be told from each other on a bad line.
const CHIME: [u32; 2] = [650, 850];

/// Samples of a chime's step: 160 ms.
const CHIME_STEP: usize = 2_560;

/// How loud a chime is: as somebody who speaks up.
const CHIME_PEAK: f64 = 5_000.0;

impl Chime {
    /// The tone.
    pub fn sound(self) -> Sound {
        static ENTER: OnceLock<Sound> = OnceLock::new();
        static EXIT: OnceLock<Sound> = OnceLock::new();
        static WARNING: OnceLock<Sound> = OnceLock::new();
        let [low, high] = CHIME;
        match self {
            Self::Enter => ENTER.get_or_init(|| two_steps([low, high])).clone(),
            Self::Exit => EXIT.get_or_init(|| two_steps([high, low])).clone(),
            Self::Warning => WARNING.get_or_init(|| two_steps([high, high])).clone(),
        }
    }
}

fn two_steps(steps: [u32; 2]) -> Sound {
    let step = |hertz: u32| {
        let mut wave = Wave::new(f64::from(hertz));
        (0..CHIME_STEP).map(move |n| {
            let edge = n.min(CHIME_STEP - n).min(ATTACK) as f64 / ATTACK as f64;
            (wave.next() * edge * CHIME_PEAK) as i16
        })
    };
    Sound::new(RATE, steps.into_iter().flat_map(step).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_music_goes_round_without_a_click_and_is_neither_loud_nor_silent() {
        let music = hold_music();
        let samples = music.samples();
        assert_eq!(music.duration().as_millis(), 28_800);
        let steps = samples.iter().zip(samples.iter().cycle().skip(1));
        let most = steps.map(|(a, b)| (i32::from(*a) - i32::from(*b)).abs()).max().expect("samples");
        assert!(most < 4_000, "a step of {most} would click");
        let peak = samples.iter().map(|sample| sample.unsigned_abs()).max().expect("samples");
        assert!((4_000..20_000).contains(&peak), "{peak}");
        for second in samples.chunks(16_000) {
            assert!(second.iter().any(|sample| sample.unsigned_abs() > 500));
        }
    }

    #[test]
    fn a_chime_has_both_its_tones_and_says_by_their_order_which_it_is() {
        let loudness = |samples: &[i16], hertz: u32| {
            let mut wave = [0.0; 2];
            for (n, &sample) in samples.iter().enumerate() {
                let angle = TAU * f64::from(hertz) * n as f64 / 16_000.0;
                wave[0] += f64::from(sample) * angle.cos();
                wave[1] += f64::from(sample) * angle.sin();
            }
            2.0 * wave[0].hypot(wave[1]) / samples.len() as f64
        };
        for (chime, steps) in [(Chime::Enter, CHIME), (Chime::Exit, [CHIME[1], CHIME[0]])] {
            let sound = chime.sound();
            for (half, hertz) in sound.samples().chunks(CHIME_STEP).zip(steps) {
                assert!(loudness(half, hertz) > 4_000.0, "{chime:?}: {}", loudness(half, hertz));
            }
        }
    }
}
