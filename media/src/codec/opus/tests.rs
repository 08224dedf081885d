//! Opus: what packets say of themselves, against libopus; and what decoders and encoders make of good and bad ones.

use super::*;
use crate::codec::PACKET_SAMPLES_MAX;
use crate::codec::tests::sound::{self, energy, signal_to_noise};
use proptest::prelude::*;

/// 20 ms.
const FRAME: usize = 960;

fn speech(frames: usize) -> Vec<i16> {
    sound::speech(SampleRate::Hz48000, frames * FRAME, 2)
}

fn encoder(settings: EncoderSettings) -> Encoder {
    Encoder::new(settings).unwrap()
}

fn encoded(encoder: &mut Encoder, samples: &[i16]) -> Vec<u8> {
    let mut out = vec![0; 1_500];
    let len = encoder.encode(samples, &mut out);
    out.truncate(len);
    out
}

fn packets(settings: EncoderSettings, samples: &[i16]) -> Vec<Vec<u8>> {
    let mut encoder = encoder(settings);
    samples.chunks_exact(FRAME).map(|frame| encoded(&mut encoder, frame)).collect()
}

fn decoded(decoder: &mut Decoder, payload: &[u8]) -> (Decoded, Vec<i16>) {
    let mut out = vec![0; PACKET_SAMPLES_MAX];
    let decoded = decoder.decode(payload, &mut out);
    out.truncate(decoded.samples);
    (decoded, out)
}

/// Speech for which copies are made all the time.
const LOSSY: EncoderSettings = EncoderSettings {
    bitrate: 32_000,
    complexity: 5,
    fec: true,
    expected_loss_percent: 25,
    dtx: false,
    playback_rate: SampleRate::Hz48000,
};

#[test]
fn every_configuration_lasts_as_long_as_the_table_says() {
    // RFC 6716 §3.1, table 2, in samples at 48 kHz.
    let mut expected = [[480, 960, 1_920, 2_880]; 3].concat();
    expected.extend([480, 960].repeat(2));
    expected.extend([120, 240, 480, 960].repeat(4));
    for (config, samples) in expected.into_iter().enumerate() {
        let toc = (config << 3) as u8;
        assert_eq!(duration(&[toc, 1]), samples, "{config}");
        assert_eq!(duration(&[toc | 1, 1, 2]), samples * 2, "{config}");
        assert_eq!(duration(&[toc | 2, 1, 2, 3]), samples * 2, "{config}");
        let most = 5_760 / samples;
        assert_eq!(duration(&[toc | 3, most as u8]), samples * most, "{config}");
        assert_eq!(duration(&[toc | 3, most as u8 + 1]), 0, "{config}: over 120 ms");
    }
}

#[test]
fn what_is_no_packet_lasts_no_time() {
    for payload in
        [&[][..], &[0b01, 1], &[0b10], &[0b10, 200, 1], &[0b11], &[0b11, 0], &[0b11, 2, 1], &[0; 1_277]]
    {
        assert_eq!(duration(payload), 0, "{payload:?}");
    }
    assert_eq!(duration(&[0; 1_276]), 480);
}

/// Packets whose outside is often right.
fn likely_packets() -> impl Strategy<Value = Vec<u8>> {
    let body = prop::collection::vec(prop_oneof![any::<u8>(), 0..8u8, 250..=255u8], 0..40);
    let count = prop_oneof![any::<u8>(), 0..8u8, 0x40..0x48u8, 0x80..0x88u8, 0xc0..0xc8u8];
    (any::<u8>(), count, body).prop_map(|(toc, count, body)| [&[toc, count][..], &body].concat())
}

