//! SRTP as the callers speak it (RFC 3711, RFC 7714), with keys from SDP (RFC 4568). Made here from the bare
//! ciphers on purpose: an error of the node's, in when a sequence number wraps or what belongs to a key, must
//! not hide behind the same error here.
//!
//! ```text
//! AES_CM_128_HMAC_SHA1_80   header | payload ⊕ AES-CTR(salt ⊕ SSRC ⊕ index) | HMAC-SHA1 over all and roll-overs, 10 octets
//! AEAD_AES_128_GCM          header | AES-GCM(payload; salt ⊕ SSRC ⊕ index; header authenticated too), 16 octets more
//! ```

use std::fmt;

use aes::Aes128;
use aes::cipher::{KeyIvInit, StreamCipher};
use aes_gcm::aead::AeadInPlace;
use aes_gcm::{Aes128Gcm, KeyInit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use serde::Serialize;
use sha1::Sha1;
use subtle::ConstantTimeEq;

use super::rtp;

type AesCtr = ctr::Ctr128BE<Aes128>;

/// A way to protect packets that the callers can offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
pub enum Suite {
    /// AES in counter mode, authenticated by 80 bits of HMAC-SHA1 (RFC 3711).
    #[value(name = "AES_CM_128_HMAC_SHA1_80", alias = "aes_cm_128_hmac_sha1_80")]
    #[serde(rename = "AES_CM_128_HMAC_SHA1_80")]
    AesCm128HmacSha1_80,
    /// AES in Galois/counter mode (RFC 7714).
    #[value(name = "AEAD_AES_128_GCM", alias = "aead_aes_128_gcm")]
    #[serde(rename = "AEAD_AES_128_GCM")]
    AeadAes128Gcm,
}

/// Octets of a master key, in both suites.
const KEY: usize = 16;
/// Octets of the longest master salt.
const SALT_MAX: usize = 14;
/// Octets of the HMAC that follow a packet.
const HMAC_TAG: usize = 10;
/// Octets of the HMAC's own key (RFC 3711 §5.2).
const HMAC_KEY: usize = 20;
/// Labels of the keys made from the master key (RFC 3711 §4.3.1).
const LABEL_CIPHER: u8 = 0;
const LABEL_HMAC: u8 = 1;
const LABEL_SALT: u8 = 2;
/// A sequence number that went back by more than this has wrapped.
const HALF: u16 = 0x8000;

impl Suite {
    /// All, in the order in which they are offered.
    pub(super) const ALL: [Self; 2] = [Self::AeadAes128Gcm, Self::AesCm128HmacSha1_80];

    /// The name in SDP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
        }
    }

    const fn salt_length(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 => 14,
            Self::AeadAes128Gcm => 12,
        }
    }
}

/// A master key and salt for one direction.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Keys {
    suite: Suite,
    key: [u8; KEY],
    /// Of the shorter salt the last two octets are 0.
    salt: [u8; SALT_MAX],
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("suite", &self.suite).finish_non_exhaustive()
    }
}

impl Keys {
    /// Keys that nobody else has.
    ///
    /// # Panics
    /// When the system has no entropy to give, which Linux does not let happen after boot.
    pub(super) fn random(suite: Suite) -> Self {
        let mut octets = [0; KEY + SALT_MAX];
        getrandom::fill(&mut octets).expect("the system gives entropy");
        Self::of(suite, &octets[..KEY + suite.salt_length()]).expect("as long as the suite wants it")
    }

    pub(super) fn suite(&self) -> Suite {
        self.suite
    }

    fn of(suite: Suite, octets: &[u8]) -> Option<Self> {
        let (key, rest) = octets.split_first_chunk()?;
        let mut salt = [0; SALT_MAX];
        if rest.len() != suite.salt_length() {
            return None;
        }
        salt[..rest.len()].copy_from_slice(rest);
        Some(Self { suite, key: *key, salt })
    }

