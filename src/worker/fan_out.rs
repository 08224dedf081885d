//! Hands what is tapped to all who want it: the recorder, and one who listens while it is said. Each has a queue of its
//! own, so neither waits for the other, and no media thread for either.
//!
//! ```text
//! media threads ─ rings ─┬─▶ listener, as soon as it is there
//!                        └─▶ the recorder's ring, full: the newest goes ─▶ recorder, when it looks
//! ```
//!
//! While nobody listens there is no thread at work: the recorder takes from the media threads' rings itself. Who begins to listen just
//! then waits once for what it has in hand.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::Duration;

use confab_media::{Tap, TapSink};

use super::taps::{TapReader, TapWriter, tap_ring};

/// How often the rings are looked at while somebody listens and no media thread rings: then there is nothing in them, or
/// a thread has rung just before it was heard.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// One who wants to hear what is tapped while it is said.
pub trait Listener: Send + Sync {
    /// Whether they want to hear anything.
    fn is_listening(&self) -> bool;

    /// A frame. Must not wait.
    fn hear(&self, tap: &Tap);

    /// There is no more for now. Must not wait.
    fn caught_up(&self);
}

/// Wakes whoever hands out what is tapped. Ringing neither locks nor waits.
#[derive(Clone, Debug, Default)]
pub struct Bell(Arc<Rung>);

#[derive(Debug, Default)]
struct Rung {
    /// Who is woken.
    thread: OnceLock<Thread>,
    /// Whether they want to be, by media threads.
    is_wanted: AtomicBool,
}

impl Bell {
    /// Something was tapped.
    pub(super) fn ring(&self) {
        if self.0.is_wanted.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    /// Somebody begins to listen, or there is something else to be done.
    pub fn wake(&self) {
        if let Some(thread) = self.0.thread.get() {
            thread.unpark();
        }
    }
}

/// What is tapped, handed to all who want it.
pub struct FanOut {
    shared: Arc<Shared>,
    /// The recorder's end of its ring.
    aside: TapReader,
}

struct Shared {
    pump: Mutex<Pump>,
    listener: Arc<dyn Listener>,
}

struct Pump {
    taps: Vec<TapReader>,
    /// The frame that was taken last.
    tap: Tap,
    /// What the recorder has not taken yet.
    aside: TapWriter,
}

impl FanOut {
    /// Starts the thread that hands out; it ends with the process.
    ///
    /// # Errors
    /// When the system refuses it.
    pub fn start(taps: Vec<TapReader>, listener: Arc<dyn Listener>, bell: &Bell) -> io::Result<Self> {
        let (sink, aside) = tap_ring();
        let pump = Pump { taps, tap: Tap::empty(), aside: sink };
        let shared = Arc::new(Shared { pump: Mutex::new(pump), listener });
        let (hands_out, bell_of_thread) = (Arc::clone(&shared), bell.clone());
        let thread = std::thread::Builder::new().name("taps".to_owned());
        let thread = thread.spawn(move || hands_out.run(&bell_of_thread))?;
        // There is one for each bell.
        let _ = bell.0.thread.set(thread.thread().clone());
        bell.wake();
        Ok(Self { shared, aside })
    }

    /// Hands over to the recorder what there is, as [`TapReader::hand_over`] does. Whether there was any.
    pub fn hand_over(&mut self, to: &mut dyn TapSink) -> bool {
        if self.aside.hand_over(to) {
            return true;
        }
        let mut pump = self.shared.lock();
        if self.shared.listener.is_listening() {
            // So that all that was tapped before something else happened is there.
            pump.hand_out(&*self.shared.listener);
            self.shared.listener.caught_up();
        }
        // While nobody listens it may have come to an end just now, with something left.
        self.aside.hand_over(to) || (!self.shared.listener.is_listening() && pump.hand_over(to))
    }
}

impl Shared {
    fn run(&self, bell: &Bell) {
        loop {
            let is_wanted = self.listener.is_listening();
            bell.0.is_wanted.store(is_wanted, Ordering::Relaxed);
            if is_wanted {
                std::thread::park_timeout(LOOK_EVERY);
            } else {
                std::thread::park();
            }
            if self.listener.is_listening() {
                self.lock().hand_out(&*self.listener);
                self.listener.caught_up();
            }
        }
    }

