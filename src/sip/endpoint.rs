//! The SIP endpoint: its sockets, the library, and the stream of requests out of it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use rsipstack::EndpointBuilder;
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::platform::CancellationToken;
use rsipstack::sip::Transport;
use rsipstack::transaction::Endpoint as LibraryEndpoint;
use rsipstack::transaction::endpoint::EndpointOption;
use rsipstack::transport::udp::UdpConnection;
use rsipstack::transport::{SipAddr, TransportLayer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{Notify, mpsc};
use tokio_util::task::TaskTracker;

use super::advertised::Advertised;
use super::counters::SipCounters;
use super::dialler::Dialler;
use super::forking::Elsewhere;
use super::guard::{Limits, SourceLimiter};
use super::inbound::{self, Inbound};
use super::living::Living;
use super::merged::Recent;
use super::outgoing::AsTheyWroteThem;
use super::registrar::{self, Registrar};
use super::resolver::Resolver;
use super::secure::{OpenTls, SecureDialler, Trust};
use super::states::States;
use super::stream::Serving;
use super::tls::Certificate;
use super::trunk::Trunks;
use super::trunk::register::keep_registered;
use super::udp::{Gate, GuardedUdp, KeepAlive};
use super::websocket::WebSockets;
use super::{outbound, tcp, tls};
use crate::call::{self, AccountSid, OutgoingCall};
use crate::config::{self, Agents, Codecs, Routes, SrtpPolicy};
use crate::directory::Directory;
use crate::telemetry::Metrics;
use crate::webrtc::Browsers;

/// Who we are in `User-Agent`.
const USER_AGENT: &str = concat!("Confab/", env!("CARGO_PKG_VERSION"));

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// Ports tried when any will do: one that is free for UDP may be taken for TCP.
const FREE_PORT_TRIES: u32 = 32;

/// The UDP and TCP sockets, on one port, and the one for TLS.
pub struct Sockets {
    udp: UdpSocket,
    tcp: TcpListener,
    /// The address they are bound to, with the real port.
    pub address: SocketAddr,
    /// SIP over TLS, if it is served.
    pub tls: Option<TlsSocket>,
}

/// The socket of SIP over TLS.
pub struct TlsSocket {
    tcp: TcpListener,
    certificate: Certificate,
    /// The address it is bound to, with the real port.
    pub address: SocketAddr,
}

/// Binds the socket of SIP over TLS.
///
/// # Errors
/// The system's refusal.
pub fn bind_tls(listen: SocketAddr, certificate: Certificate) -> io::Result<TlsSocket> {
    let tcp = bind_tcp(listen)?;
    let address = tcp.local_addr()?;
    Ok(TlsSocket { tcp, certificate, address })
}

/// Binds both. Port 0 takes one that is free for both.
///
/// # Errors
/// The system's refusal.
pub fn bind(listen: SocketAddr) -> io::Result<Sockets> {
    let tries = if listen.port() == 0 { FREE_PORT_TRIES } else { 1 };
    let mut refusal = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..tries {
        match bind_once(listen) {
            Ok(sockets) => return Ok(sockets),
            Err(e) => refusal = e,
        }
    }
    Err(refusal)
}

fn bind_once(listen: SocketAddr) -> io::Result<Sockets> {
    let domain = Domain::for_address(listen);
    let udp = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    udp.set_nonblocking(true)?;
    udp.bind(&listen.into())?;
    let udp = UdpSocket::from_std(udp.into())?;
    let address = udp.local_addr()?;

    Ok(Sockets { udp, tcp: bind_tcp(address)?, address, tls: None })
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let tcp = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of a node that ended a moment ago must not keep the next from starting.
    tcp.set_reuse_address(true)?;
    tcp.set_nonblocking(true)?;
    tcp.bind(&address.into())?;
    tcp.listen(BACKLOG)?;
    TcpListener::from_std(tcp.into())
}

/// What the endpoint is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who has a phone of their own here.
    pub agents: Agents,
    /// The realm in which they are asked for their passwords.
    pub realm: String,
    /// The address told to far ends.
    pub advertised: IpAddr,
    /// Whose calls those are that a route lets in.
    pub account: AccountSid,
    /// Where calls go.
    pub routes: Routes,
    /// Whose numbers are called, and what they say: before any route.
    pub directory: Directory,
    /// Makes the media of browsers' calls, and rings at those that agents have beside their phones.
    pub browsers: Browsers,
    /// Who vouches for those whom the node calls over TLS.
    pub trust: Trust,
    /// Ways to the telephone network.
    pub trunks: config::Trunks,
    /// Codecs, the best liked first.
    pub codecs: Codecs,
    /// Whether media are SRTP where the route does not say.
    pub srtp: SrtpPolicy,
    /// The shortest session interval accepted, in seconds (RFC 4028 §5).
    pub session_interval_min: u32,
    /// Where browsers with SIP of their own come.
    pub web: Web,
}

