//! Reads an offer: its streams, and of those of audio that could be taken address, formats, keys and who sends.

use std::net::{IpAddr, SocketAddr};

use sdp_types::{Attribute, Connection, Media, Session};

use super::clean::clean;
use super::{Audio, AudioLevel, Direction, Offer, STREAMS_MAX, SdpError, Stream, crypto, formats};

/// Reads an offer.
///
/// # Errors
/// What is wrong with it; [`SdpError::status`] says how it is answered.
pub fn parse_offer(sdp: &[u8]) -> Result<Offer, SdpError> {
    let session = parse(sdp)?;
    let audio: Vec<Audio> = session
        .medias
        .iter()
        .enumerate()
        .filter_map(|(index, media)| read_audio(&session, index, media))
        .collect();
    if audio.is_empty() {
        return Err(SdpError::NoAudio);
    }
    let streams = session.medias.iter().map(|media| Stream {
        media: media.media.clone(),
        protocol: media.proto.clone(),
        formats: media.fmt.clone(),
    });
    Ok(Offer { audio, streams: streams.collect() })
}

/// Reads the first stream of an answer: we offer one, so only the first is about it, however many there are
/// (RFC 3264 §6).
pub(super) fn parse_answer(sdp: &[u8]) -> Result<Audio, SdpError> {
    let session = parse(sdp)?;
    session.medias.first().and_then(|media| read_audio(&session, 0, media)).ok_or(SdpError::NoAudio)
}

pub(super) fn parse(sdp: &[u8]) -> Result<Session, SdpError> {
    let session = Session::parse(clean(sdp)?.as_bytes()).map_err(|_| SdpError::Malformed)?;
    if session.medias.len() > STREAMS_MAX {
        return Err(SdpError::TooManyStreams);
    }
    Ok(session)
}

/// Whether a protocol is SRTP; `None` if it is neither that nor RTP.
///
/// Those with feedback (RFC 4585, RFC 5124) differ only in when RTCP may be sent, so we can do as they allow.
fn is_secure(protocol: &str) -> Option<bool> {
    let is = |name: &str| protocol.eq_ignore_ascii_case(name);
    match () {
        () if is("RTP/AVP") || is("RTP/AVPF") => Some(false),
        () if is("RTP/SAVP") || is("RTP/SAVPF") => Some(true),
        () => None,
    }
}

/// Reads a stream, if it is audio over RTP or SRTP with an address.
fn read_audio(session: &Session, index: usize, media: &Media) -> Option<Audio> {
    if !media.media.eq_ignore_ascii_case("audio") || media.port == 0 {
        return None;
    }
    let secure = is_secure(&media.proto)?;
    // The stream's own address counts before the session's (RFC 8866 §5.7).
    let connection = media.connections.first().or(session.connection.as_ref())?;
    let address = read_address(connection)?;
    let remote = (!address.is_unspecified()).then(|| SocketAddr::new(address, media.port));
    let (formats, opus) = formats::read(media);
    let attributes = &media.attributes;
    let both = || attributes.iter().chain(&session.attributes);
    Some(Audio {
        index,
        secure,
        crypto: crypto::read_all(attributes),
        remote,
        rtcp: value(attributes, "rtcp").and_then(|text| read_rtcp(text, remote?.ip())),
        rtcp_mux: attributes.iter().any(|attribute| attribute.attribute.eq_ignore_ascii_case("rtcp-mux")),
        formats,
        ptime: read_millis(attributes, "ptime"),
        maxptime: read_millis(attributes, "maxptime"),
        audio_level: both().find_map(read_audio_level),
        opus,
        direction: read_direction(attributes)
            .or_else(|| read_direction(&session.attributes))
            .unwrap_or_default(),
    })
}

/// A packet length. What is beyond any that is in use says nothing.
pub(super) fn read_millis(attributes: &[Attribute], name: &str) -> Option<u32> {
    // Some write `20.0`.
    let text = value(attributes, name)?.split('.').next()?;
    text.parse().ok().filter(|millis| (1..=200).contains(millis))
}

/// What names the extension for audio levels (RFC 6464 §4).
pub(super) const AUDIO_LEVEL_URI: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";

/// `a=extmap:1/sendrecv urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=on` (RFC 8285 §5), if the far end would send it.
pub(super) fn read_audio_level(attribute: &Attribute) -> Option<AudioLevel> {
    if !attribute.attribute.eq_ignore_ascii_case("extmap") {
        return None;
    }
    let mut words = attribute.value.as_deref()?.split_ascii_whitespace();
    let (id, direction) = {
        let first = words.next()?;
        first.split_once('/').unwrap_or((first, "sendrecv"))
    };
    let sends = ["sendrecv", "sendonly"].iter().any(|sends| direction.eq_ignore_ascii_case(sends));
    if !sends || words.next()? != AUDIO_LEVEL_URI {
        return None;
    }
    let vad = words.next().and_then(|word| match word {
        "vad=on" => Some(true),
        "vad=off" => Some(false),
        _ => None,
    });
    // Greater numbers are for the longer form of extensions, which nobody uses for this one.
    let id = id.parse().ok().filter(|id| (1..=14).contains(id))?;
    Some(AudioLevel { id, vad, takes: direction.eq_ignore_ascii_case("sendrecv") })
}

/// The address of a `c=` line, if one can send there: unspecified for the old hold, never multicast.
fn read_address(connection: &Connection) -> Option<IpAddr> {
    // A time to live behind the address is for multicast only, and does no harm here.
    let text = connection.connection_address.split('/').next()?;
    text.parse().ok().filter(|&address| is_unicast(address) || address.is_unspecified())
}

fn is_unicast(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let is_broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !(address.is_unspecified() || address.is_multicast() || is_broadcast)
}

/// `a=rtcp:53020`, or `a=rtcp:53020 IN IP4 192.0.2.4` (RFC 3605 §2.1).
fn read_rtcp(text: &str, address: IpAddr) -> Option<SocketAddr> {
    let mut words = text.split_ascii_whitespace();
    let port = words.next()?.parse().ok().filter(|&port| port != 0)?;
    let address = match words.nth(2) {
        Some(text) => text.parse().ok().filter(|&address| is_unicast(address))?,
        None => address,
    };
    Some(SocketAddr::new(address, port))
}

pub(super) fn read_direction(attributes: &[Attribute]) -> Option<Direction> {
    const ALL: [Direction; 4] =
        [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
    attributes.iter().find_map(|attribute| {
        let name = attribute.attribute.trim();
        ALL.into_iter().find(|direction| direction.name().eq_ignore_ascii_case(name))
    })
}

pub(super) fn value<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|attribute| attribute.attribute.eq_ignore_ascii_case(name));
    found?.value.as_deref().map(str::trim)
}
