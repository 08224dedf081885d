//! Where each sample goes: from frames with a time, in which some are missing, to blocks with a position, in which
//! silence stands for what is missing. No clock, no file.
//!
//! ```text
//! frame ─▶ step of 20 ms (slots) ─▶ pause ─▶ silence before the first sound ─▶ longest ─▶ block of 0.8 s
//! ```

use std::time::Duration;

use confab_media::dsp::level::SpeechGate;
use confab_media::prefetch::fetch_room;
use confab_media::{LegId, SampleRate, TapHead, Tick};

use super::manifest::{Gap, Pause};
use super::slots::{Slots, Step};

/// Steps of 20 ms in a block that is written where a look ends: 0.48 s. With as much more as comes until the next look (20 steps),
/// and the two that are not whole yet, a process that is killed loses 0.9 s. Each block costs the same however much is in it, so
/// that mostly two looks make one.
const DUE_STEPS: usize = 24;

/// And in the longest, which is written at once: what looks that are late would make longer.
pub(super) const BLOCK_STEPS: usize = 48;

/// So much of the silence around sound is kept: 200 ms, for the soft beginnings and ends of words.
const MARGIN_STEPS: u64 = 10;

/// Which sounds of a leg or a conference are recorded, and how they lie in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracks {
    /// What the far end says.
    Received,
    /// What the far end hears.
    Sent,
    /// Both, added.
    Mixed,
    /// Both, beside each other: first what it says.
    Both,
    /// Of a conference, what all say to everyone, as one.
    Conference,
    /// Of a conference, one participant and beside them all others.
    Apart,
    /// Of a conference, each participant by themselves, on so many tracks, as they come. Whoever comes when all are taken
    /// shares the last.
    Each(u16),
}

impl Tracks {
    /// Tracks in the file.
    pub const fn width(self) -> u16 {
        match self {
            Self::Received | Self::Sent | Self::Mixed | Self::Conference => 1,
            Self::Both | Self::Apart => 2,
            Self::Each(tracks) => tracks,
        }
    }

    /// What each track of the file is: `inbound` is what the far end says, `outbound` what it hears, `both` their sum;
    /// `conference` what all say, `first` the first participant, `others` the rest. Who has a track by themselves is told
    /// as they come.
    pub fn labels(self) -> Vec<String> {
        let labels: &[&str] = match self {
            Self::Received => &["inbound"],
            Self::Sent => &["outbound"],
            Self::Mixed => &["both"],
            Self::Both => &["inbound", "outbound"],
            Self::Conference => &["conference"],
            Self::Apart => &["first", "others"],
            Self::Each(_) => &[],
        };
        labels.iter().map(|label| (*label).to_owned()).collect()
    }
}

/// What a file looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Samples a second.
    pub rate: SampleRate,
    /// What is in it.
    pub tracks: Tracks,
}

/// What is recorded and when that ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What the file looks like.
    pub shape: Shape,
    /// Silence at both ends is cut off.
    pub trim: bool,
    /// It ends when it is so long.
    pub longest: Option<Duration>,
    /// It ends when the far end has said nothing for so long.
    pub patience: Option<Duration>,
    /// What is shorter is not kept.
    pub shortest: Duration,
}

impl Terms {
    /// Whether it may end by itself.
    pub(super) const fn may_end(&self) -> bool {
        self.longest.is_some() || self.patience.is_some()
    }
}

/// What a pause leaves in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseBehavior {
    /// Silence, as long as it is.
    Silence,
    /// Nothing: what comes after it follows at once.
    Skip,
}

/// Why a recording ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nobody has said anything for too long.
    Silence,
    /// It is as long as it may become.
    Longest,
}

/// Samples and where they go. What lies between two blocks is silence.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// In samples of each track, from the file's first.
    pub(super) at: u64,
    /// Of all tracks in turn.
    pub(super) samples: Vec<i16>,
    pub(super) gaps: Vec<Gap>,
    /// What lies in it for pauses, and where one left nothing.
    pub(super) pauses: Vec<Pause>,
    /// Samples that were heard, of all tracks together: what is neither gap nor pause.
    pub(super) heard: u64,
    /// Samples of silence that were cut off before the file's first, so far.
    pub(super) trimmed: u64,
}

