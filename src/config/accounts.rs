//! What single accounts may do, where it differs from what the node says for all.

use std::collections::BTreeMap;
use std::fmt;

use super::OutboundAllow;

/// The most accounts with terms of their own in the file.
pub(super) const ACCOUNTS_MAX: usize = 1_000;

/// What one account may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountTerms {
    /// What it may dial, of what the node allows. Default: all of that.
    pub allow: Option<OutboundAllow>,
    /// Calls that it may begin over the API in a second. Default: as the node says for all.
    pub calls_per_second: Option<u32>,
    /// Calls that the node makes for it at a time. Default: as many as the node has.
    pub max_calls: Option<usize>,
}

impl fmt::Display for AccountTerms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let allow = self.allow.as_ref().map(|allow| format!("may dial {allow}"));
        let rate = self.calls_per_second.map(|rate| format!("{rate} calls a second"));
        let most = self.max_calls.map(|most| format!("{most} calls at a time"));
        let said: Vec<String> = [allow, rate, most].into_iter().flatten().collect();
        f.write_str(&said.join(", "))
    }
}

/// The accounts that have terms of their own, by their SID.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts(BTreeMap<String, AccountTerms>);

impl Accounts {
    pub(super) const fn new(accounts: BTreeMap<String, AccountTerms>) -> Self {
        Self(accounts)
    }

    /// The terms of the account with this SID, if it has its own.
    pub fn terms(&self, sid: &str) -> Option<&AccountTerms> {
        self.0.get(sid)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &AccountTerms)> {
        self.0.iter()
    }
}
