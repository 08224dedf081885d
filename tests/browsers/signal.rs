//! The way in of the official browser SDK, with its messages written by hand: calls both ways, several devices, and coming back.

use std::time::Duration;

use confab::server::Options;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::app::App;
use crate::end::{Browser, Node, application, token_with};
use crate::peer::{Peer, within};
use crate::proof::{Proof, authorization};
use crate::running::Running;

const FLAGS: [&str; 3] = ["--egress-allow=127.0.0.0/8", "--media-threads=2", "--outbound-allow=*"];

/// A device: what the SDK makes of a token.
pub(crate) struct Device {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Device {
    /// Opens a connection and says nothing.
    pub(crate) async fn open(node: &Running) -> Self {
        let url = format!("ws://{}/signal", node.node.http);
        let (socket, _) = within("a WebSocket", tokio_tungstenite::connect_async(url)).await.unwrap();
        Self { socket }
    }

    /// One that is let in and can be called.
    pub(crate) async fn registered(node: &Running, token: &str) -> Self {
        let mut device = Self::open(node).await;
        device.listen(token).await;
        device.say("register", json!({"media": {"audio": true}})).await;
        device.told("ready").await;
        device
    }

    pub(crate) async fn listen(&mut self, token: &str) -> Value {
        let browser =
            json!({"browser": {"platform": "x", "userAgent": "y"}, "p": "browser", "plugin": "rtc"});
        let listen = json!({"token": token, "reconnectTimeout": 30, "browserinfo": browser});
        self.say("listen", listen).await;
        self.told("connected").await
    }

    pub(crate) async fn say(&mut self, kind: &str, payload: Value) {
        let text = json!({"type": kind, "payload": payload, "version": "1.6"}).to_string();
        self.send(text).await;
    }

    pub(crate) async fn send(&mut self, text: String) {
        self.socket.send(Message::Text(text.into())).await.unwrap();
    }

    /// The same to a node that may have closed the connection.
    pub(crate) async fn tries(&mut self, text: String) {
        let _ = self.socket.send(Message::Text(text.into())).await;
    }