proptest! {
    #[test]
    fn packets_are_read_as_libopus_reads_them(
        packet in prop_oneof![likely_packets(), prop::collection::vec(any::<u8>(), 1..1_400)],
    ) {
        let ours = Packet::parse(&packet);
        match ::opus::packet::parse(&packet) {
            Ok(theirs) => {
                let ours = ours.unwrap();
                prop_assert_eq!(ours.duration(), ::opus::packet::get_nb_samples(&packet, RATE).unwrap());
                prop_assert_eq!(ours.first, theirs.frames[0]);
            }
            Err(_) => prop_assert!(ours.is_none(), "{:?}", ours),
        }
    }

    #[test]
    fn any_packets_in_any_order_leave_the_decoder_working(
        steps in prop::collection::vec((0..4u8, likely_packets(), 0..1_500usize), 1..20),
    ) {
        let good = packets(LOSSY, &speech(3));
        let mut decoder = Decoder::new().unwrap();
        let mut out = vec![0; PACKET_SAMPLES_MAX];
        for (step, packet, len) in steps {
            match step {
                0 => prop_assert!(decoder.decode(&packet, &mut out).samples > 0),
                1 => _ = decoder.conceal(&mut out[..len]),
                2 => _ = decoder.recover(&packet, &mut out[..len]),
                _ => _ = decoder.decode(&good[len % 3], &mut out),
            }
        }
        for packet in &good {
            prop_assert_eq!(decoded(&mut decoder, packet).0, Decoded { samples: FRAME, damaged: false });
        }
    }
}

#[test]
fn of_garbage_as_much_is_concealed_as_came_before() {
    let mut decoder = Decoder::new().unwrap();
    let garbage = [0b11, 0];
    assert_eq!(decoded(&mut decoder, &garbage).0, Decoded { samples: FRAME, damaged: true });
    let mut encoder = encoder(LOSSY);
    let packet = encoded(&mut encoder, &speech(2));
    assert_eq!(decoded(&mut decoder, &packet).0.samples, 2 * FRAME);
    assert_eq!(decoded(&mut decoder, &garbage).0, Decoded { samples: 2 * FRAME, damaged: true });
    assert_eq!(decoded(&mut decoder, &[]).0, Decoded { samples: 2 * FRAME, damaged: true });
    decoder.reset();
    assert_eq!(decoded(&mut decoder, &garbage).0.samples, FRAME);
}

#[test]
fn a_lost_packet_is_better_recovered_than_concealed() {
    let said = speech(60);
    let sent = packets(LOSSY, &said);
    let with_copy = sent.iter().filter(|packet| Packet::parse(packet).unwrap().has_copy()).count();
    assert!(with_copy > 30, "{with_copy} of 60 packets have a copy");
    let (mut whole, mut recovered, mut concealed) = (vec![], vec![], vec![]);
    let heard = |lose: bool, recover: bool, out: &mut Vec<i16>| {
        let mut decoder = Decoder::new().unwrap();
        for (at, packet) in sent.iter().enumerate() {
            if !lose || at % 5 != 3 {
                out.extend(decoded(&mut decoder, packet).1);
                continue;
            }
            let mut lost = [0; FRAME];
            let done = recover && sent.get(at + 1).is_some_and(|next| decoder.recover(next, &mut lost));
            assert!(done || decoder.conceal(&mut lost));
            out.extend(lost);
        }
    };
    heard(false, false, &mut whole);
    heard(true, true, &mut recovered);
    heard(true, false, &mut concealed);
    let (recovered, concealed) = (signal_to_noise(&whole, &recovered), signal_to_noise(&whole, &concealed));
    assert!(recovered > concealed + 3.0, "recovered {recovered:.1} dB, concealed {concealed:.1} dB");
}

#[test]
fn copies_are_made_from_the_first_loss_on_and_high_sounds_kept() {
    let said = speech(60);
    for expected_loss_percent in [0, 1, 2, 5, 10, 25] {
        let sent = packets(EncoderSettings { expected_loss_percent, ..EncoderSettings::default() }, &said);
        let with_copy = sent.iter().filter(|packet| has_copy(packet)).count();
        assert_eq!(with_copy > 30, expected_loss_percent > 0, "{expected_loss_percent} %: {with_copy} of 60");
        // Hybrid, super-wideband or full-band (RFC 6716 §3.1, table 2).
        assert!(sent[20..].iter().all(|packet| (12..16).contains(&(packet[0] >> 3))));
    }
}

