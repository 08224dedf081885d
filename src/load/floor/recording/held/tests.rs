//! The judge of recordings, judged: made-up callers are heard packet by packet, a file is made of what they said, and then one
//! thing at a time is wrong with it.

use std::io::Cursor;

use super::*;
use crate::load::floor::recording::clicking;
use crate::load::floor::truth::Who;
use crate::load::floor::voices::pairs;
use crate::load::rtp::Header;

const FRAME: usize = 160;
/// Ticks that are heard, and those of them that are recorded: 24 s.
const HEARD: usize = 1_400;
const BEGIN: usize = 100;
const END: usize = 1_300;
const TICK_NS: i64 = 20_000_000;

/// What two say, what is heard of it, and what is in the file.
struct Scene {
    notes: [Vec<Note>; 2],
    tracks: [Vec<i16>; 2],
    duration: u64,
}

fn voices() -> [Tones; 2] {
    [pairs()[3], pairs()[20]]
}

impl Scene {
    fn new() -> Self {
        let said = [0, 1].map(|n| {
            let round = clicking(voices()[n], 1, (11, Who(n)));
            round.iter().copied().cycle().skip(n * 777).take(HEARD * FRAME).collect::<Vec<i16>>()
        });
        let notes = [0, 1].map(|n| {
            let ticks = said[n].chunks_exact(FRAME).enumerate();
            ticks.map(|(tick, sound)| note(tick, n, sound)).collect()
        });
        let tracks = [0, 1].map(|n| said[n][BEGIN * FRAME..END * FRAME].to_vec());
        Self { notes, tracks, duration: 24 }
    }

    fn held(&self) -> Held {
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut file = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
        for (one, other) in self.tracks[0].iter().zip(&self.tracks[1]) {
            writer.write_sample(*one).unwrap();
            writer.write_sample(*other).unwrap();
        }
        writer.finalize().unwrap();
        let matter = Matter {
            heard: [&self.notes[0], &self.notes[1]],
            voices: voices(),
            codec: Codec::Pcmu,
            begun_ns: [BEGIN as i64 * TICK_NS - 90_000_000, BEGIN as i64 * TICK_NS + 20_000_000],
            ended_ns: [END as i64 * TICK_NS - 10_000_000, END as i64 * TICK_NS + 30_000_000],
            duration: Some(self.duration),
        };
        hold(&matter, &file.into_inner())
    }

    fn faults(&self) -> Vec<Fault> {
        self.held().faults.into_iter().map(|(fault, _)| fault).collect()
    }
}

/// The packet of a tick: both streams began at times of their own, and the second of the two leaves two milliseconds later.
fn note(tick: usize, listener: usize, sound: &[i16]) -> Note {
    let begin = [4_294_960_000_u32, 77][listener];
    let header = Header {
        payload_type: 0,
        marker: false,
        sequence: tick as u16,
        timestamp: begin.wrapping_add(((tick + 5 * listener) * FRAME) as u32),
        ssrc: 1,
    };
    Note::of(&header, tick as i64 * TICK_NS + listener as i64 * 2_000_000, sound)
}

#[test]
fn a_file_that_is_what_was_heard_is_right() {
    let held = Scene::new().held();
    assert_eq!(held.faults, []);
    assert_eq!((held.misalignment, held.other), (0, 0));
    assert!(held.clicks > 250 && held.packets > 2 * (END - BEGIN) as u64 - 10, "{held:?}");
    assert!((held.seconds - 24.0).abs() < 1e-9);
}

#[test]
fn tracks_that_do_not_lie_beside_each_other_are_named_by_how_many_samples() {
    for (track, samples) in [(0, 1), (1, 1), (0, 3), (1, FRAME), (0, 2 * FRAME)] {
        let mut scene = Scene::new();
        scene.tracks[track].rotate_right(samples);
        let held = scene.held();
        // What came round from the end to the beginning was not heard there.
        assert!(held.misalignment == samples as u64 && held.other < 3, "{held:?}");
        let [(Fault::Misaligned, what)] = &held.faults[..] else { panic!("{:?}", held.faults) };
        let early = ["second", "first"][track];
        assert!(what.contains(early) && what.contains(&format!(" {samples} samples")), "{what}");
    }
}

