//! A browser: it offers as Chromium does, proves that it is there, shakes hands, speaks a tone in Opus and listens. Its DTLS
//! and SRTP are libraries that the node's SRTP shares nothing with.

use std::f64::consts::TAU;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::BytesMut;
use rtc_dtls::cipher_suite::CipherSuiteId;
use rtc_dtls::config::{ConfigBuilder, ExtendedMasterSecretType};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::crypto_provider::RTCCryptoProvider;
use rtc_dtls::crypto_provider::providers::RingProvider;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::peer::within;
use crate::running::Running;
use crate::stun;

/// Samples in 20 ms at 48 kHz.
const FRAME: usize = 960;

/// Louder than this, a tone is heard; softer than the other, it is not there.
const HEARD: f64 = 2_000.0;
const UNHEARD: f64 = 300.0;

/// What browsers give Opus and keys.
const OPUS: u8 = 111;
const KEYS: u8 = 110;

pub(crate) const GCM: SrtpProtectionProfile = SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm;
pub(crate) const SHA1: SrtpProtectionProfile = SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80;

/// What an HTTP answer was.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answered {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

/// Asks a node with a token.
pub(crate) async fn ask(node: &Running, method: &str, path: &str, token: &str, sdp: &str) -> Answered {
    ask_as(node, method, path, &format!("Bearer {token}"), "application/sdp", sdp).await
}

/// Offers anew within a call, as one who knows this of it.
pub(crate) async fn patch(node: &Running, path: &str, token: &str, known: &str, sdp: &str) -> Answered {
    let authorization = format!("Bearer {token}\r\nIf-Match: {known}");
    ask_as(node, "PATCH", path, &authorization, "application/sdp", sdp).await
}

pub(crate) async fn ask_as(
    node: &Running,
    method: &str,
    path: &str,
    authorization: &str,
    content_type: &str,
    body: &str,
) -> Answered {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: node\r\nAuthorization: {authorization}\r\nConnection: close\r\n\
         Origin: https://example.org\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(node.node.http).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("an answer of the API", stream.read_to_string(&mut answer)).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    Answered { status, head: head.to_owned(), body: body.to_owned() }
}

/// A token as applications make it, for calls to an application.
pub(crate) async fn token(node: &Running, identity: &str, application: &str) -> String {
    token_with(node, identity, application, |_| {}).await
}

/// The same with claims of the test's own.
pub(crate) async fn token_with(
    node: &Running,
    identity: &str,
    application: &str,
    change: impl FnOnce(&mut serde_json::Value),
) -> String {
    let (status, key) = node.create("Keys.json", "").await;
    assert_eq!(status, 201, "{key}");
    let (sid, secret) = (key["sid"].as_str().unwrap(), key["secret"].as_str().unwrap());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let mut claims = json!({
        "jti": format!("{sid}-{now}"), "iss": sid, "sub": node.account_sid, "exp": now + 600,
        "grants": {"identity": identity, "voice": {
            "outgoing": {"application_sid": application, "params": {"team": "blue"}},
        }},
    });
    change(&mut claims);
    let header = json!({"alg": "HS256", "typ": "JWT", "cty": "twilio-fpa;v=1"});
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, signed.as_bytes())))
}

/// An application of the node's whose script is at `url`.
pub(crate) async fn application(node: &Running, url: &str) -> String {
    let url: String = form_urlencoded::byte_serialize(url.as_bytes()).collect();
    let (status, made) = node.create("Applications.json", &format!("VoiceUrl={url}")).await;
    assert_eq!(status, 201, "{made}");
    made["sid"].as_str().unwrap().to_owned()
}

/// What the node said of itself.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) ufrag: String,
    pub(crate) password: String,
    pub(crate) port: SocketAddr,
    fingerprint: String,
}

