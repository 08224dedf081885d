//! What an application is told of a conference: all of it, once, in order, and nothing else.

use confab::config::Secret;
use confab::server::Options;
use confab::webhook::sign;

use crate::app::{App, Told, wav};
use crate::peer::Peer;
use crate::running::Running;

const ALL: &str = "start end join leave mute hold modify announcement";

/// A node that may call and ask this machine.
async fn node() -> Running {
    let ours = ["--outbound-allow=sip:*@127.0.0.1:*", "--egress-allow=127.0.0.0/8"];
    Running::start_with(Options::default(), &ours).await
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Dials a phone into the conference of a name; the path of its seat.
async fn dial_in(node: &Running, peer: &mut Peer, conference: &str, more: &str) -> String {
    let form = format!("To=sip:agent@{}&From=%2B4930123&Beep=false&WaitUrl=&{more}", peer.address());
    let (status, seat) = node.create(&format!("Conferences/{conference}/Participants.json"), &form).await;
    assert_eq!(status, 201, "{seat}");
    let invite = peer.is_called().await;
    peer.pick_up(&invite).await;
    let call = seat["call_sid"].as_str().unwrap().to_owned();
    let path = format!("Conferences/{}/Participants/{call}.json", seat["conference_sid"].as_str().unwrap());
    node.wait_for(&path, "status", "connected").await;
    path
}

/// The events of a story, each with what it is about, and checks what all of them have: numbers from 1 without a gap, the
/// conference, and a signature that holds.
fn story(node: &Running, app: &App, page: &str, all: &[Told]) -> Vec<String> {
    for (n, told) in all.iter().enumerate() {
        assert_eq!(told.get("SequenceNumber"), (n + 1).to_string());
        assert_eq!(told.get("ConferenceSid"), all[0].get("ConferenceSid"));
        assert_eq!(told.get("AccountSid"), node.account_sid);
        let token = Secret::new(node.auth_token.clone());
        assert_eq!(told.signature, Some(sign(&token, &app.url(page), &told.parameters)));
        assert!(chrono::DateTime::parse_from_rfc2822(told.get("Timestamp")).is_ok());
    }
    all.iter().map(|told| told.get("StatusCallbackEvent").to_owned()).collect()
}

/// Changes all that can be changed of a seat, and tells it and the conference something.
async fn change_all(node: &Running, app: &App, conference: &str, seat: &str) {
    let muted = node.post(seat, "Muted=true").await;
    assert_eq!((&muted["muted"], &muted["label"]), (&true.into(), &"bob".into()));
    assert_eq!(node.post(seat, "Muted=perhaps").await["muted"], false);
    assert_eq!(node.post(seat, "Hold=true").await["hold"], true);
    assert_eq!(node.post(seat, "Hold=false").await["hold"], false);
    assert_eq!(node.post(seat, "EndConferenceOnExit=true").await["end_conference_on_exit"], true);
    node.post(seat, "EndConferenceOnExit=false").await;
    node.post(seat, &format!("AnnounceUrl={}&AnnounceMethod=GET", encoded(&app.url("hello.wav")))).await;
    app.told("told", 10).await;
    node.post(seat, &format!("AnnounceUrl={}", encoded(&app.url("nothing")))).await;
    app.told("told", 11).await;
    let path = format!("Conferences/{conference}.json");
    node.post(&path, &format!("AnnounceUrl={}", encoded(&app.url("hello.wav")))).await;
    app.told("told", 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_is_told_the_whole_story_of_a_conference_and_its_end_last() {
    let app = App::start().await;
    app.gives("told", "text/plain", Vec::new());
    app.gives("hello.wav", "audio/wav", wav(1_300.0, 0.3));
    let node = node().await;
    let (mut alice, mut bob) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
    let callback = format!(
        "ConferenceStatusCallback={}&ConferenceStatusCallbackEvent={}&EndConferenceOnExit=true&Label=boss",
        encoded(&app.url("told")),
        encoded(ALL)
    );
    let first = dial_in(&node, &mut alice, "desk", &callback).await;
    // Whoever comes later changes nothing of who is told.
    let other = format!("ConferenceStatusCallback={}&Label=bob", encoded(&app.url("other")));
    let second = dial_in(&node, &mut bob, "desk", &other).await;

    let conference = first.split('/').nth(1).unwrap().to_owned();
    change_all(&node, &app, &conference, &second).await;
    alice.hang_up().await;
    bob.is_hung_up().await;

    let told = app.told("told", 15).await;
    assert_eq!(
        story(&node, &app, "told", &told),
        [
            "participant-join",
            "conference-start",
            "participant-join",
            "participant-mute",
            "participant-unmute",
            "participant-hold",
            "participant-unhold",
            "participant-modify",
            "participant-modify",
            "announcement-end",
            "announcement-fail",
            "announcement-end",
            "participant-leave",
            "participant-leave",
            "conference-end",
        ]
    );
    assert!(told.iter().all(|told| told.get("ConferenceSid") == conference));
    assert_eq!((told[3].get("Muted"), told[3].get("ParticipantLabel")), ("true", "bob"));
    assert_eq!((told[5].get("Hold"), told[6].get("Hold")), ("true", "false"));
    assert_eq!(told[7].get("EndConferenceOnExit"), "true");
    assert_eq!(
        (told[9].get("AnnounceUrl"), told[9].get("ParticipantLabel")),
        (&*app.url("hello.wav"), "bob")
    );
    assert!(!told[10].get("ReasonAnnouncementFailed").is_empty());
    assert_eq!((told[11].get("CallSid"), told[11].get("AnnounceUrl")), ("", &*app.url("hello.wav")));
    let left = |at: usize| (told[at].get("ReasonParticipantLeft"), told[at].get("ParticipantCallStatus"));
    assert_eq!(left(12), ("participant_hung_up", "completed"));
    assert_eq!(left(13), ("moderator_ended_conference", "completed"));
    let end = &told[14];
    assert_eq!(end.get("ReasonConferenceEnded"), "participant-with-end-conference-on-exit-left");
    assert_eq!(end.get("CallSidEndingConference"), told[0].get("CallSid"));
    assert_eq!(end.get("ParticipantLabelEndingConference"), "boss");
    assert!(!end.get("Reason").is_empty());
    assert_eq!(app.told("other", 0).await.len(), 0);
    assert_eq!(app.told("told", 0).await.len(), 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_leave_has_its_reason() {
    let app = App::start().await;
    app.gives("told", "text/plain", Vec::new());
    let node = node().await;
    let mut alice = Peer::udp(node.node.sip).await;
    let callback = format!(
        "ConferenceStatusCallback={}&ConferenceStatusCallbackEvent=leave+end",
        encoded(&app.url("told"))
    );
    let first = dial_in(&node, &mut alice, "desk", &callback).await;
    let mut busy = Peer::udp(node.node.sip).await;
    let form = format!("To=sip:busy@{}&From=x", busy.address());
    assert_eq!(node.create("Conferences/desk/Participants.json", &form).await.0, 201);
    let invite = busy.is_called().await;
    busy.reply(&invite, "486 Busy Here").await;
    app.told("told", 1).await;
    let mut kicked = Peer::udp(node.node.sip).await;
    let path = dial_in(&node, &mut kicked, "desk", "").await;
    assert_eq!(node.delete(&path).await, 204);
    app.told("told", 2).await;
    let mut ended = Peer::udp(node.node.sip).await;
    let path = dial_in(&node, &mut ended, "desk", "").await;
    let call = path.rsplit('/').next().unwrap();
    node.post(&format!("Calls/{call}"), "Status=completed").await;
    app.told("told", 3).await;
    let conference = first.split('/').nth(1).unwrap();
    node.post(&format!("Conferences/{conference}.json"), "Status=completed").await;
    let told = app.told("told", 5).await;
    let reasons: Vec<(&str, &str)> = told
        .iter()
        .map(|told| (told.get("ReasonParticipantLeft"), told.get("ParticipantCallStatus")))
        .collect();
    assert_eq!(
        reasons,
        [
            ("participant_add_failed", "busy"),
            ("participant_updated_via_api", "completed"),
            ("participant_updated_via_api", "completed"),
            ("conference_ended_via_api", "completed"),
            ("", ""),
        ]
    );
    assert_eq!(told[4].get("ReasonConferenceEnded"), "conference-ended-via-api");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_says_who_is_told_and_by_which_method() {
    let app = App::start().await;
    app.gives("told", "text/plain", Vec::new());
    app.says(
        "join",
        "<Dial><Conference statusCallback=\"/told\" statusCallbackMethod=\"GET\" statusCallbackEvent=\"join \
         leave end\" participantLabel=\"caller\" waitUrl=\"\">desk</Conference></Dial>",
    );
    let node = node().await;
    let mut caller = Peer::udp(node.node.sip).await;
    let form = format!("To=sip:caller@{}&From=x&Url={}", caller.address(), encoded(&app.url("join")));
    assert_eq!(node.create("Calls.json", &form).await.0, 201);
    let invite = caller.is_called().await;
    caller.pick_up(&invite).await;
    app.told("told", 1).await;
    caller.hang_up().await;
    let told = app.told("told", 3).await;
    let events: Vec<&str> = told.iter().map(|told| told.get("StatusCallbackEvent")).collect();
    assert_eq!(events, ["participant-join", "participant-leave", "conference-end"]);
    assert_eq!(told[2].get("ReasonConferenceEnded"), "last-participant-left");
    assert_eq!(told[0].get("ParticipantLabel"), "caller");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_heard_because_its_hearer_left_has_failed_before_their_leaving_is_told() {
    let app = App::start().await;
    app.gives("told", "text/plain", Vec::new());
    app.gives("long.wav", "audio/wav", wav(1_300.0, 60.0));
    let node = node().await;
    let mut alice = Peer::udp(node.node.sip).await;
    let callback = format!(
        "Label=alice&ConferenceStatusCallback={}&ConferenceStatusCallbackEvent={}",
        encoded(&app.url("told")),
        encoded(ALL)
    );
    let seat = dial_in(&node, &mut alice, "desk", &callback).await;
    let announce = format!("AnnounceUrl={}", encoded(&app.url("long.wav")));
    for _ in 0..8 {
        node.post(&seat, &announce).await;
    }
    let (status, error) = node.create(&seat, &announce).await;
    assert_eq!((status, &error["code"]), (429, &20_429.into()), "{error}");
    let form = "To=sip:x@127.0.0.1:9&From=x&Label=alice";
    let (status, error) = node.create("Conferences/desk/Participants.json", form).await;
    assert_eq!((status, &error["code"]), (400, &16_026.into()), "{error}");
    alice.rtp.hears(1_300).await;
    alice.hang_up().await;
    let told = app.told("told", 11).await;
    let events = story(&node, &app, "told", &told);
    assert_eq!(events[0], "participant-join");
    assert!(events[1..9].iter().all(|event| event == "announcement-fail"), "{events:?}");
    assert_eq!(events[9..], ["participant-leave", "conference-end"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coach_whose_agent_leaves_is_told_as_a_modification() {
    let app = App::start().await;
    app.gives("told", "text/plain", Vec::new());
    let node = node().await;
    let (mut agent, mut coach) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
    let callback = format!(
        "ConferenceStatusCallback={}&ConferenceStatusCallbackEvent=modify",
        encoded(&app.url("told"))
    );
    let seat = dial_in(&node, &mut agent, "desk", &callback).await;
    let call = seat.rsplit('/').next().unwrap().trim_end_matches(".json");
    dial_in(&node, &mut coach, "desk", &format!("Coaching=true&CallSidToCoach={call}")).await;
    agent.hang_up().await;
    let told = app.told("told", 1).await;
    assert_eq!(told[0].get("StatusCallbackEvent"), "participant-modify");
    assert_eq!((told[0].get("Coaching"), told[0].get("CallSidToCoach")), ("true", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_never_answers_changes_nothing_for_those_who_talk() {
    let app = App::start().await;
    app.answers("told", Vec::new());
    let node = node().await;
    let (mut alice, mut bob) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
    let callback = format!(
        "ConferenceStatusCallback={0}&ConferenceStatusCallbackEvent={1}&StatusCallback={0}",
        encoded(&app.url("told")),
        encoded(ALL)
    );
    let seat = dial_in(&node, &mut alice, "desk", &callback).await;
    dial_in(&node, &mut bob, "desk", "").await;
    alice.rtp.speak(700);
    bob.rtp.hears(700).await;
    for _ in 0..3 {
        assert_eq!(node.post(&seat, "Muted=true").await["muted"], true);
        bob.rtp.hears_no_more(700).await;
        assert_eq!(node.post(&seat, "Muted=false").await["muted"], false);
        bob.rtp.hears(700).await;
    }
    app.told("told", 1).await;
    // Two that joined, a start, six changes; some on their way, the others behind them.
    let (waiting, on_the_way) =
        (node.figure("confab_webhook_waiting", "").await, node.figure("confab_webhook_in_flight", "").await);
    assert!(waiting >= 7.0 && on_the_way >= 1.0, "{waiting} wait, {on_the_way} on their way");
    alice.hang_up().await;
    bob.hang_up().await;
    node.wait_for_calls("completed", 2).await;
}
