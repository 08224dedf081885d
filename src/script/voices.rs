//! The service that speaks the texts of scripts, asked over HTTP: what is to be said goes there as JSON, and a sound comes
//! back.

use bytes::Bytes;
use serde::Serialize;
use tokio::runtime::Handle;

use crate::sound::{SAY_TIMEOUT, SayRequest, Speaker};
use crate::webhook::Provider;

/// What it may answer with.
const ACCEPT: &str = "audio/wav, audio/mpeg, audio/basic";

/// A service that speaks.
pub struct Voices {
    provider: Provider,
    runtime: Handle,
}

/// What it is told.
#[derive(Serialize)]
struct Order<'r> {
    text: &'r str,
    voice: &'r str,
    language: &'r str,
}

impl Voices {
    /// One whose requests are made on this runtime.
    pub const fn new(provider: Provider, runtime: Handle) -> Self {
        Self { provider, runtime }
    }
}

impl Speaker for Voices {
    /// On a thread that may block, and not on one of the runtime's own.
    fn speak(&self, request: &SayRequest, bytes_max: usize) -> Result<(Bytes, Option<String>), String> {
        let SayRequest { text, voice, language } = request;
        let order = serde_json::to_string(&Order { text, voice, language }).map_err(|e| e.to_string())?;
        let asked = self.provider.ask(order, ACCEPT, bytes_max as u64, SAY_TIMEOUT);
        let provided = self.runtime.block_on(asked).map_err(|failure| failure.to_string())?;
        Ok((provided.body, provided.content_type))
    }
}
