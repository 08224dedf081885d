//! Datagrams as text, as `sip-fixtures/rtp/` has them: two digits a byte, spaces and lines as one likes, and lines
//! that begin with `#` for people.

/// The bytes, or `None` where something else is between the digits.
pub(crate) fn bytes(text: &str) -> Option<Vec<u8>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.flat_map(str::split_whitespace);
    pairs.map(|pair| u8::from_str_radix(pair, 16).ok().filter(|_| pair.len() == 2)).collect()
}
