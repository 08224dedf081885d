//! Calls that come in over trunks: by the network they come from, by a password, or by both.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rsipstack::sip::prelude::HasHeaders;
use rsipstack::sip::{Header, Method, Request, StatusCode};
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::SipConnection;
use tracing::info;

use super::{Line, Trunks};
use crate::config::InboundCredentials;
use crate::sip::digest::{Asked, Verdict, Verifier};
use crate::sip::headers::other;
use crate::sip::invitation::Refusal;
use crate::sip::outgoing;

impl Trunks {
    /// The trunk that an INVITE comes over, if it does. `wanted` is the one that its route is for: a trunk without
    /// networks of its own is known by its password alone, and only those who call where it may are asked for that.
    pub(in crate::sip) fn identify(
        &self,
        request: &Request,
        source: Option<IpAddr>,
        wanted: Option<&str>,
    ) -> Result<Option<&Arc<Line>>, Refusal> {
        let of_network = source.and_then(|source| self.of_source(source));
        let by_password = || {
            let line = self.named(wanted?)?;
            let has_no_network = line.trunk.inbound_from == crate::config::Networks::default();
            Some(line).filter(|line| has_no_network && line.trunk.inbound_credentials.is_some())
        };
        let Some(line) = of_network.or_else(by_password) else {
            return Ok(None);
        };
        match &line.trunk.inbound_credentials {
            None => Ok(Some(line)),
            Some(credentials) => {
                let realm = &line.trunk.name;
                prove(&self.verifier, realm, credentials, request, self.started.elapsed())?;
                Ok(Some(line))
            }
        }
    }
}

/// Lets those through who prove that they know the password; asks the others for it. The realm is the trunk's name.
fn prove(
    verifier: &Verifier,
    realm: &str,
    credentials: &InboundCredentials,
    request: &Request,
    now: Duration,
) -> Result<(), Refusal> {
    let uri = outgoing::written(&request.uri);
    let method = Method::Invite.to_string();
    let asked = Asked { method: &method, uri: &uri, realm, now };
    let lines = request.headers().iter().filter(|header| header.name().eq_ignore_ascii_case("Authorization"));
    let lookup = |user: &str| (user == credentials.username).then_some(&credentials.password);
    let stale = match verifier.verify(&asked, lines.map(Header::value), lookup) {
        Verdict::Proved(_) => return Ok(()),
        Verdict::Stale => true,
        Verdict::Missing => false,
        Verdict::Refused(fault) => {
            info!(trunk = realm, fault = fault.name(), "caller did not prove to be of the trunk");
            false
        }
    };
    let challenges = verifier.challenge(realm, stale, now);
    let headers = challenges.into_iter().map(|challenge| other("WWW-Authenticate", challenge)).collect();
    Err(Refusal { status: StatusCode::Unauthorized, headers })
}

/// Where a request came from: over UDP the guard and the library have seen to it that the topmost Via says so.
pub(in crate::sip) fn source_of(transaction: &Transaction) -> Option<IpAddr> {
    use rsipstack::sip::prelude::HeadersExt;

    let connected = transaction.connection.as_ref().and_then(SipConnection::get_remote_addr);
    if let Some(address) = connected.and_then(|remote| remote.get_socketaddr().ok()) {
        return Some(address.ip());
    }
    let (_, address) = SipConnection::parse_target_from_via(transaction.original.via_header().ok()?).ok()?;
    match address.host {
        rsipstack::sip::Host::IpAddr(ip) => Some(ip),
        rsipstack::sip::Host::Domain(_) => None,
    }
}
