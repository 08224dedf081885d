//! SIP over TCP: our own listener, framer and guard in front of the library, whose reader would close a trunk's
//! connection, and with it all its calls, over one message it cannot parse. The library only writes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rsipstack::platform::CancellationToken;
use rsipstack::sip::SipMessage;
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transport::tcp::TcpConnection;
use rsipstack::transport::{SipAddr, SipConnection};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tracing::debug;

use super::guard::{Framer, Transport, Verdict};
use super::udp::Gate;

/// Connections at a time. Trunks have one or a few each; more are refused, so that whoever opens thousands does
/// not use up the descriptors that calls need.
const CONNECTIONS_MAX: usize = 1_024;

/// A connection on which nothing comes for so long is closed. RFC 5626 §4.4.1 has peers send keep-alives at
/// least every two minutes.
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);

/// How long a message may take from its first byte to its last.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to pause when the system cannot accept: out of descriptors, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until `stop`.
pub(super) async fn listen(
    listener: TcpListener,
    advertised: SipAddr,
    endpoint: EndpointInnerRef,
    gate: Arc<Gate>,
    stop: CancellationToken,
) {
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
        let token = stop.child_token();
        let Ok(connection) = TcpConnection::from_stream(stream, advertised.clone(), Some(token.clone()))
        else {
            continue;
        };
        let served =
            Served { connection, source, endpoint: endpoint.clone(), gate: Arc::clone(&gate), token };
        tokio::spawn(async move {
            served.serve().await;
            drop(place);
        });
    }
}

struct Served {
    connection: TcpConnection,
    source: SocketAddr,
    endpoint: EndpointInnerRef,
    gate: Arc<Gate>,
    /// Cancelled when the connection is gone, so that the library stops choosing it.
    token: CancellationToken,
}

type ReadHalf = tokio::io::ReadHalf<TcpStream>;

impl Served {
    async fn serve(self) {
        let Some(mut reader) = self.connection.inner.read_half.lock().await.take() else {
            return;
        };
        tokio::select! {
            () = self.read(&mut reader) => {}
            () = self.token.cancelled() => {}
        }
        self.token.cancel();
        debug!("SIP connection closed");
        // It may be closed already.
        let _ = SipConnection::Tcp(self.connection).close().await;
    }

    async fn read(&self, reader: &mut ReadHalf) {
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
    async fn take(&self, message: &[u8]) -> bool {
        match self.gate.judge(message, Transport::Tcp, self.source) {
            Verdict::Forward(message) => self.forward(&message).await,
            Verdict::Reply { message, .. } => self.connection.inner.send_raw(&message).await.is_ok(),
            Verdict::Discard(_) => true,
        }
    }

    async fn forward(&self, message: &[u8]) -> bool {
        let parsed = SipMessage::try_from(message).and_then(|message| {
            let tcp = rsipstack::sip::Transport::Tcp;
            SipConnection::update_msg_received(message, self.source, tcp)
                .map_err(|e| rsipstack::sip::Error::ParseError(e.to_string()))
        });
        let Ok(message) = parsed else {
            // The guard has tried the same; a difference would be a defect, not a reason to drop calls.
            debug!("the library refused what the guard let through");
            return true;
        };
        let connection = SipConnection::Tcp(self.connection.clone());
        let from = SipAddr { r#type: Some(rsipstack::sip::Transport::Tcp), addr: self.source.into() };
        if let Err(e) = self.endpoint.on_received_message(message, connection, &from).await {
            debug!(error = %e, "SIP message not taken");
        }
        true
    }
}
