//! All records of a kind: found by name, listed from the newest to the oldest.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::sid::AccountSid;

/// What the directory keeps.
pub(super) trait Record: Serialize + DeserializeOwned {
    /// Its name.
    type Sid: Copy + Eq + Hash + fmt::Display;
    /// What its documents are filed under.
    const KIND: &'static str;

    fn sid(&self) -> Self::Sid;
    fn account(&self) -> AccountSid;
    fn created(&self) -> DateTime<Utc>;
}

/// The records of a kind.
pub(super) struct Register<R: Record> {
    by_sid: HashMap<R::Sid, (u64, Arc<R>)>,
    by_age: BTreeMap<u64, R::Sid>,
    next: u64,
}

impl<R: Record> Default for Register<R> {
    fn default() -> Self {
        Self { by_sid: HashMap::new(), by_age: BTreeMap::new(), next: 0 }
    }
}

impl<R: Record> Register<R> {
    /// Those that were written down, in any order.
    pub(super) fn of(mut records: Vec<R>) -> Self {
        records.sort_by_key(Record::created);
        let mut register = Self::default();
        for record in records {
            register.put(Arc::new(record));
        }
        register
    }

    pub(super) fn get(&self, sid: R::Sid) -> Option<&Arc<R>> {
        self.by_sid.get(&sid).map(|(_, record)| record)
    }

    /// One of this account.
    pub(super) fn find(&self, account: AccountSid, sid: R::Sid) -> Option<&Arc<R>> {
        self.get(sid).filter(|record| record.account() == account)
    }

    /// Puts a new one first in the lists, a known one in its place.
    pub(super) fn put(&mut self, record: Arc<R>) {
        let sid = record.sid();
        let age = self.by_sid.get(&sid).map_or(self.next, |(age, _)| *age);
        self.next = self.next.max(age + 1);
        self.by_age.insert(age, sid);
        self.by_sid.insert(sid, (age, record));
    }

    pub(super) fn remove(&mut self, sid: R::Sid) -> Option<Arc<R>> {
        let (age, record) = self.by_sid.remove(&sid)?;
        self.by_age.remove(&age);
        Some(record)
    }

    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Arc<R>> {
        self.by_age.values().rev().filter_map(|sid| self.get(*sid))
    }

    /// Those of this account, in any order.
    pub(super) fn of_account(&self, account: AccountSid) -> impl Iterator<Item = &Arc<R>> {
        self.by_sid.values().map(|(_, record)| record).filter(move |record| record.account() == account)
    }

    pub(super) fn len(&self) -> usize {
        self.by_sid.len()
    }
}
