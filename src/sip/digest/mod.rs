//! Digest authentication as the side that asks for a password: challenges, and whether what comes back proves that
//! somebody knows it. RFC 7616 and RFC 8760, with MD5 as in RFC 2617; RFC 3261 §22 says what it means in SIP.
//!
//! ```text
//! no credentials ─▶ challenge: realm, nonce, SHA-256 before MD5 ─▶ credentials ─▶ the nonce is ours, of this realm,
//!                       ▲                                                         young, and its count has grown?
//!                       └──────────────── stale=true ◀── the digest is right, ──── no
//! ```
//!
//! A nonce carries what is to be known of it under a code that only this verifier can make, so challenges cost no
//! memory, however many are asked for. Only a nonce with which a password was proved is remembered, until it is too old
//! to be used again. So each proof is good once (§3.4.5 of RFC 7616: `nc` must grow).
//!
//! No clock and no socket: who asks says what time it is.

mod credentials;
mod nonce;
mod verifier;

#[cfg(test)]
mod tests;

pub use credentials::{Credentials, Malformed};
pub use verifier::{Asked, Fault, Settings, Verdict, Verifier};

use std::fmt::Write;

use md5::Md5;
use md5::digest::Digest as _;
use sha2::Sha256;
use sha2::digest::Digest as _;
use zeroize::Zeroizing;

/// A hash that passwords are proved with. `-sess` and SHA-512/256 are not offered: hardly a phone has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Sha256,
    Md5,
}

impl Algorithm {
    /// In the order in which they are offered: whoever knows the first takes it (RFC 8760 §2.3).
    const ALL: [Self; 2] = [Self::Sha256, Self::Md5];

    const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }

    /// The algorithm of credentials; MD5 if they name none (RFC 7616 §3.4).
    fn named(name: Option<&str>) -> Option<Self> {
        let Some(name) = name else {
            return Some(Self::Md5);
        };
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// The hash of texts with colons between them, in small hexadecimal digits.
    fn hash(self, texts: &[&str]) -> Zeroizing<String> {
        match self {
            Self::Sha256 => {
                let mut hash = Sha256::new();
                each_piece(texts, |piece| hash.update(piece));
                hex(&hash.finalize())
            }
            Self::Md5 => {
                let mut hash = Md5::new();
                each_piece(texts, |piece| hash.update(piece));
                hex(&hash.finalize())
            }
        }
    }
}

fn each_piece(texts: &[&str], mut take: impl FnMut(&[u8])) {
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            take(b":");
        }
        take(text.as_bytes());
    }
}

fn hex(bytes: &[u8]) -> Zeroizing<String> {
    // With room from the start, so that no half of it is left behind where it grew.
    let mut text = Zeroizing::new(String::with_capacity(2 * bytes.len()));
    for byte in bytes {
        // Writing into a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
