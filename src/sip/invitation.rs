//! What an INVITE or UPDATE asks for, or why it is refused: where it goes, its offer, its session timer.

use rsipstack::sip::{Header, Request, StatusCode};
use tracing::debug;

use super::counters::SipCounters;
use super::headers::{self, other};
use super::inbound::Inbound;
use super::session_timer::{self, SessionTimer};
use super::terms::Offered;
use crate::call::{AccountSid, CallEvents, Destination, JoinTerms, StatusCallback};
use crate::config::{Codecs, Decision, SrtpPolicy, Trunk};
use crate::directory::Called;
use crate::sdp::SdpError;

/// An INVITE that we understood.
pub(super) struct Invitation {
    /// Whose number was called.
    pub(super) account: AccountSid,
    pub(super) destination: Destination,
    /// Who is told how far it gets.
    pub(super) status: Option<StatusCallback>,
    /// Whether its media are to be SRTP.
    pub(super) srtp: SrtpPolicy,
    /// Codecs, the best liked first.
    pub(super) codecs: Codecs,
    /// The trunk that it came over.
    pub(super) trunk: Option<String>,
    /// None: the caller wants ours.
    pub(super) offer: Option<Offered>,
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
        let way = Way::find(inbound, request, trunk)?;
        let timer = agree_timer(request, inbound.session_interval_min)?;
        Ok(Self {
            account: way.account,
            destination: way.destination,
            status: way.status,
            srtp: way.srtp,
            codecs: trunk.and_then(|trunk| trunk.codecs.as_ref()).unwrap_or(&inbound.codecs).clone(),
            trunk: trunk.map(|trunk| trunk.name.clone()),
            offer: read_offer(&inbound.counters, request)?,
            timer,
        })
    }
}

/// Where a call goes, and in whose name.
struct Way {
    account: AccountSid,
    destination: Destination,
    srtp: SrtpPolicy,
    status: Option<StatusCallback>,
}

impl Way {
    /// A number of the directory says so itself; where it does not, and for anything else, the first route that fits.
    fn find(inbound: &Inbound, request: &Request, trunk: Option<&Trunk>) -> Result<Self, Refusal> {
        let user = headers::user(&request.uri);
        let mut way = Self {
            account: inbound.account,
            destination: Destination::Wait,
            srtp: trunk.and_then(|trunk| trunk.srtp).unwrap_or(inbound.srtp),
            status: None,
        };
        match inbound.directory.number(&user) {
            Some(Called::Inactive(account)) => {
                debug!(%account, "a number of an account that is not active was called");
                return Err(StatusCode::Forbidden.into());
            }
            Some(Called::Reached(number)) => {
                way.account = number.account;
                way.status =
                    number.told.map(|url| StatusCallback { url: url.into(), events: CallEvents::default() });
                if let Some(script) = number.script {
                    way.destination = Destination::Script(script.into());
                    return Ok(way);
                }
            }
            None => {}
        }
        let srtp = match inbound.routes.decide_from(
            trunk.map(|trunk| trunk.name.as_str()),
            &user,
            &request.uri.host().to_string(),
        ) {
            Decision::Conference { name, srtp } => {
                way.destination = Destination::Conference(JoinTerms::named(name));
                srtp
            }
            Decision::Script { script, srtp } => {
                way.destination = Destination::Script((*script).into());
                srtp
            }
            Decision::Refuse(status) => return Err(StatusCode::from(status).into()),
        };
        way.srtp = srtp.unwrap_or(way.srtp);
        Ok(way)
    }
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
pub(super) fn read_offer(counters: &SipCounters, request: &Request) -> Result<Option<Offered>, Refusal> {
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
    Offered::parse(&request.body).map(Some).map_err(|e| not_acceptable(counters, e))
}

/// The answer to an offer that cannot be taken.
pub(super) fn not_acceptable(counters: &SipCounters, error: SdpError) -> Refusal {
    debug!(%error, "offer not acceptable");
    counters.refuse_sdp(error);
    StatusCode::from(error.status()).into()
}
