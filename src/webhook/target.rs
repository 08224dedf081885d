//! A URL that somebody gave us, read and made unambiguous, or refused.
//!
//! It is read as browsers do (WHATWG), so that every odd spelling of an address, `0x7f.1`, `2130706433`,
//! `%31%32%37.0.0.1`, is the address it means before anybody judges it. What browsers read between the lines is refused
//! instead: backslashes, control characters, missing slashes. What comes out is what is requested, signed and reported,
//! character for character.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::failure::FailureKind;
use super::overrides::Overrides;
use crate::config::Secret;

/// The longest URL taken. Servers take eight thousand characters at most (RFC 9110 §4.1 asks for that many).
const URL_LEN_MAX: usize = 8_000;

/// Where a request goes.
#[derive(Clone)]
pub(super) struct Target {
    /// Without user and fragment.
    url: Url,
    basic: Option<Secret>,
    overrides: Overrides,
}

/// Everything that decides which connection a request may use.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) tls: bool,
    /// In small letters and Punycode, without a dot at its end; IPv6 addresses without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Target {
    /// Reads what somebody gave us.
    pub(super) fn parse(text: &str) -> Result<Self, FailureKind> {
        let plain = spelt_plainly(text)?;
        let mut url = Url::parse(plain).map_err(|_| FailureKind::BadUrl("it cannot be read"))?;
        let overrides = url.fragment().map(Overrides::parse).transpose()?.unwrap_or_default();
        let basic = credentials(&url);
        strip(&mut url);
        let target = Self { url, basic, overrides };
        target.origin()?;
        Ok(target)
    }

    /// Where `location` leads from here. The overrides stay those of the URL that was given; the user and password go to
    /// their own origin only.
    pub(super) fn redirected(&self, location: &str) -> Result<Self, FailureKind> {
        let joined = self.url.join(location).map_err(|_| FailureKind::BadRedirect)?;
        let is_plain = !location.contains(|c: char| c.is_control() || c == '\\');
        if !is_plain || !matches!(joined.scheme(), "http" | "https") || joined.as_str().len() > URL_LEN_MAX {
            return Err(FailureKind::BadRedirect);
        }
        let mut url = joined;
        let given = credentials(&url);
        strip(&mut url);
        let mut target = Self { url, basic: None, overrides: self.overrides };
        let stays = target.origin().map_err(|_| FailureKind::BadRedirect)? == self.origin()?;
        target.basic = given.or_else(|| self.basic.clone().filter(|_| stays));
        Ok(target)
    }

    /// The same with more in its query.
    pub(super) fn with_query(&self, params: &[(String, String)]) -> Self {
        let mut target = self.clone();
        if !params.is_empty() {
            target.url.query_pairs_mut().extend_pairs(params);
        }
        target
    }

    /// The URL as it is requested and signed.
    pub(super) fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// Path and query, as in the request's first line.
    pub(super) fn path_and_query(&self) -> &str {
        &self.url[url::Position::BeforePath..]
    }

    pub(super) fn path(&self) -> &str {
        self.url.path()
    }

    /// Host and port as in the header `Host`: without the port that the scheme has by itself.
    pub(super) fn authority(&self) -> &str {
        &self.url[url::Position::BeforeHost..url::Position::AfterPort]
    }

    /// What may be shown: neither query nor user.
    pub(super) fn shown(&self) -> String {
        self.url[..url::Position::AfterPath].to_owned()
    }

    pub(super) fn origin(&self) -> Result<Origin, FailureKind> {
        let host = match self.url.host() {
            Some(Host::Domain(name)) => name.strip_suffix('.').unwrap_or(name).to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => String::new(),
        };
        // A name of 253 letters is the longest (RFC 1035 §2.3.4).
        if host.is_empty() || host.len() > 253 || host.split('.').any(str::is_empty) {
            return Err(FailureKind::BadUrl("it has no host"));
        }
        match self.url.port_or_known_default() {
            None | Some(0) => Err(FailureKind::BadUrl("its port is none")),
            Some(port) => Ok(Origin { tls: self.url.scheme() == "https", host, port }),
        }
    }

    /// What is sent as `Authorization`, if the URL had a user.
    pub(super) fn basic(&self) -> Option<&Secret> {
        self.basic.as_ref()
    }

    pub(super) fn overrides(&self) -> Overrides {
        self.overrides
    }
}

/// Refuses what browsers would quietly repair.
fn spelt_plainly(text: &str) -> Result<&str, FailureKind> {
    if text.len() > URL_LEN_MAX {
        return Err(FailureKind::BadUrl("it is too long"));
    }
    if text.contains(|c: char| c.is_control() || c == '\\') {
        return Err(FailureKind::BadUrl("it contains a control character or a backslash"));
    }
    let rest = ["http://", "https://"].into_iter().find_map(|scheme| {
        let head = text.get(..scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then(|| &text[scheme.len()..])
    });
    match rest {
        None => Err(FailureKind::BadUrl("it does not begin with http:// or https://")),
        Some(rest) if rest.starts_with('/') => Err(FailureKind::BadUrl("it has no host")),
        Some(_) => Ok(text),
    }
}

/// User and password as HTTP Basic has them (RFC 7617 §2).
fn credentials(url: &Url) -> Option<Secret> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(url.password().unwrap_or_default()));
    Some(Secret::new(format!("Basic {}", STANDARD.encode(zeroize::Zeroizing::new(pair)))))
}

