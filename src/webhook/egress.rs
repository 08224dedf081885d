//! The egress guard: which addresses a request may go to. Users of the API choose the URLs, and the node stands inside
//! of somebody's network: what is not meant for everybody is refused unless the operator allowed it.
//!
//! A host's name is resolved once, all its addresses are judged, and the connection goes to one of those that were
//! judged: a name server that answers differently the next time is not asked a next time. Redirects are judged like any
//! URL. A name with one address that is refused is refused as a whole, since no honest name has both kinds.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::Networks;

/// What may be reached.
#[derive(Clone, Debug, Default)]
pub struct Egress {
    allowed: Networks,
    is_open: bool,
}

impl Egress {
    /// Everything that is public, and `allowed` besides.
    pub fn new(allowed: Networks) -> Self {
        Self { allowed, is_open: false }
    }

    /// Everything: for what the operator chose and no user of the API.
    pub fn open() -> Self {
        Self { is_open: true, ..Self::default() }
    }

    /// Whether the operator named the network of `address`.
    pub fn names(&self, address: IpAddr) -> bool {
        self.allowed.contain(address)
    }

    /// Whether requests may go to `address`.
    ///
    /// An IPv4 address inside of an IPv6 address is judged as what it is: allowing `127.0.0.0/8` allows
    /// `::ffff:127.0.0.1` too, and nothing else makes that reachable.
    pub fn admits(&self, address: IpAddr) -> bool {
        if self.is_open || self.allowed.contain(address) {
            return true;
        }
        match address {
            IpAddr::V4(address) => is_public_v4(address),
            IpAddr::V6(address) => match embedded(address) {
                // What a gateway on the way would make of it.
                Some(inner) => self.admits(IpAddr::V4(inner)),
                None => is_public_v6(address),
            },
        }
    }
}

/// Whether it is in none of the special-purpose blocks of IPv4 (RFC 6890 and the registry it founded).
fn is_public_v4(address: Ipv4Addr) -> bool {
    const SPECIAL: [(Ipv4Addr, u32); 17] = [
        (Ipv4Addr::new(0, 0, 0, 0), 8),       // this network (RFC 791 §3.2)
        (Ipv4Addr::new(10, 0, 0, 0), 8),      // private (RFC 1918)
        (Ipv4Addr::new(100, 64, 0, 0), 10),   // between carriers and their customers (RFC 6598)
        (Ipv4Addr::new(127, 0, 0, 0), 8),     // loopback (RFC 1122 §3.2.1.3)
        (Ipv4Addr::new(169, 254, 0, 0), 16),  // link-local (RFC 3927); where clouds keep their metadata
        (Ipv4Addr::new(172, 16, 0, 0), 12),   // private
        (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocol assignments (RFC 6890 §2.1)
        (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation (RFC 5737)
        (Ipv4Addr::new(192, 31, 196, 0), 24), // AS112 (RFC 7535)
        (Ipv4Addr::new(192, 52, 193, 0), 24), // AMT (RFC 7450)
        (Ipv4Addr::new(192, 88, 99, 0), 24),  // 6to4 relays (RFC 7526)
        (Ipv4Addr::new(192, 168, 0, 0), 16),  // private
        (Ipv4Addr::new(192, 175, 48, 0), 24), // AS112 (RFC 7534)
        (Ipv4Addr::new(198, 18, 0, 0), 15),   // benchmarks (RFC 2544)
        (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
        (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation
        (Ipv4Addr::new(224, 0, 0, 0), 3),     // multicast, reserved, broadcast (RFC 1112 §4)
    ];
    SPECIAL.iter().all(|(block, bits)| (address.to_bits() ^ block.to_bits()) >> (32 - bits) != 0)
}

/// Whether it is a global unicast address of no special purpose. Only 2000::/3 is given out (RFC 4291 §2.4), so
/// loopback, unique local, link-local, site-local and multicast addresses are refused without being named.
fn is_public_v6(address: Ipv6Addr) -> bool {
    const SPECIAL: [(u128, u32); 5] = [
        (0x2001_0000 << 96, 23), // protocol assignments: Teredo, ORCHID, benchmarks (RFC 2928)
        (0x2001_0db8 << 96, 32), // documentation (RFC 3849)
        (0x2620_004f << 96 | 0x8000 << 80, 48), // AS112 (RFC 7534)
        (0x3fff_0000 << 96, 20), // documentation (RFC 9637)
        (0x3ffe_0000 << 96, 16), // the first experiment, given back (RFC 3701)
    ];
    let bits = address.to_bits();
    bits >> 125 == 0b001 && SPECIAL.iter().all(|(block, prefix)| (bits ^ block) >> (128 - prefix) != 0)
}

/// The IPv4 address that a gateway, a tunnel or the system itself would take out of an IPv6 address.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = address.to_bits();
    let v4 = |above: u32| Ipv4Addr::from_bits(u32::try_from((bits >> above) & 0xffff_ffff).unwrap_or(0));
    let is_in = |block: u128, prefix: u32| (bits ^ block) >> (128 - prefix) == 0;
    // NAT64 (RFC 6052 §2.1). The block for local use (RFC 8215) is refused as a whole: its layout is its owner's.
    let translated = is_in(0x0064_ff9b << 96, 96);
    // ::ffff:0:0/96 (RFC 4291 §2.5.5.2), ::ffff:0:0:0/96 (RFC 2765 §2.1), and ::/96 (RFC 4291 §2.5.5.1)
    let mapped = is_in(0xffff << 32, 96) || is_in(0xffff << 48, 96);
    // `::` and `::1` are addresses of their own; read as IPv4 they are in 0.0.0.0/8 and refused all the same.
    let compatible = is_in(0, 96) && bits > 1;
    if translated || mapped || compatible {
        return Some(v4(0));
    }
    // 6to4 (RFC 3056 §2)
    is_in(0x2002 << 112, 16).then(|| v4(80))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(text: &str, allowed: &str) -> bool {
        Egress::new(Networks::parse(allowed).unwrap()).admits(text.parse().unwrap())
    }

    #[test]
    fn addresses_of_everybody_are_admitted() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450:4001::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ] {
            assert!(admitted(address, ""), "{address}");
        }
    }

    #[test]
    fn addresses_that_are_not_for_everybody_are_refused() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::2",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:7f00:1::",
            "2001:2::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:a00:1::1",
            "2002:c0a8:101::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
        ] {
            assert!(!admitted(address, ""), "{address}");
        }
    }

    #[test]
    fn what_is_allowed_is_admitted_and_nothing_beside_it() {
        assert!(admitted("127.0.0.1", "127.0.0.0/8"));
        assert!(admitted("::ffff:127.0.0.1", "127.0.0.0/8"));
        assert!(admitted("fd00::1", "10.0.0.0/8,fd00::/64"));
        assert!(!admitted("::1", "127.0.0.0/8"));
        assert!(!admitted("10.0.0.1", "127.0.0.0/8"));
        assert!(!admitted("fd00:0:0:1::1", "fd00::/64"));
        assert!(!admitted("127.0.0.1", "::/0"));
    }
}
