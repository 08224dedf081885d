//! Callers in browsers: what a page does with `RTCPeerConnection` and `fetch`, without the page.
//!
//! ```text
//! application: an application and a key of the node's, the script that leads to conferences, tokens
//!                        │ token
//! desk ─ offer, HTTP ─▶ node ─ answer ─▶ reach: checks (ICE), handshake (DTLS) ─▶ a leg on a media thread
//!   ╰──── at the end: DELETE             ╰────────────── peer ──────────────╯      peer: SRTP, RTCP, consent
//! ```
//!
//! The peer is `rtc`, the sans-I/O library that the crate `webrtc` is a layer over: full ICE, DTLS, SRTP and SDP by somebody
//! else than the node's. The layer itself has tasks, a socket and channels for each connection, which two hundred and
//! fifty callers beside a node would have to share two cores with.

mod application;
mod desk;
mod peer;
mod reach;
mod request;

use serde::Serialize;

pub(super) use application::Application;
pub(super) use desk::{Desk, News, Order, Reached};
pub(super) use peer::{Has, Peer, Taken};

use super::histogram::Times;

/// A browser whose media flows.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) peer: Box<Peer>,
    /// When it sent its offer, on the monotonic clock.
    pub(super) offered_ns: i64,
}

/// How callers in browsers fared. Set-ups of telephones are not among these.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct BrowserCalls {
    /// Callers in browsers.
    pub legs: usize,
    /// Of those, the ones whose offer was answered and whose media flows.
    pub connected: usize,
    /// From offer to answer, ms. The script of an application is fetched in it.
    pub answer_ms: Times,
    /// From offer to the first packet with sound, ms: answer, checks and handshake are in it.
    pub first_audio_ms: Times,
}
