//! The chain of packets in one datagram (RFC 3550 §6.1, appendix A.2).

use std::fmt;

use super::bye::Bye;
use super::description::Descriptions;
use super::report::{ReceiverReport, SenderReport};
use super::{BYE, COUNT_MASK, HEADER_LEN, RECEIVER_REPORT, SENDER_REPORT, SOURCE_DESCRIPTION, VERSION};

/// P in the first byte.
const PADDING_BIT: u8 = 0x20;

/// Why a datagram is not a chain of RTCP packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RtcpError {
    /// Ends within a packet's header.
    TooShort,
    /// A version other than 2.
    Version,
    /// A packet says that it is longer than what is left.
    Length,
    /// Padding that is not on the last packet, is none, is not whole words, or is more than is there.
    Padding,
}

impl fmt::Display for RtcpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "ends within an RTCP header",
            Self::Version => "not RTCP version 2",
            Self::Length => "an RTCP packet beyond the end",
            Self::Padding => "padding beyond the packet, or not at the end",
        })
    }
}

impl std::error::Error for RtcpError {}

/// A received datagram whose chain of packets holds together.
#[derive(Clone, Copy)]
pub struct Compound<'a> {
    bytes: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Walks the chain once, so that reading it later cannot fail.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it, from front to back.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, RtcpError> {
        let mut rest = datagram;
        loop {
            rest = Framed::split(rest)?.1;
            if rest.is_empty() {
                return Ok(Self { bytes: datagram });
            }
        }
    }

    /// Its packets, in order. There is at least one, and at most one per four bytes.
    pub const fn packets(&self) -> Packets<'a> {
        Packets { rest: self.bytes }
    }
}

impl fmt::Debug for Compound<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.packets()).finish()
    }
}

/// One packet of a chain.
#[derive(Clone, Copy, Debug)]
pub enum Packet<'a> {
    /// What somebody sent, and how well they receive (RFC 3550 §6.4.1).
    SenderReport(SenderReport<'a>),
    /// How well somebody receives who sends nothing (RFC 3550 §6.4.2).
    ReceiverReport(ReceiverReport<'a>),
    /// Who sources are (RFC 3550 §6.5).
    Descriptions(Descriptions<'a>),
    /// Who leaves (RFC 3550 §6.6).
    Bye(Bye<'a>),
    /// Of a kind read here, but its content does not fit its length.
    Malformed(PacketKind),
    /// Of a kind not read here: its packet type.
    Other(u8),
}

/// The kinds of packet that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PacketKind {
    /// A sender report.
    SenderReport,
    /// A receiver report.
    ReceiverReport,
    /// A source description.
    Descriptions,
    /// A goodbye.
    Bye,
}

/// The packets of a [`Compound`].
#[derive(Clone)]
pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        // The chain was walked when it was parsed.
        let (framed, rest) = Framed::split(self.rest).ok()?;
        self.rest = rest;
        Some(framed.read())
    }
}

/// A packet of any kind, without its padding.
struct Framed<'a> {
    count: u8,
    packet_type: u8,
    body: &'a [u8],
}

impl<'a> Framed<'a> {
    fn split(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), RtcpError> {
        let (header, _) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(RtcpError::TooShort)?;
        if header[0] >> 6 != VERSION {
            return Err(RtcpError::Version);
        }
        // In words, the header's own not counted.
        let len = (usize::from(u16::from_be_bytes([header[2], header[3]])) + 1) * 4;
        let (packet, rest) = bytes.split_at_checked(len).ok_or(RtcpError::Length)?;
        let body = &packet[HEADER_LEN..];
        let body = match header[0] & PADDING_BIT {
            0 => body,
            _ if rest.is_empty() => without_padding(body)?,
            _ => return Err(RtcpError::Padding),
        };
        Ok((Self { count: header[0] & COUNT_MASK, packet_type: header[1], body }, rest))
    }

    fn read(&self) -> Packet<'a> {
        let (count, body) = (usize::from(self.count), self.body);
        match self.packet_type {
            SENDER_REPORT => SenderReport::parse(count, body)
                .map_or(Packet::Malformed(PacketKind::SenderReport), Packet::SenderReport),
            RECEIVER_REPORT => ReceiverReport::parse(count, body)
                .map_or(Packet::Malformed(PacketKind::ReceiverReport), Packet::ReceiverReport),
            SOURCE_DESCRIPTION => Descriptions::parse(count, body)
                .map_or(Packet::Malformed(PacketKind::Descriptions), Packet::Descriptions),
            BYE => Bye::parse(count, body).map_or(Packet::Malformed(PacketKind::Bye), Packet::Bye),
            other => Packet::Other(other),
        }
    }
}

/// The last byte says how many bytes of padding there are, itself included, in whole words.
fn without_padding(body: &[u8]) -> Result<&[u8], RtcpError> {
    let padding = usize::from(*body.last().ok_or(RtcpError::Padding)?);
    match body.len().checked_sub(padding) {
        Some(len) if padding > 0 && padding.is_multiple_of(4) => Ok(&body[..len]),
        _ => Err(RtcpError::Padding),
    }
}
