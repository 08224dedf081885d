//! What one master key does to one packet whose index is known: session keys (RFC 3711 §4.3), and sealing and
//! opening in place for both families of profiles (RFC 3711 §3.3, §3.4, §4; RFC 7714 §8, §9). The ciphers and the
//! MAC are libraries'; this file only lays out what goes into them. No state, no allocation.
//!
//! ```text
//! SRTP    header ┆ payload, encrypted ┆ tag                          tag over all of it (and the roll-overs)
//! SRTCP   8 bytes ┆ the rest, encrypted ┆ E and index ┆ tag          counter mode
//!         8 bytes ┆ the rest, encrypted ┆ tag ┆ E and index          GCM
//! ```

use aes::Aes128;
use aes::cipher::{InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper};
use ctr::{Ctr128BE, CtrCore};
use hmac::{Hmac, Mac};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use sha1::Sha1;
use zeroize::Zeroizing;

use super::keys::{KEY_LEN, Profile, SrtpKeys};
use crate::prefetch::fetch_whole;

/// Bytes of an RTCP packet that stay readable: its header and who it is from (RFC 3711 §3.4).
pub(super) const RTCP_CLEAR_LEN: usize = 8;

/// Set in front of the SRTCP index when the packet is encrypted (RFC 3711 §3.4).
const ENCRYPTED_BIT: u32 = 1 << 31;

/// What each session key is derived with (RFC 3711 §4.3.2).
#[derive(Clone, Copy)]
enum Label {
    RtpEncryption = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpEncryption = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

/// A packet did not prove to be from the holder of the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotAuthentic;

/// The session keys of one direction.
pub(super) enum Transform {
    CounterMode { rtp: CounterMode, rtcp: CounterMode },
    Gcm { rtp: Gcm, rtcp: Gcm },
}

impl Transform {
    pub(super) fn new(keys: &SrtpKeys) -> Self {
        use Label::*;
        let counter_mode = |labels, tag_len| CounterMode::new(keys, labels, tag_len);
        match keys.profile() {
            Profile::AesCm128HmacSha1_80 | Profile::AesCm128HmacSha1_32 => Self::CounterMode {
                rtp: counter_mode([RtpEncryption, RtpAuthentication, RtpSalt], keys.profile().rtp_overhead()),
                // Always 80 bits (RFC 4568 §6.2.2).
                rtcp: counter_mode([RtcpEncryption, RtcpAuthentication, RtcpSalt], 10),
            },
            Profile::AeadAes128Gcm => Self::Gcm {
                rtp: Gcm::new(keys, RtpEncryption, RtpSalt),
                rtcp: Gcm::new(keys, RtcpEncryption, RtcpSalt),
            },
        }
    }

    /// Has fetched what RTP needs of it.
    pub(super) fn fetch_ahead(&self) {
        match self {
            Self::CounterMode { rtp, .. } => fetch_whole(rtp),
            Self::Gcm { rtp, .. } => fetch_whole(rtp),
        }
    }

    /// Seals the `len` bytes of RTP in `buffer`, whose header takes `header_len`, and returns the new length. The
    /// caller has seen to it that there is room for the profile's overhead.
    pub(super) fn seal_rtp(
        &self,
        buffer: &mut [u8],
        len: usize,
        header_len: usize,
        at: PacketIndex,
    ) -> usize {
        match self {
            Self::CounterMode { rtp, .. } => {
                rtp.apply_keystream(at, &mut buffer[header_len..len]);
                let (packet, tag) = buffer.split_at_mut(len);
                len + rtp.write_tag(&[packet, &at.roll_overs().to_be_bytes()], tag)
            }
            Self::Gcm { rtp, .. } => {
                let (header, rest) = buffer.split_at_mut(header_len);
                let (payload, tag) = rest.split_at_mut(len - header_len);
                len + rtp.seal(rtp.rtp_nonce(at), header, payload, tag)
            }
        }
    }

