//! The house rules that no compiler holds, as an ordinary test over the sources: who may import whom, how long
//! a function may be, which words and calls have no place here.
//!
//! A rule is a function from one [`Source`] to findings. Each has a test that runs it over the whole
//! repository, and a test that plants a violation, so that we know that it can fail.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, helpers included")]

use std::fs;

#[path = "tidy/licences.rs"]
mod licences;
#[path = "tidy/source.rs"]
mod source;

use source::{Finding, Source, positions, repository, root, snake_case};

/// The layers of the server, the lowest first. A module imports only from the layers before its own, so those of
/// one layer never import each other. The engine and other crates are below all of them.
const LAYERS: [&[&str]; 10] = [
    &["config", "telemetry", "sid"],
    &["sdp", "signalling"],
    &["store"],
    &["worker", "sound", "recording", "webhook", "directory", "http"],
    &["stream", "token"],
    &["call"],
    &["pay", "webrtc"],
    &["api", "sip", "script", "console", "signal"],
    &["server", "load"],
    &["main", "lib"],
];

/// Libraries that only one folder of the server may know, so that they can be replaced there. Tests may know
/// them too.
const BEHIND_ONE_FOLDER: [(&str, &str); 1] = [("rsipstack", "src/sip/")];

/// What only these may name, outside of tests: keys that are captured, and sound that they may be in.
const CONFINED: [(&str, &[&str]); 3] = [
    ("CapturedDigit", &["media/src/leg/capture/", "media/src/leg/mod.rs", "media/src/lib.rs", "src/pay/"]),
    (
        "CapturedDigits",
        &[
            "media/src/leg/capture/",
            "media/src/leg/mod.rs",
            "media/src/lib.rs",
            "src/call/capture.rs",
            "src/pay/",
        ],
    ),
    ("Tainted", &["media/src/leg/capture/", "media/src/leg/dtmf/hearing.rs", "media/src/leg/receive.rs"]),
];

/// How the sound of a leg is fetched, and where alone.
const PLAYED_OUT: (&str, &str) = ("playout.play(", "media/src/leg/capture/tainted.rs");

/// What the engine must not name: each reads a clock, waits, locks, draws entropy or reaches outside.
const IMPURE: [&str; 16] = [
    "Instant",
    "SystemTime",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "UnixStream",
    "Mutex",
    "RwLock",
    "Condvar",
    "getrandom",
    "tokio",
    "fs",
    "thread",
    "env",
    "process",
    "File",
];

/// The longest a function may be. In the code we take for a model a hundredth of the functions are longer.
const FUNCTION_LINES_MAX: usize = 70;

/// Queues without an end. The two-argument-less `channel` of the standard library is one too.
const UNBOUNDED: [&str; 5] =
    ["unbounded_channel", "UnboundedSender", "UnboundedReceiver", "mpsc::channel()", "unbounded()"];

/// Files that may name an unbounded queue all the same, with the reason.
const UNBOUNDED_ALLOWED: [(&str, &str); 0] = [];

/// Folders that may have one file with `unsafe` in it: the system calls that no crate wraps, and the
/// allocator that counts in a test.
const UNSAFE_HOMES: [&str; 4] = ["src/worker/", "src/load/", "src/pay/", "tests/"];

/// Words that say nothing, or something else in this trade; the glossary has a better one.
const VAGUE: [&str; 10] =
    ["session", "channel", "room", "member", "manager", "service", "util", "utils", "helper", "helpers"];

/// Comments and calls that put work off. Written in two halves because this file is read too.
const PUT_OFF: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("to", "do!("),
    concat!("unimpl", "emented!("),
];

/// Where only one machine's files are. In two halves because this file is read too.
const MACHINE_PATHS: [&str; 5] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
    concat!("/t", "mp/"),
];

#[test]
fn modules_import_only_from_lower_layers() {
    hold(layers);
}

#[test]
fn a_library_behind_one_folder_is_known_only_there() {
    hold(walls);
}

#[test]
fn captured_keys_and_sound_with_keys_are_known_to_few() {
    hold(confined);
}

#[test]
fn the_engine_names_nothing_impure() {
    hold(purity);
}

#[test]
fn no_function_is_over_seventy_lines() {
    hold(function_length);
}

#[test]
fn every_file_says_what_it_is() {
    hold(opening);
}

