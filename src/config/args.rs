//! The flags of `confab serve`. They are taken as text and read by the same readers as the environment and
//! the file, so that a value means the same wherever it stands.

use std::path::PathBuf;

use clap::Args;

use super::setting::Setting;

/// What `confab serve` can be told on the command line.
#[derive(Args, Clone, Default)]
#[command(
    about = "Run the node",
    long_about = LONG_ABOUT,
    after_long_help = EXAMPLES
)]
pub struct ServeArgs {
    /// The configuration file, TOML [env: CONFAB_CONFIG] [default: confab.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Where the HTTP API listens; port 0 takes a free one [env: CONFAB_HTTP_LISTEN]
    /// [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub http_listen: Option<String>,

    /// Where the HTTP API and the console listen over TLS; port 0 takes a free one [env: CONFAB_HTTPS_LISTEN]
    /// [default: nowhere]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub https_listen: Option<String>,

    /// The certificate of HTTPS and those above it, PEM [env: CONFAB_HTTPS_CERT]
    /// [default: one that the node makes and keeps in the data directory, which browsers warn of]
    #[arg(long, value_name = "FILE")]
    pub https_cert: Option<String>,

    /// The private key of that certificate, PEM [env: CONFAB_HTTPS_KEY] [default: as above]
    #[arg(long, value_name = "FILE")]
    pub https_key: Option<String>,

    /// Where SIP listens, UDP and TCP; port 0 takes a free one [env: CONFAB_SIP_LISTEN]
    /// [default: 127.0.0.1:5060]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub sip_listen: Option<String>,

    /// Where SIP over TLS listens, with a certificate and its key; port 0 takes a free one
    /// [env: CONFAB_SIP_TLS_LISTEN] [default: nowhere]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub sip_tls_listen: Option<String>,

    /// The certificate of SIP over TLS and those above it, PEM [env: CONFAB_SIP_TLS_CERT] [default: none]
    #[arg(long, value_name = "FILE")]
    pub sip_tls_cert: Option<String>,

    /// The private key of the certificate, PEM [env: CONFAB_SIP_TLS_KEY] [default: none]
    #[arg(long, value_name = "FILE")]
    pub sip_tls_key: Option<String>,

    /// Authorities that vouch for trunks and others who are called over TLS, besides the machine's, PEM
    /// [env: CONFAB_SIP_TLS_CA] [default: none]
    #[arg(long, value_name = "FILE")]
    pub sip_tls_ca: Option<String>,

    /// The realm in which agents are asked for their passwords [env: CONFAB_SIP_REALM] [default: confab]
    #[arg(long, value_name = "NAME")]
    pub sip_realm: Option<String>,

    /// The address told to callers in Contact and SDP; needed behind a NAT and when listening on all
    /// addresses. Behind a comma, one of the other family for browsers [env: CONFAB_PUBLIC_ADDRESS] [default: the listening address]
    #[arg(long, value_name = "ADDRESS")]
    pub public_address: Option<String>,

    /// UDP ports for RTP [env: CONFAB_RTP_PORTS] [default: 20000-29999]
    #[arg(long, value_name = "FIRST-LAST")]
    pub rtp_ports: Option<String>,

    /// First UDP port for browsers, one per media thread; 0 takes free ones [env: CONFAB_BROWSER_PORT]
    /// [default: 19000, or 0 if --sip-listen has port 0]
    #[arg(long, value_name = "PORT")]
    pub browser_port: Option<String>,

    /// Where credentials and whatever else outlives the process are kept [env: CONFAB_DATA_DIR]
    /// [default: ./confab-data]
    #[arg(long, value_name = "DIRECTORY")]
    pub data_dir: Option<String>,

    /// Calls that are over are on record for so long [env: CONFAB_RETENTION_CALLS] [default: 30d]
    #[arg(long, value_name = "DAYS")]
    pub retention_calls: Option<String>,

