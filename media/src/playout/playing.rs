//! Frames are made.

use super::arena::PAYLOAD_MAX;
use super::decoders::Made;
use super::media_time::MediaTime;
use super::packet_buffer::{Content, Waiting};
use super::timeline::Pattern;
use super::{Gap, NOISE_SEED, Pause, Phase, Playout, Sound};
use crate::codec::{Codec, ComfortNoise};
use crate::frame::FRAME_LEN_MAX;
use crate::time::Time;

/// What decoders make for gaps comes in multiples of this: the linear prediction of Opus knows no less (RFC 6716 §4.2).
/// libopus gives shorter pieces too, but leaves out what is between them.
const GRAIN: MediaTime = MediaTime::of_millis(10);

/// The longest gap for which the packet behind it is asked at once. It tells of its last part only.
const RECOVERED_MAX: MediaTime = MediaTime::of_millis(60);

impl Playout {
    pub(super) fn start_if_due(&mut self) {
        let Some(head) = self.buffer.head().filter(|_| self.phase == Phase::Starting) else {
            return;
        };
        self.pattern = Pattern { at: head.at, len: head.len };
        self.timeline.start(&self.pattern, head.received_at, self.settings.floor());
        self.phase = Phase::Playing;
    }

    /// The frame takes the rate of the packet that begins in it; what is left of another is converted.
    pub(super) fn choose_rate(&mut self) {
        let Some(head) = self.buffer.head().filter(|_| self.phase == Phase::Playing) else {
            return;
        };
        let Content::Sound(codec) = head.content else {
            return;
        };
        let rate = codec.sample_rate();
        if rate != self.sound.rate && self.timeline.ahead(head.at) < MediaTime::TICK {
            self.sound.change_rate(rate);
            self.noise = ComfortNoise::new(self.sound.rate, NOISE_SEED);
        }
    }

    pub(super) fn play_on(&mut self, now: Time, out: &mut [i16]) -> Sound {
        self.keep_under_ceiling();
        if self.fit(now, out) || self.play_whole_packet(out) { Sound::Voice } else { self.play_pieces(out) }
    }

    pub(super) fn play_nothing(&mut self, out: &mut [i16]) -> Sound {
        self.fill_gap(out, 0, false)
    }

    /// The usual case, without a detour: the next packet is just this tick.
    fn play_whole_packet(&mut self, out: &mut [i16]) -> bool {
        if !self.sound.decoded.is_empty() || self.sound.concealer.is_active() {
            return false;
        }
        let Some(&head) = self.buffer.head() else {
            return false;
        };
        let Content::Sound(codec) = head.content else {
            return false;
        };
        let is_this_tick = head.at == self.timeline.position && head.len == MediaTime::TICK;
        if !is_this_tick || codec.sample_rate() != self.sound.rate || !self.follows_smoothly(&head) {
            return false;
        }
        self.begin_packet(&head);
        let mut scratch = [0; PAYLOAD_MAX];
        let decoded = self.decoders.decode(codec, self.buffer.head_payload(&mut scratch), out);
        self.buffer.remove_head();
        self.note_decoded(codec, decoded.damaged);
        // Of a damaged packet there may be less than it promised.
        out.iter_mut().skip(decoded.samples).for_each(|sample| *sample = 0);
        self.timeline.position += MediaTime::TICK;
        true
    }

    /// Fills `out` from what is left of packets, packets, and gaps.
    fn play_pieces(&mut self, out: &mut [i16]) -> Sound {
        let (mut filled, mut sound) = (0, Sound::Silence);
        while filled < out.len() {
            let (to, heard) = self.play_piece(out, filled, sound.is_heard());
            filled = to;
            sound = sound.and(heard);
        }
        sound
    }

    /// Fills a part of `out` from `from` on, and says up to where and with what.
    fn play_piece(&mut self, out: &mut [i16], from: usize, voice: bool) -> (usize, Sound) {
        if !self.sound.decoded.is_empty() {
            return self.take_decoded(out, from);
        }
        let gap = self.buffer.head().map(|head| self.timeline.ahead(head.at));
        if gap.is_some_and(|gap| gap <= MediaTime::ZERO) {
            self.load_next(&out[..from]);
            return (from, Sound::Silence);
        }
        if self.make_by_decoder(gap, out.len() - from, voice) {
            return (from, Sound::Silence);
        }
        let rest = out.len() - from;
        let len = gap.map_or(rest, |gap| gap.samples(self.sound.rate).clamp(1, rest));
        let sound = self.fill_gap(&mut out[..from + len], from, voice);
        self.timeline.position += MediaTime::of_samples(len, self.sound.rate);
        (from + len, sound)
    }

