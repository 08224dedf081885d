//! The bytes of an input, read as the words of a script.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use confab_media::{
    Audience, Codec, ConferenceId, Digit, DigitMethod, DigitSender, Direction, Hearing, LegId, LegMedia,
    LegSet, LegTerms, PROGRAMMES_MAX, Plays, Port, PressedDigit, ProgrammeId, SampleRate, TapParts, Time,
};

use super::super::engine_leg::{TELEPHONE_EVENT, address, media};
use super::super::witnesses::{CONFERENCE, WITNESSES};

/// Legs that scripts may name, more than fit.
pub(super) const LEGS: u64 = 9;

/// Conferences that scripts may name, more than fit. Number 0 is the witnesses'.
const CONFERENCES: u64 = 5;

/// The outside of the NAT that some far ends are behind.
pub(super) fn nat(leg: LegId) -> IpAddr {
    IpAddr::from([198, 51, 100, leg.0 as u8])
}

/// Nobody's far end.
pub(super) fn stranger() -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 66], 7_000))
}

/// What is left of an input. Once it is over, all bytes are 0.
pub(super) struct Script<'a>(pub(super) &'a [u8]);

impl Script<'_> {
    pub(super) fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    pub(super) fn take(&mut self, len: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken.to_vec()
    }

    /// Whose socket a datagram comes to: mostly a script's own leg, sometimes a witness.
    pub(super) fn leg(&mut self) -> LegId {
        let byte = self.byte();
        match byte {
            254 | 255 => WITNESSES[usize::from(byte - 254)],
            _ => LegId(u64::from(byte) % LEGS),
        }
    }

    /// A leg of the script's own.
    pub(super) fn own_leg(&mut self) -> LegId {
        LegId(u64::from(self.byte()) % LEGS)
    }

    /// A conference of anybody's.
    pub(super) fn conference(&mut self) -> ConferenceId {
        ConferenceId(u64::from(self.byte()) % CONFERENCES)
    }

    pub(super) fn port(&mut self) -> Port {
        if self.byte() % 4 == 3 { Port::Rtcp } else { Port::Rtp }
    }

    pub(super) fn source(&mut self, leg: LegId) -> SocketAddr {
        match self.byte() % 6 {
            0..=2 => address(leg.0),
            3 => stranger(),
            4 => SocketAddr::new(nat(leg), 61_000),
            _ => SocketAddr::new(address(leg.0).ip(), 9),
        }
    }

    /// When the kernel says that it came: about now, or never by any sane clock.
    pub(super) fn arrival(&mut self, now: Time) -> Time {
        match self.byte() {
            253 => now - Duration::from_secs(1),
            254 => Time::ZERO,
            255 => Time::from_nanos(u64::MAX),
            early => now + Duration::from_millis(u64::from(early % 20)),
        }
    }

    pub(super) fn media(&mut self, leg: LegId) -> LegMedia {
        let byte = self.byte();
        let plain = media(leg.0, if byte & 1 == 0 { Codec::Pcmu } else { Codec::Pcma });
        LegMedia {
            remote: if byte & 2 == 0 { plain.remote } else { SocketAddr::new(plain.remote.ip(), 9) },
            signalling: (byte & 4 != 0).then(|| nat(leg)),
            direction: Direction { send: byte & 8 == 0, receive: byte & 16 == 0 },
            terms: LegTerms::default(),
            telephone_event_offered: None,
            telephone_event: (byte & 32 == 0).then_some(TELEPHONE_EVENT),
            ..plain
        }
    }

    /// Anyone in a conference of scripts; never a witness.
    pub(super) fn audience(&mut self, conference: ConferenceId) -> Audience {
        let byte = self.byte();
        match byte % 3 {
            0 if conference != CONFERENCE => Audience::Everyone,
            1 => {
                let legs = [LegId(u64::from(byte) % LEGS), LegId(u64::from(byte / 3) % LEGS)];
                Audience::Only(LegSet::new(&legs).expect("two are few"))
            }
            _ => Audience::Nobody,
        }
    }

    fn digit(&mut self) -> Digit {
        Digit::from_event(self.byte() % 16).expect("a key")
    }

    /// A key that signalling told.
    pub(super) fn told_digit(&mut self) -> PressedDigit {
        let (digit, duration) = (self.digit(), Duration::from_millis(self.byte().into()));
        PressedDigit { digit, duration, method: DigitMethod::Info }
    }

    /// Up to as many keys as may wait, and a pause if there is room.
    pub(super) fn presses(&mut self) -> Box<DigitSender> {
        let mut sender = Box::new(DigitSender::new());
        let (digit, duration) = (self.digit(), Duration::from_millis(self.byte().into()));
        for _ in 0..self.byte() % 40 {
            let _ = sender.press(digit, duration);
        }
        let _ = sender.pause(duration);
        sender
    }

    pub(super) fn hearing(&mut self) -> Hearing {
        match self.byte() % 4 {
            2 => Hearing::Played,
            3 => Hearing::Nothing,
            _ => Hearing::Conference,
        }
    }

    /// How long a sound is: nothing, less than a tick, some, or more than a script.
    pub(super) fn samples(&mut self) -> usize {
        usize::from(self.byte()) * 50
    }

    pub(super) fn plays(&mut self) -> Plays {
        NonZeroU32::new(u32::from(self.byte() % 4)).map_or(Plays::Forever, Plays::Times)
    }

    /// More than can be on at a time.
    pub(super) fn programme(&mut self) -> ProgrammeId {
        ProgrammeId(u64::from(self.byte()) % (PROGRAMMES_MAX as u64 + 2))
    }

    pub(super) fn rate(&mut self) -> SampleRate {
        SampleRate::ALL[usize::from(self.byte()) % SampleRate::ALL.len()]
    }

    /// What of a conference is copied.
    pub(super) fn parts(&mut self) -> TapParts {
        let byte = self.byte();
        let apart = (byte & 4 != 0).then(|| LegId(u64::from(byte / 8) % LEGS));
        TapParts { mix: byte & 1 != 0, apart, each: byte & 2 != 0 }
    }
}
