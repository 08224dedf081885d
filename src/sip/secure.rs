//! Connections over TLS that we open, to trunks and others (RFC 3261 §26.3.2.1): to whoever has a certificate for the name
//! that is called, from an authority that is trusted (RFC 5922 §7.2). Like those that come in they are read by our framer and
//! guard, and serve all calls to their address.
//!
//! ```text
//! address, name ─▶ TCP ─▶ handshake, certificate ─▶ handed to the library, as one that came in is
//!                                                    └▶ lost while calls are on: opened again
//! ```
//!
//! The library knows connections by their address alone. So one that is open is used for another name only if its
//! certificate is for that as well.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rsipstack::platform::CancellationToken;
use rustls::ClientConfig;
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use tokio::io::ReadHalf;
use tokio::net::TcpStream;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tracing::{debug, info};

use super::living::Living;
use super::stream::{Link, Served, Serving};
use super::tls::{Writer, far_end, hand_over};
use crate::webhook::{FailureKind, TrustError, authorities, tls_failure};

/// How often an empty line goes over a connection, so that neither the far end nor anything on the way closes it while calls
/// are on (RFC 5626 §4.4.1 wants one every two minutes at least).
const KEEP_ALIVE: Duration = Duration::from_secs(95);

/// The pauses before a connection that was lost while calls are on is opened again: a far end that restarts is back within
/// them. The next call tries in any case.
pub(super) const REOPEN_AFTER: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// How long it may take to open one again.
pub(super) const REOPEN_PATIENCE: Duration = Duration::from_secs(10);

/// Who is trusted to vouch for those whom we call.
#[derive(Clone, Debug)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    /// The machine's authorities, and those in the PEM file `extra`. TLS 1.2 and 1.3.
    ///
    /// # Errors
    /// When the file cannot be read, or holds none.
    pub fn load(extra: Option<&Path>) -> Result<Self, TrustError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(authorities(extra)?)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

/// Why there is no connection, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoConnection(pub(super) &'static str);

/// Nobody listens, or nobody can be reached.
pub(super) const NO_CONNECTION: NoConnection = NoConnection("no connection to it");

/// Connections that are open, by their far ends.
#[derive(Debug, Default)]
pub(super) struct OpenTls(Mutex<HashMap<SocketAddr, Open>>);

#[derive(Debug)]
struct Open {
    /// Cancelled when it is gone.
    token: CancellationToken,
    certificate: CertificateDer<'static>,
}

impl OpenTls {
    /// Whether there is one to this address.
    pub(super) fn has(&self, far_end: SocketAddr) -> bool {
        self.living().contains_key(&far_end)
    }

    /// Whether there is one to this address, and it is this name's as well.
    fn serves(&self, far_end: SocketAddr, name: &ServerName<'_>) -> bool {
        let open = self.living();
        open.get(&far_end).is_some_and(|open| {
            let parsed = ParsedCertificate::try_from(&open.certificate);
            parsed.is_ok_and(|parsed| verify_server_name(&parsed, name).is_ok())
        })
    }

    /// Without those that are gone. A panic while it was locked left it whole.
    fn living(&self) -> MutexGuard<'_, HashMap<SocketAddr, Open>> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, open| !open.token.is_cancelled());
        open
    }
}

/// Opens connections over TLS, and finds those that are open.
pub(super) struct SecureDialler {
    serving: Arc<Serving>,
    trust: Trust,
    /// What far ends are told that we are.
    local: SocketAddr,
    stop: CancellationToken,
    open: Arc<OpenTls>,
    living: Arc<Living>,
    /// One opens at a time to each address; they are as many as are being opened.
    opening: Mutex<HashMap<SocketAddr, Arc<AsyncMutex<()>>>>,
}

/// A connection that was just opened.
struct Opened {
    reader: ReadHalf<TlsStream<TcpStream>>,
    link: Link,
    token: CancellationToken,
}

impl SecureDialler {
    pub(super) fn new(
        serving: Serving,
        trust: Trust,
        local: SocketAddr,
        (open, living): (Arc<OpenTls>, Arc<Living>),
        stop: CancellationToken,
    ) -> Arc<Self> {
        let (serving, opening) = (Arc::new(serving), Mutex::default());
        Arc::new(Self { serving, trust, local, stop, open, living, opening })
    }