    fn take_decoded(&mut self, out: &mut [i16], from: usize) -> (usize, Sound) {
        let (taken, made) = self.sound.decoded.take(&mut out[from..]);
        let taken_sound = &mut out[from..from + taken];
        if made {
            self.sound.concealer.shape(taken_sound);
        } else if self.sound.concealer.is_active() {
            self.sound.concealer.join(taken_sound);
        }
        if !self.sound.concealer.is_active() {
            self.gap = Gap::None;
        }
        self.timeline.position += MediaTime::of_samples(taken, self.sound.rate);
        (from + taken, if made { Sound::Concealed } else { Sound::Voice })
    }

    /// Takes up the next packet, which is due now; `played` is what the tick holds so far.
    fn load_next(&mut self, played: &[i16]) {
        let Some(head) = self.buffer.head() else {
            return;
        };
        let breaks = !self.follows_smoothly(head) && (self.last.is_heard() || !played.is_empty());
        // What a decoder made for a gap is joined to by that decoder alone.
        if breaks && (!self.sound.concealer.is_active() || self.sound.concealer.is_decoder()) {
            self.sound.concealer.begin(&self.sound.history, played, self.sound.rate);
        }
        self.load_head();
    }

    /// Whether a packet's sound is of the same decoder as what was played before it. Both laws are as one.
    pub(super) fn follows_smoothly(&self, packet: &Waiting) -> bool {
        let is_law = |codec: Codec| Codec::G711.contains(&codec);
        match (packet.content, self.codec) {
            (Content::Sound(new), Some(old)) => new == old || (is_law(new) && is_law(old)),
            (Content::Sound(_), None) | (Content::Dtx | Content::ComfortNoise, _) => true,
        }
    }

    /// Decodes the next packet behind what is decoded; of one that lies partly behind, the rest. Says whether there
    /// was any sound in it.
    pub(super) fn load_head(&mut self) -> bool {
        let Some(&head) = self.buffer.head() else {
            return false;
        };
        let missing = self.begin_packet(&head);
        let behind = self.timeline.ahead(head.at).min(MediaTime::ZERO).times(-1);
        let len_before = self.sound.decoded.len();
        self.decode_head(&head);
        self.sound.decoded.skip(behind.samples(self.sound.rate));
        self.buffer.remove_head();
        if missing == 0 && self.sound.concealer.has_faded() && self.is_sound(&head) {
            // Nothing was lost: the sender paused, and begins again where it wants to.
            self.sound.concealer.stop();
            self.gap = Gap::None;
        }
        self.sound.decoded.len() > len_before
    }

    fn decode_head(&mut self, head: &Waiting) {
        let mut scratch = [0; PAYLOAD_MAX];
        let payload = self.buffer.head_payload(&mut scratch);
        match head.content {
            Content::Sound(codec) => {
                let rates = (codec.sample_rate(), self.sound.rate);
                let mut damaged = false;
                let decoders = &mut self.decoders;
                self.sound.decoded.load(head.len.samples(rates.0), rates, |out| {
                    let decoded = decoders.decode(codec, payload, out);
                    damaged = decoded.damaged;
                    decoded.samples
                });
                self.note_decoded(codec, damaged);
            }
            Content::ComfortNoise => {
                self.noise.update(payload);
                self.pause = Some(Pause::Noise);
            }
            Content::Dtx => self.pause = Some(Pause::Silent),
        }
    }

    fn is_sound(&self, packet: &Waiting) -> bool {
        matches!(packet.content, Content::Sound(_))
    }

    fn note_decoded(&mut self, codec: Codec, damaged: bool) {
        self.codec = Some(codec);
        self.pause = None;
        self.counters.damaged += u64::from(damaged);
    }

    fn begin_packet(&mut self, packet: &Waiting) -> u64 {
        self.delay = self.timeline.delay(packet.at, packet.received_at);
        self.wait = self.timeline.wait(packet.received_at);
        self.pass(packet.number, true)
    }

    /// Whether the sender is known to have paused where there is nothing to play now: by its word, because the
    /// next packet's number follows and its timestamp does not, or because it sends other things than sound.
    fn is_pause(&self) -> bool {
        let Some(passed) = self.passed else {
            return true;
        };
        self.pause.is_some()
            || match self.buffer.head() {
                Some(head) => self.arrivals.missing_between(passed, head.number) == 0,
                None => self.arrivals.are_complete_after(passed),
            }
    }

