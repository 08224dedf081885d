//! Holds against each other what callers said and heard and what the servers of their streams were told and said. Pure.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::fault::StreamFault;
use super::line::{Hearing, Notes};
use super::peer::Station;
use super::round::{Note, PACKET, Place, Round};
use super::streamed::Streamed;
use super::talk;
use super::told::TrackEar;
use crate::load::arrivals::Arrivals;
use crate::load::histogram::Histogram;
use crate::load::rtp::Header;

/// What breaks so soon after a packet of our own left late is not held against the node: its buffer has to find its depth again.
const EXCUSED_NS: i64 = 500_000_000;
/// Sounds that may be otherwise than they were said: one in so many, as where a buffer stretches or shrinks what it holds,
const OTHER_SHARE: u64 = 200;
/// or so few.
const OTHER_MIN: u64 = 3;
/// What streaming may add to the way of a sound, in ms, in 99 of 100 cases.
const MESSAGE_MAX_MS: f64 = 10.0;
/// As much as a clear may take to be silence.
const CLEAR_MAX_MS: f64 = 20.0;
/// Of 100 packets or messages, so many must be within 20 ms of their schedule.
const ON_TIME_MIN: f64 = 99.9;
/// A sound and the message with it are no further apart.
const NEAR_NS: i64 = 8_000_000_000;

/// Everything there is to be judged.
pub(super) struct Matter<'a> {
    /// What each caller says.
    pub(super) rounds: &'a [Arc<Round>],
    pub(super) lines: Vec<&'a Notes>,
    pub(super) stations: Vec<&'a Station>,
    /// Callers who are in pairs, and whose streams only listen; the others talk to agents.
    pub(super) forks: usize,
    pub(super) from_ns: i64,
    pub(super) until_ns: i64,
    /// When packets of ours left late.
    pub(super) late_ns: &'a [i64],
}

/// What is wrong, by the streams of whom, and what exactly of the first.
pub(super) type Faults = BTreeMap<StreamFault, (Vec<usize>, String)>;

/// The verdict.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) streamed: Streamed,
    pub(super) faults: Faults,
    /// Sounds that are not held against the node, since a packet of ours was late.
    pub(super) excused: u64,
}

/// Times that are measured.
#[derive(Debug, Default)]
pub(super) struct Measured {
    said_to_message: Histogram,
    said_to_heard: Histogram,
    heard_to_message: Histogram,
    pub(super) mark_off: Histogram,
    pub(super) clear_to_silence: Histogram,
    pub(super) clear_to_mark: Histogram,
    messages: Punctual,
    packets: Punctual,
}

/// How punctual many streams of packets were.
#[derive(Debug, Default)]
struct Punctual {
    lateness: Histogram,
    on_time: u64,
    received: u64,
}

impl Punctual {
    fn add(&mut self, arrivals: impl Iterator<Item = (i64, u64)>) {
        let mut punctual = Arrivals::default();
        for (at_ns, step) in arrivals {
            let (sequence, timestamp) = (step as u16, step as u32);
            punctual.note(&Header { payload_type: 0, marker: false, sequence, timestamp, ssrc: 0 }, at_ns);
        }
        self.lateness.merge(&punctual.lateness);
        self.on_time += punctual.on_time;
        self.received += punctual.received;
    }

    fn percent(&self) -> f64 {
        if self.received == 0 { 100.0 } else { 100.0 * self.on_time as f64 / self.received as f64 }
    }
}

/// Judges a run.
pub(super) fn judge(matter: &Matter<'_>) -> Verdict {
    let (mut verdict, mut measured) = (Verdict::default(), Measured::default());
    verdict.streamed.forks = matter.forks;
    verdict.streamed.talks = matter.lines.len() - matter.forks;
    for who in 0..matter.lines.len() {
        matter.judge_protocol(who, &mut verdict);
        let is_open = matter.stations[who].ear.connections > 0;
        for (track, says, hears) in matter.tracks(who).into_iter().filter(|_| is_open) {
            matter.judge_sound(who, track, &mut verdict);
            matter.measure(track, says, hears, &mut measured);
        }
        let steps = matter.lines[who].arrivals.iter().filter(|arrival| matter.is_within(arrival.at_ns));
        measured.packets.add(steps.map(|arrival| (arrival.at_ns, u64::from(arrival.sequence))));
        talk::judge(matter, who, &mut verdict, &mut measured);
    }
    conclude(&mut verdict, &measured);
    verdict
}

