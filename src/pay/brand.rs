//! Brands of cards: by the first digits of the number, with the lengths that a number of each has (ISO/IEC 7812-1, and
//! what the brands publish of their ranges).

/// Who issued the network that a card is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brand {
    /// Visa.
    Visa,
    /// Mastercard.
    Mastercard,
    /// American Express.
    Amex,
    /// Maestro.
    Maestro,
    /// Discover, and UnionPay, whose cards are taken on its network.
    Discover,
    /// Optima: cards of American Express, which cannot be told from others of theirs by their number.
    Optima,
    /// JCB.
    Jcb,
    /// Diners Club.
    DinersClub,
    /// enRoute.
    Enroute,
}

/// First digits, as the least and the greatest of as many digits; the more special ones come first.
const RANGES: [(u32, u32, Brand); 25] = [
    (2014, 2014, Brand::Enroute),
    (2149, 2149, Brand::Enroute),
    (2221, 2720, Brand::Mastercard),
    (3528, 3589, Brand::Jcb),
    (300, 305, Brand::DinersClub),
    (3095, 3095, Brand::DinersClub),
    (36, 36, Brand::DinersClub),
    (38, 39, Brand::DinersClub),
    (34, 34, Brand::Amex),
    (37, 37, Brand::Amex),
    (4, 4, Brand::Visa),
    (50, 50, Brand::Maestro),
    (51, 55, Brand::Mastercard),
    (56, 58, Brand::Maestro),
    (6011, 6011, Brand::Discover),
    (6304, 6304, Brand::Maestro),
    (6390, 6390, Brand::Maestro),
    (644, 649, Brand::Discover),
    (65, 65, Brand::Discover),
    (62, 62, Brand::Discover),
    (67, 67, Brand::Maestro),
    (60, 60, Brand::Maestro),
    (61, 61, Brand::Maestro),
    (66, 66, Brand::Maestro),
    (68, 69, Brand::Maestro),
];

impl Brand {
    /// All of them, in the order of the API's list.
    pub const ALL: [Self; 9] = [
        Self::Visa,
        Self::Mastercard,
        Self::Amex,
        Self::Maestro,
        Self::Discover,
        Self::Optima,
        Self::Jcb,
        Self::DinersClub,
        Self::Enroute,
    ];

    /// The brand of a number, by its first digits; none as long as there are too few, or if it is nobody's.
    pub fn of(number: &str) -> Option<Self> {
        RANGES
            .into_iter()
            .find(|(least, greatest, _)| is_within(number, *least, *greatest))
            .map(|found| found.2)
    }

    /// As the API writes it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Visa => "visa",
            Self::Mastercard => "mastercard",
            Self::Amex => "amex",
            Self::Maestro => "maestro",
            Self::Discover => "discover",
            Self::Optima => "optima",
            Self::Jcb => "jcb",
            Self::DinersClub => "diners-club",
            Self::Enroute => "enroute",
        }
    }

    /// Reads it as the API writes it; `master-card` is in some of its documents.
    pub fn parse(word: &str) -> Option<Self> {
        let word = if word == "master-card" { "mastercard" } else { word };
        Self::ALL.into_iter().find(|brand| brand.word() == word)
    }

    /// Whether a number of the brand can have so many digits.
    pub const fn has_length(self, digits: usize) -> bool {
        match self {
            Self::Visa => matches!(digits, 13 | 16 | 19),
            Self::Mastercard => digits == 16,
            Self::Amex | Self::Optima | Self::Enroute => digits == 15,
            Self::Maestro => matches!(digits, 12..=19),
            Self::Discover | Self::Jcb => matches!(digits, 16..=19),
            Self::DinersClub => matches!(digits, 14..=19),
        }
    }

    /// With how many digits a number is whole without `#`: what nearly all of the brand have. Longer ones cannot be told
    /// from it, and are rare enough that none of a caller's makes up for a wait after each of the others.
    pub const fn usual_length(self) -> usize {
        match self {
            Self::Amex | Self::Optima | Self::Enroute => 15,
            Self::Visa | Self::Mastercard | Self::Maestro | Self::Discover | Self::Jcb | Self::DinersClub => {
                16
            }
        }
    }

    /// How many digits its security code has.
    pub const fn security_code_length(self) -> usize {
        match self {
            Self::Amex | Self::Optima => 4,
            Self::Visa
            | Self::Mastercard
            | Self::Maestro
            | Self::Discover
            | Self::Jcb
            | Self::DinersClub
            | Self::Enroute => 3,
        }
    }

    /// Whether the last digit of its numbers is a check digit (ISO/IEC 7812-1 Annex B).
    pub const fn has_check_digit(self) -> bool {
        !matches!(self, Self::Enroute)
    }
}

