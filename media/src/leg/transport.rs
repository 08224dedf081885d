//! Who the far end is: symmetric RTP with strict latching.
//!
//! The far end is the address it signalled. Only where signalling shows a NAT between us (it came from
//! another address than the one it names for media) may another port of that NAT prove to be the far
//! end, by a consistent stream from one SSRC. Once known, the far end stays the same until signalling
//! names another. So a third party cannot turn a call to itself, nor speak in it ("RTP bleed" and injection).

use std::net::{IpAddr, SocketAddr};

use crate::command::LegMedia;
use crate::leg::Port;
use crate::rtp::SequenceNumber;
use crate::rtp::{PacketView, Ssrc};

/// Packets in order that a source behind a NAT must send: 100 ms of speech. A guesser would have to hit the
/// port, the NAT's address and the moment before the far end's own first packet.
const PROBATION_PACKETS: u8 = 5;

/// The far end of a leg, as far as it is known.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    signalled: SocketAddr,
    nat: Option<IpAddr>,
    latched: Option<SocketAddr>,
    candidate: Option<Candidate>,
    /// Where the far end said it receives RTCP, and where its own came from.
    rtcp_signalled: Option<SocketAddr>,
    rtcp_learnt: Option<SocketAddr>,
    rtcp_mux: bool,
    /// The source of what is handed in is the far end: ICE has seen to that.
    ice: bool,
}

/// What a packet's source turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    FarEnd,
    /// The far end, from now on.
    Latched,
    OnProbation,
    Stranger,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    source: SocketAddr,
    ssrc: Ssrc,
    next_sequence: SequenceNumber,
    seen: u8,
}

impl Transport {
    pub(crate) fn new(media: &LegMedia) -> Self {
        Self {
            signalled: media.remote,
            nat: media.signalling.filter(|&ip| ip != media.remote.ip()),
            latched: None,
            candidate: None,
            rtcp_signalled: media.terms.rtcp,
            rtcp_learnt: None,
            rtcp_mux: media.terms.rtcp_mux,
            ice: media.terms.ice,
        }
    }

    /// Signalling named the far end again; if it is the same, what was learnt stays.
    pub(crate) fn renegotiate(&mut self, media: &LegMedia) {
        if media.remote != self.signalled && !self.ice {
            *self = Self::new(media);
        }
        self.rtcp_signalled = media.terms.rtcp;
        self.rtcp_mux = media.terms.rtcp_mux;
    }

    /// Where to send.
    pub(crate) fn destination(&self) -> SocketAddr {
        self.latched.unwrap_or(self.signalled)
    }

    /// The far end, once it is known.
    pub(crate) const fn latched(&self) -> Option<SocketAddr> {
        self.latched
    }

    /// Judges the source of an RTP packet.
    pub(crate) fn judge(&mut self, source: SocketAddr, packet: &PacketView<'_>) -> Source {
        match self.latched {
            Some(latched) if latched == source => Source::FarEnd,
            _ if self.ice => self.latch(source),
            Some(_) => Source::Stranger,
            None if source == self.signalled => self.latch(source),
            None if Some(source.ip()) == self.nat => self.probe(source, packet),
            None => Source::Stranger,
        }
    }

    /// Whether `source` may turn out to be the far end, or is it: what could be told without looking into a packet.
    pub(crate) fn may_be(&self, source: SocketAddr) -> bool {
        match self.latched {
            _ if self.ice => true,
            Some(latched) => latched == source,
            None => source == self.signalled || Some(source.ip()) == self.nat,
        }
    }

    /// Whether RTCP from `source` may be the far end's: RTCP comes from another port, so only the host is
    /// compared.
    pub(crate) fn is_far_host(&self, source: SocketAddr) -> bool {
        self.ice || source.ip() == self.destination().ip()
    }

    /// ICE says that the far end is there now. Whether that is news.
    pub(crate) fn follow(&mut self, source: SocketAddr) -> bool {
        self.ice && self.latched.replace(source) != Some(source)
    }

    /// Whether it is known where to send: with ICE not before the far end has proved itself.
    pub(crate) const fn is_known(&self) -> bool {
        !self.ice || self.latched.is_some()
    }

    /// RTCP of the far end came from here, by the port for it.
    pub(crate) const fn learn_rtcp(&mut self, source: SocketAddr) {
        self.rtcp_learnt = Some(source);
    }

    /// Where to send RTCP, and from which port; none if the far end wants none. Behind a NAT its port for RTCP
    /// is another one than it knows of, so what came from there says more than what was signalled.
    pub(crate) fn rtcp_destination(&self) -> Option<(Port, SocketAddr)> {
        let signalled = self.rtcp_signalled?;
        if self.rtcp_mux {
            return Some((Port::Rtp, self.destination()));
        }
        let is_where_it_said = self.destination() == self.signalled;
        let unlearnt = is_where_it_said.then_some(signalled);
        self.rtcp_learnt.or(unlearnt).map(|place| (Port::Rtcp, place))
    }

