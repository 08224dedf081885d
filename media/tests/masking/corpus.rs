//! Keys under every condition that a line can put them in, typed by one telephone while a capture is on: what everybody
//! else hears, what of the keys is left in it, and which were captured.
//!
//! Each clip holds all sixteen keys once, in an order, at places and of lengths of its own (70 to 120 ms, pauses of 70 to
//! 150). It is played with the capture on and without, and without the keys or without the rest through the same losses: so it
//! is known which sound was replaced and where there is anything of a key. All packets come as late as each other, so that
//! the playout of all is the same.
#![allow(dead_code, reason = "each user needs a part")]

use std::f64::consts::TAU;

use confab_media::codec::L16Rate;
use confab_media::dsp::goertzel::{BandMeter, KeyListener};
use confab_media::{
    Ask, Attestation, Capture, CaptureId, CapturedDigits, Codec, Dbfs, DigitPassage, Frame, LegId, Level,
    Retired, SampleRate, TapSide,
};

use super::phone::{Says, Stage};
use super::speech::Speech;

/// All keys.
pub(crate) const KEYS: &str = "1234567890*#ABCD";

/// What may be left of a key in any of its bands.
pub(crate) const LIMIT: f64 = -60.0;

/// How much later what is said is heard while a capture is on, in ticks.
pub(crate) const DELAY_TICKS: usize = 4;

/// What a clip is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Condition {
    pub(crate) codec: Codec,
    /// Of both tones together, in dBm0.
    pub(crate) level: f64,
    /// How much stronger the row is than the column, in dB.
    pub(crate) twist: f64,
    /// How far below the keys noise is, in dB.
    pub(crate) noise: Option<f64>,
    /// How far below the keys speech is, in dB.
    pub(crate) talk: Option<f64>,
    /// Packets that get lost, in per cent.
    pub(crate) loss: u32,
    pub(crate) seed: u64,
}

pub(crate) const CODECS: [Codec; 4] = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus];
pub(crate) const LEVELS: [f64; 5] = [0.0, -10.0, -20.0, -30.0, -40.0];
pub(crate) const TWISTS: [f64; 3] = [0.0, 8.0, -4.0];
pub(crate) const NOISES: [Option<f64>; 3] = [None, Some(20.0), Some(12.0)];
pub(crate) const TALKS: [Option<f64>; 3] = [None, Some(15.0), Some(6.0)];
pub(crate) const LOSSES: [u32; 3] = [0, 2, 5];

/// All of them.
pub(crate) fn conditions(seed: u64) -> Vec<Condition> {
    let mut all = Vec::new();
    for codec in CODECS {
        for level in LEVELS {
            for twist in TWISTS {
                for noise in NOISES {
                    for talk in TALKS {
                        for loss in LOSSES {
                            let seed = seed.wrapping_mul(1_000_003) + all.len() as u64;
                            all.push(Condition { codec, level, twist, noise, talk, loss, seed });
                        }
                    }
                }
            }
        }
    }
    all
}

/// What came of a clip.
pub(crate) struct Outcome {
    /// The keys in the order in which they were typed.
    pub(crate) typed: String,
    /// Those that were captured.
    pub(crate) captured: String,
    /// Those that our own usual ear heard in what others got.
    pub(crate) heard: usize,
    /// What was left of keys, in dBFS.
    pub(crate) residual: f64,
    /// When that was, in seconds from the beginning of what others got.
    pub(crate) residual_at: f64,
    pub(crate) attestation: Attestation,
    /// What everybody else got.
    pub(crate) egress: Vec<i16>,
    /// What they would have got.
    pub(crate) open: Vec<i16>,
    pub(crate) rate: SampleRate,
}

/// Evenly distributed numbers (xorshift; Marsaglia 2003).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }

    /// About normally distributed, of variance one.
    fn gaussian(&mut self) -> f64 {
        (0..12).map(|_| (self.next() >> 11) as f64 / (1u64 << 53) as f64).sum::<f64>() - 6.0
    }
}

/// A clip: all that is to be heard, the keys in it alone, and the rest without them.
struct Clip {
    typed: String,
    all: Vec<i16>,
    keys: Vec<i16>,
    rest: Vec<i16>,
    lost: Vec<bool>,
}

/// The amplitude of a sine of this level: 0 dBm0 is 3.17 dB below one at full scale (ITU-T G.711).
fn peak_of_dbm0(level: f64) -> f64 {
    32_767.0 * 10f64.powf((level - 3.17) / 20.0)
}

