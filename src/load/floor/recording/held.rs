//! A recording against what was heard while it was made. Pure: a file, and what was noted of each packet.
//!
//! On each track is what one of the two says to everyone, which is what the other is sent in the same tick, sample for sample:
//! nothing between them converts it. Packets of a tick leave together, so which packets to the two belong to one tick is seen
//! from outside; with that as the measure the two tracks must lie beside each other:
//!
//! ```text
//! packets to the second  ──▶ clicks of the first   ─┐ how far from ┌─ clicks on the first track
//!     │ same tick                                   ├─ those in ───┤
//! packets to the first   ──▶ clicks of the second  ─┘   the file   └─ clicks on the second track
//! ```
//!
//! If both are as far, no sample is on the wrong side of another. The difference is the misalignment, measured every two
//! seconds, so that tracks that drift apart are found as well.

use std::collections::HashMap;

use super::clicks::{Note, clicks, is_silent, print_of};
use super::taped::Fault;
use crate::load::codec::Codec;
use crate::load::floor::voices::{Eye, Tones};

/// Seconds of a file in which its place is looked for by its clicks, some fifteen.
const STRETCH_SECONDS: usize = 2;
/// Clicks of a stretch that make it worth looking.
const CLICKS_MIN: usize = 5;
/// Of the clicks of a stretch so many must be at their places. Where a tick was given up on a busy machine, what is behind it
/// lies elsewhere; a stretch with as much before as behind it has no place.
const SHARE: f64 = 0.75;
/// How far from where it should be a stretch is looked for, in seconds, beside what the request for the recording took.
const FAR: f64 = 1.0;
/// A tick was started for both at about the same time: of all packets so many must say the same of that.
const SAME_TICK_SHARE: f64 = 0.6;
/// How much longer or shorter than asked for a file may be, in seconds: as a change of a seat may take.
const LENGTH_SLACK: f64 = 0.25;
/// Of 1,000 frames of a track so many may not have its voice as it was said, or another: where packets came too late to be
/// played, sound is stretched and joined.
const ODD_FRAMES_MAX: usize = 100;
const FOREIGN_FRAMES_MAX: usize = 20;
/// Of 1,000 packets so many may not be in the file as they were heard.
const OTHER_PACKETS_MAX: u64 = 5;
/// Frames at the end of a file that are not held against anything: they may have been cut.
const END_FRAMES: usize = 2;

