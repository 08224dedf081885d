//! Access tokens: what lets a browser in, and only so far and so long as it says. A JSON Web Token (RFC 7519) with a voice
//! grant, signed by an application with the secret of a key, as the official SDKs make it.
//!
//! ```text
//! three parts of base64 ─ read ─▶ Unverified ─ whose key, its signature, the time, the grant ─▶ Grant
//! ```
//!
//! The node makes some itself, for its console and for `confab token`. They are signed with a secret of its own, which is in
//! the data directory, and name the account where others name a key.

mod command;
mod error;
mod issue;
mod own;
#[cfg(test)]
mod tests;
mod unverified;

use std::io;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

pub use command::{TokenArgs, TokenCommandError, run};
pub use error::TokenError;
pub use issue::Wanted;
pub use unverified::{IDENTITY_CHARS_MAX, Issuer, PARAMS_MAX, TOKEN_LEN_MAX, Unverified};

use crate::directory::{Directory, SigningKey};
use crate::sid::{AccountSid, ApplicationSid};

/// The longest that a token may hold. It cannot be taken back by itself, only with its key.
pub const LIFETIME_MAX: TimeDelta = TimeDelta::hours(24);

/// How far the clock of whoever made a token may be ahead of ours. Servers keep time to within a second; more would only let
/// a token live longer.
const CLOCKS_APART: TimeDelta = TimeDelta::seconds(10);

/// What a verified token lets its holder do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The account, which is active.
    pub account: AccountSid,
    /// Who they are, 1 to 121 characters, none of them a control character.
    pub identity: String,
    /// The application that their calls go to. Without they may not call.
    pub application_sid: Option<ApplicationSid>,
    /// What the application is told besides, whatever they say.
    pub params: Vec<(String, String)>,
    /// Whether they may be called.
    pub incoming_allow: bool,
    /// Whether they may enter the account's conferences and dial without an application: somebody who is logged in at the
    /// console. Only the node itself grants that.
    pub is_supervisor: bool,
    /// Until when.
    pub expires: DateTime<Utc>,
}

/// Verifies tokens, and makes some. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tokens {
    directory: Directory,
    own: Arc<SigningKey>,
}

impl Tokens {
    /// With the secret in this data directory, which is made where there is none.
    ///
    /// # Errors
    /// When it cannot be read or made.
    pub fn open(directory: Directory, data_dir: &Path) -> io::Result<Self> {
        Ok(Self { directory, own: Arc::new(own::open(data_dir)?) })
    }

    /// With a secret that nobody has.
    #[cfg(test)]
    pub(crate) fn blank(directory: Directory) -> Self {
        Self { directory, own: Arc::new(SigningKey::of(b"a secret for tests")) }
    }

    /// What a token lets its holder do at `now`.
    ///
    /// # Errors
    /// When it is none, when it is not signed by a key of an active account, not yet or no more valid, or grants nothing here.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Grant, TokenError> {
        let read = Unverified::read(token)?;
        let key = self.key(&read)?;
        if !key.is_signature(&read.signature, read.signed.as_bytes()) {
            return Err(TokenError::Signature);
        }
        check_time(&read, now)?;
        let voice = read.voice()?;
        Ok(Grant {
            account: read.account,
            identity: voice.identity,
            application_sid: voice.application,
            params: voice.params,
            incoming_allow: voice.incoming,
            is_supervisor: read.issuer == Issuer::Node && voice.supervisor,
            expires: read.expires,
        })
    }

    /// A token of the node's own.
    pub fn issue(&self, wanted: &Wanted, now: DateTime<Utc>) -> String {
        wanted.signed(&self.own, now)
    }

    /// What checks the signature of this token. Whose token it is decides nothing before that fits.
    fn key(&self, read: &Unverified<'_>) -> Result<SigningKey, TokenError> {
        let key = match read.issuer {
            Issuer::Node => Some(SigningKey::clone(&self.own)),
            Issuer::Key(sid) => {
                let found = self.directory.signing_key(sid);
                found.filter(|(account, _)| *account == read.account).map(|(_, key)| key)
            }
        };
        key.filter(|_| self.directory.is_active(read.account)).ok_or(TokenError::Issuer)
    }
}

fn check_time(read: &Unverified<'_>, now: DateTime<Utc>) -> Result<(), TokenError> {
    if read.expires <= now {
        return Err(TokenError::Expired);
    }
    // Whoever says that it was made later than it was does not let it live longer.
    let made = read.issued.or(read.not_before).map_or(now, |made| made.min(now + CLOCKS_APART));
    if read.expires - made > LIFETIME_MAX {
        return Err(TokenError::TooLong);
    }
    if read.not_before.is_some_and(|begin| begin > now + CLOCKS_APART) {
        return Err(TokenError::NotYet);
    }
    Ok(())
}
