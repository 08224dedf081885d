//! Packets find their place, or are turned away.

use std::time::Duration;

use super::arena::PAYLOAD_MAX;
use super::arrivals::Order;
use super::media_time::MediaTime;
use super::packet_buffer::{Content, Waiting};
use super::sender_clock::Stamp;
use super::timeline::Pattern;
use super::{Phase, Playout};
use crate::codec::Codec;
use crate::rtp::{PacketView, SequenceNumber, Ssrc};
use crate::time::Time;

/// The longest packet that is believed: the longest of Opus (RFC 6716 §3.2), twice as long as any that is in use.
const PACKET_MAX: MediaTime = MediaTime::of_millis(120);

/// For so long what is said to be silent is decoded all the same: then the decoder remembers silence when it goes on with
/// what comes after, as the encoder does, and no end of a word is cut off. Opus's own discontinuous transmission
/// begins as late.
const REST_AFTER: MediaTime = MediaTime::of_millis(200);

/// A timestamp farther off than this is not late or early but another count.
const JUMP: MediaTime = MediaTime::of_millis(2_000);

/// A packet as it came, but for its place on the timeline.
struct Came {
    stamp: Stamp,
    content: Content,
    received_at: Time,
}

impl Playout {
    /// Takes one packet of sound. `received_at` is when it reached this machine, which can be a while
    /// before it is handed in.
    pub fn receive(&mut self, packet: &PacketView<'_>, codec: Codec, received_at: Time) {
        self.receive_packet(packet, codec, received_at, false);
    }

    /// Takes one packet of which the sender says that it holds silence. Of Opus, when there were 200 ms of such, it is not
    /// decoded; the other codecs cost next to nothing, and G.722 would need 100 ms to find its voice again.
    pub fn receive_silent(&mut self, packet: &PacketView<'_>, codec: Codec, received_at: Time) {
        self.receive_packet(packet, codec, received_at, true);
    }

    fn receive_packet(&mut self, packet: &PacketView<'_>, codec: Codec, received_at: Time, silent: bool) {
        self.counters.received += 1;
        let payload = packet.payload();
        let units = codec.timestamp_units(payload);
        let len = MediaTime::of_timestamp(units as i64, codec.clock_rate());
        let is_sound = len > MediaTime::ZERO && len <= PACKET_MAX && payload.len() <= PAYLOAD_MAX;
        if !is_sound || !self.decoders.know(codec) {
            self.counters.discarded += 1;
            self.note_event(packet);
            return;
        }
        let rests = self.rests(silent && codec == Codec::Opus, len) || codec.is_dtx(payload);
        let content = if rests { Content::Dtx } else { Content::Sound(codec) };
        self.counters.undecoded += u64::from(rests);
        let stamp = stamp(packet, codec.clock_rate(), len);
        self.take(packet.ssrc(), Came { stamp, content, received_at }, payload);
    }

    /// Whether a silent packet follows enough silence not to be decoded.
    fn rests(&mut self, silent: bool, len: MediaTime) -> bool {
        if !silent {
            self.silent_for = MediaTime::ZERO;
            return false;
        }
        let rests = self.silent_for >= REST_AFTER;
        self.silent_for = (self.silent_for + len).min(REST_AFTER);
        rests
    }

    /// Takes one packet of comfort noise (RFC 3389): the sender pauses, and this is what its pause sounds like.
    /// `clock_rate` is that of the payload type.
    pub fn receive_comfort_noise(&mut self, packet: &PacketView<'_>, clock_rate: u32, received_at: Time) {
        self.counters.received += 1;
        if packet.payload().is_empty() || packet.payload().len() > PAYLOAD_MAX {
            self.counters.discarded += 1;
            self.note_event(packet);
            return;
        }
        let stamp = stamp(packet, clock_rate, MediaTime::ZERO);
        let came = Came { stamp, content: Content::ComfortNoise, received_at };
        self.take(packet.ssrc(), came, packet.payload());
    }

    /// Takes note of a packet of the same stream that is not sound, such as a telephone-event: its
    /// sequence number is not missing.
    pub fn note_event(&mut self, packet: &PacketView<'_>) {
        if self.source == Some(packet.ssrc()) {
            self.arrivals.note(packet.sequence_number());
        }
    }

