//! The codes of everything that can be wrong in a call script, as Twilio's dictionary numbers them: what a user finds
//! about a code there applies here.

/// What was wrong, as a number that stays the same.
pub type Code = u32;

/// A URL that cannot be read.
pub const BAD_URL: Code = 11_100;
/// A document over 64 kB.
pub const TOO_LARGE: Code = 11_750;
/// Not XML, or XML that is not read here.
pub const NOT_XML: Code = 12_100;
/// The root is not `Response`.
pub const WRONG_ROOT: Code = 12_102;
/// An element, attribute or text that has no place, or a value that has no code of its own.
pub const SCHEMA: Code = 12_200;
/// Nouns that cannot be dialled at once.
pub const MIXED_NOUNS: Code = 13_000;
/// Dial on a leg that was dialled.
pub const DIAL_ON_CALLED_LEG: Code = 13_201;

// `Dial`, in the order of the dictionary.
pub(super) const DIAL_METHOD: Code = 13_210;
pub(super) const DIAL_TIMEOUT: Code = 13_212;
pub(super) const DIAL_HANG_UP_ON_STAR: Code = 13_213;
pub(super) const DIAL_CALLER_ID: Code = 13_214;
pub(super) const DIAL_NESTED: Code = 13_215;
pub(super) const DIAL_TIME_LIMIT: Code = 13_216;
pub(super) const DIAL_RECORD: Code = 13_217;
pub(super) const NUMBER_METHOD: Code = 13_221;
pub(super) const NUMBER_SEND_DIGITS: Code = 13_222;
pub(super) const NUMBER_FORMAT: Code = 13_223;
/// A far end that cannot be sent elsewhere.
pub(super) const CANNOT_REFER: Code = 13_801;
/// A trunk that is not there.
pub(super) const NO_TRUNK: Code = 21_300;
pub(super) const CONFERENCE_MUTED: Code = 13_230;
pub(super) const CONFERENCE_END_ON_EXIT: Code = 13_231;
pub(super) const CONFERENCE_START_ON_ENTER: Code = 13_232;
pub(super) const CONFERENCE_WAIT_METHOD: Code = 13_234;
pub(super) const CONFERENCE_BEEP: Code = 13_235;
pub(super) const CONFERENCE_NAME: Code = 13_237;
/// A verb that those who wait, are on hold or are told something cannot have.
pub const NOT_FOR_LISTENING: Code = 13_238;
pub(super) const CONFERENCE_TRIM: Code = 13_239;
pub(super) const CONFERENCE_COACH: Code = 13_240;
pub(super) const SIP_METHOD: Code = 13_241;
pub(super) const SIP_URI: Code = 13_243;
pub(super) const TOO_MANY_TARGETS: Code = 13_250;
pub(super) const SIP_HEADER_NAME: Code = 13_252;
pub(super) const SIP_HEADER_LENGTH: Code = 13_253;

// `Gather`.
pub(super) const GATHER_FINISH_KEY: Code = 13_310;
pub(super) const GATHER_FINISH_KEYS: Code = 13_311;
pub(super) const GATHER_METHOD: Code = 13_312;
pub(super) const GATHER_TIMEOUT: Code = 13_313;
pub(super) const GATHER_NUM_DIGITS: Code = 13_314;
pub(super) const GATHER_NESTED: Code = 13_320;

// The other verbs.
pub(super) const PLAY_LOOP: Code = 13_410;
pub(super) const PLAY_DIGITS: Code = 13_430;
pub(super) const SAY_LOOP: Code = 13_510;
pub(super) const SAY_TEXT: Code = 13_520;
pub(super) const SAY_TOO_LONG: Code = 13_521;
pub(super) const RECORD_METHOD: Code = 13_610;
pub(super) const RECORD_TIMEOUT: Code = 13_611;
pub(super) const RECORD_MAX_LENGTH: Code = 13_612;
pub(super) const RECORD_FINISH_KEY: Code = 13_613;
pub(super) const RECORD_TRANSCRIBE: Code = 13_614;
pub(super) const RECORD_TRANSCRIBE_LENGTH: Code = 13_615;
pub(super) const RECORD_BEEP: Code = 13_616;
pub(super) const RECORDING_EVENT: Code = 13_621;
pub(super) const RECORDING_TRACK: Code = 13_622;
pub(super) const RECORD_TRIM: Code = 13_699;
pub(super) const REDIRECT_METHOD: Code = 13_710;
pub(super) const REJECT: Code = 13_810;
pub(super) const PAUSE_LENGTH: Code = 13_910;
pub(super) const ENQUEUE_METHOD: Code = 14_201;
pub(super) const ENQUEUE_NAME_SHORT: Code = 14_204;
pub(super) const ENQUEUE_NAME_LONG: Code = 14_205;
pub(super) const ENQUEUE_WAIT_METHOD: Code = 14_206;
pub(super) const QUEUE_METHOD: Code = 14_210;
pub(super) const QUEUE_NAME_SHORT: Code = 14_212;
pub(super) const QUEUE_NAME_LONG: Code = 14_213;
/// A relative URL in a document that has no URL itself.
pub const RELATIVE_IN_INLINE: Code = 15_004;
/// As many recordings of the call as may be.
pub const RECORDINGS_FULL: Code = 16_108;
/// As many tracks of the call are streamed as may be, or a track that is none.
pub(super) const STREAM_TRACK: Code = 31_941;
/// A stream's URL that is missing.
pub(super) const STREAM_URL: Code = 31_923;
pub(super) const PARTICIPANT_LABEL: Code = 16_023;
pub(super) const PARTICIPANT_LABEL_IN_USE: Code = 16_025;
/// A document of over 4,000 characters in a parameter.
pub const INLINE_TOO_LONG: Code = 32_018;
