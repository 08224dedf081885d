//! One leg's receive buffer: packets go in whenever they come, and every 20 ms a frame comes out, the
//! sender's sound at a delay that is as short as the network allows and never beyond a ceiling.
//!
//! ```text
//!  packet ─▶ arrivals ─▶ packet_buffer ─▶ decoded ─┬─▶ frame
//!            double?     in order         codec    │
//!            far off?                     conceal ─┘ gaps
//!               └─▶ delay: leads ─▶ decision: leave a step out
//! ```
//!
//! Playing follows the RTP timestamps (RFC 3550 §5.1): what was not sent is silent, what was lost is
//! concealed. A packet that misses its tick moves playing back to itself, so that the concealment it
//! caused becomes added delay; when for seconds all packets come early, a step is left out. The same
//! two means follow a sender whose clock drifts. A steady stream is played bit for bit.

mod arrivals;
mod conceal;
mod decision;
mod decoded;
mod delay;
mod packet_buffer;

use std::time::Duration;

use self::arrivals::{Arrivals, Order};
use self::conceal::Concealer;
use self::decision::{Decision, Shrink};
use self::decoded::Decoded;
use self::delay::{Lead, STEP, Timeline, WorstLeads};
use self::packet_buffer::{PAYLOAD_MAX, PacketBuffer, Waiting};
use crate::codec::Codec;
use crate::frame::{Frame, SampleRate};
use crate::rtp::{PacketView, SequenceNumber, Ssrc};
use crate::time::{Tick, Time};

/// How a leg's playout behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlayoutSettings {
    /// The longest time from a packet's arrival to its play. What would have to wait longer is played
    /// at the ceiling, and what is before it is discarded. Taken as 60 ms if less, since a steady stream
    /// may need 50, and as 500 ms if more, since people cannot converse beyond that. The buffer's 32
    /// packets can be a lower ceiling.
    pub delay_ceiling: Duration,
}

impl Default for PlayoutSettings {
    /// 200 ms: with the network's and the far end's share, the most at which a conversation still flows
    /// (ITU-T G.114 asks for 400 ms from mouth to ear at most).
    fn default() -> Self {
        Self { delay_ceiling: Duration::from_millis(200) }
    }
}

/// Below this a sender of 60 ms packets could not be played.
const CEILING_MIN: Duration = Duration::from_millis(60);
/// Above this nobody can converse, and the packet buffer has no room for it.
const CEILING_MAX: Duration = Duration::from_millis(500);

/// What a frame that was played holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sound {
    /// Sound that was received.
    Voice,
    /// Sound made, in whole or in part, to hide a gap.
    Concealed,
    /// Digital silence: nothing has come yet, nothing was sent, or a gap has outlasted concealment.
    Silence,
}

/// What has happened to a leg's packets, since the leg is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlayoutCounters {
    /// Packets handed in.
    pub received: u64,
    /// Packets that had not come when later ones were played. Like RTCP's number of packets lost it can
    /// fall: a packet that comes after all is late, not lost.
    pub lost: u64,
    /// Packets that came after their play time, whether they could still be played or not.
    pub late: u64,
    /// Packets that had come before.
    pub duplicate: u64,
    /// Packets that were overtaken by a later one.
    pub reordered: u64,
    /// Frames in which a gap was concealed.
    pub concealed: u64,
    /// Packets that were thrown away: beyond the ceiling, too long, empty, from a sequence or a stream
    /// that ended, or of a sequence not believed.
    pub discarded: u64,
    /// Times the stream began anew: another SSRC, a jump of sequence numbers or timestamps.
    pub resets: u64,
    /// Steps of 20 ms by which the delay grew.
    pub inserted: u64,
    /// Steps of 20 ms left out to shrink the delay.
    pub dropped: u64,
}

/// The receive buffer of one leg. All its memory is inside.
pub struct Playout {
    ceiling: Duration,
    counters: PlayoutCounters,
    source: Option<Ssrc>,
    phase: Phase,
    arrivals: Arrivals,
    /// The last packet that was played or given up: nothing up to it can be played any more.
    passed: Option<SequenceNumber>,
    timeline: Timeline,
    leads: WorstLeads,
    decision: Decision,
    buffer: PacketBuffer,
    decoded: Decoded,
    concealer: Concealer,
    last: Sound,
    delay: Duration,
}