    /// Sees to it that there is a connection to this address, to somebody with a certificate for this name, over which the
    /// library will send.
    ///
    /// # Errors
    /// When there is none, and none can be had within `patience`.
    pub(super) async fn connect(
        self: &Arc<Self>,
        to: SocketAddr,
        name: &str,
        patience: Duration,
    ) -> Result<(), NoConnection> {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| NoConnection("its name is none that a certificate can be for"))?;
        if self.open.serves(to, &name) {
            return Ok(());
        }
        let turn = Arc::clone(self.opening().entry(to).or_default());
        let opened = timeout(patience, async {
            let _turn = turn.lock().await;
            // Whoever was before us may have opened it.
            if self.open.serves(to, &name) {
                return Ok(None);
            }
            self.open(to, &name).await.map(Some)
        });
        let opened = opened.await.unwrap_or(Err(NoConnection("no connection to it in time")));
        drop(turn);
        self.opening().retain(|_, turn| Arc::strong_count(turn) > 1);
        if let Some(opened) = opened? {
            tokio::spawn(Arc::clone(self).serve(opened, to, name));
        }
        Ok(())
    }

    async fn open(&self, to: SocketAddr, name: &ServerName<'static>) -> Result<Opened, NoConnection> {
        let stream = TcpStream::connect(to).await.map_err(|_| NO_CONNECTION)?;
        let connector = TlsConnector::from(Arc::clone(&self.trust.0));
        let stream = connector.connect(name.clone(), stream).await.map_err(|error| {
            debug!(%error, "TLS handshake failed");
            NoConnection(why(&tls_failure(&error)))
        })?;
        let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let certificate = certificates.first().ok_or(NO_CONNECTION)?.clone().into_owned();
        let (reader, half) = tokio::io::split(stream);
        let token = self.stop.child_token();
        let writer = Writer::new(half, self.local, token.clone());
        let connection =
            hand_over(Box::new(writer), far_end(to), token.clone()).await.map_err(|_| NO_CONNECTION)?;
        let link = Link::Tls(connection);
        self.serving.endpoint.transport_layer.add_connection(link.clone().into());
        self.open.living().insert(to, Open { token: token.clone(), certificate });
        Ok(Opened { reader, link, token })
    }

    /// Serves a connection to its end, and opens it again if calls need it. In a box, since it may come to be what it spawns.
    fn serve(
        self: Arc<Self>,
        opened: Opened,
        to: SocketAddr,
        name: ServerName<'static>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let Opened { reader, link, token } = opened;
            let serving = Arc::clone(&self.serving);
            let served = Served { link: link.clone(), source: to, serving, token };
            tokio::select! {
                () = served.serve(reader) => {}
                () = remind(&link) => {}
            }
            for pause in REOPEN_AFTER {
                sleep(pause).await;
                if self.stop.is_cancelled() || self.living.is_empty() {
                    return;
                }
                info!(address = %to, "a connection over TLS was lost while calls are on; it is opened again");
                if self.connect(to, &name.to_str(), REOPEN_PATIENCE).await.is_ok() {
                    return;
                }
            }
        })
    }

    /// A panic while it was locked left it whole.
    fn opening(&self) -> MutexGuard<'_, HashMap<SocketAddr, Arc<AsyncMutex<()>>>> {
        self.opening.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends empty lines. Never ends: whether the connection is gone its reader finds.
async fn remind(link: &Link) {
    loop {
        sleep(KEEP_ALIVE).await;
        // The far end answers with one (RFC 5626 §3.5.1), or passes it over (RFC 3261 §7.5).
        let _ = link.send_raw(b"\r\n\r\n").await;
    }
}

/// What went wrong with a handshake.
const fn why(failure: &FailureKind) -> &'static str {
    if matches!(failure, FailureKind::CertificateName) {
        "its certificate is for another name"
    } else if matches!(failure, FailureKind::CertificateExpired) {
        "its certificate has expired or is not valid yet"
    } else if matches!(failure, FailureKind::CertificateUntrusted) {
        "nobody who is trusted vouches for its certificate"
    } else {
        "TLS cannot be agreed on with it"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_serves_the_names_of_its_certificate_for_as_long_as_it_is_open() {
        let names = ["carrier.example".to_owned(), "*.edge.example".to_owned(), "192.0.2.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let (open, token) = (OpenTls::default(), CancellationToken::new());
        let address = "192.0.2.1:5061".parse().unwrap();
        let certificate = made.cert.der().clone();
        open.living().insert(address, Open { token: token.clone(), certificate });
        let serves = |name: &str| open.serves(address, &ServerName::try_from(name.to_owned()).unwrap());
        assert!(serves("carrier.example") && serves("a.edge.example") && serves("192.0.2.1"));
        assert!(!serves("other.example") && !serves("edge.example") && !serves("192.0.2.2"));
        assert!(open.has(address) && !open.has("192.0.2.1:5060".parse().unwrap()));
        token.cancel();
        assert!(!open.has(address) && !serves("carrier.example"));
    }
}
