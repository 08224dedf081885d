//! The form bodies of the API as the document describes them. Nothing is read into these: the handlers read their
//! parameters one by one, to say what is wrong with each, and a test compares what they read with what is here.
//!
//! What is refused whenever it is given is not here. What may be given several times is an array.
#![expect(dead_code, reason = "only their schemas are used")]

use utoipa::ToSchema;

/// The method of a request to an application.
#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
pub(super) enum WebhookMethod {
    Get,
    Post,
}

/// A status that an account is given.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum AccountState {
    Active,
    Suspended,
    /// For good; its numbers are given up.
    Closed,
}

#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub(in super::super) struct NewAccount {
    /// At most 64 characters on one line.
    friendly_name: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub(in super::super) struct AccountUpdate {
    /// At most 64 characters on one line.
    friendly_name: Option<String>,
    status: Option<AccountState>,
}

/// What a key may do.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum KeyType {
    /// What its account may, except manage accounts and keys.
    Standard,
    /// That too.
    Main,
}

#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub(in super::super) struct NewKey {
    /// At most 64 characters on one line.
    friendly_name: Option<String>,
    /// An own addition.
    key_type: Option<KeyType>,
}

#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub(in super::super) struct KeyUpdate {
    /// At most 64 characters on one line.
    friendly_name: Option<String>,
}

/// An application, or how it is changed.
#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub(in super::super) struct ApplicationForm {
    /// At most 64 characters on one line.
    friendly_name: Option<String>,
    #[schema(inline)]
    #[serde(flatten)]
    voice: VoiceForm,
    /// It is kept and does nothing.
    public_application_connect_enabled: Option<bool>,
}

/// Where calls ask.
#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
struct VoiceForm {
    /// Only `2010-04-01`.
    api_version: Option<String>,
    /// Where the script of a call is asked for.
    voice_url: Option<String>,
    /// POST unless given.
    voice_method: Option<WebhookMethod>,
    /// Where it is asked for if it cannot be had at `VoiceUrl`.
    voice_fallback_url: Option<String>,
    voice_fallback_method: Option<WebhookMethod>,
    /// Told when a call is over.
    status_callback: Option<String>,
    status_callback_method: Option<WebhookMethod>,
    /// It is kept and does nothing.
    voice_caller_id_lookup: Option<bool>,
}

#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub(in super::super) struct NewNumber {
    /// In E.164: the number that your carrier routes to this node.
    phone_number: String,
    /// Not possible without `PhoneNumber`, as there is no stock to choose from, and ignored beside it.
    area_code: Option<String>,
    #[schema(inline)]
    #[serde(flatten)]
    settings: NumberForm,
}

#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub(in super::super) struct NumberUpdate {
    /// The account that it is moved to; only the main account may.
    account_sid: Option<String>,
    #[schema(inline)]
    #[serde(flatten)]
    settings: NumberForm,
}

/// What a call to a number does.
#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
struct NumberForm {
    /// At most 64 characters on one line.
    friendly_name: Option<String>,
    #[schema(inline)]
    #[serde(flatten)]
    voice: VoiceForm,
    /// The application that says what calls do, in place of the number's own URLs.
    voice_application_sid: Option<String>,
    /// Only `voice`.
    voice_receive_mode: Option<String>,
    /// Only `Inactive`.
    emergency_status: Option<String>,
}

/// A step of a call that somebody is told of.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum CallStep {
    Initiated,
    Ringing,
    Answered,
    Completed,
}

