//! What recording costs: CPU of all the recorder's threads for a leg-second, both sides beside each other, from frames
//! that are tapped to files. The disk is a temporary directory. Batches of 0.8 s, as fast as they are written.

use std::collections::VecDeque;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use confab::recording::{
    Begin, Files, HashKind, Name, Recorder, RecorderSettings, Report, Shape, State, Terms, Tracks, find,
};
use confab::telemetry::Metrics;
use confab_media::{Frame, LegId, SampleRate, Tap, TapSide, Tapped, Tick, Time};
use criterion::{Criterion, criterion_group, criterion_main};

/// Legs of 125 calls.
const LEGS: u64 = 250;

/// Ticks in a batch: what is written at a time.
const BATCH: u64 = 40;

/// Seconds of a measurement: enough for the clock of processes, which counts hundredths.
const SECONDS: u64 = 20;

fn record(c: &mut Criterion) {
    let mut group = c.benchmark_group("record");
    group.sample_size(10).measurement_time(Duration::from_secs(20));
    for rate in [SampleRate::Hz8000, SampleRate::Hz16000] {
        group.bench_function(format!("dual-leg-second-{}", rate.hertz()), |b| {
            // The time of a leg-second is the same however many are asked for.
            b.iter_custom(|times| leg_second(rate).mul_f64(times as f64));
        });
    }
    group.finish();
}

/// CPU time of recording one leg for a second, the making of the frames left out.
fn leg_second(rate: SampleRate) -> Duration {
    let taking = cpu(|| drop(black_box(run(rate, false))));
    let recording = cpu(|| drop(black_box(run(rate, true))));
    recording.saturating_sub(taking) / (LEGS * SECONDS) as u32
}

fn run(rate: SampleRate, is_recorded: bool) -> Vec<u64> {
    let folder = tempfile::TempDir::new().expect("a directory");
    find(folder.path(), HashKind::default()).expect("a directory");
    let taps: Arc<Mutex<VecDeque<Tap>>> = Arc::default();
    let source = Arc::clone(&taps);
    let settings = RecorderSettings {
        folder: folder.path().to_owned(),
        disk: Arc::new(Files),
        hash: HashKind::default(),
        taps: vec![Box::new(move |to| {
            // Together what is of one leg, as it is handed over by a media thread's ring.
            let taps = std::mem::take(&mut *source.lock().expect("no panic"));
            let mut order: Vec<&Tap> = taps.iter().collect();
            order.sort_by_key(|tap| match tap.of {
                Tapped::Leg(leg) => leg.0,
                Tapped::Conference(conference) => conference.0,
            });
            order.iter().for_each(|tap| to.put(&tap.head(), tap.frame.samples()));
            !order.is_empty()
        })],
    };
    let (recorder, mut reports) = Recorder::start(settings, &Metrics::new()).expect("threads");
    let legs = if is_recorded { LEGS } else { 1 };
    for leg in 0..legs {
        let shape = Shape { rate, tracks: Tracks::Both };
        let terms = Terms { shape, trim: false, longest: None, patience: None, shortest: Duration::ZERO };
        assert!(recorder.begin(Begin {
            name: name(leg),
            of: Tapped::Leg(LegId(leg)),
            since: Time::ZERO,
            seats: Vec::new(),
            terms,
            about: serde_json::Value::Null
        }));
    }
    let step = 4 * rate.frame_len() as u64;
    for begin in (0..SECONDS * 50).step_by(BATCH as usize) {
        (begin..begin + BATCH).for_each(|tick| hear(&taps, rate, tick));
        let written = begin * step;
        (0..legs).for_each(|leg| wait_for(&folder.path().join(format!("{}.wav.part", name(leg))), written));
    }
    (0..legs).for_each(|leg| assert!(recorder.finish(&name(leg))));
    let mut samples = Vec::new();
    while samples.len() < legs as usize {
        if let Report::Finished(manifest) = reports.blocking_recv().expect("a report") {
            assert!(manifest.state == State::Completed && manifest.gaps.is_empty());
            samples.push(manifest.samples);
        }
    }
    recorder.stop();
    samples
}

fn hear(taps: &Mutex<VecDeque<Tap>>, rate: SampleRate, tick: u64) {
    let mut taps = taps.lock().expect("no panic");
    for leg in 0..LEGS {
        for side in [TapSide::Received, TapSide::Sent] {
            let mut frame = Frame::silence(rate);
            frame.samples_mut().fill((tick + leg) as i16);
            let at = Time::from_millis(1_000 + tick * 20);
            taps.push_back(Tap {
                of: Tapped::Leg(LegId(leg)),
                tick: Tick(tick),
                at,
                side,
                frame,
                dropped_before: 0,
            });
        }
    }
}

fn wait_for(part: &Path, bytes: u64) {
    while fs::metadata(part).map_or(0, |file| file.len()) < bytes {
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn name(leg: u64) -> Name {
    format!("RE{leg:032x}").parse().expect("a name")
}

/// CPU time of this process, all its threads and the system for them, in hundredths of a second (proc(5)).
fn cpu(work: impl FnOnce()) -> Duration {
    let now = || {
        let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
        let fields: Vec<u64> = stat
            .rsplit(") ")
            .next()
            .unwrap_or_default()
            .split(' ')
            .map(|field| field.parse().unwrap_or(0))
            .collect();
        Duration::from_millis(10 * (fields[11] + fields[12]))
    };
    let before = now();
    work();
    now() - before
}

criterion_group!(benches, record);
criterion_main!(benches);
