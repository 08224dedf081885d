//! Each verb with nothing said about it, and with everything.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use confab_media::Digit;

use super::super::verbs::*;
use super::super::{Callback, Document, Method, Target, Use, Verb};
use super::{document, impossible, verb, warnings};
use crate::call::{DigitString, SipHeader};
use crate::stream::protocol::{Parameters, Tracks};

const ONCE: Repeat = Repeat::Times(NonZeroU32::MIN);

fn post(url: &str) -> Callback {
    Callback { target: Target::new(url), method: Method::Post }
}

fn get(url: &str) -> Callback {
    Callback { target: Target::new(url), method: Method::Get }
}

#[test]
fn say_has_a_voice_a_language_and_words() {
    let plain = Say { text: "Good day.".to_owned(), voice: None, language: "en-US".to_owned(), repeat: ONCE };
    assert_eq!(verb("<Say>\n  Good\n  day.\n</Say>"), Verb::Say(plain.clone()));
    let xml = r#"<Say voice="woman" language="de-DE" loop="0">Guten <![CDATA[<Tag>]]> &amp; &#xe4;</Say>"#;
    let full = Say {
        text: "Guten <Tag> & \u{e4}".to_owned(),
        voice: Some("woman".to_owned()),
        language: "de-DE".to_owned(),
        repeat: Repeat::Forever,
    };
    assert_eq!(verb(xml), Verb::Say(full));
}

#[test]
fn of_ssml_the_words_are_said() {
    for (ssml, words) in [
        ("One<break time='1s'/>two", "One two"),
        ("<p>One</p><p>two</p>three", "One two three"),
        ("<speak><s>One</s><s>two</s></speak>", "One two"),
        ("The <sub alias='World Wide Web'>WWW</sub> is", "The World Wide Web is"),
        ("a <emphasis level='strong'>b</emphasis>c", "a bc"),
        ("<amazon:effect name='whispered'>hush</amazon:effect> now", "hush now"),
        ("<say-as interpret-as='digits'>123</say-as>", "123"),
    ] {
        let Verb::Say(say) = verb(&format!("<Say>{ssml}</Say>")) else {
            panic!("{ssml}");
        };
        assert_eq!(say.text, words, "{ssml}");
    }
    assert_eq!(warnings("<Say>a <shout>b</shout></Say>"), [12_200]);
}

#[test]
fn say_with_nothing_or_too_much_to_say_is_told() {
    assert_eq!(warnings("<Say> </Say><Hangup/>"), [13_520]);
    assert_eq!(document("<Say/>").verbs, []);
    assert_eq!(impossible(&format!("<Say>{}</Say>", "x".repeat(4_097))).code, 13_521);
    assert!(matches!(verb(&format!("<Say>{}</Say>", "\u{e4}".repeat(4_096))), Verb::Say(_)));
}

#[test]
fn play_has_a_url_or_keys() {
    let sound = Playable::Sound(Target::new("https://example.com/hold.mp3?a=1&b=2"));
    let play = Play { what: sound, repeat: Repeat::Times(NonZeroU32::new(3).unwrap()) };
    assert_eq!(verb("<Play loop='3'> https://example.com/hold.mp3?a=1&amp;b=2 </Play>"), Verb::Play(play));
    let keys = Playable::Keys(DigitString::parse("ww12#").unwrap());
    assert_eq!(verb("<Play digits='ww12#'/>"), Verb::Play(Play { what: keys, repeat: ONCE }));
    assert_eq!(warnings("<Play digits='1'>a.wav</Play>"), [12_200]);
}

#[test]
fn play_of_nothing_is_impossible() {
    for xml in ["<Play/>", "<Play>ftp://example.com/a</Play>", "<Play>http://[</Play>"] {
        assert_eq!(impossible(xml).code, 11_100, "{xml}");
    }
}

