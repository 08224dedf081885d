//! What one leg says: noise of an idle line, beeps when it is its turn, its tones. Everything is encoded
//! beforehand, so a packet costs a copy.

use std::sync::Arc;

use super::codec::{Codec, Packet, Track};
use super::plan::LegNumber;
use super::rtp::{self, HEADER, Header, LEVEL_EXTENSION, PACKET_MAX};
use super::sdp::Answer;
use super::stage::{Part, Stage};
use super::tone;

/// One leg's outgoing stream.
#[derive(Debug)]
pub(super) struct Voice {
    leg: LegNumber,
    conference: usize,
    noise: Arc<Track>,
    /// With which frame of the noise the leg begins.
    noise_first: u64,
    /// The leg's tones or speech, if it talks.
    tones: Option<Arc<Track>>,
    /// With which frame of the speech the leg begins, if it is speech.
    speech_first: Option<u64>,
    beep: Arc<[Packet]>,
    /// The frame with which the last beep began.
    beep_began: Option<u64>,
    payload_type: u8,
    /// What the element with the level is called, if the far end wants it.
    level_id: Option<u8>,
    frame_ticks: u32,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    first: bool,
}

/// A packet as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// Octets of the whole packet.
    pub(super) length: usize,
    /// The slot whose beep begins in it.
    pub(super) beep: Option<u64>,
}

impl Voice {
    /// `answer` says what the far end wants this leg's codec called, and its levels. `seed` sets what RFC 3550 §5.1
    /// wants random: SSRC, first sequence number and timestamp.
    pub(super) fn new(leg: LegNumber, answer: &Answer, stage: &Stage, seed: u32) -> Self {
        let codec = stage.plan.codec_of(leg);
        Self {
            leg,
            conference: stage.plan.conference_of(leg),
            noise: stage.sounds.noise(codec).unwrap_or_else(|| Arc::new(own_noise(codec, stage, seed))),
            // A prime number of frames apart, so that no two say the same at once.
            noise_first: (leg.0 * 7) as u64,
            tones: stage.sounds.of_talker(leg),
            speech_first: stage.plan.speech().map(|speech| speech.first_frame(leg.0, stage.plan.talkers())),
            beep: stage.sounds.beep(codec),
            beep_began: None,
            payload_type: answer.payload_type,
            level_id: answer.audio_level,
            frame_ticks: codec.frame_ticks(),
            ssrc: seed,
            sequence: (seed >> 8) as u16,
            timestamp: seed.rotate_left(7),
            first: true,
        }
    }

    /// Writes the packet for this frame of the run.
    pub(super) fn say(&mut self, frame: u64, stage: &Stage, packet: &mut [u8; PACKET_MAX]) -> Said {
        let header = Header {
            payload_type: self.payload_type,
            marker: std::mem::take(&mut self.first),
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        header.write(packet);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(self.frame_ticks);

        let beep = self.beep_beginning(frame, stage);
        if beep.is_some() {
            self.beep_began = Some(frame);
        }
        let sound = self.sound(frame, stage);
        let header = match self.level_id.zip(sound.level()) {
            Some((id, level)) => {
                rtp::write_level(packet, id, level);
                HEADER + LEVEL_EXTENSION
            }
            None => HEADER,
        };
        let length = sound.write(&mut packet[header..]);
        Said { length: header + length, beep }
    }

    fn beep_beginning(&self, frame: u64, stage: &Stage) -> Option<u64> {
        self.tones.as_ref()?;
        let slot = stage.slot_beginning(frame)?;
        (stage.plan.beeper(self.conference, slot) == self.leg).then_some(slot)
    }

    fn beep_packet(&self, frame: u64) -> Option<&Packet> {
        let since = frame.checked_sub(self.beep_began?)?;
        self.beep.get(since as usize)
    }

    fn sound(&self, frame: u64, stage: &Stage) -> Sound<'_> {
        if let Some(beep) = self.beep_packet(frame) {
            return Sound::Packet(beep);
        }
        match (stage.part_of(frame), &self.tones) {
            (Part::Settling | Part::Tones | Part::After, Some(tones)) => {
                let place = self.speech_first.map_or(frame, |first| first + stage.since_tones(frame));
                Sound::Track(tones, place)
            }
            (Part::Before | Part::Beeps, _) | (_, None) => {
                Sound::Track(&self.noise, frame + self.noise_first)
            }
        }
    }
}

