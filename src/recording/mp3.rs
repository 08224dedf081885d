//! A finished recording as MP3 (ISO 11172-3 and 13818-3, layer III, MPEG-2.5 at 8 kHz), 32 kbit/s for each track. It is
//! encoded when it is first asked for and kept beside the recording, so that a player may go about in it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rusty_mp3::{Mp3Encoder, Mp3EncoderConfig};

use super::disk::FILE_MODE;
use super::manifest::Name;
use super::playback::Playback;
use super::repair::Paths;
use super::wav::SAMPLE_LEN;

/// What a track gets of the file, in kbit/s: as the API that is modelled here has it. Of speech at 8 kHz that leaves
/// nothing to be heard.
const KBIT_OF_TRACK: u32 = 32;

/// Read from the sound at a time.
const PIECE_LEN: usize = 64 * 1_024;

/// Tells files that are encoded at the same time apart.
static ENCODINGS: AtomicU64 = AtomicU64::new(0);

/// An MP3 file to be read.
#[derive(Debug)]
pub struct Mp3 {
    file: File,
    len: u64,
}

impl Mp3 {
    /// Opens a recording's, and encodes it before if that has not been done: an hour takes some 20 s of a core. More
    /// than two tracks, and two if one is wanted, are heard as one. Waits for all that: not to be called where nothing may.
    ///
    /// # Errors
    /// What the system says, also when the recording is gone, or no file of ours.
    pub fn open(folder: &Path, name: &Name, is_mixed: bool) -> io::Result<Self> {
        let playback = Playback::open(folder, name)?;
        let is_mixed = is_mixed || playback.tracks() > 2;
        let playback = if is_mixed { playback.mixed() } else { playback };
        let path = Paths::of(folder, name).mp3(playback.is_mixed());
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                encode(&playback, &path)?;
                File::open(&path)?
            }
            opened => opened?,
        };
        // Deleted meanwhile, the recording must not leave this behind.
        if let Err(error) = Playback::open(folder, name) {
            fs::remove_file(&path)?;
            return Err(error);
        }
        let len = file.metadata()?.len();
        Ok(Self { file, len })
    }

    /// Bytes.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none: never.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// As many bytes from `offset` on as fit into `out`, or as there are; how many.
    ///
    /// # Errors
    /// What the system says.
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        let wanted = (out.len() as u64).min(self.len.saturating_sub(offset)) as usize;
        self.file.read_exact_at(&mut out[..wanted], offset)?;
        Ok(wanted)
    }
}

/// Whole, or not at all. Two at the same time do the same twice, and the later stays.
fn encode(playback: &Playback, path: &Path) -> io::Result<()> {
    let fresh = unfinished(path);
    let encoded = encode_into(playback, &fresh).and_then(|()| fs::rename(&fresh, path));
    if encoded.is_err() {
        // What is left of it is in nobody's way; the reason is what matters.
        let _ = fs::remove_file(&fresh);
    }
    encoded
}

fn unfinished(path: &Path) -> PathBuf {
    let number = ENCODINGS.fetch_add(1, Ordering::Relaxed);
    path.with_extension(format!("mp3.{number}.new"))
}

fn encode_into(playback: &Playback, path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file =
        BufWriter::new(options.write(true).create(true).truncate(true).mode(FILE_MODE).open(path)?);
    let width = playback.width();
    let bitrate_kbps = KBIT_OF_TRACK * u32::from(width);
    let mut encoder = Mp3Encoder::new(Mp3EncoderConfig { bitrate_kbps, vbr_quality: None });
    let mut piece = vec![0; PIECE_LEN - PIECE_LEN % (SAMPLE_LEN as usize * usize::from(width))];
    let mut at = playback.data_at();
    while at < playback.len() {
        let len = playback.read_at(at, &mut piece)?;
        at += len as u64;
        encoder.push_pcm_s16le(&piece[..len], width, playback.rate()).map_err(io::Error::other)?;
        drain(&mut encoder, &mut file)?;
    }
    encoder.finish();
    drain(&mut encoder, &mut file)?;
    if let Some(first) = encoder.lame_tag_frame() {
        // It says how long the whole is, which is known only now.
        file.seek(SeekFrom::Start(0))?;
        file.write_all(first)?;
    }
    file.flush()
}