/// What a recording is held against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matter<'a> {
    /// For each track, the packets in which it was heard.
    pub(super) heard: [&'a [Note]; 2],
    pub(super) voices: [Tones; 2],
    pub(super) codec: Codec,
    /// When it was asked for, and answered; and the same of its end.
    pub(super) begun_ns: [i64; 2],
    pub(super) ended_ns: [i64; 2],
    /// How long it is by the node's word, in seconds.
    pub(super) duration: Option<u64>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Held {
    pub(super) seconds: f64,
    /// Clicks of both tracks by which they were placed.
    pub(super) clicks: u64,
    /// The most by which one track is off the other, in samples.
    pub(super) misalignment: u64,
    /// Packets that should be in the file; those that are there but for the steps of their codec; and those that are not, or
    /// not so.
    pub(super) packets: u64,
    pub(super) coarser: u64,
    pub(super) other: u64,
    pub(super) faults: Vec<(Fault, String)>,
}

/// Holds a file against what was heard.
pub(super) fn hold(matter: &Matter<'_>, file: &[u8]) -> Held {
    let mut held = Held::default();
    let tracks = match tracks_of(file, matter.codec) {
        Ok(tracks) => tracks,
        Err(problem) => {
            held.faults.push((Fault::NotComparable, problem));
            return held;
        }
    };
    held.check_length(matter, tracks[0].len());
    held.check_voices(matter, &tracks);
    let streams = matter.heard.map(|notes| Stream::of(notes, matter.codec));
    let placed = [0, 1].map(|at| Placed::of(&tracks[at], &streams[at], matter));
    held.check_alignment(&placed, ticks_apart(&streams[0], &streams[1]));
    for at in [0, 1] {
        held.check_packets(matter.codec, &tracks[at], &streams[at], &placed[at]);
    }
    held
}

/// The samples of each track.
fn tracks_of(file: &[u8], codec: Codec) -> Result<[Vec<i16>; 2], String> {
    let reader = hound::WavReader::new(file).map_err(|error| format!("its file is no WAV: {error}"))?;
    let spec = reader.spec();
    let expected = (2, codec.sample_rate(), 16);
    let found = (spec.channels, spec.sample_rate, spec.bits_per_sample);
    if found != expected {
        return Err(format!("its file has (tracks, Hz, bits) {found:?}, comparable is {expected:?}"));
    }
    let samples: Result<Vec<i16>, _> = reader.into_samples().collect();
    let samples = samples.map_err(|error| format!("its file ends early: {error}"))?;
    let pairs = samples.as_chunks::<2>().0;
    Ok([0, 1].map(|track| pairs.iter().map(|pair| pair[track]).collect()))
}

/// Packets in order, each with the place of its first sample.
struct Stream {
    packets: Vec<(i64, Note)>,
    frame: usize,
}

impl Stream {
    fn of(notes: &[Note], codec: Codec) -> Self {
        let mut packets: Vec<(i64, Note)> = Vec::with_capacity(notes.len());
        for note in notes {
            let place = packets.last().map_or(0, |(place, last)| {
                let step = note.timestamp.wrapping_sub(last.timestamp).cast_signed();
                place + i64::from(step) * codec.samples_per_tick()
            });
            packets.push((place, *note));
        }
        packets.sort_by_key(|(place, _)| *place);
        packets.dedup_by_key(|(place, _)| *place);
        Self { packets, frame: codec.frame_samples() }
    }

    /// Places of clicks in what came in this time.
    fn clicks(&self, from_ns: i64, until_ns: i64) -> impl Iterator<Item = i64> {
        let begin = self.packets.partition_point(|(_, note)| note.at_ns < from_ns);
        let within = self.packets[begin..].iter().take_while(move |(_, note)| note.at_ns < until_ns);
        within.filter_map(|(place, note)| Some(place + i64::from(note.click?)))
    }
}

/// By how many samples the places of the one are before those of the other in the same tick.
fn ticks_apart(one: &Stream, other: &Stream) -> Option<i64> {
    let mut votes: HashMap<i64, usize> = HashMap::new();
    let mut next = 0;
    for (place, note) in &one.packets {
        let distance = |at: usize| Some((other.packets.get(at)?.1.at_ns - note.at_ns).abs());
        while distance(next + 1).is_some_and(|further| Some(further) <= distance(next)) {
            next += 1;
        }
        let (beside, _) = other.packets.get(next)?;
        *votes.entry(place - beside).or_default() += 1;
    }
    let (apart, count) = votes.into_iter().max_by_key(|(_, count)| *count)?;
    (count as f64 >= SAME_TICK_SHARE * one.packets.len() as f64).then_some(apart)
}

/// Where the stretches of a track lie in what was heard.
struct Placed {
    stretch: usize,
    /// By stretch: what is to be added to a place in the file; and by how many clicks that is known.
    offsets: Vec<Option<(i64, usize)>>,
    /// Stretches with clicks enough.
    looked: usize,
}

impl Placed {
    fn of(track: &[i16], stream: &Stream, matter: &Matter<'_>) -> Self {
        let rate = matter.codec.sample_rate() as usize;
        let stretch = rate * STRETCH_SECONDS;
        let [asked, answered] = matter.begun_ns;
        let far = (FAR * 1e9) as i64 + (answered - asked) / 2;
        let begin = i64::midpoint(asked, answered);
        let mut looked = 0;
        let offsets = track.chunks(stretch).enumerate().map(|(n, samples)| {
            let first = n * stretch;
            let found: Vec<i64> = clicks(samples).map(|at| (first + at) as i64).collect();
            if found.len() < CLICKS_MIN {
                return None;
            }
            looked += 1;
            let time = |sample: usize| begin + (sample as f64 * 1e9 / rate as f64) as i64;
            let (from, until) = (time(first) - far, time(first + samples.len()) + far);
            let heard: Vec<i64> = stream.clicks(from, until).collect();
            let mut votes: HashMap<i64, usize> = HashMap::new();
            for (in_file, in_stream) in found.iter().flat_map(|at| heard.iter().map(move |place| (at, place)))
            {
                *votes.entry(in_stream - in_file).or_default() += 1;
            }
            let most = votes.into_iter().max_by_key(|(_, count)| *count);
            most.filter(|(_, count)| *count as f64 >= SHARE * found.len() as f64)
        });
        Self { offsets: offsets.collect(), looked, stretch }
    }

    fn count(&self) -> usize {
        self.offsets.iter().flatten().count()
    }

    /// What may be added to places in this stretch, the likeliest first.
    fn near(&self, stretch: usize) -> impl Iterator<Item = i64> {
        let around = [Some(stretch), stretch.checked_sub(1), stretch.checked_add(1)];
        around.into_iter().flatten().filter_map(|n| Some((*self.offsets.get(n)?)?.0))
    }

    /// Where in the file this place of the stream may be, the likeliest first.
    fn places(&self, place: i64) -> Vec<i64> {
        let mut found: Vec<i64> = Vec::new();
        let mut all: Vec<i64> = self.offsets.iter().flatten().map(|(offset, _)| *offset).collect();
        all.dedup();
        for offset in all {
            let Ok(at) = usize::try_from(place - offset) else {
                continue;
            };
            if self.near(at / self.stretch).any(|near| near == offset) && !found.contains(&(at as i64)) {
                found.push(at as i64);
            }
        }
        found
    }
}

impl Held {
    fn fault(&mut self, fault: Fault, what: String) {
        self.faults.push((fault, what));
    }

    fn check_length(&mut self, matter: &Matter<'_>, samples: usize) {
        self.seconds = samples as f64 / f64::from(matter.codec.sample_rate());
        let between = |from: i64, until: i64| (until - from) as f64 / 1e9;
        let least = between(matter.begun_ns[1], matter.ended_ns[0]) - LENGTH_SLACK;
        let most = between(matter.begun_ns[0], matter.ended_ns[1]) + LENGTH_SLACK;
        let whole = self.seconds.ceil() as u64;
        if !(least..=most).contains(&self.seconds) {
            let seconds = self.seconds;
            self.fault(Fault::WrongLength, format!("it has {seconds:.3} s of {least:.3} to {most:.3}"));
        } else if matter.duration != Some(whole) {
            self.fault(
                Fault::WrongLength,
                format!("it is said to last {:?} s, and has {:.3}", matter.duration, self.seconds),
            );
        }
    }

    /// Each track must have the voice of its own, as loud as it was said, and none of the other's.
    fn check_voices(&mut self, matter: &Matter<'_>, tracks: &[Vec<i16>; 2]) {
        let eye = Eye::new(matter.codec.factor());
        for (n, track) in tracks.iter().enumerate() {
            let (own, foreign) = (matter.voices[n], matter.voices[1 - n].without(matter.voices[n]));
            let frames = track.chunks_exact(matter.codec.frame_samples());
            let seen: Vec<_> = frames.filter_map(|frame| eye.look(frame, 0)).collect();
            let odd = seen.iter().filter(|seen| !seen.strong.has(own)).count();
            let strange = seen.iter().filter(|seen| seen.heard.meets(foreign)).count();
            let all = seen.len();
            if odd * 1_000 > ODD_FRAMES_MAX * all {
                let what = format!("track {} lacks its caller in {odd} of {all} frames of 20 ms", n + 1);
                self.fault(Fault::VoiceMissing, what);
            }
            if strange * 1_000 > FOREIGN_FRAMES_MAX * all {
                let what = format!("track {} has the other in {strange} of {all} frames of 20 ms", n + 1);
                self.fault(Fault::ForeignVoice, what);
            }
        }
    }

    fn check_alignment(&mut self, placed: &[Placed; 2], apart: Option<i64>) {
        for (n, placed) in placed.iter().enumerate() {
            if placed.count() * 2 < placed.looked.max(1) {
                let (count, looked) = (placed.count(), placed.looked);
                let what = format!("of {looked} stretches of track {}, {count} click as was heard", n + 1);
                self.fault(Fault::NotComparable, what);
            }
        }
        let Some(apart) = apart else {
            let what = "packets of one tick do not come together: what belongs together cannot be told";
            return self.fault(Fault::NotComparable, what.to_owned());
        };
        let [first, second] = placed;
        let mut worst = (0_i64, 0);
        for (n, (one, other)) in first.offsets.iter().zip(&second.offsets).enumerate() {
            if let (Some((one, clicks)), Some((other, more))) = (one, other) {
                self.clicks += (clicks + more) as u64;
                let off = one - other - apart;
                if off.abs() > worst.0.abs() {
                    worst = (off, n);
                }
            }
        }
        let (off, n) = worst;
        self.misalignment = off.unsigned_abs();
        if off != 0 {
            let (track, second) = (if off > 0 { "first" } else { "second" }, n * STRETCH_SECONDS);
            let what = format!("the {track} track is {} samples early at {second} s", off.abs());
            self.fault(Fault::Misaligned, what);
        }
    }

    /// What was heard must be in the file, sample for sample. What stood for a packet that came too late, or joined two, has
    /// values that no code of the law has: it was heard as the nearest that has one.
    fn check_packets(&mut self, codec: Codec, track: &[i16], stream: &Stream, placed: &Placed) {
        let end = track.len().saturating_sub(END_FRAMES * stream.frame);
        let (mut packets, mut other, mut silent) = (0_u64, 0_u64, 0_u64);
        for (place, note) in &stream.packets {
            let slices = placed.places(*place).into_iter().filter_map(|at| {
                let at = usize::try_from(at).ok().filter(|at| at + stream.frame <= end)?;
                track.get(at..at + stream.frame)
            });
            let slices: Vec<&[i16]> = slices.collect();
            if slices.is_empty() {
                continue;
            }
            packets += 1;
            if slices.iter().any(|slice| print_of(slice) == note.print) {
                continue;
            }
            if slices.iter().any(|slice| print_of(&codec.as_heard(slice)) == note.print) {
                self.coarser += 1;
            } else {
                other += 1;
                silent += u64::from(!note.is_silent && slices.iter().all(|slice| is_silent(slice)));
            }
        }
        self.packets += packets;
        self.other += other;
        if silent > 0 {
            self.fault(Fault::SoundMissing, format!("{silent} packets that were heard are silent in it"));
        } else if other * 1_000 > packets * OTHER_PACKETS_MAX {
            self.fault(
                Fault::Altered,
                format!("{other} of {packets} packets are not in it as they were heard"),
            );
        }
    }
}

#[cfg(test)]
mod tests;
