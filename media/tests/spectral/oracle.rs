//! The same sounds through another resampler (rubato's, by Fourier transform, with ten times the delay): below where
//! our band begins to fall the two agree but for the last bits.

use audioadapter_buffers::direct::InterleavedSlice;
use confab_media::SampleRate;
use rubato::{Fft, FixedSync, Resampler, WindowFunction, audioadapter_buffers};

use super::tone::{decibels, tone};
use super::{PAIRS, PEAK, SECONDS, downsampled, upsampled};

#[test]
fn another_resampler_says_the_same() {
    for (low, high) in PAIRS {
        let nyquist = low.hertz() / 2;
        for (from, to) in [(low, high), (high, low)] {
            let parts = [0.03, 0.11, 0.24, 0.42, 0.61, 0.7];
            let tones =
                parts.map(|part| tone(from.hertz(), (part * f64::from(nyquist)) as u32, PEAK / 6.0, SECONDS));
            let said: Vec<i16> =
                (0..tones[0].len()).map(|n| tones.iter().map(|tone| tone[n]).sum()).collect();
            let (ours, our_delay) = if from == low {
                (upsampled(from, to, &said), 24 * (to.hertz() / from.hertz()) as usize)
            } else {
                (downsampled(from, to, &said), 24)
            };
            let (theirs, their_delay) = by_rubato(from, to, &said);
            let far = difference(&ours[our_delay..], &theirs[their_delay..]);
            println!("{from:?} to {to:?}: they differ by {far:.1} dB");
            assert!(far < -65.0, "{from:?} to {to:?}: {far:.1} dB");
        }
    }
}

/// How far two sounds differ, over that of the first, where both are steady.
fn difference(ours: &[i16], theirs: &[f32]) -> f64 {
    let steady =
        || ours.iter().zip(theirs).skip(4_000).take(4_000).map(|(&a, &b)| (f64::from(a), f64::from(b)));
    let squares: f64 = steady().map(|(a, b)| (a - b).powi(2)).sum();
    let whole: f64 = steady().map(|(a, _)| a.powi(2)).sum();
    decibels((squares / whole).sqrt())
}

fn by_rubato(from: SampleRate, to: SampleRate, samples: &[i16]) -> (Vec<f32>, usize) {
    let (rate_in, rate_out) = (from.hertz() as usize, to.hertz() as usize);
    let window = WindowFunction::BlackmanHarris2;
    let mut resampler =
        Fft::<f32>::new_custom(rate_in, rate_out, from.frame_len(), 1, 1, window, FixedSync::Input).unwrap();
    let mut out = Vec::new();
    for frame in samples.chunks_exact(from.frame_len()) {
        let frame: Vec<f32> = frame.iter().map(|&s| s.into()).collect();
        let mut block = vec![0.0; resampler.output_frames_max()];
        let room = block.len();
        let input = InterleavedSlice::new(&frame, 1, frame.len()).unwrap();
        let mut output = InterleavedSlice::new_mut(&mut block, 1, room).unwrap();
        let (_, written) = resampler.process_into_buffer(&input, &mut output, None).unwrap();
        out.extend(&block[..written]);
    }
    (out, resampler.output_delay())
}
