//! What a connector answers, read with distrust: it may be anything, and it may hold what it was sent.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::field::{Capture, Field};
use super::super::payment::Payment;
use super::{Declined, Receipt};

/// The longest text that is taken over from an answer.
const TEXT_MAX: usize = 500;

/// The most parameters that are.
const PARAMETERS_MAX: usize = 50;

/// The connector did what it could, and refuses: of a token, of a charge.
const TOKEN_REFUSED: u32 = 64_010;
const CARD_REFUSED: u32 = 64_012;
/// What it answers cannot be understood: of a token, of a charge.
const TOKEN_NONSENSE: u32 = 64_006;
const CHARGE_NONSENSE: u32 = 64_008;
/// It does not answer: of a token, of a charge.
const TOKEN_UNANSWERED: u32 = 64_005;
const CHARGE_UNANSWERED: u32 = 64_007;

/// As the contract has it; ids and codes may be numbers.
#[derive(Deserialize)]
struct Reply {
    charge_id: Option<Value>,
    token_id: Option<Value>,
    error_code: Option<Value>,
    error_message: Option<Value>,
    parameters: Option<Map<String, Value>>,
}

/// Reads an answer to what was asked for this payment. No more than the card's last digits is taken over from it.
///
/// # Errors
/// When the connector refuses, or what it says is not the contract's.
pub fn read(status: u16, body: &[u8], payment: &Payment) -> Result<Receipt, Declined> {
    let is_charge = payment.terms().amount.is_some();
    let nonsense = |why: &str| Declined {
        code: if is_charge { CHARGE_NONSENSE } else { TOKEN_NONSENSE },
        message: format!("The connector answered with HTTP status {status} and {why}."),
        error: None,
    };
    let Ok(reply) = serde_json::from_slice::<Reply>(body) else {
        return Err(nonsense("what is not the contract's JSON"));
    };
    let text = |value: &Value| text(value).map(|text| cut(scrub(&text, payment)));
    let error = reply.error_code.as_ref().and_then(text).filter(|code| !code.is_empty());
    let message = reply.error_message.as_ref().and_then(text).filter(|message| !message.is_empty());
    if error.is_some() || message.is_some() {
        return Err(Declined {
            code: if is_charge { CARD_REFUSED } else { TOKEN_REFUSED },
            message: message.unwrap_or_else(|| "The connector refused without a word.".to_owned()),
            error,
        });
    }
    if !(200..300).contains(&status) {
        return Err(nonsense("no error in it"));
    }
    let id = if is_charge { reply.charge_id } else { reply.token_id };
    let given = id.as_ref().and_then(self::text).map(cut).filter(|id| !id.is_empty());
    let Some(id) = given else {
        return Err(nonsense(if is_charge { "no charge_id" } else { "no token_id" }));
    };
    // An id with digits left out names nothing; and one that is the card must not be told.
    if scrub(&id, payment) != id {
        return Err(nonsense("an id that holds what was typed"));
    }
    let parameters = reply.parameters.unwrap_or_default().into_iter().take(PARAMETERS_MAX);
    let parameters = parameters
        .filter_map(|(name, value)| Some((cut(scrub(&plain(&name), payment)), Value::String(text(&value)?))));
    Ok(Receipt { id, parameters: parameters.collect() })
}

