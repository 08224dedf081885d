//! SIP over WebSocket (RFC 7118): agents who come by `/sip`, what they may do, and what becomes of them whose connection goes.

mod calls;
mod strange;

use confab::server::Options;

use crate::message::Message;
use crate::peer::Peer;
use crate::proof::{Proof, authorization};
use crate::running::Running;

/// Two agents, and conferences that everybody may call.
const AGENTS: &str = "\
[[agent]]\nname = \"alice\"\npassword = \"open sesame\"\nmax_devices = 3\n\
[[agent]]\nname = \"bob\"\npassword = \"let me in\"\n\
[[route]]\nuser = \"conf-*\"\nconference = \"{1}\"\n";

pub(crate) async fn node() -> Running {
    Running::start_with_file(Options::default(), AGENTS).await
}

/// Somebody at a WebSocket, whom nobody knows yet.
async fn stranger(node: &Running) -> Peer {
    Peer::web(node.node.sip, node.node.http).await
}

/// A REGISTER of alice's, with what tells a browser apart from others of hers.
fn register(browser: &mut Peer, expires: u32) -> Message {
    let contact = format!("<{}>;+sip.ice;reg-id=1;+sip.instance=\"<urn:uuid:1>\"", browser.contact);
    let request = browser.register("alice").with("Contact", contact).with("Expires", expires.to_string());
    request.with("Supported", "path,gruu,outbound")
}

/// Registers alice, who is asked for her password.
pub(crate) async fn log_in(browser: &mut Peer) -> Message {
    let first = register(browser, 600);
    let challenge = browser.ask(&first).await;
    assert_eq!(challenge.status(), Some(401), "{}", challenge.text());
    let again = register(browser, 600);
    let request = proved(again, &challenge);
    let ok = browser.ask(&request).await;
    assert_eq!(ok.status(), Some(200), "{}", ok.text());
    ok
}

/// A request with what answers a challenge to alice.
pub(crate) fn proved(request: Message, challenge: &Message) -> Message {
    let proof = Proof { user: "alice", password: "open sesame", ..Proof::of(challenge) };
    let method = request.method().unwrap().to_owned();
    let proved = authorization(&proof, &method, request.uri());
    request.with("Authorization", proved)
}

/// An INVITE of alice's for which she has been asked for her password.
async fn invite_of_alice(browser: &mut Peer, user: &str) -> Message {
    let first = browser.invite(user);
    let challenge = browser.ask(&first).await;
    assert_eq!(challenge.status(), Some(401), "{}", challenge.text());
    proved(browser.invite(user), &challenge)
}

/// A browser of alice's, registered.
pub(crate) async fn alice(node: &Running) -> Peer {
    let mut browser = stranger(node).await;
    log_in(&mut browser).await;
    browser
}

/// Has the node call alice into a conference; the path of her call.
pub(crate) async fn dial_alice(node: &Running) -> String {
    let form = "To=client:alice&From=%2B4930123";
    let (status, seat) = node.create("Conferences/desk/Participants.json", form).await;
    assert_eq!(status, 201, "{seat}");
    format!("Calls/{}.json", seat["call_sid"].as_str().unwrap())
}
