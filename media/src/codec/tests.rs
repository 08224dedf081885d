//! What holds for every codec.

mod handover;
pub(in crate::codec) mod sound;

use super::*;
use proptest::prelude::*;

#[test]
fn names_and_numbers_are_those_of_the_profiles() {
    // Name, clock rate, static payload type and sample rate: RFC 3551 tables 4 and 5, RFC 7587 §4.1, §7.
    let expected = [
        (Codec::Pcmu, "PCMU", 8_000, Some(0), SampleRate::Hz8000),
        (Codec::Pcma, "PCMA", 8_000, Some(8), SampleRate::Hz8000),
        (Codec::G722, "G722", 8_000, Some(9), SampleRate::Hz16000),
        (Codec::Opus, "opus", 48_000, None, SampleRate::Hz48000),
        (Codec::L16(L16Rate::Hz8000), "L16", 8_000, None, SampleRate::Hz8000),
        (Codec::L16(L16Rate::Hz16000), "L16", 16_000, None, SampleRate::Hz16000),
    ];
    for (codec, name, clock_rate, payload_type, sample_rate) in expected {
        assert!(Codec::ALL.contains(&codec));
        assert_eq!((codec.name(), codec.clock_rate()), (name, clock_rate));
        assert_eq!((codec.static_payload_type(), codec.sample_rate()), (payload_type, sample_rate));
        assert_eq!(Codec::of_name(&name.to_lowercase(), clock_rate), Some(codec));
        assert_eq!(payload_type.and_then(Codec::of_static_payload_type), payload_type.map(|_| codec));
    }
    assert_eq!(Codec::of_name("opus", 16_000), None);
    assert_eq!(Codec::of_name("G722", 16_000), None);
    assert_eq!(Codec::of_static_payload_type(10), None);
}

#[test]
fn a_payload_lasts_as_long_as_the_timestamp_moves() {
    // Codec, 20 ms of it, how far the timestamp moves, samples.
    let opus = [0x48, 1, 2, 3];
    let expected: [(Codec, &[u8], usize, usize); 5] = [
        (Codec::Pcmu, &[0; 160], 160, 160),
        (Codec::G722, &[0; 160], 160, 320),
        (Codec::L16(L16Rate::Hz8000), &[0; 320], 160, 160),
        (Codec::L16(L16Rate::Hz16000), &[0; 640], 320, 320),
        (Codec::Opus, &opus, 960, 960),
    ];
    for (codec, payload, units, samples) in expected {
        assert_eq!((codec.timestamp_units(payload), codec.samples(payload)), (units, samples), "{codec:?}");
        assert_eq!(codec.timestamp_units(&[]), 0);
    }
    assert_eq!(Codec::L16(L16Rate::Hz8000).samples(&[0; 3]), 1);
}

#[test]
fn every_codec_carries_speech_with_its_known_delay() {
    for (codec, least) in [
        (Codec::Pcmu, 30.0),
        (Codec::Pcma, 30.0),
        (Codec::L16(L16Rate::Hz8000), 100.0),
        (Codec::L16(L16Rate::Hz16000), 100.0),
        (Codec::G722, 18.0),
        // It keeps the sound and not the shape of the wave.
        (Codec::Opus, 3.0),
    ] {
        for ptime in [10, 20, 40, 60] {
            let rate = codec.sample_rate();
            let said = sound::speech(rate, rate.frame_len() * 75, 4);
            let heard = through(codec, &said, rate.hertz() as usize / 1_000 * ptime);
            // Opus cuts off what is below the voice, which moves the rest by a fraction of a millisecond.
            let lag = sound::lag(&said, &heard, 500);
            let tolerance = if codec == Codec::Opus { 12 } else { 0 };
            assert!(lag.abs_diff(codec.delay()) <= tolerance, "{codec:?} {ptime} ms: {lag}");
            let ratio = sound::signal_to_noise(&said, &heard[lag..]);
            assert!(ratio > least, "{codec:?} {ptime} ms: {ratio:.1} dB");
        }
    }
}

#[test]
fn half_a_sample_is_damage_and_nothing_is_too() {
    let mut out = [7; 10];
    for codec in Codec::ALL {
        let mut decoder = Decoder::new(codec).unwrap();
        assert_eq!(decoder.codec(), codec);
        assert!(decoder.decode(&[], &mut out).damaged, "{codec:?}");
    }
    let mut decoder = Decoder::new(Codec::L16(L16Rate::Hz8000)).unwrap();
    assert_eq!(decoder.decode(&[1, 2, 3], &mut out), Decoded { samples: 1, damaged: true });
    assert_eq!(out[..2], [0x0102, out[1]]);
}

#[test]
fn only_opus_conceals_and_recovers_by_itself() {
    let mut out = [7; 960];
    for codec in Codec::ALL {
        let mut decoder = Decoder::new(codec).unwrap();
        assert_eq!(decoder.conceal(&mut out), codec == Codec::Opus);
        assert!(!decoder.recover(&[0; 160], &mut out), "{codec:?}: there is nothing in it");
    }
}

proptest! {
    #[test]
    fn any_bytes_decode_to_a_bounded_number_of_samples(
        at in 0..Codec::ALL.len(),
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..1_500), 1..8),
        room in prop_oneof![Just(PACKET_SAMPLES_MAX), 0..PACKET_SAMPLES_MAX],
    ) {
        let codec = Codec::ALL[at];
        let mut decoder = Decoder::new(codec).unwrap();
        let mut out = vec![0; room];
        for payload in &payloads {
            let decoded = decoder.decode(payload, &mut out);
            prop_assert!(decoded.samples <= room);
            if room == PACKET_SAMPLES_MAX && !decoded.damaged {
                prop_assert_eq!(decoded.samples, codec.samples(payload));
            }
        }
    }

    #[test]
    fn any_samples_encode_into_what_room_there_is(
        at in 0..Codec::ALL.len(),
        frames in prop::collection::vec(prop::collection::vec(any::<i16>(), 0..1_000), 1..4),
        room in 0..PAYLOAD_MAX,
    ) {
        let codec = Codec::ALL[at];
        let mut encoder = Encoder::new(codec, EncoderSettings::default()).unwrap();
        let mut out = vec![0; room];
        for frame in &frames {
            prop_assert!(encoder.encode(frame, &mut out) <= room);
        }
    }
}

/// What a far end hears of `said`, in packets of `frame` samples.
fn through(codec: Codec, said: &[i16], frame: usize) -> Vec<i16> {
    let mut encoder = Encoder::new(codec, EncoderSettings::default()).unwrap();
    let mut decoder = Decoder::new(codec).unwrap();
    let (mut payload, mut heard) = ([0; PAYLOAD_MAX], vec![0; said.len() / frame * frame]);
    for (said, heard) in said.chunks_exact(frame).zip(heard.chunks_exact_mut(frame)) {
        let len = encoder.encode(said, &mut payload);
        let decoded = decoder.decode(&payload[..len], heard);
        assert_eq!(decoded, Decoded { samples: frame, damaged: false }, "{codec:?}");
    }
    heard
}
