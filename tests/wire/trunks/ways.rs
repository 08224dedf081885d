//! Which trunk a call goes over, and when another is tried.

use std::time::Duration;

use super::{call, figure, gateway, node_with, refuse, trunk};
use crate::peer::Peer;

#[tokio::test(flavor = "multi_thread")]
async fn a_trunk_that_takes_no_calls_is_passed_over_and_tried_last_for_a_while() {
    let (mut first, mut second) = (gateway().await, gateway().await);
    let node =
        node_with(&(trunk("first", &first, "priority = 1") + &trunk("second", &second, "priority = 2")))
            .await;
    first.serve(node.node.sip);
    second.serve(node.node.sip);
    let path = call(&node, "442071234567").await;
    let invite = first.is_called().await;
    refuse(&mut first, &invite, "503 Service Unavailable").await;
    let invite = second.is_called().await;
    assert_eq!(invite.uri(), format!("sip:+442071234567@{}", second.address()));
    second.pick_up(&invite).await;
    node.wait_for(&path, "status", "in-progress").await;
    assert_eq!(figure(&node, "confab_trunk_circuits_open", "first").await, 1.0);
    assert_eq!(figure(&node, "confab_trunk_calls", "second").await, 1.0);

    // It is not asked now, but when the other does not help it is.
    call(&node, "442071234568").await;
    let invite = second.is_called().await;
    refuse(&mut second, &invite, "500 Server Internal Error").await;
    let invite = first.is_called().await;
    first.pick_up(&invite).await;
    first.is_in_call().await;
    assert_eq!(figure(&node, "confab_trunk_circuits_open", "first").await, 0.0);
    assert_eq!(figure(&node, "confab_trunk_attempts_total", "first").await, 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trunk_that_says_nothing_is_given_up_and_cancelled() {
    let (mut silent, mut second) = (gateway().await, gateway().await);
    let text = trunk("silent", &silent, "priority = 1\nanswer_within = \"500ms\"");
    let node = node_with(&(text + &trunk("second", &second, "priority = 2"))).await;
    silent.serve(node.node.sip);
    second.serve(node.node.sip);
    let path = call(&node, "442071234567").await;
    let late = silent.is_called().await;
    let invite = second.is_called().await;
    second.pick_up(&invite).await;
    node.wait_for(&path, "status", "in-progress").await;

    // Whoever wakes up too late is told that nobody waits any more.
    silent.reply(&late, "180 Ringing").await;
    let cancel = silent.request_of("CANCEL").await;
    silent.answer(&cancel, "200 OK").await;
    second.is_in_call().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_callee_says_is_the_end_and_so_is_what_comes_after_ringing() {
    let (mut first, mut second) = (gateway().await, gateway().await);
    let node =
        node_with(&(trunk("first", &first, "priority = 1") + &trunk("second", &second, "priority = 2")))
            .await;
    first.serve(node.node.sip);
    for (answer, rings, status) in [
        ("486 Busy Here", false, "busy"),
        ("603 Decline", false, "busy"),
        ("404 Not Found", false, "failed"),
        ("302 Moved Temporarily", false, "failed"),
        ("503 Service Unavailable", true, "failed"),
    ] {
        let path = call(&node, "442071234567").await;
        let invite = first.is_called().await;
        if rings {
            first.reply(&invite, "180 Ringing").await;
        }
        // Where a redirection leads it is not followed.
        let moved = first.answer_to(&invite, answer).set("To", format!("{};tag=m", invite.header("To")));
        first.send(&moved.with("Contact", format!("<sip:x@{}>", second.address()))).await;
        first.request_of("ACK").await;
        node.wait_for(&path, "status", status).await;
    }
    assert_eq!(second.comes_in(Duration::from_millis(300)).await, Vec::<String>::new());
    assert_eq!(figure(&node, "confab_trunk_circuits_open", "first").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_gives_up_gives_up_all_that_is_left_to_try() {
    let (mut first, mut second, mut third) = (gateway().await, gateway().await, gateway().await);
    let text = [("first", &first, 1), ("second", &second, 2), ("third", &third, 3)]
        .map(|(name, gateway, priority)| trunk(name, gateway, &format!("priority = {priority}")));
    let node = node_with(&text.concat()).await;
    first.serve(node.node.sip);
    second.serve(node.node.sip);
    let path = call(&node, "442071234567").await;
    let invite = first.is_called().await;
    refuse(&mut first, &invite, "500 Server Internal Error").await;
    let invite = second.is_called().await;
    second.reply(&invite, "180 Ringing").await;
    node.wait_for(&path, "status", "ringing").await;
    node.post(&path, "Status=canceled").await;
    let cancel = second.request_of("CANCEL").await;
    second.answer(&cancel, "200 OK").await;
    refuse(&mut second, &invite, "487 Request Terminated").await;
    node.wait_for(&path, "status", "canceled").await;
    assert_eq!(third.count_for(Duration::from_millis(300)).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_goes_over_the_trunk_that_carries_it_written_as_it_wants_it() {
    let (mut german, mut other) = (gateway().await, gateway().await);
    let terms = "numbers = [\"+49*\"]\npriority = 1\nstrip_plus = true\nprefix = \"00\"\nfrom_domain = \"pbx.example.org\"\n\
                 caller_id = \"4930999\"\ncodecs = [\"pcma\"]\nsrtp = \"required\"";
    let node = node_with(&(trunk("german", &german, terms) + &trunk("other", &other, "priority = 2"))).await;
    german.serve(node.node.sip);
    other.serve(node.node.sip);
    let path = call(&node, "493012345").await;
    let invite = german.is_called().await;
    assert_eq!(invite.uri(), format!("sip:00493012345@{}", german.address()));
    assert!(invite.header("From").contains("<sip:4930999@pbx.example.org>"), "{}", invite.text());
    let offer = invite.description();
    assert!(offer.contains("RTP/SAVP 8 ") && !offer.contains("PCMU") && !offer.contains("opus"), "{offer}");
    refuse(&mut german, &invite, "486 Busy Here").await;
    node.wait_for(&path, "status", "busy").await;

    call(&node, "442071234567").await;
    let invite = other.is_called().await;
    assert!(invite.header("From").contains("sip:+4930123@127.0.0.1"), "{}", invite.text());
    assert!(invite.description().contains("RTP/AVP "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_not_there_costs_no_time_over_tcp() {
    let mut second = gateway().await;
    // Nobody listens where somebody has just stopped to.
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let first = format!(
        "[[trunk]]\nname = \"gone\"\npriority = 1\naddress = \"{gone};tcp\"\nanswer_within = \"32s\"\n"
    );
    let node = node_with(&(first + &trunk("second", &second, "priority = 2"))).await;
    second.serve(node.node.sip);
    call(&node, "442071234567").await;
    let invite = second.is_called().await;
    second.pick_up(&invite).await;
    assert_eq!(figure(&node, "confab_trunk_circuits_open", "gone").await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_odd_message_of_a_trunk_does_not_cost_the_calls_of_its_connection() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let node = node_with(&format!("[[trunk]]\nname = \"tcp\"\naddress = \"{address};tcp\"\n")).await;
    let path = call(&node, "442071234567").await;
    let (stream, _) = listener.accept().await.unwrap();
    let mut gateway = Peer::of_stream(stream).await;
    let invite = gateway.is_called().await;
    assert_eq!(invite.uri(), format!("sip:+442071234567@{address};transport=TCP"));
    gateway.pick_up(&invite).await;
    node.wait_for(&path, "status", "in-progress").await;

    let odd = gateway.request("BREW", "x").with("X-Name", b"\xff\xfe");
    assert_eq!(gateway.ask(&odd).await.status(), Some(501));
    gateway.is_in_call().await;
    // The next call takes the same connection.
    call(&node, "442071234568").await;
    let second = gateway.request_of("INVITE").await;
    assert!(second.uri().contains("442071234568"));
    gateway.hang_up().await;
    node.wait_for(&path, "status", "completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_lost_is_opened_again_and_guarded_as_the_one_before() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let node = node_with(&format!("[[trunk]]\nname = \"tcp\"\naddress = \"{address};tcp\"\n")).await;
    let path = call(&node, "442071234567").await;
    let mut gateway = Peer::of_stream(listener.accept().await.unwrap().0).await;
    let invite = gateway.is_called().await;
    gateway.pick_up(&invite).await;
    node.wait_for(&path, "status", "in-progress").await;
    gateway.hangs_up_the_wire().await;
    gateway.comes_over_tcp(listener.accept().await.unwrap().0);
    // The library would close a connection of its own over it.
    let odd = gateway.request("BREW", "x").with("X-Name", b"\xff\xfe");
    assert_eq!(gateway.ask(&odd).await.status(), Some(501));
    node.post(&path, "Status=completed").await;
    gateway.is_hung_up().await;
}
