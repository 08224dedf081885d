//! The program from outside: what it prints, what it leaves behind and the status it ends with.
//!
//! Each test runs the real binary in a directory of its own, with an environment that holds nothing of
//! ours. Nothing waits for a time: a test reads until the line it needs, or until the program ends.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, helpers included")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};

use tempfile::TempDir;

#[test]
fn help_explains_every_setting_and_gives_examples() {
    let home = TempDir::new().unwrap();
    let help = run(confab(&home, &["serve", "--help"]));
    assert_eq!(help.status.code(), Some(0));
    let text = stdout(&help);
    for word in [
        "--http-listen",
        "CONFAB_HTTP_LISTEN",
        "127.0.0.1:8080",
        "--auth-token",
        "process list",
        "Examples:",
        "Exit status:",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(stdout(&run(confab(&home, &["--help"]))).contains("Examples:"));
}

#[test]
fn the_version_is_told_both_ways() {
    let home = TempDir::new().unwrap();
    for words in ["--version", "version"] {
        let told = run(confab(&home, &[words]));
        assert_eq!(told.status.code(), Some(0));
        assert_eq!(stdout(&told), concat!("confab ", env!("CARGO_PKG_VERSION"), "\n"));
    }
}

#[test]
fn without_a_command_the_help_is_shown_and_the_status_is_2() {
    let home = TempDir::new().unwrap();
    let nothing = run(confab(&home, &[]));
    assert_eq!(nothing.status.code(), Some(2));
    assert!(stderr(&nothing).contains("serve"));
}

#[test]
fn a_misspelt_flag_is_one_line_with_the_nearest() {
    let home = TempDir::new().unwrap();
    assert_refused(
        confab(&home, &["serve", "--http-lisen", "127.0.0.1:1"]),
        "confab: unknown flag `--http-lisen`; did you mean `--http-listen`?\n",
    );
    assert_refused(
        confab(&home, &["serve", "--auth-tokn=hunter2"]),
        "confab: unknown flag `--auth-tokn`; did you mean `--auth-token`?\n",
    );
}

#[test]
fn other_mistakes_on_the_command_line_are_one_line_too() {
    let home = TempDir::new().unwrap();
    for words in [
        &["sevre"] as &[&str],
        &["serve", "--http-listen"],
        &["serve", "stray"],
        &["serve", "--log", "info", "--log", "warn"],
        &["--http-listen", "127.0.0.1:1"],
    ] {
        let refused = run(confab(&home, words));
        assert_eq!(refused.status.code(), Some(2), "{words:?}");
        assert_one_line(&stderr(&refused));
    }
}

#[test]
fn a_misspelt_variable_is_one_line_with_the_nearest() {
    let home = TempDir::new().unwrap();
    let mut command = confab(&home, &["serve"]);
    command.env("CONFAB_SIP_LISTN", "127.0.0.1:0");
    assert_refused(
        command,
        "confab: unknown environment variable `CONFAB_SIP_LISTN`; did you mean `CONFAB_SIP_LISTEN`?\n",
    );
}

#[test]
fn a_misspelt_key_is_one_line_with_its_place_and_the_nearest() {
    let home = TempDir::new().unwrap();
    fs::write(home.path().join("confab.toml"), "# mine\n\nhttp_lisen = \"127.0.0.1:0\"\n").unwrap();
    assert_refused(
        confab(&home, &["serve"]),
        "confab: unknown key `http_lisen` in confab.toml line 3; did you mean `http_listen`?\n",
    );
}

#[test]
fn a_bad_address_is_one_line() {
    let home = TempDir::new().unwrap();
    let refused = run(confab(&home, &["serve", "--sip-listen", "localhost"]));
    assert_eq!(refused.status.code(), Some(2));
    assert_one_line(&stderr(&refused));
    assert!(stderr(&refused).starts_with("confab: wrong value `localhost` for `sip_listen` (flag"));
}

#[test]
fn an_address_in_use_is_named_and_the_status_is_2() {
    let home = TempDir::new().unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let in_use = [
        ("--http-listen", "`http_listen`", tcp.local_addr().unwrap()),
        ("--sip-listen", "`sip_listen`", udp.local_addr().unwrap()),
    ];
    for (flag, setting, address) in in_use {
        let address = address.to_string();
        let mut command = free(&home);
        let refused = run(replace(&mut command, flag, &address));
        assert_eq!(refused.status.code(), Some(2));
        let last = stderr(&refused).lines().last().unwrap_or_default().to_owned();
        assert!(last.starts_with("confab: cannot listen on "), "{last}");
        assert!(last.contains(&address) && last.contains(setting), "{last}");
    }
}

#[test]
fn a_data_directory_that_is_none_is_one_line() {
    let home = TempDir::new().unwrap();
    fs::write(home.path().join("file"), "").unwrap();
    let refused = run(confab(&home, &["serve", "--data-dir", "file"]));
    assert_eq!(refused.status.code(), Some(2));
    assert_one_line(&stderr(&refused));
    assert!(stderr(&refused).starts_with("confab: cannot use the data directory file: "));
}

#[test]
fn two_nodes_do_not_share_a_data_directory() {
    let home = TempDir::new().unwrap();
    let mut first = Node::start(free(&home));
    first.read_until("confab ready ");
    let refused = run(free(&home));
    assert_eq!(refused.status.code(), Some(2));
    let last = stderr(&refused).lines().last().unwrap_or_default().to_owned();
    assert!(last.starts_with("confab: another node runs on the data directory "), "{last}");

    // One that is killed leaves the directory to the next.
    first.end("KILL");
    Node::start(free(&home)).read_until("confab ready ");
}

#[test]
fn ready_tells_the_real_addresses_and_a_signal_ends_it_well() {
    let home = TempDir::new().unwrap();
    for signal in ["TERM", "INT"] {
        let mut node = Node::start(free(&home));
        let ready = node.read_until("confab ready ");
        let address = |key: &str| {
            let words = ready.split_whitespace();
            let value = words.filter_map(|word| word.strip_prefix(key)).next();
            value.unwrap_or_else(|| panic!("{key} in {ready}")).to_owned()
        };
        assert!(!address("http=").ends_with(":0") && !address("sip=").ends_with(":0"), "{ready}");
        TcpStream::connect(address("http=")).unwrap();
        TcpStream::connect(address("sip=")).unwrap();

        assert_eq!(node.end(signal), Some(0));
    }
}

#[test]
fn the_token_is_printed_once_kept_privately_and_never_logged() {
    let home = TempDir::new().unwrap();
    let mut first = Node::start(free(&home));
    let line = first.read_until("confab credentials account_sid=AC");
    first.read_until("confab ready ");
    let token = line.rsplit_once("auth_token=").unwrap().1.trim().to_owned();
    assert_eq!(token.len(), 32);
    first.end("TERM");
    assert!(!first.log().contains(&token));

    let kept = home.path().join("confab-data/credentials.toml");
    assert!(fs::read_to_string(&kept).unwrap().contains(&token));
    assert_eq!(mode(&kept), 0o600);
    assert_eq!(mode(kept.parent().unwrap()), 0o700);

    let mut second = Node::start(free(&home));
    let printed = second.read_until("confab ready ");
    second.end("TERM");
    assert!(!printed.contains("auth_token"), "{printed}");
    assert!(!second.log().contains(&token));
}

#[test]
fn the_effective_configuration_is_logged_with_its_sources() {
    let home = TempDir::new().unwrap();
    fs::write(home.path().join("confab.toml"), "max_calls = 12\n").unwrap();
    let mut command = free(&home);
    command.env("CONFAB_AUTH_TOKEN", "correct-horse-battery-staple");
    command.args(["--rtp-timeout", "5s"]);
    let mut node = Node::start(command);
    node.read_until("confab ready ");
    node.end("TERM");

    let log = node.log();
    for line in [
        r#"key="max_calls" value="12" source=confab.toml line 1"#,
        r#"key="rtp_timeout" value="5s" source=flag --rtp-timeout"#,
        r#"key="auth_token" value="[redacted]" source=environment CONFAB_AUTH_TOKEN"#,
        r#"key="max_participants" value="250" source=default"#,
        r#"key="route 1" value="conf-* -> conference {1}" source=default"#,
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
    assert!(!log.contains("correct-horse"), "{log}");
}

#[test]
fn a_json_log_is_one_object_a_line() {
    let home = TempDir::new().unwrap();
    let mut command = free(&home);
    command.args(["--log-format", "json"]);
    let mut node = Node::start(command);
    node.read_until("confab ready ");
    node.end("TERM");
    for line in node.log().lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(object["message"].is_string(), "{line}");
    }
}

/// The binary with these words, in `home`, with none of our variables.
fn confab(home: &TempDir, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_confab"));
    command.current_dir(home.path()).args(words).env_clear().stdin(Stdio::null());
    command
}

/// `confab serve` on free ports.
fn free(home: &TempDir) -> Command {
    confab(home, &["serve", "--http-listen", "127.0.0.1:0", "--sip-listen", "127.0.0.1:0"])
}

/// The same command with another value for `flag`.
fn replace(command: &mut Command, flag: &str, value: &str) -> Command {
    let mut other = Command::new(command.get_program());
    other.env_clear().stdin(Stdio::null());
    if let Some(home) = command.get_current_dir() {
        other.current_dir(home);
    }
    let mut follows_flag = false;
    for word in command.get_args() {
        if follows_flag {
            other.arg(value);
        } else {
            other.arg(word);
        }
        follows_flag = word == flag;
    }
    other
}

fn run(mut command: Command) -> Output {
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn assert_refused(command: Command, expected: &str) {
    let refused = run(command);
    assert_eq!(stderr(&refused), expected);
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(stdout(&refused), "");
}

fn assert_one_line(text: &str) {
    assert!(text.starts_with("confab: "), "{text}");
    assert_eq!(text.matches('\n').count(), 1, "{text}");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A node that runs; it is killed if the test ends first.
struct Node {
    process: Child,
    stdout: BufReader<ChildStdout>,
    stderr: ChildStderr,
}

impl Node {
    fn start(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let stderr = process.stderr.take().unwrap();
        Self { process, stdout, stderr }
    }

    /// What is printed up to and with the first line that begins with `start`.
    fn read_until(&mut self, start: &str) -> String {
        let mut text = String::new();
        loop {
            let begin = text.len();
            let read = self.stdout.read_line(&mut text).unwrap();
            assert!(read > 0, "ended before {start:?}: {text}{}", self.log());
            if text[begin..].starts_with(start) {
                return text;
            }
        }
    }

    /// Signals it and waits for its status.
    fn end(&mut self, signal: &str) -> Option<i32> {
        let kill = format!("kill -{signal} {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        self.process.wait().unwrap().code()
    }

    /// What it logged; to be read when it has ended.
    fn log(&mut self) -> String {
        let mut text = String::new();
        self.stderr.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It has usually ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
