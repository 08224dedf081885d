//! Opens the database: makes the file, checks it, brings its tables up to date, and moves aside what cannot be read.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::ConnectOptions;
use sqlx::SqlitePool;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tracing::{error, warn};

use super::error::StoreError;
use super::tend::close_open_records;

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations");

/// Only the owner may read: it holds keys, numbers and what applications were told.
const FILE_MODE: u32 = 0o600;

/// How long one connection waits for another's lock. The writer never holds one for long; a copy that is being made of
/// the file may.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections that read. A list takes some milliseconds, so four serve hundreds a second.
const READERS: u32 = 4;

/// Pages of 4 KiB of a database that is in memory for want of a file: 64 MiB, tens of thousands of calls.
const MAKESHIFT_PAGES_MAX: u32 = 16_384;

/// The files that belong to a database besides its own.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// An open database.
pub(super) struct Database {
    /// One connection.
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
    /// It is in memory because no file could be had.
    pub(super) is_makeshift: bool,
}

pub(super) async fn open(path: &Path, pages_max: Option<u32>) -> Result<Database, StoreError> {
    let opened = match open_file(path, pages_max).await {
        Err(damage) if damage.is_damage() => start_anew(path, pages_max, &damage).await,
        opened => opened,
    };
    match opened {
        Ok(database) => Ok(database),
        Err(error) => {
            error!(
                path = %path.display(), %error,
                "the database cannot be used: the node runs from memory, and forgets everything when it ends"
            );
            let database = in_memory(Some(MAKESHIFT_PAGES_MAX)).await?;
            Ok(Database { is_makeshift: true, ..database })
        }
    }
}

/// A database without a file. It has one connection, since each would have its own.
pub(super) async fn in_memory(pages_max: Option<u32>) -> Result<Database, StoreError> {
    let options = limited(SqliteConnectOptions::new().in_memory(true), pages_max);
    let pool = forever(1).connect_with(options.disable_statement_logging()).await?;
    MIGRATIONS.run(&pool).await?;
    Ok(Database { writer: pool.clone(), readers: pool, is_makeshift: false })
}

#[cfg(test)]
pub(super) fn blank() -> Database {
    let pool = forever(1).connect_lazy_with(SqliteConnectOptions::new().in_memory(true));
    Database { writer: pool.clone(), readers: pool, is_makeshift: false }
}

async fn open_file(path: &Path, pages_max: Option<u32>) -> Result<Database, StoreError> {
    make_file(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY_TIMEOUT)
        // What was deleted may have been a key or digits.
        .pragma("secure_delete", "ON")
        .disable_statement_logging();
    let writer = forever(1).connect_with(limited(options.clone(), pages_max)).await?;
    let prepared = prepare(&writer).await;
    if let Err(error) = prepared {
        writer.close().await;
        return Err(error);
    }
    let readers = forever(READERS).connect_with(options.read_only(true)).await?;
    Ok(Database { writer, readers, is_makeshift: false })
}

/// SQLite gives the files beside it the mode of the database's own.
fn make_file(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

async fn prepare(writer: &SqlitePool) -> Result<(), StoreError> {
    let verdict: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(writer).await?;
    if verdict != "ok" {
        return Err(StoreError::Damaged(verdict));
    }
    MIGRATIONS.run(writer).await?;
    Ok(close_open_records(writer).await?)
}

/// A connection lives as long as its pool: a new one would begin with another in-memory database, or find a disk that
/// fails.
fn forever(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

fn limited(options: SqliteConnectOptions, pages_max: Option<u32>) -> SqliteConnectOptions {
    match pages_max {
        Some(pages) => options.pragma("max_page_count", pages.to_string()),
        None => options,
    }
}

async fn start_anew(
    path: &Path,
    pages_max: Option<u32>,
    damage: &StoreError,
) -> Result<Database, StoreError> {
    let aside = move_aside(path)?;
    error!(
        error = %damage, moved_to = %aside.display(),
        "the database cannot be read: it was moved aside, and an empty one was begun"
    );
    open_file(path, pages_max).await
}

fn move_aside(path: &Path) -> io::Result<PathBuf> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut aside = with_suffix(path, &format!(".damaged-{seconds}"));
    let mut number = 1;
    while aside.exists() {
        number += 1;
        aside = with_suffix(path, &format!(".damaged-{seconds}-{number}"));
    }
    fs::rename(path, &aside)?;
    for suffix in BESIDE {
        // A database that was closed has none of them.
        match fs::rename(with_suffix(path, suffix), with_suffix(&aside, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                warn!(%error, "a file beside the damaged database could not be moved");
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(aside)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
