//! Recordings of conferences, end to end: phones speak tones or click, and the files have them where they must be.

use confab::server::Options;
use serde_json::Value;

use crate::app::{App, wav};
use crate::peer::Peer;
use crate::record::{Api, NOT_THERE, THERE, loudest};
use crate::running::Running;

pub(crate) async fn node() -> (Running, Api) {
    let ours = ["--outbound-allow=sip:*@127.0.0.1:*", "--egress-allow=127.0.0.0/8"];
    let node = Running::start_with(Options::default(), &ours).await;
    let api = Api::of(&node);
    (node, api)
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// A phone in a conference.
pub(crate) struct Seated {
    pub(crate) peer: Peer,
    pub(crate) conference: String,
    pub(crate) call: String,
}

impl Seated {
    /// Dials a phone into the conference `desk`.
    pub(crate) async fn new(node: &Running, more: &str) -> Self {
        let mut peer = Peer::udp(node.node.sip).await;
        let form = format!("To=sip:agent@{}&From=x&Beep=false&WaitUrl=&{more}", peer.address());
        let (status, seat) = node.create("Conferences/desk/Participants.json", &form).await;
        assert_eq!(status, 201, "{seat}");
        let invite = peer.is_called().await;
        peer.pick_up(&invite).await;
        let (conference, call) =
            (text(&seat["conference_sid"]).to_owned(), text(&seat["call_sid"]).to_owned());
        let path = format!("Conferences/{conference}/Participants/{call}.json");
        node.wait_for(&path, "status", "connected").await;
        Self { peer, conference, call }
    }

    pub(crate) async fn speaking(node: &Running, hertz: u32, more: &str) -> Self {
        let seated = Self::new(node, more).await;
        seated.peer.rtp.speak(hertz);
        seated
    }

    fn seat(&self) -> String {
        format!("Conferences/{}/Participants/{}.json", self.conference, self.call)
    }

    pub(crate) fn recordings(&self) -> String {
        format!("Conferences/{}/Recordings", self.conference)
    }
}

/// Which of the tones are in a track.
pub(crate) fn tones(track: &[i16]) -> Vec<u32> {
    let level = |hertz: &u32| loudest(track, f64::from(*hertz));
    let all = [250, 700, 1_100, 1_500, 1_900];
    for hertz in &all {
        let level = level(hertz);
        assert!(*hertz == 250 || !(NOT_THERE..=THERE).contains(&level), "{hertz} Hz at {level}");
    }
    all.into_iter().filter(|hertz| level(hertz) > THERE).collect()
}

pub(crate) async fn sound_of(api: &Api, recording: &Value) -> Vec<Vec<i16>> {
    let path = format!("Recordings/{}", text(&recording["sid"]));
    api.completed(&format!("{path}.json")).await;
    api.sound(&path).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conference_is_recorded_from_its_start_without_what_one_on_hold_hears_or_says() {
    let app = App::start().await;
    app.gives("told", "text/plain", Vec::new());
    app.gives("later", "text/plain", Vec::new());
    app.gives("hold.wav", "audio/wav", wav(1_900.0, 60.0));
    let (node, api) = node().await;
    let wanted = |page: &str| {
        format!(
            "ConferenceRecord=true&ConferenceRecordingStatusCallback={}&\
             ConferenceRecordingStatusCallbackEvent=in-progress+completed",
            encoded(&app.url(page))
        )
    };
    let mut alice = Seated::speaking(&node, 700, &wanted("told")).await;
    let recordings = alice.recordings();
    let (_, list) = api.json("GET", &format!("{recordings}.json"), "").await;
    assert_eq!(list["recordings"], Value::Array(Vec::new()), "one alone is no conference");
    let held = Seated::new(&node, "").await;
    node.post(&held.seat(), &format!("Hold=true&HoldUrl={}", encoded(&app.url("hold.wav")))).await;
    held.peer.rtp.speak(1_500);
    held.peer.rtp.hears(1_900).await;
    // Who comes later says nothing about it.
    let bob =
        Seated::speaking(&node, 1_100, &format!("{}&ConferenceRecordingChannels=dual", wanted("later")))
            .await;
    tokio::join!(alice.peer.rtp.hears(1_100), bob.peer.rtp.hears(700));
    alice.peer.rtp.next(60).await;

    let (_, list) = api.json("GET", &format!("{recordings}.json"), "").await;
    let [recording] = list["recordings"].as_array().unwrap().as_slice() else { panic!("{list}") };
    assert_eq!(
        (&recording["source"], &recording["status"], &recording["channels"]),
        (&"Conference".into(), &"in-progress".into(), &1.into())
    );
    assert_eq!(recording["conference_sid"], alice.conference);
    assert_eq!(recording["call_sid"], alice.call);
    alice.peer.hang_up().await;
    node.post(&format!("Conferences/{}.json", alice.conference), "Status=completed").await;

    let told = app.told("told", 2).await;
    let steps: Vec<&str> = told.iter().map(|told| told.get("RecordingStatus")).collect();
    assert_eq!(steps, ["in-progress", "completed"]);
    for told in &told {
        assert!(told.is_signed_with(&node.auth_token, &app.url("told")));
        assert_eq!((told.get("ConferenceSid"), told.get("CallSid")), (&*alice.conference, ""));
        assert_eq!((told.get("RecordingSource"), told.get("RecordingChannels")), ("Conference", "1"));
    }
    assert!(told[1].get("RecordingUrl").ends_with(text(&recording["sid"])));
    assert_eq!(app.told("later", 0).await.len(), 0);

    let sound = sound_of(&api, recording).await;
    assert_eq!((sound.len(), tones(&sound[0])), (1, vec![700, 1_100]));
    let seconds: u64 = told[1].get("RecordingDuration").parse().unwrap();
    assert_eq!((sound[0].len() as u64).div_ceil(8_000), seconds);

    let by_conference = format!("Recordings.json?ConferenceSid={}", alice.conference);
    let (_, list) = api.json("GET", &by_conference, "").await;
    assert_eq!(list["recordings"][0]["sid"], recording["sid"]);
    for none in
        [format!("Calls/{}/Recordings.json", alice.call), format!("Recordings.json?CallSid={}", alice.call)]
    {
        let (_, list) = api.json("GET", &none, "").await;
        assert_eq!(list["recordings"], Value::Array(Vec::new()), "{none}");
    }
    let (code, error) = api.json("GET", "Recordings.json?ConferenceSid=desk", "").await;
    assert_eq!((code, &error["code"]), (400, &20_001.into()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dual_one_has_the_first_participant_beside_the_others_and_is_controlled_over_the_api() {
    let app = App::start().await;
    app.gives("told", "text/plain", Vec::new());
    let (node, api) = node().await;
    let wanted = format!(
        "ConferenceRecord=record-from-start&ConferenceRecordingChannels=dual&ConferenceTrim=do-not-trim&\
         ConferenceRecordingStatusCallback={}&ConferenceRecordingStatusCallbackEvent=started+paused+resumed+stopped+\
         completed",
        encoded(&app.url("told"))
    );
    let alice = Seated::speaking(&node, 700, &wanted).await;
    let bob = Seated::speaking(&node, 1_100, "").await;
    let carol = Seated::speaking(&node, 1_500, "").await;
    tokio::join!(alice.peer.rtp.hears(1_500), bob.peer.rtp.hears(1_500), carol.peer.rtp.hears(1_100));
    let list = alice.recordings();
    let current = format!("{list}/Twilio.CURRENT.json");
    let (code, recording) = api.json("GET", &current, "").await;
    assert_eq!((code, &recording["channels"]), (200, &2.into()), "{recording}");
    assert!(text(&recording["uri"]).ends_with(&format!("{list}/{}.json", text(&recording["sid"]))));
    let path = format!("{list}/{}.json", text(&recording["sid"]));
    let path = path.as_str();

    assert_eq!(api.json("POST", &current, "Status=paused&PauseBehavior=skip").await.1["status"], "paused");
    assert_eq!(api.json("POST", path, "Status=paused").await.0, 200, "once more is no news");
    assert_eq!(api.json("POST", &current, "Status=in-progress").await.1["status"], "in-progress");
    let (code, error) = api.json("DELETE", path, "").await;
    assert_eq!((code, &error["code"]), (409, &20_409.into()), "{error}");
    let (code, error) = api.json("POST", path, "Status=over").await;
    assert_eq!((code, &error["code"]), (400, &20_001.into()), "{error}");
    alice.peer.rtp.next(60).await;
    assert_eq!(api.json("POST", &current, "Status=stopped").await.1["status"], "stopped");
    let done = api.completed(path).await;
    assert_eq!(done["conference_sid"], alice.conference);
    for change in ["Status=stopped", "Status=paused", "Status=in-progress"] {
        let (code, error) = api.json("POST", path, change).await;
        assert_eq!((code, &error["code"]), (400, &21_220.into()), "{change}: {error}");
    }
    let (code, error) = api.json("POST", &current, "Status=stopped").await;
    assert_eq!((code, &error["code"]), (404, &20_404.into()), "{error}");
    // Neither a call's nor another conference's.
    let elsewhere = format!("Calls/{}/Recordings/{}.json", alice.call, text(&recording["sid"]));
    assert_eq!(api.json("GET", &elsewhere, "").await.0, 404);
    let told = app.told("told", 5).await;
    let steps: Vec<&str> = told.iter().map(|told| told.get("RecordingStatus")).collect();
    assert_eq!(steps, ["started", "paused", "resumed", "stopped", "completed"]);

    let sound = sound_of(&api, &recording).await;
    let [first, others] = &sound[..] else { panic!("two tracks") };
    assert_eq!((tones(first), tones(others)), (vec![700], vec![1_100, 1_500]));
    let one = api.sound(&format!("Recordings/{}.wav?RequestedChannels=1", text(&recording["sid"]))).await;
    assert_eq!((one.len(), one[0].len()), (1, first.len()));
    assert_eq!(api.json("DELETE", path, "").await.0, 204);
    assert_eq!(api.json("GET", path, "").await.0, 404);
    // It was stopped, and does not begin again with who comes.
    let dave = Seated::speaking(&node, 1_900, &wanted).await;
    dave.peer.rtp.hears(700).await;
    assert_eq!(api.json("GET", &current, "").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_participant_has_a_track_as_they_come_and_who_left_is_silent_to_the_end() {
    let (node, api) = node().await;
    let wanted = "ConferenceRecord=true&ConferenceRecordingChannels=multitrack&ConferenceTrim=do-not-trim&MaxParticipants=4";
    let alice = Seated::speaking(&node, 700, wanted).await;
    let mut bob = Seated::speaking(&node, 1_100, "").await;
    alice.peer.rtp.hears(1_100).await;
    let (_, recording) = api.json("GET", &format!("{}/Twilio.CURRENT.json", alice.recordings()), "").await;
    assert_eq!(recording["channels"], 4, "{recording}");
    bob.peer.hang_up().await;
    alice.peer.rtp.hears_no_more(1_100).await;
    let carol = Seated::speaking(&node, 1_500, "").await;
    alice.peer.rtp.hears(1_500).await;
    alice.peer.rtp.next(60).await;
    node.post(&format!("Conferences/{}.json", alice.conference), "Status=completed").await;

    let sound = sound_of(&api, &recording).await;
    assert_eq!(sound.len(), 4);
    assert!(sound.iter().all(|track| track.len() == sound[0].len()));
    assert_eq!([0, 1, 2, 3].map(|track| tones(&sound[track])), [vec![700], vec![1_100], vec![1_500], vec![]]);
    let heard = |track: usize| sound[track].iter().filter(|sample| **sample != 0).count();
    assert!(sound[1][sound[1].len() - 8_000..].iter().all(|sample| *sample == 0), "left");
    assert!(heard(1) > 0 && heard(2) > 0 && heard(3) == 0);
    let manifest = node.data.path().join(format!("recordings/{}.json", text(&recording["sid"])));
    let manifest: Value = serde_json::from_slice(&std::fs::read(manifest).unwrap()).unwrap();
    assert_eq!(manifest["labels"], serde_json::json!([alice.call, bob.call, carol.call]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_has_its_conference_recorded_and_whoever_knows_only_the_older_way_is_told_so() {
    let app = App::start().await;
    app.gives("old", "text/plain", Vec::new());
    let join = "<Dial><Conference record=\"record-from-start\" trim=\"do-not-trim\" beep=\"false\" waitUrl=\"\" \
                eventCallbackUrl=\"/old\" endConferenceOnExit=\"true\">desk</Conference></Dial>";
    app.says("join", join);
    let (node, api) = node().await;
    let mut caller = Peer::udp(node.node.sip).await;
    let form = format!("To=sip:caller@{}&From=x&Url={}", caller.address(), encoded(&app.url("join")));
    assert_eq!(node.create("Calls.json", &form).await.0, 201);
    let invite = caller.is_called().await;
    caller.pick_up(&invite).await;
    caller.rtp.speak(700);
    app.told("join", 1).await;
    let agent = Seated::speaking(&node, 1_100, "").await;
    caller.rtp.hears(1_100).await;
    caller.rtp.next(60).await;
    caller.hang_up().await;

    let told = app.told("old", 1).await.remove(0);
    assert_eq!(
        (told.get("EventName"), told.get("ConferenceSid")),
        ("conference-record-end", &*agent.conference)
    );
    let sound = api.sound(told.get("RecordingUrl")).await;
    assert_eq!(tones(&sound[0]), [700, 1_100]);
    let (_, _, file) = api.ask("GET", told.get("RecordingUrl"), "", "").await;
    assert_eq!(told.get("RecordingFileSize"), file.len().to_string());
    let seconds: u64 = told.get("Duration").parse().unwrap();
    assert_eq!((sound[0].len() as u64).div_ceil(8_000), seconds);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_starts_recordings_that_go_on_beside_it_and_stops_them_by_name() {
    let app = App::start().await;
    app.gives("music.wav", "audio/wav", wav(1_100.0, 60.0));
    app.gives("told", "text/plain", Vec::new());
    app.says(
        "start",
        "<Start><Recording name=\"greeting\" recordingStatusCallback=\"/told\" trim=\"do-not-trim\"/>\
         <Recording track=\"inbound\" channels=\"mono\" trim=\"do-not-trim\"/></Start>\
         <Gather numDigits=\"1\" action=\"/next\"><Play>/music.wav</Play></Gather>",
    );
    app.says("next", "<Stop><Recording name=\"greeting\"/></Stop><Stop><Recording name=\"none\"/></Stop><Pause length=\"60\"/>");
    let (node, api) = node().await;
    let mut caller = Peer::udp(node.node.sip).await;
    let form = format!("To=sip:caller@{}&From=x&Url={}", caller.address(), encoded(&app.url("start")));
    let (_, call) = node.create("Calls.json", &form).await;
    let invite = caller.is_called().await;
    caller.pick_up(&invite).await;
    caller.rtp.speak(700);
    caller.rtp.hears(1_100).await;
    let list = format!("Calls/{}/Recordings.json", text(&call["sid"]));
    let (_, begun) = api.json("GET", &list, "").await;
    let [inbound, both] = begun["recordings"].as_array().unwrap().as_slice() else { panic!("{begun}") };
    assert_eq!((&both["channels"], &both["source"]), (&2.into(), &"StartCallRecordingTwiML".into()));
    assert_eq!((&inbound["channels"], &inbound["track"]), (&1.into(), &"inbound".into()));
    caller.rtp.next(60).await;
    caller.rtp.press(101, 1).await;

    let told = app.told("told", 1).await.remove(0);
    assert_eq!((told.get("RecordingSid"), told.get("RecordingStatus")), (text(&both["sid"]), "completed"));
    let (_, other) = api.json("GET", &format!("Recordings/{}.json", text(&inbound["sid"])), "").await;
    assert_eq!(other["status"], "in-progress", "the other goes on");
    // A node that is quick is told of the one before the next packet comes.
    caller.rtp.next(20).await;
    caller.hang_up().await;
    let (both, inbound) = (sound_of(&api, both).await, sound_of(&api, inbound).await);
    assert_eq!([0, 1].map(|track| tones(&both[track])), [vec![700], vec![1_100]]);
    assert_eq!((inbound.len(), tones(&inbound[0])), (1, vec![700]));
    let lengths = (inbound[0].len(), both[0].len());
    assert!(lengths.0 > lengths.1, "{lengths:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_one_recording_through_hold_another_conference_and_another_script() {
    let app = App::start().await;
    app.gives("hold.wav", "audio/wav", wav(1_900.0, 60.0));
    app.gives("music.wav", "audio/wav", wav(1_500.0, 60.0));
    app.says("other", "<Dial><Conference beep=\"false\" waitUrl=\"\">other</Conference></Dial>");
    app.says("menu", "<Play>/music.wav</Play>");
    let (node, api) = node().await;
    let caller = Seated::speaking(&node, 700, "").await;
    let agent = Seated::speaking(&node, 1_100, "").await;
    let list = format!("Calls/{}/Recordings", caller.call);
    let (code, recording) = api.json("POST", &format!("{list}.json"), "RecordingChannels=dual").await;
    assert_eq!(code, 201, "{recording}");
    caller.peer.rtp.hears(1_100).await;
    node.post(&caller.seat(), &format!("Hold=true&HoldUrl={}", encoded(&app.url("hold.wav")))).await;
    caller.peer.rtp.hears(1_900).await;
    node.post(&caller.seat(), "Hold=false").await;
    caller.peer.rtp.hears(1_100).await;

    // Another conference, which may be on another media thread.
    let call = format!("Calls/{}.json", caller.call);
    node.post(&call, &format!("Url={}", encoded(&app.url("other")))).await;
    caller.peer.rtp.hears_no_more(1_100).await;
    node.post(&format!("Calls/{}.json", agent.call), &format!("Url={}", encoded(&app.url("other")))).await;
    caller.peer.rtp.hears(1_100).await;
    node.post(&call, &format!("Url={}", encoded(&app.url("menu")))).await;
    caller.peer.rtp.hears(1_500).await;
    caller.peer.rtp.next(30).await;
    let (_, all) = api.json("GET", &format!("{list}.json"), "").await;
    assert_eq!(all["recordings"].as_array().unwrap().len(), 1);
    assert_eq!(all["recordings"][0]["status"], "in-progress");
    node.post(&call, "Status=completed").await;

    let sound = sound_of(&api, &recording).await;
    let [said, heard] = &sound[..] else { panic!("two tracks") };
    assert_eq!((tones(said), tones(heard)), (vec![700], vec![1_100, 1_500, 1_900]));
    // In the order in which it was.
    let at = |hertz: f64| {
        let loud = heard.chunks_exact(1_600).map(|chunk| loudest(chunk, hertz) > THERE);
        loud.enumerate().filter(|(_, loud)| *loud).map(|(at, _)| at).collect::<Vec<_>>()
    };
    let (talk, hold, menu) = (at(1_100.0), at(1_900.0), at(1_500.0));
    assert!(
        talk[0] < hold[0] && hold.last() < talk.last() && talk.last() < menu.first(),
        "{talk:?} {hold:?} {menu:?}"
    );
    assert_eq!(said.len(), heard.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_recorded_is_refused_and_what_was_is_told_as_it_is() {
    let (node, api) = node().await;
    let none = format!("CF{}", "0".repeat(32));
    assert_eq!(api.json("GET", &format!("Conferences/{none}/Recordings.json"), "").await.0, 404);
    assert_eq!(api.json("POST", &format!("Conferences/{none}/Recordings.json"), "").await.0, 404);
    for wrong in [
        "ConferenceRecord=perhaps",
        "ConferenceRecordingChannels=quad",
        "ConferenceTrim=both",
        "ConferenceRecordingStatusCallbackEvent=x",
        "ConferenceRecordingStatusCallback=ftp://x",
    ] {
        let form = format!("To=sip:x@127.0.0.1:9&From=x&ConferenceRecord=true&{wrong}")
            .replace("&ConferenceRecord=true&ConferenceRecord=", "&ConferenceRecord=");
        let (code, error) = node.create("Conferences/desk/Participants.json", &form).await;
        assert_eq!(code, 400, "{wrong}: {error}");
    }
    // Nobody has picked up yet.
    let mut bob = Peer::udp(node.node.sip).await;
    let form = format!("To=sip:bob@{}&From=x&Beep=false&WaitUrl=", bob.address());
    let (_, seat) = node.create("Conferences/desk/Participants.json", &form).await;
    let invite = bob.is_called().await;
    let list = format!("Conferences/{}/Recordings.json", text(&seat["conference_sid"]));
    let (code, error) = api.json("POST", &list, "").await;
    assert_eq!((code, &error["code"]), (400, &21_220.into()), "an empty one: {error}");
    bob.pick_up(&invite).await;
    let alice = Seated::speaking(&node, 700, "").await;
    bob.rtp.hears(700).await;

    let mut begun = Vec::new();
    for n in 0..8 {
        let channels = ["mono", "dual", "multitrack"][n % 3];
        let (code, one) = api.json("POST", &list, &format!("RecordingChannels={channels}")).await;
        assert_eq!((code, &one["source"]), (201, &"StartConferenceRecordingAPI".into()), "{one}");
        begun.push(one);
    }
    let (code, error) = api.json("POST", &list, "").await;
    assert_eq!((code, &error["code"]), (400, &16_108.into()), "{error}");
    alice.peer.rtp.next(60).await;
    // It ends while all of them are under way.
    node.post(&format!("Conferences/{}.json", alice.conference), "Status=completed").await;
    let (code, error) = api.json("POST", &list, "").await;
    assert_eq!((code, &error["code"]), (400, &21_220.into()), "one that is over: {error}");
    for (n, recording) in begun.iter().enumerate() {
        let sound = sound_of(&api, recording).await;
        // The first to come says nothing.
        let track = [0, 1, 1][n % 3];
        assert_eq!(tones(&sound[track]), [700], "{recording}");
    }
    let (_, all) = api.json("GET", &list, "").await;
    assert_eq!(all["recordings"].as_array().unwrap().len(), 8);
}

/// Where these samples are in a sound. They begin with what may be anywhere; their first click is what is looked for.
fn find(mark: &[i16], sound: &[i16]) -> Option<usize> {
    let first = mark.iter().position(|sample| *sample != 0)?;
    let clicks = sound.iter().enumerate().filter(|(_, sample)| **sample != 0);
    let mut places = clicks.filter_map(|(at, _)| at.checked_sub(first));
    places.find(|at| sound.get(*at..at + mark.len()) == Some(mark))
}

/// Where a sound begins in another of which it is a part, sample for sample; each may begin first and end first.
fn offset(one: &[i16], other: &[i16]) -> Option<isize> {
    // In the middle of the one there are clicks enough to be unlike anything else.
    let middle = one.len() / 2;
    let mark = &one[middle..middle + 4_000];
    assert!(mark.iter().filter(|sample| **sample != 0).count() > 8, "no clicks");
    Some(find(mark, other)? as isize - middle as isize)
}

/// How many samples of the part that both have are the same, and how many there are.
fn agreement(one: &[i16], other: &[i16], offset: isize) -> (usize, usize) {
    let pairs = one
        .iter()
        .enumerate()
        .filter_map(|(at, sample)| Some((*sample, *other.get(usize::try_from(at as isize + offset).ok()?)?)));
    pairs.fold((0, 0), |(same, all), (a, b)| (same + usize::from(a == b), all + 1))
}

#[tokio::test(flavor = "multi_thread")]
async fn tracks_lie_beside_each_other_to_the_sample_as_phones_said_and_heard_it() {
    let (node, api) = node().await;
    let (alice, bob) = (Seated::new(&node, "").await, Seated::new(&node, "").await);
    alice.peer.rtp.click();
    bob.peer.rtp.click();
    alice.peer.rtp.next(50).await;
    let mut recordings = Vec::new();
    for list in [
        format!("Calls/{}/Recordings.json", alice.call),
        format!("Calls/{}/Recordings.json", bob.call),
        format!("{}.json", alice.recordings()),
    ] {
        let (code, recording) = api.json("POST", &list, "RecordingChannels=dual").await;
        assert_eq!(code, 201, "{recording}");
        recordings.push(recording);
        alice.peer.rtp.next(7).await;
    }
    let (code, tracks) =
        api.json("POST", &format!("{}.json", alice.recordings()), "RecordingChannels=multitrack").await;
    assert_eq!(code, 201, "{tracks}");
    let first_heard = bob.peer.rtp.count();
    alice.peer.rtp.next(200).await;
    let heard = bob.peer.rtp.packets().split_off(first_heard);
    node.post(&format!("Conferences/{}.json", alice.conference), "Status=completed").await;

    let mut files = Vec::new();
    for recording in recordings.iter().chain([&tracks]) {
        files.push(sound_of(&api, recording).await);
    }
    let [of_alice, of_bob, both, each] = &files[..] else { panic!("four files") };
    // What a phone says and hears, with the others as others have them.
    for (one, other, name) in [
        ([&of_alice[0], &of_alice[1]], [&of_bob[1], &of_bob[0]], "the other phone's call"),
        ([&of_alice[0], &of_alice[1]], [&both[0], &both[1]], "the conference"),
        ([&of_alice[0], &of_alice[1]], [&each[0], &each[1]], "the conference, a track each"),
    ] {
        let [first, second] = [0, 1].map(|track| offset(one[track], other[track]));
        let at = first.unwrap_or_else(|| panic!("{name}: the first track has other clicks"));
        assert_eq!(first, second, "{name}: tracks are not aligned");
        for track in [0, 1] {
            let (same, all) = agreement(one[track], other[track], at);
            assert_eq!(same, all, "{name}: track {track}");
        }
    }
    // And what came to the phone is what the file says that it heard, in whole ticks: one that was given up on a busy
    // machine came not at all, and is silence in the file.
    let mut places = Vec::new();
    for packets in heard.chunks_exact(10) {
        let came: Vec<i16> = packets.iter().flat_map(|packet| packet.samples()).collect();
        places.extend(find(&came, &of_bob[1]));
    }
    assert!(places.len() * 4 >= heard.len() / 10 * 3, "{} of {}", places.len(), heard.len() / 10);
    for pair in places.windows(2) {
        assert!(pair[1] >= pair[0] + 1_600 && (pair[1] - pair[0]).is_multiple_of(160), "{pair:?}");
    }
}
