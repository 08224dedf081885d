//! Whether the sound goes on as it was. All tones repeat after one period, so a good frame is the same as
//! the frame one period before it, and a frame that was lost, repeated, concealed or replaced by
//! silence is not. Where a lossy codec is on the way, "the same" leaves room for what it may change.
//!
//! ```text
//! frame ─▶ same as the reference? ── yes ─▶ good
//!              │ no
//!              ├─ same as one period ago? ─▶ good: the reference was the odd one (or the sound moved), relearn
//!              └─ neither ─▶ broken; silent if its strength is gone
//! ```

/// A run of this many broken frames is not a replaced frame: the sound has moved (a slip) or changed.
const SLIP_RUN: u32 = 4;
/// Broken frames kept for a closer look after the run, per leg.
const SAMPLES_KEPT: usize = 32;
/// A frame with less than this share (−24 dB) of the energy that belongs there is silence. A talker who is
/// heard at all is stronger.
const SILENCE_SHARE: i64 = 256;

/// How one frame compares with what came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// The first period is being learned.
    Learning,
    /// Equal in every sample.
    Same,
    /// Not equal, but by less than any talker's tone.
    Alike,
    /// Not what belongs there.
    Broken,
    /// Nothing, where there should be sound.
    Silent,
}

/// A broken frame less what belonged there: the tone of whoever was missing, upside down.
#[derive(Clone, Debug)]
pub(super) struct Broken {
    /// Where in the period it begins.
    pub(super) place: usize,
    /// Its samples less the reference's.
    pub(super) difference: Vec<i32>,
}

/// One leg's memory of one period.
#[derive(Clone, Debug)]
pub(super) struct Continuity {
    reference: Vec<i16>,
    latest: Vec<i16>,
    learned: usize,
    /// Samples of silence that came while learning.
    quiet: usize,
    /// Frames of silence that came before the sound was learned.
    early_silent: u64,
    /// Mean square difference per sample that a missing talker would exceed.
    tolerance: i64,
    /// The share of a frame's energy that codecs may change besides.
    noise_share: f64,
    run: Run,
    /// Frames compared.
    pub(super) frames: u64,
    /// Frames replaced by silence.
    pub(super) silent: u64,
    /// Frames replaced by something else.
    pub(super) broken: u64,
    /// Times the sound moved against its own past: frames dropped, repeated or stretched.
    pub(super) slips: u64,
    /// Broken frames for which our own late sending may be the cause.
    pub(super) excused: u64,
    /// All frames that were not as before, whatever the reason.
    pub(super) disturbed: u64,
    /// The first of the frames in `broken`.
    pub(super) kept: Vec<Broken>,
}

/// Broken frames that followed each other directly.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    frames: u32,
    silent: u32,
    excused: bool,
    /// How many frames were kept for a closer look before this run.
    kept_before: usize,
}

impl Continuity {
    /// For tones that repeat every `period` samples and are `amplitude` strong, of whose energy codecs may change
    /// this share.
    pub(super) fn new(period: usize, amplitude: f64, noise_share: f64) -> Self {
        Self {
            reference: vec![0; period],
            latest: vec![0; period],
            learned: 0,
            quiet: 0,
            early_silent: 0,
            // A quarter of a talker's mean square: two tones, each of half the square of its peak.
            tolerance: (amplitude * amplitude / 4.0).max(64.0) as i64,
            noise_share,
            run: Run::default(),
            frames: 0,
            silent: 0,
            broken: 0,
            slips: 0,
            excused: 0,
            disturbed: 0,
            kept: Vec::new(),
        }
    }

    /// The newest sample at every place of the period.
    pub(super) fn latest(&self) -> &[i16] {
        &self.latest
    }

    /// The period that frames are compared with.
    pub(super) fn reference(&self) -> &[i16] {
        &self.reference
    }

    /// Compares a frame that begins at `position` (in samples, any origin) and remembers it.
    /// `excused` says that whatever is wrong may be our own lateness.
    pub(super) fn check(&mut self, position: i64, frame: &[i16], excused: bool) -> Frame {
        let period = self.reference.len();
        let place = position.rem_euclid(period as i64) as usize;
        if self.learned < period {
            self.learn(place, frame);
            return Frame::Learning;
        }
        self.frames += 1;
        let verdict = self.compare(place, frame);
        store(&mut self.latest, place, frame);
        match verdict {
            Frame::Broken => self.note_broken(place, frame, false, excused),
            Frame::Silent => self.note_broken(place, frame, true, excused),
            Frame::Learning | Frame::Same | Frame::Alike => self.close_run(),
        }
        verdict
    }

