//! What is answered when something is wrong: always the same body, the right code, and a sentence that helps.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Bytes, HttpBody};
use hyper::body::Frame;

use super::*;
use crate::call::scripted::{overloaded, silent, stopped};

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    check(&[
        "GET / => 404 20404 no resource",
        "GET /Messages.json => 404 20404 /Messages.json",
        "GET /Recordings/RE0.json => 404 20404 RE and 32 hexadecimal digits",
        "GET /Recordings/..%2f..%2fetc%2fpasswd.wav => 404 20404 RE and 32 hexadecimal digits",
        "GET /Recordings/RE0123456789abcdef0123456789abcdef.json => 404 20404 no recording RE0123",
        "GET /Recordings/RE0123456789abcdef0123456789abcdef => 404 20404 no recording RE0123",
        "GET /Recordings/RE0123456789abcdef0123456789abcdef.wav => 404 20404 no recording RE0123",
        "GET /Recordings/RE0123456789abcdef0123456789abcdef.mp3 => 404 20404 no recording RE0123",
        "DELETE /Recordings/RE0123456789abcdef0123456789abcdef.json => 404 20404 no recording RE0123",
        "GET /Calls/{CA}/Recordings/CA0.json => 404 20404 RE and 32",
        "DELETE /Calls/{CA}/Recordings/RE0123456789abcdef0123456789abcdef.json => 404 20404 no recording",
        "GET /calls.json => 404 20404 no resource",
        "GET /Calls/ => 404 20404 no resource",
        "GET /Calls/CA0.json => 404 20404 CA and 32 hexadecimal digits",
        "GET /Calls/{CF}.json => 404 20404 CA and 32 hexadecimal digits",
        "GET /Calls/CA0123456789abcdef0123456789abcdef.json => 404 20404 no call CA0123",
        "POST /Calls/CA0123456789abcdef0123456789abcdef.json Status=completed => 404 20404 no call CA0123",
        "GET /Calls/{CA}/Siprec.json => 404 20404 no resource",
        "GET /Conferences/tour.json => 404 20404 FriendlyName",
        "GET /Conferences/CF0123456789abcdef0123456789abcdef.json => 404 20404 no conference CF0123",
        "POST /Conferences/CF0123456789abcdef0123456789abcdef.json Status=completed => 404 20404 no conference",
        "GET /Conferences/CF0123456789abcdef0123456789abcdef/Participants.json => 404 20404 no conference",
        "GET /Conferences/tour/Participants.json => 404 20404 CF and 32",
        "GET /Conferences/{CF}/Participants/CA0123456789abcdef0123456789abcdef.json => 404 20404 no such part",
        "GET /Conferences/{CF}/Participants/Zo%C3%AB.json => 404 20404 \"Zoë\"",
        "POST /Conferences/{CF}/Participants/x.json Muted=true => 404 20404 \"x\"",
        "DELETE /Conferences/{CF}/Participants/x.json => 404 20404 \"x\"",
        "GET /Conferences/{CF}/Participants/a/b.json => 404 20404 no resource",
    ])
    .await;
}

