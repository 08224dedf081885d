//! What a payment is begun with: the parameters of the API, and the attributes of `<Pay>`, which have the same names but
//! for their first letter.

use std::cell::RefCell;
use std::time::Duration;

use serde_json::{Map, Value};

use super::brand::Brands;
use super::field::{Capture, Field, Fields};

/// The longest wait between two digits.
const TIMEOUT_MAX: u64 = 600;

/// The wait between two digits if nobody says.
const TIMEOUT_DEFAULT: u64 = 5;

/// The longest postal code that can be asked for: none is typed that is longer than what is taken.
const POSTAL_LENGTH_MAX: usize = super::check::POSTAL_DIGITS_MAX;

/// The most digits of an amount before its point: it is below a million.
const AMOUNT_DIGITS_MAX: usize = 6;

/// The longest description and parameter: what a processor shows of them on a statement is much shorter.
const TEXT_MAX: usize = 1_000;

/// The most parameters for the connector.
const PARAMETERS_MAX: usize = 50;

/// What is wrong with the terms.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {shown}; it must be {right}.")]
pub struct TermsError {
    /// By which the reference explains it.
    pub code: u32,
    /// Which of them.
    pub name: &'static str,
    shown: String,
    right: String,
}

impl TermsError {
    /// Of terms that were not read yet.
    pub(crate) fn none() -> Self {
        Self { code: BAD_VALUE, name: "", shown: String::new(), right: String::new() }
    }
}

/// A value that has no code of its own.
pub const BAD_VALUE: u32 = 64_020;
const BAD_AMOUNT: u32 = 64_003;
const BAD_CURRENCY: u32 = 64_011;
const BAD_METHOD: u32 = 64_013;

/// What a payment is begun with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What pays.
    pub method: PaymentMethod,
    /// What is charged; without, the connector makes a token.
    pub amount: Option<Amount>,
    /// The three letters of ISO 4217.
    pub currency: String,
    /// What it is for.
    pub description: Option<String>,
    /// Which connector.
    pub connector: String,
    /// What the connector is told besides.
    pub parameters: Map<String, Value>,
    /// What the token is for.
    pub token: TokenType,
    /// Whether the security code is asked for.
    pub security_code: bool,
    /// Whether the postal code is.
    pub postal_code: PostalCode,
    /// The least digits that it has.
    pub postal_code_length: usize,
    /// How long nothing may come after a digit before what came is looked at.
    pub timeout: Duration,
    /// Whose cards are taken.
    pub brands: Brands,
    /// What is typed twice.
    pub matching: Fields,
    /// Whether the caller is told the last digits and asked, before anything is done with them.
    pub confirmation: bool,
}

/// What pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentMethod {
    /// A card.
    CreditCard,
    /// A bank account in the United States.
    AchDebit(BankAccountType),
}

impl PaymentMethod {
    /// As the API writes it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::CreditCard => "credit-card",
            Self::AchDebit(_) => "ach-debit",
        }
    }
}

/// Whose account it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BankAccountType {
    /// A person's current account.
    ConsumerChecking,
    /// A person's savings.
    ConsumerSavings,
    /// A company's current account.
    CommercialChecking,
    /// A company's savings.
    CommercialSavings,
}

impl BankAccountType {
    const ALL: [Self; 4] =
        [Self::ConsumerChecking, Self::ConsumerSavings, Self::CommercialChecking, Self::CommercialSavings];

    /// As the API writes it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ConsumerChecking => "consumer-checking",
            Self::ConsumerSavings => "consumer-savings",
            Self::CommercialChecking => "commercial-checking",
            Self::CommercialSavings => "commercial-savings",
        }
    }
}

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// For one charge.
    OneTime,
    /// For as many as one likes.
    Reusable,
    /// A way of paying that the processor keeps for a customer.
    PaymentMethod,
}

impl TokenType {
    const ALL: [Self; 3] = [Self::OneTime, Self::Reusable, Self::PaymentMethod];

    /// As the API writes it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::OneTime => "one-time",
            Self::Reusable => "reusable",
            Self::PaymentMethod => "payment-method",
        }
    }
}

/// Where the postal code comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostalCode {
    /// The caller types it.
    Asked,
    /// Nobody wants it.
    NotAsked,
    /// The application knows it.
    Given(String),
}

/// An amount over nothing and below a million, as it is written: a decimal number with a point and a digit after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amount(String);

