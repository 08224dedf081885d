//! A processor that behaves as it likes, in virtual time: what it is sent, how often, and what is made of its answers.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::super::order::tests::whole;
use super::*;
use crate::config::{Networks, Secret};
use crate::webhook::{Egress, Network, Stream};

const CARD: &str = "4111111111111111";

/// Bytes in a pipe: as much as a socket's buffer.
const PIPE_BYTES: usize = 64 * 1_024;

#[derive(Clone, Copy, Debug)]
enum Turn {
    /// Answers so.
    Answers(u16, &'static str),
    /// Takes it, and says nothing.
    IsSilent,
    /// Breaks off in its midst.
    BreaksOff,
    /// Is not there.
    IsGone,
    /// Is somebody else.
    IsAnother,
}

/// The processor, and what it saw.
struct Processor {
    turns: Mutex<VecDeque<Turn>>,
    seen: Arc<Mutex<Vec<String>>>,
    tls: TlsAcceptor,
    another: TlsAcceptor,
}

/// Who vouches for it.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    home: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let home = TempDir::new().unwrap();
        std::fs::write(home.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, home }
    }

    fn file(&self) -> PathBuf {
        self.home.path().join("ca.pem")
    }

    fn acceptor(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

#[async_trait]
impl Network for Processor {
    async fn resolve(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec![IpAddr::from([93, 184, 215, 14])])
    }

    async fn connect(&self, _to: SocketAddr) -> io::Result<Box<dyn Stream>> {
        let turn = self.turns.lock().unwrap().pop_front().unwrap_or(Turn::IsGone);
        if matches!(turn, Turn::IsGone) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (ours, theirs) = duplex(PIPE_BYTES);
        let tls = if matches!(turn, Turn::IsAnother) { &self.another } else { &self.tls };
        tokio::spawn(serve(theirs, tls.clone(), turn, Arc::clone(&self.seen)));
        Ok(Box::new(ours))
    }
}

async fn serve(stream: DuplexStream, tls: TlsAcceptor, turn: Turn, seen: Arc<Mutex<Vec<String>>>) {
    let Ok(mut stream) = tls.accept(stream).await else {
        return;
    };
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    seen.lock().unwrap().push(String::from_utf8(request).unwrap());
    match turn {
        Turn::Answers(status, body) => {
            let length = body.len();
            let answer = format!("HTTP/1.1 {status} So\r\nContent-Length: {length}\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes()).await;
            std::future::pending::<()>().await;
        }
        Turn::IsSilent => std::future::pending().await,
        Turn::BreaksOff => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{\"tok").await;
        }
        Turn::IsGone | Turn::IsAnother => {}
    }
}

/// What comes of a payment when the processor behaves so: that, what it was sent, and how many seconds it took.
async fn outcome(turns: &[Turn], egress: Egress) -> (Result<Receipt, Declined>, Vec<String>, u64) {
    let authority = Authority::new();
    let seen = Arc::default();
    let processor = Processor {
        turns: Mutex::new(turns.iter().copied().collect()),
        seen: Arc::clone(&seen),
        tls: authority.acceptor("pay.example"),
        another: authority.acceptor("other.example"),
    };
    let password = Secret::new("open sesame".to_owned());
    let url = "https://pay.example/confab";
    let provider =
        Provider::guarded(url, ("node", &password), Some(&authority.file()), egress, Arc::new(processor));
    let generic = Generic::new("test".to_owned(), provider.unwrap());
    let payment = whole(&[], CARD);
    let begun = Instant::now();
    let outcome = generic.submit(&Order::new(&payment, "PK1")).await;
    let seen = seen.lock().unwrap().clone();
    (outcome, seen, begun.elapsed().as_secs())
}

async fn asked(turns: &[Turn]) -> (Result<Receipt, Declined>, Vec<String>, u64) {
    outcome(turns, Egress::default()).await
}

const TAKEN: Turn = Turn::Answers(200, "{\"token_id\":\"tok_7\",\"error_code\":null}");

#[tokio::test(start_paused = true)]
async fn a_processor_is_sent_json_over_tls_with_a_user_and_a_password() {
    let (outcome, seen, _) = asked(&[TAKEN]).await;
    assert_eq!(outcome.unwrap().id, "tok_7");
    let [request] = &seen[..] else {
        panic!("{} requests", seen.len());
    };
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("post /confab http/1.1\r\n"), "{head}");
    // `node:open sesame`.
    assert!(head.contains("authorization: basic bm9kztpvcgvuihnlc2ftzq=="), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&body["method"], &body["transaction_id"]), (&"tokenize".into(), &"PK1".into()));
    assert_eq!((&body["cardnumber"], &body["cvv"]), (&CARD.into(), &"123".into()));
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_answer_is_asked_five_times_more_under_the_same_name() {
    for turn in [Turn::IsSilent, Turn::IsGone, Turn::BreaksOff, Turn::Answers(503, "busy")] {
        let (outcome, seen, seconds) = asked(&[turn; 20]).await;
        assert_eq!(outcome.unwrap_err().code, 64_005, "{turn:?}");
        assert_eq!(seen.len(), if matches!(turn, Turn::IsGone) { 0 } else { 6 }, "{turn:?}");
        assert!((50..=61).contains(&seconds), "{turn:?}: {seconds} s");
        let same = |request: &String| {
            request.split_once("\r\n\r\n").unwrap().1 == seen[0].split_once("\r\n\r\n").unwrap().1
        };
        assert!(seen.iter().all(same), "{turn:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_answer_counts() {
    let (outcome, seen, seconds) = asked(&[Turn::IsSilent, Turn::Answers(500, ""), TAKEN, TAKEN]).await;
    assert_eq!(outcome.unwrap().id, "tok_7");
    assert_eq!((seen.len(), seconds), (3, 20));
    let refused = Turn::Answers(402, "{\"error_code\":\"51\",\"error_message\":\"no funds\"}");
    let (outcome, seen, _) = asked(&[refused, TAKEN]).await;
    let declined = outcome.unwrap_err();
    assert_eq!((declined.code, declined.message.as_str(), seen.len()), (64_010, "no funds", 1));
    let (outcome, seen, _) = asked(&[Turn::Answers(200, "<html>"), TAKEN]).await;
    assert_eq!((outcome.unwrap_err().code, seen.len()), (64_006, 1), "it may have been done");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_not_who_it_should_be_is_told_nothing() {
    let (outcome, seen, seconds) = asked(&[Turn::IsAnother, TAKEN]).await;
    let declined = outcome.unwrap_err();
    assert!(declined.message.contains("certificate is for another name"), "{}", declined.message);
    assert_eq!((seen.len(), seconds), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_guard_keeps_payments_from_where_requests_may_not_go() {
    let network: Arc<dyn Network> = Arc::new(crate::webhook::SystemNetwork::new());
    let password = Secret::new("p".to_owned());
    let egress = Egress::new(Networks::default());
    let provider =
        Provider::guarded("https://127.0.0.1:9/", ("u", &password), None, egress, Arc::clone(&network));
    let generic = Generic::new("test".to_owned(), provider.unwrap());
    let payment = whole(&[], CARD);
    let declined = generic.submit(&Order::new(&payment, "PK1")).await.unwrap_err();
    assert!(declined.message.contains("may not send requests to"), "{}", declined.message);
    let plain = Provider::guarded("http://pay.example/", ("u", &password), None, Egress::default(), network);
    assert!(plain.is_err(), "not without TLS");
}
