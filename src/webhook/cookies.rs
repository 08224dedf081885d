//! The cookies of one call: a value that goes into a request and comes out of it, so that an application can keep what it
//! knows about a call in one. RFC 6265, with one thing left out: a cookie goes back to the host that set it and to no
//! other, whatever `Domain` says, so that no list of public suffixes is needed.

use std::fmt;
use std::time::{Duration, SystemTime};

use chrono::NaiveDateTime;

use super::target::Target;

/// Cookies kept for one call; when one more comes, the oldest goes. Applications use one or two.
const COOKIES_MAX: usize = 32;

/// The longest cookie kept, name and value (RFC 6265 §6.1 asks for as much).
const COOKIE_LEN_MAX: usize = 4_096;

/// What an application keeps with a call.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Cookies(Vec<Cookie>);

#[derive(Clone, PartialEq, Eq)]
struct Cookie {
    host: String,
    path: String,
    secure: bool,
    name: String,
    value: String,
    expires: Option<SystemTime>,
}

impl Cookies {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps what a `Set-Cookie` header says that came from `target` (RFC 6265 §5.2 and §5.3).
    pub(super) fn take(&mut self, target: &Target, header: &str, now: SystemTime) {
        let Some(cookie) = Cookie::parse(target, header, now) else { return };
        self.0.retain(|other| !other.replaced_by(&cookie));
        if cookie.expires.is_some_and(|at| at <= now) {
            return;
        }
        if self.0.len() == COOKIES_MAX {
            self.0.remove(0);
        }
        self.0.push(cookie);
    }

    /// What `target` is sent as `Cookie`, longer paths first (RFC 6265 §5.4); nothing if there is none.
    pub(super) fn header(&self, target: &Target, now: SystemTime) -> Option<String> {
        let origin = target.origin().ok()?;
        let mut fitting: Vec<&Cookie> = self
            .0
            .iter()
            .filter(|cookie| cookie.host == origin.host && (origin.tls || !cookie.secure))
            .filter(|cookie| path_fits(&cookie.path, target.path()))
            .filter(|cookie| cookie.expires.is_none_or(|at| at > now))
            .collect();
        fitting.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<String> =
            fitting.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

/// How many, never which.
impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cookies({})", self.0.len())
    }
}

impl Cookie {
    fn parse(target: &Target, header: &str, now: SystemTime) -> Option<Self> {
        let origin = target.origin().ok()?;
        let (pair, attributes) = header.split_once(';').unwrap_or((header, ""));
        let (name, value) = pair.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        let fits = !name.is_empty() && name.len() + value.len() <= COOKIE_LEN_MAX;
        let is_plain = |text: &str| text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if !fits || !is_plain(name) || !is_plain(value) {
            return None;
        }
        let mut cookie = Self {
            host: origin.host,
            path: default_path(target.path()).to_owned(),
            secure: false,
            name: name.to_owned(),
            value: value.to_owned(),
            expires: None,
        };
        let mut max_age = None;
        for attribute in attributes.split(';') {
            let (key, said) = attribute.split_once('=').unwrap_or((attribute, ""));
            match key.trim().to_ascii_lowercase().as_str() {
                "secure" => cookie.secure = true,
                "path" if said.trim().starts_with('/') => cookie.path = said.trim().to_owned(),
                "max-age" => max_age = age(said.trim()).or(max_age),
                "expires" => cookie.expires = date(said.trim()).or(cookie.expires),
                _ => {}
            }
        }
        // Max-Age wins over Expires (RFC 6265 §4.1.2.2).
        cookie.expires = max_age.map_or(cookie.expires, |age| now.checked_add(age));
        Some(cookie)
    }

    fn replaced_by(&self, other: &Self) -> bool {
        (&self.host, &self.path, &self.name) == (&other.host, &other.path, &other.name)
    }
}

/// Seconds; zero if negative, at which the cookie is over.
fn age(text: &str) -> Option<Duration> {
    let seconds: i64 = text.parse().ok()?;
    // A year: longer than any call.
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0).min(31_536_000)))
}

/// The dates that servers write: `Thu, 01 Jan 1970 00:00:00 GMT`, with hyphens or without.
fn date(text: &str) -> Option<SystemTime> {
    let plain = text.replace('-', " ");
    let parsed = NaiveDateTime::parse_from_str(&plain, "%a, %d %b %Y %H:%M:%S GMT").ok()?;
    let seconds = u64::try_from(parsed.and_utc().timestamp()).unwrap_or(0);
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Up to the last slash (RFC 6265 §5.1.4).
fn default_path(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(at) => &path[..at],
    }
}

/// Whether a request for `path` is within `of` (RFC 6265 §5.1.4).
fn path_fits(of: &str, path: &str) -> bool {
    path.strip_prefix(of).is_some_and(|rest| rest.is_empty() || of.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        Target::parse(url).unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_cookie_goes_back_to_its_host_and_path_only() {
        let mut cookies = Cookies::default();
        cookies.take(&target("https://a.example/ivr/menu"), "id=1; HttpOnly", at(9));
        cookies.take(&target("https://a.example/ivr/menu"), "all=2; Path=/; Secure; Domain=example", at(9));
        let sent = |url| cookies.header(&target(url), at(9));
        assert_eq!(sent("https://a.example/ivr/next").as_deref(), Some("id=1; all=2"));
        assert_eq!(sent("https://a.example:8443/ivr").as_deref(), Some("id=1; all=2"));
        assert_eq!(sent("http://a.example/ivr/").as_deref(), Some("id=1"));
        assert_eq!(sent("https://a.example/ivrs").as_deref(), Some("all=2"));
        assert_eq!(sent("https://b.example/ivr/next"), None);
        assert_eq!(sent("https://example/"), None);
    }

    #[test]
    fn a_cookie_is_replaced_and_ends() {
        let mut cookies = Cookies::default();
        let here = target("https://a.example/");
        cookies.take(&here, "id=1", at(100));
        cookies.take(&here, "id=2; Max-Age=10", at(100));
        assert_eq!(cookies.header(&here, at(109)).as_deref(), Some("id=2"));
        assert_eq!(cookies.header(&here, at(110)), None);
        for ends in [
            "id=; Max-Age=0",
            "id=x; expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "id=x; Expires=Thu, 01-Jan-1970 00:00:01 GMT",
        ] {
            let mut cookies = cookies.clone();
            cookies.take(&here, ends, at(101));
            assert!(cookies.is_empty(), "{ends}");
        }
    }

    #[test]
    fn cookies_are_bounded_and_plain() {
        let mut cookies = Cookies::default();
        let here = target("https://a.example/");
        for number in 0..100 {
            cookies.take(&here, &format!("c{number}=1"), at(1));
        }
        assert_eq!(cookies.len(), COOKIES_MAX);
        assert!(cookies.header(&here, at(1)).unwrap().ends_with("c99=1"));
        for odd in ["", "=x", "novalue", "a=b\u{7f}", "ä=1", &format!("a={}", "x".repeat(COOKIE_LEN_MAX))] {
            let mut none = Cookies::default();
            none.take(&here, odd, at(1));
            assert!(none.is_empty(), "{odd:?}");
        }
    }

    #[test]
    fn cookies_are_not_shown() {
        let mut cookies = Cookies::default();
        cookies.take(&target("https://a.example/"), "id=secret", at(1));
        assert_eq!(format!("{cookies:?}"), "Cookies(1)");
    }
}
