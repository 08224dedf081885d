//! A whole node, in this process, called over real sockets by a scripted phone (`wire/peer.rs`) that shares no
//! code with it: what signalling promises, heard in the audio where it can be heard.
//!
//! Nothing here is timed: what must happen is waited for, as long as it takes on a busy machine. Only that nothing
//! happens can be found in no other way than by waiting a little.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test a panic is the report, those that phones and figures make included"
)]

mod running;

#[path = "wire/api.rs"]
mod api;
#[path = "wire/app.rs"]
mod app;
#[path = "wire/calls.rs"]
mod calls;
#[path = "wire/codes.rs"]
mod codes;
#[path = "wire/conference_news.rs"]
mod conference_news;
#[path = "wire/conference_record.rs"]
mod conference_record;
#[path = "wire/console.rs"]
mod console;
#[path = "wire/digits.rs"]
mod digits;
#[path = "wire/far_hold.rs"]
mod far_hold;
#[path = "wire/faults.rs"]
mod faults;
#[path = "wire/feed.rs"]
mod feed;
#[path = "wire/floor/mod.rs"]
mod floor;
#[path = "wire/lasting.rs"]
mod lasting;
#[path = "wire/limits.rs"]
mod limits;
#[path = "wire/message.rs"]
mod message;
#[path = "wire/negotiation.rs"]
mod negotiation;
#[path = "wire/notes.rs"]
mod notes;
#[path = "wire/numbers.rs"]
mod numbers;
#[path = "wire/orders.rs"]
mod orders;
#[path = "wire/outbound.rs"]
mod outbound;
#[path = "wire/pay.rs"]
mod pay;
#[path = "wire/pay_listeners.rs"]
mod pay_listeners;
#[path = "wire/pay_secrets.rs"]
mod pay_secrets;
#[path = "wire/pay_tones.rs"]
mod pay_tones;
#[path = "wire/pay_trouble.rs"]
mod pay_trouble;
#[path = "wire/peer.rs"]
mod peer;
#[path = "sdk/phone.rs"]
#[allow(dead_code, reason = "not all phones are an agent's")]
mod phone;
#[path = "wire/proof.rs"]
mod proof;
#[path = "wire/quality.rs"]
mod quality;
#[path = "wire/queues.rs"]
mod queues;
#[path = "wire/record.rs"]
mod record;
#[path = "wire/record_trouble.rs"]
mod record_trouble;
#[path = "wire/registrar.rs"]
mod registrar;
#[path = "wire/replaces.rs"]
mod replaces;
#[path = "wire/restart.rs"]
mod restart;
#[path = "wire/rtp.rs"]
mod rtp;
#[path = "wire/say.rs"]
mod say;
#[path = "wire/scripts.rs"]
mod scripts;
#[path = "wire/seats.rs"]
mod seats;
#[path = "wire/secrets.rs"]
mod secrets;
#[path = "wire/secure_streams.rs"]
mod secure_streams;
#[path = "wire/silence.rs"]
mod silence;
#[path = "wire/strangers.rs"]
mod strangers;
#[path = "wire/stream_server.rs"]
mod stream_server;
#[path = "wire/streams.rs"]
mod streams;
#[path = "wire/talk.rs"]
mod talk;
#[path = "wire/timers.rs"]
mod timers;
#[path = "wire/tour.rs"]
mod tour;
#[path = "wire/transfers.rs"]
mod transfers;
#[path = "wire/trunks/mod.rs"]
mod trunks;
#[path = "wire/websocket/mod.rs"]
mod websocket;
