//! Who is logged in at the console. A login is a random name in a cookie, which is worth something only as long as it is known
//! here: it is forgotten when nobody has used it for a while, when its day is over, and with the process.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::access::Principal;
use super::account::random_hex;
use crate::config::Secret;

/// How long a login lasts that nobody uses. An open console uses it all the time.
pub const LOGIN_IDLE_MAX: Duration = Duration::from_secs(15 * 60);

/// How long a login lasts at most: a long shift.
pub const LOGIN_MAX: Duration = Duration::from_secs(12 * 3_600);

/// Logins at a time. One more takes the place of the one that was not used for longest.
const LOGINS_MAX: usize = 256;

/// Who is logged in. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Logins(Arc<Mutex<HashMap<[u8; 32], Login>>>);

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logins").finish_non_exhaustive()
    }
}

struct Login {
    who: Principal,
    begun: Instant,
    used: Instant,
}

impl Login {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.used) >= LOGIN_IDLE_MAX || now.duration_since(self.begun) >= LOGIN_MAX
    }
}

impl Logins {
    /// The cookie that names one.
    pub const COOKIE: &str = "confab_console";

    /// The header with which the console says that a request is its own. Pages of other origins cannot send it: browsers ask
    /// first whether they may (CORS), and nobody says yes.
    pub const HEADER: &str = "x-confab-console";

    /// Lets somebody in; the name of their login, which is 256 random bits.
    pub fn begin(&self, who: Principal, now: Instant) -> Secret {
        let name = Secret::new(format!("{}{}", random_hex().expose(), random_hex().expose()));
        let mut logins = self.lock();
        logins.retain(|_, login| !login.is_over(now));
        if logins.len() >= LOGINS_MAX
            && let Some(oldest) = logins.iter().min_by_key(|(_, login)| login.used).map(|(name, _)| *name)
        {
            logins.remove(&oldest);
        }
        logins.insert(digest(name.expose()), Login { who, begun: now, used: now });
        name
    }

    /// Whose login this is, which is used now.
    pub fn find(&self, name: &str, now: Instant) -> Option<Principal> {
        let (digest, mut logins) = (digest(name), self.lock());
        if logins.get(&digest)?.is_over(now) {
            logins.remove(&digest);
        }
        let login = logins.get_mut(&digest)?;
        login.used = now;
        Some(login.who)
    }

    /// Ends a login, if it is one.
    pub fn end(&self, name: &str) {
        self.lock().remove(&digest(name));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Login>> {
        // A panic while it was locked left it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names are looked for by their hash, so that the time this takes tells nothing of those that are there.
fn digest(name: &str) -> [u8; 32] {
    Sha256::digest(name).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::PrincipalKind;
    use crate::sid::AccountSid;

    fn somebody() -> Principal {
        Principal { account: AccountSid::generate(), kind: PrincipalKind::Account }
    }

    #[test]
    fn a_login_is_its_owners_until_it_is_ended() {
        let (logins, now) = (Logins::default(), Instant::now());
        let (one, other) = (somebody(), somebody());
        let (first, second) = (logins.begin(one, now), logins.begin(other, now));
        assert_eq!(first.expose().len(), 64);
        assert_eq!(logins.find(first.expose(), now), Some(one));
        assert_eq!(logins.find(second.expose(), now), Some(other));
        assert_eq!(logins.find("", now), None);
        logins.end(first.expose());
        assert_eq!(logins.find(first.expose(), now), None);
        assert_eq!(logins.find(second.expose(), now), Some(other));
    }

    #[test]
    fn a_login_that_is_not_used_is_over_and_one_that_is_lasts_a_shift() {
        let (logins, begun) = (Logins::default(), Instant::now());
        let (idle, used) = (logins.begin(somebody(), begun), logins.begin(somebody(), begun));
        let mut now = begun;
        while now + LOGIN_IDLE_MAX / 2 < begun + LOGIN_MAX {
            now += LOGIN_IDLE_MAX / 2;
            assert!(logins.find(used.expose(), now).is_some());
        }
        assert_eq!(logins.find(idle.expose(), now), None);
        assert_eq!(logins.find(used.expose(), begun + LOGIN_MAX), None);
    }

    #[test]
    fn when_there_are_too_many_the_one_not_used_for_longest_goes() {
        let (logins, begun) = (Logins::default(), Instant::now());
        let first = logins.begin(somebody(), begun);
        let second = logins.begin(somebody(), begun);
        let now = begun + Duration::from_secs(1);
        logins.find(first.expose(), now);
        for _ in 2..=LOGINS_MAX {
            logins.begin(somebody(), now);
        }
        assert!(logins.find(first.expose(), now).is_some() && logins.find(second.expose(), now).is_none());
    }
}
