//! Who is let in, and to what.

use super::*;

#[tokio::test]
async fn the_main_account_is_let_in_with_the_configured_token() {
    let desk = Desk::new().await;
    let who = Principal { account: desk.main, kind: PrincipalKind::Account };
    assert_eq!(desk.authenticate(desk.main, TOKEN), Ok(who));
}

#[tokio::test]
async fn nobody_is_let_in_when_either_part_differs() {
    let desk = Desk::new().await;
    let (key, secret) = desk.directory.create_key(desk.main, String::new(), false).await.expect("room");
    let other = AccountSid::generate().to_string();
    let (main, key) = (desk.main.to_string(), key.sid.to_string());
    let rows = [
        (&*main, ""),
        (&*main, "the main account's toke"),
        (&*main, secret.expose()),
        (&*key, TOKEN),
        (&*other, TOKEN),
        ("", TOKEN),
        ("nobody", ""),
        ("SK", secret.expose()),
    ];
    for (user, password) in rows {
        assert_eq!(desk.authenticate(user, password), Err(NotAuthenticated::Unknown), "{user:?}");
    }
    assert_eq!(desk.directory.authenticate(b"\xff\xfe", TOKEN.as_bytes()), Err(NotAuthenticated::Unknown));
    // What an unknown user's password is compared with.
    assert_eq!(desk.directory.authenticate(other.as_bytes(), &[0; 32]), Err(NotAuthenticated::Unknown));
}

#[tokio::test]
async fn a_keys_secret_lets_in_until_the_key_is_taken_back() {
    let desk = Desk::new().await;
    for (is_main, kind) in [(false, PrincipalKind::StandardKey), (true, PrincipalKind::MainKey)] {
        let (key, secret) = desk.directory.create_key(desk.main, String::new(), is_main).await.expect("room");
        let who = Principal { account: desk.main, kind };
        assert_eq!(desk.authenticate(key.sid, secret.expose()), Ok(who));
        desk.directory.delete_key(desk.main, key.sid).await.expect("it is there");
        assert_eq!(desk.authenticate(key.sid, secret.expose()), Err(NotAuthenticated::Unknown));
    }
}

#[tokio::test]
async fn who_is_suspended_is_let_in_no_more_until_they_are_active_again() {
    let desk = Desk::new().await;
    let account = desk.account().await;
    let token = desk.directory.auth_token(account).expect("it has one");
    let (key, secret) = desk.directory.create_key(account, String::new(), false).await.expect("room");
    assert!(desk.authenticate(account, token.expose()).is_ok());

    desk.set_status(account, AccountStatus::Suspended).await.expect("possible");
    let inactive = Err(NotAuthenticated::Inactive(account));
    assert_eq!(desk.authenticate(account, token.expose()), inactive);
    assert_eq!(desk.authenticate(key.sid, secret.expose()), inactive);
    assert_eq!(desk.authenticate(account, "wrong"), Err(NotAuthenticated::Unknown));

    desk.set_status(account, AccountStatus::Active).await.expect("possible");
    assert!(desk.authenticate(account, token.expose()).is_ok());
}

/// Every kind of credential against every kind of account and subject.
#[tokio::test]
async fn each_credential_reaches_what_it_should_and_no_more() {
    use Subject::{Accounts, Keys, Resources};
    let desk = Desk::new().await;
    let (main, sub, other) = (desk.main, desk.account().await, desk.account().await);
    let nowhere = AccountSid::generate();
    let no = Err(Denied::NoAccount);
    let standard = Err(Denied::StandardKey);
    let another = Err(Denied::KeyOfAnother);
    let rows = [
        // Who, with what, on whose: Accounts, Keys, Resources.
        (main, PrincipalKind::Account, main, [Ok(()), Ok(()), Ok(())]),
        (main, PrincipalKind::Account, sub, [Ok(()), Ok(()), Ok(())]),
        (main, PrincipalKind::Account, nowhere, [no, no, no]),
        (main, PrincipalKind::MainKey, main, [Ok(()), Ok(()), Ok(())]),
        (main, PrincipalKind::MainKey, sub, [Ok(()), another, another]),
        (main, PrincipalKind::StandardKey, main, [standard, standard, Ok(())]),
        (main, PrincipalKind::StandardKey, sub, [standard, standard, another]),
        (sub, PrincipalKind::Account, sub, [Ok(()), Ok(()), Ok(())]),
        (sub, PrincipalKind::Account, main, [no, no, no]),
        (sub, PrincipalKind::Account, other, [no, no, no]),
        (sub, PrincipalKind::MainKey, sub, [Ok(()), Ok(()), Ok(())]),
        (sub, PrincipalKind::StandardKey, other, [no, no, no]),
        (sub, PrincipalKind::StandardKey, sub, [standard, standard, Ok(())]),
    ];
    for (account, kind, on, expected) in rows {
        let who = Principal { account, kind };
        let found = [Accounts, Keys, Resources].map(|subject| desk.directory.check(who, on, subject, true));
        assert_eq!(found, expected, "{kind:?} of {account} on {on}");
    }
}

#[tokio::test]
async fn of_a_suspended_account_the_main_one_reads_what_there_is_and_changes_its_status() {
    let desk = Desk::new().await;
    let account = desk.account().await;
    desk.set_status(account, AccountStatus::Suspended).await.expect("possible");
    let who = Principal { account: desk.main, kind: PrincipalKind::Account };
    let check = |subject, changes| desk.directory.check(who, account, subject, changes);
    assert_eq!(check(Subject::Resources, false), Ok(()));
    assert_eq!(check(Subject::Resources, true), Err(Denied::Inactive));
    assert_eq!(check(Subject::Keys, true), Err(Denied::Inactive));
    assert_eq!(check(Subject::Accounts, true), Ok(()));
}

#[tokio::test]
async fn nothing_that_is_secret_is_shown() {
    let desk = Desk::new().await;
    let account = desk.account().await;
    let token = desk.directory.auth_token(account).expect("it has one");
    let (key, secret) = desk.directory.create_key(account, String::new(), false).await.expect("room");
    let number = desk.number(account, "+442071234567", "http://a/").await;
    let documents = format!("{:?}", desk.shelf.documents.lock().expect("nobody panicked"));
    let account = desk.directory.account(account).expect("it is there");
    let shown = format!("{:?} {account:?} {key:?} {number:?} {documents}", desk.directory);
    for hidden in [TOKEN, token.expose(), secret.expose(), "442071234567"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
}