    /// What follows the tag in an `a=crypto` line.
    pub(super) fn to_sdes(&self) -> String {
        let octets = [&self.key[..], &self.salt[..self.suite.salt_length()]].concat();
        format!("{} inline:{}", self.suite.name(), BASE64.encode(octets))
    }

    /// Reads what follows the tag; a lifetime and parameters are passed over, a key identifier (MKI) is not
    /// understood.
    pub(super) fn from_sdes(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let name = words.next()?;
        let suite = Suite::ALL.into_iter().find(|suite| suite.name() == name)?;
        let mut parts = words.next()?.strip_prefix("inline:")?.split('|');
        let octets = BASE64.decode(parts.next()?).ok()?;
        if parts.any(|part| part.contains(':')) {
            return None;
        }
        Self::of(suite, &octets)
    }

    /// The key for one purpose (RFC 3711 §4.3.1): the salt with the label in it, encrypted as a counter. There is no
    /// key derivation rate in SDP that we would take.
    fn derive<const N: usize>(&self, label: u8) -> [u8; N] {
        let mut counter = [0; 16];
        counter[..SALT_MAX].copy_from_slice(&self.salt);
        counter[7] ^= label;
        let mut key = [0; N];
        AesCtr::new(&self.key.into(), &counter.into()).apply_keystream(&mut key);
        key
    }
}

/// One direction of one leg.
pub(super) struct Protection {
    cipher: Cipher,
    salt: [u8; SALT_MAX],
    stream: Option<Stream>,
}

impl fmt::Debug for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protection").field("stream", &self.stream).finish_non_exhaustive()
    }
}

enum Cipher {
    Counter { key: [u8; KEY], hmac: Box<Hmac<Sha1>> },
    Gcm(Box<Aes128Gcm>),
}

/// How far the stream has come.
#[derive(Clone, Copy, Debug)]
struct Stream {
    ssrc: u32,
    roll_overs: u32,
    highest: u16,
}

impl Protection {
    pub(super) fn new(keys: &Keys) -> Self {
        let key = keys.derive(LABEL_CIPHER);
        let cipher = match keys.suite {
            Suite::AesCm128HmacSha1_80 => {
                let hmac_key: [u8; HMAC_KEY] = keys.derive(LABEL_HMAC);
                let hmac = <Hmac<Sha1> as Mac>::new_from_slice(&hmac_key).expect("HMAC takes any key");
                Cipher::Counter { key, hmac: Box::new(hmac) }
            }
            Suite::AeadAes128Gcm => Cipher::Gcm(Box::new(Aes128Gcm::new(&key.into()))),
        };
        let mut salt = [0; SALT_MAX];
        let derived: [u8; SALT_MAX] = keys.derive(LABEL_SALT);
        let length = keys.suite.salt_length();
        salt[..length].copy_from_slice(&derived[..length]);
        Self { cipher, salt, stream: None }
    }

    /// Turns a packet of ours into what goes out.
    pub(super) fn protect(&mut self, packet: &mut Vec<u8>) {
        let Some((header, payload_at)) = whole_header(packet) else {
            return;
        };
        let (roll_overs, stream) = self.place(&header);
        self.stream = Some(stream);
        match &self.cipher {
            Cipher::Counter { key, hmac } => {
                self.counter(key, &header, roll_overs).apply_keystream(&mut packet[payload_at..]);
                let tag = tag(hmac, packet, roll_overs);
                packet.extend_from_slice(&tag);
            }
            Cipher::Gcm(cipher) => {
                let nonce = self.nonce(&header, roll_overs);
                let (associated, payload) = packet.split_at_mut(payload_at);
                let tag = cipher.encrypt_in_place_detached(&nonce.into(), associated, payload);
                packet.extend_from_slice(&tag.expect("a packet is far below what GCM can hold"));
            }
        }
    }

