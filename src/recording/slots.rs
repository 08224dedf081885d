//! From frames with a time to steps of 20 ms in which all tracks are whole. No clock, no file.
//!
//! ```text
//! frame ─▶ its input ─▶ to the file's rate ─▶ back by what that delayed ─▶ slot under way ─▶ slot held ─▶ step
//! ```
//!
//! A converter gives what it was given a little later, and so does the engine where it brings a conference together. Here
//! that is taken off again: the end of a slot comes with the frame behind it, and so a slot is held until that was there.
//! So tracks of any rates lie beside each other to the sample, and one whose rate changes in the middle goes on where it
//! was.

use std::time::Duration;

use confab_media::dsp::converter::{RateConverter, conversion_delay};
use confab_media::dsp::level::Level;
use confab_media::prefetch::{fetch, fetch_all};
use confab_media::{ConferenceTap, FRAME_LEN_MAX, LegId, SampleRate, TapHead, TapSide, Tick, Time};

use super::placing::{PauseBehavior, Shape, Terms, Tracks};

/// What is quieter, in dBov below full scale, is silence where silence is cut off: above the noise of a line (about
/// -65), under a whisper.
const SILENCE_DBOV: u8 = 50;

/// Participants at a time that are taken apart: as many as a conference can have. Nobody beyond them is recorded by
/// themselves.
const INPUTS_MAX: usize = 256;

/// Rooms for samples that are kept for later: those of two sides and of what becomes of them, twice.
const SPARE_MAX: usize = 6;

/// 20 ms of all tracks, to be laid where they belong by [`Slots::lay`].
#[derive(Debug)]
pub(super) struct Step {
    /// By input.
    sound: Vec<Option<Vec<i16>>>,
    /// On which tracks something should be that did not come; empty, as mostly, if on none.
    pub(super) missing: Vec<bool>,
    /// Whether there is more in it than silence, where that is cut off.
    pub(super) is_loud: bool,
    /// What the far end says in it, where somebody waits for that.
    pub(super) said: Level,
    /// Samples at its end that are silent because nothing followed: the engine has not let go of them.
    pub(super) lacking: usize,
    pub(super) paused: Option<PauseBehavior>,
}

/// One recording's frames on their way to its steps.
#[derive(Debug)]
pub(super) struct Slots {
    shape: Shape,
    /// Silence is cut off.
    trims: bool,
    /// It ends when the far end says nothing.
    listens: bool,
    begin: Option<Time>,
    inputs: Vec<Input>,
    held: Option<Slot>,
    under_way: Slot,
    paused: Option<PauseBehavior>,
    /// On which tracks there was something when nothing was lost last.
    sounded: Vec<bool>,
    /// Rooms for samples that are not in use.
    spare: Vec<Vec<i16>>,
    /// And for what comes for one slot.
    spare_sound: Vec<Option<Vec<i16>>>,
}

/// What came for 20 ms.
#[derive(Debug, Default)]
struct Slot {
    index: u64,
    /// By input.
    sound: Vec<Option<Vec<i16>>>,
    /// Frames of anybody were dropped around it.
    is_lossy: bool,
    paused: Option<PauseBehavior>,
}

/// Where frames of one kind come in.
#[derive(Debug)]
struct Input {
    side: TapSide,
    /// The rate of the last frame, and the way from there to the file's.
    rate: SampleRate,
    converter: Option<RateConverter>,
    /// Samples by which what comes is late, and those of them that are in the converter.
    late: usize,
    in_converter: usize,
    /// The slot of the last frame.
    last: Option<u64>,
}

