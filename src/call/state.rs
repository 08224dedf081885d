//! Calls and conferences as the model keeps them: what others may see, and what only the model needs.

use std::time::Duration;

use confab_media::{PlayerId, QualityReport};
use tokio::sync::mpsc;

use super::conference_news::Telling;
use super::digits::DigitString;
use super::handle::{CallEvent, Reply, Signal};
use super::lasting::Deadline;
use super::media::{ConferencePlace, LegPlace};
use super::quality::CallQuality;
use super::recordings::ConferenceRecording;
use super::sid::{CallSid, ConferenceSid};
use super::sounds::{Announcing, Sitting};
use super::view::{CallView, ConferenceView, ParticipantStatus, ParticipantView};
use super::voice::{Destination, StatusCallback, VoiceUrl};

/// A call and its leg.
pub(super) struct Call {
    pub(super) view: CallView,
    /// The seat it has, or had last.
    pub(super) seat: Option<ParticipantView>,
    /// What others do not see of it.
    pub(super) sitting: Sitting,
    pub(super) leg: LegPlace,
    /// How its adapter is told.
    pub(super) signals: mpsc::Sender<Signal>,
    /// How its script is told; none for one that only goes into a conference.
    pub(super) script: Option<mpsc::Sender<CallEvent>>,
    pub(super) stage: Stage,
    /// Who waits for it to be answered.
    pub(super) answering: Vec<Reply<CallView>>,
    /// What it is played.
    pub(super) playing: Option<PlayerId>,
    /// When it is ended, however it is then.
    pub(super) deadline: Option<Deadline>,
    /// How long it may last from its answer.
    pub(super) time_limit: Option<Duration>,
    /// What it does when it is answered, until then.
    pub(super) destination: Option<Destination>,
    /// Who is told how far it gets.
    pub(super) status: Option<StatusCallback>,
    /// How often they were told.
    pub(super) told: u32,
    /// Keys to be pressed when it is answered.
    pub(super) send_digits: Option<DigitString>,
    /// Who wakes the phone that is called, until they were told.
    pub(super) wake: Option<VoiceUrl>,
    /// The call whose script dialled it and may end it.
    pub(super) dialler: Option<CallSid>,
    /// Its far end has agreed to be sent nothing: its phone holds us.
    pub(super) held_by_far_end: bool,
    /// The API has sent it elsewhere, and it leaves its conference for that.
    pub(super) is_sent_away: bool,
    /// How it sounded when that was asked last, or at its end.
    pub(super) report: Option<Box<QualityReport>>,
}

/// How far a call's leg got.
#[derive(Debug)]
pub(super) enum Stage {
    /// It has ports.
    Reserved,
    /// It is on its media thread, or on its way there, and in no conference.
    Connected,
    /// It has a seat in its conference, or is on its way there.
    Seated,
    /// It is on its way from one media thread to another, where a seat waits for it.
    Moving(JoinReply),
}

/// Who waits for a call to have its seat.
#[derive(Debug)]
pub(super) enum JoinReply {
    /// Its adapter, who answers it.
    Connecting(Reply<()>),
    /// Whoever asked for the seat.
    Joining(Reply<ParticipantView>),
    /// Nobody.
    Nobody,
}

/// A conference and who sits in it, the newest last.
pub(super) struct Conference {
    pub(super) view: ConferenceView,
    pub(super) place: ConferencePlace,
    pub(super) seats: Vec<CallSid>,
    /// Participants that are let in.
    pub(super) participants_max: usize,
    /// Who is told of it.
    pub(super) telling: Option<Telling>,
    /// When it is ended, however far it got.
    pub(super) deadline: Deadline,
    /// What all in it are played.
    pub(super) announcing: Announcing,
    /// How it is recorded from its start on, until then.
    pub(super) record: Option<ConferenceRecording>,
    /// Somebody has said how it is recorded.
    pub(super) is_to_be_recorded: bool,
}

impl Call {
    pub(super) fn quality(&self) -> CallQuality {
        CallQuality { status: self.view.status, report: self.report.as_deref().copied() }
    }

    /// The conference it sits in, or is on its way into.
    pub(super) fn conference(&self) -> Option<ConferenceSid> {
        let seat = self.seat.as_ref().filter(|seat| seat.status != ParticipantStatus::Complete);
        seat.map(|seat| seat.conference_sid)
    }

    /// Whether its leg is on a media thread or on its way there.
    pub(super) const fn is_connected(&self) -> bool {
        !matches!(self.stage, Stage::Reserved)
    }

    /// Tells its script, if it has one. What a script that does not keep up misses is lost; that it is over it sees
    /// by the end of the channel.
    pub(super) fn tell(&self, event: CallEvent) {
        if let Some(script) = &self.script {
            let _ = script.try_send(event);
        }
    }
}
