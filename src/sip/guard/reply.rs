//! Answers that the guard gives by itself, statelessly: a repeated request gets the very same answer.
//! RFC 3261 §8.2.6, §8.2.7, §18.2.1.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

use super::address::{self, Address};
use super::head::{Head, Name};
use super::via::{self, Via};
use super::{Refusal, Verdict};

/// Builds the answer to a request, with all Vias, From, To, Call-ID and CSeq as far as they are there.
pub(super) fn to_request<'m>(head: &Head<'_>, refusal: &Refusal, source: SocketAddr) -> Verdict<'m> {
    let mut message = format!("SIP/2.0 {} {}\r\n", refusal.status, refusal.reason);
    let to = push_vias(&mut message, head, source);
    for name in [Name::From, Name::To, Name::CallId, Name::CSeq] {
        let Some(value) = head.first(name) else {
            continue;
        };
        push(&mut message, name.long(), value);
        if name == Name::To && !has_tag(value) {
            let line_end = message.len() - 2;
            message.insert_str(line_end, &format!(";tag={:016x}", tag(head)));
        }
    }
    if let Some((name, value)) = &refusal.header {
        push(&mut message, name, value);
    }
    message.push_str("Content-Length: 0\r\n\r\n");
    Verdict::Reply { message: message.into_bytes(), to }
}

/// Copies the Vias, the first with the address it came from, and returns where the answer goes.
fn push_vias(message: &mut String, head: &Head<'_>, source: SocketAddr) -> SocketAddr {
    let mut to = source;
    for (index, field) in head.all(Name::Via).enumerate() {
        let (first, rest) = via::split_first(&field.value);
        match (index, Via::parse(first)) {
            (0, Some(via)) => {
                to = via.answer_to(source);
                push(message, "Via", &via.received_from(source).to_string());
                if let Some(rest) = rest {
                    push(message, "Via", rest);
                }
            }
            (_, _) => push(message, "Via", &field.value),
        }
    }
    to
}

fn push(message: &mut String, name: &str, value: &str) {
    // Writing to a String cannot fail.
    let _ = write!(message, "{name}: {value}\r\n");
}

fn has_tag(to: &str) -> bool {
    address::tidy(to).is_ok_and(|tidy| Address::split(&tidy).tag().is_some())
}

/// A tag that depends on nothing but the request, so that a repetition gets the same (§8.2.7).
fn tag(head: &Head<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for name in [Name::Via, Name::From, Name::CallId, Name::CSeq] {
        head.first(name).hash(&mut hasher);
    }
    hasher.finish()
}
