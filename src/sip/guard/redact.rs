//! A message as a log may show it: no keys, no credentials, no digits.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::head::{Head, Name};

/// The longest text; a log line is not an archive.
const TEXT_MAX: usize = 4 * 1024;

/// Stands where something was withheld.
const WITHHELD: &str = "[withheld]";

/// Headers whose values are credentials or stand for them (RFC 3261 §22, RFC 8224).
const SECRET_HEADERS: [&str; 4] = ["Authorization", "Proxy-Authorization", "Authentication-Info", "Identity"];

/// SDP lines with keys in them: SDES (RFC 4568), MIKEY (RFC 4567), ICE (RFC 8839), and the old k=.
const SECRET_SDP: [&str; 4] = ["a=crypto:", "a=key-mgmt:", "a=ice-pwd:", "k="];

/// Makes one line per line of the message, safe to log.
///
/// Kept: first line, headers, SDP. Withheld: the values of credentials, passwords in URIs, keys in SDP,
/// and every other body, because an INFO's has a caller's digits in it.
pub fn redact(message: &[u8]) -> String {
    let head = Head::read(message);
    let mut text = String::new();
    push_line(&mut text, &without_password(&String::from_utf8_lossy(head.start_line)));
    for field in &head.fields {
        let secret = SECRET_HEADERS.iter().any(|name| field.name.eq_ignore_ascii_case(name));
        let value = if secret { Cow::Borrowed(WITHHELD) } else { without_password(&field.value) };
        push_line(&mut text, &format!("{}: {value}", field.name));
    }

    let body = head.rest();
    if is_sdp(&head) {
        push_line(&mut text, "");
        push_sdp(&mut text, body);
    } else if !body.is_empty() {
        push_line(&mut text, &format!("[{} bytes of body withheld]", body.len()));
    }
    text.truncate(text.floor_char_boundary(TEXT_MAX));
    text
}

fn is_sdp(head: &Head<'_>) -> bool {
    let media_type = head.first(Name::ContentType).map(|value| value.split(';').next().unwrap_or(""));
    media_type.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/sdp"))
}

fn push_sdp(text: &mut String, body: &[u8]) {
    // A CR alone must not hide a key from the look at the line's start.
    for line in body.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty()) {
        let line = String::from_utf8_lossy(line);
        let bare = line.trim_start().to_ascii_lowercase();
        match SECRET_SDP.iter().find(|secret| bare.starts_with(**secret)) {
            Some(secret) => push_line(text, &format!("{secret}{WITHHELD}")),
            None => push_line(text, &line),
        }
    }
}

/// Appends a line; control characters are spelt out, so that a message cannot forge log lines.
fn push_line(text: &mut String, line: &str) {
    if text.len() > TEXT_MAX {
        return;
    }
    for c in line.chars().take(TEXT_MAX) {
        if c.is_control() {
            // Writing to a String cannot fail.
            let _ = write!(text, "{}", c.escape_default());
        } else {
            text.push(c);
        }
    }
    text.push('\n');
}

/// Withholds the password of `sip:user:password@host` (RFC 3261 §19.1.1), wherever one stands.
fn without_password(text: &str) -> Cow<'_, str> {
    if !text.contains('@') {
        return Cow::Borrowed(text);
    }
    // Each piece but the last ends with a user part.
    let safe = text.split_inclusive('@').map(|piece| match password_at(piece) {
        Some(at) => Cow::Owned(format!("{}{WITHHELD}@", &piece[..at])),
        None => Cow::Borrowed(piece),
    });
    Cow::Owned(safe.collect())
}

/// Where the password begins in a piece of text that ends with an `@`.
fn password_at(piece: &str) -> Option<usize> {
    let user = piece.strip_suffix('@')?;
    let lower = user.to_ascii_lowercase();
    let user_at = ["sip:", "sips:"].iter().filter_map(|scheme| Some(lower.find(scheme)? + scheme.len()));
    let user_at = user_at.min()?;
    Some(user_at + user[user_at..].find(':')? + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_credentials_are_withheld_and_the_rest_is_kept() {
        let text = redact(
            b"INVITE sip:ann:secret1@b.example SIP/2.0\r\nFrom: <sips:bob:secret2@c.example>;tag=1\r\n\
              authorization : Digest username=\"bob\",\r\n response=\"secret3\"\r\n\
              Proxy-Authorization: Digest secret4\r\nc: application/sdp\r\n\r\n\
              v=0\r\nm=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:secret5\r\n\
              A=Crypto:2 secret6\r\na=x\ra=crypto:3 secret7\r\nk=clear:secret8\r\na=ptime:20\r\n",
        );
        assert!(!text.contains("secret"), "{text}");
        for kept in ["INVITE sip:ann:", "b.example", "c.example", "m=audio 4000 RTP/SAVP 0", "a=ptime:20"] {
            assert!(text.contains(kept), "{kept} in {text}");
        }
    }

    #[test]
    fn digits_in_bodies_are_withheld() {
        for kind in ["application/dtmf-relay", "application/dtmf", "text/plain", "multipart/mixed"] {
            let message = format!("INFO sip:a@b.example SIP/2.0\r\nContent-Type: {kind}\r\n\r\nSignal=7");
            let text = redact(message.as_bytes());
            assert!(!text.contains('7'), "{text}");
            assert!(text.contains("[8 bytes of body withheld]"));
        }
    }

    #[test]
    fn a_message_cannot_forge_log_lines_or_flood_the_log() {
        let text = redact(b"BYE sip:a@b.example SIP/2.0\r\nX: a\rERROR forged\x1b[31m\r\n\r\n");
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.contains('\x1b'));
        assert!(redact(&[b'x'; 100_000]).len() <= TEXT_MAX);
    }
}
