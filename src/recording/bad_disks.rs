//! Disks that are full, slow, broken or gone. Whatever they do, what they do is told, nobody else is harmed by it, and
//! what was written before is there.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use super::manifest::Failure;
use super::placing::BLOCK_STEPS;
use super::placing::tests::terms;
use super::recorder::Report;
use super::sound_hash::HashKind;
use super::tests::{World, name, samples, wait_for};
use super::{Disk, Files, Manifest, Name, Sheet, State, Tracks, find, verify};

/// A disk on which all files together have so much room, and writes stop where it ends.
struct Small {
    room: Arc<AtomicI64>,
}

impl Small {
    fn take(room: &AtomicI64, wanted: usize) -> io::Result<usize> {
        let left = room.fetch_sub(wanted as i64, Ordering::SeqCst);
        if left >= wanted as i64 {
            return Ok(wanted);
        }
        room.fetch_add(wanted as i64 - left.max(0), Ordering::SeqCst);
        if left > 0 { Ok(left as usize) } else { Err(io::ErrorKind::StorageFull.into()) }
    }
}

impl Disk for Small {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Sheet>> {
        Ok(Box::new(Metered { sheet: Files.create(path)?, room: Arc::clone(&self.room) }))
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        Files.sync(path)
    }

    fn replace(&self, path: &Path, bytes: &[u8], lasting: bool) -> io::Result<()> {
        if self.room.load(Ordering::SeqCst) < bytes.len() as i64 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Files.replace(path, bytes, lasting)
    }
}

struct Metered {
    sheet: Box<dyn Sheet>,
    room: Arc<AtomicI64>,
}

impl Sheet for Metered {
    fn put(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        // The header is written over itself.
        let taken = if at == 0 { bytes.len() } else { Small::take(&self.room, bytes.len())? };
        self.sheet.put(at, &bytes[..taken])?;
        if taken < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

/// A hundred recordings of ten seconds each; what became of each, and how many were told to have failed.
fn hundred(world: &mut World) -> (HashMap<Name, Manifest>, usize) {
    let names: Vec<Name> = (0..100).map(|n| world.begin(n, u64::from(n), terms(Tracks::Received))).collect();
    for begin in (0..500).step_by(50) {
        (0..100).for_each(|leg| world.hear(leg, begin..begin + 50));
        world.settle();
    }
    names.iter().for_each(|name| assert!(world.recorder.finish(name)));
    let (mut over, mut failed) = (HashMap::new(), 0);
    while over.len() < names.len() {
        match world.reports.blocking_recv().unwrap() {
            Report::Failed(_) => failed += 1,
            Report::Finished(manifest) => drop(over.insert(manifest.name.clone(), *manifest)),
            report @ (Report::Ended(..) | Report::Deleted(..)) => panic!("{report:?}"),
        }
    }
    (over, failed)
}

/// What is in a file is what was heard from its beginning on.
fn is_beginning(path: &Path) -> bool {
    samples(path).iter().enumerate().all(|(n, sample)| *sample == (n / 160) as i16)
}

/// How many are whole, and how many not.
fn each_is_whole_or_told_not_to_be(world: &World, over: &HashMap<Name, Manifest>) -> (usize, usize) {
    let (mut completed, mut failed) = (0, 0);
    for (name, manifest) in over {
        match (manifest.state, &manifest.failure) {
            (State::Completed, None) => {
                assert_eq!((manifest.samples, &manifest.gaps[..]), (500 * 160, &[][..]));
                assert_eq!(verify(&world.path(name, "wav")).unwrap().damages, []);
                assert!(is_beginning(&world.path(name, "wav")));
                completed += 1;
            }
            (State::Completed, Some(Failure::Disk(_))) => {
                assert!((1..500 * 160).contains(&manifest.samples));
                assert_eq!(verify(&world.path(name, "wav")).unwrap().damages, []);
                assert!(is_beginning(&world.path(name, "wav")));
                failed += 1;
            }
            (State::Absent, Some(Failure::Disk(_))) => {
                let part = world.path(name, "wav.part");
                assert!(!part.exists() || fs::metadata(&part).unwrap().len() < 80 || is_beginning(&part));
                failed += 1;
            }
            other => panic!("{name}: {other:?}"),
        }
    }
    (completed, failed)
}

#[test]
fn a_disk_that_fills_during_a_hundred_recordings_is_told_of_each_and_takes_more_when_there_is_room() {
    // Some nine megabytes are wanted.
    let room = Arc::new(AtomicI64::new(9_000_000));
    let mut world = World::new(Small { room: Arc::clone(&room) });
    let (over, told) = hundred(&mut world);
    let (completed, failed) = each_is_whole_or_told_not_to_be(&world, &over);
    assert_eq!((completed + failed, told), (100, failed));
    assert!(failed > 50, "{failed}: they fill it together");
    // The next start finds room, and completes what there is of all of them.
    room.store(1 << 30, Ordering::SeqCst);
    for manifest in find(world.folder.path(), HashKind::default()).unwrap() {
        let name = &manifest.name;
        match manifest.state {
            State::Completed => assert_eq!(verify(&world.path(name, "wav")).unwrap().damages, [], "{name}"),
            State::Absent => {
                assert!(!world.path(name, "wav.part").exists() || manifest.samples == 0, "{name}")
            }
            State::InProgress | State::Deleted => panic!("{manifest:?}"),
        }
    }
    goes_on(&mut world);
}

/// Another recording is as if nothing had been.
fn goes_on(world: &mut World) {
    let name = world.begin(200, 200, terms(Tracks::Both));
    world.hear(200, 0..100);
    assert!(world.recorder.finish(&name));
    let manifest = world.finished(&name);
    assert_eq!((manifest.state, manifest.samples), (State::Completed, 100 * 160), "{:?}", manifest.failure);
    assert_eq!(verify(&world.path(&name, "wav")).unwrap().damages, []);
}

/// A file system of its own, for those who may mount one.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new(size: &str) -> Option<Self> {
        let folder = tempfile::TempDir::new().unwrap();
        let options = format!("size={size}");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()).output();
        mount.is_ok_and(|done| done.status.success()).then(|| Self(folder))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        assert!(Command::new("umount").arg("-l").arg(self.0.path()).status().unwrap().success());
    }
}

