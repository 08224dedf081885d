//! Records of calls, conferences and participants: a row each, rewritten whenever it changes, and what of them is over,
//! to be listed. Times are microseconds since 1970.

use sqlx::{QueryBuilder, Sqlite};

use super::Store;
use super::error::StoreError;
use super::statement::Statement;

/// A call.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
#[expect(missing_docs, reason = "each is what the model's view of a call says it is")]
pub struct CallRow {
    pub sid: String,
    pub account: String,
    pub parent: Option<String>,
    pub caller: String,
    pub called: String,
    pub direction: String,
    pub status: String,
    pub created: i64,
    pub updated: i64,
    pub started: Option<i64>,
    pub ended: Option<i64>,
    pub queue_time: i64,
    pub trunk: Option<String>,
    pub sip_status: Option<i64>,
    /// It is over. What is over stays over.
    pub is_final: bool,
}

/// A conference.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
#[expect(missing_docs, reason = "each is what the model's view of a conference says it is")]
pub struct ConferenceRow {
    pub sid: String,
    pub account: String,
    pub friendly_name: String,
    pub status: String,
    pub created: i64,
    pub updated: i64,
    pub reason_ended: Option<String>,
    pub call_sid_ending: Option<String>,
    pub is_listed: bool,
    /// It is over. What is over stays over.
    pub is_final: bool,
}

/// A seat in a conference.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is what the model's view of a participant says it is")]
pub struct ParticipantRow {
    pub conference: String,
    pub call: String,
    pub label: Option<String>,
    pub muted: bool,
    pub hold: bool,
    pub coaching: bool,
    pub coached: Option<String>,
    pub start_on_enter: bool,
    pub end_on_exit: bool,
    pub status: String,
    pub created: i64,
    pub updated: i64,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A call.
    Call(CallRow),
    /// A conference.
    Conference(ConferenceRow),
    /// A seat in a conference.
    Participant(ParticipantRow),
}

/// From, and until without it; an open end does not limit.
pub type Between = (Option<i64>, Option<i64>);

/// Which calls to find.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is what the row of a call says it is")]
pub struct CallQuery {
    pub account: Option<String>,
    pub parent: Option<String>,
    pub caller: Option<String>,
    pub called: Option<String>,
    pub status: Option<String>,
    pub started: Between,
    pub ended: Between,
}

/// Which conferences to find.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is what the row of a conference says it is")]
pub struct ConferenceQuery {
    pub account: Option<String>,
    pub friendly_name: Option<String>,
    pub status: Option<String>,
    pub created: Between,
    pub updated: Between,
}

/// Which part of what was found, without some that the asker has anyway.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// SIDs that are left out.
    pub except: &'a [String],
    /// How many are passed over.
    pub offset: usize,
    /// How many are given at most.
    pub limit: usize,
}

impl Store {
    /// Keeps records in the place of what there is of them, in one transaction. What is over is not overwritten by what
    /// is not, and what was forgotten stays so.
    ///
    /// # Errors
    /// When they could not be written.
    pub async fn put_records(&self, records: Vec<Record>) -> Result<(), StoreError> {
        self.write(records.into_iter().map(put).collect()).await
    }

    /// Calls that are over, the newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn calls(&self, query: &CallQuery, part: Part<'_>) -> Result<Vec<CallRow>, StoreError> {
        let mut sql = QueryBuilder::new("SELECT * FROM calls WHERE is_final = 1 AND is_gone = 0");
        equals(&mut sql, "account", query.account.as_ref());
        equals(&mut sql, "parent", query.parent.as_ref());
        equals(&mut sql, "caller", query.caller.as_ref());
        equals(&mut sql, "called", query.called.as_ref());
        equals(&mut sql, "status", query.status.as_ref());
        is_between(&mut sql, "started", query.started);
        is_between(&mut sql, "ended", query.ended);
        cut(&mut sql, part);
        Ok(sql.build_query_as().fetch_all(&self.inner.readers).await?)
    }

    /// A call that is over.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn call(&self, sid: &str) -> Result<Option<CallRow>, StoreError> {
        let sql = "SELECT * FROM calls WHERE sid = ? AND is_final = 1 AND is_gone = 0";
        Ok(sqlx::query_as(sql).bind(sid).fetch_optional(&self.inner.readers).await?)
    }

    /// Forgets a call, with what is noted of it. Only its name stays for a while, so that late news of it is not taken.
    /// Answers when no loss of power can undo it.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn forget_call(&self, sid: &str) -> Result<(), StoreError> {
        let now = super::now();
        let gone = Statement::new(
            "INSERT INTO calls (sid, account, caller, called, direction, status, created, updated, queue_time, is_final,
                                is_gone)
             VALUES (?, '', '', '', '', '', ?, ?, 0, 1, 1)
             ON CONFLICT DO UPDATE SET account = '', parent = NULL, caller = '', called = '', direction = '', status = '',
                 updated = excluded.updated, started = NULL, ended = NULL, trunk = NULL, sip_status = NULL, is_final = 1, is_gone = 1",
        );
        let gone = gone.with(sid).with(now).with(now);
        let notes = Statement::new("DELETE FROM notifications WHERE call = ?").with(sid);
        let exchanges = Statement::new("DELETE FROM exchanges WHERE call = ?").with(sid);
        self.write_durably(vec![gone, notes, exchanges]).await
    }

    /// Conferences that are over and that people dialled, the newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn conferences(
        &self,
        query: &ConferenceQuery,
        part: Part<'_>,
    ) -> Result<Vec<ConferenceRow>, StoreError> {
        let mut sql = QueryBuilder::new("SELECT * FROM conferences WHERE is_final = 1 AND is_listed = 1");
        equals(&mut sql, "account", query.account.as_ref());
        equals(&mut sql, "friendly_name", query.friendly_name.as_ref());
        equals(&mut sql, "status", query.status.as_ref());
        is_between(&mut sql, "created", query.created);
        is_between(&mut sql, "updated", query.updated);
        cut(&mut sql, part);
        Ok(sql.build_query_as().fetch_all(&self.inner.readers).await?)
    }

    /// A conference that is over.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn conference(&self, sid: &str) -> Result<Option<ConferenceRow>, StoreError> {
        let sql = "SELECT * FROM conferences WHERE sid = ? AND is_final = 1";
        Ok(sqlx::query_as(sql).bind(sid).fetch_optional(&self.inner.readers).await?)
    }
}

