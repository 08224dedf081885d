//! TLS: whom the client believes, and what it says of others.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

use super::world::{ACCOUNT, World, script};
use crate::webhook::{ClientSettings, Cookies, FailureKind, Request};

const AT: &str = "93.184.215.14:443";

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    home: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, home }
    }

    fn file(&self) -> PathBuf {
        self.home.path().join("ca.pem")
    }

    /// A server with a certificate for `name` that ended in the given year.
    fn serves(&self, world: &World, name: &str, until: i32) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let (acceptor, serving) = (TlsAcceptor::from(Arc::new(config)), world.clone());
        world.raw(AT, move |stream| {
            let (acceptor, world) = (acceptor.clone(), serving.clone());
            async move {
                // Fails when the client does not believe us, as it should in most of these tests.
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let answer = Arc::new(|_| std::future::ready(script("<Response/>")));
                world.serve(stream, "https", answer).await;
            }
        });
    }
}

fn world() -> World {
    let world = World::default();
    world.name("app.example", &[&["93.184.215.14"]]);
    world
}

async fn outcome(world: &World, authorities: Option<PathBuf>) -> Result<(), FailureKind> {
    let client = world.client_allowed("", authorities);
    let request = Request::post("https://app.example/voice", ACCOUNT, Vec::new());
    let fetched = client.fetch_script(&request, &mut Cookies::default()).await;
    fetched.map(|_| ()).map_err(|failure| failure.kind)
}

#[tokio::test]
async fn a_server_is_believed_whose_authority_is_trusted() {
    let (world, authority) = (world(), Authority::new());
    authority.serves(&world, "app.example", 2090);
    assert_eq!(outcome(&world, Some(authority.file())).await, Ok(()));
    let seen = &world.seen()[0];
    assert!(seen.url == "https://app.example/voice" && seen.is_signed());
}

#[tokio::test]
async fn a_server_that_is_not_believed_has_its_code() {
    let authority = Authority::new();
    for (name, until, trusted, kind, code) in [
        ("other.example", 2090, true, FailureKind::CertificateName, 11235),
        ("app.example", 2021, true, FailureKind::CertificateExpired, 11236),
        ("app.example", 2090, false, FailureKind::CertificateUntrusted, 11237),
    ] {
        let world = world();
        authority.serves(&world, name, until);
        let authorities = trusted.then(|| authority.file());
        assert_eq!(kind.code(), code);
        assert_eq!(outcome(&world, authorities).await, Err(kind));
        assert!(world.seen().is_empty());
    }
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_11220() {
    let world = world();
    world.raw(AT, |mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    });
    assert_eq!(outcome(&world, None).await, Err(FailureKind::Tls));
    assert_eq!(FailureKind::Tls.code(), 11220);
}

#[tokio::test]
async fn a_file_without_authorities_is_refused_at_start() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("none.pem");
    std::fs::write(&path, "nothing").unwrap();
    for path in [path, home.path().join("missing.pem")] {
        let settings = ClientSettings { extra_authorities: Some(path), ..ClientSettings::default() };
        let keys = |_: &str| None;
        let made = crate::webhook::Client::new(
            &settings,
            Arc::new(World::default()),
            Arc::new(keys),
            Arc::new(|_| {}),
            &crate::telemetry::Metrics::new(),
        );
        assert!(made.is_err());
    }
}
