//! What holds for every codec.

use super::*;

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
