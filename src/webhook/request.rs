//! What can be asked for: where, how, with what, in whose name. Parameters may be digits that somebody dialled, so they
//! are never shown.

use std::fmt;
use std::time::Duration;

/// How a request is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// Parameters in the query.
    Get,
    /// Parameters as a form in the body.
    #[default]
    Post,
}

impl Method {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }

    /// The method of this name, in capitals or not.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Get, Self::Post].into_iter().find(|method| method.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A call script: its bounds are the reference's.
    Script,
    /// A sound to be played.
    Sound,
    /// News of a call or conference: what the server answers does not matter, only that it does.
    Callback,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Script, Self::Sound, Self::Callback];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::Sound => "sound",
            Self::Callback => "callback",
        }
    }

    /// How long it may take in all if the URL does not say. The reference gives a webhook 15 s; a sound may be long and
    /// its server far away, and somebody listens to silence meanwhile, so it has a minute.
    pub(super) const fn patience(self) -> Duration {
        match self {
            Self::Script | Self::Callback => Duration::from_secs(15),
            Self::Sound => Duration::from_secs(60),
        }
    }
}

/// What a request carries.
#[derive(Clone, PartialEq, Eq)]
pub enum Payload {
    /// Names and values, in the query or as a form.
    Form(Vec<(String, String)>),
    /// A body of JSON; sent by POST only, since a GET has no body.
    Json(String),
}

/// How much there is, never what.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(params) => write!(f, "Form({} params)", params.len()),
            Self::Json(body) => write!(f, "Json({} bytes)", body.len()),
        }
    }
}

/// A request in the name of an account.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Where to: `http` or `https`, possibly with a user and password (sent as Basic, RFC 7617) and connection
    /// overrides in the fragment.
    pub url: String,
    /// How.
    pub method: Method,
    /// With what.
    pub payload: Payload,
    /// Whose key signs it.
    pub account_sid: String,
    /// The call or conference it is about, for reports.
    pub subject: Option<String>,
    /// Sent as `I-Twilio-Idempotency-Token`, the same however often the request is repeated, so that an application can
    /// tell a repetition from news.
    pub idempotency_token: Option<String>,
}

impl Request {
    /// A POST of a form.
    pub fn post(
        url: impl Into<String>,
        account_sid: impl Into<String>,
        params: Vec<(String, String)>,
    ) -> Self {
        Self {
            url: url.into(),
            method: Method::Post,
            payload: Payload::Form(params),
            account_sid: account_sid.into(),
            subject: None,
            idempotency_token: None,
        }
    }

    /// A GET with parameters in the query.
    pub fn get(
        url: impl Into<String>,
        account_sid: impl Into<String>,
        params: Vec<(String, String)>,
    ) -> Self {
        Self { method: Method::Get, ..Self::post(url, account_sid, params) }
    }

    /// The same, about a call or conference.
    #[must_use]
    pub fn about(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }
}

/// Without the URL, whose query and user may be secrets, and without parameters.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("payload", &self.payload)
            .field("account_sid", &self.account_sid)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// Where to go when a script cannot be had from where it should be.
#[derive(Clone, PartialEq, Eq)]
pub struct Fallback {
    /// Where to.
    pub url: String,
    /// How.
    pub method: Method,
}

impl fmt::Debug for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback").field("method", &self.method).finish_non_exhaustive()
    }
}
