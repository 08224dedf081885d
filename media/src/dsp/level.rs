//! How loud a frame is, and whether somebody speaks: an energy gate over a noise floor that follows the line.
//!
//! The gate decides who is shown as speaking; it never silences anybody, nor takes anybody's turn in the mix.

/// How loud sound is, in −dBov: 0 is as loud as a square wave at full scale, 127 is silence (RFC 6464 §3, RFC 6465
/// appendix A). The greater, the quieter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

impl Level {
    /// Digital silence, and all that is as quiet.
    pub const SILENCE: Self = Self(127);

    /// A level in −dBov; what is over 127 is silence.
    pub const fn from_minus_dbov(minus_dbov: u8) -> Self {
        if minus_dbov > 127 { Self::SILENCE } else { Self(minus_dbov) }
    }

    /// The level of these samples.
    pub fn of(samples: &[i16]) -> Self {
        Power::of(samples).level()
    }

    /// In −dBov, 0 to 127.
    pub const fn minus_dbov(self) -> u8 {
        self.0
    }

    /// Over full scale, as the gate computes with it.
    fn in_gate(self) -> i32 {
        -i32::from(self.0) * DB
    }
}

/// The mean square of a frame's samples. It takes one pass over them; amplitude and level follow from it without
/// another.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Power(f32);

impl Power {
    /// Digital silence.
    pub const SILENCE: Self = Self(0.0);

    /// The power of these samples.
    pub fn of(samples: &[i16]) -> Self {
        let square = |sample: i16| (i32::from(sample) * i32::from(sample)) as u32;
        let (pairs, odd) = samples.as_chunks::<2>();
        // Two squares fit into 32 bits, which processors have an instruction for; more do not.
        let sum: u64 = pairs.iter().map(|&[a, b]| u64::from(square(a) + square(b))).sum();
        let rest: u64 = odd.iter().map(|&sample| u64::from(square(sample))).sum();
        let per_sample = 1.0 / samples.len().max(1) as f32;
        Self((sum + rest) as f32 * per_sample)
    }

    /// Whether all samples are zero.
    pub fn is_silence(self) -> bool {
        self == Self::SILENCE
    }

    /// That of sound of this effective amplitude.
    pub const fn of_amplitude(amplitude: u32) -> Self {
        Self(amplitude as f32 * amplitude as f32)
    }

    /// The effective (root mean square) amplitude, 0 to 32,768.
    pub fn amplitude(self) -> u32 {
        (self.0.sqrt() + 0.5) as u32
    }

    /// The level.
    pub fn level(self) -> Level {
        if self.is_silence() {
            return Level::SILENCE;
        }
        let rounded = (FULL_SCALE - decibels(self.0) + DB / 2) / DB;
        Level(rounded.clamp(0, 127) as u8)
    }
}

/// Decibels are computed with in 256ths.
const DB: i32 = 256;

/// The power of a square wave at full scale: 20·log10(32767) over that of a sample of 1.
const FULL_SCALE: i32 = 23_119;

/// How far a power is over that of a sample of 1, within 0.14 dB.
///
/// The bits of a floating-point number, read as a whole number, are its logarithm in steps of 2^-23 of an octave, too
/// small by up to 0.086 of one inside each. It is the same on all machines, which a library's logarithm need not be,
/// and takes two additions and a multiplication.
const fn decibels(power: f32) -> i32 {
    const ONE: i32 = 1.0_f32.to_bits() as i32;
    /// Half of the greatest error, so that it goes to both sides.
    const CENTRE: i32 = (0.043 * (1 << 23) as f32) as i32;
    /// 10·log10(2) dB.
    const OCTAVE: i32 = 771;
    let octaves = (power.to_bits() as i32 - ONE + CENTRE) >> 12;
    (octaves * OCTAVE) >> 11
}

/// Somebody began to speak, or stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpeechChange {
    /// Began, three steps ago.
    Started,
    /// Stopped: has been quiet for the hang-over.
    Stopped,
}

