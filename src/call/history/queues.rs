//! Queues that somebody defined over the API, as documents of the store, and back into the model when the node starts. Those
//! that scripts made are not kept: they are made again when somebody waits in them.

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use tracing::warn;
use zeroize::Zeroizing;

use crate::call::queue::{QUEUE_SIZE_MAX, QueueView};
use crate::call::sid::QueueSid;
use crate::store::{Document, Store, StoreError};

/// What its document is called.
const KIND: &str = "queue";

/// What becomes of a queue's definition.
#[derive(Clone, Debug)]
pub enum QueueDefinition {
    /// It is this from now on.
    Is(QueueView),
    /// It is no more.
    IsGone(QueueSid),
}

/// A definition as it is written. Times are microseconds since 1970.
#[derive(Serialize, Deserialize)]
struct Written {
    friendly_name: String,
    max_size: usize,
    created: i64,
    updated: i64,
}

impl QueueDefinition {
    /// Writes it down. Does not wait.
    ///
    /// # Errors
    /// When the store has no room for it: then the node that starts next knows what was written before.
    pub fn keep(&self, store: &Store) -> Result<(), StoreError> {
        let view = match self {
            Self::Is(view) => view,
            Self::IsGone(sid) => return store.try_remove_document(KIND, &sid.to_string()),
        };
        let written = Written {
            friendly_name: view.friendly_name.clone(),
            max_size: view.max_size,
            created: view.created.timestamp_micros(),
            updated: view.updated.timestamp_micros(),
        };
        store.try_put_document(Document {
            kind: KIND.to_owned(),
            sid: view.sid.to_string(),
            account: view.account.to_string(),
            body: Zeroizing::new(serde_json::json!(written).to_string()),
        })
    }
}

/// The queues that were defined before, the oldest first. One that cannot be read is left out, with a line in the log.
pub(in crate::call) async fn defined_queues(store: &Store) -> Result<Vec<QueueView>, StoreError> {
    let documents = store.documents(KIND).await?;
    let mut queues: Vec<QueueView> = documents.iter().filter_map(read).collect();
    queues.sort_by_key(|queue| queue.created);
    Ok(queues)
}

fn read(document: &Document) -> Option<QueueView> {
    let view = || {
        let written: Written = serde_json::from_str(&document.body).ok()?;
        Some(QueueView {
            sid: document.sid.parse().ok()?,
            account: document.account.parse().ok()?,
            friendly_name: written.friendly_name,
            current_size: 0,
            max_size: written.max_size.min(QUEUE_SIZE_MAX),
            average_wait: std::time::Duration::ZERO,
            created: DateTime::from_timestamp_micros(written.created)?,
            updated: DateTime::from_timestamp_micros(written.updated)?,
        })
    };
    let read = view();
    if read.is_none() {
        warn!(queue = document.sid, "a queue in the database cannot be read; it is left out");
    }
    read
}
