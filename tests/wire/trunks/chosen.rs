//! A trunk that a request chooses, and who is said to call over it.

use std::time::Duration;

use super::{figure, gateway, node_with, refuse, trunk};
use crate::peer::Peer;
use crate::running::Running;

const SID: &str = "BY0123456789abcdef0123456789abcdef";

/// Has the node call a number; the answer's status, its code, and the path of its call.
async fn call(node: &Running, form: &str) -> (u16, u64, String) {
    let twiml = "Twiml=%3CResponse%3E%3CPause%20length%3D%2260%22%2F%3E%3C%2FResponse%3E";
    let (status, call) = node.create("Calls.json", &format!("{form}&{twiml}")).await;
    let path = format!("Calls/{}.json", call["sid"].as_str().unwrap_or_default());
    (status, call["code"].as_u64().unwrap_or_default(), path)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trunk_that_is_asked_for_carries_the_call_and_no_other_does() {
    let (mut first, mut second) = (gateway().await, gateway().await);
    let terms = format!("priority = 2\nbyoc_sid = \"{SID}\"\nnumbers = [\"+44*\"]");
    let node = node_with(&(trunk("first", &first, "priority = 1") + &trunk("second", &second, &terms))).await;
    first.serve(node.node.sip);
    second.serve(node.node.sip);
    for name in ["second", SID] {
        let (status, _, path) = call(&node, &format!("To=%2B442071234567&From=1&Byoc={name}")).await;
        assert_eq!(status, 201);
        let invite = second.is_called().await;
        refuse(&mut second, &invite, "503 Service Unavailable").await;
        node.wait_for(&path, "status", "failed").await;
    }
    assert_eq!(first.comes_in(Duration::from_millis(300)).await, Vec::<String>::new());
    assert_eq!(figure(&node, "confab_trunk_attempts_total", "first").await, 0.0);
    // One that is not there, and one that does not reach the number.
    assert_eq!(call(&node, "To=%2B442071234567&From=1&Byoc=third").await.1, 21_300);
    assert_eq!(call(&node, "To=%2B4930123&From=1&Byoc=second").await.1, 21_214);
    // It is of numbers only.
    let phone = Peer::udp(node.node.sip).await;
    assert_eq!(call(&node, &format!("To=sip:a@{}&From=1&Byoc=third", phone.address())).await.0, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trunk_may_be_told_who_called_of_a_call_that_is_passed_on() {
    let (mut plain, mut open) = (gateway().await, gateway().await);
    let own = "caller_id = \"+44999\"";
    let routes = "[[route]]\nuser = \"*\"\ntwiml = \"<Response><Dial><Number byoc='open'>+442071234567</Number></Dial></Response>\"\n";
    let file = trunk("plain", &plain, own)
        + &trunk("open", &open, &format!("{own}\ncaller_id_of_forwarded = true"))
        + routes;
    let node = node_with(&file).await;
    plain.serve(node.node.sip);
    open.serve(node.node.sip);
    // A Dial has no token, so the trunk is told its own number.
    let mut caller = Peer::udp(node.node.sip).await;
    caller.is_named("sip:+4930123@127.0.0.1");
    let invite = caller.invite("support");
    caller.send(&invite).await;
    let dialled = open.is_called().await;
    assert!(dialled.header("From").contains("sip:+44999@"), "{}", dialled.text());

    let token = token_of(&node).await;
    for (name, gateway, from) in [("plain", &mut plain, "+44999"), ("open", &mut open, "+4930123")] {
        let form = format!("To=%2B442071234567&From=%2B4930123&Byoc={name}&CallToken={token}");
        assert_eq!(call(&node, &form).await.0, 201);
        let invite = loop {
            let invite = gateway.request_of("INVITE").await;
            if invite.header("Call-ID") != dialled.header("Call-ID") {
                break invite;
            }
        };
        assert!(invite.header("From").contains(&format!("sip:{from}@")), "{}", invite.text());
    }
}

/// What an application was told of the call that came in.
async fn token_of(node: &Running) -> String {
    let app = crate::app::App::start().await;
    app.says("voice", "<Pause length=\"60\"/>");
    let (status, _) = node
        .create(
            "IncomingPhoneNumbers.json",
            &format!("PhoneNumber=%2B442079460123&VoiceUrl={}", app.url("voice")),
        )
        .await;
    assert_eq!(status, 201);
    let mut caller = Peer::udp(node.node.sip).await;
    caller.is_named("sip:+4930123@127.0.0.1");
    let invite = caller.invite("+442079460123");
    caller.send(&invite).await;
    app.told("voice", 1).await[0].get("CallToken").to_owned()
}