impl Node {
    pub(crate) fn of(answer: &str) -> Self {
        let value = |name: &str| {
            let line = answer.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} in {answer}")).to_owned()
        };
        let candidate = value("a=candidate:");
        let words: Vec<&str> = candidate.split(' ').collect();
        assert_eq!((words[1], words[2], words[6], words[7]), ("1", "udp", "typ", "host"));
        Self {
            ufrag: value("a=ice-ufrag:"),
            password: value("a=ice-pwd:"),
            port: format!("{}:{}", words[4], words[5]).parse().unwrap(),
            fingerprint: value("a=fingerprint:sha-256 "),
        }
    }

    /// The same where a browser of this address reaches it.
    fn by(self, answer: &str, browser: SocketAddr) -> Self {
        let candidates = answer.lines().filter_map(|line| line.strip_prefix("a=candidate:"));
        let mut ports = candidates.map(|candidate| {
            let words: Vec<&str> = candidate.split(' ').collect();
            SocketAddr::new(words[4].parse().unwrap(), words[5].parse().unwrap())
        });
        let port = ports.find(|port| port.is_ipv4() == browser.is_ipv4()).expect("a candidate of its family");
        Self { port, ..self }
    }
}

/// What it says, and has heard.
struct Sound {
    hertz: Option<f64>,
    /// Keys that are to be pressed.
    presses: Vec<u8>,
    phase: usize,
    heard: Vec<Vec<i16>>,
    /// How loud the last packet was, by the node's word, in dBov below the loudest (RFC 6464).
    level: Option<u8>,
}

/// A browser before its call.
pub(crate) struct Browser {
    pub(crate) socket: Arc<UdpSocket>,
    pub(crate) certificate: Certificate,
    provider: Arc<dyn RTCCryptoProvider>,
    pub(crate) ufrag: String,
    pub(crate) password: String,
    pub(crate) profiles: Vec<SrtpProtectionProfile>,
    /// The payload types of its sound and its keys.
    opus: u8,
    keys: u8,
    transactions: u64,
    /// It sends no sound.
    only_listens: bool,
}

impl Browser {
    pub(crate) async fn new() -> Self {
        Self::at("127.0.0.1:0").await
    }

    /// One that has a network of this address's family alone.
    pub(crate) async fn at(address: &str) -> Self {
        let provider: Arc<dyn RTCCryptoProvider> = Arc::new(RingProvider::new());
        let certificate =
            Certificate::generate_self_signed(["browser".to_owned()], provider.crypto()).unwrap();
        Self {
            socket: Arc::new(UdpSocket::bind(address).await.unwrap()),
            certificate,
            provider,
            ufrag: "bR0w".to_owned(),
            password: "a password of 24 letters".replace(' ', "x"),
            // The dearer one first, as Chromium has it.
            profiles: vec![SHA1, GCM],
            opus: OPUS,
            keys: KEYS,
            transactions: 1,
            only_listens: false,
        }
    }

    /// One that sends no sound, as a supervisor's that listens in.
    pub(crate) async fn that_listens() -> Self {
        Self { only_listens: true, ..Self::new().await }
    }

    /// The fingerprint of its certificate.
    pub(crate) fn fingerprint(&self) -> String {
        fingerprint(&self.certificate.certificate[0])
    }

    /// An offer as Chromium makes it, with a stream of video and data that nobody wants.
    pub(crate) fn offer(&self) -> String {
        let transport = format!(
            "c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\n\
             a=ice-options:trickle\r\na=fingerprint:sha-256 {}\r\na=setup:actpass\r\n",
            self.ufrag,
            self.password,
            self.fingerprint()
        );
        format!(
            "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1 2\r\n\
             a=extmap-allow-mixed\r\na=msid-semantic: WMS x\r\n\
             m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\n{transport}a=mid:0\r\n\
             a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
             a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n\
             a=sendrecv\r\na=msid:x y\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n\
             a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n\
             a=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:13 CN/8000\r\n\
             a=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\n\
             a=candidate:1 1 udp 2113937151 4d3c.local 53210 typ host generation 0\r\n\
             m=video 9 UDP/TLS/RTP/SAVPF 96\r\n{transport}a=mid:1\r\na=rtpmap:96 VP8/90000\r\n\
             m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n{transport}a=mid:2\r\na=sctp-port:5000\r\n"
        )
    }

