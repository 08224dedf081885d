//! Keys that somebody asks to be pressed towards a far end, as they are written: `0`-`9`, `*`, `#`, `A`-`D`, `w` for
//! half a second of waiting and `W` for a second.

use std::fmt;
use std::time::Duration;

use confab_media::{DIGIT_DURATION, DIGIT_PAUSE, Digit, DigitQueueFull, DigitSender};
use zeroize::Zeroizing;

/// What `w` and `W` wait.
const SHORT_WAIT: Duration = Duration::from_millis(500);
const LONG_WAIT: Duration = Duration::from_millis(1_000);

/// Keys and waits to be pressed one after another. They may be a card number: they cannot be shown, and are wiped
/// when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct DigitString(Zeroizing<String>);

/// Why a text is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigitStringError {
    /// There is nothing in it.
    #[error("no keys")]
    Empty,
    /// Something is in it that is no key and no wait.
    #[error("keys are 0-9, *, #, A-D, and w or W to wait")]
    NoKey,
    /// It is longer than may wait to be pressed: 32 keys, less one for two waits apart.
    #[error("more than 32 keys, waits counted by halves")]
    TooLong,
}

impl DigitString {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// [`DigitStringError`]: what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, DigitStringError> {
        if text.is_empty() {
            return Err(DigitStringError::Empty);
        }
        if !text.chars().all(|key| wait(key).is_some() || Digit::from_char(key).is_some()) {
            return Err(DigitStringError::NoKey);
        }
        let string = Self(Zeroizing::new(text.to_owned()));
        string.press().map_err(|DigitQueueFull| DigitStringError::TooLong)?;
        Ok(string)
    }

    /// How long it takes to press all of it.
    pub fn duration(&self) -> Duration {
        self.0.chars().map(|key| wait(key).unwrap_or(DIGIT_DURATION + DIGIT_PAUSE)).sum()
    }

    /// What presses it.
    pub(super) fn presses(&self) -> Option<Box<DigitSender>> {
        // That it can be was tried when it was read.
        self.press().ok()
    }

    fn press(&self) -> Result<Box<DigitSender>, DigitQueueFull> {
        let mut sender = Box::new(DigitSender::new());
        for key in self.0.chars() {
            match (wait(key), Digit::from_char(key)) {
                (Some(wait), _) => sender.pause(wait)?,
                (None, Some(digit)) => sender.press(digit, DIGIT_DURATION)?,
                (None, None) => {}
            }
        }
        Ok(sender)
    }
}

fn wait(key: char) -> Option<Duration> {
    match key {
        'w' => Some(SHORT_WAIT),
        'W' => Some(LONG_WAIT),
        _ => None,
    }
}

impl fmt::Debug for DigitString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigitString(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use confab_media::DigitWay;
    use proptest::prelude::*;

    use super::*;

    /// When each key begins, in ticks.
    fn begins(text: &str) -> Vec<usize> {
        let mut sender = DigitString::parse(text).unwrap().presses().unwrap();
        let mut begins = Vec::new();
        let mut tick = 0;
        while !sender.is_idle() {
            sender.begin(DigitWay::Events(8_000));
            if sender.event(0).is_some_and(|packet| packet.marker) {
                begins.push(tick);
            }
            tick += 1;
        }
        begins
    }

    #[test]
    fn a_string_lasts_as_long_as_its_keys_and_waits() {
        let key = DIGIT_DURATION + DIGIT_PAUSE;
        for (text, duration) in
            [("1", key), ("12#", 3 * key), ("w1W", key + SHORT_WAIT + LONG_WAIT), ("ww", 2 * SHORT_WAIT)]
        {
            assert_eq!(DigitString::parse(text).unwrap().duration(), duration, "{text}");
        }
    }

    #[test]
    fn keys_are_pressed_one_after_another_and_waits_are_kept() {
        assert_eq!(begins("0123456789*#ABCDabcd").len(), 20);
        assert_eq!(begins("12"), [0, 10]);
        assert_eq!(begins("ww1w2W3"), [50, 85, 145]);
        assert_eq!(begins(&"9".repeat(32)).len(), 32);
    }

    #[test]
    fn what_is_no_key_is_refused_by_name() {
        let refused = |text: &str| DigitString::parse(text).unwrap_err();
        assert_eq!(refused(""), DigitStringError::Empty);
        for text in ["12a4e", "1 2", "1,2", "+49", "１"] {
            assert_eq!(refused(text), DigitStringError::NoKey);
        }
        assert_eq!(refused(&"1".repeat(33)), DigitStringError::TooLong);
        assert_eq!(refused(&"w".repeat(65)), DigitStringError::TooLong);
    }

    #[test]
    fn neither_keys_nor_what_is_wrong_with_them_can_be_shown() {
        let shown = format!("{:?} {:?}", DigitString::parse("4711"), DigitString::parse("4711x"));
        assert!(shown.contains("redacted") && !shown.contains("47"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_text_is_harmless(text in ".{0,100}", keys in "[0-9wW]{0,80}") {
            for text in [text, keys] {
                if let Ok(string) = DigitString::parse(&text) {
                    prop_assert!(string.presses().is_some());
                }
            }
        }
    }
}
