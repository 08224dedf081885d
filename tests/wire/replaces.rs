//! Calls that get another far end (RFC 3891), and far ends that have two of their calls joined (RFC 5589 §7): heard by those
//! who stay, whose streams go on.

use std::time::Duration;

use confab::server::Options;
use serde_json::Value;

use crate::app::App;
use crate::feed::Feed;
use crate::message::Message;
use crate::negotiation::assert_continuous;
use crate::peer::Peer;
use crate::proof::{Proof, authorization};
use crate::running::Running;

/// Whoever is on this machine calls over a trunk.
const TRUNK: &str =
    "[[trunk]]\nname = \"carrier\"\naddress = \"192.0.2.1\"\ninbound_from = \"127.0.0.0/8\"\n";

const AGENT: &str = "[[agent]]\nname = \"alice\"\npassword = \"open sesame\"\n";

async fn node(file: &str) -> Running {
    let ours = "outbound_allow = \"sip:*@127.0.0.1:*\"\negress_allow = \"127.0.0.0/8\"\n";
    Running::start_with_file(Options::default(), &format!("{ours}{file}")).await
}

/// A phone in a conference, that speaks a tone.
async fn caller(node: &Running, conference: &str, hertz: u32) -> Peer {
    let mut peer = Peer::udp(node.node.sip).await;
    peer.dial(conference).await;
    peer.rtp.speak(hertz);
    peer
}

/// An INVITE to the node itself that is to take the place of another's call.
fn replacing(peer: &mut Peer, replaces: &str) -> Message {
    peer.invite("confab").with("Replaces", replaces).with("Require", "replaces")
}

async fn refused(node: &Running, replaces: &str) -> Option<u16> {
    let mut peer = Peer::udp(node.node.sip).await;
    let invite = replacing(&mut peer, replaces);
    peer.ask(&invite).await.status()
}

