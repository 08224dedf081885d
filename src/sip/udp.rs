//! The UDP socket as the library sees it: what the guard does not let through never reaches the parser.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rsipstack::platform::net::UdpSocket as LibrarySocket;
use tokio::net::UdpSocket;

use super::counters::SipCounters;
use super::guard::{Discard, Guard, MESSAGE_MAX, SourceLimiter, Transport, Verdict};

/// Judges what comes, wherever it comes from: shared by the UDP socket and all TCP connections, since the
/// allowance of a source is one.
#[derive(Debug)]
pub(super) struct Gate {
    guard: Guard,
    limiter: Mutex<SourceLimiter>,
    started: Instant,
    pub(super) counters: Arc<SipCounters>,
}

impl Gate {
    pub(super) fn new(limiter: SourceLimiter, counters: Arc<SipCounters>) -> Self {
        Self { guard: Guard, limiter: Mutex::new(limiter), started: Instant::now(), counters }
    }

    /// What to do with a message, counted.
    pub(super) fn judge<'m>(
        &self,
        message: &'m [u8],
        transport: Transport,
        source: SocketAddr,
    ) -> Verdict<'m> {
        self.counters.received.increment();
        let verdict = if self.admits(source) {
            self.guard.inspect(message, source, transport)
        } else {
            Verdict::Discard(Discard::RateLimited)
        };
        match &verdict {
            Verdict::Forward(_) => {}
            Verdict::Reply { .. } => self.counters.refused.increment(),
            Verdict::Discard(reason) => self.counters.discard(*reason),
        }
        verdict
    }

    /// A trunk is called there: it may answer as fast as it may speak.
    pub(super) fn calls_trunk(&self, address: SocketAddr, messages_per_second: u32) {
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.called(address.ip(), messages_per_second);
    }

    fn admits(&self, source: SocketAddr) -> bool {
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.admit(source.ip(), self.started.elapsed())
    }
}

/// Says to a NAT on the way that the socket is in use.
#[derive(Clone)]
pub(super) struct KeepAlive(pub(super) Arc<GuardedUdp>);

impl KeepAlive {
    /// Sends the empty lines that all SIP ignores.
    pub(super) async fn send(&self, address: SocketAddr) {
        // The next may get through.
        let _ = self.0.socket.send_to(b"\r\n\r\n", address).await;
    }
}

/// A UDP socket with a guard.
pub(super) struct GuardedUdp {
    socket: UdpSocket,
    gate: Arc<Gate>,
}

impl GuardedUdp {
    pub(super) fn new(socket: UdpSocket, gate: Arc<Gate>) -> Self {
        Self { socket, gate }
    }

    async fn next(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let mut datagram = vec![0; MESSAGE_MAX];
        loop {
            let (len, source) = self.socket.recv_from(&mut datagram).await?;
            match self.gate.judge(&datagram[..len], Transport::Udp, source) {
                Verdict::Forward(message) if message.len() <= buf.len() => {
                    buf[..message.len()].copy_from_slice(&message);
                    return Ok((message.len(), source));
                }
                // The guard answers what is longer than the library can read; a message that only its repair
                // made too long is not worth an answer of its own.
                Verdict::Forward(_) => self.gate.counters.discard(Discard::NotSip),
                Verdict::Reply { message, to } => {
                    // An answer that cannot be sent is one that got lost.
                    let _ = self.socket.send_to(&message, to).await;
                }
                Verdict::Discard(_) => {}
            }
        }
    }
}

#[async_trait::async_trait]
impl LibrarySocket for GuardedUdp {
    async fn recv_from(&self, buf: &mut [u8]) -> rsipstack::Result<(usize, SocketAddr)> {
        Ok(self.next(buf).await?)
    }

    async fn send_to(&self, buf: &[u8], addr: SocketAddr) -> rsipstack::Result<usize> {
        Ok(self.socket.send_to(buf, addr).await?)
    }

    fn local_addr(&self) -> rsipstack::Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::guard::Limits;
    use crate::telemetry::Metrics;

    #[tokio::test]
    async fn a_phone_behind_a_nat_is_sent_empty_lines_from_where_its_calls_come() {
        let any = || UdpSocket::bind("127.0.0.1:0");
        let (ours, phone) = (any().await.unwrap(), any().await.unwrap());
        let (from, to) = (ours.local_addr().unwrap(), phone.local_addr().unwrap());
        let counters = Arc::new(SipCounters::new(&Metrics::new()));
        let gate = Gate::new(SourceLimiter::new(Limits::default()), counters);
        KeepAlive(Arc::new(GuardedUdp::new(ours, Arc::new(gate)))).send(to).await;
        let mut datagram = [0; 16];
        let (len, source) = phone.recv_from(&mut datagram).await.unwrap();
        assert_eq!((&datagram[..len], source), (&b"\r\n\r\n"[..], from));
    }
}
