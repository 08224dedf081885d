//! The sending half of a leg: encoded frames become RTP packets in one stream (RFC 3550 §5.1) that never
//! stops and never restarts: one SSRC, sequence numbers and timestamps without a gap, whatever is heard.

use super::EventPacket;
use super::framing::Framing;
use super::outbox::{DATAGRAM_MAX, Outbox};
use super::rtcp::Sent;
use super::security::LegSrtp;
use crate::leg::Port;
use crate::rtp::SequenceNumber;
use crate::rtp::{AudioLevel, RtpHeader, Ssrc};
use crate::srtp::SrtpError;
use crate::time::Time;

/// Where a leg's stream begins. The control side draws these at random (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamStart {
    pub(crate) ssrc: u32,
    pub(crate) sequence_number: u16,
    pub(crate) timestamp: u32,
}

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

    /// Sends a payload, which lasts `duration` units of the timestamp.
    pub(super) fn frame(&mut self, payload: &[u8], duration: u32, framing: &mut Framing, out: &mut Way<'_>) {
        framing.take(payload, duration, &mut |payload, duration| self.packet(payload, duration, out));
    }

    /// Lets a tick pass in which nothing may be sent: the timestamps go on, so that the far end's clock
    /// does not stand still while it is on hold.
    pub(super) fn pass(&mut self, duration: u32, framing: &mut Framing) {
        self.drop_gathered(duration, framing);
        self.header.timestamp = self.header.timestamp.wrapping_add(duration);
    }

    /// What was gathered for a packet will not be sent; its time has passed all the same. `duration` is that of a tick.
    pub(super) fn drop_gathered(&mut self, duration: u32, framing: &mut Framing) {
        self.header.timestamp = self.next_timestamp(duration, framing);
        framing.forget();
    }

    /// The timestamp of what is sent next, if what was gathered is given up. `duration` is that of a tick.
    pub(super) fn next_timestamp(&self, duration: u32, framing: &Framing) -> u32 {
        self.header.timestamp.wrapping_add(framing.waiting(duration))
    }

    /// Sends a telephone-event in place of a tick's sound, which lasts `duration` units (RFC 4733 §2.5.1.1): it has the
    /// next sequence number, and a timestamp of its own. What was gathered for a longer packet is given up.
    pub(super) fn event(
        &mut self,
        event: &EventPacket,
        payload_type: u8,
        duration: u32,
        framing: &mut Framing,
        out: &mut Way<'_>,
    ) {
        self.drop_gathered(duration, framing);
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
    /// What follows the headers of packets of sound.
    pub(super) extension: Option<[u8; AudioLevel::EXTENSION_LEN]>,
    pub(super) srtp: Option<&'a mut LegSrtp>,
    pub(super) outbox: &'a mut Outbox,
}

impl Way<'_> {
    fn rtp(&mut self, fixed: &[u8; RtpHeader::LEN], payload: &[u8]) -> Result<(), SrtpError> {
        let mut header = [0; RtpHeader::LEN + AudioLevel::EXTENSION_LEN];
        header[..RtpHeader::LEN].copy_from_slice(fixed);
        let header = match self.extension {
            None => &header[..RtpHeader::LEN],
            Some(extension) => {
                header[0] |= RtpHeader::EXTENSION_BIT;
                header[RtpHeader::LEN..].copy_from_slice(&extension);
                &header[..]
            }
        };
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
