//! What a page says to its call's application: it is delivered to whoever has subscribed, signed and in order, as status
//! callbacks are.

use std::time::SystemTime;

use chrono::{SecondsFormat, Utc};

use super::SignalState;
use super::fault::Fault;
use super::message::Spoken;
use crate::call::{AccountSid, CallSid, HttpMethod};
use crate::sid::CallMessageSid;
use crate::webhook::{Job, Method, Payload, Request};

/// What the SDK calls messages of applications.
pub(super) const KIND: &str = "user-defined-message";

/// What their content is.
pub(super) const JSON: &str = "application/json";

/// The longest content, in bytes, as with the original.
pub(super) const CONTENT_LEN_MAX: usize = 10_000;

/// Delivers what a call's page says.
pub(super) fn deliver(
    state: &SignalState,
    (account, call): (AccountSid, CallSid),
    spoken: &Spoken,
) -> Result<(), Fault> {
    if spoken.messagetype != KIND {
        return Err(Fault::other_kind());
    }
    let content = spoken.content.as_str().map_or_else(|| spoken.content.to_string(), str::to_owned);
    if content.len() > CONTENT_LEN_MAX || spoken.contenttype.len() > CONTENT_LEN_MAX {
        return Err(Fault::too_much_content());
    }
    let listeners = state.browsers.listeners(call);
    if listeners.is_empty() {
        return Err(Fault::no_listener());
    }
    for listener in listeners {
        let sid = CallMessageSid::generate();
        let named = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let told = vec![
            named("AccountSid", &account.to_string()),
            named("CallSid", &call.to_string()),
            named("Sid", &sid.to_string()),
            named("SubscriptionSid", &listener.sid.to_string()),
            named("Content", &content),
            named("ContentType", &spoken.contenttype),
            named("Timestamp", &Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)),
        ];
        let method = match listener.url.method {
            HttpMethod::Get => Method::Get,
            HttpMethod::Post => Method::Post,
        };
        let request = Request {
            method,
            payload: Payload::Form(told),
            ..Request::post(listener.url.url, account.to_string(), Vec::new())
        };
        let job = Job {
            id: sid.to_string(),
            key: listener.sid.to_string(),
            is_last: false,
            request: request.about(call.to_string()),
            accepted_at: SystemTime::now(),
        };
        (state.tell)(job);
    }
    Ok(())
}
