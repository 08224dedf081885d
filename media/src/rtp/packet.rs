//! One RTP packet (RFC 3550 §5.1): a view over a received datagram, a header to send, and how RTP is
//! told from RTCP and other protocols on the same port (RFC 5761 §4, RFC 7983 §7).

use std::fmt;

use super::sequence::SequenceNumber;

/// The synchronisation source: who a packet is from (RFC 3550 §3).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ssrc(pub u32);

impl fmt::Debug for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ssrc({:08x})", self.0)
    }
}

/// Why a datagram is not an RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RtpError {
    /// Shorter than the fixed header.
    TooShort,
    /// A version other than 2.
    Version,
    /// The contributing sources it announces do not fit.
    ContributingSources,
    /// The header extension it announces does not fit.
    Extension,
    /// The padding it announces is none, or more than is there.
    Padding,
}

impl fmt::Display for RtpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "shorter than an RTP header",
            Self::Version => "not RTP version 2",
            Self::ContributingSources => "contributing sources beyond the end",
            Self::Extension => "header extension beyond the end",
            Self::Padding => "padding beyond the payload",
        })
    }
}

impl std::error::Error for RtpError {}

/// A received RTP packet, read in place.
#[derive(Clone, Copy)]
pub struct PacketView<'a> {
    header: &'a [u8; RtpHeader::LEN],
    extension: Option<Extension<'a>>,
    payload: &'a [u8],
}

#[derive(Clone, Copy)]
struct Extension<'a> {
    profile: u16,
    data: &'a [u8],
}

impl<'a> PacketView<'a> {
    /// Checks that `datagram` holds together as an RTP packet.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it, from front to back.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, RtpError> {
        let (header, rest) = datagram.split_first_chunk::<{ RtpHeader::LEN }>().ok_or(RtpError::TooShort)?;
        if header[0] >> 6 != VERSION {
            return Err(RtpError::Version);
        }
        let sources_len = usize::from(header[0] & 0x0f) * 4;
        let (_, rest) = rest.split_at_checked(sources_len).ok_or(RtpError::ContributingSources)?;
        let (extension, rest) = match header[0] & EXTENSION_BIT {
            0 => (None, rest),
            _ => split_extension(rest).map(|(extension, rest)| (Some(extension), rest))?,
        };
        let payload = match header[0] & PADDING_BIT {
            0 => rest,
            _ => without_padding(rest)?,
        };
        Ok(Self { header, extension, payload })
    }

    /// Set on the first packet of a talk spurt (RFC 3551 §4.1), or of an event (RFC 4733 §2.3.1).
    pub const fn marker(&self) -> bool {
        self.header[1] & MARKER_BIT != 0
    }

    /// What the payload is, 0-127.
    pub const fn payload_type(&self) -> u8 {
        self.header[1] & !MARKER_BIT
    }

    /// Counts packets.
    pub const fn sequence_number(&self) -> SequenceNumber {
        SequenceNumber(u16::from_be_bytes([self.header[2], self.header[3]]))
    }

    /// When the payload's first sample was taken, in units of the clock rate, from anywhere.
    pub const fn timestamp(&self) -> u32 {
        let h = self.header;
        u32::from_be_bytes([h[4], h[5], h[6], h[7]])
    }

    /// Who it is from.
    pub const fn ssrc(&self) -> Ssrc {
        let h = self.header;
        Ssrc(u32::from_be_bytes([h[8], h[9], h[10], h[11]]))
    }

    /// The header extension, if there is one: what its profile defined, and its data (RFC 3550 §5.3.1).
    pub fn extension(&self) -> Option<(u16, &'a [u8])> {
        self.extension.map(|e| (e.profile, e.data))
    }

    /// What is carried, without padding. It can be empty.
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// Payloads are what people say: `Debug` shows how long they are, never what is in them.
impl fmt::Debug for PacketView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketView")
            .field("marker", &self.marker())
            .field("payload_type", &self.payload_type())
            .field("sequence_number", &self.sequence_number())
            .field("timestamp", &self.timestamp())
            .field("ssrc", &self.ssrc())
            .field("payload_len", &self.payload.len())
            .finish()
    }
}

