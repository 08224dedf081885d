//! The certificate of HTTPS: one that the operator has, or for trying things one that the node makes itself and keeps in its
//! data directory, so that a browser which was told to accept it does so again. The operator's is read anew when it changes.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;
use tracing::info;

use super::reload::Reloaded;
use crate::config::{Https, read_certificates};
use crate::telemetry::{Counter, Metrics};

/// The files of our own making, in the data directory.
const OWN_CERT: &str = "https-development.pem";
const OWN_KEY: &str = "https-development.key";

/// Why HTTPS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum HttpsError {
    /// The certificate cannot be read.
    #[error("cannot use the certificate {} (`https_cert`): {why}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The private key cannot be read, or is not the certificate's. Says nothing of what is in it.
    #[error("cannot use the private key {} (`https_key`): {why}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// None can be made.
    #[error("cannot make a certificate for `https_listen` in {}: {why}", folder.display())]
    Own {
        /// The data directory.
        folder: PathBuf,
        /// Why.
        why: String,
    },
}

/// What makes TLS of accepted connections.
#[derive(Clone)]
pub struct Certificate {
    config: Reloaded<ServerConfig>,
    /// Connections that were given up before they could be used.
    pub(super) failed: Arc<Counter>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").finish_non_exhaustive()
    }
}

impl Certificate {
    /// The configured one, or without any the one that is kept in `data_dir`, which is made where there is none, for
    /// `addresses` and the names of this machine.
    ///
    /// # Errors
    /// When one of the files is not what it should be, or they do not belong together.
    pub fn load(
        https: &Https,
        data_dir: &Path,
        addresses: &[IpAddr],
        metrics: &Metrics,
    ) -> Result<Self, HttpsError> {
        let (cert, key) = match &https.files {
            Some((cert, key)) => (cert.clone(), key.clone()),
            None => own(data_dir, addresses)
                .map_err(|why| HttpsError::Own { folder: data_dir.to_owned(), why })?,
        };
        let config = read(&cert, &key)?;
        if https.files.is_none() {
            let certificates = read_certificates(&cert).unwrap_or_default();
            let fingerprint = certificates.first().map(fingerprint).unwrap_or_default();
            info!(
                %fingerprint,
                "HTTPS with a certificate of the node's own making: browsers warn of it; compare the SHA-256 fingerprint"
            );
        }
        let failed = metrics.counter(
            "confab_https_handshakes_failed_total",
            "HTTPS connections that were given up before they could be used.",
            &[],
        );
        Ok(Self { config: Reloaded::new(config), failed })
    }

    /// Reads the configured files anew when they change, as long as anybody has this. The task runs on the current tokio
    /// runtime.
    pub fn follow(&self, https: &Https) {
        if let Some((cert, key)) = https.files.clone() {
            self.config.follow(vec![cert.clone(), key.clone()], move || read(&cert, &key));
        }
    }

    /// For the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.get())
    }
}

fn read(cert: &Path, key: &Path) -> Result<ServerConfig, HttpsError> {
    let certificates =
        read_certificates(cert).map_err(|why| HttpsError::Certificate { path: cert.to_owned(), why })?;
    let wrong_key = |why: String| HttpsError::Key { path: key.to_owned(), why };
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| wrong_key(e.to_string()))?;
    server_config(certificates, private).map_err(|e| wrong_key(e.to_string()))
}

fn server_config(
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)?;
    // WebSockets need HTTP/1.1, and it is all that is spoken here.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// As browsers show it.
fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let hash = Sha256::digest(certificate);
    hash.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

/// The certificate of our own making and its key.
fn own(data_dir: &Path, addresses: &[IpAddr]) -> Result<(PathBuf, PathBuf), String> {
    let (cert, key) = (data_dir.join(OWN_CERT), data_dir.join(OWN_KEY));
    // The certificate is written last: with it both are there.
    if !cert.exists() {
        make(&cert, &key, addresses)?;
    }
    Ok((cert, key))
}

fn make(cert: &Path, key: &Path, addresses: &[IpAddr]) -> Result<(), String> {
    let pair = KeyPair::generate().map_err(|e| e.to_string())?;
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(addresses.iter().filter(|address| !address.is_unspecified()).map(ToString::to_string));
    names.sort();
    names.dedup();
    let mut params = CertificateParams::new(names).map_err(|e| e.to_string())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Confab, for development");
    // Nobody is told when it ends, and nobody but who accepted it by hand trusts it.
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2050, 1, 1));
    let made = params.self_signed(&pair).map_err(|e| e.to_string())?;
    write(key, pair.serialize_pem().as_bytes()).map_err(|e| e.to_string())?;
    write(cert, made.pem().as_bytes()).map_err(|e| e.to_string())
}

/// For its owner's eyes only, and whole or not at all.
fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let _ = fs::remove_file(&beside);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text).and_then(|()| file.sync_all())?;
    fs::rename(&beside, path)
}
