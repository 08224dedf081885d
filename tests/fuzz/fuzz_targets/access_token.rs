//! Explores what access tokens are read as, before anybody knows who signed them.

#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::access_token(data));
