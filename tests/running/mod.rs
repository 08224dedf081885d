//! A node of a test's own, in the test's process, on free ports, with a data directory that goes with it.

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
    pub(crate) data: TempDir,
}

impl Running {
    /// Starts one.
    #[allow(dead_code, reason = "not every test is content with the defaults")]
    pub(crate) async fn start(options: Options) -> Self {
        Self::start_with(options, &[]).await
    }

    /// Starts one with flags of the test's own, such as `--max-calls=2`.
    pub(crate) async fn start_with(options: Options, flags: &[&str]) -> Self {
        Self::start_in(TempDir::new().expect("a directory for a test"), options, flags).await
    }

    /// Stops it, and leaves what it kept.
    #[allow(dead_code, reason = "most nodes end with their test")]
    pub(crate) async fn stop(self) -> TempDir {
        self.node.stop().await;
        self.data
    }

    /// Starts one with what another kept.
    pub(crate) async fn start_in(data: TempDir, options: Options, flags: &[&str]) -> Self {
        let directory = data.path().to_str().expect("a path in UTF-8");
        let ours = ["node", "--http-listen=127.0.0.1:0", "--sip-listen=127.0.0.1:0", "--data-dir", directory];
        let cli = Cli::parse_from(ours.iter().chain(flags));
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