#[test]
fn tracks_that_drift_apart_are_named_by_when() {
    let mut scene = Scene::new();
    scene.tracks[1].insert(12 * 8_000, 0);
    scene.tracks[1].pop();
    let held = scene.held();
    assert_eq!(held.misalignment, 1);
    assert!(held.faults[0].1.ends_with("at 12 s"), "{:?}", held.faults);
}

#[test]
fn a_tick_that_nobody_heard_moves_what_is_behind_it_and_is_no_fault() {
    let mut scene = Scene::new();
    for at in [3 * 8_000 + 800, 9 * 8_000] {
        for track in &mut scene.tracks {
            track.splice(at..at, [0; FRAME]);
            track.truncate((END - BEGIN) * FRAME);
        }
    }
    let held = scene.held();
    assert_eq!((&held.faults[..], held.misalignment, held.other), (&[][..], 0, 0));
}

#[test]
fn what_is_on_the_wrong_track_is_named() {
    let mut scene = Scene::new();
    scene.tracks.swap(0, 1);
    let faults = scene.faults();
    for fault in [Fault::VoiceMissing, Fault::ForeignVoice, Fault::NotComparable] {
        assert!(faults.contains(&fault), "{faults:?}");
    }
    let mut scene = Scene::new();
    let [first, second] = &mut scene.tracks;
    // A second of the other, faintly.
    second[40_000..48_000].iter_mut().zip(&first[40_000..]).for_each(|(sample, other)| *sample += other / 4);
    assert_eq!(scene.faults(), [Fault::ForeignVoice, Fault::Altered]);
}

#[test]
fn what_is_missing_or_other_than_it_was_heard_is_named() {
    let mut scene = Scene::new();
    scene.tracks[0][80_000..80_000 + 3 * FRAME].fill(0);
    assert_eq!(scene.faults(), [Fault::SoundMissing]);
    let mut scene = Scene::new();
    scene.tracks[0].iter_mut().skip(50).step_by(20 * FRAME).for_each(|sample| *sample ^= 0x400);
    assert_eq!(scene.faults(), [Fault::Altered]);
    let mut scene = Scene::new();
    scene.tracks[1].iter_mut().for_each(|sample| *sample /= 3);
    assert!(scene.faults().contains(&Fault::VoiceMissing));
}

#[test]
fn what_has_no_code_of_its_own_is_heard_as_the_nearest_that_has_and_counted() {
    let mut scene = Scene::new();
    // One frame in ten is heard through the law and lies in the file as it was.
    for tick in (BEGIN..END).step_by(10) {
        let at = (tick - BEGIN) * FRAME;
        let frame = &mut scene.tracks[0][at..at + FRAME];
        frame.iter_mut().for_each(|sample| *sample += 1);
        scene.notes[0][tick] = note(tick, 0, &Codec::Pcmu.as_heard(frame));
    }
    let held = scene.held();
    assert_eq!(held.faults, []);
    assert_eq!(held.other, 0);
    assert!((100..=120).contains(&held.coarser), "{held:?}");
}

#[test]
fn a_file_that_is_too_short_or_said_to_be_longer_is_named() {
    let mut scene = Scene::new();
    scene.tracks.iter_mut().for_each(|track| track.truncate((END - BEGIN - 50) * FRAME));
    scene.duration = 23;
    assert_eq!(scene.faults(), [Fault::WrongLength]);
    let mut scene = Scene::new();
    scene.duration = 25;
    assert_eq!(scene.faults(), [Fault::WrongLength]);
    let matter = Scene::new();
    let none = Matter {
        heard: [&matter.notes[0], &[]],
        voices: voices(),
        codec: Codec::Pcmu,
        begun_ns: [0; 2],
        ended_ns: [0; 2],
        duration: None,
    };
    assert_eq!(hold(&none, b"RIFF").faults[0].0, Fault::NotComparable);
}

#[test]
fn nothing_is_held_against_a_recording_while_nobody_is_heard() {
    let mut scene = Scene::new();
    scene.notes = [Vec::new(), Vec::new()];
    assert!(scene.faults().contains(&Fault::NotComparable));
}
