//! STUN as ICE uses it (RFC 8489, RFC 8445 §7): binding requests are read, and answered. In place, on the stack, without
//! believing anything before its sum and its integrity are right.

use std::net::{IpAddr, SocketAddr};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// Bytes before the attributes (RFC 8489 §5).
const HEADER_LEN: usize = 20;

/// What tells STUN from anything else (RFC 8489 §5).
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// What the sum is mixed with, so that it differs from the sum of a protocol around it (RFC 8489 §14.7).
const FINGERPRINT_MASK: u32 = 0x5354_554e;

/// Bytes of HMAC-SHA1.
const INTEGRITY_LEN: usize = 20;

/// Bytes of an attribute's type and length.
const ATTRIBUTE_HEADER_LEN: usize = 4;

/// The longest answer: an error with its reason, integrity and sum.
pub const REPLY_MAX: usize = 128;

/// Room for an answer.
pub type Reply = [u8; REPLY_MAX];

/// Types of attributes (RFC 8489 §18.3, RFC 8445 §16.1).
mod attribute {
    pub(super) const USERNAME: u16 = 0x0006;
    pub(super) const INTEGRITY: u16 = 0x0008;
    pub(super) const ERROR_CODE: u16 = 0x0009;
    pub(super) const UNKNOWN: u16 = 0x000a;
    pub(super) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub(super) const PRIORITY: u16 = 0x0024;
    pub(super) const USE_CANDIDATE: u16 = 0x0025;
    pub(super) const FINGERPRINT: u16 = 0x8028;
    pub(super) const CONTROLLED: u16 = 0x8029;
    /// Types from here on may be passed over by whoever does not know them.
    pub(super) const OPTIONAL: u16 = 0x8000;
}

/// Why a datagram is no STUN that concerns us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StunError {
    /// It breaks the rules of STUN, or says of itself that it has another length.
    Malformed,
    /// No sum, or not the right one: damaged, or not STUN at all.
    Fingerprint,
    /// Well-formed, and nothing that an end that asks nothing is sent.
    NotRequest,
}

/// What a message is (RFC 8489 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A binding request.
    Request,
    /// Anything else.
    Other,
}

/// A message whose sum is right. Nothing in it is to be believed before [`Message::is_from_holder_of`].
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    /// What it is.
    pub class: Class,
    /// Whom it is for and from, as `theirs:ours`.
    pub username: Option<&'a [u8]>,
    /// Where its integrity attribute begins.
    integrity: Option<usize>,
    /// The far end says that this path is the one (RFC 8445 §7.2.2).
    pub use_candidate: bool,
    /// The far end believes that it is for us to choose the path, which a lite end never does (RFC 8445 §7.3.1.1).
    pub far_end_is_controlled: bool,
    /// An attribute that must be understood and is not (RFC 8489 §6.3.1).
    pub unknown: Option<u16>,
}

impl<'a> Message<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, StunError> {
        let header = bytes.first_chunk::<HEADER_LEN>().ok_or(StunError::Malformed)?;
        let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if header[0] >> 6 != 0
            || header[4..8] != COOKIE
            || len != bytes.len() - HEADER_LEN
            || !len.is_multiple_of(4)
        {
            return Err(StunError::Malformed);
        }
        let class = if header[..2] == [0, 1] { Class::Request } else { Class::Other };
        let mut message = Self {
            bytes,
            class,
            username: None,
            integrity: None,
            use_candidate: false,
            far_end_is_controlled: false,
            unknown: None,
        };
        message.read_attributes()?;
        Ok(message)
    }

    /// Reads the attributes up to the sum, which must be the last (RFC 8489 §14.7).
    fn read_attributes(&mut self) -> Result<(), StunError> {
        let mut at = HEADER_LEN;
        while at < self.bytes.len() {
            let header = self.bytes.get(at..).and_then(<[u8]>::first_chunk::<ATTRIBUTE_HEADER_LEN>);
            let &[kind_high, kind_low, len_high, len_low] = header.ok_or(StunError::Malformed)?;
            let kind = u16::from_be_bytes([kind_high, kind_low]);
            let len = usize::from(u16::from_be_bytes([len_high, len_low]));
            let begin = at + ATTRIBUTE_HEADER_LEN;
            let value = self.bytes.get(begin..begin + len).ok_or(StunError::Malformed)?;
            let end = begin + len.next_multiple_of(4);
            if kind == attribute::FINGERPRINT {
                let is_last = end == self.bytes.len();
                return if is_last && value == fingerprint(&self.bytes[..at]).to_be_bytes() {
                    Ok(())
                } else {
                    Err(StunError::Fingerprint)
                };
            }
            self.note(kind, value, at)?;
            at = end;
        }
        Err(StunError::Fingerprint)
    }

    /// What stands behind the integrity is protected by nothing, so it says nothing (RFC 8489 §14.5).
    fn note(&mut self, kind: u16, value: &'a [u8], at: usize) -> Result<(), StunError> {
        if self.integrity.is_some() {
            return Ok(());
        }
        match kind {
            attribute::USERNAME => self.username = Some(value),
            attribute::INTEGRITY if value.len() == INTEGRITY_LEN => self.integrity = Some(at),
            attribute::INTEGRITY => return Err(StunError::Malformed),
            attribute::USE_CANDIDATE => self.use_candidate = true,
            attribute::CONTROLLED => self.far_end_is_controlled = true,
            attribute::PRIORITY => {}
            unknown if unknown < attribute::OPTIONAL => {
                self.unknown.get_or_insert(unknown);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether it was made by somebody who has this key, and was not changed since. Takes as long for one wrong sum as for
    /// another.
    pub fn is_from_holder_of(&self, key: &[u8]) -> bool {
        let Some(at) = self.integrity else {
            return false;
        };
        let sum = &self.bytes[at + ATTRIBUTE_HEADER_LEN..][..INTEGRITY_LEN];
        integrity_of(&self.bytes[..at], key).is_some_and(|mac| mac.verify_slice(sum).is_ok())
    }

    /// Our half of its user name: what stands before the colon (RFC 8445 §7.2.2).
    pub fn user(&self) -> Option<&'a [u8]> {
        self.username?.split(|&byte| byte == b':').next()
    }

    /// Answers it with the source that it came from (RFC 8489 §7.3.1). How long the answer is.
    pub(super) fn succeed(&self, source: SocketAddr, key: &[u8], reply: &mut Reply) -> usize {
        let mut writer = self.begin_reply([0x01, 0x01], reply);
        writer.xor_mapped_address(source);
        writer.seal(key)
    }

    /// Answers it with an error (RFC 8489 §14.8). How long the answer is.
    pub(super) fn refuse(&self, error: Refusal, key: &[u8], reply: &mut Reply) -> usize {
        let mut writer = self.begin_reply([0x01, 0x11], reply);
        let (code, reason, unknown) = match error {
            Refusal::UnknownAttribute(unknown) => (420_u16, "Unknown Attribute", Some(unknown)),
            Refusal::RoleConflict => (487, "Role Conflict", None),
        };
        let mut value = [0; 32];
        value[2..4].copy_from_slice(&[(code / 100) as u8, (code % 100) as u8]);
        value[4..4 + reason.len()].copy_from_slice(reason.as_bytes());
        writer.attribute(attribute::ERROR_CODE, &value[..4 + reason.len()]);
        if let Some(unknown) = unknown {
            writer.attribute(attribute::UNKNOWN, &unknown.to_be_bytes());
        }
        writer.seal(key)
    }

    fn begin_reply<'r>(&self, kind: [u8; 2], reply: &'r mut Reply) -> Writer<'r> {
        reply[..2].copy_from_slice(&kind);
        reply[2..4].fill(0);
        // The cookie and the transaction are the request's.
        reply[4..HEADER_LEN].copy_from_slice(&self.bytes[4..HEADER_LEN]);
        Writer { out: reply, len: HEADER_LEN }
    }
}

