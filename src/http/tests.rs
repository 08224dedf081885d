//! HTTPS over real sockets on loopback, with the certificate of our own making.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::Extension;
use axum::routing::get;
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::*;
use crate::config::Https;
use crate::telemetry::Metrics;

fn https() -> Https {
    Https { listen: ([127, 0, 0, 1], 0).into(), files: None }
}

fn load(folder: &Path, metrics: &Metrics) -> Certificate {
    Certificate::load(&https(), folder, &[], metrics).expect("made, or kept")
}

async fn start(certificate: Certificate) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let tell = |Extension(on): Extension<Connection>| async move { on.is_secure.to_string() };
    let router = Router::new().route("/", get(tell));
    tokio::spawn(serve_tls(listener, certificate, router, std::future::pending()));
    address
}

/// Trusts what is in the file, as a browser does that was told to.
fn trusting(folder: &Path) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let file = folder.join("https-development.pem");
    roots.add(CertificateDer::from_pem_file(file).expect("a certificate")).expect("one that can be trusted");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

async fn ask(address: SocketAddr, connector: &TlsConnector, name: &'static str) -> String {
    let stream = TcpStream::connect(address).await.expect("it listens");
    let name = ServerName::try_from(name).expect("a name");
    let mut stream = connector.connect(name, stream).await.expect("a handshake");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("text");
    answer
}

#[tokio::test]
async fn a_certificate_of_our_own_making_serves_and_is_kept() {
    let folder = tempfile::tempdir().expect("a directory");
    let metrics = Metrics::new();
    let first = start(load(folder.path(), &metrics)).await;
    let trusted = trusting(folder.path());
    for name in ["localhost", "127.0.0.1"] {
        let answer = ask(first, &trusted, name).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("true"), "{answer}");
    }
    // What was trusted once is what the next node has.
    let second = start(load(folder.path(), &Metrics::new())).await;
    assert!(ask(second, &trusted, "localhost").await.starts_with("HTTP/1.1 200"));
    for file in ["https-development.pem", "https-development.key"] {
        let mode = std::fs::metadata(folder.path().join(file)).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[tokio::test]
async fn what_is_no_handshake_is_counted_and_costs_nobody_else() {
    let folder = tempfile::tempdir().expect("a directory");
    let metrics = Metrics::new();
    let address = start(load(folder.path(), &metrics)).await;
    // One who never begins.
    let _idle = TcpStream::connect(address).await.expect("it listens");
    let mut plain = TcpStream::connect(address).await.expect("it listens");
    plain.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.expect("it reads");
    // An alert, and the end.
    let _ = plain.read_to_end(&mut Vec::new()).await;
    assert!(ask(address, &trusting(folder.path()), "localhost").await.starts_with("HTTP/1.1 200"));
    assert!(metrics.render().contains("confab_https_handshakes_failed_total 1\n"), "{}", metrics.render());
}

#[test]
fn files_that_do_not_fit_are_named() {
    let folder = tempfile::tempdir().expect("a directory");
    let (ours, other) = (folder.path().join("a"), folder.path().join("b"));
    for each in [&ours, &other] {
        std::fs::create_dir(each).expect("a directory");
        load(each, &Metrics::new());
    }
    let refused = |cert: &Path, key: &Path| {
        let https = Https { files: Some((cert.to_owned(), key.to_owned())), ..https() };
        let loaded = Certificate::load(&https, folder.path(), &[], &Metrics::new());
        loaded.map(drop).expect_err("they do not fit").to_string()
    };
    let (cert, key) = (ours.join("https-development.pem"), other.join("https-development.key"));
    assert!(refused(&cert, &key).contains("`https_key`"));
    assert!(refused(&key, &key).contains("`https_cert`): there is no certificate in it"));
    assert!(refused(&folder.path().join("none"), &key).contains("`https_cert`"));
}
