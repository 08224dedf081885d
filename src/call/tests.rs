//! What the model does when its tables and queues are full. The rules of calls and conferences are tested through
//! the adapters.

use confab_media::{Ask, Command};

use super::stalled::{Stalled, admit, everything, media};
use super::{CallError, CallFilter, EndCall, Limits, NotAdmitted};
use crate::config::RtpPorts;
use crate::worker::Order;

const LIMITS: Limits = Limits { calls: 3, participants: 2, talkers: 2 };

/// Orders that may wait for a media thread, less those that begin a conference, equip it and seat the first leg in it.
const MUTES_THAT_FIT: usize = 1_024 - 4;

#[tokio::test(start_paused = true)]
async fn a_full_node_and_a_full_conference_let_nobody_in_and_say_which() {
    let stalled = Stalled::start(LIMITS).await;
    assert!(admit(&stalled.handle, "stalled").await.is_ok());
    assert_eq!(admit(&stalled.handle, "stalled").await, Err(NotAdmitted::ConferenceFull));
    assert!(admit(&stalled.handle, "other").await.is_ok());
    assert_eq!(admit(&stalled.handle, "third").await, Err(NotAdmitted::NodeFull));

    // A call that never was answered is over at once, and its place is free.
    stalled.handle.call_ended(stalled.call, super::CallEnd::Canceled).await;
    assert!(admit(&stalled.handle, "third").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_thread_that_takes_no_orders_is_overload_and_not_a_wait() {
    let stalled = Stalled::start(LIMITS).await;
    assert_eq!(stalled.fill_ring().await, MUTES_THAT_FIT);
    let refused = stalled.handle.set_call_media(stalled.call, media()).await;
    assert_eq!(refused, Err(CallError::Overloaded));
    // What needs no media thread is answered as ever.
    let calls = stalled.handle.list_calls(CallFilter::default(), everything()).await;
    assert_eq!(calls.map(|page| page.items.len()), Ok(1));
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_lost_waits_for_room_and_nobody_is_let_in_meanwhile() {
    let mut stalled = Stalled::start(LIMITS).await;
    stalled.fill_ring().await;
    let (handle, call) = (stalled.handle.clone(), stalled.call);
    let ending = tokio::spawn(async move { handle.end_call(call, EndCall::Completed).await });
    stalled.settle().await;
    assert_eq!(admit(&stalled.handle, "other").await, Err(NotAdmitted::Overloaded));
    assert!(!ending.is_finished(), "the leg may still be heard");

    // The thread goes on: a sweep brings it what waited, in order, and callers are let in again.
    while stalled.desk.next_order().is_some() {}
    assert!(admit(&stalled.handle, "other").await.is_ok());
    let orders: Vec<Order> = std::iter::from_fn(|| stalled.desk.next_order()).collect();
    let [Order::Command(leg), Order::Command(conference), Order::Command(other)] = &orders[..] else {
        panic!("{orders:?}");
    };
    assert!(matches!(leg, Command { ask: Ask::RemoveLeg(_), .. }), "{leg:?}");
    assert!(matches!(conference, Command { ask: Ask::RemoveConference(_), .. }), "{conference:?}");
    assert!(matches!(other, Command { ask: Ask::AddConference(_), .. }), "{other:?}");
}

#[tokio::test(start_paused = true)]
async fn used_up_ports_let_nobody_in_and_leave_no_conference_behind() {
    let two_pairs = RtpPorts::new(47_310, 47_313).expect("a range");
    let stalled = Stalled::start_with(LIMITS, two_pairs).await;
    assert!(admit(&stalled.handle, "stalled").await.is_ok());
    assert_eq!(admit(&stalled.handle, "another").await, Err(NotAdmitted::NoPorts));
    let conferences =
        stalled.handle.list_conferences(Default::default(), everything()).await.expect("a list");
    let another = conferences.items.iter().find(|conference| conference.friendly_name == "another");
    assert!(another.is_some_and(|view| view.status == super::ConferenceStatus::Completed), "{another:?}");
}
