//! Taps copy what a leg says and hears, or a conference as a whole, for recorders and forks. They read frames and never contribute.

use std::collections::VecDeque;

use crate::event::{TapHead, TapSide, Tapped};
use crate::frame::{FRAME_LEN_MAX, SampleRate};
use crate::id::ConferenceId;
use crate::time::{Tick, Time};

/// Where copied frames go. It is called within a tick, and must neither wait nor allocate.
pub trait TapSink {
    /// Takes a frame: 20 ms of samples at its rate.
    fn put(&mut self, head: &TapHead, samples: &[i16]);

    /// Takes two frames of a conference that belong together: what one participant says, of which `head` is, and what all
    /// others say ([`TapSide::Rest`]).
    fn put_beside(&mut self, head: &TapHead, one: &[i16], rest: &[i16]) {
        self.put(head, one);
        self.put(&head.of_rest(), rest);
    }

    /// Frames of this come soon, and very soon when it is said again: whoever has to look for something of it in memory may have
    /// that fetched until then. Who hands frames on may say so or not.
    fn expect(&mut self, of: Tapped, is_near: bool) {
        let _ = (of, is_near);
    }
}

impl<F: FnMut(&TapHead, &[i16])> TapSink for F {
    fn put(&mut self, head: &TapHead, samples: &[i16]) {
        self(head, samples);
    }
}

/// Any of them, lent for a tick.
pub(crate) type AnySink = dyn TapSink + 'static;

/// Copies a frame that none was dropped before.
pub(crate) fn copy(
    taps: &mut AnySink,
    (tick, at): (Tick, Time),
    of: Tapped,
    side: TapSide,
    rate: SampleRate,
    sound: &[i16],
) {
    taps.put(&TapHead { of, tick, at, side, rate, dropped_before: 0 }, sound);
}

/// Copies what one participant says and what all others say.
pub(crate) fn copy_beside(
    taps: &mut AnySink,
    (tick, at): (Tick, Time),
    conference: ConferenceId,
    rate: SampleRate,
    [one, rest]: [&[i16]; 2],
) {
    let of = Tapped::Conference(conference);
    taps.put_beside(&TapHead { of, tick, at, side: TapSide::Apart, rate, dropped_before: 0 }, one, rest);
}

/// Frames that wait to be fetched. When full, the newest is dropped and counted, and the next that fits says
/// how many went before it.
///
/// A frame is kept as long as it is: one at 8 kHz is a sixth of the longest, and there are hundreds in a tick.
pub(crate) struct Taps {
    heads: VecDeque<TapHead>,
    /// Those of all heads, one after the other, behind those that are taken.
    samples: Vec<i16>,
    taken: usize,
    capacity: usize,
    dropped: u64,
    dropped_since: u32,
}

impl Taps {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            heads: VecDeque::with_capacity(capacity),
            // Only what is used of it is ever touched.
            samples: Vec::with_capacity(capacity * FRAME_LEN_MAX),
            taken: 0,
            capacity,
            dropped: 0,
            dropped_since: 0,
        }
    }

    /// The next frame, where it lies.
    pub(crate) fn next(&mut self) -> Option<(TapHead, &[i16])> {
        let head = self.heads.pop_front()?;
        let begin = self.taken;
        self.taken += head.rate.frame_len();
        Some((head, &self.samples[begin..self.taken]))
    }

    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl TapSink for Taps {
    fn put(&mut self, head: &TapHead, samples: &[i16]) {
        if self.heads.len() >= self.capacity {
            self.dropped += 1;
            self.dropped_since = self.dropped_since.saturating_add(1);
            return;
        }
        if self.heads.is_empty() {
            // Begins at the front again, so that only so much memory is ever touched as a tick needs.
            self.samples.clear();
            self.taken = 0;
        }
        if self.samples.len() + samples.len() > self.samples.capacity() {
            self.samples.drain(..self.taken);
            self.taken = 0;
        }
        let dropped_before = std::mem::take(&mut self.dropped_since);
        self.heads.push_back(TapHead { dropped_before, ..*head });
        self.samples.extend_from_slice(samples);
    }
}
