//! Incoming numbers: found by what is dialled, and what they say.

use proptest::prelude::*;

use super::*;
use crate::config::ScriptSource;

fn script_of(called: Option<Called>) -> Option<String> {
    match called {
        Some(Called::Reached(CalledNumber { script: Some(script), .. })) => match script.source {
            ScriptSource::Url(url) => Some(url.url),
            ScriptSource::Inline(_) => None,
        },
        Some(Called::Reached(_) | Called::Inactive(_)) | None => None,
    }
}

#[tokio::test]
async fn a_number_is_found_with_and_without_its_plus() {
    let desk = Desk::new().await;
    let account = desk.account().await;
    desk.number(account, "+442071234567", "http://a/").await;
    for user in ["+442071234567", "442071234567", "+44-20-7123.4567", "+442071234567;npdi"] {
        assert_eq!(script_of(desk.directory.number(user)).as_deref(), Some("http://a/"), "{user}");
    }
    for user in ["+442071234568", "02071234567", "", "+", "alice", "conf-+442071234567", "++442071234567"] {
        assert_eq!(desk.directory.number(user), None, "{user}");
    }
}

#[tokio::test]
async fn the_application_wins_over_the_numbers_own_urls() {
    let desk = Desk::new().await;
    let wanted = ApplicationChange { voice: asks("http://application/"), ..ApplicationChange::default() };
    let application = desk.directory.create_application(desk.main, wanted).await.expect("room");
    let number = desk.number(desk.main, "+442071234567", "http://number/").await;
    let change = NumberChange { application: Some(Some(application.sid)), ..NumberChange::default() };
    desk.directory.change_number(desk.main, number.sid, change).await.expect("both are there");
    let script = || script_of(desk.directory.number("+442071234567"));
    assert_eq!(script().as_deref(), Some("http://application/"));

    desk.directory.delete_application(desk.main, application.sid).await.expect("it is there");
    assert_eq!(script().as_deref(), Some("http://number/"));
    let number = desk.directory.incoming_number(desk.main, number.sid).expect("it is there");
    assert_eq!(number.application, None);
}

#[tokio::test]
async fn an_application_of_another_account_is_refused() {
    let desk = Desk::new().await;
    let other = desk.account().await;
    let application =
        desk.directory.create_application(other, ApplicationChange::default()).await.expect("room");
    let number = desk.number(desk.main, "+442071234567", "http://a/").await;
    let change = NumberChange { application: Some(Some(application.sid)), ..NumberChange::default() };
    let done = desk.directory.change_number(desk.main, number.sid, change).await;
    assert_eq!(done.map(drop), Err(DirectoryError::NoApplication));
}

#[tokio::test]
async fn a_number_is_on_the_node_once() {
    let desk = Desk::new().await;
    let (one, two) = (desk.account().await, desk.account().await);
    let number = desk.number(one, "+442071234567", "http://a/").await;
    let again = || async {
        let number = "+44 20 7123 4567".parse().expect("a number");
        desk.directory.create_number(two, number, NumberKind::Local, NumberChange::default()).await.map(drop)
    };
    assert_eq!(again().await, Err(DirectoryError::NumberTaken));
    desk.directory.delete_number(one, number.sid).await.expect("it is there");
    assert_eq!(again().await, Ok(()));
}

#[tokio::test]
async fn a_number_that_is_asked_for_twice_at_once_is_given_once() {
    let desk = Desk::new().await;
    let ask = || async {
        let number = "+442071234567".parse().expect("a number");
        desk.directory.create_number(desk.main, number, NumberKind::Local, NumberChange::default()).await
    };
    let (one, two, three) = tokio::join!(ask(), ask(), ask());
    assert_eq!([one, two, three].iter().filter(|made| made.is_ok()).count(), 1);
}

