//! Who may use the API: a user name (the account SID) and a password (the auth token). If nobody gives them
//! they are made at the first start and kept in the data directory, for its owner's eyes only.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use zeroize::Zeroizing;

use super::data_dir::{self, FILE_MODE};
use super::error::ConfigError;
use super::secret::Secret;
use super::value;

/// The file's name in the data directory.
const FILE_NAME: &str = "credentials.toml";

/// Who may use the API.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user name: `AC` and 32 hexadecimal digits in small letters.
    pub account_sid: String,
    /// The password. A made one is 128 random bits.
    pub auth_token: Secret,
}

/// Credentials from the data directory.
pub(super) struct Kept {
    pub(super) credentials: Credentials,
    pub(super) path: PathBuf,
    /// They were made just now.
    pub(super) made: bool,
    /// The file could be read by others, until now.
    pub(super) tightened: bool,
}

/// The credentials kept in `directory`; makes them if there are none.
pub(super) fn keep(directory: &Path) -> Result<Kept, ConfigError> {
    let path = directory.join(FILE_NAME);
    let wrong = |why: String| ConfigError::Credentials { path: path.clone(), why };
    match File::open(&path) {
        Ok(file) => {
            let tightened = tighten(&file).map_err(|e| wrong(format!("cannot make it private: {e}")))?;
            let text = io::read_to_string(file).map_err(|e| wrong(e.to_string()))?;
            let credentials = parse(&Zeroizing::new(text)).map_err(wrong)?;
            Ok(Kept { credentials, path, made: false, tightened })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let credentials = make();
            data_dir::write_whole(&path, render(&credentials).as_bytes())
                .map_err(|e| wrong(e.to_string()))?;
            Ok(Kept { credentials, path, made: true, tightened: false })
        }
        Err(error) => Err(wrong(error.to_string())),
    }
}

/// Takes everybody's rights but the owner's away; says whether there were any.
///
/// Refusing to start would be safer only in appearance: whoever could read the token has read it. The
/// operator is told, and the hole is closed.
fn tighten(file: &File) -> io::Result<bool> {
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(false);
    }
    file.set_permissions(Permissions::from_mode(FILE_MODE))?;
    Ok(true)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    account_sid: String,
    auth_token: Secret,
}

/// Reads the file's text. What is wrong is said without quoting it: the parser's own messages would.
fn parse(text: &str) -> Result<Credentials, String> {
    let advice = "; delete it to have new credentials made";
    let contents: Contents = toml::from_str(text).map_err(|e| {
        let at = e.span().map_or(0, |span| span.start.min(text.len()));
        let line = 1 + text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count();
        format!("line {line} is not what the node writes there{advice}")
    })?;
    let wrong = |key, expected| format!("`{key}` is not {expected}{advice}");
    Ok(Credentials {
        account_sid: value::account_sid(&contents.account_sid).map_err(|e| wrong("account_sid", e))?,
        auth_token: value::auth_token(contents.auth_token.expose()).map_err(|e| wrong("auth_token", e))?,
    })
}

fn render(credentials: &Credentials) -> Zeroizing<String> {
    // Both are plain ASCII without quotes or backslashes: we made them.
    Zeroizing::new(format!(
        "# Made by confab at its first start. Whoever reads this can use the API.\n\
         account_sid = \"{}\"\nauth_token = \"{}\"\n",
        credentials.account_sid,
        credentials.auth_token.expose()
    ))
}

fn make() -> Credentials {
    Credentials { account_sid: format!("AC{}", random_hex()), auth_token: Secret::new(random_hex()) }
}

/// 128 random bits: out of reach of guessing, and the length that the API's clients expect.
fn random_hex() -> String {
    let mut bytes = Zeroizing::new([0_u8; 16]);
    getrandom::fill(bytes.as_mut()).expect("the system gives entropy once it has booted");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn credentials_are_made_once_and_read_afterwards() {
        let home = tempfile::tempdir().unwrap();
        let first = keep(home.path()).unwrap();
        let second = keep(home.path()).unwrap();
        assert!(first.made && !second.made && !second.tightened);
        assert_eq!(first.credentials.account_sid, second.credentials.account_sid);
        assert!(second.credentials.auth_token.matches(first.credentials.auth_token.expose().as_bytes()));
        assert_eq!(first.credentials.auth_token.expose().len(), 32);
    }

    #[test]
    fn two_directories_have_different_credentials() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (one, other) = (keep(one.path()).unwrap(), keep(other.path()).unwrap());
        assert_ne!(one.credentials.account_sid, other.credentials.account_sid);
        assert_ne!(one.credentials.auth_token.expose(), other.credentials.auth_token.expose());
    }

    #[test]
    fn made_credentials_are_for_their_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let kept = keep(home.path()).unwrap();
        assert_eq!(mode(&kept.path), 0o600);
    }

    #[test]
    fn a_file_others_can_read_is_closed_to_them_and_reported() {
        let home = tempfile::tempdir().unwrap();
        let path = keep(home.path()).unwrap().path;
        for loose in [0o640, 0o604, 0o666] {
            fs::set_permissions(&path, Permissions::from_mode(loose)).unwrap();
            assert!(keep(home.path()).unwrap().tightened, "{loose:o}");
            assert_eq!(mode(&path), 0o600);
        }
    }

    #[test]
    fn a_damaged_file_is_refused_without_being_quoted() {
        let home = tempfile::tempdir().unwrap();
        let sid = format!("account_sid = \"AC{}\"\n", "0".repeat(32));
        let cases = [
            String::new(),
            sid.clone(),
            format!("{sid}auth_token = \"hunter2"),
            format!("{sid}auth_token = 4711"),
            format!("{sid}auth_token = \"hunter 2\""),
            format!("{sid}auth_token = \"hunter2\"\nextra = \"hunter2\""),
            "account_sid = \"hunter2\"\nauth_token = \"x\"".to_owned(),
        ];
        for text in cases {
            fs::write(home.path().join(FILE_NAME), &text).unwrap();
            let Err(error) = keep(home.path()) else { panic!("accepted {text:?}") };
            let error = error.to_string();
            assert!(error.starts_with("cannot use the kept credentials "), "{error}");
            assert!(!error.contains("hunter") && !error.contains("4711"), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
