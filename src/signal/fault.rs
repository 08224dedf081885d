//! What is told of what cannot be done: numbers that the SDK knows.

use serde::Serialize;

use crate::token::TokenError;
use crate::webrtc::BrowserError;

/// An error, as a browser is told it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Fault {
    /// The original's number.
    pub(super) code: u32,
    /// A sentence for whoever writes the page.
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(code: u32, message: &str) -> Self {
        Self { code, message: message.to_owned() }
    }

    pub(super) fn malformed(why: &str) -> Self {
        Self::new(31_100, &format!("The message cannot be read: {why}."))
    }

    pub(super) fn no_token() -> Self {
        Self::new(31_204, "No access token has let this connection in: send one with `listen`.")
    }

    pub(super) fn expired() -> Self {
        Self::new(31_205, "The access token has expired.")
    }

    pub(super) fn not_callable() -> Self {
        Self::new(
            31_201,
            "The access token does not let its holder be called: its voice grant has no `incoming.allow`.",
        )
    }

    pub(super) fn no_call() -> Self {
        Self::new(31_404, "There is no such call.")
    }

    pub(super) fn no_listener() -> Self {
        Self::new(31_404, "Nobody has subscribed to messages of this call.")
    }

    pub(super) fn too_much_content() -> Self {
        Self::new(31_212, "The message's content is over 10,000 bytes.")
    }

    pub(super) fn other_kind() -> Self {
        Self::new(31_210, "Messages within calls are of type `user-defined-message`.")
    }

    pub(super) fn cannot_return() -> Self {
        Self::new(31_209, "There is no such call to come back to, or it is another's.")
    }

    pub(super) fn too_many_calls() -> Self {
        Self::new(31_206, "This browser has as many calls as it may have.")
    }

    pub(super) fn flood() -> Self {
        Self::new(31_206, "This browser says more than ten messages a second.")
    }

    pub(super) fn too_long() -> Self {
        Self::new(31_100, "A message is over 64 KiB.")
    }

    pub(super) fn media_failed() -> Self {
        Self::new(53_405, "The call's media failed.")
    }

    pub(super) fn stopping() -> Self {
        Self::new(31_480, "The node stops.")
    }
}

impl From<TokenError> for Fault {
    /// Of these the SDK makes its own errors: 31201 becomes 20151, 31204 becomes 20101, and 31205 becomes 20104.
    fn from(error: TokenError) -> Self {
        let code = match error {
            TokenError::Issuer => 31_201,
            TokenError::Signature => 31_202,
            TokenError::Malformed(_) | TokenError::Header(_) | TokenError::NotYet | TokenError::Grants(_) => {
                31_204
            }
            TokenError::Expired => 31_205,
            TokenError::TooLong => 31_207,
        };
        Self { code, message: format!("{error} ({})", error.code()) }
    }
}

/// Why a browser's call is not taken. One that only ended is no fault.
pub(super) fn of_call(error: &BrowserError) -> Option<Fault> {
    let code = match error {
        BrowserError::Ended => return None,
        BrowserError::Offer(_) | BrowserError::Outdated => 31_400,
        BrowserError::NotAdmitted(_) | BrowserError::Overloaded => 31_480,
        BrowserError::Call(_)
        | BrowserError::NoCall
        | BrowserError::NoPage
        | BrowserError::TooManyListeners => 31_404,
        BrowserError::Refused => 31_603,
        BrowserError::Busy => 31_486,
        BrowserError::Certificate(_) => 31_000,
        BrowserError::NotGranted => 31_002,
        BrowserError::NoScript => 31_001,
        BrowserError::Parameters => 31_103,
    };
    Some(Fault { code, message: format!("The call: {error}.") })
}
