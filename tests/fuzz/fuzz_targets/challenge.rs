//! Explores what challenges are read as, and what is answered.

#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::challenge(data));
