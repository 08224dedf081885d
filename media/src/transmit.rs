//! What the engine wants sent.

use std::net::SocketAddr;

use crate::id::LegId;
use crate::leg::Port;

/// One datagram to send on a leg's socket.
#[derive(Clone, Copy, Debug)]
pub struct Transmit<'a> {
    /// Whose socket.
    pub leg: LegId,
    /// Which of its ports.
    pub port: Port,
    /// Where to.
    pub destination: SocketAddr,
    /// The datagram.
    pub datagram: &'a [u8],
}
