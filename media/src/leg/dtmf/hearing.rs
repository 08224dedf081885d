//! The keys that a far end presses, in whichever ways it tells them, and what others hear of them.

use super::collector::{DigitCollector, DigitMethod, PressedDigit};
use super::passage::{DigitPassage, Gate, Rendering};
use crate::command::LegMedia;
use crate::dsp::goertzel::{HeardKey, KeyListener};
use crate::event::Digit;
use crate::frame::Frame;
use crate::playout::Sound;
use crate::rtp::{DigitReceiver, EndedEvent, PacketView};
use crate::stats::Counters;
use crate::time::Time;

/// The keys of one leg. All its memory is inside, or came when it was built.
pub(in crate::leg) struct Keys {
    events: DigitReceiver,
    listener: KeyListener,
    collector: DigitCollector,
    passage: Passage,
    /// Streams that the playout had begun when it was listened to last.
    streams: u64,
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
        if let (Passage::Heard(rendering), Some(event)) = (&mut self.passage, self.events.held()) {
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
        sound: Sound,
        frame: &mut Frame,
        counters: &mut Counters,
    ) -> Sound {
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
        self.pass(sound, frame)
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

    /// Whether there is a press to be given.
    pub(in crate::leg) fn is_ready(&self, now: Time) -> bool {
        self.collector.is_ready(now)
    }

    /// The next press, if it is time to give it.
    pub(in crate::leg) fn poll(&mut self, now: Time) -> Option<PressedDigit> {
        self.collector.poll(now)
    }

    /// Events that are no keys (flash hook, fax tones) are not reported.
    fn end_event(&mut self, ended: EndedEvent, now: Time, counters: &mut Counters) {
        if let Passage::Heard(rendering) = &mut self.passage {
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
