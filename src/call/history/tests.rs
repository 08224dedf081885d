//! Lists that reach beyond the model's memory: a scripted model of some calls before a store of many. And the scribe,
//! whose model is the test.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use tokio::sync::mpsc;

use super::rows::{call_record, call_view, conference_record};
use super::{Kept, Owed, Scribe};
use crate::call::event::{Journal, What};
use crate::call::handle::{Asked, Request};
use crate::call::scripted::{Script, account, call};
use crate::call::view::{
    CallDirection, CallFilter, CallStatus, CallView, ConferenceEnd, ConferenceFilter, ConferenceStatus,
    PageRequest, Span,
};
use crate::call::{CallError, CallSid, Handle};
use crate::store::{CallQuery, Document, Part, Retention, Store, StoreSettings};
use crate::telemetry::Metrics;

const WORDS: [&str; 3] = ["alice", "bob", "carol"];

async fn store() -> Store {
    Store::in_memory(settings(), &Metrics::new()).await.unwrap()
}

/// That delete nothing, however old.
fn settings() -> StoreSettings {
    let retention = Retention { calls: None, conferences: None, notifications: None };
    StoreSettings { retention, ..StoreSettings::default() }
}

fn at(second: i64) -> DateTime<Utc> {
    Utc::now() - TimeDelta::days(1) + TimeDelta::seconds(second)
}

/// A call that is over, as one of few others in each respect.
fn ended(number: usize, begun: DateTime<Utc>) -> CallView {
    let status = [CallStatus::Completed, CallStatus::Busy, CallStatus::NoAnswer][number % 3];
    let answered = begun + TimeDelta::seconds(1);
    CallView {
        status,
        direction: [CallDirection::Inbound, CallDirection::OutboundDial][number % 2],
        started: (status == CallStatus::Completed).then_some(answered),
        ended: Some(begun + TimeDelta::seconds(10)),
        updated: begun + TimeDelta::seconds(10),
        ..call(WORDS[number % 3], WORDS[number / 3 % 3], begun)
    }
}

/// Without what the store does not keep of a time.
fn to_micros(view: CallView) -> CallView {
    let micros =
        |time: DateTime<Utc>| DateTime::from_timestamp_micros(time.timestamp_micros()).expect("a time");
    CallView {
        created: micros(view.created),
        updated: micros(view.updated),
        started: view.started.map(micros),
        ended: view.ended.map(micros),
        ..view
    }
}

async fn keep(store: &Store, calls: &[CallView]) {
    store.put_records(calls.iter().map(call_record).collect()).await.unwrap();
}

/// What a list should be, by filtering and sorting everything there is.
fn naive(all: &[CallView], filter: &CallFilter, request: PageRequest) -> (Vec<CallSid>, bool) {
    let mut taken: Vec<&CallView> = all.iter().filter(|call| filter.takes(call)).collect();
    taken.sort_by_key(|call| std::cmp::Reverse(call.age()));
    let mut rest = taken.into_iter().skip(request.page * request.size);
    let items = rest.by_ref().take(request.size).map(|call| call.sid).collect();
    (items, rest.next().is_some())
}

async fn check(handle: &Handle, all: &[CallView], filter: CallFilter, page: usize, size: usize) {
    let request = PageRequest { page, size };
    let found = handle.list_calls(filter.clone(), request).await.unwrap();
    let sids: Vec<CallSid> = found.items.iter().map(|call| call.sid).collect();
    assert_eq!((sids, found.more), naive(all, &filter, request), "{filter:?} {request:?}");
}

/// Filters of all kinds, by number.
fn filter(number: usize, parent: Option<CallSid>, around: DateTime<Utc>) -> CallFilter {
    let word = WORDS[number % 3].to_owned();
    let none = CallFilter::default();
    let later = Span { from: Some(around), until: None };
    let earlier = Span { from: None, until: Some(around) };
    match number % 9 {
        0 => none,
        1 => CallFilter { to: Some(word), ..none },
        2 => CallFilter { from: Some(word), ..none },
        3 => CallFilter { status: Some(CallStatus::Completed), ..none },
        4 => CallFilter { started: later, ..none },
        5 => CallFilter { ended: earlier, status: Some(CallStatus::Busy), ..none },
        6 => CallFilter { started: Span { until: later.from, ..later }, ..none },
        7 => CallFilter { parent, ..none },
        _ => CallFilter { account: Some(account()), ended: later, ..none },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Each call is living, over and only in the model, over and in both, or over and only in the store.
    #[test]
    fn a_list_is_that_of_all_calls_wherever_they_are(
        places in proptest::collection::vec((0_u8..4, 0_i64..40), 1..60),
        pages in proptest::collection::vec((0_usize..9, 0_usize..6, 1_usize..12), 12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (store, mut script, mut all) = (store().await, Script::default(), Vec::new());
            for (number, (place, second)) in places.into_iter().enumerate() {
                let parent = all.first().map(|call: &CallView| call.sid).filter(|_| number % 4 == 0);
                let view = CallView { parent, ..to_micros(ended(number, at(second))) };
                match place {
                    0 => {
                        let living =
                            CallView { status: CallStatus::InProgress, ended: None, ..view.clone() };
                        script.calls.push(living.clone());
                        // As it is written while it lives.
                        keep(&store, std::slice::from_ref(&living)).await;
                        all.push(living);
                        continue;
                    }
                    1 => script.calls.push(view.clone()),
                    2 => {
                        script.calls.push(view.clone());
                        keep(&store, std::slice::from_ref(&view)).await;
                    }
                    _ => keep(&store, std::slice::from_ref(&view)).await,
                }
                all.push(view);
            }
            let parent = all.first().map(|call| call.sid);
            let handle = script.play().recording(store, &Metrics::new());
            for (number, page, size) in pages {
                check(&handle, &all, filter(number, parent, at(20)), page, size).await;
            }
        });
    }
}

