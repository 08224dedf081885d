//! SIP over TLS (RFC 3261 §26.2): our own listener and handshake in front of the framer and guard of TCP.
//!
//! ```text
//!   TCP ─▶ handshake ─▶ TLS stream ─┬─ what is read ─▶ framer, guard ─▶ library
//!                                   └─ what is written ◀── handed over ◀── library
//! ```
//!
//! The library takes a TLS stream of other make only from a connector that it asks to call somebody. So a stream that
//! we accepted, or opened, is laid ready under a name that nobody else has, and the library is told to call that name.
//! WebSockets are handed to it in the same way: it has no other for connections that are not its own.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use rsipstack::platform::CancellationToken;
use rsipstack::platform::tls::{TlsClientConfig, TlsConnector, TlsStream, set_client_connector};
use rsipstack::sip::Transport;
use rsipstack::transport::SipAddr;
use rsipstack::transport::tls_platform::PlatformTlsConnection;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use super::stream::{self, Link, Served, Serving};
use crate::config::{SipTls, read_certificates};
use crate::http::Reloaded;

/// How long a handshake may take. It is two round trips; a phone on a bad network needs a second or two.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the far end may leave what we write unread. It has a call to talk about, or none any more.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why SIP over TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate cannot be read.
    #[error("cannot use the certificate {} (`sip_tls_cert`): {why}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The private key cannot be read, or is not the certificate's. Says nothing of what is in it.
    #[error("cannot use the private key {} (`sip_tls_key`): {why}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// What makes TLS of accepted connections.
#[derive(Clone)]
pub struct Certificate(Reloaded<ServerConfig>);

impl Certificate {
    /// Reads certificate and key. TLS 1.2 and 1.3, and no certificate asked of callers.
    ///
    /// # Errors
    /// When one of the files is not what it should be, or they do not belong together.
    pub fn load(tls: &SipTls) -> Result<Self, TlsError> {
        Ok(Self(Reloaded::new(read(tls)?)))
    }

    /// Reads both anew when they change, as long as anybody has this. The task runs on the current tokio runtime.
    pub fn follow(&self, tls: &SipTls) {
        let again = tls.clone();
        self.0.follow(vec![tls.cert.clone(), tls.key.clone()], move || read(&again));
    }
}

fn read(tls: &SipTls) -> Result<ServerConfig, TlsError> {
    let certificates =
        read_certificates(&tls.cert).map_err(|why| TlsError::Certificate { path: tls.cert.clone(), why })?;
    let wrong_key = |why: String| TlsError::Key { path: tls.key.clone(), why };
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|e| wrong_key(e.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| wrong_key(e.to_string()))?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|e| wrong_key(e.to_string()))
}

/// Accepts connections until `stop`.
pub(super) async fn listen(
    listener: TcpListener,
    certificate: Certificate,
    advertised: SocketAddr,
    serving: Serving,
    stop: CancellationToken,
) {
    let serving = Arc::new(serving);
    let gate = Arc::clone(&serving.gate);
    stream::accept(listener, gate, stop, move |stream, source, token| {
        let (acceptor, serving) = (TlsAcceptor::from(certificate.0.get()), Arc::clone(&serving));
        async move {
            let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream));
            let shaken = tokio::select! {
                shaken = handshake => shaken,
                () = token.cancelled() => return,
            };
            let Ok(Ok(stream)) = shaken else {
                serving.gate.counters.handshakes_failed.increment();
                return;
            };
            let (reader, writer) = tokio::io::split(stream);
            let writer = Writer::new(writer, advertised, token.clone());
            match hand_over(Box::new(writer), far_end(source), token.clone()).await {
                Ok(connection) => {
                    let link = Link::Tls(connection);
                    serving.endpoint.transport_layer.add_connection(link.clone().into());
                    Served { link, source, serving, token }.serve(reader).await;
                }
                Err(e) => debug!(error = %e, "SIP connection not taken"),
            }
        }
    })
    .await;
}

/// The half of a stream that the library writes to.
pub(super) struct Writer {
    half: tokio::sync::Mutex<Box<dyn AsyncWrite + Send + Unpin>>,
    /// The address that far ends are told.
    local: SocketAddr,
    /// Cancelled when the connection is gone.
    gone: CancellationToken,
}

impl Writer {
    pub(super) fn new(
        half: impl AsyncWrite + Send + Unpin + 'static,
        local: SocketAddr,
        gone: CancellationToken,
    ) -> Self {
        Self { half: tokio::sync::Mutex::new(Box::new(half)), local, gone }
    }
}

#[async_trait::async_trait]
impl TlsStream for Writer {
    async fn recv(&self) -> rsipstack::Result<Vec<u8>> {
        // What comes is read elsewhere; to the library nothing comes until the end.
        self.gone.cancelled().await;
        Ok(Vec::new())
    }

    async fn send_all(&self, data: Vec<u8>) -> rsipstack::Result<()> {
        let written = tokio::time::timeout(WRITE_TIMEOUT, async {
            let mut half = self.half.lock().await;
            half.write_all(&data).await?;
            half.flush().await
        });
        Ok(written.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??)
    }

    async fn shutdown(&self) -> rsipstack::Result<()> {
        let shut = tokio::time::timeout(WRITE_TIMEOUT, async { self.half.lock().await.shutdown().await });
        Ok(shut.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??)
    }

    fn local_addr(&self) -> rsipstack::Result<SocketAddr> {
        Ok(self.local)
    }
}

/// Streams that were accepted or opened and wait for the library to fetch them, by name. Each is there only while its own
/// hand-over runs, so there are never more than connections that begin.
static READY: LazyLock<Mutex<HashMap<String, Box<dyn TlsStream>>>> = LazyLock::new(Mutex::default);

fn ready() -> MutexGuard<'static, HashMap<String, Box<dyn TlsStream>>> {
    READY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A far end over TLS.
pub(super) fn far_end(address: SocketAddr) -> SipAddr {
    SipAddr { r#type: Some(Transport::Tls), addr: address.into() }
}

/// Gives a stream to the library, which from then on reaches `far_end` by it.
pub(super) async fn hand_over(
    stream: Box<dyn TlsStream>,
    far_end: SipAddr,
    token: CancellationToken,
) -> rsipstack::Result<PlatformTlsConnection> {
    static CONNECTOR: Once = Once::new();
    static TAKEN: AtomicU64 = AtomicU64::new(0);

    CONNECTOR.call_once(|| set_client_connector(Arc::new(Fetch)));
    let name = format!("taken-{}", TAKEN.fetch_add(1, Ordering::Relaxed));
    ready().insert(name.clone(), stream);
    let fetched = PlatformTlsConnection::connect(&far_end, Some(&name), Some(token)).await;
    // If it was not fetched, nobody will.
    ready().remove(&name);
    fetched
}

/// What the library asks for streams.
struct Fetch;

#[async_trait::async_trait]
impl TlsConnector for Fetch {
    async fn connect(
        &self,
        config: &TlsClientConfig,
        _: SocketAddr,
    ) -> rsipstack::Result<Box<dyn TlsStream>> {
        match ready().remove(&config.server_name) {
            Some(stream) => Ok(stream),
            // A call's requests go over the connection it came by, or one that was opened for it; there is no other.
            None => Err(rsipstack::Error::Error("no connection to it over TLS".to_owned())),
        }
    }
}
