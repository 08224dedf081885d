//! `confab recording`: what can be asked of recordings on a machine's disk, with or without a node.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::manifest::State;
use super::verify::{Verdict, recordings, verify};

/// What can be asked of recordings.
#[derive(Args, Debug)]
#[command(about = "Work with recordings on the disk")]
pub struct RecordingArgs {
    #[command(subcommand)]
    command: RecordingCommand,
}

#[derive(Debug, Subcommand)]
enum RecordingCommand {
    Verify(VerifyArgs),
}

/// Hold recordings against their manifests: lengths, hashes, gaps, and which track is which.
#[derive(Args, Debug)]
#[command(after_help = VERIFY_EXAMPLES)]
struct VerifyArgs {
    /// Recordings, or directories of them
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// One JSON object for each recording on standard output, and one for all of them at the end
    #[arg(long)]
    json: bool,
}

/// The tail of `confab recording verify --help`.
const VERIFY_EXAMPLES: &str = "\
Examples:
  confab recording verify confab-data/recordings
  confab recording verify --json confab-data/recordings/RE*.wav

Exit status: 0 all are what they were; 1 one is not, or cannot be read; 2 asked wrongly.";

/// How many recordings turned out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    intact: usize,
    damaged: usize,
    unfinished: usize,
    unreadable: usize,
}

/// Does it, and says whether all is well.
///
/// # Errors
/// When nothing can be written to `out`.
pub fn run(args: &RecordingArgs, out: &mut dyn Write, problems: &mut dyn Write) -> io::Result<bool> {
    let RecordingCommand::Verify(args) = &args.command;
    let mut count = Count::default();
    let mut files = Vec::new();
    for path in &args.files {
        match recordings(path) {
            Ok(found) => files.extend(found),
            Err(error) => {
                count.unreadable += 1;
                writeln!(problems, "confab: {}: {error}", path.display())?;
            }
        }
    }
    let progress = progress(files.len());
    for file in &files {
        match verify(file) {
            Ok(verdict) => {
                count.add(&verdict);
                progress.suspend(|| tell(&verdict, args.json, out))?;
            }
            Err(error) => {
                count.unreadable += 1;
                progress.suspend(|| writeln!(problems, "confab: {}: {error}", file.display()))?;
            }
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    count.tell(args.json, out)?;
    Ok(count.damaged == 0 && count.unreadable == 0)
}

/// On standard error, and only if that is a terminal.
fn progress(len: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{pos} of {len} recordings {wide_bar} {eta}");
    ProgressBar::new(len as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn tell(verdict: &Verdict, as_json: bool, out: &mut dyn Write) -> io::Result<()> {
    if as_json {
        return writeln!(out, "{}", json!(verdict));
    }
    let file = verdict.file.display();
    if !verdict.is_intact {
        let damages: Vec<String> = verdict.damages.iter().map(ToString::to_string).collect();
        return writeln!(out, "{file}: DAMAGED: {}", damages.join("; "));
    }
    match verdict.state {
        Some(State::InProgress) => writeln!(out, "{file}: under way, or left by a node that ended"),
        Some(State::Absent) => writeln!(out, "{file}: absent, as its manifest says"),
        Some(State::Deleted) => writeln!(out, "{file}: deleted, as its manifest says"),
        Some(State::Completed) | None => {
            let recovered = if verdict.recovered { ", recovered" } else { "" };
            let gaps = verdict.gaps as u64 + verdict.gaps_unlisted;
            let (seconds, rate, tracks) = (verdict.seconds, verdict.rate, verdict.tracks.join(" and "));
            writeln!(out, "{file}: intact, {seconds:.3} s of {tracks} at {rate} Hz, gaps: {gaps}{recovered}")
        }
    }
}

impl Count {
    const fn add(&mut self, verdict: &Verdict) {
        match (verdict.is_intact, verdict.state) {
            (false, _) => self.damaged += 1,
            (true, Some(State::InProgress | State::Absent | State::Deleted)) => self.unfinished += 1,
            (true, Some(State::Completed) | None) => self.intact += 1,
        }
    }

    fn tell(self, as_json: bool, out: &mut dyn Write) -> io::Result<()> {
        let Self { intact, damaged, unfinished, unreadable } = self;
        if as_json {
            let counts = json!({
                "intact": intact, "damaged": damaged, "unfinished": unfinished, "unreadable": unreadable,
            });
            return writeln!(out, "{counts}");
        }
        writeln!(
            out,
            "{intact} intact, {damaged} damaged, {unfinished} under way, absent or deleted, {unreadable} that cannot be read"
        )
    }
}
