//! Why the node does not start with what it was told. Each is one line that names the place and what would
//! be right; none shows a secret.

use std::io;
use std::path::PathBuf;

use super::effective::Source;
use super::setting::Setting;

/// Why the configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A key in the file is not known.
    #[error("unknown key `{}` in {path} line {line}{}", key.escape_debug(), meant(nearest.as_deref()))]
    UnknownKey {
        /// The key.
        key: String,
        /// The file, as it was named.
        path: String,
        /// Where in it, from 1.
        line: usize,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// A `CONFAB_*` variable is not known.
    #[error("unknown environment variable `{}`{}", name.escape_debug(), meant(nearest.as_deref()))]
    UnknownVariable {
        /// Its name.
        name: String,
        /// What was probably meant.
        nearest: Option<String>,
    },
    /// A variable's value is not UTF-8.
    #[error("environment variable `{}` is not valid UTF-8", name.escape_debug())]
    NotText {
        /// Its name.
        name: String,
    },
    /// A value is not of its setting's kind.
    #[error("wrong value {shown} for `{setting}` ({source_of}): expected {expected}")]
    WrongValue {
        /// The setting.
        setting: Setting,
        /// The value, quoted, or that it is not shown.
        shown: String,
        /// Where it was given.
        source_of: Source,
        /// What would be right.
        expected: String,
    },
    /// The file cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what a configuration file should be.
    #[error("{path} line {line}: {why}")]
    File {
        /// The file, as it was named.
        path: String,
        /// Where in it, from 1.
        line: usize,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// Callers would be told an address that is none.
    #[error(
        "`sip_listen` is {listen} ({source_of}), and callers cannot be told to send there: set \
         `public_address` (--public-address, CONFAB_PUBLIC_ADDRESS) to the address they reach this node at"
    )]
    Unroutable {
        /// Where SIP would listen.
        listen: std::net::SocketAddr,
        /// Where that was given.
        source_of: Source,
    },
    /// Callers would be told an address of a family in which nothing listens.
    #[error(
        "`public_address` is of both families, and `sip_listen` is {listen} ({source_of}), which only one of them \
         reaches: listen on `[::]`, or name one address"
    )]
    OneFamily {
        /// Where SIP would listen.
        listen: std::net::SocketAddr,
        /// Where that was given.
        source_of: Source,
    },
    /// SIP over TLS takes an address, a certificate and a key.
    #[error(
        "SIP over TLS needs `sip_tls_listen`, `sip_tls_cert` and `sip_tls_key`, and `{missing}` ({}, {}) is missing",
        missing.flag(), missing.variable()
    )]
    TlsIncomplete {
        /// The first that was not given.
        missing: Setting,
    },
    /// HTTPS lacks something.
    #[error("HTTPS with a certificate needs `https_listen`, `https_cert` and `https_key`, and `{missing}` ({}, {}) is missing",
        missing.flag(), missing.variable()
    )]
    HttpsIncomplete {
        /// The first that was not given.
        missing: Setting,
    },
    /// The data directory cannot be used.
    #[error("cannot use the data directory {}: {source}", path.display())]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kept credentials cannot be used.
    #[error("cannot use the kept credentials {}: {why}", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// Why. Never quotes the file.
        why: String,
    },
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}
