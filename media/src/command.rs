//! Everything that can be asked of the engine. A command is applied when it is handed in, and counts
//! from the next tick on; the event that answers it says which tick that is.

use std::net::{IpAddr, SocketAddr};

use crate::codec::Codec;
use crate::conference::{Conference, Seat};
use crate::id::{CommandId, ConferenceId, LegId};
use crate::leg::Leg;

/// One thing asked of the engine, with the id its answer will carry.
#[derive(Debug)]
pub struct Command {
    /// Given back by the event that answers.
    pub id: CommandId,
    /// What is asked.
    pub ask: Ask,
}

/// What can be asked. Whatever needs memory arrives built (`Box`), so that the engine allocates nothing.
#[derive(Debug)]
pub enum Ask {
    /// Hold this leg. It is in no conference yet: it receives, and hears nothing.
    AddLeg(Box<Leg>),
    /// Give the leg back (it leaves its conference first) as [`Retired::Leg`](crate::Retired).
    RemoveLeg(LegId),
    /// What signalling agreed anew: a re-INVITE's codec, address or direction.
    SetLegMedia(LegId, LegMedia),
    /// Hold this conference, empty.
    AddConference(Box<Conference>),
    /// Give the conference back; legs in it stay in the engine and hear nothing.
    RemoveConference(ConferenceId),
    /// Seat a leg in a conference. A leg has one seat at a time: it leaves its old one first.
    Join(LegId, ConferenceId, Seat),
    /// Take the leg out of its conference.
    Leave(LegId),
    /// Who hears this participant from now on.
    SetAudience(LegId, Audience),
    /// What this participant hears from now on.
    SetHearing(LegId, Hearing),
    /// Copy what the leg says and hears to [`poll_tap`](crate::Engine::poll_tap), or stop doing so.
    SetTap(LegId, bool),
}

/// How a leg's media stand after an offer and an answer (RFC 3264).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegMedia {
    /// Codec of the audio, both ways.
    pub codec: Codec,
    /// RTP payload type of the audio, as the far end expects it.
    pub payload_type: u8,
    /// Payload type of telephone-events (RFC 4733), if agreed.
    pub telephone_event: Option<u8>,
    /// The one that we offered, if the offer was ours: a far end that answers with another should send with ours
    /// (RFC 3264 §5.1), and some send with their own.
    pub telephone_event_offered: Option<u8>,
    /// Where the far end said it receives.
    pub remote: SocketAddr,
    /// Where the far end's signalling came from, if that is not `remote`'s address: the sign of a NAT
    /// between us, whose far side may prove to be the far end by sending a consistent stream.
    pub signalling: Option<IpAddr>,
    /// Which way sound may flow, seen from us.
    pub direction: Direction,
}

/// Which way sound may flow, seen from us (RFC 3264 §5.1, turned around).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direction {
    /// We may send to the far end.
    pub send: bool,
    /// We take what the far end sends.
    pub receive: bool,
}

impl Direction {
    /// Both ways.
    pub const BOTH: Self = Self { send: true, receive: true };
}

/// Who hears a participant. With [`Hearing`], the one primitive under mute, hold, coach, monitor, barge and
/// private announcements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// All others in the conference.
    Everyone,
    /// These legs of the conference and nobody else.
    Only(LegSet),
    /// No one: muted, or a monitor.
    Nobody,
}

/// What a participant hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// All who have them in their audience, without their own voice.
    Conference,
    /// Nothing: they are sent silence.
    Nothing,
}

/// Up to [`LegSet::CAPACITY`] legs, kept in place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LegSet {
    len: u8,
    legs: [LegId; Self::CAPACITY],
}

impl LegSet {
    /// A coach speaks to one, a private announcement to a few; a set that could hold a whole conference
    /// would be copied with each command.
    pub const CAPACITY: usize = 8;

    /// The set of `legs`, or `None` when there are more than [`LegSet::CAPACITY`].
    pub fn new(legs: &[LegId]) -> Option<Self> {
        if legs.len() > Self::CAPACITY {
            return None;
        }
        let mut set = Self { len: legs.len() as u8, legs: [LegId(0); Self::CAPACITY] };
        set.legs[..legs.len()].copy_from_slice(legs);
        Some(set)
    }

    /// Whether `leg` is one of them.
    pub fn contains(&self, leg: LegId) -> bool {
        self.as_slice().contains(&leg)
    }

    /// The legs.
    pub fn as_slice(&self) -> &[LegId] {
        &self.legs[..usize::from(self.len)]
    }
}

impl std::fmt::Debug for LegSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.as_slice()).finish()
    }
}