    fn latch(&mut self, source: SocketAddr) -> Source {
        self.latched = Some(source);
        self.candidate = None;
        Source::Latched
    }

    fn probe(&mut self, source: SocketAddr, packet: &PacketView<'_>) -> Source {
        let seen = match self.candidate {
            Some(c)
                if c.source == source
                    && c.ssrc == packet.ssrc()
                    && c.next_sequence == packet.sequence_number() =>
            {
                c.seen + 1
            }
            Some(_) | None => 1,
        };
        if seen >= PROBATION_PACKETS {
            return self.latch(source);
        }
        self.candidate = Some(Candidate {
            source,
            ssrc: packet.ssrc(),
            next_sequence: packet.sequence_number().next(),
            seen,
        });
        Source::OnProbation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;
    use crate::command::{Direction, LegTerms};

    fn media(remote: &str, signalling: Option<&str>) -> LegMedia {
        LegMedia {
            codec: Codec::Pcmu,
            payload_type: 0,
            telephone_event: None,
            telephone_event_offered: None,
            remote: remote.parse().unwrap(),
            signalling: signalling.map(|ip| ip.parse().unwrap()),
            direction: Direction::BOTH,
            terms: LegTerms::default(),
        }
    }

    fn packet(ssrc: u32, sequence: u16) -> Vec<u8> {
        let mut p = vec![0x80, 0];
        p.extend(sequence.to_be_bytes());
        p.extend([0; 4]);
        p.extend(ssrc.to_be_bytes());
        p.extend([0xff; 160]);
        p
    }

    fn judge(t: &mut Transport, source: &str, ssrc: u32, sequence: u16) -> Source {
        let bytes = packet(ssrc, sequence);
        t.judge(source.parse().unwrap(), &PacketView::parse(&bytes).unwrap())
    }

    #[test]
    fn the_signalled_address_latches_at_once_and_keeps_out_others() {
        let mut t = Transport::new(&media("192.0.2.1:4000", None));
        assert_eq!(judge(&mut t, "192.0.2.1:4002", 9, 1), Source::Stranger);
        assert_eq!(judge(&mut t, "192.0.2.1:4000", 1, 1), Source::Latched);
        assert_eq!(judge(&mut t, "192.0.2.1:4000", 1, 2), Source::FarEnd);
        assert_eq!(judge(&mut t, "192.0.2.9:4000", 1, 3), Source::Stranger);
        assert_eq!(t.destination(), "192.0.2.1:4000".parse().unwrap());
    }

    #[test]
    fn a_stranger_is_never_latched_however_long_it_sends() {
        let mut t = Transport::new(&media("192.0.2.1:4000", Some("192.0.2.1")));
        for sequence in 0..1_000 {
            assert_eq!(judge(&mut t, "192.0.2.1:9999", 9, sequence), Source::Stranger);
            assert_eq!(judge(&mut t, "203.0.113.7:4000", 9, sequence), Source::Stranger);
        }
        assert_eq!(t.destination(), "192.0.2.1:4000".parse().unwrap());
    }

    #[test]
    fn behind_a_nat_a_consistent_stream_latches() {
        let mut t = Transport::new(&media("10.0.0.5:4000", Some("198.51.100.4")));
        for sequence in 10..14 {
            assert_eq!(judge(&mut t, "198.51.100.4:61000", 7, sequence), Source::OnProbation);
        }
        assert_eq!(t.destination(), "10.0.0.5:4000".parse().unwrap());
        assert_eq!(judge(&mut t, "198.51.100.4:61000", 7, 14), Source::Latched);
        assert_eq!(t.destination(), "198.51.100.4:61000".parse().unwrap());
    }

    #[test]
    fn behind_a_nat_scattered_packets_do_not_latch() {
        let mut t = Transport::new(&media("10.0.0.5:4000", Some("198.51.100.4")));
        for sequence in (0..1_000).step_by(2) {
            assert_eq!(judge(&mut t, "198.51.100.4:61000", 7, sequence), Source::OnProbation);
        }
    }

    #[test]
    fn a_re_invite_to_the_same_address_keeps_the_latch_and_to_another_drops_it() {
        let mut t = Transport::new(&media("192.0.2.1:4000", None));
        judge(&mut t, "192.0.2.1:4000", 1, 1);
        t.renegotiate(&media("192.0.2.1:4000", None));
        assert_eq!(judge(&mut t, "192.0.2.1:4000", 1, 2), Source::FarEnd);
        t.renegotiate(&media("192.0.2.1:5000", None));
        assert_eq!(judge(&mut t, "192.0.2.1:4000", 1, 3), Source::Stranger);
        assert_eq!(judge(&mut t, "192.0.2.1:5000", 1, 4), Source::Latched);
    }
}