#[test]
fn a_secret_that_is_wrong_is_not_shown() {
    let document =
        document("<Play digits='4711x'>a.wav</Play><Dial><Number sendDigits='4711y'>1</Number></Dial>");
    let codes: Vec<_> = document.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, [13_430, 13_222]);
    let sent = "<Play digits='4711'/><Dial><Sip username='u' password='4711'>sip:a@b</Sip></Dial>";
    let shown = format!("{document:?} {:?}", super::document(sent));
    assert!(!shown.contains("4711"), "{shown}");
}

#[test]
fn pause_lasts_a_second() {
    for (xml, seconds) in [("<Pause/>", 1), ("<Pause length='10'/>", 10), ("<Pause length='0'/>", 0)] {
        assert_eq!(verb(xml), Verb::Pause(Pause { length: Duration::from_secs(seconds) }), "{xml}");
    }
}

fn gather(xml: &str) -> Gather {
    let Verb::Gather(gather) = verb(xml) else {
        panic!("{xml}");
    };
    *gather
}

fn plain_gather() -> Gather {
    Gather {
        dtmf: true,
        speech: false,
        action: post(""),
        timeout: Duration::from_secs(5),
        finish_on_key: FinishKeys::new("#").unwrap(),
        num_digits: None,
        action_on_empty_result: false,
        speech_timeout: SpeechTimeout::After(Duration::from_secs(5)),
        max_speech_time: None,
        speech_model: "default".to_owned(),
        language: "en-US".to_owned(),
        hints: Vec::new(),
        profanity_filter: true,
        partial_result: None,
        barge_in: true,
        prompts: Vec::new(),
    }
}

#[test]
fn gather_takes_keys_until_hash_or_five_seconds_of_nothing() {
    assert_eq!(gather("<Gather/>"), plain_gather());
}

#[test]
fn gather_has_every_attribute() {
    let xml = r#"<Gather input="dtmf speech" action="/menu" method="get" timeout="9" finishOnKey="*" numDigits="4"
        actionOnEmptyResult="true" speechTimeout="auto" maxSpeechTime="30" speechModel="phone_call" enhanced="true"
        language="fr-FR" hints="one, two" profanityFilter="false" partialResultCallback="https://example.com/p"
        partialResultCallbackMethod="GET" bargeIn="false" debug="true"/>"#;
    let full = Gather {
        dtmf: true,
        speech: true,
        action: get("/menu"),
        timeout: Duration::from_secs(9),
        finish_on_key: FinishKeys::new("*").unwrap(),
        num_digits: NonZeroUsize::new(4),
        action_on_empty_result: true,
        speech_timeout: SpeechTimeout::Auto,
        max_speech_time: Some(Duration::from_secs(30)),
        speech_model: "phone_call".to_owned(),
        language: "fr-FR".to_owned(),
        hints: vec!["one".to_owned(), "two".to_owned()],
        profanity_filter: false,
        partial_result: Some(get("https://example.com/p")),
        barge_in: false,
        prompts: Vec::new(),
    };
    assert_eq!(gather(xml), full);
    assert_eq!(gather("<Gather finishOnKey=''/>").finish_on_key, FinishKeys::NONE);
}

#[test]
fn gather_plays_say_play_and_pause_and_nothing_else() {
    let prompts = gather("<Gather><Say>Press one.</Say><Pause/><Play>beep.wav</Play></Gather>").prompts;
    assert!(matches!(prompts[..], [Prompt::Say(_), Prompt::Pause(_), Prompt::Play(_)]), "{prompts:?}");
    for (nested, code) in [
        ("<Dial>+4420</Dial>", 13_320),
        ("<Gather/>", 13_320),
        ("<Play digits='1'/>", 13_320),
        ("Press one.", 12_200),
        ("<Say/>", 13_520),
    ] {
        assert_eq!(warnings(&format!("<Gather>{nested}</Gather>")), [code], "{nested}");
    }
    let Verb::Gather(gather) = &document("<Gather><Play/></Gather>").verbs[0] else {
        panic!();
    };
    assert!(matches!(gather.prompts[..], [Prompt::Impossible(_)]));
}

