//! Requests: the checks of RFC 3261 §8.2, in its order, before anything is handed on.

use std::borrow::Cow;
use std::net::SocketAddr;

use super::address::{self, Address};
use super::head::{Head, Name, is_token_byte, number};
use super::{
    ALLOW, DATAGRAM_MAX, Discard, MESSAGE_MAX, Refusal, SUPPORTED, Transport, Verdict, fields, reply, stack,
    via,
};

/// Methods that exist (their RFCs: 3261, 3428, 6665, 3903, 3515, 3262) but that this node does not serve.
const NOT_SERVED: [&str; 4] = ["MESSAGE", "PRACK", "PUBLISH", "SUBSCRIBE"];

/// Methods that are served within a dialog only: transfers are of calls (RFC 3515, RFC 6665).
const IN_DIALOG: [&str; 2] = ["NOTIFY", "REFER"];

/// Hops that a path may have: as many as Max-Forwards usually allows (RFC 3261 §20.22).
const VIAS_MAX: usize = 70;

/// A first line in its three parts.
#[derive(Clone, Copy, Debug)]
struct Line<'m> {
    method: &'m str,
    uri: &'m str,
    version: &'m str,
}

pub(super) fn inspect<'m>(
    line: &'m [u8],
    head: &mut Head<'m>,
    source: SocketAddr,
    transport: Transport,
) -> Verdict<'m> {
    let hops: usize = head.all(Name::Via).map(|field| via::count(&field.value).unwrap_or(1)).sum();
    match hops {
        0 => return Verdict::Discard(Discard::NoVia),
        1..=VIAS_MAX => {}
        _ => return Verdict::Discard(Discard::TooManyVias),
    }

    match accept(line, head, transport) {
        Ok(message) => Verdict::Forward(message),
        Err(_) if is_ack(line) => Verdict::Discard(Discard::BadAck),
        Err(refusal) => reply::to_request(head, &refusal, source),
    }
}

/// Whether the first word of a line is ACK, whatever follows.
fn is_ack(line: &[u8]) -> bool {
    line.trim_ascii_start().split(u8::is_ascii_whitespace).next() == Some(b"ACK")
}

/// The message to forward, or why not.
fn accept<'m>(line: &'m [u8], head: &mut Head<'m>, transport: Transport) -> Result<Cow<'m, [u8]>, Refusal> {
    if let Some(fault) = head.fault.clone() {
        return Err(fault);
    }
    let line = split_line(line)?;
    check_version(line.version)?;
    let uri = address::request_uri(line.uri);
    let cseq = fields::check(head)?;
    check_method(line.method, is_in_dialog(head))?;
    if cseq.method != line.method {
        return Err(Refusal::bad("CSeq Method Does Not Match"));
    }
    let uri = uri?;
    check_max_forwards(line.method, head)?;
    check_require(line.method, head)?;
    let is_invite = line.method == "INVITE";
    fields::check_contacts(head, is_invite)?;
    if is_invite && head.first(Name::Contact).is_none() {
        return Err(Refusal::bad("Missing Contact Header"));
    }
    let body = fields::body(head, transport)?;
    let start_line = format!("{} {uri} SIP/2.0", line.method);
    finish(head, &start_line, body, transport)
}

/// Writes the message anew if anything about it changed, and makes sure that the library takes it.
pub(super) fn finish<'m>(
    head: &Head<'m>,
    start_line: &str,
    body: &[u8],
    transport: Transport,
) -> Result<Cow<'m, [u8]>, Refusal> {
    let as_it_came =
        head.tidy && head.start_line == start_line.as_bytes() && head.first(Name::ContentLength).is_some();
    let message = if as_it_came {
        Cow::Borrowed(&head.message[..head.body_at + body.len()])
    } else {
        Cow::Owned(head.write(start_line, body))
    };

    let longest = match transport {
        Transport::Udp => DATAGRAM_MAX,
        Transport::Tcp | Transport::WebSocket => MESSAGE_MAX,
    };
    if message.len() > longest {
        return Err(Refusal::new(513, "Message Too Large"));
    }
    stack::check(&message).map_err(Refusal::bad)?;
    Ok(message)
}

