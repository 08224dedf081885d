//! Those who are called and asked first, and calls that are passed on: whispers, REFER in and out, and what may be changed
//! about a call that is on.

use confab::server::Options;
use serde_json::Value;

use crate::app::{App, wav};
use crate::message::Message;
use crate::peer::{Peer, within};
use crate::running::Running;

async fn node() -> Running {
    let ours = ["--outbound-allow=sip:*@127.0.0.1:*", "--egress-allow=127.0.0.0/8"];
    Running::start_with(Options::default(), &ours).await
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Has a phone called and follow a page; it has picked up when this returns.
async fn call(node: &Running, app: &App, page: &str) -> (Peer, Value) {
    let mut peer = Peer::udp(node.node.sip).await;
    let form = format!("To=sip:caller@{}&From=x&Url={}", peer.address(), encoded(&app.url(page)));
    let (status, call) = node.create("Calls.json", &form).await;
    assert_eq!(status, 201, "{call}");
    let invite = peer.is_called().await;
    peer.pick_up(&invite).await;
    (peer, call)
}

fn sip(peer: &Peer, attributes: &str) -> String {
    format!("<Sip {attributes}>sip:agent@{}</Sip>", peer.address())
}

async fn is_notified(peer: &mut Peer) -> Message {
    let notify = peer.request_of("NOTIFY").await;
    assert_eq!(notify.header("Event"), "refer");
    assert!(notify.header("Content-Type").starts_with("message/sipfrag"));
    peer.answer(&notify, "200 OK").await;
    notify
}

#[tokio::test(flavor = "multi_thread")]
async fn who_answers_hears_a_document_first_and_is_connected_when_it_is_over() {
    let (app, node) = (App::start().await, node().await);
    let mut agent = Peer::udp(node.node.sip).await;
    app.gives("whisper.wav", "audio/wav", wav(1_900.0, 30.0));
    app.says("call", &format!("<Dial action=\"/after\">{}</Dial>", sip(&agent, "url=\"/whisper\"")));
    app.says(
        "whisper",
        "<Gather numDigits=\"1\" action=\"/accepted\"><Play>/whisper.wav</Play></Gather><Hangup/>",
    );
    app.says("accepted", "");
    app.says("after", "<Hangup/>");
    let (mut caller, parent) = call(&node, &app, "call").await;
    let invite = agent.is_called().await;
    agent.pick_up(&invite).await;
    caller.rtp.speak(700);
    agent.rtp.speak(1_100);
    tokio::join!(agent.rtp.hears(1_900), caller.rtp.hears(440), agent.rtp.hears_no_more(700));
    let asked = app.told("whisper", 1).await;
    assert_eq!(
        (asked[0].get("ParentCallSid"), asked[0].get("CallStatus")),
        (parent["sid"].as_str().unwrap(), "in-progress")
    );

    agent.rtp.press(101, 1).await;
    assert_eq!(app.told("accepted", 1).await[0].get("Digits"), "1");
    tokio::join!(agent.rtp.hears(700), caller.rtp.hears(1_100), agent.rtp.hears_no_more(1_900));
    agent.hang_up().await;
    let after = app.told("after", 1).await;
    assert_eq!((after[0].get("DialCallStatus"), after[0].get("DialBridged")), ("completed", "true"));
    caller.is_hung_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_declines_leaves_the_call_to_the_others_who_go_on_ringing() {
    let (app, node) = (App::start().await, node().await);
    let mut machine = Peer::udp(node.node.sip).await;
    let mut agent = Peer::udp(node.node.sip).await;
    let both = format!("{}{}", sip(&machine, "url=\"/decline\""), sip(&agent, "url=\"/accept\""));
    app.says("call", &format!("<Dial action=\"/after\">{both}</Dial>"));
    app.says("decline", "<Hangup/>");
    app.says("accept", "<Pause length=\"1\"/>");
    app.says("after", "<Hangup/>");
    let (mut caller, _) = call(&node, &app, "call").await;
    let invite = machine.is_called().await;
    machine.pick_up(&invite).await;
    machine.is_hung_up().await;
    let invite = agent.is_called().await;
    agent.pick_up(&invite).await;
    agent.rtp.speak(1_100);
    caller.rtp.hears(1_100).await;
    agent.hang_up().await;
    assert_eq!(app.told("after", 1).await[0].get("DialCallStatus"), "completed");
    caller.is_hung_up().await;

    // Nobody is left.
    app.says("call", &format!("<Dial action=\"/after\">{}</Dial>", sip(&machine, "url=\"/decline\"")));
    let (mut caller, _) = call(&node, &app, "call").await;
    let invite = machine.is_called().await;
    machine.pick_up(&invite).await;
    machine.is_hung_up().await;
    assert_eq!(app.told("after", 2).await[1].get("DialCallStatus"), "no-answer");
    caller.is_hung_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_was_called_passes_the_caller_on() {
    let (app, node) = (App::start().await, node().await);
    let mut agent = Peer::udp(node.node.sip).await;
    let mut expert = Peer::udp(node.node.sip).await;
    app.says("call", &format!("<Dial referUrl=\"/transfer\">{}</Dial>", sip(&agent, "")));
    app.says("transfer", &format!("<Dial>{}</Dial>", sip(&expert, "")));
    let (mut caller, _) = call(&node, &app, "call").await;
    let invite = agent.is_called().await;
    agent.pick_up(&invite).await;
    agent.rtp.speak(1_100);
    caller.rtp.speak(700);
    tokio::join!(caller.rtp.hears(1_100), agent.rtp.hears(700));

    let refer = agent.within_call("REFER");
    assert_eq!(agent.ask(&refer).await.status(), Some(400));
    let target = format!("sip:expert@{}", expert.address());
    let refer = agent.within_call("REFER").with("Refer-To", format!("\"An Expert\" <{target}>"));
    let answer = agent.ask(&refer).await;
    assert_eq!(answer.status(), Some(202), "{}", answer.text());
    let trying = is_notified(&mut agent).await;
    assert_eq!(trying.description().trim(), "SIP/2.0 100 Trying");
    assert!(trying.header("Subscription-State").starts_with("active"));
    let done = is_notified(&mut agent).await;
    assert_eq!(done.description().trim(), "SIP/2.0 200 OK");
    assert!(done.header("Subscription-State").starts_with("terminated"));
    agent.is_hung_up().await;
    assert_eq!(app.told("transfer", 1).await[0].get("ReferTransferTarget"), target);

    let invite = expert.is_called().await;
    expert.pick_up(&invite).await;
    expert.rtp.speak(1_500);
    tokio::join!(caller.rtp.hears(1_500), expert.rtp.hears(700));
    caller.hang_up().await;
    expert.is_hung_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_pass_the_caller_on_is_told_and_stays_connected() {
    let (app, node) = (App::start().await, node().await);
    let mut agent = Peer::udp(node.node.sip).await;
    app.says("call", &format!("<Dial>{}</Dial>", sip(&agent, "")));
    let (mut caller, parent) = call(&node, &app, "call").await;
    let invite = agent.is_called().await;
    agent.pick_up(&invite).await;
    agent.rtp.speak(1_100);
    caller.rtp.hears(1_100).await;
    let refer = agent.within_call("REFER").with("Refer-To", "<sip:somebody@192.0.2.1>");
    assert_eq!(agent.ask(&refer).await.status(), Some(202));
    is_notified(&mut agent).await;
    assert!(is_notified(&mut agent).await.description().starts_with("SIP/2.0 603 "));
    let notes = format!("Calls/{}/Notifications.json", parent["sid"].as_str().unwrap());
    within("a notification", async {
        while node.get(&notes).await["notifications"][0]["error_code"] != "13802" {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    agent.is_in_call().await;
    agent.rtp.speak(1_900);
    caller.rtp.hears(1_900).await;

    // A caller whom nobody dialled has nobody who could pass them on.
    let refer = caller.within_call("REFER").with("Refer-To", "<sip:somebody@192.0.2.1>");
    assert_eq!(caller.ask(&refer).await.status(), Some(603));
    // And nobody asked them anything that they could tell of.
    let notify = caller.within_call("NOTIFY").with("Event", "refer").with("Subscription-State", "active");
    let notify = notify.body("message/sipfrag", "SIP/2.0 200 OK\r\n");
    assert_eq!(caller.ask(&notify).await.status(), Some(481));
    caller.is_in_call().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_is_asked_to_call_somebody_itself_and_says_how_that_went() {
    let (app, node) = (App::start().await, node().await);
    let other = "sip:other@192.0.2.9?X-Why=a%20b&amp;Replaces=1%40x%3Bto-tag%3Da%3Bfrom-tag%3Db";
    app.says("call", &format!("<Refer action=\"/after\"><Sip>{other}</Sip></Refer>"));
    app.says("after", "<Hangup/>");
    for (last, status) in [("200 OK", "completed"), ("486 Busy Here", "failed")] {
        let (mut caller, call) = call(&node, &app, "call").await;
        let refer = caller.request_of("REFER").await;
        let named = "Replaces=1%40x%3Bto%2Dtag%3Da%3Bfrom%2Dtag%3Db";
        assert_eq!(refer.header("Refer-To"), format!("<sip:other@192.0.2.9?X-Why=a%20b&{named}>"));
        caller.answer(&refer, "202 Accepted").await;
        for fragment in ["100 Trying", last] {
            let notify = caller.within_call("NOTIFY").with("Event", "refer");
            let notify = notify.with("Subscription-State", "active;expires=60");
            let notify = notify.body("message/sipfrag", format!("SIP/2.0 {fragment}\r\n"));
            assert_eq!(caller.ask(&notify).await.status(), Some(200));
        }
        caller.is_hung_up().await;
        let after = app.told("after", 1).await;
        let after = after.iter().find(|told| told.get("CallSid") == call["sid"]).unwrap();
        assert_eq!((after.get("ReferCallStatus"), after.get("ReferSipResponseCode")), (status, "202"));
        assert_eq!(after.get("NotifySipResponseCode"), &last[..3]);
    }

    let (mut caller, call) = call(&node, &app, "call").await;
    let refer = caller.request_of("REFER").await;
    caller.answer(&refer, "405 Method Not Allowed").await;
    caller.is_hung_up().await;
    let after = app.told("after", 3).await;
    let after = after.iter().find(|told| told.get("CallSid") == call["sid"]).unwrap();
    assert_eq!((after.get("ReferCallStatus"), after.get("ReferSipResponseCode")), ("failed", "405"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_on_gets_a_time_limit_and_somebody_who_is_told_of_its_end() {
    let (app, node) = (App::start().await, node().await);
    app.says("call", "<Pause length=\"600\"/>");
    app.gives("status", "text/plain", Vec::new());
    let (mut caller, call) = call(&node, &app, "call").await;
    let path = format!("Calls/{}.json", call["sid"].as_str().unwrap());
    for (form, code) in [
        ("TimeLimit=0", 20_001),
        ("TimeLimit=x", 20_001),
        ("StatusCallback=ftp://x/", 21_205),
        ("StatusCallback=http://x/&StatusCallbackMethod=PUT", 21_209),
    ] {
        let (status, error) = node.create(&path, form).await;
        assert_eq!((status, &error["code"]), (400, &code.into()), "{form}");
    }
    let form = format!("TimeLimit=1&StatusCallback={}", encoded(&app.url("status")));
    node.post(&path, &form).await;
    caller.is_hung_up().await;
    let told = app.told("status", 1).await;
    assert_eq!(
        (told[0].get("CallStatus"), told[0].get("CallSid")),
        ("completed", call["sid"].as_str().unwrap())
    );
    let (status, error) = node.create(&path, "TimeLimit=5").await;
    assert_eq!((status, &error["code"]), (400, &21_220.into()));
}
