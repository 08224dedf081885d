//! Confab, a voice media node: SIP legs mixed in conferences and controlled over HTTP.
//!
//! Layers, each importing only what is below it (`tests/tidy.rs` holds the rule):
//!
//! ```text
//! 5  server, load           composition, and the load tester, which imports nothing of the node
//! 4  api   sip   script     adapters on the model; they never import each other
//!    console                the page at `/`, and what feeds it
//!    signal                 the signalling of the official browser SDK
//!    pay   webrtc           payments and browsers' calls, below all that begin them
//! 3  call                   the model
//!    stream   token         calls' sound to servers over WebSockets, and theirs back; what lets browsers in
//! 2  worker   sound         media threads around the engine; files and text as samples
//!    webhook   directory    requests to applications; whose credentials, numbers and applications there are
//!    http                   connections that HTTP is served over
//! 1  sdp                    pure
//!    store                  the database, below all services that keep something in it
//! 0  confab_media, config, telemetry, sid
//! ```

pub mod api;
pub mod call;
pub mod config;
pub mod console;
pub mod directory;
pub mod http;
pub mod load;
pub mod pay;
pub mod recording;
pub mod script;
pub mod sdp;
pub mod server;
pub mod sid;
pub mod signal;
pub mod sip;
pub mod sound;
pub mod store;
pub mod stream;
pub mod telemetry;
pub mod token;
pub mod webhook;
pub mod webrtc;
pub mod worker;
