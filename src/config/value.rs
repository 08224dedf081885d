//! How values are written: one reader per type, the same for a flag, a variable and the file. A reader that
//! refuses says what would have been right.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::codecs::Codecs;
use super::conference_digits::ConferenceDigits;
use super::jitter_buffer::JitterBuffer;
use super::outbound::OutboundAllow;
use super::recordings::{DiskSize, RecordingHash, RecordingRate};
use super::{KeptFor, LogFormat, Networks, RtpPorts, Secret, SrtpPolicy};

/// What would have been right, as the end of "… is wrong: expected …".
pub(super) type Expected = String;

pub(super) fn socket_address(text: &str) -> Result<SocketAddr, Expected> {
    text.parse().map_err(|_| "an IP address and a port, such as `127.0.0.1:8080`".to_owned())
}

/// Addresses that can be told to somebody: no wildcard, no group, and of each family one at most.
pub(super) fn public_addresses(text: &str) -> Result<Vec<IpAddr>, Expected> {
    let is_public = |address: &IpAddr| !address.is_unspecified() && !address.is_multicast();
    let read = |text: &str| text.trim().parse().ok().filter(is_public);
    let addresses: Option<Vec<IpAddr>> = text.split(',').map(read).collect();
    let is_right = |addresses: &Vec<IpAddr>| match addresses.as_slice() {
        [_] => true,
        [first, other] => first.is_ipv4() != other.is_ipv4(),
        _ => false,
    };
    addresses.filter(is_right).ok_or_else(|| {
        "an IP address that callers can reach, such as `203.0.113.7`, or one of each family with a comma"
            .to_owned()
    })
}

pub(super) fn rtp_ports(text: &str) -> Result<RtpPorts, Expected> {
    text.parse().map_err(|_| {
        "two UDP ports `first-last` that hold an even port and the odd one above it, such as `20000-29999`"
            .to_owned()
    })
}

pub(super) fn directory(text: &str) -> Result<PathBuf, Expected> {
    if text.is_empty() {
        return Err("a directory, such as `./confab-data`".to_owned());
    }
    Ok(PathBuf::from(text))
}

pub(super) fn whole(text: &str, range: RangeInclusive<usize>) -> Result<usize, Expected> {
    text.parse()
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("a whole number from {} to {}", range.start(), range.end()))
}

/// A duration with its unit, from `ms`, `s`, `m` and `h`: a bare number would leave the reader to guess.
pub(super) fn duration(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, Expected> {
    parse_duration(text).filter(|duration| range.contains(duration)).ok_or_else(|| {
        let (least, most) = (show_duration(*range.start()), show_duration(*range.end()));
        format!("a duration from {least} to {most} with its unit, such as `60s`, `500ms` or `2m`")
    })
}

fn parse_duration(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(millis).map(Duration::from_millis)
}

/// The duration as [`duration`] reads it, in the largest unit that says it exactly and that it holds twice:
/// people write `60s` and `24h`, not `1m` and `1d`.
pub(super) fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, size) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        let exact = millis.is_multiple_of(size);
        if exact && (millis >= 2 * size || (unit == "s" && millis > 0)) {
            return format!("{}{unit}", millis / size);
        }
    }
    format!("{millis}ms")
}

/// A time in days or hours.
pub(super) fn kept_for(text: &str) -> Result<KeptFor, Expected> {
    KeptFor::parse(text)
        .ok_or_else(|| "a time in days or hours, such as `30d` or `12h`, or `forever`".to_owned())
}

pub(super) fn size(text: &str) -> Result<DiskSize, Expected> {
    DiskSize::parse(text).ok_or_else(|| {
        "a size of 1M at least, in M, G or T (powers of 1024), such as `500G`, or `unlimited`".to_owned()
    })
}

pub(super) fn recording_rate(text: &str) -> Result<RecordingRate, Expected> {
    RecordingRate::parse(text).ok_or_else(|| "`8000`, `16000` or `auto`".to_owned())
}

