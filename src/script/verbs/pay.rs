//! Pay: what the caller types of a card or a bank account, item by item, and who charges it. What it is begun with is in
//! [`Terms`], which the API has too. What follows is never reached, because `action` is always told.

use serde_json::{Map, Value};

use super::gather::{Prompt, action};
use crate::pay::{Brands, Capture, Field, Fields, Mistake, Terms, TermsError};
use crate::script::code::{GATHER_METHOD, SCHEMA};
use crate::script::element::Element;
use crate::script::target::Callback;

/// How often a caller is asked for an item if the document does not say.
const ATTEMPTS_DEFAULT: u64 = 3;

/// As often as can be asked for.
const ATTEMPTS_MAX: u64 = 3;

/// Takes a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pay {
    /// What it is begun with; what is wrong with that is told to `action`.
    pub terms: Result<Terms, TermsError>,
    /// Who is told at the end; the document itself if the text does not say.
    pub action: Callback,
    /// Who is told meanwhile.
    pub status: Option<Callback>,
    /// How often the caller is asked for an item.
    pub attempts_max: u32,
    /// The language of what the caller hears if no prompt says otherwise.
    pub language: String,
    /// What the caller hears, in the order of the document.
    pub prompts: Vec<PayPrompt>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayStage {
    /// An item.
    Item(Field),
    /// Nothing: the connector has it.
    Processing,
}

impl PayStage {
    /// As the API writes it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Item(field) => field.word(),
            Self::Processing => "payment-processing",
        }
    }
}

/// What the caller hears, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayPrompt {
    /// What is asked for.
    pub stages: Vec<PayStage>,
    /// What was wrong before; whatever it was if none is said.
    pub errors: Vec<String>,
    /// Of which brands the card is; of any if none is said.
    pub brands: Option<Brands>,
    /// For the how-manieth time; whichever if none is said.
    pub attempts: Vec<u64>,
    /// Whether it asks for what was typed to be typed again.
    pub again: bool,
    /// What is heard.
    pub prompts: Vec<Prompt>,
}

/// The names of the terms, as the API and as `<Pay>` write them.
const NAMES: [(&str, &str); 13] = [
    ("Input", "input"),
    ("PaymentMethod", "paymentMethod"),
    ("BankAccountType", "bankAccountType"),
    ("ChargeAmount", "chargeAmount"),
    ("Currency", "currency"),
    ("Description", "description"),
    ("PaymentConnector", "paymentConnector"),
    ("PostalCode", "postalCode"),
    ("MinPostalCodeLength", "minPostalCodeLength"),
    ("SecurityCode", "securityCode"),
    ("Timeout", "timeout"),
    ("TokenType", "tokenType"),
    ("ValidCardTypes", "validCardTypes"),
];

impl Pay {
    pub(super) fn read(element: &Element<'_, '_>) -> Self {
        let attribute = |name: &'static str| {
            let (_, name) = NAMES.into_iter().find(|(api, _)| *api == name)?;
            element.attribute(name)
        };
        let mut terms = Terms::read(attribute, true);
        let attempts = element.number("maxAttempts", ATTEMPTS_DEFAULT, 1..=ATTEMPTS_MAX, SCHEMA);
        let pay = Self {
            action: action(element, GATHER_METHOD),
            status: element.callback("statusCallback", "statusCallbackMethod", GATHER_METHOD),
            attempts_max: u32::try_from(attempts).unwrap_or(1),
            language: element.words("language").unwrap_or_else(|| "en-US".to_owned()),
            prompts: element.children().filter_map(|child| PayPrompt::read(&child)).collect(),
            terms: Err(TermsError::none()),
        };
        if let Ok(terms) = &mut terms {
            terms.parameters = parameters(element);
            terms.matching = pay.typed_twice();
        }
        element.no_text();
        element.finish();
        Self { terms, ..pay }
    }

    /// What some prompt asks for again.
    fn typed_twice(&self) -> Fields {
        let stages = self.prompts.iter().filter(|prompt| prompt.again).flat_map(|prompt| &prompt.stages);
        stages.fold(Fields::default(), |fields, stage| match stage {
            PayStage::Item(field) if field.has_matcher() => fields.with(*field),
            PayStage::Item(_) | PayStage::Processing => fields,
        })
    }
}

impl PayPrompt {
    fn read(element: &Element<'_, '_>) -> Option<Self> {
        if element.name() == "Parameter" {
            return None;
        }
        if element.name() != "Prompt" {
            element.warn(SCHEMA, "cannot be within <Pay>, only Prompt and Parameter; it is skipped.");
            return None;
        }
        let words = |name| {
            let value: &str = element.attribute(name).unwrap_or_default();
            value.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        let stages = words("for").iter().filter_map(|word| stage(element, word)).collect::<Vec<_>>();
        let brands = element
            .value("cardType", None, SCHEMA, "brands of cards", |value| Some(Some(Brands::parse(value)?)));
        let prompt = Self {
            stages,
            errors: words("errorType"),
            brands,
            attempts: words("attempt").iter().filter_map(|word| word.parse().ok()).collect(),
            again: element.boolean("requireMatchingInputs", false, SCHEMA),
            prompts: element.children().filter_map(|child| Prompt::read(&child)).collect(),
        };
        element.no_text();
        element.finish();
        (!prompt.stages.is_empty()).then_some(prompt)
    }

    /// Whether it is for this.
    pub fn fits(
        &self,
        stage: PayStage,
        again: bool,
        attempt: u32,
        mistake: Option<Mistake>,
        brand: Option<crate::pay::Brand>,
    ) -> bool {
        let error = mistake.map(pay_word);
        let fits_error =
            self.errors.is_empty() || error.is_some_and(|error| self.errors.iter().any(|e| e == error));
        let fits_attempt = self.attempts.is_empty() || self.attempts.contains(&u64::from(attempt));
        let fits_brand = self.brands.is_none_or(|brands| brand.is_some_and(|brand| brands.take(brand)));
        self.stages.contains(&stage) && self.again == again && fits_error && fits_attempt && fits_brand
    }
}

/// What is wrong, as `<Pay>` writes it.
pub(in crate::script) const fn pay_word(mistake: Mistake) -> &'static str {
    match mistake {
        Mistake::InputTimeout => "timeout",
        Mistake::CardNumber
        | Mistake::CardType
        | Mistake::Date
        | Mistake::SecurityCode
        | Mistake::PostalCode
        | Mistake::RoutingNumber
        | Mistake::AccountNumber
        | Mistake::Sequence
        | Mistake::Matching => mistake.word(),
    }
}

fn stage(element: &Element<'_, '_>, word: &str) -> Option<PayStage> {
    if word == PayStage::Processing.word() {
        return Some(PayStage::Processing);
    }
    let capture = Capture::parse(word).filter(|capture| !capture.is_matcher);
    if capture.is_none() {
        element.warn(SCHEMA, "is for something that is not asked for; that is skipped.");
    }
    capture.map(|capture| PayStage::Item(capture.field))
}

/// What the connector is told besides.
fn parameters(element: &Element<'_, '_>) -> Map<String, Value> {
    let of = |child: Element<'_, '_>| {
        let pair = (child.words("name"), child.words("value").unwrap_or_default());
        child.finish();
        pair.0.map(|name| (name, Value::String(pair.1)))
    };
    element.children().filter(|child| child.name() == "Parameter").filter_map(of).collect()
}
