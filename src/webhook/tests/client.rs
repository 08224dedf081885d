//! What is sent, and what is made of what comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncWriteExt;

use super::world::{ACCOUNT, World, hear, reply, script};
use crate::telemetry::Metrics;
use crate::webhook::{
    ClientSettings, Content, Cookies, FailureKind, Fallback, Job, Method, Payload, Request,
};

const HOST: &str = "93.184.215.14";
const AT: &str = "93.184.215.14:80";

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn url(path: &str) -> String {
    format!("http://{HOST}{path}")
}

fn world(answer: impl Fn() -> super::world::Reply + Send + Sync + 'static) -> World {
    let world = World::default();
    world.http(AT, move |_| std::future::ready(answer()));
    world
}

fn markup(content: &Content) -> &[u8] {
    let Content::Markup(body) = content else { panic!("{content:?}") };
    body
}

#[tokio::test(start_paused = true)]
async fn a_form_is_posted_and_signed() {
    let world = world(|| script("<Response/>"));
    let params = pairs(&[("From", "+15550100001"), ("Digits", "12#"), ("Tag", "b"), ("Tag", "a")]);
    let request = Request::post(url("/voice?x=1&y=a%20b"), ACCOUNT, params.clone());
    let answer = world.client().fetch_script(&request, &mut Cookies::default()).await.unwrap();
    assert_eq!(markup(&answer.content), b"<Response/>");
    assert_eq!(answer.url, url("/voice?x=1&y=a%20b"));
    let seen = &world.seen()[0];
    assert_eq!((seen.method.as_str(), seen.url.as_str()), ("POST", answer.url.as_str()));
    assert_eq!(seen.form(), params);
    assert!(seen.is_signed());
    assert_eq!(seen.header("content-type"), "application/x-www-form-urlencoded; charset=UTF-8");
    assert!(seen.header("user-agent").starts_with("Confab/"));
    assert_eq!(seen.header("i-twilio-idempotency-token").len(), 32);
}

#[tokio::test(start_paused = true)]
async fn a_get_has_its_parameters_in_the_query() {
    let world = world(|| script("<Response/>"));
    let request = Request::get(url("/voice?x=1#rc=0"), ACCOUNT, pairs(&[("To", "client:al ice")]));
    world.client().fetch_script(&request, &mut Cookies::default()).await.unwrap();
    let seen = &world.seen()[0];
    assert_eq!(seen.url, url("/voice?x=1&To=client%3Aal+ice"));
    assert!(seen.method == "GET" && seen.body.is_empty() && seen.is_signed());
}

