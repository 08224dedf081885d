//! Taps copy what a leg says and hears, or a conference as a whole, for recorders and forks. They read frames and never contribute.

use std::collections::VecDeque;

use crate::event::{Tap, TapSide, Tapped};
use crate::frame::{Frame, SampleRate};
use crate::time::{Tick, Time};

/// Frames that wait to be fetched. When full, the newest is dropped and counted, and the next that fits says
/// how many went before it.
pub(crate) struct Taps {
    frames: VecDeque<Tap>,
    capacity: usize,
    dropped: u64,
    dropped_since: u32,
}

impl Taps {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { frames: VecDeque::with_capacity(capacity), capacity, dropped: 0, dropped_since: 0 }
    }

    pub(crate) fn copy(
        &mut self,
        (tick, at): (Tick, Time),
        of: Tapped,
        side: TapSide,
        rate: SampleRate,
        sound: &[i16],
    ) {
        if self.frames.len() >= self.capacity {
            self.dropped += 1;
            self.dropped_since = self.dropped_since.saturating_add(1);
            return;
        }
        let dropped_before = std::mem::take(&mut self.dropped_since);
        let mut frame = Frame::silence(rate);
        frame.samples_mut().copy_from_slice(sound);
        self.frames.push_back(Tap { of, tick, at, side, frame, dropped_before });
    }

    pub(crate) fn take(&mut self) -> Option<Tap> {
        let taken = self.frames.pop_front();
        if self.frames.is_empty() {
            // Begins at the front again, so that only so much memory is ever touched as a tick needs.
            self.frames.clear();
        }
        taken
    }

    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }
}
