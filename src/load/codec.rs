//! The codecs that callers speak, each made here or by a library of its own choice: what they are called in SDP
//! (RFC 3551, RFC 7587), how fast their clocks run, and how much of the sound each may change before
//! the judge calls it wrong.
//!
//! Sound is always compared at the codec's own sample rate. All rates are whole multiples of 8 kHz, so the tones
//! and their common period are the same for all.

use ezk_g722::libg722::{Bitrate, decoder::Decoder as G722Decoder, encoder::Encoder as G722Encoder};
use opus::Channels;
use serde::Serialize;

use super::law::Law;
use super::rtp;

/// A codec that the callers can offer and speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// G.711 µ-law, 8 kHz.
    #[default]
    Pcmu,
    /// G.711 A-law, 8 kHz.
    Pcma,
    /// G.722 at 64 kbit/s, 16 kHz.
    G722,
    /// Opus, mono, 48 kHz.
    Opus,
    /// Linear 16 bit samples at 16 kHz. (At 48 kHz 20 ms do not fit into a datagram of 1,500 bytes.)
    L16,
}

/// The lowest sample rate, of which all are multiples.
pub(super) const BASE_RATE: usize = 8_000;
/// Packets in a second: 20 ms each.
const PACKETS_PER_SECOND: usize = 50;
/// The most sound in one packet that we take: 120 ms, the longest that Opus can hold (RFC 6716 §2.1.4).
const PACKET_MAX_PER_SECOND: usize = 8;
/// The most octets of payload that we send: 20 ms of [`Codec::L16`].
pub(super) const PAYLOAD_MAX: usize = 640;
/// Where Opus is a good deal better than telephone quality and the tones come through within a decibel or two.
/// Below, libopus adds no redundancy for loss of up to 5 %.
const OPUS_BITS: i32 = 34_000;
/// Half of the effort that libopus can make; above it the ear gains nothing and the set-up takes longer.
const OPUS_COMPLEXITY: i32 = 5;

impl Codec {
    /// The RTP payload type that we offer: the static one of RFC 3551 table 4, or a dynamic one.
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::G722 => 9,
            Self::Opus => 96,
            Self::L16 => 97,
        }
    }

    /// The encoding's name in an `a=rtpmap` line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::Opus => "opus",
            Self::L16 => "L16",
        }
    }

    /// Ticks of the RTP timestamp in a second. G.722's is half its sample rate, by an old mistake that
    /// RFC 3551 §4.5.2 keeps.
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 8_000,
            Self::Opus => 48_000,
            Self::L16 => 16_000,
        }
    }

    /// Samples in a second, as we decode it.
    pub const fn sample_rate(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8_000,
            Self::G722 | Self::L16 => 16_000,
            Self::Opus => 48_000,
        }
    }

    /// What follows the payload type in an `a=rtpmap` line.
    pub(super) fn rtpmap(self) -> String {
        let channels = if self == Self::Opus { "/2" } else { "" };
        format!("{}/{}{channels}", self.name(), self.clock_rate())
    }

    /// The sample rate as a multiple of the lowest.
    pub(super) const fn factor(self) -> usize {
        self.sample_rate() as usize / BASE_RATE
    }

    /// Samples in 20 ms.
    pub(super) const fn frame_samples(self) -> usize {
        self.sample_rate() as usize / PACKETS_PER_SECOND
    }

    /// Ticks of the RTP timestamp in 20 ms.
    pub(super) const fn frame_ticks(self) -> u32 {
        self.clock_rate() / PACKETS_PER_SECOND as u32
    }

    /// Samples in one tick of the RTP timestamp.
    pub(super) const fn samples_per_tick(self) -> i64 {
        (self.sample_rate() / self.clock_rate()) as i64
    }

    /// The most samples that one packet may hold.
    pub(super) const fn samples_max(self) -> usize {
        self.sample_rate() as usize / PACKET_MAX_PER_SECOND
    }

    /// Octets of 20 ms, for codecs whose payload may be cut anywhere.
    const fn frame_octets(self) -> Option<usize> {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => Some(160),
            Self::L16 => Some(640),
            Self::Opus => None,
        }
    }

    /// Whether a packet is decoded the same whatever came before it.
    pub(super) const fn is_stateless(self) -> bool {
        matches!(self, Self::Pcmu | Self::Pcma | Self::L16)
    }

    /// What a far end hears of this sound, of codecs that have no memory: the nearest values that have a code.
    pub(super) fn as_heard(self, sound: &[i16]) -> Vec<i16> {
        let law = match self {
            Self::Pcmu => Law::Pcmu,
            Self::Pcma => Law::Pcma,
            Self::G722 | Self::Opus | Self::L16 => return sound.to_vec(),
        };
        sound.iter().map(|sample| law.decode(law.encode(*sample))).collect()
    }

    /// How much of a frame's energy may differ from the period before without being a fault of anybody.
    ///
    /// G.711 and L16 render the same sound in the same octets. G.722 predicts, and its error wanders:
    /// coded twice, as from talker to listener, single frames of some sums of tones differ by over 0.1. Opus at 24 kbit/s was measured to differ by up to 0.56 with ten talkers, 0.36 with three; a frame
    /// of silence differs by 1, one that jumped by 2.
    pub(super) const fn noise_share(self) -> f64 {
        match self {
            Self::Pcmu | Self::Pcma | Self::L16 => 0.0,
            Self::G722 => 0.25,
            Self::Opus => 0.7,
        }
    }

    /// Levels within this of what was sent are right, in dB either way. Opus keeps the sound of many tones rather
    /// than each: at 24 kbit/s one of ten talkers' tones was measured 5.7 dB low.
    pub(super) const fn level_tolerance_db(self) -> f32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::L16 | Self::G722 => 6.0,
            Self::Opus => 8.0,
        }
    }
}

