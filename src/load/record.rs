//! Recordings of what each leg heard: a WAV file each, at its codec's rate, with the first sample when measuring began.
//! A thread of its own writes; the threads that send and receive never wait for a disk. What it cannot take in time is left
//! out, as silence, and counted.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use hound::{SampleFormat, WavSpec, WavWriter};

use super::codec::Codec;
use super::plan::{LegNumber, Plan, frames_to_duration};

/// Frames that wait to be written: a third of a second of 250 legs. When it is full the newest is left out.
const WAITING_MAX: usize = 4_096;
/// A run that would write more than this is refused: 2 GiB, nine hours of G.711.
pub(super) const BYTES_MAX: u64 = 1 << 31;
/// Sixteen bits.
const SAMPLE_BYTES: u64 = 2;

/// Octets that recording all of a plan's legs takes.
pub(super) fn bytes_for(plan: &Plan) -> u64 {
    let seconds = frames_to_duration(plan.measured_frames()).as_secs() + 1;
    let rates = (0..plan.legs()).map(|leg| u64::from(plan.codec_of(LegNumber(leg)).sample_rate()));
    rates.sum::<u64>() * SAMPLE_BYTES * seconds
}

/// A piece of what a leg heard.
#[derive(Debug)]
struct Piece {
    leg: LegNumber,
    codec: Codec,
    /// In samples since measuring began.
    position: u64,
    sound: Box<[i16]>,
}

#[derive(Debug)]
enum Message {
    Piece(Piece),
    End,
}

/// Where threads that must not wait put what they have heard.
#[derive(Debug)]
pub(super) struct Microphone {
    sender: SyncSender<Message>,
    left_out: AtomicU64,
}

impl Microphone {
    /// Lets a piece be written if there is room for it.
    pub(super) fn put(&self, leg: LegNumber, codec: Codec, position: u64, sound: &[i16]) {
        let piece = Piece { leg, codec, position, sound: sound.into() };
        if self.sender.try_send(Message::Piece(piece)).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Pieces for which there was no room.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    /// Says that nothing more will come. Waits if the writer is behind.
    pub(super) fn end(&self) {
        // A writer that has failed has left already, and says why.
        let _ = self.sender.send(Message::End);
    }
}

/// The thread that writes.
#[derive(Debug)]
pub(super) struct Recorder {
    thread: JoinHandle<Result<usize, String>>,
}

impl Recorder {
    /// Starts it for the plan's legs. The directory is made when it is not there.
    ///
    /// # Errors
    /// When the directory cannot be made or the system gives no thread.
    pub(super) fn start(directory: &Path, plan: &Plan) -> std::io::Result<(Self, Microphone)> {
        std::fs::create_dir_all(directory)?;
        let (sender, pieces) = sync_channel(WAITING_MAX);
        let mut files = Files {
            directory: directory.to_owned(),
            seconds: frames_to_duration(plan.measured_frames()).as_secs() + 1,
            writers: (0..plan.legs()).map(|_| None).collect(),
        };
        let work = move || files.write_all(&pieces);
        let thread = std::thread::Builder::new().name("recorder".into()).spawn(work)?;
        Ok((Self { thread }, Microphone { sender, left_out: AtomicU64::new(0) }))
    }

    /// Waits until all is written; how many files there are.
    ///
    /// # Errors
    /// When something could not be written: what, and why.
    pub(super) fn finish(self) -> Result<usize, String> {
        self.thread.join().unwrap_or_else(|_| Err("the recorder has died".to_owned()))
    }
}

struct Files {
    directory: PathBuf,
    /// What nothing can be later than.
    seconds: u64,
    writers: Vec<Option<Writer>>,
}

struct Writer {
    wav: WavWriter<BufWriter<File>>,
    /// Samples written.
    length: u64,
}

impl Files {
    fn write_all(&mut self, pieces: &Receiver<Message>) -> Result<usize, String> {
        let problem = |path: &Path, error: hound::Error| format!("recording {}: {error}", path.display());
        while let Ok(Message::Piece(piece)) = pieces.recv() {
            let path = self.directory.join(file_name(piece.leg, piece.codec));
            self.write(&piece, &path).map_err(|error| problem(&path, error))?;
        }
        let directory = &self.directory;
        let open = self.writers.iter_mut().filter_map(Option::take);
        open.map(|writer| writer.wav.finalize().map_err(|error| problem(directory, error)))
            .try_fold(0, |files, written| written.map(|()| files + 1))
    }

