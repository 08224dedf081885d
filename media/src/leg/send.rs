//! The sending half of a leg: encoded frames become RTP packets in one stream (RFC 3550 §5.1) that never
//! stops and never restarts: one SSRC, sequence numbers and timestamps without a gap, whatever is heard.

use super::EventPacket;
use super::outbox::{DATAGRAM_MAX, Outbox};
use super::rtcp::Sent;
use super::security::LegSrtp;
use crate::codec::Codec;
use crate::leg::Port;
use crate::rtp::SequenceNumber;
use crate::rtp::{RtpHeader, Ssrc};
use crate::srtp::SrtpError;
use crate::time::Time;

/// Where a leg's stream begins. The control side draws these at random (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamStart {
    pub(crate) ssrc: u32,
    pub(crate) sequence_number: u16,
    pub(crate) timestamp: u32,
}

/// Gathers or splits frames of 20 ms for a far end that wants packets of another length. Of Opus it gets 20 ms
/// whatever it wants: its packets cannot be put together from frames, and `ptime` is a wish (RFC 8866 §6.4).
pub(super) struct Framing {
    /// Bytes in a packet; 0 where each frame is one.
    unit: usize,
    gathered: Vec<u8>,
    /// What 10 ms are, in units of the timestamp and in bytes.
    units_per_10_ms: usize,
    bytes_per_10_ms: usize,
}

impl Framing {
    /// For packets of `ptime` milliseconds, in tens. Of the codecs of which a packet is a run of bytes, any such
    /// length can be made.
    pub(super) fn new(codec: Codec, ptime: u8) -> Self {
        let per_10_ms = match codec {
            Codec::Opus => 0,
            Codec::Pcmu | Codec::Pcma | Codec::G722 => 80,
            Codec::L16(_) => codec.sample_rate().hertz() as usize / 50,
        };
        let tens = usize::from(ptime / 10).clamp(1, PTIME_MAX / 10);
        let unit = if tens == 2 { 0 } else { per_10_ms * tens };
        // Less than a unit is left over, and a frame of 20 ms comes on top.
        let room = if unit == 0 { 0 } else { unit + 2 * per_10_ms };
        let units_per_10_ms = codec.clock_rate() as usize / 100;
        Self { unit, gathered: Vec::with_capacity(room), units_per_10_ms, bytes_per_10_ms: per_10_ms }
    }

    /// How long what is gathered lasts, in units of the timestamp.
    fn gathered_units(&self) -> u32 {
        // Of a codec whose packets are not gathered nothing is.
        (self.gathered.len() * self.units_per_10_ms / self.bytes_per_10_ms.max(1)) as u32
    }

    /// Bytes of payload that may be sent in one tick.
    pub(super) fn most_a_tick(&self, frame: usize) -> usize {
        self.unit.max(frame)
    }
}

/// The longest packets that are sent, in milliseconds.
const PTIME_MAX: usize = 60;

