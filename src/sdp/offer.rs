//! Reads an offer or an answer: picks the stream, its address, its codecs, and who sends.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr as _;

use sdp_types::{Attribute, Connection, Media, RtpMap, Session};

use super::clean::clean;
use super::write::TELEPHONE_EVENT;
use super::{Agreed, Codec, Direction, Local, NoCommonCodec, Offer, STREAMS_MAX, SdpError, Stream};

/// The clock rate of digits; it must be the audio's (RFC 4733 §2.1).
const EVENT_CLOCK_RATE: u32 = 8000;

/// Reads an offer.
///
/// # Errors
/// What is wrong with it; a [`SdpError::NoAudio`] is answered with 488, the others with 400.
pub fn parse_offer(sdp: &[u8]) -> Result<Offer, SdpError> {
    let session = parse(sdp)?;
    let acceptable = |media: &Media| read_stream(&session, media);
    // A stream whose codecs we lack is taken only if there is no better one, and then refused with
    // the right reason.
    let candidates = || session.medias.iter().map(acceptable).enumerate();
    let chosen = candidates()
        .find(|(_, stream)| stream.as_ref().is_some_and(|stream| !stream.codecs.is_empty()))
        .or_else(|| candidates().find(|(_, stream)| stream.is_some()));
    let Some((chosen, Some(stream))) = chosen else {
        return Err(SdpError::NoAudio);
    };
    Ok(stream.into_offer(&session, chosen))
}

/// Reads the answer to an offer that [`super::make_offer`] made of `local`.
///
/// # Errors
/// [`SdpError::NoAudio`] when our stream was refused, [`SdpError::NoCommonCodec`] when it was taken with
/// a codec that we did not offer, or what else is wrong with it.
pub fn read_answer(sdp: &[u8], local: &Local) -> Result<Agreed, SdpError> {
    let session = parse(sdp)?;
    // We offer one stream, so only the first is about it, however many there are (RFC 3264 §6).
    let stream = session.medias.first().and_then(|media| read_stream(&session, media));
    let offer = stream.ok_or(SdpError::NoAudio)?.into_offer(&session, 0);
    let agreed = agree(&offer, local)?;
    Ok(Agreed { telephone_event_offered: agreed.telephone_event.and(Some(TELEPHONE_EVENT)), ..agreed })
}

/// What follows from their side and ours.
///
/// Of the codecs both have, theirs that stands first (RFC 3264 §6.1 recommends to keep the order). One
/// codec only: a far end that may change it in the middle of a call gains nothing by it.
pub(super) fn agree(theirs: &Offer, local: &Local) -> Result<Agreed, NoCommonCodec> {
    let common = theirs.codecs.iter().find(|(_, codec)| local.codecs.contains(codec));
    let &(payload_type, codec) = common.ok_or(NoCommonCodec)?;
    let direction = theirs.direction.reversed();
    let after = |remote: SocketAddr| {
        let port = remote.port().checked_add(1)?;
        Some(SocketAddr::new(remote.ip(), port))
    };
    let rtcp = if theirs.rtcp_mux && local.rtcp_mux {
        theirs.remote
    } else {
        theirs.rtcp.or_else(|| theirs.remote.and_then(after))
    };
    Ok(Agreed {
        codec,
        payload_type,
        telephone_event: theirs.telephone_event,
        telephone_event_offered: None,
        remote: theirs.remote,
        rtcp,
        direction: if theirs.remote.is_some() { direction } else { direction.without_send() },
    })
}

fn parse(sdp: &[u8]) -> Result<Session, SdpError> {
    let session = Session::parse(clean(sdp)?.as_bytes()).map_err(|_| SdpError::Malformed)?;
    if session.medias.len() > STREAMS_MAX {
        return Err(SdpError::TooManyStreams);
    }
    Ok(session)
}

/// An audio stream that we can take.
struct AudioStream {
    remote: Option<SocketAddr>,
    rtcp: Option<SocketAddr>,
    rtcp_mux: bool,
    codecs: Vec<(u8, Codec)>,
    telephone_event: Option<u8>,
    ptime: Option<u32>,
    direction: Direction,
}

