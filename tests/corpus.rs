//! Replays the fuzz corpora, and a few thousand mutations of them and of the fixtures, through the fuzz targets.
//!
//! The mutations come from a fixed seed, so that a run repeats itself; `CONFAB_FUZZ_SEED` chooses another. A
//! failure prints the seed, the target and the input, which then becomes a file in the corpus.

mod hex;
#[path = "fuzz/targets.rs"]
mod targets;

use std::fmt::Write as _;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use targets::{ALL, Target};

/// Mutations per target. Together they take a few seconds in a debug build.
const MUTATIONS: u32 = 4_000;

const SEED: u64 = 0x0c0f_fab0;

#[test]
fn the_committed_corpora_break_no_invariant() {
    for target in ALL {
        let inputs = corpus(*target);
        assert!(!inputs.is_empty(), "{} has no corpus", target.0);
        for (path, input) in inputs {
            run(*target, &input, &path.display().to_string());
        }
    }
}

#[test]
fn the_fixtures_break_no_invariant_of_any_parser() {
    for (path, input) in fixtures("") {
        for target in ALL {
            run(*target, &input, &path.display().to_string());
        }
    }
}

#[test]
fn mutations_of_fixtures_and_corpora_break_no_invariant() {
    let seed = std::env::var("CONFAB_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(SEED);
    for target in ALL {
        let (kind, pieces): (&str, &[&[u8]]) = match target.0 {
            "sdp_offer" | "sdp_answer" => ("sdp", &TEXT),
            "guard" | "framer" => ("sip", &TEXT),
            "rtp" => ("rtp", &BINARY),
            "digest" | "contacts" | "challenge" | "replaces" | "access_token" => ("none", &TEXT),
            "twiml" => ("none", &MARKUP),
            _ => ("none", &BINARY),
        };
        // Long ones teach nothing that short ones do not, and take most of the time.
        let seeds: Vec<Vec<u8>> = fixtures(kind)
            .into_iter()
            .chain(corpus(*target))
            .map(|(_, input)| input)
            .filter(|i| i.len() < 4_000)
            .collect();
        let mut random = Random(seed);
        for round in 0..MUTATIONS {
            let input = mutate(&seeds, pieces, &mut random);
            run(*target, &input, &format!("seed {seed}, round {round}"));
        }
    }
}

fn run(target: Target, input: &[u8], origin: &str) {
    let (name, function) = target;
    if catch_unwind(AssertUnwindSafe(|| function(input))).is_err() {
        let hex = input.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        panic!("{name} fails ({origin})\n{}\n{hex}", String::from_utf8_lossy(input));
    }
}

/// What parsers of text trip over.
const TEXT: [&[u8]; 20] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n ",
    b"\0",
    b"\"",
    b"\\",
    b"<",
    b">",
    b";",
    b",",
    b"=",
    b"%",
    b"@",
    b":",
    b"4294967296",
    b"-1",
    b"\xff\xfe",
    b"Content-Length: 9\r\n",
    b"m=audio 1 RTP/AVP 0\r\n",
];

/// What readers of XML and of call scripts trip over.
const MARKUP: [&[u8]; 20] = [
    b"<",
    b">",
    b"/>",
    b"</",
    b"&",
    b"&amp;",
    b"&#0;",
    b"&#x10ffff;",
    b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"<?",
    b"=''",
    b"xmlns:a='b'",
    b"\0",
    b"\xff\xfe",
    b"\xc3",
    b"-1",
    b"4294967296",
];

/// What readers of packets trip over: ends of ranges, first bytes of headers, an extension's head.
const BINARY: [&[u8]; 12] = [
    b"\0",
    b"\0\0\0\0",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\x80\x00",
    b"\x80\x65",
    b"\x80\xc8",
    b"\x90",
    b"\xa0",
    b"\xbe\xde\x00\x01",
];

/// One to eight changes to one of the seeds.
fn mutate(seeds: &[Vec<u8>], pieces: &[&[u8]], random: &mut Random) -> Vec<u8> {
    let mut input = random.pick(seeds).clone();
    for _ in 0..=random.below(8) {
        let at = random.below(input.len() + 1);
        let end = (at + random.below(16)).min(input.len());
        match random.below(6) {
            0 => input.truncate(at),
            1 => drop(input.drain(at..end)),
            2 => drop(input.splice(at..at, random.pick(pieces).iter().copied())),
            3 => drop(input.splice(at..end, random.pick(pieces).iter().copied())),
            4 => {
                let other = random.pick(seeds);
                let from = random.below(other.len() + 1);
                let until = (from + random.below(200)).min(other.len());
                drop(input.splice(at..at, other[from..until].iter().copied()));
            }
            _ => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
    input
}

/// SplitMix64: enough to choose mutations, and the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).expect("less than a usize")
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// What is known of a target.
fn corpus((name, _): Target) -> Vec<(PathBuf, Vec<u8>)> {
    files(&root().join("tests/fuzz/corpus").join(name))
}

/// The fixtures of a kind, or all; datagrams as they are on the wire.
fn fixtures(kind: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut fixtures = files(&root().join("sip-fixtures"));
    fixtures.retain(|(path, _)| kind.is_empty() || path.components().any(|part| part.as_os_str() == kind));
    for (path, input) in &mut fixtures {
        if path.extension().is_some_and(|extension| extension == "hex") {
            *input = hex::bytes(&String::from_utf8_lossy(input)).expect("a fixture is in hexadecimal");
        }
    }
    fixtures
}

/// Every file below a folder, in the same order each time.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("a folder can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((path.clone(), fs::read(&path).expect("a file can be read")));
            }
        }
    }
    files.sort();
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
