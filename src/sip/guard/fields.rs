//! What every message must carry, request or response: Via, From, To, Call-ID, CSeq and a body of the
//! length it says. Checked, and put into the form the library reads. RFC 3261 §8.1.1, §18.3, §20.

use super::address::{self, Address, Misshapen};
use super::head::{Head, Name, is_token_byte, number};
use super::via::{self, Via};
use super::{BODY_MAX, Refusal, Transport};

/// A sequence number has 31 bits (RFC 3261 §8.1.1.5).
const CSEQ_MAX: u32 = (1 << 31) - 1;

/// CSeq, as far as it could be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CSeq {
    pub(super) method: String,
}

/// Checks and tidies the fields that a message cannot be without.
pub(super) fn check(head: &mut Head<'_>) -> Result<CSeq, Refusal> {
    check_vias(head)?;
    check_party(head, Name::From)?;
    check_party(head, Name::To)?;
    if Address::split(head.first(Name::From).unwrap_or_default()).tag().is_none() {
        // RFC 2543 had From without tag. The library cannot tell such calls apart, so we do not take them.
        return Err(Refusal::bad("Missing From Tag"));
    }
    check_call_id(head)?;
    check_cseq(head)
}

/// Every hop must be one; the first, which answers follow, is written tidily.
fn check_vias(head: &mut Head<'_>) -> Result<(), Refusal> {
    const MALFORMED: Refusal = Refusal::bad("Malformed Via Header");
    if head.all(Name::Via).any(|field| via::count(&field.value).is_none()) {
        return Err(MALFORMED);
    }
    let index = position(head, Name::Via).ok_or(Refusal::bad("Missing Via Header"))?;
    let (first, rest) = via::split_first(&head.fields[index].value);
    let first = Via::parse(first).ok_or(MALFORMED)?.to_string();
    let tidy = rest.map_or_else(|| first.clone(), |rest| format!("{first}, {rest}"));
    head.replace(index, tidy);
    Ok(())
}

/// Checks From or To.
fn check_party(head: &mut Head<'_>, name: Name) -> Result<(), Refusal> {
    let [missing, unterminated, malformed] = if name == Name::From {
        ["Missing From Header", "Unterminated Quote In From", "Malformed From Header"]
    } else {
        ["Missing To Header", "Unterminated Quote In To", "Malformed To Header"]
    }
    .map(Refusal::bad);
    let Some(value) = head.single(name)? else {
        return Err(missing);
    };
    let tidy = match address::tidy(value) {
        Ok(tidy) => tidy,
        Err(Misshapen::Quote) => return Err(unterminated),
        Err(Misshapen::Bracket | Misshapen::Uri) => return Err(malformed),
    };
    if Address::split(&tidy).is_ambiguous() {
        return Err(malformed);
    }
    replace(head, name, tidy);
    Ok(())
}

fn check_call_id(head: &Head<'_>) -> Result<(), Refusal> {
    let call_id = head.single(Name::CallId)?.ok_or(Refusal::bad("Missing Call-ID Header"))?;
    if call_id.is_empty() || call_id.contains(char::is_whitespace) {
        return Err(Refusal::bad("Malformed Call-ID Header"));
    }
    Ok(())
}

fn check_cseq(head: &mut Head<'_>) -> Result<CSeq, Refusal> {
    let value = head.single(Name::CSeq)?.ok_or(Refusal::bad("Missing CSeq Header"))?;
    let mut words = value.split_whitespace();
    let (Some(seq), Some(method), None) = (words.next(), words.next(), words.next()) else {
        return Err(Refusal::bad("Malformed CSeq Header"));
    };
    let seq = number::<u32>(seq).filter(|&seq| seq <= CSEQ_MAX);
    let seq = seq.ok_or(Refusal::bad("Invalid CSeq Number"))?;
    if !method.bytes().all(is_token_byte) {
        return Err(Refusal::bad("Malformed CSeq Header"));
    }
    let method = method.to_owned();
    replace(head, Name::CSeq, format!("{seq} {method}"));
    Ok(CSeq { method })
}

/// Tidies Contact, which may occur several times and may be missing. Each must be an address that
/// requests can be sent to if `must_be_sip`.
pub(super) fn check_contacts(head: &mut Head<'_>, must_be_sip: bool) -> Result<(), Refusal> {
    for index in 0..head.fields.len() {
        if !head.fields[index].is(Name::Contact) {
            continue;
        }
        let malformed = Refusal::bad("Malformed Contact Header");
        let Ok(tidy) = address::tidy(&head.fields[index].value) else {
            return Err(malformed);
        };
        let contact = Address::split(&tidy);
        if contact.is_ambiguous() {
            return Err(malformed);
        }
        if must_be_sip && !address::has_scheme(contact.uri, &["sip", "sips"]) {
            return Err(Refusal::bad("Contact Is Not A SIP URI"));
        }
        let escaped = address::escape_contact(&tidy).into_owned();
        head.replace(index, escaped);
    }
    Ok(())
}

/// The body, of the length the message says (RFC 3261 §18.3, §20.14).
pub(super) fn body<'m>(head: &Head<'m>, transport: Transport) -> Result<&'m [u8], Refusal> {
    let rest = head.rest();
    let length = match (head.content_length()?, transport) {
        (Some(length), _) => length,
        (None, Transport::Udp | Transport::WebSocket) => rest.len(),
        (None, Transport::Tcp) => 0,
    };
    if length > BODY_MAX {
        return Err(Refusal::new(513, "Message Body Too Large"));
    }
    rest.get(..length).ok_or(Refusal::bad("Content-Length Larger Than Message"))
}

fn position(head: &Head<'_>, name: Name) -> Option<usize> {
    head.fields.iter().position(|field| field.is(name))
}

fn replace(head: &mut Head<'_>, name: Name, value: String) {
    if let Some(index) = position(head, name) {
        head.replace(index, value);
    }
}
