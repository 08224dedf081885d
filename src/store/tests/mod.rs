//! The store, with real files. A node that is killed is one whose files are copied while it runs, and opened elsewhere.

mod disk;
mod records;

use std::path::Path;

use tempfile::TempDir;
use zeroize::Zeroizing;

use super::{CallRow, Document, FILE, Retention, Store, StoreSettings};
use crate::telemetry::Metrics;

/// A store in a directory of its own.
struct Place {
    dir: TempDir,
    metrics: Metrics,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), metrics: Metrics::new() }
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join(FILE)
    }

    async fn open(&self) -> Store {
        // Nothing is deleted for its age but by the tests of that.
        let retention = Retention { calls: None, conferences: None, notifications: None };
        self.open_with(StoreSettings { retention, ..StoreSettings::default() }).await
    }

    async fn open_with(&self, settings: StoreSettings) -> Store {
        Store::open(self.dir.path(), settings, &self.metrics).await.unwrap()
    }

    /// What a node that starts after this one was killed now finds.
    fn killed(&self) -> Self {
        let after = Self::new();
        copy(self.dir.path(), after.dir.path());
        after
    }

    fn figure(&self, name: &str) -> u64 {
        let text = self.metrics.render();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("{name} in {text}")).parse().unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn document(sid: &str, body: &str) -> Document {
    Document {
        kind: "key".to_owned(),
        sid: sid.to_owned(),
        account: "AC1".to_owned(),
        body: Zeroizing::new(body.to_owned()),
    }
}

/// A call that is over.
fn call(sid: &str, created: i64) -> CallRow {
    CallRow {
        sid: sid.to_owned(),
        account: "AC1".to_owned(),
        parent: None,
        caller: "alice".to_owned(),
        called: "bob".to_owned(),
        direction: "inbound".to_owned(),
        status: "completed".to_owned(),
        created,
        updated: created + 2,
        started: Some(created + 1),
        ended: Some(created + 2),
        queue_time: 0,
        sip_status: None,
        is_final: true,
    }
}

#[tokio::test]
async fn documents_are_kept_replaced_and_removed_by_kind_and_name() {
    let place = Place::new();
    let store = place.open().await;
    for (sid, body) in [("SK2", "two"), ("SK1", "one"), ("SK2", "deux"), ("SK3", "three")] {
        store.put_document(document(sid, body)).await.unwrap();
    }
    store.remove_document("key", "SK3").await.unwrap();
    store.remove_document("key", "SK9").await.unwrap();
    assert_eq!(store.documents("key").await.unwrap(), [document("SK1", "one"), document("SK2", "deux")]);
    assert_eq!(store.documents("account").await.unwrap(), []);
}

#[tokio::test]
async fn a_document_that_was_answered_for_outlives_a_kill() {
    let place = Place::new();
    let store = place.open().await;
    store.put_document(document("SK1", "one")).await.unwrap();
    let next = place.killed();
    let after = next.open().await;
    assert_eq!(after.documents("key").await.unwrap(), [document("SK1", "one")]);
}

#[tokio::test]
async fn a_document_is_not_shown() {
    let shown = format!("{:?}", document("SK1", "hush"));
    assert!(shown.contains("SK1") && !shown.contains("hush"), "{shown}");
}

#[tokio::test]
async fn a_clean_stop_writes_what_waits() {
    let place = Place::new();
    let store = place.open().await;
    for n in 0..1_000 {
        let job = super::SpooledJob { id: n.to_string(), body: Zeroizing::new("{}".to_owned()) };
        store.try_put_job(job, false).unwrap();
    }
    assert!(store.stop(std::time::Duration::from_secs(60)).await);
    let next = place.killed();
    let after = next.open().await;
    let ids: Vec<String> = after.pending_jobs(2_000).await.unwrap().into_iter().map(|job| job.id).collect();
    assert_eq!(ids, (0..1_000).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_database_in_memory_does_all_of_it() {
    let store = Store::in_memory(StoreSettings::default(), &Metrics::new()).await.unwrap();
    store.put_document(document("SK1", "one")).await.unwrap();
    assert_eq!(store.documents("key").await.unwrap().len(), 1);
    let call = call("CA1", super::now());
    store.put_records(vec![super::Record::Call(call.clone())]).await.unwrap();
    assert_eq!(store.call("CA1").await.unwrap(), Some(call));
}
