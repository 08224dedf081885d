//! The RTP header (RFC 3550 §5.1) as the callers write and read it, and the extension that says how loud a packet is
//! (RFC 6464).

use super::codec::PAYLOAD_MAX;

/// Without CSRCs and extension.
pub(super) const HEADER: usize = 12;
/// The largest packet that we send.
pub(super) const PACKET_MAX: usize = HEADER + LEVEL_EXTENSION + PAYLOAD_MAX;
/// Octets of an extension with nothing but a level: its own header, and one word.
pub(super) const LEVEL_EXTENSION: usize = 8;
/// What an extension begins with whose elements have headers of one octet (RFC 8285 §4.2).
const ONE_OCTET_HEADERS: [u8; 2] = [0xbe, 0xde];
/// Louder than this, in -dBov, a packet is said to hold a voice: between an idle line and the quietest talker.
const VOICE_OVER: u8 = 60;

/// The fields of a header that the judge looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) payload_type: u8,
    pub(super) marker: bool,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
}

impl Header {
    /// Writes the header of a packet without contributors or extension.
    pub(super) fn write(self, packet: &mut [u8; PACKET_MAX]) {
        packet[0] = 0x80;
        packet[1] = u8::from(self.marker) << 7 | self.payload_type;
        packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        packet[8..HEADER].copy_from_slice(&self.ssrc.to_be_bytes());
    }
}

/// Writes how loud the packet is, in -dBov, behind its header. `id` is what the element is called, 1 to 14.
pub(super) fn write_level(packet: &mut [u8; PACKET_MAX], id: u8, level: u8) {
    packet[0] |= 0x10;
    let voice = u8::from(level < VOICE_OVER) << 7;
    let extension = &mut packet[HEADER..HEADER + LEVEL_EXTENSION];
    // One word of elements; an element's length is written less one.
    extension[..2].copy_from_slice(&ONE_OCTET_HEADERS);
    extension[2..].copy_from_slice(&[0, 1, id << 4, voice | level, 0, 0]);
}

/// How loud samples are, in -dBov: 0 is a square wave at full scale, 127 is silence (RFC 6464 §3).
pub(super) fn level_of(sound: &[i16]) -> u8 {
    let energy: f64 = sound.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    let rms = (energy / sound.len().max(1) as f64).sqrt();
    (-20.0 * (rms / 32_767.0).log10()).round().clamp(0.0, 127.0) as u8
}

/// Takes a packet apart; `None` when it is not RTP.
pub(super) fn parse(datagram: &[u8]) -> Option<(Header, &[u8])> {
    let (header, rest) = split_header(datagram)?;
    let is_padded = datagram[0] & 0x20 != 0;
    let padding = if is_padded { usize::from(*rest.last()?) } else { 0 };
    Some((header, rest.get(..rest.len().checked_sub(padding)?)?))
}

/// The header, and what comes after it and its extension; `None` when it is not RTP.
pub(super) fn split_header(datagram: &[u8]) -> Option<(Header, &[u8])> {
    let (fixed, rest) = datagram.split_first_chunk::<HEADER>()?;
    if fixed[0] >> 6 != 2 {
        return None;
    }
    let header = Header {
        payload_type: fixed[1] & 0x7f,
        marker: fixed[1] & 0x80 != 0,
        sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
        timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
        ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
    };
    let rest = rest.get(usize::from(fixed[0] & 15) * 4..)?;
    let rest = if fixed[0] & 0x10 != 0 { after_extension(rest)? } else { rest };
    Some((header, rest))
}

fn after_extension(rest: &[u8]) -> Option<&[u8]> {
    let words = usize::from(u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]));
    rest.get(4 + words * 4..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_header_reads_back() {
        let header = Header {
            payload_type: 8,
            marker: true,
            sequence: 0xfffe,
            timestamp: 0x8000_0001,
            ssrc: 0xdead_beef,
        };
        let mut packet = [7; PACKET_MAX];
        header.write(&mut packet);
        assert_eq!(parse(&packet), Some((header, &[7; PACKET_MAX - HEADER][..])));
        write_level(&mut packet, 5, 75);
        assert_eq!(parse(&packet), Some((header, &[7; PAYLOAD_MAX][..])));
        assert_eq!(packet[HEADER..HEADER + LEVEL_EXTENSION], [0xbe, 0xde, 0, 1, 0x50, 75, 0, 0]);
        write_level(&mut packet, 14, 20);
        assert_eq!(packet[HEADER + 4..HEADER + 6], [0xe0, 0x80 | 20]);
    }

    #[test]
    fn levels_are_counted_down_from_full_scale() {
        assert_eq!(level_of(&[32_767, -32_767]), 0);
        assert_eq!(level_of(&[3_277, -3_277]), 20);
        assert_eq!(level_of(&[0; 960]), 127);
        assert_eq!(level_of(&crate::load::tone::idle_noise(960, 7)), 75);
    }

    #[test]
    fn contributors_extension_and_padding_are_not_sound() {
        let mut packet = vec![0xb1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9];
        packet.extend([1, 1, 1, 1, 0xbe, 0xde, 0, 1, 2, 2, 2, 2, 5, 6, 0, 0, 3]);
        assert_eq!(parse(&packet).unwrap().1, [5, 6]);
    }

    #[test]
    fn what_is_not_rtp_is_nothing() {
        assert_eq!(parse(&[0x80; 11]), None);
        assert_eq!(parse(&[0x40; 20]), None);
        let mut bad_padding = [0xa0; 14];
        bad_padding[13] = 200;
        assert_eq!(parse(&bad_padding), None);
    }
}
