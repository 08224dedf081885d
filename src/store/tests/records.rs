//! Records: what replaces what, what a dead node leaves, what is deleted when.

use std::time::Duration;

use super::super::{
    CallQuery, CallRow, ConferenceQuery, ConferenceRow, Part, ParticipantRow, Record, Retention, Store,
    StoreSettings, now,
};
use super::{Place, call};

const ALL: Part<'_> = Part { except: &[], offset: 0, limit: 1_000 };

fn open_call(sid: &str, created: i64, started: Option<i64>) -> CallRow {
    let status = if started.is_some() { "in-progress" } else { "ringing" };
    CallRow {
        status: status.to_owned(),
        updated: created,
        started,
        ended: None,
        is_final: false,
        ..call(sid, created)
    }
}

fn conference(sid: &str, created: i64, is_final: bool) -> ConferenceRow {
    ConferenceRow {
        sid: sid.to_owned(),
        account: "AC1".to_owned(),
        friendly_name: "tour".to_owned(),
        status: if is_final { "completed" } else { "in-progress" }.to_owned(),
        created,
        updated: created,
        reason_ended: None,
        call_sid_ending: None,
        is_listed: true,
        is_final,
    }
}

fn participant(conference: &str, call: &str, at: i64) -> ParticipantRow {
    ParticipantRow {
        conference: conference.to_owned(),
        call: call.to_owned(),
        label: None,
        muted: false,
        hold: false,
        coaching: false,
        coached: None,
        start_on_enter: true,
        end_on_exit: false,
        status: "connected".to_owned(),
        created: at,
        updated: at,
    }
}

async fn put(store: &Store, records: impl IntoIterator<Item = Record>) {
    store.put_records(records.into_iter().collect()).await.unwrap();
}

async fn sids(store: &Store, part: Part<'_>) -> Vec<String> {
    let rows = store.calls(&CallQuery::default(), part).await.unwrap();
    rows.into_iter().map(|row| row.sid).collect()
}

#[tokio::test]
async fn only_what_is_over_is_found_and_stays_over() {
    let place = Place::new();
    let store = place.open().await;
    put(&store, [Record::Call(open_call("CA1", 1, None)), Record::Call(open_call("CA2", 2, None))]).await;
    assert_eq!(sids(&store, ALL).await, [""; 0]);
    put(&store, [Record::Call(call("CA1", 1))]).await;
    // Late news changes nothing.
    put(&store, [Record::Call(open_call("CA1", 1, Some(1)))]).await;
    assert_eq!(store.call("CA1").await.unwrap(), Some(call("CA1", 1)));
    assert_eq!(store.call("CA2").await.unwrap(), None);
}

#[tokio::test]
async fn parts_are_newest_first_and_leave_out_what_the_asker_has() {
    let place = Place::new();
    let store = place.open().await;
    put(&store, (0..10).map(|n| Record::Call(call(&format!("CA{n}"), n / 2)))).await;
    let except = ["CA8".to_owned(), "CA5".to_owned()];
    let part = Part { except: &except, offset: 1, limit: 3 };
    assert_eq!(sids(&store, part).await, ["CA7", "CA6", "CA4"]);
}

#[tokio::test]
async fn a_call_that_was_forgotten_stays_so_whatever_comes() {
    let place = Place::new();
    let store = place.open().await;
    put(&store, [Record::Call(call("CA1", 1))]).await;
    store.forget_call("CA1").await.unwrap();
    store.forget_call("CA2").await.unwrap();
    put(&store, [Record::Call(call("CA1", 1)), Record::Call(call("CA2", 2))]).await;
    assert_eq!(sids(&store, ALL).await, [""; 0]);
    assert_eq!(store.call("CA1").await.unwrap(), None);
}

#[tokio::test]
async fn what_a_killed_node_left_open_is_closed_when_it_was_last_known_to_live() {
    let place = Place::new();
    let store = place.open().await;
    let began = now() - 60_000_000;
    put(
        &store,
        [
            Record::Call(open_call("CA1", began, Some(began + 1))),
            Record::Call(open_call("CA2", began, None)),
            Record::Call(call("CA3", began)),
            Record::Conference(conference("CF1", began, false)),
            Record::Participant(participant("CF1", "CA1", began)),
        ],
    )
    .await;
    store.note_alive().await.unwrap();
    let alive: i64 =
        sqlx::query_scalar("SELECT alive FROM life").fetch_one(&store.inner.readers).await.unwrap();

    let next = place.killed();
    let after = next.open().await;
    let one = after.call("CA1").await.unwrap().unwrap();
    assert_eq!((one.status.as_str(), one.ended), ("completed", Some(alive)));
    let two = after.call("CA2").await.unwrap().unwrap();
    assert_eq!((two.status.as_str(), two.ended), ("failed", Some(alive)));
    assert_eq!(after.call("CA3").await.unwrap(), Some(call("CA3", began)));
    let conference = after.conference("CF1").await.unwrap().unwrap();
    assert_eq!((conference.status.as_str(), conference.updated), ("completed", alive));
    let status: String =
        sqlx::query_scalar("SELECT status FROM participants").fetch_one(&after.inner.readers).await.unwrap();
    assert_eq!(status, "complete");
}

#[tokio::test]
async fn what_is_old_is_deleted_and_no_time_means_never() {
    let place = Place::new();
    let forever = Retention { calls: None, conferences: None, notifications: None };
    let store = place.open_with(StoreSettings { retention: forever, ..StoreSettings::default() }).await;
    let day = 24 * 3_600 * 1_000_000;
    let (old, young) = (now() - 40 * day, now() - 20 * day);
    // More than one batch.
    put(&store, (0..1_200).map(|n| Record::Call(call(&format!("CA{n:04}"), old + n)))).await;
    put(&store, [Record::Call(call("CAyoung", young)), Record::Call(open_call("CAopen", old, None))]).await;
    put(&store, [Record::Conference(conference("CF1", old, true))]).await;
    put(&store, [Record::Participant(participant("CF1", "CA1", old))]).await;

    store.purge(forever).await.unwrap();
    assert_eq!(sids(&store, Part { limit: 2_000, ..ALL }).await.len(), 1_201);

    store.purge(Retention { calls: Some(Duration::from_secs(30 * 24 * 3_600)), ..forever }).await.unwrap();
    assert_eq!(sids(&store, ALL).await, ["CAyoung"]);
    let open: i64 =
        sqlx::query_scalar("SELECT count(*) FROM calls").fetch_one(&store.inner.readers).await.unwrap();
    assert_eq!(open, 2);
    assert_eq!(place.figure("confab_store_purged_total"), 1_200);
    assert_eq!(store.conferences(&ConferenceQuery::default(), ALL).await.unwrap().len(), 1);

    store.purge(Retention::default()).await.unwrap();
    assert_eq!(store.conferences(&ConferenceQuery::default(), ALL).await.unwrap().len(), 0);
    let seats: i64 = sqlx::query_scalar("SELECT count(*) FROM participants")
        .fetch_one(&store.inner.readers)
        .await
        .unwrap();
    assert_eq!(seats, 0);
}
