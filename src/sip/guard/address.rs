//! Addresses in From, To and Contact, and the Request-URI: checked as far as the node depends on them,
//! and written so that the library reads them right. RFC 3261 §19.1, §20.10, §25.1.
//!
//! The library looks for the first `<`, `;` and `?` wherever they stand. So a display name may not
//! contain a bracket, and a user part such as `+15551234;npdi` is escaped, which means the same.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::Refusal;

/// The user part of a URI as it was meant: escapes resolved (RFC 3261 §19.1.2).
///
/// The library keeps escapes as they came and escapes the `%` again when it prints a URI. Whoever reads
/// a user part, or makes a request to a Contact, decodes it first.
pub fn decode_user(user: &str) -> String {
    percent_decode_str(user).decode_utf8_lossy().into_owned()
}

/// A From, To or Contact value, split where the library must split it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address<'v> {
    pub(super) uri: &'v str,
    /// With their leading semicolon, or empty.
    params: &'v str,
    in_brackets: bool,
}

impl<'v> Address<'v> {
    /// Splits a tidy value; see [`tidy`].
    pub(super) fn split(value: &'v str) -> Self {
        if let Some((_, rest)) = value.split_once('<') {
            let (uri, params) = rest.split_once('>').unwrap_or((rest, ""));
            return Self { uri, params, in_brackets: true };
        }
        // Without brackets everything from the first semicolon on belongs to the header.
        let end = value.find(';').unwrap_or(value.len());
        Self { uri: &value[..end], params: &value[end..], in_brackets: false }
    }

    pub(super) fn tag(&self) -> Option<&'v str> {
        self.params.split(';').find_map(|param| {
            let (name, tag) = param.split_once('=')?;
            (name.eq_ignore_ascii_case("tag") && !tag.is_empty()).then_some(tag)
        })
    }

    /// A question mark needs brackets around the URI (RFC 3261 §20), or nobody knows whose it is.
    pub(super) fn is_ambiguous(&self) -> bool {
        !self.in_brackets && self.uri.contains('?')
    }
}

/// What is wrong with the shape of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misshapen {
    Quote,
    Bracket,
    Uri,
}

/// Writes an address without whitespace around `;` and `=`, and without quotes, brackets or escapes in
/// its display name that would mislead the library.
pub(super) fn tidy(value: &str) -> Result<String, Misshapen> {
    let mut tidy =
        Tidy { text: String::with_capacity(value.len()), place: Place::Outside, is_behind_uri: false };
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        let escaped = (c == '\\' && tidy.place == Place::Quotes).then(|| chars.next()).flatten();
        match escaped {
            Some('"') => tidy.text.push('\''),
            Some(other) => tidy.text.extend(['\\', other]),
            None => tidy.take(c),
        }
    }
    tidy.finish()
}

struct Tidy {
    text: String,
    place: Place,
    /// The brackets of this address came already: what is quoted behind them, an instance say, misleads nobody.
    is_behind_uri: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    Quotes,
    Brackets,
}

impl Tidy {
    fn take(&mut self, c: char) {
        match (self.place, c) {
            (Place::Outside, '"') => self.enter(Place::Quotes, c),
            (Place::Outside, '<') => self.enter(Place::Brackets, c),
            (Place::Outside, ';' | '=' | ',') => {
                self.is_behind_uri &= c != ',';
                self.text.truncate(self.text.trim_end().len());
                self.text.push(c);
            }
            (Place::Outside, c) if c.is_whitespace() => self.space(),
            (Place::Outside, c) => self.text.push(c),
            (Place::Quotes, '"') => self.enter(Place::Outside, c),
            (Place::Quotes, '<') if !self.is_behind_uri => self.text.push('('),
            (Place::Quotes, '>') if !self.is_behind_uri => self.text.push(')'),
            (Place::Quotes, c) => self.text.push(c),
            (Place::Brackets, '>') => {
                self.text.truncate(self.text.trim_end().len());
                self.is_behind_uri = true;
                self.enter(Place::Outside, c);
            }
            (Place::Brackets, c) if c.is_whitespace() && self.text.ends_with('<') => {}
            (Place::Brackets, c) => self.text.push(c),
        }
    }

    fn enter(&mut self, place: Place, c: char) {
        self.place = place;
        self.text.push(c);
    }

    /// Keeps one space between words, and none after a separator.
    fn space(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with([';', '=', ',', ' ']) {
            self.text.push(' ');
        }
    }

    fn finish(mut self) -> Result<String, Misshapen> {
        match self.place {
            Place::Quotes => return Err(Misshapen::Quote),
            Place::Brackets => return Err(Misshapen::Bracket),
            Place::Outside => {}
        }
        self.text.truncate(self.text.trim_end().len());
        match Address::split(&self.text).uri {
            "*" => Ok(self.text),
            uri if is_uri(uri) => Ok(self.text),
            _ => Err(Misshapen::Uri),
        }
    }
}

/// A scheme, a colon and something after it, without whitespace in between.
fn is_uri(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else {
        return false;
    };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    is_scheme && !rest.is_empty() && !uri.contains(char::is_whitespace)
}

/// The scheme of a URI, in any case.
pub(super) fn has_scheme(uri: &str, schemes: &[&str]) -> bool {
    let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme);
    schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

