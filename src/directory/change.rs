//! What makes, changes and removes: looked at, written down, then seen.

use std::sync::Arc;

use chrono::Utc;

use super::account::{Account, AccountChange, AccountFilter, AccountStatus, SUB_ACCOUNTS_MAX};
use super::application::{APPLICATIONS_MAX, Application, ApplicationChange};
use super::error::{DirectoryError, Limited};
use super::key::{KEYS_MAX, Key};
use super::number::IncomingNumber;
use super::register::{Record, Register};
use super::shelf::ShelfError;
use super::tables::Tables;
use super::{Directory, shelf};
use crate::config::Secret;
use crate::sid::{AccountSid, ApplicationSid, KeySid};

pub(super) type Done<T> = Result<Arc<T>, DirectoryError>;

/// Part of a list, newest first, and whether there is more behind it.
pub type Part<T> = (Vec<Arc<T>>, bool);

/// Accounts.
impl Directory {
    /// An account.
    pub fn account(&self, sid: AccountSid) -> Option<Arc<Account>> {
        self.tables().accounts.get(sid).cloned()
    }

    /// The accounts that `who` sees: the main one all, any other itself.
    pub fn accounts(
        &self,
        who: AccountSid,
        filter: &AccountFilter,
        skip: usize,
        take: usize,
    ) -> Part<Account> {
        let sees = |account: &Account| who == self.main() || account.sid == who;
        part(&self.tables().accounts, |account| sees(account) && filter.takes(account), skip, take)
    }

    /// Makes an account below the main one.
    ///
    /// # Errors
    /// When there are too many, or it cannot be written down.
    pub async fn create_account(&self, friendly_name: Option<String>) -> Done<Account> {
        self.alone(move |this| async move {
            // One of them is the main account.
            if this.tables().accounts.len() > SUB_ACCOUNTS_MAX {
                return Err(DirectoryError::TooMany { what: Limited::Accounts, max: SUB_ACCOUNTS_MAX });
            }
            let account = Account::new(friendly_name);
            this.write(&account).await?;
            Ok(this.see(|tables| tables.put_account(account)))
        })
        .await
    }

    /// Changes an account. One that is closed gives up its numbers.
    ///
    /// # Errors
    /// When there is none, when its status cannot be changed, or when it cannot be written down.
    pub async fn change_account(&self, sid: AccountSid, change: AccountChange) -> Done<Account> {
        self.alone(move |this| async move {
            let mut account = Account::clone(&*this.account(sid).ok_or(DirectoryError::NotFound)?);
            match change.status {
                Some(_) if sid == this.main() => return Err(DirectoryError::MainStatus),
                Some(status)
                    if account.status == AccountStatus::Closed && status != AccountStatus::Closed =>
                {
                    return Err(DirectoryError::Closed);
                }
                Some(status) => account.status = status,
                None => {}
            }
            if let Some(name) = change.friendly_name {
                account.friendly_name = name;
            }
            account.updated = Utc::now();
            this.write(&account).await?;
            let account = this.see(|tables| tables.put_account(account));
            if account.status == AccountStatus::Closed {
                this.give_up_numbers(sid).await?;
            }
            Ok(account)
        })
        .await
    }

    /// Should this be cut short, the rest goes when the directory is next read.
    async fn give_up_numbers(&self, account: AccountSid) -> Result<(), DirectoryError> {
        let numbers: Vec<_> = self.tables().numbers.of_account(account).map(|number| number.sid).collect();
        for sid in numbers {
            self.erase::<IncomingNumber>(sid).await?;
            self.see(|tables| tables.remove_number(sid));
        }
        Ok(())
    }
}

/// Keys.
impl Directory {
    /// A key of this account.
    pub fn key(&self, account: AccountSid, sid: KeySid) -> Option<Arc<Key>> {
        self.tables().keys.find(account, sid).cloned()
    }

    /// The keys of this account.
    pub fn keys(&self, account: AccountSid, skip: usize, take: usize) -> Part<Key> {
        part(&self.tables().keys, |key| key.account == account, skip, take)
    }

    /// Makes a key, and tells its secret, this once.
    ///
    /// # Errors
    /// When the account has too many, or it cannot be written down.
    pub async fn create_key(
        &self,
        account: AccountSid,
        friendly_name: String,
        is_main: bool,
    ) -> Result<(Arc<Key>, Secret), DirectoryError> {
        self.alone(move |this| async move {
            check_count(&this.tables().keys, account, Limited::Keys, KEYS_MAX)?;
            let (key, secret) = Key::new(account, friendly_name, is_main);
            let key = this.put(key, |tables| &mut tables.keys).await?;
            Ok((key, secret))
        })
        .await
    }

    /// Gives a key another name.
    ///
    /// # Errors
    /// When the account has no such key, or it cannot be written down.
    pub async fn change_key(
        &self,
        account: AccountSid,
        sid: KeySid,
        friendly_name: Option<String>,
    ) -> Done<Key> {
        self.alone(move |this| async move {
            let mut key = Key::clone(&*this.key(account, sid).ok_or(DirectoryError::NotFound)?);
            if let Some(name) = friendly_name {
                key.friendly_name = name;
            }
            key.updated = Utc::now();
            this.put(key, |tables| &mut tables.keys).await
        })
        .await
    }

