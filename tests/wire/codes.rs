//! Every code of the documented dictionary that can be provoked at this node, each provoked: requests to the API by
//! their answers, scripts and applications by the notification that is kept of them.
//!
//! Elsewhere, because they want a node or an application of their own: 10004 and the trunks' 21214 in `wire/trunks/`,
//! 20429 in `wire/conference_news.rs`, 16113 in `wire/record.rs`, 13802 in `wire/transfers.rs`, 13238 of each verb in
//! `src/script/tests/`; 21301 and 21480 (a thousand of a kind) in `src/api/tests/accounts.rs`; 20003, 20503 and 20001 of bodies in `src/api/tests/`; 11203, 11210 and 11235 to 11237 (time, names
//! and certificates) in `src/webhook/tests/`.
//!
//! Not provoked, because nothing here can go wrong so:
//! - 21202, 21203, 21216, 21217: numbers are judged by `outbound_allow` alone (21215) and trunks (21214).
//! - 21204, 21221, 21226, 21229, 21252, 21262, 21263, 20007, 20422, 20500: states, regions and checks that there are not;
//!   a page that is too large is cut, as the SDKs want it.
//! - 13220, 13233, 13236, 13254 to 13258, 13340, 14220 and further: attributes that are read liberally, or are not taken.
//! - 16101 to 16107, 16109: recordings that are short or silent are `absent`, and neither encrypted nor MP3.
//! - 15002, 32014, 32015: a day in a queue, silence and four hours are not waited for.
//! - 20101 to 20157, 319xx, 640xx: tokens, streams and payments are not there yet.

use std::fmt::Write as _;

use confab::server::Options;
use serde_json::Value;

use crate::app::App;
use crate::peer::{Peer, within};
use crate::phone;
use crate::running::Running;

const NUMBER: &str = "%2B442079460123";

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A node, an application of which it may ask, and a phone that takes all calls.
struct Stage {
    app: App,
    node: Running,
    /// Where the phone is.
    phone: String,
}

impl Stage {
    async fn open() -> Self {
        let flags = [
            "--outbound-allow=sip:*@127.0.0.1:*,+44*",
            // To nobody in particular there is no connection (RFC 919), whatever network the machine is in.
            "--egress-allow=127.0.0.0/8,255.255.255.255/32",
            "--calls-per-second=100",
        ];
        let node = Running::start_with(Options::default(), &flags).await;
        let phone = Peer::udp(node.node.sip).await;
        let address = phone.address().to_string();
        tokio::spawn(phone::serve(phone));
        Self { app: App::start().await, node, phone: address }
    }

    /// Has the phone called, which then follows what the form says; the call's SID.
    async fn call(&self, form: &str) -> String {
        let form = format!("To=sip:agent@{}&From=%2B442079460199&{form}", self.phone);
        let (status, call) = self.node.create("Calls.json", &form).await;
        assert_eq!(status, 201, "{form}: {call}");
        call["sid"].as_str().unwrap().to_owned()
    }

    async fn call_in(&self, word: &str, twiml: &str) -> String {
        let call = self.call(&format!("Twiml={}", encoded(twiml))).await;
        self.node.wait_for(&format!("Calls/{call}.json"), "status", word).await;
        call
    }

