//! Our side's packets on their way out (RFC 3711 §3.3).

use super::stream::{Streams, nearest_index};
use super::transform::{PacketIndex, Transform};
use super::{RtpParts, SrtpError, SrtpKeys, place, rtcp_ssrc};
use crate::prefetch::fetch_whole;

/// The last index of RTP under one pair of keys (RFC 3711 §9.2): at 50 packets a second, in 178,000 years.
const RTP_INDEX_MAX: u64 = (1 << 48) - 1;

/// The last index of RTCP.
const RTCP_INDEX_MAX: u64 = (1 << 31) - 1;

/// Sources of ours under one pair of keys: one, and another if somebody has taken its number (RFC 3550 §8.2).
const STREAMS_MAX: usize = 2;

/// Protects what we send to one far end.
///
/// The same index never protects two packets, which would show what is in them: a sequence number that was used, or
/// is older than one that was, is refused. To begin anew takes new keys, under which the roll-overs begin at zero.
pub struct Protector {
    keys: SrtpKeys,
    transform: Transform,
    streams: Streams<STREAMS_MAX>,
    rtcp_packets: u64,
}

impl Protector {
    /// With the keys that we named to the far end.
    pub fn new(keys: &SrtpKeys) -> Self {
        Self {
            keys: keys.clone(),
            transform: Transform::new(keys),
            streams: Streams::default(),
            rtcp_packets: 0,
        }
    }

    /// Has fetched what a packet needs of it.
    pub(crate) fn fetch_ahead(&self) {
        fetch_whole(&self.streams);
        self.transform.fetch_ahead();
    }

    /// Goes on with the keys of `newer`. If they are the same, nothing happens: to count from the beginning again
    /// would protect other packets with the same indices.
    ///
    /// Nothing is allocated or freed.
    pub fn rekey(&mut self, newer: Self) {
        if newer.keys != self.keys {
            *self = newer;
        }
    }

    /// Protects an RTP packet into the front of `out`, which must have room for
    /// [`rtp_overhead`](super::Profile::rtp_overhead) more.
    ///
    /// # Errors
    /// When it is no RTP packet, does not fit, or its sequence number must not be used (again).
    pub fn protect_rtp<'o>(&mut self, packet: &[u8], out: &'o mut [u8]) -> Result<&'o [u8], SrtpError> {
        let parts = RtpParts::read(packet).ok_or(SrtpError::TooShort)?;
        if packet.len() + self.keys.profile().rtp_overhead() > out.len() {
            return Err(SrtpError::TooLong);
        }
        if !self.streams.has_place_for(parts.ssrc) {
            return Err(SrtpError::TooManyStreams);
        }
        let stream = self.streams.enter(parts.ssrc);
        let newest = stream.rtp.newest();
        let index = match newest {
            Some(newest) => nearest_index(newest, parts.sequence_number),
            None => u64::from(parts.sequence_number),
        };
        if newest.is_some_and(|newest| index <= newest) || index > RTP_INDEX_MAX {
            return Err(SrtpError::IndexUsedUp);
        }
        stream.rtp.accept(index);
        place(packet, out)?;
        let at = PacketIndex { ssrc: parts.ssrc, index };
        let len = self.transform.seal_rtp(out, packet.len(), parts.header_len, at);
        Ok(&out[..len])
    }

    /// Protects an RTCP packet, single or compound, into the front of `out`, which must have room for
    /// [`rtcp_overhead`](super::Profile::rtcp_overhead) more.
    ///
    /// # Errors
    /// When it is no RTCP packet, does not fit, or the keys are used up.
    pub fn protect_rtcp<'o>(&mut self, packet: &[u8], out: &'o mut [u8]) -> Result<&'o [u8], SrtpError> {
        let ssrc = rtcp_ssrc(packet).ok_or(SrtpError::TooShort)?;
        if packet.len() + self.keys.profile().rtcp_overhead() > out.len() {
            return Err(SrtpError::TooLong);
        }
        // One count for all our sources is as good as one for each.
        let index = self.rtcp_packets + 1;
        if index > RTCP_INDEX_MAX {
            return Err(SrtpError::IndexUsedUp);
        }
        self.rtcp_packets = index;
        place(packet, out)?;
        let len = self.transform.seal_rtcp(out, packet.len(), PacketIndex { ssrc, index });
        Ok(&out[..len])
    }
}
