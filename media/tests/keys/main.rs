//! Keys through the whole engine, in virtual time: each press is given once however it was told, none of it reaches
//! the others, and what is pressed towards a far end gets there.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, helpers included")]

mod ear;
mod phone;
mod pressing;
mod telling;
mod withholding;
