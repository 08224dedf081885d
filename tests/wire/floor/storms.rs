//! Many clients who change one participant at once: what comes of it is what some order of their requests would make,
//! and all who watch saw that order. The requests are drawn from a seed, which each failure names.

use futures_util::future::join_all;
use serde_json::Value;

use super::{AGENT, CUSTOMER, SUPERVISOR, Seated, encoded, node, seats};
use crate::app::{App, Told};
use crate::feed::Feed;
use crate::peer::{Peer, within};
use crate::running::Running;

const SEEDS: [u64; 3] = [1, 7, 1_911];

/// So many clients at once, each with so many requests one after the other.
const CLIENTS: usize = 8;
const REQUESTS: usize = 15;

/// What can be changed of a seat and is seen.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    muted: bool,
    hold: bool,
    end_on_exit: bool,
    coached: Option<String>,
}

impl State {
    fn of(seat: &Value) -> Self {
        let flag = |name: &str| seat[name].as_bool().unwrap();
        let coached = seat["call_sid_to_coach"].as_str().map(str::to_owned);
        assert_eq!(flag("coaching"), coached.is_some(), "{seat}");
        Self {
            muted: flag("muted"),
            hold: flag("hold"),
            end_on_exit: flag("end_conference_on_exit"),
            coached,
        }
    }

    fn told(told: &Told) -> Self {
        let flag = |name: &str| told.get(name) == "true";
        let coached = Some(told.get("CallSidToCoach").to_owned()).filter(|call| !call.is_empty());
        Self { muted: flag("Muted"), hold: flag("Hold"), end_on_exit: flag("EndConferenceOnExit"), coached }
    }

    /// What a request makes of it, by the words of the documentation.
    fn after(&self, form: &str) -> Self {
        let mut after = self.clone();
        let parameters: Vec<(String, String)> =
            form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        let of = |wanted: &str| {
            parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
        };
        let flag = |name: &str, now: bool| of(name).map_or(now, |value| value == "true");
        after.muted = flag("Muted", after.muted);
        after.hold = flag("Hold", after.hold);
        after.end_on_exit = flag("EndConferenceOnExit", after.end_on_exit);
        if let Some(coached) = of("CallSidToCoach") {
            after.coached = Some(coached.to_owned());
        }
        if of("Coaching") == Some("false") {
            after.coached = None;
        }
        after
    }
}

/// All that is asked for in a storm.
fn forms(agents: [&Seated; 2]) -> Vec<String> {
    let [one, other] = agents.map(|agent| format!("Coaching=true&CallSidToCoach={}", agent.call()));
    [
        "Muted=true",
        "Muted=false",
        "Hold=true",
        "Hold=false",
        "Muted=true&Hold=false",
        "Muted=false&Hold=true",
        "Coaching=false",
        "EndConferenceOnExit=true",
        "EndConferenceOnExit=false&Muted=true",
        "Hold=false&Coaching=false&Muted=false",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain([one, other])
    .collect()
}

/// Numbers that look like chance (xorshift64*).
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % most
    }
}

/// One client's requests: what each answered has in it what was asked for.
async fn client(node: &Running, who: &Seated, forms: &[String], seed: u64) {
    let mut chance = Chance(seed);
    for _ in 0..REQUESTS {
        let form = &forms[chance.below(forms.len())];
        let state = State::of(&who.update(node, form).await);
        assert_eq!(state.after(form), state, "seed {seed}: {form} was answered and not done");
    }
}

/// What a feed tells of a participant, up to something of another that happened last.
async fn seen(feed: &mut Feed, who: &Seated, last: &Seated) -> Vec<(String, State)> {
    let mut seen = Vec::new();
    loop {
        let event = feed.next().await;
        let (kind, about) = (event["type"].as_str().unwrap(), &event["participant"]);
        let Some(word) = word(kind) else { continue };
        if about["call_sid"] == last.call() {
            return seen;
        }
        assert_eq!(about["call_sid"], who.call());
        seen.push((word.to_owned(), State::of(about)));
    }
}

/// A change as status callbacks call it.
fn word(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "participant.muted" => "participant-mute",
        "participant.unmuted" => "participant-unmute",
        "participant.held" => "participant-hold",
        "participant.unheld" => "participant-unhold",
        "participant.modified" => "participant-modify",
        _ => return None,
    })
}

