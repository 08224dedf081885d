//! A far end's decoder goes from one encoder's stream to another's of the same sound, as when its leg leaves or
//! joins those who hear the same: is it heard?
//!
//! Two decoders play; one stays with the first encoder, the other changes. From 10 ms before the change to 30 ms
//! after it we compare what comes out, at forty places in a tone and in speech:
//!
//! - distance: how far the two are from each other in bands of 250 Hz up to 8 kHz, root mean square in dB;
//! - bend: the sharpest corner of the wave (second difference) against the sharpest one of who stayed: a click.
//!
//! The measure of what cannot be helped is a second encoder that has been running all along: two lossy encoders
//! never write the same. As measured, mean distance in dB and bend:
//!
//! ```text
//!                   Opus, speech   Opus, tone    G.722, speech   G.722, tone
//!  cold              3.9  2.1      27.1  95       17.8  12        43.2  51
//!  warmed, 20 ms     2.1  1.0      10.3  1.5
//!  warmed, 40 ms     1.8  1.0       4.1  1.0
//!  warmed, 60 ms                                   1.2  1.0        7.6  1.2
//!  running           1.7  1.0       3.9  1.0       1.3  1.0        8.1  1.1
//! ```

use std::f64::consts::TAU;

use super::*;
use sound::{speech, tone};

/// How the second encoder comes to the change.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Start {
    Cold,
    /// Warmed up with so many frames.
    Warm(usize),
    /// As the first one's successor.
    Succeeding,
    /// It has encoded the same all along, and something else before that.
    Running,
}

#[derive(Debug)]
struct Change {
    /// Of all places, the mean and the worst.
    distance: f64,
    worst_distance: f64,
    bend: f64,
}

/// Frames of 20 ms in a sound; changes are tried at these.
const FRAMES: usize = 150;
const PLACES: std::ops::Range<usize> = 20..140;

#[test]
fn a_warmed_up_opus_encoder_takes_over_unheard() {
    let settings = EncoderSettings::default();
    for (what, said) in sounds(SampleRate::Hz48000) {
        let [cold, one, warm, running] = [Start::Cold, Start::Warm(1), Start::Warm(2), Start::Running]
            .map(|start| change(Codec::Opus, settings, &said, start));
        assert!(cold.bend > 2.0 && cold.distance > running.distance + 1.5, "{what}: {cold:?}");
        assert!(one.bend < 1.6 && one.distance < cold.distance * 0.6, "{what}: {one:?}");
        assert!(warm.bend < 1.1 && warm.distance < running.distance + 0.5, "{what}: {warm:?}");
        assert!(warm.worst_distance < running.worst_distance + 1.0, "{what}: {warm:?}");
    }
}

#[test]
fn a_warmed_up_g722_encoder_takes_over_unheard() {
    let settings = EncoderSettings::default();
    for (what, said) in sounds(SampleRate::Hz16000) {
        let [cold, warm, successor, running] =
            [Start::Cold, Start::Warm(3), Start::Succeeding, Start::Running]
                .map(|start| change(Codec::G722, settings, &said, start));
        assert!(cold.bend > 10.0 && cold.distance > running.distance + 15.0, "{what}: {cold:?}");
        assert!(warm.bend < 1.3 && warm.distance < running.distance + 0.5, "{what}: {warm:?}");
        assert_eq!(successor.worst_distance, 0.0, "{what}");
    }
}

#[test]
fn codecs_that_remember_nothing_can_always_be_taken_over() {
    for codec in [Codec::Pcmu, Codec::Pcma, Codec::L16(L16Rate::Hz8000), Codec::L16(L16Rate::Hz16000)] {
        for (what, said) in sounds(codec.sample_rate()) {
            let cold = change(codec, EncoderSettings::default(), &said, Start::Cold);
            assert_eq!(cold.worst_distance, 0.0, "{codec:?} {what}");
        }
    }
}

