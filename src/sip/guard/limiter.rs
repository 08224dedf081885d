//! How many messages one source may send. It stands before the guard and keeps a flood from one address
//! away from the library's single dispatch task.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use crate::config::Networks;

/// The allowance of a source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Messages per second, in the long run. A call takes about six, so the default is 30 calls a second; trunks
    /// have allowances of their own.
    pub per_second: u32,
    /// Messages at once, after silence.
    pub burst: u32,
    /// Sources that are remembered, rounded up to a multiple of eight. When one more comes, one of
    /// those heard least recently is forgotten.
    pub sources: usize,
    /// Whether this machine's own addresses are free: load tests and gateways on the same machine.
    pub exempt_loopback: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_second: 200, burst: 400, sources: 4096, exempt_loopback: true }
    }
}

/// Sources that share one hash. Looking through eight is as good as free, and it bounds what a flood
/// of forged addresses costs.
const WAYS: usize = 8;

/// Addresses that are remembered because the node called a trunk there. A trunk has a few; one whose name leads to ever
/// others has the allowance of its networks, or a stranger's.
const CALLED_MAX: usize = 1_024;

/// A token bucket per source. Sources that are trunks have more in it.
///
/// A source is an IPv4 address or an IPv6 /64, which one host can fill by itself.
#[derive(Debug)]
pub struct SourceLimiter {
    limits: Limits,
    buckets: Vec<Option<Bucket>>,
    hasher: RandomState,
    /// Where trunks call from, and the messages per second of each address there.
    networks: Vec<(Networks, u32)>,
    /// Where trunks were called.
    called: HashMap<u64, u32>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    source: u64,
    /// In millionths of a message, so that a microsecond adds `per_second` of them.
    tokens: u64,
    filled_at: Duration,
}

/// Millionths of a message in one.
const TOKEN: u64 = 1_000_000;

impl SourceLimiter {
    /// Begins with every source unknown, which means with a full allowance.
    pub fn new(limits: Limits) -> Self {
        let sets = limits.sources.div_ceil(WAYS).max(1);
        let hasher = RandomState::new();
        Self {
            limits,
            buckets: vec![None; sets * WAYS],
            hasher,
            networks: Vec::new(),
            called: HashMap::new(),
        }
    }

    /// The same with networks whose addresses have allowances of their own, in messages per second. The first that has an
    /// address counts.
    #[must_use]
    pub fn with_trunks(mut self, networks: impl IntoIterator<Item = (Networks, u32)>) -> Self {
        self.networks = networks.into_iter().collect();
        self
    }

    /// Gives the address of a trunk that is called an allowance of its own, in messages per second.
    pub fn called(&mut self, address: IpAddr, per_second: u32) {
        let source = source_key(address);
        if self.called.len() < CALLED_MAX || self.called.contains_key(&source) {
            self.called.insert(source, per_second);
        }
    }

    /// Messages per second of a source, and at once.
    fn allowance(&self, source: IpAddr) -> (u32, u32) {
        let address = source.to_canonical();
        let of_network = self.networks.iter().find(|(networks, _)| networks.contain(address));
        let own = of_network.map(|(_, rate)| *rate).or_else(|| self.called.get(&source_key(source)).copied());
        own.map_or((self.limits.per_second, self.limits.burst), |rate| (rate, rate.saturating_mul(2)))
    }

    /// Whether a message from `source` may pass at `now`, which is counted from any fixed moment.
    ///
    /// If not, it is a [`super::Discard::RateLimited`].
    pub fn admit(&mut self, source: IpAddr, now: Duration) -> bool {
        if self.limits.exempt_loopback && source.to_canonical().is_loopback() {
            return true;
        }
        let (rate, burst) = self.allowance(source);
        let (rate, full) = (u64::from(rate), u64::from(burst) * TOKEN);
        let bucket = self.bucket(source_key(source), full, now);
        let passed = now.saturating_sub(bucket.filled_at).as_micros();
        let gained = rate.saturating_mul(u64::try_from(passed).unwrap_or(u64::MAX));
        bucket.tokens = bucket.tokens.saturating_add(gained).min(full);
        bucket.filled_at = bucket.filled_at.max(now);
        match bucket.tokens.checked_sub(TOKEN) {
            Some(left) => {
                bucket.tokens = left;
                true
            }
            None => false,
        }
    }

    /// The source's bucket; a full one in the place of the stalest if it has none.
    fn bucket(&mut self, source: u64, full: u64, now: Duration) -> &mut Bucket {
        let sets = self.buckets.len() / WAYS;
        let set = self.hasher.hash_one(source) as usize % sets;
        let ways = &mut self.buckets[set * WAYS..][..WAYS];
        let known = ways.iter().position(|way| way.is_some_and(|bucket| bucket.source == source));
        let way = known.unwrap_or_else(|| stalest(ways));
        let slot = &mut ways[way];
        if known.is_none() {
            *slot = None;
        }
        slot.get_or_insert(Bucket { source, tokens: full, filled_at: now })
    }
}

/// An empty way, or the one heard least recently.
fn stalest(ways: &[Option<Bucket>]) -> usize {
    let heard = |way: &Option<Bucket>| way.map(|bucket| bucket.filled_at);
    (0..ways.len()).min_by_key(|&way| heard(&ways[way])).unwrap_or(0)
}