/// What is said in one packet.
enum Sound<'a> {
    Packet(&'a Packet),
    /// This frame of it.
    Track(&'a Track, u64),
}

impl Sound<'_> {
    fn level(&self) -> Option<u8> {
        match self {
            Self::Packet(packet) => Some(packet.level),
            Self::Track(track, frame) => track.level(*frame),
        }
    }

    fn write(&self, payload: &mut [u8]) -> usize {
        match self {
            Self::Packet(packet) => packet.write(payload),
            Self::Track(track, frame) => track.write(*frame, payload),
        }
    }
}

/// A period of noise of the leg's own.
fn own_noise(codec: Codec, stage: &Stage, seed: u32) -> Track {
    Track::of(codec, &tone::idle_noise(stage.tones.period() * codec.factor(), seed), 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::plan::Plan;
    use crate::load::rtp;

    #[test]
    fn packets_follow_each_other_and_the_first_is_marked() {
        for (codec, ticks) in [(Codec::Pcmu, 160), (Codec::G722, 160), (Codec::Opus, 960), (Codec::L16, 320)]
        {
            let stage = Stage::new(&Plan::new(2, 1, 1, 5).unwrap().with_codec(codec));
            let mut voice = Voice::new(LegNumber(0), &answer(77, None), &stage, 0xffff_ffff);
            let mut packet = [0; PACKET_MAX];
            let headers: Vec<_> = (7..10)
                .map(|frame| {
                    let said = voice.say(frame, &stage, &mut packet);
                    rtp::parse(&packet[..said.length]).unwrap().0
                })
                .collect();
            assert!(headers[0].marker && !headers[1].marker);
            assert_eq!(headers[1].sequence, headers[0].sequence.wrapping_add(1));
            assert_eq!(headers[2].timestamp, headers[0].timestamp.wrapping_add(2 * ticks), "{codec:?}");
            assert_eq!(headers[0].payload_type, 77);
        }
    }

    #[test]
    fn a_beep_is_said_when_its_slot_begins() {
        let stage = Stage::new(&Plan::new(2, 1, 2, 5).unwrap());
        stage.begin();
        let mut voice = Voice::new(LegNumber(1), &answer(0, None), &stage, 1);
        let mut packet = [0; PACKET_MAX];
        let beeps: Vec<_> = (0..200).filter_map(|frame| voice.say(frame, &stage, &mut packet).beep).collect();
        assert_eq!(beeps, [1]);
    }

    #[test]
    fn packets_say_how_loud_they_are_to_who_wants_to_know() {
        let stage = Stage::new(&Plan::new(2, 1, 1, 5).unwrap().with_codec(Codec::Opus));
        stage.begin();
        let levels = |leg, frames: std::ops::Range<u64>| -> Vec<u8> {
            let mut voice = Voice::new(LegNumber(leg), &answer(96, Some(3)), &stage, 1);
            let mut packet = [0; PACKET_MAX];
            let level = |frame| {
                let said = voice.say(frame, &stage, &mut packet);
                assert_eq!((packet[0], packet[HEADER + 4]), (0x90, 0x30));
                let payload = rtp::parse(&packet[..said.length]).unwrap().1;
                assert_eq!(payload.len(), said.length - HEADER - LEVEL_EXTENSION);
                packet[HEADER + 5]
            };
            frames.map(level).collect()
        };
        assert!(levels(1, 0..250).iter().all(|&level| level.abs_diff(75) <= 1), "an idle line");
        assert!(levels(0, 220..250).iter().all(|&level| (0x80 | 5..=0x80 | 20).contains(&level)), "tones");
    }

    fn answer(payload_type: u8, audio_level: Option<u8>) -> Answer {
        let remote = "127.0.0.1:9".parse().unwrap();
        Answer { remote, payload_type, audio_level, keys: None }
    }
}
