//! Calls that we make: one task dials, by one way after the other if it must, and, once the call is answered, lives it like
//! any other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rsipstack::sip::uri::ParamsExt;
use rsipstack::sip::{Host, Scheme, Transport, Uri};
use rsipstack::transport::SipAddr;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, info};

use super::agent::{self, Picked};
use super::attempt::{Answered, Missed, NotAnswered, Way, WayMedia, attempt};
use super::call::Call;
use super::challenge::Credentials;
use super::headers::{self, other};
use super::inbound::Inbound;
use super::session_timer;
use super::states::Happened;
use super::trunk::{Choice, Line, Outcome, Place};
use crate::call::{CallEnd, DialTarget, OutgoingCall, Progress};
use crate::config::{TrunkAddress, TrunkTransport};
use crate::webrtc::PickedUp;

/// The port of SIP where none is said (RFC 3261 §19.1.2).
const SIP_PORT: u16 = 5_060;

/// The port of SIP over TLS, likewise.
const SIPS_PORT: u16 = 5_061;

/// How long a name may take to be found: the usual resolver asks its second server after five.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(8);

/// Dials until the model is gone.
pub(super) async fn serve(shared: Arc<Inbound>, mut outgoing: mpsc::Receiver<OutgoingCall>) {
    while let Some(call) = outgoing.recv().await {
        let tasks = shared.tasks.clone();
        tasks.spawn(dial(Arc::clone(&shared), call));
    }
}

async fn dial(shared: Arc<Inbound>, mut outgoing: OutgoingCall) {
    let call = outgoing.call;
    match Box::pin(reach(&shared, &mut outgoing)).await {
        Ok(Reached::Browser(picked_up)) => picked_up.live(outgoing.signals).await,
        Ok(Reached::Phone(call, states, place)) => {
            let id = call.dialog_id();
            call.is_living();
            call.live(states, outgoing.signals).await;
            shared.living.end(&id);
            shared.dialogs.remove_dialog(&id);
            drop(place);
        }
        Err(NotAnswered { end, status }) => {
            info!(%call, ?end, status, "outgoing call not answered");
            shared.calls.call_ended(call, end, status).await;
        }
    }
}

/// A call that was answered.
enum Reached {
    /// By a phone, and its place on a trunk.
    Phone(Box<Call>, Happened, Option<Place>),
    /// By a browser.
    Browser(Box<PickedUp>),
}

async fn reach(shared: &Arc<Inbound>, outgoing: &mut OutgoingCall) -> Result<Reached, NotAnswered> {
    let answered = match outgoing.order.to.clone() {
        DialTarget::Number(number) => over_trunks(shared, outgoing, &number).await,
        DialTarget::Sip(uri) => straight(shared, outgoing, &uri).await,
        DialTarget::Client(name) => {
            let give_up = begin(shared, outgoing).await;
            match agent::call(shared, outgoing, &name, give_up).await? {
                Picked::Phone(answered) => Ok((*answered, None)),
                Picked::Browser(picked_up) => return Ok(Reached::Browser(picked_up)),
            }
        }
    };
    let (answered, place) = answered?;
    let (call, states) = connect(shared, outgoing, answered).await?;
    Ok(Reached::Phone(Box::new(call), states, place))
}

/// Calls a SIP URI, where it says.
async fn straight(
    shared: &Inbound,
    outgoing: &mut OutgoingCall,
    uri: &str,
) -> Result<(Answered, Option<Place>), NotAnswered> {
    let give_up = begin(shared, outgoing).await;
    let way = way_to(shared, outgoing, uri).await.ok_or(NotAnswered::failed(404))?;
    match attempt(shared, outgoing, way, give_up).await {
        Ok(answered) => Ok((answered, None)),
        Err(Missed::Over(why) | Missed::Astray { last: why, .. }) => Err(why),
    }
}

/// Calls a number over the trunks that carry it, until one of them leads to the callee.
async fn over_trunks(
    shared: &Inbound,
    outgoing: &mut OutgoingCall,
    number: &str,
) -> Result<(Answered, Option<Place>), NotAnswered> {
    let mut left = shared.trunks.choices(number, outgoing.order.trunk.as_deref(), Instant::now(), draw);
    let mut last = NotAnswered::failed(if left.is_empty() { 404 } else { 503 });
    let mut give_up = None;
    while let Some((choice, place)) = next_place(&mut left) {
        wait_for_turn(outgoing, &place, give_up).await?;
        let give_up = match give_up {
            Some(give_up) => give_up,
            None => *give_up.insert(begin(shared, outgoing).await),
        };
        let trunk = &choice.line.trunk.name;
        info!(call = %outgoing.call, trunk, address = %choice.address(), "dialled over trunk");
        shared.calls.call_uses_trunk(outgoing.call, trunk.clone()).await;
        match try_trunk(shared, outgoing, number, &choice, give_up).await {
            Ok(answered) => return Ok((answered, Some(place))),
            Err(Missed::Over(why)) => return Err(why),
            Err(Missed::Astray { last: why, .. }) => last = why,
        }
    }
    Err(last)
}