/// One caller's ear for one codec. What a stream has said before is kept where the codec needs it.
pub(super) enum Decoder {
    Law(&'static [i16; 256]),
    L16,
    G722(Box<G722Decoder>),
    Opus(Box<opus::Decoder>),
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Law(_) => "Law",
            Self::L16 => "L16",
            Self::G722(_) => "G722",
            Self::Opus(_) => "Opus",
        })
    }
}

impl Decoder {
    pub(super) fn new(codec: Codec) -> Self {
        match codec {
            Codec::Pcmu => Self::Law(Law::Pcmu.table()),
            Codec::Pcma => Self::Law(Law::Pcma.table()),
            Codec::L16 => Self::L16,
            Codec::G722 => Self::G722(Box::new(G722Decoder::new(Bitrate::Mode1_64000, false, false))),
            Codec::Opus => {
                let decoder = opus::Decoder::new(codec.sample_rate(), Channels::Mono);
                Self::Opus(Box::new(decoder.expect("libopus decodes mono at 48 kHz")))
            }
        }
    }

    /// Decodes a payload into the front of `sound`; how many samples it was. `None` when it is none of this codec, or holds
    /// more than fits.
    pub(super) fn decode(&mut self, payload: &[u8], sound: &mut [i16]) -> Option<usize> {
        if payload.is_empty() {
            return None;
        }
        match self {
            Self::Law(table) => {
                let sound = sound.get_mut(..payload.len())?;
                let samples = payload.iter().map(|&octet| table[usize::from(octet)]);
                sound.iter_mut().zip(samples).for_each(|(to, sample)| *to = sample);
                Some(payload.len())
            }
            Self::L16 => {
                let (pairs, rest) = payload.as_chunks::<2>();
                let sound = sound.get_mut(..pairs.len()).filter(|_| rest.is_empty())?;
                sound.iter_mut().zip(pairs).for_each(|(to, pair)| *to = i16::from_be_bytes(*pair));
                Some(pairs.len())
            }
            Self::G722(decoder) => {
                let sound = sound.get_mut(..payload.len() * 2)?;
                sound.copy_from_slice(&decoder.decode(payload));
                Some(payload.len() * 2)
            }
            Self::Opus(decoder) => decoder.decode(payload, sound, false).ok(),
        }
    }
}

/// One stream's voice in one codec.
pub(super) enum Encoder {
    Law(Law),
    L16,
    G722(Box<G722Encoder>),
    Opus(Box<opus::Encoder>),
}

