//! Nonces: made from a number, the time and a code over both and the realm, so that nothing is kept of one that nobody
//! uses, and used with a count that must grow.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hmac::{Hmac, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::hex;

/// Bytes of a code: half of what HMAC-SHA-1 has more than enough of, since a guess costs a request each.
const CODE_LEN: usize = 16;

/// Digits of a nonce: number, time and code.
const NONCE_DIGITS: usize = 2 * (8 + 8 + CODE_LEN);

/// Makes nonces and knows its own.
pub(super) struct Nonces {
    key: Zeroizing<[u8; 32]>,
    lifetime: Duration,
    next: AtomicU64,
    used: Mutex<Used>,
}

/// A nonce of ours that may still be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nonce {
    number: u64,
    made: Duration,
}

/// The counts of nonces with which a password was proved.
struct Used {
    /// By their numbers, which are in the order of their age: when each was made, and its highest count.
    counts: BTreeMap<u64, (Duration, u32)>,
    max: usize,
    /// Nonces with lower numbers are used up, whatever was counted.
    floor: u64,
}

impl Nonces {
    pub(super) fn new(key: [u8; 32], lifetime: Duration, used_max: usize) -> Self {
        let used = Used { counts: BTreeMap::new(), max: used_max.max(1), floor: 0 };
        Self { key: Zeroizing::new(key), lifetime, next: AtomicU64::new(0), used: Mutex::new(used) }
    }

    /// A new one. Each is another.
    pub(super) fn make(&self, realm: &str, now: Duration) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.write(number, millis(now), realm)
    }

    /// The nonce of a text, if it was made here, for this realm, and is not too old.
    pub(super) fn read(&self, text: &str, realm: &str, now: Duration) -> Option<Nonce> {
        if text.len() != NONCE_DIGITS || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let word = |at: usize| u64::from_str_radix(text.get(at..at + 16)?, 16).ok();
        let (number, made) = (word(0)?, word(16)?);
        let is_ours: bool = self.write(number, made, realm).as_bytes().ct_eq(text.as_bytes()).into();
        let made = Duration::from_millis(made);
        (is_ours && !self.is_too_old(made, now)).then_some(Nonce { number, made })
    }

    /// Whether a nonce may be used with this count, which is used up with that.
    ///
    /// When there is no room for one more, the oldest are used up, and with them all that are older still: their clients
    /// are asked once more, and no proof of theirs is good a second time.
    pub(super) fn use_up(&self, nonce: Nonce, count: u32, now: Duration) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(oldest) = used.counts.first_entry()
            && self.is_too_old(oldest.get().0, now)
        {
            oldest.remove();
        }
        used.grow(nonce, count)
    }

    fn is_too_old(&self, made: Duration, now: Duration) -> bool {
        now.saturating_sub(made) >= self.lifetime
    }

    fn write(&self, number: u64, made: u64, realm: &str) -> String {
        let mut mac = Hmac::<Sha1>::new_from_slice(self.key.as_slice())
            .expect("HMAC takes a key of any length (RFC 2104 §2)");
        mac.update(b"sip digest nonce");
        mac.update(&number.to_be_bytes());
        mac.update(&made.to_be_bytes());
        mac.update(realm.as_bytes());
        let code = mac.finalize().into_bytes();
        format!("{number:016x}{made:016x}{}", *hex(&code[..CODE_LEN]))
    }
}

impl Used {
    fn grow(&mut self, nonce: Nonce, count: u32) -> bool {
        if let Some((_, highest)) = self.counts.get_mut(&nonce.number) {
            let grows = count > *highest;
            *highest = count.max(*highest);
            return grows;
        }
        if self.counts.len() >= self.max
            && let Some((oldest, _)) = self.counts.pop_first()
        {
            self.floor = self.floor.max(oldest + 1);
        }
        if nonce.number < self.floor || count == 0 {
            return false;
        }
        self.counts.insert(nonce.number, (nonce.made, count));
        true
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

fn millis(now: Duration) -> u64 {
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
