//! Messages letter for letter, and any bytes from a server.

use confab_media::Digit;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::sid::{AccountSid, CallSid, StreamSid};

const SIDS: [&str; 3] = [
    "AC00000000000000000000000000000001",
    "CA00000000000000000000000000000002",
    "MZ00000000000000000000000000000003",
];

fn account() -> AccountSid {
    SIDS[0].parse().expect("a SID")
}

fn call() -> CallSid {
    SIDS[1].parse().expect("a SID")
}

fn stream() -> StreamSid {
    SIDS[2].parse().expect("a SID")
}

fn writer(tracks: Tracks, parameters: &[(&str, &str)]) -> Writer {
    let mut given = Parameters::default();
    for (name, value) in parameters {
        given.set(name, value).expect("a parameter");
    }
    Writer::new(Opening { account: account(), call: call(), stream: stream(), tracks, parameters: given })
}

#[test]
fn messages_are_letter_for_letter_those_that_servers_know() {
    let mut writer = writer(Tracks::Both, &[("b", "2"), ("a", "\"1\"")]);
    let [account, call, stream] = SIDS;
    assert_eq!(writer.connected(), r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#);
    assert_eq!(
        writer.start(),
        format!(
            r#"{{"event":"start","sequenceNumber":"1","start":{{"accountSid":"{account}","streamSid":"{stream}","callSid":"{call}","tracks":["inbound","outbound"],"mediaFormat":{{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}},"customParameters":{{"b":"2","a":"\"1\""}}}},"streamSid":"{stream}"}}"#
        )
    );
    assert_eq!(
        writer.media(Track::Inbound, 5, &[0xff, 0x7f, 0]),
        format!(
            r#"{{"event":"media","sequenceNumber":"2","media":{{"track":"inbound","chunk":"1","timestamp":"5","payload":"/38A"}},"streamSid":"{stream}"}}"#
        )
    );
    assert_eq!(
        writer.dtmf(Digit::from_char('#').expect("a key")),
        format!(
            r##"{{"event":"dtmf","streamSid":"{stream}","sequenceNumber":"3","dtmf":{{"track":"inbound_track","digit":"#"}}}}"##
        )
    );
    assert_eq!(
        writer.mark("said \u{1F600}"),
        format!(
            r#"{{"event":"mark","sequenceNumber":"4","streamSid":"{stream}","mark":{{"name":"said 😀"}}}}"#
        )
    );
    assert_eq!(
        writer.stop(),
        format!(
            r#"{{"event":"stop","sequenceNumber":"5","stop":{{"accountSid":"{account}","callSid":"{call}"}},"streamSid":"{stream}"}}"#
        )
    );
}

#[test]
fn each_track_counts_its_own_sounds_and_all_messages_count_together() {
    let mut writer = writer(Tracks::Both, &[]);
    writer.start();
    let mut counted = Vec::new();
    for track in [Track::Inbound, Track::Outbound, Track::Inbound, Track::Outbound] {
        let message: Value = serde_json::from_str(&writer.media(track, 20, &[])).expect("JSON");
        counted.push((message["sequenceNumber"].clone(), message["media"]["chunk"].clone()));
    }
    let expected = [("2", "1"), ("3", "1"), ("4", "2"), ("5", "2")];
    assert_eq!(counted, expected.map(|(sequence, chunk)| (json!(sequence), json!(chunk))));

    let mut again = writer.reconnected();
    assert!(again.start().contains(r#""sequenceNumber":"1""#));
    assert!(again.media(Track::Inbound, 60, &[]).contains(r#""chunk":"3""#));
}

#[test]
fn tracks_are_named_as_the_reference_names_them() {
    for tracks in [Tracks::Inbound, Tracks::Outbound, Tracks::Both] {
        assert_eq!(Tracks::of_word(tracks.word()), Some(tracks));
    }
    assert_eq!(Tracks::of_word("inbound"), None);
    assert!(Tracks::Both.have(Track::Outbound) && !Tracks::Inbound.have(Track::Outbound));
    assert!(writer(Tracks::Outbound, &[]).start().contains(r#""tracks":["outbound"]"#));
}

#[test]
fn parameters_are_bounded_and_have_one_value_each() {
    let mut parameters = Parameters::default();
    assert_eq!(parameters.set("", "x"), Err(ParameterError::NoName));
    assert_eq!(parameters.set("n", &"ü".repeat(PARAMETER_LEN_MAX - 1)), Ok(()));
    assert_eq!(parameters.set("n", &"ü".repeat(PARAMETER_LEN_MAX)), Err(ParameterError::TooLong));
    assert_eq!(parameters.set("n", "once more"), Ok(()));
    for n in 1..PARAMETERS_MAX {
        assert_eq!(parameters.set(&n.to_string(), ""), Ok(()));
    }
    assert_eq!(parameters.set("one more", ""), Err(ParameterError::TooMany));
    assert_eq!(parameters.iter().next(), Some(("n", "once more")));
    assert_eq!(format!("{parameters:?}"), "Parameters(99)");
}

fn reads(text: &str) -> Result<Received, Flaw> {
    read(text, stream())
}

fn counts(message: FromServer) -> Result<Received, Flaw> {
    Ok(Received { message, flaw: None })
}

#[test]
fn what_servers_send_is_understood() {
    let sid = SIDS[2];
    let media = format!(r#"{{"event":"media","streamSid":"{sid}","media":{{"payload":"/38A"}}}}"#);
    assert_eq!(reads(&media), counts(FromServer::Media(vec![0xff, 0x7f, 0])));
    let unpadded = format!(r#" {{ "media" : {{"payload":"\/w"}}, "streamSid":"{sid}","event":"media" }} "#);
    assert_eq!(reads(&unpadded), counts(FromServer::Media(vec![0xff])));
    let empty = format!(r#"{{"event":"media","streamSid":"{sid}","media":{{"payload":""}}}}"#);
    assert_eq!(reads(&empty), counts(FromServer::Media(Vec::new())));
    let mark = format!(r#"{{"event":"mark","streamSid":"{sid}","mark":{{"name":"é"}}}}"#);
    assert_eq!(reads(&mark), counts(FromServer::Mark("é".to_owned())));
    assert_eq!(reads(&format!(r#"{{"event":"clear","streamSid":"{sid}"}}"#)), counts(FromServer::Clear));
}

#[test]
fn a_field_too_many_is_told_and_the_message_counts() {
    let sid = SIDS[2];
    for (text, field) in [
        (format!(r#"{{"event":"clear","streamSid":"{sid}","sequenceNumber":"4"}}"#), "sequenceNumber"),
        (format!(r#"{{"event":"clear","streamSid":"{sid}","mark":{{"name":"x"}}}}"#), "mark"),
        (format!(r#"{{"event":"mark","streamSid":"{sid}","mark":{{"name":"x","at":[1,{{}}]}}}}"#), "mark.at"),
        (
            format!(r#"{{"event":"media","streamSid":"{sid}","media":{{"track":"inbound","payload":""}}}}"#),
            "media.track",
        ),
    ] {
        let received = reads(&text).expect("it counts");
        assert_eq!(received.flaw, Some(Flaw::ExtraField(field.to_owned())), "{text}");
        assert_eq!(received.flaw.map(|flaw| flaw.code()), Some(31951));
    }
}

#[test]
fn what_is_wrong_is_named_and_does_not_count() {
    let sid = SIDS[2];
    let of = |rest: &str| format!(r#"{{"streamSid":"{sid}",{rest}}}"#);
    let wrong = |field, wanted| Flaw::WrongType { field, wanted };
    for (text, flaw) in [
        (of(r#""event":"connected""#), Flaw::UnknownEvent("connected".to_owned())),
        (of(r#""event":"Media""#), Flaw::UnknownEvent("Media".to_owned())),
        (of(r#""event":1"#), wrong("event", "a text")),
        ("{}".to_owned(), Flaw::Missing("event")),
        (r#"{"event":"clear"}"#.to_owned(), Flaw::Missing("streamSid")),
        (
            r#"{"event":"clear","streamSid":"MZ00000000000000000000000000000004"}"#.to_owned(),
            Flaw::OtherStream,
        ),
        (r#"{"event":"clear","streamSid":""}"#.to_owned(), Flaw::OtherStream),
        (r#"{"event":"clear","streamSid":null}"#.to_owned(), wrong("streamSid", "a text")),
        (of(r#""event":"media""#), Flaw::Missing("media")),
        (of(r#""event":"media","media":"/w==""#), wrong("media", "an object")),
        (of(r#""event":"media","media":{}"#), Flaw::Missing("media.payload")),
        (of(r#""event":"media","media":{"payload":[255]}"#), wrong("media.payload", "a text")),
        (of(r#""event":"media","media":{"payload":"-_"}"#), Flaw::Payload),
        (of(r#""event":"media","media":{"payload":"A"}"#), Flaw::Payload),
        (of(r#""event":"mark","mark":{"name":7}"#), wrong("mark.name", "a text")),
        (of(r#""event":"clear","event":"mark""#), Flaw::Twice("event")),
        (of(r#""event":"mark","mark":{"name":"a","name":"b"}"#), Flaw::Twice("name")),
    ] {
        assert_eq!(reads(&text), Err(flaw.clone()), "{text}");
        assert_eq!(flaw.code(), 31951);
    }
}

#[test]
fn what_is_no_object_of_json_has_its_own_code() {
    for bytes in
        [&b""[..], b"hello", b"[]", b"\"clear\"", b"{", b"{\"event\":\"clear\"}}", b"\xff\xfe", b"null"]
    {
        let flaw = read_bytes(bytes, stream()).expect_err("no message");
        assert_eq!(flaw.code(), 31950, "{bytes:?}: {flaw}");
    }
    assert_eq!(Flaw::Binary.code(), 31950);
    let deep = "[".repeat(100_000);
    assert!(matches!(reads(&deep), Err(Flaw::NotJson(_))));
}

#[test]
fn names_and_messages_of_a_megabyte_are_refused_without_being_repeated() {
    let sid = SIDS[2];
    let mark = |name: &str| format!(r#"{{"event":"mark","streamSid":"{sid}","mark":{{"name":"{name}"}}}}"#);
    let longest = "x".repeat(MARK_NAME_MAX);
    assert_eq!(reads(&mark(&longest)), counts(FromServer::Mark(longest)));
    let megabyte = "x".repeat(1 << 20);
    assert_eq!(reads(&mark(&megabyte)), Err(Flaw::MarkName));
    let event = format!(r#"{{"event":"{megabyte}","streamSid":"{sid}"}}"#);
    assert!(reads(&event).expect_err("unknown").to_string().len() < 300);
    let field = format!(r#"{{"event":"clear","streamSid":"{sid}","{megabyte}":1}}"#);
    let flaw = reads(&field).expect("it counts").flaw.expect("a field too many");
    assert!(flaw.to_string().len() < 300);
    assert_eq!(reads(&" ".repeat(MESSAGE_MAX + 1)), Err(Flaw::TooLong));
}

#[test]
fn ten_minutes_of_sound_are_one_message() {
    use base64::Engine;
    let sound = vec![0x55; 10 * 60 * 8_000];
    let payload = base64::engine::general_purpose::STANDARD.encode(&sound);
    let text = format!(r#"{{"event":"media","streamSid":"{}","media":{{"payload":"{payload}"}}}}"#, SIDS[2]);
    assert_eq!(reads(&text), counts(FromServer::Media(sound)));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_in_a_short_sentence(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(flaw) = read_bytes(&bytes, stream()) {
            prop_assert!(flaw.to_string().len() < 300);
            prop_assert!(!flaw.to_string().contains(char::is_control));
        }
    }

    #[test]
    fn any_fields_are_read_or_refused(
        event in prop::sample::select(vec!["media", "mark", "clear", "start", ""]),
        inner in prop::sample::select(vec!["media", "mark", "payload", "clear"]),
        field in prop::sample::select(vec!["payload", "name", "event", "x"]),
        value in "[A-Za-z0-9+/=]{0,12}",
    ) {
        let object = json!({ "event": event, "streamSid": SIDS[2], inner: { field: value } });
        let wanted = match event {
            "media" => inner == "media" && field == "payload",
            "mark" => inner == "mark" && field == "name",
            event => event == "clear",
        };
        let read = reads(&object.to_string());
        if wanted && event != "media" {
            prop_assert!(read.is_ok(), "{object}: {read:?}");
        } else if !wanted {
            prop_assert!(read.is_err(), "{object}: {read:?}");
        }
    }

    #[test]
    fn sound_comes_back_as_it_was_written(sound in prop::collection::vec(any::<u8>(), 0..2_000), at in any::<u64>()) {
        let mut writer = writer(Tracks::Inbound, &[]);
        let message: Value = serde_json::from_str(&writer.media(Track::Inbound, at, &sound)).expect("JSON");
        prop_assert_eq!(&message["media"]["timestamp"], &json!(at.to_string()));
        let back = json!({
            "event": "media", "streamSid": SIDS[2], "media": { "payload": message["media"]["payload"] },
        });
        prop_assert_eq!(reads(&back.to_string()), counts(FromServer::Media(sound)));
    }
}