/// Whom to call, as whom, for how long, and who is told.
#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
struct LegForm {
    /// A number in E.164, a SIP URI, or `client:NAME`.
    to: String,
    /// A number, a SIP URI, an agent or a name, of at most 255 letters.
    from: String,
    /// What is shown in place of `From`.
    caller_id: Option<String>,
    /// 2 to 255 characters.
    caller_display_name: Option<String>,
    /// With `SipAuthPassword`, for the challenge of a SIP URI.
    sip_auth_username: Option<String>,
    #[schema(format = Password)]
    sip_auth_password: Option<String>,
    /// How long it rings, in seconds; 60 unless given.
    #[schema(minimum = 1, maximum = 600)]
    timeout: Option<u32>,
    /// How long it may last once it is answered, in seconds.
    #[schema(minimum = 1, maximum = 86_400)]
    time_limit: Option<u32>,
    /// Keys and waits, sent when it is answered.
    #[schema(max_length = 32)]
    send_digits: Option<String>,
    status_callback: Option<String>,
    status_callback_method: Option<WebhookMethod>,
    /// Which steps are told, of `completed` alone unless given. The parameter may be repeated.
    status_callback_event: Option<Vec<CallStep>>,
    /// Why they are called; told to them in SIP.
    #[schema(max_length = 50)]
    call_reason: Option<String>,
    /// What a webhook of a call that came in said; `From` must be who called there.
    call_token: Option<String>,
    /// The trunk that alone a number may go over, by its name or its `byoc_sid`.
    byoc: Option<String>,
    /// Told that an agent is called, to wake their phone; one without a phone is waited for.
    client_notification_url: Option<String>,
    /// Whether it is recorded from its answer on; what else is said of recordings counts only then.
    record: Option<bool>,
    #[schema(inline)]
    #[serde(flatten)]
    recording: NewRecording,
}

/// Of how many tracks a recording is.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum RecordingChannels {
    Mono,
    Dual,
}

/// Whom a recording hears, seen from the node.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum RecordedTrack {
    Inbound,
    Outbound,
    Both,
}

/// Whether silence is cut off at both ends.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(super) enum TrimWord {
    TrimSilence,
    DoNotTrim,
}

/// What of a recording somebody is told of.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(super) enum RecordingNews {
    InProgress,
    Completed,
    Absent,
    /// Another word for `in-progress`, told besides.
    Started,
    Paused,
    Resumed,
    Stopped,
    /// Another word for `absent`.
    Failed,
}

/// How somebody is recorded.
#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub(in super::super) struct NewRecording {
    /// Mono unless given.
    recording_channels: Option<RecordingChannels>,
    /// Both unless given.
    recording_track: Option<RecordedTrack>,
    trim: Option<TrimWord>,
    recording_status_callback: Option<String>,
    recording_status_callback_method: Option<WebhookMethod>,
    /// `completed` unless given. The parameter may be repeated.
    recording_status_callback_event: Option<Vec<RecordingNews>>,
}

/// Which of a call's sounds a server hears.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum StreamTracks {
    /// What the far end says.
    InboundTrack,
    /// What it is told.
    OutboundTrack,
    BothTracks,
}

/// Where a call is streamed to.
#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub(in super::super) struct NewStream {
    /// `wss://`, or `ws://` to a network that `egress_allow` names.
    url: String,
    /// By which it can be ended; unlike those of the call's other streams.
    name: Option<String>,
    /// Inbound unless given.
    track: Option<StreamTracks>,
    status_callback: Option<String>,
    status_callback_method: Option<WebhookMethod>,
}

/// What is said to a page.
#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub(in super::super) struct NewUserDefinedMessage {
    /// JSON, at most 10,000 bytes.
    content: String,
}

/// Who is told what a page says.
#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub(in super::super) struct NewUserDefinedMessageSubscription {
    callback: String,
    method: Option<WebhookMethod>,
}

/// What a stream can become.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum StreamState {
    Stopped,
}

#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub(in super::super) struct StreamUpdate {
    status: StreamState,
}

/// How the sounds of a conference lie in its recording.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum ConferenceChannels {
    /// All as one.
    Mono,
    /// The first participant, and beside them all others.
    Dual,
    /// Each participant by themselves.
    Multitrack,
}

/// How a conference is recorded.
#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub(in super::super) struct NewConferenceRecording {
    /// Mono unless given.
    recording_channels: Option<ConferenceChannels>,
    /// Nothing is cut off unless given.
    trim: Option<TrimWord>,
    recording_status_callback: Option<String>,
    recording_status_callback_method: Option<WebhookMethod>,
    /// `completed` unless given. The parameter may be repeated.
    recording_status_callback_event: Option<Vec<RecordingNews>>,
}

/// What a recording does from now on.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(super) enum RecordingState {
    Paused,
    InProgress,
    Stopped,
}

/// What is heard of a pause.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum PauseWord {
    Silence,
    /// Nothing: what is behind it follows at once.
    Skip,
}

