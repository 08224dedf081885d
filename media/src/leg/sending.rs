//! What a leg is sent in a tick.

use super::player::{PlayEnd, fade_out};
use super::send::Way;
use super::{Encoded, Leg, Player, REPORT_LEN_MAX, Tuned};
use crate::codec::{Codec, Encoder};
use crate::engine::programme::Broadcast;
use crate::fault::Planted;
use crate::frame::{Frame, SampleRate};
use crate::id::ProgrammeId;
use crate::rtp::AudioLevel;
use crate::stats::Counters;

/// What is softer than this, in dBov below the loudest, is said to be no speech: a quiet voice is at some 45.
const QUIET_MINUS_DBOV: u8 = 60;

/// Ticks in a second.
pub(super) const TICKS_PER_SECOND: u32 = 50;

impl Leg {
    /// Whether it must be sent what its own encoder makes, even of what all hear.
    pub(crate) fn keeps_own_encoder(&self) -> bool {
        self.coding.keeps_own()
    }

    /// The loss, in per cent, that whoever encodes for it should provide for.
    pub(crate) const fn expected_loss(&self) -> u8 {
        self.condition.expected_loss()
    }

    /// Its own encoder, if it was sent from it last and the codec remembers that.
    pub(crate) fn own_encoder(&self) -> Option<&Encoder> {
        self.coding.own_encoder()
    }

    /// Sends what all listeners of its codec are sent.
    pub(crate) fn send_shared(&mut self, encoded: &Encoded, faults: Planted) {
        self.coding.share();
        self.send(Some(encoded), faults);
    }

    /// Sends what all are sent who hear what is on under this name.
    pub(crate) fn send_broadcast(&mut self, on: ProgrammeId, encoded: &Encoded, faults: Planted) {
        self.coding.share_broadcast(on);
        self.send(Some(encoded), faults);
    }

    /// Notes that it hears what it is played in this tick.
    pub(crate) fn hears_played(&mut self) {
        self.heard_played = Some(self.now);
    }

    /// What it was sent with many others until now, if its codec remembers that: its own encoder goes on from there.
    pub(crate) const fn comes_from_broadcast(&self) -> Option<ProgrammeId> {
        self.coding.comes_from_broadcast()
    }

    /// What it hears with many others, if it hears nothing beside: then it is sent what all are who do. Who was sent what
    /// others are, of a conference or of something else that is on, must have a tick of its own encoder first.
    pub(crate) fn shares_broadcast(&self) -> Option<ProgrammeId> {
        match self.tuned {
            Tuned::In(on) if !self.hears_tone() && !self.coding.comes_from_mix() => {
                self.comes_from_broadcast().is_none_or(|before| before == on).then_some(on)
            }
            Tuned::In(_) | Tuned::Out | Tuned::Fading(_) => None,
        }
    }

    /// Sends what it alone hears. `listeners` is the encoder of those who hear what all hear, and what they heard in
    /// the tick before.
    pub(crate) fn send_own(
        &mut self,
        heard: &[i16],
        listeners: Option<(&Encoder, &[i16])>,
        counters: &mut Counters,
        faults: Planted,
    ) {
        counters.encoded += 1;
        let tone = self.tone();
        self.coding.encode_own(tone.as_ref().map_or(heard, Frame::samples), listeners);
        self.send(None, faults);
    }

    /// Sends what all hear, by its own encoder.
    pub(crate) fn send_kept(&mut self, heard: &[i16], counters: &mut Counters, faults: Planted) {
        counters.encoded += 1;
        self.coding.encode_kept(heard);
        self.send(None, faults);
    }

    /// Plays it this from the next tick on. What it was played before travels home.
    pub(crate) fn begin_playing(&mut self, player: Box<Player>) -> Option<Box<Player>> {
        // Whoever asked knows that this is the end of the one before.
        self.pending.forget_played();
        self.tuned = Tuned::Out;
        self.player.replace(player)
    }

    /// Lets it hear what is on under this name from the next tick on. What it was played before travels home.
    pub(crate) fn tune(&mut self, to: ProgrammeId) -> Option<Box<Player>> {
        self.pending.forget_played();
        self.tuned = Tuned::In(to);
        self.player.take()
    }

    /// Whether there was anything to be stopped. What was not heard in the last tick, as that of one who is off hold, ends
    /// without a sound.
    pub(crate) fn stop_playing(&mut self) -> bool {
        let is_heard = self.heard_played == Some(self.now);
        if let Tuned::In(on) = self.tuned {
            self.tuned = if is_heard { Tuned::Fading(on) } else { Tuned::Out };
            return true;
        }
        match self.player.as_deref_mut().filter(|player| player.end().is_none()) {
            Some(player) if is_heard => {
                player.stop();
                true
            }
            Some(player) => {
                player.end_unheard();
                self.pending.played(player.id(), PlayEnd::Stopped);
                true
            }
            None => false,
        }
    }

    /// What was to fade out in this tick has ended without a sound if the leg hears something else in it.
    fn end_unheard(&mut self) {
        if self.heard_played == Some(self.now) {
            return;
        }
        if let Tuned::Fading(_) = self.tuned {
            self.tuned = Tuned::Out;
        }
        if let Some(player) = self.player.as_deref_mut().filter(|player| player.is_stopping()) {
            player.end_unheard();
            self.pending.played(player.id(), PlayEnd::Stopped);
        }
    }