#[tokio::test]
async fn a_wrong_parameter_is_named() {
    check(&[
        "POST /Conferences/{CF}.json Status=in-progress => 400 20001 must be completed",
        "POST /Conferences/{CF}.json Status= => 400 20001 Status is \"\"",
        "POST /Conferences/{CF}.json AnnounceUrl=a => 400 21205 AnnounceUrl must be",
        "POST /Conferences/{CF}.json AnnounceUrl=http://a/&AnnounceMethod=PUT => 400 21209 AnnounceMethod must be",
        "POST /Conferences/{CF}.json Status=completed&Status=x => 400 20001 more than once",
        "POST /Calls/{CA}.json status=completed => 400 20001 \"status\" is not known",
        "POST /Conferences/{CF}.json Stat=completed&x=y => 400 20001 it takes AnnounceMethod, AnnounceUrl, Status",
        "POST /Conferences/{CF}/Participants/{CA}.json muted=true => 400 20001 it takes AnnounceMethod",
        "POST /Conferences/{CF}.json?Status=completed => 400 20001 body",
        "POST /Calls/{CA}.json Status=paused => 400 20001 completed or canceled",
        "POST /Conferences/{CF}/Participants/{CA}.json Hold=true&HoldUrl=a => 400 21205 HoldUrl must be",
        "POST /Conferences/{CF}/Participants/{CA}.json WaitUrl=http://a/&WaitMethod=x => 400 21209 WaitMethod",
        "POST /Conferences/{CF}/Participants/{CA}.json Muted=true&Coaching=true => 400 20001 CallSidToCoach",
        "POST /Conferences/{CF}/Participants/{CA}.json CallSidToCoach=bob => 400 20001 SID of a call",
        "POST /Conferences/{CF}/Participants/{CA}.json Muted=true&Muted=true => 400 20001 Muted is given more than once",
        "POST /Conferences/{CF}/Participants/{CA}.json Muted=% => 400 20001 two hexadecimal digits",
        "POST /Conferences/{CF}/Participants/{CA}.json Muted=%ff => 400 20001 not UTF-8",
        "POST /Calls/{CA}/Recordings.json RecordingChannels=three => 400 20001 mono or dual",
        "POST /Calls/{CA}/Recordings.json RecordingTrack=up => 400 20001 inbound, outbound or both",
        "POST /Calls/{CA}/Recordings.json RecordingStatusCallback=x => 400 21205 http://",
        "POST /Calls/{CA}/Recordings.json RecordingStatusCallback=http://a&RecordingStatusCallbackEvent=x => 400 20001 completed",
        "POST /Calls/{CA}/Recordings/Twilio.CURRENT.json Status=over => 400 20001 in-progress or stopped",
        "POST /Calls/{CA}/Recordings/Twilio.CURRENT.json => 400 20001 Status is missing",
        "POST /Calls/{CA}/Recordings/Twilio.CURRENT.json Status=paused&PauseBehavior=x => 400 20001 silence or skip",
        "GET /Recordings.json?CallSid=x => 400 20001 CA and 32",
        "GET /Recordings.json?ConferenceSid=x => 400 20001 CF and 32",
        "GET /Conferences/{CF}/Recordings/Twilio.CURRENT.json => 404 20404 no such recording",
        "GET /Conferences/{CF}/Recordings/CA0.json => 404 20404 RE and 32",
        "DELETE /Conferences/{CF}/Recordings/RE0123456789abcdef0123456789abcdef.json => 404 20404 no recording",
        "POST /Conferences/{CF}/Recordings/Twilio.CURRENT.json Status=over => 400 20001 in-progress or stopped",
        "POST /Conferences/{CF}/Recordings.json RecordingChannels=three => 400 20001 mono, dual or multitrack",
        "POST /Conferences/{CF}/Recordings.json Trim=x => 400 20001 do-not-trim",
        "GET /Calls.json?Status=done => 400 20001 no-answer",
        "GET /Calls.json?ParentCallSid=x => 400 20001 ParentCallSid",
        "GET /Calls.json?StartTime=yesterday => 400 20001 2024-01-31",
        "GET /Calls.json?EndTime%3C=1 => 400 20001 EndTime<",
        "GET /Calls.json?To=%zz => 400 20001 The query has \"%zz\" at byte 3",
        "GET /Calls.json?PageSize=0 => 400 20001 from 1 to 1000",
        "GET /Calls.json?PageSize=-1 => 400 20001 from 1 to 1000",
        "GET /Calls.json?PageSize=ten => 400 20001 from 1 to 1000",
        "GET /Calls.json?Page=-1 => 400 20001 from 0",
        "GET /Calls.json?Page=4294967296 => 400 20001 from 0",
        "GET /Conferences.json?Status=over => 400 20001 init",
        "GET /Conferences.json?DateCreated=1/2/2024 => 400 20001 DateCreated",
        "GET /Conferences/{CF}/Participants.json?Muted=yes => 400 20001 true or false",
        "GET /Conferences/{CF}/Participants/%zz.json => 400 20001 The path has",
        "GET /Conferences/{CF}/Participants/%ff.json => 400 20001 not UTF-8",
    ])
    .await;
}