/// One recording's frames on their way to its blocks.
#[derive(Debug)]
pub(super) struct Placing {
    terms: Terms,
    slots: Slots,
    has_ended: bool,
    /// Steps in the file, those that the block under way has included.
    steps: u64,
    /// Samples at the end of the last step that nobody will ever have.
    lacking: usize,
    /// Where the last sound ended, in steps.
    sound_until: u64,
    /// Silence before the first sound.
    waiting: Waiting,
    gate: SpeechGate,
    /// Steps since the far end said something.
    quiet: u64,
    block: Block,
}

/// What is cut off at the beginning, less the margin.
#[derive(Debug, Default)]
struct Waiting {
    is_over: bool,
    /// The last steps of it.
    kept: std::collections::VecDeque<Step>,
    dropped: u64,
}

impl Placing {
    pub(super) fn new(terms: Terms) -> Self {
        let waiting = Waiting { is_over: !terms.trim, ..Waiting::default() };
        Self {
            terms,
            slots: Slots::new(&terms),
            has_ended: false,
            steps: 0,
            lacking: 0,
            sound_until: 0,
            waiting,
            gate: SpeechGate::default(),
            quiet: 0,
            block: Block::default(),
        }
    }

    /// Has fetched what it points to, once it is here itself.
    pub(super) fn fetch_beyond(&self) {
        self.slots.fetch_beyond();
        self.fetch_room();
    }

    /// Has the room fetched into which the next step is laid.
    fn fetch_room(&self) {
        fetch_room(&self.block.samples, self.step_len() * usize::from(self.terms.shape.tracks.width()));
    }

    /// Gives a participant a track, if they have none, and says which.
    pub(super) fn seat(&mut self, leg: LegId) -> Option<u16> {
        self.slots.seat(leg)
    }

    pub(super) fn pause(&mut self, behavior: Option<PauseBehavior>) {
        self.slots.pause(behavior);
        self.quiet = 0;
    }

    /// Takes a frame in, or two that belong together (as [`TapSink::put_beside`](confab_media::TapSink) has them). Whether, and
    /// why, the recording ends with what came before.
    pub(super) fn hear<const N: usize>(&mut self, head: TapHead, heard: [&[i16]; N]) -> Option<Ending> {
        let slot = self.slots.slot_of(head)?;
        while self.slots.now() < slot {
            if let Some(ending) = self.advance() {
                return Some(ending);
            }
        }
        for (sound, head) in heard.into_iter().zip([head, head.of_rest()]) {
            self.slots.put(head, sound, slot);
        }
        None
    }

    /// The block under way, if it is long enough to be written.
    pub(super) fn take_block(&mut self) -> Option<Block> {
        (self.steps_of(&self.block) >= BLOCK_STEPS as u64).then(|| self.cut_block())
    }

    /// The block under way, if it would be too old by the time of the next look.
    pub(super) fn take_due_block(&mut self) -> Option<Block> {
        (self.steps_of(&self.block) >= DUE_STEPS as u64).then(|| self.cut_block())
    }

    /// How many steps are in a block of this recording.
    pub(super) fn steps_of(&self, block: &Block) -> u64 {
        let step = self.step_len() * usize::from(self.terms.shape.tracks.width());
        (block.samples.len() / step) as u64
    }

    /// The room of a block that is written, for the next.
    pub(super) fn take_back(&mut self, mut samples: Vec<i16>) {
        if self.block.samples.capacity() < samples.capacity() {
            samples.clear();
            samples.append(&mut self.block.samples);
            self.block.samples = samples;
        }
    }