/// How far over the noise floor speech begins: twice as far as a line's noise varies from frame to frame.
const START_OVER_FLOOR: i32 = 9 * DB;

/// How far over the floor speech goes on: its quiet sounds lie under its onsets.
const STAY_OVER_FLOOR: i32 = 5 * DB;

/// What is quieter than this is not speech, on however quiet a line: a whisper at arm's length is about −55 dBov.
const QUIETEST_SPEECH: i32 = -58 * DB;

/// The floor stays within this: a line can be digitally silent, and who shouts without a pause is not noise.
const FLOOR_MIN: i32 = -90 * DB;
const FLOOR_MAX: i32 = -30 * DB;

/// Where the floor begins: a usual line.
const FLOOR_AT_START: i32 = -65 * DB;

/// How fast the floor rises while nobody speaks, a step: 10 dB a second, so that noise that grows is learnt as it
/// grows.
const RISE: i32 = DB / 5;

/// While somebody does: 1 dB a second. A long sentence must not become its own noise. The price is that unsteady
/// noise which begins at once is taken for speech for a second per dB; steady noise is known within two.
const RISE_IN_SPEECH: i32 = DB / 50;

/// It falls by this part of the way down to a quieter frame: speech has gaps of 100 ms, in which the floor is found
/// again.
const FALL_DIVISOR: i32 = 3;

/// Steps over the floor that make a start: a click of up to 20 ms touches two, wherever it falls.
const START_STEPS: u8 = 3;

/// Steps that must be quiet for a stop: 400 ms, longer than the pauses between words.
const HANG_OVER_STEPS: u8 = 20;

/// Sound whose level stays within so many dB for so many steps (one second) is a tone or noise, and becomes the
/// floor. The level of speech varies by 20 dB within a second, that of hum and noise by 1 to 4; of a vowel that
/// somebody sings as evenly the end is told too soon, and nothing else is lost.
const STEADY_WITHIN: u8 = 5;
const STEADY_STEPS: u8 = 50;

/// Says when somebody begins to speak and when they stop. It is told one level per 20 ms step.
#[derive(Clone, Copy, Debug)]
pub struct SpeechGate {
    floor: i32,
    speaking: bool,
    /// Steps in a row that speak for a change.
    steps: u8,
    /// The loudest and the quietest of this second's steps, and how many those are.
    loudest: Level,
    quietest: Level,
    seen: u8,
}

impl Default for SpeechGate {
    fn default() -> Self {
        Self {
            floor: FLOOR_AT_START,
            speaking: false,
            steps: 0,
            loudest: Level::SILENCE,
            quietest: Level(0),
            seen: 0,
        }
    }
}

impl SpeechGate {
    /// Takes in the next step's level.
    pub fn hear(&mut self, level: Level) -> Option<SpeechChange> {
        self.step(level, true)
    }

    /// Takes in the level of noise that the far end describes while nobody speaks (RFC 3389): never speech, and part
    /// of the floor.
    pub fn hear_noise(&mut self, level: Level) -> Option<SpeechChange> {
        self.step(level, false)
    }

    /// Whether somebody speaks, the hang-over included.
    pub const fn is_speaking(&self) -> bool {
        self.speaking
    }

    fn step(&mut self, level: Level, may_speak: bool) -> Option<SpeechChange> {
        let dbov = level.in_gate();
        let over = dbov - self.floor;
        self.follow(dbov);
        self.learn_if_steady(level);
        if self.speaking {
            let quiet = over < STAY_OVER_FLOOR || dbov < QUIETEST_SPEECH || !may_speak;
            return self.count(quiet, HANG_OVER_STEPS).then_some(SpeechChange::Stopped);
        }
        let loud = over >= START_OVER_FLOOR && dbov >= QUIETEST_SPEECH && may_speak;
        self.count(loud, START_STEPS).then_some(SpeechChange::Started)
    }