    /// An answer to an offer of the node's, as Chromium makes it.
    pub(crate) fn answer(&mut self, offer: &str) -> String {
        let format = |name: &str| {
            let lines = offer.lines().filter_map(|line| line.strip_prefix("a=rtpmap:")?.split_once(' '));
            let mut found = lines.filter(|(_, format)| format.starts_with(name));
            found.next().unwrap_or_else(|| panic!("no {name} in {offer}")).0.parse().unwrap()
        };
        (self.opus, self.keys) = (format("opus/"), format("telephone-event/48000"));
        let (opus, keys) = (self.opus, self.keys);
        format!(
            "v=0\r\no=- 4611731400430051337 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
             m=audio 9 UDP/TLS/RTP/SAVPF {opus} {keys}\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\n\
             a=fingerprint:sha-256 {}\r\na=setup:active\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\n\
             a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=rtpmap:{opus} opus/48000/2\r\n\
             a=rtpmap:{keys} telephone-event/48000\r\n",
            self.ufrag,
            self.password,
            self.fingerprint()
        )
    }

    /// Begins a call by the HTTP way in; the answer.
    pub(crate) async fn post(&self, node: &Running, token: &str, query: &str) -> Answered {
        ask(node, "POST", &format!("/v1/browser/calls{query}"), token, &self.offer()).await
    }

    /// Begins a call, proves itself and shakes hands.
    pub(crate) async fn call(self, node: &Running, token: &str, query: &str) -> Call {
        let answered = self.post(node, token, query).await;
        assert_eq!(answered.status, 201, "{}", answered.body);
        let location = answered.header("location").unwrap();
        let at = Node::of(&answered.body).by(&answered.body, self.socket.local_addr().unwrap());
        self.talk(at, location, token.to_owned()).await
    }

    /// Proves itself to whom signalling has named, and shakes hands.
    pub(crate) async fn talk(mut self, at: Node, location: String, token: String) -> Call {
        self.prove(&at).await;
        let keys = self.shake_hands(&at).await.expect("a handshake that comes to an end");
        Call::begin(self, at, location, token, keys)
    }

    /// Asks until it is answered, and takes the path.
    pub(crate) async fn prove(&mut self, node: &Node) -> SocketAddr {
        let request = self.request(node, &node.password);
        let mut answer = [0; 2_048];
        within("an answer to a check", async {
            loop {
                self.socket.send_to(&request, node.port).await.unwrap();
                let taken = self.socket.recv_from(&mut answer);
                let Ok(Ok((len, _))) = tokio::time::timeout(Duration::from_millis(200), taken).await else {
                    continue;
                };
                if let Some((_, source)) = stun::success(&answer[..len], &node.password) {
                    return source;
                }
            }
        })
        .await
    }

    /// It has proved where it is, and has no keys yet.
    pub(crate) async fn is_sent_no_sound_for(&self, long: Duration) {
        let sent = async {
            let mut datagram = [0; 2_048];
            loop {
                self.socket.recv_from(&mut datagram).await.unwrap();
                assert!(!(128..192).contains(&datagram[0]), "no sound under keys that it has not");
            }
        };
        // That nothing comes is what is waited for.
        let _: Result<(), _> = tokio::time::timeout(long, sent).await;
    }

    /// A check, by whoever believes the password to be this.
    pub(crate) fn request(&mut self, node: &Node, password: &str) -> Vec<u8> {
        self.transactions += 1;
        stun::request(self.transactions, &format!("{}:{}", node.ufrag, self.ufrag), password, true)
    }

