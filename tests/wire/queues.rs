//! Queues, end to end: callers wait and hear what an application says, agents take them out in the order they came.

use std::io::Write;

use confab::server::Options;
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::app::{App, Told, wav};
use crate::feed::Feed;
use crate::peer::{Peer, within};
use crate::running::Running;

/// A node on which callers of `wait` and of `desk` follow two pages of an application, and that may call this machine.
struct Desk {
    app: App,
    node: Running,
    _config: NamedTempFile,
}

impl Desk {
    async fn open(enqueue: &str, dial: &str) -> Self {
        let app = App::start().await;
        app.gives("music.wav", "audio/wav", wav(700.0, 30.0));
        app.says("music", "<Play>/music.wav</Play>");
        app.says("enqueue", enqueue);
        app.says("dial", dial);
        app.says("out", "<Hangup/>");
        app.says("done", "<Hangup/>");
        let mut config = NamedTempFile::new().unwrap();
        for (user, page) in [("wait", "enqueue"), ("desk", "dial")] {
            writeln!(config, "[[route]]\nuser = \"{user}\"\nvoice_url = \"{}\"", app.url(page)).unwrap();
        }
        let arguments = [
            "--outbound-allow=sip:*@127.0.0.1:*".to_owned(),
            "--egress-allow=127.0.0.0/8".to_owned(),
            format!("--config={}", config.path().display()),
        ];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let node = Running::start_with(Options::default(), &arguments).await;
        Self { app, node, _config: config }
    }

    async fn caller(&self, user: &str) -> Peer {
        let mut peer = Peer::udp(self.node.node.sip).await;
        peer.dial(user).await;
        peer
    }

