//! Number: somebody by their telephone number.

use super::{Called, MACHINE_DETECTION};
use crate::call::DigitString;
use crate::script::code::{NUMBER_FORMAT, NUMBER_METHOD, NUMBER_SEND_DIGITS};
use crate::script::element::Element;
use crate::script::error::ScriptError;

/// The most digits: 15 are in a number (ITU-T E.164 §6.1), the rest is for prefixes of trunks.
const DIGITS_MAX: usize = 32;

/// A telephone number to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    /// The digits, `*` and `#`, after a `+` if the document has one; what people write between them is left out.
    pub number: String,
    /// Keys to send when somebody answers.
    pub send_digits: Option<DigitString>,
    /// What all who are called have.
    pub called: Called,
}

impl Number {
    pub(super) fn read(element: &Element<'_, '_>) -> Result<Self, ScriptError> {
        let right = "keys (0-9, A-D, #, *) and pauses (w, W), at most 32";
        let send_digits =
            element.secret("sendDigits", NUMBER_SEND_DIGITS, right, |keys| DigitString::parse(keys).ok());
        let called = Called::read(element, NUMBER_METHOD);
        element.pass_over(&MACHINE_DETECTION);
        element.pass_over(&["byoc"]);
        element.finish();
        element.no_children();
        Ok(Self { number: digits(element, &element.text())?, send_digits, called })
    }

    /// The text of a Dial.
    pub(super) fn of_text(element: &Element<'_, '_>, text: &str) -> Result<Self, ScriptError> {
        let status_events = vec![super::CallEvent::Completed];
        let called = Called { whisper: None, status: None, status_events };
        Ok(Self { number: digits(element, text)?, send_digits: None, called })
    }
}

fn digits(element: &Element<'_, '_>, text: &str) -> Result<String, ScriptError> {
    let wrong = |what: &str| Err(element.impossible(NUMBER_FORMAT, what));
    let mut number = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' | '*' | '#' => number.push(c),
            '+' if number.is_empty() => number.push(c),
            ' ' | '-' | '.' | '(' | ')' | '/' | '\u{a0}' => {}
            _ => return wrong("has no telephone number as its text: +442071838750 would be one."),
        }
    }
    match number.trim_start_matches('+').len() {
        0 => wrong("has no telephone number as its text: +442071838750 would be one."),
        1..=DIGITS_MAX => Ok(number),
        _ => wrong("has a telephone number that is too long."),
    }
}

impl Number {
    /// Whether it is in full international form (ITU-T E.164): `+` and up to 15 digits.
    pub fn is_international(&self) -> bool {
        let digits = self.number.strip_prefix('+').unwrap_or_default();
        (1..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    }
}
