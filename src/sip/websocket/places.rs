//! How many WebSockets there may be, and how many of one source.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::sip::registrar::network;

/// All at a time. More are refused, so that whoever opens thousands does not use up the descriptors that calls need.
const ALL_MAX: usize = 1_024;

/// Those of one source: all agents of an office may have one address, and nobody all places.
const OF_SOURCE_MAX: usize = 512;

/// Who is there, as many entries as there are places at most.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// A place, until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    source: IpAddr,
}

impl Places {
    /// One for this source, if there is one left.
    pub(super) fn take(self: &Arc<Self>, source: IpAddr) -> Option<Place> {
        let source = network(source);
        let mut taken = self.taken();
        let of_source = taken.by_source.get(&source).copied().unwrap_or_default();
        if taken.all >= ALL_MAX || of_source >= OF_SOURCE_MAX {
            return None;
        }
        taken.all += 1;
        taken.by_source.insert(source, of_source + 1);
        Some(Place { places: Arc::clone(self), source })
    }

    /// A panic while it was locked left it whole.
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        let left = taken.by_source.get(&self.source).map_or(0, |count| count - 1);
        if left == 0 {
            taken.by_source.remove(&self.source);
        } else {
            taken.by_source.insert(self.source, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn no_source_has_all_places_and_who_goes_leaves_theirs() {
        let places = Arc::new(Places::default());
        let take = |last: u8| places.take(source(last));
        let mut of_one: Vec<Place> = (0..OF_SOURCE_MAX).map(|_| take(1).unwrap()).collect();
        assert!(take(1).is_none());
        let _of_other: Vec<Place> = (OF_SOURCE_MAX..ALL_MAX).map(|_| take(2).unwrap()).collect();
        assert!(take(3).is_none(), "there is none left");
        of_one.pop();
        assert!(take(3).is_some() && take(1).is_some());
        drop(of_one);
        assert!(!places.taken().by_source.contains_key(&source(1)));
        assert_eq!(places.taken().all, ALL_MAX - OF_SOURCE_MAX);
    }
}