/// Checks the URI of a first line (RFC 3261 §8.2.2.1) and escapes its user part.
pub(super) fn request_uri(uri: &str) -> Result<Cow<'_, str>, Refusal> {
    if !is_uri(uri) || uri.contains(['<', '>', '"']) {
        return Err(Refusal::bad("Malformed Request-URI"));
    }
    if !has_scheme(uri, &["sip", "sips", "tel"]) {
        return Err(Refusal::new(416, "Unsupported URI Scheme"));
    }
    let uri = escape_user(uri);
    // A URI with header fields in it is a link to follow, never where a request goes (§19.1.5).
    if uri.contains('?') {
        return Err(Refusal::bad("Header Fields In Request-URI"));
    }
    if has_doubtful_host(&uri) {
        return Err(Refusal::bad("Malformed Host In Request-URI"));
    }
    Ok(uri)
}

/// Whether a host has several colons without the brackets that IPv6 needs (RFC 5118 §4.2): nobody can
/// tell its last group from a port.
fn has_doubtful_host(uri: &str) -> bool {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = host.split(';').next().unwrap_or_default();
    !host.starts_with('[') && host.matches(':').count() > 1
}

/// Escapes what the library would take for the end of the user part (RFC 3261 §25.1 allows both
/// characters there).
pub(super) fn escape_user(uri: &str) -> Cow<'_, str> {
    let Some((user, host)) = uri.rsplit_once('@') else {
        return Cow::Borrowed(uri);
    };
    if !user.contains([';', '?']) {
        return Cow::Borrowed(uri);
    }
    Cow::Owned(format!("{}@{host}", user.replace(';', "%3B").replace('?', "%3F")))
}

/// Escapes the user part of each address in a tidy Contact.
pub(super) fn escape_contact(value: &str) -> Cow<'_, str> {
    let Some((before, rest)) = value.split_once('<') else {
        return Cow::Borrowed(value);
    };
    let Some((uri, after)) = rest.split_once('>') else {
        return Cow::Borrowed(value);
    };
    match (escape_user(uri), escape_contact(after)) {
        (Cow::Borrowed(_), Cow::Borrowed(_)) => Cow::Borrowed(value),
        (uri, after) => Cow::Owned(format!("{before}<{uri}>{after}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whitespace_around_separators_goes_and_words_keep_one_space() {
        assert_eq!(
            tidy("J  Rosenberg   < sip:j@pbx.example > ; tag  = 98as ; q=1").as_deref(),
            Ok("J Rosenberg <sip:j@pbx.example>;tag=98as;q=1")
        );
        assert_eq!(tidy("sip:a@b.example ;  tag = 1").as_deref(), Ok("sip:a@b.example;tag=1"));
    }

    #[test]
    fn a_display_name_cannot_pass_for_an_address() {
        assert_eq!(
            tidy(r#""x <sip:evil@a.example> \"y\", z" <sip:b@c.example>"#).as_deref(),
            Ok(r#""x (sip:evil@a.example) 'y', z" <sip:b@c.example>"#)
        );
    }

    #[test]
    fn an_instance_behind_an_address_stays_as_it_is() {
        let instance = "<sip:a@b.invalid>;+sip.instance=\"<urn:uuid:1>\";reg-id=1";
        assert_eq!(tidy(instance).as_deref(), Ok(instance));
        assert_eq!(
            tidy(&format!("{instance}, \"<x>\" <sip:c@d.example>")).as_deref(),
            Ok(format!("{instance},\"(x)\" <sip:c@d.example>").as_str())
        );
        assert_eq!(tidy("sip:a@b.example;x=\"<y>\"").as_deref(), Ok("sip:a@b.example;x=\"(y)\""));
    }

    #[test]
    fn misshapen_addresses_are_told_apart() {
        assert_eq!(tidy(r#""Ann <sip:a@b.example>"#), Err(Misshapen::Quote));
        assert_eq!(tidy("Ann <sip:a@b.example"), Err(Misshapen::Bracket));
        assert_eq!(tidy("Ann"), Err(Misshapen::Uri));
        assert_eq!(tidy(""), Err(Misshapen::Uri));
    }

    #[test]
    fn a_tag_is_found_only_among_the_headers_parameters() {
        assert_eq!(Address::split("<sip:a@b.example;tag=no>").tag(), None);
        assert_eq!(Address::split("<sip:a@b.example>;x;TAG=yes").tag(), Some("yes"));
        assert_eq!(Address::split("sip:a@b.example;tag=t").tag(), Some("t"));
    }

    #[test]
    fn a_user_part_with_parameters_is_escaped_and_can_be_decoded() {
        let uri = request_uri("sip:+15550100;npdi;rn=+1555@gw.example;user=phone").unwrap();
        assert_eq!(uri, "sip:+15550100%3Bnpdi%3Brn=+1555@gw.example;user=phone");
        assert_eq!(decode_user("+15550100%3Bnpdi%3Brn=+1555"), "+15550100;npdi;rn=+1555");
        assert_eq!(
            escape_contact("<sip:a;b@c.example>,<sip:d?e@f.example>;q=1"),
            "<sip:a%3Bb@c.example>,<sip:d%3Fe@f.example>;q=1"
        );
    }

    #[test]
    fn request_uris_that_are_not_ours_to_serve_are_refused() {
        let status = |uri| request_uri(uri).map(|_| ()).map_err(|refusal| refusal.status);
        assert_eq!(status("<sip:a@b.example>"), Err(400));
        assert_eq!(status("sip:a@b.example?Route=x"), Err(400));
        assert_eq!(status("sip:"), Err(400));
        assert_eq!(status("sip:a@2001:db8::1"), Err(400));
        assert_eq!(status("sip:a@[2001:db8::1]:5060;x=a:b:c"), Ok(()));
        assert_eq!(status("isbn:12345"), Err(416));
        assert_eq!(status("soap.beep://192.0.2.7:3002"), Err(416));
        assert_eq!(status("tel:+15550100"), Ok(()));
    }
}
