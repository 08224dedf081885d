//! The guard in front of the SIP library's parser.
//!
//! The library is quick and broad, but a message it cannot parse is dropped without an answer on UDP and
//! closes the whole connection on TCP. The guard reads every message first and decides: forward it
//! (repaired where tolerance asks for it), answer it with the error RFC 3261 wants, or discard it under a
//! name that can be counted. What it forwards, the library parses: the last step of every inspection
//! tries exactly that.
//!
//! Pure functions over bytes: no socket, no clock. RFC 3261 §7, §8.2, §18.2, §18.3; RFC 3581.

mod address;
mod fields;
mod framer;
mod head;
mod limiter;
mod redact;
mod reply;
mod request;
mod response;
mod stack;
mod via;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::SocketAddr;

pub use address::decode_user;
pub use framer::{FrameError, Framer};
pub use limiter::{Limits, SourceLimiter};
pub use redact::redact;

use head::{Head, StartLine};

/// How the message came, which decides what a missing Content-Length means (RFC 3261 §18.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One datagram.
    Udp,
    /// One message that a [`Framer`] cut from a stream.
    Tcp,
    /// One message of a WebSocket, which has its length from that (RFC 7118 §5).
    WebSocket,
}

/// What to do with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<'m> {
    /// Hand these bytes to the library: the message as it came, or repaired.
    Forward(Cow<'m, [u8]>),
    /// Answer with `message` and forget the request. On UDP it goes to `to` (RFC 3261 §18.2.2, RFC
    /// 3581 §4), otherwise back over the connection it came on.
    Reply {
        /// A whole SIP response, or the CRLF that answers a keep-alive.
        message: Vec<u8>,
        /// Where it goes on UDP.
        to: SocketAddr,
    },
    /// Do nothing but count the reason.
    Discard(Discard),
}

/// Why a message is dropped without an answer; each has a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Discard {
    /// Blank lines that keep a NAT binding or a connection alive; nothing is wrong.
    KeepAlive,
    /// Neither a request nor a response, as far as the first line tells.
    NotSip,
    /// A request without a Via, so that nobody can be answered (RFC 3261 §8.2.6.2).
    NoVia,
    /// More Via hops than any real path has; an answer would have to copy them all.
    TooManyVias,
    /// An ACK with something wrong in it; an ACK is never answered (RFC 3261 §17.1.1.3).
    BadAck,
    /// A response that cannot be understood.
    BadResponse,
    /// A response with more than our own Via: it was meant for someone else (RFC 3261 §8.1.3.3).
    ResponseNotOurs,
    /// The source has used up its allowance; see [`SourceLimiter`].
    RateLimited,
}

impl Discard {
    /// All reasons, in the order of their counters.
    pub const ALL: [Self; 8] = [
        Self::KeepAlive,
        Self::NotSip,
        Self::NoVia,
        Self::TooManyVias,
        Self::BadAck,
        Self::BadResponse,
        Self::ResponseNotOurs,
        Self::RateLimited,
    ];

    /// The counter's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::KeepAlive => "keep_alive",
            Self::NotSip => "not_sip",
            Self::NoVia => "no_via",
            Self::TooManyVias => "too_many_vias",
            Self::BadAck => "bad_ack",
            Self::BadResponse => "bad_response",
            Self::ResponseNotOurs => "response_not_ours",
            Self::RateLimited => "rate_limited",
        }
    }
}

/// The methods we serve, as an Allow header lists them (RFC 3261 §20.5).
///
/// No PRACK: we never send a provisional response reliably, so there is nothing to acknowledge.
pub const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, REFER, NOTIFY, REGISTER";

/// The extensions a request may require of us (RFC 3261 §8.2.2.3), as a Supported header lists them.
///
/// `timer` is RFC 4028, `replaces` RFC 3891. Not `100rel` (see [`ALLOW`]).
pub const SUPPORTED: &str = "timer, replaces";

/// The longest message, in bytes. What UDP can carry at most, and what the library buffers on TCP.
pub const MESSAGE_MAX: usize = 65_535;

/// The longest datagram the library reads; it would cut a longer one, and parse the rest as it is.
const DATAGRAM_MAX: usize = 8_192;

/// The longest body, in bytes. A browser's offer has 8 KiB at most, and a trunk's far less.
const BODY_MAX: usize = 32 * 1024;

/// Inspects messages. It has no state: one serves every socket and connection.
///
/// ```text
///  datagram ───────────────┐                     ┌─> Forward: the library
///                          ├─> limiter ─> guard ─┼─> Reply:   the sender
///  stream ──> framer ──────┘                     └─> Discard: a counter
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Guard;

impl Guard {
    /// Reads one message and says what to do with it.
    ///
    /// `source` is the address it came from: it is written into the answer's Via, and on UDP it is
    /// where the answer goes.
    pub fn inspect<'m>(&self, message: &'m [u8], source: SocketAddr, transport: Transport) -> Verdict<'m> {
        if message.iter().all(u8::is_ascii_whitespace) {
            return keep_alive(message, source, transport);
        }

        let mut head = Head::read(message);
        match StartLine::read(head.start_line) {
            StartLine::Request(line) => request::inspect(line, &mut head, source, transport),
            StartLine::Response(line) => response::inspect(&line, &mut head, transport),
            StartLine::Neither => Verdict::Discard(Discard::NotSip),
        }
    }
}

/// A double CRLF on a connection asks for a single one back (RFC 5626 §4.4.1).
///
/// On UDP there is no such thing, and answering would let a forged source make us send.
fn keep_alive(message: &[u8], source: SocketAddr, transport: Transport) -> Verdict<'_> {
    match (message, transport) {
        (b"\r\n\r\n", Transport::Tcp | Transport::WebSocket) => {
            Verdict::Reply { message: b"\r\n".to_vec(), to: source }
        }
        _ => Verdict::Discard(Discard::KeepAlive),
    }
}

/// Why a message is not accepted: the status and reason phrase of the answer (RFC 3261 §21), and the
/// header some of them need.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refusal {
    status: u16,
    reason: &'static str,
    header: Option<(&'static str, String)>,
}

impl Refusal {
    const fn new(status: u16, reason: &'static str) -> Self {
        Self { status, reason, header: None }
    }

    const fn bad(reason: &'static str) -> Self {
        Self::new(400, reason)
    }
}
