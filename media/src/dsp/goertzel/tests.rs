//! Keys under every condition of ITU-T Q.24, at all rates and through G.711; then minutes of what is not a key.

use std::f64::consts::TAU;

use proptest::prelude::*;

use super::*;
use crate::codec::Codec;
use crate::dsp::tone::peak_of_dbm0;
use crate::frame::SampleRate;

const RATES: [SampleRate; 3] = [SampleRate::Hz8000, SampleRate::Hz16000, SampleRate::Hz48000];

/// A key press as a line may deliver it.
#[derive(Clone, Copy, Debug)]
struct Press {
    event: u8,
    millis: f64,
    /// Of row and column, in dBm0.
    levels: [f64; 2],
    /// Of both frequencies, as a part.
    off: f64,
}

impl Press {
    const fn of(event: u8) -> Self {
        Self { event, millis: 80.0, levels: [-10.0, -10.0], off: 0.0 }
    }

    fn at(self, level: f64) -> Self {
        Self { levels: [level; 2], ..self }
    }

    fn hertz(self) -> [f64; 2] {
        let tone = crate::dsp::tone::Tone::of_key(self.event, Duration::ZERO).unwrap();
        tone.partials.map(|partial| partial.unwrap().hertz * (1.0 + self.off))
    }
}

/// Sound that is being put together, in samples of any size.
struct Line {
    rate: SampleRate,
    samples: Vec<f64>,
    random: u64,
}

impl Line {
    fn new(rate: SampleRate) -> Self {
        Self { rate, samples: Vec::new(), random: 1 }
    }

    fn len_of(&self, millis: f64) -> usize {
        (millis * f64::from(self.rate.hertz()) / 1_000.0).round() as usize
    }

    fn silence(mut self, millis: f64) -> Self {
        let len = self.samples.len() + self.len_of(millis);
        self.samples.resize(len, 0.0);
        self
    }

    fn press(mut self, press: Press) -> Self {
        let peaks = press.levels.map(peak_of_dbm0);
        let hertz = press.hertz();
        for n in 0..self.len_of(press.millis) {
            let at = TAU * n as f64 / f64::from(self.rate.hertz());
            self.samples.push(peaks[0] * (at * hertz[0]).sin() + peaks[1] * (at * hertz[1] + 1.0).sin());
        }
        self
    }

    /// Between −1 and 1.
    fn random(&mut self) -> f64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as f64 / f64::from(1u32 << 30) - 1.0
    }

    /// White noise this far below a key of which both tones have this level.
    fn noise(mut self, snr: f64, level: f64, seed: u64) -> Self {
        self.random = seed;
        let power = peak_of_dbm0(level).powi(2) / 10f64.powf(snr / 10.0);
        // In the 4 kHz of a telephone: a wider line has as much more in all.
        let power = power * f64::from(self.rate.hertz()) / 8_000.0;
        for n in 0..self.samples.len() {
            let gaussian: f64 = (0..12).map(|_| self.random()).sum::<f64>() / 2.0;
            self.samples[n] += gaussian * power.sqrt();
        }
        self
    }

    fn pcm(&self) -> Vec<i16> {
        self.samples.iter().map(|s| s.round().clamp(-32_768.0, 32_767.0) as i16).collect()
    }

    fn heard(&self) -> Vec<HeardKey> {
        heard(&self.pcm(), self.rate)
    }

    fn events(&self) -> Vec<u8> {
        self.heard().iter().map(|key| key.event).collect()
    }
}

fn frames(pcm: &[i16], rate: SampleRate) -> impl Iterator<Item = Frame> {
    pcm.chunks(rate.frame_len()).map(move |chunk| {
        let mut frame = Frame::silence(rate);
        frame.samples_mut()[..chunk.len()].copy_from_slice(chunk);
        frame
    })
}

/// What is heard in this sound, and in the silence after it.
fn heard(pcm: &[i16], rate: SampleRate) -> Vec<HeardKey> {
    let mut listener = KeyListener::default();
    let after = (0..10).map(|_| Frame::silence(rate));
    frames(pcm, rate).chain(after).filter_map(|frame| listener.hear(&frame)).collect()
}

