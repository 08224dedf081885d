//! Media streams: a call's sound to an application's server over a WebSocket, and that server's sound back.
//!
//! It knows no calls. The model hands it a URL, a name and frames; it hands back what became of them.

mod backlog;
pub mod protocol;

pub use self::backlog::{Backlog, MARKS_MAX, Overflow, RATE, WAITING_MAX};
