//! The node's certificate for browsers. Nobody vouches for it: a browser knows it by its fingerprint, which signalling told
//! (RFC 8122). It is drawn anew each day, so that a key that got lost opens no more than a day's calls.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rtc_dtls::crypto::Certificate;
use rtc_dtls::crypto_provider::RTCCryptoProvider;
use rtc_dtls::crypto_provider::providers::RingProvider;
use sha2::{Digest as _, Sha256};

use super::error::BrowserError;
use crate::sdp::browser::Fingerprint;

/// How long a certificate is given to new calls. Those that have it keep it.
const LASTS: Duration = Duration::from_secs(24 * 60 * 60);

/// What stands in it. Browsers do not look at it.
const NAME: &str = "confab";

/// A certificate and its fingerprint.
#[derive(Debug)]
pub(super) struct NodeCertificate {
    pub(super) certificate: Certificate,
    pub(super) fingerprint: Fingerprint,
}

impl NodeCertificate {
    fn draw(provider: &dyn RTCCryptoProvider) -> Result<Self, BrowserError> {
        // An ECDSA key on P-256, which every browser takes.
        let certificate = Certificate::generate_self_signed([NAME.to_owned()], provider.crypto())
            .map_err(|error| BrowserError::Certificate(error.to_string()))?;
        let der = certificate.certificate.first();
        let der = der.ok_or_else(|| BrowserError::Certificate("it is empty".to_owned()))?;
        Ok(Self { fingerprint: fingerprint_of(der), certificate })
    }
}

/// The fingerprint of a certificate (RFC 8122 §5).
pub(super) fn fingerprint_of(der: &[u8]) -> Fingerprint {
    Fingerprint::new(Sha256::digest(der).into())
}

/// The certificate of the day.
pub(super) struct Certificates {
    pub(super) provider: Arc<dyn RTCCryptoProvider>,
    current: Mutex<(Instant, Arc<NodeCertificate>)>,
}

impl Certificates {
    pub(super) fn new() -> Result<Self, BrowserError> {
        let provider: Arc<dyn RTCCryptoProvider> = Arc::new(RingProvider::new());
        let first = Arc::new(NodeCertificate::draw(provider.as_ref())?);
        Ok(Self { provider, current: Mutex::new((Instant::now(), first)) })
    }

    /// The one that a call that begins now gets.
    pub(super) fn at(&self, now: Instant) -> Arc<NodeCertificate> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(current.0) >= LASTS
            && let Ok(next) = NodeCertificate::draw(self.provider.as_ref())
        {
            // If none can be drawn the old one goes on; the next call tries again.
            *current = (now, Arc::new(next));
        }
        Arc::clone(&current.1)
    }
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_serves_for_a_day_and_then_another_does() {
        let certificates = Certificates::new().unwrap();
        let now = Instant::now();
        let first = certificates.at(now);
        assert_eq!(certificates.at(now + LASTS / 2).fingerprint, first.fingerprint);
        let second = certificates.at(now + LASTS + Duration::from_secs(1));
        assert_ne!(second.fingerprint, first.fingerprint);
        assert_eq!(certificates.at(now + LASTS + Duration::from_secs(2)).fingerprint, second.fingerprint);
    }
}
