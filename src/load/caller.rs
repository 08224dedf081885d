//! One caller as signalling sees it: a telephone's SIP call, or a browser's, of which no more is known than how far it is.

use super::call::Call;

/// A caller who has dialled.
#[derive(Debug)]
pub(super) enum Caller {
    Phone(Box<Call>),
    Browser(BrowserCall),
}

/// How far a browser's call is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BrowserCall {
    /// Offered, not connected yet.
    Pending,
    /// Media flows; the call is at this place of the node's API.
    Up(String),
    /// Its end was asked for.
    Ending,
    Over,
}

impl Caller {
    /// Whether nothing more can happen.
    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Phone(call) => call.is_over(),
            Self::Browser(call) => *call == BrowserCall::Over,
        }
    }

    /// Whether an answer is still to come.
    pub(super) fn is_pending(&self) -> bool {
        match self {
            Self::Phone(call) => call.is_pending(),
            Self::Browser(call) => *call == BrowserCall::Pending,
        }
    }

    /// Lets go of the call without a word: there is nobody to tell.
    pub(super) fn give_up(&mut self) {
        match self {
            Self::Phone(call) => call.give_up(),
            Self::Browser(call) => *call = BrowserCall::Over,
        }
    }

    /// The telephone's call, if it is one.
    pub(super) fn phone(&mut self) -> Option<&mut Call> {
        match self {
            Self::Phone(call) => Some(call),
            Self::Browser(_) => None,
        }
    }
}
