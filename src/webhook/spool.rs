//! The spool on disk: jobs as rows of the [`Store`], so that a node that starts again delivers what was pending.
//!
//! It never waits for the disk. What the store's queue has no room for is delivered from memory alone, and a job whose
//! end could not be written is delivered once more after a restart, with the same idempotency token.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tracing::error;
use zeroize::Zeroizing;

use super::job::{Job, Spool, SpoolError};
use super::request::{Method, Payload, Request};
use crate::store::{SpooledJob, Store, StoreError};

/// A spool in the node's database.
#[derive(Clone, Debug)]
pub struct StoreSpool {
    store: Store,
}

impl StoreSpool {
    /// The spool of this store.
    pub const fn new(store: Store) -> Self {
        Self { store }
    }
}

#[async_trait]
impl Spool for StoreSpool {
    fn put(&self, job: &Job) -> Result<(), SpoolError> {
        let written = serde_json::to_string(&Written::from(job));
        let body = Zeroizing::new(written.map_err(|error| SpoolError::Failed(error.to_string()))?);
        Ok(self.store.try_put_job(SpooledJob { id: job.id.clone(), body }, job.is_last)?)
    }

    fn done(&self, id: &str) {
        // What is dropped was counted; see above for what comes of it.
        let _ = self.store.try_remove_job(id);
    }

    async fn pending(&self, limit: usize) -> Result<Vec<Job>, SpoolError> {
        let rows = self.store.pending_jobs(limit).await?;
        Ok(rows.iter().filter_map(|row| self.read(row)).collect())
    }
}

impl StoreSpool {
    /// One that cannot be read is of no use to anybody: it is forgotten.
    fn read(&self, row: &SpooledJob) -> Option<Job> {
        match serde_json::from_str::<Written>(&row.body) {
            Ok(written) => Some(written.into_job(row.id.clone())),
            Err(error) => {
                // Without its text, which may quote digits.
                error!(job = row.id, class = ?error.classify(), "a callback in the spool cannot be read and is dropped");
                self.done(&row.id);
                None
            }
        }
    }
}

impl From<StoreError> for SpoolError {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Full) { Self::Full } else { Self::Failed(error.to_string()) }
    }
}

/// A job as it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    key: String,
    is_last: bool,
    /// Milliseconds since 1970.
    accepted_at: u64,
    url: String,
    method: String,
    form: Option<Vec<(String, String)>>,
    json: Option<String>,
    account_sid: String,
    subject: Option<String>,
}

impl From<&Job> for Written {
    fn from(job: &Job) -> Self {
        let request = &job.request;
        let (form, json) = match &request.payload {
            Payload::Form(params) => (Some(params.clone()), None),
            Payload::Json(body) => (None, Some(body.clone())),
        };
        let age = job.accepted_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            key: job.key.clone(),
            is_last: job.is_last,
            accepted_at: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
            url: request.url.clone(),
            method: request.method.name().to_owned(),
            form,
            json,
            account_sid: request.account_sid.clone(),
            subject: request.subject.clone(),
        }
    }
}

impl Written {
    fn into_job(self, id: String) -> Job {
        let payload = match self.json {
            Some(body) => Payload::Json(body),
            None => Payload::Form(self.form.unwrap_or_default()),
        };
        let request = Request {
            url: self.url,
            method: Method::of_name(&self.method).unwrap_or_default(),
            payload,
            account_sid: self.account_sid,
            subject: self.subject,
            idempotency_token: Some(id.clone()),
        };
        let accepted_at = UNIX_EPOCH.checked_add(Duration::from_millis(self.accepted_at));
        let accepted_at = accepted_at.unwrap_or(SystemTime::UNIX_EPOCH);
        Job { id, key: self.key, is_last: self.is_last, request, accepted_at }
    }
}
