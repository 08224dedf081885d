//! News of recordings, put into the words of the reference (§3.4) and handed to the courier.

use std::time::SystemTime;

use tokio::sync::mpsc;

use super::run::parameters::named;
use crate::call::{HttpMethod, RecordingNews, RecordingStatus, RecordingView};
use crate::webhook::{Courier, Job, Method, Payload, Request};

/// Hands on news until the model is gone. `api` is where this node's API is for whoever is told.
pub async fn deliver_recordings(courier: Courier, mut news: mpsc::Receiver<RecordingNews>, api: String) {
    while let Some(news) = news.recv().await {
        // What a full courier does is its own affair, and counted there.
        let _ = courier.send(job(&news, &api));
    }
}

fn job(news: &RecordingNews, api: &str) -> Job {
    let (view, key) = (&news.recording, news.recording.sid.to_string());
    let method = match news.to.method {
        HttpMethod::Get => Method::Get,
        HttpMethod::Post => Method::Post,
    };
    let request = Request {
        method,
        payload: Payload::Form(told(news, api)),
        ..Request::post(news.to.url.clone(), view.account.to_string(), Vec::new())
    };
    let about = view.conference.map_or_else(|| view.call.to_string(), |conference| conference.to_string());
    Job {
        // What happens again and again has its time in its name.
        id: match view.status.is_final() {
            true => format!("{key}-{}", news.word),
            false => format!("{key}-{}-{}", news.word, view.updated.timestamp_micros()),
        },
        is_last: view.status.is_final(),
        request: request.about(about),
        key,
        accepted_at: SystemTime::now(),
    }
}

fn told(news: &RecordingNews, api: &str) -> Vec<(String, String)> {
    let view = &news.recording;
    let of = match view.conference {
        Some(conference) => named("ConferenceSid", conference),
        None => named("CallSid", view.call),
    };
    if news.is_record_end {
        return told_of_end(view, of, api);
    }
    let mut told = vec![
        named("AccountSid", view.account),
        of,
        named("RecordingSid", view.sid),
        named("RecordingUrl", view.url(api)),
        named("RecordingStatus", news.word),
        named("RecordingChannels", view.tracks),
        named("RecordingStartTime", view.created.format("%a, %d %b %Y %H:%M:%S +0000")),
        named("RecordingSource", view.source.word()),
        named("RecordingTrack", view.track.word()),
    ];
    if let (RecordingStatus::Completed, Some(seconds)) = (view.status, view.seconds) {
        told.push(named("RecordingDuration", seconds));
    }
    if let Some(code) = view.error {
        told.push(named("ErrorCode", code));
    }
    told
}

/// The older way, to the `eventCallbackUrl` of a conference.
fn told_of_end(view: &RecordingView, of: (String, String), api: &str) -> Vec<(String, String)> {
    vec![
        named("AccountSid", view.account),
        of,
        named("EventName", "conference-record-end"),
        named("RecordingSid", view.sid),
        named("RecordingUrl", view.url(api)),
        named("Duration", view.seconds.unwrap_or_default()),
        named("RecordingFileSize", view.size.unwrap_or_default()),
        named("Timestamp", view.updated.format("%a, %d %b %Y %H:%M:%S +0000")),
    ]
}