#[tokio::test]
async fn what_cannot_be_done_is_refused() {
    check(&[
        "POST /Calls.json To=sip:a@b&From=b => 400 21205 ApplicationSid is missing",
        "POST /Calls.json To=sip:a@b&From=b&Url=c => 400 21205 begins with http",
        "POST /Calls.json To=sip:a@b&From=b&Url=http://a/&Method=PUT => 400 21209 Method must be GET or POST",
        "POST /Calls.json To=sip:a@b&From=b&Url=http://a/&Timeout=0 => 400 21208 Timeout",
        "POST /Calls.json To=sip:a@b&From=b&Url=http://a/&TimeLimit=x => 400 20001 TimeLimit",
        "POST /Calls.json To=sip:a@b&From=b&Url=http://a/&MachineDetection=Enable => 400 21234 MachineDetection",
        "POST /Calls.json To=sip:a@b&From=b&Url=http://a/&Record=maybe => 400 20001 true or false",
        "POST /Calls.json To=sip:a@b&From=b&Url=http://a/&Record=true&Trim=x => 400 20001 do-not-trim",
        "POST /Calls.json To=sip:a@b&From=b&Url=http://a/&SipAuthUsername=x => 400 21223 SipAuthPassword",
        "POST /Calls.json To=sip:a@b&From=b&Url=http://a/&SipAuthPassword=x => 400 21222 SipAuthUsername",
        "POST /Calls.json To=sip:a@b&From=b&Url=http://a/&StatusCallback=http://a/&StatusCallbackEvent=x => 400 20001 initiated",
        "POST /Calls.json From=b&Url=http://a/ => 400 21201 To is missing",
        "POST /Calls.json To=alice&From=b&Url=http://a/ => 400 21211 To must be",
        "POST /Calls.json To=sip:a@b&Url=http://a/ => 400 21213 From is missing",
        "POST /Calls.json To=sip:a@b&From=%3C&Url=http://a/ => 400 21212 From must be",
        "POST /Calls/{CA}.json Status=completed&Url=http://a/ => 400 20001 follows no script",
        "POST /Conferences/{CF}/Participants.json To=sip:a@b&From=b&Label=a%2Fb => 400 16024 Label",
        "POST /Conferences/{CF}/Participants.json To=sip:a@b&From=b&MaxParticipants=1 => 400 20001 from 2 to 250",
        "POST /Conferences/{CF}/Participants.json To=sip:a@b&From=b&Coaching=true => 400 20001 CallSidToCoach",
        "POST /Conferences/{CF}/Participants.json To=sip:a@b&From=b&Beep=loud => 400 20001 onEnter",
        "POST /Conferences/{CF}/Participants.json To=sip:a@b&From=b&JitterBufferSize=huge => 400 20001 medium",
        "POST /Conferences/{CF}/Participants.json To=sip:a@b&From=b&ConferenceRecord=perhaps => 400 20001 record-from-start",
        "POST /Conferences/{CF}/Participants.json To=sip:a@b&From=b&ConferenceRecordingChannels=four => 400 20001 multitrack",
        "POST /Conferences/{CF}/Participants.json To=sip:a@b&From=b&ConferenceTrim=x => 400 20001 ConferenceTrim",
        "POST /Conferences/{CF}/Participants.json To=sip:a@b&From=b&ConferenceStatusCallback=a => 400 21205 ConferenceStatusCallback must be",
        "POST /Conferences/{CF}/Participants.json To=sip:a@b&From=b&ConferenceStatusCallback=http://a/&ConferenceStatusCallbackEvent=joined => 400 20001 announcement",
        "POST /Calls/{CA}.json Status=canceled => 400 21220 right state",
    ])
    .await;
}

