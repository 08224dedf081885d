//! Makes sound longer or shorter by a piece that fits: a pitch period or a few, cut out of it or repeated, with a
//! cross-fade as long as the piece (the idea of WSOLA). Voices keep their pitch, and nothing clicks.
//!
//! ```text
//!  shrink   sound ──a───┐╲╱┌────▶        out: up to a, faded over to what comes one piece later
//!                       │╱╲│
//!  stretch  before ─────┐╲╱┌─ sound ──▶  out: sound, faded over to what was one piece earlier, sound again
//! ```

use super::join::cross_fade;
use super::pitch::{Fit, LAG_MAX, Prefer, Search, factor};
use crate::frame::SampleRate;

/// The shortest piece, in samples at 8 kHz: 2.5 ms, the period of the highest voices.
pub(super) const PIECE_MIN: usize = 20;

/// The longest, in samples at 8 kHz: 15 ms.
pub(super) const PIECE_MAX: usize = LAG_MAX;

/// What is compared to find a piece, in samples at 8 kHz: 10 ms.
const WINDOW: usize = 80;

/// Samples that must be here before a tick of `tick` samples can be shrunk.
pub(super) const fn needed_to_shrink(tick: usize, rate: SampleRate) -> usize {
    tick + PIECE_MAX * factor(rate)
}

/// The piece of at most `most` samples that can best be left out of `sound`. `sound` must be as long as
/// [`needed_to_shrink`] says.
pub(super) fn piece_to_leave_out(sound: &[i16], most: usize, rate: SampleRate) -> Option<Fit> {
    let most = (most / factor(rate)).min(PIECE_MAX);
    let search = Search { at: PIECE_MAX, window: WINDOW, lags: PIECE_MIN..=most, prefer: Prefer::Longer };
    search.best_fit(sound, rate)
}

/// Fills `out` from the beginning of `sound` with `piece` samples left out. Returns how many samples were used, or
/// none if there are too few.
pub(super) fn shrink(sound: &[i16], piece: usize, rate: SampleRate, out: &mut [i16]) -> Option<usize> {
    let used = out.len() + piece;
    let resume = PIECE_MAX * factor(rate);
    if sound.len() < used || resume < piece || out.len() < resume {
        return None;
    }
    let leave = resume - piece;
    out[..leave].copy_from_slice(&sound[..leave]);
    for (i, sample) in out[leave..resume].iter_mut().enumerate() {
        *sample = cross_fade(sound[leave + i], sound[resume + i], i, piece);
    }
    let rest = out.len() - resume;
    out[resume..].copy_from_slice(&sound[resume + piece..][..rest]);
    Some(used)
}

/// The piece of at most `most` samples that can best be repeated where `sound` begins after `before`.
pub(super) fn piece_to_repeat(before: &[i16], sound: &[i16], most: usize, rate: SampleRate) -> Option<Fit> {
    let factor = factor(rate);
    // Ends of both: the longest piece before the seam, a window behind it.
    let (earlier, later) = (PIECE_MAX * factor, WINDOW * factor);
    if before.len() < earlier || sound.len() < later {
        return None;
    }
    let mut seam = [0; (PIECE_MAX + WINDOW) * FACTOR_MAX];
    let seam = &mut seam[..earlier + later];
    seam[..earlier].copy_from_slice(&before[before.len() - earlier..]);
    seam[earlier..].copy_from_slice(&sound[..later]);
    let lags = PIECE_MIN..=(most / factor).min(PIECE_MAX);
    let search = Search { at: PIECE_MAX, window: WINDOW, lags, prefer: Prefer::Longer };
    search.best_fit(seam, rate)
}

/// At 48 kHz.
const FACTOR_MAX: usize = factor(SampleRate::Hz48000);

/// Fills `out` with `sound`, before which the last `piece` samples of `before` are heard once more. Returns how many
/// samples of `sound` were used, or none if there are too few.
pub(super) fn stretch(before: &[i16], sound: &[i16], piece: usize, out: &mut [i16]) -> Option<usize> {
    let used = out.len().checked_sub(piece)?;
    if before.len() < piece || sound.len() < used.max(piece) {
        return None;
    }
    let earlier = &before[before.len() - piece..];
    for (i, sample) in out[..piece].iter_mut().enumerate() {
        *sample = cross_fade(sound[i], earlier[i], i, piece);
    }
    out[piece..].copy_from_slice(&sound[..used]);
    Some(used)
}

