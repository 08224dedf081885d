//! Disks that fail, files that are damaged, queues that are full.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use zeroize::Zeroizing;

use super::super::{FILE, NotificationRow, SpooledJob, StoreError, StoreSettings};
use super::{Place, document};

fn job(id: usize, bytes: usize) -> SpooledJob {
    SpooledJob { id: id.to_string(), body: Zeroizing::new("x".repeat(bytes)) }
}

fn notification(n: usize) -> NotificationRow {
    NotificationRow {
        sid: format!("NO{n:06}"),
        account: "AC1".to_owned(),
        call: None,
        log: 0,
        error_code: 11_200,
        created: super::super::now() + i64::try_from(n).unwrap(),
        message: "it failed".to_owned(),
        request_method: None,
        request_url: None,
        request_variables: None,
        response_headers: None,
        response_body: None,
    }
}

#[tokio::test]
async fn all_files_are_for_their_owner_alone() {
    let place = Place::new();
    let store = place.open().await;
    store.put_document(document("SK1", "one")).await.unwrap();
    for entry in fs::read_dir(place.dir.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
    }
}

#[tokio::test]
async fn a_full_disk_is_counted_told_to_who_waits_and_passes() {
    let place = Place::new();
    // As a disk of 256 KiB.
    let store = place.open_with(StoreSettings { pages_max: Some(64), ..StoreSettings::default() }).await;
    store.put_document(document("SK1", "small")).await.unwrap();
    // Once it has noted that it lives, nothing else is written meanwhile.
    while place.figure("confab_store_written_total") < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let refused = store.put_document(document("SK2", &"x".repeat(1 << 20))).await;
    assert!(matches!(refused, Err(StoreError::Database(_))), "{refused:?}");
    assert_eq!(place.figure("confab_store_failing"), 1);
    assert_eq!(place.figure("confab_store_lost_total"), 1);
    // What was there is there, and what fits is taken.
    store.put_document(document("SK3", "small")).await.unwrap();
    assert_eq!(place.figure("confab_store_failing"), 0);
    let kept = store.documents("key").await.unwrap();
    assert_eq!(kept.iter().map(|document| document.sid.as_str()).collect::<Vec<_>>(), ["SK1", "SK3"]);
}

#[tokio::test]
async fn what_should_not_be_lost_is_tried_again_when_the_disk_has_room() {
    let place = Place::new();
    let store = place.open_with(StoreSettings { pages_max: Some(128), ..StoreSettings::default() }).await;
    store.put_document(document("big", &"x".repeat(256 << 10))).await.unwrap();
    // Some 64 KiB more than there is room for.
    store.try_put_job(job(1, 320 << 10), true).unwrap();
    store.try_put_job(job(2, 1), true).unwrap();
    assert!(store.flush().await.is_err());
    assert!(store.pending_jobs(10).await.is_err());
    store.remove_document("key", "big").await.unwrap();
    store.flush().await.unwrap();
    let ids: Vec<String> = store.pending_jobs(10).await.unwrap().into_iter().map(|job| job.id).collect();
    assert_eq!(ids, ["1", "2"]);
    assert_eq!(place.figure("confab_store_failing"), 0);
}

#[tokio::test]
async fn a_full_queue_drops_what_may_be_lost_and_has_room_for_what_should_not() {
    let place = Place::new();
    let store = place.open_with(StoreSettings { queue: 64, reserved: 16, ..StoreSettings::default() }).await;
    // Nothing is taken from the queue meanwhile: this test's runtime has one thread, and it does not wait here.
    for n in 0..200 {
        store.note(notification(n));
    }
    let dropped = place.figure("confab_store_dropped_total");
    assert!(dropped >= 200 - 64, "{dropped}");
    assert!(matches!(store.try_put_job(job(1, 1), false), Err(StoreError::Full)));
    assert!(store.try_put_job(job(2, 1), true).is_ok());
    for n in 3..40 {
        let _ = store.try_put_job(job(n, 1), true);
    }
    assert!(matches!(store.try_put_job(job(99, 1), true), Err(StoreError::Full)));
    // Once there is room again, all goes on.
    store.flush().await.unwrap();
    assert!(store.try_put_job(job(100, 1), false).is_ok());
    let pending = store.pending_jobs(100).await.unwrap();
    assert_eq!((pending[0].id.as_str(), pending.last().unwrap().id.as_str()), ("2", "100"));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_moved_aside_and_a_new_one_is_begun() {
    let place = Place::new();
    fs::write(place.path(), "this is no database, however long it may be".repeat(100)).unwrap();
    let store = place.open().await;
    assert!(!store.is_makeshift());
    store.put_document(document("SK1", "one")).await.unwrap();
    assert_eq!(aside(&place), 1);
}

#[tokio::test]
async fn a_database_that_is_damaged_inside_is_moved_aside() {
    let place = Place::new();
    let store = place.open().await;
    for n in 0..200 {
        store.put_document(document(&format!("SK{n}"), &"x".repeat(2_000))).await.unwrap();
    }
    drop(store);
    let after = Place::new();
    // Without its journal the file has what was last moved into it; half of that is overwritten.
    let mut bytes = checkpointed(&place).await;
    let middle = bytes.len() / 4;
    let end = bytes.len() - 4_096;
    bytes[middle..end].fill(0xa5);
    fs::write(after.path(), bytes).unwrap();
    let store = after.open().await;
    assert_eq!(store.documents("key").await.unwrap(), []);
    store.put_document(document("SK1", "one")).await.unwrap();
    assert_eq!(aside(&after), 1);
}

async fn checkpointed(place: &Place) -> Vec<u8> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(place.path());
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&pool).await.unwrap();
    pool.close().await;
    fs::read(place.path()).unwrap()
}

fn aside(place: &Place) -> usize {
    let names = fs::read_dir(place.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().starts_with(&format!("{FILE}.damaged-"))).count()
}

#[tokio::test]
async fn without_a_file_the_store_is_in_memory_says_so_and_refuses_documents() {
    let place = Place::new();
    // As a directory that cannot be written, for whoever runs the tests.
    fs::create_dir(place.path()).unwrap();
    let store = place.open().await;
    assert!(store.is_makeshift());
    assert_eq!(place.figure("confab_store_failing"), 1);
    let refused = store.put_document(document("SK1", "one")).await;
    assert!(matches!(refused, Err(StoreError::Makeshift)), "{refused:?}");
    store.note(notification(1));
    store.flush().await.unwrap();
    let query = super::super::NotificationQuery { account: "AC1".to_owned(), ..Default::default() };
    assert_eq!(store.notifications(&query, 0, 10).await.unwrap().len(), 1);
    assert_eq!(place.figure("confab_store_failing"), 1);
}