fn conclude(verdict: &mut Verdict, measured: &Measured) {
    let streamed = &mut verdict.streamed;
    streamed.said_to_message_ms = measured.said_to_message.times();
    streamed.said_to_heard_ms = measured.said_to_heard.times();
    streamed.heard_to_message_ms = measured.heard_to_message.times();
    streamed.mark_off_ms = measured.mark_off.times();
    streamed.clear_to_silence_ms = measured.clear_to_silence.times();
    streamed.clear_to_mark_ms = measured.clear_to_mark.times();
    streamed.message_lateness_ms = measured.messages.lateness.times();
    streamed.packet_lateness_ms = measured.packets.lateness.times();
    streamed.messages_on_time_percent = measured.messages.percent();
    streamed.packets_on_time_percent = measured.packets.percent();
    let (messages, packets) = (streamed.messages_on_time_percent, streamed.packets_on_time_percent);
    let (message, clear) = (streamed.heard_to_message_ms.p99, streamed.clear_to_silence_ms.p99);
    let mut find = |fault, what| drop(verdict.faults.insert(fault, (Vec::new(), what)));
    if message > MESSAGE_MAX_MS {
        find(StreamFault::MessageSlow, format!("p99 {message:.1} ms, and {MESSAGE_MAX_MS} ms is the aim"));
    }
    if clear > CLEAR_MAX_MS {
        find(StreamFault::ClearSlow, format!("p99 {clear:.1} ms, and {CLEAR_MAX_MS} ms is the aim"));
    }
    if messages.min(packets) < ON_TIME_MIN {
        let what = format!("{messages:.3} % of messages and {packets:.3} % of packets are on time");
        find(StreamFault::Late, what);
    }
}

impl Verdict {
    pub(super) fn find(&mut self, who: usize, fault: StreamFault, what: impl FnOnce() -> String) {
        let (streams, _) = self.faults.entry(fault).or_insert_with(|| (Vec::new(), what()));
        if !streams.contains(&who) {
            streams.push(who);
        }
    }
}

impl<'a> Matter<'a> {
    pub(super) fn is_within(&self, at_ns: i64) -> bool {
        (self.from_ns..self.until_ns).contains(&at_ns)
    }

    /// Whether a packet of ours was late so shortly before that it may be why.
    pub(super) fn is_excused(&self, at_ns: i64) -> bool {
        let before = self.late_ns.partition_point(|late| *late <= at_ns);
        before > 0 && at_ns - self.late_ns[before - 1] < EXCUSED_NS
    }

    /// The tracks of a stream: who says what is on each, and who hears that besides.
    fn tracks(&self, who: usize) -> Vec<(&'a TrackEar, usize, Option<usize>)> {
        let tracks = &self.stations[who].ear.tracks;
        if who >= self.forks {
            return tracks.iter().map(|track| (track, who, None)).collect();
        }
        tracks
            .iter()
            .zip([(who, who ^ 1), (who ^ 1, who)])
            .map(|(track, (a, b))| (track, a, Some(b)))
            .collect()
    }

    fn judge_protocol(&self, who: usize, verdict: &mut Verdict) {
        let ear = &self.stations[who].ear;
        match ear.connections {
            0 => return verdict.find(who, StreamFault::NotOpened, || "it was asked for".to_owned()),
            1 => {}
            more => verdict.find(who, StreamFault::OpenedAgain, || format!("{more} times")),
        }
        for (fault, what) in &ear.faults {
            verdict.find(who, *fault, || what.clone());
        }
        if !ear.is_stopped {
            verdict.find(who, StreamFault::NotStopped, || "its call is over".to_owned());
        }
    }

