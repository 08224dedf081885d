//! Tones: one or two frequencies with soft edges, once or in a cadence. Keys (ITU-T Q.23), and what a network
//! says without words (ITU-T E.180).

use std::f64::consts::TAU;
use std::time::Duration;

use crate::frame::SampleRate;

/// One frequency of a tone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Partial {
    /// In Hz.
    pub hertz: f64,
    /// In dBm0: 3.17 is the loudest sine that G.711 µ-law can say (ITU-T G.711 table 4), and full scale here.
    pub level: f64,
}

impl Partial {
    const fn new(hertz: f64, level: f64) -> Self {
        Self { hertz, level }
    }
}

/// The level of a sine at full scale, in dBm0.
const FULL_SCALE_DBM0: f64 = 3.17;

/// The peak of a sine of this level, in samples.
pub fn peak_of_dbm0(level: f64) -> f64 {
    f64::from(i16::MAX) * 10f64.powf((level - FULL_SCALE_DBM0) / 20.0)
}

/// A tone and its cadence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tone {
    /// What sounds at once.
    pub partials: [Option<Partial>; 2],
    /// How long it sounds.
    pub on: Duration,
    /// How long it is silent then.
    pub off: Duration,
    /// How often that happens; for ever if `None`.
    pub times: Option<u32>,
}

/// Row frequencies of the keys (ITU-T Q.23).
pub const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
/// Column frequencies of the keys (ITU-T Q.23).
pub const COLUMNS: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];

/// How loud keys are sent, in dBm0: rows. Two sines at −8 and −6 dBm0 are about as loud as speech, and cannot
/// reach full scale together.
const ROW_LEVEL: f64 = -8.0;
/// Columns: lines take more from higher frequencies.
const COLUMN_LEVEL: f64 = -6.0;

/// Row and column of the keys 0-9, *, #, A-D, in the order of their event codes (RFC 4733 §3.2).
const KEY_PLACES: [(u8, u8); 16] = [
    (3, 1),
    (0, 0),
    (0, 1),
    (0, 2),
    (1, 0),
    (1, 1),
    (1, 2),
    (2, 0),
    (2, 1),
    (2, 2),
    (3, 0),
    (3, 2),
    (0, 3),
    (1, 3),
    (2, 3),
    (3, 3),
];

/// The event code of the key in this row and column, each 0-3.
pub fn key_at(row: usize, column: usize) -> Option<u8> {
    let place = KEY_PLACES.iter().position(|&(r, c)| (usize::from(r), usize::from(c)) == (row, column));
    place.map(|code| code as u8)
}

impl Tone {
    /// What a called line sounds like in Europe (ITU-T E.180 §4).
    pub const RINGBACK: Self = Self::cadence(Partial::new(425.0, -12.0), None, 1_000, 4_000);
    /// The same in North America.
    pub const RINGBACK_US: Self =
        Self::cadence(Partial::new(440.0, -19.0), Some(Partial::new(480.0, -19.0)), 2_000, 4_000);
    /// A busy line in Europe (ITU-T E.180 §5).
    pub const BUSY: Self = Self::cadence(Partial::new(425.0, -12.0), None, 500, 500);
    /// The same in North America.
    pub const BUSY_US: Self =
        Self::cadence(Partial::new(480.0, -24.0), Some(Partial::new(620.0, -24.0)), 500, 500);
    /// No way through, in Europe (ITU-T E.180 §6).
    pub const CONGESTION: Self = Self::cadence(Partial::new(425.0, -12.0), None, 250, 250);
    /// One beep, before a recording or for one who joins.
    pub const BEEP: Self =
        Self { times: Some(1), ..Self::cadence(Partial::new(1_000.0, -12.0), None, 250, 0) };

    const fn cadence(first: Partial, second: Option<Partial>, on: u64, off: u64) -> Self {
        Self {
            partials: [Some(first), second],
            on: Duration::from_millis(on),
            off: Duration::from_millis(off),
            times: None,
        }
    }