    /// Opens the `len` bytes of SRTP in `buffer` in place and returns the length of the RTP. What does not prove
    /// authentic is left as it was in counter mode and is of no use in GCM.
    pub(super) fn open_rtp(
        &self,
        buffer: &mut [u8],
        header_len: usize,
        at: PacketIndex,
    ) -> Result<usize, NotAuthentic> {
        match self {
            Self::CounterMode { rtp, .. } => {
                let len = buffer.len().checked_sub(rtp.tag_len).ok_or(NotAuthentic)?;
                let (packet, tag) = buffer.split_at_mut(len);
                rtp.verify(&[packet, &at.roll_overs().to_be_bytes()], tag)?;
                rtp.apply_keystream(at, packet.get_mut(header_len..).ok_or(NotAuthentic)?);
                Ok(len)
            }
            Self::Gcm { rtp, .. } => {
                let (header, rest) = buffer.split_at_mut_checked(header_len).ok_or(NotAuthentic)?;
                let opened = rtp.key.open_in_place(rtp.rtp_nonce(at), Aad::from(&*header), rest);
                opened.map(|payload| header_len + payload.len()).map_err(|_| NotAuthentic)
            }
        }
    }

    /// Seals the `len` bytes of RTCP in `buffer` and returns the new length.
    pub(super) fn seal_rtcp(&self, buffer: &mut [u8], len: usize, at: PacketIndex) -> usize {
        let index = (at.index as u32 | ENCRYPTED_BIT).to_be_bytes();
        match self {
            Self::CounterMode { rtcp, .. } => {
                rtcp.apply_keystream(at, &mut buffer[RTCP_CLEAR_LEN..len]);
                buffer[len..len + 4].copy_from_slice(&index);
                let (packet, tag) = buffer.split_at_mut(len + 4);
                len + 4 + rtcp.write_tag(&[packet], tag)
            }
            Self::Gcm { rtcp, .. } => {
                let (header, rest) = buffer.split_at_mut(RTCP_CLEAR_LEN);
                let (body, tail) = rest.split_at_mut(len - RTCP_CLEAR_LEN);
                let tag_len = rtcp.seal(rtcp.rtcp_nonce(at), &rtcp_clear_part(header, index), body, tail);
                tail[tag_len..tag_len + 4].copy_from_slice(&index);
                len + tag_len + 4
            }
        }
    }

    /// Opens the SRTCP in `buffer` in place and returns the length of the RTCP.
    ///
    /// A sender may leave RTCP readable (RFC 3711 §3.4), but nobody is asked to here (RFC 4568 §6.3.2): in
    /// counter mode it is taken if it is authentic, in GCM, where it is another construction, it is refused.
    pub(super) fn open_rtcp(&self, buffer: &mut [u8], at: PacketIndex) -> Result<usize, NotAuthentic> {
        let word = self.rtcp_index_word(buffer).ok_or(NotAuthentic)?;
        let is_encrypted = word & ENCRYPTED_BIT != 0;
        match self {
            Self::CounterMode { rtcp, .. } => {
                let end = buffer.len() - rtcp.tag_len;
                let (packet, tag) = buffer.split_at_mut(end);
                rtcp.verify(&[packet], tag)?;
                if is_encrypted {
                    rtcp.apply_keystream(at, &mut packet[RTCP_CLEAR_LEN..end - 4]);
                }
                Ok(end - 4)
            }
            Self::Gcm { rtcp, .. } => {
                let (packet, index) = buffer.split_last_chunk_mut::<4>().ok_or(NotAuthentic)?;
                let (header, body) = packet.split_at_mut(RTCP_CLEAR_LEN);
                let clear = rtcp_clear_part(header, *index);
                let opened = rtcp.key.open_in_place(rtcp.rtcp_nonce(at), Aad::from(clear), body);
                match opened {
                    Ok(body) if is_encrypted => Ok(RTCP_CLEAR_LEN + body.len()),
                    Ok(_) | Err(_) => Err(NotAuthentic),
                }
            }
        }
    }

    /// The index that an SRTCP packet carries; `None` if it is too short for one.
    pub(super) fn rtcp_index(&self, packet: &[u8]) -> Option<u64> {
        self.rtcp_index_word(packet).map(|word| u64::from(word & !ENCRYPTED_BIT))
    }

