//! A node of a test's own, in the test's process, on free ports, with a data directory that goes with it, and that is searched
//! for card numbers then.

pub(crate) mod planted;

use std::ops::Deref;
use std::path::Path;

use clap::Parser;
use confab::config::{self, Environment, ServeArgs};
use confab::server::{Node, Options};
use tempfile::TempDir;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    serve: ServeArgs,
}

/// A running node and what a test needs to talk to it.
#[allow(dead_code, reason = "not every test asks the API")]
pub(crate) struct Running {
    pub(crate) node: Node,
    pub(crate) account_sid: String,
    pub(crate) auth_token: String,
    pub(crate) data: Kept,
}

/// What a node keeps. It is searched when it goes.
pub(crate) struct Kept(TempDir);

impl Deref for Kept {
    type Target = TempDir;

    fn deref(&self) -> &TempDir {
        &self.0
    }
}

impl From<TempDir> for Kept {
    fn from(folder: TempDir) -> Self {
        Self(folder)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            planted::search(self.0.path());
        }
    }
}

impl Running {
    /// Starts one.
    #[allow(dead_code, reason = "not every test is content with the defaults")]
    pub(crate) async fn start(options: Options) -> Self {
        Self::start_with(options, &[]).await
    }

    /// Starts one with a configuration file of the test's own.
    #[allow(dead_code, reason = "not every test needs what only a file can say")]
    pub(crate) async fn start_with_file(options: Options, text: &str) -> Self {
        let folder = TempDir::new().expect("a directory for a test");
        let path = folder.path().join("confab.toml");
        std::fs::write(&path, text).expect("a file for a test");
        let flag = format!("--config={}", path.display());
        Self::start_with(options, &[&flag]).await
    }

    /// Starts one with flags of the test's own, such as `--max-calls=2`.
    pub(crate) async fn start_with(options: Options, flags: &[&str]) -> Self {
        Self::start_in(TempDir::new().expect("a directory for a test"), options, flags).await
    }

    /// Stops it, and leaves what it kept.
    #[allow(dead_code, reason = "most nodes end with their test")]
    pub(crate) async fn stop(self) -> Kept {
        self.node.stop().await;
        self.data
    }

    /// Starts one with what another kept.
    pub(crate) async fn start_in(data: impl Into<Kept>, options: Options, flags: &[&str]) -> Self {
        let data = data.into();
        let directory = data.path().to_str().expect("a path in UTF-8");
        let ours = ["node", "--http-listen=127.0.0.1:0", "--sip-listen=127.0.0.1:0", "--data-dir", directory];
        // What a test says itself goes before.
        let name = |flag: &str| flag.split('=').next().map(str::to_owned);
        let ours = ours.iter().filter(|ours| !flags.iter().any(|flag| name(flag) == name(ours)));
        let cli = Cli::parse_from(ours.chain(flags));
        let nothing = Environment::of(std::iter::empty::<(std::ffi::OsString, std::ffi::OsString)>())
            .expect("nothing is no mistake");
        let effective =
            config::load(&cli.serve, &nothing, Path::new("none.toml")).expect("a configuration of ours");
        let credentials = effective.config.credentials.clone();
        let node = Node::start(effective.config, options).await.expect("a node on free ports");
        Self {
            node,
            account_sid: credentials.account_sid,
            auth_token: credentials.auth_token.expose().to_owned(),
            data,
        }
    }
}
