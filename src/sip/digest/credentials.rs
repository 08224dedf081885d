//! The value of an Authorization header, read (RFC 7616 §3.4, RFC 3261 §25.1): strangers write it, so nothing about it is
//! taken for granted but its bounds.

use std::fmt;

use subtle::ConstantTimeEq;

/// Parameters of one header. There are eleven that mean something.
const PARAMS_MAX: usize = 24;

/// What somebody offers as proof that they know a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who they say they are, without quotes and escapes.
    pub username: String,
    /// Whom they answer.
    pub realm: String,
    /// The nonce that they answer.
    pub nonce: String,
    /// What they say that they ask for.
    pub uri: String,
    /// The proof: hexadecimal digits.
    pub response: String,
    /// The hash it was made with, if it is said.
    pub algorithm: Option<String>,
    /// The quality of protection; none as in RFC 2069.
    pub protection: Option<Protection>,
    /// The user name is a hash of it (RFC 7616 §3.4.4).
    pub is_hashed: bool,
}

/// What credentials with a `qop` carry besides.
#[derive(Clone, PartialEq, Eq)]
pub struct Protection {
    /// `auth`, or something else.
    pub qop: String,
    /// How often the nonce was used, as it is written: eight hexadecimal digits.
    pub count: String,
    /// The client's own share of randomness.
    pub cnonce: String,
}

/// The header is none that can be understood: it is broken, lacks what it must have, or has it twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the credentials of digest authentication")]
pub struct Malformed;

impl Credentials {
    /// Reads the value of an Authorization or Proxy-Authorization header.
    ///
    /// Forgiven: quotes where a token is due and none where they are due, empty elements of the list, whitespace,
    /// parameters that mean nothing. Not forgiven: one that means something and comes twice, since two readers could
    /// take a different one of them.
    ///
    /// # Errors
    /// When it is no such header.
    pub fn parse(header: &str) -> Result<Self, Malformed> {
        let (scheme, rest) = header.trim().split_once(char::is_whitespace).ok_or(Malformed)?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return Err(Malformed);
        }
        let mut params = Params::read(rest)?;
        let is_hashed = params.take("userhash")?.is_some_and(|value| value.eq_ignore_ascii_case("true"))
            // A name in another encoding (RFC 7616 §3.4.4) is none that we could look up either.
            || params.take("username*")?.is_some();
        let username = params.take("username")?;
        let (count, cnonce) = (params.take("nc")?, params.take("cnonce")?);
        let protection = match params.take("qop")? {
            Some(qop) => {
                let count = count.filter(|count| is_count(count)).ok_or(Malformed)?;
                Some(Protection { qop, count, cnonce: cnonce.ok_or(Malformed)? })
            }
            None => None,
        };
        Ok(Self {
            username: if is_hashed { username.unwrap_or_default() } else { username.ok_or(Malformed)? },
            realm: params.take("realm")?.ok_or(Malformed)?,
            nonce: params.take("nonce")?.ok_or(Malformed)?,
            uri: params.take("uri")?.ok_or(Malformed)?,
            response: params.take("response")?.ok_or(Malformed)?,
            algorithm: params.take("algorithm")?,
            protection,
            is_hashed,
        })
    }

    /// Whether the proof is this one. The time it takes tells whether the lengths are equal, and nothing else.
    pub(super) fn is_proved_by(&self, right: &str) -> bool {
        self.response.to_ascii_lowercase().as_bytes().ct_eq(right.as_bytes()).into()
    }
}

impl Protection {
    /// How often the nonce was used.
    pub(super) fn count(&self) -> u32 {
        // It was read as eight hexadecimal digits; a nought counts for nothing.
        u32::from_str_radix(&self.count, 16).unwrap_or(0)
    }
}

fn is_count(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// As a client writes them.
impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest username={}, realm={}", Quoted(&self.username), Quoted(&self.realm))?;
        write!(f, ", nonce={}, uri={}", Quoted(&self.nonce), Quoted(&self.uri))?;
        write!(f, ", response={}", Quoted(&self.response))?;
        if let Some(algorithm) = &self.algorithm {
            write!(f, ", algorithm={}", Quoted(algorithm))?;
        }
        if let Some(Protection { qop, count, cnonce }) = &self.protection {
            write!(f, ", qop={}, nc={count}, cnonce={}", Quoted(qop), Quoted(cnonce))?;
        }
        if self.is_hashed { f.write_str(", userhash=true") } else { Ok(()) }
    }
}

/// A proof can be used to guess the password from: `Debug` does not show it.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("realm", &self.realm).finish_non_exhaustive()
    }
}

impl fmt::Debug for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protection").field("qop", &self.qop).finish_non_exhaustive()
    }
}

/// A quoted-string (RFC 3261 §25.1).
pub(super) struct Quoted<'t>(pub(super) &'t str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                _ => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

/// The parameters of a header, in order.
struct Params(Vec<(String, String)>);

impl Params {
    fn read(text: &str) -> Result<Self, Malformed> {
        let (mut params, mut rest) = (Vec::new(), text);
        loop {
            rest = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
            if rest.is_empty() {
                return Ok(Self(params));
            }
            if params.len() == PARAMS_MAX {
                return Err(Malformed);
            }
            let (name, after) = rest.split_once('=').ok_or(Malformed)?;
            let name = name.trim_end();
            if name.is_empty() || !name.bytes().all(is_name_byte) {
                return Err(Malformed);
            }
            let (value, after) = read_value(after.trim_start())?;
            params.push((name.to_ascii_lowercase(), value));
            rest = after.trim_start();
            if !rest.is_empty() && !rest.starts_with(',') {
                return Err(Malformed);
            }
        }
    }

    /// The value of a parameter, which must not come twice.
    fn take(&mut self, name: &str) -> Result<Option<String>, Malformed> {
        let Some(at) = self.0.iter().position(|(known, _)| known == name) else {
            return Ok(None);
        };
        let (_, value) = self.0.swap_remove(at);
        if self.0.iter().any(|(known, _)| known == name) {
            return Err(Malformed);
        }
        Ok(Some(value))
    }
}

/// The bytes of a token (RFC 3261 §25.1).
const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

/// A value and what comes after it.
fn read_value(text: &str) -> Result<(String, &str), Malformed> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(text.len());
        let (value, after) = text.split_at(end);
        if value.is_empty() || value.contains(['"', '\\']) || value.contains(char::is_control) {
            return Err(Malformed);
        }
        return Ok((value.to_owned(), after));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &quoted[at + 1..])),
            '\\' => value.push(chars.next().map(|(_, c)| c).filter(|c| !c.is_control()).ok_or(Malformed)?),
            c if c.is_control() => return Err(Malformed),
            c => value.push(c),
        }
    }
    Err(Malformed)
}
