//! Who is named in an attestation: everybody who could have heard, however briefly and whether or not a key came just then.

use confab::server::Options;
use serde_json::{Value, json};

use crate::pay::{Payment, caller};
use crate::record::Api;
use crate::running::Running;
use crate::stream_server::StreamServer;

#[tokio::test(flavor = "multi_thread")]
async fn everybody_who_was_there_for_a_moment_without_a_key_is_named() {
    let server = StreamServer::start().await;
    let node = Running::start_with(Options::default(), &["--egress-allow=127.0.0.0/8"]).await;
    let (_customer, call) = caller(&node, "conf-desk").await;
    let (_agent, agent_call) = caller(&node, "conf-desk").await;
    let api = Api::of(&node);
    let url = server.url("sound").replace(':', "%3A").replace('/', "%2F");
    let made = async |path: &str, form: &str| {
        let (status, made) = api.json("POST", path, form).await;
        assert!(matches!(status, 200 | 201), "{status} {made}");
        made["sid"].as_str().unwrap().to_owned()
    };
    let before = made(&format!("Calls/{call}/Streams.json"), &format!("Url={url}")).await;
    let mut payment = Payment::start(&node, &call, "").await;
    let of_agent = made(&format!("Calls/{agent_call}/Streams.json"), &format!("Url={url}")).await;
    api.json("POST", &format!("Calls/{agent_call}/Streams/{of_agent}.json"), "Status=stopped").await;
    let (mut supervisor, supervisor_call) = caller(&node, "conf-desk").await;
    let of_call = made(&format!("Calls/{agent_call}/Recordings.json"), "").await;
    api.json("POST", &format!("Calls/{agent_call}/Recordings/{of_call}.json"), "Status=stopped").await;
    supervisor.hang_up().await;
    payment.update("Status=cancel").await;
    payment.told("Result", "transaction-cancelled").await;
    let attested = payment.attested().await;
    let listeners = &attested["statement"]["listeners"];
    assert_eq!(listeners["all_named"], true);
    assert_eq!(listeners["recordings"], json!([of_call]));
    for (kind, expected) in [("calls", [&agent_call, &supervisor_call]), ("streams", [&before, &of_agent])] {
        let named = listeners[kind].as_array().unwrap();
        let is_named = |sid: &&String| named.contains(&Value::from(sid.as_str()));
        assert!(named.len() == 2 && expected.iter().all(is_named), "{kind}: {listeners}");
    }
}
