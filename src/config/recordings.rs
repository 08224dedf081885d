//! How much disk recordings may take, how many samples a second they have, and which hash.

use std::fmt;

/// What `M`, `G` and `T` stand for: powers of 1024, as disks are spoken of by those who look at them with `du -h`.
const UNITS: [(&str, u64); 3] = [("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20)];

/// How much disk something may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskSize(Option<u64>);

impl DiskSize {
    /// Bytes; none, if as much as there is.
    pub const fn bytes(self) -> Option<u64> {
        self.0
    }

    /// `500G`, or `unlimited`. Not nothing: what is not to be kept at all is not what anybody would expect.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text == "unlimited" {
            return Some(Self(None));
        }
        let (number, unit) = UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let bytes = number.parse::<u64>().ok().filter(|_| is_number)?.checked_mul(*unit)?;
        (bytes > 0).then_some(Self(Some(bytes)))
    }
}

impl fmt::Display for DiskSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(bytes) = self.0 else {
            return f.write_str("unlimited");
        };
        match UNITS.iter().find(|(_, unit)| bytes.is_multiple_of(*unit)) {
            Some((name, unit)) => write!(f, "{}{name}", bytes / unit),
            None => write!(f, "{bytes} bytes"),
        }
    }
}

/// Samples a second of recordings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordingRate {
    /// As what is recorded has them, 16,000 at most.
    #[default]
    Auto,
    /// 8,000.
    Hz8000,
    /// 16,000.
    Hz16000,
}

impl RecordingRate {
    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Auto, Self::Hz8000, Self::Hz16000].into_iter().find(|rate| rate.word() == text)
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Hz8000 => "8000",
            Self::Hz16000 => "16000",
        }
    }
}

impl fmt::Display for RecordingRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Which hash the sound of recordings has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordingHash {
    /// BLAKE3.
    #[default]
    Blake3,
    /// SHA-256.
    Sha256,
}

impl RecordingHash {
    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Blake3, Self::Sha256].into_iter().find(|hash| hash.word() == text)
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Blake3 => "blake3",
            Self::Sha256 => "sha256",
        }
    }
}

impl fmt::Display for RecordingHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_shown() {
        for text in ["1M", "500G", "2T", "unlimited"] {
            assert_eq!(DiskSize::parse(text).map(|size| size.to_string()).as_deref(), Some(text));
        }
        assert_eq!(DiskSize::parse("1024M"), DiskSize::parse("1G"));
        assert_eq!(DiskSize::parse("3G").and_then(DiskSize::bytes), Some(3 << 30));
    }

    #[test]
    fn what_is_no_size_or_nothing_is_refused() {
        for text in ["", "0", "0G", "500", "G", "1.5G", "-1G", "+1G", "500g", "99999999999T", "un limited"] {
            assert_eq!(DiskSize::parse(text), None, "{text}");
        }
    }
}
