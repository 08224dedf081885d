//! INVITEs of late, to know one that comes a second time by another way (RFC 3261 §8.2.2.2): forked on its path and
//! joined again, it would be a call that nobody made.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long an INVITE is remembered: as long as its transaction may live, which is 64*T1 (RFC 6026 §7.1), and what
/// answering it took.
const REMEMBERED_FOR: Duration = Duration::from_secs(40);

/// INVITEs remembered: as many as a busy node gets in that time. When one more comes, the oldest is forgotten.
const REMEMBERED_MAX: usize = 8_192;

/// The INVITEs of late.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Invites>);

#[derive(Debug, Default)]
struct Invites {
    known: HashSet<Arc<str>>,
    in_order: VecDeque<(Instant, Arc<str>)>,
}

impl Recent {
    /// Whether an INVITE has not come before; it has from now on. One that lacks what tells INVITEs apart is like
    /// no other.
    pub(super) fn is_new(&self, key: Option<String>, now: Instant) -> bool {
        let Some(key) = key else {
            return true;
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remember(key, now)
    }
}

impl Invites {
    fn remember(&mut self, key: String, now: Instant) -> bool {
        while let Some((came, _)) = self.in_order.front()
            && (now.duration_since(*came) > REMEMBERED_FOR || self.in_order.len() >= REMEMBERED_MAX)
        {
            if let Some((_, oldest)) = self.in_order.pop_front() {
                self.known.remove(&oldest);
            }
        }
        let key: Arc<str> = key.into();
        let is_new = self.known.insert(Arc::clone(&key));
        if is_new {
            self.in_order.push_back((now, key));
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Option<String> {
        Some(format!("call\n{number}"))
    }

    #[test]
    fn an_invite_is_new_once_until_it_is_forgotten() {
        let (recent, start) = (Recent::default(), Instant::now());
        assert!(recent.is_new(key(1), start));
        assert!(recent.is_new(key(2), start + REMEMBERED_FOR / 2));
        assert!(!recent.is_new(key(1), start + REMEMBERED_FOR));
        let later = start + REMEMBERED_FOR + Duration::from_secs(1);
        assert!(recent.is_new(key(1), later));
        assert!(!recent.is_new(key(2), later));
    }

    #[test]
    fn what_cannot_be_told_apart_is_always_new() {
        let (recent, now) = (Recent::default(), Instant::now());
        assert!(recent.is_new(None, now) && recent.is_new(None, now));
    }

    #[test]
    fn when_there_is_no_room_the_oldest_is_forgotten() {
        let (recent, now) = (Recent::default(), Instant::now());
        assert!((0..=REMEMBERED_MAX).all(|number| recent.is_new(key(number), now)));
        assert!(!recent.is_new(key(REMEMBERED_MAX), now));
        assert!(recent.is_new(key(0), now));
    }
}
