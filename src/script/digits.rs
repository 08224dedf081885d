//! Keys to be sent, with pauses between them: `SendDigits` of a new call, `digits` of Play, `sendDigits` of Number.
//! They may be a PIN.

use std::fmt;
use std::time::Duration;

use confab_media::Digit;

/// The most keys and pauses that `SendDigits` takes.
pub const SEND_DIGITS_MAX: usize = 32;
/// How long `w` is.
const SHORT_PAUSE: Duration = Duration::from_millis(500);
/// How long `W` is.
const LONG_PAUSE: Duration = Duration::from_secs(1);

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStep {
    /// Send a key.
    Key(Digit),
    /// Send nothing for so long.
    Pause(Duration),
}

/// Keys and pauses, in order. Its contents cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySequence(Vec<KeyStep>);

impl KeySequence {
    /// Reads `0`-`9`, `A`-`D`, `#`, `*`, `w` for half a second and `W` for one. Nothing if there is anything else, or
    /// nothing at all.
    pub fn parse(text: &str) -> Option<Self> {
        let steps: Option<Vec<_>> = text.chars().map(step).collect();
        steps.filter(|steps| !steps.is_empty()).map(Self)
    }

    /// Like [`KeySequence::parse`], of at most [`SEND_DIGITS_MAX`].
    pub fn parse_short(text: &str) -> Option<Self> {
        Self::parse(text).filter(|sequence| sequence.0.len() <= SEND_DIGITS_MAX)
    }

    /// What to do, for the one who sends it.
    pub fn steps(&self) -> &[KeyStep] {
        &self.0
    }
}

impl fmt::Debug for KeySequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySequence({} steps)", self.0.len())
    }
}

fn step(key: char) -> Option<KeyStep> {
    match key {
        'w' => Some(KeyStep::Pause(SHORT_PAUSE)),
        'W' => Some(KeyStep::Pause(LONG_PAUSE)),
        // Letters of keys are capital.
        'a'..='d' => None,
        key => Digit::from_char(key).map(KeyStep::Key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(sequence: &KeySequence) -> String {
        let tell = |step: &KeyStep| match step {
            KeyStep::Key(digit) => digit.expose().to_string(),
            KeyStep::Pause(pause) => format!("({})", pause.as_millis()),
        };
        sequence.steps().iter().map(tell).collect()
    }

    #[test]
    fn keys_and_pauses_are_read_in_order() {
        for (text, steps) in [
            ("0123456789", "0123456789"),
            ("ABCD#*", "ABCD#*"),
            ("wW", "(500)(1000)"),
            ("ww1234#", "(500)(500)1234#"),
            ("1W*", "1(1000)*"),
        ] {
            assert_eq!(told(&KeySequence::parse(text).unwrap()), steps);
        }
    }

    #[test]
    fn anything_else_is_no_sequence() {
        for text in ["", "12 34", "a", "E", "1,2", "+44", "\u{661}", "12\n"] {
            assert_eq!(KeySequence::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn short_sequences_have_thirty_two_steps() {
        assert!(KeySequence::parse_short(&"1".repeat(32)).is_some());
        assert_eq!(KeySequence::parse_short(&"w".repeat(33)), None);
    }

    #[test]
    fn a_sequence_does_not_show_its_keys() {
        let sequence = KeySequence::parse("4711w").unwrap();
        assert_eq!(format!("{sequence:?}"), "KeySequence(5 steps)");
        assert!(!format!("{:?}", sequence.steps()).contains('4'));
    }
}
