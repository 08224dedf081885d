//! The handshake of one browser: DTLS 1.2 (RFC 6347) in which the browser begins, its certificate must be the one that
//! signalling told, and both learn the keys of SRTP (RFC 5764).
//!
//! The library takes the first protection profile of the *browser's* list that we have, and browsers list the dearer one first.
//! So it is asked with GCM alone, and only if a browser has not that, its first flight is given to another association that
//! has the other profile.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::BytesMut;
use confab_media::srtp::{Profile, SrtpKeys, SrtpPair};
use rtc_dtls::cipher_suite::CipherSuiteId;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::crypto_provider::RTCCryptoProvider;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_dtls::state::State;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error;
use zeroize::Zeroizing;

use super::certificate::{NodeCertificate, fingerprint_of};
use crate::sdp::browser::Fingerprint;

/// Where the library believes the browser to be. It may be here and there; that it is the same was proved before.
const BROWSER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// Datagrams of a first flight that are kept until it is understood. One with keys against quantum computers takes two.
const FIRST_FLIGHT_MAX: usize = 4;

/// What names the keys of SRTP among all that follow from a handshake (RFC 5764 §4.2).
const EXPORTER: &str = "EXTRACTOR-dtls_srtp";

/// What a browser's certificate must be, and ours.
pub(super) struct Identity {
    pub(super) provider: Arc<dyn RTCCryptoProvider>,
    pub(super) certificate: Arc<NodeCertificate>,
    pub(super) fingerprints: Vec<Fingerprint>,
}

/// What came of a datagram or of time.
pub(super) enum Step {
    GoesOn,
    /// Both have these keys.
    Done(SrtpPair),
    /// It cannot come to an end: why.
    Failed(&'static str),
    /// The browser has closed it, and proved that it was the browser.
    Closed,
}

pub(super) struct Handshake {
    identity: Identity,
    endpoint: Endpoint,
    /// The browser showed a certificate that is not the one that was told.
    is_impostor: Arc<AtomicBool>,
    first_flight: Vec<BytesMut>,
    profile: Profile,
    is_done: bool,
}

impl Handshake {
    pub(super) fn new(identity: Identity) -> Result<Self, Error> {
        let is_impostor = Arc::new(AtomicBool::new(false));
        let profile = Profile::AeadAes128Gcm;
        let endpoint = associate(&identity, profile, &is_impostor)?;
        Ok(Self { identity, endpoint, is_impostor, first_flight: Vec::new(), profile, is_done: false })
    }

    /// Whether there are keys.
    pub(super) const fn is_done(&self) -> bool {
        self.is_done
    }

    /// Takes a datagram of the browser's in.
    pub(super) fn take(&mut self, datagram: &[u8], now: Instant) -> Step {
        let datagram = BytesMut::from(datagram);
        if self.may_fall_back() && self.first_flight.len() < FIRST_FLIGHT_MAX {
            self.first_flight.push(datagram.clone());
        }
        match self.endpoint.read(now, BROWSER, None, datagram) {
            Err(Error::ErrServerNoMatchingSrtpProfile) if self.may_fall_back() => self.fall_back(now),
            read => self.judge(read),
        }
    }

    /// Whether nothing was said to the browser yet that rules another profile out.
    fn may_fall_back(&self) -> bool {
        self.profile == Profile::AeadAes128Gcm && !self.is_done
    }

    /// The browser has not the better profile.
    fn fall_back(&mut self, now: Instant) -> Step {
        self.profile = Profile::AesCm128HmacSha1_80;
        match associate(&self.identity, self.profile, &self.is_impostor) {
            // With it goes what the first one wanted to tell the browser.
            Ok(endpoint) => self.endpoint = endpoint,
            Err(_) => return Step::Failed("no association could be made"),
        }
        for datagram in std::mem::take(&mut self.first_flight) {
            let read = self.endpoint.read(now, BROWSER, None, datagram);
            if let step @ (Step::Done(_) | Step::Failed(_) | Step::Closed) = self.judge(read) {
                return step;
            }
        }
        Step::GoesOn
    }

