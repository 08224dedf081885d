//! Connectors: who charges a card or makes a token of it. Several, by name; what a payment that names none goes to is called
//! `Default`, and is the built-in [`sandbox`] unless the configuration says otherwise.

mod generic;
mod order;
mod reply;
pub(super) mod sandbox;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub use generic::Generic;
pub use order::Order;
pub use reply::read as read_reply;

use super::terms::DEFAULT_CONNECTOR;

/// The name of the built-in one.
pub const SANDBOX: &str = "sandbox";

/// Who charges a card.
pub enum Connector {
    /// Nobody: it knows the public test cards, and makes up what it answers.
    Sandbox,
    /// A server that speaks the contract of the Generic Pay Connector.
    Generic(Box<Generic>),
}

/// What came of a payment: what the connector calls it.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// The charge, or the token.
    pub id: String,
    /// What it tells the application besides.
    pub parameters: Map<String, Value>,
}

/// Why nothing came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declined {
    /// By which the reference explains it.
    pub code: u32,
    /// In words.
    pub message: String,
    /// What the connector says its code is.
    pub error: Option<String>,
}

/// All there are.
#[derive(Default)]
pub struct Connectors(BTreeMap<String, Connector>);

impl Connectors {
    /// These, by name, and the sandbox: under its own name, and as `Default` if there is none.
    pub fn new(named: impl IntoIterator<Item = (String, Generic)>) -> Self {
        let named = named.into_iter().map(|(name, generic)| (name, Connector::Generic(Box::new(generic))));
        let mut all: BTreeMap<_, _> = named.collect();
        all.entry(SANDBOX.to_owned()).or_insert(Connector::Sandbox);
        all.entry(DEFAULT_CONNECTOR.to_owned()).or_insert(Connector::Sandbox);
        Self(all)
    }

    /// The one of this name.
    pub fn find(&self, name: &str) -> Option<&Connector> {
        self.0.get(name)
    }

    /// What they are called.
    pub fn names(&self) -> String {
        self.0.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

impl Connector {
    /// Hands it an order; answers when it has, or never will.
    ///
    /// # Errors
    /// When nothing came of it.
    pub async fn submit(&self, order: &Order<'_>) -> Result<Receipt, Declined> {
        match self {
            Self::Sandbox => sandbox::submit(order),
            Self::Generic(generic) => generic.submit(order).await,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    pub(in super::super) use super::order::tests::whole;
}
