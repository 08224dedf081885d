//! Explores how browsers' offers are read and answered.

#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::browser_offer(data));
