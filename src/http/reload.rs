//! What is read from files, and read anew when they change: certificates, which are renewed while the node runs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::{Duration, SystemTime};

use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

/// How often files are looked at. A certificate that was renewed has weeks to come.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What was read last and could be used. Cheap to clone; all clones have the same.
#[derive(Debug)]
pub struct Reloaded<T>(Arc<RwLock<Arc<T>>>);

impl<T> Clone for Reloaded<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Send + Sync + 'static> Reloaded<T> {
    /// What was read first.
    pub fn new(first: T) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(first))))
    }

    /// What holds now.
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads anew with `read` when one of `files` changed, as long as anybody has this. What cannot be used is told of, and what
    /// was there goes on. The task runs on the current tokio runtime.
    pub fn follow<E: ToString>(&self, files: Vec<PathBuf>, read: impl Fn() -> Result<T, E> + Send + 'static) {
        let read = move || read().map_err(|error| error.to_string());
        tokio::spawn(follow(Arc::downgrade(&self.0), Files::new(files), Box::new(read)));
    }
}

type Read<T> = Box<dyn Fn() -> Result<T, String> + Send>;

async fn follow<T: Send + Sync + 'static>(kept: Weak<RwLock<Arc<T>>>, files: Files, read: Read<T>) {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut all = Some((files, read));
    loop {
        looks.tick().await;
        let (Some(kept), Some((mut files, read))) = (kept.upgrade(), all.take()) else {
            return;
        };
        // A disk may be slow.
        let looked = spawn_blocking(move || {
            let outcome = files.have_changed().then(&read);
            (files, read, outcome)
        });
        let Ok((files, read, outcome)) = looked.await else {
            return;
        };
        match outcome {
            Some(Ok(next)) => {
                *kept.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
                info!(files = %files.names(), "the certificate was read anew; whoever connects from now on gets it");
            }
            Some(Err(why)) => {
                warn!(why, "the new certificate cannot be used; the one that was there goes on");
            }
            None => {}
        }
        all = Some((files, read));
    }
}

/// What tells a file from what it was before; nothing of one that is not there.
type Stamp = Option<(SystemTime, u64, u64)>;

/// Files that are looked at again and again.
struct Files {
    paths: Vec<PathBuf>,
    /// As they were when they were read.
    read: Vec<Stamp>,
    /// As they were when they were looked at last.
    seen: Vec<Stamp>,
}

impl Files {
    /// Files that have just been read.
    fn new(paths: Vec<PathBuf>) -> Self {
        let stamps: Vec<Stamp> = paths.iter().map(|path| stamp(path)).collect();
        Self { paths, read: stamps.clone(), seen: stamps }
    }

    /// Whether they are others than were read, and stay so: of two that belong together one is written first. Says so once.
    fn have_changed(&mut self) -> bool {
        let now: Vec<Stamp> = self.paths.iter().map(|path| stamp(path)).collect();
        let stays = now == self.seen;
        self.seen.clone_from(&now);
        let has_changed = stays && now != self.read;
        if has_changed {
            self.read = now;
        }
        has_changed
    }

    fn names(&self) -> String {
        self.paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    }
}

fn stamp(path: &Path) -> Stamp {
    let found = fs::metadata(path).ok()?;
    Some((found.modified().ok()?, found.len(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_changed_when_they_stay_what_they_became() {
        let folder = tempfile::tempdir().expect("a directory");
        let paths = [folder.path().join("cert"), folder.path().join("key")];
        for path in &paths {
            fs::write(path, "old").expect("written");
        }
        let mut files = Files::new(paths.to_vec());
        assert!(!files.have_changed());
        fs::write(&paths[0], "newer").expect("written");
        assert!(!files.have_changed(), "the other may follow");
        fs::remove_file(&paths[1]).expect("removed");
        fs::write(&paths[1], "newer").expect("written");
        assert!(!files.have_changed(), "it has");
        assert!(files.have_changed());
        assert!(!files.have_changed(), "it was said");
        fs::remove_file(&paths[0]).expect("removed");
        assert!(!files.have_changed());
        assert!(files.have_changed(), "gone is another as well");
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_used_leaves_what_was_there() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("number");
        fs::write(&path, "1").expect("written");
        let kept = Reloaded::new(1);
        let at = path.clone();
        kept.follow(vec![path.clone()], move || {
            fs::read_to_string(&at).expect("it is there").parse::<u32>().map_err(|error| error.to_string())
        });
        for (text, expected) in [("22", 22), ("none", 22), ("33333", 33_333)] {
            fs::write(&path, text).expect("written");
            // Paused time goes on when nobody has anything to do; a thread that looks at files has.
            for _ in 0..8 {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            assert_eq!(*kept.get(), expected);
        }
    }
}
