//! In which ways a stream may be wrong.

use serde::Serialize;

/// In which way a stream is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamFault {
    /// It never came.
    NotOpened,
    /// It came more than once.
    OpenedAgain,
    /// Its server was not told that it is over.
    NotStopped,
    /// Messages are not those of the protocol, or not in its order.
    Protocol,
    /// Messages are not numbered one after the other.
    Sequence,
    /// Sounds are not.
    Chunk,
    /// A time is not that of the next sound, or of a later one.
    Timestamp,
    /// Its times say that sound is missing.
    Gap,
    /// It carries somebody else's voice.
    ForeignVoice,
    /// Its sound is silence where somebody spoke.
    SoundMissing,
    /// Its sound is not what was said, sample for sample.
    Altered,
    /// What its server said is not what the caller heard.
    AgentAltered,
    /// The caller heard something that its server had not said, or had cleared.
    AgentStray,
    /// A sentence of its server was not heard.
    SentenceMissing,
    /// A mark did not come back.
    MarkMissing,
    /// A mark came back more than a frame off the packet with the last sample before it.
    MarkOff,
    /// A clear took longer than a frame to be silence.
    ClearSlow,
    /// Sound took longer to its message than it should.
    MessageSlow,
    /// Packets or messages come too late too often.
    Late,
}

impl StreamFault {
    pub(in crate::load::floor) const fn words(self) -> &'static str {
        match self {
            Self::NotOpened => "a stream never came",
            Self::OpenedAgain => "a stream came more than once",
            Self::NotStopped => "the server of a stream was not told that it is over",
            Self::Protocol => "a stream does not keep to the protocol",
            Self::Sequence => "the messages of a stream are not numbered one after the other",
            Self::Chunk => "the sounds of a stream are not numbered one after the other",
            Self::Timestamp => "the times of a stream do not go on",
            Self::Gap => "sound of a stream was dropped",
            Self::ForeignVoice => "a stream carries somebody else's voice",
            Self::SoundMissing => "a stream is silent where somebody spoke",
            Self::Altered => "a stream is not what was said",
            Self::AgentAltered => "a caller does not hear what the server of their stream said",
            Self::AgentStray => "a caller hears what the server of their stream did not say, or cleared",
            Self::SentenceMissing => "a caller does not hear all that the server of their stream said",
            Self::MarkMissing => "a mark did not come back",
            Self::MarkOff => "marks come back at another time than their sound",
            Self::ClearSlow => "a clear takes too long to be silence",
            Self::MessageSlow => "sound takes too long to its message",
            Self::Late => "sound comes late",
        }
    }
}
