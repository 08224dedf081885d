//! Call scripts (TwiML), the pure part: from text to verbs, from keys to an outcome. Nothing here waits, asks a URL or
//! knows a call; who runs a script does that.
//!
//! ```text
//! text ── Document::parse ──▶ verbs ──▶ whoever runs them ──▶ Gathering, Target::resolve
//!                             warnings
//! ```
//!
//! Names are those of the TwiML reference where there is one, and defaults are filled in: a verb says all that there is to
//! know about it.

pub mod code;
mod document;
mod element;
mod error;
mod gathering;
mod secret;
mod target;
#[cfg(test)]
mod tests;
pub mod verbs;

mod debugger;
mod news;
mod recordings;
mod run;
mod streams;
mod voices;

pub use debugger::{Debugger, Severity};
pub use document::{DOCUMENT_MAX, Document, INLINE_MAX, Use};
pub use error::{ScriptError, Warning};
pub use gathering::{Gathered, Gathering};
pub use news::{deliver, keep_promises};
pub use recordings::deliver_recordings;
pub use run::{Scripts, serve, serve_sounds};
pub use secret::{SecretDigits, SecretText};
pub use streams::deliver_streams;
pub use target::{Callback, Method, Target};
pub use verbs::Verb;
pub use voices::Voices;
