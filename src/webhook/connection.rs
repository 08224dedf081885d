//! Connections: made to an address that was judged, and kept a while for the next request to the same place.
//!
//! ```text
//! origin ──► resolved once ──► every address judged ──► TCP to one of them ──► TLS ──► HTTP/1.1
//!    └──────► idle connection to the same origin ────────────────────────────────────────┘
//! ```

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::egress::Egress;
use super::failure::FailureKind;
use super::network::{Network, Stream};
use super::target::Origin;
use crate::config::read_certificates;

/// Idle connections kept in all; when one more becomes idle, the oldest is closed.
const IDLE_MAX: usize = 128;

/// How long a connection is kept idle: shorter than the 5 s after which common servers close theirs, so that a request
/// seldom meets a connection that is just being closed.
const IDLE_FOR: Duration = Duration::from_secs(4);

/// Addresses of one host that are tried. More would not be reached within the time for connecting.
const ADDRESSES_MAX: usize = 8;

/// Bytes of a response's head that are buffered; longer heads are refused. Servers send a few hundred.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// One side of an HTTP/1.1 connection.
pub(super) type Sender = SendRequest<Full<Bytes>>;

/// The authorities that vouch for servers cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The extra file of certificates.
    #[error("cannot read certificates from {path}: {why}")]
    File {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// The TLS library.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// Makes connections, and keeps them for reuse.
pub(super) struct Connections {
    network: Arc<dyn Network>,
    egress: Egress,
    tls: TlsConnector,
    idle: Arc<Idle>,
}

impl Connections {
    /// Trusts the machine's authorities, and those in the PEM file `extra` besides.
    pub(super) fn new(
        network: Arc<dyn Network>,
        egress: Egress,
        extra: Option<&Path>,
    ) -> Result<Self, TrustError> {
        let roots = authorities(extra)?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { network, egress, tls: TlsConnector::from(Arc::new(config)), idle: Arc::default() })
    }

    /// A connection that served this origin before and is idle.
    pub(super) async fn idle(&self, origin: &Origin) -> Option<Sender> {
        while let Some(mut sender) = self.idle.take(origin) {
            if sender.ready().await.is_ok() {
                return Some(sender);
            }
        }
        None
    }

    /// Where a connection to this origin goes when it has served its request.
    pub(super) fn home(&self, origin: Origin, sender: Sender) -> Home {
        Home { idle: Arc::clone(&self.idle), origin, sender }
    }

    /// A new connection, made within `patience`.
    pub(super) async fn connect(&self, origin: &Origin, patience: Duration) -> Result<Sender, FailureKind> {
        let connected = timeout(patience, self.connect_unhurried(origin, patience)).await;
        connected.unwrap_or(Err(FailureKind::ConnectTimedOut))
    }

    async fn connect_unhurried(&self, origin: &Origin, patience: Duration) -> Result<Sender, FailureKind> {
        let addresses = self.judged(&origin.host).await?;
        let stream = self.dial(&addresses, origin.port, patience).await?;
        shake_hands(self.secured(origin, stream).await?).await
    }

    /// The bytes of a new connection, without HTTP. One without TLS is made only where the operator named the network:
    /// everybody on the way hears what it carries.
    pub(super) async fn open(
        &self,
        origin: &Origin,
        patience: Duration,
    ) -> Result<Box<dyn Stream>, FailureKind> {
        let opened = timeout(patience, async {
            let addresses = self.judged(&origin.host).await?;
            if !origin.tls && !addresses.iter().all(|address| self.egress.names(*address)) {
                return Err(FailureKind::Refused);
            }
            let stream = self.dial(&addresses, origin.port, patience).await?;
            self.secured(origin, stream).await
        });
        opened.await.unwrap_or(Err(FailureKind::ConnectTimedOut))
    }

    async fn secured(
        &self,
        origin: &Origin,
        stream: Box<dyn Stream>,
    ) -> Result<Box<dyn Stream>, FailureKind> {
        if !origin.tls {
            return Ok(stream);
        }
        let name = ServerName::try_from(origin.host.clone()).map_err(|_| FailureKind::CertificateName)?;
        let stream = self.tls.connect(name, stream).await.map_err(|error| tls_failure(&error))?;
        Ok(Box::new(stream))
    }

    /// The host's addresses, if requests may go to all of them. The name is resolved here and nowhere else.
    async fn judged(&self, host: &str) -> Result<Vec<IpAddr>, FailureKind> {
        let found = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => self.network.resolve(host).await.map_err(|_| FailureKind::UnknownHost)?,
        };
        if found.is_empty() {
            return Err(FailureKind::UnknownHost);
        }
        if !found.iter().all(|address| self.egress.admits(*address)) {
            return Err(FailureKind::Refused);
        }
        Ok(found.into_iter().take(ADDRESSES_MAX).collect())
    }

    /// One address after the other, each with its share of the time, until one is reached.
    async fn dial(
        &self,
        addresses: &[IpAddr],
        port: u16,
        patience: Duration,
    ) -> Result<Box<dyn Stream>, FailureKind> {
        let share = patience / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        let mut last = FailureKind::NotConnected;
        for address in addresses {
            match timeout(share, self.network.connect(SocketAddr::new(*address, port))).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    last = FailureKind::ConnectRefused;
                }
                Ok(Err(_)) => last = FailureKind::NotConnected,
                Err(_) => last = FailureKind::ConnectTimedOut,
            }
        }
        Err(last)
    }
}

