//! What two ends agree on before they can protect anything: a profile, and one master key with its salt for
//! each direction (RFC 3711 §8.2, RFC 4568 §6.2, RFC 7714 §14.2).

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// How packets are encrypted and authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// AES in counter mode, HMAC-SHA1 cut to 80 bits (RFC 3711 §4): what everybody has.
    AesCm128HmacSha1_80,
    /// The same with a tag of 32 bits on RTP; RTCP keeps 80 (RFC 4568 §6.2.2).
    AesCm128HmacSha1_32,
    /// AES-GCM with a tag of 128 bits (RFC 7714): cheaper, and not malleable before it is checked.
    AeadAes128Gcm,
}

impl Profile {
    /// All of them, the best first: GCM costs half, and 32 bits are the least that may be called a tag.
    pub const ALL: [Self; 3] = [Self::AeadAes128Gcm, Self::AesCm128HmacSha1_80, Self::AesCm128HmacSha1_32];

    /// Its name in SDP, with its capitals (RFC 4568 §6.2, RFC 7714 §14.2).
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
        }
    }

    /// The profile of that name in SDP.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name().eq_ignore_ascii_case(name))
    }

    /// Bytes of the master salt.
    pub const fn salt_len(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 => 14,
            Self::AeadAes128Gcm => 12,
        }
    }

    /// Bytes of master key and salt together, as they stand in an `inline:` of SDP.
    pub const fn material_len(self) -> usize {
        KEY_LEN + self.salt_len()
    }

    /// How much longer RTP gets by protection, in bytes.
    pub const fn rtp_overhead(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 => 10,
            Self::AesCm128HmacSha1_32 => 4,
            Self::AeadAes128Gcm => 16,
        }
    }

    /// How much longer RTCP gets: its tag, and the index that it carries.
    pub const fn rtcp_overhead(self) -> usize {
        4 + match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 => 10,
            Self::AeadAes128Gcm => 16,
        }
    }
}

/// Bytes of the master key: all our profiles are of AES-128.
pub(super) const KEY_LEN: usize = 16;

/// The longest salt, and so the longest material.
const MATERIAL_MAX: usize = KEY_LEN + 14;

/// The keys of one direction. They cannot be seen by accident: `Debug` withholds them, there is no `Display`,
/// comparing takes the same time wherever they differ, and they are wiped when dropped.
#[derive(Clone)]
pub struct SrtpKeys {
    profile: Profile,
    material: Zeroizing<[u8; MATERIAL_MAX]>,
}

impl SrtpKeys {
    /// Takes master key and salt, one behind the other; `None` if they have not the profile's length.
    pub fn new(profile: Profile, material: &[u8]) -> Option<Self> {
        if material.len() != profile.material_len() {
            return None;
        }
        let mut kept = Zeroizing::new([0; MATERIAL_MAX]);
        kept[..material.len()].copy_from_slice(material);
        Some(Self { profile, material: kept })
    }

    /// What they are for.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// Master key and salt, one behind the other. Whoever calls this answers for where they go.
    pub fn expose(&self) -> &[u8] {
        &self.material[..self.profile.material_len()]
    }

    /// The master key, and the salt filled with zeros up to 112 bits (RFC 7714 §11).
    pub(super) fn key_and_salt(&self) -> (&[u8; KEY_LEN], &[u8; 14]) {
        let (key, salt) = self.material.split_first_chunk().expect("the material begins with a key");
        (key, salt.first_chunk().expect("and ends with a salt"))
    }
}

impl PartialEq for SrtpKeys {
    fn eq(&self, other: &Self) -> bool {
        self.profile == other.profile && self.material.as_slice().ct_eq(other.material.as_slice()).into()
    }
}

impl Eq for SrtpKeys {}

impl fmt::Debug for SrtpKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SrtpKeys({}, [redacted])", self.profile.name())
    }
}

/// The keys of both directions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrtpPair {
    /// What we protect with: the keys that we named.
    pub send: SrtpKeys,
    /// What the far end protects with: the keys that it named.
    pub receive: SrtpKeys,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_their_profiles_length() {
        for profile in Profile::ALL {
            let right = vec![7; profile.material_len()];
            assert_eq!(SrtpKeys::new(profile, &right).unwrap().expose(), right);
            assert!(SrtpKeys::new(profile, &right[1..]).is_none());
            assert!(SrtpKeys::new(profile, &[right.as_slice(), &[7]].concat()).is_none());
        }
    }

    #[test]
    fn keys_are_not_shown_and_are_compared_whole() {
        let keys = |last| {
            let mut material = [b'k'; 30];
            material[29] = last;
            SrtpKeys::new(Profile::AesCm128HmacSha1_80, &material).unwrap()
        };
        assert_eq!(format!("{:?}", keys(1)), "SrtpKeys(AES_CM_128_HMAC_SHA1_80, [redacted])");
        assert_eq!(keys(1), keys(1));
        assert_ne!(keys(1), keys(2));
        let other_profile = SrtpKeys::new(Profile::AesCm128HmacSha1_32, keys(1).expose()).unwrap();
        assert_ne!(keys(1), other_profile);
    }

    #[test]
    fn names_are_those_of_sdp() {
        for profile in Profile::ALL {
            assert_eq!(Profile::of_name(profile.name()), Some(profile));
        }
        assert_eq!(Profile::of_name("aes_cm_128_hmac_sha1_80"), Some(Profile::AesCm128HmacSha1_80));
        assert_eq!(Profile::of_name("F8_128_HMAC_SHA1_80"), None);
    }
}
