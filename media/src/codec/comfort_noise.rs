//! Comfort noise as it is received (RFC 3389): far ends that stop sending in a pause say what the pause sounds
//! like, and we make up the rest.
//!
//! ```text
//!  white noise ─▶ gain ─▶ all-pole lattice ─▶ samples
//!                  ▲            ▲
//!               level     reflections       both glide to what the latest packet says
//! ```

use crate::frame::SampleRate;

/// The loudest noise that is made, in -dBov. Rooms and lines are between 40 and 80; what asks for more than this
/// is no noise of comfort, and a whole conference would hear it.
const LOUDEST: u8 = 30;

/// The quietest, in -dBov: below it are only zeros.
const QUIETEST: u8 = 90;

/// Reflection coefficients that are used. RFC 3389 sets no limit; ITU-T G.711 Appendix II sends up to ten, and
/// what comes after twelve changes nothing that can be heard.
const ORDER_MAX: usize = 12;

/// The greatest reflection: at one the filter would ring for ever. The largest that a payload can say is above.
const REFLECTION_MAX: f32 = 0.98;

/// In a second, this many times, the noise moves towards what was asked of it.
const GLIDES: u32 = 200;

/// Of what is missing, this part is made good each time: 40 ms to come near, so that no step is heard.
const GLIDE: f32 = 0.125;

/// Makes noise at the rate of the stream whose pauses it fills: the spectrum is relative to that rate.
#[derive(Clone, Debug)]
pub struct ComfortNoise {
    random: u32,
    glide_len: usize,
    /// Until this many samples have been made the targets rest.
    until_glide: usize,
    now: Sound,
    target: Sound,
    level: Option<u8>,
    /// Of the white noise, so that what leaves the lattice is as loud as it should be now.
    gain: f32,
    /// What the lattice remembers: its backward errors.
    backward: [f32; ORDER_MAX],
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Sound {
    /// Root mean square of the samples.
    loudness: f32,
    reflections: [f32; ORDER_MAX],
}

impl ComfortNoise {
    /// Silence, until a packet says otherwise. The same `seed` gives the same noise.
    pub fn new(rate: SampleRate, seed: u32) -> Self {
        let silence = Sound { loudness: 0.0, reflections: [0.0; ORDER_MAX] };
        Self {
            // A generator that shifts stays at zero for ever.
            random: seed | 1,
            glide_len: (rate.hertz() / GLIDES) as usize,
            until_glide: 0,
            now: silence,
            target: silence,
            level: None,
            gain: 0.0,
            backward: [0.0; ORDER_MAX],
        }
    }

    /// Takes a payload: a level, and reflection coefficients if it has any. The first one is heard at once, as it
    /// follows sound of its own loudness; later ones are glided to. An empty one changes nothing.
    pub fn update(&mut self, payload: &[u8]) {
        let Some((&level, reflections)) = payload.split_first() else {
            return;
        };
        // The highest bit is to be ignored (RFC 3389 §3.1).
        let level = (level & 0x7f).clamp(LOUDEST, QUIETEST);
        self.target = Sound { loudness: loudness(level), reflections: [0.0; ORDER_MAX] };
        for (reflection, &byte) in self.target.reflections.iter_mut().zip(reflections) {
            *reflection = reflection_of(byte);
        }
        if self.level.is_none() {
            self.now = self.target;
        }
        self.level = Some(level);
    }

    /// The level that was asked for last, in -dBov and within what is made; none before the first packet.
    pub const fn level(&self) -> Option<u8> {
        self.level
    }

    /// The next samples.
    pub fn fill(&mut self, out: &mut [i16]) {
        for sample in out {
            if self.until_glide == 0 {
                self.glide();
                self.until_glide = self.glide_len;
            }
            self.until_glide -= 1;
            let white = self.white() * self.gain;
            *sample = self.colour(white) as i16;
        }
    }

    fn glide(&mut self) {
        self.now.loudness += (self.target.loudness - self.now.loudness) * GLIDE;
        for (now, target) in self.now.reflections.iter_mut().zip(self.target.reflections) {
            *now += (target - *now) * GLIDE;
        }
        // Each stage of the lattice makes what enters it louder by this; evenly distributed numbers from -1 to 1
        // have a mean square of a third.
        let power: f32 = self.now.reflections.iter().map(|k| 1.0 - k * k).product();
        self.gain = self.now.loudness * (3.0 * power).sqrt();
    }

    /// The next of evenly distributed numbers from -1 to 1 (xorshift; Marsaglia 2003).
    fn white(&mut self) -> f32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random as i32 as f32 / I32_HALF_RANGE
    }

    /// One sample through the lattice; the coefficients have the sign of the predictor's error filter (RFC 3389
    /// §3.2): a positive first one means that samples alternate.
    fn colour(&mut self, white: f32) -> f32 {
        let mut forward = white;
        for stage in (0..ORDER_MAX).rev() {
            let reflection = self.now.reflections[stage];
            let backward = self.backward[stage];
            forward -= reflection * backward;
            if let Some(next) = self.backward.get_mut(stage + 1) {
                *next = backward + reflection * forward;
            }
        }
        self.backward[0] = forward;
        forward
    }
}

