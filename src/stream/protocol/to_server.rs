//! What a stream tells its server. Each message is a struct whose fields are in the order in which they are written.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use confab_media::Digit;
use serde::{Serialize, Serializer};

use super::parameters::Parameters;
use crate::sid::{AccountSid, CallSid, StreamSid};

/// A direction of a call's sound, seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Track {
    /// What the far end says.
    Inbound,
    /// What the far end is told.
    Outbound,
}

impl Track {
    /// As the reference has it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }

    /// As a place in a table of both.
    pub const fn index(self) -> usize {
        match self {
            Self::Inbound => 0,
            Self::Outbound => 1,
        }
    }
}

/// Which of a call's sounds a stream carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tracks {
    /// What the far end says.
    #[default]
    Inbound,
    /// What it is told.
    Outbound,
    /// Both, each by itself.
    Both,
}

impl Tracks {
    /// The tracks of this word of the reference.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Inbound, Self::Outbound, Self::Both].into_iter().find(|tracks| tracks.word() == word)
    }

    /// As the reference has it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inbound => "inbound_track",
            Self::Outbound => "outbound_track",
            Self::Both => "both_tracks",
        }
    }

    /// Each by itself.
    pub const fn each(self) -> &'static [Track] {
        match self {
            Self::Inbound => &[Track::Inbound],
            Self::Outbound => &[Track::Outbound],
            Self::Both => &[Track::Inbound, Track::Outbound],
        }
    }

    /// Whether this is one of them.
    pub fn have(self, track: Track) -> bool {
        self.each().contains(&track)
    }
}

/// Whose stream it is, and what its server is told of it at first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Whose call.
    pub account: AccountSid,
    /// The call.
    pub call: CallSid,
    /// The stream.
    pub stream: StreamSid,
    /// What it carries.
    pub tracks: Tracks,
    /// What the application gave it on its way.
    pub parameters: Parameters,
}

/// Room for a sound's message without its payload: names and SID take 160, its three numbers seldom more than 24.
const MEDIA_LEN: usize = 192;

/// Writes the messages of one WebSocket, each with its number. The order is [`connected`](Self::connected),
/// [`start`](Self::start), then the others, [`stop`](Self::stop) at last.
#[derive(Clone, Debug)]
pub struct Writer {
    opening: Opening,
    /// What each sound ends with.
    media_end: String,
    /// Messages that had a number.
    sequence: u64,
    /// Of each track, the sounds that were sent.
    chunks: [u64; 2],
}

impl Writer {
    /// Has written nothing yet.
    pub fn new(opening: Opening) -> Self {
        let media_end = format!(r#""}},"streamSid":"{}"}}"#, opening.stream);
        Self { opening, media_end, sequence: 0, chunks: [0; 2] }
    }

    /// The same stream on another WebSocket: messages are numbered from one, sounds go on.
    #[must_use]
    pub fn reconnected(&self) -> Self {
        Self { sequence: 0, ..self.clone() }
    }

    /// Whose stream it is.
    pub const fn opening(&self) -> &Opening {
        &self.opening
    }

    /// The first message, which has no number.
    pub fn connected(&self) -> String {
        written(&Connected { event: "connected", protocol: "Call", version: "1.0.0" })
    }

    /// Whose stream it is.
    pub fn start(&mut self) -> String {
        let sequence_number = self.number();
        let Opening { account, call, stream, tracks, parameters } = &self.opening;
        let start = StartBody {
            account_sid: *account,
            stream_sid: *stream,
            call_sid: *call,
            tracks: tracks.each(),
            media_format: MediaFormat { encoding: "audio/x-mulaw", sample_rate: 8_000, channels: 1 },
            custom_parameters: parameters,
        };
        written(&Start { event: "start", sequence_number, start, stream_sid: *stream })
    }

    /// Sound of one direction, in mu-law at 8 kHz; `timestamp` is its beginning, in milliseconds since the stream's.
    ///
    /// Nearly all messages are of this kind, so it is put together from pieces: there is nothing to be escaped in it.
    pub fn media(&mut self, track: Track, timestamp: u64, payload: &[u8]) -> String {
        let Text(sequence) = self.number();
        let chunk = &mut self.chunks[track.index()];
        *chunk += 1;
        let mut text = String::with_capacity(MEDIA_LEN + payload.len() * 4 / 3);
        let [mut sequence_text, mut chunk_text, mut timestamp_text] = [itoa::Buffer::new(); 3];
        for piece in [
            r#"{"event":"media","sequenceNumber":""#,
            sequence_text.format(sequence),
            r#"","media":{"track":""#,
            track.word(),
            r#"","chunk":""#,
            chunk_text.format(*chunk),
            r#"","timestamp":""#,
            timestamp_text.format(timestamp),
            r#"","payload":""#,
        ] {
            text.push_str(piece);
        }
        STANDARD.encode_string(payload, &mut text);
        text.push_str(&self.media_end);
        text
    }

    /// A key that the far end pressed.
    pub fn dtmf(&mut self, digit: Digit) -> String {
        let sequence_number = self.number();
        let dtmf = DtmfBody { track: Tracks::Inbound.word(), digit: digit.expose() };
        written(&Dtmf { event: "dtmf", stream_sid: self.opening.stream, sequence_number, dtmf })
    }

    /// What was sent before this mark has been played, or thrown away.
    pub fn mark(&mut self, name: &str) -> String {
        let sequence_number = self.number();
        let stream_sid = self.opening.stream;
        written(&Mark { event: "mark", sequence_number, stream_sid, mark: MarkBody { name } })
    }

    /// The last message.
    pub fn stop(&mut self) -> String {
        let sequence_number = self.number();
        let Opening { account, call, stream, .. } = &self.opening;
        let stop = StopBody { account_sid: *account, call_sid: *call };
        written(&Stop { event: "stop", sequence_number, stop, stream_sid: *stream })
    }

    const fn number(&mut self) -> Text {
        self.sequence += 1;
        Text(self.sequence)
    }
}

fn written(message: &impl Serialize) -> String {
    serde_json::to_string(message).expect("texts and numbers can be written as JSON")
}

/// A number that is written as a text.
struct Text(u64);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[derive(Serialize)]
struct Connected {
    event: &'static str,
    protocol: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Start<'a> {
    event: &'static str,
    sequence_number: Text,
    start: StartBody<'a>,
    stream_sid: StreamSid,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StartBody<'a> {
    account_sid: AccountSid,
    stream_sid: StreamSid,
    call_sid: CallSid,
    tracks: &'static [Track],
    media_format: MediaFormat,
    custom_parameters: &'a Parameters,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MediaFormat {
    encoding: &'static str,
    sample_rate: u32,
    channels: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dtmf {
    event: &'static str,
    stream_sid: StreamSid,
    sequence_number: Text,
    dtmf: DtmfBody,
}

#[derive(Serialize)]
struct DtmfBody {
    track: &'static str,
    digit: char,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Mark<'a> {
    event: &'static str,
    sequence_number: Text,
    stream_sid: StreamSid,
    mark: MarkBody<'a>,
}

#[derive(Serialize)]
struct MarkBody<'a> {
    name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stop {
    event: &'static str,
    sequence_number: Text,
    stop: StopBody,
    stream_sid: StreamSid,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StopBody {
    account_sid: AccountSid,
    call_sid: CallSid,
}
