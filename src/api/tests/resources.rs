//! What is answered when all is well.

use chrono::TimeDelta;
use serde_json::json;

use super::*;
use crate::call::scripted::{began, call};
use crate::call::{CallStatus, ConferenceEnd, ConferenceStatus};

#[tokio::test]
async fn every_path_answers_with_and_without_suffix() {
    let paths = [
        ("GET", "/Calls"),
        ("GET", "/Calls/{CA}"),
        ("POST", "/Calls/{CA}"),
        ("GET", "/Conferences"),
        ("GET", "/Conferences/{CF}"),
        ("POST", "/Conferences/{CF}"),
        ("GET", "/Conferences/{CF}/Participants"),
        ("GET", "/Conferences/{CF}/Participants/{CA}"),
        ("POST", "/Conferences/{CF}/Participants/{CA}"),
        ("HEAD", "/Calls"),
    ];
    let tour = Tour::start();
    for (method, path) in paths {
        for suffix in ["", ".json"] {
            let path = tour.path(&format!("{path}{suffix}"));
            let answer = tour.node.send(method, &path, None).await;
            assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
            assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
        }
    }
}

#[tokio::test]
async fn every_answer_is_stamped() {
    let tour = Tour::start();
    let mut ids = Vec::new();
    for path in ["/Calls.json", "/Conferences/none.json"] {
        let answer = tour.get(path).await;
        ids.push(answer.header("twilio-request-id").to_owned());
        assert!(ids[ids.len() - 1].parse::<crate::call::RequestSid>().is_ok(), "{answer:?}");
        assert!(answer.header("twilio-request-duration").parse::<f64>().is_ok(), "{answer:?}");
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn a_conference_is_shown_whole() {
    let tour = Tour::start();
    let (account, sid, uri) = (tour.node.account, tour.conference, tour.path("/Conferences/{CF}"));
    let expected = json!({
        "account_sid": account.to_string(),
        "api_version": "2010-04-01",
        "call_sid_ending_conference": null,
        "date_created": "Tue, 14 Nov 2023 22:13:20 +0000",
        "date_updated": "Tue, 14 Nov 2023 22:13:20 +0000",
        "friendly_name": "tour",
        "reason_conference_ended": null,
        "region": "unknown",
        "sid": sid.to_string(),
        "status": "in-progress",
        "subresource_uris": {
            "participants": format!("{uri}/Participants.json"),
            "recordings": format!("{uri}/Recordings.json"),
        },
        "uri": format!("{uri}.json"),
    });
    assert_eq!(tour.get("/Conferences/{CF}.json").await.ok(), expected);
    assert_eq!(tour.get("/Conferences.json").await.ok()["conferences"], json!([expected]));
    assert_eq!(tour.post("/Conferences/{CF}.json", "").await.ok(), expected);
}

#[tokio::test]
async fn a_participant_is_shown_whole() {
    let tour = Tour::start();
    let expected = json!({
        "account_sid": tour.node.account.to_string(),
        "call_sid": tour.calls[0].to_string(),
        "call_sid_to_coach": null,
        "coaching": false,
        "conference_sid": tour.conference.to_string(),
        "date_created": "Tue, 14 Nov 2023 22:13:22 +0000",
        "date_updated": "Tue, 14 Nov 2023 22:13:22 +0000",
        "end_conference_on_exit": false,
        "hold": false,
        "label": null,
        "muted": false,
        "queue_time": null,
        "start_conference_on_enter": true,
        "status": "connected",
        "uri": tour.path("/Conferences/{CF}/Participants/{CA}.json"),
    });
    let path = "/Conferences/{CF}/Participants/{CA}.json";
    assert_eq!(tour.get(path).await.ok(), expected);
    assert_eq!(tour.post(path, "").await.ok(), expected);
    let listed = tour.get("/Conferences/{CF}/Participants.json").await.ok();
    assert_eq!(listed["participants"][0], expected);
}

#[tokio::test]
async fn a_call_is_shown_whole() {
    let tour = Tour::start_with(|script| {
        let ended = &mut script.calls[0];
        ended.status = CallStatus::Completed;
        ended.ended = Some(began() + TimeDelta::milliseconds(64_999));
    });
    let uri = tour.path("/Calls/{CA}");
    let expected = json!({
        "account_sid": tour.node.account.to_string(),
        "answered_by": null,
        "api_version": "2010-04-01",
        "caller_name": null,
        "date_created": "Tue, 14 Nov 2023 22:13:22 +0000",
        "date_updated": "Tue, 14 Nov 2023 22:13:22 +0000",
        "direction": "inbound",
        "duration": "62",
        "end_time": "Tue, 14 Nov 2023 22:14:24 +0000",
        "forwarded_from": null,
        "from": "caller-2",
        "from_formatted": "caller-2",
        "group_sid": null,
        "parent_call_sid": null,
        "phone_number_sid": null,
        "price": null,
        "price_unit": "USD",
        "queue_time": "0",
        "sid": tour.calls[0].to_string(),
        "start_time": "Tue, 14 Nov 2023 22:13:22 +0000",
        "status": "completed",
        "subresource_uris": {
            "events": format!("{uri}/Events.json"),
            "notifications": format!("{uri}/Notifications.json"),
            "payments": format!("{uri}/Payments.json"),
            "recordings": format!("{uri}/Recordings.json"),
            "siprec": format!("{uri}/Siprec.json"),
            "streams": format!("{uri}/Streams.json"),
            "transcriptions": format!("{uri}/Transcriptions.json"),
            "user_defined_message_subscriptions":
                format!("{uri}/UserDefinedMessageSubscriptions.json"),
            "user_defined_messages": format!("{uri}/UserDefinedMessages.json"),
        },
        "to": "conf-tour",
        "to_formatted": "conf-tour",
        "trunk_sid": null,
        "uri": format!("{uri}.json"),
    });
    assert_eq!(tour.get("/Calls/{CA}.json").await.ok(), expected);
    assert_eq!(tour.get("/Calls.json").await.ok()["calls"][0], expected);
    assert_eq!(tour.post("/Calls/{CA}.json", "").await.ok(), expected);
}

#[tokio::test]
async fn a_call_that_lasts_has_no_duration_and_one_never_answered_has_none_to_tell() {
    let tour = Tour::start_with(|script| {
        let mut busy = call("busy", "conf-tour", began());
        (busy.status, busy.started, busy.ended) = (CallStatus::Busy, None, Some(began()));
        script.calls.insert(0, busy);
    });
    let calls = tour.get("/Calls.json").await.ok();
    assert_eq!(calls["calls"][0]["duration"], "0");
    assert_eq!(calls["calls"][0]["start_time"], json!(null));
    assert_eq!(calls["calls"][1]["duration"], json!(null));
    assert_eq!(calls["calls"][1]["end_time"], json!(null));
}

#[tokio::test]
async fn only_true_mutes_and_anything_else_unmutes() {
    let tour = Tour::start();
    let path = "/Conferences/{CF}/Participants/{CA}.json";
    for (value, muted) in
        [("true", true), ("false", false), ("True", true), ("1", false), ("true", true), ("", false)]
    {
        let answer = tour.post(path, &format!("Muted={value}")).await.ok();
        assert_eq!(answer["muted"], muted, "Muted={value}");
        assert_eq!(tour.get(path).await.ok()["muted"], muted, "Muted={value}");
    }
}

#[tokio::test]
async fn a_participant_is_found_by_label_whatever_is_in_it() {
    let labels = ["alice", "Zoë's phone", "50%", "a.json", "a+b", "CA-not-a-sid", "a/b"];
    let tour = Tour::start_with(|script| {
        let conference = script.conference("labels", labels.len());
        script.conferences.swap(0, 1);
        for (seat, label) in script.participants.iter_mut().zip(labels) {
            assert_eq!(seat.conference_sid, conference);
            seat.label = Some(label.to_owned());
        }
    });
    let conference = tour.get("/Conferences.json?FriendlyName=labels").await.ok();
    let conference = conference["conferences"][0]["sid"].as_str().expect("a SID").to_owned();
    for label in labels {
        let encoded = percent_encoding::utf8_percent_encode(label, percent_encoding::NON_ALPHANUMERIC);
        let path = format!("/Conferences/{conference}/Participants/{encoded}.json");
        let answer = tour.get(&path).await.ok();
        assert_eq!(answer["label"], label);
        assert!(!answer["uri"].as_str().expect("a URI").contains(&encoded.to_string()));
    }
}

#[tokio::test]
async fn a_kick_removes_and_leaves_nothing_to_say() {
    let tour = Tour::start();
    let path = "/Conferences/{CF}/Participants/{CA}.json";
    let answer = tour.delete(path).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    assert_eq!(answer.header("content-type"), "");
    tour.get(path).await.assert_error(404, 20404);
    assert_eq!(tour.get("/Calls/{CA}.json").await.ok()["status"], "completed");
}

#[tokio::test]
async fn a_conference_ends_on_request_and_again_changes_nothing() {
    let tour = Tour::start();
    for _ in 0..2 {
        let ended = tour.post("/Conferences/{CF}.json", "Status=completed").await.ok();
        assert_eq!(ended["status"], "completed");
        assert_eq!(ended["reason_conference_ended"], "conference-ended-via-api");
    }
    let left = tour.get("/Conferences/{CF}/Participants.json").await.ok();
    assert_eq!(left["participants"], json!([]));
    assert_eq!(tour.get("/Calls.json?Status=completed").await.ok()["calls"][2]["duration"], "90");
}

#[tokio::test]
async fn every_state_and_reason_has_its_word() {
    let words = [
        (ConferenceStatus::Init, None, ("init", json!(null))),
        (
            ConferenceStatus::Completed,
            Some(ConferenceEnd::LastParticipantLeft),
            ("completed", json!("last-participant-left")),
        ),
        (
            ConferenceStatus::Completed,
            Some(ConferenceEnd::LastParticipantKicked),
            ("completed", json!("last-participant-kicked")),
        ),
    ];
    for (status, reason, (word, reason_word)) in words {
        let tour = Tour::start_with(|script| {
            script.conferences[0].status = status;
            script.conferences[0].reason_ended = reason;
            script.conferences[0].call_sid_ending = Some(script.calls[0].sid);
        });
        let shown = tour.get("/Conferences/{CF}.json").await.ok();
        assert_eq!(shown["status"], word);
        assert_eq!(shown["reason_conference_ended"], reason_word);
        assert_eq!(shown["call_sid_ending_conference"], tour.calls[0].to_string());
        let listed = tour.get(&format!("/Conferences.json?Status={word}")).await.ok();
        assert_eq!(listed["conferences"].as_array().map(Vec::len), Some(1));
    }
}

#[tokio::test]
async fn a_ringing_call_may_be_canceled() {
    let tour = Tour::start_with(|script| script.calls[0].status = CallStatus::Ringing);
    let canceled = tour.post("/Calls/{CA}.json", "Status=canceled").await.ok();
    assert_eq!(canceled["status"], "canceled");
}

#[tokio::test]
async fn filters_reach_the_model() {
    let tour = Tour::start();
    let table = [
        ("/Calls.json?To=conf-tour", 3),
        ("/Calls.json?To=conf", 0),
        ("/Calls.json?From=caller-1", 1),
        ("/Calls.json?From=caller-1&To=conf-tour&Status=in-progress", 1),
        ("/Calls.json?Status=in-progress", 3),
        ("/Calls.json?Status=completed", 0),
        ("/Calls.json?Status=queued", 0),
        ("/Calls.json?Status=no-answer", 0),
        ("/Calls.json?ParentCallSid={CA}", 0),
        ("/Calls.json?StartTime=2023-11-14", 3),
        ("/Calls.json?StartTime=2023-11-15", 0),
        ("/Calls.json?StartTime%3E=2023-11-14T22:13:21Z", 2),
        ("/Calls.json?StartTime%3C=2023-11-14T22:13:21Z", 1),
        ("/Calls.json?EndTime%3E=2000-01-01", 0),
        ("/Calls.json?NobodyDocumentsThis=1", 3),
        ("/Conferences.json?FriendlyName=tour", 1),
        ("/Conferences.json?FriendlyName=other", 0),
        ("/Conferences.json?Status=completed", 0),
        ("/Conferences.json?DateCreated=2023-11-14", 1),
        ("/Conferences.json?DateCreated%3C=2023-11-14", 0),
        ("/Conferences.json?DateUpdated%3E=2023-11-15", 0),
        ("/Conferences/{CF}/Participants.json?Muted=false", 3),
        ("/Conferences/{CF}/Participants.json?Muted=true", 0),
        ("/Conferences/{CF}/Participants.json?Hold=true", 0),
        ("/Conferences/{CF}/Participants.json?Coaching=true", 0),
        ("/Conferences/{CF}/Participants.json?Coaching=false&Hold=False", 3),
    ];
    for (path, expected) in table {
        let answer = tour.get(path).await.ok();
        let key = answer.as_object().and_then(|map| map.keys().find(|key| !is_envelope(key)));
        let items = answer[key.expect("a list")].as_array().map(Vec::len);
        assert_eq!(items, Some(expected), "{path}");
    }
}

/// The keys that the Python SDK knows; among the others must be the list's, alone.
fn is_envelope(key: &str) -> bool {
    const KEYS: [&str; 8] =
        ["end", "first_page_uri", "next_page_uri", "page", "page_size", "previous_page_uri", "start", "uri"];
    KEYS.contains(&key)
}

#[tokio::test]
async fn a_list_comes_in_an_envelope_with_exactly_these_keys() {
    let tour = Tour::start();
    for (path, key) in [
        ("/Calls", "calls"),
        ("/Conferences", "conferences"),
        ("/Conferences/{CF}/Participants", "participants"),
    ] {
        let answer = tour.get(path).await.ok();
        let map = answer.as_object().expect("an object");
        let others: Vec<_> = map.keys().filter(|key| !is_envelope(key)).collect();
        assert_eq!((others, map.len()), (vec![&key.to_owned()], 9));
        let uri = tour.path(&format!("{path}.json?PageSize=50&Page=0"));
        assert_eq!((&answer["uri"], &answer["first_page_uri"]), (&json!(uri), &json!(uri)));
        assert_eq!((&answer["page"], &answer["page_size"]), (&json!(0), &json!(50)));
        assert_eq!(answer["next_page_uri"], json!(null));
        assert_eq!(answer["previous_page_uri"], json!(null));
    }
}

#[tokio::test]
async fn pages_lead_to_each_other_and_keep_the_filters() {
    let tour = Tour::start();
    let list = tour.path("/Calls.json");
    let uri = |page| format!("{list}?To=conf-tour&StartTime%3E=2023-01-01&PageSize=2&Page={page}");

    let first = tour.node.send("GET", &uri(0), None).await.ok();
    assert_eq!(first["calls"].as_array().map(Vec::len), Some(2));
    assert_eq!((&first["start"], &first["end"]), (&json!(0), &json!(1)));
    assert_eq!(first["next_page_uri"], uri(1));

    let second = tour.node.send("GET", &uri(1), None).await.ok();
    assert_eq!(second["calls"][0]["sid"], tour.calls[2].to_string());
    assert_eq!((&second["start"], &second["end"]), (&json!(2), &json!(2)));
    assert_eq!(second["previous_page_uri"], uri(0));
    assert_eq!(second["next_page_uri"], json!(null));
    assert_eq!(second["uri"], uri(1));
}

#[tokio::test]
async fn a_parameter_nobody_documents_is_ignored_beside_one_that_is_known() {
    let tour = Tour::start();
    let path = "/Conferences/{CF}/Participants/{CA}.json";
    let answer = tour.post(path, "Unheard=of&Muted=true&Also=").await.ok();
    assert_eq!(answer["muted"], true);
}

#[tokio::test]
async fn a_page_over_the_limit_is_cut_to_it_and_says_so() {
    let tour = Tour::start();
    let answer = tour.get("/Calls.json?PageSize=5000").await.ok();
    assert_eq!(answer["page_size"], 1_000);
    assert_eq!(answer["uri"], tour.path("/Calls.json?PageSize=1000&Page=0"));
}

#[tokio::test]
async fn the_largest_page_and_number_are_taken() {
    let tour = Tour::start();
    let answer = tour.get("/Calls.json?PageSize=1000&Page=4294967295&PageToken=PAx").await.ok();
    assert_eq!(answer["calls"], json!([]));
    assert_eq!(answer["page_size"], 1_000);
}

#[tokio::test]
async fn health_tells_the_addresses_until_the_node_stops() {
    let node = Node::over(Script::default().play());
    let ask = || Request::get("/healthz").body(Body::empty()).expect("a request");
    let expected = |status| {
        json!({
            "status": status,
            "version": env!("CARGO_PKG_VERSION"),
            "http": "127.0.0.1:8080", "https": null,
            "sip_udp": "127.0.0.1:5060",
            "sip_tcp": "127.0.0.1:5061",
        })
    };
    assert_eq!(node.ask(ask()).await.ok(), expected("serving"));

    node.stopping.send(true).expect("the API listens");
    let answer = node.ask(ask()).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (503, expected("stopping")));
}

#[tokio::test]
async fn metrics_are_text() {
    let node = Node::over(Script::default().play());
    let ask = Request::get("/metrics").body(Body::empty()).expect("a request");
    let answer = node.ask(ask).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "confab_calls 3\n"));
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
}