/// IPv4 and IPv6 cannot collide: no /64 of unicast addresses begins with 32 zero bits.
fn source_key(source: IpAddr) -> u64 {
    match source.to_canonical() {
        IpAddr::V4(address) => u64::from(u32::from(address)),
        IpAddr::V6(address) => (u128::from(address) >> 64) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { per_second: 10, burst: 20, sources: 8, exempt_loopback: true };

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn admitted(limiter: &mut SourceLimiter, source: IpAddr, now: Duration) -> usize {
        (0..100).filter(|_| limiter.admit(source, now)).count()
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut limiter = SourceLimiter::new(LIMITS);
        assert_eq!(admitted(&mut limiter, address(1), Duration::ZERO), 20);
        assert_eq!(admitted(&mut limiter, address(1), Duration::from_millis(99)), 0);
        assert_eq!(admitted(&mut limiter, address(1), Duration::from_millis(100)), 1);
        assert_eq!(admitted(&mut limiter, address(1), Duration::from_secs(1)), 9);
        assert_eq!(admitted(&mut limiter, address(1), Duration::from_secs(1000)), 20);
    }

    #[test]
    fn sources_do_not_pay_for_each_other() {
        let mut limiter = SourceLimiter::new(LIMITS);
        assert_eq!(admitted(&mut limiter, address(1), Duration::ZERO), 20);
        assert_eq!(admitted(&mut limiter, address(2), Duration::ZERO), 20);
    }

    #[test]
    fn trunks_have_allowances_of_their_own_and_strangers_do_not_gain_by_them() {
        let network = Networks::parse("198.51.100.0/24").unwrap();
        let mut limiter = SourceLimiter::new(LIMITS).with_trunks([(network, 40)]);
        let [one, other, mapped] =
            ["198.51.100.1", "198.51.100.2", "::ffff:198.51.100.3"].map(|text| text.parse().unwrap());
        for source in [one, other, mapped] {
            assert_eq!(admitted(&mut limiter, source, Duration::ZERO), 80, "{source}");
        }
        assert_eq!(admitted(&mut limiter, one, Duration::from_secs(1)), 40);
        assert_eq!(admitted(&mut limiter, address(1), Duration::ZERO), 20);
        assert_eq!(admitted(&mut limiter, address(1), Duration::from_secs(1)), 10);
    }

    #[test]
    fn a_trunk_that_is_called_may_answer_faster_than_a_stranger_may_speak() {
        let mut limiter = SourceLimiter::new(LIMITS);
        limiter.called(address(1), 45);
        assert_eq!(admitted(&mut limiter, address(1), Duration::ZERO), 90);
        assert_eq!(admitted(&mut limiter, address(2), Duration::ZERO), 20);
        for last in 0..2_000_u32 {
            limiter.called(IpAddr::from((0x0a00_0000 + last).to_be_bytes()), 45);
        }
        assert_eq!(limiter.called.len(), CALLED_MAX);
        limiter.called(address(1), 30);
        assert_eq!(admitted(&mut limiter, address(1), Duration::from_secs(1)), 30, "said anew");
    }

    #[test]
    fn one_network_of_a_host_is_one_source() {
        let mut limiter = SourceLimiter::new(LIMITS);
        let [one, two, other] =
            ["2001:db8::1", "2001:db8::2:2", "2001:db8:0:1::1"].map(|text| text.parse().unwrap());
        assert_eq!(admitted(&mut limiter, one, Duration::ZERO), 20);
        assert_eq!(admitted(&mut limiter, two, Duration::ZERO), 0);
        assert_eq!(admitted(&mut limiter, other, Duration::ZERO), 20);
        assert_eq!(admitted(&mut limiter, "::ffff:192.0.2.1".parse().unwrap(), Duration::ZERO), 20);
        assert_eq!(admitted(&mut limiter, address(1), Duration::ZERO), 0);
    }

    #[test]
    fn the_table_forgets_the_source_it_heard_least_recently() {
        let mut limiter = SourceLimiter::new(LIMITS);
        for last in 0..9 {
            assert_eq!(admitted(&mut limiter, address(last), Duration::from_millis(last.into())), 20);
        }
        let now = Duration::from_millis(9);
        assert_eq!(admitted(&mut limiter, address(1), now), 0, "still known");
        assert_eq!(admitted(&mut limiter, address(0), now), 20, "forgotten");
    }

    #[test]
    fn loopback_is_free_only_if_so_configured() {
        let loopback = IpAddr::from([127, 0, 0, 1]);
        let mut limiter = SourceLimiter::new(LIMITS);
        assert_eq!(admitted(&mut limiter, loopback, Duration::ZERO), 100);
        let mut limiter = SourceLimiter::new(Limits { exempt_loopback: false, ..LIMITS });
        assert_eq!(admitted(&mut limiter, loopback, Duration::ZERO), 20);
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing_away() {
        let mut limiter = SourceLimiter::new(LIMITS);
        assert_eq!(admitted(&mut limiter, address(1), Duration::from_secs(5)), 20);
        assert_eq!(admitted(&mut limiter, address(1), Duration::from_secs(4)), 0);
        assert_eq!(admitted(&mut limiter, address(1), Duration::from_secs(5)), 0);
    }
}
