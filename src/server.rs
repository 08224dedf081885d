//! The composition root: opens what the node listens on, says that it is ready, and ends when it is told to.

use std::io::{self, Write};
use std::net::SocketAddr;

use tokio::net::{TcpListener, UdpSocket};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

use crate::config::Config;

/// Why the node could not start. Each is one line.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address} (`{setting}`): {source}")]
    Listen {
        /// The setting that asked for it.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The system refused threads or signals.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// Runs the node until SIGTERM or Ctrl-C.
///
/// When it serves, it prints one line on standard output that tells the real addresses:
/// `confab ready http=127.0.0.1:8080 sip=127.0.0.1:5060`.
///
/// # Errors
/// When it could not start.
pub fn run(config: Config) -> Result<(), StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(config))
}

async fn serve(config: Config) -> Result<(), StartError> {
    // Before the ready line: whoever waits for that may signal at once.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    let http = TcpListener::bind(config.http.listen)
        .await
        .map_err(|source| refused("http_listen", config.http.listen, source))?;
    let sip = bind_sip(config.sip.listen).await?;
    say_ready(http.local_addr()?, sip.local_addr()?)?;

    let reason = stopped(&mut terminate, &mut interrupt).await;
    info!(reason, "stopping");
    Ok(())
}

async fn stopped(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "Ctrl-C",
    }
}

/// SIP's two sockets, on one port.
struct SipSockets {
    udp: UdpSocket,
    _tcp: TcpListener,
}

impl SipSockets {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }
}

async fn bind_sip(listen: SocketAddr) -> Result<SipSockets, StartError> {
    let refused = |source| refused("sip_listen", listen, source);
    let udp = UdpSocket::bind(listen).await.map_err(refused)?;
    let tcp = TcpListener::bind(udp.local_addr()?)
        .await
        .map_err(refused)?;
    Ok(SipSockets { udp, _tcp: tcp })
}

fn refused(setting: &'static str, address: SocketAddr, source: io::Error) -> StartError {
    StartError::Listen {
        setting,
        address,
        source,
    }
}

fn say_ready(http: SocketAddr, sip: SocketAddr) -> io::Result<()> {
    info!(%http, %sip, "ready");
    let mut stdout = io::stdout();
    writeln!(stdout, "confab ready http={http} sip={sip}")?;
    stdout.flush()
}
