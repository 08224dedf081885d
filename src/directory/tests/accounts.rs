//! Accounts, keys and applications: made, changed, listed, limited.

use super::*;
use crate::directory::account::SUB_ACCOUNTS_MAX;
use crate::directory::key::KEYS_MAX;

#[tokio::test]
async fn a_new_account_is_active_and_has_a_token_of_its_own() {
    let desk = Desk::new().await;
    let one = desk.directory.create_account(Some("one".to_owned())).await.expect("room");
    let two = desk.directory.create_account(None).await.expect("room");
    assert_eq!((&*one.friendly_name, one.status), ("one", AccountStatus::Active));
    assert!(two.friendly_name.starts_with("SubAccount Created at "), "{}", two.friendly_name);
    let token = |account: &Account| desk.directory.auth_token(account.sid).expect("it has one");
    assert_eq!(token(&one).expose().len(), 32);
    assert!(!token(&two).matches(token(&one).expose().as_bytes()));
    assert!(desk.directory.auth_token(AccountSid::generate()).is_none());
}

#[tokio::test]
async fn the_main_account_sees_all_accounts_and_others_themselves() {
    let desk = Desk::new().await;
    let (one, two) = (desk.account().await, desk.account().await);
    desk.set_status(two, AccountStatus::Suspended).await.expect("possible");
    let sids = |who, filter: AccountFilter| -> Vec<AccountSid> {
        desk.directory.accounts(who, &filter, 0, 50).0.iter().map(|account| account.sid).collect()
    };
    assert_eq!(sids(desk.main, AccountFilter::default()), [two, one, desk.main]);
    assert_eq!(sids(one, AccountFilter::default()), [one]);
    let suspended = AccountFilter { status: Some(AccountStatus::Suspended), ..AccountFilter::default() };
    assert_eq!(sids(desk.main, suspended), [two]);
    let named = AccountFilter { friendly_name: Some("Main account".to_owned()), ..AccountFilter::default() };
    assert_eq!(sids(desk.main, named), [desk.main]);
    let (page, more) = desk.directory.accounts(desk.main, &AccountFilter::default(), 1, 1);
    assert_eq!((page[0].sid, more), (one, true));
}

#[tokio::test]
async fn a_closed_account_stays_closed_and_its_numbers_are_free_again() {
    let desk = Desk::new().await;
    let account = desk.account().await;
    desk.number(account, "+442071234567", "http://a/").await;
    desk.set_status(account, AccountStatus::Closed).await.expect("possible");
    assert_eq!(desk.set_status(account, AccountStatus::Active).await, Err(DirectoryError::Closed));
    assert_eq!(desk.directory.number("+442071234567"), None);
    desk.number(desk.main, "+442071234567", "http://b/").await;
}

#[tokio::test]
async fn the_main_accounts_status_is_not_the_apis_to_change() {
    let desk = Desk::new().await;
    assert_eq!(desk.set_status(desk.main, AccountStatus::Closed).await, Err(DirectoryError::MainStatus));
    let named = AccountChange { friendly_name: Some("Ours".to_owned()), status: None };
    let account = desk.directory.change_account(desk.main, named).await.expect("possible");
    assert_eq!(account.friendly_name, "Ours");
}

#[tokio::test]
async fn only_so_many_are_made() {
    let desk = Desk::new().await;
    for _ in 0..SUB_ACCOUNTS_MAX {
        desk.account().await;
    }
    let full = desk.directory.create_account(None).await.map(drop);
    assert_eq!(full, Err(DirectoryError::TooMany { what: Limited::Accounts, max: SUB_ACCOUNTS_MAX }));
    for _ in 0..KEYS_MAX {
        desk.directory.create_key(desk.main, String::new(), false).await.expect("room");
    }
    let full = desk.directory.create_key(desk.main, String::new(), false).await.map(drop);
    assert_eq!(full, Err(DirectoryError::TooMany { what: Limited::Keys, max: KEYS_MAX }));
    let account = desk.directory.accounts(desk.main, &AccountFilter::default(), 0, 1).0[0].sid;
    assert!(desk.directory.create_key(account, String::new(), false).await.is_ok(), "another's are its own");
}

#[tokio::test]
async fn what_an_account_has_no_other_finds() {
    let desk = Desk::new().await;
    let (one, two) = (desk.account().await, desk.account().await);
    let application =
        desk.directory.create_application(one, ApplicationChange::default()).await.expect("room");
    let (key, _) = desk.directory.create_key(one, String::new(), false).await.expect("room");
    let number = desk.number(one, "+442071234567", "http://a/").await;
    assert!(desk.directory.application(one, application.sid).is_some());
    assert!(desk.directory.application(two, application.sid).is_none());
    assert!(desk.directory.key(two, key.sid).is_none());
    assert!(desk.directory.incoming_number(two, number.sid).is_none());
    let not_found = Err(DirectoryError::NotFound);
    assert_eq!(desk.directory.delete_application(two, application.sid).await, not_found);
    assert_eq!(desk.directory.delete_key(two, key.sid).await, not_found);
    assert_eq!(desk.directory.delete_number(two, number.sid).await, not_found);
    assert!(desk.directory.applications(two, None, 0, 50).0.is_empty());
}

#[tokio::test]
async fn what_is_given_empty_is_taken_away_and_the_rest_stays() {
    let desk = Desk::new().await;
    let wanted = ApplicationChange {
        friendly_name: Some("menu".to_owned()),
        voice: VoiceChange {
            method: Some(Method::Get),
            status_callback: Some(Some("http://told/".to_owned())),
            ..asks("http://a/")
        },
        public_connect: None,
    };
    let made = desk.directory.create_application(desk.main, wanted).await.expect("room");
    let script = made.voice.script().expect("it has a URL");
    assert_eq!(script.source, crate::config::ScriptSource::Url(made_url("http://a/", true)));
    assert_eq!(made.voice.told(), Some(made_url("http://told/", false)));

    let voice = VoiceChange { url: Some(None), ..VoiceChange::default() };
    let change = ApplicationChange { voice, ..ApplicationChange::default() };
    let changed = desk.directory.change_application(desk.main, made.sid, change).await.expect("it is there");
    assert_eq!((changed.voice.script(), &*changed.friendly_name), (None, "menu"));
    assert_eq!((changed.voice.method, changed.created), (Method::Get, made.created));
    assert_eq!(changed.voice.told(), Some(made_url("http://told/", false)));
}

fn made_url(url: &str, get: bool) -> crate::config::WebhookUrl {
    crate::config::WebhookUrl { url: url.to_owned(), get }
}
