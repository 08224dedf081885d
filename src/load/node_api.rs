//! The node's control API, as far as a judge needs it: what the node itself says of a caller's delay. It is read as
//! plain JSON, and believed only after it was compared (`ledger`).

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::plan::{LegNumber, Plan};

/// A node answers within milliseconds; after this it is said not to.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Where the API is, and who may ask it.
#[derive(Clone)]
pub struct NodeApi {
    address: SocketAddr,
    account: String,
    token: String,
}

/// What the node says of one leg, in ms.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ToldLedger {
    /// From its packets' arrival until it is mixed.
    pub(super) said: f64,
    /// From there until it is sent what it hears.
    pub(super) heard: f64,
    /// Samples a second.
    pub(super) rate: u64,
    /// By the rate of who speaks, what converting costs.
    conversion: Value,
}

impl ToldLedger {
    /// What it costs when one of that rate is heard.
    pub(super) fn conversion_from(&self, rate: u64) -> f64 {
        self.conversion[rate.to_string()].as_f64().unwrap_or(0.0)
    }

    fn read(quality: &Value) -> Option<Self> {
        let latency = &quality["call"]["latency"];
        let line = |name: &str| latency[name].as_f64();
        let sum = |names: &[&str]| names.iter().map(|name| line(name)).sum::<Option<f64>>();
        Some(Self {
            said: sum(&["network_jitter_ms", "playout_ms", "wait_for_tick_ms", "decode_ms"])?,
            heard: sum(&["mix_ms", "encode_ms", "pace_ms"])?,
            rate: quality["sample_rate"].as_u64()?,
            conversion: quality["conversion_ms"].clone(),
        })
    }
}

impl NodeApi {
    /// The API at an address, for one account.
    pub fn new(address: SocketAddr, account: String, token: String) -> Self {
        Self { address, account, token }
    }

    /// What the node says of a caller's delay.
    ///
    /// # Errors
    /// When it cannot be asked or does not say.
    pub(super) async fn ledger_of(&self, plan: &Plan, leg: LegNumber) -> anyhow::Result<ToldLedger> {
        let caller = plan.caller(leg);
        let list =
            format!("/2010-04-01/Accounts/{}/Calls.json?Status=in-progress&From={caller}", self.account);
        let calls = self.get(&list).await?;
        let sid =
            calls["calls"][0]["sid"].as_str().with_context(|| format!("it knows no call of {caller}"))?;
        let quality = self.get(&format!("/v1/calls/{sid}/quality")).await?;
        ToldLedger::read(&quality).context("it says nothing of where time goes")
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let asked = tokio::time::timeout(ANSWER_MAX, self.ask(path));
        asked.await.context("it does not answer")?
    }

    async fn ask(&self, path: &str) -> anyhow::Result<Value> {
        let credentials = STANDARD.encode(format!("{}:{}", self.account, self.token));
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic {credentials}\r\nConnection: close\r\n\r\n",
            self.address
        );
        let mut stream = TcpStream::connect(self.address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.take(ANSWER_LEN_MAX).read_to_string(&mut answer).await?;
        let Some((head, body)) = answer.split_once("\r\n\r\n") else {
            bail!("its answer is no HTTP");
        };
        let status = head.split(' ').nth(1).unwrap_or_default();
        ensure!(status == "200", "it answers {status}");
        serde_json::from_str(body).context("its answer is no JSON")
    }
}

/// What is asked for has some kilobytes.
const ANSWER_LEN_MAX: u64 = 1 << 20;

/// The token is nobody's business.
impl std::fmt::Debug for NodeApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeApi").field("address", &self.address).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_ledger_is_read_in_the_two_parts_that_other_legs_share() {
        let quality = json!({
            "sample_rate": 8_000,
            "conversion_ms": {"8000": 0.0, "16000": 3.0},
            "call": {"latency": {
                "network_jitter_ms": 1.0, "playout_ms": 20.0, "wait_for_tick_ms": 5.0, "decode_ms": 0.5,
                "mix_ms": 0.25, "encode_ms": 0.5, "pace_ms": 0.25, "total_ms": 27.5,
            }},
        });
        let told = ToldLedger::read(&quality).unwrap();
        assert_eq!((told.said, told.heard, told.rate), (26.5, 1.0, 8_000));
        assert_eq!((told.conversion_from(16_000), told.conversion_from(8_000)), (3.0, 0.0));
        assert_eq!(ToldLedger::read(&json!({"call": null})), None);
    }
}