#[tokio::test]
async fn a_method_that_is_not_allowed_is_answered_with_those_that_are() {
    let rows = [
        ("PATCH", "/Calls/{CA}.json", "GET,HEAD,POST,DELETE"),
        ("DELETE", "/Notifications.json", "GET,HEAD"),
        ("PUT", "/Calls.json", "GET,HEAD,POST"),
        ("POST", "/Conferences.json", "GET,HEAD"),
        ("DELETE", "/Conferences/{CF}.json", "GET,HEAD,POST"),
        ("PATCH", "/Conferences/{CF}/Participants/{CA}.json", "GET,HEAD,POST,DELETE"),
        ("OPTIONS", "/Conferences/{CF}/Participants.json", "GET,HEAD,POST"),
    ];
    let tour = Tour::start();
    for (method, path, allow) in rows {
        let answer = tour.node.send(method, &tour.path(path), None).await;
        answer.assert_error(405, 20004);
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
        assert!(answer.text.contains(&allow.replace(',', ", ")), "{answer:?}");
    }
    tour.node.send("POST", "/healthz", None).await.assert_error(405, 20004);
}

#[tokio::test]
async fn a_body_that_is_no_form_is_refused() {
    let tour = Tour::start();
    let path = tour.path("/Conferences/{CF}.json");
    let ask = |content_type: Option<&str>, body: &'static str| {
        let request = tour.node.request("POST", &path);
        let request = match content_type {
            None => request,
            Some(value) => request.header(CONTENT_TYPE, value),
        };
        tour.node.ask(request.body(Body::from(body)).expect("a request"))
    };
    ask(Some("application/json"), "{}").await.assert_error(415, 20001);
    ask(None, "Status=completed").await.assert_error(415, 20001);
    ask(Some("multipart/form-data; boundary=x"), "--x--").await.assert_error(415, 20001);
    assert_eq!(ask(Some("application/json"), "").await.status, 200);
    let spelt = "Application/X-WWW-Form-Urlencoded ; charset=UTF-8";
    assert_eq!(ask(Some(spelt), "Status=completed").await.ok()["status"], "completed");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_one_at_the_limit_is_read() {
    let tour = Tour::start();
    let path = "/Conferences/{CF}.json";
    let start = "Status=completed&a=";
    let form = |length: usize| format!("{start}{}", "b".repeat(length - start.len()));
    assert_eq!(tour.post(path, &form(65_536)).await.status, 200);
    tour.post(path, &form(65_537)).await.assert_error(413, 20001);
}

#[tokio::test]
async fn nothing_is_told_without_the_right_credentials() {
    let tour = Tour::start();
    let account = tour.node.account.to_string();
    let encoded = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let wrong = [
        None,
        Some(basic(&account, "wrong")),
        Some(basic(&account, "")),
        Some(basic(&account, &TOKEN[1..])),
        Some(basic(&account, &format!("{TOKEN}x"))),
        Some(basic(&account.to_lowercase(), TOKEN)),
        Some(basic(&AccountSid::generate().to_string(), TOKEN)),
        Some(basic("", "")),
        Some(encoded(&account)),
        Some(encoded(&format!("{account}{TOKEN}"))),
        Some("Basic".to_owned()),
        Some("Basic !!!".to_owned()),
        Some(format!("Bearer {TOKEN}")),
        Some(basic(&account, TOKEN).replacen("Basic", "Digest", 1)),
    ];
    let paths = ["/Calls.json", "/Calls/{CA}.json", "/Conferences/{CF}/Participants/%zz", "/none"];
    for credentials in wrong {
        for (path, method) in paths.into_iter().flat_map(|path| [(path, "GET"), (path, "PUT")]) {
            let request = Request::builder().method(method).uri(tour.path(path));
            let request = match &credentials {
                None => request,
                Some(value) => request.header(AUTHORIZATION, value),
            };
            let answer = tour.node.ask(request.body(Body::empty()).expect("a request")).await;
            answer.assert_error(401, 20003);
            assert_eq!(answer.header("www-authenticate"), "Basic realm=\"Confab API\"");
        }
    }
}

#[tokio::test]
async fn the_scheme_may_be_spelt_in_any_case() {
    let tour = Tour::start();
    let credentials = basic(&tour.node.account.to_string(), TOKEN).replacen("Basic", "bASIC", 1);
    let request = Request::get(tour.path("/Calls.json")).header(AUTHORIZATION, credentials);
    assert_eq!(tour.node.ask(request.body(Body::empty()).expect("a request")).await.status, 200);
}