    /// What is left, and how many samples of the file are kept.
    pub(super) fn finish(mut self) -> (Block, u64) {
        if !self.has_ended {
            let is_empty = self.slots.is_empty();
            // The slot that is held, and the one under way.
            if self.advance().is_none() && !is_empty {
                self.advance();
            }
        }
        let kept = match self.terms.trim {
            true if !self.waiting.is_over => 0,
            true => (self.sound_until + MARGIN_STEPS).min(self.steps),
            false => self.steps,
        };
        let there = self.steps * self.step_len() as u64 - self.cut_end();
        let samples = (kept * self.step_len() as u64).min(there);
        (self.cut_block(), samples)
    }

    /// Cuts off what would be silence though somebody may have spoken, and says how many samples that were.
    fn cut_end(&mut self) -> u64 {
        let width = usize::from(self.terms.shape.tracks.width());
        let cut = self.lacking.min(self.block.samples.len() / width);
        self.block.samples.truncate(self.block.samples.len() - cut * width);
        self.block.heard = self.block.heard.saturating_sub((cut * width) as u64);
        cut as u64
    }

    const fn step_len(&self) -> usize {
        self.terms.shape.rate.frame_len()
    }

    fn cut_block(&mut self) -> Block {
        let next = self.steps * self.step_len() as u64;
        let trimmed = self.waiting.dropped * self.step_len() as u64;
        let block = std::mem::replace(&mut self.block, Block { at: next, trimmed, ..Block::default() });
        Block { trimmed, ..block }
    }

    /// Goes on with the next slot, and puts the step that is whole then where it belongs.
    fn advance(&mut self) -> Option<Ending> {
        let step = self.slots.advance()?;
        let ending = self.listen(&step);
        match step.paused {
            Some(PauseBehavior::Skip) => self.note_pause(true),
            _ if step.is_loud || self.waiting.is_over => {
                self.begin_sound();
                self.append(step);
            }
            _ => self.wait(step),
        }
        let ending = ending.or_else(|| self.is_longest().then_some(Ending::Longest));
        self.has_ended |= ending.is_some();
        ending
    }

    fn listen(&mut self, step: &Step) -> Option<Ending> {
        let patience = self.terms.patience?;
        if step.paused.is_some() {
            return None;
        }
        self.gate.hear(step.said);
        self.quiet = if self.gate.is_speaking() { 0 } else { self.quiet + 1 };
        (Tick::DURATION * u32::try_from(self.quiet).unwrap_or(u32::MAX) >= patience)
            .then_some(Ending::Silence)
    }

    fn is_longest(&self) -> bool {
        let length = Tick::DURATION * u32::try_from(self.steps).unwrap_or(u32::MAX);
        self.terms.longest.is_some_and(|longest| length >= longest)
    }

    /// Silence before the first sound: only its end is kept.
    fn wait(&mut self, step: Step) {
        self.waiting.kept.push_back(step);
        if self.waiting.kept.len() as u64 > MARGIN_STEPS {
            self.waiting.kept.pop_front();
            self.waiting.dropped += 1;
        }
    }

    fn begin_sound(&mut self) {
        if !self.waiting.is_over {
            self.waiting.is_over = true;
            for step in std::mem::take(&mut self.waiting.kept) {
                self.append(step);
            }
        }
    }

    fn append(&mut self, step: Step) {
        let len = self.step_len() as u64;
        let at = self.steps * len;
        if step.paused.is_some() {
            self.note_pause(false);
        } else {
            self.note_missing(&step.missing, at, len);
            let missing = step.missing.iter().filter(|missing| **missing).count() as u64;
            self.block.heard += len * (u64::from(self.terms.shape.tracks.width()) - missing);
        }
        self.steps += 1;
        let is_heard = step.paused.is_none() && !step.missing.contains(&true);
        self.lacking = if is_heard { step.lacking } else { 0 };
        if step.is_loud {
            self.sound_until = self.steps;
        }
        if self.block.samples.is_empty() {
            // All at once, or it would be copied again and again while it grows.
            let width = usize::from(self.terms.shape.tracks.width());
            self.block.samples.reserve_exact(BLOCK_STEPS * self.step_len() * width);
        }
        self.slots.lay(step, &mut self.block.samples);
        self.fetch_room();
    }

