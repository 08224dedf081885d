//! Play: a sound by its URL, or keys.

use super::Repeat;
use crate::call::DigitString;
use crate::script::code::{BAD_URL, PLAY_DIGITS, PLAY_LOOP, SCHEMA};
use crate::script::element::Element;
use crate::script::error::ScriptError;
use crate::script::target::Target;

/// What to play.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Play {
    /// A sound or keys.
    pub what: Playable,
    /// How often.
    pub repeat: Repeat,
}

/// A sound or keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Playable {
    /// The sound behind a URL, which is asked with GET and without parameters.
    Sound(Target),
    /// Keys, sent to the far end.
    Keys(DigitString),
}

impl Play {
    pub(super) fn read(element: &Element<'_, '_>) -> Result<Self, ScriptError> {
        let right = "keys (0-9, A-D, #, *) and pauses (w, W), 32 at most";
        let keys = element.secret("digits", PLAY_DIGITS, right, |keys| DigitString::parse(keys).ok());
        let repeat = Repeat::read(element, PLAY_LOOP);
        element.finish();
        element.no_children();
        let target = Target::new(&element.text());
        let what = match keys {
            Some(keys) => {
                if !target.is_empty() {
                    element.warn(SCHEMA, "has digits and a URL; the URL is skipped.");
                }
                Playable::Keys(keys)
            }
            None if target.is_empty() => {
                return Err(element.impossible(BAD_URL, "has neither the URL of a sound nor digits."));
            }
            None if !target.is_readable() => {
                return Err(element.impossible(BAD_URL, "has no HTTP URL as its text."));
            }
            None => Playable::Sound(target),
        };
        Ok(Self { what, repeat })
    }
}