    fn take(&mut self, ssrc: Ssrc, came: Came, payload: &[u8]) {
        self.follow(ssrc);
        match self.arrivals.observe(came.stamp.number) {
            Order::Newer => {
                self.note_redundancy(&came, payload);
                self.place(&came, payload);
            }
            Order::Older => {
                self.redundancy.take_back();
                self.counters.reordered += 1;
                self.place_older(&came, payload);
            }
            Order::Duplicate => self.counters.duplicate += 1,
            Order::Unbelieved => self.counters.discarded += 1,
            Order::Restarted => {
                self.counters.resets += 1;
                self.start_over(None);
                self.place(&came, payload);
            }
        }
    }

    fn note_redundancy(&mut self, came: &Came, payload: &[u8]) {
        let Content::Sound(codec) = came.content else {
            return;
        };
        let lacks = self.phase == Phase::Playing && self.arrivals.lack_the_last_but_one();
        self.redundancy.note(came.stamp.len, lacks && codec.has_copy(payload));
    }

    /// Another SSRC is another stream, at once: who may send at all was checked before (latching).
    fn follow(&mut self, ssrc: Ssrc) {
        if self.source == Some(ssrc) {
            return;
        }
        if self.source.is_some() {
            self.counters.resets += 1;
            self.start_over(None);
            self.forget_source();
        }
        self.source = Some(ssrc);
    }

    fn place_older(&mut self, came: &Came, payload: &[u8]) {
        let packet = came.placed(self.clock.place(&came.stamp));
        if self.passed.is_some_and(|passed| !packet.number.is_after(passed)) {
            self.counters.late += 1;
            // It was not lost after all, and not played either.
            self.counters.lost = self.counters.lost.saturating_sub(1);
            self.counters.discarded += 1;
            if !self.is_far_off(packet.at) {
                self.measure(&packet);
            }
        } else if self.is_far_off(packet.at) {
            self.counters.discarded += 1;
        } else {
            self.place_in_phase(packet, payload);
        }
    }

    fn place(&mut self, came: &Came, payload: &[u8]) {
        let mut packet = came.placed(self.clock.place(&came.stamp));
        let jumped = self.is_far_off(packet.at);
        if jumped || self.has_run_ahead(&packet) {
            self.counters.resets += u64::from(jumped);
            self.start_over(Some(packet.number.previous()));
            packet = came.placed(self.clock.place(&came.stamp));
        }
        self.place_in_phase(packet, payload);
    }

    fn place_in_phase(&mut self, packet: Waiting, payload: &[u8]) {
        match self.phase {
            Phase::Idle | Phase::Starting => {
                self.phase = Phase::Starting;
                self.measure(&packet);
                self.keep(packet, payload);
            }
            Phase::Playing => self.place_on_timeline(packet, payload),
        }
    }

    fn is_far_off(&self, at: MediaTime) -> bool {
        let ahead = self.timeline.ahead(at);
        self.phase == Phase::Playing && (ahead > JUMP || ahead < -JUMP)
    }

    /// Whether nothing is left to play before `packet`, and still it would wait beyond the ceiling:
    /// the sender's timestamps ran ahead of time while it was silent.
    fn has_run_ahead(&self, packet: &Waiting) -> bool {
        self.phase == Phase::Playing
            && self.is_dry()
            && self.timeline.delay(packet.at, packet.received_at) > self.settings.ceiling()
    }

    fn place_on_timeline(&mut self, packet: Waiting, payload: &[u8]) {
        let begins_sound = self.is_dry() && !self.last.is_heard();
        self.measure(&packet);
        if self.timeline.ahead(packet.at) < MediaTime::ZERO && self.would_be_next(&packet) {
            self.counters.late += 1;
            if !self.move_back_to(&packet) {
                self.counters.discarded += 1;
                self.bursts.note(false);
                return;
            }
        }
        if begins_sound && packet.len > MediaTime::ZERO {
            self.fit_silence(&packet);
        }
        self.keep(packet, payload);
        self.keep_under_ceiling();
    }

