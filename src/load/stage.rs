//! What all callers of a run share: the plan, the tones, the clock's zero, and when measuring begins.
//! Plain values and atomics, read on the sending threads without waiting.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use super::plan::{FRAME_NS, LegNumber, Plan, SETTLE_FRAMES};
use super::record::Microphone;
use super::sound::Sounds;
use super::spectrum::Spectrum;
use super::tone::Tones;
use super::wire;

/// How long after one of our own packets left late what breaks or jumps may be its consequence: a receive buffer that was
/// found too short grows at once, and is shortened again when nothing was late for a second and the sound allows it.
const LATE_SHADOW_NS: i64 = 2_000_000_000;
/// The stamp of a late packet can be a little after what it has broken.
const LATE_BEFORE_NS: i64 = 500_000_000;
const NOT_YET: u64 = u64::MAX;

/// The part of the run that a moment belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Legs are still joining, or buffers come to rest.
    Before,
    /// One talker at a time beeps.
    Beeps,
    /// All talkers have begun; what is heard is not judged yet.
    Settling,
    /// What is heard is judged.
    Tones,
    /// Over.
    After,
}

impl Part {
    /// Whether packets are counted.
    pub(super) fn is_measured(self) -> bool {
        match self {
            Self::Beeps | Self::Settling | Self::Tones => true,
            Self::Before | Self::After => false,
        }
    }
}

/// The common ground of all callers.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) plan: Plan,
    pub(super) tones: Tones,
    pub(super) spectrum: Spectrum,
    pub(super) sounds: Sounds,
    /// Where what is heard is recorded, if it is.
    pub(super) microphone: Option<Microphone>,
    /// When frame 0 begins, on the monotonic clock.
    zero_ns: i64,
    /// The frame with which measuring begins.
    begin: AtomicU64,
    stop: AtomicBool,
    /// When each conference's beeps were sent; 0 when they were not yet.
    beeps: Vec<Vec<AtomicI64>>,
    /// When a talker of each conference last sent late.
    late: Vec<AtomicI64>,
}

impl Stage {
    pub(super) fn new(plan: &Plan) -> Self {
        let tones = Tones::of(plan);
        let slots = || (0..plan.beep_slots()).map(|_| AtomicI64::new(0)).collect();
        Self {
            spectrum: Spectrum::new(tones.period()),
            sounds: Sounds::of(plan, &tones),
            microphone: None,
            tones,
            zero_ns: wire::monotonic_ns(),
            begin: AtomicU64::new(NOT_YET),
            stop: AtomicBool::new(false),
            beeps: (0..plan.conferences()).map(|_| slots()).collect(),
            late: (0..plan.conferences()).map(|_| AtomicI64::new(i64::MIN / 2)).collect(),
            plan: plan.clone(),
        }
    }

    /// Lets measuring begin after the time to settle; returns the first and the last moment of it.
    pub(super) fn begin(&self) -> (i64, i64) {
        let begin = self.frame_at(wire::monotonic_ns()) + SETTLE_FRAMES;
        self.begin.store(begin, Ordering::Release);
        (self.time_of(begin), self.time_of(begin + self.plan.measured_frames()))
    }

    /// When measuring began or will begin, once that is decided.
    pub(super) fn begin_ns(&self) -> Option<i64> {
        let begin = self.begin.load(Ordering::Acquire);
        (begin != NOT_YET).then(|| self.time_of(begin))
    }

    /// When talkers began to speak.
    pub(super) fn speech_begin_ns(&self) -> Option<i64> {
        self.begin_ns().map(|begin| begin + (self.plan.beep_frames() * FRAME_NS) as i64)
    }

    /// Frames since talkers began to give tones or to speak; 0 before.
    pub(super) fn since_tones(&self, frame: u64) -> u64 {
        let begin = self.begin.load(Ordering::Acquire);
        frame.saturating_sub(begin.saturating_add(self.plan.beep_frames()))
    }

