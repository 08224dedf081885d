//! What a call is to do: enter a conference, or follow a script.

use std::fmt;

use super::recordings::ConferenceRecording;
use super::seating::{Beep, ConferenceCallback, SeatSound};
use super::sid::{CallSid, ConferenceSid};
use crate::config::{RouteScript, ScriptSource, WebhookUrl};

/// What a call is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Take a seat in a conference, as soon as it is answered.
    Conference(JoinTerms),
    /// Follow a script. One that comes in is answered when its script says so.
    Script(Voice),
    /// Wait, answered, until whoever dialled it says.
    Wait,
    /// The same, after a script that is heard first.
    Whisper(Voice),
}

/// Where a call's script comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voice {
    /// The script.
    pub source: VoiceSource,
    /// Where to ask if it cannot be had or read.
    pub fallback: Option<VoiceUrl>,
    /// What whoever has it is told once beside the facts of the call.
    pub parameters: Vec<(String, String)>,
}

/// A script, or where it is.
#[derive(Clone, PartialEq, Eq)]
pub enum VoiceSource {
    /// To be fetched.
    Url(VoiceUrl),
    /// The script itself.
    Inline(String),
}

/// A script says what callers type and hear: `Debug` does not show it.
impl fmt::Debug for VoiceSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.debug_tuple("Url").field(url).finish(),
            Self::Inline(script) => f.debug_struct("Inline").field("len", &script.len()).finish(),
        }
    }
}

/// An address to be asked, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoiceUrl {
    /// The address.
    pub url: String,
    /// The method.
    pub method: HttpMethod,
}

impl From<WebhookUrl> for VoiceUrl {
    fn from(url: WebhookUrl) -> Self {
        Self { url: url.url, method: if url.get { HttpMethod::Get } else { HttpMethod::Post } }
    }
}

impl From<RouteScript> for Voice {
    fn from(script: RouteScript) -> Self {
        let source = match script.source {
            ScriptSource::Url(url) => VoiceSource::Url(url.into()),
            ScriptSource::Inline(text) => VoiceSource::Inline(text),
        };
        Self { source, fallback: script.fallback.map(VoiceUrl::from), parameters: Vec::new() }
    }
}

/// How a webhook is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpMethod {
    /// Parameters in the query.
    Get,
    /// Parameters in a form.
    #[default]
    Post,
}

/// Who is told how far a call gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusCallback {
    /// Where.
    pub url: VoiceUrl,
    /// Of what.
    pub events: CallEvents,
}

/// Which steps of a call somebody wants to be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallEvents {
    /// It was begun.
    pub initiated: bool,
    /// It rings.
    pub ringing: bool,
    /// It was answered.
    pub answered: bool,
    /// It is over, however it ended.
    pub completed: bool,
}

impl Default for CallEvents {
    fn default() -> Self {
        Self { initiated: false, ringing: false, answered: false, completed: true }
    }
}

/// How a call takes its seat in a conference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinTerms {
    /// The conference's name.
    pub conference: String,
    /// The conference itself, or the call of two, for somebody who listens in: nothing begins or ends with them, and the
    /// name does not matter.
    pub listens_in: Option<ConferenceSid>,
    /// A name for the seat, told to nobody but the API's user.
    pub label: Option<String>,
    /// Nobody hears them.
    pub muted: bool,
    /// The conference starts with them; until it does those in it wait apart from each other.
    pub start_on_enter: bool,
    /// The conference ends when they leave.
    pub end_on_exit: bool,
    /// Participants that are let in, if fewer than the node allows.
    pub participants_max: Option<usize>,
    /// When all hear a tone of them.
    pub beep: Beep,
    /// What they hear until the conference starts.
    pub wait: SeatSound,
    /// The call that alone hears them; it must be in the conference.
    pub coach: Option<CallSid>,
    /// Who is told of the conference, if it begins with them.
    pub news: Option<ConferenceCallback>,
    /// How the conference is recorded, if they are the first to say so.
    pub record: Option<ConferenceRecording>,
}

impl JoinTerms {
    /// The usual terms, without tones and music.
    pub fn named(conference: impl Into<String>) -> Self {
        Self {
            conference: conference.into(),
            listens_in: None,
            label: None,
            muted: false,
            start_on_enter: true,
            end_on_exit: false,
            participants_max: None,
            beep: Beep::NEVER,
            wait: SeatSound::Silence,
            coach: None,
            news: None,
            record: None,
        }
    }

    /// Those of somebody who listens in.
    pub fn listening_in(conference: ConferenceSid) -> Self {
        Self { listens_in: Some(conference), start_on_enter: false, ..Self::named(String::new()) }
    }
}
