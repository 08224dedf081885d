//! What a caller types: which items of a card or an account, and which of them twice.

/// One item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The card's number (PAN).
    CardNumber,
    /// Month and year, as MMYY.
    ExpirationDate,
    /// The code on the card (CVV).
    SecurityCode,
    /// Where its owner lives.
    PostalCode,
    /// The bank, by its routing number of the ABA.
    RoutingNumber,
    /// The account there.
    AccountNumber,
}

impl Field {
    /// All of them, in the order in which they are asked for.
    pub const ALL: [Self; 6] = [
        Self::CardNumber,
        Self::ExpirationDate,
        Self::SecurityCode,
        Self::PostalCode,
        Self::RoutingNumber,
        Self::AccountNumber,
    ];

    /// As the API writes it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::CardNumber => "payment-card-number",
            Self::ExpirationDate => "expiration-date",
            Self::SecurityCode => "security-code",
            Self::PostalCode => "postal-code",
            Self::RoutingNumber => "bank-routing-number",
            Self::AccountNumber => "bank-account-number",
        }
    }

    /// Whether it can be asked for twice.
    pub const fn has_matcher(self) -> bool {
        !matches!(self, Self::RoutingNumber | Self::AccountNumber)
    }
}

/// An item as it is typed: for the first time, or again to be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capture {
    /// Which.
    pub field: Field,
    /// Whether it was typed before, and is compared with that.
    pub is_matcher: bool,
}

/// What follows the word of an item that is typed again.
const MATCHER: &str = "-matcher";

impl Capture {
    /// The item itself.
    pub const fn of(field: Field) -> Self {
        Self { field, is_matcher: false }
    }

    /// The item again.
    pub const fn again(field: Field) -> Self {
        Self { field, is_matcher: true }
    }

    /// Reads it as the API writes it.
    pub fn parse(word: &str) -> Option<Self> {
        let (word, is_matcher) = match word.strip_suffix(MATCHER) {
            Some(word) => (word, true),
            None => (word, false),
        };
        let field = Field::ALL.into_iter().find(|field| field.word() == word)?;
        (!is_matcher || field.has_matcher()).then_some(Self { field, is_matcher })
    }

    /// As the API writes it.
    pub fn word(self) -> String {
        format!("{}{}", self.field.word(), if self.is_matcher { MATCHER } else { "" })
    }
}

/// Some of the items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields(u8);

impl Fields {
    /// With one more.
    #[must_use]
    pub const fn with(self, field: Field) -> Self {
        Self(self.0 | 1 << field as u8)
    }

    /// Whether it is among them.
    pub const fn contains(self, field: Field) -> bool {
        self.0 & 1 << field as u8 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_written_as_the_api_writes_them() {
        for field in Field::ALL {
            assert_eq!(Capture::parse(field.word()), Some(Capture::of(field)));
            let again = field.has_matcher().then_some(Capture::again(field));
            assert_eq!(Capture::parse(&Capture::again(field).word()), again);
        }
        for word in ["", "card", "payment-card-number-matcher-matcher", "bank-account-number-matcher"] {
            assert_eq!(Capture::parse(word), None, "{word}");
        }
    }
}