    /// Counts a run of broken frames that the end of listening has cut.
    pub(super) fn finish(&mut self) {
        self.close_run();
    }

    /// A packet is missing: what follows is compared, but the run of broken frames ends here.
    pub(super) fn skip(&mut self) {
        self.close_run();
        if self.learned < self.reference.len() {
            self.learned = 0;
        }
    }

    fn compare(&mut self, place: usize, frame: &[i16]) -> Frame {
        let old = Difference::between(&self.reference, place, frame);
        if old.energy == 0 {
            return Frame::Same;
        }
        let noise = (self.noise_share * old.reference as f64) as i64;
        let limit = noise.max(self.tolerance * frame.len() as i64);
        if old.energy <= limit {
            return Frame::Alike;
        }
        let recent = Difference::between(&self.latest, place, frame);
        if recent.energy <= limit {
            store(&mut self.reference, place, frame);
            return Frame::Alike;
        }
        if old.frame * SILENCE_SHARE < old.reference {
            return Frame::Silent;
        }
        Frame::Broken
    }

    /// Learns the first period. A silent frame in it is held against the node as soon as sound has been
    /// learned; a whole period of silence is taken for what the leg should hear.
    fn learn(&mut self, place: usize, frame: &[i16]) {
        let energy: i64 = frame.iter().map(|&sample| i64::from(sample).pow(2)).sum();
        let is_quiet = energy * SILENCE_SHARE < 4 * self.tolerance * frame.len() as i64;
        if !is_quiet && self.quiet > 0 {
            self.quiet = 0;
            self.learned = 0;
        } else if is_quiet && self.quiet < self.reference.len() {
            self.quiet += frame.len();
            self.early_silent += 1;
            self.learned = 0;
            return;
        }
        self.learned += frame.len();
        store(&mut self.reference, place, frame);
        store(&mut self.latest, place, frame);
        if self.learned >= self.reference.len() && self.quiet == 0 {
            self.silent += std::mem::take(&mut self.early_silent);
        }
    }

    fn note_broken(&mut self, place: usize, frame: &[i16], silent: bool, excused: bool) {
        if self.run.frames == 0 {
            self.run.kept_before = self.kept.len();
        }
        self.run.frames += 1;
        self.disturbed += 1;
        self.run.silent += u32::from(silent);
        self.run.excused |= excused;
        if !silent && self.kept.len() < SAMPLES_KEPT {
            let there = around(&self.reference, place);
            let difference = frame.iter().zip(there).map(|(&a, &b)| i32::from(a) - i32::from(b));
            self.kept.push(Broken { place, difference: difference.collect() });
        }
    }

    fn close_run(&mut self) {
        let run = std::mem::take(&mut self.run);
        if run.frames == 0 {
            return;
        }
        if !run.excused && (run.silent == run.frames || run.frames < SLIP_RUN) {
            self.silent += u64::from(run.silent);
            self.broken += u64::from(run.frames - run.silent);
            return;
        }
        self.kept.truncate(run.kept_before);
        if run.excused {
            self.excused += u64::from(run.frames);
        } else {
            self.slips += 1;
        }
    }
}

struct Difference {
    energy: i64,
    frame: i64,
    reference: i64,
}

impl Difference {
    fn between(period: &[i16], place: usize, frame: &[i16]) -> Self {
        let mut sums = Self { energy: 0, frame: 0, reference: 0 };
        for (&a, &b) in frame.iter().zip(around(period, place)) {
            let (a, b) = (i64::from(a), i64::from(b));
            sums.energy += (a - b) * (a - b);
            sums.frame += a * a;
            sums.reference += b * b;
        }
        sums
    }
}

/// The period from `place` on, and round again.
fn around(period: &[i16], place: usize) -> impl Iterator<Item = &i16> {
    period[place..].iter().chain(period)
}

