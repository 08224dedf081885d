//! With sounds that are like speech in what matters here: syllables of a pitch and a noise, with pauses.

use std::path::Path;

use super::*;
use crate::load::codec::Codec;

/// Twelve seconds of murmur.
fn murmur(directory: &Path) -> Speech {
    let path = directory.join("murmur.wav");
    let format = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(&path, format).unwrap();
    let mut state = 1_u32;
    let (mut phase, mut tract) = (0.0_f64, [0.0_f64; 2]);
    for n in 0..12 * 8_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = f64::from(state >> 16) / 32_768.0 - 1.0;
        let syllable = n / 1_600;
        let pitch = 90.0 + f64::from((syllable * 37 % 60) as u32);
        phase = (phase + pitch / 8_000.0).fract();
        let loudness = [1.0, 0.7, 0.0, 0.9, 0.5][syllable * 7 % 5];
        let source = loudness * ((1.0 - 2.0 * phase) + 0.3 * noise);
        let formant = std::f64::consts::TAU * (400.0 + (syllable * 211 % 900) as f64) / 8_000.0;
        let voice = source + 1.8 * formant.cos() * tract[0] - 0.81 * tract[1];
        tract = [voice, tract[0]];
        wav.write_sample((voice * 1_500.0).clamp(-30_000.0, 30_000.0) as i16).unwrap();
    }
    wav.finalize().unwrap();
    Speech::read(&path, &[Codec::Pcmu]).unwrap()
}

/// What somebody hears of these talkers of six, each with a strength and a delay in samples.
fn mixed(speech: &Speech, voices: &[(usize, f64, usize)]) -> Heard {
    let file = speech.at_base();
    let at = |n: usize, &(talker, strength, delay): &(usize, f64, usize)| {
        let place = n + speech.first_frame(talker, 6) as usize * 160 + file.len() - delay;
        strength * f64::from(file[place % file.len()])
    };
    let sample = |n: usize| voices.iter().map(|voice| at(n, voice)).sum::<f64>() as i16;
    Heard { first: Some((0, 0)), sound: (0..2 * SEGMENT).map(sample).collect() }
}

fn voices(speech: &Speech, heard: &Heard) -> Vec<u32> {
    Likeness::new(speech).count(heard, 0, 6).heard
}

#[test]
fn those_who_talk_are_heard_and_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let speech = murmur(directory.path());
    let three = [(0, 1.0, 300), (2, 1.0, 1_200), (5, 1.0, 5_000)];
    assert_eq!(voices(&speech, &mixed(&speech, &three)), [2, 0, 2, 0, 0, 2]);
    assert_eq!(voices(&speech, &mixed(&speech, &[(4, 1.0, 0)])), [0, 0, 0, 0, 2, 0]);
    assert_eq!(voices(&speech, &mixed(&speech, &[])), [0; 6]);
}

#[test]
fn a_leak_of_a_quarter_is_heard() {
    let directory = tempfile::tempdir().unwrap();
    let speech = murmur(directory.path());
    let leak = [(1, 1.0, 400), (3, 0.25, 400)];
    assert_eq!(voices(&speech, &mixed(&speech, &leak)), [0, 2, 0, 2, 0, 0]);
}

#[test]
fn packets_fall_into_place_and_what_is_missing_is_silence() {
    let mut heard = Heard::default();
    for (timestamp, value) in [(960_u32, 6), (1_920, 12), (3_840, 18), (2_880, 99), (0, 99)] {
        heard.take(&[value; 960], Codec::Opus, timestamp, 5);
    }
    let expected: Vec<i16> = [[6; 160], [12; 160], [0; 160], [18; 160]].concat();
    assert_eq!((heard.first, heard.sound), (Some((5, 960)), expected));
    let mut wide = Heard::default();
    // G.722: two samples in a tick.
    (0..3).for_each(|n| wide.take(&[7; 320], Codec::G722, n * 160, 0));
    assert_eq!(wide.sound, [7; 480]);
}
