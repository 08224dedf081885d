//! Connections over HTTP/1.1, plain and over TLS: what all that the node serves to HTTP clients stands on.

mod origin;
mod reload;
mod serve;
#[cfg(test)]
mod tests;
mod tls;

pub use origin::{cookie, is_same_origin};
pub use reload::Reloaded;
pub use serve::{Connection, IDLE_SECONDS_HINT, serve, serve_tls};
pub use tls::{Certificate, HttpsError};
