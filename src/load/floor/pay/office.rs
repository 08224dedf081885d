//! The application behind the desks: takes the node's callbacks, and the calls' sound over WebSockets.
//!
//! | path | what |
//! |---|---|
//! | `POST /told/DESK` | what is told of a payment |
//! | `GET /sound/NAME` | a WebSocket to which a call is streamed |

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::card::holds_card;
use crate::load::law::Law;

/// Callbacks that wait to be looked at: a payment has some thirty. What comes beyond is refused, and comes again.
const TOLD_MAX: usize = 10_000;
/// Samples of one track that wait: a quarter of an hour. What comes beyond is not kept.
const SAMPLES_MAX: usize = 8_000 * 900;

/// What is told once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told(HashMap<String, String>);

impl Told {
    fn read(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// A field, or nothing.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

#[derive(Default)]
struct Inside {
    told: HashMap<usize, Vec<Told>>,
    callbacks: u64,
    /// Callbacks in which a card is.
    holding: u64,
    /// By the stream's name, and the track's.
    sounds: HashMap<String, HashMap<String, Vec<i16>>>,
}

#[derive(Default)]
struct Shared {
    inside: Mutex<Inside>,
    bell: Notify,
}

impl Shared {
    fn inside(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An application for one run.
pub(super) struct Office {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Office {
    /// Starts it at any port of this address.
    ///
    /// # Errors
    /// When there is no port.
    pub(super) async fn start(at: IpAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((at, 0)).await?;
        let (address, shared) = (listener.local_addr()?, Arc::<Shared>::default());
        let router = Router::new().route("/told/{desk}", post(take)).route("/sound/{name}", get(upgrade));
        let router = router.with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            // It ends when it is dropped, and before only if the system takes the port away: nothing is told then, and that shows.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, shared, task })
    }

    /// Where a desk's payments are told.
    pub(super) fn callback(&self, desk: usize) -> String {
        format!("http://{}/told/{desk}", self.address)
    }

    /// Where a call of this name is streamed to.
    pub(super) fn stream(&self, name: &str) -> String {
        format!("ws://{}/sound/{name}", self.address)
    }

    /// Waits for something that is told at a desk, and gives all that was told until then; what is told later is kept. Nothing
    /// if it does not come in time.
    pub(super) async fn wait_for(
        &self,
        desk: usize,
        within: Duration,
        is_it: impl Fn(&Told) -> bool,
    ) -> Option<Told> {
        let found = async {
            loop {
                let rung = self.shared.bell.notified();
                tokio::pin!(rung);
                rung.as_mut().enable();
                if let Some(told) = self.take_until(desk, &is_it) {
                    return told;
                }
                rung.await;
            }
        };
        tokio::time::timeout(within, found).await.ok()
    }

    fn take_until(&self, desk: usize, is_it: impl Fn(&Told) -> bool) -> Option<Told> {
        let mut inside = self.shared.inside();
        let told = inside.told.get_mut(&desk)?;
        let at = told.iter().position(is_it)?;
        told.drain(..=at).next_back()
    }

    /// What was told last at a desk that nobody has waited for: what of it says how far it is.
    pub(super) fn told_last(&self, desk: usize) -> String {
        let inside = self.shared.inside();
        let last = inside.told.get(&desk).and_then(|told| told.last());
        let field =
            |name: &&str| Some(format!("{name}={}", last?.get(name))).filter(|field| !field.ends_with('='));
        let fields = ["Capture", "PartialResult", "PaymentCardNumber", "ErrorType", "Result"];
        fields.iter().filter_map(field).collect::<Vec<_>>().join(" ")
    }

    /// Callbacks that came, and those of them with a card in them.
    pub(super) fn callbacks(&self) -> (u64, u64) {
        let inside = self.shared.inside();
        (inside.callbacks, inside.holding)
    }

    /// What has come of a stream since this was asked last, track by track.
    pub(super) fn take_sounds(&self, name: &str) -> HashMap<String, Vec<i16>> {
        self.shared.inside().sounds.remove(name).unwrap_or_default()
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(State(shared): State<Arc<Shared>>, Path(desk): Path<usize>, body: Bytes) -> StatusCode {
    let mut inside = shared.inside();
    inside.callbacks += 1;
    inside.holding += u64::from(holds_card(&body));
    let told = inside.told.entry(desk).or_default();
    if told.len() >= TOLD_MAX {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    told.push(Told::read(&body));
    shared.bell.notify_waiters();
    StatusCode::OK
}

async fn upgrade(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade.on_upgrade(move |socket| listen(socket, name, shared))
}

async fn listen(mut socket: WebSocket, name: String, shared: Arc<Shared>) {
    while let Some(Ok(message)) = socket.recv().await {
        if let Message::Text(text) = message
            && let Some((track, sound)) = read_media(&text)
        {
            let mut inside = shared.inside();
            let kept = inside.sounds.entry(name.clone()).or_default().entry(track).or_default();
            if kept.len() < SAMPLES_MAX {
                kept.extend(sound);
            }
        }
    }
}

/// The track and the sound of a message that has some.
fn read_media(text: &str) -> Option<(String, Vec<i16>)> {
    let message: Value = serde_json::from_str(text).ok()?;
    let media = &message["media"];
    let octets = STANDARD.decode(media["payload"].as_str()?).ok()?;
    let sound = octets.iter().map(|octet| Law::Pcmu.table()[usize::from(*octet)]).collect();
    Some((media["track"].as_str()?.to_owned(), sound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_told_is_waited_for_in_order_and_searched_for_cards() {
        let office = Office::start([127, 0, 0, 1].into()).await.unwrap();
        let state = || State(Arc::clone(&office.shared));
        for body in ["Capture=a&n=1", "Capture=b&n=2", "Capture=c&n=4111+1111+1111+1111"] {
            assert_eq!(take(state(), Path(3), Bytes::from(body)).await, StatusCode::OK);
        }
        let second = office.wait_for(3, Duration::from_secs(5), |told| told.get("n") == "2").await.unwrap();
        assert_eq!((second.get("Capture"), second.get("none")), ("b", ""));
        let long_ago = office.wait_for(3, Duration::ZERO, |told| told.get("Capture") == "a").await;
        assert_eq!(long_ago, None, "what was told before it is looked at no more");
        assert_eq!(office.callbacks(), (3, 1));
    }

    #[test]
    fn a_message_with_sound_is_read() {
        let text = r#"{"event":"media","media":{"track":"inbound","payload":"/wA="}}"#;
        assert_eq!(read_media(text), Some(("inbound".to_owned(), vec![0, -32_124])));
        assert_eq!(read_media(r#"{"event":"start"}"#), None);
    }
}
