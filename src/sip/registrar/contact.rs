//! The Contact headers of a REGISTER (RFC 3261 §10.2, §20.10): strangers write them, though the guard has tidied them.

/// Contacts in one request: as many phones as an agent may have, and room for those that are taken back with them.
const CONTACTS_MAX: usize = 64;

/// Thousandths in one, in which a `q` is counted.
const Q_ONE: u16 = 1_000;

/// What a REGISTER says of where its agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contacts {
    /// All that were registered (`*`).
    Every,
    /// These. None: it only asks what is registered.
    These(Vec<Contact>),
}

/// One place where an agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Where requests go: a `sip:` or `sips:` URI, with the header fields in it, which no request will have (RFC 3261
    /// §19.1.5 warns of them).
    pub uri: String,
    /// For how many seconds, if it says so itself; what is no number is none (RFC 3261 §20.19).
    pub expires: Option<u32>,
    /// How well it is liked, in thousandths.
    pub q: u16,
    /// Which phone it is, whatever its address (RFC 5626 §4.1), with the number of its way to us.
    pub instance: Option<String>,
}

/// They are none that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the contacts of a registration")]
pub struct MalformedContact;

impl Contacts {
    /// Reads the values of all Contact headers of a request.
    ///
    /// # Errors
    /// When one is no SIP address, when `*` is not alone, or when there are more than 64.
    pub fn read<'l>(lines: impl IntoIterator<Item = &'l str>) -> Result<Self, MalformedContact> {
        let mut these = Vec::new();
        let mut every = false;
        for value in lines.into_iter().flat_map(split_list) {
            if value.is_empty() || these.len() == CONTACTS_MAX {
                return Err(MalformedContact);
            }
            match value {
                "*" => every = true,
                value => these.push(Contact::read(value)?),
            }
        }
        match (every, these.is_empty()) {
            (true, true) => Ok(Self::Every),
            (true, false) => Err(MalformedContact),
            (false, _) => Ok(Self::These(these)),
        }
    }
}

impl Contact {
    fn read(value: &str) -> Result<Self, MalformedContact> {
        let (uri, params) = split_address(value)?;
        let scheme = uri.split_once(':').filter(|(_, rest)| !rest.is_empty()).map(|(scheme, _)| scheme);
        let is_sip = scheme.is_some_and(|s| s.eq_ignore_ascii_case("sip") || s.eq_ignore_ascii_case("sips"));
        if !is_sip || uri.contains(|c: char| c.is_control() || c.is_whitespace() || "<>\"".contains(c)) {
            return Err(MalformedContact);
        }
        let param = |name: &str| {
            let mut params = split_unquoted(params, ';').map(str::trim);
            params.find_map(|param| {
                let (known, value) = param.split_once('=')?;
                known.trim().eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        let instance = param("+sip.instance").filter(|instance| !instance.is_empty());
        let way = param("reg-id").unwrap_or("1");
        Ok(Self {
            uri: uri.to_owned(),
            expires: param("expires").and_then(seconds),
            q: param("q").map_or(Q_ONE, thousandths),
            instance: instance.map(|instance| format!("{instance} {way}")),
        })
    }
}

impl Contact {
    /// The host of its URI, without port and parameters.
    pub(super) fn host(&self) -> &str {
        let rest = self.uri.split_once(':').map_or("", |(_, rest)| rest);
        // A user may have `;` and `?` in it, and nothing behind the host an `@` (RFC 3261 §25.1).
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        let host = host.split(['?', ';']).next().unwrap_or_default();
        let end = if host.starts_with('[') { host.find(']').map_or(host.len(), |at| at + 1) } else { 0 };
        let port = host[end..].find(':').map_or(host.len(), |at| end + at);
        &host[..port]
    }
}

/// A number of seconds; one that is too large for us is as good as the largest.
pub(super) fn seconds(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u32::MAX))
}

/// A `q` in thousandths (RFC 3261 §25.1); what is none is as if it were not there.
fn thousandths(text: &str) -> u16 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_q = matches!(whole, "0" | "1")
        && fraction.len() <= 3
        && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !is_q || whole == "1" {
        return Q_ONE;
    }
    format!("{fraction:0<3}").parse().unwrap_or(Q_ONE)
}

/// The URI of an address and the parameters behind it. Without brackets all from the first semicolon on belongs to the
/// header (RFC 3261 §20).
fn split_address(value: &str) -> Result<(&str, &str), MalformedContact> {
    let bracket = find_unquoted(value, '<');
    let Some(open) = bracket else {
        let (uri, params) = value.split_once(';').unwrap_or((value, ""));
        return Ok((uri.trim(), params));
    };
    let (uri, rest) = value[open + 1..].split_once('>').ok_or(MalformedContact)?;
    let rest = rest.trim_start();
    match rest.strip_prefix(';') {
        Some(params) => Ok((uri.trim(), params)),
        None if rest.is_empty() => Ok((uri.trim(), "")),
        None => Err(MalformedContact),
    }
}

