//! Notes for the authors of applications: what went wrong, and what was asked and answered. They may be lost: a queue
//! that is full drops them.

use sqlx::QueryBuilder;

use super::Store;
use super::error::StoreError;
use super::records::{Between, equals, is_between, limit};
use super::statement::Statement;
use super::writer::Importance;

/// Something that went wrong in an application. What it holds was made fit to be shown by whoever notes it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
#[expect(missing_docs, reason = "the names say what they are")]
pub struct NotificationRow {
    pub sid: String,
    pub account: String,
    pub call: Option<String>,
    /// 0 for an error, 1 for a warning.
    pub log: i64,
    pub error_code: i64,
    /// Microseconds since 1970.
    pub created: i64,
    pub message: String,
    pub request_method: Option<String>,
    pub request_url: Option<String>,
    pub request_variables: Option<String>,
    pub response_headers: Option<String>,
    pub response_body: Option<String>,
}

/// A request to an application for a call, and what was answered, both as JSON.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
#[expect(missing_docs, reason = "the names say what they are")]
pub struct ExchangeRow {
    pub call: String,
    pub account: String,
    /// Microseconds since 1970.
    pub created: i64,
    pub request: String,
    pub response: String,
}

/// Which notifications to find.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is what the row of a notification says it is")]
pub struct NotificationQuery {
    pub account: String,
    pub call: Option<String>,
    pub log: Option<i64>,
    pub created: Between,
}

impl Store {
    /// Notes that something went wrong. Does not wait; a full queue drops and counts it.
    pub fn note(&self, row: NotificationRow) {
        let note = Statement::new(
            "INSERT INTO notifications (sid, account, call, log, error_code, created, message, request_method,
                 request_url, request_variables, response_headers, response_body)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        );
        let note = note.with(row.sid).with(row.account).with(row.call).with(row.log).with(row.error_code);
        let note = note.with(row.created).with(row.message).with(row.request_method).with(row.request_url);
        let note = note.with(row.request_variables).with(row.response_headers).with(row.response_body);
        // What is dropped was counted.
        let _ = self.try_write(note, Importance::Passing);
    }

    /// Notes what was asked and answered. Does not wait; a full queue drops and counts it.
    pub fn note_exchange(&self, row: ExchangeRow) {
        let note = Statement::new(
            "INSERT INTO exchanges (call, account, created, request, response) VALUES (?, ?, ?, ?, ?)",
        );
        let note = note.with(row.call).with(row.account).with(row.created).with(row.request);
        // What is dropped was counted.
        let _ = self.try_write(note.with(row.response), Importance::Passing);
    }

    /// Notifications, the newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn notifications(
        &self,
        query: &NotificationQuery,
        offset: usize,
        count: usize,
    ) -> Result<Vec<NotificationRow>, StoreError> {
        let mut sql = QueryBuilder::new("SELECT * FROM notifications WHERE account = ");
        sql.push_bind(query.account.clone());
        equals(&mut sql, "call", query.call.as_ref());
        if let Some(log) = query.log {
            sql.push(" AND log = ").push_bind(log);
        }
        is_between(&mut sql, "created", query.created);
        limit(&mut sql, offset, count);
        Ok(sql.build_query_as().fetch_all(&self.inner.readers).await?)
    }

    /// One notification of an account.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn notification(
        &self,
        account: &str,
        sid: &str,
    ) -> Result<Option<NotificationRow>, StoreError> {
        let sql = "SELECT * FROM notifications WHERE account = ? AND sid = ?";
        Ok(sqlx::query_as(sql).bind(account).bind(sid).fetch_optional(&self.inner.readers).await?)
    }

    /// What was asked and answered for a call, in order.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn exchanges(
        &self,
        call: &str,
        offset: usize,
        count: usize,
    ) -> Result<Vec<ExchangeRow>, StoreError> {
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let sql = "SELECT * FROM exchanges WHERE call = ? ORDER BY seq LIMIT ? OFFSET ?";
        let query = sqlx::query_as(sql).bind(call).bind(number(count)).bind(number(offset));
        Ok(query.fetch_all(&self.inner.readers).await?)
    }
}
