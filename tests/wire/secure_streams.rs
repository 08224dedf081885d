//! Streams over TLS: a server of an authority that the operator trusts is talked with, and one that is not what it says is not,
//! with the reference's code for TLS and a sentence that says why.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use confab::server::Options;
use confab_media::Codec;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;

use crate::app::App;
use crate::record::{THERE, loudest};
use crate::running::Running;
use crate::stream_server::{Order, StreamServer};
use crate::streams::{WAIT, called, encoded, noted, samples};

/// Whoever accepts with a certificate for this name that is good until the end of a year; and the certificate.
fn acceptor(name: &str, year: i32) -> (TlsAcceptor, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_after = date_time_ymd(year, 12, 31);
    let certificate = params.self_signed(&key).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), certificate.pem())
}

/// A node that trusts these.
async fn trusting(certificates: &[&str]) -> (Running, TempDir) {
    let home = TempDir::new().unwrap();
    let file = home.path().join("trusted.pem");
    std::fs::write(&file, certificates.concat()).unwrap();
    let trusted = format!("--webhook-ca={}", file.display());
    let flags = ["--outbound-allow=sip:*@127.0.0.1:*", "--egress-allow=127.0.0.0/8", &trusted];
    (Running::start_with(Options::default(), &flags).await, home)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_talks_over_tls_with_a_server_whose_authority_is_configured() {
    let (tls, certificate) = acceptor("127.0.0.1", 2999);
    let (node, _home) = trusting(&[&certificate]).await;
    let server = StreamServer::secure(tls).await;
    let script = format!("<Connect><Stream url=\"{}\"/></Connect>", server.url("talk"));
    let (phone, _call) = called(&node, &script).await;
    phone.rtp.speak(700);
    let connection = server.connection(0).await;
    assert!(loudest(&samples(&connection.sounds_from_now("inbound", 50).await), 700.0) > THERE);
    let stream = connection.heard()[1]["streamSid"].clone();
    let step = std::f64::consts::TAU * 1_900.0 / 8_000.0;
    let tone: Vec<i16> = (0..80_000).map(|n| (6_000.0 * (f64::from(n) * step).sin()) as i16).collect();
    let mut sound = vec![0; tone.len()];
    Codec::Pcmu.encode(&tone, &mut sound);
    let media = json!({ "payload": STANDARD.encode(sound) });
    let said = json!({ "event": "media", "streamSid": stream, "media": media });
    connection.does(Order::Say(Message::text(said.to_string()))).await;
    phone.rtp.hears(1_900).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_in_which_tls_can_fail_has_its_code_and_its_sentence_and_the_call_goes_on() {
    let ((wrong, others), (old, expired), (unknown, _)) =
        (acceptor("other.example", 2999), acceptor("127.0.0.1", 2020), acceptor("127.0.0.1", 2999));
    let ((node, _home), app) = (trusting(&[&others, &expired]).await, App::start().await);
    let (_phone, call) = called(&node, WAIT).await;
    for (name, tls, why) in [
        ("name", wrong, "another name"),
        ("expired", old, "expired"),
        ("unknown", unknown, "signed by anybody whom"),
    ] {
        let server = StreamServer::secure(tls).await;
        app.gives(name, "text/plain", Vec::new());
        let form = format!("Url={}&StatusCallback={}", encoded(&server.url("x")), encoded(&app.url(name)));
        node.post(&format!("Calls/{call}/Streams.json"), &form).await;
        let told = app.told(name, 1).await;
        let error = told[0].get("StreamError");
        assert!(error.starts_with("31910") && error.contains(why), "{name}: {error}");
    }
    noted(&node, &call, "31910").await;
    assert_eq!(node.get(&format!("Calls/{call}.json")).await["status"], "in-progress");
}
