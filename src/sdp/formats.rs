//! What the payload types of a stream stand for: `m=`'s list with `a=rtpmap` and `a=fmtp` (RFC 8866 §6.6, §6.15).

use std::str::FromStr as _;

use confab_media::{Codec, OpusTerms};
use sdp_types::{Media, RtpMap};

/// How many of a stream's payload types are looked at. Browsers list about a dozen for audio; there are no more
/// than 128, and whoever lists hundreds repeats them.
const FORMATS_MAX: usize = 64;

/// One more than the greatest payload type (RFC 3550 §5.1).
const PAYLOAD_TYPES: usize = 128;

/// What a payload type stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Sound, of a codec that we have.
    Audio(Codec),
    /// Digits, at this clock rate (RFC 4733).
    TelephoneEvent(u32),
    /// Comfort noise, at this clock rate (RFC 3389).
    ComfortNoise(u32),
    /// Something that we do not have.
    Unknown,
}

/// The payload types of comfort noise and its clock rate without `a=rtpmap` (RFC 3389 §6).
const STATIC_COMFORT_NOISE: (u8, u32) = (13, 8_000);

impl Format {
    /// What a payload type stands for that was not mapped.
    fn of_static(payload_type: u8) -> Self {
        let (comfort_noise, clock_rate) = STATIC_COMFORT_NOISE;
        match Codec::of_static_payload_type(payload_type) {
            Some(codec) => Self::Audio(codec),
            None if payload_type == comfort_noise => Self::ComfortNoise(clock_rate),
            None => Self::Unknown,
        }
    }

    fn of_map(map: &RtpMap) -> Self {
        let name = map.encoding_name.trim();
        if name.eq_ignore_ascii_case("telephone-event") {
            return Self::TelephoneEvent(map.clock_rate);
        }
        if name.eq_ignore_ascii_case("CN") {
            return Self::ComfortNoise(map.clock_rate);
        }
        let tracks = map.encoding_params.as_deref().map_or("1", str::trim);
        let codec = Codec::of_name(name, map.clock_rate).filter(|codec| {
            // Opus says 2 whatever it sends (RFC 7587 §7); those who say nothing mean it all the same.
            codec.encoding_parameters().is_some() || tracks == "1"
        });
        codec.map_or(Self::Unknown, Self::Audio)
    }

    /// The value of its `a=rtpmap`; `None` if it has none.
    pub(super) fn map(self) -> Option<String> {
        match self {
            Self::Audio(codec) => {
                let tracks =
                    codec.encoding_parameters().map(|tracks| format!("/{tracks}")).unwrap_or_default();
                Some(format!("{}/{}{tracks}", codec.name(), codec.clock_rate()))
            }
            Self::TelephoneEvent(clock_rate) => Some(format!("telephone-event/{clock_rate}")),
            Self::ComfortNoise(clock_rate) => Some(format!("CN/{clock_rate}")),
            Self::Unknown => None,
        }
    }

    /// The value of its `a=fmtp`, if it wants one.
    pub(super) const fn parameters(self) -> Option<&'static str> {
        match self {
            // We make use of copies of lost packets, and take any length from 10 ms.
            Self::Audio(Codec::Opus) => Some("minptime=10;useinbandfec=1"),
            // The sixteen keys, and none of the other events of RFC 4733 §3.
            Self::TelephoneEvent(_) => Some("0-15"),
            Self::Audio(_) | Self::ComfortNoise(_) | Self::Unknown => None,
        }
    }

    /// The payload type that we would give it: its own, or the one most others give it.
    pub(super) const fn usual_payload_type(self) -> Option<u8> {
        match self {
            Self::Audio(Codec::Opus) => Some(111),
            Self::Audio(codec) => codec.static_payload_type(),
            Self::TelephoneEvent(8_000) => Some(101),
            Self::TelephoneEvent(48_000) => Some(110),
            Self::TelephoneEvent(_) | Self::ComfortNoise(_) | Self::Unknown => None,
        }
    }
}

/// The formats of a stream in its order, none twice, and how it wants its Opus.
pub(super) fn read(media: &Media) -> (Vec<(u8, Format)>, OpusTerms) {
    let values = |name: &'static str| {
        let lines = media.attributes.iter().filter(move |line| line.attribute.eq_ignore_ascii_case(name));
        lines.filter_map(|line| line.value.as_deref().map(str::trim))
    };
    let mut maps = [None; PAYLOAD_TYPES];
    for map in values("rtpmap").filter_map(|text| RtpMap::from_str(text).ok()) {
        // Of contradictory lines the first counts.
        if let Some(place) = maps.get_mut(usize::from(map.payload_type)) {
            place.get_or_insert_with(|| Format::of_map(&map));
        }
    }
    let mut formats: Vec<(u8, Format)> = Vec::new();
    let types = media.fmt.split_ascii_whitespace().filter_map(|format| format.parse::<u8>().ok());
    for payload_type in
        types.filter(|payload_type| usize::from(*payload_type) < PAYLOAD_TYPES).take(FORMATS_MAX)
    {
        let format = maps[usize::from(payload_type)].unwrap_or_else(|| Format::of_static(payload_type));
        if formats.iter().all(|(other, _)| *other != payload_type) {
            formats.push((payload_type, format));
        }
    }
    let opus = formats.iter().find(|(_, format)| *format == Format::Audio(Codec::Opus));
    let parameters =
        opus.and_then(|(payload_type, _)| values("fmtp").find_map(|text| parameters_of(text, *payload_type)));
    (formats, parameters.map(read_opus).unwrap_or_default())
}

fn parameters_of(text: &str, payload_type: u8) -> Option<&str> {
    let (of, parameters) = text.split_once(|c: char| c.is_ascii_whitespace())?;
    (of.parse() == Ok(payload_type)).then_some(parameters)
}

/// Opus's parameters (RFC 7587 §6.1); those that say what the far end sends, and all unknown ones, do not matter.
fn read_opus(text: &str) -> OpusTerms {
    let mut terms = OpusTerms::default();
    for (name, value) in text.split(';').filter_map(|parameter| parameter.split_once('=')) {
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().parse::<u32>().ok());
        match (name.as_str(), value) {
            ("useinbandfec", Some(value)) => terms.fec = value == 1,
            ("usedtx", Some(value)) => terms.dtx = value == 1,
            ("cbr", Some(value)) => terms.constant_bitrate = value == 1,
            ("maxaveragebitrate", Some(value @ 6_000..=510_000)) => terms.bitrate_max = Some(value),
            ("maxplaybackrate", Some(value @ 8_000..=48_000)) => terms.playback_rate = value,
            _ => {}
        }
    }
    terms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opus_is_told_how_the_far_end_wants_it() {
        let terms = read_opus(
            "minptime=10; useinbandfec=1 ;USEDTX=1;cbr=1;maxaveragebitrate=24000;maxplaybackrate=16000;stereo=1",
        );
        let wanted = OpusTerms {
            fec: true,
            dtx: true,
            constant_bitrate: true,
            bitrate_max: Some(24_000),
            playback_rate: 16_000,
        };
        assert_eq!(terms, wanted);
    }

    #[test]
    fn absurd_parameters_are_passed_over() {
        for text in
            ["", ";;;=", "maxaveragebitrate=0", "maxaveragebitrate=-1;maxplaybackrate=9999999999", "usedtx"]
        {
            assert_eq!(read_opus(text), OpusTerms::default(), "{text}");
        }
    }
}
