//! The range of UDP ports that legs take theirs from.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A range of UDP ports, `first-last`, both included.
///
/// A leg's RTP takes an even port and leaves the odd one above it to RTCP (RFC 3550 §11), so a range holds
/// at least one such pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpPorts {
    first: u16,
    last: u16,
}

impl RtpPorts {
    /// The range from `first` to `last`, unless it has no even port with its odd neighbour, or begins at 0
    /// (which means "any" and is no port).
    pub fn new(first: u16, last: u16) -> Option<Self> {
        let ports = Self { first, last };
        (first > 0 && first < last && ports.pairs() > 0).then_some(ports)
    }

    /// The lowest port.
    pub const fn first(self) -> u16 {
        self.first
    }

    /// The highest port.
    pub const fn last(self) -> u16 {
        self.last
    }

    /// The ports that RTP may take: even, with their odd neighbour in the range too.
    pub fn rtp(self) -> impl Iterator<Item = u16> + Clone {
        self.range().step_by(2)
    }

    /// How many legs the range holds.
    pub fn pairs(self) -> usize {
        self.rtp().count()
    }

    fn range(self) -> RangeInclusive<u16> {
        // `first` is at most 65,535, and odd then: there is no even port above it, and none is wanted.
        let lowest = self.first.checked_next_multiple_of(2).unwrap_or(u16::MAX);
        lowest..=self.last.saturating_sub(1)
    }
}

impl fmt::Display for RtpPorts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// The text is not a range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not two ports `first-last` with an even port and the odd one above it")]
pub struct NotPorts;

impl FromStr for RtpPorts {
    type Err = NotPorts;

    fn from_str(text: &str) -> Result<Self, NotPorts> {
        let (first, last) = text.split_once('-').ok_or(NotPorts)?;
        let port = |text: &str| text.trim().parse::<u16>().map_err(|_| NotPorts);
        Self::new(port(first)?, port(last)?).ok_or(NotPorts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rtp_takes_even_ports_whose_neighbour_is_in_the_range() {
        let ports: RtpPorts = "20001-20006".parse().unwrap();
        assert_eq!(ports.rtp().collect::<Vec<_>>(), [20_002, 20_004]);
        assert_eq!(ports.pairs(), 2);
    }

    #[test]
    fn the_default_range_holds_five_thousand_legs() {
        assert_eq!("20000-29999".parse::<RtpPorts>().unwrap().pairs(), 5_000);
    }

    #[test]
    fn the_highest_ports_are_usable() {
        let ports: RtpPorts = "65534-65535".parse().unwrap();
        assert_eq!(ports.rtp().collect::<Vec<_>>(), [65_534]);
    }

    #[test]
    fn a_range_without_a_pair_is_refused() {
        for text in ["20001-20002", "5-5", "9-3", "0-9", "20000", "", "-", "1-65536", "a-b", "1-2-3"] {
            assert_eq!(text.parse::<RtpPorts>(), Err(NotPorts), "{text:?}");
        }
    }
}