    fn rtcp_index_word(&self, packet: &[u8]) -> Option<u32> {
        let (behind, least) = match self {
            Self::CounterMode { rtcp, .. } => (rtcp.tag_len, RTCP_CLEAR_LEN + 4 + rtcp.tag_len),
            Self::Gcm { .. } => (0, RTCP_CLEAR_LEN + 4 + GCM_TAG_LEN),
        };
        if packet.len() < least {
            return None;
        }
        let (_, word) = packet[..packet.len() - behind].split_last_chunk::<4>()?;
        Some(u32::from_be_bytes(*word))
    }
}

/// Which packet, of all that these keys protect: no two have the same index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PacketIndex {
    pub(super) ssrc: u32,
    /// Of RTP 48 bits, the roll-overs before the sequence number; of RTCP 31 bits.
    pub(super) index: u64,
}

impl PacketIndex {
    const fn roll_overs(self) -> u32 {
        (self.index >> 16) as u32
    }
}

/// AES in counter mode and HMAC-SHA1 (RFC 3711 §4.1.1, §4.2.1).
pub(super) struct CounterMode {
    cipher: Aes128,
    mac: Hmac<Sha1>,
    salt: Zeroizing<[u8; 14]>,
    tag_len: usize,
}

impl CounterMode {
    fn new(keys: &SrtpKeys, [encryption, authentication, salting]: [Label; 3], tag_len: usize) -> Self {
        let mac_key = derive::<20>(keys, authentication);
        Self {
            cipher: Aes128::new(&(*derive::<KEY_LEN>(keys, encryption)).into()),
            mac: KeyInit::new_from_slice(mac_key.as_slice()).expect("an HMAC takes any key"),
            salt: derive::<14>(keys, salting),
            tag_len,
        }
    }

    fn apply_keystream(&self, at: PacketIndex, data: &mut [u8]) {
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(self.salt.as_slice());
        xor(&mut iv[4..8], &at.ssrc.to_be_bytes());
        xor(&mut iv[8..14], &at.index.to_be_bytes()[2..]);
        counter_mode(&self.cipher, iv).apply_keystream(data);
    }

    fn tag(&self, parts: &[&[u8]]) -> Hmac<Sha1> {
        let mut mac = self.mac.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac
    }

    fn write_tag(&self, parts: &[&[u8]], out: &mut [u8]) -> usize {
        let tag = self.tag(parts).finalize().into_bytes();
        out[..self.tag_len].copy_from_slice(&tag[..self.tag_len]);
        self.tag_len
    }

    fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> Result<(), NotAuthentic> {
        self.tag(parts).verify_truncated_left(tag).map_err(|_| NotAuthentic)
    }
}

/// Bytes of GCM's tag.
const GCM_TAG_LEN: usize = 16;

/// AES-GCM (RFC 7714).
pub(super) struct Gcm {
    key: LessSafeKey,
    salt: Zeroizing<[u8; 12]>,
}

impl Gcm {
    fn new(keys: &SrtpKeys, encryption: Label, salting: Label) -> Self {
        let key = derive::<KEY_LEN>(keys, encryption);
        let key = UnboundKey::new(&AES_128_GCM, key.as_slice()).expect("the key has the cipher's length");
        Self { key: LessSafeKey::new(key), salt: derive::<12>(keys, salting) }
    }

    /// RFC 7714 §8.1.
    fn rtp_nonce(&self, at: PacketIndex) -> Nonce {
        let mut nonce = *self.salt;
        xor(&mut nonce[2..6], &at.ssrc.to_be_bytes());
        xor(&mut nonce[6..12], &at.index.to_be_bytes()[2..]);
        Nonce::assume_unique_for_key(nonce)
    }

