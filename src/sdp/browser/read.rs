//! Reads offers and answers of browsers.

use std::net::{Ipv4Addr, SocketAddr};

use sdp_types::{Attribute, Media, Session};

use super::{BrowserAgreed, BrowserLocal, Fingerprint, Remote, SdpError, over_ice};
use crate::sdp::agree::agree;
use crate::sdp::offer::{parse, read_audio_level, read_direction, read_millis, value};
use crate::sdp::{Audio, Stream, formats};

/// The lengths of credentials (RFC 8839 §5.4).
const UFRAG_LEN: std::ops::RangeInclusive<usize> = 4..=256;
const PASSWORD_LEN: std::ops::RangeInclusive<usize> = 22..=256;

/// The longest name of a stream that is taken; browsers number theirs.
const MID_LEN_MAX: usize = 64;

/// Fingerprints of one stream that are looked at.
const FINGERPRINTS_MAX: usize = 8;

/// What a browser offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserOffer {
    /// The stream of audio that is taken.
    pub audio: Audio,
    /// Its name (RFC 5888), if it has one.
    pub mid: Option<String>,
    /// The browser's half of ICE and DTLS.
    pub remote: Remote,
    /// All streams, in order, with their names.
    pub(super) streams: Vec<(Stream, Option<String>)>,
    /// Whether the taken one is in a bundle (RFC 9143).
    pub(super) is_bundled: bool,
}

/// Reads an offer.
///
/// # Errors
/// What is wrong with it; [`SdpError::status`] says how it is answered.
pub fn parse_offer(sdp: &[u8]) -> Result<BrowserOffer, SdpError> {
    let session = parse(sdp)?;
    let (index, media) = first_audio(&session).ok_or(SdpError::NoAudio)?;
    let remote = read_remote(&session, media, &["actpass", "active"])?;
    let mid = read_mid(media);
    let is_bundled = mid.as_deref().is_some_and(|mid| {
        let groups = session.attributes.iter().filter(|line| line.attribute.eq_ignore_ascii_case("group"));
        groups.filter_map(|line| line.value.as_deref()).any(|group| {
            let mut words = group.split_ascii_whitespace();
            words.next() == Some("BUNDLE") && words.any(|word| word == mid)
        })
    });
    let streams = session.medias.iter().map(|media| {
        let stream =
            Stream { media: media.media.clone(), protocol: media.proto.clone(), formats: media.fmt.clone() };
        (stream, read_mid(media))
    });
    Ok(BrowserOffer {
        audio: read_audio(&session, index, media),
        mid,
        remote,
        streams: streams.collect(),
        is_bundled,
    })
}

/// Reads the answer to an offer that [`super::make_offer`] made. Of several codecs in it the first is taken, whatever we like
/// best: it is the one in which browsers speak.
///
/// # Errors
/// What is wrong with it, [`SdpError::NoAudio`] when our stream was refused.
pub fn read_answer(sdp: &[u8], local: &BrowserLocal) -> Result<BrowserAgreed, SdpError> {
    let session = parse(sdp)?;
    let (index, media) = first_audio(&session).filter(|(index, _)| *index == 0).ok_or(SdpError::NoAudio)?;
    let remote = read_remote(&session, media, &["active"])?;
    let audio = read_audio(&session, index, media);
    let codec = audio.codecs().find(|(_, theirs)| local.local.codecs.contains(theirs));
    let codec = codec.ok_or(SdpError::NoCommonCodec)?;
    let agreed = over_ice(agree(&audio, &local.local, codec, None), &audio);
    let telephone_event_offered = agreed.telephone_event;
    Ok(BrowserAgreed { agreed: crate::sdp::Agreed { telephone_event_offered, ..agreed }, remote })
}

/// The first stream of audio that browsers mean. One that is in a bundle only has no port (RFC 9143 §6).
fn first_audio(session: &Session) -> Option<(usize, &Media)> {
    session.medias.iter().enumerate().find(|(_, media)| {
        let has_port = media.port != 0 || has(&media.attributes, "bundle-only");
        media.media.eq_ignore_ascii_case("audio") && has_port && is_browsers(&media.proto)
    })
}

/// Whether a protocol is SRTP with keys of DTLS. Some old ones leave out the beginning of its name.
fn is_browsers(protocol: &str) -> bool {
    ["UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF"]
        .iter()
        .any(|name| protocol.eq_ignore_ascii_case(name))
}

fn has(attributes: &[Attribute], name: &str) -> bool {
    attributes.iter().any(|line| line.attribute.eq_ignore_ascii_case(name))
}

fn read_mid(media: &Media) -> Option<String> {
    let mid = value(&media.attributes, "mid")?;
    let is_token =
        !mid.is_empty() && mid.len() <= MID_LEN_MAX && mid.bytes().all(|byte| byte.is_ascii_graphic());
    is_token.then(|| mid.to_owned())
}

/// What stands at the stream, or else for all of them (RFC 8839 §5.4, RFC 8122 §5, RFC 8842 §5.1).
fn read_remote(session: &Session, media: &Media, roles: &[&str]) -> Result<Remote, SdpError> {
    let of_either = |name| value(&media.attributes, name).or_else(|| value(&session.attributes, name));
    let credential = |name, len: std::ops::RangeInclusive<usize>| {
        let fits =
            |text: &&str| len.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        of_either(name).filter(fits).map(str::to_owned).ok_or(SdpError::NoIce)
    };
    let (ufrag, password) = (credential("ice-ufrag", UFRAG_LEN)?, credential("ice-pwd", PASSWORD_LEN)?);
    let fingerprints_in = |attributes: &[Attribute]| -> Vec<Fingerprint> {
        let lines = attributes.iter().filter(|line| line.attribute.eq_ignore_ascii_case("fingerprint"));
        lines.filter_map(|line| Fingerprint::parse(line.value.as_deref()?)).take(FINGERPRINTS_MAX).collect()
    };
    let own = fingerprints_in(&media.attributes);
    let fingerprints = if own.is_empty() { fingerprints_in(&session.attributes) } else { own };
    if fingerprints.is_empty() {
        return Err(SdpError::NoFingerprint);
    }
    let role = of_either("setup").unwrap_or("active");
    if !roles.iter().any(|known| role.eq_ignore_ascii_case(known)) {
        return Err(SdpError::NoRole);
    }
    Ok(Remote { ufrag, password, fingerprints })
}

/// What is said of the sound. Where it is to be sent is not: ICE knows that.
fn read_audio(session: &Session, index: usize, media: &Media) -> Audio {
    let (formats, opus) = formats::read(media);
    let attributes = &media.attributes;
    Audio {
        index,
        secure: true,
        crypto: Vec::new(),
        remote: Some(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), DISCARD_PORT)),
        rtcp: None,
        rtcp_mux: true,
        formats,
        ptime: read_millis(attributes, "ptime"),
        maxptime: read_millis(attributes, "maxptime"),
        audio_level: attributes.iter().chain(&session.attributes).find_map(read_audio_level),
        opus,
        direction: read_direction(attributes)
            .or_else(|| read_direction(&session.attributes))
            .unwrap_or_default(),
    }
}

/// What browsers write where a port must stand and says nothing (RFC 8829 §5.2.1).
const DISCARD_PORT: u16 = 9;