#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub(in super::super) struct RecordingUpdate {
    status: RecordingState,
    /// Silence unless given.
    pause_behavior: Option<PauseWord>,
}

/// `Url`, `Twiml` or `ApplicationSid` must be given.
#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub(in super::super) struct NewCall {
    #[schema(inline)]
    #[serde(flatten)]
    leg: LegForm,
    #[schema(inline)]
    #[serde(flatten)]
    script: ScriptForm,
    /// The application whose script is followed and whose callback is told, in place of those given here.
    application_sid: Option<String>,
    /// Only `none`.
    machine_detection: Option<String>,
}

/// Which script a call follows.
#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
struct ScriptForm {
    /// Where the script is asked for.
    url: Option<String>,
    /// POST unless given.
    method: Option<WebhookMethod>,
    /// Where it is asked for if it cannot be had at `Url`.
    fallback_url: Option<String>,
    fallback_method: Option<WebhookMethod>,
    /// The script itself; ignored beside `Url`.
    #[schema(max_length = 4_000)]
    twiml: Option<String>,
}

/// How a call is ended: before it is answered, or at any time.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum CallEnd {
    Canceled,
    Completed,
}

#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub(in super::super) struct CallUpdate {
    /// Not with `Url` or `Twiml`.
    status: Option<CallEnd>,
    #[schema(inline)]
    #[serde(flatten)]
    script: ScriptForm,
    status_callback: Option<String>,
    status_callback_method: Option<WebhookMethod>,
    /// In seconds from the answer.
    #[schema(minimum = 1, maximum = 86_400)]
    time_limit: Option<u32>,
}

/// How a conference is ended.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum ConferenceEnding {
    Completed,
}

#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub(in super::super) struct ConferenceUpdate {
    status: Option<ConferenceEnding>,
    /// A sound, or a document, that all in the conference hear.
    announce_url: Option<String>,
    announce_method: Option<WebhookMethod>,
}

/// When a tone is heard.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) enum BeepWord {
    True,
    False,
    OnEnter,
    OnExit,
}

/// What of a conference somebody is told of.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum ConferenceNews {
    Start,
    End,
    Join,
    Leave,
    Mute,
    Hold,
    Modify,
    Speaker,
    Announcement,
}

/// Whether a conference is recorded.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(super) enum ConferenceRecordWord {
    True,
    False,
    RecordFromStart,
    DoNotRecord,
}

/// A buffer's size; it is checked and changes nothing.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum BufferSize {
    Off,
    Small,
    Medium,
    Large,
}

#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub(in super::super) struct NewParticipant {
    #[schema(inline)]
    #[serde(flatten)]
    leg: LegForm,
    /// Only `none`.
    machine_detection: Option<String>,
    /// By which they can be named in paths; without a slash, and not like a call's SID.
    #[schema(min_length = 1, max_length = 128)]
    label: Option<String>,
    muted: Option<bool>,
    /// Whether the conference starts when they come; true unless given.
    start_conference_on_enter: Option<bool>,
    /// Whether it ends when they go.
    end_conference_on_exit: Option<bool>,
    #[schema(minimum = 2, maximum = 250)]
    max_participants: Option<u32>,
    /// Both unless given.
    beep: Option<BeepWord>,
    /// What is heard until the conference starts; empty for silence.
    wait_url: Option<String>,
    wait_method: Option<WebhookMethod>,
    /// With `CallSidToCoach`: whether only that one hears them.
    coaching: Option<bool>,
    call_sid_to_coach: Option<String>,
    conference_status_callback: Option<String>,
    conference_status_callback_method: Option<WebhookMethod>,
    /// `start` and `end` unless given. The parameter may be repeated.
    conference_status_callback_event: Option<Vec<ConferenceNews>>,
    /// Whether the conference is recorded from its start on; the first participant who wants it says how.
    conference_record: Option<ConferenceRecordWord>,
    /// Mono unless given; an own addition.
    conference_recording_channels: Option<ConferenceChannels>,
    /// Silence is cut off unless given.
    conference_trim: Option<TrimWord>,
    conference_recording_status_callback: Option<String>,
    conference_recording_status_callback_method: Option<WebhookMethod>,
    /// `completed` unless given. The parameter may be repeated.
    conference_recording_status_callback_event: Option<Vec<RecordingNews>>,
    jitter_buffer_size: Option<BufferSize>,
}

