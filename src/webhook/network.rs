//! The outside world as the client sees it: names and streams. A trait, so that tests can answer differently the second
//! time, and run servers without sockets in virtual time.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Names being looked up at a time. The system's resolver holds a thread for each, half a minute if its server is dead;
/// so many are no burden, and enough for a busy node.
const LOOKUPS_MAX: usize = 32;

/// A connection's bytes in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Names and streams.
#[async_trait]
pub trait Network: Send + Sync {
    /// All addresses of a host, in the order in which they should be tried.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;

    /// Connects to exactly this address.
    async fn connect(&self, to: SocketAddr) -> io::Result<Box<dyn Stream>>;
}

/// The system's resolver and TCP.
#[derive(Clone, Debug)]
pub struct SystemNetwork {
    lookups: Arc<Semaphore>,
}

impl SystemNetwork {
    /// The machine's own network.
    pub fn new() -> Self {
        Self { lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }
}

impl Default for SystemNetwork {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Network for SystemNetwork {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let place = Arc::clone(&self.lookups).acquire_owned().await.map_err(io::Error::other)?;
        let host = host.to_owned();
        let lookup = spawn_blocking(move || {
            // Held until the system answers, also if nobody waits for it any more.
            let _place = place;
            let found: Vec<IpAddr> = (host.as_str(), 0).to_socket_addrs()?.map(|found| found.ip()).collect();
            Ok(found)
        });
        lookup.await.map_err(io::Error::other)?
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(to).await?;
        // Requests are small and written whole. Failing means that the far end has gone, which shows soon enough.
        let _ = stream.set_nodelay(true);
        Ok(Box::new(stream))
    }
}
