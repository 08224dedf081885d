//! What waits to be sent on a stream. Who puts something in never waits: when there is no room the oldest sound goes, and
//! is counted, since whoever listens wants to hear what is said now. What is no sound is never dropped, only refused.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use confab_media::Digit;
use tokio::sync::Notify;

use super::protocol::Track;

/// Bytes of one sound: 20 ms at 8,000 a second.
pub const CHUNK_LEN: usize = 160;

/// Sounds that may wait: five seconds of two tracks, ten of one. A server that stalls for longer has a gap.
pub const CHUNKS_MAX: usize = 500;

/// Keys that may wait beside them. A call has some a second.
pub const KEYS_MAX: usize = 1_024;

/// 20 ms of sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Which direction.
    pub track: Track,
    /// Its beginning, in milliseconds since the stream's.
    pub timestamp: u64,
    /// In mu-law.
    pub payload: [u8; CHUNK_LEN],
}

/// Something to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// Sound.
    Media(Chunk),
    /// A key that the far end pressed.
    Dtmf(Digit),
}

/// What waits to be sent.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: Mutex<Waiting>,
    /// Whoever sends waits here,
    news: Notify,
    /// and whoever waits for the end here.
    end: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Outgoing>,
    chunks: usize,
    is_closed: bool,
    /// Sounds that went since it was last asked.
    missed: u64,
}

/// What came out.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Things to be sent, oldest first.
    These(Vec<Outgoing>),
    /// There will be nothing more.
    Closed,
}

/// Things that are taken out at a time at most; together they are one write.
const BATCH_MAX: usize = 16;

impl Outbox {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts something in. Whether it will be sent, or some older sound will not be: what is no sound is refused when too
    /// much of it waits, and everything once it is closed.
    pub fn put(&self, item: Outgoing) -> bool {
        let is_in = self.leave(item);
        if is_in {
            self.ring();
        }
        is_in
    }

    /// Wakes whoever sends.
    pub fn ring(&self) {
        self.news.notify_one();
    }

    /// Puts something in as [`put`](Self::put) does, without waking whoever sends: more comes with it, and all together is
    /// one write.
    pub fn leave(&self, item: Outgoing) -> bool {
        let mut waiting = self.lock();
        if waiting.is_closed {
            return false;
        }
        match item {
            Outgoing::Media(_) if waiting.chunks >= CHUNKS_MAX => waiting.drop_oldest_sound(),
            Outgoing::Media(_) => waiting.chunks += 1,
            Outgoing::Dtmf(_) => {
                if waiting.items.len() - waiting.chunks >= KEYS_MAX {
                    return false;
                }
            }
        }
        waiting.items.push_back(item);
        true
    }

    /// Nothing more comes: what waits is still sent.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.news.notify_one();
        self.end.notify_one();
    }

    /// Whether nothing more comes.
    pub fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Sounds that found no room since this was last asked.
    pub fn take_missed(&self) -> u64 {
        std::mem::take(&mut self.lock().missed)
    }

    /// What is to be sent next, when there is something. For one who sends; nothing is lost when they stop waiting.
    pub async fn next(&self) -> Next {
        loop {
            {
                let mut waiting = self.lock();
                let items = waiting.take();
                if !items.is_empty() {
                    return Next::These(items);
                }
                if waiting.is_closed {
                    return Next::Closed;
                }
            }
            self.news.notified().await;
        }
    }

    /// Returns when nothing more comes, whatever still waits. For one at a time.
    pub async fn closed(&self) {
        while !self.is_closed() {
            self.end.notified().await;
        }
    }

    /// A panic while it was locked left it whole.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Whoever puts sound in instead leaves their number as it is.
    fn drop_oldest_sound(&mut self) {
        let oldest = self.items.iter().position(|item| matches!(item, Outgoing::Media(_)));
        if let Some(at) = oldest {
            self.items.remove(at);
            self.missed += 1;
        }
    }

    fn take(&mut self) -> Vec<Outgoing> {
        let count = self.items.len().min(BATCH_MAX);
        let items: Vec<Outgoing> = self.items.drain(..count).collect();
        self.chunks -= items.iter().filter(|item| matches!(item, Outgoing::Media(_))).count();
        items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Outgoing {
        Outgoing::Dtmf(Digit::from_char('5').expect("a key"))
    }

    fn sound(timestamp: u64) -> Outgoing {
        Outgoing::Media(Chunk { track: Track::Inbound, timestamp, payload: [0xff; CHUNK_LEN] })
    }

    #[tokio::test]
    async fn when_it_is_full_the_oldest_sound_goes_and_is_counted() {
        let outbox = Outbox::new();
        assert!(outbox.put(key()));
        for n in 0..CHUNKS_MAX as u64 + 3 {
            assert!(outbox.put(sound(n)));
        }
        outbox.close();
        assert!(!outbox.put(sound(0)));
        assert_eq!(outbox.take_missed(), 3);
        assert_eq!(outbox.take_missed(), 0);
        let mut all = Vec::new();
        while let Next::These(items) = outbox.next().await {
            all.extend(items);
        }
        assert_eq!(all.len(), CHUNKS_MAX + 1);
        assert_eq!(all[..2], [key(), sound(3)]);
        assert_eq!(all.last(), Some(&sound(CHUNKS_MAX as u64 + 2)));
    }

    #[tokio::test]
    async fn what_is_left_waits_for_the_ring_and_comes_at_once() {
        let outbox = Outbox::new();
        let mut next = std::pin::pin!(outbox.next());
        assert!(futures_util::poll!(next.as_mut()).is_pending());
        assert!(outbox.leave(sound(0)) && outbox.leave(sound(20)));
        assert!(futures_util::poll!(next.as_mut()).is_pending());
        outbox.ring();
        assert_eq!(next.await, Next::These(vec![sound(0), sound(20)]));
    }

    #[test]
    fn keys_are_refused_rather_than_dropped() {
        let outbox = Outbox::new();
        for _ in 0..KEYS_MAX {
            assert!(outbox.put(key()));
        }
        assert!(!outbox.put(key()));
        assert!(outbox.put(sound(0)), "they take no room from sound");
    }
}
