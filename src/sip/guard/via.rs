//! The topmost Via: where an answer goes, and the form the library reads. RFC 3261 §18.2, §20.42; RFC 3581.

use std::net::{IpAddr, SocketAddr};

/// The port of a sent-by that names none (RFC 3261 §18.2.2).
const DEFAULT_PORT: u16 = 5060;

/// One hop of a Via header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Via {
    transport: String,
    host: String,
    port: Option<u16>,
    params: Vec<(String, Option<String>)>,
}

impl Via {
    /// Reads one hop. Whitespace may stand between all its parts.
    pub(super) fn parse(hop: &str) -> Option<Self> {
        let mut parts = hop.splitn(3, '/').map(str::trim);
        let (protocol, version, rest) = (parts.next()?, parts.next()?, parts.next()?);
        if !protocol.eq_ignore_ascii_case("SIP") || version != "2.0" {
            return None;
        }
        let (transport, rest) = rest.split_once(char::is_whitespace)?;
        let (sent_by, params) = rest.split_once(';').map_or((rest, None), |(a, b)| (a, Some(b)));
        let (host, port) = split_sent_by(sent_by.trim())?;
        let params = params.map_or(Some(Vec::new()), parse_params)?;
        Some(Self { transport: transport.to_owned(), host: host.to_owned(), port, params })
    }

    fn param(&self, wanted: &str) -> Option<&Option<String>> {
        self.params.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, v)| v)
    }

    fn set(&mut self, wanted: &str, value: String) {
        match self.params.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case(wanted)) {
            Some((_, old)) => *old = Some(value),
            None => self.params.push((wanted.to_owned(), Some(value))),
        }
    }

    /// Where an answer over UDP goes: back to the very port if the sender asked for it (RFC 3581 §4),
    /// else to the port it names, at the address it really has (RFC 3261 §18.2.2).
    pub(super) fn answer_to(&self, source: SocketAddr) -> SocketAddr {
        if self.param("rport").is_some() {
            return source;
        }
        SocketAddr::new(source.ip(), self.port.unwrap_or(DEFAULT_PORT))
    }

    /// The hop with the address it really came from (RFC 3261 §18.2.1, RFC 3581 §4).
    pub(super) fn received_from(mut self, source: SocketAddr) -> Self {
        let asks_port = self.param("rport").is_some();
        let names_address = self.host.trim_matches(['[', ']']).parse::<IpAddr>() == Ok(source.ip());
        if asks_port {
            self.set("rport", source.port().to_string());
        }
        if asks_port || !names_address {
            self.set("received", source.ip().to_string());
        }
        self
    }
}

impl std::fmt::Display for Via {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        self.params.iter().try_for_each(|(name, value)| match value {
            Some(value) => write!(f, ";{name}={value}"),
            None => write!(f, ";{name}"),
        })
    }
}

/// Splits off the first hop of a header that may list several.
pub(super) fn split_first(value: &str) -> (&str, Option<&str>) {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in value.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => return (value[..at].trim(), Some(value[at + 1..].trim())),
            _ => {}
        }
    }
    (value.trim(), None)
}

/// How many hops a header lists; `None` if one is empty.
pub(super) fn count(value: &str) -> Option<usize> {
    let (mut rest, mut hops) = (Some(value), 0);
    while let Some(value) = rest {
        let (hop, after) = split_first(value);
        if hop.is_empty() {
            return None;
        }
        hops += 1;
        rest = after;
    }
    Some(hops)
}

fn split_sent_by(sent_by: &str) -> Option<(&str, Option<u16>)> {
    // An IPv6 address has colons of its own, inside brackets.
    let host_end = if sent_by.starts_with('[') { sent_by.find(']')? + 1 } else { 0 };
    let (host, port) = match sent_by[host_end..].split_once(':') {
        Some((host, port)) => {
            (sent_by[..host_end + host.len()].trim(), Some(super::head::number(port.trim())?))
        }
        None => (sent_by, None),
    };
    let is_host = !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'[' | b']' | b':'));
    is_host.then_some((host, port))
}

/// Splits parameters; none may be empty (RFC 3261 §25.1, via-params).
fn parse_params(params: &str) -> Option<Vec<(String, Option<String>)>> {
    split_unquoted(params)
        .map(|param| {
            let (name, value) = match param.split_once('=') {
                Some((name, value)) => (name.trim(), Some(value.trim().to_owned())),
                None => (param.trim(), None),
            };
            let is_token = !name.is_empty() && name.bytes().all(super::head::is_token_byte);
            is_token.then(|| (name.to_owned(), value))
        })
        .collect()
}

/// Splits at the semicolons that no quotes protect.
fn split_unquoted(params: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    params.split(move |c| {
        quoted ^= c == '"';
        c == ';' && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn via(hop: &str) -> Via {
        Via::parse(hop).unwrap()
    }

    fn source() -> SocketAddr {
        "192.0.2.9:40001".parse().unwrap()
    }

    #[test]
    fn whitespace_between_the_parts_is_removed() {
        assert_eq!(
            via("SIP  /  2.0 / UDP   pbx.example : 5070 ; branch = z9hG4bK7 ; rport").to_string(),
            "SIP/2.0/UDP pbx.example:5070;branch=z9hG4bK7;rport"
        );
    }

    #[test]
    fn an_answer_goes_to_the_source_port_only_when_asked() {
        assert_eq!(via("SIP/2.0/UDP pbx.example:5070;rport").answer_to(source()), source());
        let port = |hop| via(hop).answer_to(source()).port();
        assert_eq!(port("SIP/2.0/UDP pbx.example:5070"), 5070);
        assert_eq!(port("SIP/2.0/UDP pbx.example"), 5060);
    }

    #[test]
    fn the_real_address_is_written_where_it_differs_or_was_asked_for() {
        let received = |hop| via(hop).received_from(source()).to_string();
        assert_eq!(received("SIP/2.0/UDP 192.0.2.9;branch=b"), "SIP/2.0/UDP 192.0.2.9;branch=b");
        assert_eq!(
            received("SIP/2.0/UDP 10.0.0.1;branch=b"),
            "SIP/2.0/UDP 10.0.0.1;branch=b;received=192.0.2.9"
        );
        assert_eq!(
            received("SIP/2.0/UDP 192.0.2.9;rport;received=198.51.100.1"),
            "SIP/2.0/UDP 192.0.2.9;rport=40001;received=192.0.2.9"
        );
    }

    #[test]
    fn addresses_in_brackets_are_whole() {
        let hop = via("SIP/2.0/TCP [2001:db8::9]:5062;branch=b");
        assert_eq!(hop.port, Some(5062));
        let source = "[2001:db8::9]:9".parse().unwrap();
        assert_eq!(hop.received_from(source).to_string(), "SIP/2.0/TCP [2001:db8::9]:5062;branch=b");
    }

    #[test]
    fn hops_that_are_none_are_refused() {
        for hop in ["", "SIP/2.0", "SIP/2.0/UDP", "SIP/3.0/UDP a", "SIP/2.0/UDP a:99999", "SIP/2.0/UDP a;;"] {
            assert_eq!(Via::parse(hop), None, "{hop}");
        }
    }

    #[test]
    fn hops_are_counted_across_commas_outside_quotes() {
        assert_eq!(count(r#"SIP/2.0/UDP a;x="1,2", SIP/2.0/UDP b"#), Some(2));
        assert_eq!(count("SIP/2.0/UDP a,,"), None);
    }
}
