//! Walks `sip-fixtures/`: the folder a file is in says what must happen to it.
//!
//! Every file is checked before the test fails, so that one run names them all.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use confab::sdp::{self, Codec, Local};
use confab::sip::guard::{ALLOW, Framer, Guard, Transport, Verdict, redact};
use rsipstack::sip::SipMessage;
use rsipstack::sip::message::HeadersExt;

mod engine_leg;
mod hex;
#[path = "fixtures/rtp.rs"]
mod rtp;
mod witnesses;

#[test]
fn sip_is_forwarded_answered_or_discarded_as_its_folder_says() {
    let folders = subfolders("sip");
    assert!(folders.contains(&"forward".to_owned()) && folders.contains(&"discard".to_owned()));
    check_all(&folders.iter().map(|folder| format!("sip/{folder}")).collect::<Vec<_>>(), |case| {
        match case.folder.as_str() {
            "forward" => check_forward(&case.bytes),
            "discard" => check_discard(&case.bytes),
            folder => match folder.strip_prefix("reply-") {
                Some(status) => check_reply(&case.bytes, status),
                None => Err(format!("the folder {folder} says nothing")),
            },
        }
    });
}

#[test]
fn sip_on_a_stream_is_framed_and_leaves_the_stream_usable() {
    const NEXT: &[u8] = b"OPTIONS sip:a@node.example SIP/2.0\r\nContent-Length: 0\r\n\r\n";
    check_all(&["sip/forward".into(), "sip/reply-501".into(), "sip/reply-405".into()], |case| {
        // On a stream a message without Content-Length has no body, and bytes behind it are the next one.
        if !says_its_length(&case.bytes) {
            return Ok(());
        }
        let mut framer = Framer::new();
        framer.push(&case.bytes);
        framer.push(NEXT);
        let mut frames = std::iter::from_fn(|| framer.next());
        let last = frames.by_ref().last().ok_or("no frame")?;
        let last = last.map_err(|error| format!("{error}"))?;
        if last == NEXT { Ok(()) } else { Err("the message behind it was lost".to_owned()) }
    });
}

#[test]
fn sdp_is_answered_or_refused_as_its_folder_says() {
    check_all(&["sdp/accept".into()], |case| {
        let offer = sdp::parse_offer(&case.bytes).map_err(|error| error.to_string())?;
        let answer = sdp::answer(&offer, &local()).map_err(|error| error.to_string())?;
        let streams = answer.sdp.lines().filter(|line| line.starts_with("m=")).count();
        if streams != offer.streams.len() {
            return Err(format!("{streams} streams answered of {}", offer.streams.len()));
        }
        sdp::parse_offer(answer.sdp.as_bytes()).map(drop).map_err(|error| error.to_string())
    });
    check_all(&["sdp/refuse".into()], |case| {
        let Ok(offer) = sdp::parse_offer(&case.bytes) else {
            return Ok(());
        };
        match sdp::answer(&offer, &local()) {
            Ok(answer) => Err(format!("answered {}", answer.sdp)),
            Err(_) => Ok(()),
        }
    });
}

#[test]
fn no_fixture_gets_a_secret_or_a_digit_into_a_log() {
    let folders: Vec<String> = subfolders("sip").iter().map(|f| format!("sip/{f}")).collect();
    check_all(&folders, |case| {
        let text = redact(&case.bytes);
        let leaks = ["inline:", "Signal=", "Duration=", "opaque-data"];
        match leaks.iter().find(|leak| text.contains(**leak)) {
            Some(leak) => Err(format!("shows {leak}")),
            None if text.contains(|c: char| c.is_control() && c != '\n') => Err("has controls".into()),
            None => Ok(()),
        }
    });
}

#[test]
fn the_readme_maps_every_file_and_every_section() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for kind in ["sip", "sdp", "rtp"] {
        for folder in subfolders(kind) {
            for case in cases(&format!("{kind}/{folder}")) {
                let path = format!("`{kind}/{folder}/{}`", case.name);
                assert!(readme.contains(&path), "{path} is not in the README");
            }
        }
    }
    let last = [("3.1.1", 13), ("3.1.2", 19), ("3.2", 1), ("3.3", 15), ("3.4", 1)];
    for (section, last) in last {
        for number in 1..=last {
            assert!(readme.contains(&format!("| {section}.{number} |")), "{section}.{number}");
        }
    }
}

