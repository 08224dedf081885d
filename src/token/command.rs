//! `confab token`: makes an access token for trying things, on the machine that has the node's data directory.

use std::path::{Path, PathBuf};

use chrono::{TimeDelta, Utc};
use clap::Args;

use super::{IDENTITY_CHARS_MAX, Wanted, own};
use crate::config::{self, ConfigError, Environment, ServeArgs};
use crate::sid::{AccountSid, ApplicationSid};

/// What can be said of the token that is wanted.
#[derive(Args, Clone, Debug)]
#[command(about = "Print an access token for a browser, to try things", after_help = EXAMPLES)]
pub struct TokenArgs {
    /// Who is let in: the name that others call as client:NAME
    #[arg(long, value_name = "NAME")]
    identity: String,

    /// The application that their calls go to; without they may not call
    #[arg(long, value_name = "SID")]
    application: Option<ApplicationSid>,

    /// They may not be called
    #[arg(long)]
    no_incoming: bool,

    /// For how many seconds it is valid, a day at most
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    ttl: u32,

    /// The account [default: the node's own]
    #[arg(long, value_name = "SID")]
    account: Option<AccountSid>,

    /// The node's data directory [env: CONFAB_DATA_DIR] [default: as the node's configuration says]
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: Option<String>,

    /// The node's configuration file [env: CONFAB_CONFIG] [default: confab.toml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The tail of `confab token --help`.
const EXAMPLES: &str = "\
Examples:
  confab token --identity alice
  confab token --identity alice --application AP0123456789abcdef0123456789abcdef --ttl 600

Applications make tokens themselves, with a key and their Twilio SDK. Those printed here are signed with the node's own
secret, the file token.key in its data directory.

Exit status: 0 the token is on standard output; 2 there is none, one line says why.";

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenCommandError {
    /// The node's configuration cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The name is none.
    #[error("--identity is not 1 to {IDENTITY_CHARS_MAX} characters that can be shown")]
    Identity,
    /// The account's name in the configuration is none.
    #[error("`account_sid`: {0}")]
    Account(#[from] crate::sid::SidError),
    /// The secret cannot be read or made.
    #[error("token.key in {folder}: {source}")]
    Secret {
        /// The data directory.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The token.
///
/// # Errors
/// When it cannot be made; the error is one line.
pub fn run(args: &TokenArgs, environment: &Environment) -> Result<String, TokenCommandError> {
    let length = args.identity.chars().count();
    if length == 0 || length > IDENTITY_CHARS_MAX || args.identity.chars().any(char::is_control) {
        return Err(TokenCommandError::Identity);
    }
    let told =
        ServeArgs { config: args.config.clone(), data_dir: args.data_dir.clone(), ..ServeArgs::default() };
    let config = config::load(&told, environment, Path::new(config::DEFAULT_FILE))?.config;
    let account = args.account.map_or_else(|| config.credentials.account_sid.parse(), Ok)?;
    let wanted = Wanted {
        account,
        identity: args.identity.clone(),
        application_sid: args.application,
        incoming_allow: !args.no_incoming,
        is_supervisor: false,
        lifetime: TimeDelta::seconds(args.ttl.into()),
    };
    let key = own::open(&config.data_dir)
        .map_err(|source| TokenCommandError::Secret { folder: config.data_dir.clone(), source })?;
    Ok(wanted.signed(&key, Utc::now()))
}
