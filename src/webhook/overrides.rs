//! Connection overrides: what the fragment of a webhook's URL says about patience and retries, as in
//! `https://app.example.org/voice#ct=2000&rc=2&rp=5xx,ct`. The fragment itself is never sent.
//!
//! | key | means | range | without it |
//! |---|---|---|---|
//! | `ct` | milliseconds to connect, TLS included | 100 to 10,000 | 5,000 |
//! | `rt` | milliseconds without a byte of the answer | 100 to 15,000 | 15,000 |
//! | `tt` | milliseconds for everything, redirects and retries included | 100 to 15,000 | 15,000 |
//! | `rc` | retries | 0 to 5 | 1 |
//! | `rp` | what is retried, joined by commas: `4xx`, `5xx`, `ct`, `rt`, `all` | | `ct` |
//!
//! A number out of its range is taken for the range's nearer end. One that is none, and a policy that is unknown, make
//! the URL a bad one. All other keys are ignored: `e` (an edge) means nothing here, and `sni` is always done.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::failure::FailureKind;

/// Milliseconds that a connection may be given; the reference's own range.
const CONNECT_MILLIS: RangeInclusive<u64> = 100..=10_000;
/// Milliseconds that an answer, and everything together, may be given; likewise.
const ANSWER_MILLIS: RangeInclusive<u64> = 100..=15_000;
/// Retries that may be asked for; likewise.
const RETRIES: RangeInclusive<u64> = 0..=5;

/// How patient a request is, and what is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overrides {
    pub(super) connect: Duration,
    pub(super) read: Duration,
    /// None if nothing was said: then it depends on what is fetched.
    pub(super) total: Option<Duration>,
    pub(super) retries: u32,
    pub(super) policy: RetryPolicy,
}

/// Which failures are tried again at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RetryPolicy {
    client_errors: bool,
    server_errors: bool,
    connecting: bool,
    reading: bool,
}

impl Default for Overrides {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(15),
            total: None,
            retries: 1,
            policy: RetryPolicy { connecting: true, ..RetryPolicy::default() },
        }
    }
}

impl Overrides {
    /// What the fragment says.
    pub(super) fn parse(fragment: &str) -> Result<Self, FailureKind> {
        let mut overrides = Self::default();
        for (key, value) in fragment.split('&').filter_map(|pair| pair.split_once('=')) {
            match key {
                "ct" => overrides.connect = millis(value, CONNECT_MILLIS)?,
                "rt" => overrides.read = millis(value, ANSWER_MILLIS)?,
                "tt" => overrides.total = Some(millis(value, ANSWER_MILLIS)?),
                "rc" => overrides.retries = u32::try_from(number(value, RETRIES)?).unwrap_or(0),
                "rp" => overrides.policy = RetryPolicy::parse(value)?,
                _ => {}
            }
        }
        Ok(overrides)
    }
}

impl RetryPolicy {
    fn parse(text: &str) -> Result<Self, FailureKind> {
        let mut policy = Self::default();
        // Some clients encode the comma.
        for word in text.replace("%2C", ",").replace("%2c", ",").split(',') {
            match word {
                "4xx" => policy.client_errors = true,
                "5xx" => policy.server_errors = true,
                "ct" => policy.connecting = true,
                "rt" => policy.reading = true,
                "all" => {
                    policy =
                        Self { client_errors: true, server_errors: true, connecting: true, reading: true };
                }
                _ => return Err(FailureKind::BadRetryPolicy),
            }
        }
        Ok(policy)
    }

    /// Whether a request that failed so is tried again.
    pub(super) fn covers(self, kind: &FailureKind) -> bool {
        match kind {
            FailureKind::ConnectTimedOut | FailureKind::ConnectRefused | FailureKind::NotConnected => {
                self.connecting
            }
            FailureKind::ReadTimedOut | FailureKind::Broken => self.reading,
            FailureKind::Status(400..=499) => self.client_errors,
            FailureKind::Status(500..=599) => self.server_errors,
            FailureKind::Status(_)
            | FailureKind::BadUrl(_)
            | FailureKind::BadRetryPolicy
            | FailureKind::Refused
            | FailureKind::UnknownHost
            | FailureKind::TimedOut
            | FailureKind::TooManyRedirects
            | FailureKind::BadRedirect
            | FailureKind::Tls
            | FailureKind::CertificateName
            | FailureKind::CertificateExpired
            | FailureKind::CertificateUntrusted
            | FailureKind::TooLarge(_)
            | FailureKind::ContentType
            | FailureKind::NoKey
            | FailureKind::TooLate => false,
        }
    }
}

fn millis(text: &str, range: RangeInclusive<u64>) -> Result<Duration, FailureKind> {
    number(text, range).map(Duration::from_millis)
}

fn number(text: &str, range: RangeInclusive<u64>) -> Result<u64, FailureKind> {
    let number: u64 = text
        .parse()
        .map_err(|_| FailureKind::BadUrl("a connection override in its fragment is no number"))?;
    Ok(number.clamp(*range.start(), *range.end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_are_read_and_kept_in_their_ranges() {
        let said = Overrides::parse("rc=2&ct=1000&rt=70&tt=99999&rp=4xx,5xx&e=dublin&sni=n").unwrap();
        assert_eq!(said.retries, 2);
        assert_eq!(said.connect, Duration::from_secs(1));
        assert_eq!(said.read, Duration::from_millis(100));
        assert_eq!(said.total, Some(Duration::from_secs(15)));
        assert!(
            said.policy.covers(&FailureKind::Status(404)) && said.policy.covers(&FailureKind::Status(503))
        );
        assert!(!said.policy.covers(&FailureKind::ConnectTimedOut));
        assert_eq!(Overrides::parse("rc=99").unwrap().retries, 5);
    }

    #[test]
    fn without_overrides_only_connecting_is_tried_again_and_once() {
        for fragment in ["", "top", "section=2"] {
            assert_eq!(Overrides::parse(fragment).unwrap(), Overrides::default(), "{fragment}");
        }
        let policy = Overrides::default().policy;
        assert!(policy.covers(&FailureKind::NotConnected) && policy.covers(&FailureKind::ConnectTimedOut));
        assert!(!policy.covers(&FailureKind::ReadTimedOut) && !policy.covers(&FailureKind::Status(500)));
        let all = Overrides::parse("rp=all").unwrap().policy;
        assert!(all.covers(&FailureKind::ReadTimedOut) && !all.covers(&FailureKind::Refused));
    }

    #[test]
    fn overrides_that_mean_nothing_are_refused() {
        for fragment in ["ct=soon", "rc=-1", "tt=", "rt=1.5"] {
            assert!(matches!(Overrides::parse(fragment), Err(FailureKind::BadUrl(_))), "{fragment}");
        }
        for fragment in ["rp=", "rp=6xx", "rp=ct;rt"] {
            assert_eq!(Overrides::parse(fragment), Err(FailureKind::BadRetryPolicy), "{fragment}");
        }
    }
}
