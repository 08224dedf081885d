//! Calls that come over trunks.

use super::challenges::{md5, parameter};
use super::node_with;
use crate::message::Message;
use crate::peer::Peer;
use crate::running::Running;

/// An address that nobody calls.
const ELSEWHERE: &str = "address = \"192.0.2.1\"";

const ROUTES: &str = "[[route]]\ntrunk = \"carrier\"\nuser = \"conf-*\"\nconference = \"over-trunk\"\n\
                      [[route]]\nuser = \"conf-*\"\nconference = \"from-anywhere\"\n";

/// The INVITE again, with an answer to its challenge.
fn with_password(peer: &mut Peer, user: &str, challenge: &Message, password: &str) -> Message {
    let asked = challenge.all("WWW-Authenticate");
    let asked = asked.iter().find(|value| value.contains("MD5")).unwrap();
    let (realm, nonce) = (parameter(asked, "realm"), parameter(asked, "nonce"));
    let invite = peer.invite(user);
    let ours = md5(&format!("confab:{realm}:{password}"));
    let theirs = md5(&format!("INVITE:{}", invite.uri()));
    let response = md5(&format!("{ours}:{nonce}:00000001:c:auth:{theirs}"));
    let uri = invite.uri().to_owned();
    invite.with(
        "Authorization",
        format!(
            "Digest username=\"confab\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\""
        ),
    )
}

/// How many conferences of a name there are.
async fn conferences(node: &Running, name: &str) -> usize {
    let found = node.get(&format!("Conferences.json?FriendlyName={name}")).await;
    found["conferences"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_of_a_trunks_network_have_its_routes() {
    let text =
        format!("{ROUTES}[[trunk]]\nname = \"carrier\"\n{ELSEWHERE}\ninbound_from = \"127.0.0.0/8\"\n");
    let node = node_with(&text).await;
    let (mut udp, mut tcp) = (Peer::udp(node.node.sip).await, Peer::tcp(node.node.sip).await);
    udp.dial("conf-x").await;
    tcp.dial("conf-x").await;
    assert_eq!(conferences(&node, "over-trunk").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_of_other_networks_do_not() {
    let text =
        format!("{ROUTES}[[trunk]]\nname = \"carrier\"\n{ELSEWHERE}\ninbound_from = [\"192.0.2.0/24\"]\n");
    let node = node_with(&text).await;
    let mut peer = Peer::udp(node.node.sip).await;
    // What a Via says of where it comes from is not believed.
    let via = peer.request("INVITE", "x").header("Via").replace("127.0.0.1", "192.0.2.1");
    let invite = peer.invite("conf-x").set("Via", format!("{via};received=192.0.2.1"));
    peer.dial_with(&invite).await;
    assert_eq!(conferences(&node, "from-anywhere").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trunk_with_a_password_wants_it_of_every_call_and_takes_each_proof_once() {
    for network in ["inbound_from = \"127.0.0.1\"\n", ""] {
        let text = format!(
            "{ROUTES}[[trunk]]\nname = \"carrier\"\n{ELSEWHERE}\n{network}inbound_username = \"confab\"\n\
             inbound_password = \"open sesame\"\n"
        );
        let node = node_with(&text).await;
        let mut peer = Peer::udp(node.node.sip).await;
        let invite = peer.invite("conf-x");
        let challenge = peer.ask(&invite).await;
        assert_eq!(challenge.status(), Some(401), "{}", challenge.text());
        let wrong = with_password(&mut peer, "conf-x", &challenge, "open barley");
        let challenge = peer.ask(&wrong).await;
        assert_eq!(challenge.status(), Some(401));
        assert!(!challenge.header("WWW-Authenticate").contains("stale"), "{}", challenge.text());
        let right = with_password(&mut peer, "conf-x", &challenge, "open sesame");
        peer.dial_with(&right).await;
        assert_eq!(conferences(&node, "over-trunk").await, 1);

        // Whoever overheard it learns that it is used up.
        let mut thief = Peer::udp(node.node.sip).await;
        let replayed = thief.invite("conf-x").with("Authorization", right.header("Authorization"));
        let refused = thief.ask(&replayed).await;
        assert_eq!(refused.status(), Some(401));
        assert!(refused.header("WWW-Authenticate").contains("stale=true"), "{}", refused.text());
    }
}
