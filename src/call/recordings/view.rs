//! Recordings as others may see them, and what they may ask for.

use std::time::Duration;

use chrono::{DateTime, Utc};
use confab_media::SampleRate;

use super::super::sid::{AccountSid, CallSid, ConferenceSid, RecordingSid};
use super::super::view::Span;
use super::super::voice::VoiceUrl;
use super::Happening;
use crate::recording::{Failure, Manifest, PauseBehavior, Shape, State, Terms, Tracks};

/// A recording of a call or a conference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingView {
    /// Its name.
    pub sid: RecordingSid,
    /// Whose it is.
    pub account: AccountSid,
    /// The call; of a conference the first that was in it.
    pub call: CallSid,
    /// The conference, if it is of one.
    pub conference: Option<ConferenceSid>,
    /// Tracks in the file.
    pub tracks: u16,
    /// Which direction is recorded.
    pub track: RecordingTrack,
    /// Who asked for it.
    pub source: RecordingSource,
    /// How far it got.
    pub status: RecordingStatus,
    /// When it began.
    pub created: DateTime<Utc>,
    /// When it last changed.
    pub updated: DateTime<Utc>,
    /// How long it is, once it is completed; a second that has begun counts.
    pub seconds: Option<u64>,
    /// How large its file is, in bytes, once it is completed.
    pub size: Option<u64>,
    /// Why it is absent, or has less than was said.
    pub error: Option<u32>,
}

/// Shorter than is kept.
const ERROR_TOO_SHORT: u32 = 16_101;
/// Nothing but silence.
const ERROR_SILENT: u32 = 16_102;
/// The node could not write it.
const ERROR_NODE: u32 = 20_500;

impl RecordingView {
    /// Where it can be fetched, without a suffix, under the API's address.
    pub fn url(&self, api: &str) -> String {
        format!("{api}/2010-04-01/Accounts/{}/Recordings/{}", self.account, self.sid)
    }

    pub(super) fn finish(&mut self, manifest: &Manifest) {
        self.status = match manifest.state {
            State::Completed => RecordingStatus::Completed,
            State::Absent | State::InProgress => RecordingStatus::Absent,
            State::Deleted => RecordingStatus::Deleted,
        };
        self.seconds =
            (self.status != RecordingStatus::Absent && manifest.samples > 0).then(|| manifest.seconds());
        self.size = self.seconds.map(|_| manifest.file_len());
        self.error = manifest.failure.as_ref().map(|failure| match failure {
            Failure::TooShort => ERROR_TOO_SHORT,
            Failure::Silent => ERROR_SILENT,
            Failure::Disk(_) | Failure::NotKept(_) => ERROR_NODE,
        });
    }
}

/// How far a recording got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingStatus {
    /// It records.
    InProgress,
    /// It leaves out what is said.
    Paused,
    /// It was stopped, and is not on the disk yet.
    Stopped,
    /// Its call is over, and it is not on the disk yet.
    Processing,
    /// It can be fetched.
    Completed,
    /// There is nothing to fetch.
    Absent,
    /// It was there.
    Deleted,
}

impl RecordingStatus {
    /// As the API and webhooks say it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::InProgress => "in-progress",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Absent => "absent",
            Self::Deleted => "deleted",
        }
    }

    /// Whether nothing changes it any more.
    pub const fn is_final(self) -> bool {
        match self {
            Self::InProgress | Self::Paused | Self::Stopped | Self::Processing => false,
            Self::Completed | Self::Absent | Self::Deleted => true,
        }
    }
}

/// Which direction of a call is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordingTrack {
    /// What its far end says.
    Inbound,
    /// What its far end hears.
    Outbound,
    /// Both.
    #[default]
    Both,
}

impl RecordingTrack {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Inbound, Self::Outbound, Self::Both];

    /// As the API and webhooks say it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
            Self::Both => "both",
        }
    }
}

/// Who asked for a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingSource {
    /// A script that dials.
    Dial,
    /// A call that was placed over the API.
    OutboundApi,
    /// A script's `Record`.
    Verb,
    /// A script's `Start`.
    StartVerb,
    /// The API, during the call.
    Api,
    /// Whoever was dialled into a conference, or came by a script.
    Conference,
    /// The API, during the conference.
    ConferenceApi,
}

impl RecordingSource {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Dial,
        Self::OutboundApi,
        Self::Verb,
        Self::StartVerb,
        Self::Api,
        Self::Conference,
        Self::ConferenceApi,
    ];

    /// As the API and webhooks say it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Dial => "DialVerb",
            Self::OutboundApi => "OutboundAPI",
            Self::Verb => "RecordVerb",
            Self::StartVerb => "StartCallRecordingTwiML",
            Self::Api => "StartCallRecordingAPI",
            Self::Conference => "Conference",
            Self::ConferenceApi => "StartConferenceRecordingAPI",
        }
    }
}

