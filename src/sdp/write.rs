//! Writes our answers and offers.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::offer::agree;
use super::{Answer, Codec, Direction, Local, NoCommonCodec, Offer};

/// The payload type of digits in our offers: the one nearly everybody uses.
const TELEPHONE_EVENT: u8 = 101;

/// The packet length that we send, in milliseconds: one tick.
const PTIME: u32 = 20;

/// Answers an offer: its chosen stream is taken, and every other one refused with port 0 (RFC 3264 §6).
///
/// # Errors
/// When we have none of the offered codecs.
pub fn answer(offer: &Offer, local: &Local) -> Result<Answer, NoCommonCodec> {
    let agreed = agree(offer, local)?;
    let mut sdp = begin(local);
    for (index, stream) in offer.streams.iter().enumerate() {
        if index == offer.chosen {
            let format = (agreed.payload_type, agreed.codec);
            push_audio(&mut sdp, local.port, &[format], agreed.telephone_event, agreed.direction);
            if offer.rtcp_mux && local.rtcp_mux {
                sdp.push_str("a=rtcp-mux\r\n");
            }
        } else {
            push(&mut sdp, format_args!("m={} 0 {} {}", stream.media, stream.protocol, stream.formats));
        }
    }
    Ok(Answer { sdp, agreed })
}

/// Makes an offer: for an INVITE of ours, or as the answer to one without an offer (RFC 3261 §13.2.1).
pub fn make_offer(local: &Local) -> String {
    let mut sdp = begin(local);
    let formats: Vec<(u8, Codec)> =
        local.codecs.iter().filter_map(|&codec| Some((codec.static_payload_type()?, codec))).collect();
    push_audio(&mut sdp, local.port, &formats, Some(TELEPHONE_EVENT), Direction::SendRecv);
    if local.rtcp_mux {
        sdp.push_str("a=rtcp-mux\r\n");
    }
    sdp
}

/// The part before the streams (RFC 8866 §5).
fn begin(local: &Local) -> String {
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

fn push_audio(
    sdp: &mut String,
    port: u16,
    formats: &[(u8, Codec)],
    telephone_event: Option<u8>,
    direction: Direction,
) {
    let types = formats.iter().map(|&(payload_type, _)| payload_type).chain(telephone_event);
    let types: Vec<String> = types.map(|payload_type| payload_type.to_string()).collect();
    push(sdp, format_args!("m=audio {port} RTP/AVP {}", types.join(" ")));
    for (payload_type, codec) in formats {
        let (name, rate) = (codec.name(), codec.clock_rate());
        push(sdp, format_args!("a=rtpmap:{payload_type} {name}/{rate}"));
    }
    if let Some(payload_type) = telephone_event {
        push(sdp, format_args!("a=rtpmap:{payload_type} telephone-event/8000"));
        // The sixteen keys, and none of the other events of RFC 4733 §3.
        push(sdp, format_args!("a=fmtp:{payload_type} 0-15"));
    }
    push(sdp, format_args!("a=ptime:{PTIME}"));
    push(sdp, format_args!("a={}", direction.name()));
}

fn push(sdp: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = write!(sdp, "{line}\r\n");
}
