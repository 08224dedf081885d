//! SIP over a connection, be it TCP, TLS or a WebSocket: our own framer and guard in front of the library, whose reader would
//! close a trunk's connection, and with it all its calls, over one message it cannot parse. The library only writes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rsipstack::platform::CancellationToken;
use rsipstack::sip::{SipMessage, Transport};
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transport::tcp::TcpConnection;
use rsipstack::transport::tls_platform::PlatformTlsConnection;
use rsipstack::transport::{SipAddr, SipConnection};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tracing::debug;

use super::guard::{self, Framer, Verdict};
use super::udp::Gate;

/// Connections of one listener at a time. Trunks have one or a few each; more are refused, so that whoever opens
/// thousands does not use up the descriptors that calls need.
const CONNECTIONS_MAX: usize = 1_024;

/// A connection on which nothing comes for so long is closed. RFC 5626 §4.4.1 has peers send keep-alives at
/// least every two minutes.
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);

/// How long a message may take from its first byte to its last.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to pause when the system cannot accept: out of descriptors, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until `stop`, and has each served by a task of its own. The token of each is cancelled when
/// it is gone, so that the library stops choosing it.
pub(super) async fn accept<S>(
    listener: TcpListener,
    gate: Arc<Gate>,
    stop: CancellationToken,
    serve: impl Fn(TcpStream, SocketAddr, CancellationToken) -> S,
) where
    S: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((stream, source)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            gate.counters.connections_refused.increment();
            continue;
        };
        let served = serve(stream, source, stop.child_token());
        tokio::spawn(async move {
            served.await;
            drop(place);
        });
    }
}

/// What serving any connection takes.
pub(super) struct Serving {
    pub(super) endpoint: EndpointInnerRef,
    pub(super) gate: Arc<Gate>,
}

/// A connection as the library writes to it.
#[derive(Clone)]
pub(super) enum Link {
    Tcp(TcpConnection),
    /// TLS, or a WebSocket: [`transport_of`] tells them apart.
    Tls(PlatformTlsConnection),
}

impl Link {
    pub(super) async fn send_raw(&self, bytes: &[u8]) -> rsipstack::Result<()> {
        match self {
            Self::Tcp(connection) => connection.inner.send_raw(bytes).await,
            Self::Tls(connection) => connection.send_raw(bytes).await,
        }
    }

    fn transport(&self) -> Transport {
        match self {
            Self::Tcp(_) => Transport::Tcp,
            Self::Tls(connection) => said_by(connection),
        }
    }
}

/// What a connection is. The library takes all that is handed to it ([`super::tls`]) for TLS; only the address of the far end
/// says what it is.
pub(super) fn transport_of(connection: &SipConnection) -> Transport {
    if let SipConnection::TlsPlatform(connection) = connection {
        return said_by(connection);
    }
    connection.transport()
}

fn said_by(connection: &PlatformTlsConnection) -> Transport {
    connection.get_remote_addr().r#type.unwrap_or(Transport::Tls)
}

/// Whether that is a WebSocket, over TLS or without.
pub(super) const fn is_websocket(transport: Transport) -> bool {
    matches!(transport, Transport::Ws | Transport::Wss)
}

impl From<Link> for SipConnection {
    fn from(link: Link) -> Self {
        match link {
            Link::Tcp(connection) => Self::Tcp(connection),
            Link::Tls(connection) => Self::TlsPlatform(connection),
        }
    }
}

/// A connection while it is served.
pub(super) struct Served {
    pub(super) link: Link,
    pub(super) source: SocketAddr,
    pub(super) serving: Arc<Serving>,
    /// Cancelled when the connection is gone.
    pub(super) token: CancellationToken,
}

impl Served {
    /// Serves it to its end. Requests of ours to this address go over it as well, as long as the library knows it.
    pub(super) async fn serve(self, mut reader: impl AsyncRead + Unpin) {
        tokio::select! {
            () = self.read(&mut reader) => {}
            () = self.token.cancelled() => {}
        }
        self.end().await;
    }

    /// Has everybody know that it is gone.
    pub(super) async fn end(self) {
        self.token.cancel();
        debug!("SIP connection closed");
        // It may be closed already.
        let _ = SipConnection::from(self.link).close().await;
    }

    async fn read(&self, reader: &mut (impl AsyncRead + Unpin)) {
        let mut framer = Framer::new();
        let mut piece = vec![0; 16 * 1024];
        loop {
            let patience = if framer.buffered() > 0 { MESSAGE_TIMEOUT } else { IDLE_TIMEOUT };
            let len = match tokio::time::timeout(patience, reader.read(&mut piece)).await {
                Ok(Ok(len)) if len > 0 => len,
                // Closed, broken, or too quiet.
                Ok(_) | Err(_) => return,
            };
            framer.push(&piece[..len]);
            while let Some(framed) = framer.next() {
                let intact = match &framed {
                    Ok(message) => self.take(message).await,
                    // Where the next message begins is lost: answer what can be answered, and close.
                    Err(broken) => {
                        self.take(broken.message()).await;
                        false
                    }
                };
                if !intact {
                    return;
                }
            }
        }
    }

    /// Handles one message; `false` when the connection is of no more use.
    pub(super) async fn take(&self, message: &[u8]) -> bool {
        let framed_by = if is_websocket(self.link.transport()) {
            guard::Transport::WebSocket
        } else {
            guard::Transport::Tcp
        };
        match self.serving.gate.judge(message, framed_by, self.source) {
            Verdict::Forward(message) => self.forward(&message).await,
            Verdict::Reply { message, .. } => self.link.send_raw(&message).await.is_ok(),
            Verdict::Discard(_) => true,
        }
    }

    async fn forward(&self, message: &[u8]) -> bool {
        let parsed = SipMessage::try_from(message).and_then(|message| {
            SipConnection::update_msg_received(message, self.source, self.link.transport())
                .map_err(|e| rsipstack::sip::Error::ParseError(e.to_string()))
        });
        let Ok(message) = parsed else {
            // The guard has tried the same; a difference would be a defect, not a reason to drop calls.
            debug!("the library refused what the guard let through");
            return true;
        };
        let connection = SipConnection::from(self.link.clone());
        let from = SipAddr { r#type: Some(self.link.transport()), addr: self.source.into() };
        if let Err(e) = self.serving.endpoint.on_received_message(message, connection, &from).await {
            debug!(error = %e, "SIP message not taken");
        }
        true
    }
}