    /// The key of an event code 0-15 (RFC 4733 §3.2), pressed once for `on`; other events are not keys.
    pub fn of_key(event: u8, on: Duration) -> Option<Self> {
        let &(row, column) = KEY_PLACES.get(usize::from(event))?;
        let partials = [
            Some(Partial::new(ROWS[usize::from(row)], ROW_LEVEL)),
            Some(Partial::new(COLUMNS[usize::from(column)], COLUMN_LEVEL)),
        ];
        Some(Self { partials, on, off: Duration::ZERO, times: Some(1) })
    }
}

/// How long a tone takes to rise and to fall: 4 ms. A hard edge clicks, and spreads over other keys'
/// frequencies; detectors want it within 5 ms.
const EDGE: Duration = Duration::from_millis(4);

/// Plays one tone.
#[derive(Clone, Debug)]
pub struct TonePlayer {
    oscillators: [Option<Oscillator>; 2],
    on: u64,
    period: u64,
    edge: f64,
    /// Samples since the cadence began.
    position: u64,
    times_left: Option<u32>,
}

impl TonePlayer {
    /// A player at the start of `tone`.
    pub fn new(tone: &Tone, rate: SampleRate) -> Self {
        let on = samples(tone.on, rate);
        Self {
            oscillators: tone.partials.map(|partial| partial.map(|p| Oscillator::new(p, rate))),
            on,
            // A cadence of no length would never end within a frame.
            period: (on + samples(tone.off, rate)).max(1),
            edge: samples(EDGE, rate) as f64,
            position: 0,
            times_left: tone.times,
        }
    }

    /// Writes what comes next to all of `out`: the tone, silence within its cadence, and silence when it is over.
    /// Returns whether it goes on after that.
    pub fn fill(&mut self, out: &mut [i16]) -> bool {
        for sample in out.iter_mut() {
            *sample = self.next_sample();
        }
        self.times_left != Some(0)
    }

    fn next_sample(&mut self) -> i16 {
        if self.times_left == Some(0) {
            return 0;
        }
        let position = self.position;
        self.position += 1;
        if self.position >= self.period {
            self.position = 0;
            self.times_left = self.times_left.map(|left| left - 1);
        }
        if position >= self.on {
            return 0;
        }
        let sum: f64 = self.oscillators.iter_mut().flatten().map(Oscillator::next_sample).sum();
        let scaled = sum * self.gain(position);
        scaled.round().clamp(i16::MIN.into(), i16::MAX.into()) as i16
    }

    /// Rises and falls without a corner.
    fn gain(&self, position: u64) -> f64 {
        let from_edge = (position + 1).min(self.on - position) as f64;
        let x = (from_edge / self.edge).min(1.0);
        x * x * (3.0 - 2.0 * x)
    }
}

fn samples(duration: Duration, rate: SampleRate) -> u64 {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    micros.saturating_mul(rate.hertz().into()) / 1_000_000
}

/// A sine: a point that is turned a little further for every sample.
#[derive(Clone, Copy, Debug)]
struct Oscillator {
    peak: f64,
    step: (f64, f64),
    point: (f64, f64),
}

impl Oscillator {
    fn new(partial: Partial, rate: SampleRate) -> Self {
        let step = (TAU * partial.hertz / f64::from(rate.hertz())).sin_cos();
        Self { peak: peak_of_dbm0(partial.level), step, point: (0.0, 1.0) }
    }

