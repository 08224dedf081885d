//! Why the store did not do what it was asked.

use std::sync::Arc;

/// Why something was not kept or found.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// More waits to be written than there is room for.
    #[error("the store's queue is full")]
    Full,
    /// The store has been stopped.
    #[error("the store is closed")]
    Closed,
    /// There is no file, and what is asked for must outlive the process.
    #[error("the database could not be opened when the node started, so nothing can be kept")]
    Makeshift,
    /// The database, or the disk below it, failed.
    #[error("the database failed: {0}")]
    Database(Arc<sqlx::Error>),
    /// The database is of another make than this node knows.
    #[error("the database's tables are not those of this version: {0}")]
    Migration(Arc<sqlx::migrate::MigrateError>),
    /// The database contradicts itself.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// The file cannot be made or moved.
    #[error("the database's file cannot be used: {0}")]
    File(Arc<std::io::Error>),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Self::Migration(Arc::new(error))
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        Self::File(Arc::new(error))
    }
}

impl StoreError {
    /// Whether the file is no database, or a damaged one.
    pub(super) fn is_damage(&self) -> bool {
        use sqlx::migrate::MigrateError;
        match self {
            Self::Damaged(_) => true,
            Self::Database(error) => says_damage(error),
            Self::Migration(error) => {
                matches!(&**error, MigrateError::Execute(e) | MigrateError::ExecuteMigration(e, _) if says_damage(e))
            }
            Self::Full | Self::Closed | Self::Makeshift | Self::File(_) => false,
        }
    }
}

fn says_damage(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(SQLITE_CORRUPT | SQLITE_NOTADB))
}

/// Whether only the statement is wrong, and the next may do. Otherwise the disk or the database is.
pub(super) fn is_of_statement(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(SQLITE_ERROR | SQLITE_TOOBIG | SQLITE_CONSTRAINT | SQLITE_MISMATCH))
}

/// The lower byte of a result code says what happened, what is above it where.
/// See <https://www.sqlite.org/rescode.html>.
fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// SQL that cannot be run.
const SQLITE_ERROR: u32 = 1;
/// A file that is damaged.
const SQLITE_CORRUPT: u32 = 11;
/// A value that is too long.
const SQLITE_TOOBIG: u32 = 18;
/// A row that a table does not allow.
const SQLITE_CONSTRAINT: u32 = 19;
/// A value of the wrong type.
const SQLITE_MISMATCH: u32 = 20;
/// A file that is something else.
const SQLITE_NOTADB: u32 = 26;
