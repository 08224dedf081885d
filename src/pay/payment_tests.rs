//! What comes of keys. Time is what the test says it is.

use std::time::Duration;

use chrono::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::pay::terms::tests::terms;

const CARD: Capture = Capture::of(Field::CardNumber);
const DATE: Capture = Capture::of(Field::ExpirationDate);
const CODE: Capture = Capture::of(Field::SecurityCode);
const POST: Capture = Capture::of(Field::PostalCode);
const CARD_AGAIN: Capture = Capture::again(Field::CardNumber);

/// A payment, and the time.
struct Till {
    payment: Payment,
    now: Instant,
}

impl Till {
    fn of(given: &[(&str, &str)]) -> Self {
        Self { payment: Payment::new(terms(given)).unwrap(), now: Instant::now() }
    }

    /// The last that comes of these keys; `_` is a second without.
    fn press(&mut self, keys: &str) -> Option<Step> {
        let mut last = None;
        for key in keys.chars() {
            let step = match Digit::from_char(key) {
                Some(key) => self.payment.press(key, self.now, today()),
                None => {
                    self.now += Duration::from_secs(1);
                    self.payment.time(self.now, today())
                }
            };
            last = step.or(last);
        }
        last
    }

    fn ask(&mut self, capture: Capture, keys: &str) -> Option<Step> {
        match self.payment.capture(capture).unwrap() {
            None => self.press(keys),
            step => step,
        }
    }

    fn required(&self) -> String {
        words(&self.payment.required())
    }
}

fn today() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 21, 12, 0, 0).unwrap()
}

#[test]
fn items_are_captured_in_any_order_and_then_go_to_the_connector() {
    let mut till = Till::of(&[]);
    assert_eq!(till.ask(POST, "94109#"), Some(Step::Captured(POST)));
    assert_eq!(till.ask(CARD, "4111111111111111"), Some(Step::Captured(CARD)));
    assert_eq!(till.required(), "expiration-date,security-code");
    assert_eq!(till.payment.complete(), Err(NotNow::Incomplete(vec![DATE, CODE])));
    assert_eq!(till.ask(CODE, "123"), Some(Step::Captured(CODE)));
    assert_eq!(till.ask(DATE, "1226"), Some(Step::Captured(DATE)));
    assert_eq!(till.payment.complete(), Ok(Step::Submit));
    assert_eq!(till.payment.complete(), Err(NotNow::Submitted));
    assert_eq!(till.payment.cancel(Given::Cancelled), Err(NotNow::Submitted));
    till.payment.finish();
    assert_eq!(till.payment.capture(CARD), Err(NotNow::Over));
}

#[test]
fn each_digit_is_told_and_the_end_is_by_length_by_hash_or_by_time() {
    let mut till = Till::of(&[("ValidCardTypes", "visa amex diners-club maestro")]);
    assert_eq!(till.ask(CARD, "411111111111111"), Some(Step::Typed(CARD)));
    assert_eq!(till.press("1"), Some(Step::Captured(CARD)));
    assert_eq!(till.ask(CARD, "378282246310005"), Some(Step::Captured(CARD)), "fifteen are enough");
    assert_eq!(till.ask(CARD, "4222222222222#"), Some(Step::Captured(CARD)), "thirteen and a hash");
    assert_eq!(till.ask(CARD, "36227206271667____"), Some(Step::Typed(CARD)), "still time");
    assert_eq!(till.press("_"), Some(Step::Captured(CARD)));
    assert_eq!(till.ask(POST, "94109"), Some(Step::Typed(POST)));
    assert_eq!(till.press("____"), None);
    assert_eq!(till.press("_"), Some(Step::Captured(POST)));
}

#[test]
fn what_is_wrong_is_forgotten_and_can_be_asked_for_again() {
    let mut till = Till::of(&[("MinPostalCodeLength", "5")]);
    for (capture, keys, mistake) in [
        (CARD, "4111111111111112", Mistake::CardNumber),
        (CARD, "6011111111111117", Mistake::CardType),
        (CARD, "4111#", Mistake::CardNumber),
        (CARD, "4111_____", Mistake::InputTimeout),
        (DATE, "1326", Mistake::Date),
        (DATE, "1026", Mistake::Date),
        (DATE, "12_____", Mistake::InputTimeout),
        (POST, "9410#", Mistake::PostalCode),
        (POST, "4111111111111111#", Mistake::PostalCode),
        (CODE, "", Mistake::Sequence),
    ] {
        assert_eq!(till.ask(capture, keys), Some(Step::Failed(capture, mistake)), "{capture:?} {keys}");
        assert!(till.payment.typed(capture).is_empty());
        assert!(till.payment.required().contains(&capture));
    }
    assert_eq!(till.ask(CARD, "4111111111111111"), Some(Step::Captured(CARD)));
    assert_eq!(till.ask(CODE, "12#"), Some(Step::Failed(CODE, Mistake::SecurityCode)));
}