    /// Shakes hands; the keys, or why there are none.
    pub(crate) async fn shake_hands(&self, node: &Node) -> Result<Keys, String> {
        let wanted = node.fingerprint.clone();
        let config = ConfigBuilder::default()
            .with_crypto_provider(Arc::clone(&self.provider))
            .with_certificates(vec![self.certificate.clone()])
            .with_cipher_suites(vec![CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256])
            .with_srtp_protection_profiles(self.profiles.clone())
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .with_insecure_skip_verify(true)
            .with_verify_peer_certificate(Some(Arc::new(move |shown, _| {
                assert_eq!(fingerprint(&shown[0]), wanted, "the node's certificate is the one it told");
                Ok(())
            })))
            .build(true, Some(node.port))
            .unwrap();
        let local = self.socket.local_addr().unwrap();
        let mut endpoint = Endpoint::new(local, TransportProtocol::UDP, None);
        endpoint.connect(Instant::now(), node.port, Arc::new(config), None).unwrap();
        let mut datagram = [0; 2_048];
        let give_up = Instant::now() + Duration::from_secs(30);
        while Instant::now() < give_up {
            while let Some(transmit) = endpoint.poll_transmit() {
                self.socket.send_to(&transmit.message, node.port).await.unwrap();
            }
            let taken =
                tokio::time::timeout(Duration::from_millis(100), self.socket.recv_from(&mut datagram));
            let Ok(Ok((len, _))) = taken.await else {
                let _ = endpoint.handle_timeout(node.port, Instant::now());
                continue;
            };
            if !(20..64).contains(&datagram[0]) {
                continue;
            }
            let events = endpoint.read(Instant::now(), node.port, None, BytesMut::from(&datagram[..len]));
            let events = events.map_err(|error| error.to_string())?;
            if events.iter().any(|event| matches!(event, EndpointEvent::HandshakeComplete)) {
                while let Some(transmit) = endpoint.poll_transmit() {
                    self.socket.send_to(&transmit.message, node.port).await.unwrap();
                }
                return Ok(Keys::of(endpoint, node.port));
            }
        }
        Err("nothing came".to_owned())
    }
}

fn fingerprint(der: &[u8]) -> String {
    let sum: [u8; 32] = Sha256::digest(der).into();
    sum.map(|byte| format!("{byte:02X}")).join(":")
}

/// What a handshake leaves.
pub(crate) struct Keys {
    pub(crate) profile: SrtpProtectionProfile,
    protect: Context,
    open: Context,
    endpoint: Endpoint,
}

impl Keys {
    fn of(endpoint: Endpoint, node: SocketAddr) -> Self {
        let state = endpoint.get_connection_state(node).unwrap();
        let agreed = state.srtp_protection_profile();
        let (profile, salt_len) = if agreed == GCM {
            (ProtectionProfile::AeadAes128Gcm, 12)
        } else {
            (ProtectionProfile::Aes128CmHmacSha1_80, 14)
        };
        let material = state.export_keying_material("EXTRACTOR-dtls_srtp", &[], 2 * (16 + salt_len)).unwrap();
        let (keys, salts) = material.as_ref().split_at(32);
        let crypto = &rtc_srtp::crypto::providers::RingCrypto;
        let of = |side: usize| {
            let (key, salt) = (&keys[16 * side..][..16], &salts[salt_len * side..][..salt_len]);
            Context::new(key, salt, profile, None, None, crypto).unwrap()
        };
        let (protect, open) = (of(0), of(1));
        Self { profile: agreed, protect, open, endpoint }
    }
}

/// A browser in a call.
pub(crate) struct Call {
    pub(crate) node: Node,
    pub(crate) location: String,
    pub(crate) token: String,
    pub(crate) sid: String,
    pub(crate) profile: SrtpProtectionProfile,
    pub(crate) password: String,
    sound: Arc<Mutex<Sound>>,
    came: Arc<Notify>,
    socket: Arc<Mutex<Arc<UdpSocket>>>,
    endpoint: Endpoint,
    task: JoinHandle<()>,
}

