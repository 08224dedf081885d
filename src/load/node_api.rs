//! The node's control API, as far as a judge needs it: what the node itself says of a caller's delay, read as
//! plain JSON and believed only after it was compared (`ledger`); and muting (`muting`).

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::plan::{LegNumber, Plan};

/// A node answers within milliseconds; after this it is said not to.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// A long recording takes longer.
const FILE_MAX: Duration = Duration::from_secs(60);

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
        let caller = plan.told_caller(leg);
        let list =
            format!("/2010-04-01/Accounts/{}/Calls.json?Status=in-progress&From={caller}", self.account);
        let calls = self.fetch(&list).await?;
        let sid =
            calls["calls"][0]["sid"].as_str().with_context(|| format!("it knows no call of {caller}"))?;
        let quality = self.fetch(&format!("/v1/calls/{sid}/quality")).await?;
        ToldLedger::read(&quality).context("it says nothing of where time goes")
    }

    /// The seat of a caller who dialled `user`.
    ///
    /// # Errors
    /// When the node does not know of it.
    pub(super) async fn seat(&self, user: &str, caller: &str) -> anyhow::Result<Seat> {
        let account = format!("/2010-04-01/Accounts/{}", self.account);
        let calls = self.fetch(&format!("{account}/Calls.json?Status=in-progress&From={caller}")).await?;
        let call =
            calls["calls"][0]["sid"].as_str().with_context(|| format!("it knows no call of {caller}"))?;
        let name = user.strip_prefix("conf-").unwrap_or(user);
        let found = self.fetch(&format!("{account}/Conferences.json?FriendlyName={name}")).await?;
        let conference = found["conferences"][0]["sid"].as_str();
        let conference = conference.with_context(|| format!("it knows no conference {name}"))?;
        Ok(Seat { path: format!("{account}/Conferences/{conference}/Participants/{call}.json") })
    }

    /// Mutes or unmutes somebody, over a connection that is kept for the next time.
    ///
    /// # Errors
    /// When that is not answered in time, or not with what was asked for.
    pub(super) async fn mute(
        &self,
        connection: &mut Option<Connection>,
        seat: &Seat,
        muted: bool,
    ) -> anyhow::Result<()> {
        let request = self.request("POST", &seat.path, &format!("Muted={muted}"))?;
        let answer = self.asked(connection, request).await?;
        ensure!(answer["muted"] == muted, "it answers with muted: {}", answer["muted"]);
        Ok(())
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The account in whose name it is asked.
    pub(super) fn account(&self) -> &str {
        &self.account
    }

    /// Where the account's resources are.
    pub(super) fn account_path(&self) -> String {
        format!("/2010-04-01/Accounts/{}", self.account)
    }

    /// Asks for something with a form, over a connection that is kept for the next time; what it answers, if anything.
    ///
    /// # Errors
    /// When that is not answered in time, or not with success.
    pub(super) async fn ask(
        &self,
        connection: &mut Option<Connection>,
        method: &str,
        path: &str,
        form: &str,
    ) -> anyhow::Result<Value> {
        let request = self.request(method, path, form)?;
        self.asked(connection, request).await
    }

    async fn asked(
        &self,
        connection: &mut Option<Connection>,
        request: Request<Full<Bytes>>,
    ) -> anyhow::Result<Value> {
        let answer = self.exchange(connection, request, ANSWER_LEN_MAX);
        let body = tokio::time::timeout(ANSWER_MAX, answer).await.context("it does not answer")??;
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).context("its answer is no JSON")
    }

    /// Reads what is there.
    ///
    /// # Errors
    /// As [`NodeApi::ask`].
    pub(super) async fn fetch(&self, path: &str) -> anyhow::Result<Value> {
        self.ask(&mut None, "GET", path, "").await
    }

    /// Reads a file that is there, of at most so many bytes.
    ///
    /// # Errors
    /// When it is not there, is longer, or does not come in time.
    pub(super) async fn fetch_file(&self, path: &str, len_max: usize) -> anyhow::Result<Bytes> {
        let request = self.request("GET", path, "")?;
        let answer = tokio::time::timeout(FILE_MAX, self.exchange(&mut None, request, len_max)).await;
        answer.context("it does not come")?
    }

    /// Reads an answer without an end, part by part, until it ends all the same.
    ///
    /// # Errors
    /// When it cannot be asked or breaks off.
    pub(super) async fn follow(&self, path: &str, mut take: impl FnMut(&[u8])) -> anyhow::Result<()> {
        let mut connection = self.connect().await?;
        connection.ready().await?;
        let mut body = connection.send_request(self.request("GET", path, "")?).await?.into_body();
        while let Some(frame) = body.frame().await {
            if let Some(part) = frame?.data_ref() {
                take(part);
            }
        }
        Ok(())
    }

    fn request(&self, method: &str, path: &str, form: &str) -> anyhow::Result<Request<Full<Bytes>>> {
        let credentials = STANDARD.encode(format!("{}:{}", self.account, self.token));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.address.to_string())
            .header(AUTHORIZATION, format!("Basic {credentials}"))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        Ok(request.body(Full::new(Bytes::copy_from_slice(form.as_bytes())))?)
    }

    async fn exchange(
        &self,
        connection: &mut Option<Connection>,
        request: Request<Full<Bytes>>,
        len_max: usize,
    ) -> anyhow::Result<Bytes> {
        let kept = match connection.take().filter(|kept| !kept.is_closed()) {
            Some(kept) => kept,
            None => self.connect().await?,
        };
        let kept = connection.insert(kept);
        kept.ready().await?;
        let answer = kept.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), len_max).collect().await;
        let body = body.map_err(|error| anyhow!("its answer: {error}"))?.to_bytes();
        if !status.is_success() {
            let parsed = serde_json::from_slice::<Value>(&body);
            let why = parsed.ok().and_then(|problem| Some(format!(": {}", problem["message"].as_str()?)));
            bail!("it answers {}{}", status.as_u16(), why.unwrap_or_default());
        }
        Ok(body)
    }

    /// A connection of the caller's own.
    ///
    /// # Errors
    /// When nobody listens there.
    pub(super) async fn connect(&self) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (connection, driver) = http1::handshake(TokioIo::new(stream)).await?;
        // How it ends is seen by whoever asks next.
        tokio::spawn(driver);
        Ok(connection)
    }
}

/// A connection to the API.
pub(super) type Connection = http1::SendRequest<Full<Bytes>>;

/// Somebody's seat in a conference, at the API.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    path: String,
}

/// What is asked for has some kilobytes.
const ANSWER_LEN_MAX: usize = 1 << 20;

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
