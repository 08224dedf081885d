//! Legs and their packets for those who drive the engine by itself: tests, benches, fuzz targets.
#![allow(dead_code, reason = "each user needs a part")]

use std::net::SocketAddr;
use std::time::Duration;

use confab_media::playout::PlayoutSettings;
use confab_media::{Codec, Direction, Leg, LegId, LegMedia, LegSettings, LegTerms};

/// Samples, and bytes of G.711, in 20 ms.
pub(crate) const FRAME: usize = 160;

/// Payload type of telephone-events.
pub(crate) const TELEPHONE_EVENT: u8 = 101;

/// Where the far end of a leg is.
pub(crate) fn address(id: u64) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 1_000 + id as u16))
}

/// What a plain phone at that address agrees on.
pub(crate) fn media(id: u64, codec: Codec) -> LegMedia {
    LegMedia {
        codec,
        payload_type: codec.static_payload_type().unwrap_or(96),
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

/// What such a leg is built from.
pub(crate) fn settings(id: u64, media: LegMedia) -> LegSettings {
    LegSettings {
        id: LegId(id),
        media,
        ssrc: id as u32,
        sequence_number: 0,
        timestamp: 0,
        playout: PlayoutSettings::default(),
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