#[test]
fn nothing_is_recovered_where_there_is_no_copy() {
    let said = speech(20);
    let mut decoder = Decoder::new().unwrap();
    let mut out = [0; FRAME];
    for packet in packets(EncoderSettings { fec: false, ..LOSSY }, &said) {
        assert!(!decoder.recover(&packet, &mut out));
        decoded(&mut decoder, &packet);
    }
    // At 128 kbit/s the encoder leaves linear prediction, and with it the copies.
    for packet in packets(EncoderSettings { bitrate: 128_000, fec: false, ..LOSSY }, &said) {
        assert!(Packet::parse(&packet).unwrap().is_celt_only());
        assert!(!decoder.recover(&packet, &mut out));
        decoded(&mut decoder, &packet);
    }
}

#[test]
fn a_copy_is_only_taken_for_a_loss_that_it_can_fill() {
    let sent = packets(LOSSY, &speech(60));
    let at = (10..60).find(|&at| Packet::parse(&sent[at]).unwrap().has_copy()).unwrap();
    let mut decoder = Decoder::new().unwrap();
    for packet in &sent[..at - 1] {
        decoded(&mut decoder, packet);
    }
    let mut out = [7; 2 * FRAME];
    assert!(!decoder.recover(&sent[at], &mut out[..480]), "shorter than the copy");
    assert!(!decoder.recover(&sent[at], &mut out[..1_000]), "no multiple of 2.5 ms");
    assert!(!decoder.recover(&sent[at][..1], &mut out[..FRAME]), "no frame in it");
    assert!(out.iter().all(|&s| s == 7));
    assert!(decoder.recover(&sent[at], &mut out), "the rest of a longer loss is concealed");
}

#[test]
fn concealment_fades() {
    let mut decoder = Decoder::new().unwrap();
    let said = sound::tone(SampleRate::Hz48000, 20 * FRAME, 440.0, 8_000.0);
    for packet in packets(LOSSY, &said) {
        decoded(&mut decoder, &packet);
    }
    let mut out = [0; 50 * FRAME];
    assert!(decoder.conceal(&mut out));
    let (first, last) = (energy(&out[..FRAME]), energy(&out[49 * FRAME..]));
    assert!(first > 0.1 * energy(&said[..FRAME]) && last < 0.001 * first, "{first} {last}");
    assert!(!decoder.conceal(&mut out[..100]), "no multiple of 2.5 ms");
    assert!(!decoder.conceal(&mut []));
}

#[test]
fn two_tracks_are_heard_as_one() {
    let mut stereo =
        ::opus::Encoder::new(RATE, ::opus::Channels::Stereo, ::opus::Application::Audio).unwrap();
    stereo.set_bitrate(::opus::Bitrate::Bits(96_000)).unwrap();
    let left = sound::tone(SampleRate::Hz48000, 20 * FRAME, 500.0, 8_000.0);
    let right = sound::tone(SampleRate::Hz48000, 20 * FRAME, 1_300.0, 8_000.0);
    let mut decoder = Decoder::new().unwrap();
    let mut heard = Vec::new();
    for (left, right) in left.chunks(FRAME).zip(right.chunks(FRAME)) {
        let both: Vec<i16> = left.iter().zip(right).flat_map(|(&l, &r)| [l, r]).collect();
        let mut packet = [0; 1_500];
        let len = stereo.encode(&both, &mut packet).unwrap();
        let (told, samples) = decoded(&mut decoder, &packet[..len]);
        assert_eq!(told, Decoded { samples: FRAME, damaged: false });
        heard.extend(samples);
    }
    let half_of_both: Vec<i16> = left.iter().zip(&right).map(|(&l, &r)| l / 2 + r / 2).collect();
    let lag = sound::lag(&half_of_both, &heard, 500);
    let ratio = signal_to_noise(&half_of_both, &heard[lag..]);
    assert!(ratio > 15.0, "{ratio:.1} dB");
}

