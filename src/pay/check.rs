//! Whether what was typed can be what it is said to be.

use chrono::{DateTime, Datelike, TimeDelta, Utc};

use super::brand::{Brand, Brands};

/// What is wrong with an item, in the words of the API (`ErrorType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// Nothing more came, and what came is not whole.
    InputTimeout,
    /// No card has this number.
    CardNumber,
    /// Cards of this brand are not taken.
    CardType,
    /// No date, or one that is past.
    Date,
    /// No security code of the card's brand.
    SecurityCode,
    /// Too short, or too long.
    PostalCode,
    /// No bank has this number.
    RoutingNumber,
    /// Too short, or too long.
    AccountNumber,
    /// The security code was asked for before the card, which says how long it is.
    Sequence,
    /// It was typed differently the second time.
    Matching,
}

impl Mistake {
    /// As the API writes it. `<Pay>` has another word for the first.
    pub const fn word(self) -> &'static str {
        match self {
            Self::InputTimeout => "input-timeout",
            Self::CardNumber => "invalid-card-number",
            Self::CardType => "invalid-card-type",
            Self::Date => "invalid-date",
            Self::SecurityCode => "invalid-security-code",
            Self::PostalCode => "invalid-postal-code",
            Self::RoutingNumber => "invalid-bank-routing-number",
            Self::AccountNumber => "invalid-bank-account-number",
            Self::Sequence => "invalid-card-number-security-code-capture-sequence",
            Self::Matching => "input-matching-failed",
        }
    }
}

/// Digits of a date.
pub(super) const DATE_DIGITS: usize = 4;

/// Digits of a routing number (ABA).
pub(super) const ROUTING_DIGITS: usize = 9;

/// Digits of an account number: NACHA's records have room for 17, and none of a bank is shorter than 4.
const ACCOUNT_DIGITS: std::ops::RangeInclusive<usize> = 4..=17;

/// The longest postal code that can be typed on a telephone: ZIP+4 has nine digits, Iran's and Brazil's ten and eight. More is a
/// number of something else, and is never shown.
pub(super) const POSTAL_DIGITS_MAX: usize = 10;

/// The brand of a whole card number.
pub(super) fn card(number: &str, taken: Brands) -> Result<Brand, Mistake> {
    let brand = Brand::of(number).ok_or(Mistake::CardNumber)?;
    if !brand.has_length(number.len()) || (brand.has_check_digit() && !luhn(number)) {
        return Err(Mistake::CardNumber);
    }
    if taken.take(brand) { Ok(brand) } else { Err(Mistake::CardType) }
}

/// Whether the last digit is right for those before it (ISO/IEC 7812-1 Annex B).
pub(super) fn luhn(number: &str) -> bool {
    let sum = number.bytes().rev().enumerate().fold(0, |sum, (at, digit)| {
        let digit = u32::from(digit - b'0');
        let doubled = if at % 2 == 1 { digit * 2 } else { digit };
        sum + doubled / 10 + doubled % 10
    });
    sum.is_multiple_of(10)
}

/// A date MMYY that is not past. A card is good until its month has ended everywhere: twelve hours after it has by UTC.
pub(super) fn date(date: &str, now: DateTime<Utc>) -> Result<(), Mistake> {
    if date.len() != DATE_DIGITS {
        return Err(Mistake::Date);
    }
    let number = |part: &str| part.parse::<u32>().map_err(|_| Mistake::Date);
    let (month, year) = (number(&date[..2])?, number(&date[2..])?);
    let today = now - TimeDelta::hours(12);
    // Of this century: no card is good for so long that it could be another.
    let year = i32::try_from(year).unwrap_or_default() + today.year() / 100 * 100;
    let is_past = (year, month) < (today.year(), today.month());
    if (1..=12).contains(&month) && !is_past { Ok(()) } else { Err(Mistake::Date) }
}

/// A security code of the brand.
pub(super) const fn security_code(digits: usize, brand: Brand) -> Result<(), Mistake> {
    if digits == brand.security_code_length() { Ok(()) } else { Err(Mistake::SecurityCode) }
}

/// A postal code of as many digits at least.
pub(super) const fn postal_code(digits: usize, least: usize) -> Result<(), Mistake> {
    if digits >= least && digits > 0 && digits <= POSTAL_DIGITS_MAX {
        Ok(())
    } else {
        Err(Mistake::PostalCode)
    }
}

/// A routing number: nine digits, the first two of which say which kind of bank it is, with a checksum.
pub(super) fn routing_number(number: &str) -> Result<(), Mistake> {
    const WEIGHTS: [u32; 3] = [3, 7, 1];
    if number.len() != ROUTING_DIGITS {
        return Err(Mistake::RoutingNumber);
    }
    let digits = number.bytes().map(|digit| u32::from(digit - b'0'));
    let sum: u32 = digits.zip(WEIGHTS.into_iter().cycle()).map(|(digit, weight)| digit * weight).sum();
    let district = number[..2].parse().unwrap_or(99);
    let is_bank = matches!(district, 1..=12 | 21..=32 | 61..=72 | 80) || (district == 0 && sum > 0);
    if is_bank && sum.is_multiple_of(10) { Ok(()) } else { Err(Mistake::RoutingNumber) }
}

