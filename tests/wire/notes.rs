//! What the author of an application is told of, and how often.

use confab::server::Options;
use serde_json::Value;

use crate::app::App;
use crate::peer::{Peer, within};
use crate::running::Running;

async fn node() -> Running {
    let flags = ["--outbound-allow=sip:*@127.0.0.1:*", "--egress-allow=127.0.0.0/8"];
    Running::start_with(Options::default(), &flags).await
}

/// What stands in a list of a call's, once there are as many.
async fn listed(node: &Running, call: &str, name: &str, count: usize) -> Vec<Value> {
    within(&format!("{count} {name}"), async {
        loop {
            let path = format!("Calls/{call}/{}{}.json", name[..1].to_uppercase(), &name[1..]);
            let list = node.get(&path).await[name].as_array().unwrap().clone();
            if list.len() >= count {
                return list;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await
}

/// A call to a phone, which takes it; the call's SID.
async fn call(node: &Running, phone: &mut Peer, form: &str) -> String {
    let form = format!("To=sip:a@{}&From=b&{form}", phone.address());
    let (status, call) = node.create("Calls.json", &form).await;
    assert_eq!(status, 201, "{call}");
    let invite = phone.is_called().await;
    phone.pick_up(&invite).await;
    call["sid"].as_str().unwrap().to_owned()
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_is_tried_again_is_told_of_once_and_each_attempt_is_on_record() {
    let (node, app) = (node().await, App::start().await);
    app.answers("status", b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_vec());
    let mut phone = Peer::udp(node.node.sip).await;
    let form = format!(
        "StatusCallback={}&StatusCallbackEvent=answered&Twiml=<Response><Pause length=\"60\"/></Response>",
        encoded(&app.url("status"))
    );
    let sid = call(&node, &mut phone, &form).await;
    app.told("status", 3).await;
    let events = listed(&node, &sid, "events", 3).await;
    assert!(events.iter().all(|event| event["response"]["response_code"] == 503), "{events:?}");
    let notes = listed(&node, &sid, "notifications", 1).await;
    assert_eq!((notes.len(), &notes[0]["error_code"]), (1, &"11200".into()), "{notes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gather_that_asks_for_speech_says_that_it_hears_none_and_hears_keys() {
    let (node, app) = (node().await, App::start().await);
    app.says("both", "<Gather input='dtmf speech' numDigits='1' timeout='60' action='/chosen'/>");
    app.says("chosen", "<Gather input='speech' timeout='1' action='/never'/><Redirect>/after</Redirect>");
    app.says("after", "<Pause length='60'/>");
    let mut phone = Peer::udp(node.node.sip).await;
    let sid = call(&node, &mut phone, &format!("Url={}", encoded(&app.url("both")))).await;
    // It is told when the verb begins, so that it listens from then on.
    listed(&node, &sid, "notifications", 1).await;
    phone.rtp.press(101, 7).await;
    assert_eq!(app.told("chosen", 1).await[0].get("Digits"), "7");
    // Where speech alone is asked for nobody says anything, so the next verb follows.
    app.told("after", 1).await;
    let notes = listed(&node, &sid, "notifications", 2).await;
    for note in &notes {
        assert_eq!((&note["error_code"], &note["log"]), (&"12200".into(), &"1".into()), "{notes:?}");
        assert!(note["message_text"].as_str().unwrap().contains("speech"), "{note}");
    }
    assert_eq!((notes.len(), app.told("never", 0).await.len()), (2, 0));
}
