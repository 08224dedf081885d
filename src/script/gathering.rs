//! How keys become the outcome of a Gather: a state machine without a clock. Whoever runs it says when the prompts ended,
//! what was pressed, and what time it is; and is told until when to wait.
//!
//! A key stops the prompts, so that the wait begins with the first key or with their end, whichever comes first, and anew
//! with each key.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use confab_media::Digit;

use super::secret::SecretDigits;
use super::verbs::{FinishKeys, Gather};

/// Digits that are kept where the document sets no number: nobody types more, and memory has an end.
const DIGITS_MAX: NonZeroUsize = NonZeroUsize::new(super::verbs::DIGITS_MAX).expect("more than none");

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gathered {
    /// These were typed: `action` is told.
    Digits(SecretDigits),
    /// Nothing was typed, and `action` is told of that.
    Empty,
    /// Nothing was typed: the script goes on with the next verb.
    Continue,
}

/// One collection of keys.
#[derive(Clone, Debug)]
pub struct Gathering {
    dtmf: bool,
    finish_on_key: FinishKeys,
    num_digits: NonZeroUsize,
    timeout: Duration,
    action_on_empty_result: bool,
    digits: SecretDigits,
    /// From when on nothing has come, once it counts.
    silent_since: Option<Instant>,
    is_over: bool,
}

impl Gathering {
    /// A collection that has heard nothing, with prompts still to be played.
    pub fn new(gather: &Gather) -> Self {
        let num_digits = gather.num_digits.unwrap_or(DIGITS_MAX);
        Self {
            dtmf: gather.dtmf,
            finish_on_key: gather.finish_on_key,
            num_digits,
            timeout: gather.timeout,
            action_on_empty_result: gather.action_on_empty_result,
            digits: SecretDigits::with_capacity(num_digits.get()),
            silent_since: None,
            is_over: false,
        }
    }

    /// The prompts were played to their end; there may have been none.
    pub fn prompts_ended(&mut self, now: Instant) {
        self.silent_since.get_or_insert(now);
    }

    /// A key was pressed. Whether it stops the prompts: [`Gathering::listens`]. An outcome ends the collection: later keys
    /// are nothing to it.
    pub fn press(&mut self, digit: Digit, now: Instant) -> Option<Gathered> {
        if !self.listens() {
            return None;
        }
        self.silent_since = Some(now);
        if self.finish_on_key.contains(digit) {
            return Some(self.finish());
        }
        self.digits.push(digit);
        (self.digits.len() >= self.num_digits.get()).then(|| self.finish())
    }

    /// It is `now`; an outcome if the wait is over.
    pub fn time(&mut self, now: Instant) -> Option<Gathered> {
        let is_due = self.deadline().is_some_and(|deadline| deadline <= now);
        is_due.then(|| self.finish())
    }

    /// When [`Gathering::time`] is to be said next; `None` while prompts are played, and at the end.
    pub fn deadline(&self) -> Option<Instant> {
        self.silent_since.filter(|_| !self.is_over).map(|since| since + self.timeout)
    }

    /// Whether keys matter to it.
    pub fn listens(&self) -> bool {
        self.dtmf && !self.is_over
    }

