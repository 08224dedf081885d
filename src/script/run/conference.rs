//! Dial Conference: the call takes a seat and keeps it until it leaves, or is sent away.

use tokio::time::Instant;

use super::super::code::{CONFERENCE_COACH, MIXED_NOUNS, PARTICIPANT_LABEL_IN_USE};
use super::super::verbs::dial::{Conference, Dial};
use super::super::verbs::{RecordingChannels, Trim, Waiting};
use super::announce::told;
use super::{Flow, Runner};
use crate::call::{
    CallError, ConferenceCallback, ConferenceRecording, ConferenceTracks, HttpMethod, JoinTerms,
    RecordingCallback, RecordingEvents, RecordingSource, SeatSound, VoiceUrl,
};

impl Runner {
    pub(super) async fn dial_conference(&mut self, dial: &Dial, conference: &Conference) -> Flow {
        if let Err(flow) = self.answer().await {
            return flow;
        }
        let terms = self.join_terms(conference);
        if let Err(error) = self.scripts.calls.join_conference(self.call.sid, terms).await {
            let code = if error == CallError::LabelInUse {
                PARTICIPANT_LABEL_IN_USE
            } else if matches!(error, CallError::CoachedAbsent | CallError::CoachedOnHold) {
                CONFERENCE_COACH
            } else {
                MIXED_NOUNS
            };
            self.note(code, &format!("No seat in the conference: {error}."));
            return self.after(dial.action.as_ref(), vec![told("DialCallStatus", "failed")]);
        }
        match self.connected(dial, Instant::now()).await {
            Some(flow) => flow,
            None => self.after(dial.action.as_ref(), vec![told("DialCallStatus", "answered")]),
        }
    }

    fn join_terms(&self, conference: &Conference) -> JoinTerms {
        JoinTerms {
            conference: conference.name.clone(),
            listens_in: None,
            label: conference.label.clone(),
            muted: conference.muted,
            start_on_enter: conference.start_on_enter,
            end_on_exit: conference.end_on_exit,
            participants_max: Some(usize::from(conference.max_participants)),
            beep: conference.beep,
            wait: self.wait_sound(&conference.wait),
            coach: conference.coach,
            news: self.conference_callback(conference),
            record: self.conference_recording(conference),
        }
    }

    /// How the conference is recorded, and who is told: in the older way only if in no other.
    fn conference_recording(&self, conference: &Conference) -> Option<ConferenceRecording> {
        let record_end = || {
            let url = self.resolve(conference.event_callback.as_ref()?)?;
            Some(RecordingCallback {
                url: VoiceUrl { url: url.into(), method: HttpMethod::Post },
                events: RecordingEvents::default(),
                is_record_end: true,
            })
        };
        conference.record.then(|| ConferenceRecording {
            channels: match conference.recording_channels {
                RecordingChannels::Mono => ConferenceTracks::Mono,
                RecordingChannels::Dual => ConferenceTracks::Dual,
                RecordingChannels::Multitrack => ConferenceTracks::Multitrack,
            },
            trim: conference.trim == Trim::Silence,
            source: RecordingSource::Conference,
            callback: self.recording_callback(conference.recording_status.as_ref()).or_else(record_end),
        })
    }

    fn wait_sound(&self, wait: &Waiting) -> SeatSound {
        match wait {
            Waiting::Music => SeatSound::Music,
            Waiting::Silence => SeatSound::Silence,
            Waiting::At(callback) => match self.resolve(&callback.target) {
                Some(url) => {
                    SeatSound::At(VoiceUrl { url: url.into(), method: super::method(callback.method) })
                }
                None => SeatSound::Music,
            },
        }
    }

    /// Who is told of the conference. An event that nobody asked for is not told.
    fn conference_callback(&self, conference: &Conference) -> Option<ConferenceCallback> {
        let callback = conference.status.as_ref()?;
        let url = self.resolve(&callback.target)?;
        let events = conference.status_events.iter().copied().collect();
        Some(ConferenceCallback {
            url: VoiceUrl { url: url.into(), method: super::method(callback.method) },
            events,
        })
    }
}