    fn judge(&mut self, read: Result<Vec<EndpointEvent>, Error>) -> Step {
        if self.is_impostor.load(Ordering::Relaxed) {
            return Step::Failed("the browser's certificate is not the one that its offer tells");
        }
        let events = match read {
            Ok(events) => events,
            Err(Error::ErrServerNoMatchingSrtpProfile) => {
                return Step::Failed("the browser has no protection profile that we have");
            }
            // Damaged, or from before: the browser sends it again, or gives up.
            Err(_) => return Step::GoesOn,
        };
        for event in events {
            if matches!(event, EndpointEvent::HandshakeComplete) {
                return self.finish();
            }
            if matches!(event, EndpointEvent::PeerClosed) {
                return Step::Closed;
            }
        }
        Step::GoesOn
    }

    fn finish(&mut self) -> Step {
        self.first_flight.clear();
        match self.endpoint.get_connection_state(BROWSER).and_then(keys) {
            Some(keys) => {
                self.is_done = true;
                Step::Done(keys)
            }
            None => Step::Failed("the browser agreed on no protection profile"),
        }
    }

    /// The next datagram for the browser.
    pub(super) fn next_to_send(&mut self) -> Option<BytesMut> {
        let next = self.endpoint.poll_transmit()?;
        // What was answered cannot be said anew with another profile.
        self.first_flight.clear();
        Some(next.message)
    }

    /// Sends again what was not answered in time.
    pub(super) fn look_at_clock(&mut self, now: Instant) {
        if self.endpoint.poll_timeout(&BROWSER).is_some_and(|due| due <= now) {
            // One that has sent it as often as it may stays as it is, until the call ends.
            let _ = self.endpoint.handle_timeout(BROWSER, now);
        }
    }

    /// Tells the browser that it is over.
    pub(super) fn close(&mut self, now: Instant) {
        // There is nobody to tell of an association that never was.
        let _ = self.endpoint.stop(now, BROWSER);
    }
}

fn associate(
    identity: &Identity,
    profile: Profile,
    is_impostor: &Arc<AtomicBool>,
) -> Result<Endpoint, Error> {
    let config = Arc::new(configure(identity, profile, Arc::clone(is_impostor))?);
    Ok(Endpoint::new(BROWSER, TransportProtocol::UDP, Some(config)))
}

fn configure(
    identity: &Identity,
    profile: Profile,
    is_impostor: Arc<AtomicBool>,
) -> Result<HandshakeConfig, Error> {
    let wanted = identity.fingerprints.clone();
    let profile = match profile {
        Profile::AeadAes128Gcm => SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
        Profile::AesCm128HmacSha1_80 | Profile::AesCm128HmacSha1_32 => {
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80
        }
    };
    ConfigBuilder::default()
        .with_crypto_provider(Arc::clone(&identity.provider))
        .with_certificates(vec![identity.certificate.certificate.clone()])
        .with_cipher_suites(vec![
            CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
            CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
        ])
        .with_srtp_protection_profiles(vec![profile])
        .with_client_auth(ClientAuthType::RequireAnyClientCert)
        // Nobody vouches for a browser's certificate but signalling, which told what it is.
        .with_insecure_skip_verify(true)
        .with_verify_peer_certificate(Some(Arc::new(move |certificates, _| {
            let shown = certificates.first().map(|der| fingerprint_of(der));
            if shown.is_some_and(|shown| wanted.contains(&shown)) {
                return Ok(());
            }
            is_impostor.store(true, Ordering::Relaxed);
            Err(Error::Other("fingerprint".to_owned()))
        })))
        .with_extended_master_secret(ExtendedMasterSecretType::Require)
        .build(false, None)
}

/// The keys that follow from a handshake: the browser's and ours, then its salt and ours (RFC 5764 §4.2).
fn keys(state: &State) -> Option<SrtpPair> {
    let agreed = state.srtp_protection_profile();
    let profile = if agreed == SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm {
        Profile::AeadAes128Gcm
    } else if agreed == SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 {
        Profile::AesCm128HmacSha1_80
    } else {
        return None;
    };
    let salt_len = profile.salt_len();
    let key_len = profile.material_len() - salt_len;
    let material = state.export_keying_material(EXPORTER, &[], 2 * profile.material_len()).ok()?;
    let (keys, salts) = material.as_ref().split_at_checked(2 * key_len)?;
    let of = |side: usize| {
        let mut one = Zeroizing::new(Vec::with_capacity(profile.material_len()));
        one.extend_from_slice(&keys[side * key_len..][..key_len]);
        one.extend_from_slice(&salts[side * salt_len..][..salt_len]);
        SrtpKeys::new(profile, &one)
    };
    Some(SrtpPair { receive: of(0)?, send: of(1)? })
}
