//! SIP, as an adapter on the model: calls come in here, and are told to end here.
//!
//! ```text
//! UDP ──▶ guard ─┐                        ┌▶ OPTIONS, no dialog: answered at once
//! TCP ──▶ guard ─┼▶ library: transactions ┤
//! TLS ──▶ guard ─┤   and dialogs          └▶ INVITE: one task a call ─▶ model
//! HTTP ─▶ guard ─┘
//! ```
//!
//! The library's traps are shimmed in front of it (`guard`, `udp`, `stream`) and nowhere else is it known.

pub mod challenge;
pub mod digest;
pub mod dtmf_info;
pub mod guard;
pub mod replaces;

mod advertised;
mod agent;
mod asking;
mod attempt;
mod call;
mod caller;
mod counters;
mod dialler;
mod endpoint;
mod forking;
mod headers;
mod in_order;
mod inbound;
mod info;
mod invitation;
mod living;
mod media;
mod merged;
mod outbound;
mod outgoing;
mod refer;
mod refresh;
pub mod registrar;
mod resolver;
mod secure;
mod session_timer;
mod states;
mod stream;
mod takeover;
mod tcp;
mod terms;
mod tls;
mod trunk;
mod udp;
mod websocket;

pub use endpoint::{Endpoint, Settings, Sockets, TlsSocket, Web, bind, bind_tls};
pub use secure::Trust;
pub use session_timer::SESSION_INTERVAL_MIN;
pub use tls::{Certificate, TlsError};
