//! What is written down beside a recording, so that a later process knows whose it is and whom to tell.

use chrono::DateTime;
use serde::{Deserialize, Serialize};

use super::view::{
    RecordingCallback, RecordingEvents, RecordingSource, RecordingStatus, RecordingTrack, RecordingView,
};
use crate::call::voice::{HttpMethod, VoiceUrl};
use crate::recording::Manifest;

/// The facts of a recording as its manifest keeps them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct About {
    account: String,
    call: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    conference: Option<String>,
    source: String,
    track: String,
    /// Microseconds since 1970.
    pub(super) created: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    callback: Option<Callback>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Callback {
    url: String,
    is_get: bool,
    in_progress: bool,
    #[serde(default)]
    started: bool,
    #[serde(default)]
    paused: bool,
    #[serde(default)]
    resumed: bool,
    #[serde(default)]
    stopped: bool,
    completed: bool,
    absent: bool,
    #[serde(default)]
    is_record_end: bool,
}

impl About {
    pub(super) fn of(view: &RecordingView, callback: Option<&RecordingCallback>) -> Self {
        Self {
            account: view.account.to_string(),
            call: view.call.to_string(),
            conference: view.conference.map(|conference| conference.to_string()),
            source: view.source.word().to_owned(),
            track: view.track.word().to_owned(),
            created: view.created.timestamp_micros(),
            callback: callback.map(|callback| Callback {
                url: callback.url.url.clone(),
                is_get: callback.url.method == HttpMethod::Get,
                in_progress: callback.events.in_progress,
                started: callback.events.started,
                paused: callback.events.paused,
                resumed: callback.events.resumed,
                stopped: callback.events.stopped,
                completed: callback.events.completed,
                absent: callback.events.absent,
                is_record_end: callback.is_record_end,
            }),
        }
    }

    pub(super) fn written(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("texts and numbers")
    }

    pub(super) fn read(about: &serde_json::Value) -> Option<Self> {
        Self::deserialize(about).ok()
    }

    /// The recording; none if what is written here makes no sense.
    pub(super) fn view(&self, manifest: &Manifest) -> Option<RecordingView> {
        let created = DateTime::from_timestamp_micros(self.created)?;
        let mut view = RecordingView {
            sid: manifest.name.to_string().parse().ok()?,
            account: self.account.parse().ok()?,
            call: self.call.parse().ok()?,
            conference: self.conference.as_ref().map(|sid| sid.parse()).transpose().ok()?,
            tracks: manifest.tracks,
            track: RecordingTrack::ALL.into_iter().find(|track| track.word() == self.track)?,
            source: RecordingSource::ALL.into_iter().find(|source| source.word() == self.source)?,
            status: RecordingStatus::Processing,
            created,
            updated: created,
            seconds: None,
            size: None,
            error: None,
        };
        view.finish(manifest);
        view.updated = created + chrono::TimeDelta::seconds(i64::try_from(manifest.seconds()).unwrap_or(0));
        Some(view)
    }

    pub(super) fn callback(&self) -> Option<RecordingCallback> {
        self.callback.as_ref().map(|callback| RecordingCallback {
            url: VoiceUrl {
                url: callback.url.clone(),
                method: if callback.is_get { HttpMethod::Get } else { HttpMethod::Post },
            },
            events: RecordingEvents {
                in_progress: callback.in_progress,
                started: callback.started,
                paused: callback.paused,
                resumed: callback.resumed,
                stopped: callback.stopped,
                completed: callback.completed,
                absent: callback.absent,
            },
            is_record_end: callback.is_record_end,
        })
    }
}
