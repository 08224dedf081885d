//! scratch
mod body;
mod client;
mod connection;
mod content;
mod cookies;
mod egress;
mod failure;
mod hop;
mod metrics;
mod network;
mod overrides;
mod request;
mod signature;
mod target;
pub use client::*;pub use content::*;pub use connection::TrustError; pub use cookies::*;pub use egress::*;pub use failure::*;pub use request::*;pub use signature::*; pub use network::*;
