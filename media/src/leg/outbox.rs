//! What a leg sends in a tick: none, one or more datagrams, protected and ready to go.

use crate::leg::Port;
use crate::prefetch::{fetch, fetch_all};
use crate::srtp::SrtpError;

/// Datagrams in one tick: two of 10 ms of sound, and a report.
const DATAGRAMS_MAX: usize = 3;

/// The longest datagram made here: 60 ms of L16 at 16 kHz with its header and tag.
pub(super) const DATAGRAM_MAX: usize = 2_048;

/// Bytes of a packet of 20 ms of G.711, protected.
const FETCHED: usize = 192;

/// Datagrams that wait to be fetched. Fetched or not, the next tick forgets them.
pub(super) struct Outbox {
    bytes: Box<[u8]>,
    datagrams: [(Port, usize); DATAGRAMS_MAX],
    len: usize,
    end: usize,
}

impl Outbox {
    /// Room for so many bytes a tick.
    pub(super) fn new(capacity: usize) -> Self {
        Self { bytes: vec![0; capacity].into(), datagrams: [(Port::Rtp, 0); DATAGRAMS_MAX], len: 0, end: 0 }
    }

    pub(super) fn clear(&mut self) {
        (self.len, self.end) = (0, 0);
    }

    /// Takes over what waits in another one. What there is no room for here is lost: a packet of a codec with larger
    /// frames, right when it was left.
    pub(super) fn take_over(&mut self, other: &Self) {
        if let Some(bytes) = self.bytes.get_mut(..other.end) {
            bytes.copy_from_slice(&other.bytes[..other.end]);
            (self.datagrams, self.len, self.end) = (other.datagrams, other.len, other.end);
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Has fetched what a packet of 20 ms of G.711 needs of it, or a longer one at first.
    pub(super) fn fetch_ahead(&self) {
        fetch(&self.len);
        fetch_all(&self.bytes[..self.bytes.len().min(FETCHED)]);
    }

    /// Lets `write` write a datagram and say how long it is. Without room, or if it fails, there is none.
    pub(super) fn write(
        &mut self,
        port: Port,
        write: impl FnOnce(&mut [u8]) -> Result<usize, SrtpError>,
    ) -> Result<(), SrtpError> {
        let Some(place) = self.datagrams.get_mut(self.len) else {
            return Err(SrtpError::TooLong);
        };
        let written = write(&mut self.bytes[self.end..])?;
        self.end += written;
        *place = (port, self.end);
        self.len += 1;
        Ok(())
    }

    /// The `n`th datagram and the port it leaves from.
    pub(super) fn get(&self, n: usize) -> Option<(Port, &[u8])> {
        let &(port, end) = self.datagrams[..self.len].get(n)?;
        let start = n.checked_sub(1).map_or(0, |before| self.datagrams[before].1);
        Some((port, &self.bytes[start..end]))
    }
}
