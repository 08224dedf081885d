//! What takes the place of keys: noise as loud as the background of what is said, so that nobody takes the line for dead.

use crate::codec::ComfortNoise;
use crate::dsp::level::Power;
use crate::frame::SampleRate;

/// The loudest that is made, in -dBov. A room is mostly quieter. With this, what of the noise falls into one of the bands of
/// keys is well below the -60 dBFS that may be left there.
const LOUDEST: u8 = 62;

/// The quietest, in -dBov: from here on a line is silent, and so is what takes its place.
const QUIETEST: u8 = 90;

/// Before anything was heard: a quiet line, in -dBov.
const AT_FIRST: u8 = 72;

/// In quarters of a decibel, how much the estimate rises with each 10 ms that are louder: 12.5 dB a second, so that a word
/// does not lift it and a room that one walks into does.
const RISE: u16 = 1;
const RISE_EVERY: u8 = 2;

/// Of the way down, this part is gone with each 10 ms that are quieter.
const FALL: u16 = 4;

/// How much louder than the background sound may be that is no speech yet, in dB.
const ABOVE: u8 = 9;

/// The background of what one far end says.
pub(super) struct Background {
    rate: SampleRate,
    noise: ComfortNoise,
    /// Its level, in quarters of a -dBov.
    quarters: u16,
    louder: u8,
}

impl Background {
    pub(super) fn new(rate: SampleRate) -> Self {
        Self { rate, noise: noise(rate), quarters: u16::from(AT_FIRST) * 4, louder: 0 }
    }

    /// What is said has another rate.
    pub(super) fn change_rate(&mut self, rate: SampleRate) {
        (self.rate, self.noise) = (rate, noise(rate));
    }

    /// Takes in 10 ms in which no key is.
    pub(super) fn hear(&mut self, samples: &[i16]) {
        let level = u16::from(level(samples)) * 4;
        if level >= self.quarters {
            self.quarters += (level - self.quarters).div_ceil(FALL);
            self.louder = 0;
            return;
        }
        self.louder += 1;
        if self.louder == RISE_EVERY {
            self.louder = 0;
            self.quarters -= RISE;
        }
    }

    /// Whether nobody speaks in this.
    pub(super) fn is_quiet(&self, samples: &[i16]) -> bool {
        u16::from(level(samples) + ABOVE) * 4 >= self.quarters.min(u16::from(LOUDEST) * 4)
    }

    /// The next samples of noise.
    pub(super) fn fill(&mut self, out: &mut [i16]) {
        let level = ((self.quarters / 4) as u8).clamp(LOUDEST, QUIETEST);
        self.noise.update(&[level, colour(self.rate)]);
        self.noise.fill(out);
    }
}

fn level(samples: &[i16]) -> u8 {
    Power::of(samples).level().minus_dbov().min(QUIETEST)
}

/// The same noise in every call, which tells nobody anything.
fn noise(rate: SampleRate) -> ComfortNoise {
    const SEED: u32 = 8;
    ComfortNoise::new(rate, SEED)
}

/// A reflection coefficient (RFC 3389 §3.2): rooms are darker than white noise, which at a high rate is a hiss.
const fn colour(rate: SampleRate) -> u8 {
    match rate {
        SampleRate::Hz8000 => 100,
        SampleRate::Hz16000 => 70,
        SampleRate::Hz48000 => 30,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::Hz8000;

    fn of_level(minus_dbov: u8) -> Vec<i16> {
        let mut noise = ComfortNoise::new(RATE, 3);
        noise.update(&[minus_dbov]);
        let mut samples = vec![0; 8_000];
        noise.fill(&mut samples);
        samples
    }

    fn heard(background: &mut Background, samples: &[i16]) {
        for hop in samples.chunks(80) {
            background.hear(hop);
        }
    }

    fn made(background: &mut Background) -> u8 {
        let mut samples = vec![0; 8_000];
        background.fill(&mut samples);
        level(&samples[4_000..])
    }

    #[test]
    fn noise_is_as_loud_as_what_was_heard() {
        for wanted in [64, 68, 75] {
            let mut background = Background::new(RATE);
            for _ in 0..3 {
                heard(&mut background, &of_level(wanted));
            }
            let made = made(&mut background);
            assert!(made.abs_diff(wanted) <= 4, "{made} for {wanted}");
        }
    }

    #[test]
    fn silence_is_silence_and_no_room_is_louder_than_the_loudest() {
        let mut background = Background::new(RATE);
        heard(&mut background, &vec![0; 8_000]);
        assert!(made(&mut background) >= 89);
        for _ in 0..10 {
            heard(&mut background, &of_level(35));
        }
        assert!(made(&mut background).abs_diff(LOUDEST) <= 1);
    }

    #[test]
    fn a_word_does_not_lift_it() {
        let mut background = Background::new(RATE);
        heard(&mut background, &of_level(70));
        let before = made(&mut background);
        heard(&mut background, &of_level(32)[..2_400]);
        assert!(made(&mut background).abs_diff(before) <= 5);
        assert!(background.is_quiet(&of_level(68)[..80]));
        assert!(!background.is_quiet(&of_level(40)[..80]));
    }
}