impl Amount {
    /// Reads a decimal number: none for nought, which charges nothing.
    fn parse(text: &str) -> Option<Option<Self>> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let whole = whole.trim_start_matches('0');
        let is_number = digits(whole) && digits(fraction) && !text.is_empty() && text != ".";
        if !is_number || whole.len() > AMOUNT_DIGITS_MAX || fraction.len() > 3 {
            return None;
        }
        let (whole, fraction) =
            (if whole.is_empty() { "0" } else { whole }, if fraction.is_empty() { "0" } else { fraction });
        let is_nought = whole == "0" && fraction.bytes().all(|byte| byte == b'0');
        Some((!is_nought).then(|| Self(format!("{whole}.{fraction}"))))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Terms {
    /// Reads them with the API's names. `postal_code_may_be_given` where it is known: that is `<Pay>`'s way.
    ///
    /// # Errors
    /// [`TermsError`]: the first that is wrong.
    pub fn read<'v>(
        of: impl FnMut(&'static str) -> Option<&'v str>,
        postal_code_may_be_given: bool,
    ) -> Result<Self, TermsError> {
        let of = RefCell::new(of);
        let given = Given(&|name| (of.borrow_mut())(name).map(str::trim).filter(|value| !value.is_empty()));
        given.value("Input", (), BAD_VALUE, "dtmf", |value| (value == "dtmf").then_some(()))?;
        Ok(Self {
            method: given.method()?,
            amount: given.value("ChargeAmount", None, BAD_AMOUNT, AMOUNT_RIGHT, Amount::parse)?,
            currency: given.value("Currency", "USD".to_owned(), BAD_CURRENCY, CURRENCY_RIGHT, currency)?,
            description: given.text("Description")?,
            connector: given.text("PaymentConnector")?.unwrap_or_else(|| DEFAULT_CONNECTOR.to_owned()),
            parameters: given.value("Parameter", Map::new(), BAD_VALUE, PARAMETER_RIGHT, parameters)?,
            token: given.word("TokenType", TokenType::Reusable, &TokenType::ALL, TokenType::word)?,
            security_code: given.boolean("SecurityCode", true)?,
            postal_code: given.postal_code(postal_code_may_be_given)?,
            postal_code_length: given.value(
                "MinPostalCodeLength",
                1,
                BAD_VALUE,
                "a whole number from 0 to 10",
                |value| value.parse().ok().filter(|length| *length <= POSTAL_LENGTH_MAX),
            )?,
            timeout: given.timeout()?,
            brands: given.value(
                "ValidCardTypes",
                Brands::default(),
                BAD_VALUE,
                BRANDS_RIGHT,
                Brands::parse,
            )?,
            matching: given.value(
                "RequireMatchingInputs",
                Fields::default(),
                BAD_VALUE,
                MATCH_RIGHT,
                fields,
            )?,
            confirmation: given.boolean("Confirmation", false)?,
        })
    }

    /// What has to be typed, each with what is to be typed again behind it.
    pub fn required(&self) -> impl Iterator<Item = Capture> + '_ {
        let fields = Field::ALL.into_iter().filter(|field| self.wants(*field));
        fields.flat_map(|field| {
            let again = self.matching.contains(field).then_some(Capture::again(field));
            std::iter::once(Capture::of(field)).chain(again)
        })
    }

    /// Whether the caller has to type it.
    pub fn wants(&self, field: Field) -> bool {
        let is_card = self.method == PaymentMethod::CreditCard;
        match field {
            Field::CardNumber | Field::ExpirationDate => is_card,
            Field::SecurityCode => is_card && self.security_code,
            Field::PostalCode => is_card && self.postal_code == PostalCode::Asked,
            Field::RoutingNumber | Field::AccountNumber => !is_card,
        }
    }

    /// Whether it can be typed here at all: also what is not asked for may be, as long as it is of what pays.
    pub fn has(&self, capture: Capture) -> bool {
        if capture.is_matcher {
            return self.matching.contains(capture.field) && self.wants(capture.field);
        }
        let is_account = matches!(capture.field, Field::RoutingNumber | Field::AccountNumber);
        is_account == (self.method != PaymentMethod::CreditCard)
    }
}

/// The connector if nobody says.
pub const DEFAULT_CONNECTOR: &str = "Default";

const AMOUNT_RIGHT: &str = "a decimal number of at least 0 and below 1000000";
const CURRENCY_RIGHT: &str = "three letters as USD (ISO 4217)";
const PARAMETER_RIGHT: &str = "a JSON object of at most 50 texts, numbers and truth values";
const BRANDS_RIGHT: &str =
    "some of visa, mastercard, amex, maestro, discover, optima, jcb, diners-club and enroute";
