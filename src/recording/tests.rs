//! Recordings as a whole: threads and files, with frames that a test makes up and disks that fail.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use confab_media::{LegId, Tap, TapSide, Tapped, Time};
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;

use super::collector::STEPS_WAITING_MAX;
use super::manifest::Failure;
use super::placing::BLOCK_STEPS;
use super::placing::tests::{frame, terms};
use super::recorder::{Begin, RecorderSettings, Report};
use super::sound_hash::HashKind;
use super::{
    Disk, Files, Gap, Manifest, Name, Playback, Recorder, Sheet, State, Terms, Tracks, find, verify,
};
use crate::telemetry::Metrics;

/// A recorder, and what it is given.
pub(super) struct World {
    pub(super) folder: TempDir,
    pub(super) recorder: Recorder,
    pub(super) reports: Receiver<Report>,
    pub(super) taps: Arc<Mutex<VecDeque<Tap>>>,
    /// How often the recorder found nothing more.
    looks: Arc<AtomicU64>,
    /// Ends that were reported while another was waited for.
    over: Vec<Manifest>,
}

impl World {
    pub(super) fn new(disk: impl Disk + 'static) -> Self {
        Self::at(TempDir::new().unwrap(), disk)
    }

    pub(super) fn at(folder: TempDir, disk: impl Disk + 'static) -> Self {
        Self::hashing(HashKind::default(), folder, disk)
    }

    pub(super) fn hashing(hash: HashKind, folder: TempDir, disk: impl Disk + 'static) -> Self {
        find(folder.path(), hash).unwrap();
        let taps: Arc<Mutex<VecDeque<Tap>>> = Arc::default();
        let source = Arc::clone(&taps);
        let looks: Arc<AtomicU64> = Arc::default();
        let looked = Arc::clone(&looks);
        let settings = RecorderSettings {
            folder: folder.path().to_owned(),
            disk: Arc::new(disk),
            hash,
            taps: vec![Box::new(move |to| {
                let next = source.lock().unwrap().pop_front();
                looked.fetch_add(u64::from(next.is_none()), Ordering::SeqCst);
                next.inspect(|tap| to.put(&tap.head(), tap.frame.samples())).is_some()
            })],
        };
        let (recorder, reports) = Recorder::start(settings, &Metrics::new()).unwrap();
        Self { folder, recorder, reports, taps, looks, over: Vec::new() }
    }

    pub(super) fn begin(&self, number: u8, leg: u64, terms: Terms) -> Name {
        let name = name(number);
        let about = serde_json::json!({ "number": number });
        assert!(self.recorder.begin(Begin {
            name: name.clone(),
            of: Tapped::Leg(LegId(leg)),
            since: Time::ZERO,
            seats: Vec::new(),
            terms,
            about
        }));
        name
    }

    pub(super) fn hear(&self, leg: u64, steps: std::ops::Range<u64>) {
        let mut taps = self.taps.lock().unwrap();
        for step in steps {
            for (side, amplitude) in [(TapSide::Received, step as i16), (TapSide::Sent, -(step as i16))] {
                taps.push_back(Tap { of: Tapped::Leg(LegId(leg)), ..frame(step, side, amplitude) });
            }
        }
    }

    /// Returns when all that it was given and told is done. A look that is under way may not know of it yet, the next takes
    /// all before it does what it was told, and when the third is over that is done.
    pub(super) fn settle(&self) {
        let begun = self.looks.load(Ordering::SeqCst);
        wait_for(|| self.looks.load(Ordering::SeqCst) >= begun + 3 && self.taps.lock().unwrap().is_empty());
    }

    /// What the recorder reports of a recording's end; what it says before is passed over.
    pub(super) fn finished(&mut self, name: &Name) -> Manifest {
        loop {
            if let Some(at) = self.over.iter().position(|manifest| manifest.name == *name) {
                return self.over.remove(at);
            }
            if let Report::Finished(manifest) = self.reports.blocking_recv().expect("a report") {
                self.over.push(*manifest);
            }
        }
    }

    pub(super) fn path(&self, name: &Name, end: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.{end}"))
    }
}

pub(super) fn name(number: u8) -> Name {
    format!("RE{}", format!("{number:02x}").repeat(16)).parse().unwrap()
}

pub(super) fn samples(path: &Path) -> Vec<i16> {
    hound::WavReader::open(path).unwrap().into_samples().map(Result::unwrap).collect()
}

