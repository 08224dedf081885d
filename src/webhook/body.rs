//! What a server answers, read piece by piece: never more than was agreed on, never longer than there is time, and never
//! held as a whole unless it is small.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::time::{Instant, timeout_at};

use super::connection::Home;
use super::failure::FailureKind;

/// How long, and how much.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// When everything must be over.
    pub(super) deadline: Instant,
    /// How long the server may pause.
    pub(super) pause: Duration,
    /// Bytes that may come.
    pub(super) bytes: u64,
}

impl Bounds {
    /// When the next piece must be there.
    pub(super) fn next(&self) -> Instant {
        self.deadline.min(Instant::now() + self.pause)
    }
}

/// A body that is still coming.
pub(super) struct Body {
    incoming: Incoming,
    home: Option<Home>,
    bounds: Bounds,
    taken: u64,
}

impl Body {
    pub(super) fn new(incoming: Incoming, home: Home, bounds: Bounds) -> Self {
        Self { incoming, home: Some(home), bounds, taken: 0 }
    }

    /// The length that the server announced.
    pub(super) fn length(&self) -> Option<u64> {
        self.incoming.size_hint().exact()
    }

    /// The same body with other bounds, since it turned out to be something else.
    pub(super) fn within(mut self, bytes: u64, deadline: Instant) -> Self {
        self.bounds = Bounds { bytes, deadline, ..self.bounds };
        self
    }

    /// The next piece; nothing at the end. After an error there is nothing more.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, FailureKind> {
        if self.length().is_some_and(|length| self.taken + length > self.bounds.bytes) {
            return Err(FailureKind::TooLarge(self.bounds.bytes));
        }
        loop {
            let next = timeout_at(self.bounds.next(), self.incoming.frame()).await;
            let Ok(next) = next else {
                let is_over = Instant::now() >= self.bounds.deadline;
                return Err(if is_over { FailureKind::TimedOut } else { FailureKind::ReadTimedOut });
            };
            let Some(frame) = next else {
                self.release();
                return Ok(None);
            };
            // Trailers say nothing that is of use here.
            let Ok(data) = frame.map_err(|_| FailureKind::Broken)?.into_data() else { continue };
            self.taken += data.len() as u64;
            if self.taken > self.bounds.bytes {
                return Err(FailureKind::TooLarge(self.bounds.bytes));
            }
            return Ok(Some(data));
        }
    }

    /// All of it.
    pub(super) async fn whole(mut self) -> Result<Bytes, FailureKind> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.chunk().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    /// So many bytes of it, or a piece more; fewer if they do not come.
    pub(super) async fn beginning(mut self, bytes: usize) -> Vec<u8> {
        let mut beginning = Vec::new();
        while beginning.len() < bytes
            && let Ok(Some(piece)) = self.chunk().await
        {
            beginning.extend_from_slice(&piece);
        }
        beginning
    }

    /// Nobody is interested: the connection is kept if nothing is left to come, and closed otherwise.
    pub(super) fn dismiss(mut self) {
        if self.incoming.is_end_stream() {
            self.release();
        }
    }

    fn release(&mut self) {
        if let Some(home) = self.home.take() {
            home.go();
        }
    }
}
