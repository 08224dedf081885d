//! A finished recording as bytes, whole or from anywhere in it, with the tracks that are wanted.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::manifest::Name;
use super::repair::Paths;
use super::wav::{self, HEADER_LEN, Head, SAMPLE_LEN};

/// A WAV file to be read.
#[derive(Debug)]
pub struct Playback {
    file: File,
    head: Head,
    /// Its tracks are to be heard as one.
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
        let head = Head::read(&file)?.ok_or_else(|| io::Error::other("no recording of this node"))?;
        let samples = file.metadata()?.len().saturating_sub(head.data_at) / head.step();
        Ok(Self { file, head, is_mixed: false, samples })
    }

    /// Tracks in the file.
    pub const fn tracks(&self) -> u16 {
        self.head.tracks
    }

    /// The same as one track: the mean of all.
    #[must_use]
    pub const fn mixed(mut self) -> Self {
        self.is_mixed = self.head.tracks > 1;
        self
    }

    pub(super) const fn is_mixed(&self) -> bool {
        self.is_mixed
    }

    /// Tracks that are heard.
    pub(super) const fn width(&self) -> u16 {
        if self.is_mixed { 1 } else { self.head.tracks }
    }

    pub(super) const fn rate(&self) -> u32 {
        self.head.rate
    }

    /// Where the samples begin.
    pub(super) const fn data_at(&self) -> u64 {
        if self.is_mixed { HEADER_LEN } else { self.head.data_at }
    }

    /// Bytes, the header included.
    pub const fn len(&self) -> u64 {
        if self.is_mixed {
            HEADER_LEN + self.samples * SAMPLE_LEN
        } else {
            self.head.data_at + self.samples * self.head.step()
        }
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
        if !self.is_mixed {
            self.file.read_exact_at(out, offset)?;
            return Ok(wanted);
        }
        let of_header = (HEADER_LEN.saturating_sub(offset) as usize).min(wanted);
        let (head, data) = out.split_at_mut(of_header);
        if !head.is_empty() {
            let header = wav::header(1, self.head.rate, self.samples * SAMPLE_LEN);
            head.copy_from_slice(&header[offset as usize..][..of_header]);
        }
        if !data.is_empty() {
            self.read_mixed(offset.max(HEADER_LEN) - HEADER_LEN, data)?;
        }
        Ok(wanted)
    }

    /// A byte of the mean of the tracks may be half a sample.
    fn read_mixed(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let step = self.head.step();
        let (first, last) = (at / SAMPLE_LEN, (at + out.len() as u64).div_ceil(SAMPLE_LEN));
        let mut all = vec![0; ((last - first) * step) as usize];
        self.file.read_exact_at(&mut all, self.head.data_at + first * step)?;
        let mean = |samples: &[u8]| {
            let samples = samples.as_chunks::<2>().0;
            let sum: i64 = samples.iter().map(|sample| i64::from(i16::from_le_bytes(*sample))).sum();
            // Between those of 16 bits it is one of 16 bits.
            ((sum / samples.len() as i64) as i16).to_le_bytes()
        };
        let bytes = all.chunks_exact(step as usize).flat_map(mean);
        let skipped = (at % SAMPLE_LEN) as usize;
        out.iter_mut().zip(bytes.skip(skipped)).for_each(|(out, byte)| *out = byte);
        Ok(())
    }
}
