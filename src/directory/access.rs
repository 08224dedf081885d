//! Who is let in, and to what.
//!
//! An account acts for itself. The main account also acts for those below it, with its token; a key of its acts for no
//! other account, but one that is a main key may manage them. A standard key manages neither accounts nor keys. So it
//! is with the original, whose code for each of these refusals is 20003.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::Directory;
use super::account::Account;
use super::signing::SigningKey;
use crate::sid::{AccountSid, KeySid};

/// SHA-256 of a token or secret.
///
/// Both are 128 random bits, which nobody guesses however fast the hash is. The operator's own token may be weaker, and
/// is in memory only.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Digest([u8; 32]);

impl Digest {
    pub(super) fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The account whose credentials were brought.
    pub account: AccountSid,
    /// Which of its credentials.
    pub kind: PrincipalKind,
}

/// With what somebody authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrincipalKind {
    /// The account's name and token.
    Account,
    /// A key that may manage accounts and keys.
    MainKey,
    /// A key that may not.
    StandardKey,
}

/// Why somebody was not let in. Both are told alike to whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAuthenticated {
    /// The name or the password is wrong.
    Unknown,
    /// Both are right, and the account is suspended or closed.
    Inactive(AccountSid),
}

/// What a request is about, as far as that decides who may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Accounts themselves.
    Accounts,
    /// Keys.
    Keys,
    /// Anything else that an account has.
    Resources,
}

/// Why somebody who was let in may not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// As far as they can see there is no such account.
    NoAccount,
    /// It takes the account's token or a main key.
    StandardKey,
    /// It takes the main account's token: a key acts for its own account only.
    KeyOfAnother,
    /// The account is suspended or closed: there is only reading left, and deleting.
    Inactive,
}

/// A user name that may authenticate, and with what.
#[derive(Clone, Copy)]
pub(super) struct Credential {
    pub(super) principal: Principal,
    pub(super) digest: Digest,
}

impl Directory {
    /// Who this user is, if the password is theirs. As long a work whichever of both is wrong.
    ///
    /// # Errors
    /// When one is wrong, or the account is not active.
    pub fn authenticate(&self, user: &[u8], password: &[u8]) -> Result<Principal, NotAuthenticated> {
        let offered = Digest::of(password);
        let tables = self.tables();
        let found = std::str::from_utf8(user).ok().and_then(|user| tables.credential(user));
        // Without such a user the password is compared all the same, with what nobody has.
        let expected = found.map_or(Digest([0; 32]), |credential| credential.digest);
        let is_theirs = bool::from(offered.0.ct_eq(&expected.0));
        let principal = found.filter(|_| is_theirs).ok_or(NotAuthenticated::Unknown)?.principal;
        let is_active = tables.accounts.get(principal.account).is_some_and(|account| account.is_active());
        is_active.then_some(principal).ok_or(NotAuthenticated::Inactive(principal.account))
    }

    /// Whether `who` may do something with what `account` has; `changes` if it makes or changes something.
    ///
    /// # Errors
    /// When they may not.
    pub fn check(
        &self,
        who: Principal,
        account: AccountSid,
        subject: Subject,
        changes: bool,
    ) -> Result<(), Denied> {
        let is_own = who.account == account;
        if !is_own && who.account != self.main() {
            return Err(Denied::NoAccount);
        }
        if who.kind == PrincipalKind::StandardKey && subject != Subject::Resources {
            return Err(Denied::StandardKey);
        }
        let found = self.tables().accounts.get(account).map(|account| account.is_active());
        let is_active = found.ok_or(Denied::NoAccount)?;
        if !is_own && who.kind != PrincipalKind::Account && subject != Subject::Accounts {
            return Err(Denied::KeyOfAnother);
        }
        if !is_active && changes && subject != Subject::Accounts {
            return Err(Denied::Inactive);
        }
        Ok(())
    }

    /// The token of an account, which signs the requests made in its name. Without if there is no such account.
    pub fn auth_token(&self, account: AccountSid) -> Option<crate::config::Secret> {
        if account == self.main() {
            return Some(self.0.main.auth_token.clone());
        }
        self.tables().accounts.get(account)?.auth_token.clone()
    }

    /// What checks the access tokens of a key, and whose key it is. Without if there is no such key, or if it was made by a
    /// node that did not know of tokens.
    pub fn signing_key(&self, sid: KeySid) -> Option<(AccountSid, SigningKey)> {
        let tables = self.tables();
        let key = tables.keys.get(sid)?;
        Some((key.account, key.signing.clone()?))
    }

    /// Whether there is such an account and it may be used.
    pub fn is_active(&self, account: AccountSid) -> bool {
        self.tables().accounts.get(account).is_some_and(|account| Account::is_active(account))
    }
}
