//! The servers that streams connect to, all behind one port. The path says which it is: `/fork/N` and `/talk/N` are those that are
//! judged, `/bad/N` are those that misbehave.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use super::agent::Agent;
use super::told::{Event, StreamEar};
use crate::load::wire;

/// Ways to misbehave.
const BAD_WAYS: usize = 4;
/// Bytes of a message that nobody should send.
const HUGE: usize = 4 << 20;
/// Bytes read at a time. A message has some 350; as much as is read is cleared before, which of the usual 128 KiB would take
/// longer than all else.
const READ_BUFFER: usize = 8 * 1024;
/// Without anything to do an agent looks up after so long.
const IDLE: Duration = Duration::from_secs(3_600);

/// What there is to a stream's server.
#[derive(Debug)]
pub(super) struct Station {
    pub(super) ear: StreamEar,
    /// Who speaks, if somebody does.
    pub(super) agent: Option<Agent>,
}

/// All servers. The port is closed with it.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    task: JoinHandle<()>,
}

/// The servers that are judged, by the number of their caller.
pub(super) type Stations = Arc<Vec<Mutex<Station>>>;

/// A panic while it was locked left it whole.
pub(super) fn open(station: &Mutex<Station>) -> MutexGuard<'_, Station> {
    station.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Peer {
    /// Starts them.
    ///
    /// # Errors
    /// When there is no port.
    pub(super) async fn start(at: SocketAddr, stations: Stations) -> std::io::Result<Self> {
        let listener = TcpListener::bind(at).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&stations)));
            }
        });
        Ok(Self { address, task })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Socket = WebSocketStream<TcpStream>;

async fn serve(stream: TcpStream, stations: Stations) {
    // Without it answers are later, which is measured.
    let _ = stream.set_nodelay(true);
    let mut path = String::new();
    #[expect(clippy::result_large_err, reason = "the library's own type")]
    let look = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        path = request.uri().path().to_owned();
        Ok(response)
    };
    let bounds = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    let Ok(socket) = accept_hdr_async_with_config(stream, look, Some(bounds)).await else {
        return;
    };
    let mut parts = path.trim_start_matches('/').split('/');
    let (kind, number) = (parts.next(), parts.next().and_then(|number| number.parse::<usize>().ok()));
    match (kind, number) {
        (Some("bad"), Some(number)) => misbehave(socket, number).await,
        (Some("fork" | "talk"), Some(number)) => {
            if let Some(station) = stations.get(number) {
                attend(socket, station).await;
            }
        }
        _ => {}
    }
}

/// Hears a stream, and speaks if there is somebody to speak.
async fn attend(mut socket: Socket, station: &Mutex<Station>) {
    open(station).ear.connected();
    let mut due = Instant::now() + IDLE;
    loop {
        tokio::select! {
            message = socket.next() => {
                let at_ns = wire::monotonic_ns();
                match message {
                    Some(Ok(Message::Text(text))) => {
                        due = heard(station, &text, at_ns).map_or(due, |pause| Instant::now() + pause);
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return,
                }
            }
            () = sleep_until(due) => {
                let acted = open(station).agent.as_mut().map(Agent::act);
                let (messages, pause) = acted.unwrap_or((Vec::new(), IDLE));
                due = Instant::now() + pause;
                for message in messages {
                    if socket.feed(Message::text(message)).await.is_err() {
                        return;
                    }
                }
                if socket.flush().await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Takes in a message, and says in how long something is to be done, if that is another time now.
fn heard(station: &Mutex<Station>, text: &str, at_ns: i64) -> Option<Duration> {
    let mut station = open(station);
    let event = station.ear.hear(text, at_ns);
    let agent = station.agent.as_mut()?;
    match event {
        Event::Started(stream) => Some(agent.begin(stream)),
        Event::Mark(name) => agent.hear_mark(&name, at_ns),
        Event::Stopped => Some(IDLE),
        Event::Other => None,
    }
}

/// Is a server as nobody wants it, until the other end has enough.
async fn misbehave(mut socket: Socket, number: usize) {
    match number % BAD_WAYS {
        // Reads nothing.
        0 => std::future::pending().await,
        // Says what is none of its business, as fast as it is taken.
        1 => while socket.send(Message::text("{\"event\": \"noise\"")).await.is_ok() {},
        // Says what is too long for anybody.
        2 => while socket.send(Message::binary(vec![0; HUGE])).await.is_ok() {},
        // Says that it says nothing more, and reads on.
        _ => {
            let _ = socket.get_mut().shutdown().await;
            while socket.next().await.is_some_and(|message| message.is_ok()) {}
        }
    }
}