/// Nothing came from it.
pub(super) fn unanswered(why: &str, payment: &Payment) -> Declined {
    let is_charge = payment.terms().amount.is_some();
    let code = if is_charge { CHARGE_UNANSWERED } else { TOKEN_UNANSWERED };
    Declined { code, message: format!("The connector was not reached: {why}."), error: None }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(plain(text)),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The text without what could be read as something else.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// Its beginning. Only of what was scrubbed: the first half of a card's number is not known as one.
fn cut(text: String) -> String {
    text.chars().take(TEXT_MAX).collect()
}

/// The text with an `x` for each digit of what was typed, also where something stands between them.
fn scrub(text: &str, payment: &Payment) -> String {
    let secrets: Vec<&str> = [Field::CardNumber, Field::AccountNumber, Field::SecurityCode]
        .into_iter()
        .map(|field| payment.typed(Capture::of(field)).expose())
        .filter(|typed| !typed.is_empty())
        .collect();
    let digits: Vec<(usize, u8)> =
        text.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()).collect();
    let mut clean = text.to_owned().into_bytes();
    for secret in secrets {
        for window in digits.windows(secret.len()) {
            let is_secret = window.iter().map(|(_, digit)| *digit).eq(secret.bytes());
            // Digits far apart are those of something else; a short code is one only where it stands alone.
            let (first, last) = (window[0].0, window[window.len() - 1].0);
            let is_near = last - first < 2 * secret.len();
            let is_alone = |at: Option<usize>| {
                at.and_then(|at| text.as_bytes().get(at)).is_none_or(|byte| !byte.is_ascii_alphanumeric())
            };
            let stands_alone =
                secret.len() > 4 || (is_alone(first.checked_sub(1)) && is_alone(Some(last + 1)));
            if is_secret && is_near && stands_alone {
                window.iter().for_each(|(at, _)| clean[*at] = b'x');
            }
        }
    }
    // Single bytes of ASCII in the place of others.
    String::from_utf8(clean).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::order::tests::whole;
    use super::*;

    const CARD: &str = "4111111111111111";

    fn reply(status: u16, body: &Value, given: &[(&str, &str)]) -> Result<Receipt, Declined> {
        read(status, body.to_string().as_bytes(), &whole(given, CARD))
    }

    #[test]
    fn what_was_made_is_told() {
        let token = json!({"token_id": "tok_1", "error_code": null, "error_message": null});
        assert_eq!(reply(200, &token, &[]).unwrap().id, "tok_1");
        let charge = json!({"charge_id": 4711, "parameters": {"auth": "A1", "n": 2, "deep": {}}});
        let receipt = reply(201, &charge, &[("ChargeAmount", "1")]).unwrap();
        assert_eq!(receipt.id, "4711");
        assert_eq!(Value::Object(receipt.parameters), json!({"auth": "A1", "n": "2"}));
    }

    #[test]
    fn refusals_and_nonsense_are_told_apart() {
        let charge = [("ChargeAmount", "1")];
        let refused = json!({"charge_id": null, "error_code": 51, "error_message": "no funds"});
        let declined = reply(200, &refused, &charge).unwrap_err();
        assert_eq!((declined.code, declined.error.as_deref()), (CARD_REFUSED, Some("51")));
        assert_eq!(declined.message, "no funds");
        assert_eq!(reply(402, &json!({"error_code": "x"}), &[]).unwrap_err().code, TOKEN_REFUSED);
        for (status, body) in [
            (200, json!({})),
            (200, json!([])),
            (200, json!({"token_id": "t"})),
            (404, json!({"charge_id": "c"})),
        ] {
            assert_eq!(reply(status, &body, &charge).unwrap_err().code, CHARGE_NONSENSE, "{status} {body}");
        }
        assert_eq!(read(200, b"<html>", &whole(&[], CARD)).unwrap_err().code, TOKEN_NONSENSE);
    }

    #[test]
    fn what_was_typed_does_not_come_back() {
        let echo = json!({"error_code": CARD, "error_message":
            format!("card {CARD}, 4111 1111-1111 1111, cvv 123, amount 1234, ref a123b")});
        let declined = reply(200, &echo, &[]).unwrap_err();
        assert_eq!(declined.error.as_deref(), Some("xxxxxxxxxxxxxxxx"));
        assert_eq!(
            declined.message,
            "card xxxxxxxxxxxxxxxx, xxxx xxxx-xxxx xxxx, cvv xxx, amount 1234, ref a123b"
        );
        let token = json!({"token_id": format!("tok_{CARD}")});
        assert_eq!(reply(200, &token, &[]).unwrap_err().code, TOKEN_NONSENSE);
    }

    #[test]
    fn a_number_at_the_end_of_a_text_that_is_cut_does_not_come_back_by_halves() {
        let long = format!("{}{CARD}", "-".repeat(TEXT_MAX - 8));
        let declined = reply(200, &json!({"error_message": long}), &[]).unwrap_err();
        assert_eq!(declined.message, format!("{}xxxxxxxx", "-".repeat(TEXT_MAX - 8)));
        let spread = "4111\u{7}1111\u{7}1111\u{7}1111";
        assert_eq!(reply(200, &json!({"error_message": spread}), &[]).unwrap_err().message, "x".repeat(16));
    }

    proptest! {
        #[test]
        fn any_bytes_are_harmless(body in proptest::collection::vec(any::<u8>(), 0..300), text in ".{0,200}") {
            let payment = whole(&[], CARD);
            let _ = read(200, &body, &payment);
            let clean = scrub(&format!("{text}{CARD}{text}"), &payment);
            prop_assert!(!clean.contains(CARD));
        }
    }
}
