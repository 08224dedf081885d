//! Who speaks, who is shown as speaking, and who is heard when too many speak: whole conferences in virtual time, by
//! what the engine reports and sends.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, helpers included")]

mod active_speaker;
mod crowd;
#[path = "../../../tests/engine_leg/mod.rs"]
mod engine_leg;
mod leaks;
mod sound;
mod speech;
mod stage;