#[tokio::test]
async fn pages_of_a_hundred_thousand_calls_are_right() {
    let store = store().await;
    store
        .run(
            "INSERT INTO calls (sid, account, caller, called, direction, status, created, updated, started, ended,
                                queue_time, is_final)
             WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
             SELECT printf('CA%016x%016x', (i * 2654435761) % 4294967296, i),
                 printf('AC%032x', 1), iif(i % 3, 'alice', 'bob'), iif(i % 5, 'bob', 'carol'), 'inbound',
                 iif(i % 7, 'completed', 'busy'), 1700000000000000 + i / 3 * 1000000,
                 1700000001000000 + i / 3 * 1000000, iif(i % 7, 1700000001000000 + i / 3 * 1000000, NULL),
                 1700000002000000 + i / 3 * 1000000, 0, 1
             FROM n",
        )
        .await
        .unwrap();
    let everything = Part { except: &[], offset: 0, limit: usize::MAX };
    let rows = store.calls(&CallQuery::default(), everything).await.unwrap();
    let mut all: Vec<CallView> = rows.into_iter().map(|row| call_view(row).unwrap()).collect();
    assert_eq!(all.len(), 100_000);
    let around = DateTime::from_timestamp_micros(1_700_015_000_000_000).unwrap();
    let mut script = Script::default();
    for number in 0..50 {
        // Among those in the store, and after them.
        let view = to_micros(ended(number, around + TimeDelta::seconds(number as i64 * 500)));
        script.calls.push(view.clone());
        all.push(view);
    }
    let handle = script.play().recording(store, &Metrics::new());
    for number in 0..9 {
        let filter = filter(number, None, around);
        for (page, size) in [(0, 50), (1, 50), (7, 13), (49, 1_000), (99, 1_000), (100, 1_000), (1_000, 100)]
        {
            check(&handle, &all, filter.clone(), page, size).await;
        }
    }
}

#[tokio::test]
async fn what_the_model_forgot_is_found_by_its_own_account_alone() {
    let store = store().await;
    let view = to_micros(ended(0, at(0)));
    keep(&store, std::slice::from_ref(&view)).await;
    let mut script = Script::default();
    let conference = script.conference("tour", 0);
    let mut over = script.conferences.remove(0);
    over.status = ConferenceStatus::Completed;
    over.reason_ended = Some(ConferenceEnd::ModeratorLeft);
    store.put_records(vec![conference_record(&over)]).await.unwrap();
    let handle = script.play().recording(store, &Metrics::new());

    let own = handle.of(account());
    assert_eq!(own.fetch_call(view.sid).await, Ok(view.clone()));
    assert_eq!(own.end_call(view.sid, crate::call::EndCall::Completed).await, Err(CallError::WrongState));
    let found = own.fetch_conference(conference).await.unwrap();
    assert_eq!(
        (found.friendly_name.as_str(), found.reason_ended),
        ("tour", Some(ConferenceEnd::ModeratorLeft))
    );
    let request = PageRequest { page: 0, size: 10 };
    let seats = own.list_participants(conference, Default::default(), request).await.unwrap();
    assert!(seats.items.is_empty() && !seats.more);
    let filter = ConferenceFilter { friendly_name: Some("tour".to_owned()), ..Default::default() };
    assert_eq!(own.list_conferences(filter, request).await.unwrap().items.len(), 1);

    let other = handle.of("AC00000000000000000000000000000009".parse().unwrap());
    assert_eq!(other.fetch_call(view.sid).await, Err(CallError::NoCall));
    assert_eq!(other.delete_call(view.sid).await, Err(CallError::NoCall));
    assert_eq!(other.fetch_conference(conference).await, Err(CallError::NoConference));
    assert_eq!(other.list_calls(CallFilter::default(), request).await.unwrap().items, []);
}

