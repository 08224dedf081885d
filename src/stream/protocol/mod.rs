//! What a media stream and its server say to each other: text frames, one JSON object each. Pure: nothing here opens,
//! waits or counts time.
//!
//! ```text
//! connected ─▶ start ─▶ media … dtmf … mark … ─▶ stop        Writer, to the server
//!                       media, mark, clear                   read, from the server
//! ```
//!
//! What is sent has the fields, types and order that servers know from the reference: numbers that count are texts, those
//! that describe are numbers. What comes in is read strictly where it could be meant otherwise, and liberally where it could
//! not: a field too many is told to the application's author, and the message counts all the same.

mod flaw;
mod from_server;
mod parameters;
#[cfg(test)]
mod tests;
mod to_server;

pub use flaw::Flaw;
pub use from_server::{FromServer, MARK_NAME_MAX, MESSAGE_MAX, Received, read, read_bytes};
pub use parameters::{PARAMETER_LEN_MAX, PARAMETERS_MAX, ParameterError, Parameters};
pub use to_server::{Opening, Track, Tracks, Writer};
