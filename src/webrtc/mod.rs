//! Browsers' calls: whichever way their signalling comes, an offer goes in, an answer and a call come out.
//!
//! ```text
//! signalling ─ offer, who, whereto ─▶ Browsers::call ─ admitted, answered ─▶ the answer, and the call's sid
//!                                        │ lives the call: signals, another offer, the end
//!                                        ▼
//! one port a thread ─ DTLS ─▶ desk: handshakes ─ keys ─▶ the leg
//! ```
//!
//! Calls go to browsers as well, if their signalling lets them be called: those of a name ring all at once (`ringing`), with one
//! offer of ours, and the first that answers it has the call. Whoever has signalling of their own in which a call rings, as SIP
//! has, uses [`BrowserMedia`], the half of it that is media.

mod call;
mod certificate;
mod desk;
mod devices;
mod error;
mod handshake;
mod media;
mod ringing;
mod spoken;
mod way;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use call::{BrowserAnswer, BrowserCall, BrowserOrder, CallControl, Over};
pub use devices::Registered;
pub use error::BrowserError;
pub use media::{BrowserMedia, MediaNews};
pub use ringing::{Invitation, NotPickedUp, PickedUp, RingOrder};
pub use spoken::{CallMessage, Listener};
pub use way::{Wanted, Way};

use self::certificate::Certificates;
use self::desk::{Desks, start};
use self::devices::Devices;
use crate::call::{AccountSid, CallSid, Handle};
use crate::config::Codecs;
use crate::telemetry::Metrics;
use crate::worker::{BrowserPort, HandshakeReader};

/// What browsers' calls are made of. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Browsers(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    calls: Handle,
    /// Where browsers reach the ports, and where else.
    advertised: (IpAddr, Option<IpAddr>),
    codecs: Codecs,
    certificates: Certificates,
    desks: Desks,
    devices: Arc<Devices>,
    living: Mutex<HashMap<CallSid, Living>>,
}

/// A call that lives, as those who come with its name find it.
#[derive(Clone, Debug)]
struct Living {
    account: AccountSid,
    identity: String,
    control: CallControl,
    /// Who is told what its page says.
    listeners: Vec<Listener>,
}

impl Living {
    const fn new(account: AccountSid, identity: String, control: CallControl) -> Self {
        Self { account, identity, control, listeners: Vec::new() }
    }
}

impl Browsers {
    /// Takes browsers in at these ports, which they reach at the addresses `advertised`. The tasks run on the current tokio runtime.
    ///
    /// # Errors
    /// When no certificate can be made.
    pub fn start(
        ports: Vec<(BrowserPort, HandshakeReader)>,
        advertised: (IpAddr, Option<IpAddr>),
        codecs: Codecs,
        calls: Handle,
        metrics: &Metrics,
    ) -> Result<Self, BrowserError> {
        let certificates = Certificates::new()?;
        let desks = ports.into_iter().map(|(port, reader)| start(port, reader, metrics)).collect();
        let devices = Devices::start(calls.clone());
        Ok(Self(Arc::new(Shared {
            calls,
            advertised,
            codecs,
            certificates,
            desks,
            devices,
            living: Mutex::default(),
        })))
    }

    fn living(&self) -> MutexGuard<'_, HashMap<CallSid, Living>> {
        // A panic while it was locked left it whole.
        self.0.living.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