/// The one version there is (RFC 3550 §5.1).
const VERSION: u8 = 2;
/// P in the first byte.
const PADDING_BIT: u8 = 0x20;
/// X in the first byte.
const EXTENSION_BIT: u8 = 0x10;
/// M in the second byte.
const MARKER_BIT: u8 = 0x80;

fn split_extension(rest: &[u8]) -> Result<(Extension<'_>, &[u8]), RtpError> {
    let (head, rest) = rest.split_first_chunk::<4>().ok_or(RtpError::Extension)?;
    let words = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let (data, rest) = rest.split_at_checked(words * 4).ok_or(RtpError::Extension)?;
    let profile = u16::from_be_bytes([head[0], head[1]]);
    Ok((Extension { profile, data }, rest))
}

/// The last byte says how many bytes of padding there are, itself included.
fn without_padding(rest: &[u8]) -> Result<&[u8], RtpError> {
    let padding = usize::from(*rest.last().ok_or(RtpError::Padding)?);
    match rest.len().checked_sub(padding) {
        Some(len) if padding > 0 => Ok(&rest[..len]),
        _ => Err(RtpError::Padding),
    }
}

/// The header of a packet we send: no padding, no extension, no contributing sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    /// First packet of a talk spurt.
    pub marker: bool,
    /// What the payload is. Only the lower seven bits are sent.
    pub payload_type: u8,
    /// Counts packets.
    pub sequence_number: SequenceNumber,
    /// When the payload's first sample was taken.
    pub timestamp: u32,
    /// Who it is from.
    pub ssrc: Ssrc,
}

impl RtpHeader {
    /// Bytes of the fixed header.
    pub const LEN: usize = 12;

    /// In the first byte: a header extension follows the fixed header.
    pub const EXTENSION_BIT: u8 = EXTENSION_BIT;

    /// The header as it is on the wire.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let marker = if self.marker { MARKER_BIT } else { 0 };
        let [s0, s1] = self.sequence_number.0.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [r0, r1, r2, r3] = self.ssrc.0.to_be_bytes();
        let kind = self.payload_type & !MARKER_BIT | marker;
        [VERSION << 6, kind, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3]
    }
}

/// Whether a datagram is RTP or RTCP, and not STUN, DTLS or anything else (RFC 7983 §7).
pub fn is_rtp_or_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(128..=191))
}