/// Why a request by somebody whom we believe is not answered as they wished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    UnknownAttribute(u16),
    RoleConflict,
}

/// Writes a message. All that we ever write fits.
struct Writer<'r> {
    out: &'r mut Reply,
    len: usize,
}

impl Writer<'_> {
    fn attribute(&mut self, kind: u16, value: &[u8]) {
        let begin = self.len + ATTRIBUTE_HEADER_LEN;
        self.out[self.len..self.len + 2].copy_from_slice(&kind.to_be_bytes());
        self.out[self.len + 2..begin].copy_from_slice(&(value.len() as u16).to_be_bytes());
        self.out[begin..begin + value.len()].copy_from_slice(value);
        self.len = begin + value.len().next_multiple_of(4);
        self.out[begin + value.len()..self.len].fill(0);
        self.set_len(self.len);
    }

    /// RFC 8489 §14.2.
    fn xor_mapped_address(&mut self, source: SocketAddr) {
        let port = source.port() ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]]);
        let mut value = [0; 20];
        value[2..4].copy_from_slice(&port.to_be_bytes());
        let mut mask = [0; 16];
        mask.copy_from_slice(&self.out[4..HEADER_LEN]);
        let mut xor = |address: &[u8]| {
            for (to, (byte, mask)) in value[4..].iter_mut().zip(address.iter().zip(mask)) {
                *to = byte ^ mask;
            }
        };
        let len = match source.ip().to_canonical() {
            IpAddr::V4(v4) => {
                xor(&v4.octets());
                value[1] = 1;
                8
            }
            IpAddr::V6(v6) => {
                xor(&v6.octets());
                value[1] = 2;
                20
            }
        };
        self.attribute(attribute::XOR_MAPPED_ADDRESS, &value[..len]);
    }

    /// Adds integrity and sum. How long it is.
    fn seal(mut self, key: &[u8]) -> usize {
        if let Some(mac) = integrity_of(&self.out[..self.len], key) {
            self.attribute(attribute::INTEGRITY, &mac.finalize().into_bytes());
        }
        self.set_len(self.len + ATTRIBUTE_HEADER_LEN + 4);
        let sum = fingerprint(&self.out[..self.len]);
        self.attribute(attribute::FINGERPRINT, &sum.to_be_bytes());
        self.len
    }

    fn set_len(&mut self, len: usize) {
        self.out[2..4].copy_from_slice(&((len - HEADER_LEN) as u16).to_be_bytes());
    }
}

/// The integrity of what stands before it: as if it were the last (RFC 8489 §14.5).
fn integrity_of(before: &[u8], key: &[u8]) -> Option<Hmac<Sha1>> {
    let len = before.len() - HEADER_LEN + ATTRIBUTE_HEADER_LEN + INTEGRITY_LEN;
    let mut mac = Hmac::<Sha1>::new_from_slice(key).ok()?;
    mac.update(&before[..2]);
    mac.update(&(len as u16).to_be_bytes());
    mac.update(&before[4..]);
    Some(mac)
}

/// The sum of what stands before it: CRC-32 as in ITU V.42, masked (RFC 8489 §14.7).
fn fingerprint(before: &[u8]) -> u32 {
    let step = |sum: u32, &byte: &u8| (sum >> 8) ^ CRC[usize::from(sum as u8 ^ byte)];
    !before.iter().fold(u32::MAX, step) ^ FINGERPRINT_MASK
}

/// What each byte does to the sum: the polynomial of V.42, bits reversed.
const CRC: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
};
