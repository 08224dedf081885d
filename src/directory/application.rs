//! Applications: where to ask, kept under one name that numbers and calls refer to.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::register::Record;
use super::voice::{VoiceChange, VoiceSettings};
use crate::sid::{AccountSid, ApplicationSid};

/// Applications of one account.
///
/// As many as the original allows; each costs what its URLs take.
pub(super) const APPLICATIONS_MAX: usize = 1_000;

/// An application.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Application {
    /// Its name.
    pub sid: ApplicationSid,
    /// Whose it is.
    pub account: AccountSid,
    /// What people call it.
    pub friendly_name: String,
    /// Where calls ask.
    pub voice: VoiceSettings,
    /// Kept and shown; nobody but its account reaches it either way.
    pub public_connect: bool,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it last changed.
    pub updated: DateTime<Utc>,
}

/// What is to be changed of an application; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct ApplicationChange {
    /// What people are to call it.
    pub friendly_name: Option<String>,
    /// Where calls are to ask.
    pub voice: VoiceChange,
    /// Whether others may connect to it.
    pub public_connect: Option<bool>,
}

impl Record for Application {
    type Sid = ApplicationSid;
    const KIND: &'static str = "application";

    fn sid(&self) -> ApplicationSid {
        self.sid
    }

    fn account(&self) -> AccountSid {
        self.account
    }

    fn created(&self) -> DateTime<Utc> {
        self.created
    }
}

impl Application {
    pub(super) fn new(account: AccountSid, change: ApplicationChange) -> Self {
        let now = Utc::now();
        let mut new = Self {
            sid: ApplicationSid::generate(),
            account,
            friendly_name: String::new(),
            voice: VoiceSettings::default(),
            public_connect: false,
            created: now,
            updated: now,
        };
        new.change(change);
        new
    }

    pub(super) fn change(&mut self, change: ApplicationChange) {
        if let Some(name) = change.friendly_name {
            self.friendly_name = name;
        }
        self.public_connect = change.public_connect.unwrap_or(self.public_connect);
        self.voice.change(change.voice);
    }
}