#[test]
fn a_real_file_system_that_fills_does_what_the_made_up_one_does() {
    let Some(disk) = Mounted::new("9m") else {
        // Only root may: elsewhere the made-up disk has to do.
        return;
    };
    let ballast = disk.0.path().join("ballast");
    fs::write(&ballast, vec![0; 1 << 20]).unwrap();
    let mut world = World::at(tempfile::TempDir::new_in(disk.0.path()).unwrap(), Files);
    let (over, told) = hundred(&mut world);
    let (completed, failed) = each_is_whole_or_told_not_to_be(&world, &over);
    assert_eq!((completed + failed, told), (100, failed));
    assert!(failed > 50, "{failed}: they fill it together");
    fs::remove_file(ballast).unwrap();
    goes_on(&mut world);
}

/// A disk that refuses one kind of call for one recording.
struct Broken {
    name: Name,
    refuses: Call,
}

#[derive(Clone, Copy, PartialEq)]
enum Call {
    Create,
    Write,
    Sync,
    Replace,
}

impl Broken {
    fn says(&self, call: Call, path: &Path) -> io::Result<()> {
        let is_hit = self.refuses == call && path.to_string_lossy().contains(&self.name.to_string());
        if is_hit { Err(io::Error::from_raw_os_error(libc::EIO)) } else { Ok(()) }
    }
}

impl Disk for Broken {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Sheet>> {
        self.says(Call::Create, path)?;
        let sheet = Files.create(path)?;
        let room = if self.says(Call::Write, path).is_err() { 40_000 } else { i64::MAX };
        Ok(Box::new(Metered { sheet, room: Arc::new(AtomicI64::new(room)) }))
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        self.says(Call::Sync, path)?;
        Files.sync(path)
    }

    fn replace(&self, path: &Path, bytes: &[u8], lasting: bool) -> io::Result<()> {
        self.says(Call::Replace, path)?;
        Files.replace(path, bytes, lasting)
    }
}

