//! Record: what the caller says, until a key, silence or the longest time. What follows is never reached, because
//! `action` is always told.

use std::time::Duration;

use super::gather::{FinishKeys, action};
use super::recording::{RecordingStatus, Trim};
use crate::script::code::{
    RECORD_BEEP, RECORD_MAX_LENGTH, RECORD_METHOD, RECORD_TIMEOUT, RECORD_TRANSCRIBE,
    RECORD_TRANSCRIBE_LENGTH, RECORD_TRIM,
};
use crate::script::element::Element;
use crate::script::target::{Callback, Method};

/// The longest silence that can be asked for, in seconds.
const TIMEOUT_MAX: u64 = 3_600;
/// The longest recording, in seconds: a day, which no call exceeds.
const LENGTH_MAX: u64 = 86_400;
/// The longest recording that is written down.
const TRANSCRIBED_MAX: Duration = Duration::from_secs(120);

/// Records the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who is told at the end; the document itself if the text does not say.
    pub action: Callback,
    /// How long a silence ends it; none does if `None`.
    pub timeout: Option<Duration>,
    /// Which keys end it.
    pub finish_on_key: FinishKeys,
    /// How long it can be.
    pub max_length: Duration,
    /// Whether a beep says that it begins.
    pub play_beep: bool,
    /// Whether silence is cut off.
    pub trim: Trim,
    /// Who is told of the recording.
    pub recording_status: Option<RecordingStatus>,
    /// Whether it is written down.
    pub transcription: Option<Transcription>,
}

/// A recording is to be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcription {
    /// Who gets the text.
    pub callback: Option<Callback>,
}

impl Record {
    pub(super) fn read(element: &Element<'_, '_>) -> Self {
        let timeout = element.seconds("timeout", 5, 0..=TIMEOUT_MAX, RECORD_TIMEOUT);
        let callback = element.target("transcribeCallback").filter(|target| !target.is_empty());
        // Who names a callback wants the text, whether they say so or not.
        let transcribe = element.boolean("transcribe", callback.is_some(), RECORD_TRANSCRIBE);
        let callback = callback.map(|target| Callback { target, method: Method::Post });
        let record = Self {
            action: action(element, RECORD_METHOD),
            timeout: Some(timeout).filter(|timeout| !timeout.is_zero()),
            finish_on_key: FinishKeys::several(element),
            max_length: element.seconds("maxLength", 3_600, 2..=LENGTH_MAX, RECORD_MAX_LENGTH),
            play_beep: element.boolean("playBeep", true, RECORD_BEEP),
            trim: Trim::read(element, Trim::Silence, RECORD_TRIM),
            recording_status: RecordingStatus::read(element),
            transcription: transcribe.then_some(Transcription { callback }),
        };
        if transcribe && element.attribute("maxLength").is_some() && record.max_length > TRANSCRIBED_MAX {
            let what = "is longer than the 120 seconds that can be transcribed; it is recorded all the same.";
            element.warn(RECORD_TRANSCRIBE_LENGTH, what);
        }
        element.pass_over(&["recordingConfigurationId"]);
        element.finish();
        element.no_children();
        element.no_text();
        record
    }
}
