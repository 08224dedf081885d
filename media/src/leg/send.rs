//! The sending half of a leg: encoded frames become RTP packets in one stream (RFC 3550 §5.1) that never
//! stops and never restarts: one SSRC, sequence numbers and timestamps without a gap, whatever is heard.

use crate::codec::Codec;
use crate::rtp::SequenceNumber;
use crate::rtp::{RtpHeader, Ssrc};

/// The longest payload sent: 20 ms of G.711.
pub(crate) const PAYLOAD_MAX: usize = 160;

/// 20 ms of encoded sound.
#[derive(Clone, Copy)]
pub(crate) struct Encoded {
    pub(crate) codec: Codec,
    len: usize,
    bytes: [u8; PAYLOAD_MAX],
}

impl Encoded {
    pub(crate) fn of(codec: Codec, samples: &[i16]) -> Self {
        let mut encoded = Self { codec, len: 0, bytes: [0; PAYLOAD_MAX] };
        encoded.len = codec.encode(samples, &mut encoded.bytes);
        encoded
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Where a leg's stream begins. The control side draws these at random (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamStart {
    pub(crate) ssrc: u32,
    pub(crate) sequence_number: u16,
    pub(crate) timestamp: u32,
}

/// The outgoing stream of a leg, and the one packet of the current tick.
pub(crate) struct Sender {
    header: RtpHeader,
    packet: [u8; RtpHeader::LEN + PAYLOAD_MAX],
    len: usize,
    packets: u64,
}

impl Sender {
    pub(crate) fn new(start: StreamStart, payload_type: u8) -> Self {
        Self {
            header: RtpHeader {
                // The first packet of a talk spurt is marked (RFC 3551 §4.1); ours never pauses.
                marker: true,
                payload_type,
                sequence_number: SequenceNumber(start.sequence_number),
                timestamp: start.timestamp,
                ssrc: Ssrc(start.ssrc),
            },
            packet: [0; RtpHeader::LEN + PAYLOAD_MAX],
            len: 0,
            packets: 0,
        }
    }

    pub(crate) fn set_payload_type(&mut self, payload_type: u8) {
        self.header.payload_type = payload_type;
    }

    /// Packets made so far.
    pub(crate) const fn packets(&self) -> u64 {
        self.packets
    }

    /// Makes the packet of this tick, to be fetched by [`Sender::packet`].
    pub(crate) fn packetise(&mut self, payload: &[u8], duration: u32) {
        let end = RtpHeader::LEN + payload.len();
        self.packet[..RtpHeader::LEN].copy_from_slice(&self.header.to_bytes());
        self.packet[RtpHeader::LEN..end].copy_from_slice(payload);
        self.len = end;
        self.header.marker = false;
        self.advance(duration);
        self.packets += 1;
    }

    /// Lets a tick pass in which nothing may be sent: the timestamps go on, so that the far end's clock
    /// does not stand still while it is on hold.
    pub(crate) fn pass(&mut self, duration: u32) {
        self.header.timestamp = self.header.timestamp.wrapping_add(duration);
    }

    /// The packet of this tick.
    pub(crate) fn packet(&self) -> &[u8] {
        &self.packet[..self.len]
    }

    fn advance(&mut self, duration: u32) {
        self.header.sequence_number = self.header.sequence_number.next();
        self.header.timestamp = self.header.timestamp.wrapping_add(duration);
    }
}