const MATCH_RIGHT: &str = "some of payment-card-number, expiration-date, security-code and postal-code";

/// What was given, by the API's names.
struct Given<'a, 'v>(&'a dyn Fn(&'static str) -> Option<&'v str>);

impl<'v> Given<'_, 'v> {
    fn value<T>(
        &self,
        name: &'static str,
        default: T,
        code: u32,
        right: &str,
        read: impl FnOnce(&'v str) -> Option<T>,
    ) -> Result<T, TermsError> {
        let Some(value) = (self.0)(name) else {
            return Ok(default);
        };
        read(value).ok_or_else(|| wrong(code, name, value, right))
    }

    fn boolean(&self, name: &'static str, default: bool) -> Result<bool, TermsError> {
        self.value(name, default, BAD_VALUE, "true or false", truth)
    }

    fn word<T: Copy>(
        &self,
        name: &'static str,
        default: T,
        all: &[T],
        word: fn(T) -> &'static str,
    ) -> Result<T, TermsError> {
        let right: Vec<_> = all.iter().map(|one| word(*one)).collect();
        self.value(name, default, BAD_VALUE, &format!("one of {}", right.join(", ")), |value| {
            all.iter().copied().find(|one| word(*one) == value)
        })
    }

    fn text(&self, name: &'static str) -> Result<Option<String>, TermsError> {
        let right = "at most 1000 characters";
        self.value(name, None, BAD_VALUE, right, |value| {
            (value.chars().count() <= TEXT_MAX).then(|| Some(value.to_owned()))
        })
    }

    fn method(&self) -> Result<PaymentMethod, TermsError> {
        let account = self.word(
            "BankAccountType",
            BankAccountType::ConsumerChecking,
            &BankAccountType::ALL,
            BankAccountType::word,
        )?;
        let right = "credit-card or ach-debit";
        self.value("PaymentMethod", PaymentMethod::CreditCard, BAD_METHOD, right, |value| {
            [PaymentMethod::CreditCard, PaymentMethod::AchDebit(account)]
                .into_iter()
                .find(|method| method.word() == value)
        })
    }

    fn timeout(&self) -> Result<Duration, TermsError> {
        let right = "a whole number of seconds from 1 to 600";
        let default = Duration::from_secs(TIMEOUT_DEFAULT);
        self.value("Timeout", default, BAD_VALUE, right, |value| {
            let seconds = value.parse().ok().filter(|seconds| (1..=TIMEOUT_MAX).contains(seconds))?;
            Some(Duration::from_secs(seconds))
        })
    }

    fn postal_code(&self, may_be_given: bool) -> Result<PostalCode, TermsError> {
        self.value("PostalCode", PostalCode::Asked, BAD_VALUE, "true or false", |value| match truth(value) {
            Some(true) => Some(PostalCode::Asked),
            Some(false) => Some(PostalCode::NotAsked),
            None if may_be_given && value.chars().count() <= TEXT_MAX => {
                Some(PostalCode::Given(value.to_owned()))
            }
            None => None,
        })
    }
}

fn wrong(code: u32, name: &'static str, value: &str, right: &str) -> TermsError {
    // Nobody is helped by a page of it.
    let start: String = value.chars().take(100).collect();
    TermsError { code, name, shown: format!("{start:?}"), right: right.to_owned() }
}