#[test]
fn silence_is_told_in_a_byte_or_two_if_wanted() {
    let silence = vec![0; 50 * FRAME];
    let told = |dtx| {
        let sent = packets(EncoderSettings { dtx, ..LOSSY }, &silence);
        sent.iter().filter(|packet| is_dtx(packet)).count()
    };
    assert!(told(true) > 25);
    assert_eq!(told(false), 0);
    let mut decoder = Decoder::new().unwrap();
    for packet in packets(EncoderSettings { dtx: true, ..LOSSY }, &silence) {
        assert_eq!(decoded(&mut decoder, &packet).0, Decoded { samples: FRAME, damaged: false });
    }
    assert!(!is_dtx(&[]) && is_dtx(&[8]) && is_dtx(&[8, 0]) && !is_dtx(&[8, 0, 0]));
}

#[test]
fn a_far_end_that_claims_to_lose_all_does_not_wreck_the_sound() {
    let said = speech(60);
    let heard = |loss| {
        let mut encoder = encoder(LOSSY);
        encoder.set_expected_loss(loss);
        let sent: Vec<Vec<u8>> = said.chunks(FRAME).map(|frame| encoded(&mut encoder, frame)).collect();
        let mut decoder = Decoder::new().unwrap();
        let heard: Vec<i16> = sent.iter().flat_map(|packet| decoded(&mut decoder, packet).1).collect();
        (signal_to_noise(&said, &heard[DELAY..]), sent)
    };
    let (worst, sent) = heard(100);
    assert_eq!(sent, heard(EncoderSettings::EXPECTED_LOSS_PERCENT_MAX).1);
    let (best, _) = heard(0);
    assert!(worst > best - 4.0, "{worst:.1} dB after {best:.1} dB");
}

#[test]
fn the_bitrate_is_held_within_bounds() {
    let said = speech(100);
    let bits = |bitrate| -> usize {
        let sent = packets(EncoderSettings { bitrate, fec: false, ..LOSSY }, &said);
        sent.iter().map(|packet| packet.len() * 8).sum::<usize>() / 2
    };
    assert!((20_000..28_000).contains(&bits(24_000)), "{}", bits(24_000));
    assert_eq!(bits(0), bits(6_000));
    assert_eq!(bits(u32::MAX), bits(128_000));
    let mut encoder = encoder(LOSSY);
    let before = encoded(&mut encoder, &said[..FRAME]).len();
    encoder.set_bitrate(8_000);
    let after = encoded(&mut encoder, &said[FRAME..][..FRAME]).len();
    assert!(after < before, "{before} bytes, then {after}");
}

#[test]
fn what_a_far_end_cannot_play_is_not_coded() {
    for (rate, bandwidth) in [
        (SampleRate::Hz8000, ::opus::Bandwidth::Narrowband),
        (SampleRate::Hz16000, ::opus::Bandwidth::Wideband),
        (SampleRate::Hz48000, ::opus::Bandwidth::Fullband),
    ] {
        let sent = packets(EncoderSettings { playback_rate: rate, ..LOSSY }, &speech(10));
        assert_eq!(::opus::packet::get_bandwidth(&sent[9]).unwrap(), bandwidth);
    }
}

#[test]
fn libopus_looks_as_far_ahead_as_we_say() {
    assert_eq!(encoder(LOSSY).libopus.get_lookahead().unwrap(), DELAY as i32);
}

#[test]
fn ten_to_sixty_milliseconds_are_coded_and_nothing_else() {
    let said = speech(6);
    let mut encoder = encoder(LOSSY);
    for len in [480, 960, 1_920, 2_880] {
        let packet = encoded(&mut encoder, &said[..len]);
        assert_eq!(duration(&packet), len);
    }
    for len in [0, 1, 120, 240, 959, 3_840, 5_760] {
        assert_eq!(encoded(&mut encoder, &said[..len]), []);
    }
    assert_eq!(encoder.encode(&said[..FRAME], &mut []), 0);
}
