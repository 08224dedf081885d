//! The composition root: opens what the node listens on, puts its parts together, says that it is ready, and
//! ends cleanly when it is told to.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use confab_media::{EngineSettings, SampleRate};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::api::{self, ApiState, Listening};
use crate::call;
use crate::config::{self, Config, DataDirLock, LockError, PayConnector, RecordingHash, RecordingRate};
use crate::console::{self, ConsoleState};
use crate::directory::{Directory, DirectoryError, Logins, MainAccount};
use crate::http::{self, Certificate, HttpsError};
use crate::pay::{self, Payments};
use crate::recording::{self, Files, HashKind, Recorder, RecorderSettings, TapSource};
use crate::script;
use crate::signal::{self, SignalState};
use crate::sip;
use crate::sound::{self, Library, SayCommand, Saying};
use crate::store::{Retention, Store, StoreError, StoreSettings};
use crate::stream::{Dialler, Ears, Forks};
use crate::telemetry::Metrics;
use crate::token::Tokens;
use crate::webhook::{
    Client, ClientSettings, Courier, CourierSettings, Egress, OnFailure, Provider, ProviderError, StoreSpool,
    SystemNetwork, TrustError, system_jitter,
};
use crate::webrtc::{BrowserError, Browsers};
use crate::worker::{Bell, BrowserPort, FanOut, HandshakeReader, Ports, TapReader, WorkerSettings, Workers};

/// How long far ends have to answer the end of their calls when the node stops. Together with the media's end
/// it stays under the 10 s after which whoever stopped the node may lose patience.
const STOP_PATIENCE: Duration = Duration::from_secs(6);

/// How long payments have to be over when the node stops, and their calls are. What a connector has may take longer, and
/// whoever stopped the node does not wait for it.
const PAYMENTS_PATIENCE: Duration = Duration::from_secs(2);

/// How long status callbacks have to be delivered when the node stops.
const COURIER_PATIENCE: Duration = Duration::from_secs(2);

/// How long the disk has to take what was recorded when the node stops.
const RECORDER_PATIENCE: Duration = Duration::from_secs(3);

/// Where recordings are, in the data directory.
const RECORDINGS: &str = "recordings";

/// How often it is looked for recordings that are to go. A disk that fills takes longer to fill by as much as recordings
/// may take less than it has.
const RECORDINGS_LOOKED_AT_EVERY: Duration = Duration::from_secs(60);

/// The same of attestations, whose age is in hours at least.
const ATTESTATIONS_LOOKED_AT_EVERY: Duration = Duration::from_secs(600);

/// How long requests in progress have when the node stops.
const HTTP_PATIENCE: Duration = Duration::from_secs(2);

/// How long the database has to take what waits for it when the node stops.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