impl AudioStream {
    fn into_offer(self, session: &Session, chosen: usize) -> Offer {
        let streams = session.medias.iter().map(|media| Stream {
            media: media.media.clone(),
            protocol: media.proto.clone(),
            formats: media.fmt.clone(),
        });
        Offer {
            remote: self.remote,
            rtcp: self.rtcp,
            rtcp_mux: self.rtcp_mux,
            codecs: self.codecs,
            telephone_event: self.telephone_event,
            ptime: self.ptime,
            direction: self.direction,
            streams: streams.collect(),
            chosen,
        }
    }
}

/// Reads a stream, if it is audio over plain RTP with an address.
fn read_stream(session: &Session, media: &Media) -> Option<AudioStream> {
    let is_plain_audio = media.media.eq_ignore_ascii_case("audio")
        && media.proto.eq_ignore_ascii_case("RTP/AVP")
        && media.port != 0;
    if !is_plain_audio {
        return None;
    }
    // The stream's own address counts before the session's (RFC 8866 §5.7).
    let connection = media.connections.first().or(session.connection.as_ref())?;
    let address = read_address(connection)?;
    let remote = (!address.is_unspecified()).then(|| SocketAddr::new(address, media.port));
    let formats = Formats::of(media);
    Some(AudioStream {
        remote,
        rtcp: value(&media.attributes, "rtcp").and_then(|text| read_rtcp(text, remote?.ip())),
        rtcp_mux: has(&media.attributes, "rtcp-mux"),
        codecs: formats.codecs,
        telephone_event: formats.telephone_event,
        ptime: value(&media.attributes, "ptime")
            .and_then(|text| text.parse().ok())
            .filter(|ptime| (1..=200).contains(ptime)),
        direction: read_direction(&media.attributes)
            .or_else(|| read_direction(&session.attributes))
            .unwrap_or_default(),
    })
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

/// The payload types of a stream that we know, in its order.
struct Formats {
    codecs: Vec<(u8, Codec)>,
    telephone_event: Option<u8>,
}

impl Formats {
    fn of(media: &Media) -> Self {
        let maps = || media.attributes.iter().filter(|a| a.attribute.eq_ignore_ascii_case("rtpmap"));
        let maps: Vec<RtpMap> =
            maps().filter_map(|map| RtpMap::from_str(map.value.as_deref()?.trim()).ok()).collect();
        let mut formats = Self { codecs: Vec::new(), telephone_event: None };
        let types = media.fmt.split_ascii_whitespace().filter_map(|format| format.parse().ok());
        for payload_type in types.filter(|payload_type: &u8| *payload_type < 128) {
            match maps.iter().find(|map| map.payload_type == payload_type) {
                Some(map) => formats.add_mapped(map),
                None => formats.add(payload_type, Codec::of_static_payload_type(payload_type)),
            }
        }
        formats
    }

    fn add_mapped(&mut self, map: &RtpMap) {
        let name = map.encoding_name.trim();
        let is_event = name.eq_ignore_ascii_case("telephone-event");
        if is_event && map.clock_rate == EVENT_CLOCK_RATE {
            self.telephone_event.get_or_insert(map.payload_type);
        } else if map.encoding_params.as_deref().is_none_or(|channels| channels.trim() == "1") {
            self.add(map.payload_type, Codec::of_name(name, map.clock_rate));
        }
    }

    fn add(&mut self, payload_type: u8, codec: Option<Codec>) {
        let is_new = self.codecs.iter().all(|&(known, _)| known != payload_type);
        if let Some(codec) = codec.filter(|_| is_new) {
            self.codecs.push((payload_type, codec));
        }
    }
}

fn read_direction(attributes: &[Attribute]) -> Option<Direction> {
    const ALL: [Direction; 4] =
        [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
    attributes.iter().find_map(|attribute| {
        let name = attribute.attribute.trim();
        ALL.into_iter().find(|direction| direction.name().eq_ignore_ascii_case(name))
    })
}

fn has(attributes: &[Attribute], name: &str) -> bool {
    attributes.iter().any(|attribute| attribute.attribute.eq_ignore_ascii_case(name))
}

fn value<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a str> {
    let found = attributes.iter().find(|attribute| attribute.attribute.eq_ignore_ascii_case(name));
    found?.value.as_deref().map(str::trim)
}
