//! What was, beyond the model's memory: records of calls and conferences in the store, written by one who follows the
//! model's events, and read together with what the model still holds.
//!
//! ```text
//! model ── events ──▶ Scribe ── rows ──▶ store
//!   ▲                   │                  │
//!   └── "these are kept"┘                  ▼
//!   └── what is not kept yet ──▶ merged by (created, SID), newest first ──▶ lists
//! ```
//!
//! What the model holds and the store has not confirmed comes from the model, the rest from the store, so each record
//! is in a list once, and none is missing. If the store cannot be read, lists are of what the model holds.

mod lists;
mod merge;
mod promises;
mod queues;
mod rows;
mod scribe;
#[cfg(test)]
mod tests;

pub use promises::owed_ends;
pub use queues::QueueDefinition;
pub(super) use queues::defined_queues;
pub(super) use scribe::Scribe;

use super::sid::{CallSid, ConferenceSid};
use super::view::{CallView, ConferenceView};

/// What the model holds of a kind and the store has not confirmed.
#[derive(Debug)]
pub(super) struct Unkept<T> {
    /// Those that were asked for, the newest first, as many as were asked for.
    pub(super) first: Vec<T>,
    /// How many of those that were asked for there are.
    pub(super) matching: usize,
    /// The names of all, whether asked for or not.
    pub(super) names: Vec<String>,
}

/// All that the model holds and the store has not confirmed.
#[derive(Debug, Default)]
pub(super) struct Owed {
    pub(super) calls: Vec<CallView>,
    pub(super) conferences: Vec<ConferenceView>,
}

/// What the store has confirmed of what is over.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) calls: Vec<CallSid>,
    pub(super) conferences: Vec<ConferenceSid>,
}
