//! Having the processor fetch what will be needed soon, so that nobody waits for it then.
//!
//! Legs are many and each is some kilobytes in several places, so that between two ticks other work has pushed them out of the
//! processor's caches. Read one after the other, each first look at a place is a wait of a hundred nanoseconds or more, and these
//! waits would be most of what an idle leg costs. While one leg has its turn, what the next ones need is on its way: each
//! `fetch_ahead` here asks for what a tick needs of one thing, and waits for none of it.

use std::slice::from_ref;

use prefetch_index::prefetch_index;

/// Bytes that are fetched at a time.
const LINE: usize = 64;

/// Has the line fetched in which this begins.
#[inline(always)]
pub fn fetch<T>(what: &T) {
    prefetch_index(from_ref(what), 0);
}

/// Has all of this fetched.
#[inline(always)]
pub fn fetch_whole<T>(what: &T) {
    let (from, begin) = (ORIGIN.as_ptr().addr(), std::ptr::from_ref(what).addr());
    for line in (0..size_of::<T>()).step_by(LINE) {
        // Whatever lies there, and whether anything does: it is only an address, and nobody is given what is there.
        prefetch_index(ORIGIN, (begin + line).wrapping_sub(from));
    }
}

/// Has the room fetched in which the next `count` will be, as far as there is room.
#[inline]
pub fn fetch_room<T>(behind: &Vec<T>, count: usize) {
    let step = const { LINE.div_ceil(size_of::<T>()) };
    let end = (behind.len() + count).min(behind.capacity());
    (behind.len()..end).step_by(step).for_each(|at| prefetch_index(behind, at));
}

/// Where addresses are counted from.
static ORIGIN: &[u8] = &[0];

/// Has all of them fetched.
#[inline]
pub fn fetch_all<T>(what: &[T]) {
    let step = const { LINE.div_ceil(size_of::<T>()) };
    (0..what.len()).step_by(step).for_each(|at| prefetch_index(what, at));
}