    fn judge_sound(&self, who: usize, track: &TrackEar, verdict: &mut Verdict) {
        let missing = track.missing.iter().filter(|(at_ns, _)| self.is_within(*at_ns));
        let missing: u64 = missing.map(|(_, sounds)| sounds).sum();
        if missing > 0 {
            verdict.streamed.dropped += missing;
            verdict.find(who, StreamFault::Gap, || format!("{missing} sounds of 20 ms"));
        }
        let within = || track.follower.notes().iter().filter(|note| self.is_within(note.at_ns));
        let unplaced = || within().filter(|note| !matches!(note.place, Place::At(_)));
        let (sounds, all) = (within().count() as u64, unplaced().count() as u64);
        let other = unplaced().filter(|note| !self.is_excused(note.at_ns)).count() as u64;
        verdict.streamed.sounds += sounds;
        verdict.streamed.sounds_other += other;
        verdict.streamed.slips += track.follower.slips();
        verdict.excused += all - other;
        if sounds == 0 {
            verdict.find(who, StreamFault::SoundMissing, || "nothing was told at all".to_owned());
        }
        if other <= OTHER_MIN.max(sounds / OTHER_SHARE) {
            return;
        }
        let silent = unplaced().filter(|note| note.place == Place::Silence).count() as u64;
        let whose = (0..self.rounds.len()).find(|n| self.rounds[*n].find(track.follower.strange()).is_some());
        let how_many = format!("{other} of {sounds} sounds");
        match whose.filter(|n| !Arc::ptr_eq(&self.rounds[*n], track.round())) {
            Some(other) => {
                verdict
                    .find(who, StreamFault::ForeignVoice, || format!("that of caller {other}; {how_many}"));
            }
            None if silent > other / 2 => verdict.find(who, StreamFault::SoundMissing, || how_many),
            None => verdict.find(who, StreamFault::Altered, || how_many),
        }
    }

    fn measure(&self, track: &TrackEar, says: usize, hears: Option<usize>, measured: &mut Measured) {
        let (speaker, round) = (self.lines[says], &self.rounds[says]);
        let said = |note: &Note| said_ns(&speaker.sent_ns, round, note);
        let ms = |from_ns: i64, to_ns: i64| (to_ns - from_ns) as f64 / 1e6;
        let heard = match hears.map(|hears| &self.lines[hears].hearing) {
            Some(Hearing::Partner(follower)) => Heard::of(follower.notes()),
            Some(Hearing::Agent(_)) | None => Heard::default(),
        };
        for note in track.follower.notes().iter().filter(|note| self.is_within(note.at_ns)) {
            let said = said(note);
            if let Some(said_ns) = said {
                measured.said_to_message.add(ms(said_ns, note.at_ns));
            }
            if let Some(heard_ns) = heard.near(note) {
                measured.heard_to_message.add(ms(heard_ns, note.at_ns));
                if let Some(said_ns) = said {
                    measured.said_to_heard.add(ms(said_ns, heard_ns));
                }
            }
        }
        let times = track.times.iter().filter(|(at_ns, _)| self.is_within(*at_ns));
        measured.messages.add(times.copied());
    }
}

/// When the packet with the first sample of a sound had left: the last packet with that place before the sound came.
fn said_ns(sent_ns: &[i64], round: &Round, note: &Note) -> Option<i64> {
    let Place::At(place) = note.place else {
        return None;
    };
    let (packets, packet) = (round.len() / PACKET, place as usize / PACKET);
    let last = sent_ns.partition_point(|sent| *sent <= note.at_ns).checked_sub(1)?;
    let back = (last % packets + packets - packet) % packets;
    sent_ns.get(last.checked_sub(back)?).copied()
}

/// When each place of a round was heard.
#[derive(Default)]
struct Heard(HashMap<u32, Vec<i64>>);

impl Heard {
    fn of(notes: &[Note]) -> Self {
        let mut heard: HashMap<u32, Vec<i64>> = HashMap::new();
        for note in notes {
            if let Place::At(place) = note.place {
                heard.entry(place).or_default().push(note.at_ns);
            }
        }
        Self(heard)
    }

    /// When the same sound was heard; nothing if it was not, or lies otherwise in its packets.
    fn near(&self, note: &Note) -> Option<i64> {
        let Place::At(place) = note.place else {
            return None;
        };
        let times = self.0.get(&place)?.iter().copied();
        times
            .filter(|at_ns| (at_ns - note.at_ns).abs() < NEAR_NS)
            .min_by_key(|at_ns| (at_ns - note.at_ns).abs())
    }
}

#[cfg(test)]
mod tests;