/// A leg's memory is bounded; with this go the payloads of the packet buffer, 15 KB.
const _: () = assert!(size_of::<Playout>() < 5 * 1024);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing has come.
    Idle,
    /// The first packet has come, and is held so that the next ones may come a little later.
    Starting { since: Time, hold: Duration },
    /// Playing has its place on the sender's timeline.
    Playing,
}

impl Playout {
    /// A buffer to which nothing has come.
    pub fn new(settings: PlayoutSettings) -> Self {
        Self {
            ceiling: settings.delay_ceiling.clamp(CEILING_MIN, CEILING_MAX),
            counters: PlayoutCounters::default(),
            source: None,
            phase: Phase::Idle,
            arrivals: Arrivals::default(),
            passed: None,
            timeline: Timeline::default(),
            leads: WorstLeads::new(),
            decision: Decision::default(),
            buffer: PacketBuffer::new(),
            decoded: Decoded::new(),
            concealer: Concealer::new(),
            last: Sound::Silence,
            delay: Duration::ZERO,
        }
    }

    /// Takes one packet of sound. `received_at` is when it reached this machine, which can be a while
    /// before it is handed in.
    pub fn receive(&mut self, packet: &PacketView<'_>, codec: Codec, received_at: Time) {
        self.counters.received += 1;
        let payload = packet.payload();
        if payload.is_empty() || payload.len() > PAYLOAD_MAX {
            self.counters.discarded += 1;
            self.note_event(packet);
            return;
        }
        self.follow(packet.ssrc());
        let waiting = Waiting {
            number: packet.sequence_number(),
            timestamp: packet.timestamp(),
            len: codec.timestamp_units(payload) as u16,
            codec,
            received_at,
        };
        match self.arrivals.observe(waiting.number) {
            Order::Newer => self.place(waiting, payload),
            Order::Older => {
                self.counters.reordered += 1;
                self.place_older(waiting, payload);
            }
            Order::Duplicate => self.counters.duplicate += 1,
            Order::Unbelieved => self.counters.discarded += 1,
            Order::Restarted => {
                self.counters.resets += 1;
                self.start_over(None);
                self.place(waiting, payload);
            }
        }
    }

    /// Takes note of a packet of the same stream that is not sound, such as a telephone-event: its
    /// sequence number is not missing.
    pub fn note_event(&mut self, packet: &PacketView<'_>) {
        if self.source == Some(packet.ssrc()) {
            self.arrivals.note(packet.sequence_number());
        }
    }

    /// Plays one 20 ms step into `out`, which takes the sound's rate, and says what it is.
    pub fn play(&mut self, now: Time, out: &mut Frame) -> Sound {
        if out.rate() != SampleRate::Hz8000 {
            *out = Frame::silence(SampleRate::Hz8000);
        }
        self.timeline.begin_tick(now);
        self.start_if_due(now);
        let samples = out.samples_mut();
        let sound = match self.phase {
            Phase::Playing => self.play_on(samples),
            Phase::Idle | Phase::Starting { .. } => self.play_nothing(samples),
        };
        self.concealer.remember(samples);
        self.timeline.end_tick(now);
        self.counters.concealed += u64::from(sound == Sound::Concealed);
        self.last = sound;
        sound
    }

    /// What has happened to the packets so far.
    pub fn counters(&self) -> &PlayoutCounters {
        &self.counters
    }

    /// How long the packet that was begun last had waited by then.
    pub fn delay(&self) -> Duration {
        self.delay
    }

    /// Forgets the stream, as when signalling has agreed on another one. Counters stay.
    pub fn reset(&mut self) {
        self.start_over(None);
        self.source = None;
        self.arrivals = Arrivals::default();
        self.concealer = Concealer::new();
        self.last = Sound::Silence;
        self.delay = Duration::ZERO;
    }
}

impl std::fmt::Debug for Playout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Playout")
            .field("phase", &self.phase)
            .field("waiting", &self.buffer.len())
            .field("delay", &self.delay)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

/// A timestamp farther off than this (2 s) is not late or early but another count.
const TIMESTAMP_JUMP: u32 = 16_000;

/// Packets find their place.
impl Playout {
    /// Another SSRC is another stream, at once: who may send at all was checked before (latching).
    fn follow(&mut self, ssrc: Ssrc) {
        if self.source == Some(ssrc) {
            return;
        }
        if self.source.is_some() {
            self.counters.resets += 1;
            self.start_over(None);
            self.arrivals = Arrivals::default();
        }
        self.source = Some(ssrc);
    }

