//! Lists and fetches over model and store: the inside of [`Handle`].

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tracing::warn;

use super::Unkept;
use super::merge::{merged, stored_part};
use super::rows::{call_query, call_view, conference_query, conference_view};
use crate::call::handle::{CallError, Handle, Request};
use crate::call::sid::{AccountSid, CallSid, ConferenceSid};
use crate::call::view::{
    CallFilter, CallView, ConferenceFilter, ConferenceStatus, ConferenceView, Page, PageRequest,
};
use crate::store::{Part, Store, StoreError};

impl Handle {
    pub(in crate::call) async fn list_all_calls(
        &self,
        store: &Store,
        filter: CallFilter,
        request: PageRequest,
    ) -> Result<Page<CallView>, CallError> {
        let asked = filter.clone();
        let unkept = self.ask(|reply| Request::UnkeptCalls(asked, first(request), reply)).await?;
        let (offset, limit) = stored_part(request, unkept.matching);
        let part = Part { except: &unkept.names, offset, limit };
        let rows = match store.calls(&call_query(&filter), part).await {
            Ok(rows) => rows,
            Err(error) => {
                unreadable(&error);
                return self.ask(|reply| Request::ListCalls(filter, request, reply)).await;
            }
        };
        let stored = rows.into_iter().filter_map(|row| call_view(row).inspect_err(odd).ok()).collect();
        Ok(merged(unkept.first, stored, offset, request, CallView::age))
    }

    pub(in crate::call) async fn list_all_conferences(
        &self,
        store: &Store,
        filter: ConferenceFilter,
        request: PageRequest,
    ) -> Result<Page<ConferenceView>, CallError> {
        let asked = filter.clone();
        let unkept = self.ask(|reply| Request::UnkeptConferences(asked, first(request), reply)).await?;
        let (offset, limit) = stored_part(request, unkept.matching);
        let part = Part { except: &unkept.names, offset, limit };
        let rows = match store.conferences(&conference_query(&filter), part).await {
            Ok(rows) => rows,
            Err(error) => {
                unreadable(&error);
                return self.ask(|reply| Request::ListConferences(filter, request, reply)).await;
            }
        };
        let view = |row| conference_view(row).inspect_err(odd).ok();
        let stored = rows.into_iter().filter_map(view).collect();
        Ok(merged(unkept.first, stored, offset, request, ConferenceView::age))
    }

    /// A call that the model does not hold any more.
    pub(in crate::call) async fn stored_call(
        &self,
        store: &Store,
        sid: CallSid,
    ) -> Result<CallView, CallError> {
        let row = store.call(&sid.to_string()).await.inspect_err(unreadable).ok().flatten();
        let view = row.and_then(|row| call_view(row).inspect_err(odd).ok());
        view.filter(|view| self.reaches(view.account)).ok_or(CallError::NoCall)
    }

    /// A conference that the model does not hold any more.
    pub(in crate::call) async fn stored_conference(
        &self,
        store: &Store,
        sid: ConferenceSid,
    ) -> Result<ConferenceView, CallError> {
        let row = store.conference(&sid.to_string()).await.inspect_err(unreadable).ok().flatten();
        let view = row.and_then(|row| conference_view(row).inspect_err(odd).ok());
        view.filter(|view| self.reaches(view.account)).ok_or(CallError::NoConference)
    }

    fn reaches(&self, account: AccountSid) -> bool {
        self.account.is_none_or(|own| own == account)
    }

    /// Waits until all that is over is on record. Whether it is; not, if that takes longer than `patience`.
    pub async fn recorded(&self, patience: Duration) -> bool {
        let all_kept = async {
            while let Ok(owed) = self.ask(Request::Owed).await {
                let is_over = |conference: &ConferenceView| conference.status == ConferenceStatus::Completed;
                let calls = owed.calls.iter().any(|call| call.status.is_final());
                if !calls && !owed.conferences.iter().any(is_over) {
                    return;
                }
                sleep(LOOK_AGAIN).await;
            }
        };
        self.store.is_none() || timeout(patience, all_kept).await.is_ok()
    }

    /// Forgets a call that is over.
    pub(in crate::call) async fn forget_call(&self, sid: CallSid) -> Result<(), CallError> {
        let forgotten = self.ask(|reply| Request::ForgetCall(sid, reply)).await;
        let Some(store) = &self.store else {
            return forgotten;
        };
        match forgotten {
            Ok(()) => {}
            Err(CallError::NoCall) => drop(self.stored_call(store, sid).await?),
            Err(other) => return Err(other),
        }
        store.forget_call(&sid.to_string()).await.map_err(|error| {
            warn!(call = %sid, %error, "the record of a call was not deleted");
            CallError::Overloaded
        })
    }
}

/// How often it is looked whether all is on record, when the node stops. A write takes some milliseconds.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How many of a list's first items a page may need: one more than there are up to its end tells whether there is a next.
fn first(request: PageRequest) -> usize {
    request.page.saturating_add(1).saturating_mul(request.size).saturating_add(1)
}

fn unreadable(error: &StoreError) {
    warn!(%error, "records of earlier calls cannot be read");
}

fn odd(error: &super::rows::RowError) {
    warn!(%error, "a record of an earlier call cannot be understood");
}

/// What lists are ordered by, the largest first: to the microsecond, which is what the store keeps.
pub(in crate::call) type Age<S> = (i64, S);

impl CallView {
    pub(in crate::call) fn age(&self) -> Age<CallSid> {
        (self.created.timestamp_micros(), self.sid)
    }
}

impl ConferenceView {
    pub(in crate::call) fn age(&self) -> Age<ConferenceSid> {
        (self.created.timestamp_micros(), self.sid)
    }
}

impl<T> Unkept<T> {
    /// Of all that are not kept, those that were asked for.
    pub(in crate::call) fn of<'a, K: Ord>(
        all: impl Iterator<Item = &'a T>,
        takes: impl Fn(&T) -> bool,
        name: impl Fn(&T) -> String,
        age: impl Fn(&T) -> K,
        count: usize,
    ) -> Self
    where
        T: Clone + 'a,
    {
        let mut names = Vec::new();
        let mut taken: Vec<&T> = Vec::new();
        for thing in all {
            names.push(name(thing));
            if takes(thing) {
                taken.push(thing);
            }
        }
        // In order already, unless the clock was set back.
        taken.sort_by_key(|thing| std::cmp::Reverse(age(thing)));
        Self { matching: taken.len(), first: taken.into_iter().take(count).cloned().collect(), names }
    }
}
