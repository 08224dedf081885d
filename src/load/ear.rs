//! One leg's ear: takes the packets that came to it and keeps what they prove. In the time of beeps it
//! measures delay; in the time of tones it checks continuity frame by frame, and period by period which
//! talkers' tones are there.

use super::arrivals::Arrivals;
use super::codec::{Codec, Decoder};
use super::continuity::{Continuity, Frame};
use super::likeness::Heard;
use super::plan::{BEEP_SLOT_FRAMES, FRAME_NS, LegNumber, Plan};
use super::record::Microphone;
use super::rtp;
use super::spectrum::{Complex, magnitude};
use super::stage::{Part, Stage};
use super::tone::{BEEP_ONSET, Tones};

/// A tone is there when it is stronger than a tenth (−20 dB) of what its talker sends. This is also the leak that is
/// called one's own voice or cross-talk, in every mix of codecs: what Opus at 24 kbit/s puts on the tones of somebody who does
/// not talk was measured to stay below −22 dB, with ten talkers in each of 25 conferences; with three, below −47 dB.
const HEARD: f32 = 0.1;
/// A second in nanoseconds.
const SECOND_NS: i64 = 1_000_000_000;

/// What one leg has heard.
#[derive(Debug)]
pub(super) struct Ear {
    leg: LegNumber,
    conference: usize,
    codec: Codec,
    decoder: Decoder,
    /// The packet just decoded.
    sound: Box<[i16]>,
    /// How wrong a level may be, in dB.
    level_tolerance_db: f32,
    pub(super) arrivals: Arrivals,
    pub(super) continuity: Continuity,
    pub(super) votes: Votes,
    /// Times from a talker's mouth to this ear.
    pub(super) delays: Vec<Delay>,
    /// Speech, to be compared afterwards.
    pub(super) heard: Heard,
    /// The recording's first packet: its RTP timestamp, and its place in samples since measuring began.
    recorded_from: Option<(u32, i64)>,
    /// Packets that were no RTP, or not in the agreed format.
    pub(super) foreign: u64,
    quiet: u32,
    next_position: Option<i64>,
    last_timestamp: u32,
    position: i64,
    window: Window,
    /// Which tones the last spectrum showed; holds as long as nothing changes by a bit.
    last_vote: Option<Vec<u32>>,
}

/// How long one beep took to come here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Delay {
    pub(super) talker: LegNumber,
    pub(super) ms: f32,
}

/// How often each talker was heard, window by window.
#[derive(Clone, Debug, Default)]
pub(super) struct Votes {
    /// Windows judged that were whole.
    pub(super) clean: Count,
    /// Windows judged with a broken frame or a missing packet in them.
    pub(super) rough: Count,
    /// Talkers of this leg's conference whose tone had the wrong strength at some time.
    pub(super) wrong_level: Vec<WrongLevel>,
    /// Weakest and strongest tone heard, in dB of what was sent.
    pub(super) levels: Option<(f32, f32)>,
}

/// A talker's tone that had the wrong strength.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct WrongLevel {
    pub(super) talker: LegNumber,
    /// The worst, in dB of what was sent.
    pub(super) worst_db: f32,
    /// In how many spectra of whole windows it was wrong.
    pub(super) windows: u32,
}

/// Windows, and in how many of them each talker was heard.
#[derive(Clone, Debug, Default)]
pub(super) struct Count {
    pub(super) windows: u32,
    pub(super) heard: Vec<u32>,
}

impl Votes {
    /// The windows to judge by: the whole ones, or the others if none was whole.
    pub(super) fn best(&self) -> &Count {
        if self.clean.windows > 0 { &self.clean } else { &self.rough }
    }

    /// All windows together.
    pub(super) fn both(&self) -> Count {
        let mut sum = self.clean.clone();
        sum.windows += self.rough.windows;
        sum.heard.resize(sum.heard.len().max(self.rough.heard.len()), 0);
        sum.heard.iter_mut().zip(&self.rough.heard).for_each(|(sum, times)| *sum += times);
        sum
    }
}

impl Count {
    pub(super) fn add(&mut self, talkers: usize, heard: &[u32]) {
        self.windows += 1;
        self.heard.resize(talkers, 0);
        heard.iter().for_each(|&talker| self.heard[talker as usize] += 1);
    }
}

/// The window being filled.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    samples: usize,
    /// A frame was broken or a packet missing.
    rough: bool,
    /// Some sample differs from the last period's.
    changed: bool,
}

