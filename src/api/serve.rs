//! Connections: how many, for how long, and how they end.
//!
//! [`axum::serve()`] sets no limit to any of these, so hyper is driven here. The worst that somebody without
//! credentials can do is to hold all connections for a while; calls do not notice.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Connections at a time. Full: the next waits in the system's backlog until one ends. Each costs some 30 KiB
/// at rest; a control plane with a thousand clients is a large one.
const CONNECTIONS_MAX: usize = 1_024;

/// How long a client may take to send a request's headers, counted from the end of the request before: it is also
/// how long a connection may idle.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(30);

/// What clients are told of that, in seconds (the `Keep-Alive` header): less than the truth, so that a client
/// who heeds it does not send into a connection that is being closed.
pub(super) const IDLE_SECONDS_HINT: u64 = 25;

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

/// Serves `router` on `listener` until `shutdown`; then accepts nothing more, lets requests in progress end
/// within 5 s, and returns when every connection is closed.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    let stopping = CancellationToken::new();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, router.clone(), stopping.clone()));
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

async fn connection(stream: TcpStream, router: Router, stopping: CancellationToken) {
    // Answers are small and written whole: nothing is gained by waiting for more to send. Failing means that the
    // client has gone, which shows below.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_TIMEOUT)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
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
