//! What outlives a node: a second one with the files of the first, which was stopped, or killed: then its files are
//! copied in the midst of a call, as a kill would leave them.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use confab::server::Options;
use tempfile::TempDir;

use crate::app::{App, Told};
use crate::peer::Peer;
use crate::running::{Kept, Running};

const FLAGS: [&str; 2] = ["--outbound-allow=sip:*@127.0.0.1:*", "--egress-allow=127.0.0.0/8"];

async fn node() -> Running {
    Running::start_with(Options::default(), &FLAGS).await
}

async fn node_in(data: impl Into<Kept>) -> Running {
    Running::start_in(data, Options::default(), &FLAGS).await
}

/// Where an application will be that is not there yet.
fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A call to a phone, which takes it; the call's path.
async fn call(node: &Running, agent: &mut Peer, app: SocketAddr) -> String {
    let form = format!(
        "To=sip:agent@{}&From=%2B4930123&Twiml=<Response><Pause length=\"3600\"/></Response>&StatusCallback=http://{app}/status\
         &StatusCallbackEvent=initiated&StatusCallbackEvent=ringing&StatusCallbackEvent=answered\
         &StatusCallbackEvent=completed",
        agent.address()
    );
    let (status, call) = node.create("Calls.json", &form).await;
    assert_eq!(status, 201, "{call}");
    let invite = agent.is_called().await;
    agent.reply(&invite, "180 Ringing").await;
    let path = format!("Calls/{}.json", call["sid"].as_str().unwrap());
    node.wait_for(&path, "status", "ringing").await;
    agent.pick_up(&invite).await;
    node.wait_for(&path, "status", "in-progress").await;
    path
}

fn statuses(told: &[Told]) -> Vec<&str> {
    told.iter().map(|told| told.get("CallStatus")).collect()
}

/// The files as a kill would leave them now.
fn killed(data: &Path) -> Kept {
    let copy = TempDir::new().unwrap();
    copy_all(data, copy.path());
    copy.into()
}