#[test]
fn what_was_heard_is_on_the_disk_when_that_is_told_and_nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let mut world = World::new(Files);
    let name = world.begin(1, 7, terms(Tracks::Both));
    // Of another leg, which nobody records.
    world.hear(8, 0..10);
    world.hear(7, 0..60);
    world.hear(7, 70..200);
    assert!(world.recorder.finish(&name));
    let manifest = world.finished(&name);
    assert_eq!((manifest.state, manifest.samples, manifest.seconds()), (State::Completed, 200 * 160, 4));
    assert_eq!(manifest.gaps, [Gap { track: None, at: 60 * 160, samples: 10 * 160 }]);

    let samples = samples(&world.path(&name, "wav"));
    assert_eq!(samples.len(), 2 * 200 * 160);
    for (n, pair) in samples.as_chunks::<2>().0.iter().enumerate() {
        let step = (n / 160) as i16;
        let expected = if (60..70).contains(&step) { [0, 0] } else { [step, -step] };
        assert_eq!(*pair, expected, "sample {n}");
    }
    for end in ["wav", "json"] {
        let mode = fs::metadata(world.path(&name, end)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{end}");
    }
    assert!(!world.path(&name, "wav.part").exists());
    assert_eq!(find(world.folder.path(), HashKind::default()).unwrap(), [manifest]);
}

