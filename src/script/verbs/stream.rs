//! Stream: the noun of Start and Connect that names a server and what it is told.

use crate::script::code::{SCHEMA, STREAM_TRACK, STREAM_URL};
use crate::script::element::Element;
use crate::script::target::Callback;
use crate::stream::protocol::{Parameters, Tracks};

/// A stream to a server. Whether its URL is one shows when it is begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamNoun {
    /// Where to: `wss` or `ws`.
    pub url: String,
    /// By which it can be stopped.
    pub name: Option<String>,
    /// What of the call.
    pub tracks: Tracks,
    /// Who is told what becomes of it.
    pub status: Option<Callback>,
    /// What its server is told.
    pub parameters: Parameters,
}

impl StreamNoun {
    pub(super) fn read(noun: &Element<'_, '_>) -> Option<Self> {
        let words = [Tracks::Inbound, Tracks::Outbound, Tracks::Both].map(|tracks| (tracks.word(), tracks));
        let url = noun.words("url");
        let stream = Self {
            url: url.clone().unwrap_or_default(),
            name: noun.words("name"),
            tracks: noun.choice("track", Tracks::Inbound, STREAM_TRACK, &words),
            status: noun.callback("statusCallback", "statusCallbackMethod", SCHEMA),
            parameters: parameters(noun),
        };
        noun.pass_over(&["connectorName", "audioFormat", "sampleRate"]);
        noun.finish();
        noun.no_text();
        if url.is_none() {
            noun.warn(STREAM_URL, "has no url, so nobody knows where to; it is skipped.");
        }
        url.map(|_| stream)
    }
}

impl StreamNoun {
    /// One over which a call talks, which carries what the far end says and nothing else.
    pub(super) fn read_connected(noun: &Element<'_, '_>) -> Option<Self> {
        let stream = Self::read(noun)?;
        if stream.tracks != Tracks::Inbound {
            noun.warn(STREAM_TRACK, "within <Connect> carries the inbound track; no other is sent.");
        }
        Some(Self { tracks: Tracks::Inbound, ..stream })
    }
}

fn parameters(noun: &Element<'_, '_>) -> Parameters {
    let mut parameters = Parameters::default();
    for child in noun.children() {
        if child.name() != "Parameter" {
            child.warn(SCHEMA, "has no place in <Stream>; it is skipped.");
            continue;
        }
        let (name, value) = (child.attribute("name"), child.attribute("value"));
        child.finish();
        if let Err(error) = parameters.set(name.unwrap_or_default(), value.unwrap_or_default()) {
            child.warn(SCHEMA, &format!("is skipped: {error}."));
        }
    }
    parameters
}