#[test]
fn all_keys_are_heard_at_all_levels_and_rates() {
    for rate in RATES {
        for event in 0..16 {
            for level in [0.0, -3.0, -10.0, -20.0, -27.0] {
                let line = Line::new(rate).silence(37.0).press(Press::of(event).at(level)).silence(60.0);
                assert_eq!(line.events(), [event], "{rate:?} {level}");
            }
        }
    }
}

#[test]
fn durations_are_measured_to_ten_milliseconds() {
    for millis in [50.0, 80.0, 100.0, 333.0, 2_000.0] {
        for start in 0..10 {
            let press = Press { millis, ..Press::of(5) };
            let line =
                Line::new(SampleRate::Hz8000).silence(f64::from(start) * 2.3).press(press).silence(60.0);
            let heard = line.heard();
            let [key] = heard[..] else { panic!("{heard:?}") };
            let measured = key.duration.as_millis() as f64;
            assert!((measured - millis).abs() <= 11.0, "{measured} of {millis}");
        }
    }
}

#[test]
fn noise_fifteen_decibels_below_does_not_hide_keys() {
    for rate in RATES {
        for seed in 1..=5 {
            for event in 0..16 {
                let press = Press::of(event).at(-20.0);
                let line = Line::new(rate).silence(40.0).press(press).silence(60.0).noise(15.0, -20.0, seed);
                assert_eq!(line.events(), [event], "{rate:?}, seed {seed}");
            }
        }
    }
}

#[test]
fn twist_is_taken_up_to_its_limits_and_not_far_beyond() {
    for rate in RATES {
        for event in 0..16 {
            for (twist, taken) in [(0.0, true), (8.0, true), (-4.0, true), (11.0, false), (-7.0, false)] {
                // Positive: the row is stronger.
                let press = Press { levels: [-12.0 + twist, -12.0], ..Press::of(event) };
                let line = Line::new(rate).silence(33.0).press(press).silence(60.0);
                assert_eq!(line.events().len(), usize::from(taken), "{rate:?} {event} {twist}");
            }
        }
    }
}

#[test]
fn frequencies_are_taken_within_a_half_and_one_percent_and_not_beyond_three_and_a_half() {
    for rate in RATES {
        for event in 0..16 {
            for (off, taken) in [
                (0.015, true),
                (-0.015, true),
                (0.035, false),
                (-0.035, false),
                (0.05, false),
                (-0.05, false),
            ] {
                let line =
                    Line::new(rate).silence(21.0).press(Press { off, ..Press::of(event) }).silence(60.0);
                assert_eq!(line.events().len(), usize::from(taken), "{rate:?} {event} {off}");
            }
        }
    }
}

#[test]
fn forty_milliseconds_are_a_key_and_twenty_three_are_none() {
    for start in 0..80 {
        // Of samples at 8 kHz, so that every place within a hop has its turn.
        let start = f64::from(start) * 0.25;
        for (millis, keys) in [(40.0, 1), (23.0, 0)] {
            for event in [0, 1, 9, 15] {
                let press = Press { millis, ..Press::of(event) };
                let line = Line::new(SampleRate::Hz8000).silence(start).press(press).silence(60.0);
                assert_eq!(line.events().len(), keys, "{millis} ms from {start}, {event}");
            }
        }
    }
}

#[test]
fn pauses_of_forty_milliseconds_tell_keys_apart_and_gaps_of_ten_do_not() {
    for start in 0..20 {
        for (pause, keys) in [(40.0, 2), (10.0, 1)] {
            for event in [0, 5, 13] {
                let press = Press { millis: 60.0, ..Press::of(event) };
                let line = Line::new(SampleRate::Hz8000)
                    .silence(f64::from(start) * 0.5)
                    .press(press)
                    .silence(pause)
                    .press(press)
                    .silence(60.0);
                assert_eq!(line.events(), vec![event; keys], "a pause of {pause} from {start}");
            }
        }
    }
}

#[test]
fn different_keys_without_a_pause_are_told_apart() {
    let line = [1, 9, 3, 12, 0].into_iter().fold(Line::new(SampleRate::Hz8000), |line, event| {
        line.press(Press { millis: 60.0, ..Press::of(event) })
    });
    assert_eq!(line.events(), [1, 9, 3, 12, 0]);
}

