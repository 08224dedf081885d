//! The header of our files: RIFF, `fmt ` and `data`, 44 bytes, as `hound` writes it for 16-bit PCM (Multimedia Programming
//! Interface and Data Specifications 1.0). Here its two lengths are set, where a process ended before it could or silence
//! is cut off.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What is before the samples.
pub(super) const HEADER_LEN: u64 = 44;

/// Bytes of a sample.
pub(super) const SAMPLE_LEN: u64 = 2;

/// The most bytes of samples in a file, whose length must fit in 32 bits. At 8 kHz and two tracks that is 37 hours; a
/// recording that comes so far ends.
pub(super) const DATA_MAX: u64 = u32::MAX as u64 - HEADER_LEN - 3;

/// Makes the file one of `samples` of each of its tracks, or of as many as it holds, and says how many those are. `None`
/// if it has no header that is ours: then there is nothing to be saved.
pub(super) fn fit(path: &Path, tracks: u16, samples: u64) -> io::Result<Option<u64>> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut header = [0; HEADER_LEN as usize];
    let len = file.metadata()?.len();
    if len < HEADER_LEN {
        return Ok(None);
    }
    file.read_exact_at(&mut header, 0)?;
    if !is_ours(&header, tracks) {
        return Ok(None);
    }
    let step = SAMPLE_LEN * u64::from(tracks);
    let samples = samples.min((len - HEADER_LEN).min(DATA_MAX) / step);
    let data = samples * step;
    file.set_len(HEADER_LEN + data)?;
    write_length(&mut file, 4, HEADER_LEN - 8 + data)?;
    write_length(&mut file, HEADER_LEN - 4, data)?;
    Ok(Some(samples))
}

fn is_ours(header: &[u8; HEADER_LEN as usize], tracks: u16) -> bool {
    let tracks_of = u16::from_le_bytes([header[22], header[23]]);
    header.starts_with(b"RIFF")
        && &header[8..16] == b"WAVEfmt "
        && &header[36..40] == b"data"
        && tracks_of == tracks
}

fn write_length(file: &mut File, at: u64, length: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    // Bounded above.
    file.write_all(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes())
}

/// A header of a file with so many bytes of samples.
pub(super) fn header(tracks: u16, rate: u32, data: u64) -> [u8; HEADER_LEN as usize] {
    let mut header = [0; HEADER_LEN as usize];
    let data = u32::try_from(data).unwrap_or(u32::MAX);
    let step = SAMPLE_LEN as u16 * tracks;
    header[..4].copy_from_slice(b"RIFF");
    header[4..8].copy_from_slice(&(HEADER_LEN as u32 - 8).saturating_add(data).to_le_bytes());
    header[8..16].copy_from_slice(b"WAVEfmt ");
    header[16..20].copy_from_slice(&16_u32.to_le_bytes());
    header[20..22].copy_from_slice(&1_u16.to_le_bytes());
    header[22..24].copy_from_slice(&tracks.to_le_bytes());
    header[24..28].copy_from_slice(&rate.to_le_bytes());
    header[28..32].copy_from_slice(&(rate * u32::from(step)).to_le_bytes());
    header[32..34].copy_from_slice(&step.to_le_bytes());
    header[34..36].copy_from_slice(&(8 * SAMPLE_LEN as u16).to_le_bytes());
    header[36..40].copy_from_slice(b"data");
    header[40..].copy_from_slice(&data.to_le_bytes());
    header
}
