//! Which RTP ports legs get. The range is walked around, so that a port rests as long as it can after
//! its leg is gone: packets of a call just ended must not arrive in the next one.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use super::socket::LegSockets;
use crate::config::RtpPorts;
use crate::telemetry::{Gauge, Metrics};

/// Ports tried before the range is called used up. A walk over a large range in which all are taken would
/// hold the caller up; so many in a row taken means that there is as good as none.
const TRIES_MAX: u32 = 2_000;

/// Hands out pairs of ports.
#[derive(Debug)]
pub struct Ports {
    ip: IpAddr,
    first: u32,
    pairs: u32,
    next: u32,
    used: Arc<Gauge>,
}

/// A pair that somebody has. It is counted until this is gone.
#[derive(Debug)]
pub(crate) struct Taken(Arc<Gauge>);

impl Taken {
    fn new(used: &Arc<Gauge>) -> Self {
        used.add(1);
        Self(Arc::clone(used))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.add(-1);
    }
}

impl Ports {
    /// Pairs within `range` at `ip`, beginning anywhere in it (`start`), so that a node that was restarted
    /// does not begin with the ports it used last.
    pub fn new(ip: IpAddr, range: RtpPorts, start: u32) -> Self {
        let first = (u32::from(range.first()) + 1) & !1;
        let pairs = (u32::from(range.last()) + 1).saturating_sub(first) / 2;
        Self { ip, first, pairs, next: start.checked_rem(pairs).unwrap_or(0), used: Arc::default() }
    }

    /// The same, with how many there are and how many legs have among what the node measures.
    #[must_use]
    pub fn counted(mut self, metrics: &Metrics) -> Self {
        let pairs = metrics.gauge("confab_rtp_ports", "Pairs of RTP ports that legs can have.", &[]);
        pairs.set(self.pairs.into());
        self.used = metrics.gauge("confab_rtp_ports_used", "Pairs of RTP ports that legs have.", &[]);
        self
    }

    /// Binds the next free pair.
    ///
    /// # Errors
    /// The last refusal of the system, when none is free.
    pub fn bind(&mut self) -> io::Result<LegSockets> {
        let mut refusal = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..self.pairs.min(TRIES_MAX) {
            let port = self.first + 2 * self.next;
            self.next = (self.next + 1) % self.pairs;
            let Ok(port) = u16::try_from(port) else {
                continue;
            };
            match LegSockets::bind(self.ip, port) {
                Ok(sockets) => return Ok(sockets.taken(Taken::new(&self.used))),
                // Out of descriptors: other ports would fare no better.
                Err(e) if e.kind() != io::ErrorKind::AddrInUse => return Err(e),
                Err(e) => refusal = e,
            }
        }
        Err(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(first: u16, last: u16) -> Ports {
        Ports::new("127.0.0.1".parse().unwrap(), RtpPorts::new(first, last).unwrap(), 0)
    }

    #[test]
    fn ports_are_even_and_walk_around_the_range() {
        let mut ports = ports(47_001, 47_008);
        let bound: Vec<u16> = (0..4).map(|_| ports.bind().unwrap().port()).collect();
        // Each was dropped, so free again; still the walk went on.
        assert_eq!(bound, [47_002, 47_004, 47_006, 47_002]);
    }

    #[test]
    fn what_legs_have_is_counted_until_they_are_gone() {
        let metrics = Metrics::new();
        let mut ports = ports(47_110, 47_115).counted(&metrics);
        let held = [ports.bind().unwrap(), ports.bind().unwrap()];
        let says = |line: &str| metrics.render().lines().any(|said| said == line);
        assert!(says("confab_rtp_ports 3") && says("confab_rtp_ports_used 2"));
        drop(held);
        assert!(says("confab_rtp_ports_used 0"));
    }

    #[test]
    fn a_used_up_range_is_an_error() {
        let mut ports = ports(47_100, 47_103);
        let held = [ports.bind().unwrap(), ports.bind().unwrap()];
        assert_eq!(ports.bind().unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(held);
        assert!(ports.bind().is_ok());
    }
}
