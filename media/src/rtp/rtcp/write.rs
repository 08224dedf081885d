//! Writes a chain of RTCP packets into the caller's memory. What does not fit is left out whole, so that what
//! stands is always a chain.

use std::fmt;

use super::report::{ReportBlock, SENDER_INFO_LEN, SenderInfo};
use super::{BYE, HEADER_LEN, ITEM_CNAME, RECEIVER_REPORT, SENDER_REPORT, SOURCE_DESCRIPTION, VERSION};
use crate::rtp::Ssrc;

/// A packet that was not written: the memory is full, or it would hold more than its fields can count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSpace;

impl fmt::Display for NoSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no space for an RTCP packet")
    }
}

impl std::error::Error for NoSpace {}

/// A chain of packets that is being written.
#[derive(Debug)]
pub struct CompoundWriter<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl<'a> CompoundWriter<'a> {
    /// An empty chain at the front of `out`.
    pub const fn new(out: &'a mut [u8]) -> Self {
        Self { out, len: 0 }
    }

    /// Bytes written so far.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is written so far.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a sender report (RFC 3550 §6.4.1).
    ///
    /// # Errors
    ///
    /// [`NoSpace`], with nothing written.
    pub fn sender_report(
        &mut self,
        ssrc: Ssrc,
        info: SenderInfo,
        blocks: &[ReportBlock],
    ) -> Result<(), NoSpace> {
        let body = self.begin(SENDER_REPORT, blocks.len(), 4 + SENDER_INFO_LEN + block_bytes(blocks))?;
        let (head, rest) = body.split_at_mut(4 + SENDER_INFO_LEN);
        head[..4].copy_from_slice(&ssrc.0.to_be_bytes());
        head[4..].copy_from_slice(&info.to_bytes());
        write_blocks(rest, blocks);
        Ok(())
    }

    /// Adds a receiver report (RFC 3550 §6.4.2).
    ///
    /// # Errors
    ///
    /// [`NoSpace`], with nothing written.
    pub fn receiver_report(&mut self, ssrc: Ssrc, blocks: &[ReportBlock]) -> Result<(), NoSpace> {
        let body = self.begin(RECEIVER_REPORT, blocks.len(), 4 + block_bytes(blocks))?;
        let (head, rest) = body.split_at_mut(4);
        head.copy_from_slice(&ssrc.0.to_be_bytes());
        write_blocks(rest, blocks);
        Ok(())
    }

    /// Adds a source description with nothing but the canonical name (RFC 3550 §6.5.1).
    ///
    /// # Errors
    ///
    /// [`NoSpace`], with nothing written; also for a name longer than 255 bytes.
    pub fn cname(&mut self, ssrc: Ssrc, name: &[u8]) -> Result<(), NoSpace> {
        let name_len = u8::try_from(name.len()).map_err(|_| NoSpace)?;
        // SSRC, item type, length, the name, and at least one zero that ends the chunk on a word.
        let used = 4 + 2 + name.len();
        let body = self.begin(SOURCE_DESCRIPTION, 1, (used + 1).next_multiple_of(4))?;
        body.fill(0);
        body[..4].copy_from_slice(&ssrc.0.to_be_bytes());
        body[4..6].copy_from_slice(&[ITEM_CNAME, name_len]);
        body[6..used].copy_from_slice(name);
        Ok(())
    }

    /// Adds a goodbye without a reason (RFC 3550 §6.6).
    ///
    /// # Errors
    ///
    /// [`NoSpace`], with nothing written.
    pub fn bye(&mut self, ssrc: Ssrc) -> Result<(), NoSpace> {
        self.begin(BYE, 1, 4)?.copy_from_slice(&ssrc.0.to_be_bytes());
        Ok(())
    }

    /// Writes a header and gives the `body_len` bytes after it, which are whole words.
    fn begin(&mut self, packet_type: u8, count: usize, body_len: usize) -> Result<&mut [u8], NoSpace> {
        if count > ReportBlock::PER_PACKET_MAX {
            return Err(NoSpace);
        }
        let packet = self.out[self.len..].get_mut(..HEADER_LEN + body_len).ok_or(NoSpace)?;
        self.len += packet.len();
        let (header, body) = packet.split_at_mut(HEADER_LEN);
        let [l0, l1] = ((body_len / 4) as u16).to_be_bytes();
        header.copy_from_slice(&[VERSION << 6 | count as u8, packet_type, l0, l1]);
        Ok(body)
    }
}

const fn block_bytes(blocks: &[ReportBlock]) -> usize {
    blocks.len() * ReportBlock::LEN
}

fn write_blocks(out: &mut [u8], blocks: &[ReportBlock]) {
    for (bytes, block) in out.as_chunks_mut().0.iter_mut().zip(blocks) {
        *bytes = block.to_bytes();
    }
}
