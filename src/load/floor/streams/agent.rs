//! What an agent at the other end of a talking stream does: says a sentence in pieces of any length, with a mark behind it; waits
//! until the mark is back; now and then changes its mind in the middle of a sentence (`clear`).

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::line::Line;
use super::round::{PACKET, Round};
use super::sentences::{EDGE, Sentence};
use crate::load::network::Random;
use crate::load::wire;

/// A sentence in samples: half a second to a second and a half.
const LEN: std::ops::Range<u64> = 4_000..12_000;
/// One that is to be cleared is as much longer.
const CLEARED_LONGER: u64 = 8_000;
/// When it is cleared: while it is heard.
const CLEAR_AFTER_MS: std::ops::Range<u64> = 200..700;
/// Between two sentences.
const PAUSE_MS: std::ops::Range<u64> = 150..350;
/// The first piece of a sentence has so much, that nothing is missing while the others come.
const FIRST_PIECE: usize = 2_400;
/// The others have up to so much.
const PIECE_MAX: u64 = 1_000;
/// A mark that does not come back within so long after its sentence is lost.
const MARK_PATIENCE: Duration = Duration::from_secs(5);

/// What became of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) sentence: Sentence,
    /// When it was cleared, if it was, just before that was sent.
    pub(super) cleared_ns: Option<i64>,
    /// When its mark came back.
    pub(super) mark_ns: Option<i64>,
    /// Whether that was waited for to its end.
    pub(super) is_over: bool,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Speak,
    Clear,
    GiveUp,
}

/// One agent.
#[derive(Debug)]
pub(super) struct Agent {
    round: Arc<Round>,
    line: Arc<Line>,
    random: Random,
    stream: String,
    /// Where in the round the next sentence begins.
    place: usize,
    pub(super) said: Vec<Said>,
    next: Next,
}

impl Agent {
    /// One that says this to whoever has that line.
    pub(super) fn new(round: Arc<Round>, line: Arc<Line>, seed: u64) -> Self {
        let (random, stream) = (Random(seed), String::new());
        Self { round, line, random, stream, place: 0, said: Vec::new(), next: Next::Speak }
    }

    /// The stream is there: when something is to be done.
    pub(super) fn begin(&mut self, stream: String) -> Duration {
        self.stream = stream;
        self.pause()
    }

    /// Does what is next: what is to be sent, and when something is to be done again.
    pub(super) fn act(&mut self) -> (Vec<String>, Duration) {
        match self.next {
            Next::Speak => self.speak(),
            Next::Clear => {
                let now = wire::monotonic_ns();
                if let Some(said) = self.said.last_mut() {
                    said.cleared_ns = Some(now);
                }
                self.next = Next::GiveUp;
                let clear = json!({"event": "clear", "streamSid": self.stream});
                (vec![clear.to_string()], MARK_PATIENCE)
            }
            Next::GiveUp => {
                if let Some(said) = self.said.last_mut() {
                    said.is_over = true;
                }
                (Vec::new(), self.pause())
            }
        }
    }

    /// A mark came back: when something is to be done, if that is its business.
    pub(super) fn hear_mark(&mut self, name: &str, at_ns: i64) -> Option<Duration> {
        let said = self.said.last_mut().filter(|said| said.sentence.number.to_string() == name)?;
        said.mark_ns.get_or_insert(at_ns);
        said.is_over = true;
        Some(self.pause())
    }

    fn pause(&mut self) -> Duration {
        self.next = Next::Speak;
        Duration::from_millis(self.within(PAUSE_MS))
    }

    fn within(&mut self, range: std::ops::Range<u64>) -> u64 {
        range.start + self.random.next() % (range.end - range.start)
    }

    fn speak(&mut self) -> (Vec<String>, Duration) {
        let is_cleared = self.random.next() % 2 == 1;
        let len = self.within(LEN) + if is_cleared { CLEARED_LONGER } else { 0 };
        let len = len as usize;
        let start = self.round.packet_with_click(self.place, EDGE);
        let sentence = Sentence { number: self.said.len(), start, len };
        self.place = (start + len.next_multiple_of(PACKET)) % self.round.len();
        // Before it is sent: it may be heard at once.
        self.line.expect(sentence);
        self.said.push(Said { sentence, cleared_ns: None, mark_ns: None, is_over: false });
        let messages = self.messages(sentence);
        if is_cleared {
            self.next = Next::Clear;
            return (messages, Duration::from_millis(self.within(CLEAR_AFTER_MS)));
        }
        self.next = Next::GiveUp;
        (messages, Duration::from_millis(len as u64 / 8) + MARK_PATIENCE)
    }

    /// A sentence in pieces, and its mark.
    fn messages(&mut self, sentence: Sentence) -> Vec<String> {
        let sound = self.round.part(sentence.start, sentence.len);
        let (mut messages, mut at, mut piece) = (Vec::new(), 0, FIRST_PIECE);
        while at < sound.len() {
            let part = &sound[at..sound.len().min(at + piece)];
            let media = json!({"payload": STANDARD.encode(part)});
            messages.push(json!({"event": "media", "streamSid": self.stream, "media": media}).to_string());
            at += part.len();
            piece = self.within(1..PIECE_MAX) as usize;
        }
        let mark = json!({"name": sentence.number.to_string()});
        messages.push(json!({"event": "mark", "streamSid": self.stream, "mark": mark}).to_string());
        messages
    }
}
