//! The model: calls, legs and conferences, and what happens to them. SIP and HTTP are adapters on it.
//!
//! One task owns all of it (the owner); a [`Handle`] asks it. What the engine reports comes to the
//! same task, so there is one order of events and nothing to lock.

mod handle;
#[cfg(test)]
pub(crate) mod scripted;
mod sid;
mod view;

pub use handle::{CallError, EndCall, Handle, ParticipantKey};
pub use sid::{AccountSid, CallSid, ConferenceSid, RequestSid, SidError};
pub use view::{
    CallDirection, CallFilter, CallStatus, CallView, ConferenceEnd, ConferenceFilter,
    ConferenceStatus, ConferenceView, Page, PageRequest, ParticipantFilter, ParticipantStatus,
    ParticipantView, Span,
};
