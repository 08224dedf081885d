//! Calls that we make: one task dials and, once it is answered, lives the call like any other.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rsipstack::dialog::authenticate::Credential;
use rsipstack::dialog::dialog::{DialogState, DialogStateReceiver};
use rsipstack::dialog::invitation::InviteOption;
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::uri::ParamsExt;
use rsipstack::sip::{Header, Host, Response, StatusCode, StatusCodeKind, Transport, Uri};
use rsipstack::transport::SipAddr;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info};

use super::call::Call;
use super::endpoint::contact;
use super::guard::SUPPORTED;
use super::headers::{self, other};
use super::inbound::{Inbound, allow};
use super::media::MediaTerms;
use super::session_timer;
use crate::call::{CallEnd, CallMedia, DialTarget, OutgoingCall, Progress, Signal};

/// The port of SIP where none is said (RFC 3261 §19.1.2).
const SIP_PORT: u16 = 5_060;

/// Dials until the model is gone.
pub(super) async fn serve(shared: Arc<Inbound>, mut outgoing: mpsc::Receiver<OutgoingCall>) {
    while let Some(call) = outgoing.recv().await {
        let tasks = shared.tasks.clone();
        tasks.spawn(dial(Arc::clone(&shared), call));
    }
}

/// Why a call was not answered.
struct NotAnswered {
    end: CallEnd,
    status: Option<u16>,
}

impl NotAnswered {
    const FAILED: Self = Self { end: CallEnd::Failed, status: None };
}

async fn dial(shared: Arc<Inbound>, mut outgoing: OutgoingCall) {
    let call = outgoing.call;
    shared.calls.call_progressed(call, Progress::Dialling).await;
    let answered = Box::pin(ring(&shared, &mut outgoing)).await;
    match answered {
        Ok((call, states)) => {
            let id = call.dialog_id();
            call.live(states, outgoing.signals).await;
            shared.dialogs.remove_dialog(&id);
        }
        Err(NotAnswered { end, status }) => {
            info!(%call, ?end, status, "outgoing call not answered");
            shared.calls.call_ended(call, end, status).await;
        }
    }
}

/// Where a call is to be sent.
struct Way {
    callee: Uri,
    destination: SipAddr,
}

/// Sends the INVITE and waits until it is answered, refused, given up or rings for too long.
async fn ring(
    shared: &Arc<Inbound>,
    outgoing: &mut OutgoingCall,
) -> Result<(Call, DialogStateReceiver), NotAnswered> {
    let way =
        find_way(&outgoing.order.to).await.ok_or(NotAnswered { end: CallEnd::Failed, status: Some(404) })?;
    let far_host = way.destination.get_socketaddr().ok().map(|address| address.ip());
    let mut terms = media_terms(shared, outgoing.rtp_port, far_host)?;
    let (states, mut happened) = shared.dialogs.new_dialog_state_channel();
    let invite = invite(shared, outgoing, way, terms.offer())?;
    let (dialog, mut answered) = shared.dialogs.do_invite_async(invite, states).map_err(|e| {
        debug!(call = %outgoing.call, error = %e, "INVITE not sent");
        NotAnswered::FAILED
    })?;
    let patience = Instant::now() + outgoing.order.ring_timeout;
    let response = loop {
        tokio::select! {
            done = &mut answered => break final_response(done.ok().and_then(Result::ok).and_then(|(_, r)| r))?,
            state = happened.recv() => if let Some(DialogState::Early(_, response)) = state {
                rings(shared, outgoing, &response).await;
            },
            signal = outgoing.signals.recv() => {
                if !matches!(signal, Some(Signal::Answer)) {
                    give_up(&dialog).await;
                    return Err(NotAnswered { end: CallEnd::Canceled, status: None });
                }
            }
            () = sleep_until(patience) => {
                give_up(&dialog).await;
                return Err(NotAnswered { end: CallEnd::NoAnswer, status: Some(487) });
            }
        }
    };
    let media = read_answer(shared, &mut terms, &response, &dialog).await?;
    connect(shared, outgoing, terms, dialog, &response, media).await.map(|call| (call, happened))
}

fn media_terms(shared: &Inbound, port: u16, far_host: Option<IpAddr>) -> Result<MediaTerms, NotAnswered> {
    let codecs = shared.codecs.as_slice().to_vec();
    MediaTerms::new(shared.advertised.ip(), port, codecs, shared.srtp, far_host)
        .map_err(|_| NotAnswered::FAILED)
}