fn store(period: &mut [i16], place: usize, frame: &[i16]) {
    let head = frame.len().min(period.len() - place);
    period[place..place + head].copy_from_slice(&frame[..head]);
    let tail = &frame[head..];
    period[..tail.len()].copy_from_slice(tail);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::codec::Codec;
    use crate::load::law::Law;
    use crate::load::plan::{FRAME_SAMPLES, LegNumber, Plan};
    use crate::load::tone::Tones;

    struct Listener {
        continuity: Continuity,
        period: Vec<i16>,
        position: i64,
    }

    impl Listener {
        fn of(talkers: usize) -> Self {
            let tones = Tones::of(&Plan::new(talkers, 1, talkers, 60).unwrap());
            let mut sum = vec![0_i32; tones.period()];
            for talker in 0..talkers {
                let sound = tones.period_of(LegNumber(talker), Codec::Pcmu);
                sum.iter_mut().zip(&sound).for_each(|(sum, &sample)| *sum += i32::from(heard(sample)));
            }
            Self {
                continuity: Continuity::new(tones.period(), tones.amplitude(), 0.0),
                period: sum.iter().map(|&sum| heard(sum as i16)).collect(),
                position: 12_345,
            }
        }

        /// Hears the next frames, with the sound moved on by `shift` samples.
        fn hear(&mut self, frames: usize, shift: usize) -> Vec<Frame> {
            (0..frames)
                .map(|_| {
                    let start = (self.position as usize + shift) % self.period.len();
                    let frame: Vec<i16> = around(&self.period, start).take(FRAME_SAMPLES).copied().collect();
                    self.check(&frame)
                })
                .collect()
        }

        fn check(&mut self, frame: &[i16]) -> Frame {
            let verdict = self.continuity.check(self.position, frame, false);
            self.position += FRAME_SAMPLES as i64;
            verdict
        }

        fn faults(&mut self) -> (u64, u64, u64) {
            self.continuity.finish();
            (self.continuity.silent, self.continuity.broken, self.continuity.slips)
        }
    }

    fn heard(sample: i16) -> i16 {
        Law::Pcmu.decode(Law::Pcmu.encode(sample))
    }

    #[test]
    fn steady_tones_are_the_same_in_every_sample() {
        for talkers in [1, 3, 10, 250] {
            let mut listener = Listener::of(talkers);
            let verdicts = listener.hear(400, 0);
            assert!(verdicts.iter().all(|v| matches!(v, Frame::Learning | Frame::Same)));
            assert_eq!(listener.faults(), (0, 0, 0));
        }
    }

    #[test]
    fn each_frame_replaced_by_silence_counts_once() {
        for talkers in [1, 3, 10, 250] {
            let mut listener = Listener::of(talkers);
            listener.hear(100, 0);
            for _ in 0..3 {
                listener.check(&[0; FRAME_SAMPLES]);
                listener.hear(97, 0);
            }
            assert_eq!(listener.faults(), (3, 0, 0), "{talkers} talkers");
        }
    }

    #[test]
    fn silence_in_the_period_we_learn_from_is_found_afterwards() {
        let mut listener = Listener::of(3);
        listener.hear(2, 0);
        listener.check(&[0; FRAME_SAMPLES]);
        listener.hear(100, 0);
        assert_eq!(listener.faults(), (1, 0, 0));
    }

    #[test]
    fn lasting_silence_is_what_a_lone_talker_hears() {
        let mut listener = Listener::of(3);
        listener.period.fill(0);
        let verdicts = listener.hear(30, 0);
        assert_eq!(verdicts.last(), Some(&Frame::Same));
        assert_eq!(listener.faults(), (0, 0, 0));
    }

    #[test]
    fn a_frame_played_twice_is_broken_and_a_dropped_one_is_a_slip() {
        let mut listener = Listener::of(3);
        listener.hear(100, 0);
        listener.hear(1, 7 * FRAME_SAMPLES);
        listener.hear(100, 0);
        assert_eq!(listener.faults(), (0, 1, 0));
        listener.hear(100, FRAME_SAMPLES);
        assert_eq!(listener.faults(), (0, 1, 1));
        assert_eq!(listener.continuity.kept.len(), 1);
    }

    #[test]
    fn one_talker_missing_for_a_frame_among_250_breaks_it() {
        let mut listener = Listener::of(250);
        listener.hear(100, 0);
        let tones = Tones::of(&Plan::new(250, 1, 250, 60).unwrap());
        let sound = tones.period_of(LegNumber(17), Codec::Pcmu);
        let start = listener.position as usize % listener.period.len();
        let frame: Vec<i16> = (start..start + FRAME_SAMPLES)
            .map(|n| n % listener.period.len())
            .map(|n| heard(listener.period[n] - heard(sound[n])))
            .collect();
        assert_eq!(listener.check(&frame), Frame::Broken);
        assert_eq!(listener.continuity.kept.len(), 1);
    }

    #[test]
    fn what_our_own_lateness_may_have_caused_is_set_apart() {
        let mut listener = Listener::of(3);
        listener.hear(100, 0);
        listener.continuity.check(listener.position, &[0; FRAME_SAMPLES], true);
        listener.position += FRAME_SAMPLES as i64;
        listener.hear(50, 0);
        assert_eq!(listener.faults(), (0, 0, 0));
        assert_eq!(listener.continuity.excused, 1);
    }
}
