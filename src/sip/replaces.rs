//! Which call a `Replaces` names (RFC 3891): in an INVITE that takes its place, or in the URI of a REFER that wants two calls
//! of a phone joined (RFC 5589 §7).

use percent_encoding::percent_decode_str;
use rsipstack::dialog::DialogId;
use rsipstack::sip::Request;

use super::headers;

/// The longest value, in bytes: a Call-ID and two tags.
const VALUE_MAX: usize = 512;

/// A dialog as the far end names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaces {
    /// Seen from us: `to-tag` is ours.
    pub dialog: DialogId,
    /// Only if it was not answered yet.
    pub early_only: bool,
}

/// It names nothing, or more than one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it names no dialog, or more than one")]
pub struct Malformed;

/// The dialog that an INVITE is to replace, if it is to replace one. There may be one such header, and none that wants
/// something else of another call (RFC 3891 §3).
pub(super) fn of_invite(request: &Request) -> Result<Option<Replaces>, Malformed> {
    let mut values = headers::lines(request, "Replaces");
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() || headers::lines(request, "Join").next().is_some() {
        return Err(Malformed);
    }
    parse(value).map(Some)
}

/// The dialog that is named in a URI's headers (RFC 3261 §19.1.1); none if none is.
///
/// # Errors
/// When it cannot be read, or there are several.
pub fn of_uri(uri: &str) -> Result<Option<Replaces>, Malformed> {
    let headers = uri.split_once('?').map_or("", |(_, headers)| headers);
    let fields = headers.split('&').filter_map(|field| field.split_once('='));
    let mut values = fields.filter(|(name, _)| name.eq_ignore_ascii_case("Replaces")).map(|(_, value)| value);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Malformed);
    }
    let value = percent_decode_str(value).decode_utf8().map_err(|_| Malformed)?;
    parse(&value).map(Some)
}

/// `callid;to-tag=a;from-tag=b;early-only`, the parameters in any order, each once.
///
/// # Errors
/// When it is not that.
pub fn parse(value: &str) -> Result<Replaces, Malformed> {
    let is_plain = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && c != ',');
    let mut parts = value.split(';').map(str::trim);
    let call_id = parts.next().filter(|id| is_plain(id) && value.len() <= VALUE_MAX).ok_or(Malformed)?;
    let (mut to, mut from, mut early_only) = (None, None, false);
    for part in parts {
        let (name, value) =
            part.split_once('=').map_or((part, ""), |(name, value)| (name.trim(), value.trim()));
        let tag = match () {
            () if name.eq_ignore_ascii_case("to-tag") => &mut to,
            () if name.eq_ignore_ascii_case("from-tag") => &mut from,
            () => {
                early_only |= name.eq_ignore_ascii_case("early-only");
                continue;
            }
        };
        if !is_plain(value) || tag.replace(value.to_owned()).is_some() {
            return Err(Malformed);
        }
    }
    let (local_tag, remote_tag) = to.zip(from).ok_or(Malformed)?;
    Ok(Replaces { dialog: DialogId { call_id: call_id.to_owned(), local_tag, remote_tag }, early_only })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(early_only: bool) -> Replaces {
        let dialog = DialogId { call_id: "12@x".into(), local_tag: "a".into(), remote_tag: "b".into() };
        Replaces { dialog, early_only }
    }

    #[test]
    fn our_tag_is_the_one_of_to() {
        for value in ["12@x;to-tag=a;from-tag=b", "12@x ; from-tag = b;x=y ;To-Tag=a"] {
            assert_eq!(parse(value), Ok(named(false)), "{value}");
        }
        assert_eq!(parse("12@x;to-tag=a;from-tag=b;early-only"), Ok(named(true)));
        let uri = "sip:bob@192.0.2.1;transport=tcp?X-A=b&replaces=12%40x%3Bto-tag%3Da%3Bfrom-tag%3Db";
        assert_eq!(of_uri(uri), Ok(Some(named(false))));
        assert_eq!(of_uri("sip:bob@192.0.2.1?X-Replaces=1"), Ok(None));
    }

    #[test]
    fn what_does_not_name_one_dialog_is_malformed() {
        for value in [
            "",
            "12@x",
            "12@x;to-tag=a",
            "12@x;to-tag=a;from-tag=",
            "12@x;to-tag=a;to-tag=c;from-tag=b",
            "12@x;to-tag=a;from-tag=b,13@x;to-tag=a;from-tag=b",
            ";to-tag=a;from-tag=b",
        ] {
            assert_eq!(parse(value), Err(Malformed), "{value}");
        }
        assert_eq!(parse(&format!("{};to-tag=a;from-tag=b", "x".repeat(VALUE_MAX))), Err(Malformed));
        let twice = "sip:b@x?Replaces=1%3Bto-tag%3Da%3Bfrom-tag%3Db&Replaces=1%3Bto-tag%3Da%3Bfrom-tag%3Db";
        assert_eq!(of_uri(twice), Err(Malformed));
    }

    proptest! {
        #[test]
        fn no_value_is_too_odd(value in "\\PC{0,64}", uri in "sip:[ -~]{0,64}") {
            let _ = (parse(&value), of_uri(&uri));
        }

        #[test]
        fn what_is_written_is_read(call_id in "[!-+\\--:<-~]{1,40}", to in "[a-z0-9]{1,20}", from in "[a-z0-9.]{1,20}") {
            let read = parse(&format!("{call_id};to-tag={to};from-tag={from}"));
            let dialog = DialogId { call_id, local_tag: to, remote_tag: from };
            prop_assert_eq!(read, Ok(Replaces { dialog, early_only: false }));
        }
    }
}
