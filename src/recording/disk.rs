//! What recordings ask of a disk, so that tests can have one that fails.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Nobody else on the machine may listen.
pub(super) const FILE_MODE: u32 = 0o600;

/// From so many files on, the whole file system is brought to the disk at once rather than one after the other: each by
/// itself is a commit of the journal and three requests to the disk, and a hundred recordings have that every ten seconds.
const TOGETHER_MIN: usize = 4;

/// A file that is written.
pub trait Sheet: Send {
    /// Puts all these bytes at a place, from the first byte of the file.
    ///
    /// # Errors
    /// What the system says; then some of them may be there.
    fn put(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;
}

impl Sheet for File {
    fn put(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }
}

/// Makes files, and sees to it that they last.
pub trait Disk: Send + Sync {
    /// A new file, which must not be there.
    ///
    /// # Errors
    /// What the system says.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Sheet>>;

    /// Returns when the file's content is on the disk.
    ///
    /// # Errors
    /// What the system says.
    fn sync(&self, path: &Path) -> io::Result<()>;

    /// Returns when the content of all these files is on the disk.
    ///
    /// # Errors
    /// What the system says of one of them, or of all together: who wants to know which it is syncs each.
    fn sync_all(&self, files: &[&Path]) -> io::Result<()> {
        files.iter().try_for_each(|path| self.sync(path))
    }

    /// Puts these bytes where `path` is, whole or not at all.
    ///
    /// # Errors
    /// What the system says; then what was there is there.
    fn replace(&self, path: &Path, bytes: &[u8], lasting: bool) -> io::Result<()>;
}

/// The file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files;

impl Disk for Files {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Sheet>> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(FILE_MODE);
        Ok(Box::new(options.open(path)?))
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn sync_all(&self, files: &[&Path]) -> io::Result<()> {
        match files {
            [first, ..] if files.len() >= TOGETHER_MIN => Ok(rustix::fs::syncfs(File::open(first)?)?),
            _ => files.iter().try_for_each(|path| self.sync(path)),
        }
    }

    fn replace(&self, path: &Path, bytes: &[u8], lasting: bool) -> io::Result<()> {
        let fresh = path.with_extension("json.new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(FILE_MODE);
        let mut file = options.open(&fresh)?;
        file.write_all(bytes)?;
        if lasting {
            file.sync_all()?;
        }
        fs::rename(&fresh, path)?;
        if lasting && let Some(folder) = path.parent() {
            // The name is part of the folder.
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}
