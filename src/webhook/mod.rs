//! The node's HTTP client: how applications are asked for call scripts and sounds, and told of what happens.
//!
//! It knows nothing of calls. The model and the runner of call scripts hand it [`Request`]s and [`Job`]s, and it sees to
//! it that each is signed, goes nowhere it should not, ends in time, and costs nobody but itself.
//!
//! ```text
//! fetch_script, fetch_sound ─────────────► Client ──► URL ► guard ► connection ► signature ► answer
//! send(Job) ──► Courier: lanes, retries ──► notify ┘        (egress)
//!                  └──► Spool
//! ```
//!
//! What the official SDKs validate is in [`sign`]; which addresses are reached, in [`Egress`]; what happens when the
//! courier's queue is full, in [`Admission`]. Keys, cookies and parameters (which may be digits that somebody dialled)
//! are in no log and no `Debug`.

mod board;
mod body;
mod client;
mod connection;
mod content;
mod cookies;
mod delivery;
mod egress;
mod exchange;
mod failure;
mod hop;
mod job;
mod ledger;
mod metrics;
mod network;
mod overrides;
mod provider;
mod request;
mod signature;
mod spool;
mod target;
mod upgrade;

pub use board::Admission;
pub use client::{Client, ClientSettings, SigningKeys};
pub use connection::{TrustError, authorities, tls_failure};
pub use content::{Content, Script, Sound};
pub use cookies::Cookies;
pub use delivery::{Courier, CourierSettings, Jitter, system_jitter};
pub use egress::Egress;
pub use exchange::{Answered, Attempt, Exchange, OnExchange};
pub use failure::{Failure, FailureKind, OnFailure};
pub use job::{Job, MemorySpool, Spool, SpoolError};
pub use network::{Network, Stream, SystemNetwork};
pub use provider::{Provided, Provider, ProviderError};
pub use request::{Fallback, Method, Payload, Purpose, Request};
pub use signature::{HEADER, body_hash, sign};
pub use spool::StoreSpool;
pub use upgrade::{UpgradeUrl, Upgrades};

#[cfg(test)]
mod tests;
