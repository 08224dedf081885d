//! What a connector is handed: a payment, in the words of the contract.

use serde::Serialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::super::field::{Capture, Field};
use super::super::payment::Payment;
use super::super::terms::{BankAccountType, PaymentMethod, PostalCode};

/// What all of it but the texts of the application takes: sixteen short values and their names.
const FIXED_BYTES: usize = 1_024;

/// The most bytes that a character of a text becomes in JSON.
const BYTES_PER_CHARACTER: usize = 12;

/// A payment that everything was typed of.
pub struct Order<'a> {
    payment: &'a Payment,
    transaction: &'a str,
}

/// As the contract has it. Nothing of it is copied but into the body.
#[derive(Serialize)]
struct Body<'a> {
    method: &'static str,
    transaction_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cardnumber: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cvv: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_month: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry_year: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    postal_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bankaccountnumber: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    routingnumber: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bankaccounttype: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    parameters: &'a Map<String, Value>,
}

impl<'a> Order<'a> {
    /// The order of a payment, which is the same transaction however often it is handed over.
    pub const fn new(payment: &'a Payment, transaction: &'a str) -> Self {
        Self { payment, transaction }
    }

    /// The payment.
    pub(super) const fn payment(&self) -> &'a Payment {
        self.payment
    }

    /// Whether something is charged; else a token is made.
    pub(super) const fn is_charge(&self) -> bool {
        self.payment.terms().amount.is_some()
    }

    /// What was typed of an item, if it was.
    pub(super) fn typed(&self, field: Field) -> Option<&'a str> {
        let capture = Capture::of(field);
        self.payment.has(capture).then(|| self.payment.typed(capture).expose())
    }

    /// The order as JSON, in memory that is wiped. It never grows, which would leave a copy behind.
    pub(super) fn json(&self) -> Zeroizing<Vec<u8>> {
        let terms = self.payment.terms();
        let parameters: usize =
            terms.parameters.iter().map(|(name, value)| name.len() + value.to_string().len() + 8).sum();
        let given = match &terms.postal_code {
            PostalCode::Given(code) => code.len(),
            PostalCode::Asked | PostalCode::NotAsked => 0,
        };
        let texts = terms.description.as_ref().map_or(0, String::len) + given + parameters;
        let mut json = Zeroizing::new(Vec::with_capacity(FIXED_BYTES + BYTES_PER_CHARACTER * texts));
        // Writing to memory does not fail, and texts are always JSON.
        let _ = serde_json::to_writer(&mut *json, &self.body());
        json
    }

    fn body(&self) -> Body<'a> {
        let terms = self.payment.terms();
        let date = self.typed(Field::ExpirationDate);
        let account_type = match terms.method {
            PaymentMethod::CreditCard => None,
            PaymentMethod::AchDebit(account) => Some(account),
        };
        let postal_code = match &terms.postal_code {
            PostalCode::Given(code) => Some(code.as_str()),
            PostalCode::Asked | PostalCode::NotAsked => self.typed(Field::PostalCode),
        };
        let amount = terms.amount.as_ref();
        Body {
            method: if self.is_charge() { "charge" } else { "tokenize" },
            transaction_id: self.transaction,
            cardnumber: self.typed(Field::CardNumber),
            cvv: self.typed(Field::SecurityCode),
            expiry_month: date.map(|date| &date[..2]),
            expiry_year: date.map(|date| &date[2..]),
            postal_code: postal_code.filter(|_| account_type.is_none()),
            bankaccountnumber: self.typed(Field::AccountNumber),
            routingnumber: self.typed(Field::RoutingNumber),
            bankaccounttype: account_type.map(BankAccountType::word),
            amount: amount.map(|amount| amount.as_str()),
            currency_code: amount.map(|_| terms.currency.as_str()),
            token_type: (!self.is_charge()).then(|| terms.token.word()),
            description: terms.description.as_deref(),
            parameters: &terms.parameters,
        }
    }
}

#[cfg(test)]
pub(in super::super) mod tests {
    use std::time::Instant;

    use chrono::Utc;
    use confab_media::Digit;
    use serde_json::json;

    use super::super::super::terms::tests::terms;
    use super::*;

    /// A payment on these terms, with everything typed of it.
    pub(in super::super::super) fn whole(given: &[(&str, &str)], card: &str) -> Payment {
        let mut payment = Payment::new(terms(given)).unwrap();
        for capture in payment.required() {
            let keys = match capture.field {
                Field::CardNumber => card,
                Field::ExpirationDate => "0899",
                Field::SecurityCode => "1234",
                Field::PostalCode => "94109#",
                Field::RoutingNumber => "121181976",
                Field::AccountNumber => "12345678#",
            };
            assert_eq!(payment.capture(capture), Ok(None));
            for key in keys.chars() {
                payment.press(Digit::from_char(key).unwrap(), Instant::now(), Utc::now());
            }
        }
        assert_eq!(payment.required(), []);
        payment.complete().unwrap();
        payment
    }

    fn json(payment: &Payment) -> Value {
        let json = Order::new(payment, "PK1").json();
        assert!(json.capacity() > json.len());
        serde_json::from_slice(&json).unwrap()
    }

    #[test]
    fn a_charge_says_what_is_charged() {
        let given = [("ChargeAmount", "10"), ("Description", "Tea"), ("Parameter", "{\"a\":1}")];
        let payment = whole(&given, "4111111111111111");
        assert_eq!(
            json(&payment),
            json!({
                "method": "charge", "transaction_id": "PK1", "cardnumber": "4111111111111111", "cvv": "123",
                "expiry_month": "08", "expiry_year": "99", "postal_code": "94109", "amount": "10.0",
                "currency_code": "USD", "description": "Tea", "parameters": {"a": 1},
            })
        );
    }

    #[test]
    fn a_token_has_no_amount_and_an_account_no_card() {
        let given = [("PaymentMethod", "ach-debit"), ("TokenType", "one-time")];
        assert_eq!(
            json(&whole(&given, "")),
            json!({
                "method": "tokenize", "transaction_id": "PK1", "bankaccountnumber": "12345678",
                "routingnumber": "121181976", "bankaccounttype": "consumer-checking",
                "token_type": "one-time", "parameters": {},
            })
        );
    }
}
