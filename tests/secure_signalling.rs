//! A whole node called over TLS by a client that shares no code with it, and asked for SRTP: what is answered, over
//! which connection, and that no key gets into a log. The certificate is made for each test.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test a panic is the report, helpers included"
)]

mod running;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use confab::server::Options;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use running::Running;

#[tokio::test(flavor = "multi_thread")]
async fn a_call_over_tls_lives_and_ends_over_its_connection() {
    let certificate = Certificate::make();
    let node = certificate.node(&[]).await;
    let address = node.node.sip_tls.unwrap();
    for (scheme, contact) in
        [("sip", format!("<sip:{address};transport=TLS>")), ("sips", format!("<sips:{address}>"))]
    {
        let mut phone = certificate.phone(address).await;
        let ok = phone.invite(scheme, "conf-tls", PLAIN).await;
        assert!(ok.starts_with("SIP/2.0 200 "), "{ok}");
        assert!(header(&ok, "Contact").eq_ignore_ascii_case(&contact), "{ok}");
        phone.acknowledge(&ok).await;
        let options = phone.request("OPTIONS", &ok, 2);
        phone.send(&options).await;
        assert!(phone.next().await.starts_with("SIP/2.0 200 "));
        let bye = phone.request("BYE", &ok, 3);
        phone.send(&bye).await;
        assert!(phone.next().await.starts_with("SIP/2.0 200 "));
    }

    let mut phone = certificate.phone(address).await;
    let ok = phone.invite("sips", "conf-tls", PLAIN).await;
    phone.acknowledge(&ok).await;
    let stopping = tokio::spawn(node.node.stop());
    let bye = phone.next().await;
    assert!(bye.starts_with("BYE ") && header(&bye, "Via").starts_with("SIP/2.0/TLS "), "{bye}");
    phone.send(&answer_to(&bye)).await;
    stopping.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_on_one_connection_costs_no_other() {
    let certificate = Certificate::make();
    let node = certificate.node(&[]).await;
    let address = node.node.sip_tls.unwrap();
    let mut phone = certificate.phone(address).await;
    let ok = phone.invite("sips", "conf-tls", PLAIN).await;
    phone.acknowledge(&ok).await;

    // Something other than a handshake is hung up on.
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"OPTIONS sip:a@b.example SIP/2.0\r\n\r\n").await.unwrap();
    let mut read = Vec::new();
    plain.read_to_end(&mut read).await.unwrap();
    assert!(!String::from_utf8_lossy(&read).contains("SIP/2.0"));

    // Odd messages on a connection are answered or passed over like on TCP, and it lives.
    let odd = phone.request("DANCE", &ok, 2);
    phone.send(&odd).await;
    assert!(phone.next().await.starts_with("SIP/2.0 501 "));
    phone.send("\r\n\r\n").await;
    let options = phone.request("OPTIONS", &ok, 3);
    phone.send(&options).await;
    assert!(phone.next().await.contains("SIP/2.0 200 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn srtp_is_agreed_as_the_policy_says() {
    let secure = format!("RTP/SAVP 0\r\na=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n");
    let best_effort = secure.replace("SAVP", "AVP");
    for (policy, offer, status, keys) in [
        ("off", PLAIN, "200", 0),
        ("off", &secure, "488", 0),
        ("optional", PLAIN, "200", 0),
        ("optional", &best_effort, "200", 1),
        ("optional", &secure, "200", 1),
        ("required", &secure, "200", 1),
        ("required", PLAIN, "488", 0),
        ("required", "RTP/SAVP 0\r\na=crypto:1 F8_128_HMAC_SHA1_80 inline:AAAA\r\n", "488", 0),
        ("required", "nonsense\r\n", "400", 0),
    ] {
        let certificate = Certificate::make();
        let node = certificate.node(&[&format!("--srtp={policy}")]).await;
        let mut phone = certificate.phone(node.node.sip_tls.unwrap()).await;
        let answer = phone.invite("sips", "conf-keys", offer).await;
        assert!(answer.starts_with(&format!("SIP/2.0 {status} ")), "{policy}, {offer}: {answer}");
        assert_eq!(answer.matches("a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:").count(), keys);
        assert!(!answer.contains(KEY), "our key is our own");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_of_either_side_gets_into_a_log() {
    let certificate = Certificate::make();
    let mut process = certificate.process(&["--srtp=optional", "--log=trace"]);
    let mut phone = certificate.phone(process.sip_tls).await;
    let offer = format!("RTP/SAVP 0\r\na=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n");
    let ok = phone.invite("sips", "conf-keys", &offer).await;
    phone.acknowledge(&ok).await;
    let answered = ok.split("inline:").nth(1).unwrap().lines().next().unwrap().to_owned();

    let mut late = certificate.phone(process.sip_tls).await;
    let ok = late.invite("sips", "conf-keys", "").await;
    let offered: Vec<String> =
        ok.split("inline:").skip(1).map(|rest| rest.lines().next().unwrap().to_owned()).collect();
    assert_eq!(offered.len(), 3);

    let log = process.stop().await;
    assert!(log.contains("AES_CM_128_HMAC_SHA1_80"), "what was agreed is told");
    for key in offered.iter().chain([&answered, &KEY.to_owned()]) {
        let bytes = STANDARD.decode(key).unwrap();
        let numbers = bytes[..8].iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
        let hex: String = bytes[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        for form in [key, &numbers, &hex] {
            assert!(!log.contains(form.as_str()), "a key in the log");
        }
    }
}

#[test]
fn a_certificate_that_cannot_be_used_is_one_line() {
    let certificate = Certificate::make();
    let path = |name: &str| certificate.home.path().join(name).display().to_string();
    let other = Certificate::make();
    let others_key = other.home.path().join("key.pem").display().to_string();
    fs::write(path("junk.pem"), "junk").unwrap();
    for (cert, key, named) in [
        (path("none.pem"), path("key.pem"), "sip_tls_cert"),
        (path("junk.pem"), path("key.pem"), "sip_tls_cert"),
        (path("cert.pem"), path("none.pem"), "sip_tls_key"),
        (path("cert.pem"), path("junk.pem"), "sip_tls_key"),
        (path("cert.pem"), others_key, "sip_tls_key"),
    ] {
        let output = certificate.command(&cert, &key, &[]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or_default();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(last.starts_with("confab: cannot use the ") && last.contains(named), "{last}");
    }
}

const PLAIN: &str = "RTP/AVP 0\r\n";

/// A caller's key: 30 bytes that nothing else is likely to have.
const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

/// A certificate for the machine itself, and its key, as files.
struct Certificate {
    home: TempDir,
}

impl Certificate {
    fn make() -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let home = TempDir::new().unwrap();
        fs::write(home.path().join("cert.pem"), made.cert.pem()).unwrap();
        fs::write(home.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        Self { home }
    }

    fn path(&self, name: &str) -> String {
        self.home.path().join(name).display().to_string()
    }

    async fn node(&self, flags: &[&str]) -> Running {
        let (cert, key) = (
            format!("--sip-tls-cert={}", self.path("cert.pem")),
            format!("--sip-tls-key={}", self.path("key.pem")),
        );
        let ours = ["--sip-tls-listen=127.0.0.1:0", &cert, &key];
        Running::start_with(Options::default(), &[&ours, flags].concat()).await
    }

    fn command(&self, cert: &str, key: &str, flags: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_confab"));
        command
            .args(["serve", "--http-listen=127.0.0.1:0", "--sip-listen=127.0.0.1:0"])
            .args(["--sip-tls-listen=127.0.0.1:0", "--sip-tls-cert", cert, "--sip-tls-key", key])
            .args(flags)
            .current_dir(self.home.path())
            .env_clear()
            .stdin(Stdio::null());
        command
    }

    fn process(&self, flags: &[&str]) -> Process {
        let log = self.home.path().join("log");
        let mut child = self
            .command(&self.path("cert.pem"), &self.path("key.pem"), flags)
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let ready = lines.find(|line| line.starts_with("confab ready ")).expect("a node that starts");
        let sip_tls = ready.split("sip_tls=").nth(1).unwrap().parse().unwrap();
        Process { child, sip_tls, log }
    }

    async fn phone(&self, node: SocketAddr) -> Phone {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("cert.pem")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(node).await.unwrap();
        let address = stream.local_addr().unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let rtp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        Phone { stream, address, node, rtp, read: Vec::new() }
    }
}

/// `confab serve` with its log in a file; it is killed if the test ends first.
struct Process {
    child: Child,
    sip_tls: SocketAddr,
    log: std::path::PathBuf,
}

impl Process {
    /// Stops it and gives what it logged.
    async fn stop(&mut self) -> String {
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        while self.child.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has usually ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A phone that speaks SIP over TLS, in one call.
struct Phone {
    stream: TlsStream<TcpStream>,
    address: SocketAddr,
    node: SocketAddr,
    rtp: UdpSocket,
    read: Vec<u8>,
}

impl Phone {
    async fn send(&mut self, message: &str) {
        self.stream.write_all(message.as_bytes()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next message, whole.
    async fn next(&mut self) -> String {
        let patience = Duration::from_secs(30);
        loop {
            let text = String::from_utf8_lossy(&self.read).into_owned();
            if let Some(head) = text.find("\r\n\r\n") {
                let length: usize = header(&text, "Content-Length").parse().unwrap_or(0);
                if self.read.len() >= head + 4 + length {
                    self.read.drain(..head + 4 + length);
                    return text[..head + 4 + length].trim_start().to_owned();
                }
            }
            let mut piece = [0; 4_096];
            let len = tokio::time::timeout(patience, self.stream.read(&mut piece)).await.expect("in time");
            let len = len.unwrap();
            assert!(len > 0, "the node closed the connection");
            self.read.extend_from_slice(&piece[..len]);
        }
    }

    /// Calls a user with this audio, or with no offer if it is empty, and gives the final answer.
    async fn invite(&mut self, scheme: &str, user: &str, audio: &str) -> String {
        let uri = format!("{scheme}:{user}@{}", self.node);
        let port = self.rtp.local_addr().unwrap().port();
        let body = match audio {
            "" => String::new(),
            "nonsense\r\n" => audio.to_owned(),
            audio => format!(
                "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} {audio}"
            ),
        };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let head = self.head("INVITE", &uri, &format!("<{uri}>"), 1);
        self.send(&format!("{head}{kind}Content-Length: {}\r\n\r\n{body}", body.len())).await;
        loop {
            let answer = self.next().await;
            if !answer.starts_with("SIP/2.0 1") {
                return answer;
            }
        }
    }

    async fn acknowledge(&mut self, ok: &str) {
        let ack = self.request("ACK", ok, 1);
        self.send(&ack).await;
    }

    /// A request within the call that this 200 began.
    fn request(&self, method: &str, ok: &str, cseq: u32) -> String {
        let contact = header(ok, "Contact");
        let target = contact.trim_matches(['<', '>']);
        let head = self.head(method, target, &header(ok, "To"), cseq);
        format!("{head}Content-Length: 0\r\n\r\n")
    }

    fn head(&self, method: &str, uri: &str, to: &str, cseq: u32) -> String {
        let address = self.address;
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TLS {address};branch=z9hG4bK{method}{cseq}{}\r\nMax-Forwards: 70\r\n\
             From: <sips:phone@{address}>;tag=phone\r\nTo: {to}\r\nCall-ID: {address}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sips:phone@{address}>\r\n",
            address.port()
        )
    }
}

fn answer_to(request: &str) -> String {
    let copied = ["Via", "From", "To", "Call-ID", "CSeq"];
    let lines: String = copied.iter().map(|name| format!("{name}: {}\r\n", header(request, name))).collect();
    format!("SIP/2.0 200 OK\r\n{lines}Content-Length: 0\r\n\r\n")
}

/// The value of a header; empty if there is none.
fn header(message: &str, name: &str) -> String {
    let head = message.trim_start().split("\r\n\r\n").next().unwrap_or_default();
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let found = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}
