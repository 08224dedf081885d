//! Calls, conferences and participants as others may see them: plain values, copied out of the model.

use chrono::{DateTime, TimeDelta, Utc};

use super::sid::{AccountSid, CallSid, ConferenceSid};

/// A call (at this API, one leg).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallView {
    /// Its name.
    pub sid: CallSid,
    /// Whose it is.
    pub account: AccountSid,
    /// The call whose script dialled this one.
    pub parent: Option<CallSid>,
    /// Who called: a SIP user or number, or a whole `sip:` URI if there is no user part.
    pub from: String,
    /// Who was called.
    pub to: String,
    /// Who dialled.
    pub direction: CallDirection,
    /// How far it got.
    pub status: CallStatus,
    /// When it came to be known.
    pub created: DateTime<Utc>,
    /// When it last changed.
    pub updated: DateTime<Utc>,
    /// When it was answered.
    pub started: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended: Option<DateTime<Utc>>,
    /// How long it waited to be dialled.
    pub queue_time: TimeDelta,
    /// The trunk that it came or went over.
    pub trunk: Option<String>,
    /// The last status that the far end's SIP answered to our INVITE.
    pub sip_status: Option<u16>,
}

/// Who dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallDirection {
    /// The far end called the node.
    Inbound,
    /// The node called the far end because the API asked for it.
    OutboundApi,
    /// The node called the far end because another call's script asked for it.
    OutboundDial,
}

impl CallDirection {
    /// As the API and webhooks say it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::OutboundApi => "outbound-api",
            Self::OutboundDial => "outbound-dial",
        }
    }
}

/// How far a call got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallStatus {
    /// Waits for its turn to be dialled.
    Queued,
    /// Known, not answered.
    Ringing,
    /// Answered.
    InProgress,
    /// Ended after it was answered.
    Completed,
    /// Refused: the one called had no room for it.
    Busy,
    /// Could not be set up.
    Failed,
    /// Nobody answered in time.
    NoAnswer,
    /// Given up by the caller before the answer.
    Canceled,
}

impl CallStatus {
    /// As the API and webhooks say it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Ringing => "ringing",
            Self::InProgress => "in-progress",
            Self::Completed => "completed",
            Self::Busy => "busy",
            Self::Failed => "failed",
            Self::NoAnswer => "no-answer",
            Self::Canceled => "canceled",
        }
    }

    /// Whether the call is over.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Queued | Self::Ringing | Self::InProgress => false,
            Self::Completed | Self::Busy | Self::Failed | Self::NoAnswer | Self::Canceled => true,
        }
    }
}

/// A conference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConferenceView {
    /// Its name at the API.
    pub sid: ConferenceSid,
    /// Whose it is.
    pub account: AccountSid,
    /// The name people dial; one conference of a name is active at a time in an account.
    pub friendly_name: String,
    /// How far it got.
    pub status: ConferenceStatus,
    /// When the first participant came.
    pub created: DateTime<Utc>,
    /// When it last changed.
    pub updated: DateTime<Utc>,
    /// Why it ended, when it has.
    pub reason_ended: Option<ConferenceEnd>,
    /// The call whose leaving ended it, if one did.
    pub call_sid_ending: Option<CallSid>,
    /// How many are in it now.
    pub participants: usize,
    /// Whether it is one that people dial. Two calls that are bridged have one that is not.
    pub is_listed: bool,
}

/// How far a conference got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConferenceStatus {
    /// Nobody with the right to start it has come.
    Init,
    /// Running.
    InProgress,
    /// Over.
    Completed,
}

/// Why a conference ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConferenceEnd {
    /// The API was asked to end it, or the node stopped.
    ViaApi,
    /// The last one hung up.
    LastParticipantLeft,
    /// The last one was removed over the API.
    LastParticipantKicked,
    /// One with whom it ends hung up.
    ModeratorLeft,
    /// One with whom it ends was removed over the API.
    ModeratorKicked,
}

/// A call's seat in a conference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParticipantView {
    /// Whose it is.
    pub account: AccountSid,
    /// The call.
    pub call_sid: CallSid,
    /// The conference.
    pub conference_sid: ConferenceSid,
    /// A name the API's user gave the seat.
    pub label: Option<String>,
    /// Nobody hears them.
    pub muted: bool,
    /// They hear music instead of the conference, and nobody hears them.
    pub hold: bool,
    /// The conference starts with them.
    pub start_on_enter: bool,
    /// The conference ends when they leave.
    pub end_on_exit: bool,
    /// How far the call got.
    pub status: ParticipantStatus,
    /// When they came.
    pub created: DateTime<Utc>,
    /// When the seat last changed.
    pub updated: DateTime<Utc>,
}

/// How far a participant got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParticipantStatus {
    /// Their call waits to be dialled.
    Queued,
    /// Their call is dialled, or being answered.
    Connecting,
    /// Their call rings at the far end.
    Ringing,
    /// They are in the conference.
    Connected,
    /// They have left.
    Complete,
}

/// Which calls to list. Empty lists all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallFilter {
    /// Only calls of this account.
    pub account: Option<AccountSid>,
    /// Only calls to this one.
    pub to: Option<String>,
    /// Only calls from this one.
    pub from: Option<String>,
    /// Only calls that got so far.
    pub status: Option<CallStatus>,
    /// Only calls answered in this span.
    pub started: Span,
    /// Only calls that ended in this span.
    pub ended: Span,
    /// Only calls that this one's script dialled.
    pub parent: Option<CallSid>,
}

/// Which conferences to list. Empty lists all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConferenceFilter {
    /// Only those of this account.
    pub account: Option<AccountSid>,
    /// Only those of this name.
    pub friendly_name: Option<String>,
    /// Only those that got so far.
    pub status: Option<ConferenceStatus>,
    /// Only those created in this span.
    pub created: Span,
    /// Only those last changed in this span.
    pub updated: Span,
}

/// Which participants to list. Empty lists all who are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParticipantFilter {
    /// Only the muted, or only those who are not.
    pub muted: Option<bool>,
    /// Only those on hold, or only those who are not.
    pub hold: Option<bool>,
    /// Only coaches, or only those who are not.
    pub coaching: Option<bool>,
}

/// A span of time; an open end does not limit. A time that is not there is in no limited span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first moment in it.
    pub from: Option<DateTime<Utc>>,
    /// The first moment after it.
    pub until: Option<DateTime<Utc>>,
}

impl Span {
    /// Whether `time` is in it.
    pub fn contains(self, time: Option<DateTime<Utc>>) -> bool {
        let Some(time) = time else {
            return self.from.is_none() && self.until.is_none();
        };
        self.from.is_none_or(|from| from <= time) && self.until.is_none_or(|until| time < until)
    }
}

/// Which part of a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// From 0.
    pub page: usize,
    /// Items in a page.
    pub size: usize,
}

/// A part of a list, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// What was asked for.
    pub request: PageRequest,
    /// Whether there is a page after this one.
    pub more: bool,
}
