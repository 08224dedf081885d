//! The half of a WebSocket that is written to: each message of the library's is a frame.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures_util::SinkExt as _;
use futures_util::stream::SplitSink;
use rsipstack::platform::CancellationToken;
use rsipstack::platform::tls::TlsStream;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite;

/// How long the far end may leave what we write unread. One that does is gone: what would wait for it has no bound else.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a WebSocket is closed (RFC 6455 §7.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// One of the two goes.
    GoingAway,
    /// What came were no frames.
    Malformed,
    /// What came was longer than any message.
    TooLong,
}

impl Closed {
    /// By what went wrong when it was read.
    pub(super) fn over(error: axum::Error) -> Self {
        let error = error.into_inner();
        match error.downcast_ref::<tungstenite::Error>() {
            Some(tungstenite::Error::Capacity(_)) => Self::TooLong,
            Some(tungstenite::Error::Protocol(_) | tungstenite::Error::Utf8(_)) => Self::Malformed,
            _ => Self::GoingAway,
        }
    }

    const fn code(self) -> u16 {
        match self {
            Self::GoingAway => 1_001,
            Self::Malformed => 1_002,
            Self::TooLong => 1_009,
        }
    }
}

/// What is written to. Cheap to clone.
#[derive(Clone)]
pub(super) struct Frames {
    /// None once it is closed: the library may remember the connection for as long as a call of it lasts, and that is not to keep
    /// it open.
    sink: Arc<Mutex<Option<SplitSink<WebSocket, Message>>>>,
    /// The address that far ends are told.
    local: SocketAddr,
    /// Cancelled when the connection is gone.
    gone: CancellationToken,
}

impl Frames {
    pub(super) fn new(
        sink: SplitSink<WebSocket, Message>,
        local: SocketAddr,
        gone: CancellationToken,
    ) -> Self {
        Self { sink: Arc::new(Mutex::new(Some(sink))), local, gone }
    }

    /// Sends a frame. If that takes too long, or fails, the connection is gone.
    pub(super) async fn send(&self, message: Message) -> io::Result<()> {
        let sending = timeout(WRITE_TIMEOUT, async {
            match &mut *self.sink.lock().await {
                Some(sink) => sink.send(message).await.map_err(io::Error::other),
                None => Err(io::ErrorKind::NotConnected.into()),
            }
        });
        let sent = tokio::select! {
            sent = sending => sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
            () = self.gone.cancelled() => Err(io::ErrorKind::NotConnected.into()),
        };
        sent.inspect_err(|_| self.gone.cancel())
    }

    /// Closes it, and says why. The far end may be gone.
    pub(super) async fn close(&self, why: Closed) {
        let close = CloseFrame { code: why.code(), reason: Utf8Bytes::default() };
        let closing = async {
            let Some(mut sink) = self.sink.lock().await.take() else {
                return;
            };
            if sink.send(Message::Close(Some(close))).await.is_err() {
                // It was closed from there, and what answers that is to go out.
                let _ = sink.flush().await;
            }
        };
        let _ = timeout(WRITE_TIMEOUT, closing).await;
    }
}

#[async_trait::async_trait]
impl TlsStream for Frames {
    async fn recv(&self) -> rsipstack::Result<Vec<u8>> {
        // What comes is read elsewhere; to the library nothing comes until the end.
        self.gone.cancelled().await;
        Ok(Vec::new())
    }

    async fn send_all(&self, data: Vec<u8>) -> rsipstack::Result<()> {
        Ok(self.send(frame(data)).await?)
    }

    async fn shutdown(&self) -> rsipstack::Result<()> {
        // Whoever reads it closes it, and says why.
        Ok(())
    }

    fn local_addr(&self) -> rsipstack::Result<SocketAddr> {
        Ok(self.local)
    }
}

/// A message as it goes out: as text, which all scripts can read, unless it is none (RFC 7118 §5).
fn frame(data: Vec<u8>) -> Message {
    match String::from_utf8(data) {
        Ok(text) => Message::Text(text.into()),
        Err(error) => Message::Binary(error.into_bytes().into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_goes_out_as_bytes() {
        assert_eq!(frame(b"SIP/2.0 200 OK".to_vec()), Message::Text("SIP/2.0 200 OK".into()));
        assert_eq!(frame(vec![b'a', 0xe9]), Message::Binary(vec![b'a', 0xe9].into()));
    }

    #[test]
    fn a_far_end_is_told_what_was_wrong() {
        let said = |error: tungstenite::Error| Closed::over(axum::Error::new(error)).code();
        let long = tungstenite::error::CapacityError::MessageTooLong { size: 9, max_size: 8 };
        assert_eq!(said(tungstenite::Error::Capacity(long)), 1_009);
        assert_eq!(said(tungstenite::error::ProtocolError::ReceivedAfterClosing.into()), 1_002);
        assert_eq!(said(tungstenite::Error::ConnectionClosed), 1_001);
    }
}