    /// Turns what came in, in place, into the packet, and says how long it is. `None` when it is not from who has the
    /// key; the buffer is worthless then.
    pub(super) fn unprotect(&mut self, datagram: &mut [u8]) -> Option<usize> {
        let (header, payload_at) = whole_header(datagram)?;
        let (roll_overs, stream) = self.place(&header);
        let length = match &self.cipher {
            Cipher::Counter { key, hmac } => {
                let length = datagram.len().checked_sub(HMAC_TAG).filter(|length| *length >= payload_at)?;
                let (packet, theirs) = datagram.split_at_mut(length);
                if !bool::from(tag(hmac, packet, roll_overs).ct_eq(theirs)) {
                    return None;
                }
                self.counter(key, &header, roll_overs).apply_keystream(&mut packet[payload_at..]);
                length
            }
            Cipher::Gcm(cipher) => {
                let nonce = self.nonce(&header, roll_overs);
                let (associated, rest) = datagram.split_at_mut(payload_at);
                let (payload, tag) = rest.split_last_chunk_mut::<16>()?;
                let opened =
                    cipher.decrypt_in_place_detached(&nonce.into(), associated, payload, (&*tag).into());
                opened.ok()?;
                payload_at + payload.len()
            }
        };
        self.stream = Some(stream);
        Some(length)
    }

    /// Roll-overs before this packet, and the stream once the packet has proved genuine (RFC 3711 §3.3.1,
    /// appendix A). A stream of another source begins anew.
    fn place(&self, header: &rtp::Header) -> (u32, Stream) {
        let (ssrc, sequence) = (header.ssrc, header.sequence);
        let Some(known) = self.stream.filter(|stream| stream.ssrc == ssrc) else {
            return (0, Stream { ssrc, roll_overs: 0, highest: sequence });
        };
        if sequence.wrapping_sub(known.highest) < HALF {
            let roll_overs = known.roll_overs.wrapping_add(u32::from(sequence < known.highest));
            return (roll_overs, Stream { ssrc, roll_overs, highest: sequence });
        }
        // A late one: of before the last wrap if its number is the higher one.
        (known.roll_overs.wrapping_sub(u32::from(sequence > known.highest)), known)
    }

    /// The key stream of a packet (RFC 3711 §4.1.1).
    fn counter(&self, key: &[u8; KEY], header: &rtp::Header, roll_overs: u32) -> AesCtr {
        let mut iv = [0; 16];
        iv[..SALT_MAX].copy_from_slice(&self.salt);
        let numbers = numbers(header, roll_overs);
        iv[4..SALT_MAX].iter_mut().zip(numbers).for_each(|(octet, number)| *octet ^= number);
        AesCtr::new(&(*key).into(), &iv.into())
    }

    /// The nonce of a packet (RFC 7714 §8.1).
    fn nonce(&self, header: &rtp::Header, roll_overs: u32) -> [u8; 12] {
        let mut nonce: [u8; 12] = self.salt[..12].try_into().expect("twelve of fourteen");
        nonce[2..].iter_mut().zip(numbers(header, roll_overs)).for_each(|(octet, number)| *octet ^= number);
        nonce
    }
}

/// SSRC, roll-overs and sequence number, as both suites mix them with the salt.
fn numbers(header: &rtp::Header, roll_overs: u32) -> [u8; 10] {
    let mut numbers = [0; 10];
    numbers[..4].copy_from_slice(&header.ssrc.to_be_bytes());
    numbers[4..8].copy_from_slice(&roll_overs.to_be_bytes());
    numbers[8..].copy_from_slice(&header.sequence.to_be_bytes());
    numbers
}

/// The header and where the payload begins: what follows is encrypted, what is before is not.
fn whole_header(packet: &[u8]) -> Option<(rtp::Header, usize)> {
    let (header, rest) = rtp::split_header(packet)?;
    Some((header, packet.len() - rest.len()))
}

fn tag(hmac: &Hmac<Sha1>, packet: &[u8], roll_overs: u32) -> [u8; HMAC_TAG] {
    let mut hmac = hmac.clone();
    hmac.update(packet);
    hmac.update(&roll_overs.to_be_bytes());
    let whole = hmac.finalize().into_bytes();
    *whole.first_chunk().expect("SHA-1 has twenty octets")
}

#[cfg(test)]
mod tests;
