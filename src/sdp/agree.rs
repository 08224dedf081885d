//! What follows from their side and ours: the stream, the keys, the codec and everything that hangs on it.

use std::net::SocketAddr;

use confab_media::srtp::SrtpPair;
use confab_media::{Codec, LegTerms};

use super::offer::parse_answer;
use super::write::offered_formats;
use super::{Agreed, Audio, Format, Local, Offer, SdpError, crypto};

/// Reads the answer to an offer that [`super::make_offer`] made of `local`.
///
/// # Errors
/// [`SdpError::NoAudio`] when our stream was refused, [`SdpError::NoCommonCodec`] when it was taken with
/// a codec that we did not offer, or what else is wrong with it.
pub fn read_answer(sdp: &[u8], local: &Local) -> Result<Agreed, SdpError> {
    let audio = parse_answer(sdp)?;
    let srtp = local.security.as_ref().and_then(|security| crypto::taken(&audio.crypto, security));
    let srtp = judge_security(&audio, local, srtp)?;
    // They have chosen: theirs that stands first, of those that we offered (RFC 3264 §7).
    let chosen = audio.codecs().find(|(_, codec)| local.codecs.contains(codec));
    let agreed = agree(&audio, local, chosen.ok_or(SdpError::NoCommonCodec)?, srtp);
    let event = Format::TelephoneEvent(agreed.terms.telephone_event_rate);
    let offered = offered_formats(local).into_iter().find(|(_, format)| *format == event);
    let offered = offered.map(|(payload_type, _)| payload_type);
    Ok(Agreed { telephone_event_offered: agreed.telephone_event.and(offered), ..agreed })
}

/// The stream of an offer that is taken, the tag of its keys, and what is agreed on it.
pub(super) struct Taken<'o> {
    pub(super) audio: &'o Audio,
    pub(super) tag: Option<u32>,
    pub(super) agreed: Agreed,
}

/// Takes one of the streams: with a codec that we have rather than without, with SRTP rather than without, the first
/// rather than a later one.
pub(super) fn take<'o>(offer: &'o Offer, local: &Local) -> Result<Taken<'o>, SdpError> {
    let mut best: Option<((bool, bool), _, _, _, _)> = None;
    let mut refusal = SdpError::NoAudio;
    for audio in &offer.audio {
        let chosen = local.security.as_ref().and_then(|security| crypto::choose(&audio.crypto, security));
        let (tag, srtp) = chosen.unzip();
        match judge_security(audio, local, srtp) {
            Ok(srtp) => {
                let codec = choose_codec(audio, local);
                let merit = (codec.is_some(), srtp.is_some());
                if best.as_ref().is_none_or(|(best, ..)| merit > *best) {
                    best = Some((merit, audio, codec, tag, srtp));
                }
            }
            Err(error) => refusal = error,
        }
    }
    let (_, audio, codec, tag, srtp) = best.ok_or(refusal)?;
    let codec = codec.ok_or(SdpError::NoCommonCodec)?;
    Ok(Taken { audio, tag, agreed: agree(audio, local, codec, srtp) })
}

/// Whether the stream may be as it is: with these keys, or plain.
fn judge_security(
    audio: &Audio,
    local: &Local,
    srtp: Option<SrtpPair>,
) -> Result<Option<SrtpPair>, SdpError> {
    let required = local.security.as_ref().is_some_and(|security| security.required);
    match (srtp, audio.secure, required) {
        (None, true, _) => Err(SdpError::OnlySecure),
        (None, false, true) => Err(SdpError::OnlyPlain),
        (srtp, ..) => Ok(srtp),
    }
}

/// Ours that stands first, of those that they have. The order is the operator's: RFC 3264 §6.1 only recommends to
/// keep theirs.
pub(super) fn choose_codec(audio: &Audio, local: &Local) -> Option<(u8, Codec)> {
    local.codecs.iter().find_map(|codec| audio.codecs().find(|(_, theirs)| theirs == codec))
}

/// One codec only: a far end that may change it in the middle of a call gains nothing by it.
pub(super) fn agree(
    audio: &Audio,
    local: &Local,
    (payload_type, codec): (u8, Codec),
    srtp: Option<SrtpPair>,
) -> Agreed {
    let events = choose_events(audio, codec);
    let (telephone_event, telephone_event_rate) = events.unzip();
    let rtcp_mux = audio.rtcp_mux && local.rtcp_mux;
    let direction = audio.direction.reversed();
    let terms = LegTerms {
        ptime: packet_time(audio, codec),
        telephone_event_rate: telephone_event_rate.unwrap_or_else(|| codec.clock_rate()),
        comfort_noise: audio.payload_type(Format::ComfortNoise(codec.clock_rate())),
        audio_level: audio.audio_level.map(|level| level.id),
        audio_level_sent: None,
        rtcp_mux,
        rtcp: rtcp_address(audio, rtcp_mux),
        opus: audio.opus,
        ice: false,
    };
    Agreed {
        codec,
        payload_type,
        telephone_event,
        telephone_event_offered: None,
        remote: audio.remote,
        direction: if audio.remote.is_some() { direction } else { direction.without_send() },
        terms,
        srtp,
    }
}

/// Digits at the codec's clock rate (RFC 4733 §2.1), or at the one that everybody counts at who does not look.
fn choose_events(audio: &Audio, codec: Codec) -> Option<(u8, u32)> {
    let at = |clock_rate| Some((audio.payload_type(Format::TelephoneEvent(clock_rate))?, clock_rate));
    at(codec.clock_rate()).or_else(|| at(8_000))
}

/// The lengths of packets that we send, in milliseconds.
const PACKET_TIMES: [u8; 6] = [60, 50, 40, 30, 20, 10];

/// The longest packet that is not over what the far end asks for, or takes at most.
fn packet_time(audio: &Audio, codec: Codec) -> u8 {
    let wanted = audio.ptime.unwrap_or(20).min(audio.maxptime.unwrap_or(u32::MAX));
    // Opus has no packets of these two lengths (RFC 6716 §2.1.4).
    let is_possible = |millis: &u8| codec != Codec::Opus || !matches!(millis, 30 | 50);
    PACKET_TIMES.into_iter().filter(is_possible).find(|millis| u32::from(*millis) <= wanted).unwrap_or(10)
}

fn rtcp_address(audio: &Audio, rtcp_mux: bool) -> Option<SocketAddr> {
    if rtcp_mux {
        return audio.remote;
    }
    let after = |remote: SocketAddr| Some(SocketAddr::new(remote.ip(), remote.port().checked_add(1)?));
    audio.rtcp.or_else(|| audio.remote.and_then(after))
}
