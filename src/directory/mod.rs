//! Who may use the node, and what their numbers mean: accounts, their keys, applications and incoming phone numbers.
//!
//! All of it is in memory, for every request and every call asks; a change is first written down ([`Shelf`]) and
//! only then seen. Readers share one lock, under which nobody waits; those who change wait for each other.
//!
//! ```text
//! authenticate, number, application ──► Tables ◄── seen ── change ── written ──► Shelf
//! ```

mod access;
mod account;
mod application;
mod change;
mod error;
mod key;
mod login;
mod number;
mod numbers;
mod register;
mod shelf;
mod signing;
mod tables;
#[cfg(test)]
mod tests;
mod voice;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::Mutex;
use tracing::warn;

pub use access::{Denied, NotAuthenticated, Principal, PrincipalKind, Subject};
pub use account::{Account, AccountChange, AccountFilter, AccountStatus};
pub use application::{Application, ApplicationChange};
pub use change::Part;
pub use error::{DirectoryError, Limited};
pub use key::Key;
pub use login::{LOGIN_IDLE_MAX, LOGIN_MAX, Logins};
pub use number::{
    Called, CalledNumber, IncomingNumber, NotANumber, NumberChange, NumberFilter, NumberKind, PhoneNumber,
};
pub use shelf::{Shelf, ShelfError};
pub use signing::{SIGNATURE_LEN, SigningKey};
pub use voice::{Method, VoiceChange, VoiceSettings};

use crate::config::Secret;
use crate::sid::AccountSid;
use tables::Tables;

/// The longest name that anything here may have, in characters.
pub const FRIENDLY_NAME_MAX: usize = 64;

/// The account that owns the node and all others: its credentials are the configuration's.
#[derive(Clone, Debug)]
pub struct MainAccount {
    /// Its name.
    pub sid: AccountSid,
    /// Its password.
    pub auth_token: Secret,
}

/// The directory. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Directory(Arc<Inner>);

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").field("main", &self.main()).finish_non_exhaustive()
    }
}

struct Inner {
    main: MainAccount,
    tables: RwLock<Tables>,
    shelf: Arc<dyn Shelf>,
    /// Held from the look at what there is to the moment when the change is seen.
    changing: Mutex<()>,
}

impl Directory {
    /// Reads what was written down. The main account is there even if nothing was.
    ///
    /// # Errors
    /// When the shelf fails, or holds what cannot be read: to go on without it would lock people out.
    pub async fn open(main: MainAccount, shelf: Arc<dyn Shelf>) -> Result<Self, DirectoryError> {
        let mut tables = Tables::read(&main, shelf.as_ref()).await?;
        if tables.accounts.get(main.sid).is_none() {
            let account = Account::main(&main);
            // Of the main account there is nothing yet that would be missed: the node can do without.
            if let Err(error) = shelf.put(shelf::document(&account)?).await {
                warn!(%error, "the main account was not written down");
            }
            tables.put_account(account);
        }
        tables.put_main_token(&main);
        Ok(Self(Arc::new(Inner { main, tables: RwLock::new(tables), shelf, changing: Mutex::new(()) })))
    }

    /// One with the main account only, that forgets all when it is dropped.
    #[cfg(test)]
    pub(crate) fn in_memory(main: MainAccount) -> Self {
        let mut tables = Tables::default();
        tables.put_account(Account::main(&main));
        tables.put_main_token(&main);
        let shelf = Arc::new(shelf::MemoryShelf::default());
        Self(Arc::new(Inner { main, tables: RwLock::new(tables), shelf, changing: Mutex::new(()) }))
    }

    /// The account that owns the others.
    pub fn main(&self) -> AccountSid {
        self.0.main.sid
    }

    fn tables(&self) -> RwLockReadGuard<'_, Tables> {
        self.0.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is seen. No look at the tables is under way meanwhile, and none waits long: `change` does nothing
    /// but put and remove.
    fn see<T>(&self, change: impl FnOnce(&mut Tables) -> T) -> T {
        change(&mut self.0.tables.write().unwrap_or_else(PoisonError::into_inner))
    }
}
