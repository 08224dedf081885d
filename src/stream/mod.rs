//! Media streams: a call's sound to an application's server over a WebSocket, and that server's sound back.
//!
//! It knows no calls. The model hands it a URL, a name and frames; it hands back what became of them.

mod backlog;
mod conversation;
mod ears;
#[cfg(test)]
#[path = "../../tests/engine_leg/mod.rs"]
mod engine_leg;
mod fork;
mod outbox;
pub mod protocol;
mod socket;
#[cfg(test)]
mod tests;

pub use self::backlog::{Backlog, MARKS_MAX, Overflow, RATE, WAITING_MAX};
pub use self::conversation::{Observed, Observer, converse};
pub use self::ears::Ears;
pub use self::fork::{Begin, Forks, Problem, Report, Speech};
pub use self::outbox::{CHUNK_LEN, CHUNKS_MAX, Chunk, KEYS_MAX, Next, Outbox, Outgoing};
pub use self::socket::{Dialler, Sink, Socket, SocketError, Source, StreamUrl};
