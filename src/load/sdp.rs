//! The callers' offer and the node's answer (RFC 4566, RFC 3264): one audio stream, one codec, 20 ms; with keys for
//! SRTP if asked for (RFC 4568).

use std::net::{IpAddr, SocketAddr};

use super::codec::Codec;
use super::srtp::Keys;

/// The payload type that we offer for telephone events (RFC 4733). No codec of ours has it.
pub(super) const EVENTS: u8 = 101;

/// What the element is called that says how loud a packet is, and what it stands for (RFC 6464 §4).
const LEVEL_ID: u8 = 1;
const LEVEL_URI: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";

/// What a caller offers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offered<'a> {
    pub(super) codec: Codec,
    /// Keys for SRTP, one of which is to be chosen; none over plain RTP.
    pub(super) keys: &'a [Keys],
    /// Whether each packet would say how loud it is.
    pub(super) audio_level: bool,
}

/// The offer of a caller who receives at `local`. Also its answer, should the node offer anew.
pub(super) fn offer(local: SocketAddr, offered: &Offered<'_>) -> String {
    let Offered { codec, keys, audio_level } = *offered;
    let (ip, port) = (local.ip(), local.port());
    let family = if ip.is_ipv6() { "IP6" } else { "IP4" };
    let profile = profile(!keys.is_empty());
    let (payload_type, rtpmap, clock) = (codec.payload_type(), codec.rtpmap(), codec.clock_rate());
    let format = match codec {
        Codec::Opus => format!("a=fmtp:{payload_type} minptime=10;useinbandfec=1\r\n"),
        Codec::Pcmu | Codec::Pcma | Codec::G722 | Codec::L16 => String::new(),
    };
    let crypto = |(n, keys): (usize, &Keys)| format!("a=crypto:{} {}\r\n", n + 1, keys.to_sdes());
    let crypto: String = keys.iter().enumerate().map(crypto).collect();
    let level = if audio_level { format!("a=extmap:{LEVEL_ID} {LEVEL_URI}\r\n") } else { String::new() };
    format!(
        "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {port} {profile} {payload_type} {EVENTS}\r\na=rtpmap:{payload_type} {rtpmap}\r\n{format}\
         a=rtpmap:{EVENTS} telephone-event/{clock}\r\na=fmtp:{EVENTS} 0-15\r\n{crypto}{level}a=ptime:20\r\na=sendrecv\r\n"
    )
}

fn profile(is_protected: bool) -> &'static str {
    if is_protected { "RTP/SAVP" } else { "RTP/AVP" }
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
    #[error("answered with another transport than the one offered, {0}")]
    Profile(&'static str),
    #[error("no key of a suite that was offered")]
    Key,
}

/// What the node's answer agrees to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Where the audio goes.
    pub(super) remote: SocketAddr,
    /// What the node wants the codec called in packets to it.
    pub(super) payload_type: u8,
    /// What the element with the level is called, if it wants levels.
    pub(super) audio_level: Option<u8>,
    /// Our keys that it chose, and its own.
    pub(super) keys: Option<(Keys, Keys)>,
}

/// Reads the answer to an offer.
///
/// # Errors
/// When there is nowhere to send the audio to, or something was chosen that was not offered.
pub(super) fn read_answer(answer: &str, offered: &Offered<'_>) -> Result<Answer, AnswerError> {
    let Offered { codec, keys, audio_level } = *offered;
    let lines = AudioLines::of(answer)?;
    let mut fields = lines.media.split_ascii_whitespace().skip(1);
    let port: u16 = fields.next().and_then(|port| port.parse().ok()).ok_or(AnswerError::NoAddress)?;
    if port == 0 {
        return Err(AnswerError::Refused);
    }
    let profile = profile(!keys.is_empty());
    if fields.next() != Some(profile) {
        return Err(AnswerError::Profile(profile));
    }
    let payload_type = fields.next().and_then(|format| lines.payload_type(format, codec));
    Ok(Answer {
        remote: SocketAddr::new(lines.address.ok_or(AnswerError::NoAddress)?, port),
        payload_type: payload_type.ok_or(AnswerError::Codec)?,
        audio_level: lines.level_id().filter(|_| audio_level),
        keys: if keys.is_empty() { None } else { Some(lines.keys(keys).ok_or(AnswerError::Key)?) },
    })
}

