//! Who is told a password, and who is not.

use std::fmt::Write;

use md5::{Digest, Md5};

use super::{call, challenge, gateway, node_with, refuse, trunk};
use crate::message::Message;
use crate::peer::Peer;

const TERMS: &str =
    "username = \"confab\"\npassword = \"open sesame\"\nrealm = \"carrier.example\"\npriority = 1";

pub(super) fn md5(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

/// A parameter of credentials.
pub(super) fn parameter(credentials: &str, name: &str) -> String {
    let found = credentials.split([',', ' ']).find_map(|part| part.trim().strip_prefix(&format!("{name}=")));
    found.unwrap_or_else(|| panic!("no {name} in {credentials}")).trim_matches('"').to_owned()
}

/// Waits for the INVITE with credentials: one without may come again before it.
async fn is_called_with_credentials(gateway: &mut Peer, nonce: &str) -> Message {
    loop {
        let invite = gateway.is_called().await;
        if invite.has("Authorization")
            && invite.header("Authorization").contains(&format!("nonce=\"{nonce}\""))
        {
            return invite;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trunks_own_challenge_is_answered_and_a_stale_nonce_once_more() {
    let mut carrier = gateway().await;
    let node = node_with(&trunk("carrier", &carrier, TERMS)).await;
    carrier.serve(node.node.sip);
    let path = call(&node, "442071234567").await;
    let first = carrier.is_called().await;
    assert!(!first.has("Authorization"));
    challenge(
        &mut carrier,
        &first,
        &["Digest realm=\"carrier.example\", nonce=\"n1\", qop=\"auth,auth-int\", algorithm=MD5"],
    )
    .await;
    let again = is_called_with_credentials(&mut carrier, "n1").await;
    let said = again.header("Authorization");
    let cnonce = parameter(&said, "cnonce");
    let (ours, theirs) = (md5("confab:carrier.example:open sesame"), md5(&format!("INVITE:{}", again.uri())));
    let expected = md5(&format!("{ours}:n1:00000001:{cnonce}:auth:{theirs}"));
    assert_eq!((parameter(&said, "response"), parameter(&said, "uri")), (expected, again.uri().to_owned()));
    assert_eq!(again.header("Call-ID"), first.header("Call-ID"));
    let number = |invite: &Message| invite.header("CSeq").split(' ').next().unwrap().parse::<u32>().unwrap();
    assert!(number(&again) > number(&first));

    challenge(
        &mut carrier,
        &again,
        &["Digest realm=\"carrier.example\", nonce=\"n2\", algorithm=SHA-256, stale=true"],
    )
    .await;
    let again = is_called_with_credentials(&mut carrier, "n2").await;
    assert_eq!(parameter(&again.header("Authorization"), "response").len(), 64);
    carrier.pick_up(&again).await;
    node.wait_for(&path, "status", "in-progress").await;
    carrier.is_in_call().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_a_password_that_is_not_theirs_or_does_not_take_it_hears_nothing() {
    for challenges in [
        // Another realm, something else than a digest, and what only looks like ours.
        vec!["Digest realm=\"evil.example\", nonce=\"n\""],
        vec!["Basic realm=\"carrier.example\""],
        vec![
            "Digest realm=\"carrier.example \", nonce=\"n\"",
            "Digest realm=\"CARRIER.EXAMPLE\", nonce=\"n\"",
        ],
        vec!["Digest realm=\"carrier.example\", nonce=\"n\", algorithm=token"],
    ] {
        let (mut carrier, mut other) = (gateway().await, gateway().await);
        let text = trunk("carrier", &carrier, TERMS) + &trunk("other", &other, "priority = 2");
        let node = node_with(&text).await;
        carrier.serve(node.node.sip);
        other.serve(node.node.sip);
        let path = call(&node, "442071234567").await;
        let invite = carrier.is_called().await;
        challenge(&mut carrier, &invite, &challenges).await;
        let invite = other.is_called().await;
        assert!(!invite.has("Authorization"), "{}", invite.text());
        refuse(&mut other, &invite, "486 Busy Here").await;
        node.wait_for(&path, "status", "busy").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_that_comes_again_is_a_refusal() {
    for second in [
        "Digest realm=\"carrier.example\", nonce=\"n2\"",
        "Digest realm=\"carrier.example\", nonce=\"n1\", stale=true",
        "Digest realm=\"evil.example\", nonce=\"n2\", stale=true",
    ] {
        let mut carrier = gateway().await;
        let node = node_with(&trunk("carrier", &carrier, TERMS)).await;
        carrier.serve(node.node.sip);
        let path = call(&node, "442071234567").await;
        let invite = carrier.is_called().await;
        challenge(&mut carrier, &invite, &["Digest realm=\"carrier.example\", nonce=\"n1\""]).await;
        let invite = is_called_with_credentials(&mut carrier, "n1").await;
        challenge(&mut carrier, &invite, &[second]).await;
        node.wait_for(&path, "status", "failed").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trunks_password_is_for_the_trunk_and_a_requests_for_the_one_it_calls() {
    let mut carrier = gateway().await;
    let terms = TERMS.replace("realm = \"carrier.example\"\n", "");
    let node = node_with(&trunk("carrier", &carrier, &terms)).await;
    carrier.serve(node.node.sip);

    // A URI at the very address of the trunk is not the trunk.
    let form = format!("To=sip:x@{}&From=x&Twiml=%3CResponse%2F%3E", carrier.address());
    let (_, placed) = node.create("Calls.json", &form).await;
    let invite = carrier.is_called().await;
    challenge(&mut carrier, &invite, &["Digest realm=\"carrier.example\", nonce=\"n1\""]).await;
    node.wait_for(&format!("Calls/{}.json", placed["sid"].as_str().unwrap()), "status", "failed").await;

    // And what a request brings is not for the trunk.
    let form =
        "To=%2B442071234567&From=x&Twiml=%3CResponse%2F%3E&SipAuthUsername=somebody&SipAuthPassword=else";
    node.create("Calls.json", form).await;
    let invite = carrier.is_called().await;
    challenge(&mut carrier, &invite, &["Digest realm=\"any.example\", nonce=\"n3\""]).await;
    let invite = is_called_with_credentials(&mut carrier, "n3").await;
    assert_eq!(parameter(&invite.header("Authorization"), "username"), "confab");
    refuse(&mut carrier, &invite, "486 Busy Here").await;
}

/// The request again, as whoever knows the trunk's password answers a challenge.
fn assert_proved(request: &Message, header: &str, method: &str, nonce: &str) {
    let said = request.header(header);
    let theirs = md5(&format!("{method}:{}", request.uri()));
    let expected = md5(&format!("{}:{nonce}:{theirs}", md5("confab:carrier.example:open sesame")));
    assert_eq!((parameter(&said, "response"), parameter(&said, "nonce")), (expected, nonce.to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn challenges_within_a_call_are_answered_too_and_only_to_the_trunk() {
    let mut carrier = gateway().await;
    let node = node_with(&trunk("carrier", &carrier, TERMS)).await;
    carrier.serve(node.node.sip);
    let script = "%3CResponse%3E%3CRefer%3E%3CSip%3Esip%3Ax%40192.0.2.9%3C%2FSip%3E%3C%2FRefer%3E\
                  %3CPause%20length%3D%2260%22%2F%3E%3C%2FResponse%3E";
    let form = format!("To=%2B442071234567&From=%2B4930123&Twiml={script}");

    for (asks, answers, status) in [
        ("Proxy-Authenticate", "Proxy-Authorization", "407 Proxy Authentication Required"),
        ("WWW-Authenticate", "Authorization", "401 Unauthorized"),
    ] {
        let (_, placed) = node.create("Calls.json", &form).await;
        let path = format!("Calls/{}.json", placed["sid"].as_str().unwrap());
        let invite = carrier.is_called().await;
        carrier.pick_up(&invite).await;
        let refer = carrier.request_of("REFER").await;
        let ours = "Digest realm=\"carrier.example\", nonce=\"n1\"";
        let challenge = carrier.answer_to(&refer, status).with(asks, ours);
        carrier.send(&challenge).await;
        let again = carrier.request_of("REFER").await;
        assert_proved(&again, answers, "REFER", "n1");
        assert_eq!(again.header("Refer-To"), refer.header("Refer-To"));
        carrier.answer(&again, "603 Decline").await;

        node.post(&path, "Status=completed").await;
        let bye = carrier.request_of("BYE").await;
        let challenge = carrier.answer_to(&bye, status).with(asks, ours.replace("n1", "n2"));
        carrier.send(&challenge).await;
        let again = carrier.request_of("BYE").await;
        assert_proved(&again, answers, "BYE", "n2");
        assert_eq!(again.header("Reason"), bye.header("Reason"));
        carrier.answer(&again, "200 OK").await;
    }

    // Somebody else on the way: they learn nothing, and the call goes on.
    node.create("Calls.json", &form).await;
    let invite = carrier.is_called().await;
    carrier.pick_up(&invite).await;
    let refer = carrier.request_of("REFER").await;
    let challenge = carrier.answer_to(&refer, "401 Unauthorized");
    carrier.send(&challenge.with("WWW-Authenticate", "Digest realm=\"evil.example\", nonce=\"n\"")).await;
    carrier.is_in_call().await;
    carrier.hang_up().await;
}
