//! The header of our files: RIFF with a place kept for long ones, `fmt ` and `data`, 80 bytes, for 16-bit PCM (Multimedia
//! Programming Interface and Data Specifications 1.0).
//!
//! ```text
//! RIFF len WAVE │ JUNK 28, zeros                        │ fmt  16, PCM │ data len │ samples
//! RF64 ff… WAVE │ ds64 28, lengths of 64 bits           │ fmt  16, PCM │ data ff… │ samples
//! ```
//!
//! Lengths are of 32 bits there. A file that outgrows them becomes an RF64 in place, as EBU Tech 3306 has it: what was
//! left out (`JUNK`) takes its lengths. So it stays one file, and what is shorter is read by everything that reads WAV.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use zerocopy::IntoBytes;

/// What is before the samples.
pub(super) const HEADER_LEN: u64 = 80;

/// What was before the samples in files of the first version.
const OLD_HEADER_LEN: u64 = 44;

/// Bytes of a sample.
pub(super) const SAMPLE_LEN: u64 = 2;

/// The most bytes of samples in a file, a tebibyte: weeks of anything. Something that goes on for so long has been
/// forgotten, and ends.
pub(super) const DATA_MAX: u64 = 1 << 40;

/// Stands for a length that does not fit in 32 bits (EBU Tech 3306 §3.4).
const LONG: u32 = u32::MAX;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) tracks: u16,
    pub(super) rate: u32,
    /// Where the samples begin.
    pub(super) data_at: u64,
    /// Bytes of samples, as it says.
    pub(super) data: u64,
}

impl Head {
    /// Reads the header of a file of ours; `None` if it is none.
    pub(super) fn read(file: &File) -> io::Result<Option<Self>> {
        let mut bytes = [0; HEADER_LEN as usize];
        let len = file.metadata()?.len().min(HEADER_LEN) as usize;
        file.read_exact_at(&mut bytes[..len], 0)?;
        Ok(Self::parse(&bytes[..len]))
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let tag = |at: usize| bytes.get(at..at + 4);
        let is_long = match tag(0)? {
            b"RIFF" => false,
            b"RF64" => true,
            _ => return None,
        };
        let format = match tag(12)? {
            b"JUNK" if !is_long => 48,
            b"ds64" if is_long => 48,
            b"fmt " if !is_long => 12,
            _ => return None,
        };
        let data = format + 24;
        if tag(8)? != b"WAVE" || tag(format)? != b"fmt " || tag(data)? != b"data" {
            return None;
        }
        let tracks = u16::from_le_bytes([*bytes.get(format + 10)?, *bytes.get(format + 11)?]);
        let short = number32(bytes, data + 4)?;
        let len = if is_long { number64(bytes, 28)? } else { u64::from(short) };
        let head = Self { tracks, rate: number32(bytes, format + 12)?, data_at: data as u64 + 8, data: len };
        (head.tracks > 0 && head.rate > 0).then_some(head)
    }

    /// Bytes of a sample of all tracks.
    pub(super) const fn step(&self) -> u64 {
        SAMPLE_LEN * self.tracks as u64
    }
}

fn number32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn number64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Makes the file one of `samples` of each of its tracks, or of as many as it holds, and says how many those are. `None`
/// if it has no header that is ours: then there is nothing to be saved.
pub(super) fn fit(path: &Path, tracks: u16, samples: u64) -> io::Result<Option<u64>> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let len = file.metadata()?.len();
    let Some(head) = Head::read(&file)?.filter(|head| head.tracks == tracks && head.data_at <= len) else {
        return Ok(None);
    };
    let samples = samples.min((len - head.data_at).min(DATA_MAX) / head.step());
    let data = samples * head.step();
    file.set_len(head.data_at + data)?;
    let fresh = header(tracks, head.rate, data);
    match head.data_at {
        // What has no place for longer lengths is not longer.
        OLD_HEADER_LEN => {
            let short = |number: u64| u32::try_from(number).unwrap_or(LONG).to_le_bytes();
            file.write_all_at(&short(OLD_HEADER_LEN - 8 + data), 4)?;
            file.write_all_at(&short(data), OLD_HEADER_LEN - 4)?;
        }
        _ => file.write_all_at(&fresh, 0)?,
    }
    Ok(Some(samples))
}

