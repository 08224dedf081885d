//! The debugger's resources, over a store with a few rows; and calls whose records are deleted.

use serde_json::json;

use super::*;
use crate::call::scripted::{began, call};
use crate::call::{CallStatus, CallView};
use crate::store::{ExchangeRow, NotificationRow, StoreSettings};
use crate::telemetry::Metrics;

fn sid(number: usize) -> String {
    format!("NO{number:032x}")
}

fn row(number: usize, call: Option<CallSid>) -> NotificationRow {
    let created = began() + chrono::TimeDelta::days(i64::try_from(number).expect("a few"));
    NotificationRow {
        sid: sid(number),
        account: account().to_string(),
        call: call.map(|call| call.to_string()),
        log: i64::try_from(number % 2).expect("a bit"),
        error_code: 11_200,
        created: created.timestamp_micros(),
        message: format!("number {number}"),
        request_method: Some("POST".to_owned()),
        request_url: Some("https://app.example/voice".to_owned()),
        request_variables: Some("CallSid=CA1".to_owned()),
        response_headers: Some("content-type=text%2Fhtml".to_owned()),
        response_body: Some("<h1>Oops</h1>".to_owned()),
    }
}

/// A node whose first call has notifications 0 to 2, and whose account has 3 besides; 4 is somebody else's.
async fn tour() -> Tour {
    let forever = crate::store::Retention { calls: None, conferences: None, notifications: None };
    let settings = StoreSettings { retention: forever, ..StoreSettings::default() };
    let store = Store::in_memory(settings, &Metrics::new()).await.expect("memory");
    let mut script = Script::default();
    let conference = script.conference("tour", 3);
    let calls: Vec<CallSid> = script.participants.iter().map(|seat| seat.call_sid).collect();
    for number in 0..3 {
        store.note(row(number, Some(calls[0])));
    }
    store.note(row(3, None));
    let other = "AC00000000000000000000000000000009".to_owned();
    store.note(NotificationRow { account: other, ..row(4, Some(calls[0])) });
    for number in 0..3 {
        store.note_exchange(ExchangeRow {
            call: calls[0].to_string(),
            account: account().to_string(),
            created: began().timestamp_micros(),
            request: format!("{{\"number\":{number}}}"),
            response: "{\"response_code\":200}".to_owned(),
        });
    }
    store.flush().await.expect("written");
    let handle = script.play().recording(store.clone(), &Metrics::new());
    Tour { node: Node::with(handle, store), conference, calls }
}

fn sids(list: &Value) -> Vec<&str> {
    let rows = list["notifications"].as_array().expect("a list");
    rows.iter().map(|row| row["sid"].as_str().expect("a SID")).collect()
}

#[tokio::test]
async fn an_accounts_notifications_are_listed_newest_first_without_what_was_sent() {
    let tour = tour().await;
    let list = tour.get("/Notifications.json").await.ok();
    assert_eq!(sids(&list), [sid(3), sid(2), sid(1), sid(0)]);
    let row = &list["notifications"][1];
    let path = tour.path(&format!("/Notifications/{}.json", sid(2)));
    assert_eq!(row["uri"], json!(path));
    assert_eq!((&row["log"], &row["error_code"]), (&json!("0"), &json!("11200")));
    assert_eq!(row["message_text"], json!("number 2"));
    assert_eq!(row["call_sid"], json!(tour.calls[0].to_string()));
    assert_eq!(row["more_info"], json!("https://www.twilio.com/docs/errors/11200"));
    assert!(row.get("response_body").is_none() && row.get("request_variables").is_none());
}