    fn finish(&mut self) -> Gathered {
        self.is_over = true;
        let digits = std::mem::replace(&mut self.digits, SecretDigits::with_capacity(0));
        match digits.is_empty() {
            false => Gathered::Digits(digits),
            true if self.action_on_empty_result => Gathered::Empty,
            true => Gathered::Continue,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::script::{Document, Verb};

    fn gathering(attributes: &str) -> Gathering {
        let document = Document::parse(&format!("<Response><Gather {attributes}/></Response>")).unwrap();
        assert_eq!(document.warnings, [], "{attributes}");
        let Verb::Gather(gather) = &document.verbs[0] else {
            panic!("{:?}", document.verbs);
        };
        Gathering::new(gather)
    }

    /// What comes of these keys, one a second after the prompts' end; `_` is a second without.
    fn outcome(attributes: &str, keys: &str) -> Option<String> {
        let mut gathering = gathering(attributes);
        let begin = Instant::now();
        gathering.prompts_ended(begin);
        for (second, key) in keys.chars().enumerate() {
            let now = begin + Duration::from_secs(second as u64 + 1);
            let gathered = match Digit::from_char(key) {
                Some(digit) => gathering.press(digit, now),
                None => gathering.time(now),
            };
            if let Some(gathered) = gathered {
                let shown = match gathered {
                    Gathered::Digits(digits) => digits.expose().to_owned(),
                    Gathered::Empty => "empty".to_owned(),
                    Gathered::Continue => "continue".to_owned(),
                };
                return Some(format!("{shown} at {}", second + 1));
            }
        }
        None
    }

    #[test]
    fn keys_are_collected_until_one_ends_it_or_the_time_is_over() {
        for (attributes, keys, expected) in [
            ("", "123#", Some("123 at 4")),
            ("", "12_____", Some("12 at 7")),
            ("", "12____3_____", Some("123 at 12")),
            ("", "12*A", None),
            ("", "_____", Some("continue at 5")),
            ("", "#", Some("continue at 1")),
            ("actionOnEmptyResult='true'", "_____", Some("empty at 5")),
            ("actionOnEmptyResult='true'", "#", Some("empty at 1")),
            ("numDigits='1'", "7", Some("7 at 1")),
            ("numDigits='4'", "1234", Some("1234 at 4")),
            ("numDigits='4'", "12#", Some("12 at 3")),
            ("numDigits='4' finishOnKey=''", "12#*", Some("12#* at 4")),
            ("finishOnKey='*'", "1#2*", Some("1#2 at 4")),
            ("finishOnKey='5'", "1235", Some("123 at 4")),
            ("timeout='2'", "1__", Some("1 at 3")),
            ("timeout='0'", "_", Some("continue at 1")),
            ("input='speech'", "123#", None),
            ("input='dtmf speech'", "1#", Some("1 at 2")),
        ] {
            let expected = expected.map(str::to_owned);
            assert_eq!(outcome(attributes, keys), expected, "{attributes} {keys}");
        }
    }

    #[test]
    fn nothing_runs_out_while_prompts_are_played() {
        let (mut gathering, begin) = (gathering(""), Instant::now());
        assert_eq!(gathering.deadline(), None);
        assert_eq!(gathering.time(begin + Duration::from_secs(3_600)), None);
        gathering.prompts_ended(begin);
        assert_eq!(gathering.deadline(), Some(begin + Duration::from_secs(5)));
    }

    #[test]
    fn a_key_during_a_prompt_begins_the_wait_and_the_prompts_end_does_not_lengthen_it() {
        let (mut gathering, begin) = (gathering(""), Instant::now());
        let second = Duration::from_secs(1);
        assert_eq!(gathering.press(Digit::from_char('1').unwrap(), begin), None);
        gathering.prompts_ended(begin + 3 * second);
        assert_eq!(gathering.deadline(), Some(begin + 5 * second));
    }

    #[test]
    fn without_an_end_a_thousand_digits_are_one() {
        let (mut gathering, now) = (gathering("finishOnKey=''"), Instant::now());
        let one = Digit::from_char('1').unwrap();
        let outcomes: Vec<_> = (0..1_000).filter_map(|_| gathering.press(one, now)).collect();
        let [Gathered::Digits(digits)] = &outcomes[..] else {
            panic!("{} outcomes", outcomes.len());
        };
        assert_eq!((digits.len(), gathering.press(one, now), gathering.deadline()), (1_000, None, None));
    }

    #[test]
    fn what_was_typed_is_not_shown() {
        let (mut gathering, now) = (gathering("numDigits='3'"), Instant::now());
        let keys = ['4', '7'].map(|key| Digit::from_char(key).unwrap());
        assert!(keys.iter().all(|key| gathering.press(*key, now).is_none()));
        let gathered = gathering.press(keys[0], now);
        // The time of day may hold any figures.
        let time = format!("{:?}", gathering.silent_since);
        let shown = format!("{gathering:?} {gathered:?}").replace(&time, "then");
        assert!(!shown.contains("47") && shown.contains("3 digits"), "{shown}");
    }

    proptest! {
        /// One outcome at most, with the keys before it in order, and never a finish key among them.
        #[test]
        fn whatever_is_pressed_there_is_one_outcome_of_it(
            keys in proptest::collection::vec((0_u8..16, 0_u64..8), 0..40),
            finish in prop_oneof![Just(""), Just("#"), Just("*"), Just("5")],
            num_digits in 1_usize..20,
        ) {
            let mut gathering = gathering(&format!("finishOnKey='{finish}' numDigits='{num_digits}'"));
            let (mut now, mut pressed, mut outcome) = (Instant::now(), String::new(), None);
            gathering.prompts_ended(now);
            for (event, pause) in keys {
                now += Duration::from_secs(pause);
                let digit = Digit::from_event(event).unwrap();
                let timed_out = gathering.time(now);
                prop_assert_eq!(timed_out.is_some(), outcome.is_none() && pause >= 5);
                outcome = outcome.or(timed_out);
                if outcome.is_none() && !finish.contains(digit.expose()) {
                    pressed.push(digit.expose());
                }
                let ended = gathering.press(digit, now);
                prop_assert!(outcome.is_none() || ended.is_none(), "one outcome");
                outcome = outcome.or(ended);
            }
            match outcome {
                Some(Gathered::Digits(digits)) => {
                    prop_assert_eq!(digits.expose(), pressed);
                    prop_assert!(digits.len() <= num_digits);
                }
                Some(Gathered::Continue) => prop_assert_eq!(pressed, ""),
                Some(Gathered::Empty) => prop_assert!(false, "it was not asked for"),
                None => prop_assert!(pressed.len() < num_digits),
            }
        }
    }
}