fn truth(value: &str) -> Option<bool> {
    match value {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn currency(value: &str) -> Option<String> {
    let is_code = value.len() == 3 && value.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_code.then(|| value.to_ascii_uppercase())
}

fn parameters(value: &str) -> Option<Map<String, Value>> {
    let Ok(Value::Object(parameters)) = serde_json::from_str(value) else {
        return None;
    };
    let is_flat = parameters.values().all(|value| !value.is_array() && !value.is_object());
    (is_flat && parameters.len() <= PARAMETERS_MAX).then_some(parameters)
}

fn fields(value: &str) -> Option<Fields> {
    let words = value.split([',', ' ']).filter(|word| !word.is_empty());
    words.into_iter().try_fold(Fields::default(), |fields, word| {
        let capture = Capture::parse(word).filter(|capture| !capture.is_matcher)?;
        capture.field.has_matcher().then(|| fields.with(capture.field))
    })
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The terms of these names and values.
    pub(in super::super) fn terms(given: &[(&str, &str)]) -> Terms {
        read(given).unwrap()
    }

    fn read(given: &[(&str, &str)]) -> Result<Terms, TermsError> {
        Terms::read(|name| given.iter().find(|(key, _)| *key == name).map(|(_, value)| *value), false)
    }

    fn required(given: &[(&str, &str)]) -> String {
        terms(given).required().map(Capture::word).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn without_a_word_a_token_is_made_of_a_card() {
        let terms = terms(&[]);
        assert_eq!((terms.method, terms.amount.as_ref()), (PaymentMethod::CreditCard, None));
        assert_eq!((terms.token, terms.timeout), (TokenType::Reusable, Duration::from_secs(5)));
        assert_eq!((terms.connector.as_str(), terms.currency.as_str()), ("Default", "USD"));
        assert_eq!(required(&[]), "payment-card-number,expiration-date,security-code,postal-code");
    }

    #[test]
    fn what_has_to_be_typed_follows_from_what_pays() {
        let short = [("SecurityCode", "false"), ("PostalCode", "false")];
        assert_eq!(required(&short), "payment-card-number,expiration-date");
        let bank = [("PaymentMethod", "ach-debit"), ("BankAccountType", "consumer-savings")];
        assert_eq!(required(&bank), "bank-routing-number,bank-account-number");
        let twice =
            [("RequireMatchingInputs", "payment-card-number, security-code"), ("PostalCode", "false")];
        assert_eq!(
            required(&twice),
            "payment-card-number,payment-card-number-matcher,expiration-date,security-code,security-code-matcher"
        );
    }

    #[test]
    fn amounts_are_decimal_numbers_below_a_million() {
        let amount = |text| Amount::parse(text).map(|amount| amount.map(|amount| amount.0));
        for (text, expected) in [
            ("10", "10.0"),
            ("10.00", "10.00"),
            ("0.5", "0.5"),
            (".5", "0.5"),
            ("007.25", "7.25"),
            ("999999.99", "999999.99"),
        ] {
            assert_eq!(amount(text), Some(Some(expected.to_owned())), "{text}");
        }
        assert_eq!((amount("0"), amount("0.00")), (Some(None), Some(None)));
        for text in ["", ".", "-1", "+1", "1e3", "1000000", "1,50", "1.2345", "ten", "1.2.3", "٣"] {
            assert_eq!(amount(text), None, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_code_and_what_would_be_right() {
        for (name, value, code) in [
            ("ChargeAmount", "-0.5", BAD_AMOUNT),
            ("Currency", "dollars", BAD_CURRENCY),
            ("PaymentMethod", "cash", BAD_METHOD),
            ("BankAccountType", "numbered", BAD_VALUE),
            ("Input", "speech", BAD_VALUE),
            ("Timeout", "0", BAD_VALUE),
            ("Timeout", "601", BAD_VALUE),
            ("TokenType", "golden", BAD_VALUE),
            ("SecurityCode", "yes", BAD_VALUE),
            ("PostalCode", "94109", BAD_VALUE),
            ("MinPostalCodeLength", "11", BAD_VALUE),
            ("ValidCardTypes", "visa acme", BAD_VALUE),
            ("RequireMatchingInputs", "bank-account-number", BAD_VALUE),
            ("Parameter", "[1]", BAD_VALUE),
            ("Parameter", "{\"a\": {\"b\": 1}}", BAD_VALUE),
            ("Parameter", "{", BAD_VALUE),
            ("Confirmation", "maybe", BAD_VALUE),
        ] {
            let error = read(&[(name, value)]).unwrap_err();
            assert_eq!((error.code, error.name), (code, name), "{value}");
            assert!(error.to_string().contains("it must be"), "{error}");
        }
    }

    #[test]
    fn a_postal_code_that_is_known_is_not_asked_for() {
        let terms = Terms::read(|name| (name == "PostalCode").then_some("SW1A 1AA"), true).unwrap();
        assert_eq!(terms.postal_code, PostalCode::Given("SW1A 1AA".to_owned()));
        assert!(!terms.wants(Field::PostalCode));
    }

    proptest! {
        #[test]
        fn any_text_is_harmless(name in 0_usize..15, value in ".{0,40}") {
            const NAMES: [&str; 15] = [
                "PaymentMethod", "BankAccountType", "ChargeAmount", "Currency", "Description", "Input",
                "MinPostalCodeLength", "Parameter", "PaymentConnector", "PostalCode", "SecurityCode",
                "Timeout", "TokenType", "ValidCardTypes", "RequireMatchingInputs",
            ];
            let _ = read(&[(NAMES[name], value.as_str())]);
        }
    }
}
