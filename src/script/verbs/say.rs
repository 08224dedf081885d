//! Say: a text to speak. Of SSML the words are taken, and what `sub` says instead; how they are to be spoken is not.

use super::Repeat;
use crate::script::code::{SAY_LOOP, SAY_TEXT, SAY_TOO_LONG, SCHEMA};
use crate::script::element::Element;
use crate::script::error::ScriptError;

/// The longest text, in characters.
pub const SAY_MAX: usize = 4_096;

/// Elements of SSML 1.1, and those that voices of others add. All but `sub` are read for the words within.
const SSML: [&str; 20] = [
    "amazon_breath",
    "amazon_domain",
    "amazon_effect",
    "amazon_emotion",
    "audio",
    "break",
    "desc",
    "emphasis",
    "lang",
    "mark",
    "p",
    "phoneme",
    "prosody",
    "s",
    "say-as",
    "speak",
    "sub",
    "token",
    "voice",
    "w",
];

/// A text to speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Say {
    /// The words, with single spaces; never empty.
    pub text: String,
    /// Who speaks, if the document says so; else the account's choice, or `man`.
    pub voice: Option<String>,
    /// The language, as a tag (RFC 5646).
    pub language: String,
    /// How often.
    pub repeat: Repeat,
}

impl Say {
    /// Nothing if there is nothing to say.
    pub(super) fn read(element: &Element<'_, '_>) -> Result<Option<Self>, ScriptError> {
        let say = Self {
            text: element.all_text(ssml),
            voice: element.words("voice"),
            language: element.words("language").unwrap_or_else(|| "en-US".to_owned()),
            repeat: Repeat::read(element, SAY_LOOP),
        };
        element.finish();
        if say.text.chars().nth(SAY_MAX).is_some() {
            let what = format!("has a text of over {SAY_MAX} characters, the most that is spoken.");
            return Err(element.impossible(SAY_TOO_LONG, &what));
        }
        if say.text.is_empty() {
            element.warn(SAY_TEXT, "has no text to speak; it is skipped.");
            return Ok(None);
        }
        Ok(Some(say))
    }
}

/// What is said instead of what stands within an element of SSML, if it is something else.
fn ssml(element: &Element<'_, '_>) -> Option<String> {
    match element.name() {
        "sub" => element.words("alias"),
        // Words on either side of it are two.
        "break" => Some(" ".to_owned()),
        name if SSML.contains(&name) => None,
        _ => {
            element.warn(SCHEMA, "is no SSML that is known; the text within is spoken.");
            None
        }
    }
}
