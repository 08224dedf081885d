//! Source descriptions (RFC 3550 §6.5). Only the canonical name is of interest; the rest (names, e-mail
//! addresses, telephone numbers) is stepped over.

use std::fmt;

use super::ITEM_CNAME;
use crate::rtp::Ssrc;

/// Ends a chunk's items (RFC 3550 §6.5).
const ITEM_END: u8 = 0;

/// A canonical name as it came. It may name a person: `Debug` shows how long it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cname<'a>(pub &'a [u8]);

impl fmt::Debug for Cname<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cname({} bytes)", self.0.len())
    }
}

/// The sources a packet describes, with the canonical name of those that have one. At most 31.
#[derive(Clone, Copy)]
pub struct Descriptions<'a> {
    left: usize,
    rest: &'a [u8],
}

impl<'a> Descriptions<'a> {
    pub(super) fn parse(count: usize, body: &'a [u8]) -> Option<Self> {
        let mut rest = body;
        for _ in 0..count {
            rest = split_chunk(rest)?.1;
        }
        Some(Self { left: count, rest: body })
    }
}

impl<'a> Iterator for Descriptions<'a> {
    type Item = (Ssrc, Option<Cname<'a>>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (chunk, rest) = split_chunk(self.rest)?;
        self.rest = rest;
        Some(chunk)
    }
}

impl fmt::Debug for Descriptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}

type Chunk<'a> = (Ssrc, Option<Cname<'a>>);

/// The first chunk of `bytes`, which begin on a word, and what follows its fill to the next one. A packet
/// that ends where its last chunk's end mark should be is taken as well: some leave the mark out.
fn split_chunk(bytes: &[u8]) -> Option<(Chunk<'_>, &[u8])> {
    let (ssrc, mut rest) = bytes.split_first_chunk()?;
    let mut cname = None;
    while let Some((&kind, after)) = rest.split_first() {
        if kind == ITEM_END {
            let used = bytes.len() - after.len();
            rest = bytes.get(used.next_multiple_of(4)..)?;
            break;
        }
        let (&len, after) = after.split_first()?;
        let (text, after) = after.split_at_checked(len.into())?;
        if kind == ITEM_CNAME && cname.is_none() {
            cname = Some(Cname(text));
        }
        rest = after;
    }
    Some(((Ssrc(u32::from_be_bytes(*ssrc)), cname), rest))
}
