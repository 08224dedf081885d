//! Clicks on top of tones, and what is noted of each packet, so that a recording can be held against it to the sample. Tones
//! repeat every 20 ms and say who speaks; clicks come at random moments and say where a sample belongs.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::load::floor::truth::Who;
use crate::load::floor::voices::{Tones, sound};
use crate::load::network::Random;
use crate::load::rtp::Header;

/// A click is one sample so far from where the tones are. In 20 ms at the lowest rate that is 0.075 of a tone: too little to be
/// taken for one.
const CLICK: i16 = 9_000;
/// It comes where the tones are no further from zero than this.
const NEAR_ZERO: i16 = 400;
/// Louder is a click: the tones of two people together reach 6,000.
const LOUD: u16 = 7_000;
/// A round of a voice, in packets of 20 ms: 16 s, of which each caller's is kept.
const ROUND: usize = 800;
/// From one click to the next, in samples at 8 kHz: never two in a packet, and some fifteen in two seconds.
const APART: std::ops::Range<u64> = 480..1_600;

/// A round of a voice with clicks, at `factor` times 8 kHz. The same seed clicks at the same moments; nobody else does.
pub(in crate::load::floor) fn clicking(voice: Tones, factor: usize, (seed, who): (u64, Who)) -> Vec<i16> {
    let mut round = sound(voice, factor).repeat(ROUND);
    let mut random = Random(seed ^ (who.0 as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut at = 0;
    loop {
        at += (APART.start + random.next() % (APART.end - APART.start)) as usize * factor;
        let Some(sample) = round.iter_mut().skip(at).find(|sample| sample.unsigned_abs() <= NEAR_ZERO as u16)
        else {
            return round;
        };
        *sample += CLICK;
    }
}

/// Where clicks are.
pub(in crate::load::floor) fn clicks(sound: &[i16]) -> impl Iterator<Item = usize> {
    sound.iter().enumerate().filter(|(_, sample)| sample.unsigned_abs() > LOUD).map(|(at, _)| at)
}

/// What is kept of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::load::floor) struct Note {
    /// When it came, on the monotonic clock.
    pub(super) at_ns: i64,
    pub(super) timestamp: u32,
    pub(super) sequence: u16,
    /// Where in it the first click is.
    pub(super) click: Option<u16>,
    /// Nothing is heard in it.
    pub(super) is_silent: bool,
    pub(super) print: u64,
}

impl Note {
    pub(in crate::load::floor) fn of(header: &Header, at_ns: i64, sound: &[i16]) -> Self {
        Self {
            at_ns,
            timestamp: header.timestamp,
            sequence: header.sequence,
            click: clicks(sound).next().and_then(|at| u16::try_from(at).ok()),
            is_silent: is_silent(sound),
            print: print_of(sound),
        }
    }
}

/// Stands for these samples: two that are not the same have the same one once in 2^64.
pub(super) fn print_of(sound: &[i16]) -> u64 {
    let mut hasher = DefaultHasher::new();
    sound.hash(&mut hasher);
    hasher.finish()
}

/// Silence is what stands for nothing; µ-law and A-law have it a little off zero.
pub(in crate::load::floor) fn is_silent(sound: &[i16]) -> bool {
    sound.iter().all(|sample| sample.unsigned_abs() <= 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::floor::voices::{Eye, pairs};

    #[test]
    fn a_voice_clicks_so_that_it_is_found_and_never_sounds_like_another() {
        for factor in [1, 2] {
            let (voice, eye) = (pairs()[5], Eye::new(factor));
            let round = clicking(voice, factor, (7, Who(3)));
            let found: Vec<usize> = clicks(&round).collect();
            assert!((100..=270).contains(&found.len()), "{}", found.len());
            assert!(found.windows(2).all(|pair| pair[1] - pair[0] >= 480 * factor));
            for packet in round.chunks_exact(160 * factor) {
                let seen = eye.look(packet, 0).unwrap();
                assert!(seen.heard == voice && seen.strong == voice, "{seen:?}");
            }
        }
        let other: Vec<usize> = clicks(&clicking(pairs()[5], 1, (7, Who(4)))).collect();
        let same = clicks(&clicking(pairs()[5], 1, (7, Who(3)))).filter(|at| other.contains(at)).count();
        assert!(same < 5, "{same}");
    }
}
