//! Dial and its nouns.

use std::time::Duration;

use super::super::verbs::dial::*;
use super::super::verbs::{
    RecordingChannels, RecordingEvent, RecordingStatus, RecordingTrack, Trim, Waiting,
};
use super::super::{Callback, Method, Target, Verb};
use super::{document, impossible, verb, warnings};
use crate::call::{Beep, DigitString};

fn post(url: &str) -> Callback {
    Callback { target: Target::new(url), method: Method::Post }
}

fn get(url: &str) -> Callback {
    Callback { target: Target::new(url), method: Method::Get }
}

fn dial(xml: &str) -> Dial {
    let Verb::Dial(dial) = verb(xml) else {
        panic!("{xml}");
    };
    *dial
}

fn plain(number: &str) -> Number {
    let called = Called { whisper: None, status: None, status_events: vec![CallEvent::Completed] };
    Number { number: number.to_owned(), send_digits: None, trunk: None, called }
}

fn plain_dial(number: &str) -> Dial {
    Dial {
        to: DialTo::Parties(vec![Party::Number(plain(number))]),
        action: None,
        timeout: Duration::from_secs(30),
        hang_up_on_star: false,
        time_limit: Duration::from_secs(14_400),
        caller_id: None,
        record: None,
        trim: Trim::Nothing,
        recording_status: None,
        recording_track: RecordingTrack::Both,
        answer_on_bridge: false,
        ring_tone: None,
        sequential: false,
        refer: None,
        call_reason: None,
    }
}

#[test]
fn a_number_alone_is_dialled_for_thirty_seconds() {
    assert_eq!(dial("<Dial>+44 (20) 7183-8750</Dial>"), plain_dial("+442071838750"));
    assert_eq!(dial("<Dial><Number>+442071838750</Number></Dial>"), plain_dial("+442071838750"));
    assert!(plain("+442071838750").is_international() && !plain("1001").is_international());
}

#[test]
fn dial_has_every_attribute() {
    let xml = r#"<Dial action="/after" method="GET" timeout="45" hangupOnStar="true" timeLimit="600" callerId="+4420"
        record="record-from-ringing-dual" trim="trim-silence" recordingStatusCallback="/r"
        recordingStatusCallbackMethod="POST" recordingStatusCallbackEvent="in-progress completed"
        recordingTrack="inbound" answerOnBridge="true" ringTone="GB" sequential="true" referUrl="/refer"
        referMethod="GET" callReason="Your order">1001</Dial>"#;
    let full = Dial {
        action: Some(get("/after")),
        timeout: Duration::from_secs(45),
        hang_up_on_star: true,
        time_limit: Duration::from_secs(600),
        caller_id: Some("+4420".to_owned()),
        record: Some(DialRecording { from_ringing: true, dual: true }),
        trim: Trim::Silence,
        recording_status: Some(RecordingStatus {
            callback: post("/r"),
            events: vec![RecordingEvent::InProgress, RecordingEvent::Completed],
        }),
        recording_track: RecordingTrack::Inbound,
        answer_on_bridge: true,
        ring_tone: Some("gb".to_owned()),
        sequential: true,
        refer: Some(get("/refer")),
        call_reason: Some("Your order".to_owned()),
        ..plain_dial("1001")
    };
    assert_eq!(dial(xml), full);
}

#[test]
fn record_has_its_aliases() {
    for (value, record) in [
        ("true", Some((false, false))),
        ("false", None),
        ("do-not-record", None),
        ("record-from-answer", Some((false, false))),
        ("record-from-answer-dual", Some((false, true))),
        ("record-from-ringing", Some((true, false))),
    ] {
        let record = record.map(|(from_ringing, dual)| DialRecording { from_ringing, dual });
        assert_eq!(dial(&format!("<Dial record='{value}'>1</Dial>")).record, record, "{value}");
    }
}

