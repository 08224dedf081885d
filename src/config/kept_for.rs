//! How long something is kept: days or hours, or for ever.

use std::fmt;
use std::time::Duration;

/// Seconds in a day.
const DAY: u64 = 86_400;

/// The longest time that is not for ever: a hundred years.
const DAYS_MAX: u64 = 36_525;

/// How long something is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptFor(Option<Duration>);

impl KeptFor {
    /// For ever.
    pub const FOREVER: Self = Self(None);

    /// For so many days.
    pub const fn days(days: u64) -> Self {
        Self(Some(Duration::from_secs(days * DAY)))
    }

    /// The time; none, if for ever.
    pub const fn time(self) -> Option<Duration> {
        self.0
    }

    /// `30d`, `12h` or `forever`. Not nothing: what is not to be kept at all is not what anybody would expect.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text == "forever" {
            return Some(Self(None));
        }
        let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at(unit_at);
        let seconds = match unit {
            "d" => DAY,
            "h" => DAY / 24,
            _ => return None,
        };
        let time = number.parse::<u64>().ok()?.checked_mul(seconds)?;
        (1..=DAYS_MAX * DAY).contains(&time).then(|| Self(Some(Duration::from_secs(time))))
    }
}

impl Default for KeptFor {
    /// A month.
    fn default() -> Self {
        Self::days(30)
    }
}

impl fmt::Display for KeptFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.map(|time| time.as_secs()) {
            None => f.write_str("forever"),
            Some(seconds) if seconds.is_multiple_of(DAY) => write!(f, "{}d", seconds / DAY),
            Some(seconds) => write!(f, "{}h", seconds / (DAY / 24)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_shown() {
        for text in ["30d", "1d", "36h", "1h", "forever"] {
            assert_eq!(KeptFor::parse(text).map(|kept| kept.to_string()).as_deref(), Some(text));
        }
        assert_eq!(KeptFor::parse("24h"), Some(KeptFor::days(1)));
    }

    #[test]
    fn what_is_no_time_or_nothing_is_refused() {
        for text in
            ["", "0", "0d", "30", "d", "30s", "1.5d", "-1d", "for ever", "99999999999999999999d", "40000d"]
        {
            assert_eq!(KeptFor::parse(text), None, "{text}");
        }
    }
}
