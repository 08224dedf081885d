//! What the directory knows, and the ways to find it.

use std::collections::HashMap;
use std::sync::Arc;

use tracing::warn;

use super::MainAccount;
use super::access::{Credential, Digest, Principal, PrincipalKind};
use super::account::{Account, AccountStatus};
use super::application::Application;
use super::error::DirectoryError;
use super::key::Key;
use super::number::{IncomingNumber, PhoneNumber};
use super::register::{Record, Register};
use super::shelf::Shelf;
use crate::sid::{AccountSid, PhoneNumberSid};
use crate::store::Document;

/// What the directory knows.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) accounts: Register<Account>,
    pub(super) keys: Register<Key>,
    pub(super) applications: Register<Application>,
    pub(super) numbers: Register<IncomingNumber>,
    /// The numbers by what people dial.
    by_number: HashMap<PhoneNumber, PhoneNumberSid>,
    /// Digests of accounts' tokens: to hash one for each request would tell by the time it takes that there is one.
    tokens: HashMap<AccountSid, Digest>,
}

impl Tables {
    /// All that was written down.
    ///
    /// What belongs to no account is passed over with a line in the log: its account was the main one once, before the
    /// configuration named another, and will be found again if it does again.
    pub(super) async fn read(main: &MainAccount, shelf: &dyn Shelf) -> Result<Self, DirectoryError> {
        let mut accounts: Vec<Account> = records(shelf).await?;
        accounts.retain(|account| account.sid == main.sid || account.auth_token.is_some());
        for account in accounts.iter_mut().filter(|account| account.sid == main.sid) {
            // It may have been another's once. Nothing but the configuration decides about the main account.
            (account.auth_token, account.status) = (None, AccountStatus::Active);
        }
        let statuses: HashMap<_, _> = accounts.iter().map(|account| (account.sid, account.status)).collect();
        let mut tables = Self {
            keys: Register::of(owned(records(shelf).await?, &statuses)),
            applications: Register::of(owned(records(shelf).await?, &statuses)),
            ..Self::default()
        };
        accounts.sort_by_key(|account| account.created);
        for account in accounts {
            tables.put_account(account);
        }
        let mut numbers: Vec<IncomingNumber> = owned(records(shelf).await?, &statuses);
        // The closing of an account may have been cut short.
        numbers.retain(|number| statuses.get(&number.account) != Some(&AccountStatus::Closed));
        numbers.sort_by_key(|number| number.created);
        for number in numbers {
            tables.put_number(Arc::new(number));
        }
        Ok(tables)
    }

    pub(super) fn put_account(&mut self, account: Account) -> Arc<Account> {
        if let Some(token) = &account.auth_token {
            self.tokens.insert(account.sid, Digest::of(token.expose().as_bytes()));
        }
        let account = Arc::new(account);
        self.accounts.put(Arc::clone(&account));
        account
    }

    /// The main account's token is not on the shelf.
    pub(super) fn put_main_token(&mut self, main: &MainAccount) {
        self.tokens.insert(main.sid, Digest::of(main.auth_token.expose().as_bytes()));
    }

    pub(super) fn put_number(&mut self, number: Arc<IncomingNumber>) {
        self.by_number.insert(number.number.clone(), number.sid);
        self.numbers.put(number);
    }

    pub(super) fn remove_number(&mut self, sid: PhoneNumberSid) {
        if let Some(number) = self.numbers.remove(sid) {
            self.by_number.remove(&number.number);
        }
    }

    pub(super) fn number(&self, number: &PhoneNumber) -> Option<&Arc<IncomingNumber>> {
        self.numbers.get(*self.by_number.get(number)?)
    }

    pub(super) fn credential(&self, user: &str) -> Option<Credential> {
        if let Ok(account) = user.parse::<AccountSid>() {
            let digest = *self.tokens.get(&account)?;
            return Some(Credential {
                principal: Principal { account, kind: PrincipalKind::Account },
                digest,
            });
        }
        let key = self.keys.get(user.parse().ok()?)?;
        let kind = if key.is_main { PrincipalKind::MainKey } else { PrincipalKind::StandardKey };
        Some(Credential { principal: Principal { account: key.account, kind }, digest: key.digest })
    }
}

async fn records<R: Record>(shelf: &dyn Shelf) -> Result<Vec<R>, DirectoryError> {
    let read = |document: Document| {
        serde_json::from_str(&document.body).map_err(|error| DirectoryError::Unreadable {
            kind: R::KIND,
            // Not the error's words, which may repeat a secret.
            why: format!("{} at column {} of {}", reason(&error), error.column(), document.sid),
        })
    };
    shelf.documents(R::KIND).await?.into_iter().map(read).collect()
}

fn reason(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Io | serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Syntax => "it is no JSON",
        serde_json::error::Category::Data => "a value is not of the right kind, or is missing",
    }
}

fn owned<R: Record>(records: Vec<R>, accounts: &HashMap<AccountSid, AccountStatus>) -> Vec<R> {
    let (ours, others): (Vec<R>, Vec<R>) =
        records.into_iter().partition(|record| accounts.contains_key(&record.account()));
    if !others.is_empty() {
        let (kind, count) = (R::KIND, others.len());
        warn!(kind, count, "documents of an account that is not on this node were passed over");
    }
    ours
}
