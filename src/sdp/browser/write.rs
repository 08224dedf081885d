//! Writes our answers and offers to browsers.

use std::net::IpAddr;

use super::{BrowserAgreed, BrowserLocal, BrowserOffer, SdpError, over_ice};
use crate::sdp::agree::{agree, choose_codec};
use crate::sdp::offer::AUDIO_LEVEL_URI;
use crate::sdp::write::{begin, offered_formats, push, push_audio};
use crate::sdp::{AudioLevel, Direction, Format};

/// What browsers call SRTP with keys of DTLS (RFC 5764 §8).
const PROTOCOL: &str = "UDP/TLS/RTP/SAVPF";

/// The name of the only stream of an offer of ours.
const OUR_MID: &str = "0";

/// Of our candidates the first is the best: the greatest priority of a host's (RFC 8445 §5.1.2).
const PRIORITY_MAX: u32 = (126 << 24) | (65_535 << 8) | 255;

/// Answers an offer: its audio is taken, and everything else refused with port 0 (RFC 3264 §6).
///
/// # Errors
/// [`SdpError::NoCommonCodec`].
pub fn answer(offer: &BrowserOffer, local: &BrowserLocal) -> Result<(String, BrowserAgreed), SdpError> {
    let codec = choose_codec(&offer.audio, &local.local).ok_or(SdpError::NoCommonCodec)?;
    let agreed = over_ice(agree(&offer.audio, &local.local, codec, None), &offer.audio);
    let mut sdp = begin(&local.local);
    if let Some(mid) = offer.mid.as_ref().filter(|_| offer.is_bundled) {
        push(&mut sdp, format_args!("a=group:BUNDLE {mid}"));
    }
    sdp.push_str("a=ice-lite\r\n");
    for (index, (stream, mid)) in offer.streams.iter().enumerate() {
        if index == offer.audio.index {
            let audio = (agreed.payload_type, Format::Audio(agreed.codec));
            let event =
                |payload_type| (payload_type, Format::TelephoneEvent(agreed.terms.telephone_event_rate));
            let formats: Vec<(u8, Format)> =
                [Some(audio), agreed.telephone_event.map(event)].into_iter().flatten().collect();
            push_audio(&mut sdp, port(local), &stream.protocol, &formats, agreed.direction);
            push_transport(&mut sdp, local, "passive", mid.as_deref());
            push_audio_level(&mut sdp, offer.audio.audio_level);
        } else {
            push(&mut sdp, format_args!("m={} 0 {} {}", stream.media, stream.protocol, stream.formats));
            if let Some(mid) = mid {
                push(&mut sdp, format_args!("a=mid:{mid}"));
            }
        }
    }
    Ok((sdp, BrowserAgreed { agreed, remote: offer.remote.clone() }))
}

/// Makes an offer, for a call to a browser. Whatever it asks for, the browser begins the handshake: those that may choose do
/// (RFC 8842 §5.3).
pub fn make_offer(local: &BrowserLocal) -> String {
    let mut sdp = begin(&local.local);
    let mid = local.mid.as_deref().unwrap_or(OUR_MID);
    push(&mut sdp, format_args!("a=group:BUNDLE {mid}"));
    sdp.push_str("a=ice-lite\r\n");
    push_audio(&mut sdp, port(local), PROTOCOL, &offered_formats(&local.local), Direction::SendRecv);
    push_transport(&mut sdp, local, "actpass", Some(mid));
    push_audio_level(&mut sdp, Some(AudioLevel { id: 1, vad: None, takes: true }));
    sdp
}

fn port(local: &BrowserLocal) -> u16 {
    local.candidates.first().map_or(local.local.port, |candidate| candidate.port())
}

fn push_transport(sdp: &mut String, local: &BrowserLocal, setup: &str, mid: Option<&str>) {
    if let Some(mid) = mid {
        push(sdp, format_args!("a=mid:{mid}"));
    }
    push(sdp, format_args!("a=msid:confab audio"));
    sdp.push_str("a=rtcp-mux\r\n");
    push(sdp, format_args!("a=ice-ufrag:{}", local.credentials.ufrag()));
    push(sdp, format_args!("a=ice-pwd:{}", local.credentials.expose_password()));
    push(sdp, format_args!("a=fingerprint:{}", local.fingerprint));
    push(sdp, format_args!("a=setup:{setup}"));
    for (place, candidate) in (0..).zip(&local.candidates) {
        // Each local preference is one less than that before it.
        let priority = PRIORITY_MAX - (place << 8);
        let (ip, port): (IpAddr, u16) = (candidate.ip(), candidate.port());
        push(sdp, format_args!("a=candidate:{} 1 udp {priority} {ip} {port} typ host", place + 1));
    }
    sdp.push_str("a=end-of-candidates\r\n");
}

/// We read it, and send it to those who would take it.
fn push_audio_level(sdp: &mut String, level: Option<AudioLevel>) {
    if let Some(level) = level {
        let vad = match level.vad {
            Some(true) => " vad=on",
            Some(false) => " vad=off",
            None => "",
        };
        let direction = if level.takes { "" } else { "/recvonly" };
        push(sdp, format_args!("a=extmap:{}{direction} {AUDIO_LEVEL_URI}{vad}", level.id));
    }
}
