//! How much is called, and by whom.

use std::time::Duration;

use super::{call, gateway, node_with, refuse, trunk};
use crate::peer::Peer;
use crate::running::Running;

async fn refused(node: &Running, to: &str) -> (u16, u64) {
    let form = format!("To={to}&From=x&Twiml=%3CResponse%2F%3E");
    let (status, error) = node.create("Calls.json", &form).await;
    (status, error["code"].as_u64().unwrap_or_else(|| panic!("{error}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_wait_for_their_turn_and_say_how_long() {
    let mut carrier = gateway().await;
    let node = node_with(&format!("calls_per_second = 1\n{}", trunk("carrier", &carrier, ""))).await;
    carrier.serve(node.node.sip);
    // With so many before it nobody's turn comes while we look.
    let mut paths = Vec::new();
    for n in 10..40 {
        paths.push(call(&node, &format!("4420712345{n}")).await);
    }
    let last = paths.last().unwrap();
    assert_eq!(node.get(last).await["status"], "queued");
    let (_, seat) = node.create("Conferences/desk/Participants.json", "To=%2B442071234504&From=x").await;
    let expected: u64 = seat["queue_time"].as_str().unwrap().parse().unwrap();
    assert!((1_000..=30_000).contains(&expected), "{seat}");

    // One that is given up before its turn is gone at once.
    node.post(last, "Status=canceled").await;
    let canceled = node.wait_for(last, "status", "canceled").await;
    assert_eq!(canceled["start_time"], serde_json::Value::Null);
    // The others are dialled in their order, one after the other.
    for (path, number) in paths.iter().zip(["442071234510", "442071234511"]) {
        let invite = carrier.is_called().await;
        assert!(invite.uri().contains(number), "{}", invite.uri());
        refuse(&mut carrier, &invite, "486 Busy Here").await;
        node.wait_for(path, "status", "busy").await;
    }
    let waited = |call: &serde_json::Value| call["queue_time"].as_str().unwrap().parse::<u64>().unwrap();
    assert!(waited(&node.get(&paths[1]).await) > waited(&node.get(&paths[0]).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trunks_own_turns_are_waited_for_and_its_calls_counted() {
    let (mut small, mut other) = (gateway().await, gateway().await);
    let text = trunk("small", &small, "priority = 1\nmax_calls = 1");
    let node = node_with(&(text + &trunk("other", &other, "priority = 2\ncalls_per_second = 2"))).await;
    small.serve(node.node.sip);
    other.serve(node.node.sip);
    let first = call(&node, "442071234501").await;
    let invite = small.is_called().await;
    small.pick_up(&invite).await;
    node.wait_for(&first, "status", "in-progress").await;
    for number in ["442071234502", "442071234503"] {
        let path = call(&node, number).await;
        let invite = other.is_called().await;
        assert!(invite.uri().contains(number));
        refuse(&mut other, &invite, "486 Busy Here").await;
        node.wait_for(&path, "status", "busy").await;
    }
    // Its place is free again when the call is over.
    small.hang_up().await;
    node.wait_for(&first, "status", "completed").await;
    call(&node, "442071234504").await;
    let invite = small.is_called().await;
    refuse(&mut small, &invite, "486 Busy Here").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_account_and_trunk_do_not_allow_is_not_dialled() {
    let mut carrier = gateway().await;
    let sid = "AC00000000000000000000000000000001";
    let terms = "numbers = [\"+44*\", \"+49*\", \"+1*\"]\noutbound_allow = [\"+44*\", \"+1*\"]";
    let text = format!(
        "account_sid = \"{sid}\"\nauth_token = \"a-token-for-a-test\"\n{}\
         [[account]]\nsid = \"{sid}\"\noutbound_allow = [\"+44*\", \"+49*\", \"+33*\"]\nmax_calls = 1\n",
        trunk("carrier", &carrier, terms)
    );
    let node = node_with(&text).await;
    carrier.serve(node.node.sip);
    assert_eq!(refused(&node, "%2B493012345").await, (400, 21_215), "the trunk does not");
    assert_eq!(refused(&node, "%2B12125551234").await, (400, 21_215), "the account does not");
    assert_eq!(refused(&node, &format!("sip:x@{}", carrier.address())).await, (400, 21_215));
    assert_eq!(refused(&node, "%2B33123456789").await, (400, 21_214), "no trunk reaches it");
    let path = call(&node, "442071234567").await;
    assert_eq!(refused(&node, "%2B442071234568").await, (400, 10_004), "one call at a time");
    let invite = carrier.is_called().await;
    refuse(&mut carrier, &invite, "486 Busy Here").await;
    node.wait_for(&path, "status", "busy").await;
    call(&node, "442071234568").await;
}

/// A call of somebody else does not count against the account's, since the node does not make it.
#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_dials_does_not_wait_behind_calls_of_the_api() {
    let mut carrier = gateway().await;
    let script = "<Response><Dial><Number>+442071234509</Number></Dial></Response>";
    let routes = format!("[[route]]\nuser = \"ivr\"\ntwiml = \"{script}\"\n");
    let node = node_with(&format!("calls_per_second = 1\n{}{routes}", trunk("carrier", &carrier, ""))).await;
    carrier.serve(node.node.sip);
    // A queue of half a minute.
    for n in 10..40 {
        call(&node, &format!("4420712345{n}")).await;
    }
    let mut caller = Peer::udp(node.node.sip).await;
    let invite = caller.invite("ivr");
    caller.send(&invite).await;
    let mut before = 0;
    loop {
        let invite = carrier.is_called().await;
        refuse(&mut carrier, &invite, "486 Busy Here").await;
        if invite.uri().contains("442071234509") {
            break;
        }
        before += 1;
    }
    assert!(before < 30, "the script's call went out among them");
    assert!(carrier.count_for(Duration::from_millis(1)).await < 30);
}