impl Slots {
    pub(super) fn new(terms: &Terms) -> Self {
        let shape = terms.shape;
        let sides: &[TapSide] = match shape.tracks {
            Tracks::Received => &[TapSide::Received],
            Tracks::Sent => &[TapSide::Sent],
            Tracks::Mixed | Tracks::Both => &[TapSide::Received, TapSide::Sent],
            Tracks::Conference => &[TapSide::Mix],
            Tracks::Apart => &[TapSide::Apart, TapSide::Rest],
            Tracks::Each(_) => &[],
        };
        Self {
            shape,
            trims: terms.trim,
            listens: terms.patience.is_some(),
            begin: None,
            inputs: sides.iter().map(|side| Input::new(*side, shape.rate)).collect(),
            held: None,
            under_way: Slot::default(),
            paused: None,
            sounded: vec![false; usize::from(shape.tracks.width())],
            spare: Vec::new(),
            spare_sound: Vec::new(),
        }
    }

    /// Has fetched what it points to, once it is here itself.
    pub(super) fn fetch_beyond(&self) {
        for input in &self.inputs {
            fetch(&input.side);
            fetch(&input.converter);
        }
        fetch_all(&self.spare);
        for sound in
            self.under_way.sound.iter().chain(self.held.iter().flat_map(|held| &held.sound)).flatten()
        {
            fetch_all(sound);
        }
    }

    fn take_back(&mut self, samples: Vec<i16>) {
        if self.spare.len() < SPARE_MAX {
            self.spare.push(samples);
        }
    }

    /// Gives a participant a track, if they have none, and says which.
    pub(super) fn seat(&mut self, leg: LegId) -> Option<u16> {
        let input =
            matches!(self.shape.tracks, Tracks::Each(_)).then(|| self.input(TapSide::Seat(leg)))??;
        u16::try_from(self.track(input)).ok()
    }

    /// From the next slot on.
    pub(super) fn pause(&mut self, behavior: Option<PauseBehavior>) {
        self.paused = behavior;
        if self.under_way.is_empty() {
            self.under_way.paused = behavior;
        }
    }

    /// Which slot a frame belongs to; none if it is not recorded.
    pub(super) fn slot_of(&mut self, head: TapHead) -> Option<u64> {
        let is_each = matches!((self.shape.tracks, head.side), (Tracks::Each(_), TapSide::Seat(_)));
        if !is_each && !self.inputs.iter().any(|input| input.side == head.side) {
            return None;
        }
        let begin = *self.begin.get_or_insert(head.at);
        let half = Tick::DURATION / 2;
        // In 64 bits they are centuries, and divided at once.
        Some((head.at.since(begin) + half).as_nanos() as u64 / Tick::DURATION.as_nanos() as u64)
    }

    /// The slot under way.
    pub(super) const fn now(&self) -> u64 {
        self.under_way.index
    }

    /// Whether nothing has come for the slot under way.
    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Puts a frame in the slot under way. One that comes late is lost.
    pub(super) fn put(&mut self, head: TapHead, heard: &[i16], index: u64) {
        if self.under_way.index != index {
            return;
        }
        if head.dropped_before > 0 {
            self.under_way.is_lossy = true;
            self.held.iter_mut().for_each(|held| held.is_lossy = true);
        }
        let Some(at) = self.input(head.side) else {
            return;
        };
        let input = &mut self.inputs[at];
        let before = self.held.as_mut().and_then(|held| held.sound.get_mut(at)?.as_mut());
        let mut sound = self.spare.pop().unwrap_or_default();
        input.convert((head.rate, heard), index, self.shape.rate, before, &mut sound);
        self.under_way.keep(at, sound);
    }

    /// Goes on with the next slot. What is whole comes out; at the very beginning that is nothing.
    pub(super) fn advance(&mut self) -> Option<Step> {
        let sound = std::mem::take(&mut self.spare_sound);
        let next = Slot { index: self.under_way.index + 1, sound, is_lossy: false, paused: self.paused };
        let over = std::mem::replace(&mut self.under_way, next);
        let (mut whole, mut lacking) = (self.held.replace(over), 0);
        if let Some(held) = &mut whole {
            // Who said nothing more has the end of what they said in their converter.
            let ended =
                self.inputs.iter_mut().enumerate().filter(|(_, input)| input.last == Some(held.index));
            for (at, input) in ended {
                if let Some(Some(sound)) = held.sound.get_mut(at) {
                    lacking = lacking.max(input.flush(sound));
                }
            }
        }
        whole.map(|slot| Step { lacking, ..self.step(slot) })
    }

