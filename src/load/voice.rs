//! What one leg says: noise of an idle line, beeps when it is its turn, its tones. Everything is encoded
//! beforehand, so a packet costs a copy.

use super::plan::{FRAME_SAMPLES, LegNumber};
use super::rtp::{Header, PACKET};
use super::stage::{Part, Stage};
use super::tone;

/// One leg's outgoing stream.
#[derive(Debug)]
pub(super) struct Voice {
    leg: LegNumber,
    conference: usize,
    noise: Box<[u8]>,
    /// One period of the leg's tones, if it talks.
    tones: Option<Box<[u8]>>,
    beep: [u8; FRAME_SAMPLES],
    payload_type: u8,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    first: bool,
}

impl Voice {
    /// `seed` sets what RFC 3550 §5.1 wants random: SSRC, first sequence number and timestamp.
    pub(super) fn new(leg: LegNumber, stage: &Stage, seed: u32) -> Self {
        let (plan, tones) = (&stage.plan, &stage.tones);
        Self {
            leg,
            conference: plan.conference_of(leg),
            noise: tone::idle_noise(tones.period(), plan.law(), seed),
            tones: plan.is_talker(leg).then(|| tones.encode(leg, plan.law())),
            beep: tone::beep(plan.law()),
            payload_type: plan.law().payload_type(),
            ssrc: seed,
            sequence: (seed >> 8) as u16,
            timestamp: seed.rotate_left(7),
            first: true,
        }
    }

    /// Writes the packet for this frame of the run. Says whether a beep begins in it.
    pub(super) fn say(&mut self, frame: u64, stage: &Stage, packet: &mut [u8; PACKET]) -> Option<u64> {
        let header = Header {
            payload_type: self.payload_type,
            marker: std::mem::take(&mut self.first),
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        header.write(packet);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(FRAME_SAMPLES as u32);

        let beep = self.beep_beginning(frame, stage);
        let payload = &mut packet[PACKET - FRAME_SAMPLES..];
        if beep.is_some() {
            payload.copy_from_slice(&self.beep);
        } else {
            copy_around(self.sound(frame, stage), frame, payload);
        }
        beep
    }

    fn beep_beginning(&self, frame: u64, stage: &Stage) -> Option<u64> {
        self.tones.as_ref()?;
        let slot = stage.slot_beginning(frame)?;
        (stage.plan.beeper(self.conference, slot) == self.leg).then_some(slot)
    }

    fn sound(&self, frame: u64, stage: &Stage) -> &[u8] {
        match (stage.part_of(frame), &self.tones) {
            (Part::Settling | Part::Tones | Part::After, Some(tones)) => tones,
            (Part::Before | Part::Beeps, _) | (_, None) => &self.noise,
        }
    }
}

/// Copies the frame's part of a repeating period.
fn copy_around(period: &[u8], frame: u64, payload: &mut [u8]) {
    let start = (frame * FRAME_SAMPLES as u64 % period.len() as u64) as usize;
    let head = payload.len().min(period.len() - start);
    let (first, rest) = payload.split_at_mut(head);
    first.copy_from_slice(&period[start..start + head]);
    rest.copy_from_slice(&period[..rest.len()]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::plan::Plan;
    use crate::load::rtp;

    #[test]
    fn packets_follow_each_other_and_the_first_is_marked() {
        let stage = Stage::new(&Plan::new(2, 1, 1, 5).unwrap());
        let mut voice = Voice::new(LegNumber(0), &stage, 0xffff_ffff);
        let mut packet = [0; PACKET];
        let headers: Vec<_> = (7..10)
            .map(|frame| {
                voice.say(frame, &stage, &mut packet);
                rtp::parse(&packet).unwrap().0
            })
            .collect();
        assert!(headers[0].marker && !headers[1].marker);
        assert_eq!(headers[1].sequence, headers[0].sequence.wrapping_add(1));
        assert_eq!(headers[2].timestamp, headers[0].timestamp.wrapping_add(320));
    }

    #[test]
    fn the_period_goes_round_without_a_seam() {
        let period: Vec<u8> = (0..=255).cycle().take(1_024).collect();
        let mut all = Vec::new();
        for frame in 0..32 {
            let mut payload = [0; FRAME_SAMPLES];
            copy_around(&period, frame, &mut payload);
            all.extend(payload);
        }
        assert!(all.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)));
    }
}
