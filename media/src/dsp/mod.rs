//! Arithmetic on samples. Plain loops over slices: the compiler vectorises them.

mod kernel;
pub mod limiter;
pub mod mix;
pub mod resample;
