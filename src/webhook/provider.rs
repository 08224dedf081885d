//! A service of the operator's: asked with JSON by POST, and answering with whatever it makes of that. Unlike an application
//! it is named in the configuration, so no guard keeps requests from the operator's own network; nothing is signed, but a
//! bearer token (RFC 6750) may be shown; and no redirect is followed, since that would show it to somebody else.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use tokio::time::{Instant, timeout_at};

use super::body::{Body, Bounds};
use super::connection::{Connections, Sender, TrustError};
use super::egress::Egress;
use super::failure::FailureKind;
use super::network::Network;
use super::target::Target;
use crate::config::Secret;

/// Why a service cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// Its URL.
    #[error("{0}")]
    Url(FailureKind),
    /// The token cannot stand in a header.
    #[error("its token has characters that no header can have")]
    Token,
    /// Authorities that should be trusted cannot be read.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// A service that can be asked.
pub struct Provider {
    connections: Connections,
    target: Target,
    authorization: Option<HeaderValue>,
}

/// What it answered.
#[derive(Clone, Debug)]
pub struct Provided {
    /// The content type.
    pub content_type: Option<String>,
    /// The whole body.
    pub body: Bytes,
}

impl Provider {
    /// The service at a URL, which is shown this token. The machine's authorities are trusted, and those in the PEM file
    /// `extra`.
    ///
    /// # Errors
    /// When the URL is none that can be requested, or authorities cannot be read.
    pub fn new(
        url: &str,
        token: Option<&Secret>,
        extra: Option<&Path>,
        network: Arc<dyn Network>,
    ) -> Result<Self, ProviderError> {
        let target = Target::parse(url).map_err(ProviderError::Url)?;
        let bearer = |token: &Secret| {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
                .map_err(|_| ProviderError::Token)?;
            value.set_sensitive(true);
            Ok::<_, ProviderError>(value)
        };
        Ok(Self {
            connections: Connections::new(network, Egress::open(), extra)?,
            target,
            authorization: token.map(bearer).transpose()?,
        })
    }

    /// Asks, for what has one of the content types in `accept`. The answer has at most `bytes_max` and is there within
    /// `patience`.
    ///
    /// # Errors
    /// When it is not, or no success.
    pub async fn ask(
        &self,
        json: String,
        accept: &'static str,
        bytes_max: u64,
        patience: Duration,
    ) -> Result<Provided, FailureKind> {
        let deadline = Instant::now() + patience;
        let bounds = Bounds { deadline, pause: patience, bytes: bytes_max };
        let origin = self.target.origin()?;
        let body = Bytes::from(json);
        if let Some(sender) = self.connections.idle(&origin).await {
            match self.exchange(sender, body.clone(), accept, bounds).await {
                // It had been idle for too long.
                Err(FailureKind::Broken) => {}
                answered => return answered,
            }
        }
        let sender = self.connections.connect(&origin, patience).await?;
        self.exchange(sender, body, accept, bounds).await
    }

    async fn exchange(
        &self,
        mut sender: Sender,
        body: Bytes,
        accept: &'static str,
        bounds: Bounds,
    ) -> Result<Provided, FailureKind> {
        let request = Request::post(self.target.path_and_query())
            .header(HOST, self.target.authority())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, accept);
        let request = match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        };
        let request = request.body(Full::new(body));
        let request = request.map_err(|_| FailureKind::BadUrl("no request can be made of it"))?;
        let answered = timeout_at(bounds.deadline, sender.send_request(request)).await;
        let response = answered.map_err(|_| FailureKind::TimedOut)?.map_err(|_| FailureKind::Broken)?;
        let (head, incoming) = response.into_parts();
        if !head.status.is_success() {
            return Err(FailureKind::Status(head.status.as_u16()));
        }
        let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let home = self.connections.home(self.target.origin()?, sender);
        let body = Body::new(incoming, home, bounds).whole().await?;
        Ok(Provided { content_type: content_type.map(str::to_owned), body })
    }
}