#[tokio::test(start_paused = true)]
async fn json_is_bound_by_its_hash() {
    let world = world(|| reply(204, &[], ""));
    let mut request = Request::post(url("/j"), ACCOUNT, Vec::new());
    request.payload = Payload::Json(r#"{"a":1}"#.to_owned());
    world.client().notify(&request).await.unwrap();
    let seen = &world.seen()[0];
    assert!(
        seen.url.ends_with("?bodySHA256=015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862")
    );
    assert!(seen.is_signed() && seen.body == r#"{"a":1}"#);
}

#[tokio::test(start_paused = true)]
async fn a_user_in_the_url_is_sent_as_basic_and_not_signed() {
    let world = world(|| script("<Response/>"));
    let request = Request::post(format!("http://us:pw@{HOST}/v"), ACCOUNT, Vec::new());
    world.client().fetch_script(&request, &mut Cookies::default()).await.unwrap();
    let seen = &world.seen()[0];
    assert_eq!(seen.header("authorization"), "Basic dXM6cHc=");
    assert!(seen.is_signed());
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_what_its_content_type_says() {
    for (kind, expected) in [
        ("text/xml; charset=utf-8", "markup"),
        ("application/xml", "markup"),
        ("TEXT/HTML", "markup"),
        ("text/plain", "text"),
        ("audio/mpeg", "sound"),
        ("Audio/X-Wav; rate=8000", "sound"),
        ("application/json", "12300"),
        ("image/png", "12300"),
        ("", "12300"),
        ("xml", "12300"),
    ] {
        let world = world(move || reply(200, &[("content-type", kind)], "<Response/>"));
        let request = Request::post(url("/"), ACCOUNT, Vec::new());
        let what = match world.client().fetch_script(&request, &mut Cookies::default()).await {
            Ok(answer) => match answer.content {
                Content::Markup(_) => "markup".to_owned(),
                Content::Text(_) => "text".to_owned(),
                Content::Sound(_) => "sound".to_owned(),
                Content::Empty => "empty".to_owned(),
            },
            Err(failure) => failure.code().to_string(),
        };
        assert_eq!(what, expected, "{kind}");
    }
    let silent = world(|| reply(204, &[], ""));
    let request = Request::post(url("/"), ACCOUNT, Vec::new());
    let answer = silent.client().fetch_script(&request, &mut Cookies::default()).await.unwrap();
    assert!(matches!(answer.content, Content::Empty));
}

#[tokio::test(start_paused = true)]
async fn a_script_longer_than_64_kib_is_11750() {
    for (length, fits) in [(64 * 1024, true), (64 * 1024 + 1, false), (10_000_000, false)] {
        let world = world(move || script(&"x".repeat(length)));
        let request = Request::post(url("/"), ACCOUNT, Vec::new());
        let answer = world.client().fetch_script(&request, &mut Cookies::default()).await;
        assert_eq!(answer.map_err(|failure| failure.code()).err(), (!fits).then_some(11750), "{length}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_script_without_an_end_is_11750() {
    let world = World::default();
    world.raw(AT, |mut stream| async move {
        hear(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ntransfer-encoding: chunked\r\n\r\n";
        let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
        let mut sent = stream.write_all(head.as_bytes()).await;
        while sent.is_ok() {
            sent = stream.write_all(chunk.as_bytes()).await;
        }
    });
    let request = Request::post(url("/"), ACCOUNT, Vec::new());
    let failure = world.client().fetch_script(&request, &mut Cookies::default()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::TooLarge(64 * 1024));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_http_is_11206() {
    for said in
        ["SSH-2.0-x\r\n", "", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\ncontent-type: text/xml\r\n\r\nshort"]
    {
        let world = World::default();
        world.raw(AT, move |mut stream| async move {
            hear(&mut stream).await;
            let _ = stream.write_all(said.as_bytes()).await;
        });
        let request = Request::post(url("/"), ACCOUNT, Vec::new());
        let failure = world.client().fetch_script(&request, &mut Cookies::default()).await.unwrap_err();
        assert_eq!(failure.code(), 11206, "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_status_that_is_no_success_is_11200_with_its_number() {
    for status in [300, 304, 400, 401, 404, 429, 500, 503] {
        let world = world(move || reply(status, &[], "no"));
        let request = Request::post(url("/"), ACCOUNT, Vec::new()).about("CA1");
        let failure = world.client().fetch_script(&request, &mut Cookies::default()).await.unwrap_err();
        assert_eq!((failure.code(), failure.status()), (11200, Some(status)));
        assert_eq!(world.failures().len(), 1);
        assert_eq!(world.failures()[0].subject.as_deref(), Some("CA1"));
    }
}

#[tokio::test(start_paused = true)]
async fn cookies_come_back_with_the_next_request() {
    let world =
        world(|| reply(200, &[("content-type", "text/xml"), ("set-cookie", "state=7; Path=/")], "<a/>"));
    let (client, mut cookies) = (world.client(), Cookies::default());
    let request = Request::post(url("/a"), ACCOUNT, Vec::new());
    client.fetch_script(&request, &mut cookies).await.unwrap();
    client.fetch_script(&request, &mut cookies).await.unwrap();
    let sent: Vec<String> = world.seen().iter().map(|seen| seen.header("cookie").to_owned()).collect();
    assert_eq!(sent, ["", "state=7"]);
}

#[tokio::test(start_paused = true)]
async fn the_fallback_is_told_what_failed_where() {
    let world = World::default();
    world.http(AT, |seen| async move {
        if seen.url.contains("/second") { script("<Second/>") } else { reply(500, &[], "") }
    });
    let request =
        Request::post(format!("http://us:pw@{HOST}/first?a=b"), ACCOUNT, pairs(&[("CallSid", "CA1")]));
    let fallback = Fallback { url: url("/second"), method: Method::Get };
    let mut cookies = Cookies::default();
    let client = world.client();
    let answer = client.fetch_with_fallback(&request, Some(&fallback), &mut cookies).await.unwrap();
    assert_eq!(markup(&answer.content), b"<Second/>");
    let seen = &world.seen()[1];
    let wanted = "/second?CallSid=CA1&ErrorCode=11200&ErrorUrl=http%3A%2F%2F93.184.215.14%2Ffirst%3Fa%3Db";
    assert_eq!(seen.url, url(wanted));
    assert!(seen.is_signed());
    let failed = client.fetch_with_fallback(&request, None, &mut cookies).await.unwrap_err();
    assert_eq!(failed.kind, FailureKind::Status(500));
}

#[tokio::test(start_paused = true)]
async fn a_connection_serves_again_and_one_that_was_closed_is_replaced() {
    let world = world(|| script("<Response/>"));
    let client = world.client();
    let request = Request::post(url("/"), ACCOUNT, Vec::new());
    for _ in 0..3 {
        client.fetch_script(&request, &mut Cookies::default()).await.unwrap();
    }
    assert_eq!(world.connected().len(), 1);
    tokio::time::advance(std::time::Duration::from_secs(5)).await;
    client.fetch_script(&request, &mut Cookies::default()).await.unwrap();
    assert_eq!(world.connected().len(), 2);
    world
        .http(AT, |_| async { reply(200, &[("content-type", "text/xml"), ("connection", "close")], "<a/>") });
    tokio::time::advance(std::time::Duration::from_secs(5)).await;
    for _ in 0..2 {
        client.fetch_script(&request, &mut Cookies::default()).await.unwrap();
    }
    assert_eq!(world.connected().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_sound_is_read_piece_by_piece_up_to_its_bound() {
    let settings = ClientSettings { sound_bytes_max: 1_000_000, ..ClientSettings::default() };
    for (length, fits) in [(1_000_000, true), (1_000_001, false)] {
        let world = world(move || reply(200, &[("content-type", "audio/x-wav")], vec![7_u8; length]));
        let client = world.client_with(&settings, &Metrics::new());
        let request = Request::get(url("/a.wav"), ACCOUNT, Vec::new());
        let mut sound = client.fetch_sound(&request, &mut Cookies::default()).await.unwrap();
        assert_eq!(sound.content_type(), Some("audio/x-wav"));
        assert_eq!(sound.length(), Some(length as u64));
        let mut taken = 0;
        let ended = loop {
            match sound.chunk().await {
                Ok(Some(piece)) => taken += piece.len(),
                Ok(None) => break None,
                Err(failure) => break Some(failure.code()),
            }
        };
        assert_eq!(ended, (!fits).then_some(11750));
        assert_eq!(taken == length, fits);
        assert!(sound.chunk().await.unwrap().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_sound_in_place_of_a_script_may_be_longer_than_a_script() {
    let world = world(|| reply(200, &[("content-type", "audio/mpeg")], vec![7_u8; 200_000]));
    let request = Request::post(url("/"), ACCOUNT, Vec::new());
    let answer = world.client().fetch_script(&request, &mut Cookies::default()).await.unwrap();
    let Content::Sound(mut sound) = answer.content else { panic!("{:?}", answer.content) };
    let mut taken = 0;
    while let Some(piece) = sound.chunk().await.unwrap() {
        taken += piece.len();
    }
    assert_eq!(taken, 200_000);
}

#[tokio::test(start_paused = true)]
async fn retries_are_what_the_url_asks_for() {
    for (fragment, tries) in
        [("", 1), ("#rc=3&rp=5xx", 4), ("#rp=all", 2), ("#rc=5&rp=4xx", 1), ("#rc=2&rp=ct", 1)]
    {
        let world = world(|| reply(503, &[], ""));
        let request = Request::post(url(&format!("/{fragment}")), ACCOUNT, Vec::new());
        let failure = world.client().notify(&request).await.unwrap_err();
        assert_eq!((failure.kind, world.seen().len()), (FailureKind::Status(503), tries), "{fragment}");
        let tokens: Vec<_> =
            world.seen().iter().map(|seen| seen.header("i-twilio-idempotency-token").to_owned()).collect();
        assert!(tokens.windows(2).all(|two| two[0] == two[1]));
        assert_eq!(world.failures().len(), 1);
    }
    let nobody = World::default();
    let failure = nobody.client().notify(&Request::post(url("/"), ACCOUNT, Vec::new())).await.unwrap_err();
    assert_eq!((failure.code(), nobody.connected().len()), (11202, 2));
}

#[tokio::test(start_paused = true)]
async fn an_account_without_a_key_sends_nothing() {
    let world = world(|| script("<Response/>"));
    let failure = world.client().notify(&Request::post(url("/"), "AC9", Vec::new())).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::NoKey);
    assert!(world.connected().is_empty());
}

#[tokio::test(start_paused = true)]
async fn no_secret_is_shown() {
    let world = world(|| reply(500, &[("set-cookie", "c=4929"), ("connection", "close")], "4929"));
    let metrics = Metrics::new();
    let client = world.client_with(&ClientSettings::default(), &metrics);
    let secret = format!("http://u4929:p4929@{HOST}/path?q=4929#rc=0");
    let request = Request::post(secret.clone(), ACCOUNT, pairs(&[("Digits", "4929")]));
    let mut cookies = Cookies::default();
    let failure = client.fetch_script(&request, &mut cookies).await.unwrap_err();
    let fallback = Fallback { url: secret, method: Method::Post };
    world.http(AT, |_| async { script("<Say>4929</Say>") });
    let answer = client.fetch_script(&request, &mut cookies).await.unwrap();
    let job = Job {
        id: "1".to_owned(),
        key: "CA1".to_owned(),
        is_last: false,
        request: request.clone(),
        accepted_at: std::time::SystemTime::now(),
    };
    let asked = format!("{request:?} {cookies:?} {fallback:?} {job:?}");
    let shown = format!("{asked} {failure:?} {failure} {answer:?} {}", metrics.render());
    assert!(!shown.contains("4929"), "{shown}");
    assert!(failure.url == url("/path"));
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_by_purpose_and_outcome() {
    let tries = Arc::new(AtomicUsize::new(0));
    let world = World::default();
    world.http(AT, move |_| {
        let number = tries.fetch_add(1, Ordering::Relaxed);
        async move { if number == 0 { reply(500, &[], "") } else { script("<a/>") } }
    });
    let metrics = Metrics::new();
    let client = world.client_with(&ClientSettings::default(), &metrics);
    let request = Request::post(url("/"), ACCOUNT, Vec::new());
    client.notify(&request).await.unwrap_err();
    client.notify(&request).await.unwrap();
    client.fetch_script(&request, &mut Cookies::default()).await.unwrap();
    for line in [
        r#"confab_webhook_requests_total{purpose="callback",outcome="ok"} 1"#,
        r#"confab_webhook_requests_total{purpose="callback",outcome="status"} 1"#,
        r#"confab_webhook_requests_total{purpose="script",outcome="ok"} 1"#,
        r#"confab_webhook_seconds_count{purpose="callback"} 2"#,
    ] {
        assert!(metrics.render().contains(line), "{line}\n{}", metrics.render());
    }
}
