//! The head of a message: first line and header fields, unfolded, in UTF-8, within bounds.
//!
//! Reading never fails. What is wrong is kept as the head's first fault, and the rest is still read, so
//! that the answer can copy the fields it must (RFC 3261 §8.2.6.2). RFC 3261 §7.3, §25.

use std::borrow::Cow;

use super::Refusal;

/// Header lines, folded ones included. A long path adds a Via and a Record-Route per hop, so real
/// messages have up to about a hundred.
const LINES_MAX: usize = 256;

/// The longest header field, unfolded, in bytes. An Identity header (RFC 8224) is the longest real one.
const FIELD_MAX: usize = 8 * 1024;

/// A message, split up.
#[derive(Debug)]
pub(super) struct Head<'m> {
    /// The message, without blank lines before it.
    pub(super) message: &'m [u8],
    /// Its first line.
    pub(super) start_line: &'m [u8],
    /// Its header fields, in order.
    pub(super) fields: Vec<Field<'m>>,
    /// Where the body begins in `message`.
    pub(super) body_at: usize,
    /// The first thing that is wrong with it.
    pub(super) fault: Option<Refusal>,
    /// Whether the message can be forwarded as it came, as far as was looked.
    pub(super) tidy: bool,
}

/// One header field.
#[derive(Debug)]
pub(super) struct Field<'m> {
    /// As it was written; see [`Field::is`].
    pub(super) name: &'m str,
    /// Without surrounding whitespace.
    pub(super) value: Cow<'m, str>,
}

/// A field whose continuation lines may still come.
struct RawField<'m> {
    name: &'m str,
    value: Cow<'m, [u8]>,
}

/// The header fields the guard looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    CallId,
    Contact,
    ContentLength,
    ContentType,
    CSeq,
    From,
    MaxForwards,
    Require,
    To,
    Via,
}

impl Name {
    pub(super) const fn long(self) -> &'static str {
        match self {
            Self::CallId => "Call-ID",
            Self::Contact => "Contact",
            Self::ContentLength => "Content-Length",
            Self::ContentType => "Content-Type",
            Self::CSeq => "CSeq",
            Self::From => "From",
            Self::MaxForwards => "Max-Forwards",
            Self::Require => "Require",
            Self::To => "To",
            Self::Via => "Via",
        }
    }

    /// The compact form (RFC 3261 §7.3.3).
    const fn short(self) -> Option<&'static str> {
        match self {
            Self::CallId => Some("i"),
            Self::Contact => Some("m"),
            Self::ContentLength => Some("l"),
            Self::ContentType => Some("c"),
            Self::From => Some("f"),
            Self::To => Some("t"),
            Self::Via => Some("v"),
            Self::CSeq | Self::MaxForwards | Self::Require => None,
        }
    }
}

impl Field<'_> {
    pub(super) fn is(&self, name: Name) -> bool {
        self.name.eq_ignore_ascii_case(name.long())
            || name.short().is_some_and(|short| self.name.eq_ignore_ascii_case(short))
    }
}

impl<'m> Head<'m> {
    pub(super) fn read(message: &'m [u8]) -> Self {
        let blank = message.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let message = &message[blank..];
        let (head, body_at, fault) = match find_end(message, 0) {
            Some(end) => (&message[..end.head], end.body, None),
            None => (message, message.len(), Some(Refusal::bad("No Blank Line After Headers"))),
        };

        let mut lines = head.split(|&byte| byte == b'\n');
        let start_line = lines.next().map(without_cr).unwrap_or_default();
        let tidy = blank == 0 && has_only_crlf(&message[..body_at]);
        let mut read = Self { message, start_line, fields: Vec::new(), body_at, fault, tidy };
        read.read_fields(lines);
        read
    }

    fn read_fields(&mut self, lines: impl Iterator<Item = &'m [u8]>) {
        let mut pending: Option<RawField<'m>> = None;
        for (number, line) in lines.map(without_cr).enumerate() {
            if number == LINES_MAX {
                self.fault(Refusal::bad("Too Many Header Lines"));
                break;
            }
            if is_folded(line) {
                self.tidy = false;
                if let Some(field) = &mut pending {
                    unfold(field.value.to_mut(), line);
                }
            } else {
                self.add(pending.take());
                pending = self.split(line);
            }
        }
        self.add(pending);
    }

