//! The keys that a far end presses, in whichever ways it tells them, and what others hear of them. While a capture is on
//! they are its holder's alone.

use std::time::Duration;

use super::collector::{DigitCollector, DigitMethod, PressedDigit};
use super::passage::{DigitPassage, Gate, Rendering};
use crate::command::LegMedia;
use crate::dsp::goertzel::{HeardKey, KeyListener};
use crate::event::{Digit, Refusal};
use crate::frame::Frame;
use crate::id::CaptureId;
use crate::leg::capture::{Capture, Tainted};
use crate::playout::Sound;
use crate::rtp::{DigitReceiver, EndedEvent, PacketView};
use crate::stats::Counters;
use crate::time::{Tick, Time};

/// The keys of one leg. All its memory is inside, or came when it was built.
pub(in crate::leg) struct Keys {
    events: DigitReceiver,
    listener: KeyListener,
    collector: DigitCollector,
    passage: Passage,
    /// Streams that the playout had begun when it was listened to last.
    streams: u64,
    capture: Option<Box<Capture>>,
    /// A capture that has ended and was not fetched. While it is here no other ends.
    ended: Option<Box<Capture>>,
}

enum Passage {
    Withheld(Gate),
    Heard(Box<Rendering>),
}

impl Keys {
    pub(in crate::leg) fn new(media: &LegMedia, passage: DigitPassage) -> Self {
        Self {
            events: DigitReceiver::at_clock_rate(media.terms.telephone_event_rate),
            listener: KeyListener::default(),
            collector: DigitCollector::new(media.telephone_event.is_some()),
            passage: match passage {
                DigitPassage::Withheld => Passage::Withheld(Gate::default()),
                DigitPassage::Heard => Passage::Heard(Box::default()),
            },
            streams: 0,
            capture: None,
            ended: None,
        }
    }

    /// Signalling agreed on other media at `now`. A key that is down goes on, unless somebody else speaks from now on.
    pub(in crate::leg) fn renegotiate(&mut self, before: &LegMedia, media: &LegMedia, now: Time) {
        self.events.set_clock_rate(media.terms.telephone_event_rate);
        self.collector.set_events_agreed(media.telephone_event.is_some());
        if before.remote != media.remote
            && let Some(key) = self.listener.start_over().and_then(pressed)
        {
            // There is room, or it is one of too many.
            let _ = self.collector.hear(key, now);
        }
    }

    /// Takes in a packet of telephone-events.
    pub(in crate::leg) fn receive(
        &mut self,
        packet: &PacketView<'_>,
        at: Time,
        now: Time,
        counters: &mut Counters,
    ) {
        for ended in self.events.receive(packet, at) {
            self.end_event(ended, now, counters);
        }
        if let (Passage::Heard(rendering), Some(event), None) =
            (&mut self.passage, self.events.held(), &self.capture)
        {
            rendering.press(event);
        }
    }

    /// Takes in what was told in another way. `false` if there is no room for it.
    #[must_use]
    pub(in crate::leg) fn hear(&mut self, key: PressedDigit, now: Time) -> bool {
        self.collector.hear(key, now)
    }

    /// Ends what nothing is heard of any more.
    pub(in crate::leg) fn expire(&mut self, now: Time, counters: &mut Counters) {
        if let Some(ended) = self.events.expire(now) {
            self.end_event(ended, now, counters);
        }
    }

    /// Listens to what was played in a tick, and leaves of it what others may hear. `streams` is how many the playout
    /// has begun: another stream is another key.
    pub(in crate::leg) fn listen(
        &mut self,
        now: Time,
        streams: u64,
        mut said: Tainted<'_>,
        counters: &mut Counters,
    ) -> Sound {
        if said.is_held()
            && let Some(capture) = &mut self.capture
        {
            capture.hold();
        }
        let (sound, frame) = said.look();
        if self.streams != streams {
            self.streams = streams;
            let ended = self.listener.start_over();
            self.end_tone(ended, now, counters);
        }
        let ended = match sound {
            Sound::Voice => self.listener.hear(frame),
            Sound::Concealed => self.listener.hear_made(frame),
            Sound::Noise | Sound::Silence => self.listener.hear_nothing(),
        };
        self.end_tone(ended, now, counters);
        self.collector.forget(now);
        self.hand_over(now);
        let passed = match &mut self.capture {
            Some(capture) => capture.mask(now, sound, frame, self.listener.marks()),
            None => self.pass(sound, frame),
        };
        self.end_capture(now);
        said.clear(passed)
    }

    /// Whether nothing is heard and nothing waits, so that silence leaves all as it is.
    pub(in crate::leg) fn are_at_rest(&self) -> bool {
        let is_open = match &self.passage {
            Passage::Withheld(gate) => gate.is_open(),
            Passage::Heard(rendering) => rendering.is_silent(),
        };
        is_open
            && self.capture.is_none()
            && self.ended.is_none()
            && !self.events.is_held()
            && self.listener.is_at_rest()
            && self.collector.is_empty()
    }

