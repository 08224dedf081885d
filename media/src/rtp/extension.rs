//! Header extensions (RFC 8285), and the one that says how loud a packet is (RFC 6464): with it, who is silent
//! need not be decoded.

use crate::dsp::level::Level;

/// What a header extension's profile is when its elements have one-byte headers (RFC 8285 §4.2).
const ONE_BYTE: u16 = 0xbede;
/// The upper twelve bits when they have two-byte headers (RFC 8285 §4.3).
const TWO_BYTE: u16 = 0x100;
/// What the lower four bits may be: the application's.
const APPLICATION_BITS: u32 = 4;

/// The identifier of fill between elements (RFC 8285 §4.2).
const FILL: u8 = 0;
/// The identifier at which reading of one-byte headers stops (RFC 8285 §4.2).
const STOP: u8 = 15;

/// The elements of a header extension, in order. An element that goes beyond the end ends them.
#[derive(Clone, Copy, Debug)]
pub struct Extensions<'a> {
    headers: Headers,
    rest: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
enum Headers {
    OneByte,
    TwoByte,
}

impl<'a> Extensions<'a> {
    /// The elements of an extension with this profile and data, as [`PacketView::extension`] gives them.
    /// Other profiles have none.
    ///
    /// [`PacketView::extension`]: super::PacketView::extension
    pub const fn new(profile: u16, data: &'a [u8]) -> Self {
        if profile == ONE_BYTE {
            Self { headers: Headers::OneByte, rest: data }
        } else if profile >> APPLICATION_BITS == TWO_BYTE {
            Self { headers: Headers::TwoByte, rest: data }
        } else {
            Self { headers: Headers::OneByte, rest: &[] }
        }
    }

    /// The first element of this identifier.
    pub fn find(mut self, id: u8) -> Option<&'a [u8]> {
        self.find_map(|(found, data)| (found == id).then_some(data))
    }

    /// Identifier, length and what follows of the next element's header.
    fn split_header(&self) -> Option<(u8, usize, &'a [u8])> {
        match self.headers {
            Headers::OneByte => {
                let (&header, rest) = self.rest.split_first()?;
                Some((header >> 4, usize::from(header & 0x0f) + 1, rest))
            }
            Headers::TwoByte => {
                let (&[id, len], rest) = self.rest.split_first_chunk()?;
                Some((id, len.into(), rest))
            }
        }
    }
}

impl<'a> Iterator for Extensions<'a> {
    /// Identifier and data.
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        // Fill is a single zero with both kinds of header.
        while let [FILL, rest @ ..] = self.rest {
            self.rest = rest;
        }
        let header = self.split_header();
        self.rest = &[];
        let (id, len, rest) = header?;
        // Identifier 0 with a length is not an element either, and its length cannot be believed.
        if id == FILL || (id == STOP && matches!(self.headers, Headers::OneByte)) {
            return None;
        }
        let (data, rest) = rest.split_at_checked(len)?;
        self.rest = rest;
        Some((id, data))
    }
}

/// How loud a packet is, by its sender's word (RFC 6464 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioLevel {
    /// Whether the sender believes that it holds speech. Says nothing unless it was agreed (`vad=on`).
    pub voice: bool,
    /// How loud.
    pub level: Level,
}

/// V of the one byte (RFC 6464 §3).
const VOICE_BIT: u8 = 0x80;

impl AudioLevel {
    /// Bytes of a whole header extension with nothing but a level: profile, length, one element, fill.
    pub const EXTENSION_LEN: usize = 8;

