//! The official SDKs against a real node with real calls in it, with only their base URL changed. What they
//! do and assert is in `tests/sdk/`; missing Python, Node.js or registries fail the test and say what to install.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, helpers included")]

mod running;

use std::process::Stdio;

use confab::load::{LegNumber, Plan, execute};
use confab::server::Options;
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
