//! What the node was told to do: flags, environment and one TOML file, in that order of precedence, each
//! saying the same things in the same words (see [`Setting`]).
//!
//! [`load`] reads all three, refuses what it does not know, makes the data directory and the API's
//! credentials where they are missing, and gives back one [`Config`] together with where each value
//! came from. Nothing else in the node reads a flag, a variable or the file.
//!
//! ```text
//!   --http-listen   CONFAB_HTTP_LISTEN   confab.toml: http_listen   default
//!        └──────────────────┴─────────────────────┴────────────────────┘
//!                     first that is given ──► parsed once ──► Config
//! ```

mod accounts;
mod agents;
mod args;
mod certificates;
mod codecs;
mod conference_digits;
mod credentials;
mod data_dir;
mod effective;
mod environment;
mod error;
mod file;
mod file_agents;
mod file_connectors;
mod file_trunks;
mod gather;
mod jitter_buffer;
mod kept_for;
mod networks;
mod outbound;
mod ports;
mod recordings;
mod routes;
mod secret;
mod setting;
mod trunks;
mod value;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub use accounts::{AccountTerms, Accounts};
pub use agents::{Agent, Agents, Ring};
pub use args::ServeArgs;
pub use certificates::read_certificates;
pub use codecs::Codecs;
pub use conference_digits::ConferenceDigits;
pub use credentials::Credentials;
pub use data_dir::{DataDirLock, LockError};
pub use effective::{Effective, Line, Source};
pub use environment::Environment;
pub use error::ConfigError;
pub use file_connectors::PayConnector;
pub use gather::load;
pub use jitter_buffer::JitterBuffer;
pub use kept_for::KeptFor;
pub use networks::{Network, Networks};
pub use outbound::OutboundAllow;
pub use ports::RtpPorts;
pub use recordings::{DiskSize, RecordingHash, RecordingRate};
pub use routes::{Decision, RouteScript, Routes, ScriptSource, SrtpPolicy, WebhookUrl};
pub use secret::Secret;
pub use setting::{Setting, nearest};
pub use trunks::{
    Carriage, InboundCredentials, Rewrite, Trunk, TrunkAddress, TrunkCredentials, TrunkTransport, Trunks,
};

/// The file that is read when none is named, if it is there.
pub const DEFAULT_FILE: &str = "confab.toml";

/// Everything the node was told, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The control API.
    pub http: Http,
    /// Signalling.
    pub sip: Sip,
    /// Sound: its ports, threads and patience.
    pub media: Media,
    /// How much the node takes on.
    pub limits: Limits,
    /// What may be dialled. Default: registered agents, so that a stolen password is no telephone bill.
    pub outbound_allow: OutboundAllow,
    /// Calls that an account may begin over the API in a second, unless its own terms say otherwise; more wait. Default
    /// 30, what a carrier takes from one customer without complaint.
    pub calls_per_second: u32,
    /// Ways to the telephone network. Default none.
    pub trunks: Trunks,
    /// Accounts with terms of their own. Default none.
    pub accounts: Accounts,
    /// Requests to applications.
    pub webhook: Webhook,
    /// The command that speaks the texts of scripts, with its arguments. Default none.
    pub say_command: Option<String>,
    /// The service that speaks them, before the command is asked. Default none.
    pub say_url: Option<SayUrl>,
    /// Where applications reach the API, without a slash at its end. Default `http://` and where it listens.
    pub public_url: Option<String>,
    /// Where what outlives the process is kept. Default `./confab-data`, so that a first try leaves
    /// everything in one place that is easy to delete. Exists, with mode 0700 if the node made it.
    pub data_dir: PathBuf,
    /// How long what was is remembered.
    pub retention: Retention,
    /// How recordings are made, and how long they are kept.
    pub recordings: Recordings,
    /// Who may use the API.
    pub credentials: Credentials,
    /// Where calls go. Default: user `conf-NAME` to the conference NAME, all else 404.
    pub routes: Routes,
    /// Who has a phone of their own here. Default: nobody.
    pub agents: Agents,
    /// Who charges cards. Default: nobody but the sandbox.
    pub pay_connectors: Vec<PayConnector>,
    /// What is logged, and how.
    pub log: Log,
}

/// A service that speaks.
#[derive(Clone, Debug)]
pub struct SayUrl {
    /// Where.
    pub url: String,
    /// What it is shown, if it wants something.
    pub token: Option<Secret>,
}

/// The control API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Where the API listens. Default `127.0.0.1:8080`: it speaks plain HTTP with a password, so
    /// leaving the machine must be somebody's decision. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The same over TLS, which browsers want before they give a page the microphone. Default none.
    pub tls: Option<Https>,
}

/// HTTP over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Https {
    /// Where it listens. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The certificate and those above it, and its private key, both PEM. Default: one that the node makes itself, for
    /// trying things.
    pub files: Option<(PathBuf, PathBuf)>,
}