fn clip(condition: &Condition) -> Clip {
    let mut random = Random::new(condition.seed);
    let rate = condition.codec.sample_rate().hertz() as usize;
    let mut typed: Vec<char> = KEYS.chars().collect();
    for n in (1..typed.len()).rev() {
        typed.swap(n, random.below(n as u64 + 1) as usize);
    }
    let mut keys = vec![0.0; rate * 300 / 1_000];
    for &key in &typed {
        let [row, column] = super::ear::hertz(key);
        // Row and column so far apart, and both together of the level.
        let ratio = 10f64.powf(condition.twist / 10.0);
        let peak = peak_of_dbm0(condition.level);
        let (row_peak, column_peak) = (peak * (ratio / (1.0 + ratio)).sqrt(), peak / (1.0 + ratio).sqrt());
        for n in 0..rate * (70 + random.below(51) as usize) / 1_000 {
            let at = TAU * n as f64 / rate as f64;
            keys.push(row_peak * (at * row).sin() + column_peak * (at * column).sin());
        }
        keys.resize(keys.len() + rate * (70 + random.below(81) as usize) / 1_000, 0.0);
    }
    keys.resize(keys.len() + rate * 300 / 1_000, 0.0);
    let power = (peak_of_dbm0(condition.level) / 2f64.sqrt()).powi(2);
    let below = |decibels: f64| (power / 10f64.powf(decibels / 10.0)).sqrt();
    let mut rest = vec![0.0; keys.len()];
    if let Some(noise) = condition.noise {
        // In the 4 kHz of a telephone: a wider line has as much more in all.
        let gain = below(noise) * (rate as f64 / 8_000.0).sqrt();
        rest.iter_mut().for_each(|sample| *sample += gain * random.gaussian());
    }
    if let Some(talk) = condition.talk {
        let gain = below(talk);
        let mut speech = Speech::new(rate as u32, condition.seed);
        rest.iter_mut().for_each(|sample| *sample += gain * speech.next());
    }
    let all: Vec<f64> = keys.iter().zip(&rest).map(|(key, other)| key + other).collect();
    let to_pcm =
        |samples: &[f64]| samples.iter().map(|s| s.round().clamp(-32_768.0, 32_767.0) as i16).collect();
    let ticks = keys.len().div_ceil(rate / 50);
    let lost = (0..ticks).map(|_| random.below(100) < condition.loss.into()).collect();
    let [all, keys, rest] = [all, keys, rest].map(|samples| to_pcm(&samples));
    Clip { typed: typed.into_iter().collect(), all, keys, rest, lost }
}

/// A telephone with a capture on, and one that listens to it.
pub(crate) struct Line {
    pub(crate) stage: Stage,
    pub(crate) digits: Option<CapturedDigits>,
    pub(crate) captured: String,
    pub(crate) egress: Vec<i16>,
}

impl Line {
    pub(crate) fn new(codec: Codec, capture: bool) -> Self {
        let mut stage = Stage::new(DigitPassage::Heard, &[codec, Codec::L16(L16Rate::Hz16000)], false);
        stage.ask(Ask::SetTap(LegId(0), true));
        let mut digits = None;
        if capture {
            let (capture, taken) = Capture::new(CaptureId(1));
            stage.ask(Ask::StartCapture(LegId(0), capture));
            digits = Some(taken);
        }
        Self { stage, digits, captured: String::new(), egress: Vec::new() }
    }

    pub(crate) fn tick(&mut self, sound: &[i16], lost: bool) {
        let mut frame = sound.to_vec();
        frame.resize(self.stage.phones[0].media.codec.sample_rate().frame_len(), 0);
        self.stage.tick(&[if lost { Says::Lost(&frame) } else { Says::Sound(&frame) }]);
        while let Some(tap) = self.stage.engine.poll_tap() {
            if tap.side == TapSide::Received {
                self.egress.extend(tap.frame.samples());
            }
        }
        if let Some(digits) = &mut self.digits {
            self.captured.extend(std::iter::from_fn(|| digits.take()).map(|digit| digit.expose()));
        }
    }

    pub(crate) fn play(&mut self, sound: &[i16], lost: &[bool]) {
        let len = self.stage.phones[0].media.codec.sample_rate().frame_len();
        for (n, sound) in sound.chunks(len).enumerate() {
            self.tick(sound, lost.get(n).copied().unwrap_or(false));
        }
    }

    pub(crate) fn quiet(&mut self, ticks: usize) {
        (0..ticks).for_each(|_| self.tick(&[], false));
    }

    /// Removes the telephone, and gives its capture's word on it.
    pub(crate) fn attestation(&mut self) -> Attestation {
        self.stage.ask(Ask::RemoveLeg(LegId(0)));
        let mut captures = self.stage.retired.iter().filter_map(|retired| {
            if let Retired::Capture(capture) = retired { Some(capture.attestation()) } else { None }
        });
        captures.next_back().unwrap_or_default()
    }
}