/// One attempt over a trunk, and what it tells of the trunk.
async fn try_trunk(
    shared: &Inbound,
    outgoing: &mut OutgoingCall,
    number: &str,
    choice: &Choice,
    give_up: Instant,
) -> Result<Answered, Missed> {
    let attempted = match way_over(shared, outgoing, number, choice).await {
        Some(way) => attempt(shared, outgoing, way, give_up).await,
        None => Err(Missed::Astray {
            last: NotAnswered::failed(503),
            why: "its name is not found",
            is_broken: true,
            retry_after: None,
        }),
    };
    match &attempted {
        Ok(_) => {
            choice.works();
            choice.count(Outcome::Answered);
        }
        // Whoever gave up learnt nothing of the trunk.
        Err(Missed::Over(NotAnswered { end: CallEnd::Canceled, .. })) => choice.count(Outcome::Refused),
        Err(Missed::Over(_)) => {
            choice.works();
            choice.count(Outcome::Refused);
        }
        Err(Missed::Astray { why, is_broken, retry_after, .. }) => {
            if *is_broken {
                choice.fails(why, *retry_after);
            }
            choice.count(Outcome::Failed);
        }
    }
    attempted
}

/// The next choice that has room for a call: the first that has a turn for it now, else the one that has one first.
fn next_place(left: &mut Vec<Choice>) -> Option<(Choice, Place)> {
    loop {
        let now = Instant::now();
        let turns = left.iter().map(|choice| choice.line.turn(now).max(now));
        let (at, _) = turns.enumerate().min_by_key(|(at, turn)| (*turn, *at))?;
        let choice = left.remove(at);
        if let Ok(place) = Line::take(&choice.line, now) {
            return Some((choice, place));
        }
        debug!(trunk = choice.line.trunk.name, "trunk has as many calls as it may have");
    }
}

async fn wait_for_turn(
    outgoing: &mut OutgoingCall,
    place: &Place,
    give_up: Option<Instant>,
) -> Result<(), NotAnswered> {
    if give_up.is_some_and(|give_up| give_up < place.turn) {
        return Err(NotAnswered { end: CallEnd::NoAnswer, status: Some(408) });
    }
    tokio::select! {
        () = sleep_until(place.turn) => Ok(()),
        // There is nothing that could be answered yet: whatever it is, it is an end.
        _ = outgoing.signals.recv() => Err(NotAnswered::CANCELED),
    }
}

/// It is dialled from now on. When it has rung for too long.
async fn begin(shared: &Inbound, outgoing: &OutgoingCall) -> Instant {
    shared.calls.call_progressed(outgoing.call, Progress::Dialling).await;
    Instant::now() + outgoing.order.ring_timeout
}

/// A number below `most`. Chance that is missing is no reason not to call.
fn draw(most: u32) -> u32 {
    let mut drawn = [0; 4];
    let _ = getrandom::fill(&mut drawn);
    u32::from_be_bytes(drawn) % most.max(1)
}

