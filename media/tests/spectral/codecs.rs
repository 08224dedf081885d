//! A steady tone from one far end to another through every pair of codecs: decoded, brought to the conference's
//! rate, to the other's rate, and encoded again.
//!
//! Codecs add something of their own at the rate of their frames: Opus most. So what is held is that the way between
//! two codecs adds nothing to it.

use confab_media::codec::{L16Rate, PACKET_SAMPLES_MAX, PAYLOAD_MAX};
use confab_media::{Codec, Decoder, Encoder, EncoderSettings, SampleRate};

use super::tone::{Spectrum, tone};
use super::{PEAK, SECONDS, downsampled, upsampled};

const HERTZ: u32 = 1_013;

#[test]
fn every_pair_of_codecs_carries_a_tone_and_its_frames_leave_no_trace() {
    for from in Codec::ALL {
        let rate = from.sample_rate();
        let said = tone(rate.hertz(), HERTZ, PEAK, SECONDS);
        let decoded = through(from, &said);
        let before = Spectrum::of(rate.hertz(), &decoded);
        let own = before.frame_artefacts(HERTZ, PEAK);
        let level = before.level(HERTZ, PEAK);
        println!("{from:?}: {level:.2} dB, 50 Hz and its multiples below {own:.1} dB");
        for to in Codec::ALL {
            let there = resampled(rate, to.sample_rate(), &decoded);
            let between = Spectrum::of(to.sample_rate().hertz(), &there);
            let added = between.frame_artefacts(HERTZ, PEAK);
            assert!(added < own.max(-71.0) + 1.0, "{from:?} to {to:?}: {own:.1} dB became {added:.1} dB");

            let heard = Spectrum::of(to.sample_rate().hertz(), &through(to, &there));
            let change = heard.level(HERTZ, PEAK);
            assert!(change.abs() < 1.0, "{from:?} to {to:?}: {change:.2} dB");
        }
    }
}

#[test]
fn the_telephone_band_is_flat_through_pairs_of_waveform_codecs() {
    let codecs =
        [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::L16(L16Rate::Hz8000), Codec::L16(L16Rate::Hz16000)];
    for from in codecs {
        for to in codecs {
            for hertz in [301, 507, 1_013, 2_027, 2_999, 3_399] {
                let said = tone(from.sample_rate().hertz(), hertz, PEAK, SECONDS);
                let there = resampled(from.sample_rate(), to.sample_rate(), &through(from, &said));
                let heard = Spectrum::of(to.sample_rate().hertz(), &through(to, &there));
                let level = heard.level(hertz, PEAK);
                assert!(level.abs() < 0.5, "{from:?} to {to:?}: {level:.2} dB at {hertz} Hz");
            }
        }
    }
}

#[test]
fn a_wideband_sound_that_a_narrow_codec_cannot_carry_is_not_heard_as_something_else() {
    for from in [Codec::G722, Codec::L16(L16Rate::Hz16000), Codec::Opus] {
        for hertz in [4_207, 5_003, 6_301] {
            let said = tone(from.sample_rate().hertz(), hertz, PEAK, SECONDS);
            let decoded = through(from, &said);
            let there = resampled(from.sample_rate(), SampleRate::Hz8000, &decoded);
            let alias = Spectrum::of(8_000, &there).level(8_000 - hertz, PEAK);
            // What the codec itself puts there passes, as it must.
            let own = Spectrum::of(from.sample_rate().hertz(), &decoded).level(8_000 - hertz, PEAK);
            assert!(
                alias < own.max(-61.0) + 1.0,
                "{from:?}: {hertz} Hz as {alias:.1} dB ({own:.1} dB before)"
            );
        }
    }
}

/// What comes out of a codec that goes into it, 20 ms at a time.
fn through(codec: Codec, samples: &[i16]) -> Vec<i16> {
    let settings = EncoderSettings { bitrate: 64_000, ..EncoderSettings::default() };
    let mut encoder = Encoder::new(codec, settings).unwrap();
    let mut decoder = Decoder::new(codec).unwrap();
    let (mut payload, mut out) = ([0; PAYLOAD_MAX], [0; PACKET_SAMPLES_MAX]);
    let mut heard = Vec::new();
    for frame in samples.chunks_exact(codec.sample_rate().frame_len()) {
        let len = encoder.encode(frame, &mut payload);
        let decoded = decoder.decode(&payload[..len], &mut out);
        assert!(!decoded.damaged);
        heard.extend(&out[..decoded.samples]);
    }
    heard
}

/// By way of the conference, which runs at the higher of the two rates.
fn resampled(from: SampleRate, to: SampleRate, samples: &[i16]) -> Vec<i16> {
    let conference = from.max(to);
    downsampled(conference, to, &upsampled(from, conference, samples))
}