    /// Takes a key back: nobody is let in with it any more.
    ///
    /// # Errors
    /// When the account has no such key, or it cannot be written down.
    pub async fn delete_key(&self, account: AccountSid, sid: KeySid) -> Result<(), DirectoryError> {
        self.alone(move |this| async move {
            this.key(account, sid).ok_or(DirectoryError::NotFound)?;
            this.erase::<Key>(sid).await?;
            this.see(|tables| tables.keys.remove(sid));
            Ok(())
        })
        .await
    }
}

/// Applications.
impl Directory {
    /// An application of this account.
    pub fn application(&self, account: AccountSid, sid: ApplicationSid) -> Option<Arc<Application>> {
        self.tables().applications.find(account, sid).cloned()
    }

    /// The applications of this account, all or those of one name.
    pub fn applications(
        &self,
        account: AccountSid,
        friendly_name: Option<&str>,
        skip: usize,
        take: usize,
    ) -> Part<Application> {
        let takes = |found: &Application| {
            found.account == account && friendly_name.is_none_or(|name| name == found.friendly_name)
        };
        part(&self.tables().applications, takes, skip, take)
    }

    /// Makes an application.
    ///
    /// # Errors
    /// When the account has too many, or it cannot be written down.
    pub async fn create_application(
        &self,
        account: AccountSid,
        wanted: ApplicationChange,
    ) -> Done<Application> {
        self.alone(move |this| async move {
            check_count(&this.tables().applications, account, Limited::Applications, APPLICATIONS_MAX)?;
            this.put(Application::new(account, wanted), |tables| &mut tables.applications).await
        })
        .await
    }

    /// Changes an application. Calls that come from now on see it.
    ///
    /// # Errors
    /// When the account has no such application, or it cannot be written down.
    pub async fn change_application(
        &self,
        account: AccountSid,
        sid: ApplicationSid,
        change: ApplicationChange,
    ) -> Done<Application> {
        self.alone(move |this| async move {
            let found = this.application(account, sid).ok_or(DirectoryError::NotFound)?;
            let mut application = Application::clone(&found);
            application.change(change);
            application.updated = Utc::now();
            this.put(application, |tables| &mut tables.applications).await
        })
        .await
    }

    /// Removes an application. Numbers that refer to it go by their own settings again.
    ///
    /// # Errors
    /// When the account has no such application, or it cannot be written down.
    pub async fn delete_application(
        &self,
        account: AccountSid,
        sid: ApplicationSid,
    ) -> Result<(), DirectoryError> {
        self.alone(move |this| async move {
            this.application(account, sid).ok_or(DirectoryError::NotFound)?;
            let refers = |number: &&Arc<IncomingNumber>| number.application == Some(sid);
            let numbers: Vec<_> = this.tables().numbers.newest_first().filter(refers).cloned().collect();
            for number in numbers {
                this.put_number(IncomingNumber { application: None, ..IncomingNumber::clone(&number) })
                    .await?;
            }
            this.erase::<Application>(sid).await?;
            this.see(|tables| tables.applications.remove(sid));
            Ok(())
        })
        .await
    }
}

/// What all of them do.
impl Directory {
    /// Carries a change out, one at a time, and to its end though nobody may wait for it any more: what is written down
    /// must be seen.
    pub(super) async fn alone<T, F>(&self, change: impl FnOnce(Self) -> F) -> Result<T, DirectoryError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, DirectoryError>> + Send + 'static,
    {
        let (directory, work) = (self.clone(), change(self.clone()));
        let task = tokio::spawn(async move {
            let _changing = directory.0.changing.lock().await;
            work.await
        });
        task.await.unwrap_or_else(|_| Err(ShelfError("the change was cut short".to_owned()).into()))
    }

    async fn put<R: Record>(&self, record: R, place: fn(&mut Tables) -> &mut Register<R>) -> Done<R> {
        self.write(&record).await?;
        let record = Arc::new(record);
        self.see(|tables| place(tables).put(Arc::clone(&record)));
        Ok(record)
    }

    pub(super) async fn write<R: Record>(&self, record: &R) -> Result<(), DirectoryError> {
        Ok(self.0.shelf.put(shelf::document(record)?).await?)
    }

    pub(super) async fn erase<R: Record>(&self, sid: R::Sid) -> Result<(), DirectoryError> {
        Ok(self.0.shelf.remove(R::KIND, &sid.to_string()).await?)
    }
}

pub(super) fn check_count<R: Record>(
    register: &Register<R>,
    account: AccountSid,
    what: Limited,
    max: usize,
) -> Result<(), DirectoryError> {
    match register.of_account(account).count() >= max {
        true => Err(DirectoryError::TooMany { what, max }),
        false => Ok(()),
    }
}

pub(super) fn part<R: Record>(
    register: &Register<R>,
    takes: impl Fn(&R) -> bool,
    skip: usize,
    take: usize,
) -> Part<R> {
    let mut rest = register.newest_first().filter(|record| takes(record)).skip(skip);
    let items = rest.by_ref().take(take).cloned().collect();
    (items, rest.next().is_some())
}
