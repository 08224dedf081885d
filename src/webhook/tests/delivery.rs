//! The courier with applications that fail, stall and die, in virtual time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};

use super::world::{ACCOUNT, Reply, Seen, World, reply};
use crate::telemetry::Metrics;
use crate::webhook::{
    Admission, Attempt, ClientSettings, Courier, CourierSettings, Job, MemorySpool, Request, Spool,
};

const AT: &str = "93.184.215.14:80";
const OTHER: &str = "93.184.215.15:80";

fn job(key: &str, number: usize, at: &str) -> Job {
    let params = vec![("Key".to_owned(), key.to_owned()), ("Number".to_owned(), number.to_string())];
    Job {
        id: format!("{key}-{number}"),
        key: key.to_owned(),
        is_last: false,
        request: Request::post(format!("http://{at}/status#rc=0"), ACCOUNT, params),
        accepted_at: SystemTime::now(),
    }
}

fn last(key: &str, number: usize, at: &str) -> Job {
    Job { is_last: true, ..job(key, number, at) }
}

/// Which attempt an exchange was, and what went wrong.
type Noted = (Attempt, Option<String>);

struct Stage {
    world: World,
    spool: Arc<MemorySpool>,
    metrics: Metrics,
    /// Of each exchange which attempt it was, and what went wrong.
    noted: Arc<Mutex<Vec<Noted>>>,
}

impl Stage {
    fn new() -> Self {
        let spool = Arc::new(MemorySpool::new(100_000));
        Self { world: World::default(), spool, metrics: Metrics::new(), noted: Arc::default() }
    }

    async fn courier(&self, settings: CourierSettings) -> Courier {
        let client = self.world.client_with(&ClientSettings::default(), &self.metrics);
        let noted = Arc::clone(&self.noted);
        client.observe(Arc::new(move |exchange| {
            let failure = exchange.failure.as_ref().map(|(_, message)| message.clone());
            noted.lock().unwrap().push((exchange.attempt, failure));
        }));
        let spool: Arc<dyn Spool> = Arc::clone(&self.spool) as _;
        Courier::start(settings, client, spool, Arc::new(|| 0.5), &self.metrics).await
    }

    async fn pending(&self) -> Vec<String> {
        self.spool.pending(usize::MAX).await.unwrap().into_iter().map(|job| job.id).collect()
    }

    /// Waits, in virtual time, until nothing is owed any more.
    async fn all_done(&self) {
        while !self.pending().await.is_empty() {
            sleep(Duration::from_millis(100)).await;
        }
    }

    fn figure(&self, name: &str) -> u64 {
        let text = self.metrics.render();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("{name} in {text}")).parse().unwrap()
    }
}

fn number(seen: &Seen) -> (String, usize) {
    let form: HashMap<String, String> = seen.form().into_iter().collect();
    (form["Key"].clone(), form["Number"].parse().unwrap())
}

/// What of `key` came, in the order in which it came.
fn numbers(seen: &[Seen], key: &str) -> Vec<usize> {
    seen.iter().map(number).filter(|(of, _)| of == key).map(|(_, number)| number).collect()
}

fn ok() -> Reply {
    reply(204, &[], "")
}

#[tokio::test(start_paused = true)]
async fn jobs_of_a_key_come_in_order_however_often_they_fail() {
    let stage = Stage::new();
    let tries = Arc::new(AtomicUsize::new(0));
    stage.world.http(AT, move |_| {
        let n = tries.fetch_add(1, Ordering::Relaxed);
        async move { if n % 3 == 2 { ok() } else { reply(503, &[], "") } }
    });
    let courier = stage.courier(CourierSettings::default()).await;
    for n in 0..20 {
        assert_eq!(courier.send(job("CA1", n, "93.184.215.14")), Admission::Accepted);
    }
    stage.all_done().await;
    let mut came = numbers(&stage.world.seen(), "CA1");
    assert_eq!(came.len(), 60);
    assert!(came.is_sorted(), "{came:?}");
    came.dedup();
    assert_eq!(came, (0..20).collect::<Vec<_>>());
    assert_eq!(
        (stage.figure("confab_webhook_delivered_total"), stage.figure("confab_webhook_retried_total")),
        (20, 40)
    );
    assert!(stage.world.seen().iter().all(|seen| {
        let (key, n) = number(seen);
        seen.header("i-twilio-idempotency-token") == format!("{key}-{n}") && seen.is_signed()
    }));
}