    fn place_older(&mut self, packet: Waiting, payload: &[u8]) {
        if self.passed.is_some_and(|passed| !packet.number.is_after(passed)) {
            self.counters.late += 1;
            self.counters.lost = self.counters.lost.saturating_sub(1);
        } else if self.is_far_off(packet.timestamp) {
            self.counters.discarded += 1;
        } else {
            self.place(packet, payload);
        }
    }

    fn place(&mut self, packet: Waiting, payload: &[u8]) {
        if self.is_far_off(packet.timestamp) {
            self.counters.resets += 1;
            self.start_over(Some(packet.number.previous()));
        }
        if self.has_run_ahead(&packet) {
            self.start_over(Some(packet.number.previous()));
        }
        match self.phase {
            Phase::Idle => {
                let hold = hold(packet.len);
                self.phase = Phase::Starting { since: packet.received_at, hold };
                self.keep(packet, payload);
            }
            Phase::Starting { .. } => self.keep(packet, payload),
            Phase::Playing => self.place_on_timeline(packet, payload),
        }
    }

    fn is_far_off(&self, timestamp: u32) -> bool {
        self.phase == Phase::Playing && self.timeline.ahead(timestamp).unsigned_abs() > TIMESTAMP_JUMP
    }

    /// Whether nothing is left to play before `packet`, and still it would wait beyond the ceiling:
    /// the sender's timestamps ran ahead of time while it was silent.
    fn has_run_ahead(&self, packet: &Waiting) -> bool {
        self.phase == Phase::Playing
            && self.is_dry()
            && self.timeline.delay(packet.timestamp, packet.received_at) > self.ceiling
    }

    fn place_on_timeline(&mut self, packet: Waiting, payload: &[u8]) {
        if self.timeline.ahead(packet.timestamp) < 0 && self.would_be_next(&packet) {
            self.counters.late += 1;
            if !self.move_back_to(&packet) {
                self.counters.discarded += 1;
                return;
            }
        }
        if self.last == Sound::Silence && self.is_dry() {
            self.widen(&packet);
        }
        self.leads.record(self.timeline.lead(packet.timestamp, packet.received_at));
        self.keep(packet, payload);
        self.keep_under_ceiling();
    }

    /// Nothing is here to be played.
    fn is_dry(&self) -> bool {
        self.decoded.is_empty() && self.buffer.is_empty()
    }

    fn would_be_next(&self, packet: &Waiting) -> bool {
        let head = self.buffer.head();
        self.decoded.is_empty() && head.is_none_or(|head| head.number.is_after(packet.number))
    }

    /// Lets a packet that missed its tick be played next, unless this or what waits behind it would
    /// then wait beyond the ceiling.
    fn move_back_to(&mut self, packet: &Waiting) -> bool {
        let samples = self.timeline.ahead(packet.timestamp).unsigned_abs();
        let mut moved = self.timeline;
        moved.position = packet.timestamp;
        let fits = |p: &Waiting| moved.delay(p.timestamp, p.received_at) <= self.ceiling;
        if !fits(packet) || !self.buffer.iter().all(fits) {
            return false;
        }
        self.timeline = moved;
        self.leads.move_by(i64::from(samples / STEP));
        self.counters.inserted += u64::from(samples.div_ceil(STEP));
        true
    }

    /// Sound begins after a silence: nobody hears the silence grow, so give it a lead to start with.
    fn widen(&mut self, packet: &Waiting) {
        if self.timeline.lead(packet.timestamp, packet.received_at) < Lead::START {
            self.timeline.position = self.timeline.position.wrapping_sub(STEP);
            self.leads.move_by(1);
            self.counters.inserted += 1;
        }
    }

    fn keep(&mut self, packet: Waiting, payload: &[u8]) {
        let mut made_room = false;
        while self.buffer.insert(packet, payload).is_err() {
            if self.buffer.head().is_none_or(|head| head.number.is_after(packet.number)) {
                self.counters.discarded += 1;
                return;
            }
            self.discard_head();
            made_room = true;
        }
        if made_room && self.phase == Phase::Playing {
            let steps = self.buffer.head().map_or(0, |h| self.timeline.steps_ahead(h.timestamp));
            self.skip(u32::try_from(steps).unwrap_or(0));
        }
    }