    /// Begins a field. A line that is none is left out, as RFC 3261 §8.2.2 asks for fields that are
    /// not needed; where it was needed, it will be missed.
    fn split(&mut self, line: &'m [u8]) -> Option<RawField<'m>> {
        let split = split_field(line);
        // The library wants the colon right after the name.
        self.tidy &= split.is_some_and(|(name, _)| line.get(name.len()) == Some(&b':'));
        split.map(|(name, value)| RawField { name, value: Cow::Borrowed(value) })
    }

    fn add(&mut self, field: Option<RawField<'m>>) {
        let Some(field) = field else { return };
        if field.value.len() > FIELD_MAX {
            return self.fault(Refusal::bad("Header Field Too Long"));
        }
        let value = match field.value {
            Cow::Borrowed(value) => self.text(value),
            Cow::Owned(value) => Cow::Owned(self.text(&value).into_owned()),
        };
        self.fields.push(Field { name: field.name, value });
    }

    /// A field's value as text. Bytes that are not UTF-8 are read as Latin-1, which is what the older
    /// equipment that sends them means.
    fn text<'v>(&mut self, value: &'v [u8]) -> Cow<'v, str> {
        let text = match std::str::from_utf8(value) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => {
                self.tidy = false;
                Cow::Owned(value.iter().map(|&byte| char::from(byte)).collect())
            }
        };
        if !has_stray_control(&text) {
            return text;
        }
        self.fault(Refusal::bad("Control Character In Header"));
        Cow::Owned(text.chars().map(|c| if is_control(c) { ' ' } else { c }).collect())
    }

    pub(super) fn fault(&mut self, fault: Refusal) {
        self.fault.get_or_insert(fault);
    }

    /// The body's bytes, which may have more behind them.
    pub(super) fn rest(&self) -> &'m [u8] {
        &self.message[self.body_at..]
    }

    pub(super) fn all(&self, name: Name) -> impl Iterator<Item = &Field<'m>> {
        self.fields.iter().filter(move |field| field.is(name))
    }

    pub(super) fn first(&self, name: Name) -> Option<&str> {
        self.all(name).next().map(|field| field.value.as_ref())
    }

    /// The value of a field that must not occur twice.
    pub(super) fn single(&self, name: Name) -> Result<Option<&str>, Refusal> {
        let mut fields = self.all(name);
        let first = fields.next();
        if fields.next().is_some() {
            return Err(Refusal::bad(repeated(name)));
        }
        Ok(first.map(|field| field.value.as_ref()))
    }

    /// Puts the tidy form of a field in its place; the message is then written anew.
    pub(super) fn replace(&mut self, index: usize, value: String) {
        if self.fields[index].value != value {
            self.fields[index].value = Cow::Owned(value);
            self.tidy = false;
        }
    }

    /// The value of Content-Length (RFC 3261 §20.14).
    pub(super) fn content_length(&self) -> Result<Option<usize>, Refusal> {
        let Some(value) = self.single(Name::ContentLength)? else {
            return Ok(None);
        };
        number(value).map(Some).ok_or(Refusal::bad("Invalid Content-Length"))
    }

    /// The message written anew with this first line and body.
    pub(super) fn write(&self, start_line: &str, body: &[u8]) -> Vec<u8> {
        let mut message = Vec::with_capacity(self.message.len() + 64);
        message.extend_from_slice(start_line.as_bytes());
        message.extend_from_slice(b"\r\n");
        for field in self.fields.iter().filter(|field| !field.is(Name::ContentLength)) {
            message.extend_from_slice(field.name.as_bytes());
            message.extend_from_slice(b": ");
            message.extend_from_slice(field.value.as_bytes());
            message.extend_from_slice(b"\r\n");
        }
        message.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        message.extend_from_slice(body);
        message
    }
}