#[tokio::test]
async fn a_number_moves_to_an_active_account_and_leaves_its_application_behind() {
    let desk = Desk::new().await;
    let (one, two) = (desk.account().await, desk.account().await);
    let application =
        desk.directory.create_application(one, ApplicationChange::default()).await.expect("room");
    let number = desk.number(one, "+442071234567", "http://a/").await;
    let with = NumberChange { application: Some(Some(application.sid)), ..NumberChange::default() };
    desk.directory.change_number(one, number.sid, with).await.expect("both are there");
    let to = |account| NumberChange { account: Some(account), ..NumberChange::default() };

    let nowhere = desk.directory.change_number(one, number.sid, to(AccountSid::generate())).await;
    assert_eq!(nowhere.map(drop), Err(DirectoryError::NoTarget));
    desk.set_status(two, AccountStatus::Suspended).await.expect("possible");
    let suspended = desk.directory.change_number(one, number.sid, to(two)).await;
    assert_eq!(suspended.map(drop), Err(DirectoryError::TargetInactive));
    desk.set_status(two, AccountStatus::Active).await.expect("possible");

    let moved = desk.directory.change_number(one, number.sid, to(two)).await.expect("possible");
    assert_eq!((moved.account, moved.application, moved.sid), (two, None, number.sid));
    let Some(Called::Reached(called)) = desk.directory.number("+442071234567") else {
        panic!("it is reached");
    };
    assert_eq!(called.account, two);
}

#[tokio::test]
async fn nobody_reaches_the_numbers_of_a_suspended_account() {
    let desk = Desk::new().await;
    let account = desk.account().await;
    desk.number(account, "+442071234567", "http://a/").await;
    desk.set_status(account, AccountStatus::Suspended).await.expect("possible");
    assert_eq!(desk.directory.number("+442071234567"), Some(Called::Inactive(account)));
}

#[tokio::test]
async fn numbers_are_listed_by_their_digits_and_names() {
    let desk = Desk::new().await;
    desk.number(desk.main, "+442071234567", "http://a/").await;
    desk.number(desk.main, "+15005550006", "http://a/").await;
    let found = |filter: NumberFilter| -> Vec<String> {
        let (numbers, _) = desk.directory.incoming_numbers(desk.main, &filter, 0, 50);
        numbers.iter().map(|number| number.number.as_str().to_owned()).collect()
    };
    let by = |digits: &str| NumberFilter { digits: Some(digits.to_owned()), ..NumberFilter::default() };
    assert_eq!(found(NumberFilter::default()), ["+15005550006", "+442071234567"]);
    assert_eq!(found(by("2071")), ["+442071234567"]);
    assert_eq!(found(by("+1")), ["+15005550006"]);
    assert_eq!(found(by("500**5")), ["+15005550006"]);
    assert_eq!(found(by("9")), [""; 0]);
    let named = NumberFilter { friendly_name: Some("(500) 555-0006".to_owned()), ..NumberFilter::default() };
    assert_eq!(found(named), ["+15005550006"]);
    let mobile = NumberFilter { kind: Some(NumberKind::Mobile), ..NumberFilter::default() };
    assert_eq!(found(mobile), [""; 0]);
}

#[test]
fn what_is_no_number_is_refused() {
    for text in [
        "",
        "+",
        "442071234567",
        "+0442071234567",
        "+123456",
        "+1234567890123456",
        "+44x071234567",
        "+٤٤٢٠٧١٢٣٤٥",
    ] {
        assert!(text.parse::<PhoneNumber>().is_err(), "{text:?}");
    }
}

proptest! {
    #[test]
    fn a_number_reads_back_as_it_is_kept(text in "\\PC{0,24}|\\+[0-9 .()-]{0,20}") {
        if let Ok(number) = text.parse::<PhoneNumber>() {
            prop_assert!(number.as_str()[1..].bytes().all(|byte| byte.is_ascii_digit()));
            prop_assert_eq!(number.as_str().parse::<PhoneNumber>(), Ok(number.clone()));
            let kept = serde_json::to_string(&number).expect("text");
            prop_assert_eq!(serde_json::from_str::<PhoneNumber>(&kept).expect("a number"), number);
        }
    }
}