    /// Ends sending and judging.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    pub(super) fn zero_ns(&self) -> i64 {
        self.zero_ns
    }

    fn time_of(&self, frame: u64) -> i64 {
        self.zero_ns + (frame * FRAME_NS) as i64
    }

    fn frame_at(&self, time_ns: i64) -> u64 {
        (time_ns - self.zero_ns).max(0) as u64 / FRAME_NS
    }

    /// The part of the run in which this moment lies.
    pub(super) fn part_at(&self, time_ns: i64) -> Part {
        self.part_of(self.frame_at(time_ns))
    }

    /// The part of the run to which this frame belongs.
    pub(super) fn part_of(&self, frame: u64) -> Part {
        let begin = self.begin.load(Ordering::Acquire);
        let Some(since) = frame.checked_sub(begin) else {
            return Part::Before;
        };
        let beeps = self.plan.beep_frames();
        if since < beeps {
            Part::Beeps
        } else if since < beeps + SETTLE_FRAMES {
            Part::Settling
        } else if since < self.plan.measured_frames() {
            Part::Tones
        } else {
            Part::After
        }
    }

    /// The beep slot that begins with this frame.
    pub(super) fn slot_beginning(&self, frame: u64) -> Option<u64> {
        let since = frame.checked_sub(self.begin.load(Ordering::Acquire))?;
        let slot = since / super::plan::BEEP_SLOT_FRAMES;
        let begins = since.is_multiple_of(super::plan::BEEP_SLOT_FRAMES);
        (begins && slot < self.plan.beep_slots()).then_some(slot)
    }

    pub(super) fn note_beep(&self, conference: usize, slot: u64, sent_ns: i64) {
        self.beeps[conference][slot as usize].store(sent_ns, Ordering::Release);
    }

    /// The latest beep in the conference that was sent before `heard_ns`: its talker, and when.
    pub(super) fn beep_before(&self, conference: usize, heard_ns: i64) -> Option<(LegNumber, i64)> {
        let sent = self.beeps[conference].iter().map(|sent| sent.load(Ordering::Acquire));
        let (slot, sent_ns) = (0..)
            .zip(sent)
            .filter(|&(_, sent_ns)| sent_ns != 0 && sent_ns <= heard_ns)
            .max_by_key(|&(_, sent_ns)| sent_ns)?;
        Some((self.plan.beeper(conference, slot), sent_ns))
    }

    pub(super) fn note_late(&self, conference: usize, now_ns: i64) {
        self.late[conference].store(now_ns, Ordering::Release);
    }

    /// Whether something odd at this moment may be a consequence of our own late sending.
    pub(super) fn is_in_late_shadow(&self, conference: usize, time_ns: i64) -> bool {
        let late = self.late[conference].load(Ordering::Acquire);
        (-LATE_BEFORE_NS..LATE_SHADOW_NS).contains(&(time_ns - late))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::plan::BEEP_SLOT_FRAMES;

    #[test]
    fn the_parts_follow_each_other() {
        let plan = Plan::new(4, 2, 2, 5).unwrap();
        let stage = Stage::new(&plan);
        assert_eq!(stage.part_of(1_000_000), Part::Before);
        stage.begin.store(100, Ordering::Release);
        let beeps = plan.beep_frames();
        let parts = [99, 100, 99 + beeps, 100 + beeps, 124 + beeps, 125 + beeps, 349, 350];
        assert_eq!(
            parts.map(|frame| stage.part_of(frame)),
            [
                Part::Before,
                Part::Beeps,
                Part::Beeps,
                Part::Settling,
                Part::Settling,
                Part::Tones,
                Part::Tones,
                Part::After
            ]
        );
    }

    #[test]
    fn what_a_late_packet_may_have_broken_is_not_what_was_long_before_or_after_or_elsewhere() {
        let stage = Stage::new(&Plan::new(4, 2, 2, 5).unwrap());
        let at = |ms: i64| 60_000_000_000 + ms * 1_000_000;
        stage.note_late(1, at(0));
        for (conference, ms, is_shadowed) in
            [(1, -600, false), (1, -400, true), (1, 1_900, true), (1, 2_100, false), (0, 100, false)]
        {
            assert_eq!(stage.is_in_late_shadow(conference, at(ms)), is_shadowed, "{conference} {ms}");
        }
    }

    #[test]
    fn a_heard_beep_belongs_to_the_last_one_sent() {
        let plan = Plan::new(4, 2, 2, 5).unwrap();
        let stage = Stage::new(&plan);
        stage.begin.store(100, Ordering::Release);
        assert_eq!(stage.slot_beginning(100), Some(0));
        assert_eq!(stage.slot_beginning(101), None);
        assert_eq!(stage.slot_beginning(100 + BEEP_SLOT_FRAMES), Some(1));
        stage.note_beep(1, 0, 1_000);
        stage.note_beep(1, 1, 2_000);
        assert_eq!(stage.beep_before(1, 1_999), Some((LegNumber(1), 1_000)));
        assert_eq!(stage.beep_before(1, 2_500), Some((LegNumber(3), 2_000)));
        assert_eq!(stage.beep_before(1, 999), None);
        assert_eq!(stage.beep_before(0, 5_000), None);
    }
}
