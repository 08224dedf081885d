//! What an application is told of a call with every request (the reference's §3.1).

use crate::call::CallView;

/// The version of the interface that is spoken.
const API_VERSION: &str = "2010-04-01";

/// The facts of a call.
pub(in crate::script) fn of(call: &CallView) -> Vec<(String, String)> {
    let mut parameters = vec![
        named("CallSid", call.sid),
        named("AccountSid", call.account),
        named("From", &call.from),
        named("To", &call.to),
        named("Caller", &call.from),
        named("Called", &call.to),
        named("CallStatus", call.status.word()),
        named("ApiVersion", API_VERSION),
        named("Direction", call.direction.word()),
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