    /// Conferences that are over are on record for so long [env: CONFAB_RETENTION_CONFERENCES] [default: 30d]
    #[arg(long, value_name = "DAYS")]
    pub retention_conferences: Option<String>,

    /// Notifications are kept for so long [env: CONFAB_RETENTION_NOTIFICATIONS] [default: 30d]
    #[arg(long, value_name = "DAYS")]
    pub retention_notifications: Option<String>,

    /// Attestations of payments are deleted when the payments were over so long ago [env: CONFAB_RETENTION_ATTESTATIONS]
    /// [default: forever]
    #[arg(long, value_name = "DAYS")]
    pub retention_attestations: Option<String>,

    /// Recordings are deleted when they were completed so long ago [env: CONFAB_RETENTION_RECORDINGS]
    /// [default: forever]
    #[arg(long, value_name = "DAYS")]
    pub retention_recordings: Option<String>,

    /// The oldest recordings are deleted when all together take more of the disk, such as `500G`
    /// [env: CONFAB_RECORDINGS_MAX_SIZE] [default: unlimited]
    #[arg(long, value_name = "SIZE")]
    pub recordings_max_size: Option<String>,

    /// Samples a second of recordings, 8000, 16000, or `auto`: as what is recorded has them, 16000 at most
    /// [env: CONFAB_RECORDING_RATE] [default: auto]
    #[arg(long, value_name = "RATE")]
    pub recording_rate: Option<String>,

    /// Which hash of their sound recordings have in their manifest, blake3 or sha256, which takes three times as much of
    /// the processor [env: CONFAB_RECORDING_HASH] [default: blake3]
    #[arg(long, value_name = "HASH")]
    pub recording_hash: Option<String>,

    /// Media threads [env: CONFAB_MEDIA_THREADS] [default: one per core]
    #[arg(long, value_name = "NUMBER")]
    pub media_threads: Option<String>,

    /// A leg without RTP and RTCP for so long is ended [env: CONFAB_RTP_TIMEOUT] [default: 60s]
    #[arg(long, value_name = "DURATION")]
    pub rtp_timeout: Option<String>,

    /// Codecs, the best liked first, from opus, g722, pcmu, pcma, l16/16000 and l16/8000 (l16 is both)
    /// [env: CONFAB_CODECS] [default: opus,g722,pcmu,pcma,l16]
    #[arg(long, value_name = "NAMES")]
    pub codecs: Option<String>,

    /// Whether media are SRTP, `off`, `optional` or `required`; a route may say otherwise [env: CONFAB_SRTP]
    /// [default: off]
    #[arg(long, value_name = "POLICY")]
    pub srtp: Option<String>,

    /// How much delay a leg may have for the sake of unbroken sound: `off` (none but the tick's own), `small` (at
    /// most 100 ms), `medium` (200 ms) or `large` (500 ms, and never under 20) [env: CONFAB_JITTER_BUFFER]
    /// [default: medium]
    #[arg(long, value_name = "SIZE")]
    pub jitter_buffer: Option<String>,

    /// Whether the keys that callers press are `withheld` from their conference or `heard` there
    /// [env: CONFAB_DIGITS_IN_CONFERENCE] [default: withheld]
    #[arg(long, value_name = "WHICH")]
    pub digits_in_conference: Option<String>,

    /// Participants in one conference, 2 to 250 [env: CONFAB_MAX_PARTICIPANTS] [default: 250]
    #[arg(long, value_name = "NUMBER")]
    pub max_participants: Option<String>,

    /// Voices mixed at a time in one conference; when more speak, the loudest are
    /// [env: CONFAB_MAX_TALKERS] [default: 16]
    #[arg(long, value_name = "NUMBER")]
    pub max_talkers: Option<String>,

    /// Calls at a time on the node; the next is answered with 503 [env: CONFAB_MAX_CALLS]
    /// [default: 2000]
    #[arg(long, value_name = "NUMBER")]
    pub max_calls: Option<String>,

