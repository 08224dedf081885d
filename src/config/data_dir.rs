//! The data directory: made if it is missing, for its owner alone, and files in it written whole or not at
//! all.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::ConfigError;

/// Only the owner may enter: it holds the API's password, and later recordings.
const DIR_MODE: u32 = 0o700;

/// Only the owner may read.
pub(super) const FILE_MODE: u32 = 0o600;

/// Makes the directory if it is missing, and checks that it can be read.
pub(super) fn open(path: &Path) -> Result<(), ConfigError> {
    // An existing directory keeps the mode its owner gave it: it may hold other things.
    DirBuilder::new()
        .recursive(true)
        .mode(DIR_MODE)
        .create(path)
        .and_then(|()| fs::read_dir(path))
        .map(drop)
        .map_err(|source| ConfigError::DataDir { path: path.to_owned(), source })
}

/// The file that a running node holds locked.
const LOCK: &str = "lock";

/// A data directory that is this node's alone, until this is dropped or the process ends, however it does.
#[derive(Debug)]
pub struct DataDirLock(#[expect(dead_code, reason = "it is held, not used")] File);

/// Why a data directory cannot be had alone.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another node has it.
    #[error("another node runs on the data directory {0}; stop it, or give each a `data_dir` of its own")]
    Taken(PathBuf),
    /// The file cannot be opened or locked.
    #[error("cannot lock {path}: {source}")]
    System {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl DataDirLock {
    /// Takes it. The file stays when the node has gone; it is the lock on it that counts.
    ///
    /// # Errors
    /// When another node has it, or the system refuses.
    pub fn take(data_dir: &Path) -> Result<Self, LockError> {
        let path = data_dir.join(LOCK);
        let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(FILE_MODE).open(&path);
        let file = opened.map_err(|source| LockError::System { path: path.clone(), source })?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(LockError::Taken(data_dir.to_owned())),
            Err(TryLockError::Error(source)) => Err(LockError::System { path, source }),
        }
    }
}

/// Writes a file that is there whole, with mode 0600, or not at all: it is written beside its place, made
/// durable, and moved over.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let written = write_new(&beside, content).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // Best effort: what failed is reported, and a leftover is never read.
        let _ = fs::remove_file(&beside);
    }
    written?;
    // The rename itself is durable only once the directory is.
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_missing_directory_is_made_for_its_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b");
        open(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
    }

    #[test]
    fn a_file_in_its_place_is_one_clear_line() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        fs::write(&path, "").unwrap();
        for place in [path.clone(), path.join("below")] {
            let error = open(&place).unwrap_err().to_string();
            assert!(error.starts_with(&format!("cannot use the data directory {}", place.display())));
            assert!(!error.contains('\n'));
        }
    }

    #[test]
    fn a_directory_is_one_nodes_at_a_time() {
        let home = tempfile::tempdir().unwrap();
        let first = DataDirLock::take(home.path()).unwrap();
        let refused = DataDirLock::take(home.path()).unwrap_err().to_string();
        assert!(refused.starts_with("another node runs on the data directory "), "{refused}");
        assert_eq!(mode(&home.path().join("lock")), 0o600);
        drop(first);
        DataDirLock::take(home.path()).unwrap();
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("credentials.toml");
        write_whole(&path, b"first, and longer").unwrap();
        write_whole(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_write_that_fails_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert!(write_whole(&path, b"x").is_err());
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }
}