/// What turns 32 random bits into a number from -1 to 1.
const I32_HALF_RANGE: f32 = 2_147_483_648.0;

/// The root mean square of `level` -dBov, of which 0 is the loudest square wave (RFC 3389 §3.1).
fn loudness(level: u8) -> f32 {
    if level == QUIETEST {
        return 0.0;
    }
    // 10^(-1/20), by multiplication: every machine gets the same noise.
    (0..level).fold(32_767.0, |loudness, _| loudness * 0.891_250_94)
}

/// A coefficient from its byte: 127 is zero, and a step is 258 in units of 2^-15 (RFC 3389 §3.2).
fn reflection_of(byte: u8) -> f32 {
    let reflection = (f32::from(byte) - 127.0) * 258.0 / 32_768.0;
    reflection.clamp(-REFLECTION_MAX, REFLECTION_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: usize = 48_000;

    fn noise(rate: SampleRate, payload: &[u8]) -> Vec<i16> {
        let mut noise = ComfortNoise::new(rate, 7);
        noise.update(payload);
        filled(&mut noise, rate.hertz() as usize)
    }

    fn filled(noise: &mut ComfortNoise, len: usize) -> Vec<i16> {
        let mut out = vec![0; len];
        noise.fill(&mut out);
        out
    }

    fn mean_of(samples: &[i16], lag: usize) -> f64 {
        let pairs = samples.iter().zip(&samples[lag..]);
        pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>() / samples.len() as f64
    }

    fn dbov(samples: &[i16]) -> f64 {
        10.0 * (mean_of(samples, 0) / (32_767.0 * 32_767.0)).log10()
    }

    #[test]
    fn the_level_is_what_the_payload_says_at_every_rate_and_spectrum() {
        for rate in [SampleRate::Hz8000, SampleRate::Hz16000, SampleRate::Hz48000] {
            for payload in [&[50][..], &[50, 40], &[50, 210, 90], &[0xb2, 40, 180, 100, 120, 127, 130]] {
                let level = dbov(&noise(rate, payload));
                assert!((-51.0..-49.0).contains(&level), "{rate:?} {payload:?}: {level:.2} dBov");
            }
        }
    }

    #[test]
    fn a_coefficient_shapes_the_spectrum() {
        // One pole: neighbours are as alike as the coefficient is large, with the opposite sign.
        for (byte, alike) in [(127, 0.0), (63, 0.504), (191, -0.504)] {
            let samples = noise(SampleRate::Hz48000, &[40, byte]);
            let correlation = mean_of(&samples, 1) / mean_of(&samples, 0);
            assert!((correlation - alike).abs() < 0.02, "{byte}: {correlation:.3}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_noise_and_another_does_not() {
        let make = |seed| {
            let mut noise = ComfortNoise::new(SampleRate::Hz8000, seed);
            noise.update(&[45]);
            filled(&mut noise, 160)
        };
        assert_eq!(make(1), make(1));
        assert_ne!(make(1), make(3));
    }

    #[test]
    fn nothing_is_heard_before_the_first_packet() {
        let mut noise = ComfortNoise::new(SampleRate::Hz8000, 0);
        noise.update(&[]);
        assert_eq!(noise.level(), None);
        assert!(filled(&mut noise, 800).iter().all(|&s| s == 0));
    }

    #[test]
    fn a_new_level_is_glided_to() {
        let mut noise = ComfortNoise::new(SampleRate::Hz8000, 5);
        noise.update(&[35]);
        filled(&mut noise, 800);
        noise.update(&[75]);
        let levels: Vec<f64> = filled(&mut noise, 1_600).chunks(80).map(dbov).collect();
        assert!(levels[0] > -40.0 && levels[19] < -70.0, "{levels:.0?}");
        assert!(levels.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 7.0), "{levels:.0?}");
    }

    #[test]
    fn no_payload_is_louder_than_noise_of_comfort() {
        let loud = dbov(&noise(SampleRate::Hz48000, &[0]));
        assert!((-31.0..-29.0).contains(&loud), "{loud:.1} dBov");
        assert!(dbov(&noise(SampleRate::Hz48000, &[127])) < -90.0);
    }

    proptest! {
        #[test]
        fn any_payloads_make_bounded_noise(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..20),
            seed: u32,
        ) {
            let mut noise = ComfortNoise::new(SampleRate::Hz16000, seed);
            for payload in &payloads {
                noise.update(payload);
                let out = filled(&mut noise, 320);
                prop_assert!(out.iter().all(|s| s.unsigned_abs() < i16::MAX as u16));
                prop_assert!(noise.backward.iter().all(|x| x.is_finite()));
            }
        }
    }

    #[test]
    fn a_second_of_every_extreme_stays_level() {
        for byte in [0, 254, 255] {
            let samples =
                noise(SampleRate::Hz48000, &[30; 1].iter().copied().chain([byte; 30]).collect::<Vec<u8>>());
            assert_eq!(samples.len(), SECOND);
            let peak = samples.iter().map(|s| s.unsigned_abs()).max();
            assert!(peak < Some(20_000), "{byte}: {peak:?}");
        }
    }
}
