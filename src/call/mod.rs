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

mod digits;
mod ending;
mod event;
mod handle;
mod list;
mod media;
mod model;
mod news;
mod outbound;
mod owner;
mod quality;
mod recordings;
mod records;
mod reports;
mod scope;
#[cfg(test)]
pub(crate) mod scripted;
mod seats;
mod sid;
#[cfg(test)]
pub(crate) mod stalled;
mod state;
#[cfg(test)]
mod tests;
mod view;
mod voice;

pub use digits::{DigitString, DigitStringError};
pub use event::{Event, EventId, Events, Followed, Follower, What};
pub use handle::{
    Adapters, Admission, Arrival, CallEnd, CallError, CallEvent, CallMedia, EndCall, Handle, HangUp,
    IncomingCall, NotAdmitted, ParticipantKey, Progress, Rejection, Signal,
};
pub use media::Receiving;
pub use model::Limits;
pub use news::{CallNews, CallStep};
pub use outbound::{DialCredentials, DialOrder, DialTarget, OutgoingCall, Placed};
pub use owner::start;
pub use quality::CallQuality;
pub use recordings::{
    RecordingCallback, RecordingChange, RecordingEvents, RecordingFilter, RecordingNews, RecordingSource,
    RecordingStatus, RecordingTerms, RecordingTrack, RecordingView,
};
pub use sid::{AccountSid, CallSid, ConferenceSid, RecordingSid, RequestSid, SidError};
pub use view::{
    CallDirection, CallFilter, CallStatus, CallView, ConferenceEnd, ConferenceFilter, ConferenceStatus,
    ConferenceView, Page, PageRequest, ParticipantFilter, ParticipantStatus, ParticipantView, Span,
};
pub use voice::{
    CallEvents, Destination, HttpMethod, JoinTerms, StatusCallback, Voice, VoiceSource, VoiceUrl,
};