impl Encoder {
    /// `loss_percent` is what Opus arms itself against with redundancy (in-band FEC).
    pub(super) fn new(codec: Codec, loss_percent: u8) -> Self {
        match codec {
            Codec::Pcmu => Self::Law(Law::Pcmu),
            Codec::Pcma => Self::Law(Law::Pcma),
            Codec::L16 => Self::L16,
            Codec::G722 => Self::G722(Box::new(G722Encoder::new(Bitrate::Mode1_64000, false, false))),
            Codec::Opus => Self::Opus(Box::new(
                opus_encoder(codec, loss_percent).expect("libopus takes these settings everywhere"),
            )),
        }
    }

    /// Encodes 20 ms.
    pub(super) fn encode(&mut self, sound: &[i16]) -> Vec<u8> {
        match self {
            Self::Law(law) => sound.iter().map(|&sample| law.encode(sample)).collect(),
            Self::L16 => sound.iter().flat_map(|sample| sample.to_be_bytes()).collect(),
            Self::G722(encoder) => encoder.encode(sound),
            Self::Opus(encoder) => {
                encoder.encode_vec(sound, PAYLOAD_MAX).expect("20 ms fit at any rate we ask for")
            }
        }
    }
}

fn opus_encoder(codec: Codec, loss_percent: u8) -> opus::Result<opus::Encoder> {
    let mut encoder = opus::Encoder::new(codec.sample_rate(), Channels::Mono, opus::Application::Voip)?;
    encoder.set_bitrate(opus::Bitrate::Bits(OPUS_BITS))?;
    encoder.set_complexity(OPUS_COMPLEXITY)?;
    encoder.set_inband_fec(loss_percent > 0)?;
    encoder.set_packet_loss_perc(i32::from(loss_percent.min(100)))?;
    Ok(encoder)
}

/// A sound encoded beforehand, that goes round and round: sending a packet of it costs a copy.
#[derive(Clone, Debug)]
pub(super) enum Track {
    /// Octets that may be cut anywhere, and how many make a packet.
    Octets { round: Box<[u8]>, frame: usize },
    /// Packets as the encoder made them.
    Packets(Box<[Packet]>),
}

/// A packet as an encoder made it.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) payload: Box<[u8]>,
    /// How loud the sound is that it holds, in -dBov.
    pub(super) level: u8,
}

impl Packet {
    /// Writes the payload; how many octets it has.
    pub(super) fn write(&self, payload: &mut [u8]) -> usize {
        payload[..self.payload.len()].copy_from_slice(&self.payload);
        self.payload.len()
    }
}

/// An encoder hears so many frames of the end before the beginning, so that it comes to the beginning in the state in which
/// the end will leave the decoder.
const RUN_UP_FRAMES: usize = 25;

impl Track {
    /// Encodes one round of a sound that goes on at its end as it began. What is shorter than 20 ms times a whole number
    /// is repeated until it is one, where the codec has packets that cannot be cut.
    pub(super) fn of(codec: Codec, round: &[i16], loss_percent: u8) -> Self {
        let frame = codec.frame_samples();
        let mut encoder = Encoder::new(codec, loss_percent);
        if let (true, Some(octets)) = (codec.is_stateless(), codec.frame_octets()) {
            return Self::Octets { round: encoder.encode(round).into(), frame: octets };
        }
        let frames = whole_frames(round.len(), frame);
        let sound = |n: usize| -> Vec<i16> {
            (n * frame..(n + 1) * frame).map(|sample| round[sample % round.len()]).collect()
        };
        let run_up = frames - RUN_UP_FRAMES.min(frames);
        (run_up..frames).for_each(|n| drop(encoder.encode(&sound(n))));
        let packets = (0..frames).map(|n| {
            let sound = sound(n);
            Packet { payload: encoder.encode(&sound).into(), level: rtp::level_of(&sound) }
        });
        match codec.frame_octets() {
            Some(octets) => {
                let round = packets.flat_map(|packet| packet.payload).collect();
                Self::Octets { round, frame: octets }
            }
            None => Self::Packets(packets.collect()),
        }
    }

    /// How loud the packet of this frame of the sound is, in -dBov; not known of those that are cut anywhere.
    pub(super) fn level(&self, frame: u64) -> Option<u8> {
        match self {
            Self::Octets { .. } => None,
            Self::Packets(packets) => Some(packets[(frame % packets.len() as u64) as usize].level),
        }
    }

