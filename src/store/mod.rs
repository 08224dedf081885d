//! What outlives the process: one SQLite database, `confab.db`, in the data directory.
//!
//! It knows rows and nothing of the model: what a row means is the business of whoever keeps it here. All writes go
//! through one task, which takes what waits and commits it at once; reads go through a few connections of their own
//! and never wait for it.
//!
//! ```text
//! note, try_put_job ── try_send ──┐
//! put_document, write ── send ────┴─▶ bounded queue ─▶ writer ─▶ one transaction ─▶ confab.db
//! documents, find_calls … ───────────────────────────────────── 4 readers ────────────┘
//! ```
//!
//! Nothing here is on the way of a call. What cannot be kept is dropped, counted, and said once in the log:
//!
//! - Full queue: what may be lost (a notification, an exchange, a callback about progress) is dropped and counted, and
//!   the last [`StoreSettings::reserved`] places are for what should not be (last callbacks, callbacks that are done).
//!   Who can wait for room does: documents, and the follower that writes the records of calls.
//! - A disk that refuses: `confab_store_failing` is 1 until it takes writes again. Who waits is told; what should not
//!   be lost is tried again, as much as the queue's length; the rest is dropped and counted.
//! - A database that cannot be read at the start is moved aside, and a new one begun. If none can be made, the node
//!   runs from a small one in memory, and documents are refused.

mod connect;
mod document;
mod error;
mod figures;
mod note;
mod promise;
mod records;
mod spool;
mod statement;
mod tend;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use sqlx::SqlitePool;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::telemetry::Metrics;

pub use document::Document;
pub use error::StoreError;
pub use note::{ExchangeRow, NotificationQuery, NotificationRow};
pub use promise::PromiseRow;
pub use records::{
    Between, CallQuery, CallRow, ConferenceQuery, ConferenceRow, Part, ParticipantRow, Record,
};
pub use spool::SpooledJob;

use connect::Database;
use figures::Figures;
use statement::Statement;
use writer::{Importance, Write, Writer};

/// The database's file in the data directory.
pub const FILE: &str = "confab.db";

/// How much the store takes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreSettings {
    /// Writes that wait for the writer at a time. Default 16,384: some seconds of a busy node, 16 MB at worst.
    pub queue: usize,
    /// Places in the queue that only take what should not be lost. Default 4,096.
    pub reserved: usize,
    /// The most pages (of 4 KiB) that the database may have. Default none.
    pub pages_max: Option<u32>,
    /// How long rows are kept.
    pub retention: Retention,
}

/// How long rows are kept after their last change; without a time, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Calls that are over. Default 30 days.
    pub calls: Option<Duration>,
    /// Conferences that are over, and who was in them. Default 30 days.
    pub conferences: Option<Duration>,
    /// Notifications, and what applications were asked and answered. Default 30 days.
    pub notifications: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Self {
        let month = Some(Duration::from_secs(30 * 24 * 3_600));
        Self { calls: month, conferences: month, notifications: month }
    }
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self { queue: 16_384, reserved: 4_096, pages_max: None, retention: Retention::default() }
    }
}

/// The database. Cheap to clone: a clone is the same.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    readers: SqlitePool,
    writes: mpsc::Sender<Write>,
    reserved: usize,
    /// It is in memory because no file could be had.
    is_makeshift: bool,
    figures: Arc<Figures>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("is_makeshift", &self.inner.is_makeshift).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database of a data directory, and makes it where there is none. One that cannot be read is moved
    /// aside; if none can be had, the log says so and the store is in memory.
    ///
    /// # Errors
    /// When not even that can be had.
    pub async fn open(dir: &Path, settings: StoreSettings, metrics: &Metrics) -> Result<Self, StoreError> {
        let database = connect::open(&dir.join(FILE), settings.pages_max).await?;
        Ok(Self::start(database, settings, metrics))
    }

    /// A store that ends with the process, for tests.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub async fn in_memory(settings: StoreSettings, metrics: &Metrics) -> Result<Self, StoreError> {
        let database = connect::in_memory(settings.pages_max).await?;
        Ok(Self::start(database, settings, metrics))
    }

    /// A store without tables, for tests that need none: it takes and gives nothing.
    #[cfg(test)]
    pub(crate) fn blank() -> Self {
        let settings = StoreSettings { queue: 2, ..StoreSettings::default() };
        Self::start(connect::blank(), settings, &Metrics::new())
    }

    fn start(database: Database, settings: StoreSettings, metrics: &Metrics) -> Self {
        let figures = Arc::new(Figures::new(metrics));
        figures.failing.set(i64::from(database.is_makeshift));
        let (writes, waiting) = mpsc::channel(settings.queue);
        let writer =
            Writer::new(database.writer, settings.queue, database.is_makeshift, Arc::clone(&figures));
        tokio::spawn(writer.run(waiting));
        let inner = Inner {
            readers: database.readers,
            writes,
            reserved: settings.reserved.min(settings.queue / 2),
            is_makeshift: database.is_makeshift,
            figures,
        };
        let inner = Arc::new(inner);
        tend::start(&inner, settings.retention);
        Self { inner }
    }

    /// Whether it is in memory because no file could be had.
    pub fn is_makeshift(&self) -> bool {
        self.inner.is_makeshift
    }

    /// Waits until all that was handed in before is in the database.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.write(Vec::new()).await
    }

    /// Writes what waits, as far as it can be within `patience`. Says whether all was.
    pub async fn stop(&self, patience: Duration) -> bool {
        matches!(timeout(patience, self.flush()).await, Ok(Ok(())))
    }

    /// Writes all of it in one transaction; answers when it is done. Waits for room in the queue.
    async fn write(&self, statements: Vec<Statement>) -> Result<(), StoreError> {
        self.send(statements, false).await
    }

    /// The same, and lets no loss of power undo it.
    async fn write_durably(&self, statements: Vec<Statement>) -> Result<(), StoreError> {
        self.send(statements, true).await
    }

    async fn send(&self, statements: Vec<Statement>, is_durable: bool) -> Result<(), StoreError> {
        let (write, done) = Write::answered(statements, is_durable);
        self.inner.writes.send(write).await.map_err(|_| StoreError::Closed)?;
        done.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Runs SQL of a test.
    #[cfg(test)]
    pub(crate) async fn run(&self, sql: &'static str) -> Result<(), StoreError> {
        self.write(vec![Statement::new(sql)]).await
    }

    /// Hands a statement in without waiting. What is dropped is counted.
    fn try_write(&self, statement: Statement, importance: Importance) -> Result<(), StoreError> {
        let writes = &self.inner.writes;
        let has_room = match importance {
            Importance::Lasting => true,
            Importance::Passing => writes.capacity() > self.inner.reserved,
        };
        let sent = if has_room {
            writes.try_send(Write::unanswered(statement, importance)).map_err(|_| StoreError::Full)
        } else {
            Err(StoreError::Full)
        };
        sent.inspect_err(|_| self.inner.figures.dropped.increment())
    }
}

/// Microseconds since 1970.
fn now() -> i64 {
    Utc::now().timestamp_micros()
}
