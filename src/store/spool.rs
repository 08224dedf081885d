//! Callbacks that no application has taken yet, in the order in which they came. What a callback is, is the business of
//! whoever puts it here.

use std::fmt;

use sqlx::Row;
use zeroize::Zeroizing;

use super::Store;
use super::error::StoreError;
use super::statement::Statement;
use super::writer::Importance;

/// A callback in the spool.
#[derive(Clone, PartialEq, Eq)]
pub struct SpooledJob {
    /// Unlike every other's.
    pub id: String,
    /// What it is; it may hold digits that somebody dialled.
    pub body: Zeroizing<String>,
}

impl fmt::Debug for SpooledJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpooledJob").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Store {
    /// Keeps a callback, after all that were put before. Does not wait. One that `is_last` also takes the queue's
    /// reserved places.
    ///
    /// # Errors
    /// When the queue is full.
    pub fn try_put_job(&self, job: SpooledJob, is_last: bool) -> Result<(), StoreError> {
        let put = Statement::new("INSERT OR IGNORE INTO spool (id, body) VALUES (?, ?)");
        let importance = if is_last { Importance::Lasting } else { Importance::Passing };
        self.try_write(put.with(job.id).with(job.body), importance)
    }

    /// Forgets a callback. Does not wait.
    ///
    /// # Errors
    /// When the queue is full: then it is given again at the next start.
    pub fn try_remove_job(&self, id: &str) -> Result<(), StoreError> {
        self.try_write(Statement::new("DELETE FROM spool WHERE id = ?").with(id), Importance::Lasting)
    }

    /// The callbacks that were put and not removed before this, the oldest first, `limit` at most.
    ///
    /// # Errors
    /// When they cannot be read, or what waited to be written could not be.
    pub async fn pending_jobs(&self, limit: usize) -> Result<Vec<SpooledJob>, StoreError> {
        self.flush().await?;
        let rows = sqlx::query("SELECT id, body FROM spool ORDER BY seq LIMIT ?")
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.inner.readers)
            .await?;
        let job = |row: &sqlx::sqlite::SqliteRow| {
            Ok(SpooledJob { id: row.try_get(0)?, body: Zeroizing::new(row.try_get(1)?) })
        };
        rows.iter().map(job).collect()
    }
}
