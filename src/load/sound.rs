//! Everything that callers can be heard to say, encoded before the first call: the talkers' tones, the beep, and
//! the noise of an idle line for codecs that are too slow to make each caller's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::codec::{Codec, PAYLOAD_MAX, Packet, Track};
use super::plan::{LegNumber, Plan};
use super::tone::{self, Tones};

/// Frames of idle noise that go round: 10 s, so that callers who begin at different places of it never say
/// the same at once.
const NOISE_FRAMES: usize = 500;
/// Frames from the beginning of a beep until the encoder says again what it would have said without: five settle the
/// slowest.
const BEEP_FRAMES: usize = 5;
/// Where the noise begins, and the same in every run.
const NOISE_SEED: u32 = 0x9e37_79b9;

/// The sounds of one run.
#[derive(Debug)]
pub(super) struct Sounds {
    /// One for each talker, in the codec that the talker speaks.
    talkers: Vec<Arc<Track>>,
    by_codec: BTreeMap<Codec, Common>,
}

/// What all callers of one codec share.
#[derive(Clone, Debug)]
struct Common {
    /// Of codecs that remember; where a packet is a packet, each caller has noise of its own, a period long.
    noise: Option<Arc<Track>>,
    beep: Arc<[Packet]>,
}

impl Sounds {
    /// Encodes all, on as many threads as there are processors: Opus takes its time.
    pub(super) fn of(plan: &Plan, tones: &Tones) -> Self {
        let common = plan.codecs_spoken().into_iter().map(|codec| (codec, Common::of(codec)));
        Self { talkers: Self::of_talkers(plan, tones), by_codec: common.collect() }
    }

    fn of_talkers(plan: &Plan, tones: &Tones) -> Vec<Arc<Track>> {
        let loss = plan.network().loss_percent();
        if let Some(speech) = plan.speech() {
            // One for all of a codec: they begin at different places of it.
            let track = |codec| Arc::new(Track::of(codec, &speech.at(codec), loss));
            let by_codec: BTreeMap<_, _> =
                plan.codecs_spoken().into_iter().map(|codec| (codec, track(codec))).collect();
            return (0..plan.talkers())
                .map(|leg| Arc::clone(&by_codec[&plan.codec_of(LegNumber(leg))]))
                .collect();
        }
        let talkers: Vec<_> = (0..plan.talkers()).map(LegNumber).collect();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = talkers.len().div_ceil(threads).max(1);
        let encode = |talker: LegNumber| {
            let codec = plan.codec_of(talker);
            Arc::new(Track::of(codec, &tones.period_of(talker, codec), loss))
        };
        std::thread::scope(|scope| {
            let work = |part: &[LegNumber]| -> Vec<_> { part.iter().copied().map(encode).collect() };
            let threads: Vec<_> = talkers.chunks(share).map(|part| scope.spawn(move || work(part))).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("encoding does not panic")).collect()
        })
    }

    /// The talker's sound, if the leg talks.
    pub(super) fn of_talker(&self, leg: LegNumber) -> Option<Arc<Track>> {
        self.talkers.get(leg.0).cloned()
    }

    /// The noise of an idle line that lasts a while, if the codec wants it encoded beforehand.
    pub(super) fn noise(&self, codec: Codec) -> Option<Arc<Track>> {
        self.by_codec[&codec].noise.clone()
    }

    /// The packets from the beginning of a beep until it has died away.
    pub(super) fn beep(&self, codec: Codec) -> Arc<[Packet]> {
        Arc::clone(&self.by_codec[&codec].beep)
    }
}

impl Common {
    fn of(codec: Codec) -> Self {
        let frame = codec.frame_samples();
        let noise = tone::idle_noise(NOISE_FRAMES * frame, NOISE_SEED);
        let mut sound = noise[..BEEP_FRAMES * frame].to_vec();
        sound[..frame].copy_from_slice(&tone::beep(codec));
        let beep = Track::of(codec, &sound, 0);
        let is_stateless = codec.is_stateless();
        let frames = if is_stateless { 1 } else { BEEP_FRAMES as u64 };
        let noise = (!is_stateless).then(|| Arc::new(Track::of(codec, &noise, 0)));
        let packet = |n| {
            let mut payload = [0; PAYLOAD_MAX];
            let length = beep.write(n, &mut payload);
            // Of codecs without levels, none is said.
            Packet { payload: payload[..length].into(), level: beep.level(n).unwrap_or(0) }
        };
        Self { noise, beep: (0..frames).map(packet).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_talker_has_a_sound_in_its_own_codec_and_listeners_have_none() {
        let plan = Plan::new(6, 1, 3, 10).unwrap().with_codecs(&[Codec::Pcmu, Codec::Opus]).unwrap();
        let sounds = Sounds::of(&plan, &Tones::of(&plan));
        let is_cut_anywhere =
            |leg| sounds.of_talker(LegNumber(leg)).map(|track| matches!(*track, Track::Octets { .. }));
        assert_eq!([0, 1, 2, 3].map(is_cut_anywhere), [Some(true), Some(false), Some(true), None]);
        assert_eq!(sounds.beep(Codec::Pcmu).len(), 1);
        assert!(sounds.beep(Codec::Opus).len() > 1);
    }
}