/// Whether a number begins with one of these.
fn is_within(number: &str, least: u32, greatest: u32) -> bool {
    let digits = least.ilog10() as usize + 1;
    let begins = number.get(..digits).and_then(|begins| begins.parse::<u32>().ok());
    begins.is_some_and(|begins| (least..=greatest).contains(&begins))
}

/// Some of the brands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brands(u16);

impl Default for Brands {
    /// What is taken if nobody says: `visa mastercard amex`.
    fn default() -> Self {
        Self(0).with(Brand::Visa).with(Brand::Mastercard).with(Brand::Amex)
    }
}

impl Brands {
    /// Reads words between spaces or commas; none if there is none, or one that is no brand.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split([' ', ',', '\t', '\n']).filter(|word| !word.is_empty()).peekable();
        words.peek()?;
        words.try_fold(Self(0), |brands, word| Brand::parse(word).map(|brand| brands.with(brand)))
    }

    /// Whether cards of the brand are taken. Those of Optima are American Express's.
    pub const fn take(self, brand: Brand) -> bool {
        self.contains(brand) || (matches!(brand, Brand::Amex) && self.contains(Brand::Optima))
    }

    const fn contains(self, brand: Brand) -> bool {
        self.0 & 1 << brand as u16 != 0
    }

    const fn with(self, brand: Brand) -> Self {
        Self(self.0 | 1 << brand as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brand_is_known_by_its_first_digits() {
        for (number, brand) in [
            ("4111111111111111", Brand::Visa),
            ("5555555555554444", Brand::Mastercard),
            ("2223003122003222", Brand::Mastercard),
            ("2720990000000007", Brand::Mastercard),
            ("378282246310005", Brand::Amex),
            ("341111111111111", Brand::Amex),
            ("6011111111111117", Brand::Discover),
            ("6200000000000005", Brand::Discover),
            ("3056930009020004", Brand::DinersClub),
            ("36227206271667", Brand::DinersClub),
            ("3566002020360505", Brand::Jcb),
            ("6771798021000008", Brand::Maestro),
            ("201400000000009", Brand::Enroute),
        ] {
            assert_eq!(Brand::of(number), Some(brand), "{number}");
            assert!(brand.has_length(number.len()), "{number}");
        }
        for nobody in ["", "2", "22", "2220", "2721990000000007", "1234567890123456", "9999", "0"] {
            assert_eq!(Brand::of(nobody), None, "{nobody}");
        }
    }

    #[test]
    fn what_is_taken_is_said_in_words() {
        let some = Brands::parse("visa, amex  diners-club master-card").unwrap();
        let taken: Vec<_> = Brand::ALL.into_iter().filter(|brand| some.take(*brand)).collect();
        assert_eq!(taken, [Brand::Visa, Brand::Mastercard, Brand::Amex, Brand::DinersClub]);
        assert!(Brands::parse("optima").unwrap().take(Brand::Amex));
        assert!(!Brands::default().take(Brand::Discover));
        for wrong in ["", " , ", "visa electron"] {
            assert_eq!(Brands::parse(wrong), None, "{wrong:?}");
        }
    }
}
