//! The lite end of ICE (RFC 8445 §2.5) behind one UDP port that many far ends share: who sent a datagram, whether to answer it,
//! and where that far end is now.
//!
//! ```text
//!             0..=3 ─▶ STUN ─▶ user, password ─▶ answer; the source is this leg's from now on
//! datagram ─┤ 20..=63 ─▶ DTLS ─▶ of a leg whose source it is, or dropped
//!             128..=191 ─▶ SRTP, SRTCP ─▶ of a leg whose source it is, or dropped
//! ```
//!
//! A lite end sends no checks: it answers those of the far end, whose right it is to say which path is used (RFC 8445 §7.3).
//! What comes from a source that has not proved to hold a leg's password gets no answer and goes nowhere. Nothing here
//! allocates once it is made, nothing is kept of a stranger, and a far end that stops asking is reported (RFC 7675).

mod agents;
mod credentials;
mod stun;

#[cfg(test)]
mod tests;

pub use agents::{Agents, CONSENT, IceDiscard, Place, SOURCES_MAX, Taken};
pub use credentials::IceCredentials;
pub use stun::{REPLY_MAX, Reply, StunError};

#[doc(hidden)]
pub use stun::{Class, Message};
