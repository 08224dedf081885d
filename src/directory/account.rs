//! Accounts: the main one, and those below it.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, Serializer};

use super::MainAccount;
use super::register::Record;
use crate::config::Secret;
use crate::sid::AccountSid;

/// Accounts below the main one.
///
/// As many as the original allows; each costs a few hundred bytes.
pub(super) const SUB_ACCOUNTS_MAX: usize = 1_000;

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountStatus {
    /// It may.
    Active,
    /// Not now: nobody is let in with its credentials, and nobody reaches its numbers.
    Suspended,
    /// Never again. Its numbers are given up.
    Closed,
}

impl AccountStatus {
    /// As the API says it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Closed => "closed",
        }
    }
}

/// An account.
#[derive(Clone, Serialize, Deserialize)]
pub struct Account {
    /// Its name.
    pub sid: AccountSid,
    /// What people call it.
    pub friendly_name: String,
    /// Its password. The main account's is the configuration's, and is not written down.
    #[serde(default, serialize_with = "expose", skip_serializing_if = "Option::is_none")]
    pub(super) auth_token: Option<Secret>,
    /// Whether it may be used.
    pub status: AccountStatus,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it last changed.
    pub updated: DateTime<Utc>,
}

/// Only for the shelf: the token signs requests, so it must be had again as it was.
fn expose<S: Serializer>(token: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    token.as_ref().map(Secret::expose).serialize(serializer)
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("sid", &self.sid)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl Record for Account {
    type Sid = AccountSid;
    const KIND: &'static str = "account";

    fn sid(&self) -> AccountSid {
        self.sid
    }

    fn account(&self) -> AccountSid {
        self.sid
    }

    fn created(&self) -> DateTime<Utc> {
        self.created
    }
}

impl Account {
    pub(super) fn main(main: &MainAccount) -> Self {
        Self { sid: main.sid, auth_token: None, ..Self::new(Some("Main account".to_owned())) }
    }

    pub(super) fn new(friendly_name: Option<String>) -> Self {
        let now = Utc::now();
        let friendly_name = friendly_name
            .unwrap_or_else(|| format!("SubAccount Created at {}", now.format("%Y-%m-%d %I:%M %P")));
        Self {
            sid: AccountSid::generate(),
            friendly_name,
            auth_token: Some(random_hex()),
            status: AccountStatus::Active,
            created: now,
            updated: now,
        }
    }

    /// Whether it may be used.
    pub fn is_active(&self) -> bool {
        self.status == AccountStatus::Active
    }
}

/// 128 random bits in 32 digits: what tokens and secrets are made of.
pub(super) fn random_hex() -> Secret {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system gives entropy");
    Secret::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What is to be changed of an account; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct AccountChange {
    /// What people are to call it.
    pub friendly_name: Option<String>,
    /// Whether it may be used.
    pub status: Option<AccountStatus>,
}

/// Which accounts are asked for.
#[derive(Clone, Debug, Default)]
pub struct AccountFilter {
    /// Only those with this name.
    pub friendly_name: Option<String>,
    /// Only those with this status.
    pub status: Option<AccountStatus>,
}

impl AccountFilter {
    pub(super) fn takes(&self, account: &Account) -> bool {
        self.friendly_name.as_ref().is_none_or(|name| *name == account.friendly_name)
            && self.status.is_none_or(|status| status == account.status)
    }
}
