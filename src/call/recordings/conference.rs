//! Recordings of conferences: what is heard by everyone, as one, the first participant beside all others, or each
//! participant by themselves. Who is on hold or waits, and what they hear meanwhile, is not in them.

use chrono::Utc;
use confab_media::{ConferenceTap, LegId, SampleRate, TapParts, Tapped, Time};
use tracing::{error, info};

use super::about::About;
use super::view::{
    RecordingCallback, RecordingSource, RecordingStatus, RecordingTerms, RecordingTrack, RecordingView,
};
use super::{Happening, OF_ONE_MAX, Recording, name_of};
use crate::call::event::What;
use crate::call::handle::CallError;
use crate::call::model::Model;
use crate::call::sid::{CallSid, ConferenceSid, RecordingSid};
use crate::call::state::Call;
use crate::call::view::{ConferenceStatus, ParticipantStatus};
use crate::recording::{Begin, Recorder, Shape, Tracks};

/// Participants that have a track each, at most: at 8 kHz such a file grows by 900 MB an hour. Those who come later share
/// the last.
const TRACKS_MAX: usize = 16;

/// How the sounds of a conference lie in its recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConferenceTracks {
    /// All as one.
    #[default]
    Mono,
    /// The first participant, and beside them all others.
    Dual,
    /// Each participant by themselves.
    Multitrack,
}

/// What a recording of a conference begins with.
struct Plan {
    view: RecordingView,
    tapping: Tapping,
    begin: Begin,
}

impl ConferenceTracks {
    /// All of them, as they are written.
    pub const WRITTEN: [(&str, Self); 3] =
        [("mono", Self::Mono), ("dual", Self::Dual), ("multitrack", Self::Multitrack)];

    /// The one that is written so.
    pub fn parse(word: &str) -> Option<Self> {
        Self::WRITTEN.into_iter().find(|(written, _)| *written == word).map(|(_, channels)| channels)
    }

    fn tracks(self, participants_max: usize) -> Tracks {
        match self {
            Self::Mono => Tracks::Conference,
            Self::Dual => Tracks::Apart,
            Self::Multitrack => Tracks::Each(participants_max.min(TRACKS_MAX) as u16),
        }
    }

    /// What is to be copied of a conference in which this leg was first.
    fn parts(self, first: LegId) -> TapParts {
        match self {
            Self::Mono => TapParts { mix: true, ..TapParts::default() },
            Self::Dual => TapParts { apart: Some(first), ..TapParts::default() },
            Self::Multitrack => TapParts { each: true, ..TapParts::default() },
        }
    }
}

/// How a conference is recorded, and who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConferenceRecording {
    /// How the sounds lie in the file.
    pub channels: ConferenceTracks,
    /// Silence at both ends is cut off.
    pub trim: bool,
    /// Who asked for it.
    pub source: RecordingSource,
    /// Who is told of it.
    pub callback: Option<RecordingCallback>,
}

/// What is copied of a conference for a recording.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tapping {
    rate: SampleRate,
    parts: TapParts,
}

impl Model {
    /// Somebody who comes into a conference wants it recorded. The first who does says how.
    pub(in crate::call) fn want_conference_recorded(
        &mut self,
        sid: ConferenceSid,
        wanted: Option<&ConferenceRecording>,
    ) {
        if let Some(conference) = self.conferences.get_mut(sid).filter(|found| found.view.is_listed)
            && let Some(wanted) = wanted.filter(|_| !conference.is_to_be_recorded)
        {
            conference.is_to_be_recorded = true;
            conference.record = Some(wanted.clone());
        }
    }

    /// Somebody has come into a conference: if it is in progress and to be recorded, it is from now on.
    pub(in crate::call) fn begin_conference_recording(&mut self, sid: ConferenceSid) {
        let begun =
            self.conferences.get_mut(sid).filter(|found| found.view.status == ConferenceStatus::InProgress);
        if let Some(wanted) = begun.and_then(|conference| conference.record.take())
            && let Err(error) = self.start_conference_recording(sid, wanted)
        {
            error!(conference = %sid, %error, "not recorded");
        }
    }

    pub(super) fn start_conference_recording(
        &mut self,
        sid: ConferenceSid,
        wanted: ConferenceRecording,
    ) -> Result<RecordingView, CallError> {
        let Some(recorder) = self.recordings.recorder.clone() else {
            return Err(CallError::NotRecording);
        };
        let Plan { view, tapping, begin } = self.recording_plan(sid, &wanted, &recorder)?;
        // First the recorder, so that it knows the conference when the first frame comes.
        if !recorder.begin(begin) {
            return Err(CallError::Overloaded);
        }
        let row = Recording {
            view: view.clone(),
            callback: wanted.callback,
            waiting: Vec::new(),
            tapping: Some(tapping),
        };
        self.recordings.of_conference.entry(sid).or_default().push(view.sid);
        self.begun(row);
        self.tap_conference(sid);
        info!(recording = %view.sid, conference = %sid, "recording begun");
        Ok(view)
    }

