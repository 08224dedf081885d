//! Where far ends reach the node, by each transport.

use std::net::{IpAddr, SocketAddr};

use rsipstack::sip::{HostWithPort, Param, Scheme, Transport, Uri};

/// Where far ends reach the node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Advertised {
    /// Over UDP and TCP.
    pub(super) sip: SocketAddr,
    /// Over TLS, if that is served.
    pub(super) tls: Option<SocketAddr>,
    /// By WebSocket.
    pub(super) http: SocketAddr,
    /// The same over TLS, if that is served.
    pub(super) https: Option<SocketAddr>,
}

impl Advertised {
    pub(super) const fn ip(&self) -> IpAddr {
        self.sip.ip()
    }

    /// Where that is over this transport.
    pub(super) fn over(&self, transport: Transport) -> SocketAddr {
        match transport {
            Transport::Tls => self.tls.unwrap_or(self.sip),
            Transport::Ws => self.http,
            Transport::Wss => self.https.unwrap_or(self.http),
            Transport::Udp | Transport::Tcp | Transport::Sctp | Transport::TlsSctp => self.sip,
        }
    }

    /// Our Contact: where requests within a dialog are to be sent. One that was called over TLS as `sips` is to be called
    /// so in the dialog as well (RFC 3261 §12.1.1), which says by itself that it is over TLS. A WebSocket is one whether over TLS
    /// or not (RFC 7118 §5.2).
    pub(super) fn contact(&self, transport: Transport, called: Option<&Scheme>) -> Uri {
        let is_sips = called == Some(&Scheme::Sips) && transport == Transport::Tls;
        let mut uri = Uri { host_with_port: HostWithPort::from(self.over(transport)), ..Uri::default() };
        uri.scheme = Some(if is_sips { Scheme::Sips } else { Scheme::Sip });
        let named = match transport {
            Transport::Tls if is_sips => None,
            Transport::Tcp | Transport::Tls => Some(transport),
            Transport::Ws | Transport::Wss => Some(Transport::Ws),
            Transport::Udp | Transport::Sctp | Transport::TlsSctp => None,
        };
        uri.params.extend(named.map(Param::Transport));
        uri
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_says_where_and_over_what_the_node_is_reached() {
        let at = |port| SocketAddr::from(([192, 0, 2, 9], port));
        let advertised = Advertised { sip: at(5_060), tls: Some(at(5_061)), http: at(8_080), https: None };
        let contact =
            |transport, called| advertised.contact(transport, called).to_string().to_ascii_lowercase();
        assert_eq!(contact(Transport::Udp, None), "sip:192.0.2.9:5060");
        assert_eq!(contact(Transport::Tcp, Some(&Scheme::Sips)), "sip:192.0.2.9:5060;transport=tcp");
        assert_eq!(contact(Transport::Tls, None), "sip:192.0.2.9:5061;transport=tls");
        assert_eq!(contact(Transport::Tls, Some(&Scheme::Sips)), "sips:192.0.2.9:5061");
        assert_eq!(contact(Transport::Ws, None), "sip:192.0.2.9:8080;transport=ws");
        assert_eq!(contact(Transport::Wss, None), "sip:192.0.2.9:8080;transport=ws");
    }
}