pub(super) fn recording_hash(text: &str) -> Result<RecordingHash, Expected> {
    RecordingHash::parse(text).ok_or_else(|| "`blake3` or `sha256`".to_owned())
}

/// `AC` and 32 digits: the API's clients check the form, and the node's own SIDs are shown in small letters.
pub(super) fn account_sid(text: &str) -> Result<String, Expected> {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    match text.strip_prefix("AC") {
        Some(hex) if hex.len() == 32 && hex.bytes().all(digit) => Ok(text.to_owned()),
        Some(_) | None => Err("`AC` and 32 hexadecimal digits in small letters".to_owned()),
    }
}

/// The longest token taken; one that is longer was probably a file's content given by mistake.
const TOKEN_LEN_MAX: usize = 256;

/// Printable ASCII without spaces: it travels in an HTTP header, and a stray line end would never match.
pub(super) fn auth_token(text: &str) -> Result<Secret, Expected> {
    let fits = (1..=TOKEN_LEN_MAX).contains(&text.len());
    if !fits || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("1 to {TOKEN_LEN_MAX} printable ASCII characters without spaces"));
    }
    Ok(Secret::new(text.to_owned()))
}

/// The name of a realm, which phones show and hash.
pub(super) fn realm(text: &str) -> Result<String, Expected> {
    if text.is_empty() || text.len() > 64 || text.contains(char::is_control) {
        return Err("a name of 1 to 64 characters, such as `sip.example.com`".to_owned());
    }
    Ok(text.to_owned())
}

