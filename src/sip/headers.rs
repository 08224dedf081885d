//! What we read from requests and put into answers, beyond what the library does.

use std::net::SocketAddr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rsipstack::sip::prelude::{HasHeaders, HeadersExt, ToTypedHeader};
use rsipstack::sip::{Header, Host, Request, Uri};

use super::guard::decode_user;

/// The port of SIP where none is said (RFC 3261 §19.1.2).
pub(super) const SIP_PORT: u16 = 5_060;

/// All values of a header, in order, whether they come on one line or several; also by its compact name.
pub(super) fn values(message: &impl HasHeaders, name: &str, compact: Option<&str>) -> Vec<String> {
    let is_wanted = |header: &&Header| {
        header.name().eq_ignore_ascii_case(name)
            || compact.is_some_and(|compact| header.name().eq_ignore_ascii_case(compact))
    };
    let lines = message.headers().iter().filter(is_wanted);
    lines.flat_map(|line| line.value().split(',').map(|v| v.trim().to_owned()).collect::<Vec<_>>()).collect()
}

/// The values of a header, one for each line: for those in which commas mean something else.
pub(super) fn lines<'m>(message: &'m impl HasHeaders, name: &'m str) -> impl Iterator<Item = &'m str> {
    let lines = message.headers().iter().filter(move |line| line.name().eq_ignore_ascii_case(name));
    lines.map(Header::value)
}

/// The first value of a header.
pub(super) fn value(message: &impl HasHeaders, name: &str, compact: Option<&str>) -> Option<String> {
    values(message, name, compact).into_iter().next()
}

/// Whether a header lists a token.
pub(super) fn lists(request: &Request, name: &str, compact: Option<&str>, token: &str) -> bool {
    values(request, name, compact).iter().any(|value| value.eq_ignore_ascii_case(token))
}

pub(super) fn other(name: &str, value: impl ToString) -> Header {
    Header::Other(name.to_owned(), value.to_string())
}

/// The user part of a URI, unescaped; empty if it has none.
pub(super) fn user(uri: &Uri) -> String {
    uri.user().map(decode_user).unwrap_or_default()
}

/// A user part as it is written in a URI (RFC 3261 §25.1): all but unreserved marks and what numbers need is escaped.
pub(super) fn encode_user(user: &str) -> String {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'!')
        .remove(b'~')
        .remove(b'*')
        .remove(b'\'')
        .remove(b'(')
        .remove(b')')
        .remove(b'+')
        .remove(b'$')
        .remove(b'&')
        .remove(b'=');
    utf8_percent_encode(user, KEPT).to_string()
}

/// The user that a request is about, of its To.
pub(super) fn to_user(request: &Request) -> String {
    let to = request.to_header().ok().and_then(|to| to.uri().ok());
    to.map(|uri| user(&uri)).unwrap_or_default()
}

/// Where a request really came from over UDP, as it was written into its Via when it came (RFC 3581 §4).
pub(super) fn udp_source(request: &Request) -> Option<SocketAddr> {
    let via = request.via_header().ok()?.typed().ok()?;
    let sent_by = &via.uri.host_with_port;
    let port = via.rport().flatten().or_else(|| sent_by.port.map(|port| port.value())).unwrap_or(SIP_PORT);
    let ip = match via.received() {
        Some(received) => received.ok()?,
        // It is what it says, or it would have been written.
        None => match &sent_by.host {
            Host::IpAddr(ip) => *ip,
            Host::Domain(_) => return None,
        },
    };
    Some(SocketAddr::new(ip, port))
}

/// What the API calls this party: the user (a number, a name), or the whole URI if there is none.
pub(super) fn party(uri: &Uri) -> String {
    match uri.user() {
        Some(user) => decode_user(user),
        None => uri.to_string(),
    }
}

/// The caller, as the API names them.
pub(super) fn caller(request: &Request) -> String {
    let from = request.from_header().ok().and_then(|from| from.uri().ok());
    from.map_or_else(|| "anonymous".to_owned(), |uri| party(&uri))
}

/// The number of a request's CSeq.
pub(super) fn cseq(request: &Request) -> Option<u32> {
    request.cseq_header().ok()?.seq().ok()
}

/// What makes two requests the same one come by two ways (RFC 3261 §8.2.2.2), joined.
pub(super) fn merge_key(request: &Request) -> Option<String> {
    let call_id = value(request, "Call-ID", Some("i"))?;
    let cseq = value(request, "CSeq", None)?;
    // Not from the raw value: a display name may have commas, and anything else, in it.
    let tag = request.from_header().ok()?.tag().ok()??;
    Some(format!("{call_id}\n{tag}\n{cseq}"))
}
