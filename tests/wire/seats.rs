//! Who hears whom, and what else, as seats are changed: heard in the audio of real phones.

use confab::server::Options;

use crate::app::{App, wav};
use crate::peer::{Peer, within};
use crate::rtp::Rtp;
use crate::running::Running;

async fn node() -> Running {
    let ours = ["--outbound-allow=sip:*@127.0.0.1:*", "--egress-allow=127.0.0.0/8"];
    Running::start_with(Options::default(), &ours).await
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A phone that is dialled into the conference `desk` and speaks a tone, and the path of its seat.
async fn seated(node: &Running, hertz: u32, more: &str) -> (Peer, String) {
    let mut peer = Peer::udp(node.node.sip).await;
    let form = format!("To=sip:agent@{}&From=x&Beep=false&WaitUrl=&{more}", peer.address());
    let (status, seat) = node.create("Conferences/desk/Participants.json", &form).await;
    assert_eq!(status, 201, "{seat}");
    let invite = peer.is_called().await;
    peer.pick_up(&invite).await;
    peer.rtp.speak(hertz);
    let path = format!(
        "Conferences/{}/Participants/{}.json",
        seat["conference_sid"].as_str().unwrap(),
        seat["call_sid"].as_str().unwrap()
    );
    node.wait_for(&path, "status", "connected").await;
    (peer, path)
}

fn call_of(path: &str) -> String {
    path.rsplit('/').next().unwrap().trim_end_matches(".json").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_on_hold_hears_what_they_are_played_and_nobody_hears_them() {
    let app = App::start().await;
    app.gives("hold.wav", "audio/wav", wav(1_900.0, 30.0));
    let node = node().await;
    let (alice, _) = seated(&node, 700, "").await;
    let (bob, path) = seated(&node, 1_100, "").await;
    tokio::join!(alice.rtp.hears(1_100), bob.rtp.hears(700));
    let held = node.post(&path, &format!("Hold=true&HoldUrl={}", encoded(&app.url("hold.wav")))).await;
    assert_eq!(held["hold"], true);
    tokio::join!(bob.rtp.hears(1_900), alice.rtp.hears_no_more(1_100));
    bob.rtp.hears_no_more(700).await;
    assert_eq!(node.post(&path, "Hold=false").await["hold"], false);
    tokio::join!(alice.rtp.hears(1_100), bob.rtp.hears(700), bob.rtp.hears_no_more(1_900));

    // Without a URL there is music.
    node.post(&path, "Hold=true").await;
    bob.rtp.hears_no_more(700).await;
    let heard = bob.rtp.next(100).await;
    assert!(heard.iter().any(|packet| Rtp::any_has(std::slice::from_ref(packet), 250)), "no music");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coach_is_heard_by_the_coached_alone_and_by_nobody_when_they_have_left() {
    let node = node().await;
    let (customer, _) = seated(&node, 700, "").await;
    let (mut agent, agent_path) = seated(&node, 1_100, "").await;
    let agent_call = call_of(&agent_path);
    let (coach, coach_path) = seated(&node, 1_500, &format!("CallSidToCoach={agent_call}")).await;
    let seat = node.get(&coach_path).await;
    assert_eq!((&seat["coaching"], &seat["call_sid_to_coach"]), (&true.into(), &agent_call.clone().into()));
    tokio::join!(agent.rtp.hears(1_500), coach.rtp.hears(700), coach.rtp.hears(1_100));
    customer.rtp.hears(1_100).await;
    assert!(!Rtp::any_has(&customer.rtp.packets(), 1_500), "the customer hears the coach");

    // All hear them as a participant, and again only the agent.
    node.post(&coach_path, "Coaching=false").await;
    customer.rtp.hears(1_500).await;
    node.post(&coach_path, &format!("Coaching=true&CallSidToCoach={agent_call}")).await;
    customer.rtp.hears_no_more(1_500).await;

    agent.hang_up().await;
    within("a coach of nobody", async {
        while !node.get(&coach_path).await["call_sid_to_coach"].is_null() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    let before = customer.rtp.count();
    customer.rtp.next(25).await;
    assert!(!Rtp::any_has(&customer.rtp.packets()[before..], 1_500), "the coach is heard by all");
    assert_eq!(node.get(&coach_path).await["coaching"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_hear_a_coach_is_not_coached() {
    let node = node().await;
    let (_alice, _) = seated(&node, 700, "").await;
    let (_bob, bob) = seated(&node, 1_100, "").await;
    let (_coach, coach) = seated(&node, 1_500, "").await;
    let bobs = call_of(&bob);
    node.post(&bob, "Hold=true").await;
    let absent = format!("CA{:032x}", 7);
    for (form, code) in [
        (format!("CallSidToCoach={bobs}"), 16_027),
        (format!("Coaching=true&CallSidToCoach={absent}"), 16_028),
        (format!("Coaching=true&CallSidToCoach={}", call_of(&coach)), 16_028),
        ("Coaching=true".to_owned(), 20_001),
        ("CallSidToCoach=bob".to_owned(), 20_001),
    ] {
        let (status, error) = node.create(&coach, &form).await;
        assert_eq!((status, &error["code"]), (400, &code.into()), "{form}: {error}");
    }
    assert_eq!(node.get(&coach).await["coaching"], false);
    let form = format!("To=sip:x@127.0.0.1:9&From=x&CallSidToCoach={absent}");
    let (status, error) = node.create("Conferences/desk/Participants.json", &form).await;
    assert_eq!((status, &error["code"]), (400, &16_028.into()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_hear_a_tone_of_who_comes_and_who_goes_unless_it_was_not_wanted() {
    let node = node().await;
    let (alice, _) = seated(&node, 1_100, "").await;
    let (bob, _) = seated(&node, 1_500, "").await;
    alice.rtp.hears(1_500).await;
    assert!(!Rtp::any_has(&alice.rtp.packets(), 650), "a tone for one who wanted none");

    let mut carol = Peer::udp(node.node.sip).await;
    let form = format!("To=sip:carol@{}&From=x", carol.address());
    assert_eq!(node.create("Conferences/desk/Participants.json", &form).await.0, 201);
    let invite = carol.is_called().await;
    carol.pick_up(&invite).await;
    // Two steps of 160 ms: too short for eight of ten packets, so it is looked for in all that came.
    for peer in [&alice, &bob] {
        peer.rtp.has_heard(650).await;
        peer.rtp.has_heard(850).await;
    }
    alice.rtp.hears_no_more(850).await;
    let before = alice.rtp.count();
    carol.hang_up().await;
    alice.rtp.has_heard_since(before, 850).await;
    alice.rtp.has_heard_since(before, 650).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_waits_hears_music_until_the_conference_starts() {
    let app = App::start().await;
    app.gives("wait.wav", "audio/wav", wav(1_900.0, 0.5));
    app.says("wait", "<Play loop=\"1\">/wait.wav</Play><Redirect/>");
    let node = node().await;
    let mut alice = Peer::udp(node.node.sip).await;
    let form = format!(
        "To=sip:alice@{}&From=x&Beep=false&WaitUrl={}&StartConferenceOnEnter=false",
        alice.address(),
        encoded(&app.url("wait"))
    );
    let (status, _) = node.create("Conferences/desk/Participants.json", &form).await;
    assert_eq!(status, 201);
    let invite = alice.is_called().await;
    alice.pick_up(&invite).await;
    alice.rtp.speak(700);
    alice.rtp.hears(1_900).await;
    // It goes round as the document says.
    let asked = app.told("wait", 3).await;
    assert_eq!(asked[0].get("FriendlyName"), "desk");
    alice.rtp.hears(1_900).await;
    let (bob, _) = seated(&node, 1_100, "").await;
    tokio::join!(alice.rtp.hears(1_100), alice.rtp.hears_no_more(1_900), bob.rtp.hears(700));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announcement_to_one_is_heard_by_them_alone_and_one_to_all_over_the_talk() {
    let app = App::start().await;
    app.gives("news.wav", "audio/wav", wav(1_900.0, 2.0));
    app.says("news", "<Play>/news.wav</Play>");
    let node = node().await;
    let (alice, _) = seated(&node, 700, "").await;
    let (bob, path) = seated(&node, 1_100, "").await;
    tokio::join!(alice.rtp.hears(1_100), bob.rtp.hears(700));
    node.post(&path, &format!("AnnounceUrl={}", encoded(&app.url("news")))).await;
    tokio::join!(bob.rtp.hears(1_900), bob.rtp.hears_no_more(700));
    // They are heard all the while.
    alice.rtp.hears(1_100).await;
    tokio::join!(bob.rtp.hears(700), bob.rtp.hears_no_more(1_900));
    assert!(!Rtp::any_has(&alice.rtp.packets(), 1_900), "an announcement to another is heard");

    let conference = path.split('/').nth(1).unwrap();
    node.post(
        &format!("Conferences/{conference}.json"),
        &format!("AnnounceUrl={}", encoded(&app.url("news"))),
    )
    .await;
    tokio::join!(alice.rtp.hears(1_900), alice.rtp.hears(1_100), bob.rtp.hears(1_900), bob.rtp.hears(700));
    alice.rtp.hears_no_more(1_900).await;
}
