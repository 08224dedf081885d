//! The secret that the node signs its own tokens with: 256 random bits in a file of the data directory, for its owner's
//! eyes only. To delete it takes back every token that was signed with it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::directory::SigningKey;

/// The file, in the data directory.
const FILE: &str = "token.key";

/// As many bits as the hash that signs has (RFC 7518 §3.2).
const SECRET_LEN: usize = 32;

/// The one of this data directory, which is made where there is none.
pub(super) fn open(data_dir: &Path) -> io::Result<SigningKey> {
    let path = data_dir.join(FILE);
    match fs::read(&path).map(Zeroizing::new) {
        Ok(kept) if kept.len() == SECRET_LEN => Ok(SigningKey::of(&kept)),
        Ok(_) => Err(wrong(&path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(data_dir, &path),
        Err(error) => Err(error),
    }
}

fn wrong(path: &Path) -> io::Error {
    let path = path.display();
    io::Error::other(format!("{path} is not what the node writes there; delete it to have another made"))
}

/// A node and somebody who wants a token may both find none: whoever links first has made it for both.
fn make(data_dir: &Path, path: &Path) -> io::Result<SigningKey> {
    let mut secret = Zeroizing::new([0; SECRET_LEN]);
    getrandom::fill(secret.as_mut()).map_err(io::Error::other)?;
    let beside: PathBuf = data_dir.join(format!("{FILE}.new-{}", std::process::id()));
    let written = write(&beside, secret.as_ref()).and_then(|()| fs::hard_link(&beside, path));
    // It has its name, or will have none.
    let _ = fs::remove_file(&beside);
    match written {
        Ok(()) => Ok(SigningKey::of(secret.as_ref())),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => open(data_dir),
        Err(error) => Err(error),
    }
}

fn write(path: &Path, secret: &[u8]) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(secret)?;
    file.sync_all()
}
