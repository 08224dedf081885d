//! What the others hear of keys.

use confab_media::codec::L16Rate;
use confab_media::dsp::goertzel::KeyListener;
use confab_media::{Ask, Codec, DigitMethod, DigitPassage, Frame, LegId, SampleRate, TapSide};

use crate::ear;
use crate::phone::{Says, Stage};

const KEYS: &str = "0123456789*#ABCD";

/// What the engine's own ear hears in this.
fn listened(samples: &[i16], rate: SampleRate) -> Vec<u8> {
    let mut listener = KeyListener::default();
    let frames = samples.chunks_exact(rate.frame_len()).map(|chunk| {
        let mut frame = Frame::silence(rate);
        frame.samples_mut().copy_from_slice(chunk);
        frame
    });
    frames.filter_map(|frame| listener.hear(&frame)).map(|key| key.event).collect()
}

/// The first telephone presses all keys at this level; gives back what the second one heard.
fn dialled(codecs: [Codec; 2], level: f64) -> (Stage, Vec<i16>) {
    let mut stage = Stage::new(DigitPassage::Withheld, &codecs, false);
    stage.quiet(5);
    let rate = codecs[0].sample_rate().hertz();
    let mut sound = Vec::new();
    for (n, key) in KEYS.chars().enumerate() {
        // So that keys begin and end anywhere in a frame.
        sound.extend(vec![0; (rate / 1_000) as usize * (60 + n * 7 % 20)]);
        sound.extend(ear::tone(key, rate, 90.0 + (n * 3 % 20) as f64, level));
    }
    stage.play(&sound);
    stage.quiet(20);
    let heard = std::mem::take(&mut stage.phones[1].heard);
    (stage, heard)
}

fn expect_withheld(codecs: [Codec; 2], level: f64) {
    let (stage, heard) = dialled(codecs, level);
    let keys: String = stage.keys().iter().map(|key| key.0).collect();
    assert_eq!(keys, KEYS, "{codecs:?} {level}: each is given");
    assert!(stage.keys().iter().all(|key| key.2 == DigitMethod::Tone));
    let rate = codecs[1].sample_rate();
    assert_eq!(listened(&heard, rate), [], "{codecs:?} {level}: by our own ear");
    assert_eq!(ear::heard(&heard, rate.hertz()), [] as [char; 0], "{codecs:?} {level}: by another");
    // Opus smears what is cut off over its frame, 20 dB down.
    let peak = ear::tone('1', 8_000, 20.0, level).into_iter().max().unwrap();
    let left = longest_sound(&heard, rate.hertz(), (peak / 10).max(60) as u16);
    assert!(left <= 13, "{codecs:?} {level}: {left} ms in one piece");
}

/// The longest piece that is louder than that, in milliseconds.
fn longest_sound(samples: &[i16], rate: u32, quiet: u16) -> usize {
    let loud = |millisecond: &[i16]| millisecond.iter().any(|s| s.unsigned_abs() > quiet);
    let (mut longest, mut now) = (0, 0);
    for millisecond in samples.chunks(rate as usize / 1_000) {
        now = if loud(millisecond) { now + 1 } else { 0 };
        longest = longest.max(now);
    }
    longest
}

#[test]
fn the_other_ear_hears_keys() {
    for rate in [8_000, 16_000, 48_000] {
        for key in KEYS.chars() {
            let heard = ear::heard(&ear::tone(key, rate, 60.0, -10.0), rate);
            assert!(!heard.is_empty() && heard.iter().all(|&heard| heard == key), "{key} {rate}: {heard:?}");
        }
    }
}

#[test]
fn no_key_reaches_the_others_over_g711() {
    for codec in Codec::G711 {
        for level in [0.0, -6.0, -13.0, -20.0, -27.0] {
            expect_withheld([codec, codec], level);
        }
    }
}

#[test]
fn no_key_reaches_the_others_over_wider_codecs() {
    let l16 = [Codec::L16(L16Rate::Hz8000), Codec::L16(L16Rate::Hz16000)];
    for codec in [l16[0], l16[1], Codec::G722, Codec::Opus] {
        for level in [-3.0, -10.0, -24.0] {
            expect_withheld([codec, codec], level);
        }
        expect_withheld([codec, Codec::Pcmu], -10.0);
    }
}

