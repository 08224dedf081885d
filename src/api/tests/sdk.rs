//! Twilio's official SDKs against this API over a scripted model, by `tests/sdk/run.sh`.
//!
//! The first run installs the SDKs at their pinned versions, which wants python3, node, npm and their
//! registries. What is missing fails the test and says what to install. Who has to do without sets
//! `CONFAB_SKIP_SDKS=1`.

use std::path::PathBuf;

use tokio::process::Command;

use super::connections::Served;
use super::*;

#[tokio::test]
async fn the_python_sdk_drives_everything() {
    drive("python").await;
}

#[tokio::test]
async fn the_node_sdk_drives_everything() {
    drive("node").await;
}

async fn drive(sdk: &str) {
    if std::env::var_os("CONFAB_SKIP_SDKS").is_some_and(|value| value == "1") {
        return;
    }
    let mut script = Script::default();
    script.conference("another", 2);
    script.conference("sdk-tour", 4);
    let node = Node::over(script.play());
    let served = Served::start(&node).await;

    let run = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/run.sh");
    let output = Command::new(run)
        .arg(sdk)
        .env("CONFAB_URL", format!("http://{}", served.address))
        .env("CONFAB_ACCOUNT_SID", node.account.to_string())
        .env("CONFAB_AUTH_TOKEN", TOKEN)
        .env("CONFAB_CONFERENCE", "sdk-tour")
        .kill_on_drop(true)
        .output()
        .await
        .expect("run.sh runs");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{sdk}: {}\n{stdout}\n{stderr}", output.status);
    assert!(stdout.contains("all as it should be"), "{sdk} said nothing:\n{stdout}\n{stderr}");
    served.stop().await;
}
