//! How two sounds follow each other without an edge, and a sound one at another rate.

use crate::frame::SampleRate;

/// From `old` to `new`, `at` samples into a join of `len`.
pub(super) fn cross_fade(old: i16, new: i16, at: usize, len: usize) -> i16 {
    let len = len.max(1) as i32;
    let weight = (at as i32 + 1).min(len);
    let sum = i32::from(old) * (len - weight) + i32::from(new) * weight;
    (sum / len) as i16
}

/// Brings the first `len` samples of `sound` from one rate to another, in place, by straight lines between samples.
/// Returns how many there are then; what does not fit is left out.
///
/// For the rest of a packet where a stream changes its codec, and what was heard before it: a few milliseconds, in
/// which nobody hears that this is not how sound should be resampled.
pub(super) fn convert(sound: &mut [i16], len: usize, from: SampleRate, to: SampleRate) -> usize {
    let (from, to) = (from.hertz() as usize, to.hertz() as usize);
    let len = len.min(sound.len());
    if from >= to {
        let factor = from / to;
        for i in 0..len / factor {
            let sum: i32 = sound[i * factor..][..factor].iter().map(|&s| i32::from(s)).sum();
            sound[i] = (sum / factor as i32) as i16;
        }
        return len / factor;
    }
    let factor = to / from;
    let len = len.min(sound.len() / factor);
    // From behind, so that nothing is overwritten before it is read.
    for i in (0..len).rev() {
        let (this, next) = (i32::from(sound[i]), i32::from(sound[(i + 1).min(len - 1)]));
        for part in (0..factor).rev() {
            let sum = this * (factor - part) as i32 + next * part as i32;
            sound[i * factor + part] = (sum / factor as i32) as i16;
        }
    }
    len * factor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_join_leads_from_one_sound_to_the_other() {
        let joined: Vec<i16> = (0..4).map(|at| cross_fade(1_000, -1_000, at, 4)).collect();
        assert_eq!(joined, [500, 0, -500, -1_000]);
        assert_eq!(cross_fade(i16::MIN, i16::MAX, 9, 4), i16::MAX);
    }

    #[test]
    fn a_sound_has_the_same_shape_at_another_rate() {
        use SampleRate::{Hz8000, Hz16000, Hz48000};
        let ramp: Vec<i16> = (0..40).map(|i| i * 60).collect();
        for (from, to) in [(Hz8000, Hz16000), (Hz8000, Hz48000), (Hz16000, Hz48000)] {
            let mut sound = ramp.clone();
            sound.resize(240, 0);
            let raised = convert(&mut sound, 40, from, to);
            let factor = (to.hertz() / from.hertz()) as usize;
            assert_eq!(raised, 40 * factor);
            for (i, &sample) in sound[..39 * factor].iter().enumerate() {
                assert_eq!(usize::try_from(sample).unwrap(), i * 60 / factor);
            }
            assert_eq!(convert(&mut sound, raised, to, from), 40);
            assert!(sound.iter().zip(&ramp).all(|(a, b)| a.abs_diff(*b) <= 30));
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let mut sound = [7; 10];
        assert_eq!(convert(&mut sound, 10, SampleRate::Hz8000, SampleRate::Hz48000), 6);
        assert_eq!(convert(&mut sound[..0], 10, SampleRate::Hz8000, SampleRate::Hz48000), 0);
    }
}
