//! The debugger: keeps for the authors of applications what went wrong in them, and what they were asked and answered
//! for each call.
//!
//! It writes to the store and never waits: what there is no room for is dropped and counted there.

use chrono::Utc;
use serde_json::{Map, Value, json};

use super::code::Code;
use crate::call::{AccountSid, CallSid, NotificationSid};
use crate::store::{ExchangeRow, NotificationRow, Store};
use crate::webhook::{Answered, Attempt, Exchange, Purpose};

/// How bad something is, as the reference numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It did not do what it should.
    Error,
    /// It did, and was probably not meant so.
    Warning,
}

impl Severity {
    const fn number(self) -> i64 {
        match self {
            Self::Error => 0,
            Self::Warning => 1,
        }
    }
}

/// Keeps notes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Debugger {
    store: Store,
}

impl Debugger {
    /// Into this store.
    pub const fn new(store: Store) -> Self {
        Self { store }
    }

    /// Something about a call's script, or about what is heard in a conference. `url` is the document's, without its query.
    pub fn note(
        &self,
        (account, call): (AccountSid, Option<CallSid>),
        severity: Severity,
        code: Code,
        message: &str,
        url: Option<String>,
    ) {
        self.store.note(NotificationRow {
            call: call.map(|call| call.to_string()),
            request_url: url,
            ..blank(account.to_string(), severity, code, message)
        });
    }

    /// A request to an application that is over. If it failed, that is a notification as well; of a callback that is tried
    /// again and again only the first failure and that it is given up: an application that is down for an hour makes dozens of
    /// attempts fail, and the author would not find what else went wrong among them.
    pub fn exchange(&self, exchange: &Exchange) {
        let subject = exchange.subject.as_deref();
        let call = subject.filter(|subject| subject.parse::<CallSid>().is_ok()).map(str::to_owned);
        if let (Some((code, message)), Attempt::First | Attempt::GivenUp) =
            (&exchange.failure, exchange.attempt)
        {
            self.store.note(failure(exchange, *code, message, call.clone()));
        }
        // What is given up was not sent.
        let Some(call) = call.filter(|_| exchange.attempt != Attempt::GivenUp) else { return };
        self.store.note_exchange(ExchangeRow {
            call,
            account: exchange.account_sid.clone(),
            created: Utc::now().timestamp_micros(),
            request: request_json(exchange).to_string(),
            response: response_json(exchange).to_string(),
        });
    }
}

fn blank(account: String, severity: Severity, code: Code, message: &str) -> NotificationRow {
    NotificationRow {
        sid: NotificationSid::generate().to_string(),
        account,
        call: None,
        log: severity.number(),
        error_code: i64::from(code),
        created: Utc::now().timestamp_micros(),
        message: message.to_owned(),
        request_method: None,
        request_url: None,
        request_variables: None,
        response_headers: None,
        response_body: None,
    }
}

fn failure(exchange: &Exchange, code: u32, message: &str, call: Option<String>) -> NotificationRow {
    let what = match exchange.purpose {
        Purpose::Script => "A call script",
        Purpose::Sound => "A sound",
        Purpose::Callback => "A status callback",
    };
    let message = format!("{what} at {} failed: {message}.", exchange.url);
    let answer = exchange.answer.as_ref();
    NotificationRow {
        call,
        request_method: Some(exchange.method.name().to_owned()),
        request_url: Some(exchange.url.clone()),
        request_variables: Some(as_form(&exchange.parameters)),
        response_headers: answer.map(|answer| as_form(&answer.headers)),
        response_body: answer.map(|answer| answer.body.clone()),
        ..blank(exchange.account_sid.clone(), Severity::Error, code, &message)
    }
}

/// As the reference has lists of names and values in one text.
fn as_form(pairs: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn request_json(exchange: &Exchange) -> Value {
    let parameters: Map<String, Value> =
        exchange.parameters.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({ "method": exchange.method.name(), "url": exchange.url, "parameters": parameters })
}

fn response_json(exchange: &Exchange) -> Value {
    let answer = exchange.answer.as_ref();
    let duration = u64::try_from(exchange.duration.as_millis()).unwrap_or(u64::MAX);
    json!({
        "response_code": answer.map(|answer| answer.status),
        "request_duration": duration,
        "content_type": answer.and_then(|answer| Answered::header(answer, "content-type")),
        "response_body": answer.map(|answer| answer.body.as_str()),
        "date_created": Utc::now().format("%a, %d %b %Y %H:%M:%S +0000").to_string(),
        "error_code": exchange.failure.as_ref().map(|(code, _)| code),
    })
}
