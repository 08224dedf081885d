//! Conference: a seat in one, which begins when somebody who starts it comes.

use super::super::enqueue::Waiting;
use super::super::recording::{RecordingChannels, RecordingStatus, Trim};
use crate::script::code::{
    CONFERENCE_BEEP, CONFERENCE_COACH, CONFERENCE_END_ON_EXIT, CONFERENCE_MUTED, CONFERENCE_NAME,
    CONFERENCE_START_ON_ENTER, CONFERENCE_TRIM, CONFERENCE_WAIT_METHOD, PARTICIPANT_LABEL, SCHEMA,
};
use crate::script::element::Element;
use crate::script::error::ScriptError;
use crate::script::target::{Callback, Target};

/// The longest name of a conference or a participant, in characters.
const NAME_MAX: usize = 128;
/// Characters of a SID: two letters and 32 hexadecimal digits.
const SID_LEN: usize = 34;

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
    /// How the sounds lie in the recording; an own addition.
    pub recording_channels: RecordingChannels,
    /// Where it is mixed, if the document says so.
    pub region: Option<String>,
    /// The call that alone hears them.
    pub coach: Option<String>,
    /// Who is told of the conference.
    pub status: Option<Callback>,
    /// Of what.
    pub status_events: Vec<ConferenceEvent>,
    /// Who is told of the recording.
    pub recording_status: Option<RecordingStatus>,
    /// Who is told of the end; an older way.
    pub event_callback: Option<Target>,
}

/// When a beep is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beep {
    /// When they come and when they go.
    Both,
    /// Never.
    Never,
    /// When they come.
    OnEnter,
    /// When they go.
    OnExit,
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

/// What happens in a conference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConferenceEvent {
    /// It began.
    Start,
    /// It ended.
    End,
    /// Somebody came.
    Join,
    /// Somebody left.
    Leave,
    /// Somebody was muted, or no longer is.
    Mute,
    /// Somebody was put on hold, or no longer is.
    Hold,
    /// A participant's settings changed.
    Modify,
    /// Somebody began or stopped to speak.
    Speaker,
    /// An announcement was made, or failed.
    Announcement,
}

impl ConferenceEvent {
    const WORDS: [(&str, Self); 9] = [
        ("start", Self::Start),
        ("end", Self::End),
        ("join", Self::Join),
        ("leave", Self::Leave),
        ("mute", Self::Mute),
        ("hold", Self::Hold),
        ("modify", Self::Modify),
        ("speaker", Self::Speaker),
        ("announcement", Self::Announcement),
    ];
}

impl Conference {
    pub(super) fn read(element: &Element<'_, '_>) -> Result<Self, ScriptError> {
        let beeps = [
            ("true", Beep::Both),
            ("false", Beep::Never),
            ("onEnter", Beep::OnEnter),
            ("onExit", Beep::OnExit),
        ];
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
            beep: element.choice("beep", Beep::Both, CONFERENCE_BEEP, &beeps),
            start_on_enter: element.boolean("startConferenceOnEnter", true, CONFERENCE_START_ON_ENTER),
            end_on_exit: element.boolean("endConferenceOnExit", false, CONFERENCE_END_ON_EXIT),
            label: label(element),
            jitter_buffer_size: element.choice("jitterBufferSize", JitterBufferSize::Large, SCHEMA, &buffers),
            wait: Waiting::read(element, "waitMethod", CONFERENCE_WAIT_METHOD),
            max_participants: element.number("maxParticipants", 250, 2..=250, SCHEMA) as u16,
            record: element.choice("record", false, SCHEMA, &records),
            trim: Trim::read(element, Trim::Silence, CONFERENCE_TRIM),
            recording_channels: element.choice(
                "recordingChannels",
                RecordingChannels::Mono,
                SCHEMA,
                &RecordingChannels::WORDS,
            ),
            region: element.words("region"),
            coach: coach(element)?,
            status: element.callback("statusCallback", "statusCallbackMethod", SCHEMA),
            status_events: element.choices("statusCallbackEvent", &[], SCHEMA, &ConferenceEvent::WORDS),
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

/// Not one that could be a call's SID, nor one that splits the path of a request.
fn label(element: &Element<'_, '_>) -> Option<String> {
    let right = "1 to 128 characters without /, and no SID of a call";
    element.value("participantLabel", None, PARTICIPANT_LABEL, right, |label| {
        let is_fine = !label.is_empty()
            && label.chars().nth(NAME_MAX).is_none()
            && !label.contains('/')
            && !label.to_ascii_lowercase().contains("%2f")
            && !label.chars().any(char::is_control)
            && !is_call_sid(label);
        is_fine.then(|| Some(label.to_owned()))
    })
}

/// Who was to be heard by one only is not let in to be heard by all: a wrong one is an error, not a default.
fn coach(element: &Element<'_, '_>) -> Result<Option<String>, ScriptError> {
    match element.words("coach") {
        Some(sid) if !is_call_sid(&sid) => {
            Err(element.impossible(CONFERENCE_COACH, "has a coach that is not the SID of a call."))
        }
        sid => Ok(sid),
    }
}

fn is_call_sid(text: &str) -> bool {
    text.len() == SID_LEN
        && text.strip_prefix("CA").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
