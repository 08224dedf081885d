//! Dial: the caller is connected with others, who are called for it (the first who answers), or with a conference, or
//! with whoever waits longest in a queue.

mod client;
mod conference;
mod number;
mod queue;
mod sip;

pub use client::Client;
pub use conference::{Conference, JitterBufferSize};
pub use number::Number;
pub use queue::Queue;
pub use sip::{Sip, SipAddress, SipCredentials};

use std::time::Duration;

use super::recording::{RecordingStatus, RecordingTrack, Trim};
use crate::script::code::{
    Code, DIAL_CALLER_ID, DIAL_HANG_UP_ON_STAR, DIAL_METHOD, DIAL_NESTED, DIAL_RECORD, DIAL_TIME_LIMIT,
    DIAL_TIMEOUT, MIXED_NOUNS, NUMBER_FORMAT, SCHEMA, TOO_MANY_TARGETS,
};
use crate::script::element::Element;
use crate::script::error::ScriptError;
use crate::script::target::Callback;

/// The most who are called at once.
pub const TARGETS_MAX: usize = 10;
/// The shortest and the longest that somebody is rung, in seconds.
const RINGING: std::ops::RangeInclusive<u64> = 5..=600;
/// The longest call, in seconds: a day.
const CALL_MAX: u64 = 86_400;
/// The longest reason that is shown to the one called, in characters.
const REASON_MAX: usize = 50;

/// Connects the caller with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    /// With whom.
    pub to: DialTo,
    /// Who is told how it went, and says what comes next; without, the next verb does.
    pub action: Option<Callback>,
    /// How long they are rung.
    pub timeout: Duration,
    /// Whether the caller ends the connection by pressing `*`.
    pub hang_up_on_star: bool,
    /// How long they are connected at most.
    pub time_limit: Duration,
    /// What the one called sees; the caller's own if the document does not say.
    pub caller_id: Option<String>,
    /// Whether it is recorded.
    pub record: Option<DialRecording>,
    /// Whether silence is cut off.
    pub trim: Trim,
    /// Who is told of the recording.
    pub recording_status: Option<RecordingStatus>,
    /// Which direction is recorded.
    pub recording_track: RecordingTrack,
    /// Whether the caller is answered only when somebody else has.
    pub answer_on_bridge: bool,
    /// The country whose ringing tone the caller hears, as a code of two letters.
    pub ring_tone: Option<String>,
    /// Whether they are called one after another.
    pub sequential: bool,
    /// Who is asked when one of them transfers the other.
    pub refer: Option<Callback>,
    /// Why they are called.
    pub call_reason: Option<String>,
}

/// With whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialTo {
    /// These are called; at least one, at most [`TARGETS_MAX`].
    Parties(Vec<Party>),
    /// A conference.
    Conference(Box<Conference>),
    /// Who waits longest there.
    Queue(Queue),
}

/// Somebody to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Party {
    /// A telephone number.
    Number(Number),
    /// A registered agent.
    Client(Client),
    /// An address of SIP.
    Sip(Box<Sip>),
}

/// How a connection is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DialRecording {
    /// Whether ringing is on it.
    pub from_ringing: bool,
    /// Whether the two are kept apart, the caller first.
    pub dual: bool,
}

/// What a call can become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEvent {
    /// It was begun.
    Initiated,
    /// It rings.
    Ringing,
    /// It was answered.
    Answered,
    /// It is over.
    Completed,
}

/// What a Number, a Client and a Sip have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// A document that the one called hears before they are connected.
    pub whisper: Option<Callback>,
    /// Who is told of the call.
    pub status: Option<Callback>,
    /// Of what.
    pub status_events: Vec<CallEvent>,
}

impl Called {
    fn read(element: &Element<'_, '_>, method_code: Code) -> Self {
        let words = [
            ("initiated", CallEvent::Initiated),
            ("ringing", CallEvent::Ringing),
            ("answered", CallEvent::Answered),
            ("completed", CallEvent::Completed),
        ];
        Self {
            whisper: element.callback("url", "method", method_code),
            status: element.callback("statusCallback", "statusCallbackMethod", SCHEMA),
            status_events: element.choices("statusCallbackEvent", &[CallEvent::Completed], SCHEMA, &words),
        }
    }
}

/// Attributes that ask whether a person or a machine answered.
const MACHINE_DETECTION: [&str; 7] = [
    "machineDetection",
    "machineDetectionTimeout",
    "machineDetectionSpeechThreshold",
    "machineDetectionSpeechEndThreshold",
    "machineDetectionSilenceTimeout",
    "amdStatusCallback",
    "amdStatusCallbackMethod",
];

impl Dial {
    pub(super) fn read(element: &Element<'_, '_>) -> Result<Self, ScriptError> {
        let dial = Self {
            to: DialTo::Parties(Vec::new()),
            action: element.callback("action", "method", DIAL_METHOD),
            timeout: element.seconds("timeout", 30, RINGING, DIAL_TIMEOUT),
            hang_up_on_star: element.boolean("hangupOnStar", false, DIAL_HANG_UP_ON_STAR),
            time_limit: element.seconds("timeLimit", 14_400, 1..=CALL_MAX, DIAL_TIME_LIMIT),
            caller_id: caller_id(element),
            record: recording(element),
            trim: Trim::read(element, Trim::Nothing, SCHEMA),
            recording_status: RecordingStatus::read(element),
            recording_track: RecordingTrack::read(element),
            answer_on_bridge: element.boolean("answerOnBridge", false, SCHEMA),
            ring_tone: ring_tone(element),
            sequential: element.boolean("sequential", false, SCHEMA),
            refer: element.callback("referUrl", "referMethod", SCHEMA),
            call_reason: call_reason(element),
        };
        element.pass_over(&["recordingConfigurationId", "events", "passports"]);
        element.finish();
        Ok(Self { to: to(element)?, ..dial })
    }
}