    /// Where frames of that kind come in.
    fn input(&mut self, side: TapSide) -> Option<usize> {
        if let Some(at) = self.inputs.iter().position(|input| input.side == side) {
            return Some(at);
        }
        let shared = usize::from(self.shape.tracks.width().saturating_sub(1));
        let gone = self.under_way.index.saturating_sub(2);
        let is_free = |input: &Input| input.last.is_some_and(|last| last < gone);
        let free = self.inputs.iter().enumerate().skip(shared).find(|(_, input)| is_free(input));
        // Who has left a track that is nobody's own makes room there.
        let at = free.map_or(self.inputs.len(), |(at, _)| at);
        let fresh = Input::new(side, self.shape.rate);
        match self.inputs.get_mut(at) {
            Some(input) => *input = fresh,
            None if at < INPUTS_MAX => self.inputs.push(fresh),
            None => return None,
        }
        Some(at)
    }

    /// On which track an input lies. Who comes when all are taken shares the last.
    fn track(&self, input: usize) -> usize {
        input.min(usize::from(self.shape.tracks.width()) - 1)
    }

    fn step(&mut self, slot: Slot) -> Step {
        let missing = self.missing(&slot);
        let is_loud = |sound: &Vec<i16>| Level::of(sound).minus_dbov() < SILENCE_DBOV;
        let is_loud = self.trims && slot.paused.is_none() && slot.sound.iter().flatten().any(is_loud);
        let hears = self.listens && self.inputs.first().is_some_and(|input| input.side == TapSide::Received);
        let said = slot.sound.first().and_then(Option::as_deref).filter(|_| hears);
        let said = said.map_or(Level::SILENCE, Level::of);
        Step { sound: slot.sound, missing, is_loud, said, lacking: 0, paused: slot.paused }
    }

    /// Lays a step behind the samples that are there, those of all tracks in turn: what came, each on its track; nothing of a
    /// pause.
    pub(super) fn lay(&mut self, mut step: Step, samples: &mut Vec<i16>) {
        let (width, len) = (usize::from(self.shape.tracks.width()), self.shape.rate.frame_len());
        let begin = samples.len();
        samples.resize(begin + width * len, 0);
        if step.paused.is_none() {
            self.lay_sound(&step.sound, &mut samples[begin..]);
        }
        step.sound.drain(..).flatten().for_each(|sound| self.take_back(sound));
        self.spare_sound = step.sound;
    }

    fn lay_sound(&self, sound: &[Option<Vec<i16>>], samples: &mut [i16]) {
        let width = usize::from(self.shape.tracks.width());
        // Most recordings are of two sides, and pair by pair is several times as quick.
        if let (2, [Some(one), Some(other)]) = (width, sound) {
            let pairs = samples.as_chunks_mut().0.iter_mut();
            pairs.zip(one.iter().zip(other)).for_each(|(pair, (one, other))| *pair = [*one, *other]);
            return;
        }
        for (at, sound) in sound.iter().enumerate() {
            let (Some(sound), track) = (sound, self.track(at)) else {
                continue;
            };
            for (mixed, sample) in samples.iter_mut().skip(track).step_by(width).zip(sound) {
                *mixed = mixed.saturating_add(*sample);
            }
        }
    }