/// A level, or `target=level` parts joined by commas.
///
/// A bare word that is no level would be taken for a target's name, so that `--log inof` would silence the
/// node; it is refused here.
pub(super) fn log_filter(text: &str) -> Result<String, Expected> {
    // The library takes an empty part for `error`; nobody who writes `info,` means that.
    let is_level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
    let clear = |part: &str| part.contains('=') || is_level(part);
    if !text.split(',').all(clear) || EnvFilter::try_new(text).is_err() {
        return Err("`off`, `error`, `warn`, `info`, `debug` or `trace`, or `target=level` parts \
                    joined by commas, such as `info,confab::sip=debug`"
            .to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn file(text: &str) -> Result<PathBuf, Expected> {
    if text.is_empty() {
        return Err("a file, such as `/etc/confab/sip.pem`".to_owned());
    }
    Ok(PathBuf::from(text))
}

pub(super) fn codecs(text: &str) -> Result<Codecs, Expected> {
    Codecs::parse(text).ok_or_else(|| {
        "one or more of `opus`, `g722`, `pcmu`, `pcma`, `l16`, `l16/16000` and `l16/8000`, none twice, joined by \
         commas"
            .to_owned()
    })
}

pub(super) fn networks(text: &str) -> Result<Networks, Expected> {
    Networks::parse(text).ok_or_else(|| {
        "networks joined by commas, such as `10.1.0.0/16,fd00::/8`, without bits beyond their prefix"
            .to_owned()
    })
}

pub(super) fn srtp_policy(text: &str) -> Result<SrtpPolicy, Expected> {
    match text {
        "off" => Ok(SrtpPolicy::Off),
        "optional" => Ok(SrtpPolicy::Optional),
        "required" => Ok(SrtpPolicy::Required),
        _ => Err("`off`, `optional` or `required`".to_owned()),
    }
}

pub(super) fn jitter_buffer(text: &str) -> Result<JitterBuffer, Expected> {
    let named = JitterBuffer::ALL.into_iter().find(|size| size.name() == text);
    named.ok_or_else(|| "`off`, `small`, `medium` or `large`".to_owned())
}

pub(super) fn outbound_allow(text: &str) -> Result<OutboundAllow, Expected> {
    OutboundAllow::parse(text)
}

pub(super) fn conference_digits(text: &str) -> Result<ConferenceDigits, Expected> {
    let named = ConferenceDigits::ALL.into_iter().find(|digits| digits.name() == text);
    named.ok_or_else(|| "`withheld` or `heard`".to_owned())
}

/// A program and its arguments. Braces are for what a script asks for.
pub(super) fn command(text: &str) -> Result<String, Expected> {
    let known = text.replace("{voice}", "").replace("{language}", "");
    if text.trim().is_empty() || known.contains(['{', '}']) {
        return Err("a command, in which braces hold `{voice}` or `{language}` only".to_owned());
    }
    Ok(text.trim().to_owned())
}

/// Where a service is on the web, with its query. What it is to be shown has a setting of its own, which is never logged.
pub(super) fn say_url(text: &str) -> Result<String, Expected> {
    let url = text.trim();
    let place = url.split('?').next().unwrap_or(url);
    if public_url(place).is_err()
        || url.contains(|c: char| c.is_whitespace() || c.is_control() || "#\"<>".contains(c))
    {
        return Err("a URL that begins with http:// or https:// and names a host, without @ and #".to_owned());
    }
    Ok(url.to_owned())
}

/// Where something is on the web, without a slash at its end.
pub(super) fn public_url(text: &str) -> Result<String, Expected> {
    let url = text.trim().trim_end_matches('/');
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let has_host = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', ':', '?', '#']));
    if !has_host || url.contains(|c: char| c.is_whitespace() || c.is_control() || "?#@\"<>".contains(c)) {
        return Err("a URL that begins with http:// or https:// and names a host, without ? and #".to_owned());
    }
    Ok(url.to_owned())
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, Expected> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("`text` or `json`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: RangeInclusive<Duration> = Duration::ZERO..=Duration::MAX;

    #[test]
    fn durations_are_read_with_their_unit() {
        for (text, millis) in [("500ms", 500), ("60s", 60_000), ("2m", 120_000), ("24h", 86_400_000)] {
            assert_eq!(duration(text, ANY), Ok(Duration::from_millis(millis)), "{text}");
            assert_eq!(show_duration(Duration::from_millis(millis)), text);
        }
        assert_eq!(duration("1h", ANY), Ok(Duration::from_secs(3_600)));
        assert_eq!(show_duration(Duration::from_secs(1)), "1s");
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "60", "s", "1.5s", "-1s", "60 s", "1d", "99999999999999999999s", "٣s"] {
            assert!(duration(text, ANY).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_word_that_is_no_level_is_not_taken_for_a_target() {
        for text in ["inof", "", "info,", "confab", "confab=loud"] {
            assert!(log_filter(text).is_err(), "{text:?}");
        }
        for text in ["info", "off", "WARN", "info,confab::sip=debug", "confab[call{id=4}]=trace"] {
            assert!(log_filter(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn an_address_nobody_can_reach_is_not_public() {
        let wrong = [
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "example.org",
            "10.0.0.1:5060",
            "",
            "203.0.113.7,",
            "203.0.113.7,203.0.113.8",
            "2001:db8::7,203.0.113.7,2001:db8::8",
        ];
        for text in wrong {
            assert!(public_addresses(text).is_err(), "{text:?}");
        }
        for (text, count) in [("203.0.113.7", 1), ("2001:db8::7", 1), ("2001:db8::7, 203.0.113.7", 2)] {
            assert_eq!(public_addresses(text).map(|all| all.len()), Ok(count), "{text:?}");
        }
    }

    #[test]
    fn an_account_sid_has_its_form() {
        assert!(account_sid(&format!("AC{}", "0a".repeat(16))).is_ok());
        for text in [format!("AC{}", "0A".repeat(16)), "AC12".to_owned(), "ab".repeat(17)] {
            assert!(account_sid(&text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_token_travels_in_a_header() {
        for text in ["", "two words", "line\n", "schlüssel", &"x".repeat(257)] {
            assert!(auth_token(text).is_err(), "{text:?}");
        }
        assert!(auth_token("pa:ss").is_ok());
    }
}
