//! Each kind of damage is done to a recording that was intact, and is named.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::recording::manifest::hex;
use crate::recording::placing::tests::terms;
use crate::recording::tests::{World, name};
use crate::recording::{Files, PauseBehavior, Tracks};

/// A dual recording of 200 steps with a gap of ten and a pause of twenty; in step `n` one track has `n`, the other `-n`.
fn recorded(number: u8) -> (World, Name) {
    recorded_in(World::new(Files), number)
}

fn recorded_in(mut world: World, number: u8) -> (World, Name) {
    let name = world.begin(number, 1, terms(Tracks::Both));
    world.hear(1, 0..60);
    world.hear(1, 70..101);
    world.settle();
    assert!(world.recorder.pause(&name, Some(PauseBehavior::Silence)));
    world.settle();
    world.hear(1, 101..121);
    world.settle();
    assert!(world.recorder.pause(&name, None));
    world.settle();
    world.hear(1, 121..200);
    assert!(world.recorder.finish(&name));
    let manifest = world.finished(&name);
    assert_eq!((manifest.state, manifest.gaps.len()), (State::Completed, 1));
    (world, name)
}

fn damages(world: &World, name: &Name) -> Vec<Damage> {
    verify(&world.path(name, "wav")).unwrap().damages
}

/// Changes the manifest, and seals it again as if it had been written so.
fn forge(world: &World, name: &Name, change: impl FnOnce(&mut Manifest)) {
    let path = world.path(name, "json");
    let mut manifest = Manifest::read(&fs::read(&path).unwrap()).unwrap();
    change(&mut manifest);
    fs::write(&path, manifest.written().unwrap()).unwrap();
}

fn change_sound(world: &World, name: &Name, change: impl FnOnce(&mut Vec<u8>)) {
    let path = world.path(name, "wav");
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(&path, bytes).unwrap();
}

/// Where the samples begin.
const DATA_AT: usize = 80;

#[test]
fn a_recording_as_it_was_written_is_intact_and_all_of_it_is_accounted_for() {
    let (world, name) = recorded(1);
    let verdict = verify(&world.path(&name, "json")).unwrap();
    assert_eq!(verdict.damages, []);
    assert!(verdict.is_intact && !verdict.recovered);
    assert_eq!((verdict.seconds, verdict.rate, verdict.gaps), (4.0, 8_000, 1));
    assert_eq!(verdict.tracks, ["inbound", "outbound"]);
    let manifest = Manifest::read(&fs::read(world.path(&name, "json")).unwrap()).unwrap();
    assert_eq!(manifest.pauses.len(), 1, "{:?}", manifest.pauses);
    assert_eq!((manifest.paused(), manifest.began.is_some()), (20 * 160, true));
    let by_hand = blake3::hash(&fs::read(world.path(&name, "wav")).unwrap()[DATA_AT..]);
    assert_eq!(manifest.hash, Some(SoundHash::Blake3(by_hand.to_string())));
}

