//! What an order of a call says besides whom to call: why, in whose name, and how a phone is woken for it.

use std::time::Duration;

use confab::server::Options;

use crate::app::App;
use crate::peer::Peer;
use crate::registrar::registered;
use crate::running::Running;

/// A node whose calls ask the application, which may be called itself, and which has an agent.
async fn node(app: &App) -> Running {
    let file = format!(
        "outbound_allow = \"client:*,sip:*@127.0.0.1:*\"\negress_allow = \"127.0.0.0/8\"\n\
         [[agent]]\nname = \"alice\"\npassword = \"open sesame\"\n\
         [[route]]\nuser = \"*\"\nvoice_url = \"{}\"\n",
        app.url("voice")
    );
    Running::start_with_file(Options::default(), &file).await
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A script that takes a while.
const WAITS: &str = "Twiml=%3CResponse%3E%3CPause%20length%3D%2260%22%2F%3E%3C%2FResponse%3E";

#[tokio::test(flavor = "multi_thread")]
async fn the_callee_is_told_why_they_are_called_also_when_they_ask_for_a_password() {
    let app = App::start().await;
    let node = node(&app).await;
    let mut callee = Peer::udp(node.node.sip).await;
    let reason = encoded("Your \"order\" \\ Ihr Päckchen");
    let form = format!(
        "To=sip:agent@{}&From=desk&SipAuthUsername=u&SipAuthPassword=p&CallReason={reason}&{WAITS}",
        callee.address()
    );
    let (status, call) = node.create("Calls.json", &form).await;
    assert_eq!(status, 201, "{call}");
    let said = "<data:,>;call-reason=\"Your \\\"order\\\" \\\\ Ihr Päckchen\"";
    let invite = callee.is_called().await;
    assert_eq!(invite.header("Call-Info"), said);
    let challenge = callee
        .answer_to(&invite, "401 Unauthorized")
        .set("To", format!("{};tag=c", invite.header("To")))
        .with("WWW-Authenticate", "Digest realm=\"pbx\", nonce=\"n0\"");
    callee.send(&challenge).await;
    callee.request_of("ACK").await;
    assert_eq!(callee.is_called().await.header("Call-Info"), said);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_tells_why_it_dials() {
    let app = App::start().await;
    let node = node(&app).await;
    let (mut caller, mut callee) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
    app.says(
        "voice",
        &format!("<Dial callReason=\"Support\"><Sip>sip:agent@{}</Sip></Dial>", callee.address()),
    );
    let invite = caller.invite("support");
    caller.send(&invite).await;
    let invite = callee.is_called().await;
    assert_eq!(invite.header("Call-Info"), "<data:,>;call-reason=\"Support\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_came_in_is_passed_on_in_its_callers_name_with_its_token() {
    let app = App::start().await;
    let node = node(&app).await;
    let (mut caller, mut callee) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
    app.says("voice", "<Pause length=\"60\"/>");
    let invite = caller.invite("support");
    caller.send(&invite).await;
    let told = app.told("voice", 1).await;
    let (token, from) = (told[0].get("CallToken").to_owned(), told[0].get("From").to_owned());
    assert_eq!(from, "peer");
    let order = |from: &str, token: &str| {
        format!("To=sip:agent@{}&From={from}&CallToken={token}&{WAITS}", callee.address())
    };
    for wrong in [order("somebody", &token), order(&from, "CA0.00"), order(&from, &token[..40])] {
        let (status, error) = node.create("Calls.json", &wrong).await;
        assert_eq!((status, &error["code"]), (400, &21_210.into()), "{error}");
        let (status, error) = node.create("Conferences/desk/Participants.json", &wrong).await;
        assert_eq!((status, &error["code"]), (400, &21_210.into()), "{error}");
    }
    let (status, call) = node.create("Calls.json", &order(&from, &token)).await;
    assert_eq!(status, 201, "{call}");
    let invite = callee.is_called().await;
    assert!(invite.header("From").contains("sip:peer@"), "{}", invite.text());
    // Of the call that was placed there is none to hand out.
    app.says("placed", "<Pause length=\"60\"/>");
    let form = format!("To=sip:agent@{}&From=x&Url={}", callee.address(), encoded(&app.url("placed")));
    node.create("Calls.json", &form).await;
    let invite = callee.is_called().await;
    callee.pick_up(&invite).await;
    assert_eq!(app.told("placed", 1).await[0].get("CallToken"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_phone_is_woken_and_waited_for() {
    let app = App::start().await;
    let node = node(&app).await;
    app.gives("push", "text/plain", Vec::new());
    let form =
        format!("To=client:alice&From=desk&ClientNotificationUrl={}&{WAITS}", encoded(&app.url("push")));
    let (status, call) = node.create("Calls.json", &form).await;
    assert_eq!(status, 201, "{call}");
    let told = app.told("push", 1).await;
    assert_eq!((told[0].get("To"), told[0].get("CallSid")), ("client:alice", call["sid"].as_str().unwrap()));
    assert!(told[0].is_signed_with(&node.auth_token, &app.url("push")));
    let mut phone = registered(&node, "alice", "open sesame").await;
    let invite = phone.is_called().await;
    phone.pick_up(&invite).await;
    let path = format!("Calls/{}.json", call["sid"].as_str().unwrap());
    node.wait_for(&path, "status", "in-progress").await;
    phone.hang_up().await;

    // A phone that is there is called at once; its owner is told all the same, and once.
    let (_, second) = node.create("Calls.json", &form).await;
    phone.is_called().await;
    let told = app.told("push", 2).await;
    assert_eq!(told[1].get("CallSid"), second["sid"].as_str().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whom_nobody_wakes_is_given_up_and_so_is_one_who_does_not_come() {
    let app = App::start().await;
    let node = node(&app).await;
    app.gives("push", "text/plain", Vec::new());
    let wakes = format!("ClientNotificationUrl={}", encoded(&app.url("push")));
    let place = async |more: &str| {
        let form = format!("To=client:alice&From=desk&{more}&{WAITS}");
        let (status, call) = node.create("Calls.json", &form).await;
        assert_eq!(status, 201, "{call}");
        format!("Calls/{}.json", call["sid"].as_str().unwrap())
    };
    let asleep = place("").await;
    node.wait_for(&asleep, "status", "no-answer").await;
    let late = place(&format!("{wakes}&Timeout=1")).await;
    node.wait_for(&late, "status", "no-answer").await;
    let canceled = place(&wakes).await;
    app.told("push", 2).await;
    node.post(&canceled, "Status=canceled").await;
    node.wait_for(&canceled, "status", "canceled").await;
    // Nobody is called once it is over.
    let mut phone = registered(&node, "alice", "open sesame").await;
    assert_eq!(phone.count_for(Duration::from_millis(300)).await, 0);

    // And a script wakes agents as well.
    let mut caller = Peer::udp(node.node.sip).await;
    app.says("voice", "<Dial><Client clientNotificationUrl=\"/dialled\">alice</Client></Dial>");
    app.gives("dialled", "text/plain", Vec::new());
    let invite = caller.invite("support");
    caller.send(&invite).await;
    phone.is_called().await;
    assert_eq!(app.told("dialled", 1).await[0].get("Direction"), "outbound-dial");
}
