//! What is written down is found again, and what cannot be written down is not done.

use super::*;
use crate::store::{Document, Store, StoreSettings};
use crate::telemetry::Metrics;

#[tokio::test]
async fn all_of_it_is_found_again() {
    let desk = Desk::new().await;
    let account = desk.account().await;
    let token = desk.directory.auth_token(account).expect("it has one");
    let (key, secret) = desk.directory.create_key(account, "bot".to_owned(), true).await.expect("room");
    let wanted = ApplicationChange { voice: asks("http://application/"), ..ApplicationChange::default() };
    let application = desk.directory.create_application(account, wanted).await.expect("room");
    let number = desk.number(account, "+442071234567", "http://number/").await;
    let change = NumberChange { application: Some(Some(application.sid)), ..NumberChange::default() };
    desk.directory.change_number(account, number.sid, change).await.expect("both are there");
    let called = desk.directory.number("+442071234567");

    let again = desk.again().await;
    assert!(again.authenticate(account, token.expose()).is_ok());
    assert_eq!(again.authenticate(key.sid, secret.expose()).map(|who| who.kind), Ok(PrincipalKind::MainKey));
    assert_eq!(again.directory.number("+442071234567"), called);
    assert_eq!(
        again.directory.account(desk.main).expect("it is there").created,
        desk.directory.account(desk.main).expect("it is there").created
    );
    let sids = |desk: &Desk| -> Vec<AccountSid> {
        let all = desk.directory.accounts(desk.main, &AccountFilter::default(), 0, 50).0;
        all.iter().map(|account| account.sid).collect()
    };
    assert_eq!(sids(&again), sids(&desk));
}

#[tokio::test]
async fn the_store_keeps_it() {
    let store = Store::in_memory(StoreSettings::default(), &Metrics::new()).await.expect("memory");
    let main = MainAccount { sid: AccountSid::generate(), auth_token: Secret::new(TOKEN.to_owned()) };
    let directory = Directory::open(main.clone(), Arc::new(store.clone())).await.expect("an empty store");
    let made = directory.create_account(Some("kept".to_owned())).await.expect("room");
    let again = Directory::open(main, Arc::new(store)).await.expect("what we wrote");
    let found = again.account(made.sid).expect("it was kept");
    assert_eq!(found.friendly_name, "kept");
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_done() {
    let desk = Desk::new().await;
    let number = desk.number(desk.main, "+442071234567", "http://a/").await;
    let (key, secret) = desk.directory.create_key(desk.main, "bot".to_owned(), false).await.expect("room");
    desk.break_shelf();
    assert!(matches!(desk.directory.create_account(None).await, Err(DirectoryError::Shelf(_))));
    assert!(desk.directory.delete_number(desk.main, number.sid).await.is_err());
    assert!(desk.directory.delete_key(desk.main, key.sid).await.is_err());
    assert!(desk.directory.number("+442071234567").is_some());
    assert!(desk.authenticate(key.sid, secret.expose()).is_ok());
    assert_eq!(desk.directory.accounts(desk.main, &AccountFilter::default(), 0, 50).0.len(), 1);
}

#[tokio::test]
async fn a_document_that_cannot_be_read_stops_the_start_and_is_not_repeated() {
    let desk = Desk::new().await;
    let document = Document {
        kind: "key".to_owned(),
        sid: "SKx".to_owned(),
        account: desk.main.to_string(),
        body: zeroize::Zeroizing::new("{\"secret\": sesame".to_owned()),
    };
    Shelf::put(&*desk.shelf, document).await.expect("a shelf in memory");
    let main = MainAccount { sid: desk.main, auth_token: Secret::new(TOKEN.to_owned()) };
    let error = Directory::open(main, desk.shelf.clone()).await.map(drop).expect_err("it is no JSON");
    let said = error.to_string();
    assert!(said.contains("SKx") && said.contains("no JSON") && !said.contains("sesame"), "{said}");
}

#[tokio::test]
async fn another_main_account_leaves_the_first_ones_things_alone() {
    let desk = Desk::new().await;
    desk.number(desk.main, "+442071234567", "http://a/").await;
    let sub = desk.account().await;
    let other = Desk::over(AccountSid::generate(), Arc::clone(&desk.shelf)).await;
    assert_eq!(other.directory.number("+442071234567"), None);
    assert!(other.directory.account(desk.main).is_none());
    assert!(other.directory.account(sub).is_some(), "accounts below the main one are the new one's");
    assert!(desk.again().await.directory.number("+442071234567").is_some());
}

#[tokio::test]
async fn a_change_is_carried_out_though_nobody_waits_for_it() {
    let desk = Desk::new().await;
    // Asked, polled once, and dropped.
    let asked = desk.directory.create_account(Some("dropped".to_owned()));
    assert!(futures_util::FutureExt::now_or_never(asked).is_none());
    // Behind it in the queue.
    desk.account().await;
    let again = desk.again().await;
    for desk in [&desk, &again] {
        assert_eq!(desk.directory.accounts(desk.main, &AccountFilter::default(), 0, 50).0.len(), 3);
    }
}
