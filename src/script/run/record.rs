//! Record: what the caller says, from the beep until a key, silence, the longest time or the end of the call.

use std::time::Duration;

use confab_media::{Digit, SampleRate, Sound};
use tracing::debug;

use super::super::verbs::dial::Dial;
use super::super::verbs::{Record, RecordingEvent, RecordingStatus, RecordingTrack as Track, Trim};
use super::announce::{ONCE, told};
use super::wait::{Other, Woken};
use super::{Flow, Runner};
use crate::call::{
    RecordingCallback, RecordingChange, RecordingEvents, RecordingSid, RecordingSource,
    RecordingStatus as Status, RecordingTerms, RecordingTrack, RecordingView, VoiceUrl,
};

/// What is shorter was no message: the script goes on with its next verb.
const SHORTEST: Duration = Duration::from_secs(1);

/// How long a script waits for its recording to be on the disk. Longer than an fsync takes on a busy one; a caller does
/// not listen to silence for ever.
const DISK_PATIENCE: Duration = Duration::from_secs(10);

/// Why a recording ended.
enum Ended {
    ByKey(Digit),
    /// By silence, its length, or what broke.
    ByItself,
    Gone(Flow),
}

impl Runner {
    pub(super) async fn record(&mut self, record: &Record) -> Flow {
        if let Err(flow) = self.answer().await {
            return flow;
        }
        if record.transcription.is_some() {
            self.warn(super::super::code::SCHEMA, "This node does not transcribe; it only records.");
        }
        if record.play_beep {
            match self.play_to_the_end(beep(), ONCE).await {
                Flow::Next => {}
                flow @ (Flow::Goto(_) | Flow::Redirected(_) | Flow::Leave | Flow::Queue(_) | Flow::Over) => {
                    return flow;
                }
            }
        }
        let recording = match self.scripts.calls.start_recording(self.call.sid, self.terms(record)).await {
            Ok(view) => view.sid,
            Err(error) => {
                self.note(super::super::code::SCHEMA, &format!("Not recorded: {error}."));
                return Flow::Next;
            }
        };
        let ended = self.until_recorded(record, recording).await;
        let digits = match ended {
            Ended::Gone(
                flow @ (Flow::Next | Flow::Goto(_) | Flow::Redirected(_) | Flow::Leave | Flow::Queue(_)),
            ) => {
                self.stop_recording(recording).await;
                return flow;
            }
            Ended::Gone(Flow::Over) => "hangup".to_owned(),
            Ended::ByKey(digit) => digit.expose().to_string(),
            Ended::ByItself => String::new(),
        };
        let Some(view) = self.stop_recording(recording).await else {
            return Flow::Next;
        };
        let mut facts = self.facts(&view);
        facts.push(told("Digits", &digits));
        let next = self.go_to(&record.action, facts);
        if digits != "hangup" {
            return next;
        }
        // The application is told, and whatever it answers comes too late.
        if let Ok(call) = self.scripts.calls.fetch_call(self.call.sid).await {
            self.call = call;
        }
        if let Flow::Goto(errand) = next {
            self.fetch(*errand).await;
        }
        Flow::Over
    }

    async fn until_recorded(&mut self, record: &Record, recording: RecordingSid) -> Ended {
        loop {
            match self.wait(None, None).await {
                Woken::Key(digit) if record.finish_on_key.contains(digit) => return Ended::ByKey(digit),
                Woken::Other(Other::Recorded(sid)) if sid == recording => return Ended::ByItself,
                Woken::Gone(flow) => return Ended::Gone(flow),
                Woken::Key(_) | Woken::Time | Woken::Played | Woken::Left | Woken::Other(_) => {}
            }
        }
    }