impl Ear {
    pub(super) fn new(leg: LegNumber, stage: &Stage) -> Self {
        let (tones, plan) = (&stage.tones, &stage.plan);
        let codec = plan.codec_of(leg);
        let period = tones.period() * codec.factor();
        Self {
            codec,
            decoder: Decoder::new(codec),
            sound: vec![0; codec.samples_max()].into(),
            level_tolerance_db: on_the_way(plan, leg, Codec::level_tolerance_db, f32::max),
            leg,
            conference: stage.plan.conference_of(leg),
            arrivals: Arrivals::default(),
            continuity: Continuity::new(
                period,
                tones.amplitude(),
                on_the_way(plan, leg, Codec::noise_share, f64::max),
            ),
            votes: Votes::default(),
            delays: Vec::new(),
            heard: Heard::default(),
            recorded_from: None,
            foreign: 0,
            // Nobody makes a sound before the first beep.
            quiet: codec.frame_samples() as u32,
            next_position: None,
            last_timestamp: 0,
            position: 0,
            window: Window::default(),
            last_vote: None,
        }
    }

    /// Takes a datagram that the kernel received at `arrival_ns` (monotonic).
    pub(super) fn hear(&mut self, datagram: &[u8], arrival_ns: i64, stage: &Stage) {
        let part = stage.part_at(arrival_ns);
        if !part.is_measured() {
            return;
        }
        match rtp::parse(datagram) {
            Some((header, payload)) => self.take(part, &header, payload, arrival_ns, stage),
            None => self.foreign += 1,
        }
    }

    /// The same, of a packet that was taken apart already.
    pub(super) fn hear_packet(
        &mut self,
        header: &rtp::Header,
        payload: &[u8],
        arrival_ns: i64,
        stage: &Stage,
    ) {
        let part = stage.part_at(arrival_ns);
        if part.is_measured() {
            self.take(part, header, payload, arrival_ns, stage);
        }
    }

    fn take(&mut self, part: Part, header: &rtp::Header, payload: &[u8], arrival_ns: i64, stage: &Stage) {
        let Some(samples) = self.decode(header, payload) else {
            self.foreign += 1;
            return;
        };
        self.arrivals.note(header, arrival_ns);
        if let Some(microphone) = &stage.microphone {
            self.record(microphone, header.timestamp, samples, arrival_ns, stage);
        }
        match part {
            Part::Beeps => self.listen_for_beep(samples, arrival_ns, stage),
            Part::Tones if stage.plan.speech().is_some() => {
                self.heard.take(&self.sound[..samples], self.codec, header.timestamp, arrival_ns);
            }
            Part::Tones => self.listen_to_tones(header.timestamp, samples, arrival_ns, stage),
            Part::Before | Part::Settling | Part::After => {}
        }
    }

    /// Decodes a packet into the front of `sound`; `None` when it is not in the agreed format.
    fn decode(&mut self, header: &rtp::Header, payload: &[u8]) -> Option<usize> {
        let is_agreed = header.payload_type == self.codec.payload_type();
        is_agreed.then(|| self.decoder.decode(payload, &mut self.sound)).flatten()
    }

    /// Hands the packet just decoded to the recorder, at the place that its timestamp gives it.
    fn record(
        &mut self,
        microphone: &Microphone,
        timestamp: u32,
        samples: usize,
        arrival_ns: i64,
        stage: &Stage,
    ) {
        let rate = i64::from(self.codec.sample_rate());
        let begin_ns = stage.begin_ns().unwrap_or(arrival_ns);
        let now = || (timestamp, (arrival_ns - begin_ns) / 1_000 * rate / (SECOND_NS / 1_000));
        let (first, place) = *self.recorded_from.get_or_insert_with(now);
        let since = i64::from(timestamp.wrapping_sub(first).cast_signed()) * self.codec.samples_per_tick();
        // What is said to be from before the beginning has no place.
        if let Ok(place) = u64::try_from(place + since) {
            microphone.put(self.leg, self.codec, place, &self.sound[..samples]);
        }
    }

    /// Closes what the end of listening leaves open.
    pub(super) fn finish(&mut self) {
        self.continuity.finish();
    }

    /// An onset is a beep's if a whole frame was quiet before it.
    fn listen_for_beep(&mut self, samples: usize, arrival_ns: i64, stage: &Stage) {
        let frame = self.codec.frame_samples() as u32;
        for n in 0..samples {
            if self.sound[n].unsigned_abs() <= BEEP_ONSET.unsigned_abs() {
                self.quiet = self.quiet.saturating_add(1);
                continue;
            }
            if std::mem::take(&mut self.quiet) >= frame {
                let since_first = n as i64 * SECOND_NS / i64::from(self.codec.sample_rate());
                self.note_onset(arrival_ns + since_first, stage);
            }
        }
    }

