//! Brings the three places together: looks for each setting in order of precedence, reads what it finds,
//! and remembers where it was.

use std::fmt::Display;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use std::time::Duration;

use confab_media::ConferenceSettings;

use super::args::ServeArgs;
use super::conference_digits::ConferenceDigits;
use super::credentials::{self, Kept};
use super::data_dir;
use super::effective::{Effective, Line, Source};
use super::environment::{CONFIG_VARIABLE, Environment};
use super::error::ConfigError;
use super::file::{self, ROUTE, Settings};
use super::file_agents::AGENT;
use super::file_connectors::CONNECTOR;
use super::file_trunks::{ACCOUNT, RATE, TRUNK};
use super::jitter_buffer::JitterBuffer;
use super::outbound::OutboundAllow;
use super::secret::{REDACTED, Secret};
use super::setting::Setting;
use super::value::{self, Expected};
use super::{
    Accounts, Agents, Codecs, Config, Credentials, DiskSize, Http, Https, KeptFor, Limits, Log, LogFormat,
    Media, Networks, PayConnector, RecordingHash, RecordingRate, Recordings, Retention, Routes, RtpPorts,
    SayUrl, Sip, SipTls, SrtpPolicy, Trunks, Webhook,
};

/// Media threads that make sense: beyond this the node would be bound by its network long before.
const MEDIA_THREADS: RangeInclusive<usize> = 1..=256;

/// The first port for browsers: below those of other legs.
const BROWSER_PORT: usize = 19_000;

/// An RTP timeout below a few packets would end living legs; above a day it is none.
const RTP_TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(86_400);

/// How long calls and conferences may last: what is longer than ten days is no limit, and nobody means less than a second.
const DURATION: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(864_000);

/// Four hours.
const DURATION_DEFAULT: Duration = Duration::from_secs(14_400);

/// How long before the end its tone is heard.
const WARNING: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3_600);

/// A conference is for two or more; 250 is what the engine is built and measured for.
const PARTICIPANTS: RangeInclusive<usize> = 2..=250;

/// Voices mixed at a time in one conference: as many as it has seats at most.
const TALKERS: RangeInclusive<usize> = 1..=250;

/// No node has ports for more legs than there are pairs of UDP ports.
const CALLS: RangeInclusive<usize> = 1..=32_767;

/// What a carrier takes from one customer without complaint, and the most that the hosted services of this kind let their
/// customers have without a word to somebody.
const CALLS_PER_SECOND_DEFAULT: usize = 30;

/// A token shorter than this can be guessed over the network in reasonable time; it is reported.
const TOKEN_LEN_SAFE: usize = 16;

/// Reads all that was given. `default_file` is read if no other file is named and if it exists.
///
/// Makes the data directory and the credentials in it, if they are missing and needed.
///
/// # Errors
/// When something is unknown, wrong or cannot be read; the error is one line that says where and what would
/// be right.
pub fn load(
    args: &ServeArgs,
    environment: &Environment,
    default_file: &Path,
) -> Result<Effective, ConfigError> {
    let (path, source) = named_file(args, environment, default_file);
    let file = path.as_deref().map(file::read).transpose()?.unwrap_or_default();
    let mut gather = Gather { args, environment, file, lines: Vec::new(), notices: Vec::new() };
    gather.line("config", path.map_or_else(|| "none".to_owned(), IntoShown::into_shown), source);

    let http = gather.http()?;
    let sip = gather.sip()?;
    let media = gather.media(sip.listen.port() == 0)?;
    let limits = gather.limits()?;
    let outbound_allow =
        gather.plain(Setting::OutboundAllow, value::outbound_allow, OutboundAllow::default)?;
    let calls_per_second = gather.calls_per_second()?;
    let webhook = gather.webhook()?;
    let say_command = gather.say_command()?;
    let say_url = gather.say_url()?;
    let public_url = gather.public_url()?;
    let data_dir = gather.plain(Setting::DataDir, value::directory, || PathBuf::from("./confab-data"))?;
    let retention = gather.retention()?;
    let recordings = gather.recordings()?;
    let log = gather.log()?;
    let routes = gather.routes();
    let trunks = gather.trunks();
    let accounts = gather.accounts();
    let agents = gather.agents();
    let pay_connectors = gather.pay_connectors();
    // Last, so that a mistake elsewhere leaves nothing on the disk.
    data_dir::open(&data_dir)?;
    let (credentials, made) = gather.credentials(&data_dir)?;

    let config = Config {
        http,
        sip,
        media,
        limits,
        outbound_allow,
        calls_per_second,
        trunks,
        accounts,
        webhook,
        say_command,
        say_url,
        public_url,
        data_dir,
        retention,
        recordings,
        credentials,
        routes,
        agents,
        pay_connectors,
        log,
    };
    Ok(Effective { config, lines: gather.lines, notices: gather.notices, made })
}

