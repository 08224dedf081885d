//! What a browser is told: messages that wait to be sent over its connection, as many as fit. A browser that does not read is
//! let go of, and finds its calls again when it comes back.

use axum::extract::ws::Utf8Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::message::Told;

/// Messages that may wait. Each call has a handful in its life; who has left so many unread reads no more.
const WAITING_MAX: usize = 64;

/// The way to a browser. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Line {
    messages: mpsc::Sender<Utf8Bytes>,
    /// Cancelled when the browser did not read.
    pub(super) overflowed: CancellationToken,
}

impl Line {
    /// A line, and what is to be sent.
    pub(super) fn new() -> (Self, mpsc::Receiver<Utf8Bytes>) {
        let (messages, waiting) = mpsc::channel(WAITING_MAX);
        (Self { messages, overflowed: CancellationToken::new() }, waiting)
    }

    /// Tells it something. A line that is lost swallows it: its calls are told anew when it comes back.
    pub(super) fn say(&self, told: &Told<'_>) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.messages.try_send(told.to_json()) {
            self.overflowed.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_read_is_let_go_of_and_what_waits_is_bounded() {
        let (line, mut waiting) = Line::new();
        for _ in 0..WAITING_MAX {
            line.say(&Told::Ready {});
        }
        assert!(!line.overflowed.is_cancelled());
        line.say(&Told::Ready {});
        assert!(line.overflowed.is_cancelled());
        waiting.close();
        assert_eq!(std::iter::from_fn(|| waiting.try_recv().ok()).count(), WAITING_MAX);
        // And a line that is lost is nobody's trouble.
        Line::new().0.say(&Told::Ready {});
    }
}
