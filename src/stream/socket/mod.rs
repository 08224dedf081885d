//! WebSockets of streams (RFC 6455), opened by the node: guarded, pinned and secured as webhooks are, signed as they are,
//! without redirects, and bounded in time and size.
//!
//! ```text
//! StreamUrl ─▶ guard, connection, TLS ─▶ upgrade, signed ─▶ Sink │ Source
//! ```

mod error;
mod network;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::http::Request;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, HeaderName, HeaderValue, USER_AGENT};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

pub use self::error::SocketError;
use self::network::PromptNetwork;
use super::protocol::{Flaw, MESSAGE_MAX, Received, read};
use crate::config::Secret;
use crate::sid::{AccountSid, StreamSid};
use crate::webhook::{
    Egress, FailureKind, HEADER, Network, SigningKeys, Stream, TrustError, UpgradeUrl, Upgrades, sign,
};

/// How long a server has to take the connection, TLS included. The caller waits with what they say.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// How long it has to become a WebSocket then.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(5);

/// How long it may take nothing. Longer stalls are broken connections that have not shown yet.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);

/// Bytes read at a time, of which all are cleared before each look, whatever comes. A message of 20 ms has some 350.
const READ_BUFFER: usize = 2 * 1024;

/// Bytes written at a time at most; a message is written whole.
const WRITE_BUFFER: usize = 8 * 1024;

const AGENT: &str = concat!("Confab/", env!("CARGO_PKG_VERSION"));

/// Where a stream's server is.
#[derive(Clone, Debug)]
pub struct StreamUrl(UpgradeUrl);

impl StreamUrl {
    /// Reads a `wss` or `ws` URL.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, SocketError> {
        let is = |scheme: &str| text.get(..scheme.len()).is_some_and(|it| it.eq_ignore_ascii_case(scheme));
        if !is("wss:") && !is("ws:") {
            return Err(SocketError::Scheme);
        }
        UpgradeUrl::parse(text).map(Self).map_err(|kind| {
            if let FailureKind::BadUrl(why) = kind { SocketError::Url(why) } else { SocketError::Reach(kind) }
        })
    }

    /// What may be shown of it: neither query nor user.
    pub fn shown(&self) -> String {
        self.0.shown()
    }
}

/// Opens sockets. Cheap to clone.
#[derive(Clone)]
pub struct Dialler {
    upgrades: Arc<Upgrades>,
    keys: Arc<dyn SigningKeys>,
}

impl Dialler {
    /// Trusts the machine's authorities, and those in the PEM file `extra` besides; signs with `keys`.
    ///
    /// # Errors
    /// When authorities that should be trusted cannot be read.
    pub fn new(egress: Egress, extra: Option<&Path>, keys: Arc<dyn SigningKeys>) -> Result<Self, TrustError> {
        Self::over(Arc::new(PromptNetwork::default()), egress, extra, keys)
    }

    /// The same over another network.
    pub(super) fn over(
        network: Arc<dyn Network>,
        egress: Egress,
        extra: Option<&Path>,
        keys: Arc<dyn SigningKeys>,
    ) -> Result<Self, TrustError> {
        Ok(Self { upgrades: Arc::new(Upgrades::new(network, egress, extra)?), keys })
    }

    /// A socket for a stream of an account.
    ///
    /// # Errors
    /// When there is none.
    pub async fn open(
        &self,
        url: &StreamUrl,
        account: AccountSid,
        stream: StreamSid,
    ) -> Result<Socket, SocketError> {
        let key = self.keys.auth_token(&account.to_string()).ok_or(SocketError::NoKey)?;
        let request = upgrade(&url.0, &key)?;
        let bytes = self.upgrades.open(&url.0, CONNECT_PATIENCE).await.map_err(SocketError::Reach)?;
        let shaken = timeout(HANDSHAKE_PATIENCE, client_async_with_config(request, bytes, Some(bounds())));
        let timed_out = |_| SocketError::HandshakeTimedOut(HANDSHAKE_PATIENCE.as_secs());
        let (socket, _) = shaken.await.map_err(timed_out)?.map_err(|error| of_handshake(&error))?;
        let (sink, source) = socket.split();
        Ok(Socket { sink: Sink(sink), source: Source { source, stream, is_over: false } })
    }
}

impl fmt::Debug for Dialler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialler").finish_non_exhaustive()
    }
}

