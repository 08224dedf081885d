//! Calls over trunks, to and from: which of them is tried, which next, who is told a password, and how much is called.

mod challenges;
mod chosen;
mod inbound;
mod limits;
mod registration;
mod secure;
mod ways;

use confab::server::Options;
use tempfile::NamedTempFile;

use crate::message::Message;
use crate::peer::Peer;
use crate::running::Running;

/// A node with a configuration file.
async fn node_with(file: &str) -> Running {
    let config = NamedTempFile::new().unwrap();
    std::fs::write(config.path(), file).unwrap();
    let flag = format!("--config={}", config.path().display());
    Running::start_with(
        Options::default(),
        &[&flag, "--outbound-allow=+*,sip:*@127.0.0.1:*,sips:*@127.0.0.1:*", "--egress-allow=127.0.0.0/8"],
    )
    .await
}

/// A trunk's gateway, which the node will be told of.
async fn gateway() -> Peer {
    Peer::udp(([127, 0, 0, 1], 9).into()).await
}

/// The table of a trunk. However busy the machine is, its gateway is waited for, if nothing else is said.
fn trunk(name: &str, gateway: &Peer, more: &str) -> String {
    let patience = if more.contains("answer_within") { "" } else { "answer_within = \"32s\"" };
    format!("[[trunk]]\nname = \"{name}\"\naddress = \"{}\"\n{more}\n{patience}\n", gateway.address())
}

/// Has the node call a number; the path of its call.
async fn call(node: &Running, number: &str) -> String {
    let form = format!(
        "To=%2B{number}&From=%2B4930123&Twiml=%3CResponse%3E%3CPause%20length%3D%2260%22%2F%3E%3C%2FResponse%3E"
    );
    let (status, call) = node.create("Calls.json", &form).await;
    assert_eq!((status, call["status"].as_str()), (201, Some("queued")), "{call}");
    format!("Calls/{}.json", call["sid"].as_str().unwrap())
}

/// Refuses an INVITE; its ACK is waited for.
async fn refuse(gateway: &mut Peer, invite: &Message, status: &str) {
    gateway.reply(invite, status).await;
    gateway.request_of("ACK").await;
}

/// Challenges an INVITE with these values of WWW-Authenticate.
async fn challenge(gateway: &mut Peer, invite: &Message, values: &[&str]) {
    let answer =
        gateway.answer_to(invite, "401 Unauthorized").set("To", format!("{};tag=c", invite.header("To")));
    let answer = values.iter().fold(answer, |answer, value| answer.with("WWW-Authenticate", value));
    gateway.send(&answer).await;
    gateway.request_of("ACK").await;
}

/// What a figure of a trunk says.
async fn figure(node: &Running, name: &str, trunk: &str) -> f64 {
    node.figure(name, &format!("trunk=\"{trunk}\"")).await
}
