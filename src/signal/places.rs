//! How many may be connected: so many in all, and so many who have not said yet who they are, so that strangers cannot take the
//! places of agents.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections at a time. Each has a task and some 20 KiB of buffers; a node of a thousand agents with two windows each.
const CONNECTIONS_MAX: usize = 2_048;

/// Those of them that have shown no token yet. That takes one round trip.
const STRANGERS_MAX: usize = 256;

/// The places.
#[derive(Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            strangers: Arc::new(Semaphore::new(STRANGERS_MAX)),
        }
    }
}

/// A connection's place.
#[derive(Debug)]
pub(super) struct Place {
    _one: OwnedSemaphorePermit,
    stranger: Option<OwnedSemaphorePermit>,
}

impl Places {
    /// One for a stranger, if there is one.
    pub(super) fn take(&self) -> Option<Place> {
        let stranger = Arc::clone(&self.strangers).try_acquire_owned().ok()?;
        let one = Arc::clone(&self.all).try_acquire_owned().ok()?;
        Some(Place { _one: one, stranger: Some(stranger) })
    }
}

impl Place {
    /// Whoever has it is no stranger any more.
    pub(super) fn is_known(&mut self) {
        self.stranger = None;
    }
}
