//! Where names lead that the library is to send to: those of browsers, which exist nowhere (RFC 7118 §5), to the connections by
//! which they registered last; all others as ever.

use std::sync::Arc;

use rsipstack::sip::Host;
use rsipstack::transport::SipAddr;
use rsipstack::transport::transport_layer::{DefaultDomainResolver, DomainResolver};

use super::registrar::Registrar;

/// What the names of those end in who have none (RFC 2606 §2).
const NOWHERE: &str = ".invalid";

/// Finds what a name leads to.
pub(super) struct Resolver {
    registrar: Arc<Registrar>,
    others: DefaultDomainResolver,
}

impl Resolver {
    pub(super) fn new(registrar: &Arc<Registrar>) -> Self {
        Self { registrar: Arc::clone(registrar), others: DefaultDomainResolver::default() }
    }
}

#[async_trait::async_trait]
impl DomainResolver for Resolver {
    async fn resolve(&self, target: &SipAddr) -> rsipstack::Result<SipAddr> {
        if let Host::Domain(name) = &target.addr.host {
            let name = name.to_string();
            if name.to_ascii_lowercase().ends_with(NOWHERE) {
                let reached = self.registrar.reached_by(&name);
                return reached.ok_or_else(|| rsipstack::Error::Error(format!("{name} has no connection")));
            }
        }
        self.others.resolve(target).await
    }
}
