//! What an application is told of a payment, in the words of the reference (§1.7): of a number its last digits, of a code
//! how many there are.

use serde_json::Value;

use super::connector::{Declined, Receipt};
use super::field::{Capture, Field};
use super::payment::{Given, Payment, Step, words};
use super::terms::{PaymentMethod, PostalCode};

/// How many digits of a card are shown, at its end.
const CARD_SHOWN: usize = 4;

/// How many of an account are.
const ACCOUNT_SHOWN: usize = 2;

/// Names and values.
pub type Told = Vec<(String, String)>;

/// How a payment ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The connector took it.
    Done(Receipt),
    /// The connector refused it, or was not reached.
    Declined(Declined),
    /// It was given up before.
    Given(Given),
}

impl Outcome {
    /// In a word of the reference (`Result`).
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Done(_) => "success",
            Self::Declined(_) => "payment-connector-error",
            Self::Given(Given::Star) => "caller-interrupted-with-star",
            Self::Given(Given::HungUp) => "caller-hung-up",
            Self::Given(Given::Cancelled) => "transaction-cancelled",
            Self::Given(Given::TooManyAttempts) => "too-many-failed-attempts",
            Self::Given(Given::Internal) => "internal-error",
        }
    }
}

/// What is said of every payment.
pub fn of_terms(payment: &Payment) -> Told {
    let terms = payment.terms();
    let mut told =
        vec![named("PaymentConnector", &terms.connector), named("PaymentMethod", terms.method.word())];
    if let PaymentMethod::AchDebit(account) = terms.method {
        told.push(named("BankAccountType", account.word()));
    }
    match &terms.amount {
        Some(amount) => told.push(named("ChargeAmount", amount.as_str())),
        None => told.push(named("TokenType", terms.token.word())),
    }
    told
}

/// What is said of a step, beside that: what is asked for, what is still to come, what is there.
pub(super) fn of_step(payment: &Payment, step: Option<Step>) -> Told {
    let mut told = vec![named("Required", words(&payment.required()))];
    let (capture, is_partial, mistake) = match step {
        Some(Step::Typed(capture)) => (Some(capture), true, None),
        Some(Step::Captured(capture)) => (Some(capture), false, None),
        Some(Step::Failed(capture, mistake)) => (Some(capture), false, Some(mistake.word())),
        Some(Step::Unconfirmed) => (None, false, Some(super::check::Mistake::InputTimeout.word())),
        Some(Step::Confirm | Step::Submit | Step::Over(_)) | None => (None, false, None),
    };
    if let Some(capture) = capture {
        told.push(named("Capture", capture.word()));
        told.push(named("PartialResult", is_partial));
    }
    if let Some(mistake) = mistake {
        told.push(named("ErrorType", mistake));
    }
    told.extend(of_items(payment, "x", capture.filter(|_| is_partial)));
    told
}

/// What was typed, masked; of what is being typed only how much there is.
pub fn of_items(payment: &Payment, code_mask: &str, partial: Option<Capture>) -> Told {
    let mut told = Vec::new();
    for field in Field::ALL {
        let capture = Capture::of(field);
        if payment.has(capture) {
            told.push(named(name(field), masked(payment, field, code_mask)));
        } else if partial == Some(capture) {
            told.push(named(name(field), "x".repeat(payment.typed(capture).len())));
        }
        if let (Field::CardNumber, Some(brand)) = (field, payment.brand()) {
            told.push(named("PaymentCardType", brand.word()));
        }
    }
    if let PostalCode::Given(code) = &payment.terms().postal_code
        && payment.terms().method == PaymentMethod::CreditCard
    {
        told.push(named(name(Field::PostalCode), code));
    }
    told
}

/// What is said at the end.
pub fn of_outcome(outcome: &Outcome, is_charge: bool) -> Told {
    let mut told = vec![named("Result", outcome.word())];
    match outcome {
        Outcome::Done(receipt) if is_charge => told.push(named("PaymentConfirmationCode", &receipt.id)),
        Outcome::Done(receipt) => told.push(named("PaymentToken", &receipt.id)),
        Outcome::Declined(declined) => {
            told.push(named("PaymentError", &declined.message));
            told.push(named("PayErrorCode", declined.code));
            if let Some(error) = &declined.error {
                told.push(named("ConnectorError", error));
            }
        }
        Outcome::Given(_) => {}
    }
    told
}

/// What the connector has for the application of a script besides.
pub fn of_connector(receipt: &Receipt) -> Told {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    receipt
        .parameters
        .iter()
        .map(|(name, value)| named(&format!("PayConnector_{name}"), text(value)))
        .collect()
}

fn named(name: &str, value: impl ToString) -> (String, String) {
    (name.to_owned(), value.to_string())
}