    /// Writes the payload of this frame of the sound; how many octets it has.
    pub(super) fn write(&self, frame: u64, payload: &mut [u8]) -> usize {
        match self {
            Self::Octets { round, frame: octets } => {
                copy_around(round, frame, &mut payload[..*octets]);
                *octets
            }
            Self::Packets(packets) => packets[(frame % packets.len() as u64) as usize].write(payload),
        }
    }
}

/// Frames until a round of `samples` begins at the beginning of a frame again.
fn whole_frames(samples: usize, frame: usize) -> usize {
    samples / gcd(samples, frame)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Copies the frame's part of a repeating period.
fn copy_around(period: &[u8], frame: u64, payload: &mut [u8]) {
    let start = (frame * payload.len() as u64 % period.len() as u64) as usize;
    let head = payload.len().min(period.len() - start);
    let (first, rest) = payload.split_at_mut(head);
    first.copy_from_slice(&period[start..start + head]);
    rest.copy_from_slice(&period[..rest.len()]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Codec; 5] = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus, Codec::L16];

    /// 1 kHz, a period of which is a whole number of samples at each rate.
    fn tone(codec: Codec, samples: usize) -> Vec<i16> {
        let turn = std::f64::consts::TAU * 1_000.0 / f64::from(codec.sample_rate());
        (0..samples).map(|n| (8_000.0 * (turn * n as f64).sin()) as i16).collect()
    }

    #[test]
    fn a_track_goes_round_without_a_seam_that_the_ear_would_hear() {
        for codec in ALL {
            let period = 1_024 * codec.factor();
            let track = Track::of(codec, &tone(codec, period), 0);
            let mut decoder = Decoder::new(codec);
            let (mut payload, mut sound) = ([0; PAYLOAD_MAX], vec![0; codec.samples_max()]);
            let mut heard: Vec<i16> = Vec::new();
            for frame in 0..200 {
                let length = track.write(frame, &mut payload);
                let samples = decoder.decode(&payload[..length], &mut sound).unwrap();
                assert_eq!(samples, codec.frame_samples(), "{codec:?}");
                heard.extend(&sound[..samples]);
            }
            let settled = &heard[heard.len() / 4..];
            for (n, pair) in settled.chunks(period).collect::<Vec<_>>().windows(2).enumerate() {
                let square = |value: i16| f64::from(value).powi(2);
                let energy: f64 = pair[0].iter().map(|&sample| square(sample)).sum();
                let error: f64 = pair[0].iter().zip(pair[1]).map(|(a, b)| square(a.wrapping_sub(*b))).sum();
                let share = error / energy;
                assert!(share <= codec.noise_share() / 2.0, "{codec:?}, period {n}: {share:.3}");
            }
        }
    }

    #[test]
    fn the_period_goes_round_octet_by_octet() {
        let period: Vec<u8> = (0..=255).cycle().take(1_024).collect();
        let mut all = Vec::new();
        for frame in 0..32 {
            let mut payload = [0; 160];
            copy_around(&period, frame, &mut payload);
            all.extend(payload);
        }
        assert!(all.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)));
    }

    #[test]
    fn a_payload_that_is_none_of_the_codec_is_nothing() {
        for codec in ALL {
            let mut sound = vec![0; codec.samples_max()];
            assert_eq!(Decoder::new(codec).decode(&[], &mut sound), None);
        }
        let mut sound = vec![0; Codec::L16.samples_max()];
        assert_eq!(Decoder::new(Codec::L16).decode(&[1, 2, 3], &mut sound), None);
        assert_eq!(Decoder::new(Codec::Pcmu).decode(&[0; 1_400], &mut sound[..1_000]), None);
        let mut sound = vec![0; Codec::Opus.samples_max()];
        assert_eq!(Decoder::new(Codec::Opus).decode(&[0xff; 7], &mut sound), None);
    }

    #[test]
    fn the_clocks_agree_with_the_samples() {
        for codec in ALL {
            let samples = i64::from(codec.frame_ticks()) * codec.samples_per_tick();
            assert_eq!(samples, codec.frame_samples() as i64, "{codec:?}");
        }
        assert_eq!(Codec::G722.rtpmap(), "G722/8000");
        assert_eq!(Codec::Opus.rtpmap(), "opus/48000/2");
    }
}
