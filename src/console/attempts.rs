//! How often somebody may try to log in: so many wrong tokens in a minute from one place, and then none for the rest of it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wrong tokens in a minute. Somebody who mistypes has some three; a token of 128 bits is safe from any number.
const FAILURES_MAX: u32 = 10;

/// How long they count.
const WINDOW: Duration = Duration::from_secs(60);

/// Places that are told apart. When more try at a time, all further ones are taken for one.
const PLACES_MAX: usize = 1_024;

/// Who failed how often.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<HashMap<Option<IpAddr>, (Instant, u32)>>);

impl Attempts {
    /// How long somebody has to wait before they may try, if they have to.
    pub(super) fn wait(&self, from: IpAddr, now: Instant) -> Option<Duration> {
        let failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = failed.get(&Some(place(from))).or_else(|| {
            // A place of its own it gets only while there are some.
            failed.get(&None).filter(|_| failed.len() >= PLACES_MAX)
        })?;
        let over = *since + WINDOW;
        (*count >= FAILURES_MAX && now < over).then(|| over - now)
    }

    /// Somebody gave a wrong name or token.
    pub(super) fn failed(&self, from: IpAddr, now: Instant) {
        let mut failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failed.retain(|_, (since, _)| now < *since + WINDOW);
        let place = Some(place(from));
        let place = if failed.len() < PLACES_MAX || failed.contains_key(&place) { place } else { None };
        failed.entry(place).or_insert((now, 0)).1 += 1;
    }
}

/// Of IPv6 everybody has a whole network (RFC 4291 §2.5.4).
fn place(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_too_often_waits_and_nobody_else_does() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let (one, other): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        for _ in 0..FAILURES_MAX {
            assert_eq!(attempts.wait(one, now), None);
            attempts.failed(one, now);
        }
        assert_eq!(attempts.wait(one, now), Some(WINDOW));
        assert_eq!(attempts.wait(other, now), None);
        assert_eq!(attempts.wait(one, now + WINDOW), None);
        attempts.failed(one, now + WINDOW);
        assert_eq!(attempts.wait(one, now + WINDOW), None, "counted anew");
    }

    #[test]
    fn a_network_of_ipv6_is_one_place_and_an_address_of_ipv4_one_however_it_is_written() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for host in 0..FAILURES_MAX {
            attempts.failed(format!("2001:db8::{host}").parse().expect("an address"), now);
            attempts.failed("::ffff:192.0.2.1".parse().expect("an address"), now);
        }
        assert!(attempts.wait("2001:db8::ffff".parse().expect("an address"), now).is_some());
        assert!(attempts.wait("2001:db8:0:1::".parse().expect("an address"), now).is_none());
        assert!(attempts.wait([192, 0, 2, 1].into(), now).is_some());
    }

    #[test]
    fn those_beyond_the_places_that_are_told_apart_are_one() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for host in 0..u32::try_from(PLACES_MAX).expect("a few") + FAILURES_MAX {
            attempts.failed(IpAddr::V4(host.into()), now);
        }
        assert!(attempts.wait([192, 0, 2, 1].into(), now).is_some());
        assert!(attempts.wait([0, 0, 0, 1].into(), now).is_none(), "one of the places, with one failure");
    }
}