fn named_file(args: &ServeArgs, environment: &Environment, default_file: &Path) -> (Option<PathBuf>, Source) {
    if let Some(path) = &args.config {
        return (Some(path.clone()), Source::Flag("--config".to_owned()));
    }
    if let Some(path) = environment.value(CONFIG_VARIABLE) {
        return (Some(PathBuf::from(path)), Source::Environment(CONFIG_VARIABLE.to_owned()));
    }
    (default_file.exists().then(|| default_file.to_owned()), Source::Default)
}

/// The three places, and what was found in them so far.
struct Gather<'a> {
    args: &'a ServeArgs,
    environment: &'a Environment,
    file: Settings,
    lines: Vec<Line>,
    notices: Vec<String>,
}

impl Gather<'_> {
    fn http(&mut self) -> Result<Http, ConfigError> {
        let by_default = || ([127, 0, 0, 1], 8080).into();
        let listen = self.plain(Setting::HttpListen, value::socket_address, by_default)?;
        Ok(Http { listen, tls: self.https()? })
    }

    /// A certificate and its key, or neither; and not without somewhere to listen.
    fn https(&mut self) -> Result<Option<Https>, ConfigError> {
        let (listen, listen_source) = self.find(Setting::HttpsListen, value::socket_address)?;
        let (cert, cert_source) = self.find(Setting::HttpsCert, value::file)?;
        let (key, key_source) = self.find(Setting::HttpsKey, value::file)?;
        let none = || "none".to_owned();
        let shown = |file: &Option<PathBuf>| match (file, listen) {
            (Some(file), _) => file.clone().into_shown(),
            (None, Some(_)) => "of the node's own making".to_owned(),
            (None, None) => none(),
        };
        let (shown_cert, shown_key) = (shown(&cert), shown(&key));
        self.line(Setting::HttpsListen.key(), listen.map_or_else(none, IntoShown::into_shown), listen_source);
        self.line(Setting::HttpsCert.key(), shown_cert, cert_source);
        self.line(Setting::HttpsKey.key(), shown_key, key_source);
        let missing = match (listen, cert, key) {
            (Some(listen), None, None) => return Ok(Some(Https { listen, files: None })),
            (Some(listen), Some(cert), Some(key)) => {
                return Ok(Some(Https { listen, files: Some((cert, key)) }));
            }
            (None, None, None) => return Ok(None),
            (None, _, _) => Setting::HttpsListen,
            (Some(_), None, _) => Setting::HttpsCert,
            (Some(_), _, None) => Setting::HttpsKey,
        };
        Err(ConfigError::HttpsIncomplete { missing })
    }

    fn sip(&mut self) -> Result<Sip, ConfigError> {
        let by_default = || ([127, 0, 0, 1], 5060).into();
        let listen = self.plain(Setting::SipListen, value::socket_address, by_default)?;
        let source_of = self.lines.last().map_or(Source::Default, |line| line.source.clone());

        let (public_addresses, source) = self.find(Setting::PublicAddress, value::public_addresses)?;
        let public_addresses = public_addresses.unwrap_or_default();
        if public_addresses.is_empty() && listen.ip().is_unspecified() {
            return Err(ConfigError::Unroutable { listen, source_of });
        }
        if public_addresses.len() > 1 && listen.ip() != std::net::Ipv6Addr::UNSPECIFIED {
            return Err(ConfigError::OneFamily { listen, source_of });
        }
        let tls = self.sip_tls()?;
        let realm = self.plain(Setting::SipRealm, value::realm, || "confab".to_owned())?;
        let (tls_ca, ca_source) = self.find(Setting::SipTlsCa, value::file)?;
        let shown = tls_ca.clone().map_or_else(|| "none".to_owned(), IntoShown::into_shown);
        self.line(Setting::SipTlsCa.key(), shown, ca_source);
        let sip = Sip { listen, tls, tls_ca, realm, public_addresses };
        let other = sip.advertised_too().map(|other| format!(",{other}")).unwrap_or_default();
        self.line(Setting::PublicAddress.key(), format!("{}{other}", sip.advertised()), source);
        Ok(sip)
    }

    /// All three or none: TLS without a certificate cannot be, and a certificate without TLS is a mistake.
    fn sip_tls(&mut self) -> Result<Option<SipTls>, ConfigError> {
        let (listen, listen_source) = self.find(Setting::SipTlsListen, value::socket_address)?;
        let (cert, cert_source) = self.find(Setting::SipTlsCert, value::file)?;
        let (key, key_source) = self.find(Setting::SipTlsKey, value::file)?;
        let none = || "none".to_owned();
        let shown = listen.map_or_else(none, IntoShown::into_shown);
        self.line(Setting::SipTlsListen.key(), shown, listen_source);
        self.line(
            Setting::SipTlsCert.key(),
            cert.clone().map_or_else(none, IntoShown::into_shown),
            cert_source,
        );
        self.line(Setting::SipTlsKey.key(), key.clone().map_or_else(none, IntoShown::into_shown), key_source);
        match (listen, cert, key) {
            (Some(listen), Some(cert), Some(key)) => Ok(Some(SipTls { listen, cert, key })),
            (None, None, None) => Ok(None),
            (listen, cert, key) => {
                let given = [
                    (Setting::SipTlsListen, listen.is_some()),
                    (Setting::SipTlsCert, cert.is_some()),
                    (Setting::SipTlsKey, key.is_some()),
                ];
                let missing = given.into_iter().find(|(_, given)| !given).map(|(setting, _)| setting);
                Err(ConfigError::TlsIncomplete { missing: missing.unwrap_or(Setting::SipTlsListen) })
            }
        }
    }

    fn media(&mut self, takes_free_ports: bool) -> Result<Media, ConfigError> {
        let ports = || RtpPorts::new(20_000, 29_999).expect("the range holds a pair");
        let cores = || available_parallelism().map_or(1, NonZeroUsize::get).min(*MEDIA_THREADS.end());
        let patience = |text: &str| value::duration(text, RTP_TIMEOUT);

        let rtp_ports = self.plain(Setting::RtpPorts, value::rtp_ports, ports)?;
        let threads = self.number(Setting::MediaThreads, MEDIA_THREADS, cores)?;
        let browser_port = self.browser_port(threads, takes_free_ports)?;
        let (rtp_timeout, source) = self.find(Setting::RtpTimeout, patience)?;
        let rtp_timeout = rtp_timeout.unwrap_or(Duration::from_secs(60));
        self.line(Setting::RtpTimeout.key(), value::show_duration(rtp_timeout), source);
        let codecs = self.plain(Setting::Codecs, value::codecs, Codecs::default)?;
        let srtp = self.plain(Setting::Srtp, value::srtp_policy, || SrtpPolicy::Off)?;
        let jitter_buffer = self.plain(Setting::JitterBuffer, value::jitter_buffer, JitterBuffer::default)?;
        let digits = Setting::DigitsInConference;
        let digits_in_conference = self.plain(digits, value::conference_digits, ConferenceDigits::default)?;
        Ok(Media {
            rtp_ports,
            browser_port,
            threads,
            rtp_timeout,
            codecs,
            srtp,
            jitter_buffer,
            digits_in_conference,
        })
    }

    /// The first of as many ports as there are threads. A node that takes a free port for SIP is one beside others.
    fn browser_port(&mut self, threads: usize, takes_free_ports: bool) -> Result<u16, ConfigError> {
        let last = usize::from(u16::MAX) + 1 - threads;
        let port =
            self.number(Setting::BrowserPort, 0..=last, || if takes_free_ports { 0 } else { BROWSER_PORT })?;
        Ok(u16::try_from(port).unwrap_or_default())
    }

    fn limits(&mut self) -> Result<Limits, ConfigError> {
        Ok(Limits {
            participants: self.number(Setting::MaxParticipants, PARTICIPANTS, || *PARTICIPANTS.end())?,
            talkers: self.number(Setting::MaxTalkers, TALKERS, || ConferenceSettings::TALKERS_MAX_DEFAULT)?,
            calls: self.number(Setting::MaxCalls, CALLS, || 2_000)?,
            call_duration: self.lasting(Setting::MaxCallDuration)?,
            conference_duration: self.lasting(Setting::MaxConferenceDuration)?,
            warning_tone: self.warning_tone()?,
        })
    }

    fn lasting(&mut self, setting: Setting) -> Result<Duration, ConfigError> {
        let (duration, source) = self.find(setting, |text| value::duration(text, DURATION))?;
        let duration = duration.unwrap_or(DURATION_DEFAULT);
        self.line(setting.key(), value::show_duration(duration), source);
        Ok(duration)
    }

    fn warning_tone(&mut self) -> Result<Option<Duration>, ConfigError> {
        let read = |text: &str| match text {
            "off" => Ok(None),
            text => {
                value::duration(text, WARNING).map(Some).map_err(|expected| format!("`off`, or {expected}"))
            }
        };
        let (before, source) = self.find(Setting::WarningTone, read)?;
        let before = before.flatten();
        self.line(
            Setting::WarningTone.key(),
            before.map_or_else(|| "off".to_owned(), value::show_duration),
            source,
        );
        Ok(before)
    }

    fn webhook(&mut self) -> Result<Webhook, ConfigError> {
        let egress_allow = self.plain(Setting::EgressAllow, value::networks, Networks::default)?;
        let (ca, source) = self.find(Setting::WebhookCa, value::file)?;
        let shown = ca.clone().map_or_else(|| "none".to_owned(), IntoShown::into_shown);
        self.line(Setting::WebhookCa.key(), shown, source);
        Ok(Webhook { egress_allow, ca })
    }

    fn say_command(&mut self) -> Result<Option<String>, ConfigError> {
        let (command, source) = self.find(Setting::SayCommand, value::command)?;
        let shown = command.clone().unwrap_or_else(|| "none".to_owned());
        self.line(Setting::SayCommand.key(), shown, source);
        Ok(command)
    }

    fn say_url(&mut self) -> Result<Option<SayUrl>, ConfigError> {
        let (url, source) = self.find(Setting::SayUrl, value::say_url)?;
        // A query may hold what nobody is to see.
        let shown = url.as_deref().map_or("none", |url| url.split('?').next().unwrap_or(url)).to_owned();
        self.line(Setting::SayUrl.key(), shown, source);
        let (token, source) = self.find(Setting::SayToken, value::auth_token)?;
        match &token {
            Some(token) => self.line(Setting::SayToken.key(), token, source),
            None => self.line(Setting::SayToken.key(), "none", source),
        }
        if token.is_some() && url.is_none() {
            self.notices.push("`say_token` is of no use without `say_url`".to_owned());
        }
        Ok(url.map(|url| SayUrl { url, token }))
    }

    fn retention(&mut self) -> Result<Retention, ConfigError> {
        let mut kept = |setting| self.plain(setting, value::kept_for, KeptFor::default);
        Ok(Retention {
            calls: kept(Setting::RetentionCalls)?,
            conferences: kept(Setting::RetentionConferences)?,
            notifications: kept(Setting::RetentionNotifications)?,
            attestations: self.plain(Setting::RetentionAttestations, value::kept_for, || KeptFor::FOREVER)?,
        })
    }

    fn recordings(&mut self) -> Result<Recordings, ConfigError> {
        Ok(Recordings {
            kept: self.plain(Setting::RetentionRecordings, value::kept_for, || KeptFor::FOREVER)?,
            max_size: self.plain(Setting::RecordingsMaxSize, value::size, DiskSize::default)?,
            rate: self.plain(Setting::RecordingRate, value::recording_rate, RecordingRate::default)?,
            hash: self.plain(Setting::RecordingHash, value::recording_hash, RecordingHash::default)?,
        })
    }

    fn public_url(&mut self) -> Result<Option<String>, ConfigError> {
        let (url, source) = self.find(Setting::PublicUrl, value::public_url)?;
        let shown = url.clone().unwrap_or_else(|| "http:// and where it listens".to_owned());
        self.line(Setting::PublicUrl.key(), shown, source);
        Ok(url)
    }

    fn log(&mut self) -> Result<Log, ConfigError> {
        let filter = self.plain(Setting::Log, value::log_filter, || "info".to_owned())?;
        let (format, source) = self.find(Setting::LogFormat, value::log_format)?;
        let format = format.unwrap_or(LogFormat::Text);
        let shown = match format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        self.line(Setting::LogFormat.key(), shown, source);
        Ok(Log { filter, format })
    }

    fn routes(&mut self) -> Routes {
        let (routes, source) = match self.file.routes.take() {
            Some((routes, line)) => (routes, Source::File(self.file.path.clone(), line)),
            None => (Routes::default(), Source::Default),
        };
        for (index, route) in routes.iter().enumerate() {
            self.line(&format!("{ROUTE} {}", index + 1), route, source.clone());
        }
        routes
    }

    fn calls_per_second(&mut self) -> Result<u32, ConfigError> {
        let rate = self.number(Setting::CallsPerSecond, RATE, || CALLS_PER_SECOND_DEFAULT)?;
        Ok(u32::try_from(rate).unwrap_or(u32::MAX))
    }

    fn trunks(&mut self) -> Trunks {
        let Some((trunks, line)) = self.file.trunks.take() else {
            return Trunks::default();
        };
        let source = Source::File(self.file.path.clone(), line);
        for (index, trunk) in trunks.iter().enumerate() {
            self.line(&format!("{TRUNK} {}", index + 1), trunk, source.clone());
        }
        let has_password =
            trunks.iter().any(|trunk| trunk.credentials.is_some() || trunk.inbound_credentials.is_some());
        if has_password && self.file.open_to_others {
            self.notices.push(format!("{} holds passwords of trunks and others can read it", self.file.path));
        }
        trunks
    }

    fn accounts(&mut self) -> Accounts {
        let Some((accounts, line)) = self.file.accounts.take() else {
            return Accounts::default();
        };
        let source = Source::File(self.file.path.clone(), line);
        for (sid, terms) in accounts.iter() {
            self.line(&format!("{ACCOUNT} {sid}"), terms, source.clone());
        }
        accounts
    }

    fn agents(&mut self) -> Agents {
        let Some((agents, line)) = self.file.agents.take() else {
            return Agents::default();
        };
        let source = Source::File(self.file.path.clone(), line);
        for (index, agent) in agents.iter().enumerate() {
            self.line(&format!("{AGENT} {}", index + 1), agent, source.clone());
        }
        if !agents.is_empty() && self.file.open_to_others {
            self.notices.push(format!("{} holds passwords of agents and others can read it", self.file.path));
        }
        agents
    }

    fn pay_connectors(&mut self) -> Vec<PayConnector> {
        let Some((connectors, line)) = self.file.connectors.take() else {
            return Vec::new();
        };
        let source = Source::File(self.file.path.clone(), line);
        for (index, connector) in connectors.iter().enumerate() {
            self.line(&format!("{CONNECTOR} {}", index + 1), connector, source.clone());
        }
        if !connectors.is_empty() && self.file.open_to_others {
            let notice = format!("{} holds passwords of connectors and others can read it", self.file.path);
            self.notices.push(notice);
        }
        connectors
    }

    fn credentials(&mut self, data_dir: &Path) -> Result<(Credentials, Option<PathBuf>), ConfigError> {
        let (sid, sid_source) = self.find(Setting::AccountSid, value::account_sid)?;
        let (token, token_source) = self.find(Setting::AuthToken, value::auth_token)?;
        self.judge_token(token.as_ref(), &token_source);

        let (Some(account_sid), Some(auth_token)) = (sid.clone(), token.clone()) else {
            let kept = credentials::keep(data_dir)?;
            return Ok(self.completed_with((sid, sid_source), (token, token_source), kept));
        };
        self.line(Setting::AccountSid.key(), &account_sid, sid_source);
        self.line(Setting::AuthToken.key(), &auth_token, token_source);
        Ok((Credentials { account_sid, auth_token }, None))
    }

    /// What was given, and what was kept for what was not.
    fn completed_with(
        &mut self,
        (sid, sid_source): (Option<String>, Source),
        (token, token_source): (Option<Secret>, Source),
        kept: Kept,
    ) -> (Credentials, Option<PathBuf>) {
        if kept.tightened {
            let path = kept.path.display();
            self.notices.push(format!(
                "others could read {path}; its mode is now 0600. If they may have, delete it and restart"
            ));
        }
        let source_of_kept =
            if kept.made { Source::Made(kept.path.clone()) } else { Source::Kept(kept.path.clone()) };
        let source = |given: bool, source| {
            if given { source } else { source_of_kept.clone() }
        };

        let (sid_source, token_source) =
            (source(sid.is_some(), sid_source), source(token.is_some(), token_source));
        let credentials = Credentials {
            account_sid: sid.unwrap_or(kept.credentials.account_sid),
            auth_token: token.unwrap_or(kept.credentials.auth_token),
        };
        self.line(Setting::AccountSid.key(), &credentials.account_sid, sid_source);
        self.line(Setting::AuthToken.key(), &credentials.auth_token, token_source);
        (credentials, kept.made.then_some(kept.path))
    }

    fn judge_token(&mut self, token: Option<&Secret>, source: &Source) {
        let Some(token) = token else { return };
        if token.expose().len() < TOKEN_LEN_SAFE {
            self.notices.push(format!("the auth token ({source}) is short and can be guessed"));
        }
        match source {
            Source::Flag(name) => self.notices.push(format!(
                "{name} shows the token to everybody on this machine; prefer {} or the file",
                Setting::AuthToken.variable()
            )),
            Source::File(path, _) if self.file.open_to_others => {
                self.notices.push(format!("{path} holds the auth token and others can read it"));
            }
            Source::File(..)
            | Source::Environment(_)
            | Source::Kept(_)
            | Source::Made(_)
            | Source::Default => {}
        }
    }

    /// A number in a range.
    fn number(
        &mut self,
        setting: Setting,
        range: RangeInclusive<usize>,
        by_default: impl FnOnce() -> usize,
    ) -> Result<usize, ConfigError> {
        self.plain(setting, |text| value::whole(text, range.clone()), by_default)
    }

    /// A value that is shown as it is written.
    fn plain<T: Clone + IntoShown>(
        &mut self,
        setting: Setting,
        read: impl FnOnce(&str) -> Result<T, Expected>,
        by_default: impl FnOnce() -> T,
    ) -> Result<T, ConfigError> {
        let (value, source) = self.find(setting, read)?;
        let value = value.unwrap_or_else(by_default);
        self.line(setting.key(), value.clone().into_shown(), source);
        Ok(value)
    }

    /// The value from the first place that has one, and that place.
    fn find<T>(
        &self,
        setting: Setting,
        read: impl FnOnce(&str) -> Result<T, Expected>,
    ) -> Result<(Option<T>, Source), ConfigError> {
        let Some((text, source)) = self.given(setting) else {
            return Ok((None, Source::Default));
        };
        match read(text) {
            Ok(value) => Ok((Some(value), source)),
            Err(expected) => {
                let shown = if setting.is_secret() { REDACTED.to_owned() } else { quote(text) };
                Err(ConfigError::WrongValue { setting, shown, source_of: source, expected })
            }
        }
    }

    fn given(&self, setting: Setting) -> Option<(&str, Source)> {
        if let Some(text) = self.args.value(setting) {
            return Some((text, Source::Flag(setting.flag())));
        }
        let variable = setting.variable();
        if let Some(text) = self.environment.value(&variable) {
            return Some((text, Source::Environment(variable)));
        }
        let (text, line) = self.file.values.get(&setting)?;
        Some((text, Source::File(self.file.path.clone(), *line)))
    }

    fn line(&mut self, key: &str, value: impl Display, source: Source) {
        self.lines.push(Line { key: key.to_owned(), value: value.to_string(), source });
    }
}

/// How much of a wrong value is shown: enough to find it, too little to flood a terminal.
const QUOTED_CHARS_MAX: usize = 80;

fn quote(text: &str) -> String {
    let short: String = text.chars().take(QUOTED_CHARS_MAX).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("`{}{more}`", short.escape_debug())
}

/// How a value is shown; paths have no `Display` of their own.
trait IntoShown {
    fn into_shown(self) -> String;
}

impl IntoShown for PathBuf {
    fn into_shown(self) -> String {
        self.display().to_string()
    }
}

macro_rules! shown_as_displayed {
    ($($kind:ty),*) => {
        $(impl IntoShown for $kind {
            fn into_shown(self) -> String {
                self.to_string()
            }
        })*
    };
}

shown_as_displayed!(
    std::net::SocketAddr,
    RtpPorts,
    Codecs,
    Networks,
    SrtpPolicy,
    JitterBuffer,
    ConferenceDigits,
    KeptFor,
    DiskSize,
    RecordingHash,
    RecordingRate,
    OutboundAllow,
    usize,
    String
);
