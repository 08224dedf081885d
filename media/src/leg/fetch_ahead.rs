//! What a tick will need of a leg, fetched before it is its turn ([`prefetch`](crate::prefetch)).

use super::Leg;
use crate::prefetch::{fetch, fetch_whole};

impl Leg {
    /// Has fetched of the leg itself what a tick needs.
    pub(crate) fn fetch_ahead(&self) {
        fetch(&self.now);
        fetch(&self.resting);
        fetch_whole(&self.media);
        fetch(&self.pending);
        fetch(&self.condition);
        fetch_whole(&self.transport);
        self.rtcp.fetch_ahead();
        fetch(&self.sender);
        fetch(&self.coding);
        self.playout.fetch_ahead();
    }

    /// Has fetched what tells whether a key is pressed towards the far end.
    pub(crate) fn fetch_presses(&self) {
        fetch(&self.presses);
    }

    /// Has fetched what is needed of the leg itself where what was made for it is sent.
    pub(crate) fn fetch_destination(&self) {
        fetch(&self.coding);
        fetch_whole(&self.transport);
    }

    /// Has fetched what was made for it, once it is here itself.
    pub(crate) fn fetch_datagrams(&self) {
        self.coding.outbox.fetch_ahead();
    }

    /// Has fetched what the leg points to, once it is here itself.
    pub(crate) fn fetch_beyond(&self) {
        self.coding.fetch_ahead();
        if let Some(srtp) = &self.srtp {
            srtp.protector.fetch_ahead();
        }
        if self.resting.is_none() {
            self.playout.fetch_beyond();
        }
    }
}
