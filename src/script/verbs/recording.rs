//! What Record, Dial and Conference say of recordings alike.

use crate::script::code::{Code, RECORDING_EVENT, RECORDING_TRACK, SCHEMA};
use crate::script::element::Element;
use crate::script::target::Callback;

/// Whether silence at both ends is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trim {
    /// It is.
    Silence,
    /// It stays.
    Nothing,
}

impl Trim {
    pub(super) fn read(element: &Element<'_, '_>, default: Self, code: Code) -> Self {
        let words = [("trim-silence", Self::Silence), ("do-not-trim", Self::Nothing)];
        element.choice("trim", default, code, &words)
    }
}

/// Which direction is recorded, seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingTrack {
    /// What the far end says.
    Inbound,
    /// What it is told.
    Outbound,
    /// Both.
    Both,
}

impl RecordingTrack {
    pub(super) fn read(element: &Element<'_, '_>, name: &'static str) -> Self {
        let words = [("inbound", Self::Inbound), ("outbound", Self::Outbound), ("both", Self::Both)];
        element.choice(name, Self::Both, RECORDING_TRACK, &words)
    }
}

/// How the sounds of a recording lie in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingChannels {
    /// All as one.
    Mono,
    /// Each direction by itself; of a conference the first participant, and beside them all others.
    Dual,
    /// Of a conference, each participant by themselves; an own addition.
    Multitrack,
}

impl RecordingChannels {
    pub(super) const WORDS: [(&str, Self); 3] =
        [("mono", Self::Mono), ("dual", Self::Dual), ("multitrack", Self::Multitrack)];
}

/// What a recording can become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingEvent {
    /// It has begun.
    InProgress,
    /// It can be fetched.
    Completed,
    /// There is nothing to fetch.
    Absent,
    /// It failed.
    Failed,
}

/// Who is told of a recording, and of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingStatus {
    /// Who.
    pub callback: Callback,
    /// Of what.
    pub events: Vec<RecordingEvent>,
}

impl RecordingStatus {
    pub(super) fn read(element: &Element<'_, '_>) -> Option<Self> {
        let words = [
            ("in-progress", RecordingEvent::InProgress),
            ("completed", RecordingEvent::Completed),
            ("absent", RecordingEvent::Absent),
            ("failed", RecordingEvent::Failed),
        ];
        let default = [RecordingEvent::Completed];
        let events = element.choices("recordingStatusCallbackEvent", &default, RECORDING_EVENT, &words);
        let callback =
            element.callback("recordingStatusCallback", "recordingStatusCallbackMethod", SCHEMA)?;
        Some(Self { callback, events })
    }
}