    /// What is missing of a slot. Who is in no conference has no frames there, and nothing of them is missing.
    fn missing(&mut self, slot: &Slot) -> Vec<bool> {
        let came = |at: usize| slot.sound.get(at).is_some_and(Option::is_some);
        let width = self.sounded.len();
        if slot.is_empty() {
            return vec![true; width];
        }
        if !matches!(self.shape.tracks, Tracks::Each(_)) {
            if (0..self.inputs.len()).all(came) {
                return Vec::new();
            }
            let gone = |track: usize| (0..self.inputs.len()).any(|at| self.track(at) == track && !came(at));
            return (0..width).map(gone).collect();
        }
        let sounds: Vec<bool> = (0..width)
            .map(|track| (0..self.inputs.len()).any(|at| self.track(at) == track && came(at)))
            .collect();
        if !slot.is_lossy {
            self.sounded = sounds;
            return Vec::new();
        }
        self.sounded.iter().zip(sounds).map(|(before, now)| *before && !now).collect()
    }
}

impl Slot {
    fn is_empty(&self) -> bool {
        self.sound.iter().all(Option::is_none)
    }

    /// The first frame of an input counts.
    fn keep(&mut self, at: usize, sound: Vec<i16>) {
        if self.sound.len() <= at {
            self.sound.resize(at + 1, None);
        }
        self.sound[at].get_or_insert(sound);
    }
}

impl Input {
    const fn new(side: TapSide, rate: SampleRate) -> Self {
        Self { side, rate, converter: None, late: 0, in_converter: 0, last: None }
    }

    /// A frame at the file's rate, less what is late, which goes to the end of the slot `before`.
    fn convert(
        &mut self,
        (from, heard): (SampleRate, &[i16]),
        index: u64,
        to: SampleRate,
        before: Option<&mut Vec<i16>>,
        sound: &mut Vec<i16>,
    ) {
        let follows = self.last.is_some_and(|last| last + 1 == index);
        let goes_on = follows && self.rate == from;
        let mut before = before.filter(|_| follows);
        if !goes_on {
            // Behind a gap nothing of what was before it may be heard; behind another codec its end is still to come.
            if let Some(before) = &mut before {
                self.flush(before);
            }
            self.begin(from, to);
        }
        self.last = Some(index);
        let mut room;
        let heard = match &mut self.converter {
            Some(converter) => {
                room = [0; FRAME_LEN_MAX];
                let converted = &mut room[..to.frame_len()];
                converter.convert(heard, converted);
                converted
            }
            None => heard,
        };
        let (end_of_before, begin) = heard.split_at(self.late);
        if let Some(before) = before.filter(|_| goes_on) {
            let at = before.len() - self.late;
            before[at..].copy_from_slice(end_of_before);
        }
        sound.clear();
        sound.extend_from_slice(begin);
        sound.resize(heard.len(), 0);
    }

    fn begin(&mut self, from: SampleRate, to: SampleRate) {
        let in_converter = conversion_delay(from, to);
        let in_engine = match self.side {
            TapSide::Mix | TapSide::Apart | TapSide::Rest => ConferenceTap::DELAY,
            TapSide::Received | TapSide::Sent | TapSide::Seat(_) => Duration::ZERO,
        };
        self.rate = from;
        self.converter = (from != to).then(|| RateConverter::new(from, to));
        self.in_converter = samples(in_converter, to);
        self.late = samples(in_converter + in_engine, to);
    }

    /// Puts what is still in the converter at the end of the last slot. What is in the engine is not to be had: how many
    /// samples are silent for that.
    fn flush(&mut self, before: &mut [i16]) -> usize {
        if self.late > self.in_converter {
            self.converter = None;
            return self.late;
        }
        let Some(mut converter) = self.converter.take() else {
            return 0;
        };
        let silence = vec![0; converter.from().frame_len()];
        let mut rest = vec![0; before.len()];
        converter.convert(&silence, &mut rest);
        let at = before.len() - self.late;
        before[at..].copy_from_slice(&rest[..self.late]);
        self.last = None;
        0
    }
}

/// Samples in a time that is a whole number of them.
const fn samples(duration: Duration, rate: SampleRate) -> usize {
    (duration.as_nanos() * rate.hertz() as u128 / 1_000_000_000) as usize
}

