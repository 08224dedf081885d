//! The directory over a shelf in memory, and over the store.

mod access;
mod accounts;
mod numbers;
mod restart;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::shelf::MemoryShelf;
use super::*;

const TOKEN: &str = "the main account's token";

/// A directory, what it is written on, and its main account.
struct Desk {
    directory: Directory,
    shelf: Arc<MemoryShelf>,
    main: AccountSid,
}

impl Desk {
    async fn new() -> Self {
        Self::over(AccountSid::generate(), Arc::new(MemoryShelf::default())).await
    }

    async fn over(main: AccountSid, shelf: Arc<MemoryShelf>) -> Self {
        let account = MainAccount { sid: main, auth_token: Secret::new(TOKEN.to_owned()) };
        let directory = Directory::open(account, shelf.clone()).await.expect("a shelf in memory");
        Self { directory, shelf, main }
    }

    /// What a node that starts again finds.
    async fn again(&self) -> Self {
        Self::over(self.main, Arc::clone(&self.shelf)).await
    }

    fn break_shelf(&self) {
        self.shelf.is_broken.store(true, Ordering::SeqCst);
    }

    async fn account(&self) -> AccountSid {
        self.directory.create_account(None).await.expect("room").sid
    }

    async fn set_status(&self, account: AccountSid, status: AccountStatus) -> Result<(), DirectoryError> {
        let change = AccountChange { status: Some(status), ..AccountChange::default() };
        self.directory.change_account(account, change).await.map(drop)
    }

    async fn number(&self, account: AccountSid, number: &str, url: &str) -> Arc<IncomingNumber> {
        let change = NumberChange { voice: asks(url), ..NumberChange::default() };
        let number = number.parse().expect("a number");
        let made = self.directory.create_number(account, number, NumberKind::Local, change).await;
        made.expect("a free number")
    }

    fn authenticate(&self, user: impl ToString, password: &str) -> Result<Principal, NotAuthenticated> {
        self.directory.authenticate(user.to_string().as_bytes(), password.as_bytes())
    }
}

fn asks(url: &str) -> VoiceChange {
    VoiceChange { url: Some(Some(url.to_owned())), ..VoiceChange::default() }
}