/// Splits a first line. More whitespace than the one space of RFC 3261 §7.1 is forgiven, as long as
/// there is no doubt about the parts.
fn split_line(line: &[u8]) -> Result<Line<'_>, Refusal> {
    let line = std::str::from_utf8(line).map_err(|_| Refusal::bad("Request-Line Is Not UTF-8"))?;
    let mut words = line.split_ascii_whitespace();
    let (Some(method), Some(uri), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Refusal::bad("Malformed Request-Line"));
    };
    if line.contains(|c: char| c.is_control() && c != '\t') {
        return Err(Refusal::bad("Malformed Request-Line"));
    }
    Ok(Line { method, uri, version })
}

fn check_version(version: &str) -> Result<(), Refusal> {
    let is_version = version
        .get(4..)
        .and_then(|number| number.split_once('.'))
        .is_some_and(|(major, minor)| number::<u32>(major).is_some() && number::<u32>(minor).is_some());
    match version.get(4..) {
        Some("2.0") => Ok(()),
        _ if is_version => Err(Refusal::new(505, "Version Not Supported")),
        _ => Err(Refusal::bad("Malformed SIP-Version")),
    }
}

/// Methods are case-sensitive (RFC 3261 §7.1). One that we know but do not serve is answered with what
/// we do serve (§8.2.1); of others we can say only that we do not know them (§21.5.2).
fn check_method(method: &str, is_in_dialog: bool) -> Result<(), Refusal> {
    if ALLOW.split(", ").any(|served| served == method) && (is_in_dialog || !IN_DIALOG.contains(&method)) {
        return Ok(());
    }
    if !method.bytes().all(is_token_byte) {
        return Err(Refusal::bad("Malformed Method"));
    }
    let (status, reason) = match NOT_SERVED.contains(&method) || IN_DIALOG.contains(&method) {
        true => (405, "Method Not Allowed"),
        false => (501, "Not Implemented"),
    };
    Err(Refusal { status, reason, header: Some(("Allow", ALLOW.to_owned())) })
}

fn is_in_dialog(head: &Head<'_>) -> bool {
    Address::split(head.first(Name::To).unwrap_or_default()).tag().is_some()
}

/// A request with no hops left goes no further (RFC 3261 §16.3).
///
/// We are its end, so this matters only for requests that start something and would be sent on: not for
/// OPTIONS, which the last hop may answer itself; not for CANCEL, which goes one hop anyway; and not
/// inside a dialog, where refusing a BYE would leave a dead call standing.
fn check_max_forwards(method: &str, head: &Head<'_>) -> Result<(), Refusal> {
    let Some(value) = head.single(Name::MaxForwards)? else {
        return Ok(());
    };
    let hops = number::<u8>(value).ok_or(Refusal::bad("Invalid Max-Forwards"))?;
    if hops == 0 && !is_in_dialog(head) && !matches!(method, "ACK" | "CANCEL" | "OPTIONS") {
        return Err(Refusal::new(483, "Too Many Hops"));
    }
    Ok(())
}

/// Refuses extensions that we lack (RFC 3261 §8.2.2.3). Proxy-Require is for proxies.
fn check_require(method: &str, head: &Head<'_>) -> Result<(), Refusal> {
    if matches!(method, "ACK" | "CANCEL") {
        return Ok(());
    }
    let unknown: Vec<&str> = head
        .all(Name::Require)
        .flat_map(|field| field.value.split(','))
        .map(str::trim)
        .filter(|tag| !tag.is_empty() && !is_supported(method, tag))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let header = Some(("Unsupported", unknown.join(", ")));
    Err(Refusal { status: 420, reason: "Bad Extension", header })
}

fn is_supported(method: &str, tag: &str) -> bool {
    // Proxies on the way of a REGISTER want to be on the way back (RFC 3327 §5.2).
    let is_path = method == "REGISTER" && tag.eq_ignore_ascii_case("path");
    is_path || SUPPORTED.split(", ").any(|supported| supported.eq_ignore_ascii_case(tag))
}
