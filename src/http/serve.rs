//! Connections: how many, for how long, and how they end.
//!
//! [`axum::serve()`] sets no limit to any of these, so hyper is driven here. The worst that somebody without
//! credentials can do is to hold all connections for a while; calls do not notice.
//!
//! Over TLS a connection is shaken hands with first: only so many at a time, and each has only so long.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::tls::Certificate;

/// Connections at a time. Full: the next waits in the system's backlog until one ends. Each costs some 30 KiB
/// at rest; a control plane with a thousand clients is a large one.
const CONNECTIONS_MAX: usize = 1_024;

/// How long a client may take to send a request's headers, counted from the end of the request before: it is also
/// how long a connection may idle.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(30);

/// What clients are told of that, in seconds (the `Keep-Alive` header): less than the truth, so that a client
/// who heeds it does not send into a connection that is being closed.
pub const IDLE_SECONDS_HINT: u64 = 25;

/// The most bytes of a request's headers, and of an answer that waits to be sent.
const BUFFER_BYTES_MAX: usize = 64 * 1_024;

/// How long a connection may live. Ends those of clients that ask much and read nothing; an honest one
/// connects again without noticing.
const CONNECTION_LIFETIME_MAX: Duration = Duration::from_secs(600);

/// How long the request in progress may go on when its connection is to end. The node has 10 s to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait when a connection cannot be accepted: usually the process is out of file descriptors, and to try
/// again at once would burn a core.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a handshake may take. It is two round trips; a browser on a bad network needs a second or two.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Handshakes at a time. Each costs a signature, a quarter of a millisecond; who comes beyond that is let go at once, so that
/// those who begin and do not end cannot take the places of all others.
const HANDSHAKES_MAX: usize = 256;

/// What a request came over. Every request has it among its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The far end.
    pub peer: SocketAddr,
    /// Over TLS.
    pub is_secure: bool,
}

/// Serves `router` on `listener` until `shutdown`; then accepts nothing more, lets requests in progress end
/// within 5 s, and returns when every connection is closed.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    let open = move |stream, peer, stopping| {
        let router = router.clone();
        let on = Connection { peer, is_secure: false };
        async move { connection(stream, on, router, stopping).await }
    };
    accept(listener, open, shutdown).await;
}

/// The same over TLS.
pub async fn serve_tls(
    listener: TcpListener,
    certificate: Certificate,
    router: Router,
    shutdown: impl Future<Output = ()>,
) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let open = move |stream, peer, stopping| {
        let (router, certificate) = (router.clone(), certificate.clone());
        let turn = Arc::clone(&handshakes).try_acquire_owned();
        let on = Connection { peer, is_secure: true };
        async move {
            let shaken = match turn {
                Ok(_turn) => timeout(HANDSHAKE_TIMEOUT, certificate.acceptor().accept(stream)).await.ok(),
                Err(_) => None,
            };
            match shaken {
                Some(Ok(stream)) => connection(stream, on, router, stopping).await,
                Some(Err(_)) | None => certificate.failed.increment(),
            }
        }
    };
    accept(listener, open, shutdown).await;
}

/// Accepts connections and lets `open` serve each.
async fn accept<F>(
    listener: TcpListener,
    open: impl Fn(TcpStream, SocketAddr, CancellationToken) -> F,
    shutdown: impl Future<Output = ()>,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let stopping = CancellationToken::new();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, peer)) => {
                    // Answers are small and written whole: nothing is gained by waiting for more to send. Failing means
                    // that the client has gone, which shows soon.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(open(stream, peer, stopping.clone()));
                }
                Err(error) => pause_after(&error).await,
            },
        }
    }
    drop(listener);
    stopping.cancel();
    while connections.join_next().await.is_some() {}
}

/// A client that was gone before it was accepted is no reason to pause.
async fn pause_after(error: &io::Error) {
    if error.kind() == io::ErrorKind::ConnectionAborted {
        return;
    }
    tracing::warn!(%error, "an HTTP connection could not be accepted");
    sleep(ACCEPT_PAUSE).await;
}

/// The routes, as they are reached over one connection.
struct Routes {
    on: Connection,
    router: TowerToHyperService<Router>,
}

impl Service<Request<Incoming>> for Routes {
    type Response = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Response;
    type Error = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Error;
    type Future = <TowerToHyperService<Router> as Service<Request<Incoming>>>::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.on);
        self.router.call(request)
    }
}

async fn connection<S>(stream: S, on: Connection, router: Router, stopping: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let routes = Routes { on, router: TowerToHyperService::new(router) };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TIMEOUT)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), routes)
        .with_upgrades();
    let mut connection = pin!(connection);
    select! {
        ended = connection.as_mut() => return log_end(ended),
        () = stopping.cancelled() => {}
        () = sleep(CONNECTION_LIFETIME_MAX) => {}
    }
    connection.as_mut().graceful_shutdown();
    if let Ok(ended) = timeout(DRAIN_TIMEOUT, connection).await {
        log_end(ended);
    }
}

/// The far end's doing, and of interest only to who looks for it.
fn log_end(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection ended");
    }
}