    fn follow(&mut self, dbov: i32) {
        let rise = if self.speaking { RISE_IN_SPEECH } else { RISE };
        let down = (dbov - self.floor) / FALL_DIVISOR;
        let floor = self.floor + if down < 0 { down } else { rise.min(dbov - self.floor) };
        self.floor = floor.clamp(FLOOR_MIN, FLOOR_MAX);
    }

    fn learn_if_steady(&mut self, level: Level) {
        self.loudest = self.loudest.min(level);
        self.quietest = self.quietest.max(level);
        self.seen += 1;
        if self.seen < STEADY_STEPS {
            return;
        }
        if self.quietest.0 - self.loudest.0 <= STEADY_WITHIN {
            self.floor = self.loudest.in_gate().clamp(FLOOR_MIN, FLOOR_MAX);
        }
        (self.loudest, self.quietest, self.seen) = (Level::SILENCE, Level(0), 0);
    }

    /// Counts steps in a row that speak for a change; with enough of them it happens.
    fn count(&mut self, for_change: bool, enough: u8) -> bool {
        self.steps = if for_change { self.steps + 1 } else { 0 };
        let changes = self.steps >= enough;
        if changes {
            self.steps = 0;
            self.speaking = !self.speaking;
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn level(minus_dbov: u8) -> Level {
        Level::from_minus_dbov(minus_dbov)
    }

    /// When the gate changed, in steps.
    fn changes(levels: impl IntoIterator<Item = u8>) -> Vec<(usize, SpeechChange)> {
        let mut gate = SpeechGate::default();
        let hear = |(step, minus_dbov)| gate.hear(level(minus_dbov)).map(|change| (step, change));
        levels.into_iter().enumerate().filter_map(hear).collect()
    }

    /// A run of steps at one level.
    fn steps(count: usize, minus_dbov: u8) -> Vec<u8> {
        vec![minus_dbov; count]
    }

    #[test]
    fn levels_are_those_of_rfc_6464() {
        assert_eq!(Level::of(&[0; 160]), Level::SILENCE);
        assert_eq!(Level::of(&[]), Level::SILENCE);
        assert_eq!(Level::of(&[i16::MAX; 160]).minus_dbov(), 0);
        assert_eq!(Level::of(&[i16::MIN; 960]).minus_dbov(), 0);
        let sine: Vec<i16> = (0..160).map(|n| ((f64::from(n) * 0.3).sin() * 32_767.0) as i16).collect();
        assert_eq!(Level::of(&sine).minus_dbov(), 3, "a sine is 3 dB under a square");
        assert_eq!(Level::of(&[327; 160]).minus_dbov(), 40);
        assert_eq!(Level::of(&[1; 160]).minus_dbov(), 90);
        assert_eq!(Level::from_minus_dbov(200), Level::SILENCE);
    }

    #[test]
    fn speech_starts_after_three_steps_and_stops_after_the_hang_over() {
        let speech = (0..50).map(|n| 24 + n % 12 * 7 % 12).collect();
        let heard = [steps(100, 70), speech, steps(100, 70)].concat();
        assert_eq!(changes(heard), [(102, SpeechChange::Started), (169, SpeechChange::Stopped)]);
    }

    #[test]
    fn a_click_is_not_speech_even_if_it_falls_into_two_steps() {
        assert_eq!(changes([steps(100, 70), steps(1, 10), steps(100, 70)].concat()), []);
        assert_eq!(changes([steps(100, 70), steps(2, 10), steps(100, 70)].concat()), []);
    }

    #[test]
    fn hum_that_begins_at_once_is_known_within_two_seconds() {
        let hum = (0..3_000).map(|n| 43 + (n % 4) as u8);
        let heard = changes(steps(33, 70).into_iter().chain(hum));
        let [(33..=40, SpeechChange::Started), (..160, SpeechChange::Stopped)] = heard[..] else {
            panic!("{heard:?}");
        };
    }

    #[test]
    fn noise_that_the_far_end_describes_is_never_speech() {
        let mut gate = SpeechGate::default();
        let hear = |minus_dbov| move |gate: &mut SpeechGate| gate.hear_noise(level(minus_dbov));
        assert!((0..300).all(|_| hear(40)(&mut gate).is_none()));
        // And the pause that it fills ends a speech, however loud the line is.
        let mut gate = SpeechGate::default();
        assert!((0..5).any(|_| gate.hear(level(20)).is_some()));
        let pause: Vec<bool> = (0..30).map(|_| hear(40)(&mut gate).is_some()).collect();
        assert_eq!(pause.iter().position(|changed| *changed), Some(usize::from(HANG_OVER_STEPS) - 1));
    }

    #[test]
    fn pauses_between_words_do_not_stop_it() {
        let word = [steps(15, 28), steps(10, 65)].concat();
        let heard = changes([steps(50, 65), word.repeat(40), steps(50, 65)].concat());
        assert_eq!(heard.len(), 2, "{heard:?}");
    }

    #[test]
    fn a_noisy_line_is_learnt_and_speech_over_it_is_heard() {
        let noise = |count: usize| (0..count).map(|n| 44 + (n % 3) as u8).collect::<Vec<_>>();
        let heard = changes([noise(3_000), steps(50, 25), noise(200)].concat());
        let [.., (start, SpeechChange::Started), (_, SpeechChange::Stopped)] = heard[..] else {
            panic!("{heard:?}");
        };
        assert_eq!(start, 3_002);
        assert!(heard.len() <= 4, "the noise is taken for speech once at most: {heard:?}");
    }

    #[test]
    fn quiet_talkers_on_quiet_lines_are_heard() {
        let heard = changes([steps(50, 90), steps(30, 52), steps(50, 90)].concat());
        assert_eq!(heard.len(), 2, "{heard:?}");
        assert_eq!(changes([steps(50, 127), steps(30, 62), steps(50, 127)].concat()), []);
    }

    #[test]
    fn a_minute_without_a_pause_is_one_speech() {
        let heard = changes((0..3_000).map(|n| 22 + (n * 7 % 12) as u8));
        assert_eq!(heard.len(), 1, "{heard:?}");
    }

    proptest! {
        /// Starts and stops take turns, and are never closer than what makes them.
        #[test]
        fn starts_and_stops_take_turns(levels in proptest::collection::vec(0u8..=255, 0..500)) {
            let heard = changes(levels);
            for (n, (_, change)) in heard.iter().enumerate() {
                let expected = if n % 2 == 0 { SpeechChange::Started } else { SpeechChange::Stopped };
                prop_assert_eq!(*change, expected);
            }
            for pair in heard.windows(2) {
                prop_assert!(pair[1].0 - pair[0].0 >= usize::from(START_STEPS));
            }
        }

        #[test]
        fn levels_are_the_nearest_to_the_exact_ones(
            amplitude in 1i32..=32_768,
            samples in proptest::collection::vec(-1.0f64..=1.0, 1..1_000),
        ) {
            let scaled = |unit: &f64| (unit * f64::from(amplitude)) as i32;
            let samples: Vec<i16> = samples.iter().map(|u| scaled(u).clamp(-32_768, 32_767) as i16).collect();
            let energy: f64 = samples.iter().map(|&s| f64::from(s).powi(2)).sum();
            let exact = -10.0 * (energy / samples.len() as f64 / 32_767f64.powi(2)).log10();
            let level = f64::from(Level::of(&samples).minus_dbov());
            // To the next whole number, and the logarithm's own error.
            let right = if energy == 0.0 { level == 127.0 } else { (level - exact).abs() < 0.5 + 0.14 };
            prop_assert!(right, "{level} for {exact}");
            let rms = (energy / samples.len() as f64).sqrt();
            prop_assert!((f64::from(Power::of(&samples).amplitude()) - rms).abs() < 0.51);
        }

        #[test]
        fn louder_sound_has_no_lower_level(samples in proptest::collection::vec(-3_000i16..3_000, 1..200)) {
            let louder: Vec<i16> = samples.iter().map(|s| s * 10).collect();
            prop_assert!(Level::of(&louder) <= Level::of(&samples));
        }
    }
}
