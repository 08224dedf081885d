//! Writes our answers and offers.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::agree::{Taken, take};
use super::offer::AUDIO_LEVEL_URI;
use super::{Answer, Direction, Format, Local, Offer, SdpError, Security, crypto};

/// The packet length that we would like to get, in milliseconds: one tick.
const PTIME: u32 = 20;

/// The longest packets that we take, in milliseconds.
const MAXPTIME: u32 = 60;

/// Payload types that stand for nothing by themselves (RFC 3551 §6).
const DYNAMIC: RangeInclusive<u8> = 96..=127;

/// Answers an offer: one stream of audio is taken, and every other one refused with port 0 (RFC 3264 §6).
///
/// # Errors
/// Why none of its streams is taken.
pub fn answer(offer: &Offer, local: &Local) -> Result<Answer, SdpError> {
    let taken = take(offer, local)?;
    let mut sdp = begin(local);
    for (index, stream) in offer.streams.iter().enumerate() {
        if index == taken.audio.index {
            push_taken(&mut sdp, local, &taken, &stream.protocol);
        } else {
            push(&mut sdp, format_args!("m={} 0 {} {}", stream.media, stream.protocol, stream.formats));
        }
    }
    Ok(Answer { sdp, agreed: taken.agreed })
}

fn push_taken(sdp: &mut String, local: &Local, taken: &Taken<'_>, protocol: &str) {
    let (agreed, terms) = (&taken.agreed, &taken.agreed.terms);
    let audio = (agreed.payload_type, Format::Audio(agreed.codec));
    let event = |payload_type| (payload_type, Format::TelephoneEvent(terms.telephone_event_rate));
    let noise = |payload_type| (payload_type, Format::ComfortNoise(agreed.codec.clock_rate()));
    let formats: Vec<(u8, Format)> =
        [Some(audio), agreed.telephone_event.map(event), terms.comfort_noise.map(noise)]
            .into_iter()
            .flatten()
            .collect();
    push_audio(sdp, local.port, protocol, &formats, agreed.direction);
    if terms.rtcp_mux {
        sdp.push_str("a=rtcp-mux\r\n");
    }
    if let Some(level) = taken.audio.audio_level {
        let vad = match level.vad {
            Some(true) => " vad=on",
            Some(false) => " vad=off",
            None => "",
        };
        // We read it, and do not send it.
        push(sdp, format_args!("a=extmap:{}/recvonly {AUDIO_LEVEL_URI}{vad}", level.id));
    }
    if let (Some(tag), Some(pair)) = (taken.tag, &agreed.srtp) {
        push(sdp, format_args!("a=crypto:{}", *crypto::write(tag, &pair.send)));
    }
}

/// Makes an offer: for an INVITE of ours, or as the answer to one without an offer (RFC 3261 §13.2.1).
///
/// Where SRTP is optional its keys stand in an offer of plain RTP: whoever knows them takes them, and whoever does
/// not passes over the attribute.
pub fn make_offer(local: &Local) -> String {
    let required = local.security.as_ref().is_some_and(|security| security.required);
    let protocol = if required { "RTP/SAVP" } else { "RTP/AVP" };
    let mut sdp = begin(local);
    push_audio(&mut sdp, local.port, protocol, &offered_formats(local), Direction::SendRecv);
    if local.rtcp_mux {
        sdp.push_str("a=rtcp-mux\r\n");
    }
    let keys = local.security.iter().flat_map(Security::all);
    for (tag, keys) in (1..).zip(keys) {
        push(&mut sdp, format_args!("a=crypto:{}", *crypto::write(tag, keys)));
    }
    sdp
}

/// Our codecs, and digits at each of their clock rates. Comfort noise is not asked for: what we would get for it are
/// the clipped beginnings of words.
pub(super) fn offered_formats(local: &Local) -> Vec<(u8, Format)> {
    let mut wanted: Vec<Format> = local.codecs.iter().map(|codec| Format::Audio(*codec)).collect();
    for codec in &local.codecs {
        let event = Format::TelephoneEvent(codec.clock_rate());
        if !wanted.contains(&event) {
            wanted.push(event);
        }
    }
    let mut formats: Vec<(u8, Format)> = Vec::new();
    for format in wanted {
        // There are more dynamic payload types than formats of ours; only what the far end has taken can leave
        // too few.
        if let Some(payload_type) = payload_type(format, local, &formats) {
            formats.push((payload_type, format));
        }
    }
    formats
}

/// The payload type that stands for the format in this dialog already, its usual one, or one that is free.
fn payload_type(format: Format, local: &Local, given: &[(u8, Format)]) -> Option<u8> {
    let stands_for =
        local.formats.iter().find(|(_, known)| *known == format).map(|(payload_type, _)| *payload_type);
    let is_free = |payload_type: &u8| {
        let taken = |formats: &[(u8, Format)]| formats.iter().any(|(other, _)| other == payload_type);
        !taken(&local.formats) && !taken(given)
    };
    let usual = || format.usual_payload_type().filter(is_free);
    let is_nobodys = |payload_type: &u8| {
        !local.codecs.iter().any(|codec| Format::Audio(*codec).usual_payload_type() == Some(*payload_type))
    };
    stands_for.or_else(usual).or_else(|| DYNAMIC.filter(is_nobodys).find(is_free))
}

/// The part before the streams (RFC 8866 §5).
pub(super) fn begin(local: &Local) -> String {
    let address = local.address;
    let kind = match address {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
    };
    format!(
        "v=0\r\no=- {} {} IN {kind} {address}\r\ns=-\r\nc=IN {kind} {address}\r\nt=0 0\r\n",
        local.session_id, local.version
    )
}

pub(super) fn push_audio(
    sdp: &mut String,
    port: u16,
    protocol: &str,
    formats: &[(u8, Format)],
    direction: Direction,
) {
    let types: Vec<String> = formats.iter().map(|(payload_type, _)| payload_type.to_string()).collect();
    push(sdp, format_args!("m=audio {port} {protocol} {}", types.join(" ")));
    for (payload_type, format) in formats {
        if let Some(map) = format.map() {
            push(sdp, format_args!("a=rtpmap:{payload_type} {map}"));
        }
        if let Some(parameters) = format.parameters() {
            push(sdp, format_args!("a=fmtp:{payload_type} {parameters}"));
        }
    }
    push(sdp, format_args!("a=ptime:{PTIME}"));
    push(sdp, format_args!("a=maxptime:{MAXPTIME}"));
    push(sdp, format_args!("a={}", direction.name()));
}

pub(super) fn push(sdp: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = write!(sdp, "{line}\r\n");
}
