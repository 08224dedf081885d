//! A command that speaks is a script of ours here.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use confab_media::SampleRate;

use super::{sine, wav, words};
use crate::sound::{CACHE_BYTES, Limits, SayCommand, SayRequest, Saying, Speaker, attention};

/// A program that runs these lines, in a directory that also holds a sound, `a.wav`.
fn program(directory: &Path, lines: &str) -> SayCommand {
    fs::write(directory.join("a.wav"), wav(1, 1, 8_000, 16, &words(&sine(8_000)))).unwrap();
    let file = directory.join("say");
    fs::write(&file, format!("#!/bin/sh\ncd {}\n{lines}\n", directory.display())).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o700)).unwrap();
    SayCommand::parse(&format!("{} -v {{voice}} --language={{language}}", file.display())).unwrap()
}

fn request(text: &str) -> SayRequest {
    SayRequest { voice: "man".to_owned(), language: "en-US".to_owned(), text: text.to_owned() }
}

#[test]
fn the_command_gets_text_voice_and_language_and_no_environment() {
    let directory = tempfile::tempdir().unwrap();
    let command =
        program(directory.path(), "cat > text; echo \"$@\" > arguments; env > environment; cat a.wav");
    let sound = command.run(&request("Gr\u{fc}\u{df} Gott; $(id) `id`"), SampleRate::Hz8000).unwrap();
    assert_eq!(sound.samples.len(), 4_000);
    let file = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    assert_eq!(file("text"), "Gr\u{fc}\u{df} Gott; $(id) `id`");
    assert_eq!(file("arguments"), "-v man --language=en-US\n");
    // Cargo sets many of these.
    assert!(!file("environment").contains("CARGO"));
}

#[test]
fn a_name_that_could_be_an_option_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let command = program(directory.path(), "cat a.wav");
    for voice in ["--help", "-x", "", "a b", "a;b", "../../etc/passwd", "\u{e4}", &"a".repeat(65)] {
        let request = SayRequest { voice: voice.to_owned(), ..request("Hello") };
        let error = command.run(&request, SampleRate::Hz8000).unwrap_err();
        assert!(error.code == 13_520 && error.message.contains("voice"), "{voice}: {error}");
    }
}

#[test]
fn a_command_that_does_not_speak_is_told() {
    let directory = tempfile::tempdir().unwrap();
    for (lines, words) in [
        ("exit 3", "exit status: 3"),
        ("cat a.wav; exit 1", "exit status: 1"),
        ("echo hello", "12300"),
        ("exec cat /dev/zero", "over 9000 bytes"),
        ("exec sleep 600", "took over"),
        ("exec >&-; exec sleep 600", "took over"),
    ] {
        let limits = Limits { bytes: 9_000, ..Limits::default() };
        let command = program(directory.path(), lines).with_limits(Duration::from_millis(800), limits);
        let error = command.run(&request("Hello"), SampleRate::Hz8000).unwrap_err();
        assert!(error.message.contains(words), "{lines}: {error}");
        assert!(!error.message.contains("Hello"));
    }
    let missing = SayCommand::parse("no-such-program-here").unwrap();
    assert!(missing.run(&request("Hello"), SampleRate::Hz8000).is_err());
}

#[test]
fn what_was_spoken_is_remembered_until_there_is_too_much_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let command = program(directory.path(), "cat >> texts; cat a.wav");
    // Two sounds of 8,000 bytes, and their words.
    let saying = Saying::new(Some(command), 16_100);
    for text in ["a", "b", "a", "c", "a", "b"] {
        let said = saying.say(&request(text), SampleRate::Hz8000);
        assert_eq!((said.sound.samples.len(), said.warning), (4_000, None));
    }
    let texts = fs::read_to_string(directory.path().join("texts")).unwrap();
    assert_eq!(texts, "abcb", "a was asked for last each time another came");
    let said = saying.say(&request("b"), SampleRate::Hz16000);
    assert_eq!(said.sound.samples.len(), 8_000);
}

