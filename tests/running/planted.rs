//! Card numbers that tests type and that must be in nothing that a node writes: each node's data directory is searched for them
//! when its test is over.

use std::fs;
use std::path::Path;

/// All that are typed. None is anywhere else in a test on purpose.
const CARDS: [&str; 4] = ["4111111111111111", "4539578763621486", "6011111111111117", "5555555555554444"];

/// So many digits in a row of one, and it is it. Identifiers have none of these by accident.
const DIGITS: usize = 8;

/// So many bare values: files of databases have several small numbers in a row.
const VALUES: usize = 12;

/// Looks into each file below; how many there are.
pub(crate) fn search(folder: &Path) -> usize {
    let mut files = 0;
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            files += search(&path);
        } else if let Ok(bytes) = fs::read(&path) {
            assert_clean(&path.display().to_string(), &bytes);
            files += 1;
        }
    }
    files
}

/// No half of a card is in these bytes: as digits, as UTF-16, with one character between each two of them, or as values.
pub(crate) fn assert_clean(place: &str, bytes: &[u8]) {
    let digit = |byte: u8| byte.is_ascii_digit().then_some(byte);
    let value = |byte: u8| (byte < 10).then(|| byte + b'0');
    // A row of a database whose columns are all of one kind begins with as many bytes of one value.
    let is_told_apart =
        |digits: &[u8]| digits.iter().any(|digit| *digit != digits[0]) && is_of_a_card(digits);
    let found = has_card(bytes, DIGITS, digit, is_of_a_card) || has_card(bytes, VALUES, value, is_told_apart);
    assert!(!found, "a card is in {place}");
}

fn has_card(
    bytes: &[u8],
    length: usize,
    digit: impl Fn(u8) -> Option<u8>,
    is_of_a_card: impl Fn(&[u8]) -> bool,
) -> bool {
    let (mut run, mut between) = (Vec::new(), false);
    for byte in bytes {
        match digit(*byte) {
            Some(digit) => {
                run.push(digit);
                between = false;
                let last = run.len().checked_sub(length).map(|from| &run[from..]);
                if last.is_some_and(&is_of_a_card) {
                    return true;
                }
            }
            None if !between && matches!(byte, 0 | b' ' | b'-' | b'+' | b',' | b'.' | b'_') => between = true,
            None => run.clear(),
        }
    }
    false
}

fn is_of_a_card(digits: &[u8]) -> bool {
    CARDS.iter().any(|card| card.as_bytes().windows(digits.len()).any(|piece| piece == digits))
}

#[test]
fn a_card_is_found_however_it_is_written() {
    let found = |bytes: &[u8]| std::panic::catch_unwind(|| assert_clean("a test", bytes)).is_err();
    for text in [
        "typed=4111111111111111;",
        "4539 5787 6362 1486",
        "5-5-5-5-5-5-5-5",
        "6\x000\x001\x001\x001\x001\x001\x001",
    ] {
        assert!(found(text.as_bytes()), "{text:?}");
    }
    assert!(found(&[4, 5, 3, 9, 5, 7, 8, 7, 6, 3, 6, 2]));
    assert!(!found(&[1; 30]), "a row of columns of one kind");
    for text in ["xxxxxxxxxxxx1111", "1763719260123456", "4111 and 1111", "+15550100"] {
        assert!(!found(text.as_bytes()), "{text:?}");
    }
}