#[test]
fn an_error_of_any_call_ends_the_recording_it_hits_and_no_other() {
    for refuses in [Call::Create, Call::Write, Call::Sync, Call::Replace] {
        let mut world = World::new(Broken { name: name(1), refuses });
        let (hit, other) =
            (world.begin(1, 1, terms(Tracks::Received)), world.begin(2, 1, terms(Tracks::Received)));
        world.hear(1, 0..300);
        assert!(world.recorder.finish(&hit) && world.recorder.finish(&other));
        let (hit, other) = (world.finished(&hit), world.finished(&other));
        let is_cut = refuses == Call::Write;
        let state = if is_cut { State::Completed } else { State::Absent };
        assert_eq!((hit.state, hit.hash.is_some()), (state, is_cut));
        let is_lost = matches!(hit.failure, Some(Failure::NotKept(_)));
        assert!(hit.failure.is_some() && is_lost == (refuses == Call::Sync), "{:?}", hit.failure);
        assert_eq!((other.state, other.samples), (State::Completed, 300 * 160));
        let file = world.path(&hit.name, if is_cut { "wav" } else { "wav.part" });
        if is_cut {
            assert_eq!(samples(&file).len(), 2 * BLOCK_STEPS * 160, "what was written before is there");
        }
        assert!(!file.exists() || is_beginning(&file));
        goes_on(&mut world);
    }
}

/// A disk that takes as long as the test wants until something lasts.
#[derive(Clone, Default)]
struct Slow {
    gate: Arc<(Mutex<bool>, Condvar)>,
    waiting: Arc<AtomicUsize>,
}

impl Disk for Slow {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Sheet>> {
        Files.create(path)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        let (open, opened) = &*self.gate;
        self.waiting.fetch_add(1, Ordering::SeqCst);
        drop(opened.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
        Files.sync(path)
    }

    fn replace(&self, path: &Path, bytes: &[u8], lasting: bool) -> io::Result<()> {
        if lasting {
            self.sync(path)?;
        }
        Files.replace(path, bytes, lasting)
    }
}

#[test]
fn while_everything_waits_until_something_lasts_all_is_recorded_and_nothing_is_told_too_soon() {
    let disk = Slow::default();
    let mut world = World::new(disk.clone());
    let short: Vec<Name> = (1..9).map(|n| world.begin(n, u64::from(n), terms(Tracks::Received))).collect();
    let long = world.begin(9, 9, terms(Tracks::Both));
    (1..10).for_each(|leg| world.hear(leg, 0..100));
    world.settle();
    short.iter().for_each(|name| assert!(world.recorder.finish(name)));
    wait_for(|| disk.waiting.load(Ordering::SeqCst) >= 4);
    // More than half a minute of each recording may wait to be written; none has to.
    for begin in (100..3_100).step_by(500) {
        world.hear(9, begin..begin + 500);
        let all_but_a_block = (begin + 500 - BLOCK_STEPS as u64 - 2) * 640;
        wait_for(|| {
            fs::metadata(world.path(&long, "wav.part")).is_ok_and(|file| file.len() >= all_but_a_block)
        });
    }
    assert!(world.reports.try_recv().is_err(), "nothing lasts yet");
    *disk.gate.0.lock().unwrap() = true;
    disk.gate.1.notify_all();
    assert!(world.recorder.finish(&long));
    let manifest = world.finished(&long);
    assert_eq!((manifest.state, manifest.samples, manifest.gaps.len()), (State::Completed, 3_100 * 160, 0));
    for name in short {
        assert_eq!(world.finished(&name).state, State::Completed);
    }
}

#[test]
fn a_folder_that_disappears_costs_what_was_in_it_and_is_told() {
    let mut world = World::new(Files);
    let under_way = world.begin(1, 1, terms(Tracks::Received));
    world.hear(1, 0..100);
    wait_for(|| fs::metadata(world.path(&under_way, "wav.part")).is_ok_and(|file| file.len() > 20_000));
    fs::remove_dir_all(world.folder.path()).unwrap();
    let begun = world.begin(2, 1, terms(Tracks::Received));
    world.hear(1, 100..200);
    assert!(world.recorder.finish(&under_way) && world.recorder.finish(&begun));
    for name in [under_way, begun] {
        let manifest = world.finished(&name);
        assert!(matches!((manifest.state, manifest.failure), (State::Absent, Some(Failure::Disk(_)))));
    }
    find(world.folder.path(), HashKind::default()).unwrap();
    goes_on(&mut world);
}
