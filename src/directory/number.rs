//! Incoming phone numbers: what happens to a call that comes to one.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::register::Record;
use super::voice::{VoiceChange, VoiceSettings};
use crate::config::{RouteScript, WebhookUrl};
use crate::sid::{AccountSid, ApplicationSid, PhoneNumberSid};

/// Incoming numbers of one account: the blocks of a large company. Each costs what its URLs take.
pub(super) const NUMBERS_MAX: usize = 10_000;

/// The digits of a number in E.164 behind its `+`. The shortest that are in use have seven, among them some of small
/// islands and of ships.
const DIGITS_MIN: usize = 7;
const DIGITS_MAX: usize = 15;

/// A telephone number in E.164: `+` and digits. People's, so not for the log.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhoneNumber(String);

/// A text that is no number in E.164.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a number in E.164: + and 7 to 15 digits, the first of which is not 0")]
pub struct NotANumber;

impl FromStr for PhoneNumber {
    type Err = NotANumber;

    /// Spaces, hyphens, dots and brackets are for people, and passed over.
    fn from_str(text: &str) -> Result<Self, NotANumber> {
        let digits = text.strip_prefix('+').ok_or(NotANumber)?.replace([' ', '-', '.', '(', ')'], "");
        let is_number = (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        is_number.then(|| Self(format!("+{digits}"))).ok_or(NotANumber)
    }
}

impl TryFrom<String> for PhoneNumber {
    type Error = NotANumber;

    fn try_from(text: String) -> Result<Self, NotANumber> {
        text.parse()
    }
}

impl From<PhoneNumber> for String {
    fn from(number: PhoneNumber) -> Self {
        number.0
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[number]")
    }
}

impl PhoneNumber {
    /// With its `+`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the user of a SIP address may stand for: a number with or without its `+`.
    pub(super) fn of_user(user: &str) -> Option<Self> {
        let user = user.split(';').next().unwrap_or_default();
        user.parse().or_else(|_| format!("+{user}").parse()).ok()
    }

    /// As people write it: in North America without country code, elsewhere as it is.
    fn spoken(&self) -> String {
        match self.0.strip_prefix("+1") {
            Some(national) if national.len() == 10 => {
                format!("({}) {}-{}", &national[..3], &national[3..6], &national[6..])
            }
            Some(_) | None => self.0.clone(),
        }
    }
}

/// What a number was ordered as. The node treats all alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NumberKind {
    /// Of a place.
    #[default]
    Local,
    /// Of a mobile network.
    Mobile,
    /// Whoever is called pays.
    TollFree,
}

/// An incoming phone number.
#[derive(Clone, Serialize, Deserialize)]
pub struct IncomingNumber {
    /// Its name.
    pub sid: PhoneNumberSid,
    /// Whose it is.
    pub account: AccountSid,
    /// The number. No other on the node has it.
    pub number: PhoneNumber,
    /// What it was ordered as.
    pub kind: NumberKind,
    /// What people call it.
    pub friendly_name: String,
    /// Where its calls ask, if no application says so.
    pub voice: VoiceSettings,
    /// The application that says where its calls ask.
    pub application: Option<ApplicationSid>,
    /// When it was taken in.
    pub created: DateTime<Utc>,
    /// When it last changed.
    pub updated: DateTime<Utc>,
}

/// Its name is often the number again.
impl fmt::Debug for IncomingNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingNumber")
            .field("sid", &self.sid)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// What is to be changed of a number; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct NumberChange {
    /// Whose it is to be.
    pub account: Option<AccountSid>,
    /// What people are to call it.
    pub friendly_name: Option<String>,
    /// Where its calls are to ask.
    pub voice: VoiceChange,
    /// The application that is to say where its calls ask, or none any more.
    pub application: Option<Option<ApplicationSid>>,
}

impl Record for IncomingNumber {
    type Sid = PhoneNumberSid;
    const KIND: &'static str = "number";

    fn sid(&self) -> PhoneNumberSid {
        self.sid
    }

    fn account(&self) -> AccountSid {
        self.account
    }

    fn created(&self) -> DateTime<Utc> {
        self.created
    }
}

impl IncomingNumber {
    pub(super) fn new(
        account: AccountSid,
        number: PhoneNumber,
        kind: NumberKind,
        change: NumberChange,
    ) -> Self {
        let now = Utc::now();
        let mut new = Self {
            sid: PhoneNumberSid::generate(),
            account,
            friendly_name: number.spoken(),
            number,
            kind,
            voice: VoiceSettings::default(),
            application: None,
            created: now,
            updated: now,
        };
        new.change(change);
        new
    }

    /// An application is one account's: who moves the number without naming another leaves it behind.
    pub(super) fn change(&mut self, change: NumberChange) {
        if let Some(account) = change.account.filter(|account| *account != self.account) {
            self.account = account;
            self.application = None;
        }
        if let Some(name) = change.friendly_name {
            self.friendly_name = name;
        }
        if let Some(application) = change.application {
            self.application = application;
        }
        self.voice.change(change.voice);
    }
}

/// Which numbers are asked for.
#[derive(Clone, Debug, Default)]
pub struct NumberFilter {
    /// Only those with these digits anywhere in them.
    pub digits: Option<String>,
    /// Only those with this name.
    pub friendly_name: Option<String>,
    /// Only those ordered as this.
    pub kind: Option<NumberKind>,
    /// None at all: asked for is what no number here is.
    pub nothing: bool,
}

impl NumberFilter {
    pub(super) fn takes(&self, number: &IncomingNumber) -> bool {
        !self.nothing
            && self.digits.as_ref().is_none_or(|digits| fits(number.number.as_str(), digits))
            && self.friendly_name.as_ref().is_none_or(|name| *name == number.friendly_name)
            && self.kind.is_none_or(|kind| kind == number.kind)
    }
}

/// Whether the pattern is somewhere in the number; a `*` in it stands for any one digit.
fn fits(number: &str, pattern: &str) -> bool {
    let (number, pattern) = (number.as_bytes(), pattern.as_bytes());
    let is_same = |(digit, wanted): (&u8, &u8)| digit == wanted || *wanted == b'*';
    pattern.is_empty() || number.windows(pattern.len()).any(|window| window.iter().zip(pattern).all(is_same))
}

/// What is known of a number that somebody calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Called {
    /// A call may come to it.
    Reached(CalledNumber),
    /// Its account is not active.
    Inactive(AccountSid),
}

/// What happens to a call that comes to a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalledNumber {
    /// Which it is.
    pub sid: PhoneNumberSid,
    /// Whose it is.
    pub account: AccountSid,
    /// What the call follows, if the number says so.
    pub script: Option<RouteScript>,
    /// Who is told when the call is over.
    pub told: Option<WebhookUrl>,
}