/// The way to a SIP URI. A name is looked up once, and what was found is where it goes.
async fn way_to(shared: &Inbound, outgoing: &OutgoingCall, uri: &str) -> Option<Way> {
    let order = &outgoing.order;
    let callee = Uri::try_from(uri).ok()?;
    // The scheme says that it is over TLS; a parameter could only say over what that is (RFC 3261 §26.2.2).
    let is_sips = callee.scheme == Some(Scheme::Sips);
    let transport =
        if is_sips { Transport::Tls } else { callee.transport().copied().unwrap_or(Transport::Udp) };
    let is_secure = transport == Transport::Tls;
    let usual = if is_secure { SIPS_PORT } else { SIP_PORT };
    let port = callee.host_with_port.port.map_or(usual, |port| port.value());
    let (name, address) = match &callee.host_with_port.host {
        Host::IpAddr(ip) => (ip.to_string(), SocketAddr::new(*ip, port)),
        Host::Domain(domain) => (domain.to_string(), find(&domain.to_string(), port).await?),
    };
    Some(Way {
        destination: SipAddr { r#type: Some(transport), addr: address.into() },
        caller: caller(&order.from, &shared.advertised.sip.to_string())?,
        callee,
        name: Some(name).filter(|_| is_secure),
        media: WayMedia::Phone { codecs: shared.codecs.as_slice().to_vec(), srtp: shared.srtp },
        credentials: order.credentials.as_ref().map(|credentials| Credentials {
            username: credentials.username.clone(),
            password: credentials.password.clone(),
            realm: None,
        }),
        answer_within: None,
        route: Vec::new(),
        is_connected: false,
        gone: None,
        call_id: None,
    })
}

/// The way to a number over one address of a trunk.
async fn way_over(shared: &Inbound, outgoing: &OutgoingCall, number: &str, choice: &Choice) -> Option<Way> {
    let (trunk, address) = (&choice.line.trunk, choice.address());
    let user = headers::encode_user(&trunk.rewrite.apply(number));
    let parameter = address.transport.parameter();
    let callee = Uri::try_from(format!("sip:{user}@{}{parameter}", address.host_port()).as_str()).ok()?;
    let found = find(&address.host, address.port()).await?;
    shared.gate.calls_trunk(found, trunk.messages_per_second);
    let ours = shared.advertised.sip.to_string();
    let keeps_caller = trunk.caller_id_of_forwarded && outgoing.order.is_forwarded;
    let from = trunk.caller_id.as_deref().filter(|_| !keeps_caller).unwrap_or(&outgoing.order.from);
    Some(Way {
        callee,
        destination: SipAddr { r#type: Some(transport_of(address)), addr: found.into() },
        name: Some(address.host.clone()),
        caller: caller(user_of(from), trunk.from_domain.as_deref().unwrap_or(&ours))?,
        media: WayMedia::Phone {
            codecs: trunk.codecs.as_ref().unwrap_or(&shared.codecs).as_slice().to_vec(),
            srtp: trunk.srtp.unwrap_or(shared.srtp),
        },
        // Whatever credentials came with the order are not meant for the trunk.
        credentials: choice.line.credentials(),
        answer_within: Some(trunk.answer_within),
        route: Vec::new(),
        is_connected: false,
        gone: None,
        call_id: None,
    })
}

/// How a trunk is spoken to, in the library's words.
pub(super) const fn transport_of(address: &TrunkAddress) -> Transport {
    match address.transport {
        TrunkTransport::Udp => Transport::Udp,
        TrunkTransport::Tcp => Transport::Tcp,
        TrunkTransport::Tls => Transport::Tls,
    }
}

/// The address of a host.
pub(super) async fn find(host: &str, port: u16) -> Option<SocketAddr> {
    if let Ok(ip) = host.parse() {
        return Some(SocketAddr::new(ip, port));
    }
    let found = timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host((host, port))).await;
    found.ok()?.ok()?.next()
}

/// The user of a whole URI: a trunk is told no other domain than its own or ours.
fn user_of(from: &str) -> &str {
    let rest = from.strip_prefix("sip:").or_else(|| from.strip_prefix("sips:"));
    rest.map_or(from, |rest| rest.split(['@', ';', '?']).next().unwrap_or(rest))
}

/// Our From: a number or a user at a domain of ours, or a whole SIP URI.
pub(super) fn caller(from: &str, domain: &str) -> Option<Uri> {
    let text = match from.strip_prefix("client:") {
        _ if from.starts_with("sip:") => from.to_owned(),
        Some(name) => format!("sip:{}@{domain}", headers::encode_user(name)),
        None => format!("sip:{}@{domain}", headers::encode_user(from)),
    };
    Uri::try_from(text.as_str()).ok()
}

/// Lets an answered call's media begin. A far end that answers with something we did not offer is hung up on.
async fn connect(
    shared: &Arc<Inbound>,
    outgoing: &OutgoingCall,
    answered: Answered,
) -> Result<(Call, Happened), NotAnswered> {
    let Answered { dialog, states, mut terms, response, credentials } = answered;
    let media = match terms.read_answer(&response.body).await {
        Ok(media) => media,
        Err(e) => {
            debug!(error = ?e, "answer not acceptable");
            e.refusal(&shared.counters);
            let reason = vec![other("Reason", "SIP;cause=488;text=\"answer not acceptable\"")];
            // The far end hears of it or times out.
            let _ = dialog.bye_with_headers(Some(reason)).await;
            return Err(NotAnswered::failed(488));
        }
    };
    if shared.calls.connect_call(outgoing.call, media).await.is_err() {
        let _ = dialog.bye_with_headers(None).await;
        return Err(NotAnswered::failed(503));
    }
    let expires = headers::value(&response, "Session-Expires", Some("x"));
    let timer = session_timer::answered_to_us(expires.as_deref());
    let mut call = Call::established(shared, outgoing.call, dialog, terms, timer, &response);
    call.answers_challenges_with(credentials);
    Ok((call, states))
}