    /// What it is told next; `None` when the connection is closed.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            let message = within("something to be told", self.socket.next()).await?.ok()?;
            match message {
                Message::Text(text) if text.as_str() == "\n" => self.tries("\n".to_owned()).await,
                Message::Text(text) => return Some(serde_json::from_str(&text).unwrap()),
                Message::Close(_) => return None,
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    /// What it is told next, which is of this type.
    pub(crate) async fn told(&mut self, kind: &str) -> Value {
        let told = self.next().await.unwrap_or_else(|| panic!("closed in place of {kind}"));
        assert_eq!(told["type"], kind, "{told}");
        told["payload"].clone()
    }

    /// The end of its call. A script that is fast may have ended it before it rang.
    pub(crate) async fn hung_up(&mut self) -> Value {
        loop {
            let told = self.next().await.expect("an end that is told");
            match told["type"].as_str() {
                Some("hangup") => return told["payload"].clone(),
                Some("ringing" | "answer") => {}
                _ => panic!("{told} in place of hangup"),
            }
        }
    }

    /// The number of the error it is told next.
    pub(crate) async fn error(&mut self) -> u64 {
        self.told("error").await["error"]["code"].as_u64().unwrap()
    }

    async fn invites(&mut self, offer: &str, params: &str) -> Value {
        let invite = json!({"callsid": "TJS1", "sdp": offer, "twilio": {"params": params}});
        self.say("invite", invite).await;
        self.next().await.unwrap()
    }
}

/// A node, an application, and a token for `alice` who may be called.
pub(crate) async fn stage(script: &str) -> (Running, App, String) {
    let (node, app) = (Running::start_with(Options::default(), &FLAGS).await, App::start().await);
    app.says("voice", script);
    let application = application(&node, &app.url("voice")).await;
    let token = token_with(&node, "alice", &application, callable).await;
    (node, app, token)
}

fn callable(claims: &mut Value) {
    claims["grants"]["voice"]["incoming"] = json!({"allow": true});
}

/// Has the node call somebody; the call's SID.
pub(crate) async fn place(node: &Running, form: &str) -> String {
    let (status, made) = node.create("Calls.json", form).await;
    assert_eq!(status, 201, "{made}");
    text(&made["sid"]).to_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_calls_a_conference_begins_ice_anew_comes_back_and_hangs_up() {
    let (node, app, token) = stage("<Dial><Conference>floor</Conference></Dial>").await;
    let mut device = Device::open(&node).await;
    let connected = device.listen(&token).await;
    assert_eq!(connected["token"]["identity"], "alice");
    assert!((500..=600).contains(&connected["token"]["ttl"].as_i64().unwrap()), "{connected}");

    let mut browser = Browser::new().await;
    let ringing = device.invites(&browser.offer(), "To=floor&shoe=a%20b").await;
    assert_eq!(ringing["type"], "ringing");
    let sid = text(&ringing["payload"]["callsid"]).to_owned();
    let answer = device.told("answer").await;
    assert_eq!(answer["callsid"], *sid);
    let (first, reconnect) = (text(&answer["sdp"]).to_owned(), text(&answer["reconnect"]).to_owned());
    let asked = &app.told("voice", 1).await[0];
    assert_eq!((asked.get("From"), asked.get("To"), asked.get("shoe")), ("client:alice", "floor", "a b"));
    assert_eq!((asked.get("CallSid"), asked.get("team")), (&*sid, "blue"));

    // ICE begins anew before anything has flowed.
    browser.ufrag = "nEw1".to_owned();
    device.say("reinvite", json!({"callsid": sid, "sdp": browser.offer()})).await;
    let anew = device.told("answer").await;
    assert!(anew["sdp"] != *first && anew.get("reconnect").is_none());
    let offer = browser.offer();
    let call = browser.talk(Node::of(text(&anew["sdp"])), format!("/{sid}"), String::new()).await;
    let mut phone = Peer::udp(node.node.sip).await;
    phone.dial("conf-floor").await;
    call.speak(700);
    phone.rtp.speak(1_300);
    tokio::join!(call.hears(1_300), phone.rtp.hears(700));

    // The connection is lost. Nobody but who has the key comes back; the call does not notice.
    drop(device);
    let mut device = Device::open(&node).await;
    device.listen(&token).await;
    let back = |key: &str| json!({"callsid": sid, "reconnect": key, "sdp": offer, "twilio": {}});
    device.say("invite", back("00000000000000000000000000000000")).await;
    assert_eq!(device.told("hangup").await["error"]["code"], 31_209);
    device.say("invite", back(&reconnect)).await;
    let resumed = device.told("answer").await;
    assert_eq!((&resumed["callsid"], &resumed["sdp"]), (&json!(sid), &anew["sdp"]));
    tokio::join!(call.hears(1_300), phone.rtp.hears(700));

    // With a newer token the SDK says the same again, over the connection it has.
    device.listen(&token).await;
    device.say("invite", back(&reconnect)).await;
    device.told("answer").await;

    device.say("hangup", json!({"callsid": sid})).await;
    node.wait_for(&format!("Calls/{sid}.json"), "status", "completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_page_goes_on_with_a_call_and_talks_with_its_application() {
    let (node, app, token) = stage("<Dial><Conference>floor</Conference></Dial>").await;
    let mut device = Device::open(&node).await;
    device.listen(&token).await;
    let browser = Browser::new().await;
    let ringing = device.invites(&browser.offer(), "To=floor").await;
    let sid = text(&ringing["payload"]["callsid"]).to_owned();
    let answer = device.told("answer").await;
    let reconnect = text(&answer["reconnect"]).to_owned();
    let call = browser.talk(Node::of(text(&answer["sdp"])), format!("/{sid}"), String::new()).await;
    let mut phone = Peer::udp(node.node.sip).await;
    phone.dial("conf-floor").await;
    call.speak(700);
    phone.rtp.speak(1_300);
    tokio::join!(call.hears(1_300), phone.rtp.hears(700));

    // It has a certificate of its own.
    let mut other = Device::open(&node).await;
    other.listen(&token).await;
    let mut elsewhere = Browser::new().await;
    let taken = json!({"callsid": sid, "reconnect": reconnect, "sdp": elsewhere.offer(), "twilio": {}});
    other.say("invite", taken).await;
    let answer = other.told("answer").await;
    let place = Node::of(text(&answer["sdp"]));
    elsewhere.prove(&place).await;
    elsewhere.is_sent_no_sound_for(Duration::from_millis(200)).await;
    let moved = elsewhere.talk(place, format!("/{sid}"), String::new()).await;
    moved.speak(1_900);
    tokio::join!(moved.hears(1_300), phone.rtp.hears(1_900));
    drop(call);
    let mut device = other;

    // What the page says is heard once somebody has asked for it; what its application says comes to the page.
    let said = |kind: &str| {
        json!({
            "callsid": sid, "content": {"n": 1}, "contenttype": "application/json", "messagetype": kind, "voiceeventsid": "KX1",
        })
    };
    for (kind, code) in [("user-defined-message", 31_404), ("another", 31_210)] {
        device.say("message", said(kind)).await;
        let refused = device.told("error").await;
        assert_eq!((&refused["callsid"], &refused["voiceeventsid"]), (&json!(sid), &json!("KX1")));
        assert_eq!(refused["error"]["code"], code);
    }
    let subscriptions = format!("Calls/{sid}/UserDefinedMessageSubscriptions");
    let (status, made) =
        node.create(&format!("{subscriptions}.json"), &format!("Callback={}", app.url("said"))).await;
    assert_eq!(status, 201, "{made}");
    device.say("message", said("user-defined-message")).await;
    let ack = json!({"acktype": "message", "callsid": sid, "voiceeventsid": "KX1"});
    assert_eq!(device.told("ack").await, ack);
    let heard = &app.told("said", 1).await[0];
    assert_eq!((heard.get("CallSid"), heard.get("Content")), (&*sid, "{\"n\":1}"));
    let content = "Content=%7B%22m%22%3A2%7D";
    let (status, message) = node.create(&format!("Calls/{sid}/UserDefinedMessages.json"), content).await;
    assert_eq!(status, 201, "{message}");
    let told = device.told("message").await;
    assert_eq!((&told["content"], &told["voiceeventsid"]), (&json!({"m": 2}), &message["sid"]));
    let gone = format!("{subscriptions}/{}.json", made["sid"].as_str().unwrap());
    assert_eq!((node.delete(&gone).await, node.delete(&gone).await), (204, 404));
    device.say("hangup", json!({"callsid": sid})).await;
    node.wait_for(&format!("Calls/{sid}.json"), "status", "completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_devices_of_an_identity_ring_and_the_first_that_answers_has_the_call() {
    let (node, app, token) = stage("").await;
    app.says("floor", "<Dial><Conference>floor</Conference></Dial>");
    let (mut one, mut other) =
        (Device::registered(&node, &token).await, Device::registered(&node, &token).await);
    let (to, url) = ("client%3Aalice%3Forder%3D4%262", app.url("floor"));
    let form = format!("To={to}&From=%2B15550100&Url={url}&StatusCallback={}", app.url("status"));
    let events = "&StatusCallbackEvent=ringing&StatusCallbackEvent=answered&StatusCallbackEvent=completed";
    let sid = place(&node, &format!("{form}{events}")).await;
    let (invited, other_invited) = (one.told("invite").await, other.told("invite").await);
    assert_eq!(invited["sdp"], other_invited["sdp"]);
    assert_eq!(invited["callsid"], *sid);
    let expected = json!({
        "CallSid": sid, "AccountSid": node.account_sid, "From": "+15550100", "To": "client:alice", "Params": "order=4&2=",
    });
    assert_eq!(invited["parameters"], expected);
    node.wait_for(&format!("Calls/{sid}.json"), "status", "ringing").await;

    // What no browser says harms nobody; the call goes on ringing.
    other.say("answer", json!({"callsid": sid, "sdp": "v=0\r\n"})).await;
    assert_eq!(other.told("hangup").await["error"]["code"], 31_400);
    let mut browser = Browser::new().await;
    let answer = browser.answer(text(&invited["sdp"]));
    one.say("answer", json!({"callsid": sid, "sdp": answer})).await;
    assert!(one.told("answer").await["reconnect"].is_string());
    let call = browser.talk(Node::of(text(&invited["sdp"])), format!("/{sid}"), String::new()).await;
    let mut phone = Peer::udp(node.node.sip).await;
    phone.dial("conf-floor").await;
    call.speak(700);
    phone.rtp.speak(1_300);
    tokio::join!(call.hears(1_300), phone.rtp.hears(700));
    node.post(&format!("Calls/{sid}.json"), "Status=completed").await;
    assert!(one.told("hangup").await.get("error").is_none());
    let told = app.told("status", 3).await;
    let statuses: Vec<&str> = told.iter().map(|told| told.get("CallStatus")).collect();
    assert_eq!(statuses, ["ringing", "in-progress", "completed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_rejects_is_busy_for_all_and_who_is_not_there_does_not_answer() {
    let (node, app, token) = stage("").await;
    let (mut one, mut other) =
        (Device::registered(&node, &token).await, Device::registered(&node, &token).await);
    let done = app.url("done");
    let client = "<Client><Identity>alice</Identity><Parameter name=\"a\" value=\"b &amp; c\"/></Client>";
    app.says("dial", &format!("<Dial action=\"{done}\">{client}</Dial>"));
    app.says("done", "<Hangup/>");
    let form = format!("VoiceUrl={}&PhoneNumber=%2B15550111", app.url("dial"));
    node.create("IncomingPhoneNumbers.json", &form).await;
    let mut caller = Peer::udp(node.node.sip).await;
    caller.dial("+15550111").await;
    let invited = one.told("invite").await;
    assert_eq!(invited["parameters"]["Params"], "a=b+%26+c");
    other.told("invite").await;
    one.say("reject", json!({"callsid": invited["callsid"]})).await;
    other.told("cancel").await;
    assert_eq!(app.told("done", 1).await[0].get("DialCallStatus"), "busy");
    caller.is_hung_up().await;

    // Both go: one says so, the other is just gone.
    one.say("register", json!({"media": {"audio": false}})).await;
    one.told("offline").await;
    drop(other);
    let there = async || node.figure("confab_signal_connections", "").await;
    within("it to be noticed", async {
        while there().await > 1.0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    caller.begin_anew();
    caller.dial("+15550111").await;
    assert_eq!(app.told("done", 2).await[1].get("DialCallStatus"), "no-answer");
}

/// A phone that alice has registered.
async fn registered_phone(node: &Running) -> Peer {
    let mut phone = Peer::udp(node.node.sip).await;
    let contact = format!("<{}>", phone.contact);
    let mut register = || phone.register("alice").with("Contact", &contact).with("Expires", "600");
    let (first, again) = (register(), register());
    let challenge = phone.ask(&first).await;
    let proof = Proof { user: "alice", password: "open sesame", ..Proof::of(&challenge) };
    let again = again.clone().with("Authorization", authorization(&proof, "REGISTER", again.uri()));
    assert_eq!(phone.ask(&again).await.status(), Some(200));
    phone
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_and_a_browser_of_one_agent_ring_together() {
    let agent = "[[agent]]\nname = \"alice\"\npassword = \"open sesame\"\n";
    let node = Running::start_with_file(Options::default(), agent).await;
    let token = token_with(&node, "alice", "AP00000000000000000000000000000000", callable).await;
    let mut device = Device::registered(&node, &token).await;
    let mut phone = registered_phone(&node).await;
    for answers_at_phone in [true, false] {
        let form = "To=client%3Aalice&From=%2B15550100&Twiml=%3CResponse%3E%3CPause%20length%3D%2230%22%2F%3E%3C%2FResponse%3E";
        let sid = place(&node, form).await;
        let invited = device.told("invite").await;
        let invite = phone.is_called().await;
        phone.reply(&invite, "180 Ringing").await;
        if answers_at_phone {
            phone.pick_up(&invite).await;
            device.told("cancel").await;
        } else {
            let mut browser = Browser::new().await;
            let answer = browser.answer(text(&invited["sdp"]));
            device.say("answer", json!({"callsid": sid, "sdp": answer})).await;
            device.told("answer").await;
            let cancel = phone.request_of("CANCEL").await;
            assert!(cancel.header("Reason").contains("elsewhere"), "{}", cancel.text());
            phone.answer(&cancel, "200 OK").await;
            phone.reply(&invite, "487 Request Terminated").await;
        }
        node.wait_for(&format!("Calls/{sid}.json"), "status", "in-progress").await;
        node.post(&format!("Calls/{sid}.json"), "Status=completed").await;
        if answers_at_phone {
            phone.is_hung_up().await;
        }
    }
    device.told("hangup").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_does_not_come_back_loses_its_call_and_one_that_rings_at_once() {
    let (node, app, token) = stage("<Dial><Conference>floor</Conference></Dial>").await;
    let mut device = Device::open(&node).await;
    device.say("listen", json!({"token": token, "reconnectTimeout": 0.2})).await;
    device.told("connected").await;
    let ringing = device.invites(&Browser::new().await.offer(), "To=floor").await;
    let answered = text(&ringing["payload"]["callsid"]).to_owned();
    device.told("answer").await;
    drop(device);
    node.wait_for(&format!("Calls/{answered}.json"), "status", "completed").await;

    let bobs = token_with(&node, "bob", "AP00000000000000000000000000000000", callable).await;
    let mut bob = Device::registered(&node, &bobs).await;
    app.says("voice", "<Dial answerOnBridge=\"true\"><Client>bob</Client></Dial>");
    let mut device = Device::open(&node).await;
    device.listen(&token).await;
    let ringing = device.invites(&Browser::new().await.offer(), "To=bob").await;
    let rang = text(&ringing["payload"]["callsid"]).to_owned();
    assert_eq!(bob.told("invite").await["parameters"]["From"], "client:alice");
    drop(device);
    bob.told("cancel").await;
    node.wait_for(&format!("Calls/{rang}.json"), "status", "canceled").await;
}
