//! A call script as a whole: XML with a `Response` at its root and verbs within (TwiML). Reading it costs a bounded time
//! and memory, whatever it is: it is at most 64 kB, has no DTD, and no depth of it is walked by recursion.

use roxmltree::{Error, ParsingOptions};

use super::code::{
    Code, DIAL_ON_CALLED_LEG, INLINE_TOO_LONG, NOT_FOR_LISTENING, NOT_XML, REJECT, SCHEMA, TOO_LARGE,
    WRONG_ROOT,
};
use super::element::{Element, Reading};
use super::error::{Quoted, ScriptError, Warning};
use super::verbs::Verb;

/// The largest document, in bytes.
pub const DOCUMENT_MAX: usize = 64 * 1_024;
/// The longest document in a parameter, in characters.
pub const INLINE_MAX: usize = 4_000;

/// The most namespaces that a document declares. It needs none, and the parser copies all of an element's into each that
/// declares another within: a few thousand, nested, would take it many seconds.
const NAMESPACES_MAX: usize = 64;

/// A call script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What to do, in order.
    pub verbs: Vec<Verb>,
    /// What was passed over.
    pub warnings: Vec<Warning>,
}

/// What a document is for; it decides which verbs it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A call: every verb.
    Call,
    /// Somebody who waits for a conference, is on hold, or hears an announcement: Play, Say, Pause, Redirect.
    Listening,
    /// Somebody who waits in a queue: those, and Gather, Hangup, Leave.
    Queue,
    /// The one who was called, before they are connected: all but what would connect them with somebody else.
    Whisper,
}

impl Document {
    /// Reads a document that came from a URL.
    ///
    /// # Errors
    /// When it is too large, is not XML, or has another root.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        Self::parse_for(text, Use::Call)
    }

    /// Reads a document that came in a parameter.
    ///
    /// # Errors
    /// As [`Document::parse`], and when it is over 4,000 characters.
    pub fn parse_inline(text: &str) -> Result<Self, ScriptError> {
        if text.chars().nth(INLINE_MAX).is_some() {
            let message = format!(
                "The document has over {INLINE_MAX} characters, the most that a parameter takes; a longer one \
                 has to come from a URL."
            );
            return Err(ScriptError { code: INLINE_TOO_LONG, message });
        }
        Self::parse(text)
    }

    /// Reads a document that only plays: for those who wait, are on hold, or hear an announcement. Other verbs are
    /// skipped with a warning.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse_for_listening(text: &str) -> Result<Self, ScriptError> {
        Self::parse_for(text, Use::Listening)
    }

    /// Reads a document for a use. Verbs that it has no place for are skipped with a warning.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn parse_for(text: &str, purpose: Use) -> Result<Self, ScriptError> {
        if text.len() > DOCUMENT_MAX {
            let message = format!("The document has {} bytes; {DOCUMENT_MAX} are read.", text.len());
            return Err(ScriptError { code: TOO_LARGE, message });
        }
        if text.matches("xmlns").nth(NAMESPACES_MAX).is_some() {
            let message = format!("The document declares over {NAMESPACES_MAX} namespaces; it needs none.");
            return Err(ScriptError { code: NOT_XML, message });
        }
        match parse_xml(text) {
            Err(Error::UnknownNamespace(prefix, _)) if is_voice_prefix(&prefix) => {
                let text = without_prefix(text, &prefix);
                parse_xml(&text).map_or_else(|error| Err(not_xml(&error)), |xml| read(&text, &xml, purpose))
            }
            Err(error) => Err(not_xml(&error)),
            Ok(xml) => read(text, &xml, purpose),
        }
    }
}

fn parse_xml(text: &str) -> Result<roxmltree::Document<'_>, Error> {
    roxmltree::Document::parse_with_options(
        text,
        ParsingOptions { allow_dtd: false, ..ParsingOptions::default() },
    )
}

/// Prefixes that voices use in SSML and that no SDK declares.
fn is_voice_prefix(prefix: &str) -> bool {
    prefix == "amazon" || prefix == "google"
}