/// What a description says of its first audio stream.
struct AudioLines<'a> {
    media: &'a str,
    address: Option<IpAddr>,
    attributes: Vec<&'a str>,
}

impl<'a> AudioLines<'a> {
    fn of(answer: &'a str) -> Result<Self, AnswerError> {
        let (mut media, mut address, mut attributes) = (None, None, Vec::new());
        let mut in_audio = false;
        for line in answer.lines() {
            if let Some(description) = line.strip_prefix("m=") {
                in_audio = description.starts_with("audio ") && media.is_none();
                if in_audio {
                    media = Some(description);
                }
            } else if let Some(connection) = line.strip_prefix("c=")
                && (in_audio || media.is_none())
            {
                address = parse_connection(connection).or(address);
            } else if let Some(attribute) = line.strip_prefix("a=")
                && in_audio
            {
                attributes.push(attribute.trim_end());
            }
        }
        Ok(Self { media: media.ok_or(AnswerError::NoAddress)?, address, attributes })
    }

    /// The number of the format, if it stands for this codec: by its `rtpmap`, or by the number that we offered.
    fn payload_type(&self, format: &str, codec: Codec) -> Option<u8> {
        let number: u8 = format.parse().ok()?;
        let mapped = self.attributes.iter().find_map(|attribute| {
            attribute.strip_prefix("rtpmap:")?.strip_prefix(format)?.strip_prefix(' ').map(str::trim)
        });
        let is_ours = match mapped {
            Some(name) => {
                let wanted = codec.rtpmap();
                // One channel may be said or left out (RFC 4566 §6).
                name.eq_ignore_ascii_case(&wanted) || name.eq_ignore_ascii_case(&format!("{wanted}/1"))
            }
            None => number == codec.payload_type(),
        };
        is_ours.then_some(number)
    }

    /// What the level is called, if it is wanted: with a direction or without (RFC 8285 §5).
    fn level_id(&self) -> Option<u8> {
        self.attributes.iter().find_map(|attribute| {
            let mut words = attribute.strip_prefix("extmap:")?.split_ascii_whitespace();
            let id = words.next()?.split('/').next()?.parse().ok()?;
            (words.next() == Some(LEVEL_URI) && id == LEVEL_ID).then_some(id)
        })
    }

    /// Our keys that the answer names by tag and suite, and the node's own.
    fn keys(&self, offered: &[Keys]) -> Option<(Keys, Keys)> {
        self.attributes.iter().find_map(|attribute| {
            let (tag, rest) = attribute.strip_prefix("crypto:")?.split_once(' ')?;
            let ours = offered.get(tag.parse::<usize>().ok()?.checked_sub(1)?)?;
            let theirs = Keys::from_sdes(rest.trim())?;
            (theirs.suite() == ours.suite()).then(|| (ours.clone(), theirs))
        })
    }
}

