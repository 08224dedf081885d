//! Files that break off, lie, or are none. None panics, and none takes more memory than its limits say.

use std::time::Duration;

use confab_media::SampleRate;
use proptest::prelude::*;

use super::{read, sine, wav, words};
use crate::sound::{Limits, Sound};

fn refused(file: &[u8], content_type: &str) -> (u32, String) {
    let error = read(file, content_type, SampleRate::Hz8000).unwrap_err();
    assert!(error.message.len() < 400, "{error}");
    (error.code, error.message)
}

#[test]
fn what_is_no_sound_is_refused_by_what_it_is() {
    for (file, content_type, code, words) in [
        (&b""[..], "audio/wav", 12_300, "empty"),
        (b"<Response/>", "text/xml", 12_300, "text"),
        (b"OggS\0\x02", "audio/ogg", 12_300, "Ogg"),
        (b"fLaC\0\0\0\x22", "audio/flac", 12_300, "FLAC"),
        (b"\0\0\0\x20ftypM4A ", "audio/mp4", 12_300, "MPEG-4"),
        (&[0x55; 500], "audio/gsm", 12_300, "audio/gsm"),
        (&[0; 500], "audio/mpeg", 12_300, "no kind"),
        (b"RIFF\0\0\0\0AVI ", "video/avi", 12_300, "no kind"),
        (b"", "audio/basic", 13_420, "no sound"),
        (b"RIFF\0\0\0\0WAVE", "audio/wav", 13_420, "ends"),
        (b"RIFF\0\0\0\0WAVEfmt \x04\0\0\0\x01\0\x01\0", "audio/wav", 13_420, "too short"),
        (b"RIFF\0\0\0\0WAVEdata\x04\0\0\0\0\0\0\0", "audio/wav", 13_420, "before their format"),
        (b"FORM\0\0\0\0AIFFCOMM\0\0\0\x02\0\0", "audio/aiff", 13_420, "too short"),
        (b".snd\0\0\0\x18", "audio/basic", 13_420, "head"),
    ] {
        let (got, message) = refused(file, content_type);
        assert!(got == code && message.contains(words), "{content_type}: {got} {message}");
    }
}

#[test]
fn formats_that_cannot_be_are_refused() {
    for (tag, channels, rate, bits, words) in [
        (1, 1, 0, 16, "0 samples a second"),
        (1, 1, 3_999, 16, "3999"),
        (1, 1, u32::MAX, 16, "4294967295"),
        (1, 0, 8_000, 16, "0 channels"),
        (1, 33, 8_000, 16, "33 channels"),
        (1, 1, 8_000, 0, "0 bits"),
        (1, 1, 8_000, 12, "12 bits"),
        (0x31, 1, 8_000, 0, "49"),
        (0x55, 1, 8_000, 0, "85"),
    ] {
        // The head's sums do not matter.
        let mut file = wav(tag, 1, 8_000, bits, &[0; 64]);
        file[22..24].copy_from_slice(&u16::to_le_bytes(channels));
        file[24..28].copy_from_slice(&u32::to_le_bytes(rate));
        let (code, message) = refused(&file, "audio/wav");
        assert!(code == 13_420 && message.contains(words), "{message}");
    }
}

#[test]
fn a_claim_beyond_the_end_is_not_believed() {
    let whole = wav(1, 1, 8_000, 16, &words(&sine(8_000)));
    let samples = |file: &[u8]| read(file, "audio/wav", SampleRate::Hz8000).map(|sound| sound.samples.len());
    for claim in [0_u32, 0x7fff_ffff, u32::MAX] {
        let mut file = whole.clone();
        file[40..44].copy_from_slice(&claim.to_le_bytes());
        assert_eq!(samples(&file), Ok(4_000), "{claim}");
    }
    assert_eq!(samples(&whole[..44 + 201]), Ok(100), "it breaks off within a sample");
    assert!(samples(&whole[..45]).is_err());
}

#[test]
fn files_have_a_size_and_a_length() {
    let file = wav(1, 1, 8_000, 16, &words(&sine(8_000)));
    let read = |limits: Limits| crate::sound::read(&file, None, SampleRate::Hz48000, &limits);
    let limits = Limits { bytes: file.len(), duration: Duration::from_secs(1) };
    assert_eq!(read(limits).map(|sound| sound.samples.len()), Ok(24_000));
    let error = read(Limits { bytes: file.len() - 1, ..limits }).unwrap_err();
    assert!(error.code == 13_420 && error.message.contains("8043 are read"), "{error}");
    let error = read(Limits { duration: Duration::ZERO, ..limits }).unwrap_err();
    assert!(error.code == 13_420 && error.message.contains("longer than 0 seconds"), "{error}");
    let mp3 = include_bytes!("../../../tests/fuzz/corpus/sound/mp3-mono-16k").repeat(4);
    let limits = Limits { duration: Duration::from_secs(1), ..Limits::default() };
    let error = crate::sound::read(&mp3, None, SampleRate::Hz8000, &limits);
    assert!(error.is_err_and(|error| error.message.contains("longer than 1 seconds")));
}

#[test]
fn what_is_no_number_does_not_spread() {
    let mut samples: Vec<f32> = sine(16_000).into_iter().map(|sample| sample as f32).collect();
    samples[1_000..1_004].copy_from_slice(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX]);
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let sound = read(&wav(3, 1, 16_000, 32, &data), "", SampleRate::Hz8000).unwrap();
    let strength = super::strength(&Sound { rate: sound.rate, samples: sound.samples[2_000..].to_vec() });
    assert!((strength - 10_000.0).abs() < 200.0, "{strength}");
}

/// Heads of every kind, to be followed by anything.
const HEADS: [&[u8]; 8] = [
    b"",
    b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data",
    b"RIFF\0\0\0\0WAVE",
    b"FORM\0\0\0\0AIFF",
    b"FORM\0\0\0\0AIFCCOMM\0\0\0\x16",
    b".snd\0\0\0\x18",
    b"ID3\x04\0\0\0\0\0\0\xff\xf3\x38\xc4",
    include_bytes!("../../../tests/fuzz/corpus/sound/mp3-mono-16k"),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_bytes_are_read_or_refused(
        head in 0..HEADS.len(),
        rest in proptest::collection::vec(any::<u8>(), 0..400),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
    ) {
        let mut file = [HEADS[head], &rest].concat();
        for (at, byte) in changes {
            if !file.is_empty() {
                let at = at.index(file.len());
                file[at] = byte;
            }
        }
        let limits = Limits { duration: Duration::from_secs(10), ..Limits::default() };
        for content_type in [None, Some("audio/basic")] {
            for rate in SampleRate::ALL {
                if let Ok(sound) = crate::sound::read(&file, content_type, rate, &limits) {
                    prop_assert!(sound.samples.len() <= 10 * rate.hertz() as usize);
                }
            }
        }
    }
}
