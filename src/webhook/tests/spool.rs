//! Callbacks that outlive their node: a courier over a database that is closed, or killed, and opened again.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::world::{ACCOUNT, World, reply};
use crate::store::{Store, StoreSettings};
use crate::telemetry::Metrics;
use crate::webhook::{
    ClientSettings, Courier, CourierSettings, FailureKind, Job, Payload, Request, Spool, StoreSpool,
};

const AT: &str = "93.184.215.14:80";

fn job(key: &str, number: usize, is_last: bool) -> Job {
    let params = vec![("Number".to_owned(), number.to_string()), ("Digits".to_owned(), "1+&=ä".to_owned())];
    Job {
        id: format!("{key}-{number}"),
        key: key.to_owned(),
        is_last,
        request: Request::post(format!("http://{AT}/status#rc=0"), ACCOUNT, params).about(key),
        accepted_at: SystemTime::now(),
    }
}

async fn courier(world: &World, store: &Store) -> Courier {
    let metrics = Metrics::new();
    let client = world.client_with(&ClientSettings::default(), &metrics);
    let spool = Arc::new(StoreSpool::new(store.clone()));
    let settings = CourierSettings { first_pause: Duration::from_millis(10), ..CourierSettings::default() };
    Courier::start(settings, client, spool, Arc::new(|| 0.5), &metrics).await
}

async fn open(dir: &std::path::Path) -> Store {
    Store::open(dir, StoreSettings::default(), &Metrics::new()).await.unwrap()
}

/// Waits until nothing is owed any more.
async fn all_done(store: &Store) {
    while !store.pending_jobs(1).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_next_node_delivers_in_order_what_this_one_could_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    // Nobody listens yet.
    let down = World::default();
    let first = courier(&down, &store).await;
    for n in 0..5 {
        first.send(job("CA1", n, n == 4));
        first.send(job("CA2", n, n == 4));
    }
    assert_eq!(first.stop(Duration::from_millis(50)).await, 10);
    assert!(store.stop(Duration::from_secs(60)).await);
    drop((first, store));

    let world = World::default();
    world.http(AT, |_| async { reply(204, &[], "") });
    let store = open(dir.path()).await;
    let _second = courier(&world, &store).await;
    all_done(&store).await;
    let seen = world.seen();
    for key in ["CA1", "CA2"] {
        let told = |seen: &super::world::Seen| seen.header("i-twilio-idempotency-token").to_owned();
        let tokens: Vec<String> = seen.iter().map(told).filter(|token| token.starts_with(key)).collect();
        assert_eq!(tokens, (0..5).map(|n| format!("{key}-{n}")).collect::<Vec<_>>());
    }
    assert!(seen.iter().all(super::world::Seen::is_signed));
    assert!(seen.iter().all(|seen| seen.form()[1] == ("Digits".to_owned(), "1+&=ä".to_owned())));
}

#[tokio::test]
async fn what_is_too_old_is_given_up_untried_and_reported() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    let spool = StoreSpool::new(store.clone());
    let old = SystemTime::now() - Duration::from_secs(3_700);
    spool.put(&Job { accepted_at: old, ..job("CA1", 0, false) }).unwrap();
    spool.put(&job("CA1", 1, true)).unwrap();
    let world = World::default();
    world.http(AT, |_| async { reply(204, &[], "") });
    let _courier = courier(&world, &store).await;
    all_done(&store).await;
    let tokens: Vec<_> =
        world.seen().iter().map(|seen| seen.header("i-twilio-idempotency-token").to_owned()).collect();
    assert_eq!(tokens, ["CA1-1"]);
    assert_eq!(world.kinds(), [FailureKind::TooLate]);
    assert_eq!(world.failures()[0].subject.as_deref(), Some("CA1"));
}

#[tokio::test]
async fn jobs_come_back_as_they_were_put() {
    let store = Store::in_memory(StoreSettings::default(), &Metrics::new()).await.unwrap();
    let spool = StoreSpool::new(store);
    let mut json = job("CF1", 7, true);
    json.request.payload = Payload::Json("{\"a\":1}".to_owned());
    json.request.method = crate::webhook::Method::Get;
    for one in [job("CA1", 1, false), json] {
        spool.put(&one).unwrap();
        let mut back = spool.pending(10).await.unwrap();
        assert_eq!(back.len(), 1);
        let mut back = back.remove(0);
        assert_eq!(back.request.idempotency_token.take().as_deref(), Some(one.id.as_str()));
        let lost = one.accepted_at.duration_since(back.accepted_at).unwrap();
        assert!(lost < Duration::from_millis(1), "{lost:?}");
        back.accepted_at = one.accepted_at;
        assert_eq!(back, one);
        spool.done(&one.id);
        spool.done("unknown");
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_dropped_and_holds_up_nobody() {
    let store = Store::in_memory(StoreSettings::default(), &Metrics::new()).await.unwrap();
    let body = zeroize::Zeroizing::new("{".to_owned());
    store.try_put_job(crate::store::SpooledJob { id: "CA0-0".to_owned(), body }, false).unwrap();
    let spool = StoreSpool::new(store.clone());
    spool.put(&job("CA1", 1, true)).unwrap();
    assert_eq!(spool.pending(10).await.unwrap().len(), 1);
    assert_eq!(store.pending_jobs(10).await.unwrap().len(), 1);
}