fn find_unquoted(text: &str, wanted: char) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.char_indices().find_map(|(at, c)| {
        let plain = !quoted && c == wanted;
        escaped = match c {
            _ if escaped => false,
            '\\' => quoted,
            '"' => {
                quoted = !quoted;
                false
            }
            _ => false,
        };
        plain.then_some(at)
    })
}

/// Splits at a separator that stands neither in quotes nor in brackets.
fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped, mut bracketed) = (false, false, false);
    text.split(move |c| {
        let is_plain = !quoted && !bracketed;
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if !bracketed => quoted = !quoted,
            '<' if is_plain => bracketed = true,
            '>' if !quoted => bracketed = false,
            _ => {}
        }
        is_plain && c == separator
    })
}

fn split_list(line: &str) -> impl Iterator<Item = &str> {
    split_unquoted(line, ',').map(str::trim)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn contact(uri: &str) -> Contact {
        Contact { uri: uri.to_owned(), expires: None, q: 1_000, instance: None }
    }

    fn these(line: &str) -> Vec<Contact> {
        match Contacts::read([line]) {
            Ok(Contacts::These(contacts)) => contacts,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn contacts_come_in_many_shapes() {
        assert_eq!(
            these("sip:a@192.0.2.1;expires=5"),
            [Contact { expires: Some(5), ..contact("sip:a@192.0.2.1") }]
        );
        assert_eq!(
            these("\"A, <sip:x@y>\" <sip:a@b;transport=tcp>;q=0.25 ; Expires = 99999999999, <sips:c@d>"),
            [
                Contact { expires: Some(u32::MAX), q: 250, ..contact("sip:a@b;transport=tcp") },
                contact("sips:c@d")
            ]
        );
        let outbound = "<sip:a@b>;+sip.instance=\"<urn:uuid:1;2>\";reg-id=2;expires=soon;q=7";
        let instance = Some("\"<urn:uuid:1;2>\" 2".to_owned());
        assert_eq!(these(outbound), [Contact { instance, ..contact("sip:a@b") }]);
        assert_eq!(Contacts::read([]), Ok(Contacts::These(Vec::new())));
        assert_eq!(Contacts::read(["*"]), Ok(Contacts::Every));
        assert_eq!(these("<sip:a@b>;q=0").first().map(|contact| contact.q), Some(0));
    }

    #[test]
    fn a_contact_has_a_host() {
        for (uri, host) in [
            ("sip:a@x.invalid;transport=ws;ob", "x.invalid"),
            ("sip:x.invalid", "x.invalid"),
            ("sips:a;b@192.0.2.1:5060", "192.0.2.1"),
            ("sip:a@[2001:db8::1]:5060;x=y", "[2001:db8::1]"),
            ("sip:a@b?Subject=c", "b"),
        ] {
            assert_eq!(contact(uri).host(), host, "{uri}");
        }
    }

    #[test]
    fn what_cannot_be_called_is_no_contact() {
        for line in [
            "",
            ",",
            "<sip:a@b>,",
            "*, <sip:a@b>",
            "<sip:a@b",
            "<sip:a@b>x",
            "<mailto:a@b>",
            "<sip:>",
            "a@b",
            "<sip:a b@c>",
        ] {
            assert_eq!(Contacts::read([line]), Err(MalformedContact), "{line}");
        }
        let many = vec!["<sip:a@b>"; CONTACTS_MAX + 1].join(",");
        assert_eq!(Contacts::read([many.as_str()]), Err(MalformedContact));
    }

    proptest! {
        #[test]
        fn no_line_makes_the_reader_panic_and_what_is_read_can_be_written_and_read_again(
            line in r#"(("[^"]{0,4}" )?<?sips?:[a-z0-9@.;=]{0,12}>?(;(q|expires|\+sip\.instance|reg-id)=["<>\\,;0-9.a-z]{0,8}){0,3},?|\PC{0,6}){0,3}"#
        ) {
            if let Ok(Contacts::These(contacts)) = Contacts::read([line.as_str()]) {
                let written: Vec<String> = contacts.iter().map(|contact| format!("<{}>", contact.uri)).collect();
                let written = written.join(", ");
                let read = if written.is_empty() { Vec::new() } else { these(&written) };
                let uris = |contacts: &[Contact]| contacts.iter().map(|c| c.uri.clone()).collect::<Vec<_>>();
                prop_assert_eq!(uris(&read), uris(&contacts));
            }
        }
    }
}
