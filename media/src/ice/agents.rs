//! The lite ends of all legs behind one port: found by user while they prove themselves, by source from then on.

use std::net::SocketAddr;
use std::time::Duration;

use super::credentials::{IceCredentials, UFRAG_LEN};
use super::stun::{Class, Message, Refusal, Reply, StunError};
use crate::engine::legs::{IdMap, id_map};
use crate::id::LegId;
use crate::time::Time;

/// A far end that has not asked for so long does not want to be sent anything any more (RFC 7675 §5.1).
pub const CONSENT: Duration = Duration::from_secs(30);

/// Sources that a leg may have proved at a time: each interface of its machine, and those of the network that it was in just
/// before. One more takes the place of the oldest that is not in use.
pub const SOURCES_MAX: usize = 8;

/// Where a leg is now, by a number that only the caller understands.
pub type Place = usize;

/// What a datagram turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is answered with so many bytes of the reply. If its source is where the leg's far end is, this says whose; with
    /// each request, not only with the first: whoever was told may not have had the leg yet, and who only listens says
    /// nothing else.
    Answer {
        /// Bytes of the reply, to be sent to the source.
        len: usize,
        /// The leg whose far end is at the datagram's source, and where that leg is.
        far_end_of: Option<(LegId, Place)>,
    },
    /// It is of a handshake of this leg.
    Dtls(LegId),
    /// It is media of a leg.
    Media {
        /// Whose.
        leg: LegId,
        /// Where that leg is.
        place: Place,
        /// Where its far end is sent to.
        far_end: SocketAddr,
    },
}

/// Why a datagram was dropped. It cost only its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IceDiscard {
    /// None of the protocols that share the port (RFC 7983 §7).
    Unknown,
    /// Begins like STUN and breaks its rules, or its sum is wrong.
    Malformed,
    /// STUN that is no binding request.
    NotRequest,
    /// A request for nobody who is here.
    UnknownUser,
    /// A request by somebody who has not the password.
    WrongPassword,
    /// A request from a source that is another leg's.
    SourceTaken,
    /// Media or a handshake from a source that has proved nothing.
    Stranger,
}

impl IceDiscard {
    /// All reasons.
    pub const ALL: [Self; 7] = [
        Self::Unknown,
        Self::Malformed,
        Self::NotRequest,
        Self::UnknownUser,
        Self::WrongPassword,
        Self::SourceTaken,
        Self::Stranger,
    ];

    /// The counter's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown_protocol",
            Self::Malformed => "stun_malformed",
            Self::NotRequest => "stun_not_request",
            Self::UnknownUser => "stun_unknown_user",
            Self::WrongPassword => "stun_wrong_password",
            Self::SourceTaken => "stun_source_taken",
            Self::Stranger => "not_validated",
        }
    }
}

/// The lite ends behind one port.
pub struct Agents {
    slots: Vec<Option<Agent>>,
    free: Vec<u32>,
    by_leg: IdMap<LegId, u32>,
    by_user: IdMap<[u8; UFRAG_LEN], u32>,
    by_source: IdMap<SocketAddr, u32>,
}

struct Agent {
    leg: LegId,
    place: Place,
    credentials: IceCredentials,
    /// Those before a restart, good until the far end uses the new ones (RFC 8445 §9).
    before: Option<IceCredentials>,
    sources: [Option<SocketAddr>; SOURCES_MAX],
    /// Which is replaced next.
    oldest: usize,
    /// The one that the far end has chosen; before that the first that it proved.
    far_end: Option<SocketAddr>,
    last_request: Time,
    is_told_lost: bool,
}

