//! The same sound in every kind of file, heard as the same.

use confab_media::{Codec, Encoder, EncoderSettings, SampleRate};

use super::{SECONDS, read, sine, strength, wav, words};
use crate::sound::Sound;

const MP3_MONO: &[u8] = include_bytes!("../../../tests/fuzz/corpus/sound/mp3-mono-16k");
const MP3_STEREO: &[u8] = include_bytes!("../../../tests/fuzz/corpus/sound/mp3-stereo-44k");

/// As long as the sine, and as strong.
fn assert_is_sine(sound: &Sound, what: &str) {
    let seconds = sound.duration().as_secs_f64();
    assert!((seconds - SECONDS).abs() < 0.001, "{what}: {seconds} s");
    let strength = strength(sound);
    assert!((strength - 10_000.0).abs() < 200.0, "{what}: {strength}");
}

fn big(bytes: &[u8], width: usize) -> Vec<u8> {
    bytes.chunks(width).flat_map(|word| word.iter().rev().copied().collect::<Vec<_>>()).collect()
}

#[test]
fn wav_of_any_rate_is_heard_at_every_rate() {
    for from in [4_000, 8_000, 11_025, 12_345, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000] {
        let file = wav(1, 1, from, 16, &words(&sine(from)));
        for to in SampleRate::ALL {
            let sound = read(&file, "audio/wav", to).unwrap();
            assert_is_sine(&sound, &format!("{from} to {to:?}"));
        }
    }
}

#[test]
fn at_its_own_rate_a_file_of_16_bits_is_taken_as_it_is() {
    let samples: Vec<i16> = (0..=u16::MAX).map(u16::cast_signed).collect();
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let sound = read(&wav(1, 1, 8_000, 16, &data), "audio/x-wav", SampleRate::Hz8000).unwrap();
    assert_eq!(sound.samples, samples);
}

#[test]
fn wav_has_samples_of_many_widths() {
    let sine = sine(8_000);
    let scaled = |full: f64| sine.iter().map(move |sample| (sample * full).round() as i64);
    let cut = |full: f64, width: usize| -> Vec<u8> {
        scaled(full).flat_map(|sample| sample.to_le_bytes()[..width].to_vec()).collect()
    };
    let law = |codec: Codec| -> Vec<u8> {
        let samples: Vec<i16> = scaled(32_768.0).map(|sample| sample as i16).collect();
        let mut encoder = Encoder::new(codec, EncoderSettings::default()).unwrap();
        let mut bytes = Vec::new();
        for frame in samples.chunks(160) {
            let mut out = [0; 160];
            let len = encoder.encode(frame, &mut out);
            bytes.extend(&out[..len]);
        }
        bytes
    };
    let (ulaw, alaw) = (law(Codec::Pcmu), law(Codec::Pcma));
    for (what, tag, bits, data) in [
        ("8 bits", 1, 8, scaled(128.0).map(|sample| (sample + 128) as u8).collect()),
        ("16 bits", 1, 16, cut(32_768.0, 2)),
        ("24 bits", 1, 24, cut(8_388_608.0, 3)),
        ("32 bits", 1, 32, cut(2_147_483_648.0, 4)),
        ("float", 3, 32, sine.iter().flat_map(|sample| (*sample as f32).to_le_bytes()).collect()),
        ("double", 3, 64, sine.iter().flat_map(|sample| sample.to_le_bytes()).collect()),
        ("A-law", 6, 8, alaw.clone()),
        ("\u{b5}-law", 7, 8, ulaw.clone()),
    ] {
        let sound = read(&wav(tag, 1, 8_000, bits, &data), "", SampleRate::Hz8000).unwrap();
        assert_is_sine(&sound, what);
    }
    for (content_type, data) in [
        ("audio/basic", &ulaw),
        ("audio/x-mulaw", &ulaw),
        ("Audio/Basic; rate=8000", &ulaw),
        ("audio/x-alaw", &alaw),
    ] {
        assert_is_sine(&read(data, content_type, SampleRate::Hz16000).unwrap(), content_type);
    }
}