/// `column` is a name of ours.
pub(super) fn equals(sql: &mut QueryBuilder<Sqlite>, column: &str, value: Option<&String>) {
    if let Some(value) = value {
        sql.push(format_args!(" AND {column} = ")).push_bind(value.clone());
    }
}

/// A time that is not there is in no limited span.
pub(super) fn is_between(sql: &mut QueryBuilder<Sqlite>, column: &str, (from, until): Between) {
    if let Some(from) = from {
        sql.push(format_args!(" AND {column} >= ")).push_bind(from);
    }
    if let Some(until) = until {
        sql.push(format_args!(" AND {column} < ")).push_bind(until);
    }
}

fn cut(sql: &mut QueryBuilder<Sqlite>, part: Part<'_>) {
    if !part.except.is_empty() {
        // One value however many they are: SQLite takes no more than some thousands.
        let names = serde_json::Value::from(part.except).to_string();
        sql.push(" AND sid NOT IN (SELECT value FROM json_each(").push_bind(names).push("))");
    }
    limit(sql, part.offset, part.limit);
}

/// The newest first, and of these a part.
pub(super) fn limit(sql: &mut QueryBuilder<Sqlite>, offset: usize, limit: usize) {
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    sql.push(" ORDER BY created DESC, sid DESC LIMIT ").push_bind(number(limit));
    sql.push(" OFFSET ").push_bind(number(offset));
}

pub(super) fn put(record: Record) -> Statement {
    match record {
        Record::Call(row) => put_call(row),
        Record::Conference(row) => put_conference(row),
        Record::Participant(row) => put_participant(row),
    }
}

fn put_call(row: CallRow) -> Statement {
    let put = Statement::new(
        "INSERT INTO calls (sid, account, parent, caller, called, direction, status, created, updated, started, ended,
                            queue_time, trunk, sip_status, is_final)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET status = excluded.status, updated = excluded.updated, started = excluded.started,
             ended = excluded.ended, queue_time = excluded.queue_time, trunk = excluded.trunk, sip_status = excluded.sip_status,
             is_final = excluded.is_final
         WHERE is_gone = 0 AND excluded.is_final >= is_final",
    );
    let put = put.with(row.sid).with(row.account).with(row.parent).with(row.caller).with(row.called);
    let put = put.with(row.direction).with(row.status).with(row.created).with(row.updated);
    let put = put.with(row.started).with(row.ended).with(row.queue_time).with(row.trunk);
    put.with(row.sip_status).with(row.is_final)
}

fn put_conference(row: ConferenceRow) -> Statement {
    let put = Statement::new(
        "INSERT INTO conferences (sid, account, friendly_name, status, created, updated, reason_ended, call_sid_ending,
                                  is_listed, is_final)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET status = excluded.status, updated = excluded.updated,
             reason_ended = excluded.reason_ended, call_sid_ending = excluded.call_sid_ending,
             is_final = excluded.is_final
         WHERE excluded.is_final >= is_final",
    );
    let put = put.with(row.sid).with(row.account).with(row.friendly_name).with(row.status);
    let put = put.with(row.created).with(row.updated).with(row.reason_ended).with(row.call_sid_ending);
    put.with(row.is_listed).with(row.is_final)
}

fn put_participant(row: ParticipantRow) -> Statement {
    let put = Statement::new(
        "INSERT INTO participants (conference, call, label, muted, hold, coaching, coached, start_on_enter, end_on_exit,
                                   status, created, updated)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET label = excluded.label, muted = excluded.muted, hold = excluded.hold,
             coaching = excluded.coaching, coached = excluded.coached,
             start_on_enter = excluded.start_on_enter, end_on_exit = excluded.end_on_exit, status = excluded.status,
             updated = excluded.updated
         WHERE excluded.updated >= updated",
    );
    let put = put
        .with(row.conference)
        .with(row.call)
        .with(row.label)
        .with(row.muted)
        .with(row.hold)
        .with(row.coaching)
        .with(row.coached);
    let put = put.with(row.start_on_enter).with(row.end_on_exit).with(row.status);
    put.with(row.created).with(row.updated)
}
