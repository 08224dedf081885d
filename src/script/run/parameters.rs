//! What an application is told of a call with every request (the reference's §3.1).

use crate::call::{AccountSid, CallDirection, CallStatus, CallView};

/// The version of the interface that is spoken.
const API_VERSION: &str = "2010-04-01";

/// The facts of a call.
pub(in crate::script) fn of(account: AccountSid, call: &CallView) -> Vec<(String, String)> {
    let mut parameters = vec![
        named("CallSid", call.sid),
        named("AccountSid", account),
        named("From", &call.from),
        named("To", &call.to),
        named("Caller", &call.from),
        named("Called", &call.to),
        named("CallStatus", status(call.status)),
        named("ApiVersion", API_VERSION),
        named("Direction", direction(call.direction)),
    ];
    if let Some(parent) = call.parent {
        parameters.push(named("ParentCallSid", parent));
    }
    parameters
}

/// A name and its value.
pub(in crate::script) fn named(name: &str, value: impl ToString) -> (String, String) {
    (name.to_owned(), value.to_string())
}

pub(in crate::script) const fn status(status: CallStatus) -> &'static str {
    match status {
        CallStatus::Queued => "queued",
        CallStatus::Ringing => "ringing",
        CallStatus::InProgress => "in-progress",
        CallStatus::Completed => "completed",
        CallStatus::Busy => "busy",
        CallStatus::Failed => "failed",
        CallStatus::NoAnswer => "no-answer",
        CallStatus::Canceled => "canceled",
    }
}

const fn direction(direction: CallDirection) -> &'static str {
    match direction {
        CallDirection::Inbound => "inbound",
        CallDirection::OutboundApi => "outbound-api",
        CallDirection::OutboundDial => "outbound-dial",
    }
}
