//! The applications of `docs/tour/`, run as they stand.

use std::io::Write;
use std::process::Stdio;

use confab::server::Options;
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::peer::{Peer, within};
use crate::running::Running;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// One of the programs. It ends with the test.
async fn program(name: &str, node: &Running, port: u16) -> Command {
    let mut program = python(node).await;
    program.arg(format!("{ROOT}/docs/tour/{name}")).env("PORT", port.to_string()).stdin(Stdio::null());
    program
}

/// Python with the SDK that the other tests install, and a node's credentials.
pub(crate) async fn python(node: &Running) -> Command {
    let installed = Command::new(format!("{ROOT}/tests/sdk/run.sh")).arg("install").status().await.unwrap();
    assert!(installed.success(), "the SDKs cannot be installed");
    let mut program = Command::new(format!("{ROOT}/tests/sdk/.venv/bin/python"));
    program
        .env("SID", &node.account_sid)
        .env("TOKEN", &node.auth_token)
        .env("NODE", format!("http://{}", node.node.http))
        .kill_on_drop(true);
    program
}

/// A port that nobody listens on.
async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

async fn listens(port: u16) {
    within("an application that listens", async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_menu_leads_into_the_conference_of_support() {
    let port = free_port().await;
    let mut config = NamedTempFile::new().unwrap();
    let routes = std::fs::read_to_string(format!("{ROOT}/docs/tour/confab.toml")).unwrap();
    write!(config, "{}", routes.replace(":5000", &format!(":{port}"))).unwrap();
    let flags = [format!("--config={}", config.path().display()), "--egress-allow=127.0.0.0/8".to_owned()];
    let node = Running::start_with(Options::default(), &flags.each_ref().map(String::as_str)).await;
    let _ivr: Child = program("ivr.py", &node, port).await.spawn().unwrap();
    listens(port).await;

    let mut agent = Peer::udp(node.node.sip).await;
    agent.dial("conf-support").await;
    agent.rtp.speak(1_100);
    let mut caller = Peer::udp(node.node.sip).await;
    caller.dial("menu").await;
    // Anything else asks again.
    caller.rtp.press(101, 9).await;
    caller.rtp.press(101, 1).await;
    within("the caller among them", async {
        while !node.get("Conferences.json?Status=in-progress").await["conferences"][0].is_object() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            caller.rtp.press(101, 1).await;
        }
    })
    .await;
    caller.rtp.hears(1_100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_echo_says_back_what_it_hears_until_a_key_ends_it() {
    let port = free_port().await;
    let mut config = NamedTempFile::new().unwrap();
    let routes = std::fs::read_to_string(format!("{ROOT}/docs/tour/confab.toml")).unwrap();
    write!(config, "{}", routes.replace(":5000", &format!(":{port}"))).unwrap();
    let flags = [format!("--config={}", config.path().display()), "--egress-allow=127.0.0.0/8".to_owned()];
    let node = Running::start_with(Options::default(), &flags.each_ref().map(String::as_str)).await;
    let mut echo = program("echo.py", &node, port).await.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(echo.stdout.take().unwrap()).lines();
    let mut said = async || within("a line", lines.next_line()).await.unwrap().unwrap();
    listens(port).await;

    let mut caller = Peer::udp(node.node.sip).await;
    caller.dial("echo").await;
    caller.rtp.speak(700);
    assert!(said().await.starts_with("talks with "));
    assert_eq!(said().await, "heard until hello");
    caller.rtp.hears(700).await;
    caller.rtp.press(101, 10).await;
    caller.rtp.hears(700).await;
    caller.rtp.press(101, 11).await;
    // Nothing here speaks: two tones say goodbye.
    caller.is_hung_up().await;
    let mut second = Peer::udp(node.node.sip).await;
    second.dial("echo").await;
    assert!(said().await.starts_with("talks with"));
    assert_eq!(said().await, "heard until hello");
    second.hang_up().await;
    assert_eq!(said().await, "hung up");
}

/// An agent of somebody else's framework, which knows nothing of this node.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_of_an_open_framework_is_heard_and_interrupted() {
    let run = format!("{ROOT}/tests/sdk/run.sh");
    let installed = Command::new(run).arg("install-agent").status().await.unwrap();
    assert!(installed.success(), "the framework cannot be installed");
    let port = free_port().await;
    let connect = format!("<Connect><Stream url='ws://127.0.0.1:{port}/'/></Connect>");
    let file = format!("[[route]]\nuser = \"*\"\ntwiml = \"<Response>{connect}</Response>\"\n");
    let file = format!("egress_allow = \"127.0.0.0/8\"\n{file}");
    let node = Running::start_with_file(Options::default(), &file).await;
    let mut agent = Command::new(format!("{ROOT}/tests/sdk/agent/.venv/bin/python"));
    agent.arg(format!("{ROOT}/docs/tour/framework.py")).env("PORT", port.to_string());
    let _agent: Child = agent.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    listens(port).await;

    let mut caller = Peer::udp(node.node.sip).await;
    caller.dial("agent").await;
    caller.rtp.speak(700);
    caller.rtp.hears(700).await;
    caller.rtp.press(101, 5).await;
    caller.rtp.speak(1_100);
    caller.rtp.hears(1_100).await;
    caller.hang_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dialler_says_how_its_call_went() {
    let node = Running::start_with(Options::default(), &["--outbound-allow=sip:*@127.0.0.1:*"]).await;
    for (answer, status) in [(None, "completed"), (Some("486 Busy Here"), "busy")] {
        let mut alice = Peer::udp(node.node.sip).await;
        let mut dialler = program("dialler.py", &node, 0).await;
        dialler.arg(format!("sip:alice@{}", alice.address())).stdout(Stdio::piped());
        let mut dialler = dialler.spawn().unwrap();
        let mut lines = BufReader::new(dialler.stdout.take().unwrap()).lines();
        let invite = alice.is_called().await;
        match answer {
            Some(answer) => alice.reply(&invite, answer).await,
            None => {
                alice.pick_up(&invite).await;
                // Nothing here speaks: she hears two tones, twice, and is hung up on.
                alice.is_hung_up().await;
            }
        }
        assert!(lines.next_line().await.unwrap().unwrap().starts_with("calling sip:alice@"));
        let said = within("how it went", lines.next_line()).await.unwrap();
        assert_eq!(said.as_deref(), Some(status));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reception_welcomes_each_caller_and_says_who_is_there() {
    let port = free_port().await;
    let mut config = NamedTempFile::new().unwrap();
    let routes = std::fs::read_to_string(format!("{ROOT}/docs/tour/confab.toml")).unwrap();
    write!(config, "{}", routes.replace(":5000", &format!(":{port}"))).unwrap();
    let flags = [format!("--config={}", config.path().display()), "--egress-allow=127.0.0.0/8".to_owned()];
    let node = Running::start_with(Options::default(), &flags.each_ref().map(String::as_str)).await;
    let mut reception = program("reception.py", &node, port).await.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(reception.stdout.take().unwrap()).lines();
    let mut said = async || within("a line", lines.next_line()).await.unwrap().unwrap();
    listens(port).await;

    let mut alice = Peer::udp(node.node.sip).await;
    alice.dial("lobby").await;
    alice.rtp.speak(700);
    assert_eq!(said().await, "1 in lobby");
    let mut bob = Peer::udp(node.node.sip).await;
    bob.dial("lobby").await;
    bob.rtp.speak(1_100);
    assert_eq!(said().await, "lobby starts");
    assert_eq!(said().await, "2 in lobby");
    // Each was told something alone, and then they hear each other.
    tokio::join!(alice.rtp.hears(1_100), bob.rtp.hears(700));
    bob.hang_up().await;
    assert_eq!(said().await, "1 in lobby");
    alice.hang_up().await;
    assert_eq!(said().await, "0 in lobby");
    assert_eq!(said().await, "lobby ends: last-participant-left");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_listener_hears_each_side_of_a_call_until_it_is_over() {
    let flags = ["--outbound-allow=sip:*@127.0.0.1:*", "--egress-allow=127.0.0.0/8"];
    let node = Running::start_with(Options::default(), &flags).await;
    let mut alice = Peer::udp(node.node.sip).await;
    let script = "%3CResponse%3E%3CPause%20length%3D%22600%22%2F%3E%3C%2FResponse%3E";
    let form = format!("To=sip:alice@{}&From=x&Twiml={script}", alice.address());
    let (_, call) = node.create("Calls.json", &form).await;
    let call = call["sid"].as_str().unwrap();
    let invite = alice.is_called().await;
    alice.pick_up(&invite).await;
    alice.rtp.speak(700);
    node.wait_for(&format!("Calls/{call}.json"), "status", "in-progress").await;

    let mut listener = program("listener.py", &node, free_port().await).await;
    let mut listener = listener.arg(call).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(listener.stdout.take().unwrap()).lines();
    let mut said = async || within("a line", lines.next_line()).await.unwrap();
    assert!(said().await.unwrap().starts_with("start MZ"));
    let (mut loud, mut quiet) = (false, false);
    while !(loud && quiet) {
        let line = said().await.unwrap();
        loud |= line.contains("inbound") && line.ends_with("########");
        quiet |= line.contains("outbound") && !line.contains('#');
    }
    alice.hang_up().await;
    while let Some(line) = said().await {
        assert!(line.starts_with("stop MZ") || line.contains("bound"), "{line}");
    }
    assert!(within("its end", listener.wait()).await.unwrap().success());
}
