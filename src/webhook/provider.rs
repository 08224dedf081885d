//! A service of the operator's: asked with JSON by POST, and answering with whatever it makes of that. Unlike an application
//! it is named in the configuration, so no guard keeps requests from the operator's own network unless one is wanted;
//! nothing is signed, but a bearer token (RFC 6750) or a user and password (RFC 7617) may be shown; and no redirect is
//! followed, since that would show it to somebody else.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

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

/// What is asked of it, and how much of an answer is waited for.
struct Question {
    body: Bytes,
    accept: &'static str,
    bounds: Bounds,
    /// Whether an answer that is no success is wanted too.
    whatever_status: bool,
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

    /// The service at an `https` URL, which is shown this user and password, and which the guard lets requests go to.
    ///
    /// # Errors
    /// When the URL is none that can be requested over TLS, or authorities cannot be read.
    pub fn guarded(
        url: &str,
        (user, password): (&str, &Secret),
        extra: Option<&Path>,
        egress: Egress,
        network: Arc<dyn Network>,
    ) -> Result<Self, ProviderError> {
        let target = Target::parse(url).map_err(ProviderError::Url)?;
        if !target.origin().map_err(ProviderError::Url)?.tls {
            return Err(ProviderError::Url(FailureKind::BadUrl("it must be https")));
        }
        let shown = Zeroizing::new(format!("{user}:{}", password.expose()));
        let shown = Zeroizing::new(format!("Basic {}", STANDARD.encode(shown.as_bytes())));
        let mut value = HeaderValue::try_from(shown.as_str()).map_err(|_| ProviderError::Token)?;
        value.set_sensitive(true);
        Ok(Self {
            connections: Connections::new(network, egress, extra)?,
            target,
            authorization: Some(value),
        })
    }

    /// Asks with a body of JSON that it wipes when it is sent, for JSON, of whatever status. The answer has at most
    /// `bytes_max` and is there within `patience`.
    ///
    /// # Errors
    /// When it is not.
    pub async fn ask_secretly(
        &self,
        json: Zeroizing<Vec<u8>>,
        bytes_max: u64,
        patience: Duration,
    ) -> Result<(u16, Provided), FailureKind> {
        let bounds = Bounds { deadline: Instant::now() + patience, pause: patience, bytes: bytes_max };
        let body = Bytes::from_owner(json);
        let question = Question { body, accept: "application/json", bounds, whatever_status: true };
        // A new connection each time: one that is broken off behind its back would be asked twice.
        let sender = self.connections.connect(&self.target.origin()?, patience).await?;
        self.exchange(sender, &question).await
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
        let bounds = Bounds { deadline: Instant::now() + patience, pause: patience, bytes: bytes_max };
        let question = Question { body: Bytes::from(json), accept, bounds, whatever_status: false };
        let origin = self.target.origin()?;
        if let Some(sender) = self.connections.idle(&origin).await {
            match self.exchange(sender, &question).await {
                // It had been idle for too long.
                Err(FailureKind::Broken) => {}
                answered => return answered.map(|(_, provided)| provided),
            }
        }
        let sender = self.connections.connect(&origin, patience).await?;
        self.exchange(sender, &question).await.map(|(_, provided)| provided)
    }

    async fn exchange(
        &self,
        mut sender: Sender,
        question: &Question,
    ) -> Result<(u16, Provided), FailureKind> {
        let request = Request::post(self.target.path_and_query())
            .header(HOST, self.target.authority())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, question.accept);
        let request = match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        };
        let request = request.body(Full::new(question.body.clone()));
        let request = request.map_err(|_| FailureKind::BadUrl("no request can be made of it"))?;
        let answered = timeout_at(question.bounds.deadline, sender.send_request(request)).await;
        let response = answered.map_err(|_| FailureKind::TimedOut)?.map_err(|_| FailureKind::Broken)?;
        let (head, incoming) = response.into_parts();
        if !head.status.is_success() && !question.whatever_status {
            return Err(FailureKind::Status(head.status.as_u16()));
        }
        let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let home = self.connections.home(self.target.origin()?, sender);
        let body = Body::new(incoming, home, question.bounds).whole().await?;
        Ok((head.status.as_u16(), Provided { content_type: content_type.map(str::to_owned), body }))
    }
}