fn check_forward(bytes: &[u8]) -> Result<(), String> {
    match Guard.inspect(bytes, source(), Transport::Udp) {
        Verdict::Forward(forwarded) => {
            let message = SipMessage::try_from(&*forwarded).map_err(|error| error.to_string())?;
            let tag = message.from_header().and_then(|from| from.tag());
            if !matches!(tag, Ok(Some(_))) {
                return Err("the library finds no From tag".to_owned());
            }
            // What was repaired once needs no second repair.
            match Guard.inspect(&forwarded, source(), Transport::Udp) {
                Verdict::Forward(again) if again == forwarded => Ok(()),
                Verdict::Forward(_) => Err("repaired a second time".to_owned()),
                Verdict::Reply { .. } | Verdict::Discard(_) => Err("refused at a second look".to_owned()),
            }
        }
        Verdict::Reply { message, .. } => Err(String::from_utf8_lossy(&message).into_owned()),
        Verdict::Discard(reason) => Err(format!("discarded as {}", reason.name())),
    }
}

fn check_reply(bytes: &[u8], status: &str) -> Result<(), String> {
    let Verdict::Reply { message, .. } = Guard.inspect(bytes, source(), Transport::Udp) else {
        return Err("not answered".to_owned());
    };
    let text = String::from_utf8(message).map_err(|error| error.to_string())?;
    if !text.starts_with(&format!("SIP/2.0 {status} ")) {
        return Err(text);
    }
    let needed = match status {
        "405" | "501" => format!("\r\nAllow: {ALLOW}\r\n"),
        "420" => "\r\nUnsupported: ".to_owned(),
        _ => "\r\nVia: ".to_owned(),
    };
    if !text.contains(&needed) {
        return Err(format!("{needed:?} is missing in {text}"));
    }
    SipMessage::try_from(text.as_str()).map(drop).map_err(|error| error.to_string())
}

fn check_discard(bytes: &[u8]) -> Result<(), String> {
    match Guard.inspect(bytes, source(), Transport::Udp) {
        Verdict::Discard(_) => Ok(()),
        Verdict::Forward(_) => Err("forwarded".to_owned()),
        Verdict::Reply { message, .. } => Err(String::from_utf8_lossy(&message).into_owned()),
    }
}

fn says_its_length(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let says = |line: &str| line.starts_with("content-length");
    let requests = text.lines().filter(|line| line.ends_with("sip/2.0")).count();
    text.lines().any(says) && requests <= 1
}

struct Case {
    folder: String,
    name: String,
    bytes: Vec<u8>,
}

/// Checks every file of these folders, and fails with the names of all that went wrong.
fn check_all(folders: &[String], check: impl Fn(&Case) -> Result<(), String>) {
    let mut wrong = Vec::new();
    for case in folders.iter().flat_map(|folder| cases(folder)) {
        if let Err(why) = check(&case) {
            wrong.push(format!("{}/{}: {why}", case.folder, case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn cases(folder: &str) -> Vec<Case> {
    let path = root().join(folder);
    let mut cases: Vec<Case> = fs::read_dir(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .map(|entry| {
            let path = entry.expect("a folder can be listed").path();
            Case {
                folder: name(path.parent().expect("it is in a folder")),
                name: name(&path),
                bytes: fs::read(&path).expect("a file can be read"),
            }
        })
        .collect();
    assert!(!cases.is_empty(), "{folder} is empty");
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

fn subfolders(kind: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(kind)).expect("there are fixtures");
    entries.map(|entry| name(&entry.expect("a folder can be listed").path())).collect()
}

fn name(path: &Path) -> String {
    path.file_name().expect("it has a name").to_string_lossy().into_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sip-fixtures")
}

fn source() -> SocketAddr {
    "198.51.100.20:5062".parse().expect("an address")
}

fn local() -> Local {
    Local::new("192.0.2.50".parse().expect("an address"), 20_000, Codec::G711.to_vec())
}
