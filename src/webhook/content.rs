//! What an answer is, by its Content-Type.
//!
//! | Content-Type | is |
//! |---|---|
//! | `text/xml`, `application/xml`, `text/html` | a call script |
//! | `text/plain` | a call script if it parses, otherwise words to be said |
//! | `audio/*` | a sound to be played |
//! | none, and no body | nothing to do |
//! | anything else | 12300 |

use std::fmt;

use bytes::Bytes;

use super::body::Body;
use super::failure::{Failure, FailureKind};
use super::ledger::Ledger;

/// What came when a call script was asked for.
pub struct Script {
    /// Where it came from after all redirects, without user and fragment: what relative URLs in it are relative to.
    /// Its query may hold parameters: it is not for logs.
    pub url: String,
    /// What it is.
    pub content: Content,
}

/// Without the URL, whose query may hold parameters.
impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("content", &self.content).finish_non_exhaustive()
    }
}

/// What an answer is.
pub enum Content {
    /// Markup: 64 KiB at most, in whatever encoding it says.
    Markup(Bytes),
    /// Plain text: markup if it parses, otherwise to be said. 64 KiB at most.
    Text(Bytes),
    /// A sound to be played.
    Sound(Box<Sound>),
    /// Nothing.
    Empty,
}

/// How much there is, never what: an application may repeat what it was told.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Markup(body) => write!(f, "Markup({} bytes)", body.len()),
            Self::Text(body) => write!(f, "Text({} bytes)", body.len()),
            Self::Sound(sound) => sound.fmt(f),
            Self::Empty => f.write_str("Empty"),
        }
    }
}

/// Whether a Content-Type is that of a sound.
pub(super) fn is_sound(said: &str) -> bool {
    said.trim_start().get(.."audio/".len()).is_some_and(|kind| kind.eq_ignore_ascii_case("audio/"))
}

/// What a body that is no sound is. `said` is the header.
pub(super) fn kind_of(said: Option<&str>, body: Bytes) -> Result<Content, FailureKind> {
    let Some(said) = said else {
        return if body.is_empty() { Ok(Content::Empty) } else { Err(FailureKind::ContentType) };
    };
    let essence = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "text/xml" | "application/xml" | "text/html" => Ok(Content::Markup(body)),
        "text/plain" => Ok(Content::Text(body)),
        _ => Err(FailureKind::ContentType),
    }
}

/// A sound that is still coming. It is read piece by piece, so that however long it is, little is held.
pub struct Sound {
    url: String,
    content_type: Option<String>,
    /// None when all of it has come, or the rest never will.
    body: Option<Body>,
    ledger: Ledger,
}

impl Sound {
    pub(super) fn new(url: String, content_type: Option<String>, body: Body, ledger: Ledger) -> Self {
        Self { url, content_type, body: Some(body), ledger }
    }

    /// Where it came from after all redirects. Not for logs: its query may hold secrets.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the server says it is: the header as it came.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// The bytes still to come, if the server announced them.
    pub fn length(&self) -> Option<u64> {
        self.body.as_ref().and_then(Body::length)
    }

    /// The next piece; nothing at the end, and after an error.
    ///
    /// # Errors
    /// [`FailureKind::TooLarge`], [`FailureKind::Broken`], [`FailureKind::ReadTimedOut`] or [`FailureKind::TimedOut`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        let Some(body) = &mut self.body else { return Ok(None) };
        match body.chunk().await {
            Ok(Some(piece)) => Ok(Some(piece)),
            Ok(None) => {
                self.body = None;
                self.ledger.succeeded();
                Ok(None)
            }
            Err(kind) => {
                self.body = None;
                Err(self.ledger.failed(kind))
            }
        }
    }
}

impl fmt::Debug for Sound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sound").field("content_type", &self.content_type).finish_non_exhaustive()
    }
}
