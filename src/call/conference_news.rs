//! What somebody asked to be told of a conference: each thing once, in order, numbered from 1.
//!
//! Whoever is to be told, how and of what, is fixed by the participant with whom the conference begins. All who sat in it
//! are told to have left before its end is told, and after that nothing is.

use chrono::{DateTime, Utc};
use confab_media::dsp::level::SpeechChange;
use tracing::error;

use super::ending::Leaving;
use super::model::Model;
use super::news::{News, Promise, Promised};
use super::seating::{ConferenceCallback, ConferenceWord};
use super::sid::{CallSid, ConferenceSid};
use super::view::{CallStatus, ConferenceEnd, ConferenceStatus, ConferenceView, ParticipantView};
use super::voice::VoiceUrl;

/// Something in a conference that somebody wants to be told of.
#[derive(Clone, Debug)]
pub struct ConferenceNews {
    /// Who.
    pub to: VoiceUrl,
    /// How many were told up to this one, itself among them.
    pub number: u32,
    /// When.
    pub at: DateTime<Utc>,
    /// The conference, right after it.
    pub conference: ConferenceView,
    /// What.
    pub step: ConferenceStep,
}

/// What happens in a conference. Participants are as they were right after it.
#[derive(Clone, Debug)]
pub enum ConferenceStep {
    /// It started.
    Started,
    /// It ended; the last of all.
    Ended {
        /// The label of the one with whose call it ended.
        label: Option<String>,
    },
    /// Somebody is in it.
    Joined(ParticipantView),
    /// Somebody is in it no more, or never came.
    Left {
        /// Who.
        participant: ParticipantView,
        /// How far their call got.
        call: CallStatus,
        /// Why.
        reason: LeaveReason,
    },
    /// Somebody was muted, or unmuted.
    Muted(ParticipantView),
    /// Somebody was put on hold, or taken off.
    Held(ParticipantView),
    /// How somebody sits was changed otherwise.
    Modified(ParticipantView),
    /// Somebody began to speak, or stopped.
    Speech(ParticipantView, SpeechChange),
    /// An announcement was made, or failed.
    Announced {
        /// To whom; to all, if it is nobody. One who has left meanwhile is nobody too.
        participant: Option<ParticipantView>,
        /// From where.
        url: String,
        /// Why it was not heard, if it was not.
        failed: Option<String>,
    },
}

/// Why somebody left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveReason {
    /// The API ended the conference.
    ConferenceEndedViaApi,
    /// One with whom it ends left.
    ModeratorEndedConference,
    /// The API removed them, ended their call, or sent it elsewhere.
    UpdatedViaApi,
    /// They went.
    HungUp,
    /// They never were in it.
    AddFailed,
}

/// Who is told of a conference.
#[derive(Debug)]
pub(super) struct Telling {
    callback: ConferenceCallback,
    told: u32,
}

impl Telling {
    pub(super) const fn new(callback: ConferenceCallback) -> Self {
        Self { callback, told: 0 }
    }
}

impl ConferenceStep {
    const fn word(&self) -> ConferenceWord {
        match self {
            Self::Started => ConferenceWord::Start,
            Self::Ended { .. } => ConferenceWord::End,
            Self::Joined(_) => ConferenceWord::Join,
            Self::Left { .. } => ConferenceWord::Leave,
            Self::Muted(_) => ConferenceWord::Mute,
            Self::Held(_) => ConferenceWord::Hold,
            Self::Modified(_) => ConferenceWord::Modify,
            Self::Speech(..) => ConferenceWord::Speaker,
            Self::Announced { .. } => ConferenceWord::Announcement,
        }
    }
}

impl Model {
    /// Something happened in a conference: whoever asked is told.
    pub(super) fn tell_conference(&mut self, sid: ConferenceSid, step: ConferenceStep) {
        let is_end = matches!(step, ConferenceStep::Ended { .. });
        if self.tell_conference_step(sid, step) && !is_end {
            self.promise_conference_end(sid);
        }
    }

    /// Whoever asked to be told when the conference is over shall be, whatever becomes of the node.
    pub(super) fn promise_conference_end(&self, sid: ConferenceSid) {
        let Some(conference) = self.conferences.get(sid) else {
            return;
        };
        let Some(telling) = &conference.telling else {
            return;
        };
        if !telling.callback.events.contains(ConferenceWord::End) {
            return;
        }
        let of = Promised::Conference(conference.view.clone());
        let promise = Promise { to: telling.callback.url.clone(), number: telling.told + 1, of };
        if self.news.try_send(News::Promise(Box::new(promise))).is_err() {
            error!(conference = %sid, "a promise of news was lost: nobody takes it");
        }
    }

    /// Says whether somebody asked to be told.
    fn tell_conference_step(&mut self, sid: ConferenceSid, step: ConferenceStep) -> bool {
        let Some(conference) = self.conferences.get_mut(sid) else {
            return false;
        };
        let Some(telling) = conference.telling.as_mut() else {
            return false;
        };
        if !telling.callback.events.contains(step.word()) {
            return false;
        }
        telling.told += 1;
        let news = ConferenceNews {
            to: telling.callback.url.clone(),
            number: telling.told,
            at: Utc::now(),
            conference: conference.view.clone(),
            step,
        };
        if self.news.try_send(News::Conference(Box::new(news))).is_err() {
            error!(conference = %sid, "news of a conference was lost: nobody takes it");
        }
        true
    }

    /// Somebody's seat is empty.
    pub(super) fn tell_left(&mut self, participant: ParticipantView, was_there: bool, why: Leaving) {
        let sid = participant.conference_sid;
        let Some(call) = self.calls.get(participant.call_sid).map(|call| call.view.status) else {
            return;
        };
        let ended = self.conferences.get(sid).and_then(|conference| conference.view.reason_ended);
        let reason = match (why, ended) {
            _ if !was_there => LeaveReason::AddFailed,
            (
                Leaving::ConferenceEnded,
                Some(ConferenceEnd::ModeratorLeft | ConferenceEnd::ModeratorKicked),
            ) => LeaveReason::ModeratorEndedConference,
            (Leaving::ConferenceEnded, _) => LeaveReason::ConferenceEndedViaApi,
            (Leaving::Kicked | Leaving::Updated, _) => LeaveReason::UpdatedViaApi,
            (Leaving::HungUp | Leaving::Transferred, _) => LeaveReason::HungUp,
        };
        self.tell_conference(sid, ConferenceStep::Left { participant, call, reason });
    }

    /// Tells the end of a conference that is over, when all have left; then whoever was told hears no more.
    pub(super) fn tell_end_if_empty(&mut self, sid: ConferenceSid) {
        let is_over = self.conferences.get(sid).is_some_and(|conference| {
            conference.view.status == ConferenceStatus::Completed && conference.seats.is_empty()
        });
        if !is_over {
            return;
        }
        let label = self.ending_call(sid).and_then(|call| self.calls.get(call));
        let label = label.and_then(|call| call.seat.as_ref()).and_then(|seat| seat.label.clone());
        self.tell_conference(sid, ConferenceStep::Ended { label });
        if let Some(conference) = self.conferences.get_mut(sid) {
            conference.telling = None;
        }
    }

    fn ending_call(&self, sid: ConferenceSid) -> Option<CallSid> {
        self.conferences.get(sid).and_then(|conference| conference.view.call_sid_ending)
    }
}
