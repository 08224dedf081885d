//! Who may be called: nobody but registered agents, until somebody says so. A stolen password must not become a
//! telephone bill.

use std::fmt;

/// The most patterns. Each call is held against all of them.
const PATTERNS_MAX: usize = 256;

/// Patterns of what may be dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundAllow {
    patterns: Vec<String>,
}

impl Default for OutboundAllow {
    /// Registered agents.
    fn default() -> Self {
        Self { patterns: vec!["client:*".to_owned()] }
    }
}

impl OutboundAllow {
    /// Whatever there is.
    pub fn everything() -> Self {
        Self { patterns: vec!["*".to_owned()] }
    }

    /// Reads a list with commas; `*` stands for anything, also nothing.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        const RIGHT: &str =
            "a comma list of what may be dialled, such as `client:*,+4420*,sip:*@192.0.2.1:*`, or `none`";
        if text.trim() == "none" {
            return Ok(Self { patterns: Vec::new() });
        }
        let patterns: Vec<String> = text.split(',').map(|pattern| pattern.trim().to_owned()).collect();
        let is_readable = |pattern: &String| {
            let kinds = ["sip:", "sips:", "client:", "+", "*"];
            kinds.iter().any(|kind| pattern.starts_with(kind)) && !pattern.contains(char::is_whitespace)
        };
        if patterns.len() > PATTERNS_MAX || !patterns.iter().all(is_readable) {
            return Err(RIGHT.to_owned());
        }
        Ok(Self { patterns })
    }

    /// Whether this may be dialled: `+442071234567`, `sip:alice@192.0.2.1:5060`, `client:alice`.
    ///
    /// A SIP URI is held against the patterns without its parameters and headers, its scheme and host in small
    /// letters: what decides where a call goes, spelt in one way.
    pub fn allows(&self, target: &str) -> bool {
        let Some(target) = plain(target) else {
            return false;
        };
        self.patterns.iter().any(|pattern| fits(pattern, &target))
    }
}

impl fmt::Display for OutboundAllow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.patterns.is_empty() {
            return f.write_str("none");
        }
        f.write_str(&self.patterns.join(","))
    }
}

/// A target without what does not decide where it leads. `None` for what could be read in two ways.
fn plain(target: &str) -> Option<String> {
    if target.chars().any(|c| c.is_control() || c.is_whitespace() || "<>\"\\".contains(c)) {
        return None;
    }
    let Some((scheme, rest)) = target.split_once(':').filter(|(scheme, _)| is_sip(scheme)) else {
        return Some(target.to_owned());
    };
    // A user may have `;` and `?` in it (RFC 3261 §25.1), a host may not; two `@` would let readers differ.
    let (user, host) = match rest.rsplit_once('@') {
        Some((user, _)) if user.contains('@') => return None,
        Some((user, host)) => (format!("{user}@"), host),
        None => (String::new(), rest),
    };
    let (host, is_secure) = split_transport(host)?;
    let (host, scheme) = (host.to_ascii_lowercase(), scheme.to_ascii_lowercase());
    let port = match has_port(&host) {
        true => "",
        false if is_secure || scheme == "sips" => ":5061",
        false => ":5060",
    };
    Some(format!("{scheme}:{user}{host}{port}"))
}

/// A host with its port, and whether it is called over TLS, which decides the port that is not said (RFC 3261 §19.1.2).
/// `None` if it may be read in two ways.
fn split_transport(host: &str) -> Option<(&str, bool)> {
    let (address, headers) = host.split_once('?').unwrap_or((host, ""));
    // Among headers it means nothing, and not everybody who reads may know that.
    if headers.to_ascii_lowercase().contains("transport=") {
        return None;
    }
    let (host, parameters) = address.split_once(';').unwrap_or((address, ""));
    let said =
        |parameter: &&str| parameter.get(..10).is_some_and(|name| name.eq_ignore_ascii_case("transport="));
    let mut transports = parameters.split(';').filter(said);
    let is_secure = transports.next().is_some_and(|said| said[10..].eq_ignore_ascii_case("tls"));
    transports.next().is_none().then_some((host, is_secure))
}

fn is_sip(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips")
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(before, port)| {
        port.chars().all(|c| c.is_ascii_digit()) && (!before.contains(':') || before.ends_with(']'))
    })
}

/// Whether `text` is `pattern` with something in place of each `*`. Takes at most their lengths multiplied.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allow(text: &str) -> OutboundAllow {
        OutboundAllow::parse(text).unwrap()
    }

    #[test]
    fn nothing_but_agents_is_allowed_unless_it_is_said() {
        let usual = OutboundAllow::default();
        assert!(usual.allows("client:alice"));
        for target in ["+442071234567", "sip:alice@example.com", "sips:client:x@example.com", "", "*"] {
            assert!(!usual.allows(target), "{target}");
        }
        assert!(!allow("none").allows("client:alice"));
    }

    #[test]
    fn patterns_stand_for_what_they_say() {
        let allow = allow("+4420*, sip:*@127.0.0.1:*,sip:sales@pbx.example.com:5060");
        for target in [
            "+442071234567",
            "sip:alice@127.0.0.1:5070",
            "sip:alice@127.0.0.1",
            "SIP:alice@127.0.0.1;transport=tcp",
            "sip:sales@PBX.example.com",
            "sip:sales@pbx.example.com?X-a=b",
        ] {
            assert!(allow.allows(target), "{target}");
        }
        for target in [
            "+4930123",
            "44207",
            "sip:alice@127.0.0.10",
            "sip:alice@evil.example;@127.0.0.1:5060",
            "sip:a@evil.example@127.0.0.1:5060",
            "sip:alice@evil.example?x=@127.0.0.1:5060",
            "sip:Sales@pbx.example.com",
            "sip:sales@pbx.example.com:5061",
            "sip:sales@pbx.example.com.evil.example",
            "sip:x@127.0.0.1:5060\r\nX: y",
            "sip:sales@pbx.example.com;transport=tls",
            "sip:sales@pbx.example.com;transport=udp;Transport=TLS",
            "sip:sales@pbx.example.com?transport=tls",
        ] {
            assert!(!allow.allows(target), "{target}");
        }
    }

    #[test]
    fn over_tls_the_usual_port_is_another() {
        let allow = allow("sip:*@127.0.0.1:5061,sips:*@127.0.0.1:5061");
        for target in
            ["sip:a@127.0.0.1;lr;TRANSPORT=tls", "sips:a@127.0.0.1", "sips:a@127.0.0.1:5061;transport=tcp"]
        {
            assert!(allow.allows(target), "{target}");
        }
        for target in ["sip:a@127.0.0.1", "sip:a@127.0.0.1;transport=tcp", "sips:a@127.0.0.1:5060"] {
            assert!(!allow.allows(target), "{target}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "alice", "+44,", "sip:a b@c", "http://x"] {
            assert!(OutboundAllow::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(allow("client:*, +44*").to_string(), "client:*,+44*");
    }

    proptest! {
        /// Against a plain search by all ways to cut the text.
        #[test]
        fn a_pattern_fits_as_a_search_by_hand_says(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
            fn by_hand(pattern: &[u8], text: &[u8]) -> bool {
                match pattern.split_first() {
                    None => text.is_empty(),
                    Some((b'*', rest)) => (0..=text.len()).any(|n| by_hand(rest, &text[n..])),
                    Some((c, rest)) => text.first() == Some(c) && by_hand(rest, &text[1..]),
                }
            }
            prop_assert_eq!(fits(&pattern, &text), by_hand(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