#[tokio::test(start_paused = true)]
async fn keys_do_not_wait_for_each_other() {
    let stage = Stage::new();
    stage
        .world
        .http(AT, |seen| async move { if number(&seen).0 == "CA1" { reply(500, &[], "") } else { ok() } });
    let courier = stage.courier(CourierSettings::default()).await;
    for n in 0..10 {
        courier.send(job("CA1", n, "93.184.215.14"));
        courier.send(job("CA2", n, "93.184.215.14"));
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!(numbers(&stage.world.seen(), "CA2"), (0..10).collect::<Vec<_>>());
    assert!(numbers(&stage.world.seen(), "CA1").iter().all(|n| *n == 0));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stalls_holds_only_its_own() {
    let stage = Stage::new();
    stage.world.http(AT, |_| async {
        sleep(Duration::from_secs(3_600)).await;
        ok()
    });
    stage.world.http(OTHER, |_| async { ok() });
    let settings =
        CourierSettings { under_way_max: 8, under_way_per_host_max: 4, ..CourierSettings::default() };
    let courier = stage.courier(settings).await;
    for n in 0..100 {
        courier.send(job(&format!("CA{n}"), 0, "93.184.215.14"));
    }
    let started = Instant::now();
    for n in 0..100 {
        courier.send(job(&format!("CB{n}"), 0, "93.184.215.15"));
    }
    while stage.figure("confab_webhook_delivered_total") < 100 {
        sleep(Duration::from_millis(1)).await;
    }
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    assert_eq!(stage.figure("confab_webhook_in_flight"), 4);
}

#[tokio::test(start_paused = true)]
async fn no_more_is_under_way_than_is_allowed() {
    let stage = Stage::new();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(HashMap::<String, usize>::new())));
    for at in [AT, OTHER, "93.184.215.16:80"] {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        let here = Arc::new(AtomicUsize::new(0));
        stage.world.http(at, move |_| {
            let (now, here, most) = (Arc::clone(&now), Arc::clone(&here), Arc::clone(&most));
            async move {
                let counts =
                    [("all", now.fetch_add(1, Ordering::SeqCst)), (at, here.fetch_add(1, Ordering::SeqCst))];
                for (name, before) in counts {
                    let mut most = most.lock().unwrap();
                    let seen = most.entry(name.to_owned()).or_default();
                    *seen = (*seen).max(before + 1);
                }
                sleep(Duration::from_secs(1)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                here.fetch_sub(1, Ordering::SeqCst);
                ok()
            }
        });
    }
    let settings =
        CourierSettings { under_way_max: 10, under_way_per_host_max: 4, ..CourierSettings::default() };
    let courier = stage.courier(settings).await;
    for n in 0..200 {
        courier.send(job(&format!("CA{n}"), 0, &format!("93.184.215.{}", 14 + n % 3)));
    }
    stage.all_done().await;
    let most = most.lock().unwrap();
    assert_eq!((most["all"], most[AT], most[OTHER]), (10, 4, 4));
    assert_eq!(stage.world.seen().len(), 200);
}

#[tokio::test(start_paused = true)]
async fn ten_minutes_of_a_dead_application_lose_nothing_and_change_no_order() {
    let stage = Stage::new();
    let courier = stage.courier(CourierSettings::default()).await;
    for n in 0..50 {
        for key in 0..20 {
            let end = if n == 49 { last } else { job };
            courier.send(end(&format!("CA{key}"), n, "93.184.215.14"));
        }
        sleep(Duration::from_secs(12)).await;
    }
    assert_eq!(stage.pending().await.len(), 1_000);
    stage.world.http(AT, |_| async { ok() });
    stage.all_done().await;
    for key in 0..20 {
        assert_eq!(numbers(&stage.world.seen(), &format!("CA{key}")), (0..50).collect::<Vec<_>>());
    }
    assert_eq!(stage.figure("confab_webhook_given_up_total"), 0);
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_to_their_longest_and_a_job_is_given_up() {
    let stage = Stage::new();
    let (started, times) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
    let heard = Arc::clone(&times);
    stage.world.http(AT, move |_| {
        heard.lock().unwrap().push(started.elapsed().as_secs_f64());
        async { reply(500, &[], "") }
    });
    let settings = CourierSettings {
        give_up_after: Duration::from_secs(60),
        longest_pause: Duration::from_secs(8),
        ..CourierSettings::default()
    };
    let courier = stage.courier(settings).await;
    courier.send(job("CA1", 0, "93.184.215.14"));
    stage.all_done().await;
    let times = times.lock().unwrap();
    let pauses: Vec<f64> = times.windows(2).map(|two| ((two[1] - two[0]) * 100.0).round() / 100.0).collect();
    // Chance is always in its middle here: three quarters of each pause.
    assert_eq!(&pauses[..5], [0.75, 1.5, 3.0, 6.0, 6.0]);
    assert!(times.last().is_some_and(|at| (50.0..=60.0).contains(at)), "{times:?}");
    assert_eq!(stage.figure("confab_webhook_given_up_total"), 1);
    // Each attempt is noted as what it was, and behind the last that there will be none any more.
    let noted = stage.noted.lock().unwrap();
    let again = noted.iter().filter(|(attempt, _)| *attempt == Attempt::Again).count();
    assert_eq!((noted.len(), noted[0].0, again), (times.len() + 1, Attempt::First, times.len() - 1));
    let (attempt, message) = &noted[times.len()];
    assert_eq!(*attempt, Attempt::GivenUp);
    let expected = format!("status 500; it was tried {} times and is given up", times.len());
    assert!(message.as_deref().is_some_and(|message| message.ends_with(&expected)), "{message:?}");
}

#[tokio::test(start_paused = true)]
async fn what_would_fail_again_is_given_up_at_once_and_the_next_goes() {
    let stage = Stage::new();
    stage.world.http(AT, |seen| async move { if number(&seen).1 == 0 { reply(404, &[], "") } else { ok() } });
    let courier = stage.courier(CourierSettings::default()).await;
    let mut inside = job("CA1", 1, "127.0.0.1");
    inside.id = "inside".to_owned();
    for job in [job("CA1", 0, "93.184.215.14"), inside, job("CA1", 2, "93.184.215.14")] {
        courier.send(job);
    }
    stage.all_done().await;
    assert_eq!(numbers(&stage.world.seen(), "CA1"), [0, 2]);
    assert_eq!(stage.figure("confab_webhook_given_up_total"), 2);
    assert_eq!(
        stage.world.failures().iter().map(|failure| failure.code()).collect::<Vec<_>>(),
        [11200, 11200]
    );
    // One attempt, one note.
    let noted: Vec<Attempt> = stage.noted.lock().unwrap().iter().map(|(attempt, _)| *attempt).collect();
    assert_eq!(noted, [Attempt::First; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_job_handed_in_twice_is_delivered_once() {
    let stage = Stage::new();
    stage.world.http(AT, |_| async { ok() });
    let courier = stage.courier(CourierSettings::default()).await;
    assert_eq!(courier.send(job("CA1", 0, "93.184.215.14")), Admission::Accepted);
    assert_eq!(courier.send(job("CA1", 0, "93.184.215.14")), Admission::Known);
    stage.all_done().await;
    assert_eq!(courier.send(job("CA1", 0, "93.184.215.14")), Admission::Known);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(stage.world.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_board_drops_progress_and_never_the_last_word() {
    let stage = Stage::new();
    let settings = CourierSettings { capacity: 10, ..CourierSettings::default() };
    let courier = stage.courier(settings).await;
    for n in 0..8 {
        courier.send(job("CA1", n, "93.184.215.14"));
    }
    courier.send(job("CA2", 0, "93.184.215.14"));
    courier.send(job("CA2", 1, "93.184.215.14"));
    let in_place_of = |id: &str| Admission::InPlaceOf(id.to_owned());
    assert_eq!(courier.send(last("CA3", 0, "93.184.215.14")), in_place_of("CA1-1"));
    assert_eq!(courier.send(job("CA4", 0, "93.184.215.14")), in_place_of("CA1-2"));
    for n in 0..6 {
        assert!(matches!(courier.send(last(&format!("CB{n}"), 0, "93.184.215.14")), Admission::InPlaceOf(_)));
    }
    assert_eq!(courier.send(job("CA5", 0, "93.184.215.14")), Admission::Dropped);
    assert_eq!(courier.send(last("CA6", 0, "93.184.215.14")), Admission::SetAside);
    assert_eq!(courier.send(last("CA7", 0, "93.184.215.14")), Admission::SetAside);
    assert_eq!(stage.figure("confab_webhook_dropped_total"), 9);
    assert_eq!(stage.figure("confab_webhook_set_aside_total"), 2);

    stage.world.http(AT, |_| async { ok() });
    stage.all_done().await;
    for key in ["CA3", "CB0", "CB5", "CA6", "CA7"] {
        assert_eq!(numbers(&stage.world.seen(), key), [0], "{key}");
    }
    assert_eq!(stage.figure("confab_webhook_delivered_total"), 12);
}

#[tokio::test(start_paused = true)]
async fn a_restart_delivers_what_was_pending_before_what_is_new() {
    let stage = Stage::new();
    let courier = stage.courier(CourierSettings::default()).await;
    for n in 0..5 {
        courier.send(job("CA1", n, "93.184.215.14"));
    }
    assert_eq!(courier.stop(Duration::from_secs(1)).await, 5);
    assert_eq!(courier.send(last("CA1", 5, "93.184.215.14")), Admission::SetAside);
    assert_eq!(stage.pending().await.len(), 6);
    stage.world.http(AT, |_| async { ok() });
    let again = Stage { world: stage.world.clone(), spool: Arc::clone(&stage.spool), ..Stage::new() };
    let courier = again.courier(CourierSettings::default()).await;
    courier.send(job("CA1", 6, "93.184.215.14"));
    again.all_done().await;
    assert_eq!(numbers(&again.world.seen(), "CA1"), (0..7).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn stopping_delivers_what_is_ready_and_breaks_off_what_stalls() {
    let stage = Stage::new();
    stage.world.http(AT, |_| async { ok() });
    stage.world.http(OTHER, |_| async {
        sleep(Duration::from_secs(3_600)).await;
        ok()
    });
    let courier = stage.courier(CourierSettings::default()).await;
    for n in 0..100 {
        courier.send(job("CA1", n, "93.184.215.14"));
        courier.send(job("CA2", n, "93.184.215.15"));
    }
    let started = Instant::now();
    assert_eq!(courier.stop(Duration::from_secs(2)).await, 100);
    assert!(started.elapsed() <= Duration::from_millis(2_010));
    assert_eq!(numbers(&stage.world.seen(), "CA1").len(), 100);
    assert!(stage.pending().await.iter().all(|id| id.starts_with("CA2")));
}

#[tokio::test(start_paused = true)]
async fn a_full_spool_costs_nothing_but_what_a_restart_would_have_brought() {
    let stage = Stage { spool: Arc::new(MemorySpool::new(2)), ..Stage::new() };
    let courier = stage.courier(CourierSettings { capacity: 3, ..CourierSettings::default() }).await;
    for n in 0..3 {
        assert_eq!(courier.send(last(&format!("CA{n}"), 0, "93.184.215.14")), Admission::Accepted);
    }
    assert_eq!(courier.send(last("CA3", 0, "93.184.215.14")), Admission::Dropped);
    assert_eq!(stage.figure("confab_webhook_spool_errors_total"), 2);
    stage.world.http(AT, |_| async { ok() });
    while stage.figure("confab_webhook_delivered_total") < 3 {
        sleep(Duration::from_millis(100)).await;
    }
}
