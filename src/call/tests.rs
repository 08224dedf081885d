//! What the model does when its tables and queues are full. The rules of calls and conferences are tested through
//! the adapters.

use std::time::Duration;

use confab_media::{Ask, Command, Digit, DigitMethod, PressedDigit};

use super::stalled::{Stalled, account, admit, admit_to, everything, media};
use super::{
    CallError, CallFilter, DigitString, EndCall, Lasting, Limits, NotAdmitted, ParticipantFilter, StopTaking,
    WaiterKey,
};
use crate::config::RtpPorts;
use crate::worker::Order;

const LIMITS: Limits = Limits { calls: 3, participants: 2, talkers: 2, lasting: LASTING };

const HOUR: Duration = Duration::from_secs(3_600);

const LASTING: Lasting = Lasting {
    call: HOUR,
    conference: Duration::from_secs(2 * 3_600),
    warning: Some(Duration::from_secs(60)),
};

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
    stalled.handle.call_ended(stalled.call, super::CallEnd::Canceled, None).await;
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

/// The orders for a call's keys, of those that wait for the thread.
fn key_orders(stalled: &mut Stalled) -> Vec<Ask> {
    let orders = std::iter::from_fn(|| stalled.desk.next_order());
    let asked = orders.filter_map(|order| match order {
        Order::Command(command) => Some(command.ask),
        Order::AddLeg(..)
        | Order::AnswerFor(..)
        | Order::LegIsAt(..)
        | Order::AnswerForNoMore(_)
        | Order::Stop => None,
    });
    asked.filter(|ask| matches!(ask, Ask::HearDigit(..) | Ask::PressDigits(..))).collect()
}

#[tokio::test(start_paused = true)]
async fn keys_reach_the_calls_own_leg() {
    let mut stalled = Stalled::start(LIMITS).await;
    stalled.settle().await;
    let (handle, call) = (stalled.handle.clone(), stalled.call);
    let digit = Digit::from_char('7').expect("a key");
    let told = PressedDigit { digit, duration: Duration::from_millis(160), method: DigitMethod::Info };
    let keys = DigitString::parse("1w2").expect("keys");
    let asked = tokio::spawn(async move {
        tokio::join!(handle.heard_info_digit(call, told), handle.press_digits(call, keys))
    });
    stalled.settle().await;
    let orders = key_orders(&mut stalled);
    let [Ask::HearDigit(heard_by, heard), Ask::PressDigits(pressed_by, _)] = &orders[..] else {
        panic!("{orders:?}");
    };
    assert_eq!((heard_by, *heard), (pressed_by, told));
    assert!(!asked.is_finished(), "they are answered when the thread has them");
}

