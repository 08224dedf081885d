//! The model: calls, legs and conferences, and what happens to them. SIP and HTTP are adapters on it.
//!
//! One task owns all of it (`owner`); a [`Handle`] asks it. What the media threads report comes to the
//! same task, so there is one order of events and nothing to lock.
//!
//! ```text
//! adapters ── requests ──▶ owner ─▶ model ── orders ──▶ media threads
//!     ▲                            │ │  ▲                   │
//!     ├── answers, signals ────────┘ │  └──── reports ──────┘
//!     └── events, in one order ◀─────┘
//! ```

mod call_token;
mod capture;
mod change;
mod conference_news;
mod digits;
mod ending;
mod event;
mod floor;
mod handle;
mod hearing;
mod history;
mod lasting;
mod list;
mod media;
mod model;
mod news;
mod outbound;
mod owner;
mod pacing;
mod quality;
mod queue;
mod queueing;
mod recordings;
mod records;
mod reports;
mod scope;
#[cfg(test)]
pub(crate) mod scripted;
mod seating;
mod seats;
mod sip_header;
mod sitting;
mod sounds;
#[cfg(test)]
pub(crate) mod stalled;
mod state;
mod streams;
#[cfg(test)]
mod tests;
mod transfer;
mod view;
mod voice;

use crate::sid;
pub use call_token::CallTokens;
pub use capture::{CaptureEnd, CaptureNews, Capturing, Listeners};
pub use change::CallChange;
pub use conference_news::{ConferenceNews, ConferenceStep, LeaveReason};

pub use digits::{DigitString, DigitStringError};
pub use event::{Event, EventId, Events, Followed, Follower, QueueChange, WaiterChange, What};
pub use floor::{Floor, FloorConference, FloorQueue, FloorSeat};
pub use handle::{
    Adapters, Admission, Arrival, CallEnd, CallError, CallEvent, CallMedia, EndCall, Handle, HangUp,
    IncomingCall, NotAdmitted, ParticipantKey, Progress, Reach, Rejection, Signal,
};
pub use history::{QueueDefinition, owed_ends};
pub use lasting::Lasting;
pub use media::{BrowserLeg, Receiving};
pub use model::Limits;
pub use news::{CallNews, CallStep, News, Promise, Promised};
pub use outbound::{DialCredentials, DialOrder, DialRules, DialTarget, OutgoingCall, Placed};
pub use owner::start;
pub use pacing::Pace;
pub use quality::CallQuality;
pub use queue::request::StopTaking;
pub use queue::{
    QUEUE_SIZE_DEFAULT, QUEUE_SIZE_MAX, QueueExit, QueuePlace, QueueResult, QueueUpdate, QueueView,
    WaiterKey, WaiterView,
};
pub use recordings::{
    ConferenceRecording, ConferenceTracks, RecordingCallback, RecordingChange, RecordingEvents,
    RecordingFilter, RecordingNews, RecordingSource, RecordingStatus, RecordingTerms, RecordingTrack,
    RecordingView,
};
pub use seating::{
    Beep, CoachChange, ConferenceCallback, ConferenceWord, ConferenceWords, SeatChange, SeatSound, is_label,
};
pub use sid::{
    AccountSid, CallSid, ConferenceSid, NotificationSid, QueueSid, RecordingSid, RequestSid, SidError,
    StreamSid,
};
pub use sip_header::{SIP_HEADERS_MAX, SipHeader, SipHeaderError};
pub use sounds::{SoundId, SoundOrder, SoundPurpose};
pub use streams::{StreamKey, StreamNews, StreamStep, StreamTerms, StreamView};
pub use transfer::{ReferStep, Replacer, TakeOver};
pub use view::{
    CallDirection, CallFilter, CallStatus, CallView, ConferenceEnd, ConferenceFilter, ConferenceStatus,
    ConferenceView, Page, PageRequest, ParticipantFilter, ParticipantStatus, ParticipantView, Span,
};
pub use voice::{
    CallEvents, Destination, HttpMethod, JoinTerms, StatusCallback, Voice, VoiceSource, VoiceUrl,
};
