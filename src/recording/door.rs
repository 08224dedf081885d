//! A bounded queue to a thread that sleeps until it is woken. Whoever puts much in wakes it once; and while it waits it sleeps,
//! where the standard library's queue would first turn on the spot for a while, which on a busy node costs as much as the work.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError};
use std::thread::{self, Thread};
use std::time::Duration;

/// Where things are put in.
pub(super) struct Door<T> {
    /// None while it is dropped.
    into: Option<SyncSender<T>>,
    thread: Thread,
    /// Something was put in since it was woken.
    has_news: AtomicBool,
}

impl<T> Door<T> {
    /// To the thread that takes what comes with [`next`].
    pub(super) fn new(into: SyncSender<T>, thread: Thread) -> Self {
        Self { into: Some(into), thread, has_news: AtomicBool::new(false) }
    }

    /// Puts it in if there is room, and whether there was. The thread is not woken.
    pub(super) fn leave(&self, what: T) -> bool {
        let is_left = self.into.as_ref().is_some_and(|into| into.try_send(what).is_ok());
        self.has_news.fetch_or(is_left, Ordering::Relaxed);
        is_left
    }

    /// Wakes the thread if something was left for it.
    pub(super) fn wake(&self) {
        if self.has_news.swap(false, Ordering::Relaxed) {
            self.thread.unpark();
        }
    }

    /// Puts it in if there is room, and wakes the thread. Whether there was.
    pub(super) fn offer(&self, what: T) -> bool {
        let is_left = self.leave(what);
        self.wake();
        is_left
    }

    /// Puts it in, and waits for room. Whether anybody takes it.
    pub(super) fn put(&self, what: T) -> bool {
        let Some(into) = &self.into else {
            return false;
        };
        let is_put = match into.try_send(what) {
            Ok(()) => true,
            Err(TrySendError::Full(what)) => {
                self.thread.unpark();
                into.send(what).is_ok()
            }
            Err(TrySendError::Disconnected(_)) => false,
        };
        self.thread.unpark();
        is_put
    }
}

impl<T> Clone for Door<T> {
    fn clone(&self) -> Self {
        Self { into: self.into.clone(), thread: self.thread.clone(), has_news: AtomicBool::new(false) }
    }
}

impl<T> Drop for Door<T> {
    fn drop(&mut self) {
        // First it must be seen that nothing more comes this way.
        self.into = None;
        self.thread.unpark();
    }
}

/// The next thing; sleeps so long if there is none, and may wake up for nothing.
///
/// # Errors
/// When there is still none, or nobody can put anything in any more.
pub(super) fn next<T>(from: &Receiver<T>, longest: Duration) -> Result<T, RecvTimeoutError> {
    match from.try_recv() {
        Err(TryRecvError::Empty) => thread::park_timeout(longest),
        Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
        Ok(next) => return Ok(next),
    }
    from.try_recv().map_err(|error| match error {
        TryRecvError::Empty => RecvTimeoutError::Timeout,
        TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    /// Longer than any test may take: who sleeps so long has not been woken.
    const LONG: Duration = Duration::from_secs(3_600);

    /// A thread that adds up what it is given until nothing more comes.
    fn adder(len: usize) -> (Door<u64>, thread::JoinHandle<u64>) {
        let (into, from) = sync_channel(len);
        let thread = thread::spawn(move || {
            let mut sum = 0;
            loop {
                match next(&from, LONG) {
                    Ok(number) => sum += number,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return sum,
                }
            }
        });
        (Door::new(into, thread.thread().clone()), thread)
    }

    #[test]
    fn whoever_sleeps_is_woken_for_all_that_is_put_in_and_at_the_end() {
        let (door, thread) = adder(4);
        let other = door.clone();
        for number in 0..10_000 {
            assert!(if number % 2 == 0 { &door } else { &other }.put(number));
        }
        while !door.offer(1) {}
        drop((door, other));
        assert_eq!(thread.join().unwrap(), 9_999 * 5_000 + 1);
    }

    #[test]
    fn what_is_left_is_taken_when_it_is_woken_and_what_has_no_room_is_refused() {
        let (into, from) = sync_channel(2);
        let door = Door::new(into, thread::current());
        assert!(door.leave(1) && door.leave(2) && !door.leave(3));
        assert_eq!((next(&from, LONG), next(&from, LONG)), (Ok(1), Ok(2)));
        door.wake();
        assert_eq!(next(&from, LONG), Err(RecvTimeoutError::Timeout), "woken, and there is nothing");
        drop(from);
        assert!(!door.put(4) && !door.offer(5));
    }
}