/// Whether a datagram is RTCP. On a shared port the payload types 64-95 belong to RTCP: with the
/// marker bit they read as its packet types 192-223 (RFC 5761 §4).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    is_rtp_or_rtcp(datagram) && matches!(datagram.get(1).map(|b| b & !MARKER_BIT), Some(64..=95))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: RtpHeader = RtpHeader {
        marker: false,
        payload_type: 0,
        sequence_number: SequenceNumber(0x1234),
        timestamp: 0x5678_9abc,
        ssrc: Ssrc(0xdead_beef),
    };

    fn datagram(first_byte: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = HEADER.to_bytes().to_vec();
        bytes[0] = first_byte;
        bytes.extend_from_slice(rest);
        bytes
    }

    #[test]
    fn a_plain_packet_shows_all_its_fields() {
        let bytes = datagram(0x80, b"sound");
        let packet = PacketView::parse(&bytes).unwrap();
        assert!(!packet.marker());
        assert_eq!(packet.payload_type(), 0);
        assert_eq!(packet.sequence_number(), SequenceNumber(0x1234));
        assert_eq!(packet.timestamp(), 0x5678_9abc);
        assert_eq!(packet.ssrc(), Ssrc(0xdead_beef));
        assert_eq!(packet.extension(), None);
        assert_eq!(packet.payload(), b"sound");
    }

    #[test]
    fn sources_and_extension_are_stepped_over_and_padding_is_taken_off() {
        let bytes = datagram(0xb2, b"src1src2\xbe\xde\x00\x01abcdsound\x00\x00\x03");
        let packet = PacketView::parse(&bytes).unwrap();
        assert_eq!(packet.extension(), Some((0xbede, &b"abcd"[..])));
        assert_eq!(packet.payload(), b"sound");
    }

    #[test]
    fn a_payload_may_be_all_padding() {
        let bytes = datagram(0xa0, b"\x00\x02");
        assert_eq!(PacketView::parse(&bytes).unwrap().payload(), b"");
    }

    #[test]
    fn every_refusal_has_its_name() {
        let refusal = |bytes: &[u8]| PacketView::parse(bytes).map(|_| ()).unwrap_err();
        assert_eq!(refusal(&[]), RtpError::TooShort);
        assert_eq!(refusal(&datagram(0x80, &[])[..11]), RtpError::TooShort);
        assert_eq!(refusal(&datagram(0x40, &[])), RtpError::Version);
        assert_eq!(refusal(&datagram(0xc0, &[])), RtpError::Version);
        assert_eq!(refusal(&datagram(0x81, b"abc")), RtpError::ContributingSources);
        assert_eq!(refusal(&datagram(0x90, b"\xbe\xde\x00")), RtpError::Extension);
        assert_eq!(refusal(&datagram(0x90, b"\xbe\xde\xff\xffabc")), RtpError::Extension);
        assert_eq!(refusal(&datagram(0xa0, b"")), RtpError::Padding);
        assert_eq!(refusal(&datagram(0xa0, b"ab\x00")), RtpError::Padding);
        assert_eq!(refusal(&datagram(0xa0, b"ab\x04")), RtpError::Padding);
    }

    #[test]
    fn protocols_on_one_port_are_told_apart() {
        let rtp = HEADER.to_bytes();
        assert!(is_rtp_or_rtcp(&rtp) && !is_rtcp(&rtp));
        let marked = RtpHeader { marker: true, payload_type: 101, ..HEADER }.to_bytes();
        assert!(!is_rtcp(&marked));
        for packet_type in 192..=223 {
            assert!(is_rtcp(&[0x80, packet_type]));
        }
        assert!(!is_rtcp(&[0x80, 191]) && !is_rtcp(&[0x80, 224]));
        for (stun, dtls) in [(0, 20), (3, 63)] {
            assert!(!is_rtp_or_rtcp(&[stun, 200]) && !is_rtcp(&[dtls, 200]));
        }
        assert!(!is_rtcp(&[0x80]) && !is_rtp_or_rtcp(&[]));
    }

    #[test]
    fn debug_does_not_show_what_was_said() {
        let bytes = datagram(0x80, b"4111111111111111");
        let shown = format!("{:?}", PacketView::parse(&bytes).unwrap());
        assert!(!shown.contains("52, 49") && !shown.contains("4111"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(packet) = PacketView::parse(&bytes) {
                prop_assert!(packet.payload().len() + RtpHeader::LEN <= bytes.len());
                let _ = (packet.marker(), packet.payload_type(), packet.extension());
            }
            let _ = (is_rtcp(&bytes), is_rtp_or_rtcp(&bytes));
        }

        #[test]
        fn any_bytes_that_claim_to_be_rtp_are_parsed_or_refused(
            first in 0x80u8..=0xbf,
            rest in proptest::collection::vec(any::<u8>(), 11..120),
        ) {
            let bytes: Vec<u8> = std::iter::once(first).chain(rest).collect();
            if let Ok(packet) = PacketView::parse(&bytes) {
                let extension = packet.extension().map_or(0, |(_, data)| data.len() + 4);
                prop_assert!(packet.payload().len() + extension + RtpHeader::LEN <= bytes.len());
            }
        }

        #[test]
        fn what_is_written_is_read(
            marker: bool, payload_type in 0u8..128, sequence: u16, timestamp: u32, ssrc: u32,
            payload in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let header = RtpHeader {
                marker,
                payload_type,
                sequence_number: SequenceNumber(sequence),
                timestamp,
                ssrc: Ssrc(ssrc),
            };
            let mut bytes = header.to_bytes().to_vec();
            bytes.extend_from_slice(&payload);
            let packet = PacketView::parse(&bytes).unwrap();
            let read = RtpHeader {
                marker: packet.marker(),
                payload_type: packet.payload_type(),
                sequence_number: packet.sequence_number(),
                timestamp: packet.timestamp(),
                ssrc: packet.ssrc(),
            };
            prop_assert_eq!(read, header);
            prop_assert_eq!(packet.payload(), &payload[..]);
        }
    }
}
