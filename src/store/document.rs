//! Documents: what the node keeps in memory and only remembers here, as JSON by kind and name.

use std::fmt;

use sqlx::Row;
use zeroize::Zeroizing;

use super::Store;
use super::error::StoreError;
use super::statement::Statement;
use super::writer::Importance;

/// A document: an account, a key, an application, a number, a queue.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    /// What it is: `account`, `key`.
    pub kind: String,
    /// Its name, unlike every other's of its kind.
    pub sid: String,
    /// The account it belongs to.
    pub account: String,
    /// JSON. It may hold secrets, so it is wiped when it is dropped.
    pub body: Zeroizing<String>,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("kind", &self.kind).field("sid", &self.sid).finish_non_exhaustive()
    }
}

impl Store {
    /// All documents of a kind, by name.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn documents(&self, kind: &str) -> Result<Vec<Document>, StoreError> {
        let rows = sqlx::query("SELECT kind, sid, account, body FROM documents WHERE kind = ? ORDER BY sid")
            .bind(kind)
            .fetch_all(&self.inner.readers)
            .await?;
        let document = |row: &sqlx::sqlite::SqliteRow| {
            Ok(Document {
                kind: row.try_get(0)?,
                sid: row.try_get(1)?,
                account: row.try_get(2)?,
                body: Zeroizing::new(row.try_get(3)?),
            })
        };
        rows.iter().map(document).collect()
    }

    /// Keeps a document in place of the one of the same kind and name. Answers when no loss of power can undo it.
    ///
    /// # Errors
    /// When it could not be written; what there was before then stands.
    pub async fn put_document(&self, document: Document) -> Result<(), StoreError> {
        self.refuse_makeshift()?;
        self.write_durably(vec![put(document)]).await
    }

    /// The same without waiting: a loss of power within the next moments undoes it.
    ///
    /// # Errors
    /// When the queue is full.
    pub fn try_put_document(&self, document: Document) -> Result<(), StoreError> {
        self.try_write(put(document), Importance::Lasting)
    }

    /// Forgets a document. One that there is not is none of its business. Answers when no loss of power can undo it.
    ///
    /// # Errors
    /// When it could not be written; the document then stands.
    pub async fn remove_document(&self, kind: &str, sid: &str) -> Result<(), StoreError> {
        self.refuse_makeshift()?;
        self.write_durably(vec![remove(kind, sid)]).await
    }

    /// The same without waiting.
    ///
    /// # Errors
    /// When the queue is full.
    pub fn try_remove_document(&self, kind: &str, sid: &str) -> Result<(), StoreError> {
        self.try_write(remove(kind, sid), Importance::Lasting)
    }

    /// What must outlive the process is not taken by a store that does not.
    fn refuse_makeshift(&self) -> Result<(), StoreError> {
        if self.is_makeshift() { Err(StoreError::Makeshift) } else { Ok(()) }
    }
}

fn put(document: Document) -> Statement {
    let Document { kind, sid, account, body } = document;
    let put = Statement::new(
        "INSERT INTO documents (kind, sid, account, body) VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET account = excluded.account, body = excluded.body",
    );
    put.with(kind).with(sid).with(account).with(body)
}

fn remove(kind: &str, sid: &str) -> Statement {
    Statement::new("DELETE FROM documents WHERE kind = ? AND sid = ?").with(kind).with(sid)
}
