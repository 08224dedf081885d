//! RTCP on the wire (RFC 3550 §6): a datagram is a chain of packets, read in place and written into the
//! caller's memory. Reduced-size chains (RFC 5506) are read as well: any packet may be first.
//!
//! The chain must fill its datagram exactly. A packet in it whose content does not fit its own length costs
//! only itself: far ends that botch their descriptions still have their reports heard.

mod bye;
mod compound;
mod description;
mod report;
mod write;

pub use bye::{Bye, ByeSources};
pub use compound::{Compound, Packet, PacketKind, Packets, RtcpError};
pub use description::{Cname, Descriptions};
pub use report::{NtpTime, ReceiverReport, ReportBlock, ReportBlocks, SenderInfo, SenderReport};
pub use write::{CompoundWriter, NoSpace};

/// The one version there is (RFC 3550 §6.4.1).
const VERSION: u8 = 2;

/// Version, count, packet type and length (RFC 3550 §6.4.1): what every packet begins with.
const HEADER_LEN: usize = 4;

/// The lower five bits of the first byte count what a packet holds.
const COUNT_MASK: u8 = 0x1f;

/// Packet type of a sender report (RFC 3550 §12.1).
const SENDER_REPORT: u8 = 200;
/// Of a receiver report.
const RECEIVER_REPORT: u8 = 201;
/// Of a source description.
const SOURCE_DESCRIPTION: u8 = 202;
/// Of a goodbye.
const BYE: u8 = 203;

/// The item of a source description that is its canonical name (RFC 3550 §6.5.1).
const ITEM_CNAME: u8 = 1;

/// Four bytes of `bytes` at `at`, which the caller knows to be there.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().copied().map_or(0, u32::from_be_bytes)
}

#[cfg(test)]
mod tests;
