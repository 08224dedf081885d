//! Networks as they are written in configuration: `10.1.0.0/16,fd00::/8`.

use std::fmt;
use std::net::IpAddr;

/// One network: an address and how many of its bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

impl Network {
    /// `address/bits`, or an address alone, which is a network of one. Bits beyond the prefix must be zero: whoever
    /// writes `10.1.2.3/8` means something else than it says.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().ok()?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok()?,
            Some(_) => return None,
            None => most,
        };
        let network = Self { first, bits };
        (bits <= most && network.prefix(first) == value(first)).then_some(network)
    }

    /// Whether `address` is in it. An IPv4 address is in no network of IPv6, whatever it is mapped to.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.first.is_ipv4() == address.is_ipv4() && self.prefix(address) == value(self.first)
    }

    /// The address with all bits beyond the prefix zero.
    fn prefix(&self, address: IpAddr) -> u128 {
        let width: u32 = if self.first.is_ipv4() { 32 } else { 128 };
        let beyond = width.saturating_sub(u32::from(self.bits));
        value(address).checked_shr(beyond).and_then(|kept| kept.checked_shl(beyond)).unwrap_or(0)
    }
}

fn value(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

/// Any number of networks, as one value of configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

impl Networks {
    /// Networks joined by commas; an empty text or `none` is none.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || text == "none" {
            return Some(Self::default());
        }
        text.split(',').map(str::trim).map(Network::parse).collect::<Option<_>>().map(Self)
    }

    /// Whether `address` is in one of them.
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        let shown: Vec<String> = self.0.iter().map(Network::to_string).collect();
        f.write_str(&shown.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_and_shown_as_they_are_read() {
        for (text, shown) in [
            ("", "none"),
            ("none", "none"),
            ("127.0.0.1", "127.0.0.1/32"),
            ("10.0.0.0/8, fd00::/8", "10.0.0.0/8,fd00::/8"),
            ("0.0.0.0/0,::/0", "0.0.0.0/0,::/0"),
        ] {
            let networks = Networks::parse(text).unwrap();
            assert_eq!(networks.to_string(), shown);
            assert_eq!(Networks::parse(shown), Some(networks));
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "10.1.2.3/8",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10/8",
            "a",
            ",",
            "10.0.0.0/8,",
            "::1/64",
        ] {
            assert_eq!(Networks::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_address_is_in_the_networks_that_share_its_first_bits() {
        let networks = Networks::parse("10.1.0.0/16,fd00::/8,192.0.2.7").unwrap();
        for (address, is_in) in [
            ("10.1.255.255", true),
            ("10.2.0.0", false),
            ("fdff::1", true),
            ("fe00::1", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("::ffff:10.1.0.1", false),
        ] {
            assert_eq!(networks.contain(address.parse().unwrap()), is_in, "{address}");
        }
        let all = Networks::parse("0.0.0.0/0").unwrap();
        assert!(all.contain("8.8.8.8".parse().unwrap()) && !all.contain("::1".parse().unwrap()));
    }
}
