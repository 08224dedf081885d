//! Queues and those who wait in them, as others may see them: plain values.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::call::sid::{AccountSid, CallSid, QueueSid};
use crate::call::voice::Voice;

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueView {
    /// Its name.
    pub sid: QueueSid,
    /// Whose it is.
    pub account: AccountSid,
    /// What scripts call it; unique within the account.
    pub friendly_name: String,
    /// How many wait in it.
    pub current_size: usize,
    /// How many may.
    pub max_size: usize,
    /// How long those who wait have waited, in the mean.
    pub average_wait: Duration,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When its name or size last changed.
    pub updated: DateTime<Utc>,
}

/// One who waits in a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaiterView {
    /// Their call.
    pub call: CallSid,
    /// Where they wait.
    pub queue: QueueSid,
    /// Whose queue that is.
    pub account: AccountSid,
    /// Since when.
    pub enqueued: DateTime<Utc>,
    /// Their place, from 1.
    pub position: usize,
    /// How long they have waited.
    pub waited: Duration,
}

/// A place in a queue, and what that is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuePlace {
    /// The place.
    pub waiter: WaiterView,
    /// The queue.
    pub queue: QueueView,
}

/// How one who waits in a queue is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaiterKey {
    /// By their call.
    Call(CallSid),
    /// The one who has waited longest and whom nobody has taken.
    Front,
}

/// What is to change about a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueUpdate {
    /// Its name.
    pub friendly_name: Option<String>,
    /// How many may wait.
    pub max_size: Option<usize>,
}

/// How somebody came out of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueExit {
    /// Which queue.
    pub queue: QueueSid,
    /// How.
    pub result: QueueResult,
    /// How long they had waited.
    pub waited: Duration,
    /// The script that they follow from now on, if somebody asked for that.
    pub to: Option<Voice>,
}

/// How somebody came out of a queue, or did not come into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueResult {
    /// They were connected with who took them.
    Bridged,
    /// They hung up between being taken and being connected.
    BridgingInProcess,
    /// What was to happen to them could not be done.
    Error,
    /// They hung up, or their script did.
    HangUp,
    /// Their script had them leave.
    Leave,
    /// Somebody asked that they follow another script.
    Redirected,
    /// The same, when they were connected already.
    RedirectedFromBridged,
    /// There was no room.
    QueueFull,
    /// The node could not do it.
    SystemError,
}

impl QueueResult {
    /// As webhooks say it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Bridged => "bridged",
            Self::BridgingInProcess => "bridging-in-process",
            Self::Error => "error",
            Self::HangUp => "hangup",
            Self::Leave => "leave",
            Self::Redirected => "redirected",
            Self::RedirectedFromBridged => "redirected-from-bridged",
            Self::QueueFull => "queue-full",
            Self::SystemError => "system-error",
        }
    }
}
