//! The client and the courier against servers in the same process, over pipes instead of sockets and in virtual time:
//! nothing here waits, and every address is what the test says it is.

mod board;
mod client;
mod delivery;
mod egress;
mod parsers;
mod patience;
mod redirects;
mod spool;
mod tls;
mod world;