/// The outgoing stream of a leg.
pub(crate) struct Sender {
    header: RtpHeader,
    sent: Sent,
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
            sent: Sent::default(),
        }
    }

    pub(crate) fn set_payload_type(&mut self, payload_type: u8) {
        self.header.payload_type = payload_type;
    }

    /// Packets made so far.
    pub(crate) const fn packets(&self) -> u64 {
        self.sent.packets
    }

    /// What was sent so far, for RTCP.
    pub(super) const fn sent(&self) -> &Sent {
        &self.sent
    }

    /// Sends a frame of 20 ms, which lasts `duration` units of the timestamp.
    pub(super) fn frame(&mut self, payload: &[u8], duration: u32, framing: &mut Framing, out: &mut Way<'_>) {
        if framing.unit == 0 {
            return self.packet(payload, duration, out);
        }
        framing.gathered.extend_from_slice(payload);
        let unit = framing.unit;
        // As long as the frame is to its bytes.
        let lasts = duration as usize * unit / payload.len().max(1);
        while framing.gathered.len() >= unit {
            self.packet(&framing.gathered[..unit], lasts as u32, out);
            framing.gathered.drain(..unit);
        }
    }

    /// Lets a tick pass in which nothing may be sent: the timestamps go on, so that the far end's clock
    /// does not stand still while it is on hold.
    pub(super) fn pass(&mut self, duration: u32, framing: &mut Framing) {
        framing.gathered.clear();
        self.header.timestamp = self.header.timestamp.wrapping_add(duration);
    }

    /// The timestamp of what is sent next, if what was gathered is given up.
    pub(super) fn next_timestamp(&self, framing: &Framing) -> u32 {
        self.header.timestamp.wrapping_add(framing.gathered_units())
    }

    /// Sends a telephone-event in place of a frame that lasts `duration` units (RFC 4733 §2.5.1.1): it has the next
    /// sequence number, and a timestamp of its own. What was gathered for a longer packet is given up.
    pub(super) fn event(
        &mut self,
        event: &EventPacket,
        payload_type: u8,
        duration: u32,
        framing: &mut Framing,
        out: &mut Way<'_>,
    ) {
        self.header.timestamp = self.next_timestamp(framing);
        framing.gathered.clear();
        let audio = self.header;
        self.header = RtpHeader { marker: event.marker, payload_type, timestamp: event.timestamp, ..audio };
        let before = self.sent.packets;
        self.packet(&event.payload, 0, out);
        // Reports speak of the time of sending, which is not that of the key's start (RFC 3550 §6.4.1).
        if self.sent.packets > before {
            self.sent.timestamp = audio.timestamp;
        }
        self.header = RtpHeader {
            sequence_number: self.header.sequence_number,
            timestamp: audio.timestamp.wrapping_add(duration),
            ..audio
        };
    }

    /// A packet that cannot be made (its keys are used up) is not sent, and its place in the stream stays empty.
    fn packet(&mut self, payload: &[u8], duration: u32, out: &mut Way<'_>) {
        if out.rtp(&self.header.to_bytes(), payload).is_ok() {
            self.sent.packets += 1;
            self.sent.octets += payload.len() as u64;
            self.sent.timestamp = self.header.timestamp;
            self.sent.at = out.now;
            self.sent.clock_rate = out.clock_rate;
            self.header.marker = false;
        }
        self.header.sequence_number = self.header.sequence_number.next();
        self.header.timestamp = self.header.timestamp.wrapping_add(duration);
    }
}

/// The way out of a leg.
pub(super) struct Way<'a> {
    pub(super) now: Time,
    pub(super) clock_rate: u32,
    pub(super) srtp: Option<&'a mut LegSrtp>,
    pub(super) outbox: &'a mut Outbox,
}

impl Way<'_> {
    fn rtp(&mut self, header: &[u8; RtpHeader::LEN], payload: &[u8]) -> Result<(), SrtpError> {
        let srtp = self.srtp.as_deref_mut();
        self.outbox.write(Port::Rtp, |out| {
            let Some(srtp) = srtp else {
                return join(header, payload, out);
            };
            let mut packet = [0; DATAGRAM_MAX];
            let len = join(header, payload, &mut packet)?;
            srtp.protector.protect_rtp(&packet[..len], out).map(<[u8]>::len)
        })
    }

    pub(super) fn rtcp(&mut self, port: Port, packet: &[u8]) -> Result<(), SrtpError> {
        let srtp = self.srtp.as_deref_mut();
        self.outbox.write(port, |out| match srtp {
            Some(srtp) => srtp.protector.protect_rtcp(packet, out).map(<[u8]>::len),
            None => join(packet, &[], out),
        })
    }
}

fn join(header: &[u8], payload: &[u8], out: &mut [u8]) -> Result<usize, SrtpError> {
    let len = header.len() + payload.len();
    let out = out.get_mut(..len).ok_or(SrtpError::TooLong)?;
    out[..header.len()].copy_from_slice(header);
    out[header.len()..].copy_from_slice(payload);
    Ok(len)
}