    /// RFC 7714 §9.1.
    fn rtcp_nonce(&self, at: PacketIndex) -> Nonce {
        let mut nonce = *self.salt;
        xor(&mut nonce[2..6], &at.ssrc.to_be_bytes());
        xor(&mut nonce[8..12], &(at.index as u32).to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }

    fn seal(&self, nonce: Nonce, clear: &[u8], body: &mut [u8], out: &mut [u8]) -> usize {
        let tag = self.key.seal_in_place_separate_tag(nonce, Aad::from(clear), body);
        // It fails only beyond 64 GiB.
        let tag = tag.expect("a datagram is short enough for GCM");
        out[..GCM_TAG_LEN].copy_from_slice(tag.as_ref());
        GCM_TAG_LEN
    }
}

/// What GCM authenticates of RTCP beside what it encrypts (RFC 7714 §9.2), in one piece.
fn rtcp_clear_part(header: &[u8], index: [u8; 4]) -> [u8; RTCP_CLEAR_LEN + 4] {
    let mut clear = [0; RTCP_CLEAR_LEN + 4];
    clear[..RTCP_CLEAR_LEN].copy_from_slice(header);
    clear[RTCP_CLEAR_LEN..].copy_from_slice(&index);
    clear
}

/// A session key or salt of `N` bytes (RFC 3711 §4.3.1, §4.3.3), never derived anew: the key derivation rate of
/// RFC 4568 §6.3.1 is not something we agree to.
fn derive<const N: usize>(keys: &SrtpKeys, label: Label) -> Zeroizing<[u8; N]> {
    let (key, salt) = keys.key_and_salt();
    let mut iv = [0; 16];
    iv[..14].copy_from_slice(salt);
    iv[7] ^= label as u8;
    let mut derived = Zeroizing::new([0; N]);
    let cipher = Aes128::new(&(*key).into());
    counter_mode(&cipher, iv).apply_keystream(derived.as_mut_slice());
    derived
}

fn counter_mode(cipher: &Aes128, iv: [u8; 16]) -> Ctr128BE<&Aes128> {
    StreamCipherCoreWrapper::from_core(CtrCore::inner_iv_init(cipher, &iv.into()))
}

fn xor(place: &mut [u8], with: &[u8]) {
    place.iter_mut().zip(with).for_each(|(byte, with)| *byte ^= with);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
    }

    #[test]
    fn session_keys_are_those_of_rfc_3711_appendix_b_3() {
        let master = hex("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
        let keys = SrtpKeys::new(Profile::AesCm128HmacSha1_80, &master).unwrap();
        let cipher_key = derive::<16>(&keys, Label::RtpEncryption);
        assert_eq!(cipher_key.as_slice(), hex("C61E7A93744F39EE10734AFE3FF7A087"));
        let salt = derive::<14>(&keys, Label::RtpSalt);
        assert_eq!(salt.as_slice(), hex("30CBBC08863D8C85D49DB34A9AE1"));
        let mac_key = derive::<20>(&keys, Label::RtpAuthentication);
        assert_eq!(mac_key.as_slice(), hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
    }

    #[test]
    fn the_keystream_is_that_of_rfc_3711_appendix_b_2() {
        let cipher = Aes128::new(&hex("2B7E151628AED2A6ABF7158809CF4F3C").as_slice().try_into().unwrap());
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"));
        let mut stream = vec![0; 0xff01 * 16];
        counter_mode(&cipher, iv).apply_keystream(&mut stream);
        assert_eq!(stream[..16], hex("E03EAD0935C95E80E166B16DD92B4EB4"));
        assert_eq!(stream[0xff00 * 16..], hex("362B7C3C6773516318A077D7FC5073AE"));
    }

    #[test]
    fn gcm_is_that_of_rfc_7714_section_16() {
        // The RFC's examples begin at the session keys, so the transform is made of those.
        let key = hex("000102030405060708090a0b0c0d0e0f");
        let gcm = || Gcm {
            key: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap()),
            salt: Zeroizing::new(hex("517569642070726f2071756f").try_into().unwrap()),
        };
        let transform = Transform::Gcm { rtp: gcm(), rtcp: gcm() };

        let rtp = hex("8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
                       69736120 696e2070 61727465 73207472 6573");
        let srtp = hex("8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5
                        0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce");
        let at = PacketIndex { ssrc: 0x5501_a0b2, index: 0xf17b };
        let mut buffer = rtp.clone();
        buffer.resize(rtp.len() + 16, 0);
        assert_eq!(transform.seal_rtp(&mut buffer, rtp.len(), 12, at), srtp.len());
        assert_eq!(buffer, srtp);
        assert_eq!(transform.open_rtp(&mut buffer, 12, at), Ok(rtp.len()));
        assert_eq!(buffer[..rtp.len()], rtp);
    }
}