#[test]
fn sha_256_is_taken_instead_where_it_is_asked_for_and_in_files_of_earlier_versions() {
    let (world, name) =
        recorded_in(World::hashing(HashKind::Sha256, tempfile::TempDir::new().unwrap(), Files), 1);
    assert_eq!(damages(&world, &name), []);
    let sound = fs::read(world.path(&name, "wav")).unwrap();
    let by_hand = hex(&Sha256::digest(&sound[DATA_AT..]));
    let text = fs::read_to_string(world.path(&name, "json")).unwrap();
    let said: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((said["sha256"].as_str(), said.get("blake3")), (Some(&*by_hand), None));
    // What the second version wrote differs in its number only.
    let seal = said["seal"].as_str().unwrap();
    let second = text.replace("\"version\": 3", "\"version\": 2").replace(seal, "");
    let sealed = hex(&Sha256::digest(&second));
    let second = second.replace("\"seal\": \"\"", &format!("\"seal\": \"{sealed}\""));
    fs::write(world.path(&name, "json"), second).unwrap();
    assert_eq!(damages(&world, &name), []);
    change_sound(&world, &name, |bytes| bytes[DATA_AT] ^= 1);
    assert_eq!(damages(&world, &name), [Damage::SoundChanged]);
    change_sound(&world, &name, |bytes| {
        bytes[DATA_AT] ^= 1;
        bytes[DATA_AT..].as_chunks_mut::<4>().0.iter_mut().for_each(|pair| pair.rotate_left(2));
    });
    assert_eq!(damages(&world, &name), [Damage::Swapped]);
    // The first version had neither hash nor seal.
    let is_new = |line: &&str| ["\"sha256\"", "\"seal\""].iter().any(|key| line.contains(key));
    let lines: Vec<&str> = text.lines().filter(|line| !is_new(line)).collect();
    let first = lines.join("\n").replace("\"version\": 3", "\"version\": 1");
    let first = first.trim_end_matches(['}', '\n', ' ']).trim_end_matches(',').to_owned() + "}";
    fs::write(world.path(&name, "json"), first).unwrap();
    assert_eq!(damages(&world, &name), [Damage::NoHash]);
}

#[test]
fn a_flipped_bit_anywhere_is_seen() {
    let (world, name) = recorded(1);
    let len = fs::metadata(world.path(&name, "wav")).unwrap().len() as usize;
    for (at, damage) in [
        (25, Damage::HeaderChanged),
        (DATA_AT, Damage::SoundChanged),
        (DATA_AT + 6_401, Damage::SoundChanged),
        (len - 1, Damage::SoundChanged),
    ] {
        change_sound(&world, &name, |bytes| bytes[at] ^= 4);
        assert_eq!(damages(&world, &name), [damage], "byte {at}");
        change_sound(&world, &name, |bytes| bytes[at] ^= 4);
    }
    change_sound(&world, &name, |bytes| bytes[0] ^= 4);
    assert_eq!(damages(&world, &name), [Damage::NotSound]);
    change_sound(&world, &name, |bytes| bytes[0] ^= 4);
    assert_eq!(damages(&world, &name), []);
}

#[test]
fn a_cut_and_an_addition_are_told_by_their_length() {
    let (world, name) = recorded(1);
    let expected = fs::metadata(world.path(&name, "wav")).unwrap().len();
    change_sound(&world, &name, |bytes| bytes.truncate(bytes.len() - 1_000));
    assert_eq!(damages(&world, &name), [Damage::Cut { expected, found: expected - 1_000 }]);
    change_sound(&world, &name, |bytes| bytes.resize(expected as usize + 2, 0));
    assert_eq!(damages(&world, &name), [Damage::Longer { expected, found: expected + 2 }]);
    fs::remove_file(world.path(&name, "wav")).unwrap();
    assert_eq!(damages(&world, &name), [Damage::NoSound]);
}

#[test]
fn tracks_that_changed_places_are_told_from_sound_that_changed() {
    let (world, name) = recorded(1);
    change_sound(&world, &name, |bytes| {
        bytes[DATA_AT..].as_chunks_mut::<4>().0.iter_mut().for_each(|pair| pair.rotate_left(2));
    });
    assert_eq!(damages(&world, &name), [Damage::Swapped]);
}

#[test]
fn a_gap_that_is_missing_or_made_up_is_seen_even_if_somebody_sealed_the_manifest_again() {
    let (world, name) = recorded(1);
    let original = fs::read(world.path(&name, "json")).unwrap();
    let there = 2 * 200 * 160;
    forge(&world, &name, |manifest| manifest.gaps.clear());
    let accounted = there - 2 * 10 * 160;
    assert_eq!(damages(&world, &name), [Damage::Unaccounted { accounted, there }]);
    fs::write(world.path(&name, "json"), &original).unwrap();
    forge(&world, &name, |manifest| manifest.gaps[0].at += 160);
    assert_eq!(damages(&world, &name), [Damage::NotSilent { at: 61 * 160, samples: 1_600 }]);
    fs::write(world.path(&name, "json"), &original).unwrap();
    forge(&world, &name, |manifest| manifest.gaps[0].at = 200 * 160);
    assert_eq!(damages(&world, &name), [Damage::Misplaced { at: 200 * 160 }]);
    fs::write(world.path(&name, "json"), &original).unwrap();
    forge(&world, &name, |manifest| manifest.pauses.clear());
    assert!(matches!(damages(&world, &name)[..], [Damage::Unaccounted { .. }]));
}

