//! Views as rows of the store, and back.

use chrono::{DateTime, TimeDelta, Utc};

use crate::call::sid::SidError;
use crate::call::view::{
    CallDirection, CallFilter, CallStatus, CallView, ConferenceEnd, ConferenceFilter, ConferenceStatus,
    ConferenceView, ParticipantStatus, ParticipantView, Span,
};
use crate::store::{Between, CallQuery, CallRow, ConferenceQuery, ConferenceRow, ParticipantRow, Record};

/// A row that says what no node writes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RowError {
    #[error("a name in it is {0}")]
    Sid(#[from] SidError),
    #[error("{0:?} is no {1}")]
    Word(String, &'static str),
    #[error("a time in it is none")]
    Time,
}

const CALL_STATUSES: [CallStatus; 8] = [
    CallStatus::Queued,
    CallStatus::Ringing,
    CallStatus::InProgress,
    CallStatus::Completed,
    CallStatus::Busy,
    CallStatus::Failed,
    CallStatus::NoAnswer,
    CallStatus::Canceled,
];

const DIRECTIONS: [CallDirection; 3] =
    [CallDirection::Inbound, CallDirection::OutboundApi, CallDirection::OutboundDial];

const CONFERENCE_STATUSES: [ConferenceStatus; 3] =
    [ConferenceStatus::Init, ConferenceStatus::InProgress, ConferenceStatus::Completed];

const CONFERENCE_ENDS: [ConferenceEnd; 5] = [
    ConferenceEnd::ViaApi,
    ConferenceEnd::LastParticipantLeft,
    ConferenceEnd::LastParticipantKicked,
    ConferenceEnd::ModeratorLeft,
    ConferenceEnd::ModeratorKicked,
];

/// The one of `all` that is said with this word.
fn of_word<T: Copy>(
    all: &[T],
    say: fn(T) -> &'static str,
    word: &str,
    what: &'static str,
) -> Result<T, RowError> {
    let found = all.iter().copied().find(|one| say(*one) == word);
    found.ok_or_else(|| RowError::Word(word.to_owned(), what))
}

const fn conference_word(status: ConferenceStatus) -> &'static str {
    match status {
        ConferenceStatus::Init => "init",
        ConferenceStatus::InProgress => "in-progress",
        ConferenceStatus::Completed => "completed",
    }
}

const fn end_word(end: ConferenceEnd) -> &'static str {
    match end {
        ConferenceEnd::ViaApi => "via-api",
        ConferenceEnd::LastParticipantLeft => "last-left",
        ConferenceEnd::LastParticipantKicked => "last-kicked",
        ConferenceEnd::ModeratorLeft => "moderator-left",
        ConferenceEnd::ModeratorKicked => "moderator-kicked",
    }
}

const fn participant_word(status: ParticipantStatus) -> &'static str {
    match status {
        ParticipantStatus::Queued => "queued",
        ParticipantStatus::Connecting => "connecting",
        ParticipantStatus::Ringing => "ringing",
        ParticipantStatus::Connected => "connected",
        ParticipantStatus::Complete => "complete",
    }
}

pub(super) fn call_record(view: &CallView) -> Record {
    Record::Call(CallRow {
        sid: view.sid.to_string(),
        account: view.account.to_string(),
        parent: view.parent.map(|parent| parent.to_string()),
        caller: view.from.clone(),
        called: view.to.clone(),
        direction: view.direction.word().to_owned(),
        status: view.status.word().to_owned(),
        created: view.created.timestamp_micros(),
        updated: view.updated.timestamp_micros(),
        started: view.started.map(|time| time.timestamp_micros()),
        ended: view.ended.map(|time| time.timestamp_micros()),
        queue_time: view.queue_time.num_microseconds().unwrap_or(i64::MAX),
        trunk: view.trunk.clone(),
        sip_status: view.sip_status.map(i64::from),
        is_final: view.status.is_final(),
    })
}