#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub(in super::super) struct ParticipantUpdate {
    muted: Option<bool>,
    hold: Option<bool>,
    /// What they hear on hold; music of the node unless given.
    hold_url: Option<String>,
    /// GET unless given.
    hold_method: Option<WebhookMethod>,
    /// A sound, or a document, that they hear.
    announce_url: Option<String>,
    announce_method: Option<WebhookMethod>,
    /// What is heard until the conference starts; empty for silence.
    wait_url: Option<String>,
    wait_method: Option<WebhookMethod>,
    beep_on_exit: Option<bool>,
    end_conference_on_exit: Option<bool>,
    coaching: Option<bool>,
    call_sid_to_coach: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub(in super::super) struct NewQueue {
    /// Unique within the account, on one line.
    #[schema(min_length = 1, max_length = 64)]
    friendly_name: String,
    /// 100 unless given.
    #[schema(minimum = 1, maximum = 5_000)]
    max_size: Option<u32>,
}

#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub(in super::super) struct QueueUpdate {
    /// Unique within the account, on one line.
    #[schema(min_length = 1, max_length = 64)]
    friendly_name: Option<String>,
    #[schema(minimum = 1, maximum = 5_000)]
    max_size: Option<u32>,
}

#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub(in super::super) struct MemberUpdate {
    /// Where the script is asked for that they follow from now on.
    url: String,
    method: Option<WebhookMethod>,
}

/// What pays.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(super) enum PaymentMethod {
    CreditCard,
    AchDebit,
}

/// Whose account it is.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(super) enum BankAccountType {
    ConsumerChecking,
    ConsumerSavings,
    CommercialChecking,
    CommercialSavings,
}

/// What a token is for.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(super) enum TokenType {
    OneTime,
    Reusable,
    PaymentMethod,
}

/// How the caller types.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum PaymentInput {
    Dtmf,
}

/// A payment to be begun.
#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub(in super::super) struct NewPayment {
    /// Unlike every other request's: a repeated request is not done twice.
    idempotency_key: String,
    /// Who is told what comes of it, by POST.
    status_callback: String,
    bank_account_type: Option<BankAccountType>,
    /// A decimal number below a million; without one, or with 0, a token is made.
    charge_amount: Option<String>,
    /// USD unless given.
    currency: Option<String>,
    description: Option<String>,
    input: Option<PaymentInput>,
    min_postal_code_length: Option<u8>,
    /// A JSON object of texts, numbers and truth values, for the connector.
    parameter: Option<String>,
    /// `Default` unless given.
    payment_connector: Option<String>,
    payment_method: Option<PaymentMethod>,
    /// True unless given.
    postal_code: Option<bool>,
    /// True unless given.
    security_code: Option<bool>,
    /// Seconds after a digit, 1 to 600; 5 unless given.
    timeout: Option<u16>,
    token_type: Option<TokenType>,
    /// Brands with spaces between them; `visa mastercard amex` unless given.
    valid_card_types: Option<String>,
    /// Items that are typed twice, with commas between them.
    require_matching_inputs: Option<String>,
    /// Whether the caller hears the last digits and presses 1 before it is done.
    confirmation: Option<bool>,
}

/// An item of a payment.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(super) enum PaymentItem {
    PaymentCardNumber,
    ExpirationDate,
    SecurityCode,
    PostalCode,
    BankRoutingNumber,
    BankAccountNumber,
    PaymentCardNumberMatcher,
    ExpirationDateMatcher,
    SecurityCodeMatcher,
    PostalCodeMatcher,
}

/// How a payment ends.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum PaymentStatus {
    Complete,
    Cancel,
}

/// One of the item and the status.
#[derive(ToSchema)]
#[schema(rename_all = "PascalCase")]
pub(in super::super) struct PaymentUpdate {
    /// Unlike every other request's: a repeated request is not done twice.
    idempotency_key: String,
    /// Who is told what comes of it, by POST.
    status_callback: String,
    /// What the caller types from now on.
    capture: Option<PaymentItem>,
    status: Option<PaymentStatus>,
}