impl Call {
    fn begin(browser: Browser, node: Node, location: String, token: String, keys: Keys) -> Self {
        let sound = Sound { hertz: None, presses: Vec::new(), phase: 0, heard: Vec::new(), level: None };
        let sound = Arc::new(Mutex::new(sound));
        let (came, socket) = (Arc::new(Notify::new()), Arc::new(Mutex::new(Arc::clone(&browser.socket))));
        let password = browser.password.clone();
        let Keys { profile, protect, open, endpoint } = keys;
        let line = Line {
            browser,
            node: node.clone(),
            protect,
            open,
            sound: Arc::clone(&sound),
            came: Arc::clone(&came),
            socket: Arc::clone(&socket),
            sequence: 60_000,
            timestamp: 1,
        };
        let task = tokio::spawn(line.live());
        let sid = location.rsplit('/').next().unwrap().to_owned();
        Self { node, location, token, sid, profile, password, sound, came, socket, endpoint, task }
    }

    fn sound(&self) -> MutexGuard<'_, Sound> {
        self.sound.lock().unwrap()
    }

    /// Speaks a tone from now on.
    pub(crate) fn speak(&self, hertz: u32) {
        self.sound().hertz = Some(f64::from(hertz));
    }

    /// How loud the node said that what came last is, in dBov below the loudest.
    pub(crate) fn told_level(&self) -> Option<u8> {
        self.sound().level
    }

    /// Presses a key.
    pub(crate) fn press(&self, key: u8) {
        self.sound().presses.push(key);
    }

    pub(crate) fn current_socket(&self) -> Arc<UdpSocket> {
        Arc::clone(&self.socket.lock().unwrap())
    }

    /// Goes on from another port, as from another network. Where that is.
    pub(crate) async fn moves(&self) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        *self.socket.lock().unwrap() = Arc::new(socket);
        address
    }

    /// Waits until it hears a tone.
    pub(crate) async fn hears(&self, hertz: u32) {
        within(
            &format!("{hertz} Hz in a browser"),
            self.until(|heard| heard.iter().filter(|frame| loudness(frame, hertz) > HEARD).count() >= 8),
        )
        .await;
    }

    /// Waits until it hears a tone no more.
    pub(crate) async fn hears_no(&self, hertz: u32) {
        within(
            &format!("no {hertz} Hz in a browser"),
            self.until(|heard| heard.iter().all(|frame| loudness(frame, hertz) < UNHEARD)),
        )
        .await;
    }

    /// Waits for ten frames in a row that are as told.
    async fn until(&self, is: impl Fn(&[Vec<i16>]) -> bool) {
        self.sound().heard.clear();
        loop {
            let came = self.came.notified();
            {
                let heard = &self.sound().heard;
                if heard.len() >= 10 && is(&heard[heard.len() - 10..]) {
                    return;
                }
            }
            came.await;
        }
    }

    /// Tells the node over DTLS that it is gone, as browsers do.
    pub(crate) async fn closes(&mut self) {
        self.task.abort();
        self.endpoint.close(Instant::now()).unwrap();
        let socket = Arc::clone(&self.socket.lock().unwrap());
        while let Some(transmit) = self.endpoint.poll_transmit() {
            socket.send_to(&transmit.message, self.node.port).await.unwrap();
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn loudness(frame: &[i16], hertz: u32) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (i, &sample) in frame.iter().enumerate() {
        let angle = TAU * f64::from(hertz) * i as f64 / 48_000.0;
        re += f64::from(sample) * angle.cos();
        im += f64::from(sample) * angle.sin();
    }
    2.0 * f64::hypot(re, im) / frame.len() as f64
}

/// What sends and takes.
struct Line {
    browser: Browser,
    node: Node,
    protect: Context,
    open: Context,
    sound: Arc<Mutex<Sound>>,
    came: Arc<Notify>,
    socket: Arc<Mutex<Arc<UdpSocket>>>,
    sequence: u16,
    timestamp: u32,
}

impl Line {
    async fn live(mut self) {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let mut encoder = opus::Encoder::new(48_000, opus::Channels::Mono, opus::Application::Voip).unwrap();
        let mut decoder = opus::Decoder::new(48_000, opus::Channels::Mono).unwrap();
        let mut datagram = [0; 2_048];
        let mut last = self.socket.lock().unwrap().local_addr().unwrap();
        for tick in 0_u32.. {
            let socket = Arc::clone(&self.socket.lock().unwrap());
            let here = socket.local_addr().unwrap();
            // It asks now and then, and at once from a new place.
            if tick.is_multiple_of(25) || here != last {
                last = here;
                let password = self.node.password.clone();
                let request = self.browser.request(&self.node, &password);
                socket.send_to(&request, self.node.port).await.unwrap();
            }
            self.speak(&socket, &mut encoder).await;
            loop {
                tokio::select! {
                    _ = ticks.tick() => break,
                    taken = socket.recv_from(&mut datagram) => {
                        let Ok((len, source)) = taken else { continue };
                        assert_eq!(source, self.node.port, "all comes from the one port");
                        self.take(&datagram[..len], &mut decoder);
                    }
                }
            }
        }
    }

    async fn speak(&mut self, socket: &UdpSocket, encoder: &mut opus::Encoder) {
        if self.browser.only_listens {
            return;
        }
        let (frame, level, key) = {
            let mut sound = self.sound.lock().unwrap();
            let phase = sound.phase;
            sound.phase += FRAME;
            let sample = |i: usize| {
                let angle = TAU * sound.hertz.unwrap_or_default() * (phase + i) as f64 / 48_000.0;
                (angle.sin() * 8_000.0) as i16
            };
            let frame: Vec<i16> = (0..FRAME).map(sample).collect();
            let level = if sound.hertz.is_some() { 15 } else { 127 };
            let key = (!sound.presses.is_empty()).then(|| sound.presses.remove(0));
            (frame, level, key)
        };
        self.timestamp = self.timestamp.wrapping_add(FRAME as u32);
        if let Some(key) = key {
            for end in [0x0a, 0x8a, 0x8a, 0x8a] {
                self.send(socket, self.browser.keys, level, &[key, end, 0x12, 0xc0]).await;
            }
        }
        let payload = encoder.encode_vec(&frame, 1_000).unwrap();
        self.send(socket, self.browser.opus, level, &payload).await;
    }

    async fn send(&mut self, socket: &UdpSocket, payload_type: u8, level: u8, payload: &[u8]) {
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = vec![0x90, payload_type];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.timestamp.to_be_bytes());
        packet.extend(0x0b0b_u32.to_be_bytes());
        packet.extend([0xbe, 0xde, 0, 1, 0x10, 0x80 | level, 0, 0]);
        packet.extend(payload);
        let packet = self.protect.encrypt_rtp(&packet).unwrap();
        socket.send_to(&packet, self.node.port).await.unwrap();
    }

    fn take(&mut self, datagram: &[u8], decoder: &mut opus::Decoder) {
        let is_rtp = (128..192).contains(&datagram[0]) && !(192..224).contains(&datagram[1]);
        if !is_rtp {
            return;
        }
        let packet = self.open.decrypt_rtp(datagram);
        let packet = packet.unwrap_or_else(|error| {
            let [_, _, high, low, ..] = datagram else { panic!("it is an RTP packet") };
            panic!(
                "what the node sends is protected as agreed: {error}, packet {} to the browser that says {} Hz",
                u16::from_be_bytes([*high, *low]),
                self.sound.lock().unwrap().hertz.unwrap_or_default(),
            )
        });
        if packet[1] & 0x7f != self.browser.opus {
            return;
        }
        // An extension of one word with one element: number 1, one byte.
        let has_level = packet[0] & 0x10 != 0 && packet[12..17] == [0xbe, 0xde, 0, 1, 0x10];
        let (level, payload) = if has_level { (Some(packet[17] & 0x7f), 20) } else { (None, 12) };
        let mut samples = vec![0; 5_760];
        let len = decoder.decode(&packet[payload..], &mut samples, false).unwrap();
        let mut sound = self.sound.lock().unwrap();
        sound.level = level;
        sound.heard.extend(samples[..len].chunks_exact(FRAME).map(<[i16]>::to_vec));
        self.came.notify_waiters();
    }
}
