//! Brings a mix that is too loud for 16 bits down without the crackle of clipping.
//!
//! One gain per mix and tick: its loudest sample sets how far down, at once, before it comes; it goes up
//! again slowly. So nothing is ever clipped. At rest the gain is exactly one, and samples pass unchanged,
//! bit for bit.

/// Gain of one in the fixed point used here (Q15).
const UNITY: i32 = 1 << 15;

/// A lower gain is reached over this part of a tick, 5 ms, or by the first sample that needs it if that comes
/// sooner: a step would click.
const ATTACK_PART: usize = 4;

/// Part of the missing gain that comes back each tick: 1/16, so about half in 0.2 s. Faster and the level
/// of others would be heard to pump with one loud talker.
const RELEASE_DIVISOR: i32 = 16;

/// The loudest sample a mix may have, one part in a thousand under full scale so that rounding cannot pass it.
const CEILING: i32 = 32_734;

/// The limiter of one mix.
#[derive(Clone, Copy, Debug)]
pub struct Limiter {
    gain: i32,
}

impl Default for Limiter {
    fn default() -> Self {
        Self { gain: UNITY }
    }
}

/// The gain of one tick: from what it was to what it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gain {
    from: i32,
    to: i32,
    /// Samples over which it changes.
    ramp: usize,
}

impl Limiter {
    /// Whether it lets what is soft pass unchanged.
    pub(crate) const fn rests(self) -> bool {
        self.gain == UNITY
    }

    /// Looks at a tick's mix and decides its gain.
    pub fn follow(&mut self, mix: &[i32]) -> Gain {
        let wanted = if is_surely_soft(mix) { UNITY } else { gain_for(peak(mix)) };
        if wanted == UNITY && self.gain == UNITY {
            return Gain::UNITY;
        }
        let from = self.gain;
        self.gain = if wanted < self.gain {
            wanted
        } else {
            // The last step of one keeps a gain from resting just under unity for ever.
            let step = ((UNITY - self.gain) / RELEASE_DIVISOR).max(1);
            (self.gain + step).min(wanted)
        };
        let ramp = if self.gain < from { attack(mix, from) } else { mix.len() };
        Gain { from, to: self.gain, ramp }
    }
}

/// How soon a lower gain must be there: by the first sample that is too loud at the gain before.
fn attack(mix: &[i32], gain: i32) -> usize {
    let too_loud = |s: &i32| (i64::from(s.unsigned_abs()) * i64::from(gain)) >> 15 > i64::from(CEILING);
    mix.iter().position(too_loud).unwrap_or(mix.len()).min(mix.len() / ATTACK_PART)
}

/// Whether no sample is above half the scale, as in most ticks of speech: told in fewer steps than the loudest is found.
fn is_surely_soft(mix: &[i32]) -> bool {
    is_soft(mix.iter().fold(0, |bits, &sample| bits | bits_of(sample)))
}

/// The bits of a sample; of a negative one those of its complement, which is one less loud.
pub(crate) const fn bits_of(sample: i32) -> i32 {
    sample ^ (sample >> 31)
}

/// Whether samples that have these bits, all of them together, are surely so soft that a limiter at rest lets them pass unchanged.
pub(crate) const fn is_soft(bits: i32) -> bool {
    bits <= CEILING >> 1
}

fn peak(mix: &[i32]) -> u32 {
    mix.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0)
}

fn gain_for(peak: u32) -> i32 {
    if peak <= CEILING as u32 {
        return UNITY;
    }
    // Below 2^15 because peak is above the ceiling, so it fits.
    (i64::from(CEILING) * i64::from(UNITY) / i64::from(peak)) as i32
}

impl Gain {
    /// Samples pass unchanged.
    pub const UNITY: Self = Self { from: UNITY, to: UNITY, ramp: 0 };

    /// Whether samples pass unchanged.
    pub const fn is_unity(self) -> bool {
        self.from == UNITY && self.to == UNITY
    }

    /// Writes `mix` at this gain to `out`. It must be the mix that was followed: another one may be louder,
    /// and is then held at full scale.
    pub fn apply(self, mix: &[i32], out: &mut [i16]) {
        if self.is_unity() {
            for (o, &s) in out.iter_mut().zip(mix) {
                *o = s.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
            }
            return;
        }
        for (i, (o, &s)) in out.iter_mut().zip(mix).enumerate() {
            let gain = self.at(i);
            let scaled = (i64::from(s) * i64::from(gain)) >> 15;
            *o = scaled.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        }
    }

    fn at(self, sample: usize) -> i32 {
        if sample >= self.ramp {
            return self.to;
        }
        let span = i64::from(self.to - self.from);
        self.from + (span * (sample as i64 + 1) / self.ramp as i64) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limited(limiter: &mut Limiter, mix: &[i32]) -> Vec<i16> {
        let mut out = vec![0; mix.len()];
        limiter.follow(mix).apply(mix, &mut out);
        out
    }

    #[test]
    fn a_mix_that_fits_passes_unchanged() {
        let mut limiter = Limiter::default();
        let mix: Vec<i32> = (0..160).map(|i| (i - 80) * 409).collect();
        for _ in 0..100 {
            let out = limited(&mut limiter, &mix);
            assert!(out.iter().zip(&mix).all(|(&o, &m)| i32::from(o) == m));
        }
    }

    #[test]
    fn a_loud_mix_is_scaled_and_not_clipped() {
        let mut limiter = Limiter::default();
        let mix: Vec<i32> =
            (0..160).map(|i| (f64::from(i) * 0.3).sin().mul_add(100_000.0, 0.0) as i32).collect();
        let first = limited(&mut limiter, &mix);
        assert!(first.iter().all(|o| i32::from(o.unsigned_abs()) <= CEILING), "not even in the first tick");
        let out = limited(&mut limiter, &mix);
        let at_rail = out.iter().filter(|&&o| o == i16::MAX || o == i16::MIN).count();
        assert_eq!(at_rail, 0);
        let peak = out.iter().map(|o| o.unsigned_abs()).max();
        assert!(peak > Some(32_000), "turned down to the ceiling, not further: {peak:?}");
    }

    proptest! {
        #[test]
        fn nothing_is_ever_clipped(
            ticks in prop::collection::vec((0..200_000i32, 0..160usize), 1..20),
        ) {
            let mut limiter = Limiter::default();
            for (loudness, from) in ticks {
                let mix: Vec<i32> = (0..160).map(|i| if i >= from { loudness } else { loudness / 9 }).collect();
                let out = limited(&mut limiter, &mix);
                prop_assert!(out.iter().all(|&o| i32::from(o) <= CEILING));
            }
        }
    }

    #[test]
    fn the_gain_returns_to_exactly_one() {
        let mut limiter = Limiter::default();
        limiter.follow(&[500_000; 160]);
        let quiet = [1_000; 160];
        let ticks = (0..1_000).take_while(|_| !limiter.follow(&quiet).is_unity()).count();
        assert!((10..500).contains(&ticks), "took {ticks} ticks");
    }
}
