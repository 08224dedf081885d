//! Frames of many recordings as they came, to be handed out recording by recording. Each recording's stay in their order.

use confab_media::{Tap, TapHead, Tapped};

/// Frames that are taken at a time: what 250 legs leave in 150 ms, both ways. What is more waits
/// in its ring for the next.
const FRAMES_MAX: usize = 4_096;

/// Frames that were taken and not handed out.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Each with where its samples begin.
    heads: Vec<(TapHead, usize)>,
    /// Those of all heads, one after the other.
    samples: Vec<i16>,
}

impl Batch {
    /// Takes frames while there are any and there is room, by way of `tap`. Whether there are some now.
    pub(super) fn fill(&mut self, take: &mut dyn FnMut(&mut Tap) -> bool, tap: &mut Tap) -> bool {
        while self.heads.len() < FRAMES_MAX && take(tap) {
            self.heads.push((tap.head(), self.samples.len()));
            self.samples.extend_from_slice(tap.frame.samples());
        }
        !self.heads.is_empty()
    }

    /// Hands out one frame after the other, until none is left.
    pub(super) fn hand_out(&mut self, mut hand: impl FnMut(TapHead, &[i16])) {
        // Stable: what is of one stays in its order.
        self.heads.sort_by_key(|(head, _)| key(head.of));
        for (head, samples) in self.heads.drain(..) {
            hand(head, &self.samples[samples..samples + head.rate.frame_len()]);
        }
        self.samples.clear();
    }
}

/// What orders frames by what they are of.
const fn key(of: Tapped) -> (bool, u64) {
    match of {
        Tapped::Leg(leg) => (false, leg.0),
        Tapped::Conference(conference) => (true, conference.0),
    }
}

#[cfg(test)]
mod tests {
    use confab_media::{ConferenceId, Frame, LegId, SampleRate, TapSide, Tick, Time};

    use super::*;

    fn tap(of: Tapped, tick: u64, rate: SampleRate) -> Tap {
        let mut frame = Frame::silence(rate);
        frame.samples_mut().fill(tick as i16);
        let at = Time::from_millis(tick * 20);
        Tap { of, tick: Tick(tick), at, side: TapSide::Sent, frame, dropped_before: tick as u32 % 3 }
    }

    #[test]
    fn each_recordings_frames_come_together_in_their_order_and_as_they_were() {
        let of = |n: u64| match n % 3 {
            0 => Tapped::Leg(LegId(7)),
            1 => Tapped::Conference(ConferenceId(7)),
            _ => Tapped::Leg(LegId(2)),
        };
        let rate = |n: u64| SampleRate::ALL[n as usize % SampleRate::ALL.len()];
        let (mut batch, mut scratch) = (Batch::default(), Tap::empty());
        let mut coming = (0..10_000_u64).map(|n| tap(of(n), n, rate(n)));
        let mut take = |into: &mut Tap| coming.next().map(|next| *into = next).is_some();
        let (mut batches, mut seen) = (0, Vec::new());
        while batch.fill(&mut take, &mut scratch) {
            batches += 1;
            let mut kinds = Vec::new();
            batch.hand_out(|head, sound| {
                let n = head.tick.0;
                assert_eq!((head.of, head.rate, head.dropped_before), (of(n), rate(n), n as u32 % 3));
                assert!(head.at == Time::from_millis(n * 20) && head.side == TapSide::Sent);
                assert!(
                    sound.len() == head.rate.frame_len() && sound.iter().all(|sample| *sample == n as i16)
                );
                kinds.push(head.of);
                seen.push(n);
            });
            kinds.dedup();
            assert_eq!(kinds.len(), 3, "what is of one lies together");
        }
        assert_eq!(batches, 10_000_usize.div_ceil(FRAMES_MAX));
        for kind in 0..3 {
            let one: Vec<u64> = seen.iter().copied().filter(|n| n % 3 == kind).collect();
            assert!(one.is_sorted() && one.len() >= 3_333);
        }
        assert_eq!(seen.len(), 10_000);
    }
}
