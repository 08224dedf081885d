//! What is wrong with a message of a server.

use super::from_server::{MARK_NAME_MAX, MESSAGE_MAX};

/// Characters of a server's text that a sentence repeats.
const QUOTED_MAX: usize = 60;

/// What is wrong with a message of a server. None of them ends the call or the stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// A binary frame. All messages are text.
    #[error("a binary frame came; messages are text frames, one JSON object each")]
    Binary,
    /// Not UTF-8, not JSON, or no object.
    #[error("a message is no JSON object: {0}")]
    NotJson(String),
    /// Over [`MESSAGE_MAX`].
    #[error("a message is longer than {MESSAGE_MAX} bytes")]
    TooLong,
    /// None of `media`, `mark` and `clear`.
    #[error("a message has the event \"{0}\"; media, mark and clear are understood")]
    UnknownEvent(String),
    /// The stream that it names is another, or none.
    #[error("a message is not for this stream: its \"streamSid\" is not the one that \"start\" told")]
    OtherStream,
    /// A field that it needs is not there.
    #[error("a message has no \"{0}\"")]
    Missing(&'static str),
    /// A field is not of the type that it has.
    #[error("a message's \"{field}\" is not {wanted}")]
    WrongType {
        /// Which, with its object.
        field: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// The same field twice.
    #[error("a message has \"{0}\" twice")]
    Twice(&'static str),
    /// The sound is not Base64 (RFC 4648 §4).
    #[error("a message's \"media.payload\" is not Base64")]
    Payload,
    /// The name of a mark is over [`MARK_NAME_MAX`].
    #[error("a mark's name is longer than {MARK_NAME_MAX} bytes")]
    MarkName,
    /// A field that no message has. The message counts all the same.
    #[error("a message has a field that is not known, \"{0}\"; it is passed over")]
    ExtraField(String),
    /// This stream only listens.
    #[error("a message came on a stream that only listens; a <Connect> has streams that speak")]
    Unidirectional,
}

impl Flaw {
    /// The reference's code for it.
    pub const fn code(&self) -> u32 {
        match self {
            Self::Binary | Self::NotJson(_) => 31950,
            Self::TooLong
            | Self::UnknownEvent(_)
            | Self::OtherStream
            | Self::Missing(_)
            | Self::WrongType { .. }
            | Self::Twice(_)
            | Self::Payload
            | Self::MarkName
            | Self::ExtraField(_)
            | Self::Unidirectional => 31951,
        }
    }
}

/// A server's text as a sentence may repeat it: short, on one line, without control characters.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String =
        text.chars().take(QUOTED_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(QUOTED_MAX).is_some() {
        shown.push_str("...");
    }
    shown
}
