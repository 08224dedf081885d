//! What the ends of calls and conferences are promised to whom, as rows of the store; and after a restart the news of those
//! that ended with the node.

use tracing::warn;
use zeroize::Zeroizing;

use super::rows::{RowError, call_record, call_view, conference_record, conference_view};
use crate::call::conference_news::{ConferenceNews, ConferenceStep};
use crate::call::news::{CallNews, CallStep, News, Promise, Promised};
use crate::call::voice::{HttpMethod, VoiceUrl};
use crate::store::{PromiseRow, Record, Store, StoreError};

impl Promise {
    /// Writes it down. Does not wait.
    ///
    /// # Errors
    /// When the store has no room for it: then nothing is told if the node dies.
    pub fn keep(self, store: &Store) -> Result<(), StoreError> {
        let (key, record): (String, Record) = match &self.of {
            Promised::Call(view) => (view.sid.to_string(), call_record(view)),
            Promised::Conference(view) => (view.sid.to_string(), conference_record(view)),
        };
        let row = PromiseRow {
            key,
            url: Zeroizing::new(self.to.url),
            is_get: self.to.method == HttpMethod::Get,
            number: self.number.into(),
        };
        store.try_promise(row, record)
    }
}

/// The ends that were promised and not told before the node started, by the SIDs of what ended. One that nothing is known
/// of any more has no news.
///
/// # Errors
/// When they cannot be read.
pub async fn owed_ends(store: &Store) -> Result<Vec<(String, Option<News>)>, StoreError> {
    let mut owed = Vec::new();
    for row in store.promises().await? {
        let key = row.key.clone();
        let news = end_of(store, row).await?;
        owed.push((key, news));
    }
    Ok(owed)
}

async fn end_of(store: &Store, row: PromiseRow) -> Result<Option<News>, StoreError> {
    let method = if row.is_get { HttpMethod::Get } else { HttpMethod::Post };
    let to = VoiceUrl { url: row.url.to_string(), method };
    let number = u32::try_from(row.number).unwrap_or_default();
    let news = if let Some(call) = store.call(&row.key).await? {
        call_view(call)
            .map(|call| News::Call(Box::new(CallNews { to, step: CallStep::Completed, number, call })))
    } else if let Some(conference) = store.conference(&row.key).await? {
        conference_view(conference).map(|conference| {
            let (at, step) = (conference.updated, ConferenceStep::Ended { label: None });
            News::Conference(Box::new(ConferenceNews { to, number, at, conference, step }))
        })
    } else {
        return Ok(None);
    };
    Ok(news.inspect_err(|error: &RowError| warn!(sid = row.key, %error, "its end cannot be told")).ok())
}
