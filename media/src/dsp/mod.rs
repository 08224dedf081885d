//! Arithmetic on samples. Plain loops over slices: the compiler vectorises them.

pub mod limiter;
pub mod mix;
