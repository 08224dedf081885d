//! Supervisors: they listen in, speak to an agent alone, join the talk, and go from one to the other while it goes on.

use super::{AGENT, CUSTOMER, MUSIC, SUPERVISOR, Seated, encoded, node, seats};
use crate::app::{App, wav};
use crate::feed::Feed;
use crate::running::Running;

/// A customer and an agent who talk, and a supervisor who came with these parameters.
struct Floor {
    node: Running,
    customer: Seated,
    agent: Seated,
    supervisor: Seated,
}

impl Floor {
    async fn open(supervisor: impl FnOnce(&str) -> String) -> Self {
        let node = node().await;
        let customer = Seated::dialled(&node, CUSTOMER, "").await;
        let agent = Seated::dialled(&node, AGENT, "").await;
        let terms = supervisor(agent.call());
        let supervisor = Seated::dialled(&node, SUPERVISOR, &terms).await;
        Self { node, customer, agent, supervisor }
    }

    /// Waits until each hears just these.
    async fn hear(&self, customer: &[u32], agent: &[u32], supervisor: &[u32]) {
        tokio::join!(
            self.customer.hears_just(customer),
            self.agent.hears_just(agent),
            self.supervisor.hears_just(supervisor)
        );
    }

    async fn is_monitored(&self) {
        self.hear(&[AGENT], &[CUSTOMER], &[CUSTOMER, AGENT]).await;
    }

    async fn is_coached(&self) {
        self.hear(&[AGENT], &[CUSTOMER, SUPERVISOR], &[CUSTOMER, AGENT]).await;
    }

