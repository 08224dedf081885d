//! Recordings: from what media threads tap to WAV files, and never in anybody's way.
//!
//! ```text
//! media threads ─ rings ─▶ collector: places frames by time ─▶ writers ─▶ RE….wav.part ─▶ RE….wav
//! model ────── orders ───▶     (a thread)                 (threads)  └─▶ RE….json, the manifest
//!   ▲                              │ ended by itself          │
//!   └────────── reports ───────────┴──────────────────────────┘ on the disk, or why not
//! ```
//!
//! Samples are placed by the time of the tick that heard them: what is missing is silence of exactly its length, and is
//! listed in the manifest. Everything between the threads is bounded: when a disk stalls, its recordings lose what does not
//! fit any more, which the manifest lists as well, and nobody waits.
//!
//! A file is named for its recording and for nothing else. While it grows it ends in `.wav.part`; its header is right at
//! every moment, up to the last second. It gets its name when it is on the disk, and only then is anybody told: others
//! than those who write wait for that (`finisher`), and hand it on at one place (`archive`). What a killed process left is
//! completed at the next start.

mod archive;
#[cfg(test)]
mod bad_disks;
mod collector;
mod command;
mod disk;
mod door;
mod finisher;
#[cfg(test)]
mod long;
mod manifest;
mod mp3;
mod placing;
mod playback;
mod recorder;
mod repair;
mod retention;
mod slots;
mod sound_hash;
#[cfg(test)]
mod tests;
mod verify;
mod wav;
mod writer;

pub use self::archive::{Archive, Finished, LocalFolder};
pub use self::command::{RecordingArgs, run};
pub use self::disk::{Disk, Files, Sheet};
pub use self::manifest::{Failure, Gap, Manifest, Name, NameError, Pause, State};
pub use self::mp3::Mp3;
pub use self::placing::{Ending, PauseBehavior, Shape, Terms, Tracks};
pub use self::playback::Playback;
pub use self::recorder::{Begin, Recorder, RecorderSettings, Report, TapSource};
pub use self::repair::find;
pub use self::retention::{Reason, Retention, tidy};
pub use self::sound_hash::{HashKind, SoundHash};
pub use self::verify::{Damage, Verdict, verify};