    /// A panic while it was locked left it whole.
    fn lock(&self) -> MutexGuard<'_, Pump> {
        self.pump.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pump {
    fn hand_out(&mut self, listener: &dyn Listener) {
        let Self { taps, tap, aside } = self;
        for reader in taps {
            while reader.take(tap) {
                listener.hear(tap);
                aside.put(&tap.head(), tap.frame.samples());
            }
        }
    }

    fn hand_over(&mut self, to: &mut dyn TapSink) -> bool {
        self.taps.iter_mut().any(|reader| reader.hand_over(to))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use confab_media::{TapHead, Tick};

    use super::*;

    /// Listens to one leg.
    struct Ear {
        is_listening: AtomicBool,
        heard: SyncSender<u64>,
    }

    impl Listener for Ear {
        fn is_listening(&self) -> bool {
            self.is_listening.load(Ordering::SeqCst)
        }

        fn hear(&self, tap: &Tap) {
            self.heard.send(tap.tick.0).expect("the test listens");
        }

        fn caught_up(&self) {}
    }

    fn world() -> (TapWriter, FanOut, Arc<Ear>, Receiver<u64>, Bell) {
        let (sink, reader) = tap_ring();
        let (heard, hears) = sync_channel(1_000);
        let ear = Arc::new(Ear { is_listening: AtomicBool::new(false), heard });
        let bell = Bell::default();
        let listener: Arc<dyn Listener> = Arc::clone(&ear) as _;
        let fan_out = FanOut::start(vec![reader], listener, &bell).expect("a thread");
        (sink, fan_out, ear, hears, bell)
    }

    fn put(sink: &mut TapWriter, ticks: std::ops::Range<u64>) {
        for tick in ticks {
            let tap = Tap { tick: Tick(tick), ..Tap::empty() };
            sink.put(&tap.head(), tap.frame.samples());
        }
    }

    fn all(fan_out: &mut FanOut) -> Vec<u64> {
        let mut taken = Vec::new();
        while fan_out.hand_over(&mut |head: &TapHead, _: &[i16]| taken.push(head.tick.0)) {}
        taken
    }

    #[test]
    fn recorder_and_listener_each_have_all_frames_in_their_order_whoever_comes_and_goes() {
        let (mut sink, mut fan_out, ear, hears, bell) = world();
        put(&mut sink, 0..3);
        assert_eq!(all(&mut fan_out), [0, 1, 2]);
        ear.is_listening.store(true, Ordering::SeqCst);
        bell.wake();
        put(&mut sink, 3..6);
        bell.ring();
        assert_eq!(hears.iter().take(3).collect::<Vec<_>>(), [3, 4, 5]);
        // Some are in the recorder's ring, some in the media thread's when the listener goes.
        put(&mut sink, 6..8);
        ear.is_listening.store(false, Ordering::SeqCst);
        put(&mut sink, 8..10);
        assert_eq!(all(&mut fan_out), (3..10).collect::<Vec<_>>());
    }

    #[test]
    fn what_was_tapped_before_the_recorder_looks_is_there_also_while_somebody_listens() {
        let (mut sink, mut fan_out, ear, hears, _bell) = world();
        ear.is_listening.store(true, Ordering::SeqCst);
        put(&mut sink, 0..5);
        assert_eq!(all(&mut fan_out), [0, 1, 2, 3, 4]);
        assert_eq!(hears.iter().take(5).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_recorder_that_takes_nothing_costs_the_listener_nothing() {
        let (mut sink, mut fan_out, ear, hears, bell) = world();
        ear.is_listening.store(true, Ordering::SeqCst);
        bell.wake();
        // More than the recorder's ring takes, which is as large as a media thread's.
        let many = 30_000;
        for first in (0..many).step_by(500) {
            put(&mut sink, first..first + 500);
            bell.wake();
            assert_eq!(hears.iter().take(500).last(), Some(first + 499));
        }
        let taken = all(&mut fan_out);
        assert!(taken.len() < many as usize, "some found no room");
        assert!(taken.iter().copied().eq(0..taken.len() as u64), "and those are the newest");
    }
}