    fn keep_under_ceiling(&mut self) {
        let beyond = |p: &Waiting| self.timeline.steps_beyond(p.timestamp, p.received_at, self.ceiling);
        let steps = self.buffer.iter().map(beyond).max().unwrap_or(0);
        if steps > 0 {
            self.skip(steps);
        }
    }

    /// Moves playing on by so many steps, and discards what lies before.
    fn skip(&mut self, steps: u32) {
        let samples = steps.wrapping_mul(STEP);
        self.timeline.position = self.timeline.position.wrapping_add(samples);
        self.leads.move_by(-i64::from(steps));
        self.decoded.skip(samples as usize);
        while let Some(head) = self.buffer.head() {
            let end = self.timeline.ahead(head.timestamp).saturating_add(i32::from(head.len as i16));
            if end > 0 {
                break;
            }
            self.discard_head();
        }
        // What follows is not what was to follow: join it as if after a gap.
        if steps > 0 && self.last == Sound::Voice && !self.concealer.is_active() {
            self.concealer.begin(&[]);
        }
    }

    fn discard_head(&mut self) {
        if let Some(head) = self.buffer.head() {
            let number = head.number;
            self.pass(number);
            self.counters.discarded += 1;
            self.buffer.remove_head();
        }
    }

    /// Nothing up to `number` will be played after this. Returns how many before it are missing.
    fn pass(&mut self, number: SequenceNumber) -> u64 {
        let before = self.passed.replace(number);
        let missing = before.map_or(0, |before| self.arrivals.missing_between(before, number));
        self.counters.lost += missing;
        missing
    }

    /// The stream begins anew, after `passed`.
    fn start_over(&mut self, passed: Option<SequenceNumber>) {
        self.counters.discarded += self.buffer.len();
        self.buffer.clear();
        self.decoded.clear();
        self.leads = WorstLeads::new();
        self.decision = Decision::default();
        self.passed = passed;
        self.phase = Phase::Idle;
    }
}

/// How long a stream's first packet is held.
///
/// Packets that do not fill whole ticks are needed at the tick in which they begin, which is up to one
/// tick minus the grid they share with ticks before their turn; that comes on top of the usual lead.
fn hold(len: u16) -> Duration {
    let (mut grid, mut rest) = (STEP, u32::from(len));
    while rest != 0 {
        (grid, rest) = (rest, grid % rest);
    }
    Lead::START.duration() + (Tick::DURATION - Tick::DURATION * grid / STEP)
}

/// Frames are made.
impl Playout {
    fn start_if_due(&mut self, now: Time) {
        let Phase::Starting { since, hold } = self.phase else {
            return;
        };
        let Some(head) = self.buffer.head().filter(|_| now.since(since) >= hold) else {
            return;
        };
        self.timeline.position = head.timestamp;
        self.leads.record(self.timeline.lead(head.timestamp, head.received_at));
        self.phase = Phase::Playing;
    }

    fn play_on(&mut self, out: &mut [i16]) -> Sound {
        self.keep_under_ceiling();
        let shrink = self.decision.decide(&self.leads);
        let played = match shrink {
            Shrink::No => self.play_whole_packet(out),
            Shrink::IfQuiet | Shrink::Now => self.play_shrunk(shrink, out),
        };
        let sound = if played { Sound::Voice } else { self.play_pieces(out) };
        if sound != Sound::Silence {
            self.leads.pass_tick();
        }
        sound
    }

    /// The usual case, without a detour: the next packet is just this tick.
    fn play_whole_packet(&mut self, out: &mut [i16]) -> bool {
        if !self.decoded.is_empty() || self.concealer.is_active() {
            return false;
        }
        let Some(&head) = self.buffer.head() else {
            return false;
        };
        if head.timestamp != self.timeline.position || usize::from(head.len) != out.len() {
            return false;
        }
        self.begin_packet(&head);
        head.codec.decode(self.buffer.head_payload(), out);
        self.buffer.remove_head();
        self.advance(out.len());
        true
    }