#[test]
fn several_are_dialled_at_once() {
    let xml = r#"<Dial>
        <Number byoc="carrier" sendDigits="wW12" url="/whisper" method="GET" statusCallback="/s" statusCallbackMethod="GET"
            statusCallbackEvent="initiated ringing answered completed ringing">+4420</Number>
        <Client clientNotificationUrl="/push"><Identity>alice</Identity><Parameter name="a" value="b"/></Client>
        <Sip>sip:bob@example.com</Sip></Dial>"#;
    let DialTo::Parties(parties) = dial(xml).to else {
        panic!();
    };
    let called = Called {
        whisper: Some(get("/whisper")),
        status: Some(get("/s")),
        status_events: vec![
            CallEvent::Initiated,
            CallEvent::Ringing,
            CallEvent::Answered,
            CallEvent::Completed,
        ],
    };
    let send_digits = DigitString::parse("wW12").ok();
    assert_eq!(
        parties[0],
        Party::Number(Number { send_digits, trunk: Some("carrier".to_owned()), called, ..plain("+4420") })
    );
    let client = Client {
        identity: "alice".to_owned(),
        parameters: vec![("a".to_owned(), "b".to_owned())],
        wake: Some(Callback { target: Target::new("/push"), method: Method::Post }),
        called: plain("").called,
    };
    assert_eq!(parties[1], Party::Client(client));
    assert!(matches!(&parties[2], Party::Sip(sip) if sip.addresses[0].uri == "sip:bob@example.com"));
}

#[test]
fn the_eleventh_is_not_dialled() {
    let xml = format!("<Dial>{}</Dial>", "<Client>a</Client>".repeat(11));
    let document = document(&xml);
    assert_eq!(document.warnings[0].code, 13_250);
    let Verb::Dial(dial) = &document.verbs[0] else {
        panic!();
    };
    assert!(matches!(&dial.to, DialTo::Parties(parties) if parties.len() == 10));
}

#[test]
fn who_cannot_be_dialled_does_not_keep_the_others() {
    let xml = "<Dial><Number>nobody</Number><Sip>bob</Sip><Client/><Number>1001</Number></Dial>";
    assert_eq!(warnings(xml), [13_223, 13_243, 13_215]);
    let Verb::Dial(dial) = &document(xml).verbs[0] else {
        panic!();
    };
    assert_eq!(dial.to, DialTo::Parties(vec![Party::Number(plain("1001"))]));
}

#[test]
fn nobody_to_dial_is_impossible() {
    for (xml, code) in [
        ("<Dial/>", 13_223),
        ("<Dial>   </Dial>", 13_223),
        ("<Dial>sip:a@b</Dial>", 13_223),
        ("<Dial>+</Dial>", 13_223),
        ("<Dial>44+20</Dial>", 13_223),
        ("<Dial><Number>x</Number></Dial>", 13_223),
        ("<Dial><Sip>https://example.com</Sip></Dial>", 13_243),
        ("<Dial><Sip>sip:</Sip></Dial>", 13_243),
        ("<Dial><Sip>sip:a b@c</Sip></Dial>", 13_243),
        ("<Dial><Sip/></Dial>", 13_243),
        ("<Dial><Client/></Dial>", 13_215),
        ("<Dial><Conference/></Dial>", 13_237),
        ("<Dial><Conference coach='+44'>a</Conference></Dial>", 13_240),
        ("<Dial><Queue/></Dial>", 14_212),
        ("<Dial><Nonsense>1</Nonsense></Dial>", 13_223),
        ("<Dial><Conference>a</Conference><Number>1</Number></Dial>", 13_000),
        ("<Dial><Conference>a</Conference><Conference>b</Conference></Dial>", 13_000),
        ("<Dial><Queue>a</Queue><Conference>b</Conference></Dial>", 13_000),
    ] {
        assert_eq!(impossible(xml).code, code, "{xml}");
    }
    for (xml, code) in [("Conference", 13_237), ("Queue", 14_213)] {
        let name = "n".repeat(129);
        assert_eq!(impossible(&format!("<Dial><{xml}>{name}</{xml}></Dial>")).code, code);
    }
}

#[test]
fn a_sip_address_has_headers_and_credentials() {
    let xml = "<Dial><Sip username='u' password='p'>sip:bob@example.com:5070;transport=tcp?X-A=b%20c&amp;\
               User-to-User=12</Sip></Dial>";
    let DialTo::Parties(parties) = dial(xml).to else {
        panic!();
    };
    let [Party::Sip(sip)] = &parties[..] else {
        panic!("{parties:?}");
    };
    let address = &sip.addresses[0];
    assert_eq!(address.uri, "sip:bob@example.com:5070;transport=tcp");
    let headers: Vec<_> =
        address.headers.iter().map(|header| format!("{}: {}", header.name, header.value)).collect();
    assert_eq!(headers, ["X-A: b c", "User-to-User: 12"]);
    let credentials = address.credentials.as_ref().unwrap();
    assert_eq!((credentials.username.as_str(), credentials.password.expose()), ("u", "p"));
}

