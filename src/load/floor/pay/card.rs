//! The cards that customers type: numbers of the public test cards, what must be told of each, and a search for them in
//! whatever the node says or writes.

use std::path::Path;

/// One to be typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Card {
    pub(super) number: &'static str,
    /// As `PaymentCardType` says it.
    pub(super) brand: &'static str,
    pub(super) code: &'static str,
}

/// All brands whose test cards the sandbox takes, for `ValidCardTypes`.
pub(super) const BRANDS: &str = "visa mastercard amex discover jcb";

const fn card(number: &'static str, brand: &'static str, code: &'static str) -> Card {
    Card { number, brand, code }
}

const CARDS: [Card; 5] = [
    card("4111111111111111", "visa", "739"),
    card("5555555555554444", "mastercard", "268"),
    card("378282246310005", "amex", "5190"),
    card("6011111111111117", "discover", "804"),
    card("3566002020360505", "jcb", "357"),
];

/// So many digits in a row of a number, and it is it: by accident a hexadecimal identifier has none of these.
const DIGITS: usize = 8;
/// So many bare values: a database's files have several small numbers in a row.
const VALUES: usize = 12;

impl Card {
    /// The one that is typed after so many others.
    pub(super) fn nth(n: usize) -> Self {
        CARDS[n % CARDS.len()]
    }

    /// What is to be told of the number.
    pub(super) fn masked(&self) -> String {
        let hidden = self.number.len() - 4;
        format!("{}{}", "x".repeat(hidden), &self.number[hidden..])
    }
}

/// Whether half of a card's number is in it, as digits, with a space or a dash between them, or most of it as bare values.
pub(super) fn holds_card(bytes: &[u8]) -> bool {
    let text = |byte: u8| byte.is_ascii_digit().then_some(byte);
    let value = |byte: u8| (byte < 10).then(|| byte + b'0');
    has_piece(bytes, DIGITS, text) || has_piece(bytes, VALUES, value)
}

fn has_piece(bytes: &[u8], length: usize, digit: impl Fn(u8) -> Option<u8>) -> bool {
    let (mut run, mut between) = (Vec::new(), 0);
    for byte in bytes {
        match digit(*byte) {
            Some(digit) => {
                run.push(digit);
                between = 0;
                if run.len() >= length && is_piece(&run[run.len() - length..]) {
                    return true;
                }
            }
            None if between == 0 && matches!(byte, b' ' | b'-' | b'+') => between = 1,
            None => run.clear(),
        }
    }
    false
}

fn is_piece(digits: &[u8]) -> bool {
    CARDS.iter().any(|card| card.number.as_bytes().windows(digits.len()).any(|piece| piece == digits))
}

/// Files below a folder, and those of them with a card in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Searched {
    pub(super) files: u64,
    pub(super) holding: Vec<String>,
}

impl Searched {
    /// Looks into each file below; what cannot be read is left out. Blocks.
    pub(super) fn below(folder: &Path) -> Self {
        let mut searched = Self::default();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else {
                continue;
            };
            for path in entries.flatten().map(|entry| entry.path()) {
                if path.is_dir() {
                    folders.push(path);
                } else if let Ok(bytes) = std::fs::read(&path) {
                    searched.files += 1;
                    if holds_card(&bytes) {
                        searched.holding.push(path.display().to_string());
                    }
                }
            }
        }
        searched
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_however_it_is_written() {
        for text in [
            "PaymentCardNumber=4111111111111111&x=1",
            "{\"digits\":\"5555 5555 5555 4444\"}",
            "3782-822463-10005",
            "half of it: 60111111 and no more",
        ] {
            assert!(holds_card(text.as_bytes()), "{text}");
        }
        assert!(holds_card(&[7, 3, 5, 6, 6, 0, 0, 2, 0, 2, 0, 3, 6, 0, 99]));
    }

    #[test]
    fn what_may_be_told_is_no_number() {
        for card in (0..CARDS.len()).map(Card::nth) {
            assert!(!holds_card(format!("{} {}", card.masked(), card.code).as_bytes()));
        }
        assert_eq!(Card::nth(2).masked(), "xxxxxxxxxxx0005");
        assert_eq!(Card::nth(5), Card::nth(0));
        for text in ["2026-11-21T22:54:19Z 1763719260123456", "411111 1", "4111x1111x1111"] {
            assert!(!holds_card(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn the_files_of_a_folder_are_searched_to_the_bottom() {
        let home = tempfile::TempDir::new().unwrap();
        let below = home.path().join("a/b");
        std::fs::create_dir_all(&below).unwrap();
        std::fs::write(home.path().join("clean"), "nothing").unwrap();
        std::fs::write(below.join("log"), "typed 4111111111111111").unwrap();
        let searched = Searched::below(home.path());
        assert_eq!((searched.files, searched.holding.len()), (2, 1));
        assert!(searched.holding[0].ends_with("a/b/log"));
    }
}
