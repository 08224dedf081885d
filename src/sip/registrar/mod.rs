//! The registrar: agents prove who they are, and their phones say where they are to be called (RFC 3261 §10 and §22).
//!
//! ```text
//! REGISTER ─▶ guesses too often? ─▶ digest ─▶ bindings ─▶ 200, and the model hears of it
//! INVITE ───▶        503              401        │
//!                                                └▶ devices of an agent, for those who call one
//! ```
//!
//! A phone is reached where its REGISTER came from, whatever its Contact says: over the connection it opened, or at the
//! address that its NAT shows (as RFC 5626 wants it for connections, and as all do it for UDP). Only if the REGISTER came
//! through proxies that want to be on the way back (Path, RFC 3327) do calls go through them, to the Contact. A browser's Contact
//! names nothing that could be found; whoever looks for it, because the connection of its call is gone, finds the one by which it
//! registered last.

mod bindings;
mod contact;
mod counters;
mod failures;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rsipstack::platform::CancellationToken;
use rsipstack::sip::typed::Route;
use rsipstack::sip::uri::ParamsExt;
use rsipstack::sip::{Header, HostWithPort, Request, StatusCode, Transport, Uri};
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::SipAddr;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::info;

pub(in crate::sip) use bindings::Binding;
use bindings::{Bindings, EXPIRES_MIN, Flow, Refused, Registered, Registration};
pub use contact::{Contact, Contacts, MalformedContact};
use counters::RegistrarCounters;
use failures::{Failures, Patience};

use super::digest::{self, Asked, Credentials, Verdict, Verifier};
use super::guard::ALLOW;
use super::headers::{self, other};
use super::inbound::{Inbound, allow};
use super::invitation::Refusal;
use super::outgoing::written;
use super::stream::{is_websocket, transport_of};
use super::udp::KeepAlive;
use crate::call::{self, AccountSid, Reach};
use crate::config::{Agent, Agents, Ring, Secret};
use crate::telemetry::Metrics;

/// Wrong passwords that one address may send: an office of phones with an old one each, behind one address, gets through;
/// one who guesses has 8,640 tries a day.
const OF_SOURCE: Patience = Patience { burst: 30, every: Duration::from_secs(10) };

/// Wrong passwords for one user, from wherever: a botnet has 1,440 tries a day at it. Addresses at which a phone of the
/// user is registered do not wait for it, so that nobody can lock somebody else's phone out.
const OF_USER: Patience = Patience { burst: 20, every: Duration::from_secs(60) };

/// When one who guessed too often may come back, in seconds.
const RETRY_AFTER: u32 = 60;

/// How often phones are looked for whose time is over.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// How often something is sent to phones behind a NAT: many forget who spoke over UDP after half a minute (RFC 4787 §4.3
/// forbids less than two, in vain).
const NAT_INTERVAL: Duration = Duration::from_secs(25);

/// Proxies on the way to a phone: an edge and what stands behind it, and room.
const PATH_MAX: usize = 8;

/// Agents, and where they are.
#[derive(Debug)]
pub(in crate::sip) struct Registrar {
    agents: Agents,
    realm: String,
    account: AccountSid,
    verifier: Verifier,
    bindings: Mutex<Bindings>,
    guesses: Mutex<Guesses>,
    started: Instant,
    counters: RegistrarCounters,
    /// Rung when a phone has registered.
    bell: Notify,
}

#[derive(Debug)]
struct Guesses {
    of_source: Failures,
    of_user: Failures,
}

/// Who sent a request.
pub(in crate::sip) enum Sender<'r> {
    /// An agent, who has proved it.
    Agent(&'r Agent),
    /// Nobody who could prove anything; the answer asks for it, or sends them away.
    Refused(Refusal),
}

/// A phone that is to be called.
#[derive(Clone, Debug)]
pub(in crate::sip) struct Device {
    /// What the INVITE is for.
    pub(in crate::sip) uri: Uri,
    /// Where it is sent.
    pub(in crate::sip) destination: SipAddr,
    /// The proxies on the way.
    pub(in crate::sip) route: Vec<Route>,
    /// It is a browser: it speaks SIP over a WebSocket, be that with us or with a proxy on the way, and has media of its own
    /// kind (RFC 7118, RFC 8827).
    pub(in crate::sip) is_browser: bool,
    /// Cancelled when the connection by which it is reached is gone, if it is by one.
    pub(in crate::sip) gone: Option<CancellationToken>,
}

