//! The codecs that calls may use, in the order in which they are liked.

use std::fmt;

use confab_media::Codec;

/// One or more codecs, none twice, the best liked first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codecs(Vec<Codec>);

impl Codecs {
    /// Names joined by commas: as in SDP, in any case, with a clock rate where that tells two apart.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut codecs = Vec::new();
        for name in text.split(',').map(str::trim) {
            let of_name: Vec<Codec> = Codec::ALL.into_iter().filter(|codec| is_named(*codec, name)).collect();
            if of_name.is_empty() || of_name.iter().any(|codec| codecs.contains(codec)) {
                return None;
            }
            codecs.extend(of_name);
        }
        Some(Self(codecs))
    }

    /// The codecs.
    pub fn as_slice(&self) -> &[Codec] {
        &self.0
    }
}

impl Default for Codecs {
    /// The best sounding first; the law of the greater part of the world's trunks before the other, since both sound
    /// the same; what fills a network last.
    fn default() -> Self {
        Self(Codec::ALL.to_vec())
    }
}

impl fmt::Display for Codecs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(|codec| full_name(*codec)).collect();
        f.write_str(&names.join(","))
    }
}

fn is_named(codec: Codec, name: &str) -> bool {
    codec.name().eq_ignore_ascii_case(name) || full_name(codec).eq_ignore_ascii_case(name)
}

fn full_name(codec: Codec) -> String {
    let name = codec.name().to_ascii_lowercase();
    match codec {
        Codec::L16(_) => format!("{name}/{}", codec.clock_rate()),
        Codec::Pcmu | Codec::Pcma | Codec::G722 | Codec::Opus => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_their_order_and_shown_as_they_are_read() {
        for (text, shown) in [
            ("pcma", "pcma"),
            ("PCMU, g722", "pcmu,g722"),
            ("l16/8000,opus", "l16/8000,opus"),
            ("l16", "l16/16000,l16/8000"),
        ] {
            let codecs = Codecs::parse(text).unwrap();
            assert_eq!(codecs.to_string(), shown);
            assert_eq!(Codecs::parse(shown), Some(codecs));
        }
        assert_eq!(Codecs::parse("opus,g722,pcmu,pcma,l16"), Some(Codecs::default()));
    }

    #[test]
    fn odd_lists_are_refused() {
        for text in ["", ",", "opus,", "opus,opus", "l16,l16/8000", "g729", "opus/48000", "pcmu;pcma"] {
            assert_eq!(Codecs::parse(text), None, "{text:?}");
        }
    }
}
