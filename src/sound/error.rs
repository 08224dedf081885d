//! Why a sound cannot be played.

/// A content type, or a content, that is no sound that is read here.
pub(super) const BAD_CONTENT_TYPE: u32 = 12_300;
/// A sound that Play cannot play: broken, too large, too long, or of a kind that is known and not read.
pub(super) const UNPLAYABLE: u32 = 13_420;

/// Why a sound cannot be played. The sentence says what is wrong and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({code})")]
pub struct SoundError {
    /// As Twilio's dictionary numbers it.
    pub code: u32,
    /// In words.
    pub message: String,
}

impl SoundError {
    pub(super) fn broken(why: &str) -> Self {
        Self { code: UNPLAYABLE, message: format!("The sound cannot be played: {why}.") }
    }

    pub(super) fn unread(kind: &str, why: &str) -> Self {
        Self { code: UNPLAYABLE, message: format!("The {kind} file cannot be played: {why}.") }
    }
}