impl Registrar {
    /// One for these agents, who belong to `account` if nothing else is said.
    ///
    /// # Errors
    /// When the system has no entropy.
    pub(in crate::sip) fn new(
        agents: Agents,
        realm: String,
        account: AccountSid,
        metrics: &Metrics,
    ) -> Result<Self, getrandom::Error> {
        let verifier = Verifier::with_fresh_key(digest::Settings::default())?;
        let guesses = Guesses { of_source: Failures::new(OF_SOURCE), of_user: Failures::new(OF_USER) };
        Ok(Self {
            agents,
            realm,
            account,
            verifier,
            bindings: Mutex::default(),
            guesses: Mutex::new(guesses),
            started: Instant::now(),
            counters: RegistrarCounters::new(metrics),
            bell: Notify::new(),
        })
    }

    /// The realm in which agents are asked for their passwords, unless they have their own.
    pub(in crate::sip) const fn realm(&self) -> &String {
        &self.realm
    }

    /// The agent of a name.
    pub(in crate::sip) fn agent(&self, name: &str) -> Option<&Agent> {
        self.agents.get(name)
    }

    /// The account that an agent belongs to.
    pub(in crate::sip) fn account_of(&self, agent: &Agent) -> AccountSid {
        // Its form was checked when it was read.
        agent.account.as_deref().and_then(|sid| sid.parse().ok()).unwrap_or(self.account)
    }

    /// The phones of an agent of this account that can be called now, the best liked first, and how they ring. `None` if
    /// the account has no such agent.
    pub(in crate::sip) fn devices(&self, name: &str, account: AccountSid) -> Option<(Vec<Device>, Ring)> {
        let agent = self.agent(name).filter(|agent| self.account_of(agent) == account)?;
        let bindings = self.bindings().of(name, Instant::now());
        Some((bindings.iter().filter_map(device).collect(), agent.ring))
    }

    /// Where whoever calls themselves by this name in their Contact is reached now: a name that nobody else could find, as those of
    /// browsers are (RFC 7118 §5).
    pub(in crate::sip) fn reached_by(&self, host: &str) -> Option<SipAddr> {
        let flow = self.bindings().flow_of(host, Instant::now())?;
        Some(SipAddr { r#type: Some(flow.transport), addr: flow.source.into() })
    }

    /// When a phone registers next, counted from when this is asked.
    pub(in crate::sip) fn registered(&self) -> Notified<'_> {
        self.bell.notified()
    }

    /// Whether a phone is registered that is reached at this address over UDP.
    pub(in crate::sip) fn is_phone(&self, address: SocketAddr) -> bool {
        !self.agents.is_empty() && self.bindings().is_source(address)
    }

    /// Who sent a request that names this user as its sender: whoever it is must prove it.
    pub(in crate::sip) fn identify(&self, request: &Request, named: &str, source: IpAddr) -> Sender<'_> {
        let now = self.started.elapsed();
        let realm = self.agent(named).map_or(self.realm.as_str(), |agent| self.realm_of(agent));
        let lines: Vec<&str> = headers::lines(request, "Authorization").collect();
        let offered = lines.iter().filter_map(|line| Credentials::parse(line).ok());
        let claimed = offered.filter(|offered| offered.realm == realm).map(|offered| offered.username).next();
        if let Some(refusal) = self.blocked(claimed.as_deref(), source, now) {
            return Sender::Refused(refusal);
        }
        let uri = written(&request.uri);
        let method = request.method.to_string();
        let asked = Asked { method: &method, uri: &uri, realm, now };
        let stale = match self.verifier.verify(&asked, lines, |user| self.password(user, realm)) {
            Verdict::Proved(user) => match self.agent(&user) {
                Some(agent) => {
                    self.counters.proved.increment();
                    return Sender::Agent(agent);
                }
                None => false,
            },
            Verdict::Missing => false,
            Verdict::Stale => {
                self.counters.stale.increment();
                true
            }
            Verdict::Refused(fault) => {
                self.counters.fault(fault);
                if fault == digest::Fault::WrongDigest {
                    self.guessed(claimed.as_deref(), source, now);
                }
                false
            }
        };
        self.counters.challenges.increment();
        let challenges = self.verifier.challenge(realm, stale, now).into_iter();
        let headers = challenges.map(|challenge| Header::WwwAuthenticate(challenge.into())).collect();
        Sender::Refused(Refusal { status: StatusCode::Unauthorized, headers })
    }

    /// Whether a request carries credentials for us.
    pub(in crate::sip) fn has_credentials(&self, request: &Request) -> bool {
        let is_ours = |realm: &str| {
            realm == self.realm || self.agents.iter().any(|agent| agent.realm.as_deref() == Some(realm))
        };
        headers::lines(request, "Authorization")
            .any(|line| Credentials::parse(line).is_ok_and(|offered| is_ours(&offered.realm)))
    }

    /// Somebody claims to be an agent whom they cannot be.
    pub(in crate::sip) fn count_impostor(&self) {
        self.counters.impostors.increment();
    }