    fn next_sample(&mut self) -> f64 {
        let ((sin, cos), (y, x)) = (self.step, self.point);
        let turned = (y * cos + x * sin, x * cos - y * sin);
        // Pulls it back to the circle, which rounding leaves slowly.
        let pull = 1.5 - 0.5 * (turned.0 * turned.0 + turned.1 * turned.1);
        self.point = (turned.0 * pull, turned.1 * pull);
        y * self.peak
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [SampleRate; 3] = [SampleRate::Hz8000, SampleRate::Hz16000, SampleRate::Hz48000];

    fn played(tone: &Tone, rate: SampleRate, millis: u64) -> Vec<i16> {
        let mut out = vec![1; samples(Duration::from_millis(millis), rate) as usize];
        TonePlayer::new(tone, rate).fill(&mut out);
        out
    }

    /// The level of `hertz` in `samples`, in dBm0.
    fn level(samples: &[i16], hertz: f64, rate: SampleRate) -> f64 {
        let turn = TAU * hertz / f64::from(rate.hertz());
        let (mut re, mut im) = (0.0, 0.0);
        for (n, &sample) in samples.iter().enumerate() {
            let (sin, cos) = (turn * n as f64).sin_cos();
            re += f64::from(sample) * cos;
            im += f64::from(sample) * sin;
        }
        let peak = 2.0 * re.hypot(im) / samples.len() as f64;
        20.0 * (peak / f64::from(i16::MAX)).log10() + FULL_SCALE_DBM0
    }

    #[test]
    fn every_key_has_its_two_frequencies_at_their_levels() {
        for rate in RATES {
            for event in 0..16 {
                let tone = Tone::of_key(event, Duration::from_secs(1)).unwrap();
                let out = played(&tone, rate, 1_000);
                for partial in tone.partials.into_iter().flatten() {
                    let found = level(&out, partial.hertz, rate);
                    assert!((found - partial.level).abs() < 0.2, "{event} at {rate:?}: {found} dBm0");
                    assert!(level(&out, partial.hertz + 40.0, rate) < -40.0);
                }
            }
        }
        assert_eq!(Tone::of_key(16, Duration::from_secs(1)), None);
    }

    #[test]
    fn keys_stand_where_they_stand_on_a_telephone() {
        let keys: Vec<_> =
            (0..4).flat_map(|row| (0..4).filter_map(move |column| key_at(row, column))).collect();
        let codes = "123A456B789C*0#D".chars().filter_map(|key| "0123456789*#ABCD".find(key));
        assert_eq!(keys, codes.map(|code| code as u8).collect::<Vec<_>>());
        assert_eq!(key_at(4, 0), None);
    }

    #[test]
    fn no_key_reaches_full_scale() {
        for event in 0..16 {
            let out =
                played(&Tone::of_key(event, Duration::from_secs(1)).unwrap(), SampleRate::Hz48000, 1_000);
            assert!(out.iter().all(|s| s.unsigned_abs() < 25_000));
        }
    }

    #[test]
    fn edges_rise_and_fall_over_four_milliseconds() {
        for rate in RATES {
            let tone = Tone { on: Duration::from_millis(100), ..Tone::BEEP };
            let out = played(&tone, rate, 120);
            let millisecond = (rate.hertz() / 1_000) as usize;
            let peak = |range: std::ops::Range<usize>| out[range].iter().map(|s| s.unsigned_abs()).max();
            let full = peak(20 * millisecond..80 * millisecond);
            assert!(peak(0..millisecond) < full.map(|f| f / 4));
            assert!(peak(99 * millisecond..100 * millisecond) < full.map(|f| f / 4));
            assert_eq!(peak(100 * millisecond..120 * millisecond), Some(0));
        }
    }

    #[test]
    fn a_cadence_goes_on_and_a_beep_ends() {
        let second = 8_000;
        let ringback = played(&Tone::RINGBACK, SampleRate::Hz8000, 20_000);
        for (n, part) in ringback.chunks(second).enumerate() {
            assert_eq!(part.iter().any(|&s| s != 0), n % 5 == 0, "second {n}");
        }
        let mut beep = TonePlayer::new(&Tone::BEEP, SampleRate::Hz8000);
        let mut frame = [0; 160];
        let frames = (0..100).take_while(|_| beep.fill(&mut frame)).count();
        assert_eq!(frames, 12, "250 ms end within the thirteenth frame");
        assert!(!beep.fill(&mut frame) && frame == [0; 160]);
    }

    #[test]
    fn an_hour_of_a_tone_stays_at_its_level() {
        let tone = Tone { on: Duration::from_secs(7_200), ..Tone::BEEP };
        let mut player = TonePlayer::new(&tone, SampleRate::Hz8000);
        let mut out = vec![0; 8_000];
        for _ in 0..3_600 {
            player.fill(&mut out);
        }
        let found = level(&out, 1_000.0, SampleRate::Hz8000);
        assert!((found + 12.0).abs() < 0.01, "{found}");
    }

    #[test]
    fn a_tone_of_no_length_is_silence() {
        let nothing = Tone { on: Duration::ZERO, off: Duration::ZERO, ..Tone::RINGBACK };
        assert!(played(&nothing, SampleRate::Hz8000, 20).iter().all(|&s| s == 0));
    }
}
