//! Explores how RTCP is read, and what a leg makes of it.

#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::rtcp(data));