#[cfg(test)]
mod tests {
    use confab_media::{ConferenceId, Frame, LegId, Tap, Tapped};

    use super::*;

    const NARROW: SampleRate = SampleRate::Hz8000;

    fn slots(tracks: Tracks, rate: SampleRate) -> Slots {
        let shape = Shape { rate, tracks };
        let terms = Terms { shape, trim: false, longest: None, patience: None, shortest: Duration::ZERO };
        Slots::new(&terms)
    }

    fn tap(step: u64, side: TapSide, frame: Frame) -> Tap {
        let of = Tapped::Conference(ConferenceId(1));
        Tap { of, tick: Tick(step), at: Time::from_millis(3 + step * 20), side, frame, dropped_before: 0 }
    }

    /// A wave that is the same at all rates, 20 ms of it.
    fn wave(step: u64, rate: SampleRate) -> Frame {
        let mut frame = Frame::silence(rate);
        for (n, sample) in frame.samples_mut().iter_mut().enumerate() {
            let seconds = step as f64 * 0.02 + n as f64 / f64::from(rate.hertz());
            *sample = (8_000.0 * (seconds * 300.0 * std::f64::consts::TAU).sin()) as i16;
        }
        frame
    }

    fn constant(amplitude: i16) -> Frame {
        let mut frame = Frame::silence(NARROW);
        frame.samples_mut().fill(amplitude);
        frame
    }

    /// A step that was laid.
    struct Laid {
        samples: Vec<i16>,
        missing: Vec<bool>,
    }

    /// All steps that come of these frames.
    fn steps(mut slots: Slots, taps: &[Tap]) -> Vec<Laid> {
        let mut laid = Vec::new();
        let mut advance = |slots: &mut Slots| {
            if let Some(step) = slots.advance() {
                let (mut missing, mut samples) = (step.missing.clone(), Vec::new());
                missing.resize(usize::from(slots.shape.tracks.width()), false);
                slots.lay(step, &mut samples);
                laid.push(Laid { samples, missing });
            }
        };
        for tap in taps {
            let Some(slot) = slots.slot_of(tap.head()) else { continue };
            while slots.now() < slot {
                advance(&mut slots);
            }
            slots.put(tap.head(), tap.frame.samples(), slot);
        }
        advance(&mut slots);
        advance(&mut slots);
        laid
    }

    fn track(steps: &[Laid], track: usize, width: usize) -> Vec<i16> {
        steps.iter().flat_map(|step| step.samples.iter().skip(track).step_by(width).copied()).collect()
    }

    #[test]
    fn a_track_of_another_rate_or_of_several_lies_beside_one_of_the_files_rate_to_the_sample() {
        use SampleRate::{Hz8000, Hz16000, Hz48000};
        for to in [Hz8000, Hz16000] {
            for rates in [[Hz8000; 4], [Hz48000; 4], [Hz8000, Hz48000, Hz16000, Hz8000], [Hz16000; 4]] {
                let taps: Vec<Tap> = (0..80)
                    .flat_map(|step| {
                        let rate = rates[step as usize / 20];
                        let [one, other] = [1, 2].map(|leg| TapSide::Seat(LegId(leg)));
                        [tap(step, one, wave(step, to)), tap(step, other, wave(step, rate))]
                    })
                    .collect();
                let steps = steps(slots(Tracks::Each(2), to), &taps);
                let [one, other] = [0, 1].map(|at| track(&steps, at, 2));
                let len = to.frame_len();
                assert_eq!((one.len(), other.len()), (80 * len, 80 * len));
                // Where a rate changes, or all begins and ends, a filter has only half of what it wants.
                let is_edge = |n: usize| [0, 19, 20, 39, 40, 59, 60, 79].contains(&(n / len));
                for n in (0..one.len()).filter(|n| !is_edge(*n)) {
                    let apart = (i32::from(one[n]) - i32::from(other[n])).abs();
                    // A sample later it would be up to 900 at 16 kHz.
                    assert!(apart < 60, "{rates:?} to {to:?}: {apart} at {n}");
                }
            }
        }
    }