#[tokio::test]
async fn whatever_lies_under_the_version_wants_credentials() {
    let node = Node::over(Script::default().play());
    let ask = |path: &'static str| node.ask(Request::get(path).body(Body::empty()).expect("a request"));
    for path in ["/2010-04-01", "/2010-04-01/", "/2010-04-01/x", "/2010-04-01/AccountsX"] {
        ask(path).await.assert_error(401, 20003);
        node.send("GET", path, None).await.assert_error(404, 20404);
    }
    for path in ["/", "/2010-04-01x", "/2011-01-01/Accounts", "//2010-04-01/Accounts"] {
        ask(path).await.assert_error(404, 20404);
    }
}

#[tokio::test]
async fn another_account_is_not_there() {
    let tour = Tour::start();
    let other = AccountSid::generate();
    for account in [other.to_string(), "me".to_owned(), tour.conference.to_string()] {
        let path = format!("/2010-04-01/Accounts/{account}/Calls.json");
        let answer = tour.node.send("GET", &path, None).await;
        answer.assert_error(404, 20404);
        assert!(answer.text.contains(&account), "{answer:?}");
    }
}

#[tokio::test]
async fn participants_of_a_conference_that_is_over_are_not_there() {
    let tour = Tour::start();
    let path = "/Conferences/{CF}/Participants/{CA}.json";
    tour.post("/Conferences/{CF}.json", "Status=completed").await.ok();
    for answer in [tour.get(path).await, tour.post(path, "Muted=true").await, tour.delete(path).await] {
        answer.assert_error(404, 20404);
        assert!(answer.text.contains("the conference is over"), "{answer:?}");
    }
    tour.post("/Calls/{CA}.json", "Status=completed").await.assert_error(400, 21220);
}

#[tokio::test]
async fn an_overloaded_or_stopping_node_says_when_to_try_again() {
    let (busy, _asked) = overloaded();
    for handle in [busy, stopped()] {
        let node = Node::over(handle);
        for path in ["/Calls.json", "/Conferences.json"] {
            let path = format!("{}{path}", node.prefix());
            let answer = node.send("GET", &path, None).await;
            answer.assert_error(503, 20503);
            assert_eq!(answer.header("retry-after"), "1");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_that_does_not_answer_is_not_waited_for_without_end() {
    let (handle, _asked) = silent();
    let node = Node::over(handle);
    let path = format!("{}/Calls.json", node.prefix());
    node.send("GET", &path, None).await.assert_error(503, 20503);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for_without_end() {
    let tour = Tour::start();
    let path = tour.path("/Conferences/{CF}.json");
    let request = tour.node.request("POST", &path).header(CONTENT_TYPE, FORM);
    tour.node.ask(request.body(Body::new(Never)).expect("a request")).await.assert_error(408, 20001);
}

/// A body of which nothing ever arrives.
struct Never;

impl HttpBody for Never {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

/// Checks rows of a request (method, path, form) and, behind the arrow, its answer: status, code, and what the
/// sentence must say.
async fn check(rows: &[&str]) {
    let tour = Tour::start();
    for row in rows {
        let (request, expected) = row.split_once(" => ").expect("an arrow");
        let mut request = request.splitn(3, ' ');
        let (method, path) = (request.next().expect("a method"), request.next().expect("a path"));
        let answer = tour.node.send(method, &tour.path(path), request.next()).await;
        assert_refusal(&answer, row, expected);
    }
    let seats = tour.get("/Conferences/{CF}/Participants.json?Muted=false").await.ok();
    let seats = seats["participants"].as_array().map(Vec::len);
    assert_eq!(seats, Some(3), "a refusal changed something");
}

fn assert_refusal(answer: &Answer, row: &str, expected: &str) {
    let mut expected = expected.splitn(3, ' ');
    let mut number = || expected.next().and_then(|number| number.parse().ok()).expect("a number");
    let (status, code) = (number(), number());
    let says = expected.next().expect("what it says");

    assert_eq!(u32::from(answer.status.as_u16()), status, "{row}: {answer:?}");
    answer.assert_error(answer.status.as_u16(), code);
    let json = answer.json();
    assert!(json["message"].as_str().is_some_and(|text| text.contains(says)), "{row}: {answer:?}");
}
