//! What a far end must know to be believed: a name for the leg that it wants, and the password for it (RFC 8445 §5.3).

use std::fmt;

use zeroize::Zeroizing;

/// Characters of a user fragment: 48 bits of entropy, twice what RFC 8445 §5.3 asks for, so that a node never draws one that
/// is in use.
pub(super) const UFRAG_LEN: usize = 8;

/// Characters of a password: 144 bits, over the 128 that RFC 8445 §5.3 asks for.
pub(super) const PASSWORD_LEN: usize = 24;

/// Our end's credentials for one leg. `Debug` withholds the password.
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    ufrag: [u8; UFRAG_LEN],
    password: Zeroizing<[u8; PASSWORD_LEN]>,
}

impl IceCredentials {
    /// Random bytes that credentials are made of.
    pub const ENTROPY: usize = UFRAG_LEN + PASSWORD_LEN;

    /// Makes them of `entropy`, which must be fit for it and be used for nothing else.
    pub fn new(entropy: &[u8; Self::ENTROPY]) -> Self {
        let (ufrag, password) = entropy.split_first_chunk().expect("there is enough for a user fragment");
        let mut made = Self { ufrag: *ufrag, password: Zeroizing::new([0; PASSWORD_LEN]) };
        made.password.copy_from_slice(password);
        for byte in made.ufrag.iter_mut().chain(made.password.iter_mut()) {
            *byte = ICE_CHARS[usize::from(*byte & 0x3f)];
        }
        made
    }

    /// The user fragment, as it stands in SDP.
    pub fn ufrag(&self) -> &str {
        // All of them are ICE characters.
        std::str::from_utf8(&self.ufrag).unwrap_or_default()
    }

    /// The password, as it stands in SDP. Whoever calls this answers for where it goes.
    pub fn expose_password(&self) -> &str {
        // All of them are ICE characters.
        std::str::from_utf8(self.password.as_slice()).unwrap_or_default()
    }

    pub(super) const fn user(&self) -> [u8; UFRAG_LEN] {
        self.ufrag
    }

    /// The key of the integrity attribute (RFC 8489 §9.1.1).
    pub(super) fn key(&self) -> &[u8] {
        self.password.as_slice()
    }
}

impl fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceCredentials").field("ufrag", &self.ufrag()).finish_non_exhaustive()
    }
}

/// The characters of RFC 8445 §5.3, as many as six bits can name.
const ICE_CHARS: [u8; 64] = *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