#[test]
fn a_manifest_that_is_anothers_or_was_changed_is_no_witness() {
    let ((world, name), (other, _)) = (recorded(1), recorded(2));
    let original = fs::read(world.path(&name, "json")).unwrap();
    let text = String::from_utf8(original.clone()).unwrap();
    fs::write(world.path(&name, "json"), text.replace("\"rate\": 8000", "\"rate\": 8001")).unwrap();
    let found = damages(&world, &name);
    assert!(matches!(found[..], [Damage::ManifestChanged, Damage::WrongManifest(_)]), "{found:?}");

    let path = other.path(&super::super::tests::name(2), "json");
    fs::copy(path, world.path(&name, "json")).unwrap();
    let [Damage::WrongManifest(whose), ..] = &damages(&world, &name)[..] else { panic!() };
    assert!(whose.contains(&super::super::tests::name(2).to_string()));

    fs::write(world.path(&name, "json"), "{").unwrap();
    assert_eq!(damages(&world, &name), [Damage::UnreadableManifest]);
    fs::remove_file(world.path(&name, "json")).unwrap();
    assert_eq!(damages(&world, &name), [Damage::NoManifest]);
}

#[test]
fn a_folder_stands_for_all_recordings_in_it_and_one_that_is_damaged_fails_the_whole() {
    use clap::Parser;
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: super::super::RecordingArgs,
    }
    let (world, name) = recorded(1);
    let asked = |json: bool| {
        let folder = world.folder.path().to_str().unwrap();
        let flags: &[&str] = if json { &["x", "verify", "--json", folder] } else { &["x", "verify", folder] };
        let (mut out, mut problems) = (Vec::new(), Vec::new());
        let args = Line::parse_from(flags).args;
        let is_well = super::super::run(&args, &mut out, &mut problems).unwrap();
        assert_eq!(problems, b"");
        (is_well, String::from_utf8(out).unwrap())
    };
    let (is_well, said) = asked(false);
    assert!(
        is_well && said.contains("intact, 4.000 s of inbound and outbound at 8000 Hz, gaps: 1"),
        "{said}"
    );
    change_sound(&world, &name, |bytes| bytes[DATA_AT + 5] ^= 1);
    let (is_well, said) = asked(false);
    assert!(!is_well && said.contains("DAMAGED: its sound was changed"), "{said}");
    let (is_well, said) = asked(true);
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!is_well);
    assert_eq!(lines[0]["damages"][0]["damage"], "sound-changed");
    assert_eq!((&lines[1]["damaged"], &lines[1]["intact"]), (&1.into(), &0.into()));
}

#[test]
fn what_is_named_otherwise_is_no_recording() {
    let folder = tempfile::TempDir::new().unwrap();
    fs::write(folder.path().join("call.wav"), "").unwrap();
    assert_eq!(recordings(folder.path()).unwrap(), Vec::<PathBuf>::new());
    assert!(recordings(&folder.path().join("call.wav")).is_err());
    assert!(recordings(&folder.path().join("nothing.wav")).is_err());
    let wanted = folder.path().join(format!("{}.wav", name(1)));
    fs::write(&wanted, "").unwrap();
    assert_eq!(recordings(&wanted).unwrap(), std::slice::from_ref(&wanted));
    assert_eq!(recordings(folder.path()).unwrap(), [wanted]);
}