    /// What is to be recorded of a conference, if it can be.
    fn recording_plan(
        &self,
        sid: ConferenceSid,
        wanted: &ConferenceRecording,
        recorder: &Recorder,
    ) -> Result<Plan, CallError> {
        let conference = self.conferences.get(sid).ok_or(CallError::NoConference)?;
        if conference.view.status == ConferenceStatus::Completed {
            return Err(CallError::WrongState);
        }
        if self.recordings.of_conference.get(&sid).is_some_and(|active| active.len() >= OF_ONE_MAX) {
            return Err(CallError::RecordingsFull);
        }
        let there: Vec<&Call> = self.participants_of(sid).collect();
        let first = there.first().ok_or(CallError::WrongState)?;
        let widest = there.iter().map(|call| call.leg.sample_rate()).max().unwrap_or(SampleRate::Hz8000);
        let tracks = wanted.channels.tracks(conference.participants_max);
        let shape = Shape { rate: recorder.rate_of(widest), tracks };
        let parts = wanted.channels.parts(first.leg.leg);
        let now = Utc::now();
        let view = RecordingView {
            sid: RecordingSid::generate(),
            account: conference.view.account,
            call: first.view.sid,
            conference: Some(sid),
            tracks: shape.tracks.width(),
            track: RecordingTrack::Both,
            source: wanted.source,
            status: RecordingStatus::InProgress,
            created: now,
            updated: now,
            seconds: None,
            size: None,
            error: None,
        };
        let seated = there.iter().filter(|_| parts.each);
        let terms = RecordingTerms { trim: wanted.trim, ..RecordingTerms::of(wanted.source) };
        let begin = Begin {
            name: name_of(view.sid),
            of: Tapped::Conference(conference.place.conference),
            since: Time::ZERO,
            seats: seated.map(|call| (call.leg.leg, call.view.sid.to_string())).collect(),
            terms: terms.for_recorder(shape),
            about: About::of(&view, wanted.callback.as_ref()).written(),
        };
        Ok(Plan { view, tapping: Tapping { rate: shape.rate, parts }, begin })
    }

    /// A call is about to sit in a conference: where each participant has a track, theirs is known before they are heard.
    pub(in crate::call) fn seat_in_recordings(&self, call: CallSid, conference: ConferenceSid) {
        let (Some(recorder), Some(leg)) =
            (&self.recordings.recorder, self.calls.get(call).map(|call| call.leg.leg))
        else {
            return;
        };
        for recording in self.recordings.of_conference.get(&conference).into_iter().flatten() {
            let row = self.recordings.rows.get(*recording);
            let is_each = row.and_then(|row| row.tapping).is_some_and(|tapping| tapping.parts.each);
            // Where there is no room for that order their track is found when they are heard, and has no name.
            if is_each && !recorder.seat(&name_of(*recording), leg, call.to_string()) {
                error!(recording = %recording, call = %call, "the name of a track was lost");
            }
        }
    }

    /// A conference is over, and with it its recordings.
    pub(in crate::call) fn end_conference_recordings(&mut self, sid: ConferenceSid) {
        for recording in self.recordings.of_conference.remove(&sid).unwrap_or_default() {
            self.end_recording(recording, RecordingStatus::Processing);
        }
    }

    /// Takes a recording from its conference.
    pub(super) fn let_go_of_conference_recording(&mut self, conference: ConferenceSid, sid: RecordingSid) {
        let Some(active) = self.recordings.of_conference.get_mut(&conference) else {
            return;
        };
        active.retain(|recording| *recording != sid);
        if active.is_empty() {
            self.recordings.of_conference.remove(&conference);
        }
        self.tap_conference(conference);
    }

    /// Has the media thread copy what the recordings under way want, and nothing else.
    fn tap_conference(&mut self, sid: ConferenceSid) {
        let Some(place) = self.conferences.get(sid).map(|conference| conference.place) else {
            return;
        };
        let active = self.recordings.of_conference.get(&sid).into_iter().flatten();
        let tappings = active.filter_map(|recording| self.recordings.rows.get(*recording)?.tapping);
        let all = tappings.reduce(|all, more| Tapping {
            // The others are brought to theirs by the recorder.
            rate: all.rate,
            parts: TapParts {
                mix: all.parts.mix || more.parts.mix,
                apart: all.parts.apart.or(more.parts.apart),
                each: all.parts.each || more.parts.each,
            },
        });
        match all {
            Some(Tapping { rate, parts }) => {
                self.media.tap_conference(place, Some(ConferenceTap::new(rate, parts)));
            }
            None => self.media.tap_conference(place, None),
        }
    }

    /// Those who are in a conference, the first to come first.
    fn participants_of(&self, sid: ConferenceSid) -> impl Iterator<Item = &Call> {
        let seats =
            self.conferences.get(sid).map(|conference| conference.seats.as_slice()).unwrap_or_default();
        let connected =
            |call: &&Call| call.seat.as_ref().is_some_and(|seat| seat.status == ParticipantStatus::Connected);
        let mut there: Vec<&Call> =
            seats.iter().filter_map(|call| self.calls.get(*call)).filter(connected).collect();
        there.sort_by_key(|call| call.sitting.since);
        there.into_iter()
    }

    /// A recording has begun: it is written down, and whoever asked is told.
    pub(super) fn begun(&mut self, row: Recording) {
        let (sid, view) = (row.view.sid, row.view.clone());
        self.journal.append(view.created, What::Recording(view));
        self.recordings.tell(&row, Happening::Begun);
        self.recordings.rows.insert(sid, row);
    }
}