#[test]
fn keys_pass_through_g711() {
    for codec in [Codec::Pcmu, Codec::Pcma] {
        for event in 0..16 {
            for level in [0.0, -10.0, -27.0] {
                let line = Line::new(SampleRate::Hz8000)
                    .silence(28.0)
                    .press(Press::of(event).at(level))
                    .silence(60.0);
                let pcm = line.pcm();
                let (mut coded, mut decoded) = (vec![0; pcm.len()], vec![0; pcm.len()]);
                codec.encode(&pcm, &mut coded);
                codec.decode(&coded, &mut decoded);
                let events: Vec<u8> =
                    heard(&decoded, SampleRate::Hz8000).iter().map(|key| key.event).collect();
                assert_eq!(events, [event], "{codec:?} {level}");
            }
        }
    }
}

#[test]
fn the_keys_we_make_are_heard() {
    for rate in RATES {
        for event in 0..16 {
            let tone = crate::dsp::tone::Tone::of_key(event, Duration::from_millis(60)).unwrap();
            let mut player = crate::dsp::tone::TonePlayer::new(&tone, rate);
            let mut pcm = vec![0; rate.frame_len() * 6];
            player.fill(&mut pcm);
            let events: Vec<u8> = heard(&pcm, rate).iter().map(|key| key.event).collect();
            assert_eq!(events, [event], "{rate:?}");
        }
    }
}

#[test]
fn the_first_frame_of_which_half_is_tone_is_suspected() {
    for rate in RATES {
        for event in 0..16 {
            for start in [20.0, 23.0, 26.0, 29.0] {
                let line = Line::new(rate).silence(start).press(Press::of(event)).silence(60.0);
                let mut listener = KeyListener::default();
                let suspected: Vec<bool> = frames(&line.pcm(), rate)
                    .map(|frame| {
                        listener.hear(&frame);
                        listener.suspects()
                    })
                    .collect();
                assert_eq!(suspected[..5], [false, true, true, true, true], "{rate:?} {event} from {start}");
                assert!(!suspected[7], "it is over");
            }
        }
    }
}

#[test]
fn two_tones_of_one_group_and_single_tones_are_no_keys() {
    for (a, b) in [(697.0, 770.0), (1_209.0, 1_477.0), (852.0, 852.0), (1_336.0, 1_336.0), (425.0, 1_209.0)] {
        let mut line = Line::new(SampleRate::Hz8000);
        line.samples = (0..8_000)
            .map(|n| {
                let at = TAU * f64::from(n) / 8_000.0;
                6_000.0 * ((at * a).sin() + (at * b).sin())
            })
            .collect();
        assert_eq!(line.events(), [], "{a} {b}");
    }
}

/// Vowels that glide, with pitch and formants of their own, in syllables.
fn speech(rate: SampleRate, seconds: usize, seed: u64) -> Vec<i16> {
    let mut line = Line::new(rate);
    line.random = seed;
    let rate_hertz = f64::from(rate.hertz());
    let (mut phase, mut pitch) = (0.0, 120.0);
    let (mut formants, mut target) = ([500.0, 1_500.0, 2_500.0], [500.0, 1_500.0, 2_500.0]);
    let (mut loud, mut loud_target) = (0.0, 1.0);
    for n in 0..seconds * rate.hertz() as usize {
        if n % (rate.hertz() as usize / 8) == 0 {
            pitch = (pitch * (1.0 + 0.2 * line.random())).clamp(75.0, 320.0);
            for (f, (low, high)) in
                target.iter_mut().zip([(250.0, 1_000.0), (800.0, 2_300.0), (2_000.0, 3_200.0)])
            {
                *f = low + (high - low) * (line.random() + 1.0) / 2.0;
            }
            loud_target = if line.random() > -0.6 { 1.0 } else { 0.0 };
        }
        let glide = 30.0 / rate_hertz;
        loud += (loud_target - loud) * glide * 3.0;
        for (f, t) in formants.iter_mut().zip(target) {
            *f += (t - *f) * glide;
        }
        pitch *= 1.0 + 0.2 * line.random() / rate_hertz;
        phase = (phase + pitch / rate_hertz) % 1.0;
        let harmonics = (3_600.0 / pitch) as usize;
        // The glottis falls by 6 dB an octave (with the lips' share), and a resonance is as wide as one is.
        let voiced: f64 = (1..=harmonics)
            .map(|h| {
                let hertz = pitch * h as f64;
                let near = |f: f64, width: f64| 1.0 / (1.0 + ((hertz - f) / width).powi(2)).sqrt();
                let gain =
                    near(formants[0], 40.0) + 0.6 * near(formants[1], 50.0) + 0.4 * near(formants[2], 80.0);
                gain * (TAU * phase * h as f64).sin() * 3.0 / h as f64
            })
            .sum();
        let breath = line.random() * 0.01;
        line.samples.push((voiced + breath) * loud * 6_000.0);
    }
    line.pcm()
}

