//! Who calls: an agent, who has proved to be one, or somebody whose word is taken for what it is.

use rsipstack::sip::prelude::{HeadersExt, ToTypedHeader};
use rsipstack::sip::{Request, StatusCode};
use rsipstack::transaction::transaction::Transaction;

use super::headers;
use super::inbound::{Inbound, came_over};
use super::invitation::Refusal;
use super::registrar::{self, Sender};
use super::stream::is_websocket;
use crate::call::{AccountSid, DialTarget};

/// Who calls.
pub(super) struct Caller {
    /// As the API names them: `client:NAME` for an agent.
    pub(super) name: String,
    /// The account that a call of theirs belongs to, if it is an agent's.
    pub(super) account: Option<AccountSid>,
}

/// Finds out who sent an INVITE. Who says that they are an agent of ours, who calls what is for agents only, and who
/// brings a proof without being asked, must prove it; all others are who they say, as long as they say nothing that only
/// an agent may. Calls over a trunk are from the telephone network, whatever name they bear. Over a WebSocket everybody must
/// prove it: any page may open one from its visitor's network.
pub(super) fn identify(
    inbound: &Inbound,
    transaction: &Transaction,
    trunk: Option<&str>,
) -> Result<Caller, Refusal> {
    let (request, registrar) = (&transaction.original, &inbound.registrar);
    let (user, domain) = (headers::user(&request.uri), request.uri.host().to_string());
    let is_for_agents = inbound.routes.is_for_agents_only(trunk, &user, &domain);
    if trunk.is_some() && is_for_agents {
        return Err(StatusCode::Forbidden.into());
    }
    let claimed = claimed(inbound, request).filter(|_| trunk.is_none());
    let must_prove = claimed.is_some()
        || is_for_agents
        || is_websocket(came_over(transaction))
        || (trunk.is_none() && registrar.has_credentials(request));
    if !must_prove {
        let name = headers::caller(request);
        if name.starts_with("client:") {
            registrar.count_impostor();
            return Err(StatusCode::Forbidden.into());
        }
        return Ok(Caller { name, account: None });
    }
    let source = registrar::flow(transaction).ok_or(StatusCode::ServerInternalError)?.source;
    let named = claimed.clone().unwrap_or_default();
    let agent = match registrar.identify(request, &named, source.ip()) {
        Sender::Agent(agent) => agent,
        Sender::Refused(refusal) => return Err(refusal),
    };
    if claimed.is_some_and(|claimed| claimed != agent.name) {
        registrar.count_impostor();
        return Err(StatusCode::Forbidden.into());
    }
    let name = DialTarget::Client(agent.name.clone()).to_string();
    Ok(Caller { name, account: Some(registrar.account_of(agent)) })
}

/// The agent that the caller says to be: one of ours, at an address of ours. The same name elsewhere is somebody else.
fn claimed(inbound: &Inbound, request: &Request) -> Option<String> {
    let from = request.from_header().ok()?.typed().ok()?.uri;
    let agent = inbound.registrar.agent(&headers::user(&from))?;
    let host = from.host().to_string();
    let ours = [request.uri.host().to_string(), inbound.advertised.ip().to_string()];
    let is_ours = ours.iter().chain([inbound.registrar.realm()]).any(|ours| ours.eq_ignore_ascii_case(&host));
    is_ours.then(|| agent.name.clone())
}