    /// Leaves one step out, if that can be done well now. False if `out` is still to be filled.
    fn play_shrunk(&mut self, shrink: Shrink, out: &mut [i16]) -> bool {
        if self.is_in_silence() {
            // A step of silence costs nothing, so the next may follow at once.
            self.advance(out.len());
            self.leads.move_by(-1);
            self.counters.dropped += 1;
            return false;
        }
        if self.concealer.is_active() || !self.load_two_steps() {
            return false;
        }
        if shrink == Shrink::IfQuiet && !self.decoded.is_quiet() {
            return false;
        }
        if !self.decoded.take_shrunk(out) {
            return false;
        }
        self.advance(2 * out.len());
        self.leads.move_by(-1);
        self.decision.shrunk();
        self.counters.dropped += 1;
        true
    }

    /// Whether there is silence now, and for a step more before what waits.
    fn is_in_silence(&self) -> bool {
        let head = self.buffer.head();
        self.last == Sound::Silence
            && self.decoded.is_empty()
            && head.is_some_and(|head| self.timeline.steps_ahead(head.timestamp) >= 1)
    }

    /// Decodes what is to be played in this step and the next, if it is here without a gap.
    fn load_two_steps(&mut self) -> bool {
        while self.decoded.len() < 2 * STEP as usize {
            let end = self.decoded.len() as i32;
            match self.buffer.head() {
                Some(head) if self.timeline.ahead(head.timestamp) == end => self.load_head(),
                _ => return false,
            }
        }
        true
    }

    /// Fills `out` from what is left of packets, packets, and gaps.
    fn play_pieces(&mut self, out: &mut [i16]) -> Sound {
        let (mut filled, mut voice, mut concealed) = (0, false, false);
        while filled < out.len() {
            let gap = self.gap_ahead(out.len() - filled);
            if !self.decoded.is_empty() {
                let taken = self.take_decoded(&mut out[filled..]);
                filled += taken;
                voice |= taken > 0;
            } else if gap == 0 {
                self.load_head();
            } else {
                concealed |= self.fill_gap(out, filled, filled + gap, voice);
                self.advance(gap);
                filled += gap;
            }
        }
        match (concealed, voice) {
            (true, _) => Sound::Concealed,
            (false, true) => Sound::Voice,
            (false, false) => Sound::Silence,
        }
    }

    fn play_nothing(&mut self, out: &mut [i16]) -> Sound {
        if self.fill_gap(out, 0, out.len(), false) { Sound::Concealed } else { Sound::Silence }
    }

    /// Samples until the next packet's first, `most` at most.
    fn gap_ahead(&self, most: usize) -> usize {
        let Some(head) = self.buffer.head() else {
            return most;
        };
        usize::try_from(self.timeline.ahead(head.timestamp)).unwrap_or(0).min(most)
    }

    fn take_decoded(&mut self, out: &mut [i16]) -> usize {
        let taken = self.decoded.take(out);
        if self.concealer.is_active() {
            self.concealer.join(&mut out[..taken]);
        }
        self.advance(taken);
        taken
    }

    /// Decodes the next packet behind what is decoded; of one that lies partly behind, the rest.
    fn load_head(&mut self) {
        let Some(&head) = self.buffer.head() else {
            return;
        };
        let missing = self.begin_packet(&head);
        let behind = self.timeline.ahead(head.timestamp).min(0).unsigned_abs();
        self.decoded.load(head.codec, self.buffer.head_payload());
        self.decoded.skip(behind as usize);
        self.buffer.remove_head();
        self.counters.discarded += u64::from(self.decoded.is_empty());
        if missing == 0 && self.concealer.has_faded() {
            // Nothing was lost: the sender paused, and begins again where it wants to.
            self.concealer.stop();
        }
    }

    fn begin_packet(&mut self, packet: &Waiting) -> u64 {
        self.delay = self.timeline.delay(packet.timestamp, packet.received_at);
        self.pass(packet.number)
    }

    /// Fills a part of `out` for which there is no sound, and says whether anything can be heard.
    fn fill_gap(&mut self, out: &mut [i16], from: usize, to: usize, voice: bool) -> bool {
        let sound_before = voice || self.last != Sound::Silence;
        if sound_before && (!self.concealer.is_active() || self.concealer.is_joining()) {
            self.concealer.begin(&out[..from]);
        }
        let gap = &mut out[from..to];
        if self.concealer.is_active() && !self.concealer.has_faded() {
            self.concealer.fill(gap);
            true
        } else {
            gap.fill(0);
            false
        }
    }

    fn advance(&mut self, samples: usize) {
        self.timeline.position = self.timeline.position.wrapping_add(samples as u32);
    }
}
