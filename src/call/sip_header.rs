//! Headers that whoever dials a SIP URI adds to its INVITE, after the `?` of the URI (RFC 3261 §19.1.1): what an application
//! wants to tell another, and nothing that would change where or how a call goes.

use percent_encoding::percent_decode_str;

/// The longest headers of a URI, as they are written, in bytes.
pub const SIP_HEADERS_MAX: usize = 1_024;

/// Headers that may be set, beside those that begin with `x-`.
const NAMES: [&str; 4] = ["user-to-user", "remote-party-id", "p-preferred-identity", "p-called-party-id"];

/// A header for an INVITE. Its name is a token, and its value one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipHeader {
    /// The name.
    pub name: String,
    /// The value, unescaped.
    pub value: String,
}

/// Why headers cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SipHeaderError {
    /// All together are too long.
    #[error("has headers of over {SIP_HEADERS_MAX} bytes")]
    TooLong,
    /// One may not be set, has no value, or one of more than a line.
    #[error(
        "has a header that cannot be set: only X-..., User-to-User, Remote-Party-ID, P-Preferred-Identity and \
         P-Called-Party-ID can, to a text without line ends"
    )]
    NotAllowed,
}

impl SipHeader {
    /// Reads what comes after the `?`. `more` is the name of one more that may be set.
    ///
    /// # Errors
    /// [`SipHeaderError`].
    pub fn read_all(text: &str, more: Option<&str>) -> Result<Vec<Self>, SipHeaderError> {
        if text.len() > SIP_HEADERS_MAX {
            return Err(SipHeaderError::TooLong);
        }
        let headers = text.split('&').filter(|header| !header.is_empty());
        headers.map(|header| Self::read(header, more).ok_or(SipHeaderError::NotAllowed)).collect()
    }

    fn read(text: &str, more: Option<&str>) -> Option<Self> {
        let (name, value) = text.split_once('=')?;
        let name = percent_decode_str(name).decode_utf8().ok()?;
        let value = percent_decode_str(value).decode_utf8().ok()?;
        let lower = name.to_ascii_lowercase();
        let is_token = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        let may_be_set = lower.len() > 2 && lower.starts_with("x-")
            || NAMES.contains(&lower.as_str())
            || more == Some(lower.as_str());
        let is_line = !value.chars().any(char::is_control);
        let is_good = is_token && may_be_set && is_line;
        is_good.then(|| Self { name: name.into_owned(), value: value.into_owned() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, SipHeaderError> {
        let headers = SipHeader::read_all(text, None)?;
        Ok(headers.into_iter().map(|header| (header.name, header.value)).collect())
    }

    #[test]
    fn headers_are_unescaped_and_keep_their_order() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let told = read("X-Order=4%202&User-to-User=ab;encoding=hex&&x-a=").unwrap();
        let expected = [pair("X-Order", "4 2"), pair("User-to-User", "ab;encoding=hex"), pair("x-a", "")];
        assert_eq!(told, expected);
        assert_eq!(read(""), Ok(Vec::new()));
    }

    #[test]
    fn what_would_change_the_call_is_refused() {
        for text in ["Via=x", "Route=x", "X-=x", "X-A", "X-A=%0d%0aVia: x", "X-A%0d%0aVia=x", "X-A=%ff", "=x"]
        {
            assert_eq!(read(text), Err(SipHeaderError::NotAllowed), "{text}");
        }
        assert_eq!(read(&format!("X-A={}", "a".repeat(SIP_HEADERS_MAX))), Err(SipHeaderError::TooLong));
        assert_eq!(read("Replaces=x"), Err(SipHeaderError::NotAllowed));
        assert!(SipHeader::read_all("Replaces=x", Some("replaces")).is_ok());
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_one_line_of_a_header(text in "\\PC{0,60}|(x-|X-|%0[ad]|[=&%a-z]){0,12}") {
            for SipHeader { name, value } in SipHeader::read_all(&text, None).unwrap_or_default() {
                prop_assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b':'));
                prop_assert!(!value.contains(char::is_control));
            }
        }
    }
}
