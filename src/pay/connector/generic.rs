//! A connector behind a URL: the contract of the Generic Pay Connector. It is sent JSON over TLS with a user and password,
//! and, if it does not answer, the same again and again under the same `transaction_id`, so that it charges once.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::order::Order;
use super::{Declined, Receipt, reply};
use crate::webhook::{FailureKind, Provider};

/// How long an answer is waited for; then it is asked again.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is asked again.
const RETRIES: u32 = 5;

/// The longest answer. The contract's are some hundred bytes.
const REPLY_BYTES_MAX: u64 = 64 * 1_024;

/// A server that is asked.
pub struct Generic {
    name: String,
    provider: Provider,
}

impl Generic {
    /// The one of this name, which is asked there.
    pub const fn new(name: String, provider: Provider) -> Self {
        Self { name, provider }
    }

    /// Asks until it has answered, or has been asked as often as the contract says.
    pub(super) async fn submit(&self, order: &Order<'_>) -> Result<Receipt, Declined> {
        for attempt in 0..=RETRIES {
            let begun = Instant::now();
            let asked = self.provider.ask_secretly(order.json(), REPLY_BYTES_MAX, PATIENCE).await;
            let why = match asked {
                Ok((status, provided)) if status < 500 => {
                    info!(connector = self.name, status, attempt, "connector answered");
                    return reply::read(status, &provided.body, order.payment());
                }
                Ok((status, _)) => FailureKind::Status(status),
                Err(why) => why,
            };
            warn!(connector = self.name, attempt, error = %why, "connector did not take a payment");
            if attempt == RETRIES || !may_pass(&why) {
                return Err(reply::unanswered(&why.to_string(), order.payment()));
            }
            // One that fails at once is given as long as one that says nothing.
            tokio::time::sleep_until(begun + PATIENCE).await;
        }
        Err(reply::unanswered("it was not asked", order.payment()))
    }
}

/// Whether the next attempt may fare better. A certificate that is wrong stays so for a minute, and the next to answer
/// may be whoever it was wrong for.
const fn may_pass(why: &FailureKind) -> bool {
    let is_tls = matches!(
        why,
        FailureKind::Tls
            | FailureKind::CertificateName
            | FailureKind::CertificateExpired
            | FailureKind::CertificateUntrusted
    );
    why.may_pass() && !is_tls
}

#[cfg(test)]
#[path = "generic_tests.rs"]
mod tests;