#[tokio::test(start_paused = true)]
async fn keys_of_calls_that_are_not_there_or_not_connected_reach_nobody() {
    let mut stalled = Stalled::start(LIMITS).await;
    let waiting = admit(&stalled.handle, "other").await.expect("let in");
    stalled.settle().await;
    let keys = DigitString::parse("1").expect("keys");
    assert_eq!(stalled.handle.press_digits(waiting, keys.clone()).await, Err(CallError::WrongState));
    let nobody = super::CallSid::generate();
    assert_eq!(stalled.handle.press_digits(nobody, keys).await, Err(CallError::NoCall));
    assert!(key_orders(&mut stalled).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_another_account_is_not_there() {
    let stalled = Stalled::start(LIMITS).await;
    let (call, conference) = (stalled.call, stalled.conference);
    let own = stalled.handle.of(account());
    assert!(own.fetch_call(call).await.is_ok());
    assert_eq!(own.list_calls(CallFilter::default(), everything()).await.map(|page| page.items.len()), Ok(1));

    let others = stalled.handle.of(super::AccountSid::generate());
    assert_eq!(others.fetch_call(call).await, Err(CallError::NoCall));
    assert_eq!(others.end_call(call, EndCall::Completed).await, Err(CallError::NoCall));
    assert_eq!(others.fetch_conference(conference).await, Err(CallError::NoConference));
    assert_eq!(others.end_conference(conference).await, Err(CallError::NoConference));
    let seats = others.list_participants(conference, ParticipantFilter::default(), everything()).await;
    assert_eq!(seats, Err(CallError::NoConference));
    // A filter that names the owner does not help.
    let filter = CallFilter { account: Some(account()), ..CallFilter::default() };
    assert_eq!(others.list_calls(filter, everything()).await.map(|page| page.items.len()), Ok(0));
    let conferences = others.list_conferences(Default::default(), everything()).await;
    assert_eq!(conferences.map(|page| page.items.len()), Ok(0));
    assert_eq!(own.fetch_call(call).await.map(|call| call.status), Ok(super::CallStatus::Ringing));
}

#[tokio::test(start_paused = true)]
async fn a_queue_of_another_account_is_not_there_and_its_name_is_free() {
    let stalled = Stalled::start(LIMITS).await;
    let own = stalled.handle.of(account());
    let queue = own.create_queue(account(), "support".to_owned(), 5).await.expect("a queue");
    let again = own.create_queue(account(), "support".to_owned(), 5).await;
    assert_eq!(again, Err(CallError::QueueNameTaken));

    let stranger = super::AccountSid::generate();
    let others = stalled.handle.of(stranger);
    assert_eq!(others.fetch_queue(queue.sid).await, Err(CallError::NoQueue));
    assert_eq!(others.delete_queue(queue.sid).await, Err(CallError::NoQueue));
    assert_eq!(others.fetch_waiter(queue.sid, WaiterKey::Front).await, Err(CallError::NoQueue));
    // Naming the owner does not help.
    let listed = others.list_queues(account(), everything()).await;
    assert_eq!(listed.map(|page| page.items.len()), Ok(0));
    let theirs = others.create_queue(account(), "support".to_owned(), 5).await.expect("a queue");
    assert_eq!(theirs.account, stranger);
    assert_eq!(own.list_queues(account(), everything()).await.map(|page| page.items), Ok(vec![queue]));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_not_answered_can_neither_wait_nor_take_nor_be_passed_on() {
    let stalled = Stalled::start(LIMITS).await;
    let (calls, call) = (&stalled.handle, stalled.call);
    let entered = calls.enqueue(call, "support".to_owned(), None).await;
    assert_eq!(entered, Err(CallError::WrongState));
    let taking = calls.take_from_queue(call, "support".to_owned(), None).await;
    assert_eq!(taking, Err(CallError::WrongState));
    assert_eq!(calls.refer(call, "sip:a@b".to_owned()).await, Err(CallError::WrongState));
    assert_eq!(calls.queue_place(call).await, Err(CallError::NotQueued));
    assert_eq!(calls.stop_taking(call, StopTaking::Now).await, Err(CallError::NotQueued));
    assert_eq!(calls.list_queues(account(), everything()).await.map(|page| page.items.len()), Ok(0));
}

#[tokio::test(start_paused = true)]
async fn two_accounts_may_use_one_name_for_two_conferences() {
    let stalled = Stalled::start(LIMITS).await;
    let other = super::AccountSid::generate();
    assert!(admit_to(&stalled.handle, other, "stalled").await.is_ok());
    for (account, conferences) in [(account(), 1), (other, 1)] {
        let list = stalled.handle.of(account).list_conferences(Default::default(), everything()).await;
        let list = list.expect("a list").items;
        assert_eq!(list.len(), conferences);
        assert!(list.iter().all(|conference| conference.account == account), "{list:?}");
    }
}

/// Lets time pass, as much as the owner looks at in one go, and returns when it has.
async fn pass(stalled: &Stalled, time: Duration) {
    tokio::time::sleep(time).await;
    stalled.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_conference_that_never_starts_is_over_when_its_time_is() {
    let stalled = Stalled::start(LIMITS).await;
    pass(&stalled, LASTING.conference - Duration::from_secs(5)).await;
    let view = stalled.handle.fetch_conference(stalled.conference).await.expect("there");
    assert_eq!(view.status, super::ConferenceStatus::Init);
    pass(&stalled, Duration::from_secs(10)).await;
    let view = stalled.handle.fetch_conference(stalled.conference).await.expect("there");
    assert_eq!(view.status, super::ConferenceStatus::Completed);
    assert_eq!(view.reason_ended, Some(super::ConferenceEnd::ViaApi));
    let call = stalled.handle.fetch_call(stalled.call).await.expect("there");
    assert!(call.status.is_final(), "{call:?}");
}

#[tokio::test(start_paused = true)]
async fn a_conference_is_warned_once_and_in_time() {
    let mut stalled = Stalled::start(LIMITS).await;
    stalled.settle().await;
    let tones = |stalled: &mut Stalled| {
        let orders = std::iter::from_fn(|| stalled.desk.next_order());
        let is_tone =
            |order: &Order| matches!(order, Order::Command(Command { ask: Ask::PlayToAll(..), .. }));
        orders.filter(is_tone).count()
    };
    pass(&stalled, LASTING.conference - Duration::from_secs(65)).await;
    assert_eq!(tones(&mut stalled), 0);
    pass(&stalled, Duration::from_secs(10)).await;
    assert_eq!(tones(&mut stalled), 1);
    pass(&stalled, Duration::from_secs(40)).await;
    assert_eq!(tones(&mut stalled), 0);
}
