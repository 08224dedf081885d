//! Keys in the bodies of INFO requests: `application/dtmf-relay` (`Signal=5`, `Duration=160`) and
//! `application/dtmf` (the key alone). No RFC defines them; this reads what telephones and gateways send.

use std::fmt;
use std::time::Duration;

use confab_media::Digit;

/// What an INFO told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Info {
    /// A key was pressed.
    Key(InfoDigit),
    /// Something that is not a key: a flash hook, or another event of RFC 4733 §3.2.
    Other,
}

/// A key that an INFO told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InfoDigit {
    /// Which.
    pub digit: Digit,
    /// How long it was pressed.
    pub duration: Duration,
}

/// Why a body tells no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InfoError {
    /// Of another type: not for us.
    OtherType,
    /// Longer than any key needs, or not text.
    Malformed,
    /// No key, or none of 0-9, *, #, A-D, and no other event either.
    NoKey,
}

impl InfoError {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::OtherType, Self::Malformed, Self::NoKey];

    /// The counter's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OtherType => "other_type",
            Self::Malformed => "malformed",
            Self::NoKey => "no_key",
        }
    }
}

impl fmt::Display for InfoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherType => "not a body that tells a key",
            Self::Malformed => "a body that is too long or not text",
            Self::NoKey => "no key in the body",
        })
    }
}

impl std::error::Error for InfoError {}

/// How long a key is taken to have been pressed if nothing is said: what telephones say most often.
const DURATION_UNSAID: Duration = Duration::from_millis(160);

/// What is claimed beyond this (5 s) is cut: it says how long somebody leant on a key, which is of no use.
const DURATION_MAX: Duration = Duration::from_millis(5_000);

/// Two short lines, with room for what some add.
const BODY_MAX: usize = 256;

/// Reads the body of an INFO request. `content_type` may carry parameters; types have no case (RFC 3261 §7.3.1).
///
/// # Errors
///
/// [`InfoError`]: what is wrong with it.
pub fn parse(content_type: &str, body: &[u8]) -> Result<Info, InfoError> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let read = if media_type.eq_ignore_ascii_case("application/dtmf-relay") {
        relay
    } else if media_type.eq_ignore_ascii_case("application/dtmf") {
        alone
    } else {
        return Err(InfoError::OtherType);
    };
    if body.len() > BODY_MAX {
        return Err(InfoError::Malformed);
    }
    read(std::str::from_utf8(body).map_err(|_| InfoError::Malformed)?)
}

/// Lines of `name=value`. Names have no case, and blanks do not count; of a name that comes twice the first does.
fn relay(body: &str) -> Result<Info, InfoError> {
    let value_of = |name: &str| {
        let mut pairs = body.split(['\r', '\n']).filter_map(|line| line.split_once('='));
        pairs.find(|(found, _)| found.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    let signal = value_of("Signal").unwrap_or_default();
    let duration = value_of("Duration").map_or(DURATION_UNSAID, duration);
    let event = signal.parse::<u8>().ok().filter(|_| signal.len() <= 3);
    if event.is_some_and(|event| event >= FLASH) { Ok(Info::Other) } else { told(signal, duration) }
}

/// Nothing but the key. Some write it as the other type has it all the same.
fn alone(body: &str) -> Result<Info, InfoError> {
    if body.contains('=') {
        return relay(body);
    }
    told(body.trim(), DURATION_UNSAID)
}

fn told(text: &str, duration: Duration) -> Result<Info, InfoError> {
    match key(text) {
        Some(digit) => Ok(Info::Key(InfoDigit { digit, duration })),
        None if is_flash(text) => Ok(Info::Other),
        None => Err(InfoError::NoKey),
    }
}

/// The flash hook, as it is written.
fn is_flash(text: &str) -> bool {
    ["16", "!", "hf", "flash", "hookflash"].iter().any(|name| text.eq_ignore_ascii_case(name))
}

/// The flash hook's event code, the first after those of the keys (RFC 4733 §3.2).
const FLASH: u8 = 16;

/// A key as itself, or * and # by their event codes (RFC 4733 §3.2) as some gateways write them.
fn key(text: &str) -> Option<Digit> {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(key), None) => Digit::from_char(key),
        _ => match text {
            "10" => Digit::from_char('*'),
            "11" => Digit::from_char('#'),
            _ => None,
        },
    }
}

