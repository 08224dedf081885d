//! The callers' offer and the node's answer (RFC 4566, RFC 3264): one audio stream, one G.711 law, 20 ms.

use std::net::{IpAddr, SocketAddr};

use super::law::Law;

/// The offer of a caller who receives at `local`. Also its answer, should the node offer anew.
pub(super) fn offer(local: SocketAddr, law: Law) -> String {
    let (ip, port) = (local.ip(), local.port());
    let family = if ip.is_ipv6() { "IP6" } else { "IP4" };
    let (payload_type, name) = (law.payload_type(), law.name());
    format!(
        "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {payload_type} 101\r\na=rtpmap:{payload_type} {name}/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}

/// Why an answer cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AnswerError {
    #[error("no address for audio")]
    NoAddress,
    #[error("audio refused")]
    Refused,
    #[error("answered with another codec than the one offered")]
    Codec,
}

/// Where the node's answer wants the audio sent.
///
/// # Errors
/// When there is no such place or another codec was chosen.
pub(super) fn remote_of(answer: &str, law: Law) -> Result<SocketAddr, AnswerError> {
    let mut address: Option<IpAddr> = None;
    let mut audio = None;
    let mut in_audio = false;
    for line in answer.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            in_audio = media.starts_with("audio ") && audio.is_none();
            if in_audio {
                audio = Some(media);
            }
        } else if let Some(connection) = line.strip_prefix("c=")
            && (in_audio || audio.is_none())
        {
            address = parse_connection(connection).or(address);
        }
    }
    let audio = audio.ok_or(AnswerError::NoAddress)?;
    let mut fields = audio.split_ascii_whitespace().skip(1);
    let port: u16 = fields.next().and_then(|port| port.parse().ok()).ok_or(AnswerError::NoAddress)?;
    if port == 0 {
        return Err(AnswerError::Refused);
    }
    if fields.nth(1) != Some(&law.payload_type().to_string()) {
        return Err(AnswerError::Codec);
    }
    Ok(SocketAddr::new(address.ok_or(AnswerError::NoAddress)?, port))
}

/// The address in `IN IP4 192.0.2.1/127`.
fn parse_connection(connection: &str) -> Option<IpAddr> {
    let address = connection.split_ascii_whitespace().nth(2)?;
    address.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_reads_back_as_an_answer() {
        for local in ["127.0.0.1:4000", "[::1]:4000"] {
            let local: SocketAddr = local.parse().unwrap();
            for law in [Law::Pcmu, Law::Pcma] {
                assert_eq!(remote_of(&offer(local, law), law), Ok(local));
            }
        }
    }

    #[test]
    fn the_media_lines_own_address_counts() {
        let answer = "v=0\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\nc=IN IP4 192.0.2.2\n\
                      m=video 0 RTP/AVP 96\nc=IN IP4 192.0.2.3\n";
        assert_eq!(remote_of(answer, Law::Pcmu), Ok("192.0.2.2:4000".parse().unwrap()));
    }

    #[test]
    fn an_unusable_answer_says_why() {
        let with = |media: &str| format!("v=0\r\nc=IN IP4 127.0.0.1\r\n{media}\r\n");
        let problem = |media| remote_of(&with(media), Law::Pcmu).unwrap_err();
        assert_eq!(problem("m=audio 0 RTP/AVP 0"), AnswerError::Refused);
        assert_eq!(problem("m=audio 4000 RTP/AVP 8"), AnswerError::Codec);
        assert_eq!(problem("a=nothing"), AnswerError::NoAddress);
        assert_eq!(remote_of("m=audio 4 RTP/AVP 0", Law::Pcmu), Err(AnswerError::NoAddress));
    }
}