fn strip(url: &mut Url) {
    url.set_fragment(None);
    // Both fail only on URLs without a host, which then have no user either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Target {
        Target::parse(text).unwrap_or_else(|kind| panic!("{text}: {kind}"))
    }

    #[test]
    fn a_url_is_requested_as_it_was_written() {
        for url in [
            "https://app.example.test/voice?x=1&y=a%20b",
            "http://app.example.test:8080/a%2Fb//c;d?e=f/g?h",
            "https://xn--bcher-kva.example/",
        ] {
            assert_eq!(parse(url).as_str(), url);
        }
        assert_eq!(parse("https://app.example.test:443/v#rc=2").as_str(), "https://app.example.test/v");
        assert_eq!(parse("HTTPS://Bücher.example").as_str(), "https://xn--bcher-kva.example/");
        assert_eq!(parse("http://app.example.test:81/v?q").path_and_query(), "/v?q");
        assert_eq!(parse("http://app.example.test:81/v?q").authority(), "app.example.test:81");
        assert_eq!(parse("http://[2001:db8::1]/").authority(), "[2001:db8::1]");
    }

    #[test]
    fn odd_spellings_of_an_address_are_the_address() {
        for text in ["http://2130706433", "http://0x7f.1", "http://0177.0.0.1", "http://%31%32%37.0.0.1."] {
            assert_eq!(parse(text).origin().unwrap().host, "127.0.0.1", "{text}");
        }
        assert_eq!(parse("http://LOCALHOST.:80/").origin().unwrap().host, "localhost");
    }

    #[test]
    fn what_is_no_plain_url_is_refused() {
        let long = format!("http://a.example/{}", "x".repeat(URL_LEN_MAX));
        for text in [
            "",
            "app.example/x",
            "/x",
            "//app.example/x",
            "ftp://app.example/",
            "file:///etc/passwd",
            "gopher://127.0.0.1:70/",
            "http:app.example",
            "http:/app.example",
            "http:///app.example",
            "http://",
            "http://?x",
            "http://:80/",
            "http://.",
            "http://a..b/",
            "http://app.example\\@127.0.0.1/",
            "http://app.example/\r\nX: y",
            "http://app.ex\tample/",
            "http://app.example:0/",
            "http://app.example:65536/",
            "http://app.example:http/",
            "http://app example/",
            "http://[fe80::1%25eth0]/",
            "http://[::1/",
            "http://1.2.3.256/",
            "http://a%00b/",
            long.as_str(),
        ] {
            assert!(matches!(Target::parse(text), Err(FailureKind::BadUrl(_))), "{text}");
        }
    }

    #[test]
    fn a_user_is_sent_as_basic_and_shown_nowhere() {
        let target = parse("https://us%40er:p%3Aw@app.example.test/v?secret=1");
        assert_eq!(target.basic().unwrap().expose(), "Basic dXNAZXI6cDp3");
        assert_eq!(target.as_str(), "https://app.example.test/v?secret=1");
        assert_eq!(target.shown(), "https://app.example.test/v");
        assert!(parse("https://app.example.test/").basic().is_none());
    }

    #[test]
    fn a_redirect_keeps_the_user_only_on_its_own_origin() {
        let target = parse("https://user:pw@app.example.test/v#rc=3");
        let stays = target.redirected("/other?x").unwrap();
        assert_eq!(stays.as_str(), "https://app.example.test/other?x");
        assert!(stays.basic().is_some());
        assert_eq!(stays.overrides().retries, 3);
        for away in
            ["https://other.example.test/", "http://app.example.test/", "https://app.example.test:444/"]
        {
            assert!(target.redirected(away).unwrap().basic().is_none(), "{away}");
        }
        for nowhere in ["ftp://app.example.test/", "javascript:x", "http://", "//\\evil", "http://x:0/"] {
            assert_eq!(target.redirected(nowhere).err(), Some(FailureKind::BadRedirect), "{nowhere}");
        }
    }

    #[test]
    fn parameters_of_a_get_follow_the_query_that_is_there() {
        let params = [("a b".to_owned(), "c&d".to_owned())];
        assert_eq!(
            parse("http://a.example/?x=1").with_query(&params).as_str(),
            "http://a.example/?x=1&a+b=c%26d"
        );
        assert_eq!(parse("http://a.example/").with_query(&[]).as_str(), "http://a.example/");
    }
}
