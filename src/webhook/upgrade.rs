//! Connections that become something else than requests and answers (RFC 9110 §7.8): to a `ws` or `wss` URL (RFC 6455 §3),
//! judged, pinned to an address that was judged, and secured as those of requests are. What is said on them is their
//! user's affair.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::connection::{Connections, TrustError};
use super::egress::Egress;
use super::failure::FailureKind;
use super::network::{Network, Stream};
use super::target::Target;
use crate::config::Secret;

/// Where such a connection goes, read and made unambiguous.
#[derive(Clone)]
pub struct UpgradeUrl {
    /// The same place as a URL of HTTP, which is read in the same way.
    target: Target,
}

impl UpgradeUrl {
    /// Reads a `ws` or `wss` URL. A fragment is none of it (RFC 6455 §3) and left out.
    ///
    /// # Errors
    /// When it is none, or spelt so that it might mean something else.
    pub fn parse(text: &str) -> Result<Self, FailureKind> {
        let as_http = |scheme: &str, http: &str| {
            let head = text.get(..scheme.len())?;
            head.eq_ignore_ascii_case(scheme).then(|| format!("{http}{}", &text[scheme.len()..]))
        };
        let text = as_http("wss://", "https://").or_else(|| as_http("ws://", "http://"));
        let text = text.ok_or(FailureKind::BadUrl("it does not begin with ws:// or wss://"))?;
        // Of the fragment nothing is read: it has no overrides here.
        let plain = text.split('#').next().unwrap_or_default();
        Target::parse(plain).map(|target| Self { target })
    }

    /// The URL as it is requested and signed.
    pub fn text(&self) -> String {
        // What was `http` and `https`.
        format!("ws{}", &self.target.as_str()["http".len()..])
    }

    /// What may be shown: neither query nor user.
    pub fn shown(&self) -> String {
        format!("ws{}", &self.target.shown()["http".len()..])
    }

    /// What is sent as `Authorization`, if the URL had a user.
    pub fn basic(&self) -> Option<&Secret> {
        self.target.basic()
    }
}

impl fmt::Debug for UpgradeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UpgradeUrl").field(&self.shown()).finish()
    }
}

/// Makes such connections.
pub struct Upgrades {
    connections: Connections,
}

impl Upgrades {
    /// Trusts the machine's authorities, and those in the PEM file `extra` besides.
    ///
    /// # Errors
    /// When authorities that should be trusted cannot be read.
    pub fn new(network: Arc<dyn Network>, egress: Egress, extra: Option<&Path>) -> Result<Self, TrustError> {
        Ok(Self { connections: Connections::new(network, egress, extra)? })
    }

    /// The bytes of a new connection, within `patience`.
    ///
    /// # Errors
    /// When it cannot be made, or may not: without TLS it goes only to networks that the operator named.
    pub async fn open(&self, url: &UpgradeUrl, patience: Duration) -> Result<Box<dyn Stream>, FailureKind> {
        self.connections.open(&url.target.origin()?, patience).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_web_sockets_are_read_as_strictly_as_others() {
        let read = |text: &str| UpgradeUrl::parse(text).map(|url| url.text());
        assert_eq!(read("wss://a.example/x?y=1#rc=3").as_deref(), Ok("wss://a.example/x?y=1"));
        assert_eq!(read("WS://A.example:80").as_deref(), Ok("ws://a.example/"));
        for wrong in [
            "https://a.example/",
            "ws:/a.example",
            "ws:///x",
            "wss://",
            "wss://a.example\\@b/",
            "wss://a.example:0/",
            "ftp://a.example",
            "a.example",
            "",
        ] {
            assert!(matches!(read(wrong), Err(FailureKind::BadUrl(_))), "{wrong}");
        }
    }

    #[test]
    fn user_and_query_are_not_shown() {
        let url = UpgradeUrl::parse("wss://user:pw@a.example/x?token=1").expect("a URL");
        assert_eq!(url.text(), "wss://a.example/x?token=1");
        assert_eq!(url.shown(), "wss://a.example/x");
        assert_eq!(url.basic().expect("a user").expose(), "Basic dXNlcjpwdw==");
        assert_eq!(format!("{url:?}"), "UpgradeUrl(\"wss://a.example/x\")");
    }
}
