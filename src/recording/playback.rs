//! A finished recording as bytes, whole or from anywhere in it, with the tracks that are wanted.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::manifest::Name;
use super::repair::Paths;
use super::wav::{self, HEADER_LEN, SAMPLE_LEN};

/// A WAV file to be read.
#[derive(Debug)]
pub struct Playback {
    file: File,
    tracks: u16,
    rate: u32,
    /// Both tracks are to be heard as one.
    is_mixed: bool,
    /// Samples of each track.
    samples: u64,
}

impl Playback {
    /// Opens a recording that is over.
    ///
    /// # Errors
    /// What the system says, also when it is gone, or no file of ours.
    pub fn open(folder: &Path, name: &Name) -> io::Result<Self> {
        let file = File::open(Paths::of(folder, name).wav)?;
        let mut header = [0; HEADER_LEN as usize];
        file.read_exact_at(&mut header, 0)?;
        let tracks = u16::from_le_bytes([header[22], header[23]]);
        let rate = u32::from_le_bytes([header[24], header[25], header[26], header[27]]);
        if !(1..=2).contains(&tracks) {
            return Err(io::Error::other("no recording of this node"));
        }
        let samples = (file.metadata()?.len() - HEADER_LEN) / (SAMPLE_LEN * u64::from(tracks));
        Ok(Self { file, tracks, rate, is_mixed: false, samples })
    }

    /// Tracks in the file.
    pub const fn tracks(&self) -> u16 {
        self.tracks
    }

    /// The same as one track: the mean of both.
    #[must_use]
    pub const fn mixed(mut self) -> Self {
        self.is_mixed = self.tracks == 2;
        self
    }

    /// Bytes, the header included.
    pub fn len(&self) -> u64 {
        HEADER_LEN + self.samples * self.step()
    }

    /// Whether there is not even a header: never.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// As many bytes from `offset` on as fit into `out`, or as there are; how many.
    ///
    /// # Errors
    /// What the system says.
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        let wanted = (out.len() as u64).min(self.len().saturating_sub(offset)) as usize;
        let out = &mut out[..wanted];
        let of_header = (HEADER_LEN.saturating_sub(offset) as usize).min(wanted);
        let (head, data) = out.split_at_mut(of_header);
        let header =
            wav::header(if self.is_mixed { 1 } else { self.tracks }, self.rate, self.len() - HEADER_LEN);
        if !head.is_empty() {
            head.copy_from_slice(&header[offset as usize..][..of_header]);
        }
        let at = offset.max(HEADER_LEN) - HEADER_LEN;
        if data.is_empty() {
            return Ok(wanted);
        }
        if self.is_mixed {
            self.read_mixed(at, data)?;
        } else {
            self.file.read_exact_at(data, HEADER_LEN + at)?;
        }
        Ok(wanted)
    }

    /// Bytes of a sample of all tracks, as they are heard.
    const fn step(&self) -> u64 {
        if self.is_mixed { SAMPLE_LEN } else { SAMPLE_LEN * self.tracks as u64 }
    }

    /// A byte of the mean of two tracks may be half a sample.
    fn read_mixed(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let (first, last) = (at / SAMPLE_LEN, (at + out.len() as u64).div_ceil(SAMPLE_LEN));
        let mut pairs = vec![0; ((last - first) * 2 * SAMPLE_LEN) as usize];
        self.file.read_exact_at(&mut pairs, HEADER_LEN + first * 2 * SAMPLE_LEN)?;
        let mean = |pair: &[u8; 4]| {
            let [a, b] = [[pair[0], pair[1]], [pair[2], pair[3]]].map(|s| i32::from(i16::from_le_bytes(s)));
            // Between two of 16 bits it is one of 16 bits.
            (((a + b) / 2) as i16).to_le_bytes()
        };
        let bytes = pairs.as_chunks::<4>().0.iter().flat_map(mean);
        let skipped = (at % SAMPLE_LEN) as usize;
        out.iter_mut().zip(bytes.skip(skipped)).for_each(|(out, byte)| *out = byte);
        Ok(())
    }
}
