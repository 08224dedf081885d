//! Explores what browsers say over the signalling of their SDK.

#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::signal_message(data));
