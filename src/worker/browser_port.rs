//! The UDP port that all browsers of a media thread share, and what of its traffic is not for that thread: handshakes, which
//! take milliseconds, and sound of legs that live on another thread.
//!
//! ```text
//!            ┌ STUN: answered by the thread        ┌ legs that live there
//! one port ──┼ SRTP, SRTCP ────────────────────────┤
//!            └ DTLS ─ ring ─▶ control side          └ ring ─▶ the thread where the leg lives
//! ```
//!
//! A leg keeps its port for life, since that is where its browser sends. So a leg that moves takes the port's socket along
//! and sends on it from there; what comes for it is passed on by the thread that looks at the port.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use confab_media::LegId;
use confab_media::ice::Place;

use super::WorkerIndex;
use super::socket::{AsyncWaker, Waker, awaitable, bind_shared};
use crate::telemetry::{Counter, Metrics};

/// Datagrams of handshakes that may wait for the control side. A handshake has three of them on the way at a time; one more
/// than this is dropped, counted, and sent again by its browser.
const HANDSHAKES_MAX: usize = 256;

/// The longest datagram of a handshake: what goes through any network in one piece. Longer ones are no handshake's.
pub(super) const HANDSHAKE_LEN_MAX: usize = 1_500;

/// Datagrams that may wait to be passed on to another thread: 160 ms of 250 browsers who are all in one conference of another
/// thread than the one they called at. One more is dropped and counted. A ring in use touches all of its 3 MB, one that never is none.
const PASSED_MAX: usize = 2_048;

/// The longest datagram that is passed on. Sound of 120 ms is shorter.
pub(super) const PASSED_LEN_MAX: usize = 1_500;

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

/// A datagram for a leg that lives on another thread than the one that looks at its port.
pub(super) struct Passed {
    pub(super) leg: LegId,
    pub(super) far_end: SocketAddr,
    /// When it came, on the monotonic clock that all threads share.
    pub(super) received_at: confab_media::Time,
    pub(super) len: usize,
    pub(super) bytes: [u8; PASSED_LEN_MAX],
}

/// The rings between one thread and all others.
#[derive(Default)]
pub(super) struct Neighbours {
    /// By the thread's number; none to itself.
    pub(super) to: Vec<Option<rtrb::Producer<Passed>>>,
    pub(super) from: Vec<rtrb::Consumer<Passed>>,
}

impl Neighbours {
    /// Those of so many threads.
    pub(super) fn of_all(threads: usize) -> Vec<Self> {
        let mut all: Vec<Self> = (0..threads).map(|_| Self::default()).collect();
        for from in 0..threads {
            for to in 0..threads {
                let (put, taken) = match from == to {
                    true => (None, None),
                    false => {
                        let (put, taken) = rtrb::RingBuffer::new(PASSED_MAX);
                        (Some(put), Some(taken))
                    }
                };
                all[from].to.push(put);
                all[to].from.extend(taken);
            }
        }
        all
    }

    /// The ring to the thread of this number, if there is one.
    pub(super) fn to(&mut self, place: Place) -> Option<&mut rtrb::Producer<Passed>> {
        let place: WorkerIndex = place;
        self.to.get_mut(place)?.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(n: usize) -> Passed {
        let far_end = SocketAddr::from(([127, 0, 0, 1], 9));
        let received_at = confab_media::Time::ZERO;
        Passed {
            leg: LegId(n as u64),
            far_end,
            received_at,
            len: n % PASSED_LEN_MAX,
            bytes: [0; PASSED_LEN_MAX],
        }
    }

    #[test]
    fn a_conference_of_browsers_that_called_at_another_thread_may_wait_for_eight_packets_each() {
        let mut threads = Neighbours::of_all(2);
        let mut passed = 0;
        while threads[0].to(1).unwrap().push(datagram(passed)).is_ok() {
            passed += 1;
        }
        assert!(passed >= 250 * 8, "one is dropped after {passed}");
        let ring = &mut threads[1].from[0];
        for n in 0..passed {
            assert_eq!(ring.pop().unwrap().len, n % PASSED_LEN_MAX);
        }
        assert!(ring.pop().is_err());
    }
}
