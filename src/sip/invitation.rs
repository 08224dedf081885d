//! What an INVITE or UPDATE asks for, or why it is refused: where it goes, its offer, its session timer.

use rsipstack::sip::{Header, Request, StatusCode};
use tracing::debug;

use super::counters::SipCounters;
use super::headers::{self, other};
use super::inbound::Inbound;
use super::session_timer::{self, SessionTimer};
use crate::call::{AccountSid, Destination, HttpMethod, JoinTerms, Voice, VoiceSource, VoiceUrl};
use crate::config::{Codecs, Decision, RouteScript, ScriptSource, SrtpPolicy, Trunk, WebhookUrl};
use crate::sdp::{self, Offer, SdpError};

/// An INVITE that we understood.
pub(super) struct Invitation {
    /// Whose number was called.
    pub(super) account: AccountSid,
    pub(super) destination: Destination,
    /// Whether its media are to be SRTP.
    pub(super) srtp: SrtpPolicy,
    /// Codecs, the best liked first.
    pub(super) codecs: Codecs,
    /// The trunk that it came over.
    pub(super) trunk: Option<String>,
    /// None: the caller wants ours.
    pub(super) offer: Option<Offer>,
    pub(super) timer: Option<SessionTimer>,
}

/// A final answer other than 200.
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<Header>,
}

impl From<StatusCode> for Refusal {
    fn from(status: StatusCode) -> Self {
        Self { status, headers: Vec::new() }
    }
}

impl Invitation {
    pub(super) fn read(inbound: &Inbound, request: &Request, trunk: Option<&Trunk>) -> Result<Self, Refusal> {
        let user = headers::user(&request.uri);
        let domain = request.uri.host().to_string();
        let name = trunk.map(|trunk| trunk.name.as_str());
        let usual = trunk.and_then(|trunk| trunk.srtp).unwrap_or(inbound.srtp);
        let (destination, srtp) = match inbound.routes.decide_from(name, &user, &domain) {
            Decision::Conference { name, srtp } => {
                (Destination::Conference(JoinTerms::named(name)), srtp.unwrap_or(usual))
            }
            Decision::Script { script, srtp } => (Destination::Script(voice(*script)), srtp.unwrap_or(usual)),
            Decision::Refuse(status) => return Err(StatusCode::from(status).into()),
        };
        let timer = agree_timer(request, inbound.session_interval_min)?;
        Ok(Self {
            account: inbound.account,
            destination,
            srtp,
            codecs: trunk.and_then(|trunk| trunk.codecs.as_ref()).unwrap_or(&inbound.codecs).clone(),
            trunk: name.map(str::to_owned),
            offer: read_offer(&inbound.counters, request)?,
            timer,
        })
    }
}

/// A route's script, in the model's words.
fn voice(script: RouteScript) -> Voice {
    let webhook = |url: WebhookUrl| VoiceUrl {
        url: url.url,
        method: if url.get { HttpMethod::Get } else { HttpMethod::Post },
    };
    let source = match script.source {
        ScriptSource::Url(url) => VoiceSource::Url(webhook(url)),
        ScriptSource::Inline(text) => VoiceSource::Inline(text),
    };
    Voice { source, fallback: script.fallback.map(webhook) }
}

/// The session timer of a request, if it asks for one.
pub(super) fn agree_timer(request: &Request, interval_min: u32) -> Result<Option<SessionTimer>, Refusal> {
    let asked = headers::value(request, "Session-Expires", Some("x"));
    let supported = headers::lists(request, "Supported", Some("k"), "timer")
        || headers::lists(request, "Require", None, "timer");
    session_timer::agree(asked.as_deref(), supported, interval_min).map_err(|_| Refusal {
        status: StatusCode::SessionIntervalTooSmall,
        headers: vec![other("Min-SE", interval_min)],
    })
}

/// The offer of a request, if it has one.
pub(super) fn read_offer(counters: &SipCounters, request: &Request) -> Result<Option<Offer>, Refusal> {
    if request.body.is_empty() {
        return Ok(None);
    }
    let content_type = headers::value(request, "Content-Type", Some("c")).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media_type != "application/sdp" {
        return Err(Refusal {
            status: StatusCode::UnsupportedMediaType,
            headers: vec![Header::Accept("application/sdp".into())],
        });
    }
    sdp::parse_offer(&request.body).map(Some).map_err(|e| not_acceptable(counters, e))
}

/// The answer to an offer that cannot be taken.
pub(super) fn not_acceptable(counters: &SipCounters, error: SdpError) -> Refusal {
    debug!(%error, "offer not acceptable");
    counters.refuse_sdp(error);
    StatusCode::from(error.status()).into()
}
