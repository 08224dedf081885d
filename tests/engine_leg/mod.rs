//! Legs and their packets for those who drive the engine by itself: tests, benches, fuzz targets.
#![allow(dead_code, reason = "each user needs a part")]

use std::net::SocketAddr;
use std::time::Duration;

use confab_media::playout::PlayoutSettings;
use confab_media::{
    Codec, Coding, Conference, ConferenceId, ConferenceSettings, DigitPassage, Direction, EncoderSettings,
    Leg, LegChange, LegId, LegMedia, LegSettings, LegTerms, SampleRate, WallClock,
};

/// Samples, and bytes of G.711, in 20 ms.
pub(crate) const FRAME: usize = 160;

/// Payload type of telephone-events.
pub(crate) const TELEPHONE_EVENT: u8 = 101;

/// Payload type of codecs that have none of their own.
pub(crate) const DYNAMIC: u8 = 96;

/// A conference for legs of these rates.
pub(crate) fn conference(id: u64, settings: ConferenceSettings, rates: &[SampleRate]) -> Box<Conference> {
    Conference::equipped(ConferenceId(id), settings, rates).expect("memory for codecs")
}

/// Where the far end of a leg is.
pub(crate) fn address(id: u64) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 1_000 + id as u16))
}

/// What its packets are numbered with.
pub(crate) fn payload_type(codec: Codec) -> u8 {
    codec.static_payload_type().unwrap_or(DYNAMIC)
}

/// What a plain phone at that address agrees on.
pub(crate) fn media(id: u64, codec: Codec) -> LegMedia {
    LegMedia {
        codec,
        payload_type: payload_type(codec),
        telephone_event: Some(TELEPHONE_EVENT),
        telephone_event_offered: None,
        remote: address(id),
        signalling: None,
        direction: Direction::BOTH,
        terms: LegTerms::default(),
    }
}

/// A leg of a number, in no conference yet.
pub(crate) fn leg(id: u64, media: LegMedia) -> Box<Leg> {
    Leg::new(settings(id, media))
}

/// The state of its codec.
pub(crate) fn coding(codec: Codec) -> Box<Coding> {
    Coding::new(codec, 20, EncoderSettings::default()).expect("memory for a codec")
}

/// Other media, over plain RTP.
pub(crate) fn change(media: LegMedia) -> Box<LegChange> {
    Box::new(LegChange { coding: Some(coding(media.codec)), srtp: None, media })
}

/// What such a leg is built from.
pub(crate) fn settings(id: u64, media: LegMedia) -> LegSettings {
    LegSettings {
        id: LegId(id),
        coding: coding(media.codec),
        media,
        srtp: None,
        ssrc: id as u32,
        cname: *b"far-ends-0123456",
        wall: WallClock::default(),
        sequence_number: 0,
        timestamp: 0,
        playout: PlayoutSettings::default(),
        digits: DigitPassage::default(),
        receive_timeout: Duration::from_secs(60),
    }
}

/// An RTP packet (RFC 3550 §5.1).
pub(crate) fn rtp(payload_type: u8, sequence: u16, timestamp: u32, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type];
    packet.extend(sequence.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

/// Whether what the engine sends is heard: it is not RTCP (RFC 5761 §4: packet types 192-223).
pub(crate) fn is_audio(datagram: &[u8]) -> bool {
    datagram.get(1).is_some_and(|kind| !(192..=223).contains(kind))
}
