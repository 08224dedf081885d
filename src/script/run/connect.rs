//! Connect: the call talks with a server over a stream, until that closes it.

use confab_media::{Digit, feed};
use tokio::sync::mpsc;
use tracing::debug;

use super::super::code::SCHEMA;
use super::super::verbs::{MediaNoun, MediaVerb, StreamNoun};
use super::wait::{Other, Woken};
use super::{Flow, Runner};
use crate::call::{StreamSid, StreamView};
use crate::stream::{RATE, Speech};

/// Keys that may wait to be told. A caller presses a few a second.
const KEYS_MAX: usize = 64;

impl Runner {
    pub(super) async fn connect(&mut self, mut verb: MediaVerb) -> Flow {
        let count = verb.nouns.len();
        let Some(MediaNoun::Stream(noun)) = verb.nouns.drain(..).next() else {
            self.warn(SCHEMA, "<Connect> has nothing in it that this node can connect with; skipped.");
            return Flow::Next;
        };
        if count > 1 {
            self.warn(SCHEMA, "A <Connect> connects with one server; the others are skipped.");
        }
        if let Err(flow) = self.answer().await {
            return flow;
        }
        let (keys, pressed) = mpsc::channel(KEYS_MAX);
        let Some(stream) = self.begin_talk(noun, pressed).await else {
            return Flow::Next;
        };
        match self.until_talked(stream.sid, &keys).await {
            Flow::Next => {}
            flow @ (Flow::Goto(_) | Flow::Redirected(_) | Flow::Leave | Flow::Queue(_) | Flow::Over) => {
                self.end_talk(stream.sid).await;
                return flow;
            }
        }
        self.stop_playing().await;
        match &verb.action {
            Some(action) => self.go_to(action, Vec::new()),
            None => Flow::Next,
        }
    }

    /// The stream; none, which is noted, if it cannot even be begun.
    async fn begin_talk(&mut self, noun: StreamNoun, keys: mpsc::Receiver<Digit>) -> Option<StreamView> {
        let terms = self.stream_terms(noun)?;
        let (writer, feed) = feed(RATE);
        let (calls, sid) = (&self.scripts.calls, self.call.sid);
        if let Err(error) = calls.feed(sid, feed).await {
            debug!(call = %sid, %error, "nothing can be played");
            return None;
        }
        let speech = Speech { feed: writer, keys };
        match calls.connect_stream(sid, terms, speech).await {
            Ok(stream) => Some(stream),
            Err(error) => {
                self.stop_playing().await;
                self.note(SCHEMA, &format!("Not connected: {error}."));
                None
            }
        }
    }

    async fn until_talked(&mut self, stream: StreamSid, keys: &mpsc::Sender<Digit>) -> Flow {
        loop {
            match self.wait(None, None).await {
                // More of them than a server takes are lost, as on a line.
                Woken::Key(digit) => drop(keys.try_send(digit)),
                Woken::Other(Other::Talked(over)) if over == stream => return Flow::Next,
                Woken::Gone(flow) => return flow,
                Woken::Time | Woken::Played | Woken::Left | Woken::Other(_) => {}
            }
        }
    }

    async fn end_talk(&mut self, stream: StreamSid) {
        if let Err(error) = self.scripts.calls.disconnect_stream(self.call.sid, stream).await {
            debug!(call = %self.call.sid, %error, "stream not ended");
        }
        self.stop_playing().await;
    }
}
