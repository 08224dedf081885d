//! Where the directory is written down: documents of a kind, by name. In the store; in tests, in memory.

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::error::DirectoryError;
use super::register::Record;
use crate::store::{Document, Store, StoreError};

/// What keeps documents failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what keeps the accounts and numbers failed: {0}")]
pub struct ShelfError(pub String);

/// Keeps documents.
#[async_trait]
pub trait Shelf: Send + Sync {
    /// All of a kind, in any order.
    async fn documents(&self, kind: &str) -> Result<Vec<Document>, ShelfError>;

    /// Puts one in its place, over the one that was there. Durable when it answers.
    async fn put(&self, document: Document) -> Result<(), ShelfError>;

    /// Removes one. One that is not there is removed already.
    async fn remove(&self, kind: &str, sid: &str) -> Result<(), ShelfError>;
}

impl From<StoreError> for ShelfError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

#[async_trait]
impl Shelf for Store {
    async fn documents(&self, kind: &str) -> Result<Vec<Document>, ShelfError> {
        Ok(Self::documents(self, kind).await?)
    }

    async fn put(&self, document: Document) -> Result<(), ShelfError> {
        Ok(self.put_document(document).await?)
    }

    async fn remove(&self, kind: &str, sid: &str) -> Result<(), ShelfError> {
        Ok(self.remove_document(kind, sid).await?)
    }
}

/// A record as it is written down.
pub(super) fn document<R: Record>(record: &R) -> Result<Document, DirectoryError> {
    let unwritable = |error| DirectoryError::Unreadable { kind: R::KIND, why: format!("{error}") };
    Ok(Document {
        kind: R::KIND.to_owned(),
        sid: record.sid().to_string(),
        account: record.account().to_string(),
        body: Zeroizing::new(serde_json::to_string(record).map_err(unwritable)?),
    })
}

/// One that forgets all when it is dropped, and fails when it is told to.
#[cfg(test)]
#[derive(Default)]
pub(super) struct MemoryShelf {
    pub(super) documents: std::sync::Mutex<std::collections::BTreeMap<(String, String), Document>>,
    pub(super) is_broken: std::sync::atomic::AtomicBool,
}

#[cfg(test)]
impl MemoryShelf {
    fn check(&self) -> Result<(), ShelfError> {
        match self.is_broken.load(std::sync::atomic::Ordering::SeqCst) {
            true => Err(ShelfError("the disk is full".to_owned())),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
#[async_trait]
impl Shelf for MemoryShelf {
    async fn documents(&self, kind: &str) -> Result<Vec<Document>, ShelfError> {
        self.check()?;
        let documents = self.documents.lock().expect("nobody panicked");
        Ok(documents.values().filter(|document| document.kind == kind).cloned().collect())
    }

    async fn put(&self, document: Document) -> Result<(), ShelfError> {
        self.check()?;
        let name = (document.kind.clone(), document.sid.clone());
        self.documents.lock().expect("nobody panicked").insert(name, document);
        Ok(())
    }

    async fn remove(&self, kind: &str, sid: &str) -> Result<(), ShelfError> {
        self.check()?;
        self.documents.lock().expect("nobody panicked").remove(&(kind.to_owned(), sid.to_owned()));
        Ok(())
    }
}