fn copy_all(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_all(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Whether this stands in the database or in what is to be written to it.
fn holds(data: &Path, text: &str) -> bool {
    let files = ["confab.db", "confab.db-wal"].map(|file| std::fs::read(data.join(file)).unwrap_or_default());
    files.iter().any(|file| file.windows(text.len()).any(|window| window == text.as_bytes()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_node_tells_what_this_one_could_not_in_order_and_knows_its_calls() {
    let first = node().await;
    let mut agent = Peer::udp(first.node.sip).await;
    let address = nowhere();
    let path = call(&first, &mut agent, address).await;
    agent.hang_up().await;
    let ended = first.wait_for(&path, "status", "completed").await;
    let data = first.stop().await;

    let app = App::start_at(address).await;
    app.says("status", "");
    let second = node_in(data).await;
    let told = app.told("status", 4).await;
    assert_eq!(statuses(&told), ["initiated", "ringing", "in-progress", "completed"]);
    assert!(told.iter().all(|told| told.get("CallSid") == ended["sid"] && told.signature.is_some()));

    assert_eq!(second.get(&path).await, ended);
    let list = second.get("Calls.json?Status=completed").await;
    assert_eq!(list["calls"][0], ended);
    let notes = second.get(&path.replace(".json", "/Notifications.json")).await;
    assert_eq!(notes["notifications"][0]["error_code"], "11202", "{notes}");
    let events = second.get(&path.replace(".json", "/Events.json")).await;
    assert_eq!(events["events"][0]["request"]["parameters"]["CallStatus"], "initiated");
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_that_were_defined_are_there_again_as_they_were() {
    let first = node().await;
    let make = async |form: &str| first.create("Queues.json", form).await.1;
    let support = make("FriendlyName=support&MaxSize=7").await;
    let renamed = make("FriendlyName=sails").await;
    let gone = make("FriendlyName=gone").await;
    let path = |queue: &serde_json::Value| format!("Queues/{}.json", queue["sid"].as_str().unwrap());
    let renamed = first.post(&path(&renamed), "FriendlyName=sales&MaxSize=20").await;
    assert_eq!(first.delete(&path(&gone)).await, 204);
    // One that a script made, with somebody in it, is not kept; one that was changed over the API since is.
    let mut phones = Vec::new();
    for name in ["passing", "tamed"] {
        let mut phone = Peer::udp(first.node.sip).await;
        let form = format!(
            "To=sip:a@{}&From=b&Twiml=<Response><Enqueue>{name}</Enqueue></Response>",
            phone.address()
        );
        assert_eq!(first.create("Calls.json", &form).await.0, 201);
        let invite = phone.is_called().await;
        phone.pick_up(&invite).await;
        phones.push(phone);
    }
    let tamed = loop {
        let listed = first.get("Queues.json").await;
        let queues = listed["queues"].as_array().unwrap().clone();
        if let (4, Some(tamed)) =
            (queues.len(), queues.iter().find(|queue| queue["friendly_name"] == "tamed"))
        {
            break first.post(&path(tamed), "MaxSize=3").await;
        }
    };

    let second = node_in(first.stop().await).await;
    let listed = second.get("Queues.json").await;
    let names: Vec<&str> = listed["queues"]
        .as_array()
        .unwrap()
        .iter()
        .map(|queue| queue["friendly_name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["tamed", "sales", "support"], "{listed}");
    assert_eq!(second.get(&path(&support)).await, support);
    assert_eq!(second.get(&path(&renamed)).await, renamed);
    let tamed_again = second.get(&path(&tamed)).await;
    assert_eq!((&tamed_again["max_size"], &tamed_again["current_size"]), (&3.into(), &0.into()));
    // The names are taken, and what is deleted now stays so.
    assert_eq!(second.create("Queues.json", "FriendlyName=sales").await.0, 409);
    assert_eq!(second.delete(&path(&support)).await, 204);
    let third = node_in(second.stop().await).await;
    assert_eq!(third.get("Queues.json").await["queues"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_killed_leaves_calls_and_conferences_that_the_next_one_closes() {
    let first = node().await;
    let (mut agent, mut clerk) = (Peer::udp(first.node.sip).await, Peer::udp(first.node.sip).await);
    let address = nowhere();
    let path = call(&first, &mut agent, address).await;
    let form = format!(
        "To=sip:clerk@{}&From=b&ConferenceStatusCallback=http://{address}/conference&ConferenceStatusCallbackEvent=end",
        clerk.address()
    );
    assert_eq!(first.create("Conferences/desk/Participants.json", &form).await.0, 201);
    let invite = clerk.is_called().await;
    clerk.pick_up(&invite).await;
    first.wait_for_calls("in-progress", 2).await;
    // What the scribe writes is there when the figures say so; nothing else writes this much.
    let mut left;
    loop {
        left = killed(first.data.path());
        if !holds(left.path(), &format!("http://{address}/conference")) {
            continue;
        }
        let probe = node_in(left).await;
        let list = probe.get("Calls.json?Status=completed").await;
        let is_there = list["calls"].as_array().map(Vec::len) == Some(2);
        left = probe.stop().await;
        if is_there {
            break;
        }
    }
    first.stop().await;

    let app = App::start_at(address).await;
    app.says("status", "");
    let second = node_in(left).await;
    let closed = second.get(&path).await;
    assert_eq!(closed["status"], "completed");
    assert!(closed["end_time"].is_string() && closed["duration"].is_string(), "{closed}");
    let conferences = second.get("Conferences.json?FriendlyName=desk").await;
    assert_eq!(conferences["conferences"][0]["status"], "completed", "{conferences}");
    // What was owed of a call that is no more is still told, its end too, and once.
    let told = app.told("status", 4).await;
    assert_eq!(statuses(&told), ["initiated", "ringing", "in-progress", "completed"]);
    assert_eq!(
        (told[3].get("CallSid"), told[3].get("SequenceNumber")),
        (closed["sid"].as_str().unwrap(), "3")
    );
    assert_eq!(told[3].get("CallDuration"), closed["duration"].as_str().unwrap());
    let over = app.told("conference", 1).await;
    assert_eq!((over.len(), over[0].get("StatusCallbackEvent")), (1, "conference-end"));
    assert_eq!(over[0].get("ConferenceSid"), conferences["conferences"][0]["sid"].as_str().unwrap());
    let third = node_in(second.stop().await).await;
    third.get(&path).await;
    assert_eq!((app.told("status", 4).await.len(), app.told("conference", 1).await.len()), (4, 1));
}
