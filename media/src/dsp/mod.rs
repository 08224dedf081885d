//! Arithmetic on samples. Plain loops over slices: the compiler vectorises them.

pub mod converter;
pub mod goertzel;
mod kernel;
pub mod level;
pub mod limiter;
pub mod mix;
pub mod resample;
pub mod tone;
