//! Captures through the whole engine, in virtual time: keys reach one and nobody else, however they are told; what else
//! is said passes.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report, helpers included")]

mod asked;
mod capture;
mod corpus;
mod cut;
#[path = "../keys/ear.rs"]
mod ear;
#[path = "../keys/phone.rs"]
mod phone;
mod residual;
mod speech;
