//! What a server has said and its call has not heard yet: sound in pieces of any length, and marks in it.
//!
//! ```text
//! say, mark ─▶ sound of ten minutes, marks ── pour ──▶ feed's ring (a second) ──▶ media thread ──▶ the call
//!                          clear ──▶ nothing                                            │
//!        names of marks, in order ◀── return_mark ◀── how many marks were passed ◀───────┘
//! ```
//!
//! It sees how many marks were passed and gives back their names: the media thread only counts.

use std::collections::VecDeque;
use std::time::Duration;

use confab_media::{Codec, FRAME_LEN_MAX, FeedWriter, SampleRate};

/// What streams speak in.
pub const RATE: SampleRate = SampleRate::Hz8000;

/// Sound that may wait, in bytes of mu-law at 8 kHz: ten minutes, as the reference has it.
pub const WAITING_MAX: usize = 10 * 60 * RATE.hertz() as usize;

/// Marks that may wait. With names as long as they may be these are 10 MB; a server that places one behind each word of
/// ten minutes has some 2,000.
pub const MARKS_MAX: usize = 10_000;

/// Marks that are nearer to each other than 5 ms are told of together: the ring has no place for one behind each sample.
const MARK_SPACING: usize = 40;

/// After this much the memory of a long burst is given back when it has been heard: 8 seconds.
const KEPT_BYTES: usize = 64 * 1_024;

/// The shortest wait before the ring is looked at again: a tick of the one who empties it.
const POUR_SOONEST: Duration = Duration::from_millis(20);

/// Why something a server said is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Overflow {
    /// Over [`WAITING_MAX`].
    #[error("more than ten minutes of sound wait to be heard; what came now is not played")]
    Sound,
    /// Over [`MARKS_MAX`].
    #[error("more than {MARKS_MAX} marks wait; what came now is not returned")]
    Marks,
}

impl Overflow {
    /// The reference's code for it.
    pub const fn code(self) -> u32 {
        match self {
            Self::Sound => 31931,
            Self::Marks => 31951,
        }
    }
}

/// What waits of one stream.
pub struct Backlog {
    feed: FeedWriter,
    /// Mu-law that is not in the ring yet.
    sound: VecDeque<u8>,
    /// Samples that were ever put into the ring, and those that were cleared before.
    poured: u64,
    /// Marks that were not returned, in order.
    marks: VecDeque<Mark>,
    /// How many of them the media thread knows of.
    placed: usize,
    /// Marks that were ever returned.
    returned: u64,
}

struct Mark {
    /// Samples said before it.
    at: u64,
    name: String,
}

impl Backlog {
    /// Nothing said yet to whoever hears the feed, which is at [`RATE`].
    pub const fn new(feed: FeedWriter) -> Self {
        Self { feed, sound: VecDeque::new(), poured: 0, marks: VecDeque::new(), placed: 0, returned: 0 }
    }

    /// Takes sound to be heard behind what waits, mu-law at 8 kHz.
    ///
    /// # Errors
    /// When there would be too much of it: then none of it is taken.
    pub fn say(&mut self, sound: &[u8]) -> Result<(), Overflow> {
        if self.sound.len() + self.feed.waiting() + sound.len() > WAITING_MAX {
            return Err(Overflow::Sound);
        }
        self.sound.extend(sound);
        self.pour();
        Ok(())
    }

    /// Places a mark behind all that was said so far.
    ///
    /// # Errors
    /// When too many wait.
    pub fn mark(&mut self, name: String) -> Result<(), Overflow> {
        if self.marks.len() >= MARKS_MAX {
            return Err(Overflow::Marks);
        }
        self.marks.push_back(Mark { at: self.poured + self.sound.len() as u64, name });
        self.pour();
        Ok(())
    }

    /// What was said and not heard is not wanted any more. Its marks are passed with it.
    pub fn clear(&mut self) {
        self.feed.clear((self.marks.len() - self.placed) as u64);
        self.placed = self.marks.len();
        self.poured += self.sound.len() as u64;
        self.sound.clear();
        self.sound.shrink_to(KEPT_BYTES);
    }

    /// The next mark that was passed and not returned.
    pub fn return_mark(&mut self) -> Option<String> {
        if self.placed == 0 || self.returned >= self.feed.passed() {
            return None;
        }
        let mark = self.marks.pop_front()?;
        self.placed -= 1;
        self.returned += 1;
        Some(mark.name)
    }

    /// Fills the ring.
    pub fn pour(&mut self) {
        loop {
            if !self.place_marks() {
                return;
            }
            let until_mark =
                self.marks.get(self.placed).map_or(usize::MAX, |mark| (mark.at - self.poured) as usize);
            let len = self
                .sound
                .len()
                .min(self.feed.vacancies())
                .min(until_mark.max(MARK_SPACING))
                .min(FRAME_LEN_MAX);
            if len == 0 {
                break;
            }
            let mut samples = [0; FRAME_LEN_MAX];
            for (sample, byte) in samples.iter_mut().zip(self.sound.drain(..len)) {
                *sample = linear(byte);
            }
            self.feed.write(&samples[..len]);
            self.poured += len as u64;
        }
        if self.sound.is_empty() && self.sound.capacity() > KEPT_BYTES {
            self.sound.shrink_to(KEPT_BYTES);
        }
    }

    /// Tells the media thread of the marks up to here. `false` when there is no place for them yet.
    fn place_marks(&mut self) -> bool {
        let here = self.poured;
        let unplaced = self.marks.range(self.placed..);
        let count = unplaced.take_while(|mark| mark.at <= here).count();
        let is_placed = count == 0 || self.feed.mark(count as u64);
        if is_placed {
            self.placed += count;
        }
        is_placed
    }

    /// When the ring should be filled again: when half of what is in it has been played. Never, if nothing waits for it.
    pub fn next_pour(&self) -> Option<Duration> {
        if self.sound.is_empty() && self.placed == self.marks.len() {
            return None;
        }
        let half = self.feed.waiting() as u64 * 1_000 / u64::from(RATE.hertz()) / 2;
        Some(Duration::from_millis(half).max(POUR_SOONEST))
    }
}

fn linear(byte: u8) -> i16 {
    let mut sample = [0];
    Codec::Pcmu.decode(&[byte], &mut sample);
    sample[0]
}

/// How much waits, never what.
impl std::fmt::Debug for Backlog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backlog")
            .field("waiting", &(self.sound.len() + self.feed.waiting()))
            .field("marks", &self.marks.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