    async fn is_barged(&self) {
        self.hear(&[AGENT, SUPERVISOR], &[CUSTOMER, SUPERVISOR], &[CUSTOMER, AGENT]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_supervisor_goes_from_listening_to_coaching_to_joining_and_back_while_the_talk_goes_on() {
    let floor = Floor::open(|_| "Muted=true".to_owned()).await;
    let Floor { node, supervisor, agent, .. } = &floor;
    floor.is_monitored().await;
    let coach = format!("Muted=false&Coaching=true&CallSidToCoach={}", agent.call());
    let seat = supervisor.update(node, &coach).await;
    assert_eq!((&seat["muted"], &seat["coaching"]), (&false.into(), &true.into()));
    floor.is_coached().await;
    supervisor.update(node, "Coaching=false").await;
    floor.is_barged().await;
    let seat = supervisor.update(node, "Muted=true").await;
    assert_eq!((&seat["muted"], &seat["coaching"]), (&true.into(), &false.into()));
    floor.is_monitored().await;

    // Straight from each to each other that is left, in one request.
    supervisor.update(node, "Muted=false").await;
    floor.is_barged().await;
    supervisor.update(node, &coach).await;
    floor.is_coached().await;
    supervisor.update(node, "Muted=true&Coaching=false").await;
    floor.is_monitored().await;
    // Whom nobody ever was to hear the customer never heard: all of it was one stream.
    super::is_one_stream(&floor.customer.peer.rtp.packets());
    super::is_one_stream(&floor.agent.peer.rtp.packets());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_muted_coach_is_a_monitor_who_can_speak_up_to_the_agent_alone() {
    let floor = Floor::open(|agent| format!("Muted=true&CallSidToCoach={agent}")).await;
    floor.is_monitored().await;
    floor.supervisor.update(&floor.node, "Muted=false").await;
    floor.is_coached().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coached_agent_on_hold_hears_the_music_and_nobody_hears_the_coach_meanwhile() {
    let app = App::start().await;
    app.gives("hold.wav", "audio/wav", wav(f64::from(MUSIC), 30.0));
    let floor = Floor::open(|agent| format!("CallSidToCoach={agent}")).await;
    let Floor { node, customer, agent, supervisor } = &floor;
    floor.is_coached().await;
    agent.update(node, &format!("Hold=true&HoldUrl={}", encoded(&app.url("hold.wav")))).await;
    floor.hear(&[], &[MUSIC], &[CUSTOMER]).await;
    let seat = node.get(&supervisor.path).await;
    assert_eq!((&seat["coaching"], &seat["call_sid_to_coach"]), (&true.into(), &agent.call().into()));
    // To coach them anew is refused as long as they hear nobody, and changes nothing else that was asked for.
    let again = format!("Muted=true&Coaching=true&CallSidToCoach={}", agent.call());
    let (status, error) = node.create(&supervisor.path, &again).await;
    assert_eq!((status, &error["code"]), (400, &16_027.into()), "{error}");
    assert_eq!(node.get(&supervisor.path).await["muted"], false);
    // Nor does anybody begin by coaching one who is on hold.
    let form = format!("To=sip:x@127.0.0.1:9&From=x&CallSidToCoach={}", agent.call());
    let (status, error) = node.create("Conferences/desk/Participants.json", &form).await;
    assert_eq!((status, &error["code"]), (400, &16_027.into()), "{error}");

    agent.update(node, "Hold=false").await;
    floor.is_coached().await;
    super::is_one_stream(&customer.peer.rtp.packets());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coach_whose_agent_leaves_is_silent_until_they_are_told_what_to_be() {
    let mut floor = Floor::open(|agent| format!("CallSidToCoach={agent}")).await;
    let mut feed = Feed::of(&floor.node).await;
    floor.is_coached().await;
    floor.agent.peer.hang_up().await;
    let told = feed.next_of("participant.modified").await;
    let about = &told["participant"];
    assert_eq!((&about["coaching"], about["call_sid_to_coach"].is_null()), (&true.into(), true), "{told}");
    tokio::join!(floor.customer.hears_just(&[]), floor.supervisor.hears_just(&[CUSTOMER]));

    let Floor { node, customer, agent: gone, supervisor } = &floor;
    let again = format!("CallSidToCoach={}", gone.call());
    let (status, error) = node.create(&supervisor.path, &again).await;
    assert_eq!((status, &error["code"]), (400, &16_028.into()), "{error}");
    // Unmuting is no way round it: only another agent, or none, is.
    supervisor.update(node, "Muted=false").await;
    customer.hears_just(&[]).await;
    let other = Seated::dialled(node, AGENT, "").await;
    supervisor.update(node, &format!("CallSidToCoach={}", other.call())).await;
    tokio::join!(other.hears_just(&[CUSTOMER, SUPERVISOR]), customer.hears_just(&[AGENT]));
    supervisor.update(node, "Coaching=false").await;
    customer.hears_just(&[AGENT, SUPERVISOR]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filters_of_the_list_find_who_is_muted_on_hold_or_coaching() {
    let floor = Floor::open(|agent| format!("CallSidToCoach={agent}")).await;
    let Floor { node, customer, agent, supervisor } = &floor;
    customer.update(node, "Hold=true").await;
    agent.update(node, "Muted=true").await;
    seats(node, customer.conference(), 3).await;
    for (filter, who) in [("Hold", customer), ("Muted", agent), ("Coaching", supervisor)] {
        let path = format!("Conferences/{}/Participants.json?{filter}=true", customer.conference());
        let found = node.get(&path).await["participants"].as_array().unwrap().clone();
        assert_eq!(found.len(), 1, "{filter}");
        assert_eq!(found[0]["call_sid"], who.call(), "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_contradicts_itself_in_one_request_has_one_outcome() {
    let app = App::start().await;
    app.gives("hold.wav", "audio/wav", wav(f64::from(MUSIC), 30.0));
    app.gives("news.wav", "audio/wav", wav(f64::from(SUPERVISOR), 1.0));
    let node = node().await;
    let customer = Seated::dialled(&node, CUSTOMER, "").await;
    let agent = Seated::dialled(&node, AGENT, "").await;
    tokio::join!(customer.hears_just(&[AGENT]), agent.hears_just(&[CUSTOMER]));
    let hold = format!("HoldUrl={}", encoded(&app.url("hold.wav")));

    // What is wrong in it is refused, and nothing else in it is done.
    for (form, code) in [
        ("Muted=true&Coaching=true", 20_001),
        ("Hold=true&CallSidToCoach=nobody", 20_001),
        ("Muted=true&HoldUrl=ftp://127.0.0.1/", 21_205),
        ("Muted=true&AnnounceUrl=nowhere", 21_205),
        ("Hold=true&HoldUrl=http://127.0.0.1/&HoldMethod=PUT", 21_209),
    ] {
        let (status, error) = node.create(&customer.path, form).await;
        assert_eq!((status, &error["code"]), (400, &code.into()), "{form}: {error}");
        let seat = node.get(&customer.path).await;
        assert_eq!((&seat["muted"], &seat["hold"]), (&false.into(), &false.into()), "{form}");
    }
    // Not on hold they hear nothing of what they would hear there.
    customer.update(&node, &format!("Hold=false&{hold}")).await;
    customer.hears_just(&[AGENT]).await;
    // An empty URL is none.
    assert_eq!(customer.update(&node, "Hold=true&HoldUrl=").await["hold"], true);
    customer.hears_none_of(&[AGENT]).await;
    let heard = customer.peer.rtp.next(100).await;
    assert!(crate::rtp::Rtp::any_has(&heard, 250), "no music");
    // While they are, a URL takes the place of what they hear.
    customer.update(&node, &hold).await;
    customer.hears_just(&[MUSIC]).await;
    // Off it, with one who is to be coached: they coach, and nobody hears them but the one.
    let coach = format!("Hold=false&Coaching=true&CallSidToCoach={}", agent.call());
    customer.update(&node, &coach).await;
    tokio::join!(customer.hears_just(&[AGENT]), agent.hears_just(&[CUSTOMER]));
    // Not to coach is the last word, whoever is named.
    let neither = format!("Coaching=false&CallSidToCoach={}", agent.call());
    let seat = customer.update(&node, &neither).await;
    assert_eq!((&seat["coaching"], seat["call_sid_to_coach"].is_null()), (&false.into(), true));
    // On hold and told something: first what they are told, then what is heard on hold.
    let both = format!("Hold=true&{hold}&AnnounceUrl={}", encoded(&app.url("news.wav")));
    let start = customer.peer.rtp.count();
    customer.update(&node, &both).await;
    customer.peer.rtp.has_heard_since(start, SUPERVISOR).await;
    customer.hears_just(&[MUSIC]).await;
    // Off hold and told something: they hear it, and then the talk.
    let start = customer.peer.rtp.count();
    customer.update(&node, &format!("Hold=false&AnnounceUrl={}", encoded(&app.url("news.wav")))).await;
    customer.peer.rtp.has_heard_since(start, SUPERVISOR).await;
    tokio::join!(customer.hears_just(&[AGENT]), agent.hears_just(&[CUSTOMER]));
}
