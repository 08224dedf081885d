//! Goodbyes (RFC 3550 §6.6). Why somebody leaves is left unread.

use std::fmt;

use crate::rtp::Ssrc;

/// The sources that leave, at most 31.
#[derive(Clone, Copy)]
pub struct Bye<'a> {
    sources: &'a [[u8; 4]],
}

impl<'a> Bye<'a> {
    pub(super) fn parse(count: usize, body: &'a [u8]) -> Option<Self> {
        let (words, _) = body.as_chunks();
        Some(Self { sources: words.get(..count)? })
    }

    /// The sources. There can be none, which means nothing.
    pub const fn sources(&self) -> ByeSources<'a> {
        ByeSources { rest: self.sources }
    }
}

impl fmt::Debug for Bye<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.sources()).finish()
    }
}

/// The sources of a [`Bye`].
#[derive(Clone, Debug)]
pub struct ByeSources<'a> {
    rest: &'a [[u8; 4]],
}

impl Iterator for ByeSources<'_> {
    type Item = Ssrc;

    fn next(&mut self) -> Option<Ssrc> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(Ssrc(u32::from_be_bytes(*first)))
    }
}
