//! The recipes of `docs/recipes.md`, taken from the page and run with the SDK: what is heard is judged by ear, and what
//! the phones were sent by the page's own ladders.

use std::collections::BTreeMap;
use std::process::Stdio;

use confab::server::Options;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use super::{AGENT, CUSTOMER, MUSIC, SUPERVISOR, Seated, encoded, node};
use crate::app::{App, wav};
use crate::peer::{Peer, within};
use crate::phone::{AGENT as ALICE, PASSWORD, log_in};
use crate::running::Running;
use crate::tour::python;

const PAGE: &str = include_str!("../../../docs/recipes.md");

/// What is on the page, each of which a test below runs.
const TITLES: [&str; 11] = [
    "Kick",
    "End for all",
    "Add an external party",
    "Monitor a named agent's live call",
    "Coach",
    "Barge",
    "Hold and resume",
    "Warm transfer",
    "Cold transfer",
    "Queue callback",
    "Announcements",
];

/// Does what it is told on its input, a line for each recipe, and says what came of it.
const RUN: &str = r#"
import json
import sys

for line in sys.stdin:
    name, *arguments = json.loads(line)
    print(json.dumps(globals()[name](*arguments)), flush=True)
"#;

/// The blocks of a language below a title, or of the whole page.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let parts = text.split(&fence).skip(1);
    parts.map(|part| part.split("```").next().unwrap().to_owned()).collect()
}

fn below(title: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(&format!("\n## {title}\n")).unwrap_or_else(|| panic!("no {title}"));
    rest.split("\n## ").next().unwrap()
}

/// What each phone of a ladder is sent and sends: whether the node sends it, and what it is.
fn ladder(text: &str) -> BTreeMap<String, Vec<(bool, String)>> {
    let mut lines = text.lines();
    let names = lines.next().unwrap();
    let column = |name: &str| names.find(name).unwrap();
    let names: Vec<&str> = names.split_whitespace().collect();
    let nearest = |bar: usize| *names.iter().min_by_key(|name| column(name).abs_diff(bar)).unwrap();
    let mut rungs: BTreeMap<String, Vec<(bool, String)>> =
        names.iter().skip(1).map(|name| ((*name).to_owned(), Vec::new())).collect();
    for line in lines {
        let bars: Vec<usize> = line.match_indices('|').map(|(at, _)| at).collect();
        for pair in bars.windows(2) {
            let between = &line[pair[0] + 1..pair[1]];
            if between.contains("--") {
                let what = between.trim_matches(['-', '<', '>', ' ']).to_owned();
                let [left, right] = [nearest(pair[0]), nearest(pair[1])];
                assert_eq!(left, names[0], "the node is on the left: {line}");
                rungs.get_mut(right).unwrap().push((between.ends_with('>'), what));
            }
        }
    }
    rungs
}

/// The page's programs at work.
struct Recipes {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Recipes {
    async fn of(node: &Running) -> Self {
        let program = blocks(PAGE, "python").join("\n") + RUN;
        let mut command = python(node).await;
        command.arg("-c").arg(program).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { _child: child, input, output }
    }

