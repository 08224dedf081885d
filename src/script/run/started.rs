//! Start and Stop: recordings and streams that go on beside the script.

use tracing::debug;

use super::super::code::{RECORDINGS_FULL, SCHEMA, STREAM_TRACK};
use super::super::verbs::{MediaNoun, RecordingChannels, StartedRecording, StreamNoun, Trim};
use super::record::direction;
use super::{Flow, Runner};
use crate::call::{
    CallError, RecordingChange, RecordingSource, RecordingTerms, StreamKey, StreamTerms, VoiceUrl,
};
use crate::stream::StreamUrl;

/// Names of recordings that are kept, and of streams. Of a script that starts more the oldest recording cannot be stopped by
/// name any more, and a stream is called unknown that is over.
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
                MediaNoun::Stream(stream) => {
                    if let Err(flow) = self.answer().await {
                        return flow;
                    }
                    self.start_stream(stream).await;
                }
                MediaNoun::StreamStop(name) => self.stop_stream(name).await,
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

    /// The script does not wait for its server either.
    async fn start_stream(&mut self, stream: StreamNoun) {
        let name = stream.name.clone();
        let Some(terms) = self.stream_terms(stream) else {
            return;
        };
        match self.scripts.calls.start_stream(self.call.sid, terms).await {
            Ok(_) => self.remember_streamed(name),
            Err(error) => {
                let code = if error == CallError::StreamsFull { STREAM_TRACK } else { SCHEMA };
                self.note(code, &format!("Not streamed: {error}."));
            }
        }
    }

    fn remember_streamed(&mut self, name: Option<String>) {
        let Some(name) = name.filter(|name| !self.streamed.contains(name)) else {
            return;
        };
        if self.streamed.len() >= NAMES_MAX {
            self.streamed.remove(0);
        }
        self.streamed.push(name);
    }

    /// What a stream is to be; nothing, which is noted, if its URL is none.
    pub(super) fn stream_terms(&self, stream: StreamNoun) -> Option<StreamTerms> {
        let url = match StreamUrl::parse(&stream.url) {
            Ok(url) => url,
            Err(error) => {
                self.note(error.code(), &format!("Not streamed: {error}."));
                return None;
            }
        };
        let callback = stream.status.as_ref().and_then(|to| {
            Some(VoiceUrl { url: self.resolve(&to.target)?.into(), method: super::method(to.method) })
        });
        let StreamNoun { name, tracks, parameters, .. } = stream;
        Some(StreamTerms { url, name, tracks, callback, parameters })
    }

    async fn stop_stream(&self, name: String) {
        // Without a name it was given, it has its SID for one.
        match self.scripts.calls.stop_stream(self.call.sid, StreamKey::Name(name.clone())).await {
            Ok(_) => {}
            // Its server has gone, or was never there, which was told.
            Err(CallError::NoStream) if self.streamed.contains(&name) => {}
            Err(CallError::NoStream) => {
                self.warn(SCHEMA, "No stream of the name that is to be stopped is under way; skipped.");
            }
            Err(error) => debug!(call = %self.call.sid, %error, "stream not stopped"),
        }
    }
}