/// What is recorded of a call, how, and who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingTerms {
    /// Which direction.
    pub track: RecordingTrack,
    /// Both directions beside each other, and not as one.
    pub dual: bool,
    /// Silence at both ends is cut off.
    pub trim: bool,
    /// Who asked for it.
    pub source: RecordingSource,
    /// Who is told of it.
    pub callback: Option<RecordingCallback>,
    /// It ends when it is so long.
    pub longest: Option<Duration>,
    /// It ends when the far end has said nothing for so long.
    pub patience: Option<Duration>,
    /// What is shorter is not kept.
    pub shortest: Duration,
}

impl RecordingTerms {
    /// Both directions as one, all of it.
    pub const fn of(source: RecordingSource) -> Self {
        Self {
            track: RecordingTrack::Both,
            dual: false,
            trim: false,
            source,
            callback: None,
            longest: None,
            patience: None,
            shortest: Duration::ZERO,
        }
    }

    pub(super) const fn for_recorder(&self, shape: Shape) -> Terms {
        Terms {
            shape,
            trim: self.trim,
            longest: self.longest,
            patience: self.patience,
            shortest: self.shortest,
        }
    }
}

/// What the file of a leg of this rate looks like: at 8 kHz as that, at 16 kHz if the leg has more.
pub(super) fn shape(terms: &RecordingTerms, rate: SampleRate) -> Shape {
    let tracks = match (terms.track, terms.dual) {
        (RecordingTrack::Inbound, _) => Tracks::Received,
        (RecordingTrack::Outbound, _) => Tracks::Sent,
        (RecordingTrack::Both, false) => Tracks::Mixed,
        (RecordingTrack::Both, true) => Tracks::Both,
    };
    Shape { rate: rate.min(SampleRate::Hz16000), tracks }
}

/// Who is told of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingCallback {
    /// Where.
    pub url: VoiceUrl,
    /// Of what.
    pub events: RecordingEvents,
    /// In the older way, in which only the end of a conference's recording is told.
    pub is_record_end: bool,
}

/// Of what of a recording somebody wants to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordingEvents {
    /// It has begun; `started` is another word for the same, told besides.
    pub in_progress: bool,
    /// That other word.
    pub started: bool,
    /// It was paused.
    pub paused: bool,
    /// It goes on.
    pub resumed: bool,
    /// It was stopped.
    pub stopped: bool,
    /// It can be fetched.
    pub completed: bool,
    /// There is nothing to fetch.
    pub absent: bool,
}

impl Default for RecordingEvents {
    fn default() -> Self {
        Self { completed: true, ..Self::NONE }
    }
}

impl RecordingEvents {
    /// Nothing.
    pub const NONE: Self = Self {
        in_progress: false,
        started: false,
        paused: false,
        resumed: false,
        stopped: false,
        completed: false,
        absent: false,
    };

    /// Adds what is written so; `false` if nothing is.
    pub fn add(&mut self, word: &str) -> bool {
        let event = match word {
            "in-progress" => &mut self.in_progress,
            "started" => &mut self.started,
            "paused" => &mut self.paused,
            "resumed" => &mut self.resumed,
            "stopped" => &mut self.stopped,
            "completed" => &mut self.completed,
            "absent" | "failed" => &mut self.absent,
            _ => return false,
        };
        *event = true;
        true
    }

    /// In which words it is to be told.
    pub(super) fn words(
        self,
        happening: Happening,
        status: RecordingStatus,
    ) -> impl Iterator<Item = &'static str> {
        let all = match happening {
            Happening::Begun => [(self.started, "started"), (self.in_progress, "in-progress")],
            Happening::Paused => [(self.paused, "paused"), (false, "")],
            Happening::Resumed => [(self.resumed, "resumed"), (false, "")],
            Happening::Stopped => [(self.stopped, "stopped"), (false, "")],
            Happening::Over => {
                let is_completed = status == RecordingStatus::Completed;
                [(self.completed && is_completed, "completed"), (self.absent && !is_completed, "absent")]
            }
        };
        all.into_iter().filter(|(is_wanted, _)| *is_wanted).map(|(_, word)| word)
    }
}

/// What can be done to a recording under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingChange {
    /// Leave out what comes.
    Pause(PauseBehavior),
    /// Go on.
    Resume,
    /// End it.
    Stop,
}

/// Which recordings to list. Empty lists all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordingFilter {
    /// Only those of this account.
    pub account: Option<AccountSid>,
    /// Only those of this call, and not of its conference.
    pub call: Option<CallSid>,
    /// Only those of this conference.
    pub conference: Option<ConferenceSid>,
    /// Only those begun in this span.
    pub created: Span,
    /// Only those that record, or are paused.
    pub is_active: bool,
    /// Those that were deleted, too.
    pub with_deleted: bool,
}

impl RecordingFilter {
    pub(super) fn takes(&self, view: &RecordingView) -> bool {
        let is_active = matches!(view.status, RecordingStatus::InProgress | RecordingStatus::Paused);
        self.account.is_none_or(|account| account == view.account)
            && self.call.is_none_or(|call| call == view.call && view.conference.is_none())
            && self.conference.is_none_or(|conference| view.conference == Some(conference))
            && self.created.contains(Some(view.created))
            && (is_active || !self.is_active)
            && (self.with_deleted || view.status != RecordingStatus::Deleted)
    }
}
