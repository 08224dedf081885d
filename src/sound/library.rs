//! Sounds from elsewhere that are being read or played. The same file is decoded once and held once, however many hear it;
//! and however many files are read and played at a time, they take so much memory and no more.
//!
//! ```text
//! chunks ─▶ Incoming (bounded bytes) ─▶ known? ─yes─▶ the sound that is there
//!                                         └─no──▶ decode, on a thread that may block ─▶ a sound, remembered while played
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use confab_media::{SampleRate, Sound, WeakSound};
use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::UNPLAYABLE;
use super::{Limits, SoundError, read};

/// The rate of what is played: as good as G.722 has it; narrower callers hear it as if it had been made for them.
const RATE: SampleRate = SampleRate::Hz16000;

/// Of files that are being read, in KiB: twelve of the largest at once, and hundreds of usual ones.
const READING_KIB_MAX: usize = 256 * 1_024;

/// Of sounds that are being played, in samples: 512 MB, which are four and a half hours of different sounds.
const HELD_SAMPLES_MAX: usize = 256 * 1_024 * 1_024;

/// What tells one file from another: its content, and the type by which bare G.711 is known.
type Key = [u8; 32];

/// Where a file's sound is, while somebody hears it. Who holds the lock decodes it.
type Slot = Arc<tokio::sync::Mutex<Option<WeakSound>>>;

/// All sounds that are being read or played.
#[derive(Debug)]
pub struct Library {
    limits: Limits,
    reading: Arc<Semaphore>,
    shelf: Mutex<HashMap<Key, Slot>>,
}

/// A file as it comes.
#[derive(Debug)]
pub struct Incoming {
    bytes: Vec<u8>,
    most: usize,
    reading: Arc<Semaphore>,
    room: Option<OwnedSemaphorePermit>,
}

impl Default for Library {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            reading: Arc::new(Semaphore::new(READING_KIB_MAX)),
            shelf: Mutex::default(),
        }
    }
}

impl Library {
    /// A file that is announced to have so many bytes.
    ///
    /// # Errors
    /// When that is more than is read.
    pub fn incoming(&self, announced: Option<u64>) -> Result<Incoming, SoundError> {
        let most = self.limits.bytes;
        if announced.is_some_and(|announced| announced > most as u64) {
            return Err(too_large(most));
        }
        Ok(Incoming { bytes: Vec::new(), most, reading: Arc::clone(&self.reading), room: None })
    }

    /// The sound of a file that has come.
    ///
    /// # Errors
    /// When it cannot be played, or more is played already than there is room for.
    pub async fn sound(&self, file: Incoming, content_type: Option<String>) -> Result<Sound, SoundError> {
        let key = key(&file.bytes, content_type.as_deref());
        let slot = self.slot(key);
        let mut known = slot.lock().await;
        if let Some(sound) = known.as_ref().and_then(WeakSound::upgrade) {
            return Ok(sound);
        }
        let limits = self.limits;
        let decode = move || read(&file.bytes, content_type.as_deref(), RATE, &limits);
        let decoded = tokio::task::spawn_blocking(decode).await;
        let sound = decoded.map_err(|_| SoundError::broken("the node stops"))??;
        if self.held() + sound.samples.len() > HELD_SAMPLES_MAX {
            return Err(full());
        }
        let sound = Sound::new(sound.rate, sound.samples);
        *known = Some(sound.downgrade());
        Ok(sound)
    }

    /// Forgets those that nobody hears any more.
    fn slot(&self, key: Key) -> Slot {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.retain(|_, slot| is_in_use(slot));
        Arc::clone(shelf.entry(key).or_default())
    }

    /// Samples of all that are heard now.
    fn held(&self) -> usize {
        let shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = |slot: &Slot| slot.try_lock().ok()?.as_ref()?.upgrade();
        shelf.values().filter_map(heard).map(|sound| sound.samples().len()).sum()
    }
}

/// One that is locked is being decoded.
fn is_in_use(slot: &Slot) -> bool {
    Arc::strong_count(slot) > 1
        || slot.try_lock().map_or(true, |known| known.as_ref().is_some_and(|weak| weak.upgrade().is_some()))
}

impl Incoming {
    /// Takes the next piece.
    ///
    /// # Errors
    /// When it is more than is read of one file, or of all together.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), SoundError> {
        let len = self.bytes.len() + piece.len();
        if len > self.most {
            return Err(too_large(self.most));
        }
        let has = self.room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = u32::try_from(len.div_ceil(1_024).saturating_sub(has)).unwrap_or(u32::MAX);
        if more > 0 {
            let room = Arc::clone(&self.reading).try_acquire_many_owned(more).map_err(|_| full())?;
            match &mut self.room {
                Some(had) => had.merge(room),
                none => *none = Some(room),
            }
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }
}

fn key(bytes: &[u8], content_type: Option<&str>) -> Key {
    let mut hash = Sha256::new();
    hash.update(content_type.unwrap_or_default().as_bytes());
    hash.update([0]);
    hash.update(bytes);
    hash.finalize().into()
}

fn too_large(most: usize) -> SoundError {
    let message = format!("The sound is larger than the {} MB that are read.", most / 1_000_000);
    SoundError { code: UNPLAYABLE, message }
}

fn full() -> SoundError {
    let message = "The node reads and plays as many different sounds as it has memory for.".to_owned();
    SoundError { code: UNPLAYABLE, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASIC: Option<&str> = Some("audio/basic");

    async fn sound(library: &Library, bytes: &[u8]) -> Result<Sound, SoundError> {
        let mut file = library.incoming(None)?;
        file.push(bytes)?;
        library.sound(file, BASIC.map(str::to_owned)).await
    }

    #[tokio::test]
    async fn a_file_that_many_hear_is_held_once_and_only_while_somebody_does() {
        let library = Library::default();
        let (one, other) = tokio::join!(sound(&library, &[1; 800]), sound(&library, &[1; 800]));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert!(one.is_same(&other));
        assert!(!one.is_same(&sound(&library, &[2; 800]).await.unwrap()));
        assert_eq!(library.held(), one.samples().len());
        drop((one, other));
        assert_eq!(library.held(), 0);
        let _third = sound(&library, &[3; 800]).await.unwrap();
        assert_eq!(library.shelf.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn files_that_come_take_so_much_memory_together_and_no_more() {
        let library = Library::default();
        assert!(library.incoming(Some(2_000_000_000)).unwrap_err().message.contains("20 MB"));
        let mut files = Vec::new();
        let mut room = READING_KIB_MAX * 1_024;
        while room > 0 {
            let piece = vec![0; room.min(16 * 1_024 * 1_024)];
            let mut file = library.incoming(None).unwrap();
            file.push(&piece).unwrap();
            room -= piece.len();
            files.push(file);
        }
        let mut more = library.incoming(None).unwrap();
        assert_eq!(more.push(&[0]).unwrap_err(), full());
        files.pop();
        assert_eq!(more.push(&[0]), Ok(()));
        assert_eq!(more.push(&vec![0; Limits::default().bytes]).unwrap_err().code, UNPLAYABLE);
    }
}