    /// Writes what it is played in this tick, and silence if that is nothing.
    pub(crate) fn play(&mut self, frame: &mut Frame, broadcast: &mut Broadcast) {
        frame.silence_at(self.codec().sample_rate());
        self.hears_played();
        match self.tuned {
            Tuned::Out => {}
            Tuned::In(on) => return broadcast.render(on, frame),
            Tuned::Fading(on) => {
                self.tuned = Tuned::Out;
                broadcast.render(on, frame);
                return fade_out(frame.samples_mut());
            }
        }
        let Some(player) = self.player.as_deref_mut().filter(|player| player.end().is_none()) else {
            return;
        };
        player.is_heard_through(self.media.codec);
        player.play(frame);
        if player.take_cut() {
            self.coding.cut();
        }
        if let Some(end) = player.end() {
            self.pending.played(player.id(), end);
        }
    }

    /// Makes this tick's packets of what is shared or what its own encoder made, if signalling lets us send, and a
    /// report when one is due.
    fn send(&mut self, shared: Option<&Encoded>, faults: Planted) {
        self.end_unheard();
        let codec = self.media.codec;
        let tick = codec.clock_rate() / TICKS_PER_SECOND;
        let may_send = self.media.direction.send && self.may_send();
        let event = self.event();
        let coding = &mut *self.coding;
        let level = shared.unwrap_or(&coding.encoded).level();
        let said = AudioLevel { voice: level.minus_dbov() < QUIET_MINUS_DBOV, level };
        let mut way = Way {
            now: self.now,
            clock_rate: codec.clock_rate(),
            extension: self.media.terms.audio_level_sent.and_then(|id| said.to_extension(id)),
            srtp: self.srtp.as_deref_mut(),
            outbox: &mut coding.outbox,
        };
        if !may_send {
            self.sender.pass(tick, &mut coding.framing);
        } else if let Some((packet, payload_type)) = event {
            self.sender.event(&packet, payload_type, tick, &mut coding.framing, &mut way);
        } else if faults.silences(self.sender.packets()) {
            self.sender.frame(&silence(codec), tick, &mut coding.framing, &mut way);
        } else {
            let encoded = shared.unwrap_or(&coding.encoded);
            let duration = tick / encoded.payloads().count() as u32;
            for payload in encoded.payloads() {
                self.sender.frame(payload, duration, &mut coding.framing, &mut way);
            }
        }
        let waiting = coding.framing.waiting(tick).div_ceil(tick);
        self.pack_marks(waiting as usize);
        self.report();
    }

    /// What it was played in this tick is in packets now, but for that of the last `waiting` ticks.
    fn pack_marks(&mut self, waiting: usize) {
        if self.heard_played == Some(self.now)
            && let Some(player) = &mut self.player
        {
            self.has_packed_marks |= player.pack(waiting);
        }
    }

    /// Its packets of this tick were fetched, or there are none.
    pub(crate) fn was_sent(&mut self) {
        if std::mem::take(&mut self.has_packed_marks)
            && let Some(player) = &self.player
        {
            player.was_sent();
        }
    }

    fn report(&mut self) {
        if !self.rtcp.may_be_due(self.now)
            || !self.may_send()
            || self.transport.rtcp_destination().is_none()
            || !self.rtcp.is_due(self.now)
        {
            return;
        }
        let mut report = [0; REPORT_LEN_MAX];
        let Ok(len) = self.rtcp.write_report(self.now, self.sender.sent(), &mut report) else {
            return;
        };
        self.send_report(&report[..len]);
    }

    fn send_report(&mut self, report: &[u8]) {
        let Some((port, _)) = self.transport.rtcp_destination().filter(|_| self.may_send()) else {
            return;
        };
        let mut way = Way {
            now: self.now,
            clock_rate: self.media.codec.clock_rate(),
            extension: None,
            srtp: self.srtp.as_deref_mut(),
            outbox: &mut self.coding.outbox,
        };
        // Without room, or with keys used up, there is no report this time.
        let _ = way.rtcp(port, report);
    }

    /// Whether anything may be sent at all: over ICE not before it is known where to, and how it is protected.
    fn may_send(&self) -> bool {
        !self.media.terms.ice || (self.srtp.is_some() && self.transport.is_known())
    }

    /// Makes a last report with a goodbye (RFC 3550 §6.6), if the far end wants RTCP and was ever sent anything.
    /// Nothing else of this tick is sent any more. Says whether there is one.
    pub(crate) fn say_goodbye(&mut self) -> bool {
        if self.sender.packets() == 0 || self.transport.rtcp_destination().is_none() {
            return false;
        }
        let mut report = [0; REPORT_LEN_MAX];
        self.coding.outbox.clear();
        match self.rtcp.write_goodbye(self.now, self.sender.sent(), &mut report) {
            Ok(len) => self.send_report(&report[..len]),
            Err(_) => return false,
        }
        self.has_datagrams()
    }

    /// Writes what it says at another rate.
    pub(crate) fn convert_voice(&mut self, rate: SampleRate, said: &[i16], out: &mut [i16]) {
        self.coding.convert_voice(rate, said, out);
    }

    /// It says nothing that would have to be converted.
    pub(crate) fn rest_voice(&mut self) {
        self.coding.rest_voice();
    }

    /// Whether there is anything of this tick to be fetched.
    pub(crate) fn has_datagrams(&self) -> bool {
        self.coding.outbox.len() > 0
    }
}

/// What a planted fault sends instead of a frame of G.711.
fn silence(codec: Codec) -> [u8; 160] {
    let mut silence = [0; 160];
    codec.encode(&[0; 160], &mut silence);
    silence
}