    fn realm_of<'a>(&'a self, agent: &'a Agent) -> &'a str {
        agent.realm.as_deref().unwrap_or(&self.realm)
    }

    fn password(&self, user: &str, realm: &str) -> Option<&Secret> {
        self.agent(user).filter(|agent| self.realm_of(agent) == realm).map(|agent| &agent.password)
    }

    fn blocked(&self, user: Option<&str>, source: IpAddr, now: Duration) -> Option<Refusal> {
        let user = user?;
        let is_at_home = self.bindings().is_source_of(user, source, Instant::now());
        let guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        if !guesses.of_source.may_try(&network(source), now) {
            self.counters.blocked_source.increment();
        } else if !is_at_home && !guesses.of_user.may_try(&user, now) {
            self.counters.blocked_user.increment();
        } else {
            return None;
        }
        Some(Refusal {
            status: StatusCode::ServiceUnavailable,
            headers: vec![other("Retry-After", RETRY_AFTER)],
        })
    }

    fn guessed(&self, user: Option<&str>, source: IpAddr, now: Duration) {
        let mut guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        guesses.of_source.failed(&network(source), now);
        if let Some(user) = user {
            guesses.of_user.failed(&user, now);
        }
    }

    /// Does what a REGISTER asks; the answer, and what is news.
    fn take(&self, request: &Request, flow: Option<Flow>) -> Result<(Vec<Header>, Option<News>), Refusal> {
        let flow = flow.ok_or(StatusCode::ServerInternalError)?;
        let named = headers::to_user(request);
        let agent = match self.identify(request, &named, flow.source.ip()) {
            Sender::Agent(agent) => agent,
            Sender::Refused(refusal) => return Err(refusal),
        };
        if agent.name != named {
            self.count_impostor();
            return Err(StatusCode::Forbidden.into());
        }
        let registration = read(request, flow).ok_or(StatusCode::BadRequest)?;
        let now = Instant::now();
        let done = self.bindings().register(&agent.name, agent.devices_max, &registration, now);
        self.count_phones();
        let Registered { bindings, changed } = done.map_err(|refused| {
            self.counters.refuse(refused);
            refusal_of(refused)
        })?;
        self.counters.registrations.increment();
        self.bell.notify_waiters();
        let contacts = bindings.iter().map(|binding| other("Contact", listed(binding, now)));
        let path = registration.path.iter().map(|uri| other("Path", uri));
        let outbound = is_outbound(request, &registration).then(|| Header::Require("outbound".into()));
        let news = changed.map(|devices| self.news(agent, devices));
        Ok((contacts.chain(path).chain(outbound).collect(), news))
    }

    fn news(&self, agent: &Agent, devices: usize) -> News {
        News { account: self.account_of(agent), agent: agent.name.clone(), devices }
    }

    fn count_phones(&self) {
        self.counters.phones.set(i64::try_from(self.bindings().total()).unwrap_or(i64::MAX));
    }

    fn bindings(&self) -> MutexGuard<'_, Bindings> {
        self.bindings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An agent has more phones than before, or fewer.
struct News {
    account: AccountSid,
    agent: String,
    devices: usize,
}

impl News {
    async fn tell(self, calls: &call::Handle) {
        info!(agent = self.agent, devices = self.devices, "phones of an agent");
        calls.agent_is_at(self.account, self.agent, Reach::Phone, self.devices).await;
    }
}

/// Answers a REGISTER.
pub(in crate::sip) async fn register(
    inbound: &Inbound,
    transaction: &mut Transaction,
) -> rsipstack::Result<()> {
    let registrar = &inbound.registrar;
    if registrar.agents.is_empty() {
        let allowed: Vec<&str> = ALLOW.split(", ").filter(|method| *method != "REGISTER").collect();
        let allow = vec![Header::Allow(allowed.join(", ").into())];
        return transaction.reply_with(StatusCode::MethodNotAllowed, allow, None).await;
    }
    match registrar.take(&transaction.original, flow(transaction)) {
        Ok((mut headers, news)) => {
            headers.push(allow());
            if let Some(news) = news {
                // Before the answer: whoever has it can rely on being called.
                news.tell(&inbound.calls).await;
            }
            transaction.reply_with(StatusCode::OK, headers, None).await
        }
        Err(Refusal { status, headers }) => transaction.reply_with(status, headers, None).await,
    }
}

/// Forgets phones whose time is over, and speaks to those behind a NAT before it forgets them, until the endpoint ends.
pub(in crate::sip) async fn sweep(inbound: Arc<Inbound>, keep_alive: KeepAlive, stop: CancellationToken) {
    let registrar = &inbound.registrar;
    let (mut ticks, mut spoken) = (interval(SWEEP_INTERVAL), Instant::now());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        if spoken.elapsed() >= NAT_INTERVAL {
            spoken = Instant::now();
            let sources = registrar.bindings().behind_nat();
            for source in sources {
                keep_alive.send(source).await;
            }
        }
        let changed = registrar.bindings().sweep(Instant::now());
        registrar.count_phones();
        for (name, devices) in changed {
            if let Some(agent) = registrar.agent(&name) {
                registrar.news(agent, devices).tell(&inbound.calls).await;
            }
        }
    }
}

