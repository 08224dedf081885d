//! Where agents are: the contacts that their phones have registered (RFC 3261 §10.3), each for a time. Pure: who asks says
//! what time it is.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rsipstack::platform::CancellationToken;
use rsipstack::sip::Transport;
use tokio::time::Instant;

use super::contact::{Contact, Contacts};
use crate::sip::guard::decode_user;
use crate::sip::stream::is_websocket;

/// Bindings of all agents together, some 500 bytes each. When there are so many, the next is refused with 503.
pub(super) const BINDINGS_MAX: usize = 50_000;

/// The shortest time for which a phone may register, in seconds: below it, registering would be most of what it does.
pub(super) const EXPIRES_MIN: u32 = 60;

/// How long it is if a phone does not say, in seconds (the hour of RFC 3261 §10.2.1.1, less what a phone that went away
/// may ring in vain).
pub(super) const EXPIRES_DEFAULT: u32 = 600;

/// The longest time, in seconds.
pub(super) const EXPIRES_MAX: u32 = 3_600;

/// How a phone is reached: where its REGISTER came from.
#[derive(Clone, Debug)]
pub(in crate::sip) struct Flow {
    pub(in crate::sip) transport: Transport,
    /// The address that it really came from.
    pub(in crate::sip) source: SocketAddr,
    /// Cancelled when the connection is gone; none over UDP.
    pub(in crate::sip) gone: Option<CancellationToken>,
}

impl Flow {
    fn is_gone(&self) -> bool {
        self.gone.as_ref().is_some_and(CancellationToken::is_cancelled)
    }
}

/// A REGISTER of an agent who has proved to be one.
#[derive(Clone, Debug)]
pub(super) struct Registration {
    pub(super) contacts: Contacts,
    /// The Expires header, in seconds.
    pub(super) expires: Option<u32>,
    pub(super) call_id: String,
    pub(super) cseq: u32,
    pub(super) flow: Flow,
    /// The proxies on the way to the phone, as their URIs came (RFC 3327).
    pub(super) path: Vec<String>,
}

/// A phone of an agent.
#[derive(Clone, Debug)]
pub(in crate::sip) struct Binding {
    /// What tells it apart from the agent's other phones.
    key: String,
    pub(super) contact: Contact,
    call_id: String,
    cseq: u32,
    pub(super) expires_at: Instant,
    /// Which of all registrations was its last.
    turn: u64,
    pub(super) flow: Flow,
    pub(super) path: Vec<String>,
}

/// Why a REGISTER changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It asks for less time than we give (RFC 3261 §10.3, step 7: 423).
    TooBrief,
    /// `*` without an Expires of 0 (§10.3, step 6).
    EveryButNotGone,
    /// A later one of the same phone was here before it (§10.3, step 7).
    OutOfOrder,
    /// It has more contacts than its agent may have phones.
    TooMany,
    /// There are as many phones as there may be.
    Full,
}

impl Refused {
    /// All of them, in the order of their counters.
    pub(super) const ALL: [Self; 5] =
        [Self::TooBrief, Self::EveryButNotGone, Self::OutOfOrder, Self::TooMany, Self::Full];

    /// The counter's name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::TooBrief => "too_brief",
            Self::EveryButNotGone => "every_but_not_gone",
            Self::OutOfOrder => "out_of_order",
            Self::TooMany => "too_many",
            Self::Full => "full",
        }
    }
}

/// What a REGISTER came to.
#[derive(Debug)]
pub(super) struct Registered {
    /// The agent's phones now, the best liked first.
    pub(super) bindings: Vec<Binding>,
    /// How many there are now, if there were more or fewer before.
    pub(super) changed: Option<usize>,
}

/// All phones of all agents.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    agents: HashMap<String, Vec<Binding>>,
    /// Where phones are reached over UDP, and how many at each address.
    sources: HashMap<SocketAddr, usize>,
    total: usize,
    turns: u64,
}

