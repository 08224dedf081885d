//! What a stream's server is told: each message held against the protocol (order, numbers, times), each sound followed through
//! the round of whoever it should be of.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::fault::StreamFault;
use super::round::{Follower, PACKET, Round, canonical};

/// From one sound to the next, in ms.
const STEP_MS: u64 = 20;
/// What is told of one stream is enough to know what is wrong with it.
const FAULTS_MAX: usize = 16;

/// A message, as far as it is looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    event: &'a str,
    sequence_number: Option<&'a str>,
    stream_sid: Option<&'a str>,
    #[serde(borrow)]
    media: Option<Media<'a>>,
    start: Option<Start>,
    mark: Option<Mark>,
}

#[derive(Deserialize)]
struct Media<'a> {
    track: &'a str,
    chunk: &'a str,
    timestamp: &'a str,
    payload: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    tracks: Vec<String>,
    media_format: Format,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Format {
    encoding: String,
    sample_rate: u32,
    channels: u32,
}

#[derive(Deserialize)]
struct Mark {
    name: String,
}

/// What a server may have to do about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The stream has begun and is called this.
    Started(String),
    /// This mark came back.
    Mark(String),
    /// It is over.
    Stopped,
    /// Nothing.
    Other,
}

/// One direction of a call.
#[derive(Debug)]
pub(super) struct TrackEar {
    name: &'static str,
    round: Arc<Round>,
    pub(super) follower: Follower,
    /// When each sound came, and when it was said by its own word, in steps of 20 ms.
    pub(super) times: Vec<(i64, u64)>,
    chunk: u64,
    timestamp: Option<u64>,
    /// Sounds that its times leave out, and when.
    pub(super) missing: Vec<(i64, u64)>,
}

impl TrackEar {
    fn new(name: &'static str, round: Arc<Round>) -> Self {
        let follower = Follower::new(Arc::clone(&round));
        Self { name, round, follower, times: Vec::new(), chunk: 0, timestamp: None, missing: Vec::new() }
    }

    /// Whose voice is to be on it.
    pub(super) fn round(&self) -> &Arc<Round> {
        &self.round
    }

    fn hear(&mut self, media: &Media<'_>, at_ns: i64) -> Result<(), (StreamFault, String)> {
        let numbers = (media.chunk.parse(), media.timestamp.parse());
        let (Ok(chunk), Ok(timestamp)) = numbers else {
            let what = format!("chunk {:?}, timestamp {:?}", media.chunk, media.timestamp);
            return Err((StreamFault::Protocol, what));
        };
        let payload = STANDARD.decode(media.payload);
        let Some(sound) = payload.ok().filter(|payload| payload.len() == PACKET) else {
            return Err((StreamFault::Protocol, "a payload that is not 160 bytes in Base64".to_owned()));
        };
        let sound: Vec<u8> = sound.into_iter().map(canonical).collect();
        self.times.push((at_ns, timestamp / STEP_MS));
        self.follower.hear(at_ns, &sound);
        let wrong_time = self.pass_time(timestamp, at_ns);
        let before = std::mem::replace(&mut self.chunk, chunk);
        if chunk != before + 1 {
            let what = format!("the {} chunk {chunk} came behind {before}", self.name);
            return Err((StreamFault::Chunk, what));
        }
        wrong_time.map_or(Ok(()), |what| Err((StreamFault::Timestamp, what)))
    }

    /// Takes in the time of a sound; what is wrong with it. One that leaves sounds out is not wrong.
    fn pass_time(&mut self, timestamp: u64, at_ns: i64) -> Option<String> {
        let before = self.timestamp.replace(timestamp)?;
        let step = timestamp.checked_sub(before).filter(|step| *step > 0 && step.is_multiple_of(STEP_MS));
        match step {
            Some(STEP_MS) => None,
            Some(step) => {
                self.missing.push((at_ns, step / STEP_MS - 1));
                None
            }
            None => Some(format!("the {} timestamp {timestamp} came behind {before}", self.name)),
        }
    }
}