#[test]
fn redirect_goes_to_another_document_or_to_this_one() {
    for (xml, to) in [
        ("<Redirect>../next</Redirect>", post("../next")),
        ("<Redirect method='GET'>https://example.com/</Redirect>", get("https://example.com/")),
        ("<Redirect/>", post("")),
    ] {
        assert_eq!(verb(xml), Verb::Redirect(Redirect { to }), "{xml}");
    }
    assert_eq!(impossible("<Redirect>mailto:a@example.com</Redirect>").code, 11_100);
}

#[test]
fn reject_comes_before_the_answer_only() {
    let (rejected, busy) = (RejectReason::Rejected, RejectReason::Busy);
    assert_eq!(verb("<Reject/>"), Verb::Reject(Reject { reason: rejected }));
    assert_eq!(verb("<Reject reason='busy'/>"), Verb::Reject(Reject { reason: busy }));
    // A pause as the first verb delays the answer.
    let late = document("<Pause length='5'/><Reject reason='busy'/>");
    assert_eq!((late.warnings.len(), &late.verbs[1]), (0, &Verb::Reject(Reject { reason: busy })));
    let answered = document("<Say>Hello</Say><Reject/>");
    assert_eq!((answered.warnings[0].code, &answered.verbs[1]), (13_810, &Verb::Hangup));
}

#[test]
fn hangup_and_leave_are_their_names() {
    assert_eq!(document("<Leave/><Hangup></Hangup>").verbs, [Verb::Leave, Verb::Hangup]);
    assert_eq!(warnings("<Hangup reason='x'>now<Say>a</Say></Hangup>"), [12_200; 3]);
}

#[test]
fn record_ends_with_any_key_or_five_seconds_of_silence() {
    let plain = Record {
        action: post(""),
        timeout: Some(Duration::from_secs(5)),
        finish_on_key: FinishKeys::new("1234567890*#").unwrap(),
        max_length: Duration::from_secs(3_600),
        play_beep: true,
        trim: Trim::Silence,
        recording_status: None,
        transcription: None,
    };
    assert_eq!(verb("<Record/>"), Verb::Record(Box::new(plain)));
}

#[test]
fn record_has_every_attribute() {
    let xml = r##"<Record action="/done" method="GET" timeout="0" finishOnKey="5#" maxLength="60" playBeep="false"
        trim="do-not-trim" recordingStatusCallback="/status" recordingStatusCallbackMethod="GET"
        recordingStatusCallbackEvent="in-progress, completed absent" transcribe="true" transcribeCallback="/text"/>"##;
    let full = Record {
        action: get("/done"),
        timeout: None,
        finish_on_key: FinishKeys::new("5#").unwrap(),
        max_length: Duration::from_secs(60),
        play_beep: false,
        trim: Trim::Nothing,
        recording_status: Some(RecordingStatus {
            callback: get("/status"),
            events: vec![RecordingEvent::InProgress, RecordingEvent::Completed, RecordingEvent::Absent],
        }),
        transcription: Some(Transcription { callback: Some(post("/text")) }),
    };
    assert_eq!(verb(xml), Verb::Record(Box::new(full)));
    assert_eq!(warnings("<Record transcribe='true' maxLength='121'/>"), [13_615]);
    let keys = FinishKeys::new("").unwrap();
    assert!((0..16).filter_map(Digit::from_event).all(|digit| !keys.contains(digit)));
}

#[test]
fn enqueue_has_a_queue_and_music() {
    let plain = Enqueue {
        queue: Some("support".to_owned()),
        action: None,
        wait: Waiting::Music,
        workflow_sid: None,
        max_queue_size: None,
        task: None,
    };
    assert_eq!(verb("<Enqueue>support</Enqueue>"), Verb::Enqueue(Box::new(plain.clone())));
    let xml = r#"<Enqueue action="/out" method="GET" waitUrl="wait.xml" waitUrlMethod="GET" workflowSid="WW1"
        maxQueueSize="7"><Task priority="3" timeout="60">{"a": 1}</Task></Enqueue>"#;
    let full = Enqueue {
        queue: None,
        action: Some(get("/out")),
        wait: Waiting::At(get("wait.xml")),
        workflow_sid: Some("WW1".to_owned()),
        max_queue_size: NonZeroU32::new(7),
        task: Some(Task {
            attributes: r#"{"a": 1}"#.to_owned(),
            priority: Some(3),
            timeout: Some(Duration::from_secs(60)),
        }),
    };
    assert_eq!(verb(xml), Verb::Enqueue(Box::new(full)));
    let silent = Enqueue { wait: Waiting::Silence, ..plain };
    assert_eq!(verb("<Enqueue waitUrl=''>support</Enqueue>"), Verb::Enqueue(Box::new(silent)));
    assert_eq!(impossible("<Enqueue/>").code, 14_204);
    assert_eq!(impossible(&format!("<Enqueue>{}</Enqueue>", "q".repeat(65))).code, 14_205);
}