#[test]
fn a_bank_account_is_a_bank_and_an_account() {
    let mut till = Till::of(&[("PaymentMethod", "ach-debit")]);
    let [bank, account] = [Field::RoutingNumber, Field::AccountNumber].map(Capture::of);
    assert_eq!(till.ask(bank, "121181977"), Some(Step::Failed(bank, Mistake::RoutingNumber)));
    assert_eq!(till.ask(bank, "121181976"), Some(Step::Captured(bank)));
    assert_eq!(till.ask(account, "123#"), Some(Step::Failed(account, Mistake::AccountNumber)));
    assert_eq!(till.ask(account, "12345678#"), Some(Step::Captured(account)));
    assert_eq!(till.payment.capture(CARD), Err(NotNow::NotAsked(CARD)));
    assert_eq!(till.payment.complete(), Ok(Step::Submit));
}

#[test]
fn another_card_takes_the_place_of_the_first_and_of_a_code_that_is_not_its() {
    let mut till = Till::of(&[("PostalCode", "false")]);
    till.ask(CARD, "4111111111111111");
    till.ask(CODE, "123");
    till.ask(DATE, "1226");
    assert_eq!(till.required(), "");
    assert_eq!(till.ask(CARD, "5555555555554444"), Some(Step::Captured(CARD)));
    assert_eq!(till.required(), "", "its code is as long");
    assert_eq!(till.ask(CARD, "378282246310005"), Some(Step::Captured(CARD)));
    assert_eq!(till.required(), "security-code");
    assert_eq!(till.ask(CODE, "1234"), Some(Step::Captured(CODE)));
}

#[test]
fn what_is_to_be_typed_twice_is_compared_and_both_are_forgotten_if_they_differ() {
    let mut till = Till::of(&[("RequireMatchingInputs", "payment-card-number"), ("PostalCode", "false")]);
    assert_eq!(
        till.ask(CARD_AGAIN, ""),
        Some(Step::Failed(CARD_AGAIN, Mistake::Matching)),
        "nothing to match"
    );
    till.ask(CARD, "4111111111111111");
    let other = till.ask(CARD_AGAIN, "5555555555554444");
    assert_eq!(other, Some(Step::Failed(CARD_AGAIN, Mistake::Matching)));
    assert_eq!(
        till.required(),
        "payment-card-number,payment-card-number-matcher,expiration-date,security-code"
    );
    till.ask(CARD, "4111111111111111");
    assert_eq!(till.ask(CARD_AGAIN, "4111111111111111"), Some(Step::Captured(CARD_AGAIN)));
    till.ask(CARD, "5555555555554444");
    assert!(till.payment.required().contains(&CARD_AGAIN), "of another card");
    let again = Capture::again(Field::SecurityCode);
    assert_eq!(till.payment.capture(again), Err(NotNow::NotAsked(again)));
}

#[test]
fn a_star_ends_it_at_any_point_but_not_what_the_connector_has() {
    for keys in ["", "4", "411111111111111"] {
        let mut till = Till::of(&[]);
        assert_eq!(till.ask(CARD, &format!("{keys}*")), Some(Step::Over(Given::Star)));
        assert!(till.payment.typed(CARD).is_empty() && till.payment.is_over());
    }
    assert_eq!(Till::of(&[]).press("*"), Some(Step::Over(Given::Star)));
    let mut till = whole(&[]);
    till.payment.complete().unwrap();
    assert_eq!(till.press("*1#"), None);
}

#[test]
fn whoever_is_asked_says_one_or_two() {
    let asked = [("Confirmation", "true")];
    let mut till = whole(&asked);
    assert_eq!(till.payment.complete(), Ok(Step::Confirm));
    assert_eq!(till.press("#3_______________"), None, "their answer is waited for when they have heard it");
    till.payment.prompts_ended(till.now);
    assert_eq!(till.press("_______________"), Some(Step::Unconfirmed));
    assert_eq!(till.payment.complete(), Ok(Step::Confirm));
    assert_eq!(till.press("1"), Some(Step::Submit));
    let mut till = whole(&asked);
    till.payment.complete().unwrap();
    assert_eq!(till.press("2"), Some(Step::Over(Given::Cancelled)));
}