/// Samples as they lie in a file, the lower byte first: on most machines as they are.
pub(super) fn bytes_of(samples: &[i16]) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        return Cow::Borrowed(samples.as_bytes());
    }
    Cow::Owned(samples.iter().flat_map(|sample| sample.to_le_bytes()).collect())
}

/// A header of a file with so many bytes of samples.
pub(super) fn header(tracks: u16, rate: u32, data: u64) -> [u8; HEADER_LEN as usize] {
    let mut header = [0; HEADER_LEN as usize];
    let step = SAMPLE_LEN as u16 * tracks;
    let riff = HEADER_LEN - 8 + data;
    let short = u32::try_from(riff).ok().filter(|riff| *riff != LONG);
    let (form, place) = if short.is_some() { (b"RIFF", b"JUNK") } else { (b"RF64", b"ds64") };
    header[..4].copy_from_slice(form);
    header[4..8].copy_from_slice(&short.unwrap_or(LONG).to_le_bytes());
    header[8..12].copy_from_slice(b"WAVE");
    header[12..16].copy_from_slice(place);
    header[16..20].copy_from_slice(&28_u32.to_le_bytes());
    if short.is_none() {
        header[20..28].copy_from_slice(&riff.to_le_bytes());
        header[28..36].copy_from_slice(&data.to_le_bytes());
        header[36..44].copy_from_slice(&(data / u64::from(step)).to_le_bytes());
    }
    header[48..52].copy_from_slice(b"fmt ");
    header[52..56].copy_from_slice(&16_u32.to_le_bytes());
    header[56..58].copy_from_slice(&1_u16.to_le_bytes());
    header[58..60].copy_from_slice(&tracks.to_le_bytes());
    header[60..64].copy_from_slice(&rate.to_le_bytes());
    header[64..68].copy_from_slice(&(rate * u32::from(step)).to_le_bytes());
    header[68..70].copy_from_slice(&step.to_le_bytes());
    header[70..72].copy_from_slice(&(8 * SAMPLE_LEN as u16).to_le_bytes());
    header[72..76].copy_from_slice(b"data");
    let data = u32::try_from(data).ok().filter(|_| short.is_some());
    header[76..].copy_from_slice(&data.unwrap_or(LONG).to_le_bytes());
    header
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_header_says_what_it_was_made_of(tracks in 1_u16..64, rate in 1_u32..50_000, samples in 0_u64..1 << 33) {
            let data = samples * u64::from(tracks) * SAMPLE_LEN;
            let head = Head::parse(&header(tracks, rate, data));
            prop_assert_eq!(head, Some(Head { tracks, rate, data_at: HEADER_LEN, data }));
        }

        #[test]
        fn no_bytes_are_read_beyond_their_end(bytes in prop::collection::vec(any::<u8>(), 0..100), cut in 0_usize..80) {
            Head::parse(&bytes);
            prop_assert_eq!(Head::parse(&header(1, 8_000, 5 << 30)[..cut]), None);
        }
    }

    #[test]
    fn a_file_that_outgrows_four_gibibytes_is_an_rf64_and_one_that_does_not_is_none() {
        let last = u64::from(u32::MAX) - 1 - (HEADER_LEN - 8);
        assert_eq!(&header(2, 16_000, last)[..16], b"RIFF\xfe\xff\xff\xffWAVEJUNK");
        let long = header(2, 16_000, last + 1);
        assert_eq!(&long[..16], b"RF64\xff\xff\xff\xffWAVEds64");
        assert_eq!(&long[76..], [0xff; 4]);
        assert_eq!(number64(&long, 28), Some(last + 1));
        assert_eq!(number64(&long, 36), Some((last + 1) / 4));
    }
}