/// What one stream's server has been told.
#[derive(Debug)]
pub(super) struct StreamEar {
    pub(super) tracks: Vec<TrackEar>,
    /// WebSockets that were opened for it.
    pub(super) connections: u64,
    sid: Option<String>,
    sequence: u64,
    pub(super) messages: u64,
    pub(super) is_stopped: bool,
    /// What is wrong with what was told, the first of it.
    pub(super) faults: Vec<(StreamFault, String)>,
}

impl StreamEar {
    /// Of a stream with these tracks, and whose voice is on each.
    pub(super) fn new(tracks: Vec<(&'static str, Arc<Round>)>) -> Self {
        Self {
            tracks: tracks.into_iter().map(|(name, round)| TrackEar::new(name, round)).collect(),
            connections: 0,
            sid: None,
            sequence: 0,
            messages: 0,
            is_stopped: false,
            faults: Vec::new(),
        }
    }

    /// Another WebSocket was opened for it.
    pub(super) fn connected(&mut self) {
        self.connections += 1;
        (self.messages, self.sequence) = (0, 0);
    }

    /// Takes in a message that came.
    pub(super) fn hear(&mut self, text: &str, at_ns: i64) -> Event {
        self.messages += 1;
        match serde_json::from_str(text) {
            Ok(message) => self.take(&message, at_ns),
            Err(error) => {
                self.find(StreamFault::Protocol, format!("a message cannot be read: {error}"));
                Event::Other
            }
        }
    }

    fn take(&mut self, message: &Message<'_>, at_ns: i64) -> Event {
        let place = self.messages;
        let wanted = match place {
            1 => Some("connected"),
            2 => Some("start"),
            _ => None,
        };
        let is_opening = matches!(message.event, "connected" | "start");
        if wanted.map_or(is_opening, |wanted| message.event != wanted) || self.is_stopped {
            self.find(StreamFault::Protocol, format!("message {place} is {:?}", message.event));
        }
        if place > 1 {
            self.count(message);
        }
        match (message.event, &message.media, &message.start, &message.mark) {
            ("media", Some(media), _, _) => self.sound(media, at_ns),
            ("start", _, Some(start), _) => return self.starts(message, start),
            ("mark", _, _, Some(mark)) => return Event::Mark(mark.name.clone()),
            ("stop", ..) => {
                self.is_stopped = true;
                return Event::Stopped;
            }
            ("connected" | "dtmf", ..) => {}
            (other, ..) => self.find(StreamFault::Protocol, format!("{other:?} without what it is about")),
        }
        Event::Other
    }

    fn count(&mut self, message: &Message<'_>) {
        let number = message.sequence_number.and_then(|number| number.parse().ok());
        if number != Some(self.sequence + 1) {
            let what = format!("sequence number {:?} came behind {}", message.sequence_number, self.sequence);
            self.find(StreamFault::Sequence, what);
        }
        self.sequence = number.unwrap_or(self.sequence + 1);
        if message.event != "start" && message.stream_sid != self.sid.as_deref() {
            self.find(StreamFault::Protocol, format!("a message of the stream {:?}", message.stream_sid));
        }
    }

    fn starts(&mut self, message: &Message<'_>, start: &Start) -> Event {
        let Format { encoding, sample_rate, channels } = &start.media_format;
        if (encoding.as_str(), *sample_rate, *channels) != ("audio/x-mulaw", 8_000, 1) {
            self.find(StreamFault::Protocol, format!("{encoding}, {sample_rate} Hz, {channels} channels"));
        }
        if !self.tracks.iter().map(|track| track.name).eq(start.tracks.iter().map(String::as_str)) {
            self.find(StreamFault::Protocol, format!("it is said to have the tracks {:?}", start.tracks));
        }
        let sid = message.stream_sid.unwrap_or_default().to_owned();
        self.sid = Some(sid.clone());
        Event::Started(sid)
    }

    fn sound(&mut self, media: &Media<'_>, at_ns: i64) {
        let track = self.tracks.iter_mut().find(|track| track.name == media.track);
        let heard = match track {
            Some(track) => track.hear(media, at_ns),
            None => Err((StreamFault::Protocol, format!("a sound of the track {:?}", media.track))),
        };
        if let Err((fault, what)) = heard {
            self.find(fault, what);
        }
    }

    /// Notes something wrong.
    pub(super) fn find(&mut self, fault: StreamFault, what: String) {
        if self.faults.len() < FAULTS_MAX && self.faults.iter().all(|(known, _)| *known != fault) {
            self.faults.push((fault, what));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::round::Place;
    use super::*;
    use crate::load::floor::recording::{clicking, two_voices};
    use crate::load::floor::truth::Who;

    fn round() -> Arc<Round> {
        Arc::new(Round::of(&clicking(two_voices(3)[1], 1, (5, Who(1)))))
    }

    fn opened() -> StreamEar {
        let mut ear = StreamEar::new(vec![("inbound", round())]);
        ear.connected();
        ear.hear(r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#, 0);
        let format = json!({"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1});
        let start = json!({"event": "start", "sequenceNumber": "1", "streamSid": "MZ1",
            "start": {"tracks": ["inbound"], "mediaFormat": format}});
        assert_eq!(ear.hear(&start.to_string(), 0), Event::Started("MZ1".to_owned()));
        ear
    }

    /// The sound of this step in the message of this number.
    fn media(sequence: u64, chunk: u64, step: usize) -> String {
        let payload = STANDARD.encode(round().part(step * PACKET, PACKET));
        let media = json!({"track": "inbound", "chunk": chunk.to_string(),
            "timestamp": (step * 20).to_string(), "payload": payload});
        let sequence = sequence.to_string();
        json!({"event": "media", "sequenceNumber": sequence, "media": media, "streamSid": "MZ1"}).to_string()
    }

    #[test]
    fn a_stream_that_is_as_it_should_be_has_no_fault() {
        let mut ear = opened();
        (0..100).for_each(|n| drop(ear.hear(&media(n + 2, n + 1, n as usize), n as i64)));
        let mark =
            json!({"event": "mark", "sequenceNumber": "102", "streamSid": "MZ1", "mark": {"name": "m"}});
        assert_eq!(ear.hear(&mark.to_string(), 0), Event::Mark("m".to_owned()));
        let stop = r#"{"event":"stop","sequenceNumber":"103","stop":{},"streamSid":"MZ1"}"#;
        assert_eq!(ear.hear(stop, 0), Event::Stopped);
        assert_eq!(ear.faults, []);
        assert!(ear.is_stopped && ear.tracks[0].missing.is_empty());
        assert!(ear.tracks[0].follower.notes().iter().all(|note| matches!(note.place, Place::At(_))));
    }

    #[test]
    fn each_thing_that_is_wrong_is_named_and_a_gap_that_is_told_is_counted() {
        let faults = |messages: &[String]| {
            let mut ear = opened();
            messages.iter().for_each(|message| drop(ear.hear(message, 7)));
            let missing: u64 = ear.tracks[0].missing.iter().map(|(_, sounds)| sounds).sum();
            (ear.faults.iter().map(|(fault, _)| *fault).collect::<Vec<_>>(), missing)
        };
        let first = media(2, 1, 0);
        assert_eq!(faults(&[first.clone(), media(4, 2, 1)]), (vec![StreamFault::Sequence], 0));
        assert_eq!(faults(&[first.clone(), media(3, 3, 1)]), (vec![StreamFault::Chunk], 0));
        assert_eq!(faults(&[first.clone(), media(3, 2, 0)]), (vec![StreamFault::Timestamp], 0));
        assert_eq!(faults(&[first.clone(), media(3, 2, 6)]), (vec![], 5));
        assert_eq!(faults(&[first.clone(), media(3, 3, 2)]), (vec![StreamFault::Chunk], 1));
        for wrong in [
            first.replace("inbound", "outbound"),
            first.replace("MZ1", "MZ2"),
            first.replace("media", "medium"),
            first.replace("\"0\"", "\"now\""),
            first.replace("\"payload\":\"", "\"payload\":\"AAAA"),
            r#"{"event":"connected"}"#.to_owned(),
            "{".to_owned(),
        ] {
            assert!(faults(std::slice::from_ref(&wrong)).0.contains(&StreamFault::Protocol), "{wrong}");
        }
    }
}
