//! Payments: what a caller types of a card or a bank account, from the first key to the connector that charges it. Nothing
//! of it goes anywhere else.
//!
//! ```text
//! API, <Pay> ── what to capture ─┐
//!                                ▼
//! media thread ── keys ──▶ Payment (state machine) ── masked ──▶ the application
//!                             │  Vault: one locked page
//!                             └──── Order ──▶ Connector: TLS ──▶ processor
//! ```
//!
//! Digits are in two places and no others: in a `vault`, from where they are wiped with the end of the payment, and on
//! their way to the connector.

mod attestation;
mod brand;
mod check;
mod connector;
mod desk;
mod field;
mod locked;
mod payment;
mod running;
mod status;
mod taking;
mod terms;
mod vault;

pub use attestation::{Seal, tidy};
pub use brand::{Brand, Brands};
pub use check::Mistake;
pub use connector::{Connector, Connectors, Declined, Generic, Order, Receipt, SANDBOX, read_reply};
pub use desk::{Change, Means, PayError, PaymentView, Payments, RequestKey, Tell};
pub use field::{Capture, Field, Fields};
pub use payment::{Given, NotNow, Payment, Step};
pub use status::{Outcome, Told, of_connector, of_items, of_outcome, of_terms};
pub use taking::Taking;
pub use terms::{
    Amount, BAD_VALUE, BankAccountType, DEFAULT_CONNECTOR, PaymentMethod, PostalCode, Terms, TermsError,
    TokenType,
};
pub use vault::Typed;
