//! What resampling does to a sound and what it must not do, path by path: the band is flat, nothing is folded into
//! it or mirrored out of it, and the 20 ms at which we work leave no trace at 50 Hz and its multiples. Then the
//! same through every pair of codecs.
//!
//! What the transition does, with the lower rate's Nyquist frequency as 1: above 0.85 the level falls, -6 dB at
//! 0.91; from 1 upwards all is below -60 dB. So nothing is folded back at all.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, what it calls included")]
#![expect(clippy::print_stdout, reason = "the figures of a run, with --nocapture")]

mod codecs;
mod oracle;
mod tone;

use confab_media::SampleRate::{self, Hz8000, Hz16000, Hz48000};
use confab_media::dsp::resample::{Downsampler, Upsampler};
use tone::{Spectrum, decibels, loudness, tone};

/// Every pair of different rates, the lower one first.
const PAIRS: [(SampleRate, SampleRate); 3] = [(Hz8000, Hz16000), (Hz8000, Hz48000), (Hz16000, Hz48000)];

/// Half of full scale.
const PEAK: f64 = 16_384.0;

/// How long the tones are: [`Spectrum`] wants this much.
const SECONDS: f64 = 1.12;

#[test]
fn the_band_is_flat() {
    for (low, high) in PAIRS {
        let mut range = (0.0_f64, 0.0_f64);
        for hertz in of_nyquist(low, [0.005, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85]) {
            let up = upsampled(low, high, &tone(low.hertz(), hertz, PEAK, SECONDS));
            let down = downsampled(high, low, &tone(high.hertz(), hertz, PEAK, SECONDS));
            for level in [
                Spectrum::of(high.hertz(), &up).level(hertz, PEAK),
                Spectrum::of(low.hertz(), &down).level(hertz, PEAK),
            ] {
                range = (range.0.min(level), range.1.max(level));
                assert!(level.abs() < 0.5, "{low:?} and {high:?}: {level:.2} dB at {hertz} Hz");
            }
        }
        println!("{low:?} and {high:?}: {:.3} to {:.3} dB up to 0.85 of Nyquist", range.0, range.1);
    }
}

#[test]
fn the_transition_falls_between_the_band_and_nyquist() {
    for (low, high) in PAIRS {
        let [hertz] = of_nyquist(low, [0.91]);
        let up = upsampled(low, high, &tone(low.hertz(), hertz, PEAK, SECONDS));
        let down = downsampled(high, low, &tone(high.hertz(), hertz, PEAK, SECONDS));
        let levels = [
            Spectrum::of(high.hertz(), &up).level(hertz, PEAK),
            Spectrum::of(low.hertz(), &down).level(hertz, PEAK),
        ];
        println!("{low:?} and {high:?}: {levels:.1?} dB at {hertz} Hz");
        assert!(levels.iter().all(|level| (-6.5..-5.5).contains(level)));
    }
}

#[test]
fn nothing_is_folded_into_the_band() {
    for (low, high) in PAIRS {
        let mut worst = f64::NEG_INFINITY;
        let nyquist = low.hertz() / 2;
        let step = (high.hertz() / 2 - nyquist) / 60;
        for hertz in (nyquist..high.hertz() / 2).step_by(step as usize) {
            let said = tone(high.hertz(), hertz + 7, PEAK, SECONDS);
            let heard = downsampled(high, low, &said);
            worst = worst.max(decibels(loudness(low.hertz(), &heard) / loudness(high.hertz(), &said)));
        }
        println!("{high:?} to {low:?}: aliases below {worst:.1} dB from {nyquist} Hz upwards");
        assert!(worst < -60.0, "{high:?} to {low:?}: {worst:.1} dB");
    }
}

#[test]
fn nothing_is_mirrored_out_of_the_band() {
    for (low, high) in PAIRS {
        let mut worst = f64::NEG_INFINITY;
        for hertz in of_nyquist(low, [0.013, 0.1, 0.3, 0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99, 0.999]) {
            let heard = upsampled(low, high, &tone(low.hertz(), hertz, PEAK, SECONDS));
            let spectrum = Spectrum::of(high.hertz(), &heard);
            let images = (1..=high.hertz() / low.hertz())
                .flat_map(|k| [k * low.hertz() - hertz, k * low.hertz() + hertz]);
            for image in images.filter(|&image| image < high.hertz() / 2) {
                worst = worst.max(spectrum.level(image, PEAK));
            }
        }
        println!("{low:?} to {high:?}: images below {worst:.1} dB");
        assert!(worst < -60.0, "{low:?} to {high:?}: {worst:.1} dB");
    }
}

#[test]
fn the_frames_leave_no_trace() {
    for (low, high) in PAIRS {
        let mut worst = f64::NEG_INFINITY;
        for hertz in [313, 1_013, 2_027, 3_119] {
            let up = upsampled(low, high, &tone(low.hertz(), hertz, PEAK, SECONDS));
            let down = downsampled(high, low, &tone(high.hertz(), hertz, PEAK, SECONDS));
            worst = worst.max(Spectrum::of(high.hertz(), &up).frame_artefacts(hertz, PEAK));
            worst = worst.max(Spectrum::of(low.hertz(), &down).frame_artefacts(hertz, PEAK));
        }
        println!("{low:?} and {high:?}: 50 Hz and its multiples below {worst:.1} dB");
        assert!(worst < -70.0, "{low:?} and {high:?}: {worst:.1} dB");
    }
}

#[test]
fn a_sum_of_many_talkers_is_resampled_as_cleanly() {
    for (low, high) in PAIRS {
        let said = tone(high.hertz(), 1_013, PEAK, SECONDS);
        let sum: Vec<i32> = said.iter().map(|&s| i32::from(s) * 256).collect();
        let mut resampler = Downsampler::new(high, low);
        let mut heard = vec![0; sum.len() / resampler.ratio()];
        for (sum, heard) in sum.chunks(high.frame_len()).zip(heard.chunks_mut(low.frame_len())) {
            resampler.resample(sum, heard);
        }
        let quiet: Vec<i16> = heard.iter().map(|s| (s / 256) as i16).collect();
        let spectrum = Spectrum::of(low.hertz(), &quiet);
        assert!(spectrum.level(1_013, PEAK).abs() < 0.01);
        assert!(spectrum.frame_artefacts(1_013, PEAK) < -70.0);
    }
}

/// Frequencies by their part of a rate's Nyquist frequency; odd ones, which share no factor with 50 Hz.
fn of_nyquist<const N: usize>(rate: SampleRate, parts: [f64; N]) -> [u32; N] {
    parts.map(|part| (part * f64::from(rate.hertz()) / 2.0) as u32 / 2 * 2 - 1)
}

/// In frames of 20 ms, as everywhere else.
pub(crate) fn upsampled(from: SampleRate, to: SampleRate, samples: &[i16]) -> Vec<i16> {
    let mut resampler = Upsampler::new(from, to);
    let mut out = vec![0; samples.len() * resampler.ratio()];
    for (samples, out) in samples.chunks(from.frame_len()).zip(out.chunks_mut(to.frame_len())) {
        resampler.resample(samples, out);
    }
    out
}

pub(crate) fn downsampled(from: SampleRate, to: SampleRate, samples: &[i16]) -> Vec<i16> {
    let mut resampler = Downsampler::new(from, to);
    let mut out = vec![0; samples.len() / resampler.ratio()];
    for (samples, out) in samples.chunks(from.frame_len()).zip(out.chunks_mut(to.frame_len())) {
        resampler.resample(samples, out);
    }
    out
}