#[test]
fn headers_that_are_not_for_documents_are_refused() {
    for (headers, code) in [
        ("X-A=b%0d%0aVia: x", 13_252),
        ("Via=x", 13_252),
        ("X-=x", 13_252),
        ("X-A%0d%0aVia=x", 13_252),
        ("X-A=%ff", 13_252),
        ("X-A", 13_252),
    ] {
        assert_eq!(impossible(&format!("<Dial><Sip>sip:a@b?{headers}</Sip></Dial>")).code, code, "{headers}");
    }
    let long = format!("<Dial><Sip>sip:a@b?X-A={}</Sip></Dial>", "a".repeat(1_024));
    assert_eq!(impossible(&long).code, 13_253);
}

#[test]
fn a_sip_has_several_addresses_in_order_of_priority() {
    let xml = "<Dial><Sip username='u' password='p'><Uri priority='1' weight='2'>sip:a@b</Uri>\
               <Uri username='v' password='q'>sips:c@d</Uri></Sip></Dial>";
    let DialTo::Parties(parties) = dial(xml).to else {
        panic!();
    };
    let [Party::Sip(sip)] = &parties[..] else {
        panic!("{parties:?}");
    };
    let told: Vec<_> = sip
        .addresses
        .iter()
        .map(|a| (a.uri.as_str(), a.priority, a.weight, a.credentials.as_ref().unwrap().username.as_str()))
        .collect();
    assert_eq!(told, [("sip:a@b", Some(1), Some(2), "u"), ("sips:c@d", None, None, "v")]);
}

fn conference(xml: &str) -> Conference {
    let DialTo::Conference(conference) = dial(&format!("<Dial>{xml}</Dial>")).to else {
        panic!("{xml}");
    };
    *conference
}

#[test]
fn a_conference_begins_with_whoever_comes_and_plays_music_before() {
    let plain = Conference {
        name: "Room 1".to_owned(),
        muted: false,
        beep: Beep::BOTH,
        start_on_enter: true,
        end_on_exit: false,
        label: None,
        jitter_buffer_size: JitterBufferSize::Large,
        wait: Waiting::Music,
        max_participants: 250,
        record: false,
        recording_channels: RecordingChannels::Mono,
        trim: Trim::Silence,
        region: None,
        coach: None,
        status: None,
        status_events: Vec::new(),
        recording_status: None,
        event_callback: None,
    };
    assert_eq!(conference("<Conference>Room 1</Conference>"), plain);
}

#[test]
fn a_conference_has_every_attribute() {
    let coach = format!("CA{}", "0".repeat(32));
    let xml = format!(
        r#"<Conference muted="true" beep="onExit" startConferenceOnEnter="false" endConferenceOnExit="true"
        participantLabel="agent 7" jitterBufferSize="small" waitUrl="" waitMethod="GET" maxParticipants="2"
        record="record-from-start" recordingChannels="multitrack" region="ie1" trim="do-not-trim" coach="{coach}" statusCallback="/c"
        statusCallbackMethod="GET" statusCallbackEvent="start end join leave mute hold modify speaker announcement"
        recordingStatusCallback="/r" eventCallbackUrl="/old">a</Conference>"#
    );
    let conference = conference(&xml);
    assert_eq!(conference.status_events.len(), 9);
    let full = Conference {
        name: "a".to_owned(),
        muted: true,
        beep: Beep { on_enter: false, on_exit: true },
        start_on_enter: false,
        end_on_exit: true,
        label: Some("agent 7".to_owned()),
        jitter_buffer_size: JitterBufferSize::Small,
        wait: Waiting::Silence,
        max_participants: 2,
        record: true,
        recording_channels: RecordingChannels::Multitrack,
        trim: Trim::Nothing,
        region: Some("ie1".to_owned()),
        coach: coach.parse().ok(),
        status: Some(get("/c")),
        status_events: conference.status_events.clone(),
        recording_status: Some(RecordingStatus {
            callback: post("/r"),
            events: vec![RecordingEvent::Completed],
        }),
        event_callback: Some(Target::new("/old")),
    };
    assert_eq!(conference, full);
}

#[test]
fn a_queue_has_a_name_and_a_whisper() {
    let DialTo::Queue(queue) = dial("<Dial><Queue url='/w' method='GET'>support</Queue></Dial>").to else {
        panic!();
    };
    let expected = Queue {
        name: "support".to_owned(),
        whisper: Some(get("/w")),
        reservation_sid: None,
        post_work_activity_sid: None,
    };
    assert_eq!(queue, expected);
}

#[test]
fn what_is_known_and_not_supported_is_told() {
    let xml = "<Dial events='a' passports='b'><Number machineDetection='Enable'>1</Number></Dial>";
    assert_eq!(warnings(xml), [12_200; 3]);
}