    fn note_missing(&mut self, missing: &[bool], at: u64, len: u64) {
        if !missing.is_empty() && missing.iter().all(|missing| *missing) {
            return self.note_gap(None, at, len);
        }
        for (track, _) in missing.iter().enumerate().filter(|(_, missing)| **missing) {
            self.note_gap(u8::try_from(track).ok(), at, len);
        }
    }

    /// A step of a pause, where the next sample goes.
    fn note_pause(&mut self, is_skipped: bool) {
        let (at, samples) = (self.steps * self.step_len() as u64, self.step_len() as u64);
        Pause { at, samples, is_skipped }.note_in(&mut self.block.pauses);
    }

    fn note_gap(&mut self, track: Option<u8>, at: u64, samples: u64) {
        match self.block.gaps.last_mut() {
            Some(last) if last.track == track && last.at + last.samples == at => last.samples += samples,
            _ => self.block.gaps.push(Gap { track, at, samples }),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use confab_media::{Frame, LegId, Tap, TapSide, Tapped, Time};

    use super::*;

    pub(in super::super) fn terms(tracks: Tracks) -> Terms {
        Terms {
            shape: Shape { rate: SampleRate::Hz8000, tracks },
            trim: false,
            longest: None,
            patience: None,
            shortest: Duration::ZERO,
        }
    }

    /// A frame that says in each sample which step it is of.
    pub(in super::super) fn frame(step: u64, side: TapSide, amplitude: i16) -> Tap {
        let mut frame = Frame::silence(SampleRate::Hz8000);
        frame.samples_mut().fill(amplitude);
        let at = Time::from_millis(7 + step * 20);
        Tap { of: Tapped::Leg(LegId(1)), tick: Tick(step), at, side, frame, dropped_before: 0 }
    }

    pub(in super::super) fn hear(placing: &mut Placing, tap: &Tap) -> Option<Ending> {
        placing.hear(tap.head(), [tap.frame.samples()])
    }

    /// All that a recording would hold, and its gaps.
    fn whole(mut placing: Placing, taps: &[Tap]) -> (Vec<i16>, Vec<Gap>) {
        let (mut samples, mut gaps): (Vec<i16>, Vec<Gap>) = (Vec::new(), Vec::new());
        let width = usize::from(placing.terms.shape.tracks.width());
        let mut put = |block: Block| {
            assert_eq!(block.at as usize * width, samples.len());
            samples.extend(block.samples);
            gaps.extend(block.gaps);
        };
        for tap in taps {
            if hear(&mut placing, tap).is_some() {
                break;
            }
            if let Some(block) = placing.take_block() {
                put(block);
            }
        }
        let (rest, kept) = placing.finish();
        put(rest);
        samples.truncate(kept as usize * width);
        (samples, gaps)
    }

    #[test]
    fn two_frames_that_come_together_are_what_they_are_one_by_one() {
        let of = |tap: Tap| Tap { of: Tapped::Conference(confab_media::ConferenceId(1)), ..tap };
        let steps: Vec<u64> = (0..90).filter(|step| step % 13 != 5).collect();
        for tracks in [Tracks::Apart, Tracks::Conference, Tracks::Each(2)] {
            let [one_by_one, together] = [false, true].map(|are_together| {
                let mut placing = Placing::new(terms(tracks));
                for &step in &steps {
                    let [one, rest] = [(TapSide::Apart, 3), (TapSide::Rest, -7)]
                        .map(|(side, factor)| of(frame(step, side, factor * step as i16)));
                    if are_together {
                        let both = [one.frame.samples(), rest.frame.samples()];
                        assert_eq!(placing.hear(one.head(), both), None);
                    } else {
                        assert_eq!(hear(&mut placing, &one), None);
                        assert_eq!(hear(&mut placing, &rest), None);
                    }
                }
                let (block, kept) = placing.finish();
                (block.samples, block.gaps, block.heard, kept)
            });
            assert_eq!(one_by_one, together, "{tracks:?}");
            // The engine keeps 3 ms.
            assert_eq!(together.3, if tracks == Tracks::Apart { 90 * 160 - 24 } else { 0 });
        }
    }

    #[test]
    fn both_sides_lie_beside_each_other_and_what_is_missing_is_silence_of_its_length() {
        let mut taps = Vec::new();
        for step in (0..100).filter(|step| !(50..60).contains(step)) {
            taps.push(frame(step, TapSide::Received, step as i16 + 1));
            if step != 7 {
                taps.push(frame(step, TapSide::Sent, -(step as i16) - 1));
            }
        }
        let (samples, gaps) = whole(Placing::new(terms(Tracks::Both)), &taps);
        assert_eq!(samples.len(), 100 * 160 * 2);
        for (n, pair) in samples.as_chunks::<2>().0.iter().enumerate() {
            let step = (n / 160) as i16;
            let expected = match step {
                50..60 => [0, 0],
                7 => [8, 0],
                _ => [step + 1, -step - 1],
            };
            assert_eq!(*pair, expected, "sample {n}");
        }
        let gap = |track, at: u64, steps: u64| Gap { track, at: at * 160, samples: steps * 160 };
        assert_eq!(gaps, [gap(Some(1), 7, 1), gap(None, 50, 10)]);
    }

    #[test]
    fn one_side_or_the_sum_of_both_is_one_track() {
        for (tracks, expected) in [(Tracks::Received, 300), (Tracks::Sent, 32_700), (Tracks::Mixed, i16::MAX)]
        {
            let taps: Vec<Tap> = (0..10)
                .flat_map(|step| [frame(step, TapSide::Received, 300), frame(step, TapSide::Sent, 32_700)])
                .collect();
            let (samples, gaps) = whole(Placing::new(terms(tracks)), &taps);
            assert!(samples.len() == 1_600 && samples.iter().all(|s| *s == expected), "{tracks:?}");
            assert_eq!(gaps, []);
        }
    }

    #[test]
    fn a_pause_is_silence_or_nothing() {
        for (behavior, steps) in [(PauseBehavior::Silence, 30), (PauseBehavior::Skip, 20)] {
            let mut placing = Placing::new(terms(Tracks::Received));
            for step in 0..30 {
                match step {
                    10 => placing.pause(Some(behavior)),
                    20 => placing.pause(None),
                    _ => {}
                }
                hear(&mut placing, &frame(step, TapSide::Received, 100));
            }
            let (block, kept) = placing.finish();
            assert_eq!(kept, steps * 160, "{behavior:?}");
            let silent = block.samples.iter().filter(|s| **s == 0).count();
            assert_eq!(silent, if behavior == PauseBehavior::Silence { 1_600 } else { 0 });
            let is_skipped = behavior == PauseBehavior::Skip;
            assert_eq!(block.pauses, [Pause { at: 1_600, samples: 1_600, is_skipped }]);
            assert_eq!(block.heard, 20 * 160);
        }
    }

    #[test]
    fn silence_at_both_ends_is_cut_off_but_for_a_margin() {
        let mut terms = terms(Tracks::Received);
        terms.trim = true;
        let loud = |step: u64| if (100..150).contains(&step) || step == 200 { 5_000 } else { 3 };
        let taps: Vec<Tap> = (0..400).map(|step| frame(step, TapSide::Received, loud(step))).collect();
        let (samples, _) = whole(Placing::new(terms), &taps);
        let margin = MARGIN_STEPS as usize * 160;
        assert_eq!(samples.len(), 101 * 160 + 2 * margin);
        assert!(samples[..margin].iter().all(|s| *s == 3) && samples[margin] == 5_000);

        let quiet: Vec<Tap> = (0..400).map(|step| frame(step, TapSide::Received, 3)).collect();
        assert_eq!(whole(Placing::new(terms), &quiet).0.len(), 0, "nothing but silence");
    }

    #[test]
    fn it_ends_when_it_is_long_enough_or_nobody_speaks() {
        let mut longest = terms(Tracks::Received);
        longest.longest = Some(Duration::from_secs(1));
        let taps: Vec<Tap> = (0..400).map(|step| frame(step, TapSide::Received, 5_000)).collect();
        assert_eq!(whole(Placing::new(longest), &taps).0.len(), 8_000);

        let mut patience = terms(Tracks::Received);
        patience.patience = Some(Duration::from_secs(2));
        let mut placing = Placing::new(patience);
        let ended = (0..1_000).find(|step| {
            // Speech comes and goes; a second without any is a pause.
            let speaks = *step < 200 && step % 50 < 30;
            let loud = if step % 3 == 0 { 6_000 } else { 900 };
            hear(&mut placing, &frame(*step, TapSide::Received, if speaks { loud } else { 0 }))
                == Some(Ending::Silence)
        });
        // The last word ends at step 180, and the gate holds on for 20.
        assert!((280..310).contains(&ended.unwrap()), "{ended:?}");
    }

    #[test]
    fn whenever_looks_end_nothing_that_was_heard_is_kept_from_the_disk_for_a_second() {
        for looks in [&[20][..], &[5], &[1], &[19, 1, 3], &[20, 2, 20, 20], &[200], &[23, 20]] {
            let mut placing = Placing::new(terms(Tracks::Both));
            let (mut heard, mut written) = (0, 0);
            for look in looks.iter().cycle().take(200) {
                for step in heard..heard + look {
                    for side in [TapSide::Received, TapSide::Sent] {
                        assert_eq!(hear(&mut placing, &frame(step, side, 1)), None);
                        if let Some(block) = placing.take_block() {
                            assert_eq!(block.at, written * 160);
                            written += placing.steps_of(&block);
                        }
                    }
                }
                heard += look;
                // Just before a look's end all of it has been heard and no more is written.
                assert!(heard - written < 50 || *look > 20, "{heard} {written} {looks:?}");
                let block = placing.take_due_block();
                assert!(block.as_ref().is_none_or(|block| placing.steps_of(block) >= 24));
                written += block.map_or(0, |block| placing.steps_of(&block));
                assert!(heard - written < 30, "{heard} {written} {looks:?}");
            }
        }
    }

    #[test]
    fn what_the_engine_has_not_let_go_of_at_the_end_is_no_silence_in_the_file() {
        let late = 24;
        for (tracks, sides) in [
            (Tracks::Conference, &[TapSide::Mix][..]),
            (Tracks::Apart, &[TapSide::Apart, TapSide::Rest]),
            (Tracks::Both, &[TapSide::Received, TapSide::Sent]),
        ] {
            let cut = if tracks == Tracks::Both { 0 } else { late };
            let mut placing = Placing::new(terms(tracks));
            for step in 0..60 {
                for side in sides {
                    assert_eq!(hear(&mut placing, &frame(step, *side, 700)), None);
                }
                // One block is on its way.
                drop(placing.take_block());
            }
            let (block, kept) = placing.finish();
            assert_eq!(kept as usize, 60 * 160 - cut, "{tracks:?}");
            assert_eq!(block.samples.len(), ((60 - BLOCK_STEPS) * 160 - cut) * sides.len());
            assert_eq!(block.heard, block.samples.len() as u64);
            assert!(block.samples.iter().all(|sample| *sample == 700), "{tracks:?}");
        }
    }

    #[test]
    fn another_rate_in_the_middle_moves_nothing() {
        let mut taps: Vec<Tap> = (0..50).map(|step| frame(step, TapSide::Received, 1_000)).collect();
        for tap in &mut taps[20..40] {
            let mut wide = Frame::silence(SampleRate::Hz48000);
            wide.samples_mut().fill(1_000);
            tap.frame = wide;
        }
        let (samples, gaps) = whole(Placing::new(terms(Tracks::Received)), &taps);
        assert_eq!((samples.len(), gaps.len()), (8_000, 0));
        // But for the filter's beginning and end.
        let is_edge = |n: usize| [19, 20, 39, 40].contains(&(n / 160));
        let settled = samples.iter().enumerate().filter(|(n, _)| !is_edge(*n));
        assert!(settled.clone().all(|(_, s)| (990..=1_010).contains(s)));
    }
}