/// Chords of notes with harmonics.
fn music(rate: SampleRate, seconds: usize, seed: u64) -> Vec<i16> {
    let mut line = Line::new(rate);
    line.random = seed;
    let rate_hertz = f64::from(rate.hertz());
    let mut notes = [0.0; 4];
    for n in 0..seconds * rate.hertz() as usize {
        let beat = n % (rate.hertz() as usize / 5);
        if beat == 0 {
            // Semitones over A of 110 Hz.
            notes = [(); 4].map(|()| 110.0 * 2f64.powf(((line.random() + 1.0) * 24.0).floor() / 12.0));
        }
        let fade = (-4.0 * beat as f64 / rate_hertz).exp();
        let at = TAU * n as f64 / rate_hertz;
        let sum: f64 = notes
            .iter()
            .flat_map(|note| (1..=4).map(move |h| (at * note * f64::from(h)).sin() / f64::from(h * h)))
            .sum();
        line.samples.push(sum * fade * 3_500.0);
    }
    line.pcm()
}

#[test]
fn minutes_of_speech_and_music_hold_no_key() {
    for seed in 1..=4 {
        let rate = SampleRate::Hz8000;
        assert_eq!(heard(&speech(rate, 60, seed), rate), [], "speech, seed {seed}");
        assert_eq!(heard(&music(rate, 60, seed), rate), [], "music, seed {seed}");
    }
    for rate in [SampleRate::Hz16000, SampleRate::Hz48000] {
        assert_eq!(heard(&speech(rate, 20, 9), rate), [], "speech at {rate:?}");
        assert_eq!(heard(&music(rate, 20, 9), rate), [], "music at {rate:?}");
    }
}

#[test]
fn little_of_speech_is_suspected() {
    let rate = SampleRate::Hz8000;
    let mut listener = KeyListener::default();
    let pcm = speech(rate, 60, 7);
    let suspected = frames(&pcm, rate)
        .filter(|frame| {
            listener.hear(frame);
            listener.suspects()
        })
        .count();
    assert!(suspected < 8, "{suspected} of 3,000 frames");
}

#[test]
fn keys_are_heard_over_a_change_of_rate() {
    let mut listener = KeyListener::default();
    for rate in RATES {
        let line = Line::new(rate).silence(40.0).press(Press::of(7)).silence(80.0);
        let keys: Vec<_> = frames(&line.pcm(), rate).filter_map(|frame| listener.hear(&frame)).collect();
        assert_eq!(keys.len(), 1, "{rate:?}");
    }
}

#[test]
fn debug_does_not_show_keys() {
    let key = HeardKey { event: 9, duration: Duration::from_millis(80) };
    let shown = format!("{key:?} {:?}", KeyListener::default());
    assert!(!shown.contains('9'), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any keys, of any length and pause that Q.24 demands, at any level, twist and place: each is heard once.
    #[test]
    fn any_dialling_is_heard(
        presses in proptest::collection::vec(
            (0u8..16, 40.0..200.0f64, 40.0..200.0f64, -25.0..-3.0f64, -3.9..7.9f64, -0.015..0.015f64), 1..12,
        ),
        rate in proptest::sample::select(&RATES[..]),
    ) {
        let mut line = Line::new(rate).silence(25.0);
        for &(event, millis, pause, level, twist, off) in &presses {
            let levels = if twist > 0.0 { [level, level - twist] } else { [level + twist, level] };
            line = line.press(Press { event, millis, levels: levels.map(|l| l.max(-27.0)), off }).silence(pause);
        }
        let pressed: Vec<u8> = presses.iter().map(|press| press.0).collect();
        prop_assert_eq!(line.events(), pressed);
    }

    #[test]
    fn any_sound_is_harmless(samples in proptest::collection::vec(any::<i16>(), 0..4_000)) {
        heard(&samples, SampleRate::Hz8000);
        heard(&samples, SampleRate::Hz48000);
    }
}
