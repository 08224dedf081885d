//! What a node can say of a payment afterwards: when keys were withheld, from whom, and what was left of them; signed, so
//! that whoever keeps it can show that it is the node's. The signature is a JSON Web Signature (RFC 7515) of the kind
//! EdDSA (RFC 8037), which needs only the node's public key to be checked.
//!
//! Each is a file in the data directory. It holds no digit, and what it is based on holds none.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SecondsFormat, Utc};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::call::{CaptureEnd, Listeners};
use crate::sid::{AccountSid, CallSid, PaymentSid};

/// The node's key, in the data directory.
const KEY_FILE: &str = "attestation.key";

/// The folder of attestations, in the data directory.
const FOLDER: &str = "attestations";

/// The longest attestation that is read: one that names as many listeners of each kind as are kept takes two thirds of it.
const FILE_BYTES_MAX: u64 = 1_024 * 1_024;

/// Signs, keeps and finds attestations.
pub struct Seal {
    key: Ed25519KeyPair,
    /// The name of the key: the beginning of its hash.
    name: String,
    folder: PathBuf,
}

/// What is attested.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Which payment.
    pub payment: PaymentSid,
    /// Of which call.
    pub call: CallSid,
    /// Whose.
    pub account: AccountSid,
    /// When keys were withheld first.
    pub begun: DateTime<Utc>,
    /// When not any more.
    pub ended: DateTime<Utc>,
    /// How the payment ended.
    pub result: &'static str,
    /// What was measured, and who listened; nothing if the media thread is gone, and with it what it knew.
    pub capture: Option<CaptureEnd>,
    /// Whether what was typed was in memory that is never swapped out.
    pub memory_locked: bool,
    /// Whether no core dump could have held it.
    pub core_dumps_off: bool,
}

impl Seal {
    /// The one of a data directory; its key is made where there is none.
    ///
    /// # Errors
    /// When it cannot be read or made.
    pub fn open(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join(KEY_FILE);
        let pkcs8 = match fs::read(&path) {
            Ok(kept) => kept,
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_key(&path)?,
            Err(error) => return Err(error),
        };
        let wrong = |error| io::Error::other(format!("{}: {error}", path.display()));
        let key = Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(wrong)?;
        let hash = Sha256::digest(key.public_key().as_ref());
        let name = URL_SAFE_NO_PAD.encode(&hash[..12]);
        let folder = data_dir.join(FOLDER);
        fs::create_dir_all(&folder)?;
        Ok(Self { key, name, folder })
    }

    /// One that nothing is kept under, for tests.
    #[cfg(test)]
    pub(crate) fn blank() -> Self {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("entropy");
        let key = Ed25519KeyPair::from_pkcs8(made.as_ref()).expect("a key");
        Self { key, name: "blank".to_owned(), folder: PathBuf::from("none") }
    }

    /// The public key (RFC 7517 §4, RFC 8037 §2).
    pub fn public_key(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.key.public_key().as_ref());
        json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.name, "x": x})
    }

    /// Signs a statement: the statement, and beside it the signature of just these words.
    pub fn sign(&self, statement: &Statement) -> Value {
        let statement = statement.to_json();
        let header = json!({"alg": "EdDSA", "kid": self.name, "typ": "JWT"});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&statement));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes()).as_ref());
        json!({"statement": statement, "jws": format!("{signed}.{signature}")})
    }

    /// Signs a statement and keeps it. Blocks.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn keep(&self, statement: &Statement) -> io::Result<()> {
        let path = self.path(statement.payment);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(self.sign(statement).to_string().as_bytes())?;
        file.sync_all()
    }

    /// The attestation of a payment of this account, if there is one. Blocks.
    ///
    /// # Errors
    /// When the disk does not give it.
    pub fn find(&self, payment: PaymentSid, account: AccountSid) -> io::Result<Option<Value>> {
        let file = match fs::File::open(self.path(payment)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut text = String::new();
        file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
        let found: Value = serde_json::from_str(&text).map_err(io::Error::other)?;
        let is_theirs = found["statement"]["account_sid"] == account.to_string();
        Ok(is_theirs.then_some(found))
    }

    fn path(&self, payment: PaymentSid) -> PathBuf {
        self.folder.join(format!("{payment}.json"))
    }
}

/// Deletes the attestations of a data directory that were made so long ago; how many there were. Blocks.
///
/// # Errors
/// When the disk does not tell or delete.
pub fn tidy(data_dir: &Path, age: Duration, now: SystemTime) -> io::Result<usize> {
    let mut deleted = 0;
    for entry in fs::read_dir(data_dir.join(FOLDER))? {
        let entry = entry?;
        let made = entry.metadata()?.modified()?;
        // What seems to be from the future is new.
        let is_old = now.duration_since(made).is_ok_and(|since| since > age);
        if is_old && entry.path().extension().is_some_and(|kind| kind == "json") {
            fs::remove_file(entry.path())?;
            deleted += 1;
        }
    }
    Ok(deleted)
}

/// A key that nobody but the node can read.
fn make_key(path: &Path) -> io::Result<Vec<u8>> {
    let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
    let made = made.map_err(|_| io::Error::other("the system gives no entropy"))?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(made.as_ref())?;
    file.sync_all()?;
    Ok(made.as_ref().to_vec())
}