#[tokio::test]
async fn a_deleted_record_is_gone_from_model_and_store_and_a_living_call_has_none_to_delete() {
    let store = store().await;
    let (both, stored, living) = (to_micros(ended(0, at(0))), ended(1, at(1)), call("alice", "bob", at(2)));
    keep(&store, &[both.clone(), stored.clone()]).await;
    let script = Script { calls: vec![living.clone(), both.clone()], ..Script::default() };
    let handle = script.play().recording(store.clone(), &Metrics::new());
    for view in [&both, &stored] {
        handle.delete_call(view.sid).await.unwrap();
        assert_eq!(handle.fetch_call(view.sid).await, Err(CallError::NoCall));
        assert_eq!(handle.delete_call(view.sid).await, Err(CallError::NoCall));
    }
    assert_eq!(handle.delete_call(living.sid).await, Err(CallError::WrongState));
    // What the scribe had not written yet does not bring it back.
    keep(&store, std::slice::from_ref(&both)).await;
    let left = handle.list_calls(CallFilter::default(), PageRequest { page: 0, size: 10 }).await.unwrap();
    assert_eq!(left.items.iter().map(|view| view.sid).collect::<Vec<_>>(), [living.sid]);
}

/// A scribe with its journal, and the requests that it makes of the model.
fn scribe(store: &Store) -> (Journal, mpsc::Sender<Asked>, mpsc::Receiver<Asked>, Scribe) {
    let journal = Journal::new(Utc::now());
    let (model, asked) = mpsc::channel(16);
    let scribe = Scribe {
        store: store.clone(),
        events: journal.events(),
        model: model.downgrade(),
        missed: Scribe::missed(&Metrics::new()),
    };
    (journal, model, asked, scribe)
}

async fn next_kept(asked: &mut mpsc::Receiver<Asked>) -> Kept {
    match asked.recv().await {
        Some((_, Request::Kept(kept))) => kept,
        _ => panic!("something else was asked"),
    }
}

#[tokio::test]
async fn the_scribe_writes_what_happens_and_tells_the_model_what_is_kept() {
    let store = store().await;
    let (journal, _model, mut asked, scribe) = scribe(&store);
    let task = tokio::spawn(scribe.run());
    tokio::task::yield_now().await;
    let over = to_micros(ended(0, at(0)));
    journal.append(at(0), What::Call(CallView { status: CallStatus::Ringing, ended: None, ..over.clone() }));
    journal.append(at(1), What::Call(over.clone()));
    assert_eq!(next_kept(&mut asked).await.calls, [over.sid]);
    let row = store.call(&over.sid.to_string()).await.unwrap().unwrap();
    assert_eq!(call_view(row), Ok(over));
    drop(journal);
    task.await.unwrap();
}

#[tokio::test]
async fn a_scribe_that_missed_events_asks_for_all_that_is_owed() {
    let store = store().await;
    let (journal, _model, mut asked, scribe) = scribe(&store);
    let missed = std::sync::Arc::clone(&scribe.missed);
    let mut follower = scribe.events.follow();
    // More than are kept, before the scribe has looked once.
    let over = ended(0, at(0));
    for _ in 0..20_000 {
        journal.append(at(0), What::Call(over.clone()));
    }
    let task = tokio::spawn(async move {
        let _ = scribe.follow(&mut follower).await;
        assert!(scribe.catch_up().await);
        scribe
    });
    let Some((_, Request::Owed(reply))) = asked.recv().await else { panic!("nothing was asked") };
    let owed: Vec<CallView> = (0..600).map(|n| ended(n, at(0))).collect();
    drop(reply.send(Ok(Owed { calls: owed.clone(), conferences: Vec::new() })));
    let mut kept = Vec::new();
    while kept.len() < 600 {
        kept.extend(next_kept(&mut asked).await.calls);
    }
    assert_eq!(kept, owed.iter().map(|call| call.sid).collect::<Vec<_>>());
    assert_eq!(missed.total(), 20_000 - 16_384);
    drop(task.await.unwrap());
}

#[tokio::test]
async fn what_ended_while_the_disk_was_full_is_written_when_it_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let settings = StoreSettings { pages_max: Some(256), ..settings() };
    let store = Store::open(dir.path(), settings, &Metrics::new()).await.unwrap();
    let filler = |bytes: usize, number: usize| Document {
        kind: "filler".to_owned(),
        sid: format!("{bytes}-{number}"),
        account: String::new(),
        body: "x".repeat(bytes).into(),
    };
    // All of the megabyte but a page or two.
    for bytes in [400_000, 100_000, 25_000, 6_000, 2_000] {
        for number in 0..8 {
            let _ = store.put_document(filler(bytes, number)).await;
        }
    }
    let (journal, _model, mut asked, scribe) = scribe(&store);
    let task = tokio::spawn(scribe.run());
    tokio::task::yield_now().await;
    let over: Vec<CallView> = (0..200).map(|n| ended(n, at(0))).collect();
    over.iter().for_each(|view| journal.append(at(0), What::Call(view.clone())));
    // It could not write them, and asks what there is to be written.
    let Some((_, Request::Owed(reply))) = asked.recv().await else { panic!("they were written") };
    store.remove_document("filler", "400000-0").await.unwrap();
    drop(reply.send(Ok(Owed { calls: over.clone(), conferences: Vec::new() })));
    assert_eq!(next_kept(&mut asked).await.calls.len(), 200);
    assert!(store.call(&over[7].sid.to_string()).await.unwrap().is_some());
    drop(journal);
    task.await.unwrap();
}
