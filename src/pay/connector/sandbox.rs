//! The connector that is built in, for trying out: it takes the public test cards and accounts and no others, charges
//! nobody, and makes up what it answers. Nothing leaves the node.

use serde_json::Map;

use super::super::field::Field;
use super::super::terms::PaymentMethod;
use super::{Declined, Order, Receipt};

/// The public test cards.
pub(in super::super) const CARDS: [&str; 8] = [
    "4111111111111111",
    "5555555555554444",
    "378282246310005",
    "6011111111111117",
    "3056930009020004",
    "3566002020360505",
    "6200000000000005",
    "6771798021000008",
];

/// The public test accounts.
const ACCOUNTS: [&str; 2] = ["12345678", "123456789"];

/// A card that is none of these.
const NO_TEST_CARD: u32 = 64_022;
/// An account that is none of these.
const NO_TEST_ACCOUNT: u32 = 64_023;

/// Takes an order.
pub(super) fn submit(order: &Order<'_>) -> Result<Receipt, Declined> {
    let is_known = |field, known: &[&str]| order.typed(field).is_some_and(|typed| known.contains(&typed));
    let declined = |code, message: &str| Declined { code, message: message.to_owned(), error: None };
    match order.payment().terms().method {
        PaymentMethod::CreditCard if !is_known(Field::CardNumber, &CARDS) => {
            return Err(declined(NO_TEST_CARD, "The sandbox takes the public test cards only."));
        }
        PaymentMethod::AchDebit(_) if !is_known(Field::AccountNumber, &ACCOUNTS) => {
            return Err(declined(NO_TEST_ACCOUNT, "The sandbox takes the public test accounts only."));
        }
        PaymentMethod::CreditCard | PaymentMethod::AchDebit(_) => {}
    }
    let kind = if order.is_charge() { "ch" } else { "tok" };
    let mut bytes = [0; 12];
    let drawn = getrandom::fill(&mut bytes);
    drawn.map_err(|_| declined(64_002, "The system gives no entropy."))?;
    let random: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Receipt { id: format!("sandbox_{kind}_{random}"), parameters: Map::new() })
}

#[cfg(test)]
mod tests {
    use super::super::order::tests::whole;
    use super::*;

    #[test]
    fn test_cards_are_charged_and_others_are_not() {
        let all = [("ValidCardTypes", "visa mastercard amex discover diners-club jcb maestro")];
        for card in CARDS {
            let receipt = submit(&Order::new(&whole(&all, card), "PK1")).unwrap();
            assert!(receipt.id.starts_with("sandbox_tok_"), "{receipt:?}");
        }
        let charge = whole(&[("ChargeAmount", "5")], CARDS[0]);
        assert!(submit(&Order::new(&charge, "PK1")).unwrap().id.starts_with("sandbox_ch_"));
        let stranger = submit(&Order::new(&whole(&[], "4222222222222#"), "PK1"));
        assert_eq!(stranger.unwrap_err().code, NO_TEST_CARD);
        let account = whole(&[("PaymentMethod", "ach-debit")], "");
        assert!(submit(&Order::new(&account, "PK1")).is_ok());
    }
}
