//! A node of our own for a one-line try: started in a directory of its own, stopped when we are done,
//! whichever way that is.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use confab_media::ConferenceSettings;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStdout, Command as AsyncCommand};

use super::node_api::NodeApi;
use super::plan::{Plan, random_u32};
use super::wire;

/// A node answers within a second; a busy machine may take some more.
const READY_MAX: Duration = Duration::from_secs(20);
/// A node is to be down 10 s after SIGTERM; then it is killed.
const STOP_MAX: Duration = Duration::from_secs(12);

/// It may fetch from this machine.
const SCRIPTS_ALLOWED: [&str; 2] = ["--egress-allow", "127.0.0.0/8"];

/// A child process that says `ready` on standard output, and is stopped when dropped.
#[derive(Debug)]
pub(super) struct ReadyChild {
    child: tokio::process::Child,
    pid: u32,
    stopped: bool,
    /// The line with which it said that it is ready.
    ready: String,
}

impl ReadyChild {
    /// Starts `command` and waits for a line with the word `ready`. Everything it prints after that is
    /// read and dropped, so that it never waits for us.
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not get ready in time. It is stopped then.
    pub(super) async fn start(command: Command) -> anyhow::Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut command = AsyncCommand::from(command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().with_context(|| format!("cannot start {name}"))?;
        let pid = child.id().context("the child has no process id")?;
        let stdout = child.stdout.take().context("the child has no standard output")?;
        let stderr = child.stderr.take().context("the child has no standard error")?;
        let complaint = tokio::spawn(last_line(BufReader::new(stderr).lines()));
        let mut this = Self { child, pid, stopped: false, ready: String::new() };
        let mut lines = BufReader::new(stdout).lines();
        match tokio::time::timeout(READY_MAX, ready_line(&mut lines)).await {
            Ok(Some(line)) => this.ready = plain(&line),
            Ok(None) => {
                let complaint = complaint.await.unwrap_or_default();
                let status = this.child.wait().await?;
                this.stopped = true;
                bail!("{name} ended before it was ready ({status}) {complaint}");
            }
            Err(_) => bail!("{name} was not ready within {} s", READY_MAX.as_secs()),
        }
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(this)
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// The value of `key=value` in the line with which the child said that it is ready.
    pub(super) fn said(&self, key: &str) -> Option<&str> {
        value_of(&self.ready, key)
    }

    /// Asks the child to stop and waits until it has.
    ///
    /// # Errors
    /// When it does not stop and has to be killed, or cannot be waited for.
    pub(super) async fn stop(&mut self) -> io::Result<ExitStatus> {
        wire::terminate(self.pid);
        let status = match tokio::time::timeout(STOP_MAX, self.child.wait()).await {
            Ok(status) => status,
            Err(_) => {
                self.child.kill().await?;
                Err(io::Error::other("the node did not stop and was killed"))
            }
        };
        self.stopped = true;
        status
    }
}

impl Drop for ReadyChild {
    /// On the way out through an error: asks it to stop and waits a little. `kill_on_drop` does the rest.
    fn drop(&mut self) {
        if self.stopped {
            return;
        }
        wire::terminate(self.pid);
        let deadline = Instant::now() + STOP_MAX;
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A node started for this run.
#[derive(Debug)]
pub(super) struct SpawnedNode {
    pub(super) child: ReadyChild,
    /// Where it takes calls.
    pub(super) sip: SocketAddr,
    /// Where it is asked, and as whom.
    pub(super) api: NodeApi,
    // Dropped after the child: it lives in there.
    home: Home,
}

impl SpawnedNode {
    /// Starts this program's own `serve` on free ports, with nothing of the user's configuration, and
    /// what the plan asks of a node: room in the mix for its talkers, SRTP if it offers that.
    ///
    /// # Errors
    /// When it does not get ready, or does not say where it takes calls.
    pub(super) async fn start(plan: &Plan) -> anyhow::Result<Self> {
        // Everybody is to be heard, so all talkers of a conference may be mixed at once.
        let talkers = plan.talkers_each().max(ConferenceSettings::TALKERS_MAX_DEFAULT);
        let srtp = if plan.suites().is_empty() { "off" } else { "required" };
        let talkers = talkers.to_string();
        let mut flags = vec!["--max-talkers", &talkers, "--srtp", srtp];
        if plan.browsers() > 0 {
            // The script of the browsers' application is here.
            flags.extend(SCRIPTS_ALLOWED);
        }
        Self::start_with(&flags).await
    }

    /// The same, with what a scenario asks of a node: it may fetch scripts and music from this machine.
    ///
    /// # Errors
    /// As [`SpawnedNode::start`].
    pub(super) async fn start_for_scenario() -> anyhow::Result<Self> {
        Self::start_with(&SCRIPTS_ALLOWED).await
    }

    /// Where it keeps its data.
    pub(super) fn data(&self) -> PathBuf {
        data_in(&self.home.path)
    }

    async fn start_with(flags: &[&str]) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot tell which program this is")?;
        let home = Home::make().context("no directory for the node's data")?;
        let (account, token) = (format!("AC{}", random_hex()), random_hex());
        let mut command = node_command(&program, &home.path, flags);
        // Not as flags: those can be read by everybody on the machine.
        command.env("CONFAB_ACCOUNT_SID", &account).env("CONFAB_AUTH_TOKEN", &token);
        let child = ReadyChild::start(command).await?;
        let sip = child.said("sip").context("the node did not say where it takes calls")?;
        let sip = sip.parse().with_context(|| format!("the node takes calls at an odd place: {sip}"))?;
        let http = child.said("http").context("the node did not say where it is asked")?;
        let http = http.parse().with_context(|| format!("the node is asked at an odd place: {http}"))?;
        Ok(Self { child, sip, api: NodeApi::new(http, account, token), home })
    }
}

/// 32 hexadecimal digits.
fn random_hex() -> String {
    (0..4).map(|_| format!("{:08x}", random_u32())).collect()
}

fn data_in(home: &Path) -> PathBuf {
    home.join("data")
}

fn node_command(program: &Path, home: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(["serve", "--http-listen", "127.0.0.1:0", "--sip-listen", "127.0.0.1:0", "--data-dir"])
        .arg(data_in(home))
        .args(flags)
        // A `confab.toml` of the user's lies elsewhere.
        .current_dir(home);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CONFAB_") {
            command.env_remove(name);
        }
    }
    command
}

