//! The settings and their names. A setting has one name; its flag, its variable and its key in the
//! file all follow from it, so the three cannot drift apart.

use std::fmt;

/// One thing the node can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// Where the API listens.
    HttpListen,
    /// Where the API listens over TLS.
    HttpsListen,
    /// The certificate of HTTPS.
    HttpsCert,
    /// That certificate's key.
    HttpsKey,
    /// Where SIP listens.
    SipListen,
    /// Where SIP over TLS listens.
    SipTlsListen,
    /// The certificate of SIP over TLS.
    SipTlsCert,
    /// The certificate's key.
    SipTlsKey,
    /// Authorities that are trusted besides the machine's where the node calls over TLS.
    SipTlsCa,
    /// The realm in which agents are asked for their passwords.
    SipRealm,
    /// The address callers are told.
    PublicAddress,
    /// UDP ports of legs.
    RtpPorts,
    /// The first UDP port for browsers.
    BrowserPort,
    /// Where what outlives the process is kept.
    DataDir,
    /// How long calls are on record.
    RetentionCalls,
    /// How long conferences are on record.
    RetentionConferences,
    /// How long notifications are kept.
    RetentionNotifications,
    /// How long attestations of payments are kept.
    RetentionAttestations,
    /// How long recordings are kept.
    RetentionRecordings,
    /// How much disk recordings may take.
    RecordingsMaxSize,
    /// Samples a second of recordings.
    RecordingRate,
    /// Which hash the sound of recordings has.
    RecordingHash,
    /// How many media threads.
    MediaThreads,
    /// How long a leg may be silent on the wire.
    RtpTimeout,
    /// Codecs, the best liked first.
    Codecs,
    /// Whether media are SRTP.
    Srtp,
    /// How much delay a leg may have for the sake of unbroken sound.
    JitterBuffer,
    /// Whether keys are heard in the conference.
    DigitsInConference,
    /// Seats in a conference.
    MaxParticipants,
    /// Voices mixed at a time in a conference.
    MaxTalkers,
    /// Calls on the node.
    MaxCalls,
    /// How long a call may last.
    MaxCallDuration,
    /// How long a conference may last.
    MaxConferenceDuration,
    /// How long before its end a call or conference is warned.
    WarningTone,
    /// What may be dialled.
    OutboundAllow,
    /// How many calls an account may begin in a second.
    CallsPerSecond,
    /// Networks that requests to applications may go to besides the public one.
    EgressAllow,
    /// Authorities trusted by requests to applications besides the machine's.
    WebhookCa,
    /// The command that speaks texts.
    SayCommand,
    /// The service that speaks texts.
    SayUrl,
    /// What it is shown.
    SayToken,
    /// Where the API is for others.
    PublicUrl,
    /// The API's user name.
    AccountSid,
    /// The API's password.
    AuthToken,
    /// What is logged.
    Log,
    /// How it is logged.
    LogFormat,
}