/// A first line, told apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum StartLine<'m> {
    Request(&'m [u8]),
    Response(String),
    Neither,
}

impl<'m> StartLine<'m> {
    /// A response begins with the protocol and a request ends with it (RFC 3261 §7.1, §7.2).
    pub(super) fn read(line: &'m [u8]) -> Self {
        let is_sip = |word: &[u8]| word.len() >= 4 && word[..4].eq_ignore_ascii_case(b"SIP/");
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let (Some(first), Some(last)) = (words.next(), words.next_back()) else {
            return Self::Neither;
        };

        if is_sip(first) {
            let text = match std::str::from_utf8(line) {
                Ok(text) => text.to_owned(),
                Err(_) => line.iter().map(|&byte| char::from(byte)).collect(),
            };
            return Self::Response(text);
        }
        if is_sip(last) { Self::Request(line) } else { Self::Neither }
    }
}

/// Where a head ends and the body begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// The length of the head without its last line end.
    pub(super) head: usize,
    /// The first byte after the blank line.
    pub(super) body: usize,
}

/// Finds the blank line, looking from `from` on. A lone LF ends a line too: some devices write it.
pub(super) fn find_end(message: &[u8], from: usize) -> Option<End> {
    let mut at = from;
    while let Some(offset) = message.get(at..)?.iter().position(|&byte| byte == b'\n') {
        let line_end = at + offset;
        match message[line_end + 1..] {
            [b'\n', ..] => {
                return Some(End { head: line_end, body: line_end + 2 });
            }
            [b'\r', b'\n', ..] => {
                return Some(End { head: line_end, body: line_end + 3 });
            }
            _ => at = line_end + 1,
        }
    }
    None
}

/// Splits a line at its colon, which may have whitespace before it (RFC 3261 §25.1, HCOLON).
pub(super) fn split_field(line: &[u8]) -> Option<(&str, &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let name = line[..colon].trim_ascii_end();
    let is_token = !name.is_empty() && name.iter().all(|&byte| is_token_byte(byte));
    let name = is_token.then(|| std::str::from_utf8(name).ok()).flatten()?;
    Some((name, line[colon + 1..].trim_ascii()))
}

/// A decimal number without sign, leading zeros allowed.
pub(super) fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// A token's characters (RFC 3261 §25.1).
pub(super) const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn is_folded(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

/// Whether no line ends with a lone LF.
fn has_only_crlf(head: &[u8]) -> bool {
    head.iter()
        .enumerate()
        .all(|(at, &byte)| byte != b'\n' || at.checked_sub(1).is_some_and(|at| head[at] == b'\r'))
}

/// Appends a continuation line: the line end and its whitespace count as one space (RFC 3261 §7.3.1).
fn unfold(field: &mut Vec<u8>, line: &[u8]) {
    if field.len() <= FIELD_MAX {
        field.truncate(field.trim_ascii_end().len());
        if !field.is_empty() {
            field.push(b' ');
        }
        field.extend_from_slice(line.trim_ascii());
    }
}

fn is_control(c: char) -> bool {
    c.is_ascii_control() && c != '\t'
}

/// Whether a control character stands where no backslash protects it (RFC 3261 §25.1, quoted-pair).
/// A line end can never be protected.
fn has_stray_control(text: &str) -> bool {
    let mut escaped = false;
    for c in text.chars() {
        if is_control(c) && (!escaped || c == '\r') {
            return true;
        }
        escaped = c == '\\' && !escaped;
    }
    false
}

const fn repeated(name: Name) -> &'static str {
    match name {
        Name::CallId => "Repeated Call-ID Header",
        Name::Contact => "Repeated Contact Header",
        Name::ContentLength => "Repeated Content-Length Header",
        Name::ContentType => "Repeated Content-Type Header",
        Name::CSeq => "Repeated CSeq Header",
        Name::From => "Repeated From Header",
        Name::MaxForwards => "Repeated Max-Forwards Header",
        Name::Require => "Repeated Require Header",
        Name::To => "Repeated To Header",
        Name::Via => "Repeated Via Header",
    }
}
