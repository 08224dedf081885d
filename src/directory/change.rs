//! What makes, changes and removes: looked at, written down, then seen.

use std::sync::Arc;

use chrono::Utc;

use super::account::{Account, AccountChange, AccountFilter, AccountStatus, SUB_ACCOUNTS_MAX};
use super::application::{APPLICATIONS_MAX, Application, ApplicationChange};
use super::error::{DirectoryError, Limited};
use super::key::{KEYS_MAX, Key};
use super::number::{
    Called, CalledNumber, IncomingNumber, NUMBERS_MAX, NumberChange, NumberFilter, NumberKind, PhoneNumber,
};
use super::register::{Record, Register};
use super::shelf::ShelfError;
use super::tables::Tables;
use super::{Directory, shelf};
use crate::config::Secret;
use crate::sid::{AccountSid, ApplicationSid, KeySid, PhoneNumberSid};

type Done<T> = Result<Arc<T>, DirectoryError>;

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

/// Incoming phone numbers.
impl Directory {
    /// What happens to a call for the user `called` of this node, if that is one of its numbers, with or without its `+`.
    pub fn number(&self, called: &str) -> Option<Called> {
        let number = PhoneNumber::of_user(called)?;
        let tables = self.tables();
        let found = tables.number(&number)?;
        if !tables.accounts.get(found.account).is_some_and(|account| account.is_active()) {
            return Some(Called::Inactive(found.account));
        }
        let application = found.application.and_then(|sid| tables.applications.find(found.account, sid));
        let voice = application.map_or(&found.voice, |application| &application.voice);
        let (script, told) = (voice.script(), voice.told());
        Some(Called::Reached(CalledNumber { sid: found.sid, account: found.account, script, told }))
    }

    /// An incoming number of this account.
    pub fn incoming_number(&self, account: AccountSid, sid: PhoneNumberSid) -> Option<Arc<IncomingNumber>> {
        self.tables().numbers.find(account, sid).cloned()
    }

    /// The incoming numbers of this account.
    pub fn incoming_numbers(
        &self,
        account: AccountSid,
        filter: &NumberFilter,
        skip: usize,
        take: usize,
    ) -> Part<IncomingNumber> {
        let takes = |number: &IncomingNumber| number.account == account && filter.takes(number);
        part(&self.tables().numbers, takes, skip, take)
    }

    /// Takes a number in.
    ///
    /// # Errors
    /// When it is on the node already, when its application is not there, when the account has too many numbers, or
    /// when it cannot be written down.
    pub async fn create_number(
        &self,
        account: AccountSid,
        number: PhoneNumber,
        kind: NumberKind,
        wanted: NumberChange,
    ) -> Done<IncomingNumber> {
        self.alone(move |this| async move {
            if this.tables().number(&number).is_some() {
                return Err(DirectoryError::NumberTaken);
            }
            check_count(&this.tables().numbers, account, Limited::Numbers, NUMBERS_MAX)?;
            let number = IncomingNumber::new(account, number, kind, wanted);
            this.check_application(&number)?;
            this.put_number(number).await
        })
        .await
    }

    /// Changes a number, or moves it to another account, where its application does not follow it.
    ///
    /// # Errors
    /// When the account has no such number, when the account to move it to is not there or not active, when its application
    /// is not there, or when it cannot be written down.
    pub async fn change_number(
        &self,
        account: AccountSid,
        sid: PhoneNumberSid,
        change: NumberChange,
    ) -> Done<IncomingNumber> {
        self.alone(move |this| async move {
            let found = this.incoming_number(account, sid).ok_or(DirectoryError::NotFound)?;
            if let Some(target) = change.account.filter(|target| *target != account) {
                this.check_target(target)?;
            }
            let mut number = IncomingNumber::clone(&found);
            let application = change.application;
            number.change(change);
            if application.is_some() {
                this.check_application(&number)?;
            }
            number.updated = Utc::now();
            this.put_number(number).await
        })
        .await
    }

    /// Gives a number up.
    ///
    /// # Errors
    /// When the account has no such number, or it cannot be written down.
    pub async fn delete_number(
        &self,
        account: AccountSid,
        sid: PhoneNumberSid,
    ) -> Result<(), DirectoryError> {
        self.alone(move |this| async move {
            this.incoming_number(account, sid).ok_or(DirectoryError::NotFound)?;
            this.erase::<IncomingNumber>(sid).await?;
            this.see(|tables| tables.remove_number(sid));
            Ok(())
        })
        .await
    }

    fn check_target(&self, target: AccountSid) -> Result<(), DirectoryError> {
        let account = self.account(target).ok_or(DirectoryError::NoTarget)?;
        if !account.is_active() {
            return Err(DirectoryError::TargetInactive);
        }
        check_count(&self.tables().numbers, target, Limited::Numbers, NUMBERS_MAX)
    }

    fn check_application(&self, number: &IncomingNumber) -> Result<(), DirectoryError> {
        match number.application {
            Some(sid) if self.application(number.account, sid).is_none() => {
                Err(DirectoryError::NoApplication)
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn put_number(&self, number: IncomingNumber) -> Done<IncomingNumber> {
        self.write(&number).await?;
        let number = Arc::new(number);
        self.see(|tables| tables.put_number(Arc::clone(&number)));
        Ok(number)
    }
}

/// What all of them do.
impl Directory {
    /// Carries a change out, one at a time, and to its end though nobody may wait for it any more: what is written down
    /// must be seen.
    async fn alone<T, F>(&self, change: impl FnOnce(Self) -> F) -> Result<T, DirectoryError>
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

    async fn write<R: Record>(&self, record: &R) -> Result<(), DirectoryError> {
        Ok(self.0.shelf.put(shelf::document(record)?).await?)
    }

    async fn erase<R: Record>(&self, sid: R::Sid) -> Result<(), DirectoryError> {
        Ok(self.0.shelf.remove(R::KIND, &sid.to_string()).await?)
    }
}

fn check_count<R: Record>(
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

fn part<R: Record>(register: &Register<R>, takes: impl Fn(&R) -> bool, skip: usize, take: usize) -> Part<R> {
    let mut rest = register.newest_first().filter(|record| takes(record)).skip(skip);
    let items = rest.by_ref().take(take).cloned().collect();
    (items, rest.next().is_some())
}