/// The ports of the HTTP listeners.
#[derive(Clone, Copy, Debug)]
pub struct Web {
    /// The one without TLS.
    pub http: u16,
    /// The one over TLS, if there is one.
    pub https: Option<u16>,
}

/// A running endpoint.
pub struct Endpoint {
    stop: CancellationToken,
    calls: TaskTracker,
    /// Cancelled first: the node unregisters while its sockets are still open.
    leaving: CancellationToken,
    /// None: there are no agents, and nobody else may come by one.
    web: Option<WebSockets>,
}

impl Endpoint {
    /// Starts serving on the current runtime.
    ///
    /// # Errors
    /// When the library does not take the sockets.
    pub async fn start(
        sockets: Sockets,
        settings: Settings,
        calls: call::Handle,
        outgoing: mpsc::Receiver<OutgoingCall>,
        metrics: &Metrics,
    ) -> io::Result<Self> {
        let advertised = advertised(&settings, &sockets);
        let has_agents = !settings.agents.is_empty();
        let counters = Arc::new(SipCounters::new(metrics));
        let registrar = Registrar::new(settings.agents, settings.realm, settings.account, metrics)
            .map_err(io::Error::other)?;
        let (registrar, elsewhere) = (Arc::new(registrar), Arc::new(Elsewhere::default()));
        let (living, stop) = (Arc::new(Living::default()), CancellationToken::new());
        let gate = Arc::new(Gate::new(limiter(&settings.trunks), Arc::clone(&counters)));

        let socket = Arc::new(GuardedUdp::new(sockets.udp, Arc::clone(&gate)));
        let keep_alive = KeepAlive(Arc::clone(&socket));
        let transport = transport_over(socket, advertised.sip, Resolver::new(&registrar), &stop).await?;
        let open = Arc::new(OpenTls::default());
        let written = AsTheyWroteThem::new(&registrar, &elsewhere, &open, &living);
        let endpoint = build(transport, written, advertised.ip(), &stop);
        let requests = endpoint.incoming_transactions().map_err(io::Error::other)?;
        let tasks = TaskTracker::new();
        let inner = endpoint.inner.clone();
        let serving = || Serving { endpoint: inner.clone(), gate: Arc::clone(&gate) };
        let here = SipAddr { r#type: Some(Transport::Tcp), addr: advertised.sip.into() };
        let (secure_here, known) = (advertised.over(Transport::Tls), (open, Arc::clone(&living)));
        let secure = SecureDialler::new(serving(), settings.trust, secure_here, known, stop.child_token());
        let dialogs = Arc::new(DialogLayer::new(inner.clone()));
        let inbound = Inbound {
            dialler: Dialler::new(serving(), here.clone(), Arc::clone(&living), stop.child_token()),
            secure,
            states: follow(&dialogs, &stop),
            dialogs,
            endpoint: inner.clone(),
            trunks: Trunks::new(&settings.trunks, metrics).map_err(io::Error::other)?,
            calls,
            account: settings.account,
            routes: settings.routes,
            directory: settings.directory,
            registrar,
            browsers: settings.browsers,
            elsewhere,
            codecs: settings.codecs,
            srtp: settings.srtp,
            advertised,
            counters,
            tasks: tasks.clone(),
            session_interval_min: settings.session_interval_min,
            recent: Recent::default(),
            in_order: Arc::default(),
            living,
            gate: Arc::clone(&gate),
            acknowledged: Notify::new(),
        };
        let inbound = Arc::new(inbound);
        tokio::spawn(async move { endpoint.serve().await });
        tokio::spawn(inbound::serve(Arc::clone(&inbound), requests));
        tokio::spawn(registrar::sweep(Arc::clone(&inbound), keep_alive.clone(), stop.child_token()));
        let leaving = CancellationToken::new();
        register(&inbound, &keep_alive, &leaving);
        tokio::spawn(outbound::serve(inbound, outgoing));
        tokio::spawn(tcp::listen(sockets.tcp, here, serving(), stop.child_token()));
        if let Some(tls) = sockets.tls {
            tokio::spawn(tls::listen(tls.tcp, tls.certificate, secure_here, serving(), stop.child_token()));
        }
        let web = has_agents.then(|| WebSockets::new(serving(), advertised, stop.child_token()));
        Ok(Self { stop, calls: tasks, leaving, web })
    }

    /// What it serves over HTTP, in front of `others`.
    pub fn routes(&self, others: Router) -> Router {
        match &self.web {
            Some(web) => web.clone().routes(others),
            None => others,
        }
    }

    /// Waits until all calls' signalling is done, at most `patience`, then closes the sockets.
    pub async fn stop(self, patience: Duration) {
        self.leaving.cancel();
        self.calls.close();
        if tokio::time::timeout(patience, self.calls.wait()).await.is_err() {
            tracing::warn!("some far ends did not answer the end of their calls");
        }
        self.stop.cancel();
    }
}

/// Where far ends reach what was bound.
fn advertised(settings: &Settings, sockets: &Sockets) -> Advertised {
    let at = |port| SocketAddr::new(settings.advertised, port);
    Advertised {
        sip: at(sockets.address.port()),
        tls: sockets.tls.as_ref().map(|tls| at(tls.address.port())),
        http: at(settings.web.http),
        https: settings.web.https.map(at),
    }
}

/// What happens in dialogs, passed on until the endpoint ends.
fn follow(dialogs: &DialogLayer, stop: &CancellationToken) -> Arc<States> {
    let states = States::new(dialogs);
    tokio::spawn(stop.child_token().run_until_cancelled_owned(Arc::clone(&states).pass_on()));
    states
}

fn build(
    transport: TransportLayer,
    inspector: AsTheyWroteThem,
    advertised: IpAddr,
    stop: &CancellationToken,
) -> LibraryEndpoint {
    EndpointBuilder::new()
        .with_user_agent(USER_AGENT)
        .with_cancel_token(stop.clone())
        .with_transport_layer(transport)
        .with_inspector(Box::new(inspector))
        .with_option(EndpointOption {
            callid_suffix: Some(advertised.to_string()),
            ..EndpointOption::default()
        })
        .build()
}

/// How much strangers may send, and trunks.
fn limiter(trunks: &config::Trunks) -> SourceLimiter {
    let networks = trunks.iter().map(|trunk| (trunk.inbound_from.clone(), trunk.messages_per_second));
    SourceLimiter::new(Limits::default()).with_trunks(networks)
}

/// Registers with the trunks that want it, each by a task of its own.
fn register(shared: &Arc<Inbound>, keep_alive: &KeepAlive, leaving: &CancellationToken) {
    for line in shared.trunks.iter().filter(|line| line.trunk.register.is_some()) {
        let (shared, line) = (Arc::clone(shared), Arc::clone(line));
        let (keep_alive, leaving) = (keep_alive.clone(), leaving.clone());
        let tasks = shared.tasks.clone();
        tasks.spawn(async move { keep_registered(&shared, &line, keep_alive, leaving).await });
    }
}

/// The library's transports, with UDP among them.
async fn transport_over(
    socket: Arc<GuardedUdp>,
    public: SocketAddr,
    resolver: Resolver,
    stop: &CancellationToken,
) -> io::Result<TransportLayer> {
    let transport = TransportLayer::new_with_domain_resolver(stop.clone(), Box::new(resolver));
    let udp = UdpConnection::from_socket(socket, Some(public), Some(stop.child_token()));
    transport.add_transport(udp.await.map_err(io::Error::other)?.into());
    Ok(transport)
}
