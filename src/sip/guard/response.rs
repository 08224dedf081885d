//! Responses: forwarded when the library can use them, otherwise discarded. Nobody answers a response.

use super::head::{Head, Name, number};
use super::request::finish;
use super::{Discard, Transport, Verdict, fields, via};

pub(super) fn inspect<'m>(line: &str, head: &mut Head<'m>, transport: Transport) -> Verdict<'m> {
    // We send each request ourselves, so its answer has one Via, ours (RFC 3261 §8.1.3.3).
    let hops: usize = head.all(Name::Via).map(|field| via::count(&field.value).unwrap_or(1)).sum();
    if hops > 1 {
        return Verdict::Discard(Discard::ResponseNotOurs);
    }
    let Some(start_line) = tidy_line(line) else {
        return Verdict::Discard(Discard::BadResponse);
    };
    if head.fault.is_some() || fields::check(head).is_err() {
        return Verdict::Discard(Discard::BadResponse);
    }

    let message = fields::check_contacts(head, false)
        .and_then(|()| fields::body(head, transport))
        .and_then(|body| finish(head, &start_line, body, transport));
    message.map_or(Verdict::Discard(Discard::BadResponse), Verdict::Forward)
}

/// The first line in the form of RFC 3261 §7.2; the reason phrase may be empty.
fn tidy_line(line: &str) -> Option<String> {
    let mut words = line.splitn(3, ' ');
    let (version, code, reason) = (words.next()?, words.next()?, words.next().unwrap_or(""));
    let code = number::<u16>(code).filter(|code| code.to_string() == words_code(line))?;
    let is_ours = version.eq_ignore_ascii_case("SIP/2.0") && (100..700).contains(&code);
    let reason: String = reason.chars().filter(|c| !c.is_control()).collect();
    is_ours.then(|| format!("SIP/2.0 {code} {reason}"))
}

/// The second word of a line.
fn words_code(line: &str) -> &str {
    line.split(' ').nth(1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_phrase_may_be_empty_or_odd_but_a_code_has_three_digits() {
        assert_eq!(tidy_line("SIP/2.0 100 ").as_deref(), Some("SIP/2.0 100 "));
        assert_eq!(tidy_line("SIP/2.0 100").as_deref(), Some("SIP/2.0 100 "));
        assert_eq!(tidy_line("sip/2.0 200 = 2**3 * 5").as_deref(), Some("SIP/2.0 200 = 2**3 * 5"));
        for line in
            ["SIP/2.0 4294967301 x", "SIP/2.0 99 x", "SIP/2.0 0200 x", "SIP/3.0 200 x", "SIP/2.0 +20 x"]
        {
            assert_eq!(tidy_line(line), None, "{line}");
        }
    }
}