    #[test]
    fn what_the_engine_delays_is_put_back_where_it_was() {
        let late = samples(ConferenceTap::DELAY, NARROW);
        let said: Vec<i16> = (0..160 * 40).map(|n| (n % 4_001) as i16 - 2_000).collect();
        let taps: Vec<Tap> = (0..40)
            .map(|step| {
                let mut frame = Frame::silence(NARROW);
                for (n, sample) in frame.samples_mut().iter_mut().enumerate() {
                    let at = step as usize * 160 + n;
                    *sample = at.checked_sub(late).map_or(0, |at| said[at]);
                }
                tap(step, TapSide::Mix, frame)
            })
            .collect();
        let steps = steps(slots(Tracks::Conference, NARROW), &taps);
        let whole = track(&steps, 0, 1);
        assert_eq!(whole[..whole.len() - late], said[..said.len() - late]);
        assert_eq!(whole.len(), said.len());
    }

    #[test]
    fn participants_have_tracks_as_they_come_and_keep_them_and_the_last_is_for_all_others() {
        let seat = |leg: u64| TapSide::Seat(LegId(leg));
        let there = |leg: u64, step: u64| match leg {
            // Goes, and comes back.
            1 => !(10..20).contains(&step),
            2 => step >= 5,
            3 => (10..15).contains(&step),
            _ => (12..30).contains(&step),
        };
        let taps: Vec<Tap> = (0..30)
            .flat_map(|step| (1..5).map(move |leg| (step, leg)))
            .filter(|(step, leg)| there(*leg, *step))
            .map(|(step, leg)| tap(step, seat(leg), constant(100 * leg as i16)))
            .collect();
        let steps = steps(slots(Tracks::Each(3), NARROW), &taps);
        assert_eq!(steps.len(), 30);
        for (step, found) in (0..30).zip(&steps) {
            let of = |leg| if there(leg, step) { 100 * leg as i16 } else { 0 };
            assert_eq!(found.samples[..3], [of(1), of(2), of(3) + of(4)], "step {step}");
            assert_eq!(found.missing, [false; 3], "who is not there is no gap");
        }
    }

    #[test]
    fn a_participant_whose_frames_were_dropped_has_a_gap_and_one_who_left_has_none() {
        let seat = |leg: u64| TapSide::Seat(LegId(leg));
        let mut taps: Vec<Tap> = Vec::new();
        for step in 0..30 {
            taps.push(tap(step, seat(1), constant(100)));
            // Dropped at 10 and 11; gone from 20 on.
            if step < 20 && step != 10 && step != 11 {
                taps.push(tap(step, seat(2), constant(200)));
            }
        }
        for tap in taps.iter_mut().filter(|tap| [11, 12].contains(&tap.tick.0)) {
            tap.dropped_before = 1;
        }
        let steps = steps(slots(Tracks::Each(2), NARROW), &taps);
        let missing: Vec<usize> = (0..30).filter(|step| steps[*step].missing != [false, false]).collect();
        assert_eq!(missing, [10, 11]);
        assert_eq!(steps[10].missing, [false, true]);
    }

    #[test]
    fn thousands_who_come_and_go_take_no_more_room_than_those_who_are_there() {
        let mut slots = slots(Tracks::Each(4), NARROW);
        for step in 0..5_000 {
            for leg in [1, 2, 3, 10 + step / 5] {
                let tap = tap(step, TapSide::Seat(LegId(leg)), constant(leg as i16));
                let slot = slots.slot_of(tap.head()).unwrap();
                while slots.now() < slot {
                    slots.advance();
                }
                slots.put(tap.head(), tap.frame.samples(), slot);
            }
        }
        assert!(slots.inputs.len() <= 6, "{}", slots.inputs.len());
    }
}
