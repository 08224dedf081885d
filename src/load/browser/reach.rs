//! How a browser's media gets through: checks of a path (ICE), then the handshake (DTLS), as fast as the node answers. Only
//! then does it go to a thread that looks at its socket once in 20 ms.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::time::timeout_at;

use super::peer::{Peer, State};

/// So long a browser tries to reach somebody, from the answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// What goes through any network in one piece; a handshake's datagrams are no longer.
const DATAGRAM_MAX: usize = 1_500;

/// Drives a connection until media flows; where that goes.
///
/// # Errors
/// When the node does not answer checks or the handshake, or closes.
pub(super) async fn the_node(peer: &mut Peer, socket: &UdpSocket) -> io::Result<SocketAddr> {
    let give_up = Instant::now() + PATIENCE;
    let mut buffer = [0; DATAGRAM_MAX];
    loop {
        // What the kernel does not take now is sent again by the library.
        peer.advance(Instant::now(), |datagram, to| drop(socket.try_send_to(datagram, to)));
        match peer.state() {
            State::Up => return peer.remote().ok_or_else(|| io::Error::other("no path to the node")),
            State::Closed => return Err(io::Error::other("the node closed, or no path leads to it")),
            State::Connecting if Instant::now() >= give_up => {
                return Err(io::Error::other("the node did not answer in time"));
            }
            State::Connecting => {}
        }
        let due = peer.due().map_or(give_up, |due| due.min(give_up));
        // An error is the echo of something that was sent (ICMP): the library sends it again.
        if let Ok(Ok((length, source))) = timeout_at(due.into(), socket.recv_from(&mut buffer)).await {
            peer.begin(&buffer[..length], source, Instant::now());
        }
    }
}
