//! Where samples lie in a recording: an engine in virtual time, whose far ends click, through the recorder into files.
//!
//! Two far ends are in a conference, a third hears a prompt by itself. All are recorded; what one says must lie in the file
//! of the other at exactly the sample where it lies in its own, also behind ticks that were given up.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use confab::recording::{
    Begin, Files, Gap, HashKind, Manifest, Name, Recorder, RecorderSettings, Report, Shape, State, Terms,
    Tracks, find,
};
use confab::telemetry::Metrics;
use confab_media::{
    Ask, Codec, Command, CommandId, ConferenceId, ConferenceSettings, Datagram, Engine, EngineSettings,
    LegId, Player, PlayerId, Plays, Port, SampleRate, Seat, Sound, Tap, Tapped, Time,
};
use tempfile::TempDir;

mod engine_leg;

/// Ticks, and those that a stalled thread gives up.
const TICKS: u64 = 400;
const GIVEN_UP: std::ops::Range<u64> = 200..213;

/// Samples between two clicks, which is no whole number of ticks.
const CLICK_EVERY: usize = 1_021;

/// A sample of a click, which mu-law has exactly.
const CLICK: i16 = 7_932;

struct World {
    engine: Engine,
    taps: Arc<Mutex<VecDeque<Tap>>>,
    now: Time,
}

impl World {
    fn new() -> Self {
        let engine = Engine::new(EngineSettings { legs_max: 8, conferences_max: 2, tap_frames_max: 16 });
        let mut world = Self { engine, taps: Arc::default(), now: Time::from_millis(1_003) };
        let settings = ConferenceSettings::seats(4);
        world.ask(Ask::AddConference(engine_leg::conference(1, settings, &[SampleRate::Hz8000])));
        for leg in [1, 2, 3] {
            world.ask(Ask::AddLeg(engine_leg::leg(leg, engine_leg::media(leg, Codec::Pcmu))));
            world.ask(Ask::SetTap(LegId(leg), true));
        }
        for leg in [1, 2] {
            world.ask(Ask::Join(LegId(leg), ConferenceId(1), Seat::default()));
        }
        let prompt = Sound::new(SampleRate::Hz8000, prompt());
        world.ask(Ask::Play(LegId(3), Player::new(PlayerId(9), prompt, Plays::ONCE)));
        world
    }

    fn ask(&mut self, ask: Ask) {
        self.engine.handle_command(Command { id: CommandId(1), ask });
        while self.engine.poll_event().is_some() {}
    }

    /// The first far end clicks; the second says nothing. Whether the node hears in this step is up to the caller.
    fn step(&mut self, step: u64, ticks: bool) {
        let mut payload = [0xff; engine_leg::FRAME];
        let mut samples = [0; engine_leg::FRAME];
        for (n, sample) in samples.iter_mut().enumerate() {
            let at = step as usize * engine_leg::FRAME + n;
            *sample = if at.is_multiple_of(CLICK_EVERY) { CLICK } else { 0 };
        }
        Codec::Pcmu.encode(&samples, &mut payload);
        let packet = engine_leg::rtp(0, step as u16, (step * 160) as u32, 7, &payload);
        let datagram = Datagram {
            port: Port::Rtp,
            source: engine_leg::address(1),
            payload: &packet,
            received_at: self.now,
        };
        self.engine.handle_datagram(LegId(1), &datagram);
        self.now += Duration::from_millis(20);
        if !ticks {
            return;
        }
        self.engine.tick(self.now);
        while self.engine.poll_transmit().is_some() {}
        while self.engine.poll_event().is_some() {}
        let mut taps = self.taps.lock().unwrap();
        while let Some(tap) = self.engine.poll_tap() {
            taps.push_back(tap);
        }
    }
}

/// Ten seconds in which every sample differs from its neighbours.
fn prompt() -> Vec<i16> {
    (0..80_000_i32).map(|n| (n.wrapping_mul(7_919) % 20_011) as i16 - 10_000).collect()
}

fn name(number: u64) -> Name {
    format!("RE{number:032x}").parse().unwrap()
}