fn sounds(rate: SampleRate) -> [(&'static str, Vec<i16>); 2] {
    let len = FRAMES * rate.frame_len();
    [("tone", tone(rate, len, 440.0, 8_000.0)), ("speech", speech(rate, len, 3))]
}

fn change(codec: Codec, settings: EncoderSettings, said: &[i16], start: Start) -> Change {
    let frames: Vec<&[i16]> = said.chunks(codec.sample_rate().frame_len()).collect();
    let mut sum = Change { distance: 0.0, worst_distance: 0.0, bend: 0.0 };
    let places = PLACES.step_by(3);
    let count = places.len() as f64;
    for place in places {
        let (stayed, changed) = heard(codec, settings, &frames, place, start);
        let distance = distance(codec.sample_rate(), &stayed, &changed);
        sum.distance += distance / count;
        sum.worst_distance = sum.worst_distance.max(distance);
        sum.bend += sharpest_bend(&changed) / sharpest_bend(&stayed) / count;
    }
    sum
}

/// What who stayed and who changed hear around the change.
fn heard(
    codec: Codec,
    settings: EncoderSettings,
    frames: &[&[i16]],
    place: usize,
    start: Start,
) -> (Vec<i16>, Vec<i16>) {
    let mut first = Encoder::new(codec, settings).unwrap();
    let mut second = Encoder::new(codec, settings).unwrap();
    let mut staying = Decoder::new(codec).unwrap();
    let mut changing = Decoder::new(codec).unwrap();
    let (mut stayed, mut changed) = (Vec::new(), Vec::new());
    // Far enough back for both to have forgotten how they began.
    for (at, frame) in frames.iter().enumerate().take(place + 2).skip(place - 20) {
        if at == place {
            match start {
                Start::Cold | Start::Running => {}
                Start::Warm(count) => second.warm_up(&frames[place - count..place].concat()),
                Start::Succeeding => second.succeed(&first, frames[place - 1]),
            }
        }
        if start == Start::Running && at < place {
            let other: Vec<i16> =
                if at < place - 10 { frame.iter().map(|s| s / 3).collect() } else { frame.to_vec() };
            payload(&mut second, &other);
        }
        let from_first = payload(&mut first, frame);
        stayed.extend(samples(&mut staying, &from_first));
        let from_second = if at < place { from_first } else { payload(&mut second, frame) };
        changed.extend(samples(&mut changing, &from_second));
    }
    let frame = frames[0].len();
    let around = 20 * frame - frame / 2..20 * frame + frame * 3 / 2;
    (stayed[around.clone()].to_vec(), changed[around].to_vec())
}

fn payload(encoder: &mut Encoder, frame: &[i16]) -> Vec<u8> {
    let mut payload = vec![0; PAYLOAD_MAX];
    let len = encoder.encode(frame, &mut payload);
    payload.truncate(len);
    payload
}

fn samples(decoder: &mut Decoder, payload: &[u8]) -> Vec<i16> {
    let mut out = vec![0; PACKET_SAMPLES_MAX];
    let decoded = decoder.decode(payload, &mut out);
    out.truncate(decoded.samples);
    out
}

fn sharpest_bend(samples: &[i16]) -> f64 {
    let bend = |w: &[i16]| (i32::from(w[0]) - 2 * i32::from(w[1]) + i32::from(w[2])).abs();
    samples.windows(3).map(bend).max().unwrap().max(1).into()
}

fn distance(rate: SampleRate, a: &[i16], b: &[i16]) -> f64 {
    let (a, b) = (bands(rate, a), bands(rate, b));
    let squares: f64 = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum();
    (squares / a.len() as f64).sqrt()
}

/// The level in each band of 250 Hz, in dB; nothing counts below that of a sample's last bit.
fn bands(rate: SampleRate, samples: &[i16]) -> Vec<f64> {
    let len = samples.len() as f64;
    let window = |n: usize| 0.5 - 0.5 * (TAU * n as f64 / len).cos();
    let windowed: Vec<f64> = samples.iter().enumerate().map(|(n, &s)| f64::from(s) * window(n)).collect();
    let highest = 8_000.min(rate.hertz() as usize / 2);
    let power = |hertz: usize| {
        // Goertzel's recursion.
        let turn = 2.0 * (TAU * hertz as f64 / f64::from(rate.hertz())).cos();
        let (last, before) =
            windowed.iter().fold((0.0, 0.0), |(last, before), s| (s + turn * last - before, last));
        last * last + before * before - turn * last * before
    };
    let spectrum: Vec<f64> = (0..highest).step_by(50).map(power).collect();
    spectrum.chunks(5).map(|band| 10.0 * (band.iter().sum::<f64>() + len).log10()).collect()
}