/// The telephone-event of a key that is down for so many ticks, and then its ends.
fn event(stage: &mut Stage, event: u8, ticks: u16, beneath: &[i16]) {
    let start = stage.phones[0].timestamp;
    for tick in 1..ticks + 3 {
        let [high, low] = (160 * tick.min(ticks)).to_be_bytes();
        let end = if tick >= ticks { 0x8a } else { 0x0a };
        let packet = stage.phones[0].rtp(101, start, &[event, end, high, low]);
        stage.give(&packet);
        stage.play(beneath);
    }
}

#[test]
fn asked_for_tones_pass_as_they_are_and_events_are_heard_as_tones() {
    for codec in [Codec::Pcmu, Codec::L16(L16Rate::Hz16000), Codec::Opus] {
        let mut stage = Stage::new(DigitPassage::Heard, &[codec, codec], true);
        stage.quiet(5);
        let rate = codec.sample_rate();
        let five = ear::tone('5', rate.hertz(), 100.0, -10.0);
        stage.play(&five);
        stage.quiet(10);
        assert_eq!(listened(&stage.phones[1].heard, rate), [5], "{codec:?}");
        stage.phones[1].heard.clear();
        event(&mut stage, 9, 6, &vec![0; rate.frame_len()]);
        stage.quiet(10);
        assert_eq!(listened(&stage.phones[1].heard, rate), [9], "{codec:?}");
        assert!(ear::heard(&stage.phones[1].heard, rate.hertz()).iter().all(|&key| key == '9'));
        let keys: String = stage.keys().iter().map(|key| key.0).collect();
        stage.quiet(40);
        assert!(keys.len() <= 2 && stage.keys().len() == 2, "each was given once");
    }
}

#[test]
fn an_event_makes_no_sound_unless_asked() {
    let mut stage = Stage::new(DigitPassage::Withheld, &[Codec::Pcmu, Codec::Pcmu], true);
    stage.quiet(5);
    event(&mut stage, 9, 6, &[0; 160]);
    stage.quiet(10);
    assert!(stage.phones[1].heard.iter().all(|sample| sample.unsigned_abs() < 10));
}

#[test]
fn recorders_get_what_the_others_hear() {
    for passage in [DigitPassage::Withheld, DigitPassage::Heard] {
        let mut stage = Stage::new(passage, &[Codec::Pcmu, Codec::Pcmu], true);
        stage.ask(Ask::SetTap(LegId(0), true));
        stage.quiet(5);
        stage.play(&ear::tone('5', 8_000, 100.0, -10.0));
        stage.quiet(10);
        let taps = std::iter::from_fn(|| stage.engine.poll_tap()).filter(|tap| tap.side == TapSide::Received);
        let said: Vec<i16> = taps.flat_map(|tap| tap.frame.samples().to_vec()).collect();
        let expected: &[u8] = if passage == DigitPassage::Heard { &[5] } else { &[] };
        assert_eq!(listened(&said, SampleRate::Hz8000), expected, "{passage:?}");
    }
}

#[test]
fn a_key_of_one_does_not_touch_the_voice_of_another() {
    let mut stages = [true, false].map(|presses| {
        (presses, Stage::new(DigitPassage::Withheld, &[Codec::Pcmu, Codec::Pcmu, Codec::Pcmu], false))
    });
    let key = ear::tone('5', 8_000, 200.0, -10.0);
    for (presses, stage) in &mut stages {
        for tick in 0..60_usize {
            let voice: Vec<i16> = (0..160).map(|n| ((n * 37 + tick * 11) % 900) as i16).collect();
            let quiet = [0; 160];
            let mine =
                if *presses && (20..30).contains(&tick) { &key[(tick - 20) * 160..][..160] } else { &quiet };
            stage.tick(&[Says::Sound(mine), Says::Sound(&voice)]);
        }
    }
    let [(_, with), (_, without)] = &stages;
    assert_eq!(with.phones[0].heard, without.phones[0].heard);
    let steps = with.phones[2].heard.iter().zip(&without.phones[2].heard);
    assert!(steps.filter(|(a, b)| a != b).count() <= 160, "the beginning of the key at most");
}
