//! The delay is fitted to the network: in silence at once, in sound by pieces that nobody misses.

use super::decision::{Change, EVIDENCE, View};
use super::media_time::MediaTime;
use super::packet_buffer::Waiting;
use super::pitch::factor;
use super::placing::nanos;
use super::time_stretch::{self, PIECE_MAX, PIECE_MIN};
use super::{Playout, Sound};
use crate::frame::SampleRate;
use crate::time::{Tick, Time};

/// The peak of a pause: about -42 dBov, above line noise and below speech.
const QUIET_PEAK: u16 = 256;

/// In quiet, the shortest piece that is left out: 1 ms, over which there is still something to join.
const QUIET_PIECE_MIN: MediaTime = MediaTime::of_millis(1);

impl Playout {
    /// How much later than the fastest packets may come, in nanoseconds, before delay is added for them; where packets
    /// get lost and their successors hold copies, these too. It never asks for more than the ceiling can give.
    pub(super) fn provision(&self) -> i64 {
        let floor = nanos(self.settings.floor());
        if !self.settings.follows_jitter() {
            return floor;
        }
        let most = nanos(self.settings.ceiling()) - 2 * nanos(Tick::DURATION);
        let lateness = self.transits.usual_lateness().saturating_add(self.redundancy.provision());
        lateness.clamp(floor, most.max(floor))
    }

    fn view(&self) -> View {
        View {
            tolerance: self.timeline.tolerance(&self.pattern, self.transits.least()),
            provision: self.provision(),
            latest: self.transits.latest(),
            grid: self.pattern.grid(),
            residue: self.timeline.residue(&self.pattern),
        }
    }

    /// Sound begins after a silence, with `packet`: nobody hears how long the silence was, so playing takes the
    /// place that it would have now if it could choose.
    pub(super) fn fit_silence(&mut self, packet: &Waiting) {
        let view = self.view();
        let missing = if self.settings.follows_jitter() { view.missing() } else { MediaTime::ZERO };
        if missing > MediaTime::ZERO {
            self.timeline.position -= missing;
            self.counters.inserted += missing.duration();
            return;
        }
        self.shorten_silence(view.spare().min(self.timeline.ahead(packet.at)));
    }

    fn shorten_silence(&mut self, by: MediaTime) {
        let by = by.max(MediaTime::ZERO);
        self.timeline.position += by;
        self.counters.removed += by.duration();
    }

    /// Makes this tick's sound longer or shorter, if that is due and can be done well. False if `out` is still to be
    /// filled.
    pub(super) fn fit(&mut self, now: Time, out: &mut [i16]) -> bool {
        let view = self.view();
        match self.decision.decide(&view, self.transits.is_known_for(EVIDENCE, now)) {
            Change::None => false,
            Change::Shrink(most) if self.is_in_silence() => {
                let ahead = self.buffer.head().map(|head| self.timeline.ahead(head.at));
                self.shorten_silence(most.min(ahead.unwrap_or_default()));
                false
            }
            Change::Shrink(most) => self.play_shrunk(most, out),
            Change::Stretch(missing) => self.settings.follows_jitter() && self.play_stretched(missing, out),
        }
    }

    /// Whether there is silence now, and more before what waits.
    fn is_in_silence(&self) -> bool {
        let head = self.buffer.head();
        !self.last.is_heard()
            && self.sound.decoded.is_empty()
            && head.is_some_and(|head| self.timeline.ahead(head.at) > MediaTime::ZERO)
    }

    fn play_shrunk(&mut self, most: MediaTime, out: &mut [i16]) -> bool {
        let rate = self.sound.rate;
        let needed = time_stretch::needed_to_shrink(out.len(), rate);
        if self.sound.concealer.is_active() || !self.load_ahead(needed) {
            return false;
        }
        let longest = most.samples(rate).min(PIECE_MAX * factor(rate));
        let piece = if is_quiet(self.sound.decoded.samples()) {
            Some(longest).filter(|_| most >= QUIET_PIECE_MIN)
        } else {
            let fit = time_stretch::piece_to_leave_out(self.sound.decoded.samples(), longest, rate);
            fit.filter(|fit| fit.likeness >= self.decision.likeness_asked()).map(|fit| fit.lag)
        };
        let sound = self.sound.decoded.samples();
        let Some((piece, used)) =
            piece.and_then(|piece| Some((piece, time_stretch::shrink(sound, piece, rate, out)?)))
        else {
            return false;
        };
        let left_out = MediaTime::of_samples(piece, rate);
        self.use_decoded(used);
        self.decision.changed(most - left_out);
        self.counters.shrunk += 1;
        self.counters.removed += left_out.duration();
        true
    }

    fn play_stretched(&mut self, missing: MediaTime, out: &mut [i16]) -> bool {
        let rate = self.sound.rate;
        let may_follow = self.last == Sound::Voice && !self.sound.concealer.is_active();
        if !may_follow || !self.has_room_below_ceiling() || !self.load_ahead(out.len()) {
            return false;
        }
        let (before, sound) = (self.sound.history.last_tick(), self.sound.decoded.samples());
        let longest = missing.samples(rate).clamp(PIECE_MIN * factor(rate), PIECE_MAX * factor(rate));
        let piece = if is_quiet(sound) {
            Some(longest)
        } else {
            let fit = time_stretch::piece_to_repeat(before, sound, longest, rate);
            fit.filter(|fit| fit.likeness >= self.decision.likeness_asked()).map(|fit| fit.lag)
        };
        let Some((piece, used)) =
            piece.and_then(|piece| Some((piece, time_stretch::stretch(before, sound, piece, out)?)))
        else {
            return false;
        };
        let repeated = MediaTime::of_samples(piece, rate);
        self.use_decoded(used);
        self.decision.changed(missing - repeated);
        self.counters.stretched += 1;
        self.counters.inserted += repeated.duration();
        true
    }

    /// Whether what waits may wait for a tick longer.
    fn has_room_below_ceiling(&self) -> bool {
        let ceiling = self.settings.ceiling().saturating_sub(Tick::DURATION);
        self.buffer.iter().all(|p| self.timeline.delay(p.at, p.received_at) <= ceiling)
    }

    /// Decodes until so many samples are here, if they can be had without a gap.
    fn load_ahead(&mut self, needed: usize) -> bool {
        while self.sound.decoded.len() < needed {
            let end = MediaTime::of_samples(self.sound.decoded.len(), self.sound.rate);
            match self.buffer.head() {
                Some(head) if self.timeline.ahead(head.at) == end && self.follows_smoothly(head) => {
                    if !self.load_head() {
                        return false;
                    }
                }
                _ => return false,
            }
        }
        true
    }

    fn use_decoded(&mut self, samples: usize) {
        self.sound.decoded.skip(samples);
        self.timeline.position += MediaTime::of_samples(samples, self.sound.rate);
    }
}

fn is_quiet(sound: &[i16]) -> bool {
    sound.iter().all(|s| s.unsigned_abs() <= QUIET_PEAK)
}

impl Sound {
    /// Whether there is a voice, or what stands for one.
    pub(super) const fn is_heard(self) -> bool {
        matches!(self, Self::Voice | Self::Concealed)
    }
}

const _: () = assert!(PIECE_MAX < SampleRate::Hz8000.frame_len());