#[test]
fn what_a_killed_process_left_is_completed_by_the_next_and_says_so() {
    let mut world = World::new(Files);
    let (cut, never, other) = (
        world.begin(1, 1, terms(Tracks::Both)),
        world.begin(2, 2, terms(Tracks::Received)),
        world.begin(3, 3, terms(Tracks::Received)),
    );
    world.hear(1, 0..130);
    world.hear(3, 0..100);
    assert!(world.recorder.finish(&other));
    let done = world.finished(&other);
    // As if the process had ended here: the files are read as they lie there, and once more in a copy whose last
    // write was cut short.
    let copy = TempDir::new().unwrap();
    wait_for(|| fs::metadata(world.path(&cut, "wav.part")).is_ok_and(|file| file.len() > 60_000));
    for entry in fs::read_dir(world.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    let part = copy.path().join(format!("{cut}.wav.part"));
    let len = fs::metadata(&part).unwrap().len();
    fs::File::options().write(true).open(&part).unwrap().set_len(len - 3).unwrap();

    let mut found = find(copy.path(), HashKind::default()).unwrap();
    found.sort_by_key(|manifest| manifest.name.clone());
    let [recovered, absent, untouched] = &found[..] else { panic!("{found:?}") };
    assert_eq!((recovered.state, recovered.recovered, &recovered.name), (State::Completed, true, &cut));
    assert!(recovered.samples >= 100 * 160 - 1, "{}", recovered.samples);
    let samples = samples(&copy.path().join(format!("{cut}.wav")));
    assert_eq!(samples.len() as u64, 2 * recovered.samples);
    assert_eq!(&samples[320 * 99..320 * 99 + 2], [99, -99]);
    assert_eq!((absent.state, absent.recovered, &absent.name), (State::Absent, true, &never));
    assert_eq!(*untouched, done);
    assert_eq!([recovered, absent, untouched].map(|manifest| manifest.is_news), [true, true, false]);
    // Another start finds all in order.
    let mut again = find(copy.path(), HashKind::default()).unwrap();
    again.sort_by_key(|manifest| manifest.name.clone());
    found.iter_mut().for_each(|manifest| manifest.is_news = false);
    assert_eq!(again, found);
}

#[test]
fn strange_files_in_the_folder_are_left_alone() {
    let folder = TempDir::new().unwrap();
    find(folder.path(), HashKind::default()).unwrap();
    let (name, other) = (name(1), name(2));
    for (file, content) in [
        ("notes.json".to_owned(), "{}".to_owned()),
        (format!("{name}.json"), "{\"version\": 99}".to_owned()),
        (format!("{other}.wav.part"), "RIFF".to_owned()),
        (format!("{other}.mp3.7.new"), "what is made again".to_owned()),
    ] {
        fs::write(folder.path().join(&file), content).unwrap();
    }
    assert_eq!(find(folder.path(), HashKind::default()).unwrap(), []);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

/// A disk that has no room for the files of one recording beyond so many bytes.
struct Full {
    name: Name,
    room: usize,
}

impl Disk for Full {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Sheet>> {
        let sheet = Files.create(path)?;
        if !path.to_string_lossy().contains(&self.name.to_string()) {
            return Ok(sheet);
        }
        Ok(Box::new(Limited { sheet, left: self.room }))
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        Files.sync(path)
    }

    fn replace(&self, path: &Path, bytes: &[u8], lasting: bool) -> io::Result<()> {
        Files.replace(path, bytes, lasting)
    }
}

struct Limited {
    sheet: Box<dyn Sheet>,
    left: usize,
}

impl Sheet for Limited {
    fn put(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.left = self.left.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        self.sheet.put(at, bytes)
    }
}

#[test]
fn a_full_disk_ends_the_recording_it_is_full_for_keeps_what_was_written_and_touches_no_other() {
    let mut world = World::new(Full { name: name(1), room: 110_000 });
    let unlucky = world.begin(1, 1, terms(Tracks::Both));
    let lucky = world.begin(2, 1, terms(Tracks::Both));
    world.hear(1, 0..400);
    assert!(world.recorder.finish(&unlucky) && world.recorder.finish(&lucky));
    let (mut failed, mut finished) = (false, Vec::new());
    while finished.len() < 2 {
        match world.reports.blocking_recv().unwrap() {
            Report::Failed(name) => failed |= name == unlucky,
            Report::Finished(manifest) => finished.push(*manifest),
            report @ (Report::Ended(..) | Report::Deleted(..)) => panic!("{report:?}"),
        }
    }
    finished.sort_by_key(|manifest| manifest.name.clone());
    assert!(failed);
    let cut = &finished[0];
    assert!(matches!((cut.state, &cut.failure), (State::Completed, Some(Failure::Disk(_)))), "{cut:?}");
    let kept = samples(&world.path(&unlucky, "wav"));
    assert!(kept.len() > 80_000 / 2 && kept.len() as u64 == 2 * cut.samples, "{}", kept.len());
    assert_eq!(verify(&world.path(&unlucky, "wav")).unwrap().damages, []);
    assert!(kept.iter().enumerate().all(|(n, s)| *s == [1, -1][n % 2] * (n / 320) as i16));
    assert_eq!((finished[1].state, finished[1].samples), (State::Completed, 400 * 160));
}

/// A disk on which one recording's writes wait until the test lets them go.
struct Stalled {
    name: Name,
    gate: Arc<(Mutex<bool>, Condvar)>,
}

impl Disk for Stalled {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Sheet>> {
        if path.to_string_lossy().contains(&self.name.to_string()) {
            let (open, opened) = &*self.gate;
            drop(opened.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
        }
        Files.create(path)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        Files.sync(path)
    }

    fn replace(&self, path: &Path, bytes: &[u8], lasting: bool) -> io::Result<()> {
        Files.replace(path, bytes, lasting)
    }
}

#[test]
fn a_disk_that_stalls_costs_its_recording_a_gap_that_is_listed_and_others_nothing() {
    let gate: Arc<(Mutex<bool>, Condvar)> = Arc::default();
    let mut world = World::new(Stalled { name: name(1), gate: Arc::clone(&gate) });
    let slow = world.begin(1, 1, terms(Tracks::Received));
    let quick = world.begin(2, 1, terms(Tracks::Received));
    // A minute, of which half waits at most; never so much at once that a disk which works could fall behind by that.
    for begin in (0..3_000).step_by(500) {
        world.hear(1, begin..begin + 500);
        let all_but_a_block = (begin + 500 - BLOCK_STEPS as u64 - 2) * 320;
        wait_for(|| {
            fs::metadata(world.path(&quick, "wav.part")).is_ok_and(|file| file.len() >= all_but_a_block)
        });
    }
    assert!(world.recorder.finish(&quick));
    assert_eq!(world.finished(&quick).samples, 3_000 * 160);

    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    // Until that has been written, nothing more would be taken.
    wait_for(|| fs::metadata(world.path(&slow, "wav.part")).is_ok_and(|file| file.len() > 400_000));
    world.hear(1, 3_000..3_100);
    assert!(world.recorder.finish(&slow));
    let manifest = world.finished(&slow);
    assert_eq!((manifest.state, manifest.samples), (State::Completed, 3_100 * 160));
    let [gap] = &manifest.gaps[..] else { panic!("{:?}", manifest.gaps) };
    let kept = STEPS_WAITING_MAX..STEPS_WAITING_MAX + BLOCK_STEPS as u64;
    assert!(kept.contains(&(gap.at / 160)), "half a minute was kept: {gap:?}");
    let samples = samples(&world.path(&slow, "wav"));
    let in_gap = |n: usize| (gap.at..gap.at + gap.samples).contains(&(n as u64));
    let expected = |n: usize| if in_gap(n) { 0 } else { (n / 160) as i16 };
    assert!(samples.iter().enumerate().all(|(n, s)| *s == expected(n)));
    assert_eq!(samples[3_099 * 160], 3_099);
}

#[test]
fn recordings_that_begin_one_after_the_other_keep_nobody_waiting() {
    let mut world = World::new(Files);
    let first = world.begin(1, 1, terms(Tracks::Both));
    world.settle();
    world.hear(1, 0..100);
    // Each a moment after the one before, as when a crowd calls; by far more than there is to take.
    for number in 2..=255 {
        world.begin(number, 2, terms(Tracks::Both));
        if world.taps.lock().unwrap().is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(world.taps.lock().unwrap().is_empty(), "taken while others began");
    assert!(world.recorder.finish(&first));
    assert_eq!(world.finished(&first).samples, 100 * 160);
}

#[test]
fn what_is_too_short_or_only_silence_leaves_no_file() {
    let mut world = World::new(Files);
    let short = Terms { shortest: Duration::from_secs(1), ..terms(Tracks::Received) };
    let (short, silent) =
        (world.begin(1, 1, short), world.begin(2, 2, Terms { trim: true, ..terms(Tracks::Received) }));
    world.hear(1, 0..49);
    // Steps up to 50 are as quiet as their numbers.
    world.hear(2, 0..50);
    assert!(world.recorder.finish(&short) && world.recorder.finish(&silent));
    for (name, failure) in [(short, Failure::TooShort), (silent, Failure::Silent)] {
        let manifest = world.finished(&name);
        assert_eq!((manifest.state, manifest.failure), (State::Absent, Some(failure)));
        assert!(!world.path(&name, "wav").exists() && !world.path(&name, "wav.part").exists());
    }
}

#[test]
fn a_stop_completes_what_is_under_way_and_what_is_deleted_is_gone() {
    let mut world = World::new(Files);
    let name = world.begin(1, 1, terms(Tracks::Mixed));
    let other = world.begin(2, 1, terms(Tracks::Received));
    world.hear(1, 0..100);
    assert!(world.recorder.finish(&name));
    world.finished(&name);
    assert!(world.recorder.delete(&name));
    let deleted = world.reports.blocking_recv();
    assert!(matches!(&deleted, Some(Report::Deleted(deleted, true)) if *deleted == name), "{deleted:?}");
    assert!(!world.path(&name, "wav").exists());
    let known = Manifest::read(&fs::read(world.path(&name, "json")).unwrap()).unwrap();
    assert_eq!((known.state, known.deleted.is_some(), known.samples), (State::Deleted, true, 100 * 160));
    world.recorder.stop();
    assert_eq!(world.finished(&other).state, State::Completed);
    assert!(world.path(&other, "wav").exists());
}

#[test]
fn recordings_are_as_fine_as_what_is_heard_up_to_16_khz_unless_told_otherwise() {
    use confab_media::SampleRate::{Hz8000, Hz16000, Hz48000};
    let recorder = World::new(Files).recorder;
    assert_eq!([Hz8000, Hz16000, Hz48000].map(|rate| recorder.rate_of(rate)), [Hz8000, Hz16000, Hz16000]);
    for rate in [Hz8000, Hz16000] {
        let recorder = recorder.clone().at_rate(Some(rate));
        assert_eq!([Hz8000, Hz16000, Hz48000].map(|heard| recorder.rate_of(heard)), [rate; 3]);
    }
}

#[test]
fn any_part_of_a_file_can_be_read_also_of_both_tracks_as_one() {
    let mut world = World::new(Files);
    let name = world.begin(1, 1, terms(Tracks::Both));
    world.taps.lock().unwrap().extend(
        (0..50)
            .flat_map(|step| {
                [frame(step, TapSide::Received, 300), frame(step, TapSide::Sent, 100 * step as i16)]
            })
            .map(|tap| Tap { of: Tapped::Leg(LegId(1)), ..tap }),
    );
    assert!(world.recorder.finish(&name));
    world.finished(&name);
    let whole = fs::read(world.path(&name, "wav")).unwrap();
    for playback in [
        Playback::open(world.folder.path(), &name).unwrap(),
        Playback::open(world.folder.path(), &name).unwrap().mixed(),
    ] {
        let mut all = vec![0; playback.len() as usize + 100];
        let len = playback.read_at(0, &mut all).unwrap();
        assert_eq!(len as u64, playback.len());
        all.truncate(len);
        let mut reader = hound::WavReader::new(&all[..]).unwrap();
        if reader.spec().channels == 2 {
            assert_eq!(all, whole);
        } else {
            let mean = |n: usize| (300 + 100 * (n / 160) as i16) / 2;
            assert!(reader.samples::<i16>().enumerate().all(|(n, s)| s.unwrap() == mean(n)));
        }
        for (offset, len) in
            [(0, 10), (10, 40), (43, 3), (45, 7), (1_001, 2), (len - 1, 5), (len, 5), (len + 9, 1)]
        {
            let mut part = vec![0; len.min(50)];
            let read = playback.read_at(offset as u64, &mut part).unwrap();
            let expected = all.get(offset..).unwrap_or_default();
            let expected = &expected[..expected.len().min(part.len())];
            assert_eq!(&part[..read], expected, "{len} from {offset}");
        }
    }
}

/// Waits for what another thread does.
pub(super) fn wait_for(is_so: impl Fn() -> bool) {
    while !is_so() {
        std::thread::yield_now();
    }
}