    /// Reads an element. Its one byte may be followed by others that a later RFC may define.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let &byte = data.first()?;
        Some(Self { voice: byte & VOICE_BIT != 0, level: Level::from_minus_dbov(byte & !VOICE_BIT) })
    }

    /// The element's one byte.
    pub const fn to_byte(self) -> u8 {
        let voice = if self.voice { VOICE_BIT } else { 0 };
        voice | self.level.minus_dbov()
    }

    /// A whole header extension with nothing but this level, to be put after the fixed RTP header (whose X bit
    /// it needs). `None` if `id` is none that a one-byte header can have: 1 to 14.
    pub fn to_extension(self, id: u8) -> Option<[u8; Self::EXTENSION_LEN]> {
        if id == FILL || id >= STOP {
            return None;
        }
        let [p0, p1] = ONE_BYTE.to_be_bytes();
        // One word follows; the element's length is written less one.
        Some([p0, p1, 0, 1, id << 4, self.to_byte(), 0, 0])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rtp::{PacketView, RtpHeader, SequenceNumber, Ssrc};

    fn elements(profile: u16, data: &[u8]) -> Vec<(u8, Vec<u8>)> {
        Extensions::new(profile, data).map(|(id, data)| (id, data.to_vec())).collect()
    }

    #[test]
    fn one_byte_headers_are_walked_over_fill() {
        let data = [0x10, 0xaa, 0, 0, 0x22, 1, 2, 3, 0];
        assert_eq!(elements(0xbede, &data), [(1, vec![0xaa]), (2, vec![1, 2, 3])]);
    }

    #[test]
    fn two_byte_headers_are_walked_and_may_be_empty() {
        let data = [1, 0, 0, 15, 2, 0xbb, 0xcc, 0];
        for profile in [0x1000, 0x100f] {
            assert_eq!(elements(profile, &data), [(1, vec![]), (15, vec![0xbb, 0xcc])]);
        }
    }

    #[test]
    fn reading_stops_at_identifier_15_and_at_what_goes_beyond_the_end() {
        assert_eq!(elements(0xbede, &[0x10, 0xaa, 0xf0, 1, 0x20, 2]), [(1, vec![0xaa])]);
        assert_eq!(elements(0xbede, &[0x10, 0xaa, 0x2f, 1, 2]), [(1, vec![0xaa])]);
        assert_eq!(elements(0xbede, &[0x05, 1, 2, 3]), [], "fill with a length");
        assert_eq!(elements(0x1000, &[1, 200, 1, 2]), []);
        assert_eq!(elements(0x1000, &[1]), []);
    }

    #[test]
    fn other_profiles_have_no_elements() {
        assert_eq!(elements(0xbedf, &[0x10, 0xaa]), []);
        assert_eq!(elements(0x2000, &[1, 1, 0xaa]), []);
    }

    #[test]
    fn a_level_goes_with_a_packet_and_comes_back() {
        let sent = AudioLevel { voice: true, level: Level::from_minus_dbov(42) };
        let header = RtpHeader {
            marker: false,
            payload_type: 111,
            sequence_number: SequenceNumber(1),
            timestamp: 2,
            ssrc: Ssrc(3),
        };
        let mut bytes = header.to_bytes().to_vec();
        bytes[0] |= 0x10;
        bytes.extend(sent.to_extension(5).unwrap());
        bytes.extend(b"sound");
        let packet = PacketView::parse(&bytes).unwrap();
        let (profile, data) = packet.extension().unwrap();
        let heard = Extensions::new(profile, data).find(5).and_then(AudioLevel::parse);
        assert_eq!((heard, packet.payload()), (Some(sent), &b"sound"[..]));
        assert_eq!(Extensions::new(profile, data).find(6), None);
    }

    #[test]
    fn a_level_needs_an_identifier_that_can_be_written() {
        let level = AudioLevel { voice: false, level: Level::SILENCE };
        assert!((1..15).all(|id| level.to_extension(id).is_some()));
        assert!([0, 15, 16, 255].iter().all(|&id| level.to_extension(id).is_none()));
        assert_eq!(AudioLevel::parse(&[]), None);
    }

    proptest! {
        #[test]
        fn any_level_reads_back(byte in any::<u8>()) {
            prop_assert_eq!(AudioLevel::parse(&[byte, 9]).map(AudioLevel::to_byte), Some(byte));
        }

        /// Elements lie within the data, in order, and end.
        #[test]
        fn any_extension_is_harmless(
            profile in prop_oneof![Just(0xbedeu16), 0x1000u16..0x1010, any::<u16>()],
            data in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            let mut total = 0;
            for (id, element) in Extensions::new(profile, &data) {
                prop_assert!(id != 0);
                total += element.len() + 1;
            }
            prop_assert!(total <= data.len());
        }

        #[test]
        fn what_is_written_is_walked(
            elements in proptest::collection::vec(
                (1u8..15, proptest::collection::vec(any::<u8>(), 1..=16)), 0..8,
            ),
            fill in 0usize..4,
        ) {
            let (mut one, mut two) = (Vec::new(), Vec::new());
            for (id, data) in &elements {
                one.push(id << 4 | (data.len() - 1) as u8);
                two.extend([*id, data.len() as u8]);
                one.extend(data);
                two.extend(data);
                one.extend(vec![0; fill]);
                two.extend(vec![0; fill]);
            }
            prop_assert_eq!(self::elements(0xbede, &one), elements.clone());
            prop_assert_eq!(self::elements(0x1000, &two), elements);
        }
    }
}