#[test]
fn refer_names_an_address() {
    let Verb::Refer(refer) = verb("<Refer action='/told'><Sip>sip:bob@example.com?X-Why=lunch</Sip></Refer>")
    else {
        panic!();
    };
    assert_eq!((refer.action, refer.to.uri.as_str()), (Some(post("/told")), "sip:bob@example.com"));
    assert_eq!(refer.to.headers, [header("X-Why", "lunch")]);
    let replaces = "<Refer><Sip>sip:bob@example.com?Replaces=1%40x%3Bto-tag%3Da%3Bfrom-tag%3Db</Sip></Refer>";
    let Verb::Refer(refer) = verb(replaces) else { panic!("no Refer") };
    assert_eq!(refer.to.headers, [header("Replaces", "1@x;to-tag=a;from-tag=b")]);
    assert_eq!(impossible("<Refer/>").code, 13_243);
    assert_eq!(impossible("<Refer><Sip>bob</Sip></Refer>").code, 13_243);
}

#[test]
fn media_verbs_are_read_and_their_nouns_passed_over_but_recordings_and_streams() {
    let connect = Verb::Connect(MediaVerb { action: Some(post("/after")), nouns: Vec::new() });
    assert_eq!(verb("<Connect action='/after'/>"), connect);
    assert_eq!(verb("<Start/>"), Verb::Start(MediaVerb { action: None, nouns: Vec::new() }));
    assert_eq!(verb("<Stop/>"), Verb::Stop(MediaVerb { action: None, nouns: Vec::new() }));
    let started = |nouns| Verb::Start(MediaVerb { action: None, nouns });
    let plain = StartedRecording {
        name: None,
        track: RecordingTrack::Both,
        channels: RecordingChannels::Dual,
        trim: Trim::Silence,
        status: None,
    };
    assert_eq!(verb("<Start><Recording/></Start>"), started(vec![MediaNoun::Recording(plain.clone())]));
    let full = StartedRecording {
        name: Some("desk".to_owned()),
        track: RecordingTrack::Inbound,
        channels: RecordingChannels::Mono,
        trim: Trim::Nothing,
        status: Some(RecordingStatus {
            callback: post("/r"),
            events: vec![RecordingEvent::InProgress, RecordingEvent::Absent],
        }),
    };
    let xml = "<Start><Recording name='desk' track='inbound' channels='mono' trim='do-not-trim' recordingStatusCallback='/r' \
               recordingStatusCallbackEvent='in-progress absent'/><Recording/></Start>";
    assert_eq!(verb(xml), started(vec![MediaNoun::Recording(full), MediaNoun::Recording(plain)]));
    let stop = MediaVerb { action: None, nouns: vec![MediaNoun::RecordingStop("desk".to_owned())] };
    assert_eq!(verb("<Stop><Recording name='desk'/></Stop>"), Verb::Stop(stop));
    for xml in [
        "<Stop><Recording/></Stop>",
        "<Start><Recording channels='multitrack'/></Start>",
        "<Start><Recording recordingConfigurationId='x'/></Start>",
    ] {
        assert_eq!(warnings(xml), [12_200], "{xml}");
    }
    let document = document("<Start><Siprec connectorName='a'><Parameter/></Siprec></Start>");
    assert_eq!((document.verbs.len(), document.warnings.len(), document.warnings[0].code), (1, 1, 12_200));
    assert_eq!(
        document.warnings[0].message,
        "<Siprec> at 1:18 within <Start> is not supported; it is skipped."
    );
}

