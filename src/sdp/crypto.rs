//! `a=crypto`: the keys of SRTP in SDP (RFC 4568), in the suites that [`Profile`] has.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use confab_media::srtp::{Profile, SrtpKeys, SrtpPair};
use sdp_types::Attribute;
use zeroize::Zeroizing;

use super::Security;

/// Lines that are read of one stream. The longest real offers have one for each suite that there is, about ten.
const LINES_MAX: usize = 16;

/// One offered pair of suite and keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crypto {
    /// What an answer names it by.
    pub tag: u32,
    /// The sender's keys, which tell the suite as well.
    pub keys: SrtpKeys,
}

/// The lines of a stream that we can do, in its order. Of two with the same tag the first counts.
pub(super) fn read_all(attributes: &[Attribute]) -> Vec<Crypto> {
    let lines = attributes.iter().filter(|line| line.attribute.eq_ignore_ascii_case("crypto"));
    let values = lines.filter_map(|line| line.value.as_deref()).take(LINES_MAX);
    let mut all: Vec<Crypto> = Vec::new();
    for crypto in values.filter_map(read) {
        if all.iter().all(|other| other.tag != crypto.tag) {
            all.push(crypto);
        }
    }
    all
}

/// `1 AES_CM_128_HMAC_SHA1_80 inline:...|2^20` and parameters behind it (RFC 4568 §9.1).
///
/// `None` for what we cannot do: another suite, several keys or a key with an index (MKI), and all parameters but
/// the size of the replay window and those that are marked as no matter (RFC 4568 §6.3.7).
fn read(text: &str) -> Option<Crypto> {
    let mut words = text.split_ascii_whitespace();
    let tag = words.next().filter(|tag| (1..=9).contains(&tag.len()))?.parse().ok()?;
    let profile = Profile::of_name(words.next()?)?;
    let keys = read_keys(profile, words.next()?)?;
    let is_no_matter = |word: &str| word.starts_with('-') || starts_with(word, "WSH=");
    words.all(is_no_matter).then_some(Crypto { tag, keys })
}

/// `inline:`, the keys, and how many packets they are for: it is the sender's business to change them in time.
fn read_keys(profile: Profile, text: &str) -> Option<SrtpKeys> {
    let inline = text.strip_prefix("inline:").or_else(|| text.strip_prefix("INLINE:"))?;
    let mut parts = inline.split('|');
    let encoded = parts.next()?;
    // An index has its length behind it, a lifetime is a number or a power of two.
    let (lifetime, index) = (parts.next(), parts.next());
    if index.is_some() || lifetime.is_some_and(|lifetime| lifetime.contains([':', ';'])) {
        return None;
    }
    let material = Zeroizing::new(BASE64.decode(encoded).ok()?);
    SrtpKeys::new(profile, &material)
}

/// Some leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn starts_with(word: &str, prefix: &str) -> bool {
    word.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// The best of the offered suites, with the keys of both.
pub(super) fn choose(offered: &[Crypto], security: &Security) -> Option<(u32, SrtpPair)> {
    let best = Profile::ALL.into_iter().find_map(|profile| {
        let crypto = offered.iter().find(|crypto| crypto.keys.profile() == profile)?;
        Some((crypto, security.keys(profile)?))
    });
    let (crypto, ours) = best?;
    Some((crypto.tag, SrtpPair { send: ours.clone(), receive: crypto.keys.clone() }))
}

/// What an answer to an offer of ours took: it names one suite. Our keys are known by it, whatever the tag.
pub(super) fn taken(answered: &[Crypto], security: &Security) -> Option<SrtpPair> {
    answered.iter().find_map(|crypto| {
        let ours = security.keys(crypto.keys.profile())?;
        Some(SrtpPair { send: ours.clone(), receive: crypto.keys.clone() })
    })
}

/// The value of the attribute.
pub(super) fn write(tag: u32, keys: &SrtpKeys) -> Zeroizing<String> {
    let encoded = Zeroizing::new(BASE64.encode(keys.expose()));
    Zeroizing::new(format!("{tag} {} inline:{}", keys.profile().name(), *encoded))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "d29uZGVyZnVsIGtleXMgYXJlIG5ldmVyIHJlYWwgMTIz";

    fn line(keys: &str, rest: &str) -> Option<Crypto> {
        read(&format!("1 AES_CM_128_HMAC_SHA1_80 {keys}{rest}"))
    }

    #[test]
    fn keys_are_read_with_and_without_what_may_stand_behind_them() {
        let material = b"wonderful keys are never real 123";
        let short = BASE64.encode(&material[..30]);
        for keys in [short.clone(), format!("{short}|2^48"), format!("{short}|1048576")] {
            let crypto = line(&format!("inline:{keys}"), " WSH=64 -FOO=bar").unwrap();
            assert_eq!((crypto.tag, crypto.keys.expose()), (1, &material[..30]));
        }
        let gcm = format!("77  aead_aes_128_gcm  inline:{}", BASE64.encode(&material[..28]));
        assert_eq!(read(&gcm).unwrap().keys.profile(), Profile::AeadAes128Gcm);
        let unpadded = gcm.trim_end_matches('=');
        assert_eq!(read(unpadded), read(&gcm));
    }

    #[test]
    fn what_we_cannot_do_is_passed_over() {
        let short = BASE64.encode([7; 30]);
        let good = format!("inline:{short}");
        assert!(line(&good, "").is_some());
        for bad in [
            format!("{good}|2^20|1:4"),
            format!("{good}|1:4"),
            format!("{good};{good}"),
            format!("{good}|2^20;{good}|2^20"),
            "inline:".to_owned(),
            format!("inline:{KEY}{KEY}"),
            "inline:***".to_owned(),
            format!("uri:{short}"),
        ] {
            assert_eq!(line(&bad, ""), None, "{bad}");
        }
        for rest in [" UNENCRYPTED_SRTP", " UNENCRYPTED_SRTCP", " UNAUTHENTICATED_SRTP", " KDR=4", " NEW=1"] {
            assert_eq!(line(&good, rest), None, "{rest}");
        }
        for text in ["", "1", "x AES_CM_128_HMAC_SHA1_80 inline:", "1234567890 AES_CM_128_HMAC_SHA1_80 x"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read(&format!("1 F8_128_HMAC_SHA1_80 {good}")), None);
    }
}