#[cfg(test)]
mod tests {
    use super::super::pitch::tests::{RATES, noise, wave};
    use super::*;

    fn tick(rate: SampleRate) -> usize {
        rate.frame_len()
    }

    fn period(rate: SampleRate) -> f64 {
        6.3 * f64::from(rate.hertz()) / 1_000.0
    }

    /// The steepest step between neighbours.
    fn steepest(sound: &[i16]) -> u16 {
        sound.windows(2).map(|w| w[0].abs_diff(w[1])).max().unwrap()
    }

    #[test]
    fn a_voice_that_is_shrunk_goes_on_as_it_was() {
        for rate in RATES {
            let sound = wave(period(rate), 4 * tick(rate));
            let fit = piece_to_leave_out(&sound, usize::MAX, rate).unwrap();
            assert!(fit.likeness > 0.9);
            let mut out = vec![0; tick(rate)];
            let used = shrink(&sound, fit.lag, rate, &mut out).unwrap();
            assert_eq!(used, tick(rate) + fit.lag);
            let whole = [&out[..], &sound[used..]].concat();
            assert!(steepest(&whole) <= steepest(&sound) * 11 / 10, "{rate:?}");
            assert!(whole.iter().zip(&sound).all(|(a, b)| a.abs_diff(*b) < 2_500), "{rate:?}");
        }
    }

    #[test]
    fn a_voice_that_is_stretched_goes_on_as_it_was() {
        for rate in RATES {
            let (before, sound) = (wave(period(rate), 4 * tick(rate)), wave(period(rate), 8 * tick(rate)));
            let sound = &sound[before.len()..];
            let fit = piece_to_repeat(&before, sound, usize::MAX, rate).unwrap();
            assert!(fit.likeness > 0.9);
            let mut out = vec![0; tick(rate)];
            let used = stretch(&before, sound, fit.lag, &mut out).unwrap();
            assert_eq!(used, tick(rate) - fit.lag);
            let whole = [&before[..], &out, &sound[used..]].concat();
            assert!(steepest(&whole) <= steepest(sound) * 11 / 10, "{rate:?}");
        }
    }

    #[test]
    fn pieces_are_no_longer_than_wanted() {
        for rate in RATES {
            let sound = noise(4 * tick(rate));
            for millis in 3..20 {
                let most = millis * factor(rate) * 8;
                let longest = most.min(15 * factor(rate) * 8);
                assert!(piece_to_leave_out(&sound, most, rate).unwrap().lag <= longest);
                assert!(piece_to_repeat(&sound, &sound, most, rate).unwrap().lag <= longest);
            }
            assert_eq!(piece_to_leave_out(&sound, PIECE_MIN * factor(rate) - 1, rate), None);
        }
    }

    #[test]
    fn ends_are_the_sounds_own() {
        let rate = SampleRate::Hz8000;
        let sound = noise(400);
        for piece in [1, 20, 77, 120] {
            let mut out = [0; 160];
            shrink(&sound, piece, rate, &mut out).unwrap();
            assert_eq!(out[..120 - piece], sound[..120 - piece]);
            assert_eq!(out[120..], sound[120 + piece..160 + piece]);
            stretch(&sound[..200], &sound[200..], piece, &mut out).unwrap();
            assert_eq!(out[piece - 1], sound[199]);
            assert_eq!(out[piece..], sound[200..360 - piece]);
        }
    }

    #[test]
    fn too_little_sound_is_left_as_it_is() {
        let mut out = [0; 160];
        assert_eq!(shrink(&[0; 199], 40, SampleRate::Hz8000, &mut out), None);
        assert_eq!(stretch(&[0; 39], &[0; 160], 40, &mut out), None);
        assert_eq!(stretch(&[0; 120], &[0; 119], 40, &mut out), None);
        assert_eq!(piece_to_repeat(&[0; 119], &[0; 160], 100, SampleRate::Hz8000), None);
    }
}
