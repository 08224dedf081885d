//! Last callbacks that applications are to get when a call or conference ends. They are written when it begins, and taken
//! away behind the callback itself, by the same writer: whatever a node that dies leaves here was not told.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use zeroize::Zeroizing;

use super::Store;
use super::error::StoreError;
use super::records::{Record, put};
use super::statement::Statement;
use super::writer::Importance;

/// Whom to tell of an end.
#[derive(Clone, PartialEq, Eq)]
pub struct PromiseRow {
    /// The SID of the call or conference.
    pub key: String,
    /// Where; it may hold passwords.
    pub url: Zeroizing<String>,
    /// By GET instead of POST.
    pub is_get: bool,
    /// The number of the callback.
    pub number: i64,
}

impl std::fmt::Debug for PromiseRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PromiseRow").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Store {
    /// Keeps a promise, in the place of what was promised for the same before, and the record of what it is about. Does not
    /// wait.
    ///
    /// # Errors
    /// When the queue is full: then nothing is told if the node dies.
    pub fn try_promise(&self, row: PromiseRow, of: Record) -> Result<(), StoreError> {
        self.try_write(put(of), Importance::Lasting)?;
        let promise = Statement::new(
            "INSERT INTO promises (key, url, is_get, number) VALUES (?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET url = excluded.url, is_get = excluded.is_get, number = excluded.number",
        );
        let promise = promise.with(row.key).with(row.url).with(row.is_get).with(row.number);
        self.try_write(promise, Importance::Lasting)
    }

    /// Forgets a promise: it was kept. Does not wait.
    ///
    /// # Errors
    /// When the queue is full: then it is kept once more at the next start, with the same idempotency token.
    pub fn try_forget_promise(&self, key: &str) -> Result<(), StoreError> {
        let forget = Statement::new("DELETE FROM promises WHERE key = ?").with(key);
        self.try_write(forget, Importance::Lasting)
    }

    /// All promises. At the start these are of as many calls and conferences as lived when the node died.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn promises(&self) -> Result<Vec<PromiseRow>, StoreError> {
        let sql = "SELECT key, url, is_get, number FROM promises ORDER BY key";
        let rows = sqlx::query(sql).fetch_all(&self.inner.readers).await?;
        let promise = |row: &SqliteRow| {
            Ok(PromiseRow {
                key: row.try_get(0)?,
                url: Zeroizing::new(row.try_get(1)?),
                is_get: row.try_get(2)?,
                number: row.try_get(3)?,
            })
        };
        rows.iter().map(promise).collect()
    }
}