    /// How long a call may last from its answer, if it has no time limit of its own, 1s to 240h
    /// [env: CONFAB_MAX_CALL_DURATION] [default: 4h]
    #[arg(long, value_name = "DURATION")]
    pub max_call_duration: Option<String>,

    /// How long a conference may last from its first participant, 1s to 240h
    /// [env: CONFAB_MAX_CONFERENCE_DURATION] [default: 4h]
    #[arg(long, value_name = "DURATION")]
    pub max_conference_duration: Option<String>,

    /// How long before a call or conference ends because its time is up a tone tells of it, 1s to 1h, or `off`
    /// [env: CONFAB_WARNING_TONE] [default: off]
    #[arg(long, value_name = "DURATION")]
    pub warning_tone: Option<String>,

    /// What may be dialled: a comma list of patterns, in which `*` stands for anything, such as
    /// `client:*,+4420*,sip:*@192.0.2.1:*`; or `none` [env: CONFAB_OUTBOUND_ALLOW] [default: client:*]
    #[arg(long, value_name = "PATTERNS")]
    pub outbound_allow: Option<String>,

    /// Calls that an account may begin over the API in a second; more wait for their turn
    /// [env: CONFAB_CALLS_PER_SECOND] [default: 30]
    #[arg(long, value_name = "NUMBER")]
    pub calls_per_second: Option<String>,

    /// Networks that webhooks may reach though they are not public, `address/bits` joined by commas
    /// [env: CONFAB_EGRESS_ALLOW] [default: none]
    #[arg(long, value_name = "NETWORKS")]
    pub egress_allow: Option<String>,

    /// Authorities that webhooks trust besides the machine's, PEM [env: CONFAB_WEBHOOK_CA] [default: none]
    #[arg(long, value_name = "FILE")]
    pub webhook_ca: Option<String>,

    /// The command that speaks the texts of scripts: it gets the text on its standard input and answers with a sound file;
    /// `{voice}` and `{language}` stand for what a script asks for, as in `espeak-ng --stdout -v {language}`
    /// [env: CONFAB_SAY_COMMAND] [default: none, two tones are heard instead]
    #[arg(long, value_name = "COMMAND")]
    pub say_command: Option<String>,

    /// The service that speaks the texts of scripts: it is asked by POST with `text`, `voice` and `language` as JSON and answers
    /// with a sound; `say_command` speaks when it does not [env: CONFAB_SAY_URL] [default: none]
    #[arg(long, value_name = "URL")]
    pub say_url: Option<String>,

    /// What that service is shown as a bearer token. Everybody on the machine can see it in the process list: prefer the
    /// variable or the file [env: CONFAB_SAY_TOKEN] [default: none]
    #[arg(long, value_name = "TOKEN")]
    pub say_token: Option<String>,

    /// Where applications reach this API, in the addresses of recordings that they are told, such as
    /// `https://voice.example.com` [env: CONFAB_PUBLIC_URL] [default: http:// and where it listens]
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,

    /// The API's user name [env: CONFAB_ACCOUNT_SID]
    /// [default: made at first start, kept in the data directory]
    #[arg(long, value_name = "SID")]
    pub account_sid: Option<String>,

    /// The API's password. Everybody on the machine can see it in the process list: prefer the variable
    /// or the file [env: CONFAB_AUTH_TOKEN] [default: made at first start, kept in the data directory]
    #[arg(long, value_name = "TOKEN")]
    pub auth_token: Option<String>,

    /// What is logged: a level, or target=level parts joined by commas [env: CONFAB_LOG]
    /// [default: info]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,

    /// How a log line looks, `text` or `json` [env: CONFAB_LOG_FORMAT] [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
}

/// The head of `confab serve --help`.
const LONG_ABOUT: &str = "\
Run the node.

