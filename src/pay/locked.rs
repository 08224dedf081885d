//! Memory for what must not be written down anywhere: a page that the system never swaps out nor puts into a core dump,
//! and a process that makes no core dumps while there is such a page. It is wiped before it is given back.

use std::io;
use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zeroize::Zeroize;

/// A page of memory on a system whose pages are smaller or as large; larger ones are rounded up to by the system.
const PAGE_BYTES: usize = 4_096;

/// A page that is not swapped, as far as the system lets us.
pub(super) struct LockedPage {
    at: NonNull<u8>,
    is_locked: bool,
    _no_dumps: NoDumps,
}

// SAFETY: the page belongs to this value alone, which hands it out only by its own borrow.
unsafe impl Send for LockedPage {}
// SAFETY: as above; a shared borrow only reads.
unsafe impl Sync for LockedPage {}

impl LockedPage {
    /// A page of zeros. That it could not be locked ([`is_locked`](Self::is_locked)) is no error: `RLIMIT_MEMLOCK` may be
    /// used up, and a machine without swap needs none.
    ///
    /// # Errors
    /// When the system has no memory.
    pub(super) fn new() -> io::Result<Self> {
        let no_dumps = NoDumps::begin();
        // SAFETY: an anonymous mapping at an address of the system's choosing touches no memory of ours.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                PAGE_BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the mapping that was just made, and all of it.
        let is_locked = unsafe {
            libc::madvise(at, PAGE_BYTES, libc::MADV_DONTDUMP);
            // A process that we start sees zeros in its place.
            libc::madvise(at, PAGE_BYTES, libc::MADV_WIPEONFORK);
            libc::mlock(at, PAGE_BYTES) == 0
        };
        let at = NonNull::new(at.cast()).ok_or_else(|| io::Error::other("a page at no address"))?;
        Ok(Self { at, is_locked, _no_dumps: no_dumps })
    }

    /// Whether the system promised not to swap it out.
    pub(super) const fn is_locked(&self) -> bool {
        self.is_locked
    }

    /// What is in it.
    pub(super) const fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping is this long, readable, filled with zeros at first, and lives as long as the value.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), PAGE_BYTES) }
    }

    /// The same, to be changed.
    pub(super) const fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and the borrow is the only one.
        unsafe { std::slice::from_raw_parts_mut(self.at.as_ptr(), PAGE_BYTES) }
    }
}

impl Drop for LockedPage {
    fn drop(&mut self) {
        self.bytes_mut().zeroize();
        // SAFETY: the mapping is this value's, and nothing borrows it any more. It takes its lock with it.
        unsafe {
            libc::munmap(self.at.as_ptr().cast(), PAGE_BYTES);
        }
    }
}

/// As long as one of these lives, the process writes no core dump, and no other process of its user may look into it.
struct NoDumps;

/// How many live, and how things stood before the first.
struct Dumps {
    forbidden: usize,
    dumpable: libc::c_int,
    core_limit: Option<libc::rlim_t>,
}

static DUMPS: Mutex<Dumps> = Mutex::new(Dumps { forbidden: 0, dumpable: 0, core_limit: None });

impl NoDumps {
    fn begin() -> Self {
        let mut dumps = dumps();
        if dumps.forbidden == 0 {
            // SAFETY: these read and set flags of the process.
            unsafe {
                dumps.dumpable = libc::prctl(libc::PR_GET_DUMPABLE);
                libc::prctl(libc::PR_SET_DUMPABLE, 0);
            }
            dumps.core_limit = set_core_limit(0);
        }
        dumps.forbidden += 1;
        Self
    }
}

impl Drop for NoDumps {
    fn drop(&mut self) {
        let mut dumps = dumps();
        dumps.forbidden -= 1;
        if dumps.forbidden > 0 {
            return;
        }
        // Another value than this one cannot be set again, and is stricter in any case.
        if dumps.dumpable == 1 {
            // SAFETY: sets a flag of the process.
            unsafe {
                libc::prctl(libc::PR_SET_DUMPABLE, 1);
            }
        }
        if let Some(limit) = dumps.core_limit.take() {
            set_core_limit(limit);
        }
    }
}

/// Whether the process would write no core dump now.
pub(super) fn are_dumps_off() -> bool {
    // SAFETY: reads a flag of the process.
    let dumpable = unsafe { libc::prctl(libc::PR_GET_DUMPABLE) };
    dumpable == 0
}

/// Sets the soft limit of a core dump's size; what it was before, if it could be set.
fn set_core_limit(limit: libc::rlim_t) -> Option<libc::rlim_t> {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both point to a limit of ours, which is there for as long as the calls last.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_CORE, &raw mut limits) != 0 {
            return None;
        }
        let before = limits.rlim_cur;
        limits.rlim_cur = limit.min(limits.rlim_max);
        (libc::setrlimit(libc::RLIMIT_CORE, &raw const limits) == 0).then_some(before)
    }
}

/// A panic while it was locked left it whole.
fn dumps() -> MutexGuard<'static, Dumps> {
    DUMPS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_of_zeros_keeps_what_is_written_and_forbids_core_dumps() {
        let mut page = LockedPage::new().unwrap();
        assert!(page.bytes().iter().all(|byte| *byte == 0));
        page.bytes_mut()[PAGE_BYTES - 1] = 7;
        assert_eq!(page.bytes()[PAGE_BYTES - 1], 7);
        let other = LockedPage::new().unwrap();
        drop(page);
        assert!(are_dumps_off(), "one is left");
        drop(other);
    }
}
