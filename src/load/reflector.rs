//! The floor under a node's cost: a process that does nothing but send each packet back, a socket per leg,
//! all polled on one 20 ms tick. It runs in a process of its own, so that its cost is its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::media::{MediaLeg, MediaThreads};
use super::plan::{FRAME_MS, LegNumber, Plan, frames_to_duration};
use super::process;
use super::report::Cost;
use super::run::{self, Meter};
use super::sdp::Answer;
use super::signalling::Answered;
use super::spawn::ReadyChild;
use super::stage::Stage;
use super::wire;

/// The hidden subcommand that is the reflector.
pub const REFLECTOR_COMMAND: &str = "load-reflector";
const TICK: Duration = Duration::from_millis(FRAME_MS);
/// As many packets from one socket in one tick; a late tick finds more than one.
const TAKE_MAX: usize = 16;
const DATAGRAM_MAX: usize = 2_048;
/// Long enough to be exact to a few µs per leg-second, short enough not to double the run.
const BASELINE_FRAMES_MAX: u64 = 400;

/// The reflector's own arguments.
#[derive(Clone, Debug, clap::Args)]
pub struct ReflectorArgs {
    /// Sockets to open; their ports are said on standard output.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4000))]
    pub sockets: u16,
}

/// Sends everything back until it is stopped by a signal.
///
/// # Errors
/// When a socket cannot be had or standard output is closed.
pub fn run_reflector(args: &ReflectorArgs) -> anyhow::Result<()> {
    wire::raise_file_limit();
    let bind = |_| -> std::io::Result<UdpSocket> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    let sockets: Vec<UdpSocket> = (0..args.sockets).map(bind).collect::<Result<_, _>>()?;
    say_ready(&sockets)?;
    let mut due = Instant::now();
    let mut buffer = [0; DATAGRAM_MAX];
    loop {
        due += TICK;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        sockets.iter().for_each(|socket| reflect(socket, &mut buffer));
    }
}

fn say_ready(sockets: &[UdpSocket]) -> std::io::Result<()> {
    use std::io::Write;
    let port = |socket: &UdpSocket| Ok(socket.local_addr()?.port().to_string());
    let ports: std::io::Result<Vec<String>> = sockets.iter().map(port).collect();
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "ready ports={}", ports?.join(","))?;
    stdout.flush()
}

fn reflect(socket: &UdpSocket, buffer: &mut [u8; DATAGRAM_MAX]) {
    for _ in 0..TAKE_MAX {
        let Ok((length, from)) = socket.recv_from(buffer) else {
            return;
        };
        // A packet that cannot be sent back is one the caller will miss.
        let _ = socket.send_to(&buffer[..length], from);
    }
}

/// Streams as many packets as the plan's legs send to a reflector, and measures what it costs.
///
/// # Errors
/// When the reflector cannot be started or measured.
pub(super) async fn baseline(plan: &Plan) -> anyhow::Result<Cost> {
    let program = std::env::current_exe().context("cannot tell which program this is")?;
    let mut command = Command::new(program);
    command.args([REFLECTOR_COMMAND, "--sockets", &plan.legs().to_string()]);
    let mut child = ReadyChild::start(command).await?;
    let cost = stream_to(&child, plan).await;
    child.stop().await.context("stopping the reflector")?;
    cost
}

async fn stream_to(child: &ReadyChild, plan: &Plan) -> anyhow::Result<Cost> {
    let remotes = remotes_of(child.said("ports").unwrap_or_default())?;
    if remotes.len() != plan.legs() {
        bail!("the reflector has {} ports for {} legs", remotes.len(), plan.legs());
    }
    wire::raise_file_limit();
    let stage = Arc::new(Stage::new(plan));
    let media = MediaThreads::start(&stage)?;
    let before = process::read(child.pid())?;
    for (leg, remote) in remotes.into_iter().enumerate() {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let payload_type = plan.codec_of(LegNumber(leg)).payload_type();
        let answer = Answer { remote, payload_type, audio_level: None, keys: None };
        media.add(MediaLeg::new(Answered { leg: LegNumber(leg), socket, answer, browser: None }, &stage)?)?;
    }
    stage.begin();
    tokio::time::sleep(Duration::from_secs(1)).await;

    let (start, first) = (Instant::now(), process::read(child.pid())?);
    let frames = plan.measured_frames().min(BASELINE_FRAMES_MAX);
    tokio::time::sleep(frames_to_duration(frames)).await;
    let (elapsed, last) = (start.elapsed(), process::read(child.pid())?);
    run::take_home(media, &stage).await?;
    let meter = Meter { first, last, elapsed };
    run::cost(Some(before), Some(meter), plan.legs()).context("no readings")
}

fn remotes_of(ports: &str) -> anyhow::Result<Vec<SocketAddr>> {
    ports.split(',').map(|port| Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port.parse()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_goes_back() {
        let reflector = UdpSocket::bind("127.0.0.1:0").unwrap();
        reflector.set_nonblocking(true).unwrap();
        let caller = UdpSocket::bind("127.0.0.1:0").unwrap();
        caller.connect(reflector.local_addr().unwrap()).unwrap();
        caller.send(b"one").unwrap();
        caller.send(b"two").unwrap();
        reflect(&reflector, &mut [0; DATAGRAM_MAX]);
        let mut buffer = [0; 8];
        assert_eq!(caller.recv(&mut buffer).unwrap(), 3);
        assert_eq!(caller.recv(&mut buffer).unwrap(), 3);
        assert_eq!(&buffer[..3], b"two");
    }

    #[test]
    fn ports_are_read_as_said() {
        assert_eq!(remotes_of("5,6").unwrap()[1], "127.0.0.1:6".parse::<SocketAddr>().unwrap());
        assert!(remotes_of("").is_err());
    }
}
