//! Call scripts, end to end: a customer's application, a node, and phones.

use std::io::Write;

use confab::server::Options;
use tempfile::NamedTempFile;

use crate::app::{App, wav};
use crate::peer::Peer;
use crate::running::Running;

/// A node that may call and ask this machine.
async fn node(more: &[&str]) -> Running {
    let ours = ["--outbound-allow=sip:*@127.0.0.1:*", "--egress-allow=127.0.0.0/8"];
    Running::start_with(Options::default(), &[&ours, more].concat()).await
}

/// A node on which every call follows this script.
async fn node_with(script: &str) -> (Running, NamedTempFile) {
    let mut file = NamedTempFile::new().unwrap();
    writeln!(file, "[[route]]\nuser = \"conf-*\"\nconference = \"{{1}}\"\n[[route]]\nuser = \"*\"\n{script}")
        .unwrap();
    let config = format!("--config={}", file.path().display());
    (node(&[&config]).await, file)
}

/// Percent-encoded, for a form.
fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_menu_plays_hears_a_key_and_leads_into_a_conference() {
    let app = App::start().await;
    app.gives("prompt.wav", "audio/wav", wav(700.0, 30.0));
    app.says("menu", "<Gather numDigits=\"1\" action=\"/chosen\"><Play>/prompt.wav</Play></Gather>");
    app.says("chosen", "<Dial><Conference>desk</Conference></Dial>");
    let (node, _config) = node_with(&format!("voice_url = \"{}\"", app.url("menu"))).await;
    let mut agent = Peer::udp(node.node.sip).await;
    agent.dial("conf-desk").await;

    let mut caller = Peer::udp(node.node.sip).await;
    caller.dial("support").await;
    caller.rtp.hears(700).await;
    let asked = app.told("menu", 1).await;
    assert_eq!((asked[0].get("To"), asked[0].get("Direction")), ("support", "inbound"));
    assert_eq!(asked[0].get("AccountSid"), node.account_sid);
    assert!(asked[0].signature.is_some());
    caller.rtp.press(101, 7).await;
    let chosen = app.told("chosen", 1).await;
    assert_eq!((chosen[0].get("Digits"), chosen[0].get("CallStatus")), ("7", "in-progress"));
    assert_eq!(chosen[0].get("CallSid"), asked[0].get("CallSid"));

    caller.rtp.hears_no_more(700).await;
    caller.rtp.speak(1_100);
    agent.rtp.speak(1_500);
    tokio::join!(agent.rtp.hears(1_100), caller.rtp.hears(1_500));
    caller.hang_up().await;
    agent.is_in_call().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_rings_until_its_script_answers_or_refuses_it() {
    for (reason, status) in [("busy", 486), ("rejected", 603)] {
        let script = format!("twiml = \"<Response><Reject reason='{reason}'/></Response>\"");
        let (node, _config) = node_with(&script).await;
        let mut caller = Peer::udp(node.node.sip).await;
        let invite = caller.invite("anybody");
        assert_eq!(caller.ask(&invite).await.status(), Some(status));
        let word = if status == 486 { "busy" } else { "failed" };
        node.wait_for_calls(word, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_ends_hangs_up_and_one_that_cannot_be_had_does_too() {
    let app = App::start().await;
    app.says("short", "<Pause length=\"1\"/><Say>Goodbye</Say>");
    let (node, _config) = node_with(&format!("voice_url = \"{}\"", app.url("short"))).await;
    let mut caller = Peer::udp(node.node.sip).await;
    caller.dial("anybody").await;
    caller.is_hung_up().await;
    node.wait_for_calls("completed", 1).await;

    let (node, _config) = node_with(&format!("voice_url = \"{}\"", app.url("nothing"))).await;
    let mut caller = Peer::udp(node.node.sip).await;
    let invite = caller.invite("anybody");
    assert_eq!(caller.ask(&invite).await.status(), Some(480));
    node.wait_for_calls("canceled", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fallback_is_asked_with_what_was_wrong() {
    let app = App::start().await;
    app.gives("broken", "text/xml", b"<Response><Say>".to_vec());
    app.says("sorry", "<Reject/>");
    let script =
        format!("voice_url = \"{}\"\nvoice_fallback_url = \"{}\"", app.url("broken"), app.url("sorry"));
    let (node, _config) = node_with(&script).await;
    let mut caller = Peer::udp(node.node.sip).await;
    let invite = caller.invite("anybody");
    assert_eq!(caller.ask(&invite).await.status(), Some(603));
    let told = app.told("sorry", 1).await;
    assert_eq!((told[0].get("ErrorCode"), told[0].get("ErrorUrl")), ("12100", app.url("broken").as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dial_connects_two_and_tells_how_it_went() {
    let app = App::start().await;
    let node = node(&[]).await;
    let mut peer = Peer::udp(node.node.sip).await;
    let target = format!("sip:agent@{}?X-Queue=two%20words&amp;x-b=1", peer.address());
    app.says("call", &format!("<Dial action=\"/after\"><Sip>{target}</Sip></Dial>"));
    app.says("after", "<Hangup/>");
    let mut caller = Peer::udp(node.node.sip).await;
    let form = format!("To=sip:caller@{}&From=x&Url={}", caller.address(), encoded(&app.url("call")));
    let (status, call) = node.create("Calls.json", &form).await;
    assert_eq!(status, 201, "{call}");
    let invite = caller.is_called().await;
    caller.pick_up(&invite).await;
    let invite = peer.is_called().await;
    assert_eq!((invite.header("X-Queue"), invite.header("x-b")), ("two words".to_owned(), "1".to_owned()));
    assert_eq!(invite.uri(), format!("sip:agent@{}", peer.address()));
    peer.reply(&invite, "180 Ringing").await;
    // A ringing tone, until somebody answers.
    caller.rtp.hears(440).await;
    peer.pick_up(&invite).await;
    caller.rtp.speak(700);
    peer.rtp.speak(1_100);
    tokio::join!(caller.rtp.hears(1_100), peer.rtp.hears(700), caller.rtp.hears_no_more(440));
    let children = node.get(&format!("Calls.json?ParentCallSid={}", call["sid"].as_str().unwrap())).await;
    assert_eq!(children["calls"][0]["direction"], "outbound-dial");

    peer.hang_up().await;
    let after = app.told("after", 1).await;
    assert_eq!((after[0].get("DialCallStatus"), after[0].get("DialBridged")), ("completed", "true"));
    assert_eq!(after[0].get("DialCallSid"), children["calls"][0]["sid"]);
    caller.is_hung_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dial_that_nobody_takes_says_why() {
    let app = App::start().await;
    let node = node(&[]).await;
    let mut busy = Peer::udp(node.node.sip).await;
    app.says("call", &format!("<Dial action=\"/after\"><Sip>sip:agent@{}</Sip></Dial>", busy.address()));
    app.says("after", "<Hangup/>");
    let mut caller = Peer::udp(node.node.sip).await;
    let form = format!("To=sip:caller@{}&From=x&Url={}", caller.address(), encoded(&app.url("call")));
    node.create("Calls.json", &form).await;
    let invite = caller.is_called().await;
    caller.pick_up(&invite).await;
    let invite = busy.is_called().await;
    busy.reply(&invite, "486 Busy Here").await;
    assert_eq!(app.told("after", 1).await[0].get("DialCallStatus"), "busy");
    caller.is_hung_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_call_is_redirected_out_of_what_it_does_also_out_of_a_conference() {
    let app = App::start().await;
    app.gives("music.wav", "audio/wav", wav(700.0, 30.0));
    let node = node(&[]).await;
    let mut peer = Peer::udp(node.node.sip).await;
    let play = format!("<Response><Play>{}</Play></Response>", app.url("music.wav"));
    let form = format!("To=sip:agent@{}&From=x&Twiml={}", peer.address(), encoded(&play));
    let (_, call) = node.create("Calls.json", &form).await;
    let path = format!("Calls/{}.json", call["sid"].as_str().unwrap());
    let invite = peer.is_called().await;
    peer.pick_up(&invite).await;
    peer.rtp.hears(700).await;

    let mut other = Peer::udp(node.node.sip).await;
    other.dial("conf-desk").await;
    other.rtp.speak(1_100);
    let join = encoded("<Response><Dial><Conference>desk</Conference></Dial></Response>");
    node.post(&path, &format!("Twiml={join}")).await;
    tokio::join!(peer.rtp.hears(1_100), peer.rtp.hears_no_more(700));

    node.post(&path, &format!("Twiml={}", encoded(&play))).await;
    tokio::join!(peer.rtp.hears(700), peer.rtp.hears_no_more(1_100));
    other.is_in_call().await;
    let hang_up = encoded("<Response><Hangup/></Response>");
    node.post(&path, &format!("Twiml={hang_up}")).await;
    peer.is_hung_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn status_callbacks_come_once_each_in_order() {
    let app = App::start().await;
    app.gives("status", "text/plain", Vec::new());
    let node = node(&[]).await;
    let mut peer = Peer::udp(node.node.sip).await;
    let form = format!(
        "To=sip:agent@{}&From=%2B4930123&Twiml={}&StatusCallback={}&StatusCallbackEvent=initiated&\
         StatusCallbackEvent=ringing+answered+completed",
        peer.address(),
        encoded("<Response><Pause length=\"60\"/></Response>"),
        encoded(&app.url("status")),
    );
    let (status, call) = node.create("Calls.json", &form).await;
    assert_eq!(status, 201, "{call}");
    let invite = peer.is_called().await;
    peer.reply(&invite, "180 Ringing").await;
    app.told("status", 2).await;
    peer.pick_up(&invite).await;
    app.told("status", 3).await;
    peer.hang_up().await;
    let told = app.told("status", 4).await;
    let steps: Vec<(&str, &str)> =
        told.iter().map(|told| (told.get("CallStatus"), told.get("SequenceNumber"))).collect();
    assert_eq!(steps, [("initiated", "0"), ("ringing", "1"), ("in-progress", "2"), ("completed", "3")]);
    assert!(told.iter().all(|told| told.get("CallSid") == call["sid"] && told.signature.is_some()));
    assert!(!told[3].get("CallDuration").is_empty());
    node.wait_for_calls("completed", 1).await;
    assert_eq!(app.told("status", 4).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_of_the_inside_are_not_asked_unless_it_is_allowed() {
    let app = App::start().await;
    app.says("inside", "<Reject reason=\"busy\"/>");
    let mut file = NamedTempFile::new().unwrap();
    writeln!(file, "[[route]]\nuser = \"*\"\nvoice_url = \"{}\"", app.url("inside")).unwrap();
    let config = format!("--config={}", file.path().display());
    let node = Running::start_with(Options::default(), &[&config]).await;
    let mut caller = Peer::udp(node.node.sip).await;
    let invite = caller.invite("anybody");
    assert_eq!(caller.ask(&invite).await.status(), Some(480));
    assert_eq!(app.told("inside", 0).await.len(), 0);
}