/// How a request's sender is reached again.
pub(in crate::sip) fn flow(transaction: &Transaction) -> Option<Flow> {
    let connection = transaction.connection.as_ref()?;
    let transport = transport_of(connection);
    if transport == Transport::Udp {
        let source = headers::udp_source(&transaction.original)?;
        return Some(Flow { transport, source, gone: None });
    }
    let source = connection.get_remote_addr()?.get_socketaddr().ok()?;
    Some(Flow { transport, source, gone: connection.cancel_token() })
}

/// What a REGISTER says, if it can be understood.
fn read(request: &Request, flow: Flow) -> Option<Registration> {
    let path: Vec<String> = headers::lines(request, "Path").map(str::to_owned).collect();
    if path.len() > PATH_MAX || path.iter().any(|line| Route::parse_header_list(line).is_err()) {
        return None;
    }
    let contacts = headers::lines(request, "Contact").chain(headers::lines(request, "m"));
    Some(Registration {
        contacts: Contacts::read(contacts).ok()?,
        expires: headers::lines(request, "Expires").next().and_then(|value| contact::seconds(value.trim())),
        call_id: headers::value(request, "Call-ID", Some("i"))?,
        cseq: headers::cseq(request)?,
        flow,
        path,
    })
}

/// Whether calls go over the connection that the phone opened because it asked for that (RFC 5626 §6): it is told so. Only those
/// over a WebSocket are; all others are reached in the same way without being told.
fn is_outbound(request: &Request, registration: &Registration) -> bool {
    let Contacts::These(contacts) = &registration.contacts else {
        return false;
    };
    is_websocket(registration.flow.transport)
        && registration.path.is_empty()
        && headers::lists(request, "Supported", Some("k"), "outbound")
        && contacts.iter().any(|contact| contact.instance.is_some())
}

fn refusal_of(refused: Refused) -> Refusal {
    match refused {
        Refused::TooBrief => {
            Refusal { status: StatusCode::IntervalTooBrief, headers: vec![other("Min-Expires", EXPIRES_MIN)] }
        }
        Refused::EveryButNotGone | Refused::OutOfOrder => StatusCode::BadRequest.into(),
        Refused::TooMany => StatusCode::Forbidden.into(),
        Refused::Full => Refusal {
            status: StatusCode::ServiceUnavailable,
            headers: vec![other("Retry-After", RETRY_AFTER)],
        },
    }
}

/// A binding as the answer to a REGISTER lists it.
fn listed(binding: &Binding, now: Instant) -> String {
    let Contact { uri, q, instance, .. } = &binding.contact;
    let q = if *q < 1_000 { format!(";q=0.{q:03}") } else { String::new() };
    let instance = instance.as_ref().and_then(|instance| instance.rsplit_once(' '));
    let instance = instance.map_or_else(String::new, |(id, way)| format!(";+sip.instance={id};reg-id={way}"));
    format!("<{uri}>;expires={}{q}{instance}", binding.seconds_left(now))
}

/// How a phone is called.
fn device(binding: &Binding) -> Option<Device> {
    let plain = binding.contact.uri.split('?').next().unwrap_or_default();
    let mut uri = Uri::try_from(plain).ok()?;
    let route: Vec<Route> =
        binding.path.iter().filter_map(|line| Route::parse_header_list(line).ok()).flatten().collect();
    if let Some(first) = route.first() {
        let destination = SipAddr::try_from(&first.uri).ok()?;
        return Some(Device { is_browser: says_websocket(&uri), uri, destination, route, gone: None });
    }
    let Flow { transport, source, ref gone } = binding.flow;
    if transport == Transport::Udp {
        // Requests of the call find their way by it, CANCEL among them.
        uri.host_with_port = HostWithPort::from(source);
    }
    Some(Device {
        uri,
        destination: SipAddr { r#type: Some(transport), addr: source.into() },
        route,
        is_browser: is_websocket(transport),
        gone: gone.clone(),
    })
}

fn says_websocket(uri: &Uri) -> bool {
    uri.transport().copied().is_some_and(is_websocket)
}

/// What counts as one source: an IPv4 address, or an IPv6 /64, which one host can fill by itself.
pub(in crate::sip) fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(prefix.into())
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}