    /// Waits for a notification of a call with a code.
    async fn is_notified(&self, call: &str, code: u32, what: &str) {
        let path = format!("Calls/{call}/Notifications.json");
        let wanted = code.to_string();
        let asking = async {
            let mut found = Vec::new();
            for _ in 0..500 {
                let notes = self.node.get(&path).await["notifications"].as_array().unwrap().clone();
                if let Some(note) = notes.iter().find(|note| note["error_code"] == *wanted) {
                    return assert_note(note, code, what);
                }
                found = notes;
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            panic!("{what} has no notification with {code}, but {found:?}");
        };
        within(&format!("{code} for {what}"), asking).await;
    }
}

fn assert_note(note: &Value, code: u32, what: &str) {
    assert!(note["message_text"].as_str().is_some_and(|text| text.len() > 10), "{what}: {note}");
    assert!(note["log"] == "0" || note["log"] == "1", "{what}: {note}");
    assert_eq!(note["more_info"], format!("https://www.twilio.com/docs/errors/{code}"), "{what}");
}

/// What a document does, and what is found about it. `{sip}` is somebody who can be dialled.
const SCRIPTS: [(&str, u32); 79] = [
    ("<Play/>", 11_100),
    ("<Redirect>mailto:a@example.com</Redirect>", 11_100),
    ("<Gather action='ftp://a/'/>", 11_100),
    ("<Sing>la</Sing>", 12_200),
    ("<Say colour='red'>a</Say>", 12_200),
    ("<Leave/>", 12_200),
    ("<Start><Siprec name='a'/></Start>", 12_200),
    ("<Connect><Room>a</Room></Connect>", 12_200),
    ("<Connect><Stream url='wss://127.0.0.1:1/'/></Connect>", 31_902),
    ("<Enqueue workflowSid='WW00000000000000000000000000000000'/>", 12_200),
    ("<Dial><Conference>a</Conference><Queue>b</Queue></Dial>", 13_000),
    ("<Dial method='PUT'><Sip>{sip}</Sip></Dial>", 13_210),
    ("<Dial timeout='4'><Sip>{sip}</Sip></Dial>", 13_212),
    ("<Dial hangupOnStar='*'><Sip>{sip}</Sip></Dial>", 13_213),
    ("<Dial callerId='&#10;'><Sip>{sip}</Sip></Dial>", 13_214),
    ("<Dial><Nonsense>1</Nonsense><Sip>{sip}</Sip></Dial>", 13_215),
    ("<Dial><Client/></Dial>", 13_215),
    ("<Dial timeLimit='0'><Sip>{sip}</Sip></Dial>", 13_216),
    ("<Dial record='yes'><Sip>{sip}</Sip></Dial>", 13_217),
    ("<Dial><Number method='PUT'>+442079460123</Number></Dial>", 13_221),
    ("<Dial><Number sendDigits='+1'>+442079460123</Number></Dial>", 13_222),
    ("<Dial/>", 13_223),
    ("<Dial>nobody</Dial>", 13_223),
    ("<Dial>+15005550006</Dial>", 13_223),
    ("<Dial><Number byoc='nobody'>+442079460123</Number></Dial>", 21_300),
    ("<Dial><Conference muted='yes'>a</Conference></Dial>", 13_230),
    ("<Dial><Conference endConferenceOnExit='yes'>a</Conference></Dial>", 13_231),
    ("<Dial><Conference startConferenceOnEnter='yes'>a</Conference></Dial>", 13_232),
    ("<Dial><Conference waitMethod='PUT'>a</Conference></Dial>", 13_234),
    ("<Dial><Conference beep='loud'>a</Conference></Dial>", 13_235),
    ("<Dial><Conference/></Dial>", 13_237),
    ("<Dial><Conference trim='hair'>a</Conference></Dial>", 13_239),
    ("<Dial><Conference coach='+44'>a</Conference></Dial>", 13_240),
    ("<Dial><Conference coach='CA00000000000000000000000000000000'>a</Conference></Dial>", 13_240),
    ("<Dial><Sip method='PUT'>{sip}</Sip></Dial>", 13_241),
    ("<Dial><Sip>https://example.com</Sip></Dial>", 13_243),
    ("<Refer/>", 13_243),
    ("<Dial><Sip>{sip}?Via=x</Sip></Dial>", 13_252),
    ("<Gather finishOnKey='A'/>", 13_310),
    ("<Gather finishOnKey='12'/>", 13_311),
    ("<Gather method='PUT'/>", 13_312),
    ("<Gather timeout='auto'/>", 13_313),
    ("<Gather numDigits='0'/>", 13_314),
    ("<Gather><Dial>+442079460123</Dial></Gather>", 13_320),
    ("<Play loop='often'>{app}/tone.wav</Play>", 13_410),
    ("<Play>{app}/noise.wav</Play>", 12_300),
    ("<Play>{app}/torn.wav</Play>", 13_420),
    ("<Play digits='12x'/>", 13_430),
    ("<Say loop='-1'>a</Say>", 13_510),
    ("<Say/>", 13_520),
    ("<Record method='PUT'/>", 13_610),
    ("<Record timeout='-1'/>", 13_611),
    ("<Record maxLength='1'/>", 13_612),
    ("<Record finishOnKey='A'/>", 13_613),
    ("<Record transcribe='maybe'/>", 13_614),
    ("<Record transcribe='true' maxLength='121'/>", 13_615),
    ("<Record playBeep='loud'/>", 13_616),
    ("<Record recordingStatusCallbackEvent='gone'/>", 13_621),
    ("<Dial recordingTrack='third'><Sip>{sip}</Sip></Dial>", 13_622),
    ("<Record trim='hair'/>", 13_699),
    ("<Redirect method='PUT'>{app}/empty</Redirect>", 13_710),
    ("<Reject reason='tired'/>", 13_810),
    ("<Pause length='soon'/>", 13_910),
    ("<Enqueue method='PUT'>q</Enqueue>", 14_201),
    ("<Enqueue/>", 14_204),
    ("<Enqueue waitUrlMethod='PUT'>q</Enqueue>", 14_206),
    ("<Dial><Queue method='PUT'>q</Queue></Dial>", 14_210),
    ("<Dial><Queue/></Dial>", 14_212),
    ("<Dial><Conference participantLabel='a/b'>a</Conference></Dial>", 16_023),
    // What is played, sent elsewhere or told fails by the application's fault.
    ("<Play>{app}/missing</Play>", 11_200),
    ("<Play>http://10.0.0.1/private.wav</Play>", 11_200),
    ("<Play>http://169.254.169.254/latest/meta-data</Play>", 11_200),
    ("<Redirect>http://127.0.0.1:1/</Redirect>", 11_202),
    ("<Redirect>{app}/broken</Redirect>", 11_206),
    ("<Redirect>{app}/round</Redirect>", 11_215),
    ("<Redirect>{app}/astray</Redirect>", 11_216),
    // One who says nothing to TLS, and one who says something else.
    ("<Redirect>https://{host}/#ct=300</Redirect>", 11_201),
    ("<Redirect>https://{node}/</Redirect>", 11_220),
    ("<Redirect>{app}/empty#rp=never</Redirect>", 11_243),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_in_a_script_is_found_by_its_code() {
    let stage = Stage::open().await;
    lay_traps(&stage.app);
    let app = stage.app.url("");
    let mut calls = Vec::new();
    for (number, (script, code)) in SCRIPTS.iter().enumerate() {
        let script = script
            .replace("{sip}", &format!("sip:agent@{}", stage.phone))
            .replace("{app}", app.trim_end_matches('/'))
            .replace("{host}", &stage.app.address.to_string())
            .replace("{node}", &stage.node.node.http.to_string());
        let page = format!("script{number}");
        stage.app.says(&page, &script);
        calls.push((stage.call(&format!("Url={}", encoded(&stage.app.url(&page)))).await, *code, script));
    }
    for (call, code, script) in calls {
        stage.is_notified(&call, code, &script).await;
    }
}

/// Pages that lead astray.
fn lay_traps(app: &App) {
    let redirect = |to: &str| format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
    app.gives("empty", "text/xml", b"<Response/>".to_vec());
    app.gives("tone.wav", "audio/wav", crate::app::wav(700.0, 0.2));
    app.gives("noise.wav", "audio/wav", b"noise".to_vec());
    app.gives("torn.wav", "audio/wav", crate::app::wav(700.0, 0.2)[..30].to_vec());
    app.answers("broken", b"SSH-2.0-nothing\r\n\r\n".to_vec());
    app.answers("round", redirect("/round").into_bytes());
    app.answers("astray", redirect("ftp://a/").into_bytes());
}

/// A document of which each entity is ten of the one before: a gigabyte, if somebody expanded it.
fn bomb() -> String {
    let mut text = "<!DOCTYPE Response [<!ENTITY a0 \"aaaaaaaaaa\">".to_owned();
    for n in 1..=9 {
        let ten = format!("&a{};", n - 1).repeat(10);
        write!(text, "<!ENTITY a{n} \"{ten}\">").unwrap();
    }
    text + "]><Response><Say>&a9;</Say></Response>"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_cannot_be_read_is_found_by_its_code() {
    let stage = Stage::open().await;
    lay_traps(&stage.app);
    let external = "<!DOCTYPE Response SYSTEM \"file:///etc/passwd\"><Response/>".to_owned();
    let deep = format!("<Response>{}", "<Say>".repeat(10_000));
    let large = format!("<Response><Say>{}</Say></Response>", "a".repeat(65_536));
    let long = format!("<Response><Say>{}</Say></Response>", "a".repeat(4_097));
    let header = format!(
        "<Response><Dial><Sip>sip:a@{}?X-A={}</Sip></Dial></Response>",
        stage.phone,
        "a".repeat(1_024)
    );
    let eleven = format!(
        "<Response><Dial>{}</Dial></Response>",
        format!("<Sip>sip:busy@{}</Sip>", stage.phone).repeat(11)
    );
    let queue = format!("<Response><Enqueue>{}</Enqueue></Response>", "q".repeat(65));
    let dial = format!("<Response><Dial><Queue>{}</Queue></Dial></Response>", "q".repeat(65));
    let rows = [
        ("text/xml", "<Response><Say>".to_owned(), 12_100),
        ("text/xml", "{\"say\": \"a\"}".to_owned(), 12_100),
        ("text/xml", "<Response><Say>&nbsp;</Say></Response>".to_owned(), 12_100),
        ("application/xml", bomb(), 12_100),
        ("application/xml", external, 12_100),
        ("text/xml", deep, 12_100),
        ("text/html", "<html><body/></html>".to_owned(), 12_102),
        ("text/xml", "<Answer/>".to_owned(), 12_102),
        ("application/json", "{}".to_owned(), 12_300),
        ("image/png", "<Response/>".to_owned(), 12_300),
        ("text/xml", large, 11_750),
        ("text/xml", long, 13_521),
        ("text/xml", eleven, 13_250),
        ("text/xml", header, 13_253),
        ("text/xml", queue, 14_205),
        ("text/xml", dial, 14_213),
    ];
    let mut calls = Vec::new();
    for (number, (kind, text, code)) in rows.into_iter().enumerate() {
        let page = format!("document{number}");
        let what: String = text.chars().take(80).collect();
        stage.app.gives(&page, kind, text.into_bytes());
        calls.push((stage.call(&format!("Url={}", encoded(&stage.app.url(&page)))).await, code, what));
    }
    for (path, code) in [("missing", 11_200), ("round", 11_215), ("astray", 11_216), ("broken", 11_206)] {
        calls.push((
            stage.call(&format!("Url={}", encoded(&stage.app.url(path)))).await,
            code,
            path.to_owned(),
        ));
    }
    let inline = "Twiml=%3CResponse%3E%3CPlay%3E%2Fa.wav%3C%2FPlay%3E%3C%2FResponse%3E";
    calls.push((stage.call(inline).await, 15_004, "a relative URL in an inline script".to_owned()));
    let nowhere = format!("Url={}", encoded("http://255.255.255.255/"));
    calls.push((stage.call(&nowhere).await, 11_205, "an address that cannot be connected to".to_owned()));
    for (call, code, what) in calls {
        stage.is_notified(&call, code, &what).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_knows_no_refer_is_found_by_its_code() {
    let stage = Stage::open().await;
    for answer in ["405 Method Not Allowed", "501 Not Implemented"] {
        let mut phone = Peer::udp(stage.node.node.sip).await;
        stage.app.says("refers", "<Refer action='/after'><Sip>sip:elsewhere@192.0.2.1</Sip></Refer>");
        stage.app.says("after", "<Pause length='60'/>");
        let form = format!("To=sip:a@{}&From=b&Url={}", phone.address(), encoded(&stage.app.url("refers")));
        let (_, call) = stage.node.create("Calls.json", &form).await;
        let invite = phone.is_called().await;
        phone.pick_up(&invite).await;
        let refer = phone.request_of("REFER").await;
        phone.answer(&refer, answer).await;
        stage.is_notified(call["sid"].as_str().unwrap(), 13_801, answer).await;
    }
    let told = stage.app.told("after", 2).await;
    let answered: Vec<&str> = told.iter().map(|told| told.get("ReferSipResponseCode")).collect();
    assert_eq!(answered, ["405", "501"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_calls_cannot_both_have_is_found_by_its_code() {
    let stage = Stage::open().await;
    let seat = "<Response><Dial><Conference participantLabel='a'>desk</Conference></Dial></Response>";
    let first = stage.call_in("in-progress", seat).await;
    within("the first in their seat", async {
        while stage.node.get("Conferences.json").await["conferences"].as_array().unwrap().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    let second = stage.call(&format!("Twiml={}", encoded(seat))).await;
    stage.is_notified(&second, 16_025, "a label that is in use").await;

    // Who was dialled cannot dial.
    let sip = format!("<Sip url='/whisper'>sip:agent@{}</Sip>", stage.phone);
    stage.app.says("dials", &format!("<Dial>{sip}</Dial>"));
    stage.app.says("whisper", "<Dial>+442079460123</Dial>");
    let parent = stage.call(&format!("Url={}", encoded(&stage.app.url("dials")))).await;
    let child = stage.app.told("whisper", 1).await[0].get("CallSid").to_owned();
    stage.is_notified(&child, 13_201, "a Dial by one who was dialled").await;
    assert_ne!((&parent, &first), (&child, &second));
}

/// Requests to the API: method, path, form, and behind the arrow status, code and what the sentence says.
const REQUESTS: [&str; 71] = [
    "GET /Calls/CA0123456789abcdef0123456789abcdef.json => 404 20404 no call",
    "GET /Nothing.json => 404 20404 no resource",
    "PUT /Calls.json => 405 20004 PUT",
    "POST /Calls.json {to}&{from}&Twiml=x&Unknown=1 => 201",
    "POST /Calls.json {from}&Twiml=x => 400 21201 To is missing",
    "POST /Calls.json {to}&{from}&Url=ftp://a/ => 400 21205 Url",
    "POST /Calls.json {to}&{from} => 400 21205 ApplicationSid is missing",
    "POST /Calls.json {to}&{from}&Twiml=x&StatusCallback=a => 400 21205 StatusCallback",
    "POST /Calls.json {to}&{from}&Twiml=x&FallbackUrl=a => 400 21205 FallbackUrl",
    "POST /Calls.json {to}&{from}&Twiml=x&SendDigits=z => 400 21206 SendDigits",
    "POST /Calls.json {to}&{from}&Twiml=x&Timeout=601 => 400 21208 Timeout",
    "POST /Calls.json {to}&{from}&Url=http://a/&Method=PUT => 400 21209 Method",
    "POST /Calls.json To=nobody&{from}&Twiml=x => 400 21211 To must be",
    "POST /Calls.json {to}&From=%3C&Twiml=x => 400 21212 From must be",
    "POST /Calls.json {to}&Twiml=x => 400 21213 From is missing",
    "POST /Calls.json To=%2B442079460123&{from}&Twiml=x => 400 21214 trunk",
    "POST /Calls.json To=%2B15005550006&{from}&Twiml=x => 400 21215 outbound_allow",
    "POST /Calls.json To=sip:a@192.0.2.1&{from}&Twiml=x => 400 21215 outbound_allow",
    "POST /Calls.json {to}&{from}&ApplicationSid=AP0 => 400 21218 ApplicationSid",
    "POST /Calls.json {to}&{from}&Twiml=x&SipAuthPassword=x => 400 21222 SipAuthUsername",
    "POST /Calls.json {to}&{from}&Twiml=x&SipAuthUsername=x => 400 21223 SipAuthPassword",
    "POST /Calls.json {to}&{from}&Twiml=x&MachineDetection=Enable => 400 21234 MachineDetection",
    "POST /Calls.json {to}&{from}&Twiml=x&CallToken=x => 400 21210 CallToken",
    "POST /Calls.json {to}&{from}&Twiml=x&CallReason=012345678901234567890123456789012345678901234567890 => 400 20001 50",
    "POST /Calls.json To={number}&{from}&Twiml=x&Byoc=BY0 => 400 21300 no such trunk",
    "POST /Calls.json To=client:a&{from}&Twiml=x&ClientNotificationUrl=a => 400 21205 ClientNotificationUrl",
    "POST /Calls.json {to}&{from}&Twiml=x&AsyncAmd=true => 400 20001 AsyncAmd",
    "POST /Calls.json {to}&{from}&Twiml=x&TimeLimit=x => 400 20001 TimeLimit",
    "POST /Calls.json {to}&{from}&Twiml=x&StatusCallbackEvent=x&StatusCallback=http://a/ => 400 20001 initiated",
    "POST /Calls.json {to}&{from}&Twiml={long} => 400 32018 4000",
    "POST /Calls/{CA}.json Status=canceled => 400 21220 state",
    "POST /Calls/{CA}.json Status=paused => 400 20001 canceled",
    "POST /Calls/{CA}.json Twiml={long} => 400 32018 4000",
    "POST /Calls/{held}/Recordings.json => 400 16108 recording",
    "POST /Calls/{CA}/Recordings/Twilio.CURRENT.json Status=stopped => 404 20404 recording",
    "DELETE /Calls/{CA}.json => 409 20009 is not over",
    "GET /Calls.json?Status=done => 400 20001 no-answer",
    "GET /Calls.json?PageSize=0 => 400 20001 PageSize",
    "GET /Conferences/CF0123456789abcdef0123456789abcdef.json => 404 20404 no conference",
    "POST /Conferences/{CF}.json Status=in-progress => 400 20001 completed",
    "POST /Conferences/{CF}.json AnnounceUrl=a => 400 21205 AnnounceUrl",
    "POST /Conferences/{CF}/Participants.json {to}&{from}&Label=a => 400 16026 label",
    "POST /Conferences/{CF}/Participants.json {to}&{from}&Label=a%2Fb => 400 16024 Label",
    "POST /Conferences/{CF}/Participants.json {to}&{from}&MaxParticipants=1 => 400 20001 250",
    "POST /Conferences/{CF}/Participants.json {to}&{from}&Coaching=true => 400 20001 CallSidToCoach",
    "POST /Conferences/{CF}/Participants.json {to}&{from}&ConferenceRecord=maybe => 400 20001 ConferenceRecord",
    "POST /Conferences/{CF}/Participants/a.json CallSidToCoach=CA0123456789abcdef0123456789abcdef&Coaching=true => 400 16028 coach",
    "POST /Conferences/{CF}/Participants/a.json Coaching=true&CallSidToCoach={held} => 400 16027 hold",
    "POST /Conferences/{CF}/Participants/a.json HoldUrl=a&Hold=true => 400 21205 HoldUrl",
    "GET /Conferences/{CF}/Participants/nobody.json => 404 20404 nobody",
    "POST /Conferences/full/Participants.json {to}&{from}&MaxParticipants=2 => 400 16020 full",
    "POST /Queues.json FriendlyName=desk => 409 20409 name",
    "POST /Queues.json => 400 20001 FriendlyName",
    "POST /Queues.json FriendlyName=large&MaxSize=5001 => 400 20001 MaxSize",
    "GET /Queues/{QU}/Members/Front.json => 404 20404 no such",
    "POST /Queues/{QU}/Members/Front.json => 400 21205 Url",
    "POST /Applications.json VoiceUrl=a => 400 21402 VoiceUrl",
    "POST /Applications.json VoiceMethod=PUT => 400 21403 VoiceMethod",
    "POST /IncomingPhoneNumbers.json PhoneNumber={number} => 400 21422 ",
    "POST /IncomingPhoneNumbers.json PhoneNumber=911 => 400 21421 PhoneNumber",
    "POST /IncomingPhoneNumbers.json AreaCode=510 => 400 21457 AreaCode",
    "POST /IncomingPhoneNumbers/{PN}.json VoiceApplicationSid=AP0123456789abcdef0123456789abcdef => 400 21420 ",
    "POST /IncomingPhoneNumbers/{PN}.json AccountSid=AC0123456789abcdef0123456789abcdef => 400 21471 ",
    "POST /IncomingPhoneNumbers/{PN}.json AccountSid=me => 400 21470 AccountSid",
    "POST /IncomingPhoneNumbers/{PN}.json AccountSid={asleep} => 400 21472 ",
    "POST /Keys.json FriendlyName={long} => 400 20002 FriendlyName",
    "POST .json Status=closed => 400 21477 ",
    "POST .json Status=asleep => 400 21475 Status",
    "POST {closed}.json Status=active => 400 21479 ",
    "POST {suspended}/Queues.json FriendlyName=a => 403 20005 not active",
    "POST {suspended}/Calls.json {to}&{from}&Twiml=x => 403 20005 not active",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_the_api_refuses_has_its_code_and_says_why() {
    let stage = Stage::open().await;
    let names = furnish(&stage).await;
    let account = format!("/2010-04-01/Accounts/{}", stage.node.account_sid);
    let mut wrong = Vec::new();
    for row in REQUESTS {
        let (request, expected) = row.split_once(" => ").unwrap();
        let request = names.iter().fold(request.to_owned(), |text, (name, value)| text.replace(name, value));
        let mut words = request.splitn(3, ' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let path = if path.starts_with("/2010") { path.to_owned() } else { format!("{account}{path}") };
        let (status, answer) = stage.node.ask(method, &path, words.next().unwrap_or_default()).await;
        if !fits(status, &answer, expected) {
            wrong.push(format!("{row}: {status} {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether an answer has the status, the code and the words, and nothing but the four fields of an error.
fn fits(status: u16, answer: &Value, expected: &str) -> bool {
    let mut expected = expected.splitn(3, ' ');
    let is_status = expected.next() == Some(&*status.to_string());
    let Some(code) = expected.next() else { return is_status };
    let says =
        answer["message"].as_str().is_some_and(|text| text.contains(expected.next().unwrap_or_default()));
    let is_error = answer.as_object().is_some_and(|fields| fields.len() == 4) && answer["status"] == status;
    let leads_on = answer["more_info"] == format!("https://www.twilio.com/docs/errors/{code}");
    is_status && says && is_error && leads_on && answer["code"].as_u64() == code.parse().ok()
}

/// Puts there what the requests are about, and gives it the names that they have for it.
async fn furnish(stage: &Stage) -> Vec<(&'static str, String)> {
    let node = &stage.node;
    let made = async |path: &str, form: &str| {
        let (status, made) = node.create(path, form).await;
        assert_eq!(status, 201, "{path} {form}: {made}");
        made["sid"].as_str().unwrap().to_owned()
    };
    let to = format!("To=sip:agent@{}", stage.phone);
    let from = "From=%2B442079460199";
    let seat = async |conference: &str, label: &str, max: u8| {
        let path = format!("Conferences/{conference}/Participants.json");
        let (status, seat) =
            node.create(&path, &format!("{to}&{from}&Label={label}&MaxParticipants={max}")).await;
        assert_eq!(status, 201, "{seat}");
        let text = |name: &str| seat[name].as_str().unwrap().to_owned();
        node.wait_for(&format!("Calls/{}.json", text("call_sid")), "status", "in-progress").await;
        (text("conference_sid"), text("call_sid"))
    };
    let (conference, call) = seat("desk", "a", 9).await;
    let (_, held) = seat("desk", "b", 9).await;
    node.post(&format!("Conferences/{conference}/Participants/b.json"), "Hold=true").await;
    // As many as one call can have.
    for _ in 0..8 {
        made(&format!("Calls/{held}/Recordings.json"), "").await;
    }
    seat("full", "a", 2).await;
    seat("full", "b", 2).await;
    let mut accounts = Vec::new();
    for status in ["closed", "suspended"] {
        let (_, account) = node.ask("POST", "/2010-04-01/Accounts.json", "FriendlyName=other").await;
        let path = format!("/2010-04-01/Accounts/{}", account["sid"].as_str().unwrap());
        node.ask("POST", &format!("{path}.json"), &format!("Status={status}")).await;
        accounts.push(path);
    }
    let suspended = accounts.pop().unwrap();
    vec![
        ("{QU}", made("Queues.json", "FriendlyName=desk").await),
        ("{PN}", made("IncomingPhoneNumbers.json", &format!("PhoneNumber={NUMBER}")).await),
        ("{CF}", conference),
        ("{CA}", call),
        ("{held}", held),
        ("{closed}", accounts.pop().unwrap()),
        ("{asleep}", suspended.rsplit('/').next().unwrap().to_owned()),
        ("{suspended}", suspended),
        ("{number}", NUMBER.to_owned()),
        ("{long}", "x".repeat(4_001)),
        ("{to}", to.clone()),
        ("{from}", from.to_owned()),
    ]
}