#[tokio::test]
async fn filters_and_pages_hold() {
    let tour = tour().await;
    let day = |days| (began() + chrono::TimeDelta::days(days)).format("%Y-%m-%d").to_string();
    let cases = [
        ("Log=1".to_owned(), vec![sid(3), sid(1)]),
        (format!("MessageDate={}", day(1)), vec![sid(1)]),
        (format!("MessageDate%3C={}", day(1)), vec![sid(0)]),
        (format!("MessageDate%3E={}&Log=0", day(1)), vec![sid(2)]),
        ("PageSize=3&Page=1".to_owned(), vec![sid(0)]),
    ];
    for (query, expected) in cases {
        let list = tour.get(&format!("/Notifications.json?{query}")).await.ok();
        assert_eq!(sids(&list), expected, "{query}");
    }
    let first = tour.get("/Notifications.json?PageSize=3").await.ok();
    assert!(first["next_page_uri"].as_str().is_some_and(|uri| uri.contains("Page=1")), "{first}");
    assert_eq!(tour.get("/Notifications.json?Log=2").await.status, 400);
}

#[tokio::test]
async fn a_calls_notifications_are_its_own() {
    let tour = tour().await;
    let list = tour.get("/Calls/{CA}/Notifications.json").await.ok();
    assert_eq!(sids(&list), [sid(2), sid(1), sid(0)]);
    let one = tour.get(&format!("/Calls/{{CA}}/Notifications/{}.json", sid(1))).await.ok();
    assert_eq!(one["response_body"], json!("<h1>Oops</h1>"));
    let other = tour.calls[1];
    let list = tour.get(&format!("/Calls/{other}/Notifications")).await.ok();
    assert_eq!(sids(&list), [""; 0]);
    assert_eq!(tour.get(&format!("/Calls/{other}/Notifications/{}", sid(1))).await.status, 404);
    let nobody = CallSid::generate();
    assert_eq!(tour.get(&format!("/Calls/{nobody}/Notifications.json")).await.status, 404);
    assert_eq!(tour.get(&format!("/Calls/{nobody}/Events.json")).await.status, 404);
}

#[tokio::test]
async fn one_notification_is_shown_with_what_was_sent_and_came_back() {
    let tour = tour().await;
    let one = tour.get(&format!("/Notifications/{}.json", sid(3))).await.ok();
    assert_eq!(one["request_variables"], json!("CallSid=CA1"));
    assert_eq!(one["response_headers"], json!("content-type=text%2Fhtml"));
    assert_eq!(one["call_sid"], json!(null));
    for missing in [sid(4), sid(99), "NO1".to_owned()] {
        assert_eq!(tour.get(&format!("/Notifications/{missing}.json")).await.status, 404, "{missing}");
    }
}

#[tokio::test]
async fn a_calls_events_are_its_requests_in_order() {
    let tour = tour().await;
    let list = tour.get("/Calls/{CA}/Events.json?PageSize=2").await.ok();
    let expected = [
        json!({ "request": { "number": 0 }, "response": { "response_code": 200 } }),
        json!({ "request": { "number": 1 }, "response": { "response_code": 200 } }),
    ];
    assert_eq!(list["events"], json!(expected));
    assert!(list["next_page_uri"].is_string());
}

#[tokio::test]
async fn the_record_of_a_call_that_is_over_can_be_deleted_and_of_a_living_one_cannot() {
    let mut script = Script::default();
    let over = CallView { status: CallStatus::Completed, ..call("alice", "bob", began()) };
    let living = call("alice", "bob", began());
    script.calls = vec![over.clone(), living.clone()];
    let store = Store::in_memory(StoreSettings::default(), &Metrics::new()).await.expect("memory");
    let handle = script.play().recording(store.clone(), &Metrics::new());
    let node = Node::with(handle, store);
    let path = |view: &CallView| format!("{}/Calls/{}.json", node.prefix(), view.sid);

    let refused = node.send("DELETE", &path(&living), None).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (409, &json!(20_009)));
    let deleted = node.send("DELETE", &path(&over), None).await;
    assert_eq!((deleted.status.as_u16(), deleted.text.as_str()), (204, ""));
    assert_eq!(node.send("GET", &path(&over), None).await.status, 404);
    assert_eq!(node.send("DELETE", &path(&over), None).await.status, 404);
    let list = node.send("GET", &format!("{}/Calls.json", node.prefix()), None).await.ok();
    assert_eq!(list["calls"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_said_to_be_so() {
    let answer = Tour::start().get("/Notifications.json").await;
    assert_eq!(answer.status, 503, "{answer:?}");
}
