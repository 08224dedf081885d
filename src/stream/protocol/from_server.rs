//! What a server says to its stream: sound to be played, marks in it, and that what waits is to be thrown away.
//!
//! A stranger's bytes: one pass, no field is trusted, and what is kept of them is bounded.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::flaw::{Flaw, quoted};
use crate::sid::StreamSid;

/// The longest message that is read: ten minutes of sound at 8,000 bytes a second, which is as much as a stream may have
/// waiting, are 6.4 MB in Base64.
pub const MESSAGE_MAX: usize = 8 * 1024 * 1024;

/// The longest name of a mark, in bytes. It is kept until the sound before it has been played, and there may be thousands.
pub const MARK_NAME_MAX: usize = 1_024;

/// As the reference's servers write it, with padding or without, and whatever the last bits are.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What a server says.
#[derive(Clone, PartialEq, Eq)]
pub enum FromServer {
    /// Sound to be played behind what waits: mu-law at 8 kHz, of any length.
    Media(Vec<u8>),
    /// To be returned when what was sent before it has been played.
    Mark(String),
    /// Throw away what waits.
    Clear,
}

/// How much there is, never what.
impl fmt::Debug for FromServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Media(payload) => write!(f, "Media({} bytes)", payload.len()),
            Self::Mark(name) => write!(f, "Mark({} bytes)", name.len()),
            Self::Clear => f.write_str("Clear"),
        }
    }
}

/// A message that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What it says.
    pub message: FromServer,
    /// What is wrong with it all the same.
    pub flaw: Option<Flaw>,
}

/// Reads a message as it came, which is UTF-8 if it is one.
///
/// # Errors
/// When it cannot count.
pub fn read_bytes(bytes: &[u8], stream: StreamSid) -> Result<Received, Flaw> {
    let text = std::str::from_utf8(bytes).map_err(|error| Flaw::NotJson(error.to_string()))?;
    read(text, stream)
}

/// Reads a message to this stream.
///
/// # Errors
/// When it cannot count.
pub fn read(text: &str, stream: StreamSid) -> Result<Received, Flaw> {
    if text.len() > MESSAGE_MAX {
        return Err(Flaw::TooLong);
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => object.message(stream),
        Ok(Value::Text(_) | Value::Other) => Err(Flaw::NotJson("it is another value".to_owned())),
        Err(error) => Err(Flaw::NotJson(quoted(&error.to_string()))),
    }
}

/// The fields that messages have, and the objects in them.
const FIELDS: [&str; 6] = ["event", "streamSid", "media", "mark", "payload", "name"];

/// A value of JSON, as far as messages have any.
enum Value<'a> {
    Text(Cow<'a, str>),
    Object(Object<'a>),
    Other,
}

/// An object's fields, those that some message has.
#[derive(Default)]
struct Object<'a> {
    known: Vec<(&'static str, Value<'a>)>,
    /// The first of those that none has.
    extra: Option<String>,
    twice: Option<&'static str>,
}

impl<'a> Object<'a> {
    fn message(mut self, stream: StreamSid) -> Result<Received, Flaw> {
        self.once()?;
        let event = self.text("event", "event")?;
        let of_event = ["media", "mark", "clear"].into_iter().find(|known| *known == event);
        let of_event = of_event.ok_or_else(|| Flaw::UnknownEvent(quoted(&event)))?;
        if self.text("streamSid", "streamSid")?.parse() != Ok(stream) {
            return Err(Flaw::OtherStream);
        }
        let (message, inner) = match of_event {
            "media" => {
                let mut media = self.object("media")?;
                let payload = media.text("payload", "media.payload")?;
                let payload = BASE64.decode(payload.as_bytes()).map_err(|_| Flaw::Payload)?;
                (FromServer::Media(payload), Some(("media", media)))
            }
            "mark" => {
                let mut mark = self.object("mark")?;
                let name = mark.text("name", "mark.name")?;
                if name.len() > MARK_NAME_MAX {
                    return Err(Flaw::MarkName);
                }
                (FromServer::Mark(name.into_owned()), Some(("mark", mark)))
            }
            _ => (FromServer::Clear, None),
        };
        let within = |(of, object): (&str, Object<'_>)| object.rest().map(|field| format!("{of}.{field}"));
        let extra = self.rest().or_else(|| inner.and_then(within));
        Ok(Received { message, flaw: extra.map(Flaw::ExtraField) })
    }

    fn once(&self) -> Result<(), Flaw> {
        self.twice.map_or(Ok(()), |field| Err(Flaw::Twice(field)))
    }

    fn take(&mut self, name: &str) -> Option<Value<'a>> {
        let at = self.known.iter().position(|(known, _)| *known == name)?;
        Some(self.known.swap_remove(at).1)
    }

    /// A field that is a text; `path` is its name from the message's outside.
    fn text(&mut self, name: &str, path: &'static str) -> Result<Cow<'a, str>, Flaw> {
        match self.take(name) {
            Some(Value::Text(text)) => Ok(text),
            Some(Value::Object(_) | Value::Other) => Err(Flaw::WrongType { field: path, wanted: "a text" }),
            None => Err(Flaw::Missing(path)),
        }
    }

    fn object(&mut self, name: &'static str) -> Result<Self, Flaw> {
        match self.take(name) {
            Some(Value::Object(object)) => object.once().map(|()| object),
            Some(Value::Text(_) | Value::Other) => Err(Flaw::WrongType { field: name, wanted: "an object" }),
            None => Err(Flaw::Missing(name)),
        }
    }

    /// A field that nobody took.
    fn rest(self) -> Option<String> {
        self.extra.or_else(|| self.known.first().map(|(name, _)| (*name).to_owned()))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

/// Takes whatever there is, and keeps what messages have.
struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Value<'de>, A::Error> {
        while values.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value<'de>, A::Error> {
        let mut object = Object::default();
        while let Some(Name(name)) = fields.next_key()? {
            match FIELDS.into_iter().find(|known| *known == name) {
                Some(known) => {
                    let value = fields.next_value()?;
                    if object.known.iter().any(|(other, _)| *other == known) {
                        object.twice.get_or_insert(known);
                    } else {
                        object.known.push((known, value));
                    }
                }
                None => {
                    fields.next_value::<IgnoredAny>()?;
                    object.extra.get_or_insert_with(|| quoted(&name));
                }
            }
        }
        Ok(Value::Object(object))
    }
}

/// The name of a field, without a copy where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
