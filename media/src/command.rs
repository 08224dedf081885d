//! Everything that can be asked of the engine. A command is applied when it is handed in, and counts
//! from the next tick on; the event that answers it says which tick that is.

use std::net::{IpAddr, SocketAddr};

use crate::codec::Codec;
use crate::conference::{Conference, ConferenceTap, Equipment, Seat};
use crate::engine::Programme;
use crate::event::LevelReport;
use crate::id::{CommandId, ConferenceId, LegId, ProgrammeId};
use crate::leg::{Capture, Coding, DigitSender, Leg, LegSrtp, Player, PressedDigit, QualityReport};

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
    /// Hold this leg. It is in no conference yet: it receives, and hears what it is played.
    AddLeg(Box<Leg>),
    /// Give the leg back (it leaves its conference first) as [`Retired::Leg`](crate::Retired).
    RemoveLeg(LegId),
    /// Give the leg back as it is, without a goodbye to its far end, to be added to another engine.
    DetachLeg(LegId),
    /// What signalling agreed anew: a re-INVITE's codec, address or direction.
    SetLegMedia(LegId, Box<LegChange>),
    /// Play this to the leg instead of what it was played. It hears it while it has no seat, and on one whose
    /// [`Hearing`] is `Played`.
    Play(LegId, Box<Player>),
    /// Play this to all who hear the conference, over what is said and played there. Its end is told by
    /// [`ConferenceEvent::Played`](crate::ConferenceEvent::Played).
    PlayToAll(ConferenceId, Box<Player>),
    /// Have this heard by all who are [tuned](Ask::Tune) to it, instead of what was on under this name. At most
    /// [`PROGRAMMES_MAX`](crate::PROGRAMMES_MAX) are on at a time.
    PutOn(ProgrammeId, Box<Programme>),
    /// Let the leg hear what is on under this name, instead of what it was played; where it would hear that.
    Tune(LegId, ProgrammeId),
    /// Nobody is tuned to it any more: it goes off, and comes back as [`Retired::Programme`](crate::Retired). Who was
    /// tuned to it until now still goes over from it to what they hear next; who still is hears silence.
    TakeOff(ProgrammeId),
    /// Stop what is played to the leg.
    StopPlaying(LegId),
    /// A key that signalling told was pressed by the leg's far end. It is reported as any other, once.
    HearDigit(LegId, PressedDigit),
    /// Withhold the keys that the leg's far end presses from everybody but the holder of the capture's digits, from the next
    /// tick on: as events, in signalling and as tones, wherever the leg is heard, and wherever it moves. What it says is heard
    /// 80 ms later meanwhile. A leg has one capture at a time; one that is refused comes back as
    /// [`Retired::Capture`](crate::Retired). So does one that ends, and before its leg the one of a leg that is removed.
    StartCapture(LegId, Box<Capture>),
    /// End the leg's capture. Keys that were pressed before are still withheld and handed over: it goes on until none is
    /// down, for 300 ms at least, and until a pause in what is said lets the delay go. Then it comes home as
    /// [`Retired::Capture`](crate::Retired).
    StopCapture(LegId),
    /// Press keys towards the leg's far end, when those before are done: as telephone-events if those were agreed, and
    /// as tones in place of what it hears if not. What is not needed comes back as
    /// [`Retired::Presses`](crate::Retired).
    PressDigits(LegId, Box<DigitSender>),
    /// Fill in how good the leg sounds, and give the report back as [`Retired::Quality`](crate::Retired). It is looked
    /// at once a second.
    ReportQuality(Box<QualityReport>),
    /// Hold this conference, empty.
    AddConference(Box<Conference>),
    /// Give the conference what it needs for a further sample rate, before the first leg of that rate joins.
    Equip(ConferenceId, Box<Equipment>),
    /// Fill in how loud those are who speak in a conference, and give the report back as
    /// [`Retired::Levels`](crate::Retired).
    ReportLevels(Box<LevelReport>),
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
    /// Copy the conference as a whole to [`poll_tap`](crate::Engine::poll_tap), in place of what was copied of it before.
    /// What is needed no more comes back as [`Retired::ConferenceTap`](crate::Retired).
    TapConference(ConferenceId, Box<ConferenceTap>),
    /// Stop doing so.
    UntapConference(ConferenceId),
}

/// What signalling agreed anew for a leg. What the leg needs no more travels home in the same box, as
/// [`Retired::LegChange`](crate::Retired).
#[derive(Debug)]
pub struct LegChange {
    /// How its media stand now.
    pub media: LegMedia,
    /// The state of its codec, if that or the length of packets is another one than before.
    pub coding: Option<Box<Coding>>,
    /// The keys of SRTP; none over plain RTP.
    pub srtp: Option<Box<LegSrtp>>,
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
    /// What else was agreed. The keys of SRTP are not here: they travel by themselves.
    pub terms: LegTerms,
}

/// What offer and answer say of a leg's media beside its codec and address. The default is what holds when they say
/// nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegTerms {
    /// The length of the packets that the far end wants, in milliseconds: 10 to 60, in tens, and one that the codec
    /// has.
    pub ptime: u8,
    /// Clock rate of telephone-events. It should be the codec's (RFC 4733 §2.1); some far ends count their
    /// events at 8,000 whatever the codec.
    pub telephone_event_rate: u32,
    /// Payload type of comfort noise at the codec's clock rate (RFC 3389), if the far end may send it.
    pub comfort_noise: Option<u8>,
    /// The number of the header extension in which the far end says how loud its packets are (RFC 6464): 1 to 14.
    pub audio_level: Option<u8>,
    /// The number of the one in which the far end is told how loud ours are: 1 to 14.
    pub audio_level_sent: Option<u8>,
    /// RTCP shares RTP's port, both ways (RFC 5761).
    pub rtcp_mux: bool,
    /// Where the far end said it receives RTCP; `None` when it receives nothing, on hold in the old way.
    pub rtcp: Option<SocketAddr>,
    /// How the far end wants its Opus, if that is the codec.
    pub opus: OpusTerms,
    /// ICE says where the far end is (RFC 8445): whoever hands datagrams in knows that they are the leg's, and the source it
    /// gives them is where the far end is sent to. Nothing is sent or taken before there are keys of SRTP.
    pub ice: bool,
}

impl Default for LegTerms {
    fn default() -> Self {
        Self {
            ptime: 20,
            telephone_event_rate: 8_000,
            comfort_noise: None,
            audio_level: None,
            audio_level_sent: None,
            rtcp_mux: false,
            rtcp: None,
            opus: OpusTerms::default(),
            ice: false,
        }
    }
}

/// How a far end wants its Opus (RFC 7587 §6.1). The default is the RFC's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpusTerms {
    /// It makes use of copies of the packet before (`useinbandfec`).
    pub fec: bool,
    /// It would rather get no packets in silence (`usedtx`).
    pub dtx: bool,
    /// It wants all packets of one size (`cbr`).
    pub constant_bitrate: bool,
    /// The most bits a second that it wants (`maxaveragebitrate`).
    pub bitrate_max: Option<u32>,
    /// The rate at which it plays, in hertz (`maxplaybackrate`): what is above half of it is lost on it.
    pub playback_rate: u32,
}

impl Default for OpusTerms {
    fn default() -> Self {
        Self { fec: false, dtx: false, constant_bitrate: false, bitrate_max: None, playback_rate: 48_000 }
    }
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
    /// What is played to them alone, as music on hold, and nobody.
    Played,
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