#[test]
fn a_stream_has_a_url_tracks_a_name_and_parameters() {
    let started = |stream| Verb::Start(MediaVerb { action: None, nouns: vec![MediaNoun::Stream(stream)] });
    let plain = StreamNoun {
        url: "wss://example.com/a".to_owned(),
        name: None,
        tracks: Tracks::Inbound,
        status: None,
        parameters: Parameters::default(),
    };
    assert_eq!(verb("<Start><Stream url='wss://example.com/a'/></Start>"), started(plain.clone()));
    let mut parameters = Parameters::default();
    parameters.set("a", "1").unwrap();
    parameters.set("b", "").unwrap();
    let full = StreamNoun {
        name: Some("desk".to_owned()),
        tracks: Tracks::Both,
        status: Some(post("/s")),
        parameters,
        ..plain.clone()
    };
    let xml = "<Start><Stream url='wss://example.com/a' name='desk' track='both_tracks' statusCallback='/s'>\
               <Parameter name='a' value='1'/><Parameter name='b'/></Stream></Start>";
    assert_eq!(verb(xml), started(full));
    let stop = MediaVerb { action: None, nouns: vec![MediaNoun::StreamStop("desk".to_owned())] };
    assert_eq!(verb("<Stop><Stream name='desk'/></Stop>"), Verb::Stop(stop));
    let talk = MediaVerb { action: Some(post("/after")), nouns: vec![MediaNoun::Stream(plain)] };
    let xml = "<Connect action='/after'><Stream url='wss://example.com/a'/></Connect>";
    assert_eq!(verb(xml), Verb::Connect(talk));
    let long = "x".repeat(500);
    for (xml, code) in [
        ("<Connect><Stream url='wss://a' track='both_tracks'/></Connect>".to_owned(), 31_941),
        ("<Start><Stream/></Start>".to_owned(), 31_923),
        ("<Start><Stream url='wss://a' track='inbound'/></Start>".to_owned(), 31_941),
        ("<Start><Stream url='wss://a'><Parameter value='x'/></Stream></Start>".to_owned(), 12_200),
        (
            format!("<Start><Stream url='wss://a'><Parameter name='a' value='{long}'/></Stream></Start>"),
            12_200,
        ),
        ("<Start><Stream url='wss://a' connectorName='x'/></Start>".to_owned(), 12_200),
        ("<Stop><Stream/></Stop>".to_owned(), 12_200),
    ] {
        assert_eq!(warnings(&xml), [code], "{xml}");
    }
}

#[test]
fn a_document_has_only_verbs_that_fit_its_use() {
    let all = "<Response><Play>a</Play><Say>a</Say><Pause/><Redirect/><Gather/><Hangup/><Leave/><Dial>1</Dial>\
               <Reject/><Record/><Enqueue>q</Enqueue><Refer><Sip>sip:a@b</Sip></Refer><Start/><Stop/><Connect/>\
               <Nonsense/></Response>";
    let read = |purpose| {
        let document = Document::parse_for(all, purpose).unwrap();
        (document.verbs.len(), document.warnings.iter().map(|w| w.code).collect::<Vec<_>>())
    };
    assert_eq!(read(Use::Call), (15, vec![13_810, 12_200]));
    let mut codes = vec![13_238; 11];
    codes.push(12_200);
    assert_eq!(read(Use::Listening), (4, codes.clone()));
    assert_eq!(read(Use::Queue), (7, codes.split_off(3)));
    assert_eq!(read(Use::Whisper), (9, vec![12_200, 13_201, 12_200, 12_200, 12_200, 12_200, 12_200]));
    assert_eq!(Document::parse_for_listening(all), Document::parse_for(all, Use::Listening));
}

fn header(name: &str, value: &str) -> SipHeader {
    SipHeader { name: name.to_owned(), value: value.to_owned() }
}
