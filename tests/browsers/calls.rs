//! Calls of browsers by the HTTP way in: who hears whom, keys, hold, moves between threads, restarts, ends.

use confab::server::Options;
use futures_util::future::join_all;

use crate::app::App;
use crate::end::{Browser, Call, GCM, Node, SHA1, application, ask, patch, token};
use crate::peer::{Peer, within};
use crate::running::Running;

const FLAGS: [&str; 2] = ["--egress-allow=127.0.0.0/8", "--media-threads=2"];

/// A node, an application that puts browsers into a conference, and a token for them.
async fn stage(script: &str) -> (Running, App, String) {
    let (node, app) = (Running::start_with(Options::default(), &FLAGS).await, App::start().await);
    app.says("voice", script);
    let application = application(&node, &app.url("voice")).await;
    let token = token(&node, "alice", &application).await;
    (node, app, token)
}

async fn in_conference(node: &Running, token: &str) -> Call {
    Browser::new().await.call(node, token, "?To=floor&team=red&shoe=42").await
}

/// Who speaks in a conference of the first thread, and who in one of the other. Legs and conferences are spread over the
/// threads: of two conferences one is on each, and whoever comes to both has been on both.
async fn one_on_each_thread(node: &Running) -> [(&'static str, Peer, u32); 2] {
    let (mut one, mut other) = (Peer::udp(node.node.sip).await, Peer::udp(node.node.sip).await);
    one.dial("conf-one").await;
    other.dial("conf-other").await;
    one.rtp.speak(1_300);
    other.rtp.speak(1_900);
    [("one", one, 1_300), ("other", other, 1_900)]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_and_a_phone_hear_each_other_and_its_application_is_told_what_it_said() {
    let (node, app, token) = stage("<Dial><Conference>floor</Conference></Dial>").await;
    let call = in_conference(&node, &token).await;
    // GCM costs half, though browsers name the other first.
    assert!(call.profile == GCM);
    let asked = &app.told("voice", 1).await[0];
    assert_eq!(
        (asked.get("From"), asked.get("To"), asked.get("Direction")),
        ("client:alice", "floor", "inbound")
    );
    assert_eq!(asked.get("CallSid"), call.sid);
    // What the token says goes before what the browser says.
    assert_eq!((asked.get("team"), asked.get("shoe")), ("blue", "42"));

    let mut phone = Peer::udp(node.node.sip).await;
    phone.dial("conf-floor").await;
    call.speak(700);
    phone.rtp.speak(1_300);
    tokio::join!(call.hears(1_300), phone.rtp.hears(700));
    assert!(call.told_level().is_some_and(|level| level < 40), "{:?}", call.told_level());
    call.hears_no(700).await;

    // Muted, over the API; then from another port, as from another network.
    let conference = node.get("Conferences.json?FriendlyName=floor").await;
    let conference = conference["conferences"][0]["sid"].as_str().unwrap().to_owned();
    let seat = format!("Conferences/{conference}/Participants/{}.json", call.sid);
    node.post(&seat, "Muted=true").await;
    phone.rtp.hears_no_more(700).await;
    node.post(&seat, "Muted=false").await;
    phone.rtp.hears(700).await;
    call.moves().await;
    tokio::join!(call.hears(1_300), phone.rtp.hears(700));

    let over = ask(&node, "DELETE", &call.location, &token, "").await;
    assert_eq!(over.status, 204);
    node.wait_for_calls("in-progress", 1).await;
    assert_eq!(ask(&node, "DELETE", &call.location, &token, "").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_browser_reach_its_script_and_one_without_gcm_is_heard_as_well() {
    let (node, app, token) = stage("<Gather numDigits=\"3\" action=\"{typed}\" timeout=\"60\"/>").await;
    let typed = app.url("typed");
    app.says("voice", &format!("<Gather numDigits=\"3\" action=\"{typed}\" timeout=\"60\"/>"));
    app.says("typed", "<Dial><Conference>floor</Conference></Dial>");
    let mut browser = Browser::new().await;
    browser.profiles = vec![SHA1];
    let call = browser.call(&node, &token, "").await;
    assert!(call.profile == SHA1);
    for key in [4, 2, 7] {
        call.press(key);
        // One after the other: each is a press of its own.
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    }
    assert_eq!(app.told("typed", 1).await[0].get("Digits"), "427");
    let mut phone = Peer::udp(node.node.sip).await;
    phone.dial("conf-floor").await;
    phone.rtp.speak(1_300);
    call.hears(1_300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_moves_to_another_thread_keeps_its_port_and_is_heard() {
    let (node, app, token) = stage("<Pause length=\"60\"/>").await;
    let speakers = one_on_each_thread(&node).await;
    let call = in_conference(&node, &token).await;
    call.speak(700);
    for _ in 0..2 {
        for (name, phone, hertz) in &speakers {
            app.says(name, &format!("<Dial><Conference>{name}</Conference></Dial>"));
            node.post(&format!("Calls/{}.json", call.sid), &format!("Url={}", app.url(name))).await;
            tokio::join!(call.hears(*hertz), phone.rtp.hears(700));
        }
    }
    let passed: f64 = node.figure("confab_browser_datagrams_passed_total", "worker=\"0\"").await
        + node.figure("confab_browser_datagrams_passed_total", "worker=\"1\"").await;
    assert!(passed > 0.0, "it was on a thread that does not look at its port");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_only_listen_hear_on_whichever_thread_they_are() {
    let (node, app, token) = stage("<Pause length=\"60\"/>").await;
    let speakers = one_on_each_thread(&node).await;
    // They stay: another who had the port of one of them would be sent what is theirs.
    let mut all = Vec::new();
    for (name, _phone, hertz) in speakers.iter().cycle().take(6) {
        app.says("voice", &format!("<Dial><Conference>{name}</Conference></Dial>"));
        let calls = (0..6).map(|_| async { Browser::that_listens().await.call(&node, &token, "").await });
        let calls = join_all(calls).await;
        join_all(calls.iter().map(|call| call.hears(*hertz))).await;
        all.extend(calls);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ice_begins_anew_under_a_call_that_goes_on() {
    let (node, _app, token) = stage("<Dial><Conference>floor</Conference></Dial>").await;
    let mut browser = Browser::new().await;
    let answered = browser.post(&node, &token, "").await;
    let at = Node::of(&answered.body);
    browser.prove(&at).await;
    let location = answered.header("location").unwrap();
    let tag = answered.header("etag").unwrap();

    // The same offer again changes nothing.
    let same = patch(&node, &location, &token, &tag, &browser.offer()).await;
    assert_eq!(same.status, 200, "{}", same.body);
    assert_eq!((Node::of(&same.body).ufrag, same.header("etag")), (at.ufrag.clone(), Some(tag.clone())));
    browser.ufrag = "nEw1".to_owned();
    browser.password = "another password of 24+ letters".replace(' ', "x");
    let anew = patch(&node, &location, &token, &format!("\"other\", {tag}"), &browser.offer()).await;
    let new_tag = anew.header("etag").unwrap();
    assert!(new_tag != tag, "{tag} again");
    let then = Node::of(&anew.body);
    assert!(then.ufrag != at.ufrag && then.password != at.password && then.port == at.port);
    assert_eq!(then.clone().port, at.port);
    browser.prove(&then).await;
    browser.shake_hands(&then).await.expect("a handshake under the new credentials");
    // Nobody else's token reaches the call, and a bad offer harms it not.
    let stranger = crate::end::token(&node, "mallory", "AP00000000000000000000000000000000").await;
    assert_eq!(patch(&node, &location, &stranger, "*", &browser.offer()).await.status, 404);
    assert_eq!(ask(&node, "DELETE", &location, &stranger, "").await.status, 404);
    assert_eq!(patch(&node, &location, &token, "*", "v=0\r\n").await.status, 400);
    // Nor does one that was made for what is no more, or does not say what for.
    for outdated in [tag.clone(), format!("W/{new_tag}"), "nonsense".to_owned()] {
        let refused = patch(&node, &location, &token, &outdated, &browser.offer()).await;
        assert_eq!(refused.status, 412, "{outdated}");
    }
    assert_eq!(ask(&node, "PATCH", &location, &token, &browser.offer()).await.status, 428);
    assert_eq!(ask(&node, "DELETE", &location, &token, "").await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_closes_ends_its_call_and_one_whose_call_ends_is_told() {
    let (node, _app, token) = stage("<Dial><Conference>floor</Conference></Dial>").await;
    let mut call = in_conference(&node, &token).await;
    node.wait_for_calls("in-progress", 1).await;
    call.closes().await;
    within("the call's end", node.wait_for_calls("completed", 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_of_either_family_of_addresses_reach_a_node_that_is_told_both_of_its_own() {
    let flags = [&FLAGS[..], &["--sip-listen=[::]:0", "--public-address=127.0.0.1,::1"]].concat();
    let (node, app) = (Running::start_with(Options::default(), &flags).await, App::start().await);
    app.says("voice", "<Dial><Conference>floor</Conference></Dial>");
    let application = application(&node, &app.url("voice")).await;
    let token = token(&node, "alice", &application).await;
    let four = in_conference(&node, &token).await;
    let six = Browser::at("[::1]:0").await.call(&node, &token, "").await;
    four.speak(700);
    six.speak(1_300);
    tokio::join!(four.hears(1_300), six.hears(700));
}
