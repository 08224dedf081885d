//! Ways to the telephone network: who carries which numbers, in which order, on which terms; and who may call from
//! there. The order among trunks is that of RFC 2782: the lowest priority first, within one by weight.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::value::show_duration;
use super::{Codecs, Networks, OutboundAllow, Secret, SrtpPolicy};

/// The most trunks. Each has figures of its own, and every number is held against all of them.
pub(super) const TRUNKS_MAX: usize = 64;

/// A way to the telephone network.
#[derive(Clone, Debug)]
pub struct Trunk {
    /// What it is called in routes, figures and the log.
    pub name: String,
    /// The SID of the trunk at the original whose place it takes in requests.
    pub byoc_sid: Option<String>,
    /// Where its INVITEs go: the first that works.
    pub addresses: Vec<TrunkAddress>,
    /// Trunks of a lower one are tried first.
    pub priority: u16,
    /// Its share of the calls among those of its priority. One of weight 0 is tried after the others.
    pub weight: u16,
    /// The numbers that it reaches.
    pub numbers: OutboundAllow,
    /// Those of them that may be dialled over it, besides what the node and the account allow.
    pub allow: OutboundAllow,
    /// How it wants numbers written.
    pub rewrite: Rewrite,
    /// The domain of our From. Default: the node's address.
    pub from_domain: Option<String>,
    /// Who calls, whatever was asked for. Default: as asked.
    pub caller_id: Option<String>,
    /// A call that is passed on keeps who called in place of that.
    pub caller_id_of_forwarded: bool,
    /// What its challenges are answered with.
    pub credentials: Option<TrunkCredentials>,
    /// For how long the node registers with it, if it does.
    pub register: Option<Duration>,
    /// Codecs offered to it, the best liked first. Default: the node's.
    pub codecs: Option<Codecs>,
    /// Whether its media are SRTP. Default: as the node's.
    pub srtp: Option<SrtpPolicy>,
    /// The networks whose calls are this trunk's.
    pub inbound_from: Networks,
    /// What callers of this trunk must know. Default: who comes from one of the networks is believed.
    pub inbound_credentials: Option<InboundCredentials>,
    /// Calls begun over it in a second. Default: no limit.
    pub calls_per_second: Option<u32>,
    /// Calls that the node makes over it at a time. Default: no limit.
    pub max_calls: Option<usize>,
    /// How long it has to say anything at all before the next is tried.
    pub answer_within: Duration,
    /// SIP messages that each of its addresses may send in a second.
    pub messages_per_second: u32,
}

/// Where a trunk is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkAddress {
    /// A name or an address; one of IPv6 without its brackets.
    pub host: String,
    /// The port, if one is said.
    pub port: Option<u16>,
    /// How it is spoken to.
    pub transport: TrunkTransport,
}

/// How a trunk is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrunkTransport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP; its certificate must be for the name that it is called by.
    Tls,
}

impl TrunkTransport {
    /// As a URI says it.
    pub const fn parameter(self) -> &'static str {
        match self {
            Self::Udp => "",
            Self::Tcp => ";transport=tcp",
            Self::Tls => ";transport=tls",
        }
    }
}

impl TrunkAddress {
    /// Reads `host[:port][;udp|;tcp|;tls]`; `transport=` before the transport is taken as well, and `sip:` before the host.
    /// `sips:` there says TLS.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (text, is_sips) = match text.strip_prefix("sips:") {
            Some(rest) => (rest, true),
            None => (text.strip_prefix("sip:").unwrap_or(text), false),
        };
        let (place, transport) = match text.split_once(';') {
            Some((place, transport)) => (place, transport.strip_prefix("transport=").unwrap_or(transport)),
            None if is_sips => (text, "tls"),
            None => (text, "udp"),
        };
        let transport = match transport {
            "udp" if !is_sips => TrunkTransport::Udp,
            "tcp" if !is_sips => TrunkTransport::Tcp,
            // TLS over TCP it is in any case.
            "tcp" | "tls" => TrunkTransport::Tls,
            _ => return None,
        };
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
            _ => (place, None),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if host.is_empty() || (host.parse::<IpAddr>().is_err() && !host.chars().all(is_name)) {
            return None;
        }
        let port = port.map(|port| port.parse().ok().filter(|port| *port != 0).ok_or(())).transpose().ok()?;
        Some(Self { host: host.to_owned(), port, transport })
    }

    /// The port, the usual one if none is said (RFC 3261 §19.1.2).
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.transport == TrunkTransport::Tls { 5_061 } else { 5_060 })
    }

    /// Host and port as a URI has them.
    pub fn host_port(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        self.port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
    }
}

impl fmt::Display for TrunkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host_port())?;
        f.write_str(match self.transport {
            TrunkTransport::Udp => "",
            TrunkTransport::Tcp => ";tcp",
            TrunkTransport::Tls => ";tls",
        })
    }
}

/// How a trunk wants numbers written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// Without the `+`.
    pub strip_plus: bool,
    /// With this before it.
    pub prefix: String,
}

