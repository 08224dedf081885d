//! What is refused at the door: tokens, types, offers, destinations.

use confab::server::Options;

use crate::app::App;
use crate::end::{Browser, application, ask, ask_as, token};
use crate::running::Running;

const PATH: &str = "/v1/browser/calls";

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_token_or_no_offer_is_told_what_is_wrong() {
    let node = Running::start(Options::default()).await;
    let app = App::start().await;
    let application = application(&node, &app.url("voice")).await;
    let (good, other) = (token(&node, "alice", &application).await, token(&node, "bob", &application).await);
    let offer = Browser::new().await.offer();
    let (said, _) = good.rsplit_once('.').unwrap();
    let (_, of_another) = other.rsplit_once('.').unwrap();
    let (bearer, forged) = (format!("Bearer {good}"), format!("Bearer {said}.{of_another}"));
    let without = |what: &str, instead: &str| offer.replace(what, instead);
    let (unproved, unnamed) = (without("sha-256", "sha-1"), without("ice-pwd", "ice-pw"));
    let (waiting, silent) = (without("actpass", "passive"), without("m=audio", "m=text"));
    let nothing = String::new();
    let cases: [(&str, &str, &String, u16, &str); 9] = [
        ("Basic x", "application/sdp", &offer, 401, "20101"),
        ("Bearer x.y.z", "application/sdp", &offer, 401, "20101"),
        (&forged, "application/sdp", &offer, 401, "20107"),
        (&bearer, "text/plain", &offer, 415, "application/sdp"),
        (&bearer, "application/sdp", &nothing, 400, "malformed"),
        (&bearer, "application/sdp", &unproved, 400, "sha-256"),
        (&bearer, "application/sdp", &unnamed, 400, "ice-pwd"),
        (&bearer, "application/sdp", &waiting, 400, "setup"),
        (&bearer, "application/sdp", &silent, 400, "no audio"),
    ];
    for (authorization, content_type, body, status, said) in cases {
        let answered = ask_as(&node, "POST", PATH, authorization, content_type, body).await;
        assert_eq!(answered.status, status, "{authorization} {content_type}: {}", answered.body);
        assert!(answered.body.contains(said), "{said}: {}", answered.body);
        assert_eq!(answered.header("access-control-allow-origin").as_deref(), Some("*"));
    }
    let conference =
        ask(&node, "POST", &format!("{PATH}?Conference=CF{}", "0".repeat(32)), &good, &offer).await;
    assert_eq!(conference.status, 403, "{}", conference.body);
    let question = ask_as(&node, "OPTIONS", PATH, "", "", "").await;
    assert_eq!(question.status, 204);
    assert!(question.header("access-control-allow-headers").unwrap().contains("authorization"));
    node.wait_for_calls("in-progress", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_rejects_is_a_refusal_and_leaves_no_call() {
    let flags = ["--egress-allow=127.0.0.0/8"];
    let (node, app) = (Running::start_with(Options::default(), &flags).await, App::start().await);
    app.says("voice", "<Reject reason=\"busy\"/>");
    let application = application(&node, &app.url("voice")).await;
    let token = token(&node, "alice", &application).await;
    // Now the script is faster, now the browser's media.
    for calls in 1..=10 {
        let answered = Browser::new().await.post(&node, &token, "").await;
        assert_eq!(answered.status, 403, "{}", answered.body);
        node.wait_for_calls("busy", calls).await;
    }
}
