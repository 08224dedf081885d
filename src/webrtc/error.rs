//! Why a browser's call is not taken.

use crate::call::{CallError, NotAdmitted};
use crate::sdp::SdpError;

/// Why a browser's call, or a change of it, is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrowserError {
    /// Its offer cannot be taken.
    #[error("the offer cannot be taken: {0}")]
    Offer(#[from] SdpError),
    /// The node does not let it in.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// The model does not do it.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Whoever was called refused it.
    #[error("the call was refused")]
    Refused,
    /// Whoever was called is busy.
    #[error("whoever was called is busy")]
    Busy,
    /// It ended before it was answered.
    #[error("the call ended before it was answered")]
    Ended,
    /// There is no such call of this browser.
    #[error("there is no such call")]
    NoCall,
    /// An offer within a call was made before ICE began anew, or after another call.
    #[error("the offer was made for another state of ICE than the call is in")]
    Outdated,
    /// It came by a way in which its page cannot be told anything.
    #[error("the call is of no page that could be told")]
    NoPage,
    /// As many listen to it as may.
    #[error("as many have subscribed to the call's messages as may")]
    TooManyListeners,
    /// No certificate, or no entropy.
    #[error("no certificate could be made: {0}")]
    Certificate(String),
    /// Its token grants no such call.
    #[error("the access token grants no such call: its voice grant has no `outgoing.application_sid`")]
    NotGranted,
    /// There is nobody to ask what to do with it.
    #[error(
        "its application is none of the account's or has no VoiceUrl, or `To` is nobody that can be dialled"
    )]
    NoScript,
    /// What its application is to be told is too much.
    #[error("more than 64 parameters, or one over 4,096 bytes")]
    Parameters,
    /// Too much is asked at once.
    #[error("the node is overloaded")]
    Overloaded,
}