/// The text with such a prefix as a part of the name. Nothing moves, so that places stay right.
fn without_prefix(text: &str, prefix: &str) -> String {
    let opened = text.replace(&format!("<{prefix}:"), &format!("<{prefix}_"));
    opened.replace(&format!("</{prefix}:"), &format!("</{prefix}_"))
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the parser's own enum, of which some have better words here"
)]
fn not_xml(error: &Error) -> ScriptError {
    let message = match error {
        Error::DtdDetected => "The document has a DTD (<!DOCTYPE ...>), which is not read.".to_owned(),
        Error::NoRootNode => {
            "The document is empty; it has to be XML with <Response> at its root.".to_owned()
        }
        Error::UnclosedRootNode | Error::UnexpectedEndOfStream => {
            "The document ends within an element; every element has to be closed.".to_owned()
        }
        Error::UnknownEntityReference(name, place) => format!(
            "The document has the entity &{}; at {place}, which XML does not know: an ampersand is written &amp;.",
            short(name)
        ),
        Error::MalformedEntityReference(place) => {
            format!("The document has an ampersand at {place} that begins no entity: it is written &amp;.")
        }
        // It says the place itself.
        other => format!("The document is not XML: {}.", short(&other.to_string())),
    };
    ScriptError { code: NOT_XML, message }
}

/// Characters of an XML parser's own words that are passed on: they may hold a piece of the document.
const WORDS_MAX: usize = 200;

fn short(words: &str) -> String {
    words.chars().filter(|c| !c.is_control()).take(WORDS_MAX).collect()
}

fn read(text: &str, xml: &roxmltree::Document<'_>, purpose: Use) -> Result<Document, ScriptError> {
    let reading = Reading::new(text);
    let root = Element::new(xml.root_element(), &reading);
    if root.name() != "Response" {
        let name = Quoted(root.name()).to_string();
        let what = format!("is {name}, and the root of a call script has to be <Response>.");
        return Err(root.impossible(WRONG_ROOT, &what));
    }
    root.finish();
    root.no_text();
    let mut verbs = Vec::new();
    for element in root.children() {
        if let Some(code) = purpose.refuses(element.name()) {
            element.warn(code, "has no place in a document for this use; it is skipped.");
            continue;
        }
        let Some(verb) = Verb::read(&element) else {
            continue;
        };
        verbs.push(in_its_place(verb, &verbs, &element));
    }
    Ok(Document { verbs, warnings: reading.into_warnings() })
}

/// A call that was answered cannot be refused any more: it ends.
fn in_its_place(verb: Verb, before: &[Verb], element: &Element<'_, '_>) -> Verb {
    let is_answered = !before.iter().all(|verb| matches!(verb, Verb::Pause(_)));
    if !is_answered || !matches!(verb, Verb::Reject(_)) {
        return verb;
    }
    element.warn(REJECT, "comes when the call is answered already; it ends as with <Hangup>.");
    Verb::Hangup
}

impl Use {
    /// The code for a verb that has no place here. What is no verb at all is said by who reads it.
    fn refuses(self, name: &str) -> Option<Code> {
        let (refused, code): (&[&str], Code) = match self {
            Self::Call => return None,
            Self::Listening => (&LISTENING_REFUSES, NOT_FOR_LISTENING),
            // The verbs that come before these in the list can be had in a queue.
            Self::Queue => (&LISTENING_REFUSES[3..], NOT_FOR_LISTENING),
            Self::Whisper => (&WHISPER_REFUSES, SCHEMA),
        };
        let code = if self == Self::Whisper && name == "Dial" { DIAL_ON_CALLED_LEG } else { code };
        refused.contains(&name).then_some(code)
    }
}

const LISTENING_REFUSES: [&str; 12] = [
    "Gather", "Hangup", "Leave", "Dial", "Reject", "Record", "Pay", "Enqueue", "Refer", "Start", "Stop",
    "Connect",
];

const WHISPER_REFUSES: [&str; 6] = ["Dial", "Enqueue", "Leave", "Reject", "Refer", "Connect"];