async fn shake_hands(stream: Box<dyn Stream>) -> Result<Sender, FailureKind> {
    let shaken = http1::Builder::new().max_buf_size(HEAD_BYTES_MAX).handshake(TokioIo::new(stream)).await;
    let (sender, connection) = shaken.map_err(|_| FailureKind::Broken)?;
    // Ends with the connection, which ends when its sender is dropped. What went wrong is told to the sender.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}

/// The authorities that vouch for servers: the machine's, and those in the PEM file `extra` besides.
///
/// # Errors
/// When the file cannot be read, or holds none.
pub fn authorities(extra: Option<&Path>) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    let (_, unreadable) = roots.add_parsable_certificates(native.certs);
    if unreadable > 0 || !native.errors.is_empty() {
        tracing::warn!(
            unreadable,
            errors = native.errors.len(),
            "some of the machine's authorities cannot be read"
        );
    }
    if roots.is_empty() && extra.is_none() {
        tracing::warn!("this machine trusts no authority: nobody can be reached over TLS");
    }
    let Some(path) = extra else { return Ok(roots) };
    let wrong = |why: String| TrustError::File { path: path.display().to_string(), why };
    for cert in read_certificates(path).map_err(wrong)? {
        roots.add(cert).map_err(|error| wrong(error.to_string()))?;
    }
    Ok(roots)
}

/// What went wrong with a handshake.
pub fn tls_failure(error: &io::Error) -> FailureKind {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(why)) = inner else {
        return FailureKind::Tls;
    };
    if matches!(why, CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) {
        return FailureKind::CertificateName;
    }
    let is_expired = matches!(
        why,
        CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
    );
    if is_expired { FailureKind::CertificateExpired } else { FailureKind::CertificateUntrusted }
}

/// A connection with the place where it waits for the next request.
pub(super) struct Home {
    idle: Arc<Idle>,
    origin: Origin,
    sender: Sender,
}

impl Home {
    /// The connection has served: it may serve again.
    pub(super) fn go(self) {
        self.idle.put(self.origin, self.sender);
    }
}

/// Connections that wait for the next request, the oldest first.
#[derive(Default)]
struct Idle(Mutex<VecDeque<Waiting>>);

struct Waiting {
    origin: Origin,
    sender: Sender,
    since: Instant,
}

impl Idle {
    fn take(&self, origin: &Origin) -> Option<Sender> {
        let mut waiting = self.lock();
        sweep(&mut waiting);
        let at = waiting.iter().rposition(|connection| connection.origin == *origin)?;
        waiting.remove(at).map(|connection| connection.sender)
    }

    fn put(&self, origin: Origin, sender: Sender) {
        let mut waiting = self.lock();
        sweep(&mut waiting);
        if waiting.len() == IDLE_MAX {
            waiting.pop_front();
        }
        waiting.push_back(Waiting { origin, sender, since: Instant::now() });
    }

    /// A panic while it was locked left it whole.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever takes or brings one throws out those that waited too long, or were closed by their server.
fn sweep(waiting: &mut VecDeque<Waiting>) {
    waiting.retain(|connection| connection.since.elapsed() < IDLE_FOR && !connection.sender.is_closed());
}
