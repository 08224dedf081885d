//! Offers and answers of browsers (RFC 8829): one stream of audio over ICE, DTLS and SRTP, on a port that all browsers share.
//!
//! We are a lite end of ICE (RFC 8445 §2.5) that waits for the browser's handshake: what the browser says of its candidates
//! does not matter, since its checks tell where it is. So candidates with names in place of addresses are as good as others.

mod read;
mod write;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;

use confab_media::LegTerms;
use confab_media::ice::IceCredentials;

use super::{Agreed, Audio, Local, SdpError};
pub use read::{BrowserOffer, parse_offer, read_answer};
pub use write::{answer, make_offer};

/// The SHA-256 of a certificate (RFC 8122 §5).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// This sum.
    pub const fn new(sha256: [u8; 32]) -> Self {
        Self(sha256)
    }

    /// Reads `sha-256 4A:AD:...`; nothing of another hash.
    fn parse(text: &str) -> Option<Self> {
        let (hash, sum) = text.split_once(' ')?;
        if !hash.eq_ignore_ascii_case("sha-256") {
            return None;
        }
        let mut bytes = [0; 32];
        let mut given = sum.trim().split(':');
        for byte in &mut bytes {
            let pair = given.next().filter(|pair| pair.len() == 2)?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        given.next().is_none().then_some(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha-256 ")?;
        for (place, byte) in self.0.iter().enumerate() {
            let colon = if place == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A browser's half of ICE and DTLS.
#[derive(Clone, PartialEq, Eq)]
pub struct Remote {
    /// Its user fragment.
    pub ufrag: String,
    /// Its password, by which a restart is told.
    password: String,
    /// What its certificate may be.
    pub fingerprints: Vec<Fingerprint>,
}

impl Remote {
    /// Whether its credentials are others than before: it wants ICE to begin anew (RFC 8445 §9).
    pub fn is_restarted_since(&self, before: &Self) -> bool {
        self.ufrag != before.ufrag || self.password != before.password
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("fingerprints", &self.fingerprints).finish_non_exhaustive()
    }
}

/// Our side of a browser's leg.
#[derive(Clone, Debug)]
pub struct BrowserLocal {
    /// What is the same with any far end. Its address and port stand in what says nothing to a browser.
    pub local: Local,
    /// Where a browser reaches the port, the best first.
    pub candidates: Vec<SocketAddr>,
    /// What its checks must know.
    pub credentials: IceCredentials,
    /// Of our certificate.
    pub fingerprint: Fingerprint,
    /// The name of the stream that was taken, once it was.
    pub mid: Option<String>,
}

/// What both sides will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserAgreed {
    /// The sound.
    pub agreed: Agreed,
    /// Its half of ICE and DTLS.
    pub remote: Remote,
}

/// What holds of a leg's terms whatever a browser says: ICE knows the way, and RTCP goes the same. And it is told how loud our
/// packets are if it takes that.
fn over_ice(agreed: Agreed, audio: &Audio) -> Agreed {
    let audio_level_sent = audio.audio_level.filter(|level| level.takes).map(|level| level.id);
    let terms = LegTerms { ice: true, rtcp_mux: true, rtcp: agreed.remote, audio_level_sent, ..agreed.terms };
    Agreed { terms, ..agreed }
}
