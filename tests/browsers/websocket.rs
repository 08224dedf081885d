//! Browsers with SIP of their own over a WebSocket: who hears whom, hold, a key, and who else rings.

use confab::server::Options;

use crate::app::App;
use crate::end::{Browser, Call, Node};
use crate::message::Message;
use crate::peer::{Peer, within};
use crate::proof::{Proof, authorization};
use crate::running::Running;

const AGENTS: &str = "\
egress_allow = \"127.0.0.0/8\"\n[[agent]]\nname = \"alice\"\npassword = \"open sesame\"\nmax_devices = 3\n\
[[route]]\nuser = \"conf-*\"\nconference = \"{1}\"\n";

async fn node() -> Running {
    Running::start_with_file(Options::default(), AGENTS).await
}

/// The same request with what answers its challenge.
async fn asked_for_password(phone: &mut Peer, make: impl Fn(&mut Peer) -> Message) -> Message {
    let first = make(phone);
    let challenge = phone.ask(&first).await;
    assert_eq!(challenge.status(), Some(401), "{}", challenge.text());
    let proof = Proof { user: "alice", password: "open sesame", ..Proof::of(&challenge) };
    let again = make(phone);
    let proved = authorization(&proof, again.method().unwrap(), again.uri());
    again.with("Authorization", proved)
}

/// Registers a phone or browser of alice's.
async fn log_in(phone: &mut Peer) {
    let contact = format!("<{}>", phone.contact);
    let request = asked_for_password(phone, |phone| phone.register("alice").with("Contact", &contact)).await;
    assert_eq!(phone.ask(&request).await.status(), Some(200));
}

async fn at_websocket(node: &Running) -> Peer {
    Peer::web(node.node.sip, node.node.http).await
}

/// Calls, is answered, and talks.
async fn call(signalling: &mut Peer, browser: Browser, user: &str) -> Call {
    let offer = browser.offer();
    let invite = asked_for_password(signalling, |peer| peer.invite(user).sdp(&offer)).await;
    let ok = signalling.ask(&invite).await;
    assert_eq!(ok.status(), Some(200), "{}", ok.text());
    accept(signalling, &ok).await;
    browser.talk(Node::of(&ok.description()), String::new(), String::new()).await
}

/// Acknowledges a 2xx. Its sound is not the phone's.
async fn accept(signalling: &mut Peer, ok: &Message) {
    signalling.learn(&ok.clone().without_body());
    let ack = signalling.ack_of(ok);
    signalling.send(&ack).await;
}

/// Offers anew within the call; what is answered.
async fn offers(signalling: &mut Peer, description: &str) -> String {
    let invite = signalling.within_call("INVITE").sdp(description);
    let ok = signalling.ask(&invite).await;
    assert_eq!(ok.status(), Some(200), "{}", ok.text());
    accept(signalling, &ok).await;
    ok.description()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_calls_holds_and_hangs_up() {
    let node = node().await;
    let (mut signalling, browser) = (at_websocket(&node).await, Browser::new().await);
    let offer = browser.offer();
    let call = call(&mut signalling, browser, "conf-floor").await;
    let mut phone = Peer::udp(node.node.sip).await;
    phone.dial("conf-floor").await;
    call.speak(700);
    phone.rtp.speak(1_300);
    tokio::join!(call.hears(1_300), phone.rtp.hears(700));
    call.hears_no(700).await;

    // On hold it is not heard, and is sent nothing; it comes back as it was. Its ICE does not begin anew.
    let held = offers(&mut signalling, &offer.replacen("a=sendrecv", "a=sendonly", 1)).await;
    assert!(held.contains("a=recvonly") && Node::of(&held).ufrag == call.node.ufrag, "{held}");
    phone.rtp.hears_no_more(700).await;
    offers(&mut signalling, &offer).await;
    tokio::join!(call.hears(1_300), phone.rtp.hears(700));
    // What cannot be taken leaves all as it was.
    let nonsense = signalling.within_call("INVITE").sdp("v=0\r\n");
    assert_eq!(signalling.ask(&nonsense).await.status(), Some(488));
    let phones = signalling.within_call("INVITE").sdp(&signalling.description());
    assert_eq!(signalling.ask(&phones).await.status(), Some(488), "a browser is no phone");
    tokio::join!(call.hears(1_300), phone.rtp.hears(700));

    signalling.hang_up().await;
    node.wait_for_calls("in-progress", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_is_called_beside_a_desk_phone_and_either_may_answer() {
    let node = node().await;
    let (mut signalling, mut desk) = (at_websocket(&node).await, Peer::udp(node.node.sip).await);
    log_in(&mut signalling).await;
    log_in(&mut desk).await;
    let mut other = Peer::udp(node.node.sip).await;
    other.dial("conf-desk").await;
    other.rtp.speak(1_300);
    for is_browser in [true, false] {
        let form = "To=client:alice&From=%2B4930123";
        let (status, seat) = node.create("Conferences/desk/Participants.json", form).await;
        assert_eq!(status, 201, "{seat}");
        let path = format!("Calls/{}.json", seat["call_sid"].as_str().unwrap());
        let (invite, ringing) = (signalling.is_called().await, desk.is_called().await);
        signalling.reply(&invite, "180 Ringing").await;
        desk.reply(&ringing, "180 Ringing").await;
        if is_browser {
            let mut browser = Browser::new().await;
            signalling.pick_up_with(&invite, &browser.answer(&invite.description())).await;
            let call = browser.talk(Node::of(&invite.description()), String::new(), String::new()).await;
            call.speak(700);
            tokio::join!(call.hears(1_300), other.rtp.hears(700));
            let cancel = desk.request_of("CANCEL").await;
            desk.answer(&cancel, "200 OK").await;
            desk.reply(&ringing, "487 Request Terminated").await;
            desk.request_of("ACK").await;
            node.post(&path, "Status=completed").await;
            signalling.is_hung_up().await;
        } else {
            desk.pick_up(&ringing).await;
            desk.rtp.speak(700);
            tokio::join!(desk.rtp.hears(1_300), other.rtp.hears(700));
            let cancel = signalling.request_of("CANCEL").await;
            assert!(cancel.header("Reason").contains("elsewhere"), "{}", cancel.text());
            signalling.answer(&cancel, "200 OK").await;
            signalling.reply(&invite, "487 Request Terminated").await;
            signalling.request_of("ACK").await;
            desk.hang_up().await;
        }
        node.wait_for(&path, "status", "completed").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_browser_reach_its_script_and_one_that_closes_is_gone() {
    let app = App::start().await;
    let typed = app.url("typed");
    app.says("voice", &format!("<Gather numDigits=\"1\" action=\"{typed}\" timeout=\"60\"/>"));
    app.says("typed", "<Dial><Conference>floor</Conference></Dial>");
    let file = format!("{AGENTS}[[route]]\nuser = \"ivr\"\nvoice_url = \"{}\"\n", app.url("voice"));
    let node = Running::start_with_file(Options::default(), &file).await;
    let mut signalling = at_websocket(&node).await;
    let mut call = call(&mut signalling, Browser::new().await, "ivr").await;
    assert_eq!(app.told("voice", 1).await[0].get("From"), "client:alice");
    call.press(7);
    assert_eq!(app.told("typed", 1).await[0].get("Digits"), "7");
    call.closes().await;
    within("a BYE", signalling.is_hung_up()).await;
    node.wait_for_calls("completed", 1).await;
}
