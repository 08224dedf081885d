//! Servers that take their time, in virtual time.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep};

use super::world::{ACCOUNT, World, hear, reply, script};
use crate::webhook::{Cookies, FailureKind, Request};

const AT: &str = "93.184.215.14:80";

async fn outcome(world: &World, fragment: &str) -> (FailureKind, Duration) {
    let started = Instant::now();
    let request = Request::post(format!("http://93.184.215.14/{fragment}"), ACCOUNT, Vec::new());
    let failure = world.client().fetch_script(&request, &mut Cookies::default()).await.unwrap_err();
    (failure.kind, started.elapsed())
}

/// Timers of the runtime are exact to a millisecond.
fn is_about(took: Duration, millis: u64) -> bool {
    took >= Duration::from_millis(millis) && took <= Duration::from_millis(millis + 10)
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stalls_is_left_after_15_seconds() {
    let world = World::default();
    world.http(AT, |_| async {
        sleep(Duration::from_secs(3_600)).await;
        script("<Response/>")
    });
    let (kind, took) = outcome(&world, "").await;
    assert!(kind == FailureKind::ReadTimedOut && kind.code() == 11200 && is_about(took, 15_000), "{took:?}");
    let (kind, took) = outcome(&world, "#rt=500").await;
    assert!(kind == FailureKind::ReadTimedOut && is_about(took, 500), "{took:?}");
    let (kind, took) = outcome(&world, "#rt=500&rc=3&rp=rt").await;
    assert!(kind == FailureKind::ReadTimedOut && is_about(took, 2_000), "{took:?}");
    let (kind, took) = outcome(&world, "#tt=700&rc=3&rp=rt").await;
    assert!(kind == FailureKind::ReadTimedOut && is_about(took, 700), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_be_reached_is_left_after_5_seconds_and_tried_once_more() {
    let world = World::default();
    world.black_hole(AT);
    let (kind, took) = outcome(&world, "").await;
    assert!(
        kind == FailureKind::ConnectTimedOut && kind.code() == 11201 && is_about(took, 10_000),
        "{took:?}"
    );
    let (kind, took) = outcome(&world, "#ct=200&rc=0").await;
    assert!(kind == FailureKind::ConnectTimedOut && is_about(took, 200), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_dribbles_is_left_when_the_time_is_over() {
    let world = World::default();
    world.raw(AT, |mut stream| async move {
        hear(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: 9999\r\n\r\n";
        let mut sent = stream.write_all(head.as_bytes()).await;
        while sent.is_ok() {
            sleep(Duration::from_secs(1)).await;
            sent = stream.write_all(b"x").await;
        }
    });
    let (kind, took) = outcome(&world, "").await;
    assert!(
        kind == FailureKind::TimedOut && kind.code() == 11203 && is_about(took, 15_000),
        "{kind:?} {took:?}"
    );
    let (kind, took) = outcome(&world, "#rt=300").await;
    assert!(kind == FailureKind::ReadTimedOut && is_about(took, 300), "{kind:?} {took:?}");
}

#[tokio::test(start_paused = true)]
async fn redirects_share_the_15_seconds() {
    let world = World::default();
    world.http(AT, |_| async {
        sleep(Duration::from_secs(4)).await;
        reply(302, &[("location", "/again")], "")
    });
    let (kind, took) = outcome(&world, "").await;
    assert!(kind == FailureKind::ReadTimedOut && is_about(took, 15_000), "{kind:?} {took:?}");
    assert_eq!(world.seen().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn the_next_address_of_a_host_is_tried() {
    let world = World::default();
    world.name("app.example", &[&["93.184.215.13", "93.184.215.14"]]);
    world.black_hole("93.184.215.13:80");
    world.http(AT, |_| async { script("<Response/>") });
    let request = Request::post("http://app.example/", ACCOUNT, Vec::new());
    world.client().fetch_script(&request, &mut Cookies::default()).await.unwrap();
    assert_eq!(world.connected(), ["93.184.215.13:80", AT]);
}