const fn name(field: Field) -> &'static str {
    match field {
        Field::CardNumber => "PaymentCardNumber",
        Field::ExpirationDate => "ExpirationDate",
        Field::SecurityCode => "SecurityCode",
        Field::PostalCode => "PaymentCardPostalCode",
        Field::RoutingNumber => "BankRoutingNumber",
        Field::AccountNumber => "BankAccountNumber",
    }
}

/// A whole item as it may be shown.
fn masked(payment: &Payment, field: Field, code_mask: &str) -> String {
    let typed = payment.typed(Capture::of(field));
    let end = |shown: usize, mask: &str| {
        let hidden = typed.len().saturating_sub(shown);
        mask.repeat(hidden) + &typed.expose()[hidden..]
    };
    match field {
        Field::CardNumber => end(CARD_SHOWN, "x"),
        Field::SecurityCode => end(0, code_mask),
        Field::AccountNumber => end(ACCOUNT_SHOWN, "*"),
        // The reference has these in clear: alone they are no secret.
        Field::ExpirationDate | Field::PostalCode | Field::RoutingNumber => typed.expose().to_owned(),
    }
}

/// The last digits of what pays, apart from each other, as they are spoken.
pub(super) fn last_digits(payment: &Payment) -> String {
    let (field, shown) = match payment.terms().method {
        PaymentMethod::CreditCard => (Field::CardNumber, CARD_SHOWN),
        PaymentMethod::AchDebit(_) => (Field::AccountNumber, CARD_SHOWN),
    };
    let typed = payment.typed(Capture::of(field)).expose();
    let last = &typed[typed.len().saturating_sub(shown)..];
    last.chars().map(String::from).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::connector::tests::whole;
    use super::*;

    fn line(told: &Told) -> String {
        told.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn of_a_card_the_last_digits_are_told_and_of_a_code_its_length() {
        let payment = whole(&[("ChargeAmount", "10")], "378282246310005");
        assert_eq!(
            line(&of_terms(&payment)),
            "PaymentConnector=Default PaymentMethod=credit-card ChargeAmount=10.0"
        );
        assert_eq!(
            line(&of_step(&payment, Some(Step::Captured(Capture::of(Field::PostalCode))))),
            "Required= Capture=postal-code PartialResult=false PaymentCardNumber=xxxxxxxxxxx0005 \
             PaymentCardType=amex ExpirationDate=0899 SecurityCode=xxxx PaymentCardPostalCode=94109"
        );
        assert_eq!(last_digits(&payment), "0 0 0 5");
        assert!(line(&of_items(&payment, "*", None)).contains("SecurityCode=****"));
    }

    #[test]
    fn of_an_account_the_last_two_digits_are_told() {
        let payment = whole(&[("PaymentMethod", "ach-debit")], "");
        assert_eq!(
            line(&of_terms(&payment)),
            "PaymentConnector=Default PaymentMethod=ach-debit BankAccountType=consumer-checking TokenType=reusable"
        );
        assert_eq!(
            line(&of_items(&payment, "x", None)),
            "BankRoutingNumber=121181976 BankAccountNumber=******78"
        );
    }

    #[test]
    fn of_what_is_being_typed_only_the_number_of_digits_is_told() {
        let mut payment = Payment::new(super::super::terms::tests::terms(&[])).unwrap();
        let card = Capture::of(Field::PostalCode);
        payment.capture(card).unwrap();
        let key = confab_media::Digit::from_char('4').unwrap();
        let step = payment.press(key, std::time::Instant::now(), chrono::Utc::now());
        assert_eq!(
            line(&of_step(&payment, step)),
            "Required=payment-card-number,expiration-date,security-code,postal-code Capture=postal-code \
             PartialResult=true PaymentCardPostalCode=x"
        );
    }

    #[test]
    fn each_end_has_its_word() {
        let receipt =
            Receipt { id: "ch_1".to_owned(), parameters: json!({"auth": "A1"}).as_object().unwrap().clone() };
        assert_eq!(line(&of_connector(&receipt)), "PayConnector_auth=A1");
        let done = Outcome::Done(receipt);
        assert_eq!(line(&of_outcome(&done, true)), "Result=success PaymentConfirmationCode=ch_1");
        assert_eq!(line(&of_outcome(&done, false)), "Result=success PaymentToken=ch_1");
        let declined =
            Declined { code: 64_012, message: "no funds".to_owned(), error: Some("51".to_owned()) };
        assert_eq!(
            line(&of_outcome(&Outcome::Declined(declined), true)),
            "Result=payment-connector-error PaymentError=no funds PayErrorCode=64012 ConnectorError=51"
        );
        assert_eq!(
            line(&of_outcome(&Outcome::Given(Given::Star), true)),
            "Result=caller-interrupted-with-star"
        );
    }
}