pub(super) fn call_view(row: CallRow) -> Result<CallView, RowError> {
    Ok(CallView {
        sid: row.sid.parse()?,
        account: row.account.parse()?,
        parent: row.parent.map(|parent| parent.parse()).transpose()?,
        from: row.caller,
        to: row.called,
        direction: of_word(&DIRECTIONS, CallDirection::word, &row.direction, "direction")?,
        status: of_word(&CALL_STATUSES, CallStatus::word, &row.status, "status of a call")?,
        created: time(row.created)?,
        updated: time(row.updated)?,
        started: row.started.map(time).transpose()?,
        ended: row.ended.map(time).transpose()?,
        queue_time: TimeDelta::microseconds(row.queue_time),
        trunk: row.trunk,
        sip_status: row.sip_status.and_then(|status| u16::try_from(status).ok()),
    })
}

pub(super) fn conference_record(view: &ConferenceView) -> Record {
    Record::Conference(ConferenceRow {
        sid: view.sid.to_string(),
        account: view.account.to_string(),
        friendly_name: view.friendly_name.clone(),
        status: conference_word(view.status).to_owned(),
        created: view.created.timestamp_micros(),
        updated: view.updated.timestamp_micros(),
        reason_ended: view.reason_ended.map(|end| end_word(end).to_owned()),
        call_sid_ending: view.call_sid_ending.map(|call| call.to_string()),
        is_listed: view.is_listed,
        is_final: view.status == ConferenceStatus::Completed,
    })
}

pub(super) fn conference_view(row: ConferenceRow) -> Result<ConferenceView, RowError> {
    let end = |word: String| of_word(&CONFERENCE_ENDS, end_word, &word, "end of a conference");
    Ok(ConferenceView {
        sid: row.sid.parse()?,
        account: row.account.parse()?,
        friendly_name: row.friendly_name,
        status: of_word(&CONFERENCE_STATUSES, conference_word, &row.status, "status of a conference")?,
        created: time(row.created)?,
        updated: time(row.updated)?,
        reason_ended: row.reason_ended.map(end).transpose()?,
        call_sid_ending: row.call_sid_ending.map(|call| call.parse()).transpose()?,
        // Only those that are over are read.
        participants: 0,
        is_listed: row.is_listed,
    })
}

pub(super) fn participant_record(view: &ParticipantView) -> Record {
    Record::Participant(ParticipantRow {
        conference: view.conference_sid.to_string(),
        call: view.call_sid.to_string(),
        label: view.label.clone(),
        muted: view.muted,
        hold: view.hold,
        coaching: view.coaching,
        coached: view.call_sid_to_coach.map(|call| call.to_string()),
        start_on_enter: view.start_on_enter,
        end_on_exit: view.end_on_exit,
        status: participant_word(view.status).to_owned(),
        created: view.created.timestamp_micros(),
        updated: view.updated.timestamp_micros(),
    })
}

pub(super) fn call_query(filter: &CallFilter) -> CallQuery {
    CallQuery {
        account: filter.account.map(|account| account.to_string()),
        parent: filter.parent.map(|parent| parent.to_string()),
        caller: filter.from.clone(),
        called: filter.to.clone(),
        status: filter.status.map(|status| status.word().to_owned()),
        started: between(filter.started),
        ended: between(filter.ended),
    }
}

pub(super) fn conference_query(filter: &ConferenceFilter) -> ConferenceQuery {
    ConferenceQuery {
        account: filter.account.map(|account| account.to_string()),
        friendly_name: filter.friendly_name.clone(),
        status: filter.status.map(|status| conference_word(status).to_owned()),
        created: between(filter.created),
        updated: between(filter.updated),
    }
}

fn between(span: Span) -> Between {
    let micros = |time: DateTime<Utc>| time.timestamp_micros();
    (span.from.map(micros), span.until.map(micros))
}

fn time(micros: i64) -> Result<DateTime<Utc>, RowError> {
    DateTime::from_timestamp_micros(micros).ok_or(RowError::Time)
}
