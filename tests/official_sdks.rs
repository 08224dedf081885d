//! The official SDKs against a real node with real calls in it, with only their base URL changed. What they
//! do and assert is in `tests/sdk/`; missing Python, Node.js or registries fail the test and say what to install.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test a panic is the report, helpers included"
)]

mod running;

#[path = "wire/message.rs"]
#[allow(dead_code, reason = "made for other tests too")]
mod message;
#[path = "wire/peer.rs"]
#[allow(dead_code, reason = "made for other tests too")]
mod peer;
#[path = "sdk/phone.rs"]
mod phone;
#[path = "wire/proof.rs"]
#[allow(dead_code, reason = "made for other tests too")]
mod proof;
#[path = "wire/rtp.rs"]
#[allow(dead_code, reason = "made for other tests too")]
mod rtp;

use std::process::Stdio;

use confab::config::Secret;
use confab::directory::{Directory, MainAccount};
use confab::load::{LegNumber, Plan, execute};
use confab::server::Options;
use confab::sid::AccountSid;
use confab::store::{Store, StoreSettings};
use confab::telemetry::Metrics;
use confab::token::Tokens;
use peer::Peer;
use running::Running;
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn python_drives_a_live_conference() {
    drive("python").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_js_drives_a_live_conference() {
    drive("node").await;
}

async fn drive(sdk: &str) {
    install(sdk).await;
    let running = Running::start(Options::default()).await;
    // Longer than a drive takes: the SDK ends the calls itself.
    let plan = Plan::new(4, 1, 2, 120).unwrap();
    let conference = plan.dialled(LegNumber(0)).trim_start_matches("conf-").to_owned();
    let sip = running.node.sip;
    let callers = tokio::spawn(async move { execute(sip, &plan).await });
    wait_for_participants(&running, &conference, 4).await;
    let driven = script(sdk)
        .env("CONFAB_URL", format!("http://{}", running.node.http))
        .env("CONFAB_ACCOUNT_SID", &running.account_sid)
        .env("CONFAB_AUTH_TOKEN", &running.auth_token)
        .env("CONFAB_CONFERENCE", &conference)
        .env("CONFAB_RECORDS", "yes")
        .output()
        .await
        .unwrap();
    callers.abort();
    running.node.stop().await;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(driven.status.success(), "{}\n{}", said(&driven.stdout), said(&driven.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn python_is_an_application_with_calls() {
    run_application("calls-python").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_js_is_an_application_with_calls() {
    run_application("calls-node").await;
}

/// A node that may call a phone, over a trunk too, and asks an application that the SDK is: it writes the call scripts,
/// and judges who signed what it is told.
async fn run_application(sdk: &str) {
    install(sdk).await;
    let mut phone = Peer::udp(([127, 0, 0, 1], 9).into()).await;
    let address = phone.address();
    let file = format!(
        "outbound_allow = [\"sip:*@127.0.0.1:*\", \"client:*\", \"+*\"]\negress_allow = [\"127.0.0.0/8\"]\n\
         [[agent]]\nname = \"{}\"\npassword = \"{}\"\n[[trunk]]\nname = \"carrier\"\naddress = \"{address}\"\n",
        phone::AGENT,
        phone::PASSWORD,
    );
    let running = Running::start_with_file(Options::default(), &file).await;
    phone.serve(running.node.sip);
    phone::log_in(&mut phone).await;
    let ringing = tokio::spawn(phone::serve(phone));
    let ran = script(sdk)
        .env("CONFAB_URL", format!("http://{}", running.node.http))
        .env("CONFAB_SIP", running.node.sip.to_string())
        .env("CONFAB_PHONE", address.to_string())
        .env("CONFAB_ACCOUNT_SID", &running.account_sid)
        .env("CONFAB_AUTH_TOKEN", &running.auth_token)
        .output()
        .await
        .unwrap();
    ringing.abort();
    running.node.stop().await;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(ran.status.success(), "{}\n{}", said(&ran.stdout), said(&ran.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_the_python_sdk_are_worth_what_they_say() {
    judge_tokens("token-python").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_the_node_js_sdk_are_worth_what_they_say() {
    judge_tokens("token-node").await;
}

/// The SDK makes tokens with a key of the directory's, good ones and others; each is named for what must come of it.
async fn judge_tokens(sdk: &str) {
    install(sdk).await;
    let folder = tempfile::TempDir::new().unwrap();
    let main = MainAccount { sid: AccountSid::generate(), auth_token: Secret::new("none".to_owned()) };
    let store = Store::open(folder.path(), StoreSettings::default(), &Metrics::new()).await.unwrap();
    let directory = Directory::open(main, std::sync::Arc::new(store)).await.unwrap();
    let account = directory.main();
    let (key, secret) = directory.create_key(account, String::new(), false).await.unwrap();
    let made = script(sdk)
        .env("CONFAB_ACCOUNT_SID", account.to_string())
        .env("CONFAB_KEY", key.sid.to_string())
        .env("CONFAB_KEY_SECRET", secret.expose())
        .output()
        .await
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let tokens = Tokens::open(directory, folder.path()).unwrap();
    let mut judged = 0;
    for line in String::from_utf8(made.stdout).unwrap().lines() {
        let (expected, token) = line.split_once(' ').unwrap();
        let found = match tokens.verify(token, chrono::Utc::now()) {
            Ok(grant) => {
                assert_eq!((grant.account, &*grant.identity), (account, "alice"));
                let params = grant.application_sid.map_or(vec![], |_| vec![("team".into(), "blue".into())]);
                assert_eq!((grant.params, grant.is_supervisor), (params, false));
                "valid".to_owned()
            }
            Err(refused) => refused.code().to_string(),
        };
        assert_eq!(found, expected, "{token}");
        judged += 1;
    }
    assert!(judged >= 10, "{judged} tokens");
}

/// Before the callers are there: from a slow registry it may take longer than they stay.
async fn install(_sdk: &str) {
    let installed = script("install").status().await.unwrap();
    assert!(installed.success(), "the SDKs cannot be installed");
}

fn script(what: &str) -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdk/run.sh"));
    command.arg(what).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Asks the API itself, as a user would, until all callers are in.
async fn wait_for_participants(running: &Running, conference: &str, wanted: usize) {
    let base = format!("http://{}/2010-04-01/Accounts/{}", running.node.http, running.account_sid);
    let user = format!("{}:{}", running.account_sid, running.auth_token);
    for _ in 0..200 {
        let list = get(&user, &format!("{base}/Conferences.json?FriendlyName={conference}")).await;
        if let Some(sid) = list["conferences"][0]["sid"].as_str() {
            let seats = get(&user, &format!("{base}/Conferences/{sid}/Participants.json")).await;
            let connected = |seat: &&serde_json::Value| seat["status"] == "connected";
            let seats = seats["participants"].as_array().cloned().unwrap_or_default();
            if seats.iter().filter(connected).count() == wanted {
                return;
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the callers did not get into {conference}");
}

async fn get(user: &str, url: &str) -> serde_json::Value {
    let answer = Command::new("curl").args(["--silent", "--user", user, url]).output().await.unwrap();
    serde_json::from_slice(&answer.stdout).unwrap_or_default()
}