/// The one participant of that label.
async fn seat(node: &Running, call: &str) -> Value {
    let conferences = node.get("Conferences.json?Status=in-progress").await;
    let conference = conferences["conferences"][0]["sid"].as_str().unwrap().to_owned();
    node.get(&format!("Conferences/{conference}/Participants/{call}.json")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_in_a_conference_is_taken_over_as_it_is() {
    let node = node(TRUNK).await;
    let mut feed = Feed::of(&node).await;
    let mut first = caller(&node, "conf-floor", 700).await;
    let call = feed.next_of("call.answered").await["call"]["sid"].as_str().unwrap().to_owned();
    let other = caller(&node, "conf-floor", 1_100).await;
    tokio::join!(first.rtp.hears(1_100), other.rtp.hears(700));
    let path =
        seat(&node, &call).await["uri"].as_str().unwrap().rsplit_once("/Conferences").unwrap().1.to_owned();
    let path = format!("Conferences{path}");
    node.post(&path, "Muted=true").await;

    let mut second = Peer::udp(node.node.sip).await;
    let invite = replacing(&mut second, &first.dialog());
    let ok = second.dial_with(&invite).await;
    assert_eq!(ok.header("Supported"), "timer, replaces");
    second.rtp.speak(1_900);
    assert!(first.is_hung_up().await.contains("taken over"));
    assert_eq!(feed.next_of("call.taken-over").await["call"]["sid"], call.as_str());
    second.rtp.hears(1_100).await;
    let kept = node.get(&path).await;
    assert_eq!(
        (&kept["muted"], &kept["status"], &kept["call_sid"]),
        (&true.into(), &"connected".into(), &call.as_str().into())
    );
    node.post(&path, "Muted=false").await;
    other.rtp.hears(1_900).await;

    // One stream, with whoever is there: nothing was begun anew.
    let (before, after) = (first.rtp.packets(), second.rtp.packets());
    assert_eq!(before[0].ssrc, after[0].ssrc);
    assert_continuous(&after);
    assert_continuous(&other.rtp.packets());

    // Whose dialog it was has nothing to say about the call any more.
    assert_eq!(refused(&node, &first.dialog()).await, Some(603));
    second.is_in_call().await;
    second.hang_up().await;
    node.wait_for_calls("completed", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_the_ack_takes_over_too() {
    let node = node(TRUNK).await;
    let (mut first, other) = (caller(&node, "conf-late", 700).await, caller(&node, "conf-late", 1_100).await);
    first.rtp.hears(1_100).await;
    let mut second = Peer::udp(node.node.sip).await;
    let invite = replacing(&mut second, &first.dialog()).without_body();
    let ok = second.ask(&invite).await;
    second.learn(&ok);
    let ack = second.ack_of(&ok).sdp(&second.description());
    second.send(&ack).await;
    first.is_hung_up().await;
    second.rtp.speak(1_900);
    tokio::join!(second.rtp.hears(1_100), other.rtp.hears(1_900));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_over_is_refused_and_stays() {
    let node = node(TRUNK).await;
    let mut first = caller(&node, "conf-floor", 700).await;
    let dialog = first.dialog();
    assert_eq!(refused(&node, &format!("{dialog};early-only")).await, Some(486));
    assert_eq!(refused(&node, &dialog.replace("to-tag=", "to-tag=x")).await, Some(481));
    assert_eq!(refused(&node, "nobody@example.com;to-tag=a;from-tag=b").await, Some(481));
    assert_eq!(refused(&node, "nobody@example.com;to-tag=a").await, Some(400));
    assert_eq!(refused(&node, &format!("{dialog},{dialog}")).await, Some(400));
    let mut peer = Peer::udp(node.node.sip).await;
    let twice = replacing(&mut peer, &dialog).with("Replaces", &dialog);
    assert_eq!(peer.ask(&twice).await.status(), Some(400));
    // Nothing in common: it keeps its far end.
    let mut peer = Peer::udp(node.node.sip).await;
    let invite = replacing(&mut peer, &dialog).sdp(&peer.description_of("18", ""));
    assert_eq!(peer.ask(&invite).await.status(), Some(488));
    first.is_in_call().await;
    assert_eq!(node.calls_in_progress().await, 1);
    first.hang_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_take_nothing_over_and_agents_only_as_themselves() {
    let (app, node) = (App::start().await, node(AGENT).await);
    let mut phone = Peer::udp(node.node.sip).await;
    app.says("call", &format!("<Dial><Sip>sip:agent@{}</Sip></Dial>", phone.address()));
    let mut customer = Peer::udp(node.node.sip).await;
    place(&node, &app, &customer, "call").await;
    let invite = customer.is_called().await;
    customer.pick_up(&invite).await;
    let invite = phone.is_called().await;
    phone.pick_up(&invite).await;
    customer.rtp.speak(700);
    phone.rtp.speak(1_100);
    tokio::join!(customer.rtp.hears(1_100), phone.rtp.hears(700));
    assert_eq!(refused(&node, &phone.dialog()).await, Some(403));

    let mut desk = Peer::udp(node.node.sip).await;
    desk.is_named(&format!("sip:alice@{}", node.node.sip));
    let invite = replacing(&mut desk, &phone.dialog());
    let challenge = desk.ask(&invite).await;
    assert_eq!(challenge.status(), Some(401));
    let proof = Proof { user: "alice", password: "open sesame", ..Proof::of(&challenge) };
    let again = replacing(&mut desk, &phone.dialog());
    let again = again.clone().with("Authorization", authorization(&proof, "INVITE", again.uri()));
    desk.dial_with(&again).await;
    desk.rtp.speak(1_900);
    phone.is_hung_up().await;
    tokio::join!(customer.rtp.hears(1_900), desk.rtp.hears(700));
    assert_continuous(&customer.rtp.packets());
    desk.hang_up().await;
    customer.is_hung_up().await;
}

/// Has a phone called and follow a page.
async fn place(node: &Running, app: &App, phone: &Peer, page: &str) {
    let form = format!("To=sip:caller@{}&From=x&Url={}", phone.address(), app.url(page));
    let (status, call) = node.create("Calls.json", &form).await;
    assert_eq!(status, 201, "{call}");
}

/// Two phones that speak with each other: one whose page has dialled the other.
async fn connected(node: &Running, app: &App, page: &str, more: &str, tones: [u32; 2]) -> [Peer; 2] {
    let (mut one, mut other) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
    app.says(page, &format!("<Dial {more}><Sip>sip:other@{}</Sip></Dial>", other.address()));
    place(node, app, &one, page).await;
    let invite = one.is_called().await;
    one.pick_up(&invite).await;
    let invite = other.is_called().await;
    other.pick_up(&invite).await;
    one.rtp.speak(tones[0]);
    other.rtp.speak(tones[1]);
    tokio::join!(one.rtp.hears(tones[1]), other.rtp.hears(tones[0]));
    [one, other]
}

/// A phone wants the other sides of two of its calls connected: the answer to its REFER.
async fn joins(line: &mut Peer, other: &Peer) -> Option<u16> {
    let named: String = other.dialog().replace(';', "%3B").replace('=', "%3D").replace('@', "%40");
    let target = format!("<sip:expert@127.0.0.1?Replaces={named}&Require=replaces>");
    let refer = line.within_call("REFER").with("Refer-To", target);
    line.ask(&refer).await.status()
}

async fn is_notified(peer: &mut Peer) -> String {
    let notify = peer.request_of("NOTIFY").await;
    peer.answer(&notify, "200 OK").await;
    notify.description().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_with_two_calls_has_their_other_sides_connected_and_is_out_of_it() {
    let (app, node) = (App::start().await, node("").await);
    app.says("after", "<Hangup/>");
    let [mut customer, mut line1] = connected(&node, &app, "call", "action=\"/after\"", [700, 1_100]).await;
    // The second call is the phone's own: its script has dialled the expert.
    let [mut line2, mut expert] = connected(&node, &app, "consult", "", [1_300, 1_900]).await;
    line1.renegotiate(&line1.description_of("0 8 101", "a=sendonly\r\n")).await;

    assert_eq!(joins(&mut line1, &line2).await, Some(202));
    assert_eq!(is_notified(&mut line1).await, "SIP/2.0 100 Trying");
    assert_eq!(is_notified(&mut line1).await, "SIP/2.0 200 OK");
    assert!(line1.is_hung_up().await.contains("transferred"));
    assert!(line2.is_hung_up().await.contains("transferred"));
    tokio::join!(customer.rtp.hears(1_900), expert.rtp.hears(700));
    tokio::join!(customer.rtp.hears_no_more(1_100), expert.rtp.hears_no_more(1_300));
    assert_continuous(&customer.rtp.packets());
    assert_continuous(&expert.rtp.packets());
    customer.is_in_call().await;

    // The customer's script goes on when the expert is done, and not before.
    expert.hang_up().await;
    assert_eq!(app.told("after", 1).await[0].get("DialCallStatus"), "completed");
    customer.is_hung_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_fetched_into_a_conference_has_the_place_of_whoever_fetched_them() {
    let (app, node) = (App::start().await, node("").await);
    let mut customer = caller(&node, "conf-desk", 700).await;
    let mut line1 = Peer::udp(node.node.sip).await;
    let form = format!("To=sip:a@{}&From=x&Label=agent&EndConferenceOnExit=true&Beep=false", line1.address());
    let (_, placed) = node.create("Conferences/desk/Participants.json", &form).await;
    let invite = line1.is_called().await;
    line1.pick_up(&invite).await;
    line1.rtp.speak(1_100);
    customer.rtp.hears(1_100).await;
    let [mut line2, mut expert] = connected(&node, &app, "consult", "", [1_300, 1_900]).await;

    assert_eq!(joins(&mut line1, &line2).await, Some(202));
    line1.is_hung_up().await;
    line2.is_hung_up().await;
    tokio::join!(customer.rtp.hears(1_900), expert.rtp.hears(700));
    assert_continuous(&expert.rtp.packets());
    let conference = placed["conference_sid"].as_str().unwrap();
    let seat = node.get(&format!("Conferences/{conference}/Participants/agent.json")).await;
    assert_ne!(seat["call_sid"], placed["call_sid"]);
    assert_eq!((&seat["end_conference_on_exit"], &seat["status"]), (&true.into(), &"connected".into()));
    expert.hang_up().await;
    customer.is_hung_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_fails_leaves_everybody_where_they_were() {
    let (app, node) = (App::start().await, node("").await);
    let [mut customer, mut line1] = connected(&node, &app, "call", "", [700, 1_100]).await;
    let (mut first, second) = (caller(&node, "conf-a", 400).await, caller(&node, "conf-b", 500).await);
    // Itself; a call that is in no way alone with somebody, with another such; one that is over.
    let itself = line1.dialog();
    let named = itself.replace(';', "%3B").replace('=', "%3D");
    let refer = line1.within_call("REFER").with("Refer-To", format!("<sip:x@127.0.0.1?Replaces={named}>"));
    assert_eq!(line1.ask(&refer).await.status(), Some(603));
    assert_eq!(joins(&mut first, &second).await, Some(603));
    let mut gone = caller(&node, "conf-a", 600).await;
    gone.hang_up().await;
    assert_eq!(joins(&mut line1, &gone).await, Some(603));
    let refer = line1.within_call("REFER").with("Refer-To", "<sip:x@127.0.0.1?Replaces=1%3Bto-tag%3D2>");
    assert_eq!(line1.ask(&refer).await.status(), Some(400));

    let (heard, spoken) = (customer.rtp.next(20).await, line1.rtp.next(20).await);
    assert!(heard.len() == 20 && spoken.len() == 20);
    tokio::join!(customer.rtp.hears(1_100), line1.rtp.hears(700));
    customer.is_in_call().await;
    assert_eq!(line1.count_for(Duration::ZERO).await, 0);
    line1.is_in_call().await;
}
