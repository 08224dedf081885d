//! A server that media streams connect to: keeps what it is told, and says or does what the test wants.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use crate::peer::within;

/// What a test has it do on a connection.
#[derive(Debug)]
pub(crate) enum Order {
    Say(Message),
    /// End it in order, with this status.
    Close(u16),
    /// End it without a word.
    Drop,
    /// Read nothing any more.
    BeDeaf,
}

/// A stream's WebSocket, as its server has it.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    heard: Arc<Mutex<Vec<Value>>>,
    is_over: Arc<Mutex<bool>>,
    orders: mpsc::Sender<Order>,
    bell: Arc<Notify>,
}

pub(crate) struct StreamServer {
    pub(crate) address: SocketAddr,
    scheme: &'static str,
    connections: Arc<Mutex<Vec<Connection>>>,
    bell: Arc<Notify>,
}

impl StreamServer {
    pub(crate) async fn start() -> Self {
        Self::start_over(None).await
    }

    /// One that wants TLS, and has a certificate that whoever calls may not like.
    pub(crate) async fn secure(acceptor: TlsAcceptor) -> Self {
        Self::start_over(Some(acceptor)).await
    }

    async fn start_over(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "wss" } else { "ws" };
        let server = Self { address, scheme, connections: Arc::default(), bell: Arc::default() };
        let (connections, bell) = (Arc::clone(&server.connections), Arc::clone(&server.bell));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (connections, bell) = (Arc::clone(&connections), Arc::clone(&bell));
                match tls.clone() {
                    None => drop(tokio::spawn(serve(stream, connections, bell))),
                    Some(tls) => drop(tokio::spawn(async move {
                        if let Ok(stream) = tls.accept(stream).await {
                            serve(stream, connections, bell).await;
                        }
                    })),
                }
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}/{path}", self.scheme, self.address)
    }

    /// The connection of this number, from 0, when it is there.
    pub(crate) async fn connection(&self, number: usize) -> Connection {
        until(&self.bell, &format!("connection {number}"), || {
            self.connections.lock().unwrap().get(number).cloned()
        })
        .await
    }
}

impl Connection {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn heard(&self) -> Vec<Value> {
        self.heard.lock().unwrap().clone()
    }

    /// All that was heard, once `enough` of it was.
    pub(crate) async fn heard_until(&self, what: &str, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        until(&self.bell, what, || {
            let heard = self.heard.lock().unwrap();
            enough(&heard).then(|| heard.clone())
        })
        .await
    }

    /// So many sounds of a track, the first of those that come from now on.
    pub(crate) async fn sounds_from_now(&self, track: &str, count: usize) -> Vec<Value> {
        let before = self.heard().len();
        let sounds = |heard: &[Value]| -> Vec<Value> {
            let sounds = heard.iter().skip(before).filter(|message| message["media"]["track"] == track);
            sounds.take(count).cloned().collect()
        };
        sounds(&self.heard_until(&format!("{count} sounds"), |heard| sounds(heard).len() == count).await)
    }

    /// All that was heard, once it is over.
    pub(crate) async fn over(&self) -> Vec<Value> {
        until(&self.bell, "the end of a stream", || self.is_over.lock().unwrap().then_some(())).await;
        self.heard()
    }

    pub(crate) async fn does(&self, order: Order) {
        self.orders.send(order).await.unwrap();
    }
}

async fn until<T>(bell: &Notify, what: &str, found: impl Fn() -> Option<T>) -> T {
    within(what, async {
        loop {
            let rung = bell.notified();
            tokio::pin!(rung);
            rung.as_mut().enable();
            if let Some(found) = found() {
                return found;
            }
            rung.await;
        }
    })
    .await
}

async fn serve<S>(stream: S, connections: Arc<Mutex<Vec<Connection>>>, bell: Arc<Notify>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (mut path, mut headers) = (String::new(), Vec::new());
    #[expect(clippy::result_large_err, reason = "the library's own type")]
    let look = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        path = request.uri().path().to_owned();
        let all = request.headers().iter();
        headers = all.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        Ok(response)
    };
    let socket = accept_hdr_async(stream, look).await.unwrap();
    let (orders, given) = mpsc::channel(16);
    let connection = Connection {
        path,
        headers,
        heard: Arc::default(),
        is_over: Arc::default(),
        orders,
        bell: Arc::clone(&bell),
    };
    connections.lock().unwrap().push(connection.clone());
    bell.notify_waiters();
    hear(socket, &connection, given).await;
    *connection.is_over.lock().unwrap() = true;
    bell.notify_waiters();
}

async fn hear<S>(mut socket: WebSocketStream<S>, to: &Connection, mut orders: mpsc::Receiver<Order>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    to.heard.lock().unwrap().push(serde_json::from_str(&text).unwrap());
                    to.bell.notify_waiters();
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            Some(order) = orders.recv() => match order {
                // A stream that is gone hears nothing more.
                Order::Say(message) => drop(socket.send(message).await),
                Order::Close(code) => {
                    let frame = CloseFrame { code: code.into(), reason: "".into() };
                    let _ = socket.close(Some(frame)).await;
                }
                Order::Drop => return,
                Order::BeDeaf => std::future::pending().await,
            },
        }
    }
}
