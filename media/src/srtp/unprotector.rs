//! The far end's packets on their way in (RFC 3711 §3.3, §3.4).

use super::stream::{Age, Probation, Stream, Streams, guesses};
use super::transform::{PacketIndex, Transform};
use super::{RtpParts, SrtpError, SrtpKeys, place, rtcp_ssrc};
use crate::rtp::is_rtcp;

/// Packets that are still taken under the keys before the last ones: five seconds. A far end that agreed to new keys
/// uses them within a round trip, one that never does has not agreed.
const OVERLAP_PACKETS_MAX: u16 = 250;

/// Believes and opens what one far end sends.
pub struct Unprotector {
    current: Inbound,
    /// The keys before, until the far end has shown that it has the new ones.
    previous: Option<Inbound>,
    overlap_left: u16,
}

impl Unprotector {
    /// With the keys that the far end named.
    pub fn new(keys: &SrtpKeys) -> Self {
        Self { current: Inbound::new(keys), previous: None, overlap_left: 0 }
    }

    /// Goes on with the keys of `newer`. What is on the way under the old ones is still taken, until the first
    /// packet under the new ones has come. If they are the same, nothing happens: a far end that repeats its keys
    /// in a re-INVITE goes on counting.
    ///
    /// Nothing is allocated or freed.
    pub fn rekey(&mut self, newer: Self) {
        if newer.current.keys == self.current.keys {
            return;
        }
        let last = std::mem::replace(&mut self.current, newer.current);
        // If not one packet came under the last keys, those before them are still the ones in use.
        self.previous.get_or_insert(last);
        self.overlap_left = OVERLAP_PACKETS_MAX;
    }

    /// Opens a datagram, RTP or RTCP (told apart by RFC 5761 §4), into the front of `out`.
    ///
    /// # Errors
    /// Why it is not believed. What is in `out` then is of no use.
    pub fn unprotect<'o>(&mut self, datagram: &[u8], out: &'o mut [u8]) -> Result<&'o [u8], SrtpError> {
        let len = match self.current.unprotect(datagram, out, self.previous.as_ref()) {
            Ok(len) => {
                self.previous = None;
                len
            }
            Err(SrtpError::NotAuthentic) => self.under_previous(datagram, out)?,
            Err(error) => return Err(error),
        };
        Ok(&out[..len])
    }

    fn under_previous(&mut self, datagram: &[u8], out: &mut [u8]) -> Result<usize, SrtpError> {
        let previous = self.previous.as_mut().ok_or(SrtpError::NotAuthentic)?;
        let len = previous.unprotect(datagram, out, None)?;
        self.overlap_left -= 1;
        if self.overlap_left == 0 {
            self.previous = None;
        }
        Ok(len)
    }
}

/// How many sources are kept apart under one pair of keys. A phone has one, and another now and then when it is put
/// on hold or transferred behind its exchange.
const STREAMS_MAX: usize = 8;

/// What comes under one pair of keys.
struct Inbound {
    keys: SrtpKeys,
    transform: Transform,
    streams: Streams<STREAMS_MAX>,
    probation: Probation,
}

impl Inbound {
    fn new(keys: &SrtpKeys) -> Self {
        Self {
            keys: keys.clone(),
            transform: Transform::new(keys),
            streams: Streams::default(),
            probation: Probation::default(),
        }
    }

    fn unprotect(
        &mut self,
        datagram: &[u8],
        out: &mut [u8],
        older: Option<&Self>,
    ) -> Result<usize, SrtpError> {
        if is_rtcp(datagram) {
            self.unprotect_rtcp(datagram, out)
        } else {
            self.unprotect_rtp(datagram, out, older)
        }
    }

    fn unprotect_rtp(
        &mut self,
        datagram: &[u8],
        out: &mut [u8],
        older: Option<&Self>,
    ) -> Result<usize, SrtpError> {
        let parts = RtpParts::read(datagram).ok_or(SrtpError::TooShort)?;
        if datagram.len() < parts.header_len + self.keys.profile().rtp_overhead() {
            return Err(SrtpError::TooShort);
        }
        let newest = |inbound: &Self| inbound.streams.get(parts.ssrc).and_then(|stream| stream.rtp.newest());
        // Whether the roll-overs go on under new keys (RFC 3711 §3.3.1) or begin anew (RFC 4568 §7.1.4 with new
        // addresses, and most senders) only the packets tell: both are guessed.
        let known = newest(self).or_else(|| older.and_then(newest));
        let mut error = SrtpError::NotAuthentic;
        for at in guesses(parts.ssrc, known, parts.sequence_number) {
            if self.is_repeated(at) {
                error = SrtpError::Replayed;
                continue;
            }
            place(datagram, out)?;
            if let Ok(len) = self.transform.open_rtp(&mut out[..datagram.len()], parts.header_len, at) {
                return self.believe(at).map(|()| len);
            }
        }
        Err(error)
    }

    fn is_repeated(&self, at: PacketIndex) -> bool {
        self.streams.get(at.ssrc).is_some_and(|stream| stream.rtp.age(at.index) == Age::Repeated)
    }

    /// Takes note of an authentic RTP packet, unless it must not be taken.
    fn believe(&mut self, at: PacketIndex) -> Result<(), SrtpError> {
        if !self.streams.has_place_for(at.ssrc) && !self.probation.believes(at) {
            return Err(SrtpError::TooManyStreams);
        }
        let age = self.streams.get(at.ssrc).map_or(Age::Fresh, |stream| stream.rtp.age(at.index));
        if age == Age::TooOld && !self.probation.believes(at) {
            return Err(SrtpError::Replayed);
        }
        let stream = self.streams.enter(at.ssrc);
        if age == Age::TooOld {
            *stream = Stream::new(at.ssrc);
        }
        stream.rtp.accept(at.index);
        self.probation = Probation::default();
        Ok(())
    }

    fn unprotect_rtcp(&mut self, datagram: &[u8], out: &mut [u8]) -> Result<usize, SrtpError> {
        let ssrc = rtcp_ssrc(datagram).ok_or(SrtpError::TooShort)?;
        let index = self.transform.rtcp_index(datagram).ok_or(SrtpError::TooShort)?;
        let age = self.streams.get(ssrc).map_or(Age::Fresh, |stream| stream.rtcp.age(index));
        if age == Age::Repeated {
            return Err(SrtpError::Replayed);
        }
        place(datagram, out)?;
        let opened = self.transform.open_rtcp(&mut out[..datagram.len()], PacketIndex { ssrc, index });
        let len = opened.map_err(|_| SrtpError::NotAuthentic)?;
        if age == Age::TooOld {
            return Err(SrtpError::Replayed);
        }
        if !self.streams.has_place_for(ssrc) {
            return Err(SrtpError::TooManyStreams);
        }
        self.streams.enter(ssrc).rtcp.accept(index);
        Ok(len)
    }
}