/// What the far end made of our offer. One that answers with something we did not offer is hung up on.
async fn read_answer(
    shared: &Inbound,
    terms: &mut MediaTerms,
    response: &Response,
    dialog: &InviteDialog,
) -> Result<CallMedia, NotAnswered> {
    match terms.read_answer(&response.body) {
        Ok(media) => Ok(media),
        Err(e) => {
            debug!(error = %e, "answer not acceptable");
            shared.counters.refuse_sdp(e);
            let reason = vec![other("Reason", "SIP;cause=488;text=\"answer not acceptable\"")];
            // The far end hears of it or times out.
            let _ = dialog.bye_with_headers(Some(reason)).await;
            Err(NotAnswered { end: CallEnd::Failed, status: Some(488) })
        }
    }
}

async fn connect(
    shared: &Arc<Inbound>,
    outgoing: &OutgoingCall,
    terms: MediaTerms,
    dialog: InviteDialog,
    response: &Response,
    media: CallMedia,
) -> Result<Call, NotAnswered> {
    if shared.calls.connect_call(outgoing.call, media).await.is_err() {
        let _ = dialog.bye_with_headers(None).await;
        return Err(NotAnswered { end: CallEnd::Failed, status: Some(503) });
    }
    let expires = headers::value(response, "Session-Expires", Some("x"));
    let timer = session_timer::answered_to_us(expires.as_deref());
    let peer_updates = headers::values(response, "Allow", None).iter().any(|method| method == "UPDATE");
    Ok(Call::established(shared, outgoing.call, dialog, terms, timer, peer_updates))
}

async fn rings(shared: &Inbound, outgoing: &OutgoingCall, response: &Response) {
    if response.status_code != StatusCode::Trying {
        shared.calls.call_progressed(outgoing.call, Progress::Ringing).await;
    }
}

async fn give_up(dialog: &InviteDialog) {
    if let Err(e) = dialog.cancel().await {
        debug!(error = %e, "CANCEL not answered");
    }
}

/// The 2xx, or what another answer means.
fn final_response(response: Option<Response>) -> Result<Response, NotAnswered> {
    let response = response.ok_or(NotAnswered { end: CallEnd::NoAnswer, status: Some(408) })?;
    if response.status_code.kind() == StatusCodeKind::Successful {
        return Ok(response);
    }
    let status = u16::from(response.status_code);
    let end = match status {
        486 | 600 | 603 => CallEnd::Busy,
        408 | 480 | 487 => CallEnd::NoAnswer,
        _ => CallEnd::Failed,
    };
    Err(NotAnswered { end, status: Some(status) })
}

/// Whom to send the INVITE to. A name is looked up once, and what was found is where it goes.
async fn find_way(target: &DialTarget) -> Option<Way> {
    let DialTarget::Sip(uri) = target else {
        // Trunks and registered agents are found elsewhere.
        return None;
    };
    let callee = Uri::try_from(uri.as_str()).ok()?;
    let port = callee.host_with_port.port.map_or(SIP_PORT, |port| port.value());
    let ip = match &callee.host_with_port.host {
        Host::IpAddr(ip) => *ip,
        Host::Domain(domain) => tokio::net::lookup_host((domain.to_string(), port)).await.ok()?.next()?.ip(),
    };
    let transport = callee.transport().copied().unwrap_or(Transport::Udp);
    let destination = SipAddr { r#type: Some(transport), addr: SocketAddr::new(ip, port).into() };
    Some(Way { callee, destination })
}

fn invite(
    shared: &Inbound,
    outgoing: &OutgoingCall,
    way: Way,
    offer: String,
) -> Result<InviteOption, NotAnswered> {
    let order = &outgoing.order;
    let transport = way.destination.r#type.unwrap_or(Transport::Udp);
    let caller = caller(&order.from, shared.advertised).ok_or(NotAnswered::FAILED)?;
    let credential = order.credentials.as_ref().map(|credentials| Credential {
        username: credentials.username.clone(),
        password: credentials.password.expose().to_owned(),
        ..Credential::default()
    });
    Ok(InviteOption {
        caller_display_name: order.display_name.clone(),
        caller,
        callee: way.callee,
        destination: Some(way.destination),
        content_type: Some("application/sdp".to_owned()),
        offer: Some(offer.into_bytes()),
        contact: contact(shared.advertised, transport, None),
        credential,
        headers: Some(vec![allow(), Header::Supported(SUPPORTED.into())]),
        ..InviteOption::default()
    })
}

/// Our From: a number or a user at our address, or a whole SIP URI.
fn caller(from: &str, advertised: SocketAddr) -> Option<Uri> {
    let text = match from.strip_prefix("client:") {
        _ if from.starts_with("sip:") => from.to_owned(),
        Some(name) => format!("sip:{}@{advertised}", headers::encode_user(name)),
        None => format!("sip:{}@{advertised}", headers::encode_user(from)),
    };
    Uri::try_from(text.as_str()).ok()
}
