//! Connections over TCP that we open: like those that come in, they are read by our framer and guard, since the library
//! would close one, and with it all its calls, over a single message that it cannot read. One that is lost while calls are on
//! is opened again, before the library would open one of its own.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rsipstack::platform::CancellationToken;
use rsipstack::transport::SipAddr;
use rsipstack::transport::tcp::TcpConnection;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tracing::info;

use super::living::Living;
use super::secure::{REOPEN_AFTER, REOPEN_PATIENCE};
use super::stream::{Link, Served, Serving};

/// Opens connections, one to each far end, and finds those that are open. There are never more than far ends that were
/// called a moment ago.
pub(super) struct Dialler {
    serving: Arc<Serving>,
    /// What far ends are told that we are.
    advertised: SipAddr,
    stop: CancellationToken,
    living: Arc<Living>,
    /// Each with what is cancelled when it is gone.
    open: Mutex<HashMap<SocketAddr, CancellationToken>>,
}

impl Dialler {
    pub(super) fn new(
        serving: Serving,
        advertised: SipAddr,
        living: Arc<Living>,
        stop: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self { serving: Arc::new(serving), advertised, stop, living, open: Mutex::default() })
    }

    /// Sees to it that there is a connection to this address, over which the library will send.
    ///
    /// # Errors
    /// When there is none, and none can be had within `patience`.
    pub(super) async fn connect(self: &Arc<Self>, to: SocketAddr, patience: Duration) -> io::Result<()> {
        if self.is_open(to) {
            return Ok(());
        }
        let stream = timeout(patience, TcpStream::connect(to)).await??;
        let token = self.stop.child_token();
        let connection = TcpConnection::from_stream(stream, self.advertised.clone(), Some(token.clone()))
            .map_err(io::Error::other)?;
        let (ready, is_ready) = oneshot::channel();
        tokio::spawn(Arc::clone(self).serve(connection, to, token.clone(), ready));
        is_ready.await.map_err(io::Error::other)?;
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(to, token);
        Ok(())
    }

    /// Whether there is one already. Those that are gone are forgotten on the way.
    fn is_open(&self, to: SocketAddr) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, token| !token.is_cancelled());
        open.contains_key(&to)
    }

    /// Serves a connection to its end, and opens it again if calls need it. In a box, since it may come to be what it spawns.
    fn serve(
        self: Arc<Self>,
        connection: TcpConnection,
        to: SocketAddr,
        token: CancellationToken,
        ready: oneshot::Sender<()>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            serve(Arc::clone(&self.serving), connection, to, token, ready).await;
            for pause in REOPEN_AFTER {
                sleep(pause).await;
                if self.stop.is_cancelled() || self.living.is_empty() {
                    return;
                }
                info!(address = %to, "a connection over TCP was lost while calls are on; it is opened again");
                if self.connect(to, REOPEN_PATIENCE).await.is_ok() {
                    return;
                }
            }
        })
    }
}

async fn serve(
    serving: Arc<Serving>,
    connection: TcpConnection,
    source: SocketAddr,
    token: CancellationToken,
    ready: oneshot::Sender<()>,
) {
    // Held for as long as the connection is served: the library would read from it as well.
    let mut half = connection.inner.read_half.lock().await;
    let Some(reader) = half.take() else {
        return;
    };
    let link = Link::Tcp(connection.clone());
    serving.endpoint.transport_layer.add_connection(link.clone().into());
    // Whoever wanted it may have gone away; the next who does will find it.
    let _ = ready.send(());
    Served { link, source, serving, token }.serve(reader).await;
}
