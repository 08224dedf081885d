//! A browser's checks (RFC 8489, RFC 8445 §7.2): written here from the RFCs, and sharing nothing with the node.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hmac::{Hmac, Mac as _};
use sha1::Sha1;

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// A binding request to `user` by somebody who believes the password to be this.
pub(crate) fn request(transaction: u64, user: &str, password: &str, use_candidate: bool) -> Vec<u8> {
    let mut request = vec![0, 1, 0, 0];
    request.extend(COOKIE);
    request.extend([0; 4]);
    request.extend(transaction.to_be_bytes());
    attribute(&mut request, 0x0006, user.as_bytes());
    attribute(&mut request, 0x802a, &[7; 8]);
    attribute(&mut request, 0xc057, &[0, 1, 0, 10]);
    if use_candidate {
        attribute(&mut request, 0x0025, &[]);
    }
    attribute(&mut request, 0x0024, &[0x6e, 0x7f, 0x1e, 0xff]);
    seal(&mut request, password);
    request
}

/// Adds integrity and sum.
pub(crate) fn seal(message: &mut Vec<u8>, password: &str) {
    set_len(message, 24);
    let mut mac = Hmac::<Sha1>::new_from_slice(password.as_bytes()).unwrap();
    mac.update(message);
    let sum: [u8; 20] = mac.finalize().into_bytes().into();
    attribute(message, 0x0008, &sum);
    set_len(message, 8);
    let sum = crc(message) ^ 0x5354_554e;
    attribute(message, 0x8028, &sum.to_be_bytes());
}

/// Whose transaction a success is the answer to, and the source that it tells, if it was made with the password.
pub(crate) fn success(answer: &[u8], password: &str) -> Option<(u64, SocketAddr)> {
    if answer.get(..2)? != [1, 1] {
        return None;
    }
    let transaction = u64::from_be_bytes(answer.get(12..20)?.try_into().ok()?);
    let (mut at, mut source) = (20, None);
    while at + 4 <= answer.len() {
        let kind = u16::from_be_bytes([answer[at], answer[at + 1]]);
        let len = usize::from(u16::from_be_bytes([answer[at + 2], answer[at + 3]]));
        let value = answer.get(at + 4..at + 4 + len)?;
        match kind {
            0x0020 => {
                let port = u16::from_be_bytes([value[2] ^ COOKIE[0], value[3] ^ COOKIE[1]]);
                let ip: [u8; 4] = std::array::from_fn(|i| value[4 + i] ^ COOKIE[i]);
                source = Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(ip)), port));
            }
            0x0008 => {
                let mut before = answer[..at].to_vec();
                set_len(&mut before, 24);
                let mut mac = Hmac::<Sha1>::new_from_slice(password.as_bytes()).unwrap();
                mac.update(&before);
                mac.verify_slice(value).ok()?;
            }
            0x8028 => {
                let mut before = answer[..at].to_vec();
                set_len(&mut before, 8);
                assert_eq!(value, (crc(&before) ^ 0x5354_554e).to_be_bytes(), "the sum of an answer");
            }
            _ => {}
        }
        at += 4 + len.next_multiple_of(4);
    }
    Some((transaction, source?))
}

fn attribute(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend(kind.to_be_bytes());
    message.extend((value.len() as u16).to_be_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
    set_len(message, 0);
}

fn set_len(message: &mut [u8], more: usize) {
    let len = (message.len() - 20 + more) as u16;
    message[2..4].copy_from_slice(&len.to_be_bytes());
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    })
}