    /// Lets the decoder make sound for the gap that begins here, `gap` long if that is known, of which this tick
    /// needs `rest` samples. `false` if that is not possible, or not called for.
    fn make_by_decoder(&mut self, gap: Option<MediaTime>, rest: usize, voice: bool) -> bool {
        let Some(codec) = self.codec.filter(|codec| codec.sample_rate() == self.sound.rate) else {
            return false;
        };
        let concealer = &self.sound.concealer;
        let goes_on = concealer.is_decoder() && !concealer.is_joining();
        let begins = (voice || self.last.is_heard()) && (!concealer.is_active() || concealer.is_joining());
        if self.is_pause() || !(begins || goes_on && !concealer.has_faded()) {
            return false;
        }
        let (len, recovers) = self.len_to_make(gap, rest);
        let mut scratch = [0; PAYLOAD_MAX];
        let next = recovers.then(|| self.buffer.head_payload(&mut scratch));
        let decoders = &mut self.decoders;
        let samples = len.samples(self.sound.rate);
        let mut made = Made::Nothing;
        self.sound.decoded.load_made(samples, |out| {
            made = decoders.make(codec, next, out);
            made != Made::Nothing
        });
        self.counters.recovered += u64::from(made == Made::Recovered);
        let made = made != Made::Nothing;
        if made && begins {
            self.sound.concealer.begin_decoder(self.sound.rate);
            self.count_gap(Gap::Short);
        }
        made
    }

    /// How much the decoder should make now, and whether the packet behind it may tell what was lost.
    fn len_to_make(&self, gap: Option<MediaTime>, rest: usize) -> (MediaTime, bool) {
        let rest = MediaTime::of_samples(rest, self.sound.rate);
        let tick = GRAIN.times(rest.covered_by(GRAIN));
        let Some((gap, head)) = gap.zip(self.buffer.head()) else {
            return (tick, false);
        };
        if gap <= RECOVERED_MAX {
            return (gap, self.codec.map(Content::Sound) == Some(head.content));
        }
        (tick.min(gap - head.len.min(gap - GRAIN)), false)
    }

    /// Fills `out` from `from` on, for which there is no sound, and says what is heard there.
    fn fill_gap(&mut self, out: &mut [i16], from: usize, voice: bool) -> Sound {
        let is_pause = self.is_pause();
        let (played, part) = out.split_at_mut(from);
        let sound = &mut self.sound;
        let begins = !sound.concealer.is_active() || sound.concealer.is_joining();
        if (voice || self.last.is_heard()) && begins {
            if is_pause {
                sound.concealer.begin_pause(&sound.history, played, sound.rate);
            } else {
                sound.concealer.begin(&sound.history, played, sound.rate);
                self.count_gap(Gap::Short);
            }
        }
        let concealer = &mut self.sound.concealer;
        let outlasts = concealer.is_active() && concealer.has_faded();
        let heard = concealer.is_active() && !outlasts && !concealer.is_decoder();
        if heard {
            concealer.fill(part);
        } else {
            part.fill(0);
        }
        if outlasts && self.gap == Gap::Short {
            self.count_gap(Gap::Long);
        }
        if self.pause == Some(Pause::Noise) {
            self.add_noise(part);
        }
        match (heard, is_pause, self.pause) {
            (true, false, _) => Sound::Concealed,
            (true, true, _) => Sound::Voice,
            (false, _, Some(Pause::Noise)) => Sound::Noise,
            (false, ..) => Sound::Silence,
        }
    }

    fn add_noise(&mut self, part: &mut [i16]) {
        let mut noise = [0; FRAME_LEN_MAX];
        let noise = &mut noise[..part.len()];
        self.noise.fill(noise);
        for (sample, &noise) in part.iter_mut().zip(&*noise) {
            *sample = sample.saturating_add(noise);
        }
    }

    /// A gap is counted as short until it proves long.
    fn count_gap(&mut self, gap: Gap) {
        match gap {
            Gap::None => {}
            Gap::Short => self.counters.concealed_short += 1,
            Gap::Long => {
                self.counters.concealed_short = self.counters.concealed_short.saturating_sub(1);
                self.counters.concealed_long += 1;
            }
        }
        self.gap = gap;
    }
}

impl Sound {
    /// What a frame is that holds both: a gap counts more than a voice, and that more than noise.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Concealed, _) | (_, Self::Concealed) => Self::Concealed,
            (Self::Voice, _) | (_, Self::Voice) => Self::Voice,
            (Self::Noise, _) | (_, Self::Noise) => Self::Noise,
            (Self::Silence, Self::Silence) => Self::Silence,
        }
    }
}