    /// Learns from when a packet came. One of comfort noise has no length, and comes when the sender likes.
    fn measure(&mut self, packet: &Waiting) {
        if packet.len > MediaTime::ZERO {
            let came = self.timeline.usable_from(packet.received_at);
            self.transits.record(came, packet.at, packet.len, self.settings.ceiling());
            self.pattern = Pattern { at: packet.at, len: packet.len };
        }
    }

    /// Nothing is here to be played.
    fn is_dry(&self) -> bool {
        self.sound.decoded.is_empty() && self.buffer.is_empty()
    }

    fn would_be_next(&self, packet: &Waiting) -> bool {
        let head = self.buffer.head();
        self.sound.decoded.is_all_made() && head.is_none_or(|head| head.number.is_after(packet.number))
    }

    /// Lets a packet that missed its tick be played next, unless this or what waits behind it would
    /// then wait beyond the ceiling.
    fn move_back_to(&mut self, packet: &Waiting) -> bool {
        let mut moved = self.timeline;
        moved.position = packet.at;
        let ceiling = self.settings.ceiling();
        let fits = |p: &Waiting| moved.delay(p.at, p.received_at) <= ceiling;
        if !fits(packet) || !self.buffer.iter().all(fits) {
            return false;
        }
        self.counters.inserted += self.timeline.ahead(packet.at).times(-1).duration();
        self.timeline = moved;
        if !self.sound.decoded.is_empty() {
            // What the decoder made for the rest of the gap is not to be heard; what was heard of it is to be joined.
            self.sound.decoded.clear();
            self.sound.concealer.begin(&self.sound.history, &[], self.sound.rate);
        }
        true
    }

    pub(super) fn keep(&mut self, packet: Waiting, payload: &[u8]) {
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
            let ahead = self.buffer.head().map(|head| self.timeline.ahead(head.at));
            self.skip(ahead.unwrap_or_default().max(MediaTime::ZERO));
        }
    }

    pub(super) fn keep_under_ceiling(&mut self) {
        let ceiling = self.settings.ceiling();
        let beyond = |p: &Waiting| self.timeline.beyond(p.at, p.received_at, ceiling);
        let beyond = self.buffer.iter().map(beyond).max().unwrap_or_default();
        if beyond > MediaTime::ZERO {
            self.skip(beyond);
        }
    }

    /// Moves playing on, and discards what lies before.
    fn skip(&mut self, by: MediaTime) {
        if by <= MediaTime::ZERO {
            return;
        }
        self.timeline.position += by;
        self.sound.decoded.skip(by.samples(self.sound.rate));
        while self.buffer.head().is_some_and(|head| head.end() <= self.timeline.position) {
            self.discard_head();
        }
        // What follows is not what was to follow: join it as if after a gap.
        if self.last.is_heard() && !self.sound.concealer.is_active() {
            self.sound.concealer.begin(&self.sound.history, &[], self.sound.rate);
        }
    }

    fn discard_head(&mut self) {
        if let Some(head) = self.buffer.head() {
            let number = head.number;
            self.pass(number, false);
            self.counters.discarded += 1;
            self.buffer.remove_head();
        }
    }

    /// Nothing up to `number` will be played after this; it is played itself, or not. Returns how many before it are
    /// missing.
    pub(super) fn pass(&mut self, number: SequenceNumber, played: bool) -> u64 {
        let before = self.passed.replace(number);
        let missing = before.map_or(0, |before| self.arrivals.missing_between(before, number));
        self.counters.lost += missing;
        if missing > 0 {
            self.bursts.note(false);
        }
        self.bursts.note(played);
        missing
    }
}

impl Came {
    fn placed(&self, at: MediaTime) -> Waiting {
        Waiting {
            number: self.stamp.number,
            at,
            len: self.stamp.len,
            content: self.content,
            received_at: self.received_at,
        }
    }
}

fn stamp(packet: &PacketView<'_>, clock_rate: u32, len: MediaTime) -> Stamp {
    Stamp { number: packet.sequence_number(), timestamp: packet.timestamp(), clock_rate, len }
}

/// Nanoseconds of a length that is far below the 292 years that fit.
pub(super) const fn nanos(duration: Duration) -> i64 {
    duration.as_nanos() as i64
}