impl Rewrite {
    /// A number in E.164 as the trunk wants it.
    pub fn apply(&self, number: &str) -> String {
        let kept = if self.strip_plus { number.strip_prefix('+').unwrap_or(number) } else { number };
        format!("{}{kept}", self.prefix)
    }
}

/// A user and a password for a trunk's challenges (RFC 8760).
#[derive(Clone, Debug)]
pub struct TrunkCredentials {
    /// The user.
    pub username: String,
    /// The password.
    pub password: Secret,
    /// The realm that may ask for them. Default: whichever the trunk itself names.
    pub realm: Option<String>,
}

/// What callers of a trunk must know.
#[derive(Clone, Debug)]
pub struct InboundCredentials {
    /// The user.
    pub username: String,
    /// The password.
    pub password: Secret,
}

impl Trunk {
    /// Whether this is its name, or its SID at the original.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.byoc_sid.as_deref() == Some(name)
    }
}

impl fmt::Display for Trunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<String> = self.addresses.iter().map(TrunkAddress::to_string).collect();
        write!(f, "{} -> {}", self.name, addresses.join(","))?;
        write!(f, ", priority {}, weight {}, numbers {}", self.priority, self.weight, self.numbers)?;
        if let Some(credentials) = &self.credentials {
            write!(f, ", as {}", credentials.username)?;
        }
        if let Some(expires) = self.register {
            write!(f, ", registers for {}", show_duration(expires))?;
        }
        if self.inbound_from != Networks::default() {
            write!(f, ", calls from {}", self.inbound_from)?;
        }
        let password = if self.inbound_credentials.is_some() { ", who must know a password" } else { "" };
        f.write_str(password)
    }
}

/// Whether a number can be dialled over trunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carriage {
    /// At least one carries it.
    Carried,
    /// Some reach it, and none may be used for it.
    NotAllowed,
    /// None reaches it.
    NotReached,
    /// The one that it is to go over is not there.
    NoTrunk,
}

/// All trunks, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Trunks(Vec<Trunk>);

impl Trunks {
    pub(super) const fn new(trunks: Vec<Trunk>) -> Self {
        Self(trunks)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Trunk> {
        self.0.iter()
    }

    /// Whether there is one of this name.
    pub fn has(&self, name: &str) -> bool {
        self.iter().any(|trunk| trunk.name == name)
    }

    /// Whether a number in E.164 can be dialled, over the one trunk that was `chosen` if one was.
    pub fn carriage(&self, number: &str, chosen: Option<&str>) -> Carriage {
        let is_meant = |trunk: &&Trunk| chosen.is_none_or(|chosen| trunk.is_called(chosen));
        let mut meant = self.iter().filter(is_meant).peekable();
        if chosen.is_some() && meant.peek().is_none() {
            return Carriage::NoTrunk;
        }
        let mut reached = meant.filter(|trunk| trunk.numbers.allows(number)).peekable();
        if reached.peek().is_none() {
            return Carriage::NotReached;
        }
        if reached.any(|trunk| trunk.allow.allows(number)) { Carriage::Carried } else { Carriage::NotAllowed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_port_and_transport() {
        for (text, shown, host_port) in [
            ("sip.example.com", "sip.example.com", "sip.example.com"),
            ("192.0.2.1:5070;tcp", "192.0.2.1:5070;tcp", "192.0.2.1:5070"),
            ("192.0.2.1;transport=udp", "192.0.2.1", "192.0.2.1"),
            ("[2001:db8::1]:5062", "[2001:db8::1]:5062", "[2001:db8::1]:5062"),
            ("2001:db8::1", "[2001:db8::1]", "[2001:db8::1]"),
            ("sip.example.com;tls", "sip.example.com;tls", "sip.example.com"),
            ("sip:sip.example.com:5071;transport=tls", "sip.example.com:5071;tls", "sip.example.com:5071"),
            ("sips:sip.example.com", "sip.example.com;tls", "sip.example.com"),
            ("sips:[2001:db8::1];transport=tcp", "[2001:db8::1];tls", "[2001:db8::1]"),
        ] {
            let address = TrunkAddress::parse(text).unwrap();
            assert_eq!((address.to_string().as_str(), address.host_port().as_str()), (shown, host_port));
        }
        for text in [
            "",
            ":5060",
            "a b",
            "sip:x@y",
            "host:0",
            "host:99999",
            "host:",
            "host;sctp",
            "a@b",
            "a/b",
            "sips:a;udp",
            "sip:",
        ] {
            assert_eq!(TrunkAddress::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn numbers_are_written_as_the_trunk_wants_them() {
        let rewrite = |strip_plus, prefix: &str| Rewrite { strip_plus, prefix: prefix.to_owned() };
        assert_eq!(rewrite(false, "").apply("+442071234567"), "+442071234567");
        assert_eq!(rewrite(true, "").apply("+442071234567"), "442071234567");
        assert_eq!(rewrite(true, "00").apply("+442071234567"), "00442071234567");
    }
}
