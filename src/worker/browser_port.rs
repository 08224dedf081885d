//! The UDP port that all browsers of a media thread share, and what of its traffic is not for that thread: handshakes, which
//! take milliseconds, and sound of legs that live on another thread (`passing`).
//!
//! ```text
//!            ┌ STUN: answered by the thread        ┌ legs that live there
//! one port ──┼ SRTP, SRTCP ────────────────────────┤
//!            └ DTLS ─ ring ─▶ control side          └ ring ─▶ the thread where the leg lives
//! ```
//!
//! A leg keeps its port for life, since that is where its browser sends. So a leg that moves takes the port's socket along:
//! its new thread sends on it and looks at it too ([`guests`](super::guests)). What either thread finds there and is for the
//! other is passed on.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use confab_media::LegId;

use super::socket::{AsyncWaker, Waker, awaitable, bind_shared};
use crate::telemetry::{Counter, Metrics};

/// Datagrams of handshakes that may wait for the control side. A handshake has three of them on the way at a time; one more
/// than this is dropped, counted, and sent again by its browser.
const HANDSHAKES_MAX: usize = 256;

/// The longest datagram of a handshake: what goes through any network in one piece. Longer ones are no handshake's.
pub(super) const HANDSHAKE_LEN_MAX: usize = 1_500;

/// A socket that browsers of one thread share.
#[derive(Clone, Debug)]
pub struct BrowserPort {
    socket: Arc<UdpSocket>,
    address: SocketAddr,
}

impl BrowserPort {
    /// Binds a port. On the unspecified address of IPv6 it takes IPv4 as well.
    ///
    /// # Errors
    /// The system's refusal.
    pub fn bind(ip: IpAddr, port: u16) -> io::Result<Self> {
        let socket = bind_shared(SocketAddr::new(ip, port))?;
        let address = socket.local_addr()?;
        Ok(Self { socket: Arc::new(socket), address })
    }

    /// Where it is.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a datagram of a handshake. Says whether the system took it; what it does not take is lost, as on any network.
    pub fn send(&self, datagram: &[u8], destination: SocketAddr) -> bool {
        self.socket.send_to(datagram, destination).is_ok()
    }

    pub(super) const fn socket(&self) -> &Arc<UdpSocket> {
        &self.socket
    }

    /// Whether both are the same.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.socket, &other.socket)
    }
}

/// A datagram of a handshake, from a source that has proved to be the leg's.
#[derive(Debug)]
pub struct HandshakeDatagram {
    /// Whose.
    pub leg: LegId,
    /// Who sent it, and is answered.
    pub source: SocketAddr,
    pub(super) len: usize,
    pub(super) bytes: [u8; HANDSHAKE_LEN_MAX],
}

impl HandshakeDatagram {
    /// Its content.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The control side's end of one port's handshakes.
#[derive(Debug)]
pub struct HandshakeReader {
    ring: rtrb::Consumer<HandshakeDatagram>,
    waker: Arc<Waker>,
    awaitable: Option<AsyncWaker>,
}

impl HandshakeReader {
    /// The next datagram, when there is one.
    ///
    /// # Errors
    /// When the runtime's reactor does not take the descriptor that wakes it, or has ended.
    pub async fn next(&mut self) -> io::Result<HandshakeDatagram> {
        loop {
            if let Ok(datagram) = self.ring.pop() {
                return Ok(datagram);
            }
            let waker = match &mut self.awaitable {
                Some(waker) => waker,
                none => none.insert(awaitable(Arc::clone(&self.waker))?),
            };
            let mut ready = waker.readable().await?;
            waker.get_ref().drain();
            ready.clear_ready();
        }
    }
}

/// The media thread's end of it.
pub(super) struct HandshakeSink {
    ring: rtrb::Producer<HandshakeDatagram>,
    waker: Arc<Waker>,
    is_due: bool,
    dropped: Arc<Counter>,
}

impl HandshakeSink {
    pub(super) fn put(&mut self, leg: LegId, source: SocketAddr, datagram: &[u8]) {
        let mut bytes = [0; HANDSHAKE_LEN_MAX];
        let Some(room) = bytes.get_mut(..datagram.len()) else {
            return self.dropped.increment();
        };
        room.copy_from_slice(datagram);
        match self.ring.push(HandshakeDatagram { leg, source, len: datagram.len(), bytes }) {
            Ok(()) => self.is_due = true,
            Err(rtrb::PushError::Full(_)) => self.dropped.increment(),
        }
    }

    /// Wakes the control side once for all that was put.
    pub(super) fn flush(&mut self) {
        if std::mem::take(&mut self.is_due) {
            self.waker.wake();
        }
    }
}

/// Both ends of a port's handshakes.
pub(super) fn handshakes(metrics: &Metrics, worker: &str) -> io::Result<(HandshakeSink, HandshakeReader)> {
    let (put, taken) = rtrb::RingBuffer::new(HANDSHAKES_MAX);
    let waker = Arc::new(Waker::new()?);
    let dropped = metrics.counter(
        "confab_browser_handshakes_dropped_total",
        "Datagrams of DTLS handshakes dropped: too many at a time, or too long.",
        &[("worker", worker)],
    );
    let sink = HandshakeSink { ring: put, waker: Arc::clone(&waker), is_due: false, dropped };
    Ok((sink, HandshakeReader { ring: taken, waker, awaitable: None }))
}