/// The address in `IN IP4 192.0.2.1/127`.
fn parse_connection(connection: &str) -> Option<IpAddr> {
    let address = connection.split_ascii_whitespace().nth(2)?;
    address.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::srtp::Suite;

    const PCMU: Offered<'_> = Offered { codec: Codec::Pcmu, keys: &[], audio_level: false };

    const ALL: [Codec; 5] = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus, Codec::L16];

    #[test]
    fn an_offer_reads_back_as_an_answer() {
        for local in ["127.0.0.1:4000", "[::1]:4000"] {
            let remote: SocketAddr = local.parse().unwrap();
            for codec in ALL {
                let payload_type = codec.payload_type();
                for audio_level in [false, true] {
                    let offered = Offered { codec, keys: &[], audio_level };
                    let audio_level = audio_level.then_some(LEVEL_ID);
                    let expected = Answer { remote, payload_type, audio_level, keys: None };
                    assert_eq!(read_answer(&offer(remote, &offered), &offered), Ok(expected));
                }
            }
        }
    }

    #[test]
    fn keys_are_matched_by_tag_and_suite() {
        let remote: SocketAddr = "127.0.0.1:4000".parse().unwrap();
        let keys = [Suite::AeadAes128Gcm, Suite::AesCm128HmacSha1_80].map(Keys::random);
        let theirs = Keys::random(Suite::AesCm128HmacSha1_80);
        let answer = |crypto: &str| {
            let text = offer(remote, &PCMU).replace("RTP/AVP", "RTP/SAVP");
            read_answer(&format!("{text}a=crypto:{crypto}\r\n"), &Offered { keys: &keys, ..PCMU })
        };
        let chosen = answer(&format!("2 {}", theirs.to_sdes())).unwrap().keys;
        assert_eq!(chosen, Some((keys[1].clone(), theirs.clone())));
        for wrong in
            [format!("1 {}", theirs.to_sdes()), format!("3 {}", theirs.to_sdes()), "2 X inline:Y".into()]
        {
            assert_eq!(answer(&wrong), Err(AnswerError::Key), "{wrong}");
        }
        let plain = read_answer(&offer(remote, &PCMU), &Offered { keys: &keys, ..PCMU });
        assert_eq!(plain, Err(AnswerError::Profile("RTP/SAVP")));
    }

    #[test]
    fn levels_go_only_to_who_wants_them_as_they_were_offered() {
        let offered = Offered { codec: Codec::Opus, audio_level: true, ..PCMU };
        let wanted = |attribute: &str| {
            let text = offer("127.0.0.1:4000".parse().unwrap(), &Offered { audio_level: false, ..offered });
            read_answer(&format!("{text}a={attribute}\r\n"), &offered).unwrap().audio_level
        };
        assert_eq!(wanted(&format!("extmap:1/recvonly {LEVEL_URI} vad=on")), Some(1));
        assert_eq!(wanted(&format!("extmap:1 {LEVEL_URI}")), Some(1));
        assert_eq!(wanted(&format!("extmap:2 {LEVEL_URI}")), None);
        assert_eq!(wanted("extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid"), None);
    }

    #[test]
    fn the_media_lines_own_address_counts() {
        let answer = "v=0\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\nc=IN IP4 192.0.2.2\n\
                      m=video 0 RTP/AVP 96\nc=IN IP4 192.0.2.3\n";
        let answer = read_answer(answer, &PCMU).unwrap();
        assert_eq!(answer.remote, "192.0.2.2:4000".parse::<SocketAddr>().unwrap());
    }

    #[test]
    fn a_dynamic_number_is_what_its_name_says() {
        let with =
            |rtpmap: &str| format!("c=IN IP4 127.0.0.1\nm=audio 4000 RTP/AVP 120\na=rtpmap:120 {rtpmap}\n");
        let number = |rtpmap: &str, codec| {
            read_answer(&with(rtpmap), &Offered { codec, ..PCMU }).map(|answer| answer.payload_type)
        };
        assert_eq!(number("OPUS/48000/2", Codec::Opus), Ok(120));
        assert_eq!(number("L16/16000/1", Codec::L16), Ok(120));
        assert_eq!(number("L16/8000", Codec::L16), Err(AnswerError::Codec));
        assert_eq!(number("telephone-event/8000", Codec::Pcmu), Err(AnswerError::Codec));
    }

    #[test]
    fn an_unusable_answer_says_why() {
        let with = |media: &str| format!("v=0\r\nc=IN IP4 127.0.0.1\r\n{media}\r\n");
        let problem = |media| read_answer(&with(media), &PCMU).unwrap_err();
        assert_eq!(problem("m=audio 0 RTP/AVP 0"), AnswerError::Refused);
        assert_eq!(problem("m=audio 4000 RTP/AVP 8"), AnswerError::Codec);
        assert_eq!(problem("m=audio 4000 RTP/SAVP 0"), AnswerError::Profile("RTP/AVP"));
        assert_eq!(problem("a=nothing"), AnswerError::NoAddress);
        assert_eq!(read_answer("m=audio 4 RTP/AVP 0", &PCMU), Err(AnswerError::NoAddress));
    }
}