/// Whom the nouns name, or the text if there are none.
fn to(element: &Element<'_, '_>) -> Result<DialTo, ScriptError> {
    let text = element.text();
    let mut nouns = Nouns::default();
    for child in element.children() {
        nouns.read(&child)?;
    }
    if !nouns.named {
        if text.is_empty() {
            return Err(element.impossible(NUMBER_FORMAT, "has nobody to dial: neither a number nor a noun."));
        }
        let number = Number::of_text(element, &text)?;
        return Ok(DialTo::Parties(vec![Party::Number(number)]));
    }
    element.no_text();
    nouns.decide(element)
}

#[derive(Default)]
struct Nouns {
    /// Whether there was a noun at all, usable or not.
    named: bool,
    parties: Vec<Party>,
    others: Vec<DialTo>,
    /// Why the first unusable one is.
    unusable: Option<ScriptError>,
    too_many: bool,
}

impl Nouns {
    fn read(&mut self, child: &Element<'_, '_>) -> Result<(), ScriptError> {
        let party = match child.name() {
            "Number" => Number::read(child).map(Party::Number),
            "Client" => Client::read(child).map(Party::Client),
            "Sip" => Sip::read(child).map(|sip| Party::Sip(Box::new(sip))),
            "Conference" => {
                self.others.push(DialTo::Conference(Box::new(Conference::read(child)?)));
                self.named = true;
                return Ok(());
            }
            "Queue" => {
                self.others.push(DialTo::Queue(Queue::read(child)?));
                self.named = true;
                return Ok(());
            }
            _ => {
                child.warn(DIAL_NESTED, "is nothing that can be dialled here; it is skipped.");
                return Ok(());
            }
        };
        self.named = true;
        match party {
            Ok(_) if self.parties.len() == TARGETS_MAX => self.too_many = true,
            Ok(party) => self.parties.push(party),
            Err(error) => {
                child.warn(error.code, "cannot be dialled; the others are.");
                self.unusable.get_or_insert(error);
            }
        }
        Ok(())
    }

    fn decide(mut self, element: &Element<'_, '_>) -> Result<DialTo, ScriptError> {
        if self.too_many {
            let what = format!("has over {TARGETS_MAX} nouns; the first {TARGETS_MAX} are dialled.");
            element.warn(TOO_MANY_TARGETS, &what);
        }
        let kinds = self.others.len() + usize::from(!self.parties.is_empty());
        match (kinds, self.others.pop(), self.unusable) {
            (1, Some(other), _) => Ok(other),
            (1, None, _) => Ok(DialTo::Parties(self.parties)),
            (0, _, Some(unusable)) => Err(unusable),
            (0, _, None) => Err(element.impossible(NUMBER_FORMAT, "has nobody to dial.")),
            _ => Err(element.impossible(
                MIXED_NOUNS,
                "mixes nouns: it can have one Conference, or one Queue, or Number, Client and Sip.",
            )),
        }
    }
}

fn caller_id(element: &Element<'_, '_>) -> Option<String> {
    let right = "a number, an address or a name without control characters";
    element.value("callerId", None, DIAL_CALLER_ID, right, |value| {
        let is_fine = !value.is_empty() && value.len() < 256 && !value.chars().any(char::is_control);
        is_fine.then(|| Some(value.to_owned()))
    })
}

fn recording(element: &Element<'_, '_>) -> Option<DialRecording> {
    let how = |from_ringing, dual| Some(DialRecording { from_ringing, dual });
    let words = [
        ("do-not-record", None),
        ("false", None),
        ("record-from-answer", how(false, false)),
        ("true", how(false, false)),
        ("record-from-ringing", how(true, false)),
        ("record-from-answer-dual", how(false, true)),
        ("record-from-ringing-dual", how(true, true)),
    ];
    element.choice("record", None, DIAL_RECORD, &words)
}

/// Countries by two letters, and what older networks sound like there; `automatic` is the default.
fn ring_tone(element: &Element<'_, '_>) -> Option<String> {
    element.value("ringTone", None, SCHEMA, "a country code of two letters", |value| {
        let value = value.to_ascii_lowercase();
        let is_country = value.len() == 2 && value.bytes().all(|byte| byte.is_ascii_lowercase());
        match value.as_str() {
            "automatic" => Some(None),
            "us-old" => Some(Some(value)),
            _ => is_country.then_some(Some(value)),
        }
    })
}

fn call_reason(element: &Element<'_, '_>) -> Option<String> {
    let right = format!("at most {REASON_MAX} characters");
    element.value("callReason", None, SCHEMA, &right, |value| {
        let is_fine = value.chars().nth(REASON_MAX).is_none() && !value.chars().any(char::is_control);
        is_fine.then(|| Some(value.to_owned()).filter(|value| !value.is_empty()))
    })
}