impl Agents {
    /// Room for so many legs; one more finds no place.
    pub fn new(capacity: usize) -> Self {
        let capacity = u32::try_from(capacity).unwrap_or(u32::MAX);
        let room = capacity as usize;
        Self {
            slots: (0..capacity).map(|_| None).collect(),
            free: (0..capacity).rev().collect(),
            by_leg: id_map(room),
            by_user: id_map(2 * room),
            by_source: id_map(SOURCES_MAX * room),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_leg.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_leg.is_empty()
    }

    /// Answers for a leg from now on, under these credentials; or under these as well, if it does already: that is a restart
    /// (RFC 8445 §9), and the far end goes on where it is until it has chosen anew. `false` if there is no room.
    pub fn set(&mut self, leg: LegId, credentials: IceCredentials, place: Place, now: Time) -> bool {
        if let Some(&slot) = self.by_leg.get(&leg) {
            self.restart(slot, credentials, now);
            return true;
        }
        let Some(slot) = self.free.pop() else {
            return false;
        };
        self.by_leg.insert(leg, slot);
        self.by_user.insert(credentials.user(), slot);
        self.slots[slot as usize] = Some(Agent {
            leg,
            place,
            credentials,
            before: None,
            sources: [None; SOURCES_MAX],
            oldest: 0,
            far_end: None,
            last_request: now,
            is_told_lost: false,
        });
        true
    }

    fn restart(&mut self, slot: u32, credentials: IceCredentials, now: Time) {
        let Some(agent) = &mut self.slots[slot as usize] else {
            return;
        };
        if agent.credentials == credentials {
            return;
        }
        let user = credentials.user();
        let current = std::mem::replace(&mut agent.credentials, credentials);
        let forgotten = agent.before.replace(current);
        (agent.last_request, agent.is_told_lost) = (now, false);
        if let Some(forgotten) = forgotten {
            self.by_user.remove(&forgotten.user());
        }
        self.by_user.insert(user, slot);
    }

    /// The leg is elsewhere now. Where its far end is, if that is known.
    pub fn move_to(&mut self, leg: LegId, place: Place) -> Option<SocketAddr> {
        let slot = self.by_leg.get(&leg).copied()?;
        let agent = self.slots[slot as usize].as_mut()?;
        agent.place = place;
        agent.far_end
    }

    /// Answers for a leg no more.
    pub fn remove(&mut self, leg: LegId) {
        let Some(slot) = self.by_leg.remove(&leg) else {
            return;
        };
        let Some(agent) = self.slots[slot as usize].take() else {
            return;
        };
        for user in [Some(agent.credentials.user()), agent.before.map(|before| before.user())] {
            user.map(|user| self.by_user.remove(&user));
        }
        for source in agent.sources.into_iter().flatten() {
            // It may be another's by now.
            if self.by_source.get(&source) == Some(&slot) {
                self.by_source.remove(&source);
            }
        }
        self.free.push(slot);
    }

    /// Takes a datagram in; an answer to it is written into `reply`.
    ///
    /// # Errors
    /// Why it was dropped.
    pub fn handle(
        &mut self,
        source: SocketAddr,
        datagram: &[u8],
        now: Time,
        reply: &mut Reply,
    ) -> Result<Taken, IceDiscard> {
        match datagram.first() {
            Some(0..=3) => self.stun(source, datagram, now, reply),
            Some(20..=63) => self.of_source(source).map(|agent| Taken::Dtls(agent.leg)),
            Some(128..=191) => self.of_source(source).map(|agent| Taken::Media {
                leg: agent.leg,
                place: agent.place,
                far_end: agent.far_end.unwrap_or(source),
            }),
            Some(_) | None => Err(IceDiscard::Unknown),
        }
    }

    /// Tells of those who have stopped asking, each once, and of no more than so many at a time.
    pub fn find_lost(&mut self, now: Time, most: usize, mut tell: impl FnMut(LegId)) {
        if self.by_user.is_empty() {
            return;
        }
        let is_lost = |agent: &&mut Agent| !agent.is_told_lost && now.since(agent.last_request) >= CONSENT;
        for agent in self.slots.iter_mut().flatten().filter(is_lost).take(most) {
            agent.is_told_lost = true;
            tell(agent.leg);
        }
    }

    fn of_source(&self, source: SocketAddr) -> Result<&Agent, IceDiscard> {
        let slot = self.by_source.get(&source).copied().ok_or(IceDiscard::Stranger)?;
        self.slots[slot as usize].as_ref().ok_or(IceDiscard::Stranger)
    }

    fn stun(
        &mut self,
        source: SocketAddr,
        datagram: &[u8],
        now: Time,
        reply: &mut Reply,
    ) -> Result<Taken, IceDiscard> {
        let request = Message::parse(datagram).map_err(|error| match error {
            StunError::Malformed | StunError::Fingerprint => IceDiscard::Malformed,
            StunError::NotRequest => IceDiscard::NotRequest,
        })?;
        if request.class != Class::Request {
            return Err(IceDiscard::NotRequest);
        }
        let user: [u8; UFRAG_LEN] =
            request.user().and_then(|user| user.try_into().ok()).ok_or(IceDiscard::UnknownUser)?;
        let slot = self.by_user.get(&user).copied().ok_or(IceDiscard::UnknownUser)?;
        let agent = self.slots[slot as usize].as_mut().ok_or(IceDiscard::UnknownUser)?;
        let is_current = agent.credentials.user() == user;
        let credentials = if is_current { Some(&agent.credentials) } else { agent.before.as_ref() };
        let key = credentials.filter(|known| request.is_from_holder_of(known.key()));
        let key = key.ok_or(IceDiscard::WrongPassword)?.key();
        if let Some(refusal) = refusal(&request) {
            return Ok(Taken::Answer { len: request.refuse(refusal, key, reply), far_end_of: None });
        }
        let len = request.succeed(source, key, reply);
        if self.is_anothers(source, slot, now) {
            return Err(IceDiscard::SourceTaken);
        }
        let far_end_of = self.prove(slot, source, &request, is_current, now);
        Ok(Taken::Answer { len, far_end_of })
    }

    /// Whether another leg is at this source: whoever knows one leg's password must not take another's media with it.
    fn is_anothers(&self, source: SocketAddr, slot: u32, now: Time) -> bool {
        let other = self.by_source.get(&source).filter(|&&other| other != slot);
        let other = other.and_then(|&other| self.slots[other as usize].as_ref());
        other.is_some_and(|other| other.far_end == Some(source) && now.since(other.last_request) < CONSENT)
    }

    /// The source is the leg's. Says whose far end is there.
    fn prove(
        &mut self,
        slot: u32,
        source: SocketAddr,
        request: &Message<'_>,
        is_current: bool,
        now: Time,
    ) -> Option<(LegId, Place)> {
        let agent = self.slots[slot as usize].as_mut()?;
        (agent.last_request, agent.is_told_lost) = (now, false);
        if is_current && let Some(before) = agent.before.take() {
            self.by_user.remove(&before.user());
        }
        let is_new = !agent.sources.contains(&Some(source));
        if is_new
            && let Some(forgotten) = agent.make_room(source)
            && self.by_source.get(&forgotten) == Some(&slot)
        {
            self.by_source.remove(&forgotten);
        }
        self.by_source.insert(source, slot);
        if agent.far_end.is_none() || request.use_candidate {
            agent.far_end = Some(source);
        }
        (agent.far_end == Some(source)).then_some((agent.leg, agent.place))
    }
}

impl Agent {
    /// Notes a source, in place of the oldest one that is not in use if there are too many. That is given back.
    fn make_room(&mut self, source: SocketAddr) -> Option<SocketAddr> {
        if self.sources[self.oldest].is_some() && self.sources[self.oldest] == self.far_end {
            self.oldest = (self.oldest + 1) % SOURCES_MAX;
        }
        let forgotten = self.sources[self.oldest].replace(source);
        self.oldest = (self.oldest + 1) % SOURCES_MAX;
        forgotten
    }
}

/// What a request by somebody who may ask has that is not done.
fn refusal(request: &Message<'_>) -> Option<Refusal> {
    let unknown = request.unknown.map(Refusal::UnknownAttribute);
    unknown.or_else(|| request.far_end_is_controlled.then_some(Refusal::RoleConflict))
}
