//! Arithmetic on samples. Plain loops over slices: the compiler vectorises them.

pub mod goertzel;
pub mod level;
pub mod limiter;
pub mod mix;
pub mod tone;
