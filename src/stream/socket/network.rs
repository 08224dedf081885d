//! The machine's network as sockets of streams use it.

use std::io;
use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::webhook::{Network, Stream, SystemNetwork};

/// Bytes that the system holds for a server that does not take them; it doubles that for what it keeps beside them. Some
/// two seconds of sound: more would be heard long after it was said, and could not be dropped any more.
const SEND_BUFFER: usize = 32 * 1024;

/// The system's resolver, and TCP that holds little back.
#[derive(Clone, Debug, Default)]
pub(super) struct PromptNetwork(SystemNetwork);

#[async_trait]
impl Network for PromptNetwork {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.0.resolve(host).await
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(to).await?;
        // Without either it is later, not wrong.
        let _ = stream.set_nodelay(true);
        let _ = SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER);
        Ok(Box::new(stream))
    }
}
