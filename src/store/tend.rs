//! What the store does by itself: it notes that the node lives, deletes what is old, and closes what an earlier life of
//! the node left open.

use std::sync::{Arc, Weak};
use std::time::Duration;

use sqlx::SqlitePool;
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use super::error::StoreError;
use super::statement::Statement;
use super::{Inner, Retention, Store};

/// How often it is noted that the node lives: a call that was cut off by its death is told to have ended at most so much
/// before it did.
const ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Old rows are looked for once in so many notes: every ten minutes.
const NOTES_PER_PURGE: u32 = 40;

/// Rows deleted in one transaction, so that others' writes wait some milliseconds at most.
const PURGE_BATCH: i64 = 500;

/// What is old, by when: a query for what is to be deleted, and what deletes it; both take the time and the batch.
struct Old {
    find: &'static str,
    delete: &'static str,
}

const OLD_CALLS: Old = Old {
    find: "SELECT count(*) FROM (SELECT 1 FROM calls WHERE is_final = 1 AND updated < ? LIMIT ?)",
    delete: "DELETE FROM calls WHERE sid IN (SELECT sid FROM calls WHERE is_final = 1 AND updated < ? LIMIT ?)",
};

const OLD_CONFERENCES: Old = Old {
    find: "SELECT count(*) FROM (SELECT 1 FROM conferences WHERE is_final = 1 AND updated < ? LIMIT ?)",
    delete: "DELETE FROM conferences
             WHERE sid IN (SELECT sid FROM conferences WHERE is_final = 1 AND updated < ? LIMIT ?)",
};

/// Only of conferences that are gone: one may go on for longer than rows are kept.
const OLD_PARTICIPANTS: Old = Old {
    find: "SELECT count(*) FROM (SELECT 1 FROM participants
             WHERE updated < ? AND conference NOT IN (SELECT sid FROM conferences) LIMIT ?)",
    delete: "DELETE FROM participants WHERE (conference, call) IN (SELECT conference, call FROM participants
             WHERE updated < ? AND conference NOT IN (SELECT sid FROM conferences) LIMIT ?)",
};

const OLD_NOTIFICATIONS: Old = Old {
    find: "SELECT count(*) FROM (SELECT 1 FROM notifications WHERE created < ? LIMIT ?)",
    delete: "DELETE FROM notifications WHERE sid IN (SELECT sid FROM notifications WHERE created < ? LIMIT ?)",
};

const OLD_EXCHANGES: Old = Old {
    find: "SELECT count(*) FROM (SELECT 1 FROM exchanges WHERE created < ? LIMIT ?)",
    delete: "DELETE FROM exchanges WHERE seq IN (SELECT seq FROM exchanges WHERE created < ? LIMIT ?)",
};

/// Closes records that were open when the node died: what was answered was completed, the rest failed, when the node was
/// last known to live.
pub(super) async fn close_open_records(writer: &SqlitePool) -> Result<(), sqlx::Error> {
    // The functions of SQLite that take the larger of two are null if one is.
    let statements = [
        "UPDATE calls SET status = CASE WHEN started IS NULL THEN 'failed' ELSE 'completed' END,
             ended = max(updated, coalesce((SELECT alive FROM life), 0)),
             updated = max(updated, coalesce((SELECT alive FROM life), 0)), is_final = 1
         WHERE is_final = 0",
        "UPDATE conferences SET status = 'completed',
             updated = max(updated, coalesce((SELECT alive FROM life), 0)), is_final = 1
         WHERE is_final = 0",
        "UPDATE participants SET status = 'complete',
             updated = max(updated, coalesce((SELECT alive FROM life), 0))
         WHERE status <> 'complete'",
    ];
    let mut transaction = writer.begin().await?;
    for sql in statements {
        sqlx::query(sql).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

/// Tends the store for as long as somebody has it.
pub(super) async fn tend(store: Weak<Inner>, retention: Retention) {
    let mut ticks = interval(ALIVE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for note in 0_u32.. {
        ticks.tick().await;
        let Some(inner) = store.upgrade() else { return };
        let store = Store { inner };
        // A writer that fails has said so.
        let _ = store.note_alive().await;
        if note.is_multiple_of(NOTES_PER_PURGE)
            && let Err(error) = store.purge(retention).await
        {
            warn!(%error, "what is older than `retention` was not deleted");
        }
    }
}

impl Store {
    /// Notes that the node lives now.
    pub(super) async fn note_alive(&self) -> Result<(), StoreError> {
        let note = Statement::new(
            "INSERT INTO life (one, alive) VALUES (1, ?) ON CONFLICT DO UPDATE SET alive = excluded.alive",
        );
        self.write(vec![note.with(super::now())]).await
    }

    /// Deletes what is older than it may be, some rows at a time.
    ///
    /// # Errors
    /// When rows could not be found or deleted. What was deleted before stays so.
    pub async fn purge(&self, retention: Retention) -> Result<(), StoreError> {
        self.purge_one(&OLD_CALLS, retention.calls).await?;
        self.purge_one(&OLD_CONFERENCES, retention.conferences).await?;
        self.purge_one(&OLD_PARTICIPANTS, retention.conferences).await?;
        self.purge_one(&OLD_NOTIFICATIONS, retention.notifications).await?;
        self.purge_one(&OLD_EXCHANGES, retention.notifications).await
    }

    async fn purge_one(&self, old: &Old, age: Option<Duration>) -> Result<(), StoreError> {
        let Some(age) = age else { return Ok(()) };
        let micros = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
        let before = super::now().saturating_sub(micros);
        loop {
            let found: i64 = sqlx::query_scalar(old.find)
                .bind(before)
                .bind(PURGE_BATCH)
                .fetch_one(&self.inner.readers)
                .await?;
            if found == 0 {
                return Ok(());
            }
            self.write(vec![Statement::new(old.delete).with(before).with(PURGE_BATCH)]).await?;
            self.inner.figures.purged.add(found.unsigned_abs());
        }
    }
}

pub(super) fn start(inner: &Arc<Inner>, retention: Retention) {
    tokio::spawn(tend(Arc::downgrade(inner), retention));
}