/// Open files beyond a leg's two sockets each: listeners, connections, the data directory.
const DESCRIPTORS_BESIDE_LEGS: u64 = 4_096;

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
    /// SIP over TLS cannot be served.
    #[error(transparent)]
    Tls(#[from] sip::TlsError),
    /// HTTPS cannot be served.
    #[error(transparent)]
    Https(#[from] HttpsError),
    /// Authorities that webhooks should trust cannot be read.
    #[error("`webhook_ca`: {0}")]
    Trust(#[from] TrustError),
    /// Authorities that should be trusted where the node calls over TLS cannot be read.
    #[error("`sip_tls_ca`: {0}")]
    SipTrust(TrustError),
    /// The command that speaks is none.
    #[error("`say_command`: {0}")]
    Say(String),
    /// A connector of payments cannot be asked.
    #[error("`pay_connector` {name}: {source}")]
    PayConnector {
        /// Which.
        name: String,
        /// Why.
        source: ProviderError,
    },
    /// The node's key for attestations cannot be read or made.
    #[error("the key of attestations in `data_dir`: {0}")]
    Seal(io::Error),
    /// The node's secret for access tokens cannot be read or made.
    #[error("the secret of access tokens in `data_dir`: {0}")]
    Tokens(io::Error),
    /// The service that speaks cannot be asked.
    #[error("`say_url`: {0}")]
    SayUrl(#[from] ProviderError),
    /// The data directory is another node's.
    #[error(transparent)]
    DataDir(#[from] LockError),
    /// Not even a database in memory can be had.
    #[error("cannot open a database: {0}")]
    Store(#[from] StoreError),
    /// The accounts, keys, applications or numbers cannot be read.
    #[error("the accounts and numbers in `data_dir`: {0}")]
    Directory(#[from] DirectoryError),
    /// What was recorded before cannot be read, or nothing more written.
    #[error("cannot record in {folder}: {source}")]
    Recordings {
        /// Where.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The account's name is not one.
    #[error("`account_sid`: {0}")]
    Account(#[from] call::SidError),
    /// Browsers cannot be taken in.
    #[error("browsers' calls: {0}")]
    Browsers(BrowserError),
    /// The system refused threads, sockets or signals.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// Runs the node until SIGTERM or Ctrl-C.
///
/// When it serves, it prints one line on standard output that tells the real addresses:
/// `confab ready http=127.0.0.1:8080 sip=127.0.0.1:5060`, and ` sip_tls=...` and ` https=...` behind it if they are served.
///
/// # Errors
/// When it could not start.
pub fn run(config: Config) -> Result<(), StartError> {
    // Before anybody has to guess which: more than one may be built in. An error means that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        // Before the ready line: whoever waits for that may signal at once.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let node = Node::start(config, Options::default()).await?;
        say_ready(&node)?;
        let reason = stopped(&mut terminate, &mut interrupt).await;
        info!(reason, "stopping");
        node.stop().await;
        Ok(())
    });
    // Nothing that still runs is worth waiting for.
    runtime.shutdown_background();
    served
}

async fn stopped(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "Ctrl-C",
    }
}

fn say_ready(node: &Node) -> io::Result<()> {
    let (http, sip) = (node.http, node.sip);
    let tls = node.sip_tls.map(|tls| format!(" sip_tls={tls}")).unwrap_or_default();
    let https = node.https.map(|https| format!(" https={https}")).unwrap_or_default();
    let shown = |address: Option<SocketAddr>| address.map(tracing::field::display);
    info!(%http, %sip, sip_tls = shown(node.sip_tls), https = shown(node.https), "ready");
    let mut stdout = io::stdout();
    writeln!(stdout, "confab ready http={http} sip={sip}{tls}{https}")?;
    stdout.flush()
}

/// What only tests ask of a node.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Another shortest session interval than [`sip::SESSION_INTERVAL_MIN`], in seconds.
    pub session_interval_min: Option<u32>,
    /// A defect to plant in the mixer.
    #[cfg(feature = "planted-faults")]
    pub fault: Option<confab_media::Fault>,
}

impl Options {
    /// The same with another shortest session interval, in seconds.
    #[must_use]
    pub const fn with_session_interval_min(mut self, seconds: u32) -> Self {
        self.session_interval_min = Some(seconds);
        self
    }
}

/// A running node.
pub struct Node {
    /// Where the control API listens.
    pub http: SocketAddr,
    /// Where it listens over TLS, if it does.
    pub https: Option<SocketAddr>,
    /// Where SIP listens, over UDP and TCP.
    pub sip: SocketAddr,
    /// Where SIP over TLS listens, if it does.
    pub sip_tls: Option<SocketAddr>,
    calls: call::Handle,
    recorder: Recorder,
    courier: Courier,
    payments: Payments,
    store: Store,
    endpoint: sip::Endpoint,
    /// Given back last of all.
    data_dir: DataDirLock,
    stopping: watch::Sender<bool>,
    api: JoinHandle<()>,
    api_tls: Option<JoinHandle<()>>,
}

impl Node {
    /// Starts a node on the current tokio runtime. It serves when this returns.
    ///
    /// # Errors
    /// When an address is taken or the system refuses something.
    pub async fn start(config: Config, options: Options) -> Result<Self, StartError> {
        let account = config.credentials.account_sid.parse()?;
        let data_dir = DataDirLock::take(&config.data_dir)?;
        let doors = Doors::open(&config).await?;
        let (http_address, https_address) = (doors.http.local_addr()?, doors.https_address()?);
        let (sip_address, sip_tls) = (doors.sip.address, doors.sip.tls.as_ref().map(|tls| tls.address));
        raise_descriptor_limit(&config);

        let metrics = Metrics::new();
        let store = Store::open(&config.data_dir, store_settings(&config), &metrics).await?;
        let main = MainAccount { sid: account, auth_token: config.credentials.auth_token.clone() };
        let directory = Directory::open(main, Arc::new(store.clone())).await?;
        let (calls, adapters, mut tapping) = start_model(&config, options, &metrics)?;
        let calls = remembering(calls, &store, &metrics).await;
        let recordings = config.data_dir.join(RECORDINGS);
        let browsers = browsers(&config, std::mem::take(&mut tapping.handshakes), calls.clone(), &metrics)?;
        let listeners = start_listeners(&calls, tapping, &recordings, &config, &directory, &metrics)?;
        let public_url = config.public_url.clone().unwrap_or_else(|| format!("http://{http_address}"));
        let (stopping, is_stopping) = watch::channel(false);
        let call_tokens = call_tokens()?;
        let web = web_client(&config.webhook, directory.clone(), &metrics)?;
        let debugger = debugger(&web, &store);
        let courier = start_courier(&web, &store, &metrics).await;
        let saying = Arc::new(saying(&config)?);
        let payments = payments(&config, calls.clone(), courier.clone(), Arc::clone(&saying))?;
        let state = ApiState {
            calls: calls.clone(),
            browsers,
            call_tokens: Arc::clone(&call_tokens),
            payments: payments.clone(),
            tokens: Tokens::open(directory.clone(), &config.data_dir).map_err(StartError::Tokens)?,
            logins: Logins::default(),
            directory: directory.clone(),
            store: store.clone(),
            listening: listening(http_address, https_address, sip_address),
            recordings,
            encoders: api::Mp3Encoders::default(),
            public_url: public_url.clone(),
            stopping: is_stopping.clone(),
            followers: api::followers(),
            metrics: rendering(metrics.clone()),
        };
        let settings = sip_settings(&config, &state, options, (http_address, https_address))?;
        tokio::spawn(script::deliver(courier.clone(), web.clone(), store.clone(), adapters.news));
        tokio::spawn(script::deliver_recordings(courier.clone(), listeners.recorded, public_url.clone()));
        tokio::spawn(script::deliver_streams(courier.clone(), debugger.clone(), listeners.streamed));
        let means = (calls.clone(), web, saying, payments.clone());
        follow(scripts(means, debugger, call_tokens, public_url), adapters.sounds, adapters.arrivals);
        let endpoint =
            sip::Endpoint::start(doors.sip, settings, calls.clone(), adapters.outgoing, &metrics).await?;
        let routes = endpoint.routes(routes(state, courier.clone(), &config, &metrics));
        let api_tls = serve_https(doors.https, &config, &routes, is_stopping.clone(), &metrics)?;
        let api = tokio::spawn(http::serve(doors.http, routes, told_to_stop(is_stopping)));
        Ok(Self {
            http: http_address,
            https: https_address,
            sip: sip_address,
            sip_tls,
            calls,
            recorder: listeners.recorder,
            courier,
            payments,
            store,
            endpoint,
            data_dir,
            stopping,
            api,
            api_tls,
        })
    }

    /// Takes no more calls, ends all there are and tells their far ends, lets requests in progress finish.
    pub async fn stop(self) {
        // Nobody listens only if the API has ended by itself.
        let _ = self.stopping.send(true);
        self.calls.stop().await;
        let recorder = self.recorder;
        let recording = tokio::task::spawn_blocking(move || recorder.stop());
        if tokio::time::timeout(RECORDER_PATIENCE, recording).await.is_err() {
            warn!("some recordings are not on the disk yet; the next start completes them");
        }
        self.endpoint.stop(STOP_PATIENCE).await;
        if !self.payments.stop(PAYMENTS_PATIENCE).await {
            warn!("some payments are with their connectors still; what comes of them is not told");
        }
        let left = self.courier.stop(COURIER_PATIENCE).await;
        if left > 0 {
            warn!(left, "status callbacks were not delivered");
        }
        let served = async { (self.api.await, futures_util::future::OptionFuture::from(self.api_tls).await) };
        if tokio::time::timeout(HTTP_PATIENCE, served).await.is_err() {
            warn!("some HTTP requests were cut off");
        }
        if !self.calls.recorded(STORE_PATIENCE).await || !self.store.stop(STORE_PATIENCE).await {
            warn!("not everything could be written to the database");
        }
        drop(self.data_dir);
    }
}

fn call_tokens() -> io::Result<Arc<call::CallTokens>> {
    call::CallTokens::new().map(Arc::new).map_err(io::Error::other)
}

/// Everything that is served over HTTP.
fn routes(state: ApiState, courier: Courier, config: &Config, metrics: &Metrics) -> axum::Router {
    let main = state.directory.main();
    let agent = |agent: &config::Agent| {
        // What is no account's is nobody's.
        let account = agent.account.as_ref().map_or(Some(main), |sid| sid.parse().ok())?;
        Some((account, agent.name.clone()))
    };
    let console = ConsoleState {
        calls: state.calls.clone(),
        directory: state.directory.clone(),
        logins: state.logins.clone(),
        tokens: state.tokens.clone(),
        agents: config.agents.iter().filter_map(agent).collect(),
        has_browser_media: true,
        stopping: state.stopping.clone(),
    };
    let signal = SignalState {
        calls: state.calls.clone(),
        browsers: state.browsers.clone(),
        directory: state.directory.clone(),
        tokens: state.tokens.clone(),
        // What a full courier does is its own affair, and counted there.
        tell: Box::new(move |job| drop(courier.send(job))),
        stopping: state.stopping.clone(),
    };
    signal::router(signal, metrics, console::router(console, api::router(state)))
}

/// What all scripts need.
fn scripts(
    (calls, web, saying, payments): (call::Handle, Client, Arc<Saying>, Payments),
    debugger: script::Debugger,
    call_tokens: Arc<call::CallTokens>,
    public_url: String,
) -> script::Scripts {
    let library = Arc::new(Library::default());
    script::Scripts { calls, web, saying, library, payments, debugger, call_tokens, public_url }
}

/// Lets calls follow their scripts, and conferences hear what they ask for.
fn follow(
    scripts: script::Scripts,
    sounds: mpsc::Receiver<call::SoundOrder>,
    arrivals: mpsc::Receiver<call::Arrival>,
) {
    let scripts = Arc::new(scripts);
    tokio::spawn(script::serve_sounds(Arc::clone(&scripts), sounds));
    tokio::spawn(script::serve(scripts, arrivals));
}

fn rendering(metrics: Metrics) -> Box<dyn Fn() -> String + Send + Sync> {
    Box::new(move || metrics.render())
}

fn sip_settings(
    config: &Config,
    state: &ApiState,
    options: Options,
    (http, https): (SocketAddr, Option<SocketAddr>),
) -> Result<sip::Settings, StartError> {
    Ok(sip::Settings {
        browsers: state.browsers.clone(),
        web: sip::Web { http: http.port(), https: https.map(|https| https.port()) },
        account: state.directory.main(),
        advertised: config.sip.advertised(),
        agents: config.agents.clone(),
        realm: config.sip.realm.clone(),
        routes: config.routes.clone(),
        directory: state.directory.clone(),
        trust: sip::Trust::load(config.sip.tls_ca.as_deref()).map_err(StartError::SipTrust)?,
        trunks: config.trunks.clone(),
        codecs: config.media.codecs.clone(),
        srtp: config.media.srtp,
        session_interval_min: options.session_interval_min.unwrap_or(sip::SESSION_INTERVAL_MIN),
    })
}

/// The same model with what it knew before, and whose news are written down.
async fn remembering(calls: call::Handle, store: &Store, metrics: &Metrics) -> call::Handle {
    let calls = calls.recording(store.clone(), metrics);
    if let Err(error) = calls.restore_queues(store).await {
        warn!(%error, "the queues that were defined before cannot be read");
    }
    calls
}

fn listening(http: SocketAddr, https: Option<SocketAddr>, sip: SocketAddr) -> Listening {
    let https = https.map(|https| https.to_string());
    Listening { http: http.to_string(), https, sip_udp: sip.to_string(), sip_tcp: sip.to_string() }
}

/// Who speaks: a service, a command, both or neither.
fn saying(config: &Config) -> Result<Saying, StartError> {
    let command =
        config.say_command.as_deref().map(SayCommand::parse).transpose().map_err(StartError::Say)?;
    let saying = Saying::new(command, sound::CACHE_BYTES);
    let Some(service) = &config.say_url else {
        return Ok(saying);
    };
    let network = Arc::new(SystemNetwork::new());
    let provider =
        Provider::new(&service.url, service.token.as_ref(), config.webhook.ca.as_deref(), network)?;
    Ok(saying.asking(Box::new(script::Voices::new(provider, Handle::current()))))
}

/// Payments, with the connectors of the configuration.
fn payments(
    config: &Config,
    calls: call::Handle,
    courier: Courier,
    saying: Arc<Saying>,
) -> Result<Payments, StartError> {
    let mut connectors = Vec::new();
    for PayConnector { name, url, username, password } in &config.pay_connectors {
        let (egress, extra) =
            (Egress::new(config.webhook.egress_allow.clone()), config.webhook.ca.as_deref());
        let network = Arc::new(SystemNetwork::new());
        let provider = Provider::guarded(url, (username, password), extra, egress, network);
        let provider = provider.map_err(|source| StartError::PayConnector { name: name.clone(), source })?;
        connectors.push((name.clone(), pay::Generic::new(name.clone(), provider)));
    }
    // What a full courier does is its own affair, and counted there.
    let tell = Box::new(move |job| drop(courier.send(job)));
    let seal = pay::Seal::open(&config.data_dir).map_err(StartError::Seal)?;
    if let Some(age) = config.retention.attestations.time() {
        tokio::spawn(tidy_attestations(config.data_dir.clone(), age));
    }
    let connectors = pay::Connectors::new(connectors);
    Ok(Payments::new(pay::Means { calls, tell, connectors, seal, saying }))
}

fn web_client(
    settings: &config::Webhook,
    directory: Directory,
    metrics: &Metrics,
) -> Result<Client, StartError> {
    let settings = ClientSettings {
        egress: Egress::new(settings.egress_allow.clone()),
        extra_authorities: settings.ca.clone(),
        ..ClientSettings::default()
    };
    let keys = move |account: &str| directory.auth_token(account.parse().ok()?);
    let on_failure: OnFailure = Arc::new(|failure| {
        let subject = failure.subject.as_deref();
        info!(code = failure.code(), subject, error = %failure, "request to an application failed");
    });
    Ok(Client::new(&settings, Arc::new(SystemNetwork::new()), Arc::new(keys), on_failure, metrics)?)
}

/// Those who have what is tapped, and what is to be told of them.
struct Listeners {
    recorder: Recorder,
    recorded: mpsc::Receiver<call::RecordingNews>,
    streamed: mpsc::Receiver<call::StreamNews>,
}

/// Hands what is tapped to recordings and streams.
fn start_listeners(
    calls: &call::Handle,
    tapping: Tapping,
    recordings: &Path,
    config: &Config,
    directory: &Directory,
    metrics: &Metrics,
) -> Result<Listeners, StartError> {
    let ears = Arc::new(Ears::new(tapping.bell.clone()));
    let taps = FanOut::start(tapping.taps, Arc::clone(&ears) as _, &tapping.bell)?;
    let (recorder, recorded) = start_recorder(calls, recordings.to_owned(), taps, config, metrics)?;
    tokio::spawn(tidy_recordings(recorder.clone(), recordings.to_owned(), config.recordings));
    let streamed = start_streams(calls, ears, &config.webhook, directory.clone(), metrics)?;
    Ok(Listeners { recorder, recorded, streamed })
}

/// Streams go where webhooks may go, and are signed with the same keys. What is to be told of them comes out of the
/// receiver.
fn start_streams(
    calls: &call::Handle,
    ears: Arc<Ears>,
    settings: &config::Webhook,
    directory: Directory,
    metrics: &Metrics,
) -> Result<mpsc::Receiver<call::StreamNews>, StartError> {
    let keys = move |account: &str| directory.auth_token(account.parse().ok()?);
    let egress = Egress::new(settings.egress_allow.clone());
    let dialler = Dialler::new(egress, settings.ca.as_deref(), Arc::new(keys))?;
    let (forks, reports) = Forks::new(dialler, ears, metrics);
    Ok(calls.stream_with(forks, reports))
}

/// News waits in the database: a node that starts again delivers what was pending.
async fn start_courier(web: &Client, store: &Store, metrics: &Metrics) -> Courier {
    let spool = Arc::new(StoreSpool::new(store.clone()));
    if let Err(error) = script::keep_promises(store).await {
        warn!(%error, "the ends of calls that ended with the last node are not told");
    }
    Courier::start(CourierSettings::default(), web.clone(), spool, system_jitter(), metrics).await
}

/// Who keeps notes of what goes wrong, and of each request.
fn debugger(web: &Client, store: &Store) -> script::Debugger {
    let debugger = script::Debugger::new(store.clone());
    let observer = debugger.clone();
    web.observe(Arc::new(move |exchange| observer.exchange(exchange)));
    debugger
}

fn store_settings(config: &Config) -> StoreSettings {
    let retention = Retention {
        calls: config.retention.calls.time(),
        conferences: config.retention.conferences.time(),
        notifications: config.retention.notifications.time(),
    };
    StoreSettings { retention, ..StoreSettings::default() }
}

/// Where the node listens; nothing is served yet.
struct Doors {
    http: TcpListener,
    https: Option<TcpListener>,
    sip: sip::Sockets,
}

impl Doors {
    async fn open(config: &Config) -> Result<Self, StartError> {
        let bind = async |setting, listen| {
            TcpListener::bind(listen).await.map_err(|source| refused(setting, listen, source))
        };
        let http = bind("http_listen", config.http.listen).await?;
        let https = match &config.http.tls {
            Some(https) => Some(bind("https_listen", https.listen).await?),
            None => None,
        };
        Ok(Self { http, https, sip: bind_sip(config)? })
    }

    fn https_address(&self) -> io::Result<Option<SocketAddr>> {
        self.https.as_ref().map(TcpListener::local_addr).transpose()
    }
}

fn serve_https(
    listener: Option<TcpListener>,
    config: &Config,
    routes: &axum::Router,
    stopping: watch::Receiver<bool>,
    metrics: &Metrics,
) -> Result<Option<JoinHandle<()>>, StartError> {
    let (Some(listener), Some(https)) = (listener, &config.http.tls) else {
        return Ok(None);
    };
    let addresses: Vec<_> =
        [https.listen.ip()].into_iter().chain(config.sip.public_addresses.clone()).collect();
    let certificate = Certificate::load(https, &config.data_dir, &addresses, metrics)?;
    certificate.follow(https);
    let serving = http::serve_tls(listener, certificate, routes.clone(), told_to_stop(stopping));
    Ok(Some(tokio::spawn(serving)))
}

fn bind_sip(config: &Config) -> Result<sip::Sockets, StartError> {
    let listen = config.sip.listen;
    let mut sockets = sip::bind(listen).map_err(|source| refused("sip_listen", listen, source))?;
    if let Some(tls) = &config.sip.tls {
        let certificate = sip::Certificate::load(tls)?;
        certificate.follow(tls);
        let bound = sip::bind_tls(tls.listen, certificate);
        sockets.tls = Some(bound.map_err(|source| refused("sip_tls_listen", tls.listen, source))?);
    }
    Ok(sockets)
}

async fn told_to_stop(mut stopping: watch::Receiver<bool>) {
    // An error means that the node is gone, which is as good a reason.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

#[cfg_attr(
    not(feature = "planted-faults"),
    expect(unused_variables, reason = "only faults are for the media")
)]
fn start_model(
    config: &Config,
    options: Options,
    metrics: &Metrics,
) -> Result<(call::Handle, call::Adapters, Tapping), StartError> {
    let settings = WorkerSettings {
        threads: config.media.threads,
        engine: EngineSettings {
            // Any thread may come to hold all of them.
            legs_max: config.limits.calls,
            conferences_max: config.limits.calls,
            // They go to a ring at once.
            tap_frames_max: 0,
        },
        #[cfg(feature = "planted-faults")]
        fault: options.fault,
    };
    let (mut workers, reports) = Workers::start(settings, browser_ports(config)?, metrics)?;
    let tapping =
        Tapping { taps: workers.take_taps(), bell: workers.bell(), handshakes: workers.take_handshakes() };
    let mut start = [0; 4];
    getrandom::fill(&mut start).map_err(io::Error::other)?;
    let ports = Ports::new(config.sip.listen.ip(), config.media.rtp_ports, u32::from_be_bytes(start));
    let limits = call::Limits {
        calls: config.limits.calls,
        participants: config.limits.participants,
        talkers: config.limits.talkers,
        lasting: call::Lasting {
            call: config.limits.call_duration,
            conference: config.limits.conference_duration,
            warning: config.limits.warning_tone,
        },
    };
    let receiving = call::Receiving {
        timeout: config.media.rtp_timeout,
        playout: config.media.jitter_buffer.settings(),
        digits: config.media.digits_in_conference.passage(),
    };
    let outbound = call::DialRules {
        allow: config.outbound_allow.clone(),
        trunks: config.trunks.clone(),
        accounts: config.accounts.clone(),
        calls_per_second: config.calls_per_second,
    };
    let (calls, adapters) = call::start(workers, reports, ports, receiving, limits, outbound, metrics);
    Ok((calls, adapters, tapping))
}

/// A port for the browsers of each media thread, one beside the other.
fn browser_ports(config: &Config) -> Result<Vec<BrowserPort>, StartError> {
    let (ip, first) = (config.sip.listen.ip(), config.media.browser_port);
    let ports = (0..config.media.threads).map(|thread| {
        let port =
            if first == 0 { 0 } else { first.saturating_add(u16::try_from(thread).unwrap_or(u16::MAX)) };
        BrowserPort::bind(ip, port).map_err(|e| refused("browser_port", SocketAddr::new(ip, port), e))
    });
    ports.collect()
}

/// Where what is tapped comes from, what rings when something was, and where handshakes of browsers come from.
struct Tapping {
    taps: Vec<TapReader>,
    bell: Bell,
    handshakes: Vec<(BrowserPort, HandshakeReader)>,
}

/// Browsers' calls, at the codecs that browsers have.
fn browsers(
    config: &Config,
    handshakes: Vec<(BrowserPort, HandshakeReader)>,
    calls: call::Handle,
    metrics: &Metrics,
) -> Result<Browsers, StartError> {
    let addresses = (config.sip.advertised(), config.sip.advertised_too());
    Browsers::start(handshakes, addresses, config.media.codecs.clone(), calls, metrics)
        .map_err(StartError::Browsers)
}

/// Completes what the last process left of its recordings, and records from now on. What is to be told of recordings
/// comes out of the receiver.
fn start_recorder(
    calls: &call::Handle,
    folder: PathBuf,
    mut taps: FanOut,
    config: &Config,
    metrics: &Metrics,
) -> Result<(Recorder, mpsc::Receiver<call::RecordingNews>), StartError> {
    let refused = |source| StartError::Recordings { folder: folder.clone(), source };
    let hash = match config.recordings.hash {
        RecordingHash::Blake3 => HashKind::Blake3,
        RecordingHash::Sha256 => HashKind::Sha256,
    };
    let found = recording::find(&folder, hash).map_err(refused)?;
    let source: TapSource = Box::new(move |to| taps.hand_over(to));
    let settings =
        RecorderSettings { folder: folder.clone(), disk: Arc::new(Files), hash, taps: vec![source] };
    let (recorder, reports) = Recorder::start(settings, metrics).map_err(refused)?;
    let recorder = recorder.at_rate(match config.recordings.rate {
        RecordingRate::Auto => None,
        RecordingRate::Hz8000 => Some(SampleRate::Hz8000),
        RecordingRate::Hz16000 => Some(SampleRate::Hz16000),
    });
    let news = calls.record_with(recorder.clone(), reports, found);
    Ok((recorder, news))
}

/// Deletes recordings that are too old or too many, for as long as the node runs.
async fn tidy_recordings(recorder: Recorder, folder: PathBuf, settings: config::Recordings) {
    let retention = recording::Retention { age: settings.kept.time(), bytes: settings.max_size.bytes() };
    let mut looks = tokio::time::interval(RECORDINGS_LOOKED_AT_EVERY);
    loop {
        looks.tick().await;
        let (recorder, folder) = (recorder.clone(), folder.clone());
        let looked = tokio::task::spawn_blocking(move || recording::tidy(&recorder, &folder, retention));
        match looked.await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => warn!(%error, "recordings cannot be looked at; none is deleted"),
            // The node stops.
            Err(_) => return,
        }
    }
}

/// Deletes attestations of payments that are too old, for as long as the node runs.
async fn tidy_attestations(data_dir: PathBuf, age: Duration) {
    let mut looks = tokio::time::interval(ATTESTATIONS_LOOKED_AT_EVERY);
    loop {
        looks.tick().await;
        let data_dir = data_dir.clone();
        let looked = tokio::task::spawn_blocking(move || pay::tidy(&data_dir, age, SystemTime::now()));
        match looked.await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => warn!(%error, "attestations cannot be looked at; none is deleted"),
            // The node stops.
            Err(_) => return,
        }
    }
}

/// Lets the process open two sockets for each call it may hold, as far as the system permits.
fn raise_descriptor_limit(config: &Config) {
    let wanted = 2 * config.limits.calls as u64 + DESCRIPTORS_BESIDE_LEGS;
    match crate::worker::raise_descriptor_limit(wanted) {
        Ok(granted) if granted >= wanted => {}
        Ok(granted) => warn!(granted, wanted, "fewer open files permitted than `max_calls` may need"),
        Err(error) => warn!(%error, wanted, "the limit of open files could not be raised"),
    }
}

fn refused(setting: &'static str, address: SocketAddr, source: io::Error) -> StartError {
    StartError::Listen { setting, address, source }
}