/// A directory that is gone with us.
#[derive(Debug)]
struct Home {
    path: PathBuf,
}

impl Home {
    fn make() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("confab-load-{:08x}", random_u32()));
        std::fs::create_dir(&path)?;
        Ok(Self { path })
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // What is left in the system's temporary directory is cleaned by the system.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

async fn ready_line(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<String> {
    while let Ok(Some(line)) = lines.next_line().await {
        if is_ready(&line) {
            return Some(line);
        }
    }
    None
}

/// Reads all, so that the child never waits, and keeps the last line.
async fn last_line<R: tokio::io::AsyncRead + Unpin>(mut lines: Lines<BufReader<R>>) -> String {
    let mut last = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        last = line;
    }
    last
}

fn is_ready(line: &str) -> bool {
    let is_word = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()) == "ready";
    plain(line).split_ascii_whitespace().any(is_word)
}

fn value_of<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let is_key = |word: &'a str| word.strip_prefix(key)?.strip_prefix('=');
    line.split_ascii_whitespace().find_map(is_key).map(|value| value.trim_matches('"'))
}

/// The line without terminal colours, which a log may have.
fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut in_escape = false;
    for c in line.chars() {
        match c {
            '\u{1b}' => in_escape = true,
            'm' if in_escape => in_escape = false,
            _ if in_escape => {}
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn the_ready_line_tells_the_addresses() {
        let line = "2026-11-21T04:00:00Z  INFO confab: ready http=127.0.0.1:8080 sip=127.0.0.1:5060";
        assert!(is_ready(line));
        assert_eq!(value_of(line, "sip"), Some("127.0.0.1:5060"));
        assert_eq!(value_of(line, "tls"), None);
        assert!(!is_ready("already there, not yet readying"));
        assert!(is_ready(&plain("\u{1b}[32m INFO\u{1b}[0m \u{1b}[1mready\u{1b}[0m sip=1")));
    }

    #[tokio::test]
    async fn a_child_that_gets_ready_is_stopped_by_sigterm() {
        let script = "trap 'exit 7' TERM; echo starting; echo ready sip=127.0.0.1:5; \
                      while :; do sleep 0.05; done";
        let mut child = ReadyChild::start(shell(script)).await.unwrap();
        assert_eq!(child.said("sip"), Some("127.0.0.1:5"));
        assert_eq!(child.stop().await.unwrap().code(), Some(7));
    }

    #[tokio::test]
    async fn a_child_that_ends_early_says_why() {
        let error = ReadyChild::start(shell("echo port in use >&2; exit 2")).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("port in use") && text.contains("exit status: 2"), "{text}");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_an_error() {
        assert!(ReadyChild::start(Command::new("/nowhere/confab")).await.is_err());
    }
}
