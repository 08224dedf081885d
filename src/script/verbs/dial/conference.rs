//! Conference: a seat in one, which begins when somebody who starts it comes.

use super::super::enqueue::Waiting;
use super::super::recording::{RecordingStatus, Trim};
use crate::call::{Beep, CallSid, ConferenceWord, is_label};
use crate::script::code::{
    CONFERENCE_BEEP, CONFERENCE_COACH, CONFERENCE_END_ON_EXIT, CONFERENCE_MUTED, CONFERENCE_NAME,
    CONFERENCE_START_ON_ENTER, CONFERENCE_TRIM, CONFERENCE_WAIT_METHOD, PARTICIPANT_LABEL, SCHEMA,
};
use crate::script::element::Element;
use crate::script::error::ScriptError;
use crate::script::target::{Callback, Target};

/// The longest name of a conference, in characters.
const NAME_MAX: usize = 128;

/// A seat in a conference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conference {
    /// The conference's name.
    pub name: String,
    /// Whether nobody hears the participant.
    pub muted: bool,
    /// Who is told of them by a beep.
    pub beep: Beep,
    /// Whether the conference begins with them.
    pub start_on_enter: bool,
    /// Whether it ends with them.
    pub end_on_exit: bool,
    /// What the API calls them, beside their call.
    pub label: Option<String>,
    /// How long their packets are waited for.
    pub jitter_buffer_size: JitterBufferSize,
    /// What they hear until it begins.
    pub wait: Waiting,
    /// How many have a seat: 2 to 250.
    pub max_participants: u16,
    /// Whether it is recorded from its beginning.
    pub record: bool,
    /// Whether silence is cut off.
    pub trim: Trim,
    /// Where it is mixed, if the document says so.
    pub region: Option<String>,
    /// The call that alone hears them.
    pub coach: Option<CallSid>,
    /// Who is told of the conference.
    pub status: Option<Callback>,
    /// Of what.
    pub status_events: Vec<ConferenceWord>,
    /// Who is told of the recording.
    pub recording_status: Option<RecordingStatus>,
    /// Who is told of the end; an older way.
    pub event_callback: Option<Target>,
}

/// How long packets are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JitterBufferSize {
    /// Not at all.
    Off,
    /// 20 ms.
    Small,
    /// 40 ms.
    Medium,
    /// 60 ms.
    Large,
}

impl Conference {
    pub(super) fn read(element: &Element<'_, '_>) -> Result<Self, ScriptError> {
        let buffers = [
            ("off", JitterBufferSize::Off),
            ("small", JitterBufferSize::Small),
            ("medium", JitterBufferSize::Medium),
            ("large", JitterBufferSize::Large),
        ];
        let records =
            [("do-not-record", false), ("false", false), ("record-from-start", true), ("true", true)];
        let conference = Self {
            name: name(element)?,
            muted: element.boolean("muted", false, CONFERENCE_MUTED),
            beep: element.choice("beep", Beep::BOTH, CONFERENCE_BEEP, &Beep::WRITTEN),
            start_on_enter: element.boolean("startConferenceOnEnter", true, CONFERENCE_START_ON_ENTER),
            end_on_exit: element.boolean("endConferenceOnExit", false, CONFERENCE_END_ON_EXIT),
            label: label(element),
            jitter_buffer_size: element.choice("jitterBufferSize", JitterBufferSize::Large, SCHEMA, &buffers),
            wait: Waiting::read(element, "waitMethod", CONFERENCE_WAIT_METHOD),
            max_participants: element.number("maxParticipants", 250, 2..=250, SCHEMA) as u16,
            record: element.choice("record", false, SCHEMA, &records),
            trim: Trim::read(element, Trim::Silence, CONFERENCE_TRIM),
            region: element.words("region"),
            coach: coach(element)?,
            status: element.callback("statusCallback", "statusCallbackMethod", SCHEMA),
            status_events: element.choices("statusCallbackEvent", &[], SCHEMA, &ConferenceWord::WRITTEN),
            recording_status: RecordingStatus::read(element),
            event_callback: element.target("eventCallbackUrl").filter(|target| !target.is_empty()),
        };
        element.pass_over(&["recordingConfigurationId"]);
        element.finish();
        element.no_children();
        Ok(conference)
    }
}

fn name(element: &Element<'_, '_>) -> Result<String, ScriptError> {
    let name = element.text();
    if name.is_empty() || name.chars().nth(NAME_MAX).is_some() {
        let what = format!("has no name of a conference, of 1 to {NAME_MAX} characters.");
        return Err(element.impossible(CONFERENCE_NAME, &what));
    }
    Ok(name)
}

fn label(element: &Element<'_, '_>) -> Option<String> {
    let right = "1 to 128 characters without /, and no SID of a call";
    element.value("participantLabel", None, PARTICIPANT_LABEL, right, |label| {
        is_label(label).then(|| Some(label.to_owned()))
    })
}

/// Who was to be heard by one only is not let in to be heard by all: a wrong one is an error, not a default.
fn coach(element: &Element<'_, '_>) -> Result<Option<CallSid>, ScriptError> {
    let Some(words) = element.words("coach") else {
        return Ok(None);
    };
    let wrong = |_| element.impossible(CONFERENCE_COACH, "has a coach that is not the SID of a call.");
    words.parse().map(Some).map_err(wrong)
}