/// Signalling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sip {
    /// Where SIP listens, UDP and TCP on one port; media sockets bind to the same address.
    /// Default `127.0.0.1:5060`, SIP's own port on the machine itself. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// SIP over TLS. Default: none, since it takes a certificate.
    pub tls: Option<SipTls>,
    /// Authorities that are trusted besides the machine's where the node calls somebody over TLS. Default: none.
    pub tls_ca: Option<PathBuf>,
    /// The realm in which agents are asked for their passwords. Default `confab`. Phones show it at most.
    pub realm: String,
    /// The address told to callers in Contact and SDP, and behind it one of the other family that browsers are told besides.
    /// Default: the listening address. A node behind a NAT, or one that listens on all addresses, must be told.
    pub public_addresses: Vec<IpAddr>,
}

/// SIP over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipTls {
    /// Where it listens, usually on port 5061. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The certificate and those above it, PEM.
    pub cert: PathBuf,
    /// The certificate's private key, PEM. Only the node should be able to read it.
    pub key: PathBuf,
}

impl Sip {
    /// The address that callers are told.
    pub fn advertised(&self) -> IpAddr {
        self.public_addresses.first().copied().unwrap_or_else(|| self.listen.ip())
    }

    /// The address of the other family, which browsers are told as well.
    pub fn advertised_too(&self) -> Option<IpAddr> {
        self.public_addresses.get(1).copied()
    }
}

/// Sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// UDP ports of legs. Default `20000-29999`: clear of the ports that Linux gives to others by
    /// default (32768 and up), and room for 5,000 legs.
    pub rtp_ports: RtpPorts,
    /// The UDP port that the browsers of the first media thread share; each further thread has the next. Default `19000`:
    /// below the ports of the other legs. 0 takes free ones, and is the default where SIP takes a free port.
    pub browser_port: u16,
    /// Media threads. Default: one per core, since each polls its own sockets and shares nothing.
    pub threads: usize,
    /// A leg from which neither RTP nor RTCP came for so long is ended. Default 60 s: far longer than any
    /// pause of a living far end, and short enough that a vanished one does not hold its seat.
    pub rtp_timeout: Duration,
    /// The codecs that calls may use, the best liked first. Default: all, the best sounding first.
    pub codecs: Codecs,
    /// Whether media are SRTP where the route does not say. Default off: the keys stand in SDP, and are worth
    /// something only if signalling is over TLS.
    pub srtp: SrtpPolicy,
    /// How much delay a leg may have for the sake of unbroken sound. Default medium.
    pub jitter_buffer: JitterBuffer,
    /// Whether the keys that callers press are heard in their conference. Default withheld: they may be a card number.
    pub digits_in_conference: ConferenceDigits,
}

/// How much the node takes on. What is over a limit is refused cleanly; what is under way is not touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Seats in one conference, 2 to 250. Default 250, what the engine is measured for.
    pub participants: usize,
    /// Voices mixed at a time in one conference, 1 to 250; when more speak, the loudest are. Default 16.
    pub talkers: usize,
    /// Calls at a time on the whole node; the next is answered with SIP 503. Default 2,000: what two cores
    /// carry with room to spare.
    pub calls: usize,
    /// How long a call may last from its answer, if it has no time limit of its own. Default 4 h, as long as `<Dial>`
    /// gives a call: who hangs on a forgotten line pays for it no longer.
    pub call_duration: Duration,
    /// How long a conference may last from its first participant, whether it starts or not. Default 4 h.
    pub conference_duration: Duration,
    /// How long before either's end a tone tells of it. Default none: it is heard by customers.
    pub warning_tone: Option<Duration>,
}

/// Requests to applications.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Webhook {
    /// Networks that requests may go to though they are not public. Default none: users of the API choose the URLs, and
    /// the node stands inside of somebody's network.
    pub egress_allow: Networks,
    /// Authorities trusted besides the machine's, PEM. Default none.
    pub ca: Option<PathBuf>,
}

/// How long what was is remembered. Default 30 days each: long enough to answer a complaint, short enough that nobody's
/// calls are on record for ever by accident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Calls that are over.
    pub calls: KeptFor,
    /// Conferences that are over.
    pub conferences: KeptFor,
    /// Notifications, and what applications were asked and answered.
    pub notifications: KeptFor,
    /// Attestations of payments. Default for ever: nobody but the auditor knows how long they are wanted.
    pub attestations: KeptFor,
}

/// How recordings are made, and how long they are kept. None is deleted by default: often the law says how long it must be
/// there, and nobody else knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recordings {
    /// How long after their end they are there. Default for ever.
    pub kept: KeptFor,
    /// How much disk all of them may take. Default as much as there is.
    pub max_size: DiskSize,
    /// Samples a second. Default as what is recorded has them.
    pub rate: RecordingRate,
    /// Which hash their sound has. Default BLAKE3.
    pub hash: RecordingHash,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// A level, or `target=level` parts joined by commas. Default `info`.
    pub filter: String,
    /// How a line looks. Default `text`.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

#[cfg(test)]
mod tests;