/// An account number.
pub(super) fn account_number(digits: usize) -> Result<(), Mistake> {
    if ACCOUNT_DIGITS.contains(&digits) { Ok(()) } else { Err(Mistake::AccountNumber) }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;
    use proptest::prelude::*;

    use super::*;

    fn all() -> Brands {
        let words: Vec<_> = Brand::ALL.into_iter().map(Brand::word).collect();
        Brands::parse(&words.join(" ")).unwrap()
    }

    /// The number with its check digit.
    fn with_check_digit(number: &str) -> String {
        let with = |digit: char| format!("{number}{digit}");
        ('0'..='9').map(with).find(|number| luhn(number)).unwrap()
    }

    #[test]
    fn the_public_test_cards_are_cards() {
        for number in super::super::connector::sandbox::CARDS {
            assert!(card(number, all()).is_ok(), "{number}");
        }
    }

    #[test]
    fn what_is_no_card_is_refused_and_what_is_not_taken_is_told_apart() {
        let taken = Brands::default();
        for (number, expected) in [
            ("4111111111111111", Ok(Brand::Visa)),
            ("4222222222222", Ok(Brand::Visa)),
            ("4111111111111112", Err(Mistake::CardNumber)),
            ("411111111111", Err(Mistake::CardNumber)),
            ("", Err(Mistake::CardNumber)),
            ("1234567890123452", Err(Mistake::CardNumber)),
            ("6011111111111117", Err(Mistake::CardType)),
            ("378282246310005", Ok(Brand::Amex)),
            ("3782822463100055", Err(Mistake::CardNumber)),
        ] {
            assert_eq!(card(number, taken), expected, "{number}");
        }
    }

    #[test]
    fn a_date_is_good_until_its_month_has_ended_everywhere() {
        let at = |month, day, hour| Utc.with_ymd_and_hms(2026, month, day, hour, 0, 0).unwrap();
        for (typed, now, is_good) in [
            ("1126", at(11, 21, 12), true),
            ("1026", at(11, 21, 12), false),
            ("1126", at(12, 1, 11), true),
            ("1126", at(12, 1, 12), false),
            ("1225", at(1, 1, 11), true),
            ("1225", at(1, 1, 12), false),
            ("0127", at(11, 21, 12), true),
            ("0099", at(11, 21, 12), false),
            ("1399", at(11, 21, 12), false),
            ("1299", at(11, 21, 12), true),
            ("126", at(11, 21, 12), false),
            ("", at(11, 21, 12), false),
        ] {
            assert_eq!(date(typed, now).is_ok(), is_good, "{typed} at {now}");
        }
    }

    #[test]
    fn codes_have_the_length_of_their_kind() {
        assert!(security_code(3, Brand::Visa).is_ok() && security_code(4, Brand::Amex).is_ok());
        assert!(security_code(4, Brand::Visa).is_err() && security_code(3, Brand::Amex).is_err());
        assert!(postal_code(5, 5).is_ok() && postal_code(1, 0).is_ok());
        assert!(postal_code(4, 5).is_err() && postal_code(0, 0).is_err());
        assert!(postal_code(POSTAL_DIGITS_MAX + 1, 0).is_err(), "a card number is no postal code");
        assert!(account_number(3).is_err() && account_number(18).is_err() && account_number(8).is_ok());
    }

    #[test]
    fn a_routing_number_has_a_district_and_a_checksum() {
        for number in ["121181976", "021000021", "011401533", "091000019"] {
            assert_eq!(routing_number(number), Ok(()), "{number}");
        }
        for number in ["121181977", "000000000", "131181976", "12118197", "1211819766", "", "411111111"] {
            assert_eq!(routing_number(number), Err(Mistake::RoutingNumber), "{number}");
        }
    }

    proptest! {
        #[test]
        fn one_wrong_digit_is_always_seen(number in "4[0-9]{14}", at in 0_usize..16, by in 1_u8..10) {
            let number = with_check_digit(&number);
            prop_assert!(card(&number, Brands::default()).is_ok());
            let mut wrong = number.clone().into_bytes();
            wrong[at] = b'0' + (wrong[at] - b'0' + by) % 10;
            let wrong = String::from_utf8(wrong).unwrap();
            prop_assert!(!luhn(&wrong), "{} {}", number, wrong);
        }

        #[test]
        fn any_digits_are_harmless(digits in "[0-9]{0,20}") {
            let _ = (card(&digits, all()), date(&digits, Utc::now()), routing_number(&digits));
        }
    }
}
