//! What a far end says, as it was played out: keys may be in it, so that nobody but the ear may look at it.
//!
//! The sound lies in the frame of whoever asked for it. While it is tainted that frame is borrowed, so nobody can read it;
//! it becomes theirs again when what hears keys has let go of it, and is silenced if it is dropped instead. The playout of
//! a leg is reached from here only (`tests/tidy.rs`).

use crate::frame::Frame;
use crate::leg::coding::Coding;
use crate::playout::{Playout, Sound};
use crate::time::Time;

/// 20 ms that were played out and not yet cleared of keys.
#[must_use = "it is to be cleared of keys; dropped, it is silence"]
pub(in crate::leg) struct Tainted<'a> {
    sound: Sound,
    frame: &'a mut Frame,
    is_held: bool,
    cleared: bool,
}

impl<'a> Tainted<'a> {
    /// Plays what is due into `frame`, at the rate of the codec that was agreed.
    pub(in crate::leg) fn play(
        playout: &mut Playout,
        coding: &mut Coding,
        now: Time,
        frame: &'a mut Frame,
    ) -> Self {
        let sound = playout.play(now, frame);
        let sound = coding.follow(sound, frame);
        Self { sound, frame, is_held: false, cleared: false }
    }

    /// What came before a hold must not be heard after it was agreed.
    pub(in crate::leg) fn held(mut self) -> Self {
        (self.sound, self.is_held) = (Sound::Silence, true);
        self
    }

    /// Whether the far end is on hold: what it says next may go on in the middle of a key.
    pub(in crate::leg) const fn is_held(&self) -> bool {
        self.is_held
    }

    /// For the ear, and for what takes keys out.
    pub(in crate::leg) const fn look(&mut self) -> (Sound, &mut Frame) {
        (self.sound, self.frame)
    }

    /// It was cleared of keys, and is this now.
    pub(in crate::leg) fn clear(mut self, sound: Sound) -> Sound {
        self.cleared = true;
        sound
    }
}

impl Drop for Tainted<'_> {
    fn drop(&mut self) {
        if !self.cleared {
            self.frame.samples_mut().fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::SampleRate;

    #[test]
    fn what_was_not_cleared_is_silence() {
        let mut frame = Frame::silence(SampleRate::Hz8000);
        frame.samples_mut().fill(1_000);
        drop(Tainted { sound: Sound::Voice, frame: &mut frame, is_held: false, cleared: false });
        assert!(frame.samples().iter().all(|&sample| sample == 0));
    }

    #[test]
    fn what_was_cleared_is_whoevers_frame_it_is() {
        let mut frame = Frame::silence(SampleRate::Hz8000);
        frame.samples_mut().fill(1_000);
        let mut tainted = Tainted { sound: Sound::Voice, frame: &mut frame, is_held: false, cleared: false };
        assert_eq!(tainted.look().0, Sound::Voice);
        assert_eq!(tainted.clear(Sound::Noise), Sound::Noise);
        assert!(frame.samples().iter().all(|&sample| sample == 1_000));
    }
}