fn record(folder: &Path, taps: &Arc<Mutex<VecDeque<Tap>>>) -> Vec<Manifest> {
    find(folder, HashKind::default()).unwrap();
    let source = Arc::clone(taps);
    let settings = RecorderSettings {
        folder: folder.to_owned(),
        disk: Arc::new(Files),
        hash: HashKind::default(),
        taps: vec![Box::new(move |to| {
            let next = source.lock().unwrap().pop_front();
            next.inspect(|tap| to.put(&tap.head(), tap.frame.samples())).is_some()
        })],
    };
    let (recorder, mut reports) = Recorder::start(settings, &Metrics::new()).unwrap();
    for leg in [1, 2, 3] {
        let shape = Shape { rate: SampleRate::Hz8000, tracks: Tracks::Both };
        let terms = Terms { shape, trim: false, longest: None, patience: None, shortest: Duration::ZERO };
        let about = serde_json::Value::Null;
        assert!(recorder.begin(Begin {
            name: name(leg),
            of: Tapped::Leg(LegId(leg)),
            since: Time::ZERO,
            seats: Vec::new(),
            terms,
            about
        }));
    }
    let mut world = World::new();
    world.taps = Arc::clone(taps);
    (0..TICKS).for_each(|step| world.step(step, !GIVEN_UP.contains(&step)));
    for leg in [1, 2, 3] {
        assert!(recorder.finish(&name(leg)));
    }
    let mut finished = Vec::new();
    while finished.len() < 3 {
        if let Report::Finished(manifest) = reports.blocking_recv().expect("a report") {
            finished.push(*manifest);
        }
    }
    finished.sort_by_key(|manifest| manifest.name.clone());
    finished
}

#[test]
fn every_sample_lies_where_it_was_heard_and_both_sides_of_a_call_agree() {
    let (folder, taps) = (TempDir::new().unwrap(), Arc::default());
    let manifests = record(folder.path(), &taps);
    let gap = Gap { track: None, at: GIVEN_UP.start * 160, samples: (GIVEN_UP.end - GIVEN_UP.start) * 160 };
    for manifest in &manifests {
        assert_eq!((manifest.state, manifest.samples), (State::Completed, TICKS * 160));
        assert_eq!(manifest.gaps, [gap]);
    }
    let files: Vec<Vec<[i16; 2]>> = [1, 2, 3]
        .map(|leg| {
            let file = folder.path().join(format!("{}.wav", name(leg)));
            let samples: Vec<i16> =
                hound::WavReader::open(file).unwrap().into_samples().map(Result::unwrap).collect();
            samples.as_chunks::<2>().0.to_vec()
        })
        .into();
    let [talker, listener, alone] = &files[..] else { panic!("three files") };

    let said: Vec<i16> = talker.iter().map(|pair| pair[0]).collect();
    let heard: Vec<i16> = listener.iter().map(|pair| pair[1]).collect();
    assert_eq!(said, heard, "misaligned");
    assert!(listener.iter().all(|pair| pair[0] == 0) && talker.iter().all(|pair| pair[1] == 0));

    let before = &said[..GIVEN_UP.start as usize * 160];
    let clicks: Vec<usize> = (0..before.len()).filter(|n| before[*n] == CLICK).collect();
    assert!(clicks.len() > 25, "{}", clicks.len());
    let apart: Vec<usize> = clicks.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // The receive buffer may grow or shrink a silence while it learns; from then on nothing moves.
    assert!(apart[10..].iter().all(|apart| *apart == CLICK_EVERY), "{apart:?}");

    // A prompt is played tick by tick: given up are ticks, and the prompt goes on behind them.
    let (prompt, played) = (prompt(), alone.iter().map(|pair| pair[1]).collect::<Vec<i16>>());
    let (first, rest) = played.split_at(GIVEN_UP.start as usize * 160);
    let (silent, rest) = rest.split_at(gap.samples as usize);
    assert!(silent.iter().all(|sample| *sample == 0));
    assert_eq!(first, &prompt[..first.len()]);
    assert_eq!(rest, &prompt[first.len()..first.len() + rest.len()]);
}
