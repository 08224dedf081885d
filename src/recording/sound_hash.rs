//! The hash of a recording's samples, taken as they are written, so that what the disk gives back later can be held against
//! what it was given.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::manifest::hex;
use super::wav::Head;

/// Read from a file at a time.
const PIECE_LEN: usize = 256 * 1_024;

/// BLAKE3 takes chunks of a kibibyte, and at most so many beside each other (AVX-512 has sixteen lanes). What comes otherwise
/// takes half as long again.
const LANES_LEN: usize = 16 * 1_024;

/// Which hash the sound of recordings has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashKind {
    /// BLAKE3, of 256 bits: takes a third of what SHA-256 does, which would be the most expensive part of a recording.
    #[default]
    Blake3,
    /// SHA-256 (FIPS 180-4), for those whose rules name it.
    Sha256,
}

/// The hash of all samples of a recording, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SoundHash {
    /// BLAKE3, of 256 bits.
    Blake3(String),
    /// SHA-256.
    Sha256(String),
}

/// A hash on its way.
#[derive(Clone)]
pub(super) enum Hashing {
    Blake3 {
        hash: Box<blake3::Hasher>,
        /// What came after the last whole [`LANES_LEN`].
        rest: Vec<u8>,
    },
    Sha256(Sha256),
}

impl SoundHash {
    pub(super) const fn kind(&self) -> HashKind {
        match self {
            Self::Blake3(_) => HashKind::Blake3,
            Self::Sha256(_) => HashKind::Sha256,
        }
    }

    /// That of the samples in a file of ours, as it lies there.
    ///
    /// # Errors
    /// When it cannot be read, or has no header.
    pub(super) fn of(path: &Path, kind: HashKind) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let head = Head::read(&file)?.ok_or_else(|| io::Error::other("its header is gone"))?;
        file.seek(SeekFrom::Start(head.data_at))?;
        let mut sound = Hashing::new(kind);
        let mut piece = vec![0; PIECE_LEN];
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(sound.end()),
                len => sound.update(&piece[..len]),
            }
        }
    }
}

impl Hashing {
    pub(super) fn new(kind: HashKind) -> Self {
        match kind {
            HashKind::Blake3 => Self::Blake3 { hash: Box::default(), rest: Vec::new() },
            HashKind::Sha256 => Self::Sha256(Sha256::new()),
        }
    }

    pub(super) const fn kind(&self) -> HashKind {
        match self {
            Self::Blake3 { .. } => HashKind::Blake3,
            Self::Sha256(_) => HashKind::Sha256,
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Blake3 { hash, rest } => update_in_lanes(hash, rest, bytes),
            Self::Sha256(hash) => hash.update(bytes),
        }
    }

    pub(super) fn end(self) -> SoundHash {
        match self {
            Self::Blake3 { mut hash, rest } => {
                SoundHash::Blake3(hex(hash.update(&rest).finalize().as_bytes()))
            }
            Self::Sha256(hash) => SoundHash::Sha256(hex(&hash.finalize())),
        }
    }
}

fn update_in_lanes(hash: &mut blake3::Hasher, rest: &mut Vec<u8>, mut bytes: &[u8]) {
    if !rest.is_empty() {
        let missing = (LANES_LEN - rest.len()).min(bytes.len());
        rest.extend_from_slice(&bytes[..missing]);
        bytes = &bytes[missing..];
        if rest.len() < LANES_LEN {
            return;
        }
        hash.update(rest);
        rest.clear();
    }
    let (whole, end) = bytes.split_at(bytes.len() - bytes.len() % LANES_LEN);
    hash.update(whole);
    rest.extend_from_slice(end);
}

impl fmt::Debug for Hashing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hashing").field(&self.kind()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_hash_is_the_same_however_its_bytes_come(
            cuts in prop::collection::vec(0..50_000usize, 0..12),
            len in 0..100_000usize,
        ) {
            let bytes: Vec<u8> = (0..len).map(|n| (n * n / 7) as u8).collect();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(len)).chain([0, len]).collect();
            cuts.sort_unstable();
            for (kind, expected) in [
                (HashKind::Blake3, SoundHash::Blake3(blake3::hash(&bytes).to_hex().to_string())),
                (HashKind::Sha256, SoundHash::Sha256(hex(&Sha256::digest(&bytes)))),
            ] {
                let mut hashing = Hashing::new(kind);
                cuts.windows(2).for_each(|cut| hashing.update(&bytes[cut[0]..cut[1]]));
                prop_assert_eq!((hashing.kind(), expected.kind()), (kind, kind));
                prop_assert_eq!(hashing.end(), expected);
            }
        }
    }

    #[test]
    fn the_hash_of_nothing_is_that_of_the_specifications() {
        let blake3 = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        let sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Hashing::new(HashKind::Blake3).end(), SoundHash::Blake3(blake3.to_owned()));
        assert_eq!(Hashing::new(HashKind::Sha256).end(), SoundHash::Sha256(sha256.to_owned()));
    }
}
