//! Connections over TCP that we open: like those that come in, they are read by our framer and guard, since the library
//! would close one, and with it all its calls, over a single message that it cannot read.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rsipstack::platform::CancellationToken;
use rsipstack::transport::SipAddr;
use rsipstack::transport::tcp::TcpConnection;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::stream::{Link, Served, Serving};

/// Opens connections, one to each far end, and finds those that are open. There are never more than far ends that were
/// called a moment ago.
pub(super) struct Dialler {
    serving: Arc<Serving>,
    /// What far ends are told that we are.
    advertised: SipAddr,
    stop: CancellationToken,
    /// Each with what is cancelled when it is gone.
    open: Mutex<HashMap<SocketAddr, CancellationToken>>,
}

impl Dialler {
    pub(super) fn new(serving: Serving, advertised: SipAddr, stop: CancellationToken) -> Self {
        Self { serving: Arc::new(serving), advertised, stop, open: Mutex::default() }
    }

    /// Sees to it that there is a connection to this address, over which the library will send.
    ///
    /// # Errors
    /// When there is none, and none can be had within `patience`.
    pub(super) async fn connect(&self, to: SocketAddr, patience: Duration) -> io::Result<()> {
        if self.is_open(to) {
            return Ok(());
        }
        let stream = timeout(patience, TcpStream::connect(to)).await??;
        let token = self.stop.child_token();
        let connection = TcpConnection::from_stream(stream, self.advertised.clone(), Some(token.clone()))
            .map_err(io::Error::other)?;
        let (ready, is_ready) = oneshot::channel();
        tokio::spawn(serve(Arc::clone(&self.serving), connection, to, token.clone(), ready));
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