/// A service that answers with these, one after the other.
struct Voices(Mutex<Vec<Result<Vec<u8>, String>>>);

impl Voices {
    fn answering<const N: usize>(answers: [Result<Vec<u8>, &str>; N]) -> Box<Self> {
        let answers = answers.into_iter().rev().map(|answer| answer.map_err(str::to_owned));
        Box::new(Self(Mutex::new(answers.collect())))
    }
}

impl Speaker for Voices {
    fn speak(&self, _request: &SayRequest, _bytes_max: usize) -> Result<(Bytes, Option<String>), String> {
        let answer = self.0.lock().unwrap().pop().expect("asked once too often");
        Ok((Bytes::from(answer?), None))
    }
}

#[test]
fn a_service_is_asked_first_and_the_command_speaks_when_it_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let command = program(directory.path(), "cat >> texts; cat a.wav");
    let short = wav(1, 1, 8_000, 16, &words(&sine(800)));
    let answers = [Ok(short.clone()), Err("it is asleep"), Ok(short), Ok(b"no sound".to_vec())];
    let saying = Saying::new(Some(command), CACHE_BYTES).asking(Voices::answering(answers));
    let say = |text: &str| {
        let said = saying.say(&request(text), SampleRate::Hz8000);
        (said.sound.samples.len(), said.warning.map(|warning| warning.message).unwrap_or_default())
    };
    assert_eq!(say("a"), (400, String::new()));
    assert_eq!(say("a"), (400, String::new()), "it is remembered");
    let (length, warning) = say("b");
    assert_eq!(length, 4_000);
    assert!(warning.contains("it is asleep") && warning.contains("The command spoke"), "{warning}");
    assert_eq!(say("b"), (400, String::new()), "what the command said is not remembered");
    let (length, warning) = say("c");
    assert_eq!(length, 4_000);
    assert!(warning.contains("nothing that can be played"), "{warning}");
}

#[test]
fn when_neither_speaks_both_reasons_are_told() {
    let missing = SayCommand::parse("no-such-program-here").unwrap();
    let answers = [Err("it is asleep"), Err("it is asleep")];
    let service = Voices::answering(answers);
    let both = Saying::new(Some(missing), CACHE_BYTES).asking(service);
    let said = both.say(&request("a"), SampleRate::Hz8000);
    let warning = said.warning.unwrap();
    assert_eq!((&said.sound, warning.code), (&Arc::new(attention(SampleRate::Hz8000)), 13_520));
    assert!(warning.message.contains("it is asleep") && warning.message.contains("no-such-program-here"));
    let alone = Saying::new(None, CACHE_BYTES).asking(Voices::answering([Err("it is asleep")]));
    let said = alone.say(&request("a"), SampleRate::Hz8000);
    assert_eq!(said.sound.samples, attention(SampleRate::Hz8000).samples);
    assert!(said.warning.unwrap().message.contains("it is asleep"));
    let long = alone.say(&request(&"a".repeat(32_769)), SampleRate::Hz8000);
    assert!(long.warning.unwrap().message.contains("32768"), "it is not asked");
}

#[test]
fn without_a_command_two_tones_are_heard() {
    for rate in SampleRate::ALL {
        let said = Saying::new(None, CACHE_BYTES).say(&request("Hello"), rate);
        assert_eq!((&said.sound, said.warning.unwrap().code), (&Arc::new(attention(rate)), 13_520));
        let milliseconds = said.sound.duration().as_millis();
        assert!((350..=370).contains(&milliseconds), "{milliseconds}");
        let peak = said.sound.samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
        assert!((3_000..5_000).contains(&peak), "{peak}");
        assert_eq!((said.sound.samples[0], *said.sound.samples.last().unwrap() / 100), (0, 0));
    }
}

#[test]
fn a_template_is_read_when_the_node_starts() {
    for template in ["", "  ", "say {text}", "say {voice", "say }"] {
        assert!(SayCommand::parse(template).is_err(), "{template}");
    }
}
