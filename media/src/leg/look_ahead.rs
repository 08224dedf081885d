//! Reading what a tick will need of a leg before it is its turn.
//!
//! Legs are many and each is some kilobytes in several places, so that between two ticks other work has pushed them out of the
//! processor's caches. Read one after the other, each first look at a place is a wait of hundreds of nanoseconds, and these waits
//! would be most of what an idle leg costs. Reads on which nothing depends do not wait for each other: while one leg has its
//! turn, those of the next are on their way.

use std::hint::black_box;

use super::Leg;

impl Leg {
    /// Reads of the leg itself what a tick needs.
    pub(crate) fn look_at(&self) {
        black_box((
            self.now,
            self.media.payload_type,
            self.media.direction,
            self.media.terms.audio_level_sent,
            self.transport.is_known(),
            self.sender.packets(),
            self.sender.next_sequence_number(),
            self.condition.expected_loss(),
            self.rtcp.may_be_due(self.now),
            self.pending.is_empty(),
        ));
        if self.resting.is_none() {
            self.playout.look_at();
        }
    }

    /// Reads what the leg points to, once it was looked at itself.
    pub(crate) fn look_into(&self) {
        self.coding.look_at();
        if let Some(srtp) = &self.srtp {
            black_box(srtp.protector.profile());
        }
        if self.resting.is_none() {
            self.playout.look_into();
        }
    }
}