    /// Puts a piece in its place: silence before it if there is a gap, nothing of it where something is already.
    fn write(&mut self, piece: &Piece, path: &Path) -> hound::Result<()> {
        let rate = piece.codec.sample_rate();
        let room = self.seconds * u64::from(rate);
        let slot = &mut self.writers[piece.leg.0];
        let writer = match slot {
            Some(writer) => writer,
            None => slot.insert(Writer { wav: create(path, rate)?, length: 0 }),
        };
        if piece.position + piece.sound.len() as u64 > room {
            return Ok(());
        }
        while writer.length < piece.position {
            writer.wav.write_sample(0_i16)?;
            writer.length += 1;
        }
        let known = (writer.length - piece.position) as usize;
        for &sample in piece.sound.get(known..).unwrap_or_default() {
            writer.wav.write_sample(sample)?;
            writer.length += 1;
        }
        Ok(())
    }
}

fn create(path: &Path, rate: u32) -> hound::Result<WavWriter<BufWriter<File>>> {
    let format =
        WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
    WavWriter::create(path, format)
}

fn file_name(leg: LegNumber, codec: Codec) -> String {
    format!("leg-{:04}-{}.wav", leg.0, codec.name().to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_silence_and_what_comes_twice_is_written_once() {
        let directory = tempfile::tempdir().unwrap();
        let plan = Plan::new(3, 1, 1, 5).unwrap();
        let (recorder, microphone) = Recorder::start(&directory.path().join("new"), &plan).unwrap();
        let leg = LegNumber(2);
        for (position, sound) in [(3, [1, 2, 3]), (8, [4, 5, 6]), (10, [6, 7, 8]), (1_000_000, [9, 9, 9])] {
            microphone.put(leg, Codec::Opus, position, &sound);
        }
        microphone.end();
        assert_eq!(recorder.finish(), Ok(1));
        let path = directory.path().join("new/leg-0002-opus.wav");
        let mut wav = hound::WavReader::open(path).unwrap();
        assert_eq!(wav.spec().sample_rate, 48_000);
        let heard: Vec<i16> = wav.samples().map(Result::unwrap).collect();
        assert_eq!(heard, [0, 0, 0, 1, 2, 3, 0, 0, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn what_the_writer_cannot_take_is_left_out_and_counted() {
        let (sender, pieces) = sync_channel(2);
        let microphone = Microphone { sender, left_out: AtomicU64::new(0) };
        (0..5).for_each(|n| microphone.put(LegNumber(0), Codec::Pcmu, n, &[0]));
        assert_eq!(microphone.left_out(), 3);
        drop(pieces);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_an_error_with_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let plan = Plan::new(1, 1, 1, 5).unwrap();
        let (recorder, microphone) = Recorder::start(directory.path(), &plan).unwrap();
        std::fs::create_dir(directory.path().join("leg-0000-pcmu.wav")).unwrap();
        microphone.put(LegNumber(0), Codec::Pcmu, 0, &[1]);
        microphone.end();
        let problem = recorder.finish().unwrap_err();
        assert!(problem.contains("leg-0000-pcmu.wav"), "{problem}");
    }

    #[test]
    fn a_run_knows_what_it_will_write() {
        let plan = Plan::new(2, 1, 1, 9).unwrap().with_codecs(&[Codec::Pcmu, Codec::Opus]).unwrap();
        assert_eq!(bytes_for(&plan), (16_000 + 96_000) * 10);
    }
}