    /// The one queue there is, when so many wait in it.
    async fn queue_of(&self, size: usize) -> Value {
        within(&format!("{size} who wait"), async {
            loop {
                let queues = self.node.get("Queues.json").await;
                if queues["queues"][0]["current_size"] == size {
                    return queues["queues"][0].clone();
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await
    }

    async fn waiters(&self, queue: &Value) -> Vec<Value> {
        let path = format!("Queues/{}/Members.json", queue["sid"].as_str().unwrap());
        self.node.get(&path).await["queue_members"].as_array().unwrap().clone()
    }
}

const ENQUEUE: &str = "<Enqueue waitUrl=\"/music\" action=\"/out\">support</Enqueue>";
const DIAL: &str = "<Dial action=\"/done\"><Queue>support</Queue></Dial>";

fn result(told: &Told) -> (&str, &str) {
    (told.get("QueueResult"), told.get("CallStatus"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_who_waits_is_connected_with_the_agent_and_nobody_else_hears_them() {
    let desk = Desk::open(ENQUEUE, DIAL).await;
    let mut first = desk.caller("wait").await;
    first.rtp.hears(700).await;
    let queue = desk.queue_of(1).await;
    let mut second = desk.caller("wait").await;
    second.rtp.hears(700).await;
    desk.queue_of(2).await;

    let asked = desk.app.told("music", 2).await;
    for (told, position) in asked.iter().zip(["1", "2"]) {
        assert_eq!(told.get("QueuePosition"), position);
        assert_eq!(told.get("CurrentQueueSize"), position);
        assert_eq!((told.get("QueueSid"), told.get("MaxQueueSize")), (queue["sid"].as_str().unwrap(), "100"));
        assert!(
            told.get("QueueTime").parse::<u32>().is_ok() && told.get("AvgQueueTime").parse::<u32>().is_ok()
        );
    }

    let mut agent = desk.caller("desk").await;
    first.rtp.speak(1_100);
    second.rtp.speak(1_900);
    agent.rtp.speak(1_500);
    tokio::join!(agent.rtp.hears(1_100), first.rtp.hears(1_500), first.rtp.hears_no_more(700));
    tokio::join!(second.rtp.hears(700), second.rtp.hears_no_more(1_500), agent.rtp.hears_no_more(1_900));
    let [waits] = &desk.waiters(&queue).await[..] else { panic!("one waits") };
    assert_eq!((&waits["position"], &waits["call_sid"]), (&1.into(), &asked[1].get("CallSid").into()));

    agent.hang_up().await;
    let out = desk.app.told("out", 1).await;
    assert_eq!(result(&out[0]), ("bridged", "in-progress"));
    assert_eq!(
        (out[0].get("CallSid"), out[0].get("QueueSid")),
        (asked[0].get("CallSid"), queue["sid"].as_str().unwrap())
    );
    first.is_hung_up().await;
    second.rtp.hears(700).await;
    second.hang_up().await;
    assert_eq!(result(&desk.app.told("out", 2).await[1]), ("hangup", "completed"));
    desk.queue_of(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_waits_for_callers_and_gives_up_when_nobody_comes() {
    let desk =
        Desk::open(ENQUEUE, "<Dial action=\"/done\" timeout=\"5\"><Queue>support</Queue></Dial>").await;
    let mut early = desk.caller("desk").await;
    let done = desk.app.told("done", 1).await;
    assert_eq!((done[0].get("DialCallStatus"), done[0].get("DialBridged")), ("no-answer", "false"));
    early.is_hung_up().await;

    desk.app.says("dial", DIAL);
    let agent = desk.caller("desk").await;
    agent.rtp.hears(440).await;
    let mut caller = desk.caller("wait").await;
    caller.rtp.speak(1_100);
    agent.rtp.speak(1_500);
    tokio::join!(agent.rtp.hears(1_100), caller.rtp.hears(1_500), agent.rtp.hears_no_more(440));
    caller.hang_up().await;
    let done = desk.app.told("done", 2).await;
    assert_eq!((done[1].get("DialCallStatus"), done[1].get("DialBridged")), ("completed", "true"));
    assert_eq!(done[1].get("DialCallSid"), desk.app.told("enqueue", 1).await[0].get("CallSid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wait_document_is_asked_for_again_and_a_key_may_lead_out() {
    let desk = Desk::open(ENQUEUE, DIAL).await;
    desk.app.says("music", "<Gather numDigits=\"1\" timeout=\"1\" action=\"/key\"/>");
    desk.app.says("key", "<Leave/>");
    let mut caller = desk.caller("wait").await;
    let asked = desk.app.told("music", 2).await;
    assert_eq!(asked[1].get("QueuePosition"), "1");
    caller.rtp.press(101, 5).await;
    assert_eq!(desk.app.told("key", 1).await[0].get("Digits"), "5");
    assert_eq!(result(&desk.app.told("out", 1).await[0]), ("leave", "in-progress"));
    caller.is_hung_up().await;
    desk.queue_of(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_is_down_keeps_nobody_from_waiting() {
    let desk = Desk::open(ENQUEUE, DIAL).await;
    desk.app.gives("music", "text/xml", b"<Respon".to_vec());
    let mut caller = desk.caller("wait").await;
    desk.app.told("music", 1).await;
    caller.is_in_call().await;
    let agent = desk.caller("desk").await;
    caller.rtp.speak(1_100);
    agent.rtp.hears(1_100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_lets_nobody_in() {
    let desk =
        Desk::open("<Enqueue waitUrl=\"\" action=\"/out\" maxQueueSize=\"1\">support</Enqueue>", DIAL).await;
    let _waits = desk.caller("wait").await;
    let queue = desk.queue_of(1).await;
    assert_eq!(queue["max_size"], 1);
    let mut late = desk.caller("wait").await;
    let out = desk.app.told("out", 1).await;
    assert_eq!(result(&out[0]), ("queue-full", "in-progress"));
    assert_eq!((out[0].get("QueueSid"), out[0].get("QueueTime")), (queue["sid"].as_str().unwrap(), "0"));
    late.is_hung_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_can_be_taken_out_and_redirected_over_the_api() {
    let desk = Desk::open(ENQUEUE, DIAL).await;
    desk.app.gives("other.wav", "audio/wav", wav(1_900.0, 30.0));
    desk.app.says("other", "<Play>/other.wav</Play>");
    let form = format!(
        "Url={}",
        form_urlencoded::byte_serialize(desk.app.url("other").as_bytes()).collect::<String>()
    );
    let mut callers = Vec::new();
    for size in 1..=3 {
        callers.push(desk.caller("wait").await);
        desk.queue_of(size).await;
    }
    let queue = desk.queue_of(3).await;
    let waiters = desk.waiters(&queue).await;
    let path = |who: &str| format!("Queues/{}/Members/{who}.json", queue["sid"].as_str().unwrap());
    let middle = waiters[1]["call_sid"].as_str().unwrap();

    let out = desk.node.post(&path("Front"), &form).await;
    assert_eq!(out["call_sid"], waiters[0]["call_sid"]);
    callers[0].rtp.hears(1_900).await;
    desk.node.post(&path(middle), &form).await;
    callers[1].rtp.hears(1_900).await;
    let last = desk.node.get(&path("Front")).await;
    assert_eq!((&last["call_sid"], &last["position"]), (&waiters[2]["call_sid"], &1.into()));
    desk.node.post(&format!("Calls/{}.json", last["call_sid"].as_str().unwrap()), &form).await;
    callers[2].rtp.hears(1_900).await;

    let told = desk.app.told("out", 3).await;
    assert!(told.iter().all(|told| told.get("QueueResult") == "redirected"), "{told:?}");
    let (status, error) = desk.node.create(&path("Front"), &form).await;
    assert_eq!((status, &error["code"]), (404, &20_404.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_hears_the_agents_document_first_and_waits_on_when_the_agent_goes() {
    let desk =
        Desk::open(ENQUEUE, "<Dial action=\"/done\"><Queue url=\"/whisper\">support</Queue></Dial>").await;
    desk.app.gives("whisper.wav", "audio/wav", wav(1_900.0, 30.0));
    desk.app.says("whisper", "<Play>/whisper.wav</Play>");
    let caller = desk.caller("wait").await;
    let queue = desk.queue_of(1).await;
    let mut hasty = desk.caller("desk").await;
    caller.rtp.hears(1_900).await;
    let whispered = desk.app.told("whisper", 1).await;
    let agents = desk.app.told("dial", 1).await;
    assert_eq!(whispered[0].get("DequeingCallSid"), agents[0].get("CallSid"));
    assert_eq!(whispered[0].get("CallSid"), desk.app.told("enqueue", 1).await[0].get("CallSid"));
    assert_eq!(whispered[0].get("QueueSid"), queue["sid"].as_str().unwrap());
    assert!(whispered[0].get("QueueTime").parse::<u32>().is_ok());

    hasty.hang_up().await;
    tokio::join!(caller.rtp.hears(700), caller.rtp.hears_no_more(1_900));
    desk.queue_of(1).await;
    desk.app.says("whisper", "<Pause length=\"1\"/>");
    let agent = desk.caller("desk").await;
    agent.rtp.speak(1_500);
    caller.rtp.speak(1_100);
    tokio::join!(agent.rtp.hears(1_100), caller.rtp.hears(1_500));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_hangs_up_while_they_are_taken_leaves_the_agent_the_next() {
    let desk =
        Desk::open(ENQUEUE, "<Dial action=\"/done\"><Queue url=\"/whisper\">support</Queue></Dial>").await;
    desk.app.gives("whisper.wav", "audio/wav", wav(1_900.0, 30.0));
    desk.app.says("whisper", "<Play>/whisper.wav</Play>");
    let mut first = desk.caller("wait").await;
    desk.queue_of(1).await;
    let second = desk.caller("wait").await;
    desk.queue_of(2).await;
    let agent = desk.caller("desk").await;
    first.rtp.hears(1_900).await;
    desk.app.says("whisper", "");
    first.hang_up().await;
    assert_eq!(result(&desk.app.told("out", 1).await[0]), ("bridging-in-process", "completed"));
    second.rtp.speak(1_100);
    agent.rtp.speak(1_500);
    tokio::join!(agent.rtp.hears(1_100), second.rtp.hears(1_500));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_is_redirected_while_connected_leaves_the_agent_and_goes_there() {
    let desk = Desk::open(ENQUEUE, DIAL).await;
    desk.app.gives("other.wav", "audio/wav", wav(1_900.0, 30.0));
    desk.app.says("other", "<Play>/other.wav</Play>");
    let caller = desk.caller("wait").await;
    caller.rtp.hears(700).await;
    let mut agent = desk.caller("desk").await;
    agent.rtp.speak(1_500);
    caller.rtp.hears(1_500).await;
    let call = desk.app.told("enqueue", 1).await[0].get("CallSid").to_owned();
    let url: String = form_urlencoded::byte_serialize(desk.app.url("other").as_bytes()).collect();
    desk.node.post(&format!("Calls/{call}.json"), &format!("Url={url}")).await;
    tokio::join!(caller.rtp.hears(1_900), caller.rtp.hears_no_more(1_500));
    assert_eq!(result(&desk.app.told("out", 1).await[0]), ("redirected-from-bridged", "in-progress"));
    assert_eq!(desk.app.told("done", 1).await[0].get("DialCallStatus"), "completed");
    agent.is_hung_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_tells_who_comes_is_taken_and_leaves() {
    let desk = Desk::open(ENQUEUE, DIAL).await;
    let mut feed = Feed::of(&desk.node).await;
    let mut caller = desk.caller("wait").await;
    let made = feed.next_of("queue.created").await;
    assert_eq!(made["queue"]["friendly_name"], "support");
    let entered = feed.next_of("queue.entered").await;
    assert_eq!(entered["queue_member"]["queue_sid"], made["queue"]["sid"]);
    assert_eq!(entered["queue_member"]["position"], 1);
    let _agent = desk.caller("desk").await;
    assert_eq!(
        feed.next_of("queue.taken").await["queue_member"]["call_sid"],
        entered["queue_member"]["call_sid"]
    );
    assert_eq!(feed.next_of("queue.left").await["queue_member"]["result"], "bridged");
    caller.hang_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_are_made_changed_and_deleted_over_the_api() {
    let desk = Desk::open(ENQUEUE, DIAL).await;
    let node = &desk.node;
    let (status, queue) = node.create("Queues.json", "FriendlyName=support&MaxSize=2").await;
    assert_eq!((status, &queue["max_size"], &queue["current_size"]), (201, &2.into(), &0.into()));
    let path = format!("Queues/{}.json", queue["sid"].as_str().unwrap());
    for (path, form, status, code) in [
        ("Queues.json", "FriendlyName=support", 409, 20_409),
        ("Queues.json", "MaxSize=5", 400, 20_001),
        ("Queues.json", "FriendlyName=x&MaxSize=5001", 400, 20_001),
        (path.as_str(), "MaxSize=0", 400, 20_001),
        ("Queues/QU00000000000000000000000000000000.json", "MaxSize=1", 404, 20_404),
        ("Queues/support.json", "MaxSize=1", 404, 20_404),
    ] {
        let (found, error) = node.create(path, form).await;
        assert_eq!((found, &error["code"]), (status, &code.into()), "{path} {form}");
    }
    assert_eq!(node.post(&path, "FriendlyName=help&MaxSize=7").await["friendly_name"], "help");
    assert_eq!(node.get(&path).await["max_size"], 7);
    node.post(&path, "FriendlyName=support").await;

    let mut caller = desk.caller("wait").await;
    desk.queue_of(1).await;
    assert_eq!(node.delete(&path).await, 409);
    caller.hang_up().await;
    desk.queue_of(0).await;
    assert_eq!(node.delete(&path).await, 204);
    assert_eq!(node.get("Queues.json").await["queues"], serde_json::json!([]));
}
