//! Redirects: how many, with what, signed for whom, and where to.

use super::world::{ACCOUNT, World, reply, script};
use crate::webhook::{Cookies, FailureKind, Request};

const AT: &str = "93.184.215.14:80";
const OTHER: &str = "93.184.215.15:80";

fn request() -> Request {
    let params = vec![("Digits".to_owned(), "12#".to_owned())];
    Request::post("http://us:pw@93.184.215.14/a?x=1", ACCOUNT, params)
}

async fn failed(world: &World) -> FailureKind {
    world.client().fetch_script(&request(), &mut Cookies::default()).await.unwrap_err().kind
}

fn redirecting(status: u16, location: &'static str) -> World {
    let world = World::default();
    world.http(AT, move |_| {
        std::future::ready(reply(status, &[("location", location), ("set-cookie", "c=1; Path=/")], "moved"))
    });
    world.http(OTHER, |_| async { script("<Response/>") });
    world
}

#[tokio::test(start_paused = true)]
async fn most_redirects_become_a_get_without_parameters() {
    for status in [301, 302, 303] {
        let world = redirecting(status, "http://93.184.215.15/b?y=2#rc=5");
        let answer = world.client().fetch_script(&request(), &mut Cookies::default()).await.unwrap();
        assert_eq!(answer.url, "http://93.184.215.15/b?y=2");
        let seen = &world.seen()[1];
        assert!(seen.method == "GET" && seen.body.is_empty() && seen.url == answer.url);
        assert!(world.seen().iter().all(super::world::Seen::is_signed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_307_and_a_308_repeat_the_request_signed_anew() {
    for status in [307, 308] {
        let world = redirecting(status, "//93.184.215.15/b");
        world.client().fetch_script(&request(), &mut Cookies::default()).await.unwrap();
        let seen = world.seen();
        assert!(seen[1].method == "POST" && seen[1].body == seen[0].body);
        assert!(seen.iter().all(super::world::Seen::is_signed));
        assert_ne!(seen[0].header("x-twilio-signature"), seen[1].header("x-twilio-signature"));
        assert_eq!(seen[0].header("authorization"), "Basic dXM6cHc=");
        assert_eq!((seen[1].header("authorization"), seen[1].header("cookie")), ("", ""));
    }
}

#[tokio::test(start_paused = true)]
async fn a_loop_is_11215_after_ten_redirects() {
    let world = redirecting(302, "/a?x=1");
    assert_eq!(failed(&world).await, FailureKind::TooManyRedirects);
    assert_eq!(FailureKind::TooManyRedirects.code(), 11215);
    assert_eq!(world.seen().len(), 11);
    assert_eq!(world.seen()[10].header("cookie"), "c=1");
}

#[tokio::test(start_paused = true)]
async fn a_redirect_to_what_is_no_url_is_11216() {
    for location in
        ["", "ftp://93.184.215.15/", "file:///etc/passwd", "http://93.184.215.15\\@10.0.0.1/", "http://:0"]
    {
        let world = redirecting(302, location);
        // An empty reference is the same place again (RFC 3986 §4.4): that is a loop.
        let expected =
            if location.is_empty() { FailureKind::TooManyRedirects } else { FailureKind::BadRedirect };
        assert_eq!(failed(&world).await, expected, "{location}");
    }
    let world = World::default();
    world.http(AT, |_| async { reply(302, &[], "") });
    assert_eq!(failed(&world).await, FailureKind::BadRedirect);
}

#[tokio::test(start_paused = true)]
async fn a_redirect_to_the_inside_is_refused() {
    for location in [
        "http://127.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://inside.example/",
        "//[::ffff:10.0.0.1]/",
        "http://0x7f000001/",
    ] {
        for status in [302, 307] {
            let world = redirecting(status, location);
            world.name("inside.example", &[&["10.1.2.3"]]);
            assert_eq!(failed(&world).await, FailureKind::Refused, "{location}");
            assert_eq!(world.connected(), [AT], "{location}");
        }
    }
}