#[test]
fn channels_are_mixed_into_one() {
    let both: Vec<f64> = sine(16_000).into_iter().flat_map(|sample| [sample, sample]).collect();
    let sound = read(&wav(1, 2, 16_000, 16, &words(&both)), "", SampleRate::Hz16000).unwrap();
    assert_is_sine(&sound, "both");
    let opposite: Vec<f64> = sine(16_000).into_iter().flat_map(|sample| [sample, -sample]).collect();
    let sound = read(&wav(1, 2, 16_000, 16, &words(&opposite)), "", SampleRate::Hz16000).unwrap();
    assert!(sound.samples.iter().all(|sample| sample.abs() <= 1));
}

#[test]
fn the_extensible_form_says_its_format_later() {
    let data = words(&sine(8_000));
    let mut file = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x28\0\0\0\xfe\xff\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0\
                     \x16\0\x10\0\x04\0\0\0\x01\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71data"
        .to_vec();
    // As a pipe writes it: nobody knew the length.
    file.extend(u32::MAX.to_le_bytes());
    file.extend(data);
    assert_is_sine(&read(&file, "audio/vnd.wave", SampleRate::Hz8000).unwrap(), "extensible");
}

#[test]
fn aiff_and_au_are_read() {
    let data = words(&sine(8_000));
    let aiff = |kind: &[u8; 4], compression: &[u8], data: &[u8]| {
        let mut file = [b"FORM\0\0\0\0", &kind[..]].concat();
        // A rate of 8,000 as 80-bit floating point.
        let common = [b"\0\x01\0\0\0\0\0\x10\x40\x0b\xfa\0\0\0\0\0\0\0", compression].concat();
        file.extend(b"COMM");
        file.extend((common.len() as u32).to_be_bytes());
        file.extend(common);
        file.extend(b"SSND");
        file.extend((data.len() as u32 + 8).to_be_bytes());
        file.extend([0; 8]);
        file.extend(data);
        file
    };
    for (what, file) in [
        ("AIFF", aiff(b"AIFF", b"", &big(&data, 2))),
        ("AIFF-C", aiff(b"AIFC", b"NONE\0\0", &big(&data, 2))),
        ("AIFF-C, little", aiff(b"AIFC", b"sowt\0\0", &data)),
        (
            "AU",
            [b".snd\0\0\0\x18\xff\xff\xff\xff\0\0\0\x03\0\0\x1f\x40\0\0\0\x01", &big(&data, 2)[..]].concat(),
        ),
    ] {
        assert_is_sine(&read(&file, "audio/basic", SampleRate::Hz48000).unwrap(), what);
    }
}

#[test]
fn mp3_is_read_without_what_its_encoder_added() {
    for (file, seconds) in [(MP3_MONO, 0.5), (MP3_STEREO, 0.3)] {
        for rate in SampleRate::ALL {
            let sound = read(file, "audio/mpeg", rate).unwrap();
            assert!((sound.duration().as_secs_f64() - seconds).abs() < 0.1, "{sound:?}");
            // Not the ends, where the encoder put silence; it makes everything a twentieth softer.
            let middle = sound.samples[sound.samples.len() / 4..sound.samples.len() * 3 / 4].to_vec();
            let strength = strength(&Sound { rate, samples: middle });
            assert!((9_300.0..9_700.0).contains(&strength), "{rate:?}: {strength}");
        }
        let tagged = [b"ID3\x04\0\0\0\0\0\x0a0123456789", file].concat();
        assert!(read(&tagged, "application/octet-stream", SampleRate::Hz8000).is_ok());
    }
}

#[test]
fn what_a_file_is_its_content_says_first() {
    let file = wav(1, 1, 8_000, 16, &words(&sine(8_000)));
    for content_type in ["audio/mpeg", "audio/basic", "text/plain", ""] {
        assert_is_sine(&read(&file, content_type, SampleRate::Hz8000).unwrap(), content_type);
    }
    // Silence in µ-law is all ones, as is the beginning of an MPEG frame.
    let silence = read(&[0xff; 8_000], "audio/basic", SampleRate::Hz8000).unwrap();
    assert!(silence.samples.len() == 8_000 && silence.samples.iter().all(|&sample| sample == 0));
}