#[test]
fn nothing_runs_out_before_the_first_key_unless_the_prompts_have_ended() {
    let mut till = Till::of(&[]);
    assert_eq!(till.ask(CARD, "____________________"), None);
    till.payment.prompts_ended(till.now);
    assert_eq!(till.press("____"), None);
    assert_eq!(till.press("_"), Some(Step::Failed(CARD, Mistake::InputTimeout)));
}

#[test]
fn a_hash_behind_an_item_that_has_ended_does_not_end_the_next() {
    let mut till = Till::of(&[]);
    till.ask(CARD, "4111111111111111");
    assert_eq!(till.ask(DATE, "#12"), Some(Step::Typed(DATE)));
    assert_eq!(till.press("26"), Some(Step::Captured(DATE)));
}

#[test]
fn nothing_of_it_can_be_shown() {
    let mut till = Till::of(&[]);
    till.ask(CARD, "4111111111111111");
    till.ask(DATE, "12");
    let shown = format!("{:?}", till.payment);
    assert!(!shown.contains("4111") && shown.contains("redacted"), "{shown}");
}

/// One of which everything was typed.
fn whole(given: &[(&str, &str)]) -> Till {
    let mut till = Till::of(given);
    till.ask(CARD, "4111111111111111");
    till.ask(DATE, "1226");
    till.ask(CODE, "123");
    till.ask(POST, "94109#");
    assert_eq!(till.required(), "");
    till
}

#[derive(Clone, Copy, Debug)]
enum Turn {
    Ask(usize, bool),
    Key(u8),
    Wait(u64),
    Complete,
    Heard,
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        (0..Field::ALL.len(), any::<bool>()).prop_map(|(field, again)| Turn::Ask(field, again)),
        (0_u8..16).prop_map(Turn::Key),
        (0_u8..10).prop_map(Turn::Key),
        (0_u64..8).prop_map(Turn::Wait),
        Just(Turn::Complete),
        Just(Turn::Heard),
    ]
}

proptest! {
    /// Whatever happens in whatever order: only whole and right items are there, the connector is asked once at most and
    /// never for less than everything, and with the end all is forgotten.
    #[test]
    fn whatever_happens_nothing_wrong_is_submitted_and_nothing_is_kept(
        turns in proptest::collection::vec(turn(), 0..200),
        twice in any::<bool>(),
        confirm in any::<bool>(),
    ) {
        let twice = if twice { "payment-card-number,security-code" } else { "" };
        let confirm = if confirm { "true" } else { "false" };
        let mut till = Till::of(&[("RequireMatchingInputs", twice), ("Confirmation", confirm)]);
        let mut submitted = 0;
        for turn in turns {
            let payment = &mut till.payment;
            let step = match turn {
                Turn::Ask(field, true) => payment.capture(Capture::again(Field::ALL[field])).unwrap_or(None),
                Turn::Ask(field, false) => payment.capture(Capture::of(Field::ALL[field])).unwrap_or(None),
                Turn::Key(event) => payment.press(Digit::from_event(event).unwrap(), till.now, today()),
                Turn::Wait(seconds) => {
                    till.now += Duration::from_secs(seconds);
                    payment.time(till.now, today())
                }
                Turn::Complete => payment.complete().ok(),
                Turn::Heard => {
                    payment.prompts_ended(till.now);
                    None
                }
            };
            match step {
                Some(Step::Submit) => {
                    submitted += 1;
                    prop_assert!(payment.required().is_empty());
                }
                Some(Step::Failed(capture, _)) => prop_assert!(payment.typed(capture).is_empty()),
                Some(Step::Captured(capture)) => prop_assert!(payment.has(capture)),
                _ => {}
            }
            prop_assert_eq!(payment.has(CARD), payment.brand().is_some());
            if payment.has(CARD) {
                prop_assert!(check::card(payment.typed(CARD).expose(), payment.terms().brands).is_ok());
            }
            if payment.is_over() {
                prop_assert!(Field::ALL.into_iter().all(|field| payment.typed(Capture::of(field)).is_empty()));
                prop_assert!(Field::ALL.into_iter().all(|field| payment.typed(Capture::again(field)).is_empty()));
            }
        }
        prop_assert!(submitted <= 1);
    }
}
