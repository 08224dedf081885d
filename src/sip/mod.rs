//! SIP: what stands between the wire and the library that runs transactions and dialogs.

pub mod guard;