    fn note_onset(&mut self, onset_ns: i64, stage: &Stage) {
        let Some((talker, sent_ns)) = stage.beep_before(self.conference, onset_ns) else {
            return;
        };
        let delay_ns = onset_ns - sent_ns;
        if talker != self.leg && delay_ns < (BEEP_SLOT_FRAMES * FRAME_NS) as i64 {
            self.delays.push(Delay { talker, ms: delay_ns as f32 / 1e6 });
        }
    }

    fn listen_to_tones(&mut self, timestamp: u32, samples: usize, arrival_ns: i64, stage: &Stage) {
        self.move_on(timestamp, samples);
        let excused = stage.is_in_late_shadow(self.conference, arrival_ns);
        match self.continuity.check(self.position, &self.sound[..samples], excused) {
            Frame::Learning => return,
            Frame::Same => {}
            Frame::Alike => self.window.changed = true,
            Frame::Broken | Frame::Silent => {
                self.window.changed = true;
                self.window.rough = true;
            }
        }
        self.window.samples += samples;
        if self.window.samples >= stage.tones.period() * self.codec.factor() {
            self.judge_window(stage);
        }
    }

    /// Follows the stream's own time, so that a missing packet leaves a hole and does not shift the rest.
    fn move_on(&mut self, timestamp: u32, length: usize) {
        if self.next_position.is_some() {
            let step = timestamp.wrapping_sub(self.last_timestamp).cast_signed();
            self.position += i64::from(step) * self.codec.samples_per_tick();
        }
        if self.next_position.is_some_and(|next| next != self.position) {
            self.continuity.skip();
            self.window.rough = true;
        }
        self.last_timestamp = timestamp;
        self.next_position = Some(self.position + length as i64);
    }

    fn judge_window(&mut self, stage: &Stage) {
        let window = std::mem::take(&mut self.window);
        let talkers = stage.plan.talkers();
        let heard = match self.last_vote.take() {
            // Behind an impaired network every window counts for itself, also in how strong the tones were.
            Some(heard) if !window.changed && !stage.plan.network().harms() => heard,
            Some(_) | None => self.look_for_talkers(stage, window.rough),
        };
        let count = if window.rough { &mut self.votes.rough } else { &mut self.votes.clean };
        count.add(talkers, &heard);
        self.last_vote = (!window.rough).then_some(heard);
    }

    /// Looks into the last period's spectrum for every talker of the run.
    fn look_for_talkers(&mut self, stage: &Stage, rough: bool) -> Vec<u32> {
        let spectrum = stage.spectrum.transform(self.continuity.latest());
        let mut heard = Vec::new();
        for talker in (0..stage.plan.talkers()).map(LegNumber) {
            let (weakest, strongest) = strength(&stage.tones, talker, &spectrum);
            if weakest < HEARD {
                continue;
            }
            heard.push(talker.0 as u32);
            if !rough && stage.plan.should_hear(self.leg, talker) {
                self.votes.note_level(talker, decibel(weakest), decibel(strongest), self.level_tolerance_db);
            }
        }
        heard
    }
}

impl Votes {
    fn note_level(&mut self, talker: LegNumber, weakest_db: f32, strongest_db: f32, tolerance_db: f32) {
        let (low, high) = self.levels.unwrap_or((f32::MAX, f32::MIN));
        self.levels = Some((low.min(weakest_db), high.max(strongest_db)));
        let worst = if strongest_db > -weakest_db { strongest_db } else { weakest_db };
        if worst.abs() <= tolerance_db {
            return;
        }
        let known = self.wrong_level.iter().position(|wrong| wrong.talker == talker);
        let place = known.unwrap_or_else(|| {
            self.wrong_level.push(WrongLevel { talker, worst_db: 0.0, windows: 0 });
            self.wrong_level.len() - 1
        });
        let wrong = &mut self.wrong_level[place];
        wrong.windows += 1;
        if worst.abs() > wrong.worst_db.abs() {
            wrong.worst_db = worst;
        }
    }
}

/// The weaker and the stronger of the talker's tones, as shares of what was sent.
fn strength(tones: &Tones, talker: LegNumber, spectrum: &[Complex]) -> (f32, f32) {
    let [a, b] = tones.bins(talker).map(|bin| magnitude(spectrum[bin]) / tones.amplitude() as f32);
    (a.min(b), a.max(b))
}

fn decibel(share: f32) -> f32 {
    20.0 * share.log10()
}

/// The worst that the leg's own codec, or one of those whom it hears, does to the sound.
fn on_the_way<T: Copy>(plan: &Plan, leg: LegNumber, of: fn(Codec) -> T, worse: fn(T, T) -> T) -> T {
    let own = of(plan.codec_of(leg));
    plan.heard_by(leg).map(|talker| of(plan.codec_of(talker))).fold(own, worse)
}

#[cfg(test)]
mod tests;
