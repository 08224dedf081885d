//! Calls that talk with a server over a media stream, end to end: what it says is heard by the phone, tone by tone.

use std::f64::consts::TAU;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use confab::server::Options;
use confab_media::Codec;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::app::{App, wav};
use crate::peer::{Peer, within};
use crate::rtp::Rtp;
use crate::running::Running;
use crate::stream_server::{Connection, Order, StreamServer};

/// What the phone hears when its talk is over.
const AFTERWARDS: u32 = 1_900;

/// A node, a server, and a phone that talks with it.
struct Stage {
    node: Running,
    app: App,
    server: StreamServer,
    phone: Peer,
    call: String,
}

impl Stage {
    /// A phone that follows a script; `{server}`, `{told}` and `{after}` in it are places.
    async fn following(script: &str) -> Self {
        let flags = ["--outbound-allow=sip:*@127.0.0.1:*", "--egress-allow=127.0.0.0/8"];
        let node = Running::start_with(Options::default(), &flags).await;
        let (app, server) = (App::start().await, StreamServer::start().await);
        app.gives("told", "text/plain", Vec::new());
        app.gives("after.wav", "audio/wav", wav(f64::from(AFTERWARDS), 60.0));
        let after = format!("<Play loop=\"0\">{}</Play>", app.url("after.wav"));
        let script = script.replace("{server}", &server.url("talk"));
        let script = script.replace("{told}", &app.url("told")).replace("{after}", &after);
        let mut phone = Peer::udp(node.node.sip).await;
        let script: String =
            form_urlencoded::byte_serialize(format!("<Response>{script}</Response>").as_bytes()).collect();
        let form = format!("To=sip:a@{}&From=b&Twiml={script}", phone.address());
        let (status, call) = node.create("Calls.json", &form).await;
        assert_eq!(status, 201, "{call}");
        let invite = phone.is_called().await;
        phone.pick_up(&invite).await;
        let call = call["sid"].as_str().unwrap().to_owned();
        Self { node, app, server, phone, call }
    }

    /// One that talks with the server, and what comes then.
    async fn talking() -> (Self, Talk) {
        let stage = Self::following("<Connect><Stream url=\"{server}\"/></Connect>{after}").await;
        let talk = stage.talk(0).await;
        (stage, talk)
    }

    /// The server's side of its connection of this number.
    async fn talk(&self, number: usize) -> Talk {
        let connection = self.server.connection(number).await;
        let heard = connection.heard_until("a start", |heard| heard.len() >= 2).await;
        Talk { sid: heard[1]["streamSid"].as_str().unwrap().to_owned(), connection }
    }