    /// Begins a recipe.
    async fn begin(&mut self, name: &str, arguments: &[&str]) {
        let mut line = json!([name]);
        line.as_array_mut().unwrap().extend(arguments.iter().map(|argument| json!(argument)));
        self.input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// What came of the one that was begun.
    async fn done(&mut self) -> Value {
        let line = within("a recipe to be done", self.output.next_line()).await.unwrap();
        serde_json::from_str(&line.expect("it failed, and says why above")).unwrap()
    }

    async fn run(&mut self, name: &str, arguments: &[&str]) -> Value {
        self.begin(name, arguments).await;
        self.done().await
    }
}

/// Checks what a phone was sent since so many rungs against the page. One that is in its call is asked for a sign of life
/// first: behind that nothing is on its way any more.
async fn climbed(peer: &mut Peer, since: usize, (title, nth): (&str, usize), name: &str) {
    let expected = ladder(&blocks(below(title), "sip")[nth]).remove(name).unwrap();
    let is_over = peer.ladder.iter().rev().any(|(_, rung)| rung == "BYE");
    if !is_over {
        peer.is_in_call().await;
        let signs_of_life = peer.ladder.len() - 2;
        peer.ladder.truncate(signs_of_life);
    }
    assert_eq!(peer.ladder[since..], expected, "{title}: {name}");
}

fn address(peer: &Peer) -> String {
    format!("sip:phone@{}", peer.address())
}

async fn customer_and_agent(node: &Running) -> (Seated, Seated) {
    let customer = Seated::dialled(node, CUSTOMER, "").await;
    let agent = Seated::dialled(node, AGENT, "").await;
    tokio::join!(customer.hears_just(&[AGENT]), agent.hears_just(&[CUSTOMER]));
    (customer, agent)
}

async fn pick_up(peer: &mut Peer, hertz: u32) {
    let invite = peer.is_called().await;
    peer.pick_up(&invite).await;
    peer.rtp.speak(hertz);
}

#[test]
fn every_recipe_of_the_page_is_run_here() {
    let titles: Vec<&str> = PAGE.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(titles, TITLES);
    for title in TITLES {
        assert!(!blocks(below(title), "python").is_empty(), "{title} has no program");
        assert!(!blocks(below(title), "sip").is_empty(), "{title} has no ladder");
    }
    let this = include_str!("recipes.rs");
    for name in PAGE.lines().filter_map(|line| line.strip_prefix("def ")?.split('(').next()) {
        let is_run = this.contains(&format!("(\"{name}\", &[")) || name == "find";
        assert!(is_run, "nobody runs {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kick_and_end_for_all() {
    let node = node().await;
    let mut recipes = Recipes::of(&node).await;
    let (mut customer, mut agent) = customer_and_agent(&node).await;
    let before = [customer.peer.ladder.len(), agent.peer.ladder.len()];
    recipes.run("kick", &[customer.conference(), customer.call()]).await;
    customer.peer.is_hung_up().await;
    climbed(&mut customer.peer, before[0], ("Kick", 0), "customer").await;
    climbed(&mut agent.peer, before[1], ("Kick", 0), "agent").await;
    agent.hears_just(&[]).await;

    let mut customer = Seated::dialled(&node, CUSTOMER, "").await;
    let before = [customer.peer.ladder.len(), agent.peer.ladder.len()];
    recipes.run("end_for_all", &[agent.conference()]).await;
    customer.peer.is_hung_up().await;
    agent.peer.is_hung_up().await;
    climbed(&mut customer.peer, before[0], ("End for all", 0), "customer").await;
    climbed(&mut agent.peer, before[1], ("End for all", 0), "agent").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn add_an_external_party() {
    let node = node().await;
    let mut recipes = Recipes::of(&node).await;
    let mut customer = Seated::dialled(&node, CUSTOMER, "").await;
    let before = customer.peer.ladder.len();
    let mut external = Peer::udp(node.node.sip).await;
    let call = recipes.run("add", &[customer.conference(), &address(&external), "+4930123"]).await;
    let invite = external.is_called().await;
    external.reply(&invite, "180 Ringing").await;
    external.pick_up(&invite).await;
    external.rtp.speak(AGENT);
    tokio::join!(external.rtp.hears(CUSTOMER), customer.peer.rtp.hears(AGENT));
    let seat = node.get(&format!("Conferences/{}/Participants/external.json", customer.conference())).await;
    assert_eq!(seat["call_sid"], call);
    climbed(&mut customer.peer, before, ("Add an external party", 0), "customer").await;
    climbed(&mut external, 0, ("Add an external party", 0), "external").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn monitor_coach_and_barge_into_the_call_of_a_named_agent() {
    let file = format!(
        "outbound_allow = [\"client:*\", \"sip:*@127.0.0.1:*\"]\n\
         [[agent]]\nname = \"{ALICE}\"\npassword = \"{PASSWORD}\"\n"
    );
    let node = Running::start_with_file(Options::default(), &file).await;
    let mut recipes = Recipes::of(&node).await;
    let customer = Seated::dialled(&node, CUSTOMER, "").await;
    let mut alice = Peer::udp(node.node.sip).await;
    log_in(&mut alice).await;
    let mut agent = Seated::dialled_as(&node, (alice, "client:alice"), AGENT, "").await;
    let mut supervisor = Peer::udp(node.node.sip).await;

    let before = agent.peer.ladder.len();
    let found = recipes.run("monitor", &["client:alice", &address(&supervisor)]).await;
    let [conference, call, seat] = [0, 1, 2].map(|n| found[n].as_str().unwrap());
    assert_eq!((conference, call), (agent.conference(), agent.call()));
    pick_up(&mut supervisor, SUPERVISOR).await;
    tokio::join!(supervisor.rtp.hears(CUSTOMER), supervisor.rtp.hears(AGENT));
    tokio::join!(customer.hears_just(&[AGENT]), agent.hears_just(&[CUSTOMER]));
    let title = ("Monitor a named agent's live call", 0);
    climbed(&mut supervisor, 0, title, "supervisor").await;
    climbed(&mut agent.peer, before, title, "agent").await;

    let before = [agent.peer.ladder.len(), supervisor.ladder.len()];
    recipes.run("coach", &[conference, seat, call]).await;
    tokio::join!(customer.hears_just(&[AGENT]), agent.hears_just(&[CUSTOMER, SUPERVISOR]));
    climbed(&mut agent.peer, before[0], ("Coach", 0), "agent").await;
    climbed(&mut supervisor, before[1], ("Coach", 0), "supervisor").await;
    recipes.run("barge", &[conference, seat]).await;
    tokio::join!(customer.hears_just(&[AGENT, SUPERVISOR]), agent.hears_just(&[CUSTOMER, SUPERVISOR]));
    recipes.run("listen", &[conference, seat]).await;
    tokio::join!(customer.hears_just(&[AGENT]), agent.hears_just(&[CUSTOMER]));
    climbed(&mut agent.peer, before[0], ("Barge", 0), "agent").await;
    climbed(&mut supervisor, before[1], ("Barge", 0), "supervisor").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hold_and_resume() {
    let app = App::start().await;
    app.gives("hold.wav", "audio/wav", wav(f64::from(MUSIC), 30.0));
    let node = node().await;
    let mut recipes = Recipes::of(&node).await;
    let (mut customer, mut agent) = customer_and_agent(&node).await;
    let before = [customer.peer.ladder.len(), agent.peer.ladder.len()];
    let (conference, call) = (customer.conference().to_owned(), customer.call().to_owned());
    recipes.run("hold", &[&conference, &call, &app.url("hold.wav")]).await;
    tokio::join!(customer.hears_just(&[MUSIC]), agent.hears_just(&[]));
    recipes.run("resume", &[&conference, &call]).await;
    tokio::join!(customer.hears_just(&[AGENT]), agent.hears_just(&[CUSTOMER]));
    climbed(&mut customer.peer, before[0], ("Hold and resume", 0), "customer").await;
    climbed(&mut agent.peer, before[1], ("Hold and resume", 0), "agent").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn warm_transfer() {
    let node = node().await;
    let mut recipes = Recipes::of(&node).await;
    let (mut customer, mut agent) = customer_and_agent(&node).await;
    let (conference, call) = (customer.conference().to_owned(), customer.call().to_owned());
    // The first is cancelled.
    let mut expert = Peer::udp(node.node.sip).await;
    let other = recipes.run("consult", &[&conference, &call, &address(&expert)]).await;
    pick_up(&mut expert, SUPERVISOR).await;
    tokio::join!(agent.hears_just(&[SUPERVISOR]), customer.hears_none_of(&[AGENT, SUPERVISOR]));
    recipes.run("cancel", &[&conference, other.as_str().unwrap(), &call]).await;
    expert.is_hung_up().await;
    tokio::join!(agent.hears_just(&[CUSTOMER]), customer.hears_just(&[AGENT]));

    let before = [customer.peer.ladder.len(), agent.peer.ladder.len()];
    let mut expert = Peer::udp(node.node.sip).await;
    let other = recipes.run("consult", &[&conference, &call, &address(&expert)]).await;
    let other = other.as_str().unwrap();
    pick_up(&mut expert, SUPERVISOR).await;
    tokio::join!(agent.hears_just(&[SUPERVISOR]), expert.rtp.hears(AGENT));
    recipes.run("swap", &[&conference, other, &call]).await;
    tokio::join!(agent.hears_just(&[CUSTOMER]), customer.hears_just(&[AGENT]));
    recipes.run("complete", &[&conference, agent.call(), other, &call]).await;
    agent.peer.is_hung_up().await;
    tokio::join!(customer.hears_just(&[SUPERVISOR]), expert.rtp.hears(CUSTOMER));
    climbed(&mut customer.peer, before[0], ("Warm transfer", 0), "customer").await;
    climbed(&mut agent.peer, before[1], ("Warm transfer", 0), "agent").await;
    climbed(&mut expert, 0, ("Warm transfer", 0), "expert").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cold_transfer_to_somebody_and_to_a_queue() {
    let node = node().await;
    let mut recipes = Recipes::of(&node).await;
    let (mut customer, mut agent) = customer_and_agent(&node).await;
    let before = [customer.peer.ladder.len(), agent.peer.ladder.len()];
    let (conference, call) = (customer.conference().to_owned(), customer.call().to_owned());
    let mut expert = Peer::udp(node.node.sip).await;
    recipes.begin("transfer", &[&conference, &call, agent.call(), &address(&expert)]).await;
    let invite = expert.is_called().await;
    agent.peer.is_hung_up().await;
    expert.pick_up(&invite).await;
    expert.rtp.speak(SUPERVISOR);
    recipes.done().await;
    tokio::join!(customer.hears_just(&[SUPERVISOR]), expert.rtp.hears(CUSTOMER));
    climbed(&mut customer.peer, before[0], ("Cold transfer", 0), "customer").await;
    climbed(&mut agent.peer, before[1], ("Cold transfer", 0), "agent").await;
    climbed(&mut expert, 0, ("Cold transfer", 0), "expert").await;

    recipes.run("to_queue", &[&call, "experts"]).await;
    in_queue(&node, 1).await;
    climbed(&mut customer.peer, before[0], ("Cold transfer", 1), "customer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_instead_of_waiting_in_a_queue() {
    let node = node().await;
    let mut recipes = Recipes::of(&node).await;
    let mut customer = Peer::udp(node.node.sip).await;
    let script = encoded("<Response><Enqueue>support</Enqueue></Response>");
    let form = format!("To={}&From=x&Twiml={script}", address(&customer));
    let (status, call) = node.create("Calls.json", &form).await;
    assert_eq!(status, 201, "{call}");
    pick_up(&mut customer, CUSTOMER).await;
    in_queue(&node, 1).await;
    let before = customer.ladder.len();
    recipes.run("let_go", &[call["sid"].as_str().unwrap()]).await;
    customer.is_hung_up().await;
    in_queue(&node, 0).await;

    customer.begin_anew();
    let mut agent = Peer::udp(node.node.sip).await;
    recipes.begin("call_back", &["callback-1", &address(&agent), &address(&customer)]).await;
    pick_up(&mut agent, AGENT).await;
    pick_up(&mut customer, CUSTOMER).await;
    recipes.done().await;
    tokio::join!(customer.rtp.hears(AGENT), agent.rtp.hears(CUSTOMER));
    let expected = ladder(&blocks(below("Queue callback"), "sip")[0]);
    assert_eq!(customer.ladder[before..], expected["customer"]);
    assert_eq!(agent.ladder, expected["agent"]);
    agent.hang_up().await;
    customer.is_hung_up().await;
}

/// Waits until so many are in the one queue there is.
async fn in_queue(node: &Running, count: u64) {
    within(&format!("{count} in the queue"), async {
        while node.get("Queues.json").await["queues"][0]["current_size"] != count {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn announcements() {
    let app = App::start().await;
    app.gives("news.wav", "audio/wav", wav(f64::from(MUSIC), 1.0));
    let node = node().await;
    let mut recipes = Recipes::of(&node).await;
    let (mut customer, mut agent) = customer_and_agent(&node).await;
    let before = [customer.peer.ladder.len(), agent.peer.ladder.len()];
    let heard = [customer.peer.rtp.count(), agent.peer.rtp.count()];
    recipes.run("announce", &[customer.conference(), customer.call(), &app.url("news.wav")]).await;
    customer.peer.rtp.has_heard_since(heard[0], MUSIC).await;
    customer.hears_just(&[AGENT]).await;
    assert!(!crate::rtp::Rtp::any_has(&agent.peer.rtp.packets()[heard[1]..], MUSIC), "told to one alone");
    recipes.run("announce_to_all", &[agent.conference(), &app.url("news.wav")]).await;
    agent.peer.rtp.has_heard_since(heard[1], MUSIC).await;
    tokio::join!(customer.hears_just(&[AGENT]), agent.hears_just(&[CUSTOMER]));
    climbed(&mut customer.peer, before[0], ("Announcements", 0), "customer").await;
    climbed(&mut agent.peer, before[1], ("Announcements", 0), "agent").await;
}
