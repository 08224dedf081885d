//! Media streams, end to end: phones speak tones, and servers hear them where and when they must.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;
use confab::config::Secret;
use confab::server::Options;
use confab::webhook::sign;
use confab_media::{Codec, Decoder};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

use crate::app::{App, Told, wav};
use crate::peer::{Peer, within};
use crate::record::{Api, NOT_THERE, THERE, loudest};
use crate::running::Running;
use crate::stream_server::{Order, StreamServer};

async fn node() -> Running {
    let flags = ["--outbound-allow=sip:*@127.0.0.1:*", "--egress-allow=127.0.0.0/8"];
    Running::start_with(Options::default(), &flags).await
}

pub(crate) fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A phone that is called and follows a script; the call's SID.
pub(crate) async fn called(node: &Running, script: &str) -> (Peer, String) {
    let mut phone = Peer::udp(node.node.sip).await;
    let script = encoded(&format!("<Response>{script}</Response>"));
    let form = format!("To=sip:a@{}&From=b&Twiml={script}", phone.address());
    let (status, call) = node.create("Calls.json", &form).await;
    assert_eq!(status, 201, "{call}");
    let invite = phone.is_called().await;
    phone.pick_up(&invite).await;
    let sid = call["sid"].as_str().unwrap().to_owned();
    node.wait_for(&format!("Calls/{sid}.json"), "status", "in-progress").await;
    (phone, sid)
}

pub(crate) const WAIT: &str = "<Pause length=\"600\"/>";

pub(crate) fn samples(sounds: &[Value]) -> Vec<i16> {
    let mut decoder = Decoder::new(Codec::Pcmu).unwrap();
    let decoded = sounds.iter().flat_map(|sound| {
        let payload = STANDARD.decode(sound["media"]["payload"].as_str().unwrap()).unwrap();
        assert_eq!(payload.len(), 160);
        let mut samples = [0; 160];
        decoder.decode(&payload, &mut samples);
        samples
    });
    decoded.collect()
}

fn number(value: &Value) -> u64 {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).parse().unwrap()
}

/// Messages are numbered one after another, sounds in each track, and the time of a track goes on by steps of 20 ms.
fn assert_in_order(heard: &[Value], first_chunk: u64) {
    assert_eq!(heard[0], json!({ "event": "connected", "protocol": "Call", "version": "1.0.0" }));
    let numbers: Vec<u64> = heard[1..].iter().map(|message| number(&message["sequenceNumber"])).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    for track in ["inbound", "outbound"] {
        let sounds: Vec<&Value> = heard.iter().filter(|message| message["media"]["track"] == track).collect();
        let mut next = None;
        for (sound, chunk) in sounds.into_iter().zip(first_chunk..) {
            assert_eq!(number(&sound["media"]["chunk"]), chunk, "{track}");
            let time = number(&sound["media"]["timestamp"]);
            assert!(
                time.is_multiple_of(20) && next.is_none_or(|next| time >= next),
                "{track}: {time}, {next:?}"
            );
            next = Some(time + 20);
        }
    }
}

fn events(told: &[Told]) -> Vec<&str> {
    told.iter().map(|told| told.get("StreamEvent")).collect()
}