fn drain(encoder: &mut Mp3Encoder, file: &mut impl Write) -> io::Result<()> {
    // What ends it is that there is nothing more for now, or at all.
    while let Ok(packet) = encoder.next_packet() {
        file.write_all(&packet)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use confab_media::{SampleRate, TapSide};

    use super::*;
    use crate::recording::placing::tests::{frame, terms};
    use crate::recording::tests::World;
    use crate::recording::{Files, Shape, State, Terms, Tracks};

    /// Two tones beside each other: the far end says 300 Hz, and hears 1,100 Hz.
    fn recorded(rate: SampleRate) -> (World, Name) {
        let mut world = World::new(Files);
        let shape = Shape { rate, tracks: Tracks::Both };
        let name = world.begin(1, 1, Terms { shape, ..terms(Tracks::Both) });
        for step in 0..150_u64 {
            for (side, hertz) in [(TapSide::Received, 300.0), (TapSide::Sent, 1_100.0)] {
                let mut tap = frame(step, side, 0);
                for (n, sample) in tap.frame.samples_mut().iter_mut().enumerate() {
                    let time = (step * 160 + n as u64) as f64 / 8_000.0;
                    *sample = (8_000.0 * (std::f64::consts::TAU * hertz * time).sin()) as i16;
                }
                world.taps.lock().unwrap().push_back(tap);
            }
        }
        assert!(world.recorder.finish(&name));
        assert_eq!(world.finished(&name).state, State::Completed);
        (world, name)
    }

    /// Decoded by another library than the one that encodes.
    fn decoded(mp3: &Mp3) -> (u32, Vec<Vec<f32>>) {
        let mut bytes = vec![0; mp3.len() as usize];
        assert_eq!(mp3.read_at(0, &mut bytes).unwrap() as u64, mp3.len());
        let mut reader = nanomp3::SliceReader::<f32>::new(&bytes);
        let (rate, tracks) = (reader.sample_rate(), usize::from(reader.channels().unwrap().num()));
        let (mut samples, mut all) = (vec![0.0; 4_608], Vec::new());
        loop {
            let count = reader.read(&mut samples).unwrap();
            all.extend_from_slice(&samples[..count]);
            if count == 0 {
                let of = |track: usize| all.iter().copied().skip(track).step_by(tracks).collect();
                return (rate, (0..tracks).map(of).collect());
            }
        }
    }

    /// The amplitude of a tone, in samples of full scale 1.
    fn loudness(samples: &[f32], rate: u32, hertz: f64) -> f64 {
        let (mut re, mut im) = (0.0, 0.0);
        for (n, sample) in samples.iter().enumerate() {
            let angle = std::f64::consts::TAU * hertz * n as f64 / f64::from(rate);
            re += f64::from(*sample) * angle.cos();
            im += f64::from(*sample) * angle.sin();
        }
        2.0 * f64::hypot(re, im) / samples.len() as f64
    }

    #[test]
    fn each_track_is_heard_on_its_side_and_all_of_it_at_both_rates() {
        for rate in [SampleRate::Hz8000, SampleRate::Hz16000] {
            let (world, name) = recorded(rate);
            let (hertz, tracks) = decoded(&Mp3::open(world.folder.path(), &name, false).unwrap());
            assert_eq!((hertz, tracks.len()), (rate.hertz(), 2));
            for (track, there, not_there) in [(0, 300.0, 1_100.0), (1, 1_100.0, 300.0)] {
                let middle = &tracks[track][8_000..16_000];
                assert!((loudness(middle, hertz, there) - 0.244).abs() < 0.02, "{hertz} {track}");
                assert!(loudness(middle, hertz, not_there) < 0.002, "{hertz} {track}");
                let expected = 3 * hertz as usize;
                // Less what a decoder takes off, more what fills the last frame.
                assert!(tracks[track].len().abs_diff(expected) < 4_000, "{}", tracks[track].len());
            }
            let (_, mixed) = decoded(&Mp3::open(world.folder.path(), &name, true).unwrap());
            let [both] = &mixed[..] else { panic!("{} tracks", mixed.len()) };
            for tone in [300.0, 1_100.0] {
                assert!((loudness(&both[8_000..16_000], hertz, tone) - 0.122).abs() < 0.02, "{tone}");
            }
        }
    }

    #[test]
    fn it_is_encoded_once_read_in_parts_and_deleted_with_its_recording() {
        let (mut world, name) = recorded(SampleRate::Hz8000);
        let first = Mp3::open(world.folder.path(), &name, false).unwrap();
        let path = Paths::of(world.folder.path(), &name).mp3(false);
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        let again = Mp3::open(world.folder.path(), &name, false).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written);
        let whole = fs::read(&path).unwrap();
        let mut part = vec![0; 100];
        assert_eq!((first.read_at(1_000, &mut part).unwrap(), &part[..]), (100, &whole[1_000..1_100]));
        assert_eq!(again.read_at(whole.len() as u64 - 7, &mut part).unwrap(), 7);
        assert_eq!(again.read_at(whole.len() as u64 + 7, &mut part).unwrap(), 0);
        assert!(world.recorder.delete(&name));
        while !matches!(world.reports.blocking_recv(), Some(super::super::Report::Deleted(..))) {}
        assert_eq!(fs::read_dir(world.folder.path()).unwrap().count(), 1, "its manifest");
        assert!(Mp3::open(world.folder.path(), &name, false).is_err());
    }
}