impl Bindings {
    /// Does what a REGISTER of an agent with at most `most` phones asks, all of it or nothing.
    pub(super) fn register(
        &mut self,
        agent: &str,
        most: usize,
        registration: &Registration,
        now: Instant,
    ) -> Result<Registered, Refused> {
        let before = self.agents.get(agent).cloned().unwrap_or_default();
        let mut after: Vec<Binding> =
            before.iter().filter(|binding| binding.is_living(now)).cloned().collect();
        self.turns += 1;
        match &registration.contacts {
            Contacts::Every => forget_every(&mut after, registration)?,
            Contacts::These(contacts) => {
                if contacts.len() > most {
                    return Err(Refused::TooMany);
                }
                for contact in contacts {
                    bind(&mut after, contact, registration, self.turns, now)?;
                }
            }
        }
        make_room(&mut after, most);
        if self.total - before.len() + after.len() > BINDINGS_MAX {
            return Err(Refused::Full);
        }
        let changed = (before.len() != after.len()).then_some(after.len());
        self.put(agent, before, after.clone());
        Ok(Registered { bindings: in_order(after), changed })
    }

    /// The phones of an agent that can be called, the best liked first.
    pub(super) fn of(&self, agent: &str, now: Instant) -> Vec<Binding> {
        let bindings = self.agents.get(agent).into_iter().flatten();
        in_order(bindings.filter(|binding| binding.is_living(now)).cloned().collect())
    }

    /// How the phone is reached that calls itself by this host in its Contact, and has no place of its own there.
    pub(super) fn flow_of(&self, host: &str, now: Instant) -> Option<Flow> {
        let all = self.agents.values().flatten();
        let theirs = all.filter(|binding| {
            is_websocket(binding.flow.transport) && binding.path.is_empty() && binding.is_living(now)
        });
        let named = theirs.filter(|binding| binding.contact.host().eq_ignore_ascii_case(host));
        named.max_by_key(|binding| binding.turn).map(|binding| binding.flow.clone())
    }

    /// Whether a phone is reached at this address over UDP.
    pub(super) fn is_source(&self, address: SocketAddr) -> bool {
        self.sources.contains_key(&address)
    }

    /// Whether one of the agent's phones is reached at this address.
    pub(super) fn is_source_of(&self, agent: &str, source: IpAddr, now: Instant) -> bool {
        self.of(agent, now).iter().any(|binding| binding.flow.source.ip() == source)
    }

    /// Addresses of phones over UDP that named another one: there is a NAT in between, which forgets them if nobody
    /// speaks.
    pub(super) fn behind_nat(&self) -> Vec<SocketAddr> {
        let all = self.agents.values().flatten();
        let mut sources: Vec<SocketAddr> = all
            .filter(|binding| binding.flow.transport == Transport::Udp && binding.path.is_empty())
            .filter(|binding| !binding.contact.uri.contains(&binding.flow.source.to_string()))
            .map(|binding| binding.flow.source)
            .collect();
        sources.sort_unstable();
        sources.dedup();
        sources
    }

    /// How many phones there are.
    pub(super) const fn total(&self) -> usize {
        self.total
    }

    /// Forgets phones whose time is over or whose connection is gone. Each agent who lost one, and how many are left.
    pub(super) fn sweep(&mut self, now: Instant) -> Vec<(String, usize)> {
        let is_over = |bindings: &Vec<Binding>| bindings.iter().any(|binding| !binding.is_living(now));
        let names: Vec<String> = self
            .agents
            .iter()
            .filter(|(_, bindings)| is_over(bindings))
            .map(|(name, _)| name.clone())
            .collect();
        let mut changed = Vec::with_capacity(names.len());
        for name in names {
            let before = self.agents.get(&name).cloned().unwrap_or_default();
            let after: Vec<Binding> =
                before.iter().filter(|binding| binding.is_living(now)).cloned().collect();
            changed.push((name.clone(), after.len()));
            self.put(&name, before, after);
        }
        changed
    }