/// What the author of a call's application is told, by this code.
pub(crate) async fn noted(node: &Running, call: &str, code: &str) -> Value {
    within(&format!("a note {code}"), async {
        loop {
            let list = node.get(&format!("Calls/{call}/Notifications.json")).await;
            let notes = list["notifications"].as_array().unwrap();
            if let Some(note) = notes.iter().find(|note| note["error_code"] == code) {
                return note.clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_starts_a_stream_that_carries_both_directions_until_the_call_is_over() {
    let (node, app, server) = (node().await, App::start().await, StreamServer::start().await);
    app.gives("told", "text/plain", Vec::new());
    app.gives("tone.wav", "audio/wav", wav(1_900.0, 60.0));
    let script = format!(
        "<Start><Stream url=\"{}\" track=\"both_tracks\" name=\"desk\" statusCallback=\"{}\">\
         <Parameter name=\"first\" value=\"&quot;1&quot;\"/><Parameter name=\"b\" value=\"\"/></Stream></Start>\
         <Play loop=\"0\">{}</Play>",
        server.url("media"),
        app.url("told"),
        app.url("tone.wav")
    );
    let (mut phone, call) = called(&node, &script).await;
    phone.rtp.speak(700);
    phone.rtp.hears(1_900).await;
    let stream = server.connection(0).await;
    let (said, heard) =
        tokio::join!(stream.sounds_from_now("inbound", 60), stream.sounds_from_now("outbound", 60));
    assert!(loudest(&samples(&said), 700.0) > THERE);
    assert!(loudest(&samples(&said), 1_900.0) < NOT_THERE);
    assert!(loudest(&samples(&heard), 1_900.0) > THERE);
    assert!(loudest(&samples(&heard), 700.0) < NOT_THERE);
    // Who sends nothing is silent, and time goes on.
    phone.rtp.be_quiet();
    within("silence", async {
        while samples(&stream.sounds_from_now("inbound", 10).await).iter().any(|sample| *sample != 0) {}
    })
    .await;
    phone.hang_up().await;

    let all = stream.over().await;
    assert_in_order(&all, 1);
    let (start, stop) = (&all[1], &all[all.len() - 1]);
    let sid = start["streamSid"].as_str().unwrap();
    assert_eq!(
        start["start"],
        json!({
            "accountSid": node.account_sid, "streamSid": sid, "callSid": call, "tracks": ["inbound", "outbound"],
            "mediaFormat": { "encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1 },
            "customParameters": { "first": "\"1\"", "b": "" },
        })
    );
    assert_eq!((&stop["event"], &stop["stop"]["callSid"]), (&json!("stop"), &json!(call)));
    let token = Secret::new(node.auth_token.clone());
    assert_eq!(stream.header("x-twilio-signature"), sign(&token, &server.url("media"), &[]));
    assert_eq!((&*stream.path, stream.header("sec-websocket-protocol")), ("/media", ""));

    let told = app.told("told", 2).await;
    assert_eq!(events(&told), ["stream-started", "stream-stopped"]);
    for told in &told {
        assert!(told.is_signed_with(&node.auth_token, &app.url("told")));
        assert_eq!(
            (told.get("StreamSid"), told.get("StreamName"), told.get("CallSid")),
            (sid, "desk", &*call)
        );
        assert!(DateTime::parse_from_rfc3339(told.get("Timestamp")).is_ok(), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_begin_and_end_over_http_up_to_four_tracks_of_a_call() {
    let (node, server) = (node().await, StreamServer::start().await);
    let (phone, call) = called(&node, WAIT).await;
    phone.rtp.speak(700);
    let streams = format!("Calls/{call}/Streams");
    let begin = |more: &str| format!("Url={}&{more}", encoded(&server.url("x")));
    let stream = node
        .post(
            &format!("{streams}.json"),
            &begin("Name=one&Track=both_tracks&Parameter2.Name=n&Parameter2.Value=v"),
        )
        .await;
    assert_eq!((&stream["status"], &stream["name"]), (&json!("in-progress"), &json!("one")));
    let sid = stream["sid"].as_str().unwrap();
    let uri = format!("/2010-04-01/Accounts/{}/{streams}/{sid}.json", node.account_sid);
    assert_eq!((&stream["uri"], &stream["call_sid"]), (&json!(uri), &json!(call)));
    let second = node.post(&format!("{streams}.json"), &begin("")).await;
    assert_eq!(second["name"], second["sid"]);

    for (form, status, code) in [
        (begin("Track=both_tracks"), 400, 31_941),
        (begin("Name=one"), 409, 20_409),
        (begin("Track=inbound"), 400, 31_941),
        (begin("Parameter100.Name=a"), 400, 20_001),
        (begin("Parameter1.Value=a"), 400, 20_001),
        ("Url=https://app.example/".to_owned(), 400, 31_922),
        ("Url=wss://".to_owned(), 400, 31_923),
        ("Name=x".to_owned(), 400, 31_923),
    ] {
        let (answered, error) = node.create(&format!("{streams}.json"), &form).await;
        assert_eq!((answered, &error["code"]), (status, &json!(code)), "{form}: {error}");
    }
    // Either may have connected first.
    let mut ours = None;
    for n in [0, 1] {
        let connection = server.connection(n).await;
        let start = &connection.heard_until("start", |heard| heard.len() > 1).await[1];
        let is_ours = start["streamSid"] == sid;
        ours = if is_ours { Some(n) } else { ours };
        let told = if is_ours { json!({ "n": "v" }) } else { json!({}) };
        assert_eq!(start["start"]["customParameters"], told);
        // Both hear the same.
        assert!(loudest(&samples(&connection.sounds_from_now("inbound", 30).await), 700.0) > THERE);
    }
    let one_of = ours.unwrap();
    let stopped = node.post(&format!("{streams}/one.json"), "Status=stopped").await;
    assert_eq!((&stopped["status"], &stopped["sid"]), (&json!("stopped"), &json!(sid)));
    let all = server.connection(one_of).await.over().await;
    assert_in_order(&all, 1);
    assert_eq!(all[all.len() - 1]["event"], "stop");
    assert_eq!(node.create(&format!("{streams}/one.json"), "Status=stopped").await.0, 404);
    // The other goes on.
    server.connection(1 - one_of).await.sounds_from_now("inbound", 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_a_script_ends_the_stream_of_that_name() {
    let (node, server) = (node().await, StreamServer::start().await);
    let script = format!(
        "<Start><Stream url=\"{}\" name=\"desk\"/></Start><Pause length=\"1\"/><Stop><Stream name=\"other\"/>\
         <Stream name=\"desk\"/></Stop>{WAIT}",
        server.url("x")
    );
    let (_phone, call) = called(&node, &script).await;
    let all = server.connection(0).await.over().await;
    assert_in_order(&all, 1);
    assert_eq!(all[all.len() - 1]["event"], "stop");
    assert_eq!(node.get(&format!("Calls/{call}.json")).await["status"], "in-progress");
    noted(&node, &call, "12200").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn to_stop_a_stream_that_is_over_by_itself_is_no_mistake() {
    let node = node().await;
    let script = format!(
        "<Start><Stream url=\"ws://127.0.0.1:1/\" name=\"desk\"/></Start><Pause length=\"1\"/>\
         <Stop><Stream name=\"desk\"/><Stream name=\"other\"/></Stop>{WAIT}",
    );
    let (_phone, call) = called(&node, &script).await;
    noted(&node, &call, "12200").await;
    let list = node.get(&format!("Calls/{call}/Notifications.json")).await;
    let mut codes: Vec<_> =
        list["notifications"].as_array().unwrap().iter().map(|note| &note["error_code"]).collect();
    codes.sort_by_key(|code| code.to_string());
    assert_eq!(codes, ["12200", "31902"], "one stream was never there: {list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_lost_is_found_again_and_the_time_has_gone_on() {
    let (node, app, server) = (node().await, App::start().await, StreamServer::start().await);
    app.gives("told", "text/plain", Vec::new());
    let (phone, call) = called(&node, WAIT).await;
    phone.rtp.speak(700);
    let form = format!("Url={}&StatusCallback={}", encoded(&server.url("x")), encoded(&app.url("told")));
    node.post(&format!("Calls/{call}/Streams.json"), &form).await;
    let first = server.connection(0).await;
    first.sounds_from_now("inbound", 10).await;
    first.does(Order::Drop).await;
    let before = first.over().await;
    let again = server.connection(1).await;
    again.sounds_from_now("inbound", 40).await;
    again.does(Order::Close(1000)).await;
    let after = again.over().await;
    assert_eq!(after[1]["start"], before[1]["start"]);
    let sounds = |heard: &[Value]| -> Vec<Value> {
        heard.iter().filter(|message| message["event"] == "media").cloned().collect()
    };
    let (before, heard) = (sounds(&before), sounds(&after));
    assert!(
        number(&heard[0]["media"]["timestamp"]) > number(&before[before.len() - 1]["media"]["timestamp"])
    );
    assert_in_order(&after, number(&heard[0]["media"]["chunk"]));
    assert!(loudest(&samples(&heard), 700.0) > THERE);

    let told = app.told("told", 5).await;
    let steps = ["stream-started", "stream-error", "stream-started", "stream-error", "stream-stopped"];
    assert_eq!(events(&told), steps);
    assert!(told[1].get("StreamError").starts_with("31903"), "{told:?}");
    assert!(told[3].get("StreamError").starts_with("31921"), "{told:?}");
    assert_eq!(node.get(&format!("Calls/{call}.json")).await["status"], "in-progress");
    let (_, error) = node.create(&format!("Calls/{call}/Streams/x.json"), "Status=stopped").await;
    assert_eq!(error["code"], 20_404);
}

/// A port where somebody answers each connection with these bytes and closes it.
async fn answering(bytes: &'static [u8]) -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4_096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_be_had_is_told_with_its_code_and_the_call_goes_on() {
    let (node, app) = (node().await, App::start().await);
    let (_phone, call) = called(&node, WAIT).await;
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let moved =
        answering(b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n").await;
    let page = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let garbage = answering(b"\x00\x01\x02garbage\r\n\r\n").await;
    let nothing = answering(b"").await;
    for (name, url, code) in [
        ("refused", format!("ws://127.0.0.1:{nobody}/"), "31902"),
        ("redirect", format!("ws://127.0.0.1:{moved}/"), "31920"),
        ("page", format!("ws://127.0.0.1:{page}/"), "31920"),
        ("garbage", format!("ws://127.0.0.1:{garbage}/"), "31920"),
        ("no-tls", format!("wss://127.0.0.1:{garbage}/"), "31910"),
        ("nothing", format!("ws://127.0.0.1:{nothing}/"), "31920"),
        ("forbidden", format!("ws://[::1]:{page}/"), "31904"),
        ("unknown", "wss://nobody.invalid/".to_owned(), "31904"),
    ] {
        app.gives(name, "text/plain", Vec::new());
        let form = format!("Url={}&StatusCallback={}", encoded(&url), encoded(&app.url(name)));
        node.post(&format!("Calls/{call}/Streams.json"), &form).await;
        let told = app.told(name, 1).await;
        assert_eq!(events(&told), ["stream-error"]);
        assert!(told[0].get("StreamError").starts_with(code), "{name}: {told:?}");
        let note = noted(&node, &call, code).await;
        assert_eq!(note["log"], "0", "{note}");
    }
    assert_eq!(node.get(&format!("Calls/{call}.json")).await["status"], "in-progress");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_floods_or_is_deaf_harms_only_its_own_stream() {
    let (node, server) = (node().await, StreamServer::start().await);
    let (mut phone, call) = called(&node, WAIT).await;
    phone.rtp.speak(700);
    let form = format!("Url={}", encoded(&server.url("x")));
    for _ in 0..3 {
        node.post(&format!("Calls/{call}/Streams.json"), &form).await;
    }
    let (deaf, loud, good) =
        (server.connection(0).await, server.connection(1).await, server.connection(2).await);
    deaf.does(Order::BeDeaf).await;
    for message in [
        Message::text("garbage"),
        Message::binary(vec![0; 1_000]),
        Message::text("x".repeat(1 << 20)),
        Message::text("{\"event\":\"clear\"}"),
    ] {
        loud.does(Order::Say(message)).await;
    }
    let note = noted(&node, &call, "31950").await;
    assert_eq!(note["log"], "1", "a warning");
    for stream in [&good, &loud] {
        assert!(loudest(&samples(&stream.sounds_from_now("inbound", 50).await), 700.0) > THERE);
    }
    let list = node.get(&format!("Calls/{call}/Notifications.json")).await;
    assert_eq!(list["notifications"].as_array().unwrap().len(), 1, "once a stream: {list}");
    phone.hang_up().await;
    for stream in [&good, &loud] {
        let all = stream.over().await;
        assert_in_order(&all, 1);
        assert_eq!(all[all.len() - 1]["event"], "stop");
    }
    within("the end of all streams", async {
        while node.figure("confab_streams_active", "").await != 0.0 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_streamed_and_recorded_at_once_and_neither_ends_the_other() {
    let (node, server) = (node().await, StreamServer::start().await);
    let api = Api::of(&node);
    let (phone, call) = called(&node, WAIT).await;
    phone.rtp.speak(700);
    let streams = format!("Calls/{call}/Streams");
    let begin = format!("Name=one&Url={}", encoded(&server.url("x")));
    node.post(&format!("{streams}.json"), &begin).await;
    server.connection(0).await.sounds_from_now("inbound", 60).await;
    let began = std::time::Instant::now();
    let recordings = format!("Calls/{call}/Recordings");
    let (code, recording) = api.json("POST", &format!("{recordings}.json"), "RecordingChannels=dual").await;
    assert_eq!(code, 201, "{recording}");
    server.connection(0).await.sounds_from_now("inbound", 20).await;
    node.post(&format!("{streams}/one.json"), "Status=stopped").await;
    server.connection(0).await.over().await;
    // The recording goes on, and so does another stream when it is over.
    phone.rtp.be_quiet();
    phone.rtp.speak(1_100);
    node.post(&format!("{streams}.json"), &begin).await;
    server.connection(1).await.sounds_from_now("inbound", 60).await;
    let recording = recording["sid"].as_str().unwrap();
    node.post(&format!("{recordings}/{recording}.json"), "Status=stopped").await;
    let longest = began.elapsed();
    let said = server.connection(1).await.sounds_from_now("inbound", 30).await;
    assert!(loudest(&samples(&said), 1_100.0) > THERE);

    api.completed(&format!("Recordings/{recording}.json")).await;
    let [inbound, _] = &api.sound(&format!("Recordings/{recording}")).await[..] else { panic!("two tracks") };
    assert!(loudest(inbound, 700.0) > THERE && loudest(inbound, 1_100.0) > THERE);
    // The 1.2 s that were said and streamed before it began are not part of it. It ends with a tick, which may come after the
    // answer to who ended it.
    let recorded = inbound.len() as f64 / 8_000.0;
    assert!(recorded <= longest.as_secs_f64() + 0.5, "{recorded} s in {longest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn time_goes_on_over_mute_and_hold_and_both_are_heard_as_what_they_are() {
    let (node, server) = (node().await, StreamServer::start().await);
    let (mut phone, call) = called(&node, "<Dial><Conference>desk</Conference></Dial>").await;
    phone.rtp.speak(700);
    let form = format!("Track=both_tracks&Url={}", encoded(&server.url("x")));
    node.post(&format!("Calls/{call}/Streams.json"), &form).await;
    let stream = server.connection(0).await;
    stream.sounds_from_now("inbound", 30).await;
    let list = node.get("Conferences.json?FriendlyName=desk").await;
    let seat =
        format!("Conferences/{}/Participants/{call}.json", list["conferences"][0]["sid"].as_str().unwrap());
    for form in ["Muted=true", "Hold=true&HoldUrl=", "Hold=false", "Muted=false"] {
        node.post(&seat, form).await;
        let sounds = stream.sounds_from_now("inbound", 10).await;
        // Who is muted or on hold is streamed all the same: who streams a call wants to know what is said in it.
        assert!(loudest(&samples(&sounds), 700.0) > THERE, "{form}");
    }
    phone.hang_up().await;
    let all = stream.over().await;
    assert_in_order(&all, 1);
    for track in ["inbound", "outbound"] {
        let times = all.iter().filter(|message| message["media"]["track"] == track);
        let times: Vec<u64> = times.map(|message| number(&message["media"]["timestamp"])).collect();
        assert!(times.len() > 60, "{track}");
        // One step may be given up by a machine that stalls; a hold lasts longer.
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] <= 100), "{track}: {times:?}");
    }
}
