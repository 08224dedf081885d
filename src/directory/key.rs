//! Keys: further credentials of an account, each of which can be taken back by itself.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::access::Digest;
use super::account::random_hex;
use super::register::Record;
use super::signing::SigningKey;
use crate::config::Secret;
use crate::sid::{AccountSid, KeySid};

/// Keys of one account: one for each of many programs and people, and few enough to be looked through.
pub(super) const KEYS_MAX: usize = 100;

/// A key. Its secret is told once, when it is made, and not kept: what is kept knows it again, and checks what it signed.
#[derive(Clone, Serialize, Deserialize)]
pub struct Key {
    /// Its name, and the user name to authenticate with.
    pub sid: KeySid,
    /// Whose it is.
    pub account: AccountSid,
    /// What people call it.
    pub friendly_name: String,
    /// Whether it may also manage accounts and keys.
    pub is_main: bool,
    /// Of the secret.
    pub(super) digest: Digest,
    /// Checks access tokens that were signed with the secret. Keys that are older than this cannot sign any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) signing: Option<SigningKey>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it last changed.
    pub updated: DateTime<Utc>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("sid", &self.sid).field("account", &self.account).finish_non_exhaustive()
    }
}

impl Record for Key {
    type Sid = KeySid;
    const KIND: &'static str = "key";

    fn sid(&self) -> KeySid {
        self.sid
    }

    fn account(&self) -> AccountSid {
        self.account
    }

    fn created(&self) -> DateTime<Utc> {
        self.created
    }
}

impl Key {
    /// A new one and its secret.
    pub(super) fn new(account: AccountSid, friendly_name: String, is_main: bool) -> (Self, Secret) {
        let (now, secret) = (Utc::now(), random_hex());
        let digest = Digest::of(secret.expose().as_bytes());
        let signing = Some(SigningKey::of(secret.expose().as_bytes()));
        let sid = KeySid::generate();
        (Self { sid, account, friendly_name, is_main, digest, signing, created: now, updated: now }, secret)
    }
}
