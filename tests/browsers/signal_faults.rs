//! What browsers and strangers do wrong over the signalling of the SDK: they are told what, or have to go, and nobody else notices.

use serde_json::{Value, json};

use crate::end::{Browser, token_with};
use crate::running::Running;
use crate::signal::{Device, place, stage};

const NOBODY: &str = "AP00000000000000000000000000000000";
const FAULTS: &str = "confab_signal_faults_total";

async fn changed(node: &Running, change: impl FnOnce(&mut Value)) -> String {
    token_with(node, "mallory", NOBODY, change).await
}

/// The number of the error that a token is answered with; the connection is closed then.
async fn refused(node: &Running, token: &str) -> u64 {
    let mut device = Device::open(node).await;
    device.say("listen", json!({"token": token})).await;
    let code = device.error().await;
    device.told("close").await;
    assert_eq!(device.next().await, None);
    code
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_let_nobody_in_are_answered_with_numbers_that_the_sdk_knows() {
    let (node, _app, token) = stage("<Dial><Conference>floor</Conference></Dial>").await;
    let mut forged = token.clone().into_bytes();
    let at = token.rfind('.').unwrap() + 1;
    forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    assert_eq!(refused(&node, &forged).await, 31_202);
    assert_eq!(refused(&node, "no token").await, 31_204);
    assert_eq!(refused(&node, &changed(&node, |claims| claims["exp"] = json!(1_000)).await).await, 31_205);
    let foreign = |claims: &mut Value| claims["iss"] = json!("SK00000000000000000000000000000000");
    assert_eq!(refused(&node, &changed(&node, foreign).await).await, 31_201);
    let endless = |claims: &mut Value| claims["exp"] = json!(claims["exp"].as_i64().unwrap() + 100_000);
    assert_eq!(refused(&node, &changed(&node, endless).await).await, 31_207);
    let empty = |claims: &mut Value| claims["grants"] = json!({"identity": "x"});
    assert_eq!(refused(&node, &changed(&node, empty).await).await, 31_204);
    assert_eq!(node.figure("confab_signal_refused_total", "reason=\"token\"").await, 6.0);

    // Whoever is in already stays who they are.
    let mut device = Device::registered(&node, &token).await;
    device.say("listen", json!({"token": forged})).await;
    assert_eq!(device.error().await, 31_202);
    device.say("register", json!({"media": {"audio": true}})).await;
    device.told("ready").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_does_not_grant_is_refused_and_so_is_all_before_one() {
    let (node, app, token) = stage("<Reject reason=\"busy\"/>").await;
    let offer = Browser::new().await.offer();
    let invite = json!({"callsid": "TJS1", "sdp": offer, "twilio": {}});
    let mut stranger = Device::open(&node).await;
    stranger.say("register", json!({"media": {"audio": true}})).await;
    assert_eq!(stranger.error().await, 31_204);
    stranger.say("invite", invite.clone()).await;
    assert_eq!(stranger.told("hangup").await["error"]["code"], 31_204);

    let mute = changed(&node, |claims| claims["grants"]["voice"] = json!({})).await;
    let mut device = Device::open(&node).await;
    device.listen(&mute).await;
    device.say("register", json!({"media": {"audio": true}})).await;
    assert_eq!(device.error().await, 31_201);
    device.say("invite", invite.clone()).await;
    let over = device.told("hangup").await;
    assert_eq!((&over["callsid"], &over["error"]["code"]), (&json!("TJS1"), &json!(31_002)));
    device.say("register", json!({"media": {"audio": false}})).await;
    device.told("offline").await;

    let mut device = Device::open(&node).await;
    device.listen(&changed(&node, |_| {}).await).await;
    device.say("invite", invite.clone()).await;
    assert_eq!(device.told("hangup").await["error"]["code"], 31_001);

    // One that may call, and what its script says to it.
    let mut device = Device::open(&node).await;
    device.listen(&token).await;
    device.say("invite", json!({"callsid": "TJS1", "sdp": "v=0\r\n"})).await;
    assert_eq!(device.told("hangup").await["error"]["code"], 31_400);
    device.say("invite", invite.clone()).await;
    assert_eq!(device.hung_up().await["error"]["code"], 31_486);
    app.says("voice", "<Hangup/>");
    device.say("invite", invite).await;
    let over = device.hung_up().await;
    assert!(over.get("error").is_none(), "{over}");
    device.say("reinvite", json!({"callsid": "CA00000000000000000000000000000000", "sdp": "v=0"})).await;
    assert_eq!(device.told("hangup").await["error"]["code"], 31_404);
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_floods_and_giants_cost_nobody_else_anything() {
    let (node, _app, token) = stage("<Dial><Conference>floor</Conference></Dial>").await;
    let mut good = Device::registered(&node, &token).await;
    let mut bad = Device::open(&node).await;
    for nonsense in ["{", "[]", "{\"type\":7}", "{\"type\":\"listen\",\"payload\":{\"token\":{}}}", "\u{0}"] {
        bad.send(nonsense.to_owned()).await;
        assert_eq!(bad.error().await, 31_100, "{nonsense}");
    }
    bad.send("{\"type\":\"presence\",\"payload\":{}}".to_owned()).await;
    bad.send("{".to_owned()).await;
    assert_eq!(bad.error().await, 31_100, "what is not known is not answered");
    assert_eq!(node.figure(FAULTS, "reason=\"unknown_type\"").await, 1.0);
    assert_eq!(node.figure(FAULTS, "reason=\"malformed\"").await, 6.0);

    bad.tries(format!("{{\"type\":\"{}\"}}", "x".repeat(70_000))).await;
    while bad.next().await.is_some() {}
    assert_eq!(node.figure(FAULTS, "reason=\"too_long\"").await, 1.0);
    let mut flood = Device::open(&node).await;
    for _ in 0..150 {
        flood.tries("{\"type\":\"presence\"}".to_owned()).await;
    }
    assert_eq!(flood.error().await, 31_206);
    while flood.next().await.is_some() {}
    assert_eq!(node.figure(FAULTS, "reason=\"flood\"").await, 1.0);
    good.say("register", json!({"media": {"audio": true}})).await;
    good.told("ready").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_more_than_ten_devices_the_newest_ring() {
    let (node, _app, token) = stage("").await;
    let mut devices = Vec::new();
    for _ in 0..11 {
        devices.push(Device::registered(&node, &token).await);
    }
    devices[0].told("offline").await;
    let form = "To=client%3Aalice&From=%2B15550100&Twiml=%3CResponse%2F%3E";
    let sid = place(&node, form).await;
    for device in &mut devices[1..] {
        assert_eq!(device.told("invite").await["callsid"], *sid);
    }
    node.post(&format!("Calls/{sid}.json"), "Status=canceled").await;
    for device in &mut devices[1..] {
        device.told("cancel").await;
    }
}