    /// Begins a capture with the next tick. What is not needed is left in `capture`: the one before, which was told to
    /// stop, or the new one if that was not.
    pub(in crate::leg) fn start_capture(
        &mut self,
        capture: &mut Option<Box<Capture>>,
        tick: Tick,
    ) -> Result<(), Refusal> {
        if self.capture.as_ref().is_some_and(|before| !before.is_stopping()) {
            return Err(Refusal::Capturing);
        }
        let Some(begun) = capture else {
            return Ok(());
        };
        begun.begin(tick, self.collector.waiting(), self.capture.as_deref_mut());
        std::mem::swap(&mut self.capture, capture);
        self.listener.set_keen(true);
        match &mut self.passage {
            Passage::Withheld(gate) => *gate = Gate::default(),
            Passage::Heard(rendering) => rendering.stop(),
        }
        Ok(())
    }

    /// Ends the capture as soon as nothing of it is left.
    pub(in crate::leg) fn stop_capture(&mut self, now: Time) -> Result<(), Refusal> {
        let capture = self.capture.as_mut().filter(|capture| !capture.is_stopping());
        capture.ok_or(Refusal::NotCapturing)?.stop(now);
        Ok(())
    }

    /// The capture, whether it has ended or not: the leg goes.
    pub(in crate::leg) fn take_capture(&mut self) -> Option<Box<Capture>> {
        self.ended.take().or_else(|| self.capture.take())
    }

    /// The capture that has ended.
    pub(in crate::leg) fn take_ended_capture(&mut self) -> Option<Box<Capture>> {
        self.ended.take()
    }

    /// Whether a capture has ended and was not fetched.
    pub(in crate::leg) const fn has_ended_capture(&self) -> bool {
        self.ended.is_some()
    }

    /// Whether, since this was last asked, keys were captured.
    pub(in crate::leg) fn take_captured(&mut self) -> Option<CaptureId> {
        self.capture.as_mut()?.take_news()
    }

    /// How much later what is said is heard than it was played out.
    pub(in crate::leg) fn delay(&self) -> Duration {
        self.capture.as_ref().map_or(Duration::ZERO, |capture| capture.delay())
    }

    /// Gives the capture the keys that are its holder's.
    fn hand_over(&mut self, now: Time) {
        while let Some(capture) = self.capture.as_mut().filter(|capture| capture.takes_next())
            && let Some(mut press) = self.collector.poll(now)
        {
            capture.take_in(&press);
            press.digit.wipe();
        }
    }

    /// Lets go of a capture of which nothing is left.
    fn end_capture(&mut self, now: Time) {
        let Some(capture) = &mut self.capture else {
            return;
        };
        let is_down = self.events.is_held() || self.listener.sounding().is_some() || self.listener.suspects();
        if capture.ends(now, is_down, self.collector.waiting()) && self.ended.is_none() {
            self.ended = self.capture.take();
            self.listener.set_keen(false);
            self.events.forget_key();
        }
    }

    fn pass(&mut self, sound: Sound, frame: &mut Frame) -> Sound {
        match &mut self.passage {
            Passage::Withheld(gate) => {
                gate.pass(self.listener.suspects() || self.listener.sounding().is_some(), frame);
                sound
            }
            Passage::Heard(rendering) => {
                if sound == Sound::Silence {
                    frame.silence_at(frame.rate());
                }
                if rendering.sound(frame) { Sound::Voice } else { sound }
            }
        }
    }

    /// Whether there is a press to be given, or the news that there is one to be taken.
    pub(in crate::leg) fn is_ready(&self, now: Time) -> bool {
        match &self.capture {
            Some(capture) if capture.has_news() => true,
            Some(capture) if capture.takes_next() => false,
            Some(_) | None => self.collector.is_ready(now),
        }
    }

    /// The next press, if it is time to give it and it is not a capture's.
    pub(in crate::leg) fn poll(&mut self, now: Time) -> Option<PressedDigit> {
        match &mut self.capture {
            Some(capture) if capture.takes_next() => None,
            Some(capture) => {
                let press = self.collector.poll(now)?;
                capture.pass_by();
                Some(press)
            }
            None => self.collector.poll(now),
        }
    }

    /// Events that are no keys (flash hook, fax tones) are not reported.
    fn end_event(&mut self, ended: EndedEvent, now: Time, counters: &mut Counters) {
        if let (Passage::Heard(rendering), None) = (&mut self.passage, &self.capture) {
            rendering.release(ended.event);
        }
        let Some(digit) = Digit::from_event(ended.event) else {
            return;
        };
        let key = PressedDigit { digit, duration: ended.duration, method: DigitMethod::Event };
        counters.digits_dropped += u64::from(!self.collector.hear(key, now));
    }

    fn end_tone(&mut self, ended: Option<HeardKey>, now: Time, counters: &mut Counters) {
        if let Some(key) = ended.and_then(pressed) {
            counters.digits_dropped += u64::from(!self.collector.hear(key, now));
        }
    }
}

/// A key that was heard, as a press.
fn pressed(heard: HeardKey) -> Option<PressedDigit> {
    let digit = Digit::from_event(heard.event)?;
    Some(PressedDigit { digit, duration: heard.duration, method: DigitMethod::Tone })
}