    /// Ends a recording, if it has not ended, and waits for it; none if there is nothing of it.
    pub(super) async fn stop_recording(&self, recording: RecordingSid) -> Option<RecordingView> {
        let calls = &self.scripts.calls;
        if let Err(error) = calls.change_recording(recording, RecordingChange::Stop).await {
            debug!(call = %self.call.sid, %error, "recording not stopped");
        }
        let finished = tokio::time::timeout(DISK_PATIENCE, calls.finished_recording(recording)).await;
        match finished {
            Ok(Ok(view)) if view.status == Status::Completed => Some(view),
            Ok(Ok(view)) => {
                let code = view.error.unwrap_or_default();
                self.note(
                    code,
                    "There is nothing of the recording: it was too short, silent, or not written.",
                );
                None
            }
            Ok(Err(error)) => {
                debug!(call = %self.call.sid, %error, "no recording");
                None
            }
            Err(_) => {
                self.note(super::super::code::SCHEMA, "The disk does not take the recording in time.");
                None
            }
        }
    }

    /// What an application is told of a recording.
    pub(super) fn facts(&self, view: &RecordingView) -> Vec<(String, String)> {
        vec![
            told("RecordingUrl", view.url(&self.scripts.public_url)),
            told("RecordingSid", view.sid),
            told("RecordingDuration", view.seconds.unwrap_or_default()),
        ]
    }

    fn terms(&self, record: &Record) -> RecordingTerms {
        RecordingTerms {
            track: RecordingTrack::Inbound,
            trim: record.trim == Trim::Silence,
            callback: self.recording_callback(record.recording_status.as_ref()),
            longest: Some(record.max_length),
            patience: record.timeout,
            shortest: SHORTEST,
            ..RecordingTerms::of(RecordingSource::Verb)
        }
    }

    /// Records a connection that a Dial has made, if it is to be recorded.
    pub(super) async fn record_dial(&self, dial: &Dial) -> Option<RecordingSid> {
        let how = dial.record?;
        let terms = RecordingTerms {
            track: direction(dial.recording_track),
            dual: how.dual,
            trim: dial.trim == Trim::Silence,
            callback: self.recording_callback(dial.recording_status.as_ref()),
            ..RecordingTerms::of(RecordingSource::Dial)
        };
        match self.scripts.calls.start_recording(self.call.sid, terms).await {
            Ok(view) => Some(view.sid),
            Err(error) => {
                self.note(super::super::code::SCHEMA, &format!("Not recorded: {error}."));
                None
            }
        }
    }

    pub(super) fn recording_callback(&self, status: Option<&RecordingStatus>) -> Option<RecordingCallback> {
        let status = status?;
        let url = self.resolve(&status.callback.target)?;
        let wants = |event| status.events.contains(&event);
        Some(RecordingCallback {
            url: VoiceUrl { url: url.into(), method: super::method(status.callback.method) },
            events: RecordingEvents {
                in_progress: wants(RecordingEvent::InProgress),
                completed: wants(RecordingEvent::Completed),
                absent: wants(RecordingEvent::Absent) || wants(RecordingEvent::Failed),
                ..RecordingEvents::NONE
            },
            is_record_end: false,
        })
    }
}

pub(super) const fn direction(track: Track) -> RecordingTrack {
    match track {
        Track::Inbound => RecordingTrack::Inbound,
        Track::Outbound => RecordingTrack::Outbound,
        Track::Both => RecordingTrack::Both,
    }
}

/// Half a second of 1 kHz, which fades in and out within 10 ms: an edge would click.
fn beep() -> Sound {
    const RATE: f64 = 8_000.0;
    const LEN: usize = 4_000;
    const FADE: f64 = 80.0;
    const PEAK: f64 = 6_000.0;
    let sample = |n: usize| {
        let fade = (n.min(LEN - n) as f64 / FADE).min(1.0);
        (PEAK * fade * (n as f64 / RATE * std::f64::consts::TAU * 1_000.0).sin()) as i16
    };
    Sound::new(SampleRate::Hz8000, (0..LEN).map(sample).collect::<Vec<_>>())
}