    fn put(&mut self, agent: &str, before: Vec<Binding>, after: Vec<Binding>) {
        self.total = self.total - before.len() + after.len();
        for source in before.iter().filter_map(udp_source) {
            if let Some(count) = self.sources.get_mut(&source) {
                *count -= 1;
                if *count == 0 {
                    self.sources.remove(&source);
                }
            }
        }
        for source in after.iter().filter_map(udp_source) {
            *self.sources.entry(source).or_default() += 1;
        }
        if after.is_empty() {
            self.agents.remove(agent);
        } else {
            self.agents.insert(agent.to_owned(), after);
        }
    }
}

impl Binding {
    fn is_living(&self, now: Instant) -> bool {
        now < self.expires_at && !self.flow.is_gone()
    }

    /// For how long it is good, in whole seconds, at least one.
    pub(super) fn seconds_left(&self, now: Instant) -> u64 {
        self.expires_at.saturating_duration_since(now).as_secs().max(1)
    }

    fn is_later_than(&self, registration: &Registration) -> bool {
        self.call_id == registration.call_id && registration.cseq <= self.cseq
    }
}

fn udp_source(binding: &Binding) -> Option<SocketAddr> {
    let is_direct = binding.flow.transport == Transport::Udp && binding.path.is_empty();
    is_direct.then_some(binding.flow.source)
}

fn forget_every(bindings: &mut Vec<Binding>, registration: &Registration) -> Result<(), Refused> {
    if registration.expires != Some(0) {
        return Err(Refused::EveryButNotGone);
    }
    if bindings.iter().any(|binding| binding.is_later_than(registration)) {
        return Err(Refused::OutOfOrder);
    }
    bindings.clear();
    Ok(())
}

fn bind(
    bindings: &mut Vec<Binding>,
    contact: &Contact,
    registration: &Registration,
    turn: u64,
    now: Instant,
) -> Result<(), Refused> {
    let key = key(contact);
    let known = bindings.iter().position(|binding| binding.key == key);
    if known.is_some_and(|at| bindings[at].is_later_than(registration)) {
        return Err(Refused::OutOfOrder);
    }
    let expires = contact.expires.or(registration.expires).unwrap_or(EXPIRES_DEFAULT);
    if (1..EXPIRES_MIN).contains(&expires) {
        return Err(Refused::TooBrief);
    }
    if let Some(at) = known {
        bindings.remove(at);
    }
    if expires == 0 {
        return Ok(());
    }
    bindings.push(Binding {
        key,
        contact: contact.clone(),
        call_id: registration.call_id.clone(),
        cseq: registration.cseq,
        expires_at: now + Duration::from_secs(expires.min(EXPIRES_MAX).into()),
        turn,
        flow: registration.flow.clone(),
        path: registration.path.clone(),
    });
    Ok(())
}

/// Lets those go that were heard of least recently: they are the ones that went away without a word.
fn make_room(bindings: &mut Vec<Binding>, most: usize) {
    while bindings.len() > most {
        let oldest = (0..bindings.len()).min_by_key(|&at| bindings[at].turn);
        bindings.remove(oldest.unwrap_or(0));
    }
}

/// The best liked first, and of those the one heard of last.
fn in_order(mut bindings: Vec<Binding>) -> Vec<Binding> {
    bindings.sort_by(|a, b| b.contact.q.cmp(&a.contact.q).then(b.turn.cmp(&a.turn)));
    bindings
}

/// What tells a phone apart: its instance if it names one (RFC 5626 §6), else its URI, of which only what RFC 3261
/// §19.1.4 compares counts.
fn key(contact: &Contact) -> String {
    if let Some(instance) = &contact.instance {
        return format!("instance {instance}");
    }
    let (scheme, rest) = contact.uri.split_once(':').unwrap_or(("", &contact.uri));
    let (user, host) = rest.rsplit_once('@').unwrap_or(("", rest));
    format!("{}:{}@{}", scheme.to_ascii_lowercase(), decode_user(user), host.to_ascii_lowercase())
}
