//! Start, Stop and Connect: what goes on beside a script, or takes its place. Recordings and streams are started and
//! stopped; other nouns are passed over with a warning: none is supported.

use super::recording::{RecordingChannels, RecordingStatus, RecordingTrack, Trim};
use super::stream::StreamNoun;
use crate::script::code::{RECORD_TRIM, SCHEMA};
use crate::script::element::Element;
use crate::script::target::Callback;

/// A Start, Stop or Connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaVerb {
    /// Who is told when it ends; Stop has none.
    pub action: Option<Callback>,
    /// What is started or stopped.
    pub nouns: Vec<MediaNoun>,
}

/// Something that is started or stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaNoun {
    /// A recording of the call.
    Recording(StartedRecording),
    /// The end of the recording that was started by this name.
    RecordingStop(String),
    /// A stream of the call to a server.
    Stream(StreamNoun),
    /// The end of the stream of this name.
    StreamStop(String),
}

/// A recording that goes on beside the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartedRecording {
    /// By which it can be stopped.
    pub name: Option<String>,
    /// Which direction.
    pub track: RecordingTrack,
    /// One track, or one for each direction.
    pub channels: RecordingChannels,
    /// Whether silence is cut off.
    pub trim: Trim,
    /// Who is told of it.
    pub status: Option<RecordingStatus>,
}

impl MediaVerb {
    pub(super) fn read(element: &Element<'_, '_>) -> Self {
        let has_action = element.name() != "Stop";
        let action = has_action.then(|| element.callback("action", "method", SCHEMA)).flatten();
        element.finish();
        element.no_text();
        let nouns = element.children().filter_map(|child| MediaNoun::read(element.name(), &child)).collect();
        Self { action, nouns }
    }
}

impl MediaNoun {
    fn read(verb: &str, noun: &Element<'_, '_>) -> Option<Self> {
        match (verb, noun.name()) {
            ("Start", "Recording") => Some(Self::Recording(StartedRecording::read(noun))),
            ("Connect", "Stream") => StreamNoun::read_connected(noun).map(Self::Stream),
            ("Start", "Stream") => StreamNoun::read(noun).map(Self::Stream),
            ("Stop", "Recording") => name_to_stop(noun).map(Self::RecordingStop),
            ("Stop", "Stream") => name_to_stop(noun).map(Self::StreamStop),
            _ => {
                noun.warn(SCHEMA, &format!("within <{verb}> is not supported; it is skipped."));
                None
            }
        }
    }
}

fn name_to_stop(noun: &Element<'_, '_>) -> Option<String> {
    let name = noun.words("name");
    noun.finish();
    if name.is_none() {
        noun.warn(SCHEMA, "has no name, so nobody knows which to stop; it is skipped.");
    }
    name
}

impl StartedRecording {
    fn read(noun: &Element<'_, '_>) -> Self {
        let channels = [("mono", RecordingChannels::Mono), ("dual", RecordingChannels::Dual)];
        let recording = Self {
            name: noun.words("name"),
            track: RecordingTrack::read(noun, "track"),
            channels: noun.choice("channels", RecordingChannels::Dual, SCHEMA, &channels),
            trim: Trim::read(noun, Trim::Silence, RECORD_TRIM),
            status: RecordingStatus::read(noun),
        };
        noun.pass_over(&["recordingConfigurationId"]);
        noun.finish();
        noun.no_children();
        noun.no_text();
        recording
    }
}
