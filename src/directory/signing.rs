//! Keys sign access tokens with HMAC-SHA-256 (RFC 2104). To check that takes the secret, or what HMAC makes of it before
//! it sees a message: two states of the hash, after its first block each (RFC 2104 §4). These are what is kept. From them the
//! secret cannot be had, so that whoever reads the database can make tokens and still not log in with the key.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::block_api::compress256;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// Bytes that the hash takes at a time (FIPS 180-4 §1).
const BLOCK: usize = 64;

/// Bytes of a signature.
pub const SIGNATURE_LEN: usize = 32;

/// What SHA-256 begins with (FIPS 180-4 §5.3.3).
const BEGINNING: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// Makes signatures, and knows them again.
#[derive(Clone, Serialize, Deserialize)]
pub struct SigningKey {
    inner: [u32; 8],
    outer: [u32; 8],
}

impl Drop for SigningKey {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl SigningKey {
    /// The one of this secret, of 64 bytes at most.
    ///
    /// # Panics
    /// When the secret is longer. Those that are made here have 32 bytes.
    pub fn of(secret: &[u8]) -> Self {
        assert!(secret.len() <= BLOCK, "a secret of our own making");
        let after = |pad: u8| {
            let mut block = Zeroizing::new([pad; BLOCK]);
            block.iter_mut().zip(secret).for_each(|(byte, secret)| *byte ^= secret);
            let mut state = BEGINNING;
            compress256(&mut state, &[*block]);
            state
        };
        Self { inner: after(0x36), outer: after(0x5c) }
    }

    /// The signature of a message.
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        finish(self.outer, &finish(self.inner, message))
    }

    /// Whether this is the signature of that message. Takes as long whatever differs.
    pub fn is_signature(&self, signature: &[u8], message: &[u8]) -> bool {
        self.sign(message).ct_eq(signature).into()
    }
}

/// The hash of one block, after which it is in `state`, and `rest`.
fn finish(mut state: [u32; 8], rest: &[u8]) -> [u8; SIGNATURE_LEN] {
    let (blocks, tail) = rest.as_chunks::<BLOCK>();
    compress256(&mut state, blocks);
    // FIPS 180-4 §5.1.1: a bit, zeros up to a whole block, and the length in bits.
    let mut last = [[0; BLOCK]; 2];
    let padded = last.as_flattened_mut();
    padded[..tail.len()].copy_from_slice(tail);
    padded[tail.len()] = 0x80;
    let used = if tail.len() < BLOCK - 8 { 1 } else { 2 };
    let bits = 8 * (BLOCK + rest.len()) as u64;
    padded[BLOCK * used - 8..BLOCK * used].copy_from_slice(&bits.to_be_bytes());
    compress256(&mut state, &last[..used]);
    let mut hash = [0; SIGNATURE_LEN];
    for (bytes, word) in hash.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    state.zeroize();
    hash
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ring::hmac;

    use super::*;

    proptest! {
        #[test]
        fn a_signature_is_that_of_another_implementation(
            secret in prop::collection::vec(any::<u8>(), 0..=64),
            message in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let expected = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), &message);
            let key = SigningKey::of(&secret);
            prop_assert_eq!(&key.sign(&message)[..], expected.as_ref());
            prop_assert!(key.is_signature(expected.as_ref(), &message));
        }

        #[test]
        fn another_byte_anywhere_is_another_signature(message in prop::collection::vec(any::<u8>(), 1..200), at: usize) {
            let key = SigningKey::of(b"0123456789abcdef0123456789abcdef");
            let signature = key.sign(&message);
            let mut other = message.clone();
            other[at % message.len()] ^= 1;
            prop_assert!(!key.is_signature(&signature, &other));
            prop_assert!(!key.is_signature(&signature[..31], &message));
        }
    }

    #[test]
    fn what_is_kept_of_a_secret_does_not_show_it() {
        let key = SigningKey::of(b"open sesame");
        let kept = serde_json::to_string(&key).expect("numbers");
        assert!(!kept.contains("sesame") && !format!("{key:?}").contains(char::is_numeric));
        let again: SigningKey = serde_json::from_str(&kept).expect("what was kept");
        assert!(again.is_signature(&key.sign(b"message"), b"message"));
    }
}
