//! G.722 against another implementation, bit by bit.
//!
//! The other one (`ezk-g722`, a translation of the widespread libg722) starts with steps of zero instead of the
//! Recommendation's 32 and 8, which is heard for a few milliseconds, and lets what leaves the transmit filters grow
//! beyond 15 bits where the Recommendation limits it, above two thirds of full scale. So it is compared from the
//! same start and below that. The Recommendation is followed.

use super::*;
use crate::codec::tests::sound::{self, signal_to_noise};
use crate::frame::SampleRate;
use ezk_g722::libg722;
use proptest::prelude::*;

fn started_like_the_other() -> (Encoder, Decoder) {
    let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
    for bands in [&mut encoder.bands, &mut decoder.bands] {
        bands.low.start_without_step();
        bands.high.start_without_step();
    }
    (encoder, decoder)
}

fn encoded(encoder: &mut Encoder, samples: &[i16]) -> Vec<u8> {
    let mut out = vec![0; samples.len() / 2];
    assert_eq!(encoder.encode(samples, &mut out), out.len());
    out
}

fn decoded(decoder: &mut Decoder, payload: &[u8]) -> Vec<i16> {
    let mut out = vec![0; payload.len() * 2];
    assert_eq!(decoder.decode(payload, &mut out), out.len());
    out
}

fn other_encoder() -> libg722::encoder::Encoder {
    libg722::encoder::Encoder::new(libg722::Bitrate::Mode1_64000, false, false)
}

fn other_decoder() -> libg722::decoder::Decoder {
    libg722::decoder::Decoder::new(libg722::Bitrate::Mode1_64000, false, false)
}

#[test]
fn every_bit_is_that_of_another_implementation() {
    for seed in 0..10 {
        let samples = sound::speech(SampleRate::Hz16000, 32_000, seed);
        let (mut encoder, mut decoder) = started_like_the_other();
        let payload = encoded(&mut encoder, &samples);
        assert_eq!(payload, other_encoder().encode(&samples), "seed {seed}");
        assert_eq!(decoded(&mut decoder, &payload), other_decoder().decode(&payload), "seed {seed}");
    }
}

#[test]
fn a_stream_starts_with_the_steps_of_the_recommendation() {
    let bands = Bands::default();
    assert_eq!((bands.low.step(), bands.high.step()), (32, 8));
}

#[test]
fn what_comes_out_is_what_went_in_a_known_time_later() {
    let samples = sound::speech(SampleRate::Hz16000, 32_000, 9);
    let (mut encoder, mut decoder) = Default::default();
    let heard = decoded(&mut decoder, &encoded(&mut encoder, &samples));
    assert_eq!(sound::lag(&samples, &heard, 60), DELAY);
    let ratio = signal_to_noise(&samples, &heard[DELAY..]);
    assert!(ratio > 18.0, "signal to noise {ratio:.1} dB");
}

#[test]
fn frames_of_any_length_make_one_stream() {
    let samples = sound::speech(SampleRate::Hz16000, 16_000, 21);
    let whole = encoded(&mut Encoder::default(), &samples);
    let mut encoder = Encoder::default();
    let parts: Vec<u8> = samples.chunks(160).flat_map(|part| encoded(&mut encoder, part)).collect();
    assert_eq!(parts, whole);
    let mut decoder = Decoder::default();
    let heard: Vec<i16> = whole.chunks(80).flat_map(|part| decoded(&mut decoder, part)).collect();
    assert_eq!(heard, decoded(&mut Decoder::default(), &whole));
}

#[test]
fn what_does_not_fit_is_left_out() {
    let mut samples = [7; 5];
    assert_eq!(Decoder::default().decode(&[0; 9], &mut samples), 4);
    assert_eq!(samples[4], 7);
    let mut bytes = [1; 2];
    assert_eq!(Encoder::default().encode(&[0; 9], &mut bytes), 2);
    assert_eq!(Encoder::default().encode(&[0; 1], &mut bytes), 0);
}

proptest! {
    #[test]
    fn any_bytes_decode_to_two_samples_each(payload in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let (_, mut decoder) = started_like_the_other();
        prop_assert_eq!(decoded(&mut decoder, &payload), other_decoder().decode(&payload));
    }

    #[test]
    fn samples_below_what_the_filters_limit_encode_the_same(
        samples in prop::collection::vec(-20_000i16..=20_000, 0..2_000),
    ) {
        let samples = &samples[..samples.len() / 2 * 2];
        let (mut encoder, _) = started_like_the_other();
        prop_assert_eq!(encoded(&mut encoder, samples), other_encoder().encode(samples));
    }

    #[test]
    fn any_samples_encode_and_decode(samples in prop::collection::vec(any::<i16>(), 0..2_000)) {
        let payload = encoded(&mut Encoder::default(), &samples);
        decoded(&mut Decoder::default(), &payload);
    }
}
