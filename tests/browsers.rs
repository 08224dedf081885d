//! Browsers against a whole node, over real sockets: a browser of our own (`browsers/end.rs`) with somebody else's DTLS and
//! SRTP, and phones beside it. What is promised is heard in the sound, both ways.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test a panic is the report, those that phones and figures make included"
)]
#![allow(dead_code, reason = "phones and applications can do more than is needed here")]

mod running;

#[path = "wire/api.rs"]
mod api;
#[path = "wire/app.rs"]
mod app;
#[path = "browsers/calls.rs"]
mod calls;
#[path = "browsers/door.rs"]
mod door;
#[path = "browsers/end.rs"]
mod end;
#[path = "browsers/hostile.rs"]
mod hostile;
#[path = "browsers/load.rs"]
mod load;
#[path = "wire/message.rs"]
mod message;
#[path = "browsers/moves.rs"]
mod moves;
#[path = "wire/peer.rs"]
mod peer;
#[path = "wire/proof.rs"]
mod proof;
#[path = "wire/rtp.rs"]
mod rtp;
#[path = "browsers/signal.rs"]
mod signal;
#[path = "browsers/signal_faults.rs"]
mod signal_faults;
#[path = "browsers/stun.rs"]
mod stun;
#[path = "browsers/supervision.rs"]
mod supervision;
#[path = "browsers/websocket.rs"]
mod websocket;
