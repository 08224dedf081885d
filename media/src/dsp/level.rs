//! How loud a frame is, and whether somebody speaks: an energy gate over a noise floor that follows the line.
//!
//! The gate decides who is shown as speaking and counts as a talker; it never silences anybody.

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
        let energy: u64 = samples.iter().map(|&s| u64::from(s.unsigned_abs()).pow(2)).sum();
        if energy == 0 {
            return Self::SILENCE;
        }
        let mean = energy as f32 / samples.len() as f32;
        let dbov = 10.0 * (mean / (f32::from(i16::MAX) * f32::from(i16::MAX))).log10();
        Self((-dbov).round().clamp(0.0, 127.0) as u8)
    }

    /// In −dBov, 0 to 127.
    pub const fn minus_dbov(self) -> u8 {
        self.0
    }
}

/// Somebody began to speak, or stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpeechChange {
    /// Began, about two steps ago.
    Started,
    /// Stopped: has been quiet for the hang-over.
    Stopped,
}

/// How far over the noise floor speech begins, in dB: twice as far as a line's noise varies from frame to
/// frame.
const START_OVER_FLOOR: f32 = 9.0;

/// How far over the floor speech goes on, in dB: its quiet sounds lie under its onsets.
const STAY_OVER_FLOOR: f32 = 5.0;

/// What is quieter than this, in dBov, is not speech, on however quiet a line: a whisper at arm's length is about
/// −55.
const QUIETEST_SPEECH: f32 = -58.0;

/// The floor stays within this, in dBov: a line can be digitally silent, and who shouts without a pause is
/// not noise.
const FLOOR_MIN: f32 = -90.0;
const FLOOR_MAX: f32 = -30.0;

/// Where the floor begins, in dBov: a usual line.
const FLOOR_AT_START: f32 = -65.0;

/// How fast the floor rises while nobody speaks, in dB a step: 10 dB a second, so that noise that grows is
/// learnt as it grows.
const RISE: f32 = 0.2;

/// While somebody does: 1 dB a second. A long sentence must not become its own noise. The price is that noise
/// which begins at once is taken for speech for a second per dB.
const RISE_IN_SPEECH: f32 = 0.02;

/// Part of the way down to a quieter frame: speech has gaps of 100 ms, in which the floor is found again.
const FALL: f32 = 0.3;

/// Steps over the floor that make a start: a click is shorter than 40 ms.
const START_STEPS: u8 = 2;

/// Steps that must be quiet for a stop: 400 ms, longer than the pauses between words.
const HANG_OVER_STEPS: u8 = 20;

/// Says when somebody begins to speak and when they stop. It is told one level per 20 ms step.
#[derive(Clone, Copy, Debug)]
pub struct SpeechGate {
    floor: f32,
    speaking: bool,
    /// Steps in a row that speak for a change.
    steps: u8,
}

impl Default for SpeechGate {
    fn default() -> Self {
        Self { floor: FLOOR_AT_START, speaking: false, steps: 0 }
    }
}

impl SpeechGate {
    /// Takes in the next step's level.
    pub fn hear(&mut self, level: Level) -> Option<SpeechChange> {
        let dbov = -f32::from(level.minus_dbov());
        let over = dbov - self.floor;
        self.follow(dbov);
        if self.speaking {
            let quiet = over < STAY_OVER_FLOOR || dbov < QUIETEST_SPEECH;
            return self.count(quiet, HANG_OVER_STEPS).then_some(SpeechChange::Stopped);
        }
        let loud = over >= START_OVER_FLOOR && dbov >= QUIETEST_SPEECH;
        self.count(loud, START_STEPS).then_some(SpeechChange::Started)
    }

    /// Whether somebody speaks, the hang-over included.
    pub const fn is_speaking(&self) -> bool {
        self.speaking
    }

    fn follow(&mut self, dbov: f32) {
        let rise = if self.speaking { RISE_IN_SPEECH } else { RISE };
        let floor = if dbov < self.floor {
            self.floor + (dbov - self.floor) * FALL
        } else {
            (self.floor + rise).min(dbov)
        };
        self.floor = floor.clamp(FLOOR_MIN, FLOOR_MAX);
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
    fn speech_starts_after_two_steps_and_stops_after_the_hang_over() {
        let heard = [steps(100, 70), steps(50, 30), steps(100, 70)].concat();
        assert_eq!(changes(heard), [(101, SpeechChange::Started), (169, SpeechChange::Stopped)]);
    }

    #[test]
    fn a_click_is_not_speech() {
        assert_eq!(changes([steps(100, 70), steps(1, 10), steps(100, 70)].concat()), []);
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
        assert_eq!(start, 3_001);
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
        fn louder_sound_has_no_lower_level(samples in proptest::collection::vec(-3_000i16..3_000, 1..200)) {
            let louder: Vec<i16> = samples.iter().map(|s| s * 10).collect();
            prop_assert!(Level::of(&louder) <= Level::of(&samples));
        }
    }
}