impl Statement {
    fn to_json(&self) -> Value {
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
        json!({
            "payment_sid": self.payment.to_string(),
            "call_sid": self.call.to_string(),
            "account_sid": self.account.to_string(),
            "begun": time(self.begun),
            "ended": time(self.ended),
            "result": self.result,
            "node": concat!("confab ", env!("CARGO_PKG_VERSION")),
            "masking": self.capture.as_ref().map(masking),
            "listeners": self.capture.as_ref().map(|end| listeners(&end.listeners)),
            "memory_locked": self.memory_locked,
            "core_dumps_off": self.core_dumps_off,
        })
    }
}

fn masking(end: &CaptureEnd) -> Value {
    let measured = &end.attestation;
    json!({
        "first_tick": measured.first_tick.map(|tick| tick.0),
        "ticks": measured.ticks,
        "masked_ticks": measured.masked_ticks,
        "residual_max_dbfs": measured.residual_max.map(|level| f64::from(level.hundredths()) / 100.0),
        "keys_let_through": measured.keys_let_through,
        "keys_captured": measured.digits,
        "keys_lost": measured.digits_lost,
    })
}

fn listeners(listeners: &Listeners) -> Value {
    let calls: Vec<String> = listeners.calls.iter().map(ToString::to_string).collect();
    let recordings: Vec<String> = listeners.recordings.iter().map(ToString::to_string).collect();
    let streams: Vec<String> = listeners.streams.iter().map(ToString::to_string).collect();
    let all_named = !listeners.are_more;
    json!({"calls": calls, "recordings": recordings, "streams": streams, "all_named": all_named})
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use ring::signature::{ED25519, UnparsedPublicKey};
    use tempfile::TempDir;

    use super::*;

    fn statement() -> Statement {
        Statement {
            payment: PaymentSid::generate(),
            call: CallSid::generate(),
            account: AccountSid::generate(),
            begun: Utc::now(),
            ended: Utc::now(),
            result: "success",
            capture: Some(CaptureEnd { attestation: Default::default(), listeners: Listeners::default() }),
            memory_locked: true,
            core_dumps_off: true,
        }
    }

    /// What the signature is of, if it is the key's.
    fn verified(seal: &Seal, jws: &str) -> Option<Value> {
        let key = seal.public_key();
        let key = URL_SAFE_NO_PAD.decode(key["x"].as_str()?).ok()?;
        let (signed, signature) = jws.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        UnparsedPublicKey::new(&ED25519, key).verify(signed.as_bytes(), &signature).ok()?;
        let payload = URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
        serde_json::from_slice(&payload).ok()
    }

    #[test]
    fn an_attestation_is_signed_kept_and_found_by_whose_it_is() {
        let home = TempDir::new().unwrap();
        let seal = Seal::open(home.path()).unwrap();
        let statement = statement();
        seal.keep(&statement).unwrap();
        // The node starts again, with the same key.
        let seal = Seal::open(home.path()).unwrap();
        let found = seal.find(statement.payment, statement.account).unwrap().unwrap();
        let signed = verified(&seal, found["jws"].as_str().unwrap()).unwrap();
        assert_eq!(signed, found["statement"]);
        assert_eq!(signed["payment_sid"], statement.payment.to_string());
        assert_eq!(seal.find(statement.payment, AccountSid::generate()).unwrap(), None);
        assert_eq!(seal.find(PaymentSid::generate(), statement.account).unwrap(), None);
        let mode = fs::metadata(home.path().join(KEY_FILE)).unwrap().mode();
        assert_eq!(mode & 0o077, 0);
    }

    #[test]
    fn what_is_older_than_it_may_be_is_deleted_and_nothing_else() {
        let home = TempDir::new().unwrap();
        let seal = Seal::open(home.path()).unwrap();
        let [one, other] = [statement(), statement()];
        seal.keep(&one).unwrap();
        seal.keep(&other).unwrap();
        fs::write(home.path().join(FOLDER).join("notes.txt"), "somebody's own").unwrap();
        let (day, now) = (Duration::from_secs(86_400), SystemTime::now());
        let aged = fs::File::options().write(true).open(seal.path(one.payment)).unwrap();
        aged.set_modified(now - 2 * day).unwrap();
        assert_eq!(tidy(home.path(), 3 * day, now).unwrap(), 0);
        assert_eq!(tidy(home.path(), day, now).unwrap(), 1);
        assert_eq!(seal.find(one.payment, one.account).unwrap(), None);
        assert!(seal.find(other.payment, other.account).unwrap().is_some());
        assert_eq!(tidy(home.path(), Duration::ZERO, now - day).unwrap(), 0, "a clock that was set back");
        assert_eq!(tidy(home.path(), Duration::ZERO, now + day).unwrap(), 1);
        assert_eq!(fs::read_dir(home.path().join(FOLDER)).unwrap().count(), 1);
    }

    #[test]
    fn what_is_changed_afterwards_is_seen() {
        let home = TempDir::new().unwrap();
        let seal = Seal::open(home.path()).unwrap();
        let signed = seal.sign(&statement());
        let jws = signed["jws"].as_str().unwrap();
        assert!(verified(&seal, jws).is_some());
        let (head, rest) = jws.split_once('.').unwrap();
        let other = rest.replacen('e', "f", 1);
        assert!(verified(&seal, &format!("{head}.{other}")).is_none());
    }
}