    /// What the author of the call's application is told, by this code, and how often.
    async fn noted(&self, code: &str) -> Vec<String> {
        within(&format!("a note {code}"), async {
            loop {
                let list = self.node.get(&format!("Calls/{}/Notifications.json", self.call)).await;
                let notes = list["notifications"].as_array().unwrap().clone();
                let found: Vec<String> = notes
                    .iter()
                    .filter(|note| note["error_code"] == code)
                    .map(|note| note["message_text"].to_string())
                    .collect();
                if !found.is_empty() {
                    return found;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await
    }
}

/// A talk as its server has it.
struct Talk {
    sid: String,
    connection: Connection,
}

impl Talk {
    async fn say(&self, message: Value) {
        self.connection.does(Order::Say(Message::text(message.to_string()))).await;
    }

    /// So many milliseconds of a tone, in pieces of so many bytes.
    async fn speak(&self, hertz: u32, millis: usize, piece: usize) {
        let samples: Vec<i16> = (0..millis * 8)
            .map(|n| ((n as f64 * f64::from(hertz) * TAU / 8_000.0).sin() * 6_000.0) as i16)
            .collect();
        let mut sound = vec![0; samples.len()];
        Codec::Pcmu.encode(&samples, &mut sound);
        for piece in sound.chunks(piece) {
            self.send(piece).await;
        }
    }

    async fn send(&self, sound: &[u8]) {
        let media = json!({ "payload": STANDARD.encode(sound) });
        self.say(json!({ "event": "media", "streamSid": self.sid, "media": media })).await;
    }

    async fn mark(&self, name: &str) {
        self.say(json!({ "event": "mark", "streamSid": self.sid, "mark": { "name": name } })).await;
    }

    async fn clear(&self) {
        self.say(json!({ "event": "clear", "streamSid": self.sid })).await;
    }

    /// Names of the marks that came back, once there are as many.
    async fn marks(&self, count: usize) -> Vec<String> {
        let names = |heard: &[Value]| -> Vec<String> {
            let marks = heard.iter().filter(|message| message["event"] == "mark");
            marks.map(|mark| mark["mark"]["name"].as_str().unwrap().to_owned()).collect()
        };
        names(
            &self
                .connection
                .heard_until(&format!("{count} marks"), |heard| names(heard).len() >= count)
                .await,
        )
    }

    /// Says back all that it hears, from now on.
    fn echoes(&self) {
        let Self { sid, connection } = self;
        let (sid, connection) = (sid.clone(), connection.clone());
        tokio::spawn(async move {
            let mut at = 0;
            loop {
                let heard = connection.heard_until("something", |heard| heard.len() > at).await;
                for message in heard[at..].iter().filter(|message| message["event"] == "media") {
                    let media = json!({ "payload": message["media"]["payload"] });
                    let back = json!({ "event": "media", "streamSid": sid, "media": media });
                    connection.does(Order::Say(Message::text(back.to_string()))).await;
                }
                at = heard.len();
            }
        });
    }
}

/// The last packet so far in which a tone is loud.
fn last_with(rtp: &Rtp, hertz: u32) -> usize {
    let loud = |packet: &crate::rtp::Packet| Rtp::any_is_loud(std::slice::from_ref(packet), hertz);
    rtp.packets().iter().rposition(loud).expect("it was heard")
}

/// Packets by which a listener on a busy machine may be behind what was sent to it.
const BEHIND: usize = 25;

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_hears_themselves_through_a_server_that_says_back_what_it_hears() {
    let mut stage = Stage::following(
        "<Connect><Stream url=\"{server}\" name=\"echo\" track=\"both_tracks\" statusCallback=\"{told}\">\
         <Parameter name=\"first\" value=\"1\"/></Stream></Connect>{after}",
    )
    .await;
    let talk = stage.talk(0).await;
    talk.echoes();
    stage.phone.rtp.speak(700);
    stage.phone.rtp.hears(700).await;
    stage.phone.rtp.press(101, 5).await;
    let key = |message: &Value| message["event"] == "dtmf";
    let heard = talk.connection.heard_until("a key", |heard| heard.iter().any(key)).await;
    let start = &heard[1];
    assert_eq!(start["start"]["tracks"], json!(["inbound"]), "no other is sent");
    assert_eq!(start["start"]["customParameters"], json!({ "first": "1" }));
    assert_eq!(start["start"]["callSid"], stage.call.as_str());
    let key = heard.iter().find(|message| key(message)).unwrap();
    let number = key["sequenceNumber"].as_str().unwrap();
    let dtmf = json!({ "track": "inbound_track", "digit": "5" });
    assert_eq!(
        *key,
        json!({ "event": "dtmf", "streamSid": talk.sid, "sequenceNumber": number, "dtmf": dtmf })
    );
    let sounds = heard.iter().filter(|message| message["event"] == "media");
    assert!(sounds.clone().all(|sound| sound["media"]["track"] == "inbound"));
    assert!(sounds.count() > 5);

    // The call goes on when the server has had enough.
    talk.connection.does(Order::Close(1000)).await;
    stage.phone.rtp.hears(AFTERWARDS).await;
    stage.phone.rtp.hears_no_more(700).await;
    let told = stage.app.told("told", 2).await;
    let events: Vec<&str> = told.iter().map(|told| told.get("StreamEvent")).collect();
    assert_eq!(events, ["stream-started", "stream-stopped"]);
    assert_eq!((told[0].get("StreamName"), told[0].get("StreamSid")), ("echo", &*talk.sid));
    stage.phone.hang_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_is_heard_at_its_pace_and_marks_come_back_behind_their_sound() {
    let (stage, talk) = Stage::talking().await;
    talk.mark("at once").await;
    talk.marks(1).await;
    // Pieces that are no whole packets, as fast as they can be sent.
    talk.speak(900, 700, 333).await;
    talk.mark("first").await;
    talk.speak(1_300, 700, 7_001).await;
    talk.mark("second").await;
    talk.mark("second again").await;
    talk.speak(500, 60_000, 40_000).await;
    talk.mark("third").await;
    let rtp = &stage.phone.rtp;
    assert_eq!(talk.marks(2).await, ["at once", "first"]);
    let at_first = rtp.count();
    assert_eq!(talk.marks(4).await[2..], ["second", "second again"]);
    let at_second = rtp.count();
    rtp.hears(500).await;
    assert!(last_with(rtp, 900) <= at_first + BEHIND, "{} {at_first}", last_with(rtp, 900));
    assert!(last_with(rtp, 1_300) <= at_second + BEHIND, "{} {at_second}", last_with(rtp, 1_300));
    // All of it, at the pace at which it is heard.
    for hertz in [900, 1_300] {
        let loud = |packet: &&crate::rtp::Packet| Rtp::any_is_loud(std::slice::from_ref(*packet), hertz);
        let count = rtp.packets().iter().filter(loud).count();
        assert!((33..=36).contains(&count), "{hertz} Hz in {count} packets");
    }

    talk.clear().await;
    assert_eq!(talk.marks(5).await[4..], ["third"]);
    rtp.hears_no_more(500).await;
    talk.speak(700, 2_000, 1_000).await;
    rtp.hears(700).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_wrong_things_is_told_of_and_heard_all_the_same() {
    let (stage, talk) = Stage::talking().await;
    for _ in 0..3 {
        talk.connection.does(Order::Say(Message::binary(vec![1, 2, 3]))).await;
        talk.say(json!({ "event": "clear", "streamSid": "MZ00000000000000000000000000000000" })).await;
        talk.mark(&"x".repeat(1 << 20)).await;
        talk.say(
            json!({ "event": "media", "streamSid": talk.sid, "media": { "payload": "no" , "more": 1 } }),
        )
        .await;
    }
    // Twelve minutes, of which ten may wait.
    for _ in 0..3 {
        talk.send(&vec![0xff; 4 * 60 * 8_000]).await;
    }
    stage.noted("31931").await;
    talk.clear().await;
    // As many marks as may wait, and all of them come back.
    let since = stage.phone.rtp.count();
    talk.speak(700, 1_000, 8_000).await;
    for n in 0..10_000 {
        talk.mark(&n.to_string()).await;
    }
    // To place so many may take longer than the sound.
    stage.phone.rtp.has_heard_since(since, 700).await;
    // To look at all of them each time one comes would take longer than all else.
    let is_last = |message: &Value| message["mark"]["name"] == "9999";
    let last = |heard: &[Value]| heard.iter().rev().take(100).any(is_last);
    talk.connection.heard_until("the last mark", last).await;
    let marks = talk.marks(10_000).await;
    assert!(marks.iter().enumerate().all(|(n, name)| *name == n.to_string()));
    for code in ["31950", "31951", "31931"] {
        assert_eq!(stage.noted(code).await.len(), 1, "once for each kind");
    }
    assert_eq!(stage.node.get(&format!("Calls/{}.json", stage.call)).await["status"], "in-progress");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_and_the_end_of_the_call_end_the_talk() {
    let (mut stage, talk) = Stage::talking().await;
    talk.speak(700, 60_000, 16_000).await;
    stage.phone.rtp.hears(700).await;
    // It is the script's: nobody else ends it.
    let path = format!("Calls/{}/Streams/{}.json", stage.call, talk.sid);
    assert_eq!(stage.node.create(&path, "Status=stopped").await.0, 400);
    let again = "<Connect><Stream url=\"{}\"/></Connect>".replace("{}", &stage.server.url("again"));
    let again: String =
        form_urlencoded::byte_serialize(format!("<Response>{again}</Response>").as_bytes()).collect();
    stage.node.post(&format!("Calls/{}.json", stage.call), &format!("Twiml={again}")).await;
    let all = talk.connection.over().await;
    assert_eq!(all[all.len() - 1]["event"], "stop");
    // What it has to say now comes too late.
    let second = stage.talk(1).await;
    stage.phone.rtp.hears_no_more(700).await;
    second.speak(1_100, 60_000, 16_000).await;
    stage.phone.rtp.hears(1_100).await;
    stage.phone.hang_up().await;
    let all = second.connection.over().await;
    assert_eq!(all[all.len() - 1]["event"], "stop");
    assert_ne!(talk.sid, second.sid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_or_is_lost_lets_the_call_go_on() {
    let closed = "ws://127.0.0.1:1/talk";
    let stage = Stage::following(&format!(
        "<Connect><Stream url=\"{closed}\" statusCallback=\"{{told}}\"/></Connect>\
         <Connect><Stream url=\"http://a.example/\"/></Connect>\
         <Connect><Stream url=\"{{server}}\"/></Connect>{{after}}"
    ))
    .await;
    let talk = stage.talk(0).await;
    talk.speak(700, 60_000, 16_000).await;
    stage.phone.rtp.hears(700).await;
    talk.connection.does(Order::Drop).await;
    stage.phone.rtp.hears(AFTERWARDS).await;
    for code in ["31902", "31922", "31903"] {
        assert_eq!(stage.noted(code).await.len(), 1);
    }
    let told = stage.app.told("told", 1).await;
    assert_eq!(told[0].get("StreamEvent"), "stream-error");
    assert!(told[0].get("StreamError").starts_with("31902"), "{}", told[0].get("StreamError"));
}
