//! The program: reads the command line, starts what it asks for, and ends with a status that a script can
//! trust: 0 all was well, 2 it was asked wrongly or could not start (one line says why), 1 anything else.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Parser, Subcommand};
use confab::config::{self, Config, ConfigError, Environment, LogFormat, ServeArgs};
use confab::load::{self, LoadArgs, REFLECTOR_COMMAND, ReflectorArgs};
use confab::recording::{self, RecordingArgs};
use confab::server::{self, StartError};
use confab::telemetry::{self, LogError};
use confab::token::{self, TokenArgs, TokenCommandError};

/// A voice media node: SIP legs mixed in conferences, controlled over HTTP.
#[derive(Parser)]
#[command(name = "confab", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The tail of `confab --help`.
const EXAMPLES: &str = "\
Examples:
  confab serve                  run a node on this machine
  confab serve --help           every setting, with its variable and default
  confab load --spawn           start a node, call it, and prove who hears whom
  confab recording verify DIR   hold recordings against their manifests
  confab token --identity NAME  make an access token for a browser

Exit status: 0 all was well; 2 asked wrongly or could not start, one line says why; 1 anything else.";

/// What the program can do. A command is listed here and started in `start`, nowhere else.
#[derive(Subcommand)]
enum Command {
    Serve(Box<ServeArgs>),
    Load(Box<LoadArgs>),
    #[command(name = REFLECTOR_COMMAND, hide = true)]
    LoadReflector(ReflectorArgs),
    Recording(RecordingArgs),
    Token(TokenArgs),
    /// Print the version
    Version,
}

/// Asked wrongly, or could not start.
const STATUS_NOT_STARTED: u8 = 2;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => start(cli.command),
        Err(error) => answer(&error),
    }
}

fn start(command: Command) -> ExitCode {
    match command {
        Command::Serve(args) => {
            serve(&args).map_or_else(|e| not_started(&e.to_string()), |()| ExitCode::SUCCESS)
        }
        Command::Load(args) => load(*args).unwrap_or_else(|e| failed(&format!("{e:#}"))),
        Command::LoadReflector(args) => {
            load::run_reflector(&args).map_or_else(|e| failed(&format!("{e:#}")), |()| ExitCode::SUCCESS)
        }
        Command::Recording(args) => recording(&args).unwrap_or_else(|e| failed(&e.to_string())),
        Command::Token(args) => token(&args).unwrap_or_else(|e| not_started(&e.to_string())),
        Command::Version => {
            say(concat!("confab ", env!("CARGO_PKG_VERSION")));
            ExitCode::SUCCESS
        }
    }
}

fn recording(args: &RecordingArgs) -> io::Result<ExitCode> {
    let is_well = recording::run(args, &mut io::stdout().lock(), &mut io::stderr())?;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn token(args: &TokenArgs) -> Result<ExitCode, TokenCommandError> {
    say(&token::run(args, &Environment::of_process()?)?);
    Ok(ExitCode::SUCCESS)
}

fn load(args: LoadArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(load::run(args))
}

/// Why `confab serve` did not start.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Start(#[from] StartError),
}

fn serve(args: &ServeArgs) -> Result<(), ServeError> {
    let environment = Environment::of_process()?;
    let effective = config::load(args, &environment, Path::new(config::DEFAULT_FILE))?;
    let format = match effective.config.log.format {
        LogFormat::Text => telemetry::Format::Text,
        LogFormat::Json => telemetry::Format::Json,
    };
    telemetry::start(&effective.config.log.filter, format)?;

    effective.announce();
    if let Some(path) = effective.credentials_made() {
        show_credentials(&effective.config, path);
    }
    Ok(server::run(effective.config)?)
}

/// The one place that shows the token, and only at the start that made it. On standard output, not in the log:
/// logs are kept and sent elsewhere.
fn show_credentials(config: &Config, path: &Path) {
    let (sid, token) = (&config.credentials.account_sid, config.credentials.auth_token.expose());
    say(&format!("confab credentials account_sid={sid} auth_token={token}"));
    say(&format!("confab credentials are kept in {} and not printed again", path.display()));
}

/// Answers a command line that starts nothing: help, a version, or one line about what is wrong with it.
fn answer(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return not_started(&one_line(error));
    }
    // To a closed pipe nothing can be said, and nothing is wrong.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(STATUS_NOT_STARTED))
}

fn one_line(error: &clap::Error) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    if let (ErrorKind::UnknownArgument, Some(wrong)) = (error.kind(), text(ContextKind::InvalidArg)) {
        let kind = if wrong.starts_with('-') { "flag" } else { "argument" };
        let meant = text(ContextKind::SuggestedArg).map(|flag| format!("; did you mean `{flag}`?"));
        return format!("unknown {kind} `{}`{}", wrong.escape_debug(), meant.unwrap_or_default());
    }
    let rendered = error.render().to_string();
    let lines = rendered.trim_start_matches("error: ").lines().map(str::trim);
    let telling = lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    telling.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

fn not_started(why: &str) -> ExitCode {
    complain(why);
    ExitCode::from(STATUS_NOT_STARTED)
}

fn failed(why: &str) -> ExitCode {
    complain(why);
    ExitCode::FAILURE
}

fn complain(why: &str) {
    // If standard error is closed, the status still tells.
    let _ = writeln!(io::stderr(), "confab: {why}");
}

fn say(line: &str) {
    // If standard output is closed, nobody wants to know.
    let _ = writeln!(io::stdout(), "{line}");
}