Every setting is a flag, an environment variable and a key in a TOML file, with the same meaning; the flag
wins over the variable, the variable over the file. What is not known is refused. The effective
configuration is logged at start, without secrets.

When it serves, the node prints one line on standard output:
  confab ready http=127.0.0.1:8080 sip=127.0.0.1:5060";

/// The tail of `confab serve --help`.
const EXAMPLES: &str = "\
Examples:
  Try it on this machine, then call sip:conf-tour@127.0.0.1:5060 with any SIP phone:
    confab serve

  Serve a network, with the password kept off the command line:
    CONFAB_AUTH_TOKEN=... confab serve --sip-listen 0.0.0.0:5060 --public-address 203.0.113.7

  Everything in a file, with calls sent where they belong:
    confab serve --config /etc/confab.toml

    # /etc/confab.toml
    sip_listen = \"203.0.113.7:5060\"
    rtp_ports = \"30000-31999\"
    [[route]]
    user = \"conf-*\"
    conference = \"{1}\"
    [[route]]
    user = \"*\"
    refuse = 603

Exit status: 0 after SIGTERM or Ctrl-C, 2 when it could not start (one line says why).";

impl ServeArgs {
    pub(super) fn value(&self, setting: Setting) -> Option<&str> {
        let value = match setting {
            Setting::HttpListen => &self.http_listen,
            Setting::HttpsListen => &self.https_listen,
            Setting::HttpsCert => &self.https_cert,
            Setting::HttpsKey => &self.https_key,
            Setting::SipListen => &self.sip_listen,
            Setting::SipTlsListen => &self.sip_tls_listen,
            Setting::SipTlsCert => &self.sip_tls_cert,
            Setting::SipTlsKey => &self.sip_tls_key,
            Setting::SipTlsCa => &self.sip_tls_ca,
            Setting::SipRealm => &self.sip_realm,
            Setting::PublicAddress => &self.public_address,
            Setting::RtpPorts => &self.rtp_ports,
            Setting::BrowserPort => &self.browser_port,
            Setting::DataDir => &self.data_dir,
            Setting::MediaThreads => &self.media_threads,
            Setting::RetentionCalls => &self.retention_calls,
            Setting::RetentionConferences => &self.retention_conferences,
            Setting::RetentionNotifications => &self.retention_notifications,
            Setting::RetentionAttestations => &self.retention_attestations,
            Setting::RetentionRecordings => &self.retention_recordings,
            Setting::RecordingsMaxSize => &self.recordings_max_size,
            Setting::RecordingRate => &self.recording_rate,
            Setting::RecordingHash => &self.recording_hash,
            Setting::RtpTimeout => &self.rtp_timeout,
            Setting::Codecs => &self.codecs,
            Setting::Srtp => &self.srtp,
            Setting::JitterBuffer => &self.jitter_buffer,
            Setting::DigitsInConference => &self.digits_in_conference,
            Setting::MaxParticipants => &self.max_participants,
            Setting::MaxTalkers => &self.max_talkers,
            Setting::MaxCalls => &self.max_calls,
            Setting::MaxCallDuration => &self.max_call_duration,
            Setting::MaxConferenceDuration => &self.max_conference_duration,
            Setting::WarningTone => &self.warning_tone,
            Setting::OutboundAllow => &self.outbound_allow,
            Setting::CallsPerSecond => &self.calls_per_second,
            Setting::EgressAllow => &self.egress_allow,
            Setting::WebhookCa => &self.webhook_ca,
            Setting::SayCommand => &self.say_command,
            Setting::SayUrl => &self.say_url,
            Setting::SayToken => &self.say_token,
            Setting::PublicUrl => &self.public_url,
            Setting::AccountSid => &self.account_sid,
            Setting::AuthToken => &self.auth_token,
            Setting::Log => &self.log,
            Setting::LogFormat => &self.log_format,
        };
        value.as_deref()
    }
}
