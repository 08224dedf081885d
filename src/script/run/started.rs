//! Start and Stop: recordings that go on beside the script.

use tracing::debug;

use super::super::code::{RECORDINGS_FULL, SCHEMA};
use super::super::verbs::{MediaNoun, RecordingChannels, StartedRecording, Trim};
use super::record::direction;
use super::{Flow, Runner};
use crate::call::{CallError, RecordingChange, RecordingSource, RecordingTerms};

/// Names of recordings that are kept. Of a script that starts more the oldest cannot be stopped by name any more.
const NAMES_MAX: usize = 64;

impl Runner {
    pub(super) async fn start_or_stop(&mut self, nouns: Vec<MediaNoun>) -> Flow {
        for noun in nouns {
            match noun {
                MediaNoun::Recording(recording) => {
                    if let Err(flow) = self.answer().await {
                        return flow;
                    }
                    self.start_recording(recording).await;
                }
                MediaNoun::RecordingStop(name) => self.stop_named(&name).await,
            }
        }
        Flow::Next
    }

    async fn start_recording(&mut self, recording: StartedRecording) {
        let terms = RecordingTerms {
            track: direction(recording.track),
            dual: recording.channels != RecordingChannels::Mono,
            trim: recording.trim == Trim::Silence,
            callback: self.recording_callback(recording.status.as_ref()),
            ..RecordingTerms::of(RecordingSource::StartVerb)
        };
        match self.scripts.calls.start_recording(self.call.sid, terms).await {
            Ok(view) => {
                let Some(name) = recording.name else {
                    return;
                };
                self.named.retain(|(known, _)| *known != name);
                if self.named.len() >= NAMES_MAX {
                    self.named.remove(0);
                }
                self.named.push((name, view.sid));
            }
            Err(error) => {
                let code = if error == CallError::RecordingsFull { RECORDINGS_FULL } else { SCHEMA };
                self.note(code, &format!("Not recorded: {error}."));
            }
        }
    }

    /// The script does not wait for the disk.
    async fn stop_named(&mut self, name: &str) {
        let Some(at) = self.named.iter().position(|(known, _)| known == name) else {
            return self.warn(SCHEMA, "No recording of the name that is to be stopped was started; skipped.");
        };
        let (_, recording) = self.named.remove(at);
        if let Err(error) = self.scripts.calls.change_recording(recording, RecordingChange::Stop).await {
            debug!(call = %self.call.sid, %error, "recording not stopped");
        }
    }
}
