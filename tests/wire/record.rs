//! Recordings, end to end: a phone speaks a tone, and the file that the API gives has it where it must be.

use std::f64::consts::TAU;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use confab::server::Options;
use serde_json::Value;
use tempfile::{NamedTempFile, TempDir};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::{App, wav};
use crate::peer::{Peer, within};
use crate::running::Running;

/// Louder than this, a tone is in a file; softer, it is not.
pub(crate) const THERE: f64 = 2_000.0;
pub(crate) const NOT_THERE: f64 = 100.0;

/// The API of a node: where it is, and its credentials.
pub(crate) struct Api {
    http: SocketAddr,
    account: String,
    authorization: String,
}

impl Api {
    pub(crate) fn of(node: &Running) -> Self {
        Self { http: node.node.http, account: node.account_sid.clone(), authorization: node.authorization() }
    }

    /// Status, head and body of an answer. `more` are headers, each with its line end.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        more: &str,
        form: &str,
    ) -> (u16, String, Vec<u8>) {
        let path = match path.strip_prefix("http://") {
            Some(absolute) => absolute[absolute.find('/').unwrap()..].to_owned(),
            None => format!("/2010-04-01/Accounts/{}/{path}", self.account),
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: node\r\nAuthorization: {}\r\nConnection: close\r\n{more}\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            self.authorization,
            form.len()
        );
        let mut stream = TcpStream::connect(self.http).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        within("an answer of the API", stream.read_to_end(&mut answer)).await.unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head, answer[end..].to_vec())
    }

    pub(crate) async fn json(&self, method: &str, path: &str, form: &str) -> (u16, Value) {
        let (status, _, body) = self.ask(method, path, "", form).await;
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// A recording when it is completed.
    pub(crate) async fn completed(&self, path: &str) -> Value {
        self.until(path, "completed").await
    }

    /// A recording when it got so far.
    pub(crate) async fn until(&self, path: &str, status: &str) -> Value {
        within(&format!("{path} to be {status}"), async {
            loop {
                let (_, found) = self.json("GET", path, "").await;
                if found["status"] == status {
                    return found;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await
    }

    /// The samples of each track.
    pub(crate) async fn sound(&self, path: &str) -> Vec<Vec<i16>> {
        let (status, _, body) = self.ask("GET", path, "", "").await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        tracks(&body)
    }
}

fn tracks(file: &[u8]) -> Vec<Vec<i16>> {
    let mut reader = hound::WavReader::new(file).unwrap();
    let width = usize::from(reader.spec().channels);
    assert_eq!((reader.spec().sample_rate, reader.spec().bits_per_sample), (8_000, 16));
    let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
    (0..width).map(|track| samples.iter().copied().skip(track).step_by(width).collect()).collect()
}

/// The greatest amplitude of a tone in any 200 ms.
pub(crate) fn loudest(samples: &[i16], hertz: f64) -> f64 {
    let loudness = |window: &[i16]| {
        let (mut re, mut im) = (0.0, 0.0);
        for (n, &sample) in window.iter().enumerate() {
            let angle = TAU * hertz * n as f64 / 8_000.0;
            re += f64::from(sample) * angle.cos();
            im += f64::from(sample) * angle.sin();
        }
        2.0 * f64::hypot(re, im) / window.len() as f64
    };
    samples.chunks_exact(1_600).map(loudness).fold(0.0, f64::max)
}

async fn node_with(script: &str) -> (Running, NamedTempFile) {
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), format!("[[route]]\nuser = \"*\"\n{script}")).unwrap();
    let config = format!("--config={}", file.path().display());
    let node = Running::start_with(Options::default(), &["--egress-allow=127.0.0.0/8", &config]).await;
    (node, file)
}

/// A caller who speaks 700 Hz for two seconds after the beep.
async fn leave_a_message(node: &Running) -> Peer {
    let mut caller = Peer::udp(node.node.sip).await;
    caller.dial("mailbox").await;
    caller.rtp.hears(1_000).await;
    caller.rtp.hears_no_more(1_000).await;
    caller.rtp.speak(700);
    caller.rtp.next(100).await;
    caller
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_recorded_until_a_key_and_the_application_is_told_where_it_is() {
    let app = App::start().await;
    app.gives("status", "text/plain", Vec::new());
    app.says(
        "mailbox",
        "<Record action=\"/recorded\" finishOnKey=\"#\" recordingStatusCallback=\"/status\" \
         recordingStatusCallbackEvent=\"in-progress completed\"/>",
    );
    app.says("recorded", "<Hangup/>");
    let (node, _config) = node_with(&format!("voice_url = \"{}\"", app.url("mailbox"))).await;
    let api = Api::of(&node);
    let mut caller = leave_a_message(&node).await;
    caller.rtp.press(101, 11).await;

    let told = app.told("recorded", 1).await.remove(0);
    assert_eq!(told.get("Digits"), "#");
    let (url, sid) = (told.get("RecordingUrl"), told.get("RecordingSid"));
    assert!(url.ends_with(sid) && url.starts_with(&format!("http://{}/", node.node.http)), "{url}");
    let seconds: u64 = told.get("RecordingDuration").parse().unwrap();
    assert!((1..30).contains(&seconds), "{seconds}");
    let status = app.told("status", 2).await;
    let steps: Vec<&str> = status.iter().map(|told| told.get("RecordingStatus")).collect();
    assert_eq!(steps, ["in-progress", "completed"]);
    assert_eq!((status[1].get("RecordingSid"), status[1].get("RecordingSource")), (sid, "RecordVerb"));
    assert_eq!(status[1].get("RecordingDuration"), seconds.to_string());
    caller.is_hung_up().await;

    let sound = api.sound(url).await;
    let [said] = &sound[..] else { panic!("one track") };
    assert!(
        loudest(said, 700.0) > THERE && loudest(said, 1_000.0) < NOT_THERE,
        "the caller and not the beep"
    );
    assert_eq!((said.len() as u64).div_ceil(8_000), seconds);

    let (code, head, part) = api.ask("GET", &format!("{url}.wav"), "Range: bytes=40-143\r\n", "").await;
    assert_eq!((code, part.len()), (206, 104));
    assert!(
        head.to_lowercase().contains(&format!("content-range: bytes 40-143/{}", 80 + 2 * said.len())),
        "{head}"
    );
    assert!(head.contains("audio/x-wav"), "{head}");
    let (code, error) = api.json("GET", &format!("Recordings/{sid}.wav?RequestedChannels=2"), "").await;
    assert_eq!((code, &error["code"]), (400, &16_113.into()));
    let (code, head, mp3) = api.ask("GET", &format!("{url}.mp3"), "", "").await;
    assert!(code == 200 && head.contains("audio/mpeg"), "{head}");
    // 32 kbit/s, in whole frames, and one before that says how long it is.
    assert!(mp3.len().abs_diff(said.len() / 2) < 1_200, "{} of {}", mp3.len(), said.len());
    let (code, _, part) = api.ask("GET", &format!("{url}.mp3"), "Range: bytes=300-599\r\n", "").await;
    assert_eq!((code, &part[..]), (206, &mp3[300..600]));

    let (_, list) = api.json("GET", "Recordings.json", "").await;
    assert_eq!(
        (&list["recordings"][0]["sid"], list["recordings"].as_array().unwrap().len()),
        (&sid.into(), 1)
    );
    is_deleted_and_still_known(&api, url, sid, seconds).await;
}

async fn is_deleted_and_still_known(api: &Api, url: &str, sid: &str, seconds: u64) {
    let (code, _) = api.json("DELETE", &format!("Recordings/{sid}.json"), "").await;
    assert_eq!(code, 204);
    assert_eq!(api.ask("GET", url, "", "").await.0, 404);
    assert_eq!(api.json("DELETE", &format!("Recordings/{sid}.json"), "").await.0, 404);
    assert_eq!(api.json("GET", &format!("Recordings/{sid}.json"), "").await.0, 404);
    let (_, list) = api.json("GET", "Recordings.json", "").await;
    assert_eq!(list["recordings"].as_array().unwrap().len(), 0);
    let (_, list) = api.json("GET", "Recordings.json?IncludeSoftDeleted=true", "").await;
    assert_eq!(
        (&list["recordings"][0]["sid"], &list["recordings"][0]["status"]),
        (&sid.into(), &"deleted".into())
    );
    let (code, known) = api.json("GET", &format!("Recordings/{sid}.json?IncludeSoftDeleted=true"), "").await;
    assert_eq!(
        (code, &known["status"], &known["duration"]),
        (200, &"deleted".into(), &seconds.to_string().into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_hangs_up_has_left_a_message_and_one_who_says_nothing_none() {
    let app = App::start().await;
    app.says("mailbox", "<Record action=\"/recorded\" timeout=\"2\"/><Redirect>/silent</Redirect>");
    app.says("recorded", "<Hangup/>");
    app.says("silent", "<Hangup/>");
    let (node, _config) = node_with(&format!("voice_url = \"{}\"", app.url("mailbox"))).await;
    let mut caller = leave_a_message(&node).await;
    caller.hang_up().await;
    let told = app.told("recorded", 1).await.remove(0);
    assert_eq!((told.get("Digits"), told.get("CallStatus")), ("hangup", "completed"));
    let sound = Api::of(&node).sound(told.get("RecordingUrl")).await;
    assert!(loudest(&sound[0], 700.0) > THERE);

    let mut silent = Peer::udp(node.node.sip).await;
    silent.dial("mailbox").await;
    assert_eq!(app.told("silent", 1).await.len(), 1);
    silent.is_hung_up().await;
    assert_eq!(app.told("recorded", 1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_recorded_over_the_api_each_side_on_its_track() {
    let app = App::start().await;
    app.gives("music.wav", "audio/wav", wav(1_100.0, 60.0));
    app.says("play", "<Play>/music.wav</Play>");
    let (node, _config) = node_with(&format!("voice_url = \"{}\"", app.url("play"))).await;
    let api = Api::of(&node);
    let mut caller = Peer::udp(node.node.sip).await;
    caller.dial("anybody").await;
    caller.rtp.speak(700);
    caller.rtp.hears(1_100).await;
    let (_, calls) = api.json("GET", "Calls.json", "").await;
    let list = format!("Calls/{}/Recordings", calls["calls"][0]["sid"].as_str().unwrap());
    let (code, error) = api.json("POST", &format!("{list}/Twilio.CURRENT.json"), "Status=stopped").await;
    assert_eq!((code, &error["code"]), (404, &20_404.into()));
    let (code, dual) = api.json("POST", &format!("{list}.json"), "RecordingChannels=dual").await;
    assert_eq!((code, &dual["status"], &dual["channels"]), (201, &"in-progress".into(), &2.into()));
    let (_, mono) = api.json("POST", &format!("{list}.json"), "RecordingTrack=outbound").await;
    assert_eq!((&mono["track"], &mono["channels"]), (&"outbound".into(), &1.into()));
    caller.rtp.next(60).await;

    let current = format!("{list}/Twilio.CURRENT.json");
    let path = format!("{list}/{}.json", dual["sid"].as_str().unwrap());
    assert_eq!(api.json("POST", &path, "Status=paused&PauseBehavior=skip").await.1["status"], "paused");
    assert_eq!(api.json("POST", &path, "Status=in-progress").await.1["status"], "in-progress");
    assert_eq!(api.json("DELETE", &path, "").await.0, 409);
    assert_eq!(api.json("POST", &current, "Status=stopped").await.1["sid"], mono["sid"]);
    assert_eq!(api.json("POST", &path, "Status=stopped").await.1["status"], "stopped");
    let (code, error) = api.json("POST", &path, "Status=stopped").await;
    assert_eq!((code, &error["code"]), (400, &21_220.into()));

    let path = format!("Recordings/{}", dual["sid"].as_str().unwrap());
    let done = api.completed(&format!("{path}.json")).await;
    assert_eq!(done["source"], "StartCallRecordingAPI");
    let sound = api.sound(&path).await;
    let [said, heard] = &sound[..] else { panic!("two tracks") };
    assert!(loudest(said, 700.0) > THERE && loudest(said, 1_100.0) < NOT_THERE);
    assert!(loudest(heard, 1_100.0) > THERE && loudest(heard, 700.0) < NOT_THERE);
    let one = api.sound(&format!("{path}.wav?RequestedChannels=1")).await;
    assert_eq!((one.len(), one[0].len()), (1, said.len()));
    assert!(loudest(&one[0], 700.0) > THERE / 2.0 && loudest(&one[0], 1_100.0) > THERE / 2.0);
    let path = format!("Recordings/{}", mono["sid"].as_str().unwrap());
    api.completed(&format!("{path}.json")).await;
    let outbound = api.sound(&path).await;
    assert!(loudest(&outbound[0], 1_100.0) > THERE && loudest(&outbound[0], 700.0) < NOT_THERE);
    let (_, of_call) = api.json("GET", &format!("{list}.json"), "").await;
    assert_eq!(of_call["recordings"].as_array().unwrap().len(), 2);
    caller.hang_up().await;
}

/// `confab serve`, killed without a word.
pub(crate) struct Process {
    child: Child,
    http: SocketAddr,
    pub(crate) sip: SocketAddr,
}

impl Process {
    fn start(home: &TempDir) -> Self {
        Self::run(home, Command::new(env!("CARGO_BIN_EXE_confab")))
    }

    /// One whose files may have so many blocks of the shell's (512 or 1,024 bytes), as on a disk that is full.
    pub(crate) fn start_cramped(home: &TempDir, blocks: u32) -> Self {
        let mut shell = Command::new("/bin/sh");
        // Without the trap a write that has no room would end the process.
        shell.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"")]);
        shell.arg(env!("CARGO_BIN_EXE_confab"));
        Self::run(home, shell)
    }

    fn run(home: &TempDir, mut command: Command) -> Self {
        let mut child = command
            .args(["serve", "--http-listen=127.0.0.1:0", "--sip-listen=127.0.0.1:0", "--media-threads=1"])
            .arg("--egress-allow=127.0.0.0/8")
            .current_dir(home.path())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let ready = lines.find(|line| line.starts_with("confab ready ")).expect("a node that starts");
        let word = |name: &str| {
            let rest = ready.split(name).nth(1).unwrap();
            rest.split(' ').next().unwrap().parse().unwrap()
        };
        Self { child, http: word("http="), sip: word("sip=") }
    }

    pub(crate) fn api(&self, home: &TempDir) -> Api {
        let kept = fs::read_to_string(home.path().join("confab-data/credentials.toml")).unwrap();
        let value = |key: &str| {
            let line = kept.lines().find(|line| line.starts_with(key)).unwrap();
            line.split('"').nth(1).unwrap().to_owned()
        };
        let (account, token) = (value("account_sid"), value("auth_token"));
        let authorization = format!("Basic {}", STANDARD.encode(format!("{account}:{token}")));
        Api { http: self.http, account, authorization }
    }
}

impl Drop for Process {
    /// SIGKILL.
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_node_recorded_is_there_after_its_next_start() {
    let home = TempDir::new().unwrap();
    let node = Process::start(&home);
    let api = node.api(&home);
    let mut caller = Peer::udp(node.sip).await;
    caller.dial("conf-desk").await;
    caller.rtp.speak(700);
    let (_, calls) = api.json("GET", "Calls.json?Status=in-progress", "").await;
    let call = calls["calls"][0]["sid"].as_str().unwrap();
    let (code, recording) = api.json("POST", &format!("Calls/{call}/Recordings.json"), "").await;
    assert_eq!(code, 201, "{recording}");
    caller.rtp.next(150).await;
    drop(node);

    let node = Process::start(&home);
    let api = node.api(&home);
    let path = format!("Recordings/{}", recording["sid"].as_str().unwrap());
    let (_, found) = api.json("GET", &format!("{path}.json"), "").await;
    assert_eq!((&found["status"], &found["call_sid"]), (&"completed".into(), &call.into()));
    let sound = api.sound(&path).await;
    assert!(loudest(&sound[0], 700.0) > THERE);
    // Of three seconds one is lost at most, but for what the phone had heard before the recording began.
    assert!(sound[0].len() > 14_000, "{}", sound[0].len());
    let manifest = format!("confab-data/recordings/{}.json", recording["sid"].as_str().unwrap());
    let manifest: Value = serde_json::from_slice(&fs::read(home.path().join(manifest)).unwrap()).unwrap();
    assert_eq!(manifest["recovered"], true);
}

/// A random moment, from a seed.
fn next_random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_a_node_is_killed_its_recordings_lose_a_second_at_most_and_are_told_of() {
    let first = u64::from(std::process::id());
    let mut seed = first;
    let home = TempDir::new().unwrap();
    let app = App::start().await;
    app.gives("status", "text/plain", Vec::new());
    let callback = app.url("status");
    let form = format!(
        "RecordingChannels=dual&RecordingStatusCallback={callback}&RecordingStatusCallbackEvent=completed absent"
    );
    let mut recorded: Vec<(String, u64)> = Vec::new();
    for _ in 0..4 {
        let node = Process::start(&home);
        let api = node.api(&home);
        let mut callers = Vec::new();
        for _ in 0..3 {
            let mut caller = Peer::udp(node.sip).await;
            caller.dial("conf-desk").await;
            caller.rtp.speak(700);
            let (_, calls) = api.json("GET", "Calls.json?Status=in-progress", "").await;
            let call = calls["calls"][0]["sid"].as_str().unwrap();
            let (code, recording) = api.json("POST", &format!("Calls/{call}/Recordings.json"), &form).await;
            assert_eq!(code, 201, "{recording}");
            let begin = caller.rtp.count();
            caller.rtp.next(1 + (next_random(&mut seed) % 40) as usize).await;
            callers.push((caller, recording["sid"].as_str().unwrap().to_owned(), begin));
        }
        callers[0].0.rtp.next((next_random(&mut seed) % 100) as usize).await;
        // What phones have heard by now was mixed, and so recorded.
        for (caller, sid, begin) in &callers {
            let packets = caller.rtp.packets();
            let (first, last) = (packets[*begin].timestamp, packets.last().unwrap().timestamp);
            recorded.push((sid.clone(), u64::from(last.wrapping_sub(first))));
        }
        drop(node);
    }
    let node = Process::start(&home);
    let api = node.api(&home);
    // Somebody may be told twice: a node may be killed before it notes that it has told.
    let mut times = recorded.len();
    let told = loop {
        let told = app.told("status", times).await;
        if recorded.iter().all(|(sid, _)| told.iter().any(|told| told.get("RecordingSid") == *sid)) {
            break told;
        }
        times += 1;
    };
    for (sid, heard) in &recorded {
        let (_, found) = api.json("GET", &format!("Recordings/{sid}.json"), "").await;
        let news = told.iter().find(|told| told.get("RecordingSid") == *sid).expect("somebody is told");
        assert_eq!(news.get("RecordingStatus"), found["status"].as_str().unwrap());
        let samples = match found["status"].as_str().unwrap() {
            "completed" => api.sound(&format!("Recordings/{sid}")).await[0].len() as u64,
            status => {
                assert_eq!(status, "absent");
                0
            }
        };
        assert!(samples + 8_000 >= *heard, "seed {first}, {sid}: of {heard} samples there are {samples}");
        let manifest = home.path().join(format!("confab-data/recordings/{sid}.json"));
        let manifest: Value = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
        assert_eq!((&manifest["recovered"], &manifest["samples"]), (&true.into(), &samples.into()));
    }
    let verified = Command::new(env!("CARGO_BIN_EXE_confab"))
        .args(["recording", "verify", "--json"])
        .arg(home.path().join("confab-data/recordings"))
        .output()
        .unwrap();
    assert!(verified.status.success(), "{verified:?}");
}
