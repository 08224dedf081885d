//! What agents at WebSockets do: they log in, call, are called, and go on when their connection is another.

use serde_json::json;

use super::{alice, dial_alice, invite_of_alice, log_in, node, register, stranger};
use crate::feed::Feed;
use crate::peer::Peer;

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_logs_in_and_is_gone_with_the_connection() {
    let node = node().await;
    let mut feed = Feed::of(&node).await;
    let mut browser = stranger(&node).await;
    let ok = log_in(&mut browser).await;
    // It is told that calls come by this connection (RFC 5626), and finds itself among what is listed.
    assert_eq!(ok.header("Require"), "outbound");
    let listed = ok.header("Contact");
    assert!(listed.starts_with(&format!("<{}>;expires=", browser.contact)), "{listed}");
    assert!(listed.ends_with(";+sip.instance=\"<urn:uuid:1>\";reg-id=1"), "{listed}");
    assert_eq!(feed.next_of("agent.registered").await["agent"], json!({"name": "alice", "devices": 1}));

    // The same browser by another connection is not one more.
    browser.comes_back(node.node.http).await;
    log_in(&mut browser).await;
    assert_eq!(node.figure("confab_sip_phones", "").await, 1.0);
    browser.hangs_up_the_wire().await;
    assert_eq!(feed.next_of("agent.unregistered").await["agent"], json!({"name": "alice", "devices": 0}));
    let call = dial_alice(&node).await;
    node.wait_for(&call, "status", "no-answer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_with_ordinary_sound_calls_and_is_heard() {
    let node = node().await;
    let mut browser = stranger(&node).await;
    let invite = invite_of_alice(&mut browser, "conf-floor").await;
    let ok = browser.dial_with(&invite).await;
    assert!(ok.header("Contact").to_ascii_lowercase().contains(";transport=ws>"), "{}", ok.text());
    assert_eq!(node.get("Calls.json").await["calls"][0]["from"], "client:alice");

    let mut phone = Peer::udp(node.node.sip).await;
    phone.dial("conf-floor").await;
    browser.rtp.speak(700);
    phone.rtp.speak(1_300);
    tokio::join!(browser.rtp.hears(1_300), phone.rtp.hears(700));
    browser.is_in_call().await;
    browser.hang_up().await;
    node.wait_for_calls("in-progress", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_ends_a_call_over_the_connection_by_which_its_agent_came_back() {
    let node = node().await;
    let mut browser = alice(&node).await;
    let invite = invite_of_alice(&mut browser, "conf-floor").await;
    browser.dial_with(&invite).await;
    browser.hangs_up_the_wire().await;
    browser.comes_back(node.node.http).await;
    log_in(&mut browser).await;
    let call = node.get("Calls.json").await["calls"][0]["sid"].as_str().unwrap().to_owned();
    node.post(&format!("Calls/{call}.json"), "Status=completed").await;
    let bye = browser.request_of("BYE").await;
    assert!(bye.header("Via").starts_with("SIP/2.0/WS "), "{}", bye.text());
    assert!(bye.uri().contains(".invalid"), "{}", bye.text());
    browser.answer(&bye, "200 OK").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_called_with_an_offer_for_browsers_and_declines_or_is_left() {
    let node = node().await;
    let mut browser = alice(&node).await;
    let call = dial_alice(&node).await;
    let invite = browser.is_called().await;
    assert!(invite.header("Via").starts_with("SIP/2.0/WS "), "{}", invite.text());
    assert!(!invite.header("Via").contains("alias"), "{}", invite.text());
    assert!(invite.header("Contact").to_ascii_lowercase().contains(";transport=ws>"), "{}", invite.text());
    assert!(invite.uri().contains(".invalid;transport="), "{}", invite.uri());
    for line in ["UDP/TLS/RTP/SAVPF", "a=setup:actpass", "a=ice-lite", "a=fingerprint:sha-256 "] {
        assert!(invite.description().contains(line), "{line} in {}", invite.text());
    }
    browser.reply(&invite, "180 Ringing").await;
    browser.reply(&invite, "486 Busy Here").await;
    browser.request_of("ACK").await;
    node.wait_for(&call, "status", "busy").await;

    // Taken back while it rings.
    let call = dial_alice(&node).await;
    let invite = browser.is_called().await;
    browser.reply(&invite, "180 Ringing").await;
    node.wait_for(&call, "status", "ringing").await;
    node.post(&call, "Status=completed").await;
    let cancel = browser.request_of("CANCEL").await;
    assert!(cancel.header("Via").starts_with("SIP/2.0/WS "), "{}", cancel.text());
    browser.answer(&cancel, "200 OK").await;
    browser.reply(&invite, "487 Request Terminated").await;

    // And gone while it rings.
    let call = dial_alice(&node).await;
    let invite = browser.is_called().await;
    browser.reply(&invite, "180 Ringing").await;
    node.wait_for(&call, "status", "ringing").await;
    browser.hangs_up_the_wire().await;
    node.wait_for(&call, "status", "no-answer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_leaves() {
    let node = node().await;
    let mut browser = alice(&node).await;
    let first = register(&mut browser, 0);
    let challenge = browser.ask(&first).await;
    let request = super::proved(register(&mut browser, 0), &challenge);
    let ok = browser.ask(&request).await;
    assert_eq!((ok.status(), ok.has("Contact")), (Some(200), false), "{}", ok.text());
    assert_eq!(node.figure("confab_sip_phones", "").await, 0.0);
}