fn upgrade(url: &UpgradeUrl, key: &Secret) -> Result<Request<()>, SocketError> {
    let text = url.text();
    let wrong = SocketError::Url("no request can be made of it");
    let mut request = text.as_str().into_client_request().map_err(|_| wrong.clone())?;
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    let name = HeaderName::from_bytes(HEADER.as_bytes()).map_err(|_| wrong.clone())?;
    let signature = HeaderValue::try_from(sign(key, &text, &[])).map_err(|_| wrong.clone())?;
    headers.insert(name, signature);
    if let Some(basic) = url.basic() {
        let mut value = HeaderValue::try_from(basic.expose()).map_err(|_| wrong)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(request)
}

fn bounds() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX))
}

fn of_handshake(error: &Error) -> SocketError {
    match error {
        Error::Http(response) => SocketError::Status(response.status().as_u16()),
        Error::Io(_) | Error::ConnectionClosed | Error::AlreadyClosed => SocketError::Broken,
        Error::Tls(_)
        | Error::Capacity(_)
        | Error::Protocol(_)
        | Error::WriteBufferFull(_)
        | Error::Utf8(_)
        | Error::AttackAttempt
        | Error::Url(_)
        | Error::HttpFormat(_) => SocketError::Handshake(error.to_string()),
    }
}

/// An open WebSocket of a stream; both halves are used at the same time, so that a server that sends before it reads
/// stops nobody.
pub struct Socket {
    /// What goes to the server.
    pub sink: Sink,
    /// What comes from it.
    pub source: Source,
}

type Bytes = WebSocketStream<Box<dyn Stream>>;

/// What goes to the server.
pub struct Sink(SplitSink<Bytes, Message>);

impl Sink {
    /// Sends messages, and returns when the system has them.
    ///
    /// # Errors
    /// When the socket is over, or the server takes nothing for a minute.
    pub async fn send(&mut self, texts: Vec<String>) -> Result<(), SocketError> {
        let sent = timeout(WRITE_PATIENCE, async {
            for text in texts {
                self.0.feed(Message::text(text)).await?;
            }
            self.0.flush().await
        });
        match sent.await {
            Ok(sent) => sent.map_err(|error| of_socket(&error)),
            Err(_) => Err(SocketError::Stalled(WRITE_PATIENCE.as_secs())),
        }
    }

    /// Says that nothing more comes (RFC 6455 §5.5.1).
    ///
    /// # Errors
    /// When the socket is over.
    pub async fn close(&mut self) -> Result<(), SocketError> {
        self.0.close().await.map_err(|error| of_socket(&error))
    }
}

/// What comes from the server.
pub struct Source {
    source: SplitStream<Bytes>,
    stream: StreamSid,
    is_over: bool,
}

impl Source {
    /// The next message, or what is wrong with it.
    ///
    /// # Errors
    /// When the socket is over, which it is for good.
    pub async fn next(&mut self) -> Result<Result<Received, Flaw>, SocketError> {
        loop {
            if self.is_over {
                return Err(SocketError::Broken);
            }
            let next = match self.source.next().await {
                None => Err(SocketError::Broken),
                Some(Ok(message)) => self.heard(&message),
                // The rest of it is still to come, and would be taken for frames.
                Some(Err(Error::Capacity(CapacityError::MessageTooLong { .. }))) => {
                    self.is_over = true;
                    return Ok(Err(Flaw::TooLong));
                }
                Some(Err(error)) => Err(of_socket(&error)),
            };
            match next {
                Ok(None) => {}
                Ok(Some(heard)) => return Ok(heard),
                Err(error) => {
                    self.is_over = true;
                    return Err(error);
                }
            }
        }
    }

    fn heard(&self, message: &Message) -> Result<Option<Result<Received, Flaw>>, SocketError> {
        match message {
            Message::Text(text) => Ok(Some(read(text, self.stream))),
            Message::Binary(_) => Ok(Some(Err(Flaw::Binary))),
            // Answered by the library.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(None),
            Message::Close(said) => Err(SocketError::Closed(said.as_ref().map(|said| u16::from(said.code)))),
        }
    }
}

fn of_socket(error: &Error) -> SocketError {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed | Error::Io(_) => SocketError::Broken,
        Error::Protocol(
            tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
        ) => SocketError::Broken,
        // Text that is no UTF-8 is malformed; the library cannot go on behind it.
        Error::Tls(_)
        | Error::Capacity(_)
        | Error::Protocol(_)
        | Error::WriteBufferFull(_)
        | Error::Utf8(_)
        | Error::AttackAttempt
        | Error::Url(_)
        | Error::Http(_)
        | Error::HttpFormat(_) => SocketError::Protocol(error.to_string()),
    }
}