/// The same as the application was told of it.
async fn told(app: &App, page: &str, who: &Seated, count: usize) -> Vec<(String, State)> {
    let told = app.told(page, count).await;
    let numbers = told.iter().map(|told| told.get("SequenceNumber").parse::<usize>().unwrap());
    assert!(numbers.eq(1..=told.len()), "numbers without a gap");
    let of_them = told.iter().filter(|told| told.get("CallSid") == who.call());
    of_them.map(|told| (told.get("StatusCallbackEvent").to_owned(), State::told(told))).collect()
}

/// Checks that each change that was seen is one that a request makes of the one before.
fn is_explained(seen: &[(String, State)], first: &State, forms: &[String], seed: u64) {
    let mut state = first;
    for (word, next) in seen {
        let by_one = next == state || forms.iter().any(|form| state.after(form) == *next);
        assert!(by_one, "seed {seed}: no request leads from {state:?} to {next:?} ({word})");
        let as_told = match word.as_str() {
            "participant-mute" => next.muted,
            "participant-unmute" => !next.muted,
            "participant-hold" => next.hold,
            "participant-unhold" => !next.hold,
            _ => true,
        };
        assert!(as_told, "seed {seed}: {word} of {next:?}");
        state = next;
    }
}

/// Checks by ear that somebody is heard, and hears, as they sit.
async fn sounds_as(state: &State, who: &Seated, agents: [&Seated; 2]) {
    let is_heard_by = |agent: &Seated| {
        !state.muted && !state.hold && state.coached.as_deref().is_none_or(|call| call == agent.call())
    };
    for (agent, other) in [(agents[0], agents[1]), (agents[1], agents[0])] {
        let mut heard = vec![other.hertz];
        heard.extend(is_heard_by(agent).then_some(who.hertz));
        agent.hears_just(&heard).await;
    }
    let both = agents.map(|agent| agent.hertz);
    if state.hold {
        who.hears_none_of(&both).await;
    } else {
        who.hears_just(&both).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_changes_ends_in_a_state_that_all_who_watched_saw_come_about() {
    for seed in SEEDS {
        let (app, node) = (App::start().await, node().await);
        app.gives("told", "text/plain", Vec::new());
        let callback = format!(
            "ConferenceStatusCallback={}&ConferenceStatusCallbackEvent=mute+hold+modify",
            encoded(&app.url("told"))
        );
        let one = Seated::dialled(&node, AGENT, &callback).await;
        let other = Seated::dialled(&node, SUPERVISOR, "").await;
        let who = Seated::dialled(&node, CUSTOMER, "").await;
        let (agents, forms) = ([&one, &other], forms([&one, &other]));
        let first = State::of(&node.get(&who.path).await);
        let mut feeds = [Feed::of(&node).await, Feed::of(&node).await];
        let clients = (0..CLIENTS as u64).map(|n| client(&node, &who, &forms, seed << 8 | n));
        join_all(clients).await;
        one.update(&node, "EndConferenceOnExit=true").await;

        let last = State::of(&node.get(&who.path).await);
        let [a, b] = &mut feeds;
        let (a, b) = tokio::join!(seen(a, &who, &one), seen(b, &who, &one));
        assert_eq!(a, b, "seed {seed}");
        // With the change of the other, by which the end is known.
        assert_eq!(told(&app, "told", &who, a.len() + 1).await, a, "seed {seed}");
        is_explained(&a, &first, &forms, seed);
        assert_eq!(a.last().map_or(&first, |(_, state)| state), &last, "seed {seed}");
        sounds_as(&last, &who, agents).await;
        super::is_one_stream(&who.peer.rtp.packets());
        // What they were last asked to be they are.
        one.update(&node, "EndConferenceOnExit=false").await;
        is_left_empty(&node).await;
    }
}

/// How an attempt to have somebody out of the conference was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Out {
    Kicked,
    Transferred,
    Changed,
    Refused(u16, u64),
}

async fn attempt(node: &Running, who: &Seated, n: usize) -> Out {
    let (status, body) = match n % 3 {
        0 => match node.delete(&who.path).await {
            204 => return Out::Kicked,
            status => (status, Value::Null),
        },
        1 => {
            let script = encoded("<Response><Enqueue>elsewhere</Enqueue></Response>");
            let path = format!("Calls/{}.json", who.call());
            match node.create(&path, &format!("Twiml={script}")).await {
                (200, _) => return Out::Transferred,
                refused => refused,
            }
        }
        _ => match node.create(&who.path, ["Muted=true", "Hold=true"][n / 3 % 2]).await {
            (200, _) => return Out::Changed,
            refused => refused,
        },
    };
    Out::Refused(status, body["code"].as_u64().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_is_kicked_transferred_muted_and_held_at_once_is_in_one_place_afterwards() {
    let node = node().await;
    let one = Seated::dialled(&node, AGENT, "").await;
    let other = Seated::dialled(&node, SUPERVISOR, "").await;
    for seed in SEEDS {
        let mut chance = Chance(seed);
        for _ in 0..4 {
            let mut who = Seated::dialled(&node, CUSTOMER, "").await;
            let attempts: Vec<usize> = (0..12).map(|_| chance.below(6)).chain([0, 1]).collect();
            let outs = join_all(attempts.iter().map(|&n| attempt(&node, &who, n))).await;
            let count = |out: Out| outs.iter().filter(|o| **o == out).count();
            let call = format!("Calls/{}.json", who.call());
            if count(Out::Kicked) > 0 {
                who.peer.is_hung_up().await;
                node.wait_for(&call, "status", "completed").await;
            } else {
                assert!(count(Out::Transferred) > 0, "seed {seed}: {attempts:?} {outs:?}");
                waits_elsewhere(&node, &who).await;
                node.post(&call, "Status=completed").await;
                who.peer.is_hung_up().await;
            }
            // Who is not there any more is not found, and who has hung up is in no state for it.
            let refused = outs.iter().filter_map(|out| match out {
                Out::Refused(status, code) => Some((*status, *code)),
                Out::Kicked | Out::Transferred | Out::Changed => None,
            });
            for refused in refused {
                let known = [(404, 0), (404, 20_404), (400, 21_220)].contains(&refused);
                assert!(known, "seed {seed}: {refused:?} of {attempts:?} {outs:?}");
            }
            assert!(count(Out::Kicked) <= 1, "seed {seed}: kicked twice: {attempts:?} {outs:?}");
            assert_eq!(seats(&node, one.conference(), 2).await.len(), 2);
            tokio::join!(one.hears_just(&[SUPERVISOR]), other.hears_just(&[AGENT]));
        }
    }
    is_left_empty(&node).await;
}

async fn waits_elsewhere(node: &Running, who: &Seated) {
    within("the one place", async {
        loop {
            let queues = node.get("Queues.json").await;
            if let Some(sid) = queues["queues"][0]["sid"].as_str() {
                let waiting = node.get(&format!("Queues/{sid}/Members.json")).await;
                if waiting["queue_members"][0]["call_sid"] == who.call() {
                    return;
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_come_and_are_sent_away_at_once_leave_nothing_behind() {
    let node = node().await;
    let stays = Seated::dialled(&node, AGENT, "").await;
    for seed in SEEDS {
        let mut chance = Chance(seed);
        let phones = join_all((0..6).map(|_| Seated::dialled(&node, CUSTOMER, ""))).await;
        let ways: Vec<usize> = (0..6).map(|_| chance.below(4)).collect();
        join_all(phones.into_iter().zip(&ways).map(|(phone, &way)| goes(&node, phone, way))).await;
        assert_eq!(seats(&node, stays.conference(), 1).await.len(), 1, "seed {seed}: {ways:?}");
    }
    is_left_empty(&node).await;
}

/// Goes, in one of four ways, while they are put on hold and off again.
async fn goes(node: &Running, mut who: Seated, way: usize) {
    let (path, call) = (who.path.clone(), format!("Calls/{}.json", who.call()));
    let changes = async {
        for form in ["Hold=true", "Muted=true", "Hold=false"] {
            // They may be gone.
            let _ = node.create(&path, form).await;
        }
    };
    let leaves = async {
        match way {
            0 => return who.peer.hang_up().await,
            1 => assert_eq!(node.delete(&path).await, 204),
            2 => drop(node.post(&call, "Status=completed").await),
            _ => drop(node.post(&call, "Twiml=%3CResponse%3E%3CHangup%2F%3E%3C%2FResponse%3E").await),
        }
        who.peer.is_hung_up().await;
    };
    tokio::join!(changes, leaves);
}

/// Ends all that is on, and checks that nothing is left of it: no call, no leg, no conference, nobody in a queue.
async fn is_left_empty(node: &Running) {
    node.end_all_calls().await;
    within("an empty node", async {
        let figures = ["confab_media_legs", "confab_media_conferences", "confab_webhook_in_flight"];
        loop {
            let mut left = node.calls_in_progress().await as f64;
            for name in figures {
                left += node.figure(name, "").await;
            }
            if left == 0.0 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    for queue in node.get("Queues.json").await["queues"].as_array().unwrap() {
        assert_eq!(queue["current_size"], 0);
    }
    // And there is room for the next.
    let mut next = Peer::udp(node.node.sip).await;
    next.dial("conf-next").await;
    next.hang_up().await;
}
