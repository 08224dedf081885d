//! SIP over TCP: our own listener in front of the library.

use std::sync::Arc;

use rsipstack::platform::CancellationToken;
use rsipstack::transport::SipAddr;
use rsipstack::transport::tcp::TcpConnection;
use tokio::net::TcpListener;

use super::stream::{self, Link, Served, Serving};

/// Accepts connections until `stop`.
pub(super) async fn listen(
    listener: TcpListener,
    advertised: SipAddr,
    serving: Serving,
    stop: CancellationToken,
) {
    let serving = Arc::new(serving);
    let gate = Arc::clone(&serving.gate);
    stream::accept(listener, gate, stop, move |stream, source, token| {
        let (serving, advertised) = (Arc::clone(&serving), advertised.clone());
        async move {
            let Ok(connection) = TcpConnection::from_stream(stream, advertised, Some(token.clone())) else {
                return;
            };
            // Held for as long as the connection is served: the library would read from it as well.
            let mut half = connection.inner.read_half.lock().await;
            if let Some(reader) = half.take() {
                let link = Link::Tcp(connection.clone());
                serving.endpoint.transport_layer.add_connection(link.clone().into());
                Served { link, source, serving, token }.serve(reader).await;
            }
        }
    })
    .await;
}
