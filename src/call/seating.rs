//! How somebody sits in a conference, and how that may change: tones, what they hear while they wait or are on hold, whom
//! they coach, and who is told of the conference.

use super::sid::CallSid;
use super::voice::VoiceUrl;

/// When all in the conference hear a tone of a participant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beep {
    /// As they come.
    pub on_enter: bool,
    /// As they go.
    pub on_exit: bool,
}

impl Beep {
    /// As they come and as they go.
    pub const BOTH: Self = Self { on_enter: true, on_exit: true };
    /// Never.
    pub const NEVER: Self = Self { on_enter: false, on_exit: false };

    /// All of them, as they are written.
    pub const WRITTEN: [(&str, Self); 4] = [
        ("true", Self::BOTH),
        ("false", Self::NEVER),
        ("onEnter", Self { on_enter: true, on_exit: false }),
        ("onExit", Self { on_enter: false, on_exit: true }),
    ];
}

/// The longest label, in characters.
const LABEL_MAX: usize = 128;

/// Whether a participant can be called so: it must not be taken for a call's SID, nor split the path of a request.
pub fn is_label(text: &str) -> bool {
    let has_slash = text.contains('/') || text.to_ascii_lowercase().contains("%2f");
    (1..=LABEL_MAX).contains(&text.chars().count())
        && !has_slash
        && !text.chars().any(char::is_control)
        && text.parse::<CallSid>().is_err()
}

/// What somebody hears instead of the conference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SeatSound {
    /// The music that is built in.
    #[default]
    Music,
    /// Nothing.
    Silence,
    /// A sound, or a document that plays some.
    At(VoiceUrl),
}

/// Who is told what happens in a conference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConferenceCallback {
    /// Where.
    pub url: VoiceUrl,
    /// Of what.
    pub events: ConferenceWords,
}

/// A kind of thing that happens in a conference, as one may ask to be told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConferenceWord {
    /// It started.
    Start,
    /// It ended.
    End,
    /// Somebody came.
    Join,
    /// Somebody left.
    Leave,
    /// Somebody was muted, or unmuted.
    Mute,
    /// Somebody was put on hold, or taken off.
    Hold,
    /// How somebody sits was changed otherwise.
    Modify,
    /// Somebody began to speak, or stopped.
    Speaker,
    /// An announcement was made, or failed.
    Announcement,
}

impl ConferenceWord {
    /// All of them, as they are written.
    pub const WRITTEN: [(&str, Self); 9] = [
        ("start", Self::Start),
        ("end", Self::End),
        ("join", Self::Join),
        ("leave", Self::Leave),
        ("mute", Self::Mute),
        ("hold", Self::Hold),
        ("modify", Self::Modify),
        ("speaker", Self::Speaker),
        ("announcement", Self::Announcement),
    ];

    /// The one that is written so.
    pub fn parse(word: &str) -> Option<Self> {
        Self::WRITTEN.into_iter().find(|(written, _)| *written == word).map(|(_, word)| word)
    }
}

/// A set of [`ConferenceWord`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConferenceWords(u16);

impl ConferenceWords {
    /// Whether this is among them.
    pub const fn contains(self, word: ConferenceWord) -> bool {
        self.0 & (1 << word as u16) != 0
    }
}

impl FromIterator<ConferenceWord> for ConferenceWords {
    fn from_iter<I: IntoIterator<Item = ConferenceWord>>(words: I) -> Self {
        Self(words.into_iter().fold(0, |set, word| set | 1 << word as u16))
    }
}

/// What is to be otherwise with somebody who sits in a conference. What is not there stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeatChange {
    /// Nobody hears them.
    pub muted: Option<bool>,
    /// They hear something else than the conference, and nobody hears them.
    pub hold: Option<bool>,
    /// What they hear on hold.
    pub hold_sound: Option<SeatSound>,
    /// What they are told, alone, once.
    pub announce: Option<VoiceUrl>,
    /// What they hear until the conference starts.
    pub wait: Option<SeatSound>,
    /// All hear a tone as they go.
    pub beep_on_exit: Option<bool>,
    /// The conference ends when they leave.
    pub end_on_exit: Option<bool>,
    /// Whom they coach.
    pub coaching: Option<CoachChange>,
}

/// Whom a participant coaches from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoachChange {
    /// Nobody: all hear them.
    Nobody,
    /// Only this call hears them.
    Of(CallSid),
}
