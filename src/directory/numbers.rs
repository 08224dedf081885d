//! What is done with incoming numbers: called, taken in, changed, moved, given up.

use std::sync::Arc;

use chrono::Utc;

use super::Directory;
use super::change::{Done, Part, check_count, part};
use super::error::{DirectoryError, Limited};
use super::number::{
    Called, CalledNumber, IncomingNumber, NUMBERS_MAX, NumberChange, NumberFilter, NumberKind, PhoneNumber,
};
use crate::sid::{AccountSid, PhoneNumberSid};

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

    pub(super) async fn put_number(&self, number: IncomingNumber) -> Done<IncomingNumber> {
        self.write(&number).await?;
        let number = Arc::new(number);
        self.see(|tables| tables.put_number(Arc::clone(&number)));
        Ok(number)
    }
}
