//! The engine: receives, mixes and sends the sound of conferences, and knows nothing of sockets, clocks,
//! files, threads or locks.

pub mod codec;
pub mod frame;
pub mod id;
pub mod playout;
pub mod rtp;
pub mod time;
