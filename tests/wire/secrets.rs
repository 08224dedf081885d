//! Keys, credentials and digits never reach the log, at its most talkative, of a whole process that has met them
//! everywhere they can come from.

use std::fs::{File, read_to_string};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::peer::{Peer, within};
use crate::running::planted::search;

/// The keys of the two SDES lines of an offer (RFC 4568), as base64 of 30 bytes is.
const MEDIA_KEYS: [&str; 2] =
    ["WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz", "PS1uQCVeeCFCaVZmYDxpXGYhFjUxYHlLYXhfRXNv"];

/// What a caller types, by INFO in its two forms and in a body of nobody's kind.
const TYPED: [&str; 3] = ["4005519273", "8172635409", "6011000990139424"];

/// Half of a digest.
const DIGEST: &str = "6629fae49393a05397450978507c4ef1";

/// The keys pressed as telephone-events.
const PRESSED: [u8; 6] = [4, 0, 0, 5, 11, 9];

/// Keys that are told: these, and one by INFO that is none of them. Were it the first of them, it would depend on how fast
/// the machine is whether the two are one press.
const TOLD: usize = PRESSED.len() + 1;

#[tokio::test(flavor = "multi_thread")]
async fn keys_credentials_and_digits_are_never_logged() {
    let home = TempDir::new().unwrap();
    let mut node = Process::start(&home);
    let mut peer = Peer::udp(node.sip).await;
    let attributes = format!(
        "a=rtpmap:101 telephone-event/8000\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{}\r\n\
         a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:{}|2^20|1:4\r\n",
        MEDIA_KEYS[0], MEDIA_KEYS[1]
    );
    let description = peer.description_of("0 101", &attributes);
    let digest =
        format!("Digest username=\"a\", realm=\"b\", nonce=\"c\", uri=\"sip:d\", response=\"{DIGEST}\"");
    let invite = peer.invite("conf-secret").sdp(&description).with("Authorization", &digest);
    peer.dial_with(&invite).await;
    peer.renegotiate(&description).await;
    type_digits(&mut peer).await;
    for key in PRESSED {
        peer.rtp.press(101, key).await;
    }
    within("all keys to be told", node.has_told(TOLD)).await;
    let mut other = Peer::tcp(node.sip).await;
    let refused = other.invite("nobody").sdp(&description).with("Proxy-Authorization", &digest);
    assert_eq!(other.ask(&refused).await.status(), Some(404));

    // A process that is told to stop hangs up first.
    node.tell("TERM");
    assert!(peer.is_hung_up().await.contains("stopping"));
    assert_eq!(within("its end", node.ended()).await, Some(0));
    assert_clean(&node.log());
}

async fn type_digits(peer: &mut Peer) {
    let relayed: String =
        TYPED[0].chars().map(|digit| format!("Signal={digit}\r\nDuration=160\r\n")).collect();
    for (kind, body, status) in [
        ("application/dtmf-relay", format!("Signal={}\r\n{relayed}", TYPED[0]), 400),
        ("application/dtmf", TYPED[1].to_owned(), 400),
        ("application/dtmf-relay", "Signal=8\r\nDuration=160\r\n".to_owned(), 200),
        ("application/card", TYPED[2].to_owned(), 415),
    ] {
        let info = peer.within_call("INFO").body(kind, body);
        assert_eq!(peer.ask(&info).await.status(), Some(status));
    }
}

fn assert_clean(log: &str) {
    for secret in MEDIA_KEYS.iter().chain(&TYPED).chain([&DIGEST]) {
        let found = log.lines().find(|line| line.contains(secret));
        assert_eq!(found, None, "a secret in the log");
    }
    assert!(!log.contains("Signal="), "a digit in the log");
    // Each key is told, all in the same words: the time of day comes first.
    let lines = log.lines().filter(|line| line.contains("key pressed"));
    let told: Vec<&str> =
        lines.filter_map(|line| line.trim_start().split_once(' ')).map(|(_, words)| words).collect();
    assert_eq!(told.len(), TOLD, "{told:?}");
    assert!(told.windows(2).all(|pair| pair[0] == pair[1]), "{told:?}");
}

/// `confab serve` with everything logged to a file; it is killed if the test ends first.
pub(crate) struct Process {
    child: Child,
    pub(crate) http: SocketAddr,
    pub(crate) sip: SocketAddr,
    log: std::path::PathBuf,
}

impl Process {
    pub(crate) fn start(home: &TempDir) -> Self {
        Self::start_with(home, &[])
    }

    /// Starts one with flags of the test's own.
    pub(crate) fn start_with(home: &TempDir, flags: &[&str]) -> Self {
        let log = home.path().join("log");
        let mut child = Command::new(env!("CARGO_BIN_EXE_confab"))
            .args(["serve", "--http-listen=127.0.0.1:0", "--sip-listen=127.0.0.1:0", "--log=trace"])
            .args(flags)
            .current_dir(home.path())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let ready = lines.find(|line| line.starts_with("confab ready ")).expect("a node that starts");
        let at = |name: &str| {
            let rest = ready.split(name).nth(1).unwrap();
            rest.split(' ').next().unwrap().parse().unwrap()
        };
        let (http, sip) = (at("http="), at("sip="));
        Self { child, http, sip, log }
    }

    pub(crate) fn tell(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Lets it write its memory to a file when it crashes, if the system allows that.
    pub(crate) fn may_dump_its_core(&self) {
        let limit = format!("prlimit --pid {} --core=unlimited", self.child.id());
        // Without it nothing is dumped, and there is less to search.
        let _ = Command::new("sh").args(["-c", &limit]).status();
    }

    /// Its status when it has ended.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Waits until so many keys are in the log.
    async fn has_told(&self, keys: usize) {
        while self.log().lines().filter(|line| line.contains("key pressed")).count() < keys {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    fn log(&self) -> String {
        read_to_string(&self.log).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has usually ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let (false, Some(home)) = (std::thread::panicking(), self.log.parent()) {
            search(home);
        }
    }
}
