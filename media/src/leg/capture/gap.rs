//! What comes after a gap or a hold: it may be the rest of a key, too short to be known for what it is.

use crate::dsp::level::Level;
use crate::playout::Sound;

/// The rest of a key that is longer is marked, in 10 ms: two windows, and what a codec delays it by and lets it ring.
pub(super) const FRAGMENT: u8 = 6;

/// How much quieter than a fragment what comes after it is, in dB. Speech seldom falls so far in so short a time, and little of
/// it is lost if it does.
const ENDED: u8 = 16;

/// What is quieter, in -dBov, is below what may be left of a key, or the fade of a gap that was hidden in silence.
const AUDIBLE: u8 = 60;

/// Follows the gaps of one far end.
#[derive(Default)]
pub(super) struct Gap {
    /// What was played last hid a gap, or was silence after one.
    is_open: bool,
    /// What was last heard before it may have been a part of a key, or nothing was heard because of a hold.
    in_key: bool,
    /// What came after it, until it is known to be no fragment.
    after: Option<After>,
}

#[derive(Clone, Copy)]
struct After {
    hops: u8,
    loudest: Level,
}

impl Gap {
    /// The far end is on hold.
    pub(super) const fn hold(&mut self) {
        (self.is_open, self.in_key) = (true, true);
    }

    /// Takes in what the next tick is. `near_key` says whether a key was heard shortly before. Whether what is played now goes on in
    /// what may be the middle of a key.
    pub(super) const fn follow(&mut self, sound: Sound, near_key: bool) -> bool {
        match sound {
            Sound::Concealed => {
                self.is_open = true;
                self.in_key |= near_key;
                false
            }
            Sound::Silence | Sound::Noise => false,
            Sound::Voice => {
                if self.is_open {
                    self.after = Some(After { hops: 0, loudest: Level::SILENCE });
                }
                self.is_open = false;
                std::mem::replace(&mut self.in_key, false)
            }
        }
    }

    /// Takes in the next 10 ms. If a fragment has ended in them: how many of 10 ms ago the gap did.
    pub(super) fn ended_fragment(&mut self, sound: Sound, samples: &[i16]) -> Option<usize> {
        let after = self.after.as_mut()?;
        let level = if sound == Sound::Silence { Level::SILENCE } else { Level::of(samples) };
        after.hops += 1;
        after.loudest = after.loudest.min(level);
        let is_fragment =
            after.loudest.minus_dbov() < AUDIBLE && level.minus_dbov() >= after.loudest.minus_dbov() + ENDED;
        let hops = after.hops;
        if is_fragment || hops >= FRAGMENT {
            self.after = None;
        }
        is_fragment.then_some(hops.into())
    }
}