#[test]
fn nothing_is_put_off() {
    hold(put_off);
}

#[test]
fn every_queue_is_bounded() {
    hold(bounds);
}

#[test]
fn unsafe_has_its_homes_and_says_why_it_holds() {
    hold(unsafe_comments);
    assert_eq!(unsafe_homes(&repository()), []);
}

#[test]
fn names_are_from_the_glossary() {
    hold(names);
}

#[test]
fn numbers_carry_their_reason() {
    hold(constants);
}

#[test]
fn no_path_is_of_one_machine() {
    hold(machine_paths);
}

#[test]
fn every_crate_has_the_licence() {
    hold(licence);
    let text = fs::read_to_string(root().join("LICENSE")).unwrap();
    assert!(text.contains("Apache License") && text.contains("Version 2.0, January 2004"));
}

fn layers(source: &Source) -> Vec<Finding> {
    let Some(module) = source.module() else {
        return Vec::new();
    };
    let Some(own) = layer_of(module) else {
        return vec![source.finding(0, format!("`{module}` has no place in the layers"))];
    };
    let mut found = Vec::new();
    for (at, imported) in source.imports() {
        if imported == module {
            continue;
        }
        match layer_of(imported) {
            Some(layer) if layer < own => {}
            Some(_) => found.push(source.finding(at, format!("`{module}` must not import `{imported}`"))),
            // An item of the crate's root, which has none of its own.
            None => found.push(source.finding(at, format!("`{imported}` has no place in the layers"))),
        }
    }
    found.extend(
        source.escapes().map(|at| source.finding(at, "leave a module by `crate::`, not by `super::`")),
    );
    found
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn walls(source: &Source) -> Vec<Finding> {
    if !source.path.starts_with("src/") {
        return Vec::new();
    }
    let behind = BEHIND_ONE_FOLDER.iter().filter(|(_, folder)| !source.path.starts_with(folder));
    behind.flat_map(|(library, _)| source.words(library)).collect()
}

fn confined(source: &Source) -> Vec<Finding> {
    if !source.path.starts_with("src/") && !source.path.starts_with("media/src/") {
        return Vec::new();
    }
    let may = |path: &&str| source.path.starts_with(path);
    let tests_at = source.tests_at();
    let mut found = Vec::new();
    for (word, homes) in CONFINED {
        if !homes.iter().any(may) {
            let named = source.words_at(word).filter(|at| *at < tests_at);
            found.extend(named.map(|at| source.finding(at, format!("`{word}`"))));
        }
    }
    let (fetched, home) = PLAYED_OUT;
    if !may(&home) && !may(&"media/src/playout/") {
        found.extend(source.code_phrases(fetched));
    }
    found
}

fn purity(source: &Source) -> Vec<Finding> {
    if !source.path.starts_with("media/src/") {
        return Vec::new();
    }
    let tests_at = source.tests_at();
    let words = IMPURE.iter().flat_map(|word| source.words_at(word).map(move |at| (at, word)));
    let outside_tests = words.filter(|(at, _)| *at < tests_at);
    outside_tests.map(|(at, word)| source.finding(at, format!("`{word}` in the engine"))).collect()
}

fn function_length(source: &Source) -> Vec<Finding> {
    let too_long = |at: usize| {
        let body = source.body_of(at)?;
        let lines = source.line(body.1) - source.line(at) + 1;
        let text = format!("a function of {lines} lines, over {FUNCTION_LINES_MAX}");
        (lines > FUNCTION_LINES_MAX).then(|| source.finding(at, text))
    };
    source.words_at("fn").filter_map(too_long).collect()
}

fn opening(source: &Source) -> Vec<Finding> {
    let opens = !source.is_rust() || source.text.trim_start().starts_with("//!");
    (!opens).then(|| source.finding(0, "no `//!` that says what the file is")).into_iter().collect()
}

fn put_off(source: &Source) -> Vec<Finding> {
    PUT_OFF.iter().flat_map(|words| source.phrases(words)).collect()
}

fn bounds(source: &Source) -> Vec<Finding> {
    if UNBOUNDED_ALLOWED.iter().any(|(path, _)| *path == source.path) {
        return Vec::new();
    }
    UNBOUNDED.iter().flat_map(|name| source.code_phrases(name)).collect()
}

/// How far above an `unsafe` its comment may begin.
const SAFETY_LINES_ABOVE: usize = 8;

fn unsafe_comments(source: &Source) -> Vec<Finding> {
    let lines: Vec<&str> = source.text.lines().collect();
    let unexplained = source.words_at("unsafe").filter(|at| {
        let line = source.line(*at);
        let above = &lines[line.saturating_sub(SAFETY_LINES_ABOVE + 1)..line];
        !above.iter().any(|line| line.contains("SAFETY:") || line.contains("# Safety"))
    });
    unexplained.map(|at| source.finding(at, "`unsafe` without a `SAFETY:` comment")).collect()
}

fn unsafe_homes(sources: &[Source]) -> Vec<Finding> {
    let mut taken: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    for source in sources {
        let Some(at) = source.words_at("unsafe").next() else {
            continue;
        };
        let home = UNSAFE_HOMES.into_iter().find(|home| source.path.starts_with(home));
        match home {
            Some(home) if !taken.contains(&home) => taken.push(home),
            Some(home) => found.push(source.finding(at, format!("a second file with `unsafe` in {home}"))),
            None => found.push(source.finding(at, "`unsafe` outside of its homes")),
        }
    }
    found
}

fn names(source: &Source) -> Vec<Finding> {
    if !source.is_rust() {
        return Vec::new();
    }
    let vague = |name: &str| VAGUE.iter().any(|word| name == *word || name.ends_with(&format!("_{word}")));
    let parts = source.path.trim_end_matches(".rs").split('/');
    let mut found: Vec<Finding> = parts
        .filter(|part| vague(part))
        .map(|part| source.finding(0, format!("`{part}` is not in the glossary")))
        .collect();
    for keyword in ["mod", "struct", "enum", "trait"] {
        for at in source.words_at(keyword) {
            let name = source.word_after(at + keyword.len());
            if vague(&snake_case(name)) {
                found.push(source.finding(at, format!("`{name}` is not in the glossary")));
            }
        }
    }
    found
}

/// Only numbers: a table or a text speaks for itself. Constants without a blank line between them share the reason
/// of the first.
fn constants(source: &Source) -> Vec<Finding> {
    let is_ours = source.path.starts_with("src/") || source.path.starts_with("media/src/");
    if !is_ours || !source.is_rust() {
        return Vec::new();
    }
    let (mut explained, mut at, mut found) = (false, 0, Vec::new());
    let tests_at = source.tests_at();
    for line in source.text.split_inclusive('\n') {
        let kind = constant_type(line);
        if kind.is_some_and(is_number) && !explained && at < tests_at {
            found.push(source.finding(at, "a number without its reason"));
        }
        let goes_on = kind.is_some() && explained;
        explained = goes_on || line.starts_with("//") || line.starts_with("#[");
        at += line.len();
    }
    found
}

/// The type of the constant that this line declares at the top of a file.
fn constant_type(line: &str) -> Option<&str> {
    let item = ["pub(crate) ", "pub(super) ", "pub "].iter().find_map(|open| line.strip_prefix(open));
    let item = item.unwrap_or(line);
    let declared = item.strip_prefix("const ").or_else(|| item.strip_prefix("static "))?;
    let (_, rest) = declared.split_once(": ")?;
    rest.split(' ').next()
}

fn is_number(kind: &str) -> bool {
    const KINDS: [&str; 13] =
        ["usize", "isize", "u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "f32", "f64", "Duration"];
    KINDS.contains(&kind)
}

fn machine_paths(source: &Source) -> Vec<Finding> {
    // Alone, or after what cannot be part of a path: not the end of some other path or address.
    let begins = |at: &usize| {
        let before = source.text[..*at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && !".-_~}*".contains(c))
    };
    let hits = MACHINE_PATHS.iter().flat_map(|path| positions(&source.text, path));
    hits.filter(begins).map(|at| source.finding(at, "a path of one machine")).collect()
}

fn licence(source: &Source) -> Vec<Finding> {
    if !source.path.ends_with("Cargo.toml") || !source.text.contains("[package]") {
        return Vec::new();
    }
    let says =
        source.text.contains("license.workspace = true") || source.text.contains("license = \"Apache-2.0\"");
    (!says).then(|| source.finding(0, "a crate without the licence")).into_iter().collect()
}

/// Runs a rule over the repository and fails with all it found.
fn hold(rule: fn(&Source) -> Vec<Finding>) {
    let found: Vec<String> = repository().iter().flat_map(rule).map(|finding| finding.to_string()).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// What a rule finds in a planted file, as `line: what`.
fn planted(rule: fn(&Source) -> Vec<Finding>, path: &str, text: &str) -> Vec<String> {
    let found = rule(&Source::new(path, text));
    found.iter().map(|finding| format!("{}: {}", finding.line, finding.what)).collect()
}

#[test]
fn a_planted_look_at_captured_keys_is_found() {
    let look = "fn log(digit: &CapturedDigit) {}";
    assert_eq!(planted(confined, "src/telemetry/log.rs", look), ["1: `CapturedDigit`"]);
    assert_eq!(planted(confined, "src/pay/card.rs", look), [""; 0]);
    let early = "fn hear(&mut self) { self.playout.play(now, frame); }";
    assert_eq!(planted(confined, "media/src/leg/receive.rs", early), ["1: `playout.play(`"]);
    assert_eq!(planted(confined, "media/src/leg/capture/tainted.rs", early), [""; 0]);
    let tap = "fn copy(said: &Tainted<'_>) {}";
    assert_eq!(planted(confined, "media/src/tap.rs", tap), ["1: `Tainted`"]);
}

#[test]
fn a_planted_import_upwards_or_sideways_is_found() {
    let planted = |path, text| planted(layers, path, text);
    assert_eq!(planted("src/sdp/mod.rs", "use crate::call::Handle;"), ["1: `sdp` must not import `call`"]);
    assert_eq!(planted("src/api/calls.rs", "\nlet x = crate::sip::Y;"), ["2: `api` must not import `sip`"]);
    assert_eq!(
        planted("src/config.rs", "use crate :: telemetry;"),
        ["1: `config` must not import `telemetry`"]
    );
    assert_eq!(
        planted("src/call/mod.rs", "use crate::{sdp, api::{sip, X}, worker};"),
        ["1: `call` must not import `api`"]
    );
    assert_eq!(planted("src/magic/mod.rs", ""), ["1: `magic` has no place in the layers"]);
    assert_eq!(
        planted("src/sip/mod.rs", "use super::api::X;"),
        ["1: leave a module by `crate::`, not by `super::`"]
    );
    assert_eq!(
        planted("src/sip/inbound.rs", "use super::super::api::X;"),
        ["1: leave a module by `crate::`, not by `super::`"]
    );
}

#[test]
fn imports_downwards_and_inside_are_allowed() {
    let text = "use crate::{call::Handle, sdp};\nuse crate::sip::guard;\nuse super::guard;\n// crate::api\n\
                #[cfg(test)]\nmod tests {\n    use super::super::guard;\n    use super::*;\n}\n";
    assert_eq!(planted(layers, "src/sip/inbound.rs", text), [""; 0]);
    assert_eq!(
        planted(layers, "src/main.rs", "use confab::server;\nuse confab::config::{self, X};"),
        [""; 0]
    );
    assert_eq!(planted(layers, "media/src/lib.rs", "use crate::engine;"), [""; 0]);
}

#[test]
fn a_planted_name_of_a_walled_library_is_found() {
    assert_eq!(planted(walls, "src/call/mod.rs", "use rsipstack::X;"), ["1: `rsipstack`"]);
    assert_eq!(planted(walls, "src/sip/endpoint.rs", "use rsipstack::X;"), [""; 0]);
    assert_eq!(planted(walls, "src/telemetry/log.rs", "const A: &str = \"rsipstack\";"), [""; 0]);
}

#[test]
fn a_planted_impurity_in_the_engine_is_found() {
    let planted = |text| planted(purity, "media/src/leg/mod.rs", text);
    assert_eq!(planted("use std::time::{Duration, Instant};"), ["1: `Instant` in the engine"]);
    assert_eq!(planted("use std::{fmt, fs};"), ["1: `fs` in the engine"]);
    assert_eq!(planted("std::thread::sleep(x)"), ["1: `thread` in the engine"]);
    assert_eq!(planted("// Instant\nstruct Instants;\n#[cfg(test)]\nmod tests { use std::fs; }"), [""; 0]);
}

#[test]
fn a_planted_long_function_is_found() {
    let function = |lines: usize| format!("fn f(a: [u8; 2]) {{\n{}}}\n", "    g(\"}\");\n".repeat(lines - 2));
    let found = planted(function_length, "src/sip/mod.rs", &format!("\n{}", function(71)));
    assert_eq!(found, ["2: a function of 71 lines, over 70"]);
    assert_eq!(planted(function_length, "src/sip/mod.rs", &function(70)), [""; 0]);
    let others = format!("fn declared();\ntype F = fn(u8);\n{}", function(3).repeat(40));
    assert_eq!(planted(function_length, "src/sip/mod.rs", &others), [""; 0]);
}

#[test]
fn a_planted_file_without_an_opening_is_found() {
    assert_eq!(planted(opening, "src/a.rs", "use b;"), ["1: no `//!` that says what the file is"]);
    assert_eq!(planted(opening, "src/a.rs", "//! A.\nuse b;"), [""; 0]);
}

#[test]
fn planted_work_put_off_is_found() {
    let text = format!("fn f() {{\n    // {}: later\n    {}\n}}", PUT_OFF[0], concat!("to", "do!()"));
    assert_eq!(planted(put_off, "src/a.rs", &text).len(), 2);
    assert_eq!(planted(put_off, "src/a.rs", "fn f() {}"), [""; 0]);
}

#[test]
fn a_planted_queue_without_an_end_is_found() {
    let text =
        "mpsc::unbounded_channel();\nstd::sync::mpsc::channel();\nmpsc::channel(4);\n// unbounded_channel";
    assert_eq!(planted(bounds, "src/a.rs", text), ["1: `unbounded_channel`", "2: `mpsc::channel()`"]);
}

#[test]
fn a_planted_unsafe_is_found() {
    let explained = "// SAFETY: the pointer is ours.\nunsafe { f() }";
    assert_eq!(planted(unsafe_comments, "src/worker/socket.rs", explained), [""; 0]);
    let bare = planted(unsafe_comments, "src/worker/socket.rs", "unsafe { f() }");
    assert_eq!(bare, ["1: `unsafe` without a `SAFETY:` comment"]);

    let files = ["src/call/mod.rs", "src/worker/clock.rs", "src/worker/socket.rs"];
    let sources = files.map(|path| Source::new(path, explained));
    let found: Vec<String> = unsafe_homes(&sources).iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "src/call/mod.rs:2: `unsafe` outside of its homes",
            "src/worker/socket.rs:2: a second file with `unsafe` in src/worker/",
        ]
    );
}

#[test]
fn a_planted_vague_name_is_found() {
    assert_eq!(planted(names, "src/call/manager.rs", ""), ["1: `manager` is not in the glossary"]);
    assert_eq!(planted(names, "src/call/leg_utils.rs", ""), ["1: `leg_utils` is not in the glossary"]);
    assert_eq!(planted(names, "src/a.rs", "mod helpers;"), ["1: `helpers` is not in the glossary"]);
    assert_eq!(
        planted(names, "src/a.rs", "struct CallManager;"),
        ["1: `CallManager` is not in the glossary"]
    );
    assert_eq!(planted(names, "src/sip/session_timer.rs", "struct SessionTimer;"), [""; 0]);
}

#[test]
fn a_planted_number_without_a_reason_is_found() {
    let text = "/// Why.\nconst A: u8 = 1;\npub(crate) const B: u8 = 2;\n\npub const C: Duration = X;\n\
                const D: &str = \"d\";\nconst fn e() {}\n#[cfg(test)]\nmod tests {}\nconst F: u8 = 3;\n";
    assert_eq!(planted(constants, "src/a.rs", text), ["5: a number without its reason"]);
    assert_eq!(planted(constants, "tests/a.rs", text), [""; 0]);
}

#[test]
fn a_planted_machine_path_is_found() {
    let text = format!("see {}me/notes", MACHINE_PATHS[0]);
    assert_eq!(planted(machine_paths, "README.md", &text), ["1: a path of one machine"]);
    let inside = format!("https://example.org{}page", MACHINE_PATHS[0]);
    assert_eq!(planted(machine_paths, "README.md", &inside), [""; 0]);
}

#[test]
fn a_planted_crate_without_the_licence_is_found() {
    assert_eq!(
        planted(licence, "x/Cargo.toml", "[package]\nname = \"x\""),
        ["1: a crate without the licence"]
    );
}