/// In milliseconds. What is no number is not said.
fn duration(text: &str) -> Duration {
    match text.parse() {
        Ok(0) | Err(_) => DURATION_UNSAID,
        Ok(millis) => Duration::from_millis(millis).min(DURATION_MAX),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RELAY: &str = "application/dtmf-relay";
    const ALONE: &str = "application/dtmf";

    fn told(content_type: &str, body: &str) -> Result<(char, u128), InfoError> {
        parse(content_type, body.as_bytes()).map(|told| match told {
            Info::Key(told) => (told.digit.expose(), told.duration.as_millis()),
            Info::Other => ('-', 0),
        })
    }

    #[test]
    fn every_key_is_read_in_both_types() {
        for key in "0123456789*#ABCD".chars() {
            assert_eq!(told(RELAY, &format!("Signal={key}\r\nDuration=250\r\n")), Ok((key, 250)));
            assert_eq!(told(ALONE, &key.to_string()), Ok((key, 160)));
            assert_eq!(told(ALONE, &format!("{}\r\n", key.to_ascii_lowercase())), Ok((key, 160)));
        }
    }

    #[test]
    fn bodies_are_read_as_they_are_met() {
        assert_eq!(told(RELAY, "Signal= 5\nDuration= 160"), Ok(('5', 160)));
        assert_eq!(told(RELAY, "signal=#"), Ok(('#', 160)));
        assert_eq!(told(RELAY, "Duration=90\r\nSignal=1\r\nSignal=2"), Ok(('1', 90)));
        assert_eq!(told(RELAY, "Signal=11\r\nDuration=100"), Ok(('#', 100)));
        assert_eq!(told(RELAY, "Signal=10"), Ok(('*', 160)));
        assert_eq!(told("Application/DTMF-Relay; charset=utf-8", "Signal=7"), Ok(('7', 160)));
        assert_eq!(told(ALONE, "Signal=8\r\nDuration=200"), Ok(('8', 200)));
    }

    #[test]
    fn durations_are_bounded_and_nonsense_is_not_said() {
        assert_eq!(told(RELAY, "Signal=1\nDuration=4294967295"), Ok(('1', 5_000)));
        for nonsense in ["0", "-5", "long", "", "99999999999999999999999"] {
            assert_eq!(told(RELAY, &format!("Signal=1\nDuration={nonsense}")), Ok(('1', 160)));
        }
    }

    #[test]
    fn what_is_an_event_and_no_key_is_told_apart() {
        for flash in ["16", "!", "hf", "Flash", "HookFlash"] {
            assert_eq!(told(RELAY, &format!("Signal={flash}\r\nDuration=250")), Ok(('-', 0)), "{flash}");
            assert_eq!(told(ALONE, flash), Ok(('-', 0)), "{flash}");
        }
        for event in ["32", "255"] {
            assert_eq!(told(RELAY, &format!("Signal={event}")), Ok(('-', 0)), "{event}");
            assert_eq!(told(ALONE, event), Err(InfoError::NoKey), "two keys are none");
        }
        for neither in ["256", "15", "-16", "flashes", "0016"] {
            assert_eq!(told(RELAY, &format!("Signal={neither}")), Err(InfoError::NoKey), "{neither}");
        }
    }

    #[test]
    fn every_refusal_has_its_name() {
        assert_eq!(told("application/sdp", "5"), Err(InfoError::OtherType));
        assert_eq!(told("", "5"), Err(InfoError::OtherType));
        assert_eq!(told(RELAY, "Duration=100"), Err(InfoError::NoKey));
        assert_eq!(told(RELAY, "Signal=\r\n"), Err(InfoError::NoKey));
        assert_eq!(told(RELAY, "Signal=E"), Err(InfoError::NoKey));
        assert_eq!(told(ALONE, ""), Err(InfoError::NoKey));
        assert_eq!(told(ALONE, "12"), Err(InfoError::NoKey));
        assert_eq!(told(ALONE, &"1".repeat(257)), Err(InfoError::Malformed));
        assert_eq!(parse(ALONE, &[0xff]), Err(InfoError::Malformed));
    }

    #[test]
    fn debug_does_not_show_keys() {
        let shown = format!("{:?}", parse(ALONE, b"9"));
        assert!(shown.contains("redacted") && !shown.contains('9'), "{shown}");
    }

    proptest! {
        #[test]
        fn any_body_is_harmless(body in proptest::collection::vec(any::<u8>(), 0..300), text in ".{0,60}") {
            for content_type in [RELAY, ALONE] {
                let _ = parse(content_type, &body);
                let _ = parse(content_type, text.as_bytes());
                let _ = parse(content_type, format!("Signal={text}\nDuration={text}").as_bytes());
            }
        }
    }
}
