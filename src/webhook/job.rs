//! A piece of news that an application is owed, and the spool that remembers it until the application has taken it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;

use super::request::Request;

/// A callback to be delivered.
#[derive(Clone, PartialEq, Eq)]
pub struct Job {
    /// Unlike every other job's. Sent along as idempotency token, so that an application can tell what it has seen.
    pub id: String,
    /// What it is ordered by: the SID of its call or conference. Jobs of one key are delivered one after the other.
    pub key: String,
    /// Nothing comes after it for its key: the call or conference is over. It is never dropped.
    pub is_last: bool,
    /// What is sent. Its idempotency token is set by the courier.
    pub request: Request,
    /// When it happened. The courier gives a job up a set time after this.
    pub accepted_at: SystemTime,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("id", &self.id)
            .field("key", &self.key)
            .field("is_last", &self.is_last)
            .finish_non_exhaustive()
    }
}

/// Why a spool did not take or give a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpoolError {
    /// It holds as many as it can.
    #[error("the spool is full")]
    Full,
    /// What is below it failed.
    #[error("the spool failed: {0}")]
    Failed(String),
}

/// Remembers jobs until they are done, so that a node that starts again delivers what was pending.
///
/// [`put`](Self::put) and [`done`](Self::done) come in order, one at a time, and must not wait: a spool on a disk hands
/// them to its writer.
#[async_trait]
pub trait Spool: Send + Sync {
    /// Remembers a job.
    ///
    /// # Errors
    /// When it cannot: the job is then delivered from memory alone, and lost with the process.
    fn put(&self, job: &Job) -> Result<(), SpoolError>;

    /// Forgets a job: it was delivered or given up. Unknown ones are none of its business.
    fn done(&self, id: &str);

    /// The jobs that are not done, the oldest first, `limit` at most.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn pending(&self, limit: usize) -> Result<Vec<Job>, SpoolError>;
}

/// A spool in memory: it outlives the courier and not the process.
#[derive(Debug)]
pub struct MemorySpool {
    capacity: usize,
    jobs: Mutex<Jobs>,
}

#[derive(Debug, Default)]
struct Jobs {
    next: u64,
    by_age: BTreeMap<u64, Job>,
}

impl MemorySpool {
    /// A spool for so many jobs. A full one refuses.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, jobs: Mutex::default() }
    }

    /// A panic while it was locked left it whole.
    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Spool for MemorySpool {
    fn put(&self, job: &Job) -> Result<(), SpoolError> {
        let mut jobs = self.lock();
        if jobs.by_age.len() >= self.capacity {
            return Err(SpoolError::Full);
        }
        let age = jobs.next;
        jobs.next += 1;
        jobs.by_age.insert(age, job.clone());
        Ok(())
    }

    fn done(&self, id: &str) {
        self.lock().by_age.retain(|_, job| job.id != id);
    }

    async fn pending(&self, limit: usize) -> Result<Vec<Job>, SpoolError> {
        Ok(self.lock().by_age.values().take(limit).cloned().collect())
    }
}