/// Plays a clip, with and without.
pub(crate) fn play(condition: &Condition) -> Outcome {
    let clip = clip(condition);
    let rate = condition.codec.sample_rate();
    let played = |sound: &[i16], capture: bool| {
        let mut line = Line::new(condition.codec, capture);
        line.play(sound, &clip.lost);
        line.quiet(30);
        line
    };
    let (open, mut masked) = (played(&clip.all, false), played(&clip.all, true));
    // Each sample of G.711 is coded by itself, so that what differs without the keys is the keys. Other codecs make something
    // else of the rest, too, when they have heard keys.
    let keys = if Codec::G711.contains(&condition.codec) {
        let rest = played(&clip.rest, false).egress;
        open.egress.iter().zip(rest).map(|(&all, rest)| all.saturating_sub(rest)).collect()
    } else {
        played(&clip.keys, false).egress
    };
    let (residual, residual_at) = residual(&keys, &open.egress, &masked.egress, rate);
    Outcome {
        typed: clip.typed,
        heard: heard(&masked.egress, rate),
        residual,
        residual_at,
        attestation: masked.attestation(),
        captured: masked.captured,
        egress: masked.egress,
        open: open.egress,
        rate,
    }
}

/// What became of sound in which there is no key.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kept {
    /// Keys that were captured all the same.
    pub(crate) captured: usize,
    /// How many times 10 ms somebody spoke, and how many of these were not let through.
    pub(crate) spoken: usize,
    pub(crate) withheld: usize,
}

/// Plays sound without keys, with and without a capture, while so many of a hundred packets get lost.
pub(crate) fn speak(codec: Codec, sound: &[i16], loss: u32) -> Kept {
    let mut lines = [false, true].map(|capture| Line::new(codec, capture));
    let mut random = Random::new(sound.len() as u64);
    let ticks = sound.len().div_ceil(codec.sample_rate().frame_len());
    let lost: Vec<bool> = (0..ticks).map(|_| random.below(100) < loss.into()).collect();
    for line in &mut lines {
        line.play(sound, &lost);
        line.quiet(10);
    }
    let [open, masked] = lines;
    let frame = codec.sample_rate().frame_len();
    let mut kept = Kept { captured: masked.captured.len(), ..Kept::default() };
    for (open, masked) in
        open.egress.chunks(frame / 2).zip(masked.egress[DELAY_TICKS * frame..].chunks(frame / 2))
    {
        let is_spoken = Level::of(open).minus_dbov() < 50;
        kept.spoken += usize::from(is_spoken);
        kept.withheld += usize::from(is_spoken && open != masked);
    }
    kept
}

/// Keys that the usual ear hears.
pub(crate) fn heard(samples: &[i16], rate: SampleRate) -> usize {
    let mut listener = KeyListener::default();
    frames(samples, rate).filter_map(|frame| listener.hear(&frame)).count()
}

fn frames(samples: &[i16], rate: SampleRate) -> impl Iterator<Item = Frame> {
    samples.chunks_exact(rate.frame_len()).map(move |chunk| {
        let mut frame = Frame::silence(rate);
        frame.samples_mut().copy_from_slice(chunk);
        frame
    })
}

/// From sound that is let through to what takes the place of keys, in pieces of a millisecond: there speech fades, and may be
/// anywhere in two of them.
const FADE: usize = 3;

/// The most that is left of keys, and where: each 20 ms, in steps of 5, in which the keys by themselves are above the limit.
/// Where the sound was replaced, what is measured is what took its place. Where it was let through or fades, what the keys by
/// themselves are there, at full level, as speech and noise have a part in the same bands; but no more than what is there.
fn residual(keys: &[i16], open: &[i16], masked: &[i16], rate: SampleRate) -> (f64, f64) {
    let (len, step) = (rate.frame_len(), rate.frame_len() / 4);
    let masked = &masked[DELAY_TICKS * len..];
    // A millisecond at a time: noise and sound may meet in single samples.
    let piece = rate.hertz() as usize / 1_000;
    let passes: Vec<bool> = masked.chunks(piece).zip(open.chunks(piece)).map(|(a, b)| a == b).collect();
    let is_near = |n: usize| passes[n.saturating_sub(FADE)..(n + FADE + 1).min(passes.len())].contains(&true);
    let pieces = masked.chunks(piece).zip(keys.chunks(piece)).enumerate();
    let left = pieces.flat_map(|(n, (masked, keys))| if is_near(n) { keys } else { masked }).copied();
    let left: Vec<i16> = left.collect();
    let measure = |samples: &[i16]| {
        let mut frame = Frame::silence(rate);
        frame.samples_mut().copy_from_slice(samples);
        let mut meter = BandMeter::default();
        f64::from(Dbfs::of_peak(meter.measure(&frame).into()).hundredths()) / 100.0
    };
    let mut worst = (f64::from(Dbfs::FLOOR.hundredths()) / 100.0, 0.0);
    for at in (0..left.len().saturating_sub(len)).step_by(step) {
        if measure(&keys[at..at + len]) > LIMIT {
            let left = measure(&left[at..at + len]).min(measure(&masked[at..at + len]));
            if left > worst.0 {
                worst = (left, (at + DELAY_TICKS * len) as f64 / f64::from(rate.hertz()));
            }
        }
    }
    worst
}