impl Setting {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 46] = [
        Self::HttpListen,
        Self::HttpsListen,
        Self::HttpsCert,
        Self::HttpsKey,
        Self::SipListen,
        Self::SipTlsListen,
        Self::SipTlsCert,
        Self::SipTlsKey,
        Self::SipTlsCa,
        Self::SipRealm,
        Self::PublicAddress,
        Self::RtpPorts,
        Self::BrowserPort,
        Self::DataDir,
        Self::RetentionCalls,
        Self::RetentionConferences,
        Self::RetentionNotifications,
        Self::RetentionAttestations,
        Self::RetentionRecordings,
        Self::RecordingsMaxSize,
        Self::RecordingRate,
        Self::RecordingHash,
        Self::MediaThreads,
        Self::RtpTimeout,
        Self::Codecs,
        Self::Srtp,
        Self::JitterBuffer,
        Self::DigitsInConference,
        Self::MaxParticipants,
        Self::MaxTalkers,
        Self::MaxCalls,
        Self::MaxCallDuration,
        Self::MaxConferenceDuration,
        Self::WarningTone,
        Self::OutboundAllow,
        Self::CallsPerSecond,
        Self::EgressAllow,
        Self::WebhookCa,
        Self::SayCommand,
        Self::SayUrl,
        Self::SayToken,
        Self::PublicUrl,
        Self::AccountSid,
        Self::AuthToken,
        Self::Log,
        Self::LogFormat,
    ];

    /// Its key in the file: `http_listen`.
    pub const fn key(self) -> &'static str {
        match self {
            Self::HttpListen => "http_listen",
            Self::HttpsListen => "https_listen",
            Self::HttpsCert => "https_cert",
            Self::HttpsKey => "https_key",
            Self::SipListen => "sip_listen",
            Self::SipTlsListen => "sip_tls_listen",
            Self::SipTlsCert => "sip_tls_cert",
            Self::SipTlsKey => "sip_tls_key",
            Self::SipTlsCa => "sip_tls_ca",
            Self::SipRealm => "sip_realm",
            Self::PublicAddress => "public_address",
            Self::RtpPorts => "rtp_ports",
            Self::BrowserPort => "browser_port",
            Self::DataDir => "data_dir",
            Self::RetentionCalls => "retention_calls",
            Self::RetentionConferences => "retention_conferences",
            Self::RetentionNotifications => "retention_notifications",
            Self::RetentionAttestations => "retention_attestations",
            Self::RetentionRecordings => "retention_recordings",
            Self::RecordingsMaxSize => "recordings_max_size",
            Self::RecordingRate => "recording_rate",
            Self::RecordingHash => "recording_hash",
            Self::MediaThreads => "media_threads",
            Self::RtpTimeout => "rtp_timeout",
            Self::Codecs => "codecs",
            Self::Srtp => "srtp",
            Self::JitterBuffer => "jitter_buffer",
            Self::DigitsInConference => "digits_in_conference",
            Self::MaxParticipants => "max_participants",
            Self::MaxTalkers => "max_talkers",
            Self::MaxCalls => "max_calls",
            Self::MaxCallDuration => "max_call_duration",
            Self::MaxConferenceDuration => "max_conference_duration",
            Self::WarningTone => "warning_tone",
            Self::OutboundAllow => "outbound_allow",
            Self::CallsPerSecond => "calls_per_second",
            Self::EgressAllow => "egress_allow",
            Self::WebhookCa => "webhook_ca",
            Self::SayCommand => "say_command",
            Self::SayUrl => "say_url",
            Self::SayToken => "say_token",
            Self::PublicUrl => "public_url",
            Self::AccountSid => "account_sid",
            Self::AuthToken => "auth_token",
            Self::Log => "log",
            Self::LogFormat => "log_format",
        }
    }

    /// Its flag: `--http-listen`.
    pub fn flag(self) -> String {
        format!("--{}", self.key().replace('_', "-"))
    }

    /// Its environment variable: `CONFAB_HTTP_LISTEN`.
    pub fn variable(self) -> String {
        format!("CONFAB_{}", self.key().to_ascii_uppercase())
    }

    /// Whether its value must never be shown.
    pub const fn is_secret(self) -> bool {
        matches!(self, Self::AuthToken | Self::SayToken)
    }

    /// The setting with this key in the file.
    pub(super) fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|setting| setting.key() == key)
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// How alike (0 to 1, Jaro-Winkler) two names must be before one is offered for the other. Below this the
/// offer is noise: `port` would be answered with `log_format`.
const ALIKE_MIN: f64 = 0.75;

/// The one of `names` that `wrong` was probably meant to be, if any is near.
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |name: &str| name.replace('-', "_").to_ascii_lowercase();
    names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&plain(wrong), &plain(name)), name))
        .filter(|(alike, _)| *alike >= ALIKE_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}
