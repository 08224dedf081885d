//! The command line of `confab load`, and what it does with it.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::codec::Codec;
use super::floor::{ScenarioPlan, StreamShare, What, run_scenario};
use super::network_args::NetworkArgs;
use super::node_api::NodeApi;
use super::plan::{Plan, random_u32};
use super::plan_error::PlanError;
use super::progress::Progress;
use super::reflector;
use super::report::Report;
use super::run::{Surroundings, execute_in};
use super::spawn::SpawnedNode;
use super::speech::Speech;
use super::srtp::Suite;

/// The truth differs from what should be heard.
const EXIT_WRONG: u8 = 1;
/// The command line asks for something that cannot be done.
const EXIT_USAGE: u8 = 2;
/// Conferences of `--scenario churn`, unless more than one is asked for.
const CHURN_CONFERENCES: usize = 20;

const LONG_ABOUT: &str = "\
Synthetic callers that prove who hears whom.

Dials a node over SIP, or calls it as browsers do, joins conferences, talks in tones, and listens. Each talker has tones of its own, so each \
caller knows, window by window, whom it hears, whom it should, and whether it hears itself. It measures the delay \
from talker to listener, checks every frame against the one before it in the tones' period, and counts what is \
lost, late, doubled or replaced by silence. It judges only what arrives on its own sockets, with codecs, RTP and \
SRTP of its own.

Leg i dials conference i mod C, as sip:conf-NAME@TARGET with a NAME no other run has. The first K legs of each \
conference talk; the rest listen. With --browser some of them are browsers: each makes an offer over the node's HTTP API with \
an access token, proves its path (ICE), shakes hands (DTLS) and speaks Opus over SRTP. The token is of an application that the \
tester makes at the node, and whose script it serves. They are judged as all others are.

What counts as wrong:
  heard      A tone counts as heard from 20 dB below what was sent, in every mix of codecs: whom a leg should hear
             must be there in each window, anybody else (and itself) in none. Levels may be off by 6 dB, with Opus
             on the way by 8.
  frames     A frame must be what it was one period ago, to within a quarter of one talker's energy. With G.722 on the
             way within 10 % of the frame's own energy, with Opus within 70 % (silence differs by 100 %).
  networks   Behind a network of your making talkers are really missing at times: whom a leg should hear must be in
             most windows, nobody else in more than a quarter. Broken frames are reported; only more of them than
             4 for each packet harmed, and a tenth besides, are wrong.
  speech     Talkers who say a file are recognised by its phases at the place where each is: in most stretches of
             4 s, down to 12 dB below the others. Broken frames are not looked for.
  ledger     What the node says of its own delay over its API (a spawned node is asked; another one with --api) must
             be within 5 ms of what was measured, as medians, unless a network of your making is on the way.
  browsers   From a browser's offer to its first audio 500 ms are what 95 of 100 should take; more is told, and not wrong.
  set-ups    Each of the calls that come and go must be answered, stay its second, and be let go.
  mutes      Each request must be answered with what it asked for; muting listeners changes nothing for who hears whom.
  scenarios  Every packet must have those who must be heard by then, and nobody else. A change excuses the tones that it changes
             until 250 ms after its answer (calls 300 ms, moves by a script and music 1 s); how long it took is told.
             Recordings must have what was heard, sample for sample, and their tracks must lie beside each other.
  streams    Each message of each stream must have what its caller said or heard, sample for sample, in the protocol's order,
             without a gap; each sentence of an agent must be heard so. A mark must come within 20 ms of the packet with the
             last sample before it. Of 100 messages 99 must come within 10 ms of when others hear their sound, of 100 clears
             99 must be silence within 20 ms, of 1,000 packets and messages 999 must be on time.
  payments   Each card that is typed must be told as it was typed, masked. In what others hear, in recordings and streams no key may be
             made out and at most -60 dBFS be left in the bands of keys; its number may be in nothing that the node says.

The delay is from when a talker speaks to when its sound arrives: with everything that codecs, resampling and the \
network of your making add. Nothing is subtracted.";

const EXAMPLES: &str = "\
Examples:
  confab load --spawn
      Start a node, call it with 10 legs, 3 of them talking, for 10 seconds.
  confab load --target 192.0.2.10:5060 --legs 250 --seconds 20
      One conference of 250 on a node that runs already.
  confab load --spawn --legs 250 --conferences 25 --talkers 10 --json run.json
      25 conferences of 10, all talking; everything measured goes to run.json as well.
  confab load --spawn --legs 250 --reflect-baseline
      Also says what merely sending as many packets back costs on this machine.
  confab load --spawn --legs 500 --conferences 50 --set-ups 200 --mutes 50 --seconds 60
      Also 200 calls a second that come and go, and 50 mutes a second over the API, timed.
  confab load --spawn --codec opus,pcmu,g722 --srtp
      Codecs mixed in one conference, protected; the delay is told from each codec to each.
  confab load --spawn --legs 250 --browser 250
      All callers are browsers: how soon they hear, and what each costs the node.
  confab load --spawn --legs 30 --browser 10 --codec pcmu,g722
      Browsers and telephones in one conference.
  confab load --spawn --network mobile --loss 5% --seed 7
      A mobile network, but with 5 % loss; with the same seed it does the same again.
  confab load --spawn --legs 2 --talkers 1 --speech hello.wav --record heard --blackout 2s@5s
      Say a file instead of tones, and listen for yourself to what came out at the other end.
  confab load --spawn --scenario floor --legs 12 --seconds 60 --seed 7
      Three desks with customers, agents and supervisors: hold, transfer, queue, coach. docs/load.md tells all.
  confab load --spawn --scenario churn --churn 50 --seconds 120
      50 calls a second that come, and 50 that go, each of which is listened to.
  confab load --spawn --scenario record --legs 250 --seconds 120
      125 calls of two: what recording them costs, and whether the files hold what was said.
  confab load --spawn --streams 500 --seconds 60
      250 streams that listen and 250 that talk: what they carry, how soon, and how well marks and clears are kept.
  confab load --spawn --scenario pay --legs 36 --codec pcmu,opus --seconds 60
      Twelve desks at which cards are typed while both talk: who learns of them.

Exit status:
  0  everyone heard whom they should, and nobody else
  1  the truth differs; the report names how
  2  the command line asks for something that cannot be done";

/// What there is not in scenarios.
const SCENARIO_HAS_NOT: [&str; 21] = [
    "browser",
    "no_microphone",
    "talkers",
    "ramp",
    "set_ups",
    "mutes",
    "srtp",
    "srtp_suite",
    "no_audio_level",
    "speech",
    "record",
    "reflect_baseline",
    "network",
    "loss",
    "burst",
    "delay",
    "jitter",
    "reorder",
    "duplicate",
    "drift",
    "blackout",
];

/// Call a node with synthetic callers and prove who hears whom.
#[derive(Clone, Debug, clap::Args)]
#[command(long_about = LONG_ABOUT, after_long_help = EXAMPLES)]
pub struct LoadArgs {
    /// The node's SIP address, over UDP.
    #[arg(long, value_name = "HOST:PORT", required_unless_present = "spawn", conflicts_with = "spawn")]
    pub target: Option<String>,

    /// Start a node for this run, on free ports and with empty data, and stop it at the end. Its CPU time and
    /// memory are measured too.
    #[arg(long)]
    pub spawn: bool,

    /// Where the target's API listens: it is asked about its own delay, as a spawned node always is.
    #[arg(long, value_name = "IP:PORT", requires = "auth", conflicts_with = "spawn")]
    pub api: Option<SocketAddr>,

    /// The account that may ask it, and its token.
    #[arg(long, value_name = "SID:TOKEN", requires = "api", conflicts_with = "spawn")]
    pub auth: Option<String>,

    /// Instead of a fixed set of talkers: a scenario in which who hears whom changes all the time. docs/load.md tells
    /// what happens in each. Of the other options they have --legs, --conferences, --seconds, --codec, --seed, --json.
    #[arg(long, value_enum, value_name = "NAME", conflicts_with_all = SCENARIO_HAS_NOT)]
    pub scenario: Option<What>,

    /// With --scenario churn: calls that come, and as many that go, in a second.
    #[arg(long, value_name = "PER SECOND", default_value_t = 50, requires = "scenario")]
    pub churn: u32,

    /// Instead of talkers and listeners: this many media streams, to servers of our own. Half of them (or all but those of
    /// --streams-talking) listen to both tracks of calls of two, half are talked on by an agent each. What each server is told
    /// is held against what was said, sample for sample, and timed; so are marks and clears. docs/load.md tells how.
    #[arg(long, value_name = "N", conflicts_with_all = SCENARIO_HAS_NOT, conflicts_with_all = ["scenario", "legs", "conferences"])]
    pub streams: Option<usize>,

    /// With --streams: those of them on which an agent talks. The others must be an even number.
    #[arg(long, value_name = "K", requires = "streams")]
    pub streams_talking: Option<usize>,

    /// With --streams: so many more streams, in the same calls, whose servers read nothing, send noise, send messages
    /// without end, or half close. Nobody else may notice.
    #[arg(long, value_name = "K", default_value_t = 0, requires = "streams")]
    pub streams_misbehaving: usize,

    /// With --streams: where their servers listen, if not on any port of the address that calls come from.
    #[arg(long, value_name = "IP:PORT", requires = "streams")]
    pub streams_listen: Option<SocketAddr>,

    /// Callers in all.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub legs: usize,

    /// So many of the callers are browsers (WebRTC), in even steps over those who talk and those who listen in each conference;
    /// they speak Opus, whatever --codec says. Wants --spawn or --api, and no network of your making.
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "reflect_baseline")]
    pub browser: usize,

    /// Browsers that only listen have no microphone and send no sound, as a supervisor's that listens in. Without it they send
    /// silence, as those of muted callers do.
    #[arg(long, requires = "browser")]
    pub no_microphone: bool,

    /// Conferences they are spread over.
    #[arg(long, value_name = "C", default_value_t = 1)]
    pub conferences: usize,

    /// Talkers in each conference; the other legs listen.
    #[arg(long, value_name = "K", default_value_t = 3)]
    pub talkers: usize,

    /// How long to measure, once all calls are up. The first fifth measures delay, the rest who hears whom.
    #[arg(long, value_name = "S", default_value_t = 10)]
    pub seconds: u64,

    /// Calls dialled in a second.
    #[arg(long, value_name = "CPS", default_value_t = 50)]
    pub ramp: u32,

    /// Besides, so many calls a second that come and go while the others are listened to, a second each.
    #[arg(long, value_name = "CPS", default_value_t = 0)]
    pub set_ups: u32,

    /// Besides, mute or unmute listeners over the node's API so many times a second, and measure how long that takes. Wants
    /// --spawn or --api.
    #[arg(long, value_name = "PER SECOND", default_value_t = 0)]
    pub mutes: u32,

    /// The codec offered. Several, with commas: the legs of each conference alternate among them.
    #[arg(long, value_enum, value_name = "CODEC,..", value_delimiter = ',', default_value = "pcmu")]
    pub codec: Vec<Codec>,

    /// Offer SRTP (RTP/SAVP, keys in SDP) and nothing else.
    #[arg(long)]
    pub srtp: bool,

    /// The only SRTP suite offered; implies --srtp. Without it both are, and the node chooses.
    #[arg(long, value_enum, value_name = "SUITE")]
    pub srtp_suite: Option<Suite>,

    /// Do not say how loud packets are (RFC 6464). Without it callers who speak Opus do, as browsers do: a node need not
    /// decode those on whose line nobody speaks.
    #[arg(long)]
    pub no_audio_level: bool,

    /// Let talkers say what is in this WAV file (any rate) instead of giving tones, each from another place of it.
    /// They are told apart by where in the file they are.
    #[arg(long, value_name = "FILE")]
    pub speech: Option<PathBuf>,

    /// Write what each leg hears to this directory, a WAV file each at its codec's rate, at most 2 GiB in all.
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,

    #[command(flatten)]
    pub network: NetworkArgs,

    /// Write everything measured to this file as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Afterwards stream as many packets to a bare UDP reflector and compare what it costs.
    #[arg(long)]
    pub reflect_baseline: bool,
}

impl LoadArgs {
    /// The plan that these arguments ask for.
    ///
    /// # Errors
    /// When it cannot be judged.
    pub fn plan(&self) -> Result<Plan, PlanError> {
        let plan = Plan::new(self.legs, self.conferences, self.talkers, self.seconds)?;
        let plan = plan.with_codecs(&self.codec)?.with_suites(&self.suites()).with_ramp(self.ramp)?;
        let plan = plan.with_passers_by(self.set_ups)?.with_mutes(self.mutes)?;
        let mut plan = self.network.apply(plan)?.with_browsers(self.browser)?;
        if self.no_audio_level {
            plan = plan.without_audio_levels();
        }
        if self.no_microphone {
            plan = plan.without_microphones();
        }
        if let Some(file) = &self.speech {
            let mut codecs = self.codec.clone();
            codecs.extend((self.browser > 0).then_some(Codec::Opus));
            let speech = Speech::read(file, &codecs).map_err(PlanError::Speech)?;
            plan = plan.with_speech(speech)?;
        }
        match &self.record {
            Some(directory) => plan.with_record(directory.clone()),
            None => Ok(plan),
        }
    }
}

impl LoadArgs {
    /// The scenario that these arguments ask for, if they do.
    ///
    /// # Errors
    /// When it cannot be judged.
    fn scenario_plan(&self) -> Option<Result<ScenarioPlan, String>> {
        if let Some(streams) = self.streams {
            return Some(self.stream_plan(streams));
        }
        let what = self.scenario?;
        // One conference is what nobody has asked for, and too few for churn.
        let conferences = if self.conferences == 1 { CHURN_CONFERENCES } else { self.conferences };
        let seed = self.network.seed.unwrap_or_else(|| u64::from(random_u32()));
        let plan = ScenarioPlan::new(what, self.legs, conferences, self.seconds, seed);
        let plan = plan.and_then(|plan| plan.with_churn(self.churn));
        Some(plan.and_then(|plan| plan.with_codecs(&self.codec)))
    }

    fn stream_plan(&self, streams: usize) -> Result<ScenarioPlan, String> {
        let seed = self.network.seed.unwrap_or_else(|| u64::from(random_u32()));
        let plan = ScenarioPlan::new(What::Streams, streams, 1, self.seconds, seed)?;
        let share = StreamShare {
            talking: self.streams_talking,
            misbehaving: self.streams_misbehaving,
            listen: self.streams_listen,
            told: None,
        };
        plan.with_streams(share)?.with_codecs(&self.codec)
    }

    /// The API to be asked, if credentials for it were given.
    fn node_api(&self) -> Option<NodeApi> {
        let (address, auth) = (self.api?, self.auth.as_ref()?);
        let (account, token) = auth.split_once(':')?;
        Some(NodeApi::new(address, account.to_owned(), token.to_owned()))
    }

    fn suites(&self) -> Vec<Suite> {
        match self.srtp_suite {
            Some(suite) => vec![suite],
            None if self.srtp => Suite::ALL.to_vec(),
            None => Vec::new(),
        }
    }
}

/// Runs the load test and prints its report. The exit code tells the verdict.
///
/// # Errors
/// When the callers cannot work at all, the node cannot be started, or the JSON file cannot be written.
pub async fn run(args: LoadArgs) -> anyhow::Result<ExitCode> {
    if let Some(plan) = args.scenario_plan() {
        return match plan {
            Ok(plan) => run_one_scenario(&args, &plan).await,
            Err(problem) => Ok(refuse(&problem)),
        };
    }
    let plan = match args.plan() {
        Ok(plan) => plan,
        Err(error) => return Ok(refuse(&error.to_string())),
    };
    if args.auth.as_deref().is_some_and(|auth| !auth.contains(':')) {
        return Ok(refuse("--auth must be the account's SID and its token, with a colon between them"));
    }
    if args.mutes > 0 && args.target.is_some() && args.api.is_none() {
        return Ok(refuse("--mutes wants --api and --auth: it asks the node's API"));
    }
    if args.browser > 0 && args.target.is_some() && args.api.is_none() {
        return Ok(refuse("--browser wants --api and --auth: browsers call over the node's API"));
    }
    if let Some(problem) = args.json.as_deref().and_then(unwritable) {
        return Ok(refuse(&problem));
    }
    let interrupt = interrupt_on_signals()?;
    let report = if let Some(target) = &args.target {
        let target = match resolve(target).await {
            Ok(target) => target,
            Err(problem) => return Ok(refuse(&problem)),
        };
        run_against(target, &plan, (None, args.node_api()), &interrupt).await?
    } else {
        run_spawned(&plan, &interrupt).await?
    };
    let report = if args.reflect_baseline && !interrupt.load(Ordering::Relaxed) {
        let node = report.node;
        report.with_costs(node, Some(reflector::baseline(&plan).await?))
    } else {
        report
    };
    publish(&report, args.json.as_deref())?;
    Ok(if report.right { ExitCode::SUCCESS } else { ExitCode::from(EXIT_WRONG) })
}

/// Runs a scenario and prints its report.
async fn run_one_scenario(args: &LoadArgs, plan: &ScenarioPlan) -> anyhow::Result<ExitCode> {
    if plan.needs_api() && args.target.is_some() && args.node_api().is_none() {
        return Ok(refuse("this scenario wants --api and --auth: it asks the node's API"));
    }
    if let Some(problem) = args.json.as_deref().and_then(unwritable) {
        return Ok(refuse(&problem));
    }
    let interrupt = interrupt_on_signals()?;
    let surroundings = |node_pid, node_api, node_data| {
        let progress = Progress::hidden();
        Surroundings { node_pid, node_api, node_data, progress, interrupt }
    };
    let report = if let Some(target) = &args.target {
        match resolve(target).await {
            Ok(target) => run_scenario(target, plan, &surroundings(None, args.node_api(), None)).await?,
            Err(problem) => return Ok(refuse(&problem)),
        }
    } else {
        let mut node = SpawnedNode::start_for_scenario().await?;
        let surroundings = surroundings(Some(node.child.pid()), Some(node.api.clone()), Some(node.data()));
        let report = run_scenario(node.sip, plan, &surroundings).await;
        node.child.stop().await?;
        report?
    };
    publish(&report, args.json.as_deref())?;
    Ok(if report.right { ExitCode::SUCCESS } else { ExitCode::from(EXIT_WRONG) })
}

async fn run_against(
    target: SocketAddr,
    plan: &Plan,
    (node_pid, node_api): (Option<u32>, Option<NodeApi>),
    interrupt: &Arc<AtomicBool>,
) -> anyhow::Result<Report> {
    let interrupt = Arc::clone(interrupt);
    let progress = Progress::for_terminal();
    let surroundings = Surroundings { node_pid, node_api, node_data: None, progress, interrupt };
    execute_in(target, plan, &surroundings).await
}

async fn run_spawned(plan: &Plan, interrupt: &Arc<AtomicBool>) -> anyhow::Result<Report> {
    let mut node = SpawnedNode::start(plan).await?;
    let report =
        run_against(node.sip, plan, (Some(node.child.pid()), Some(node.api.clone())), interrupt).await;
    let stopped = node.child.stop().await;
    let mut report = report?;
    match stopped {
        Ok(status) if status.success() => {}
        Ok(status) => report.notes.push(format!("the node ended with {status}")),
        Err(error) => report.notes.push(error.to_string()),
    }
    Ok(report)
}

/// The first address that a target's name stands for.
async fn resolve(target: &str) -> Result<SocketAddr, String> {
    let problem = |why: String| format!("--target must be HOST:PORT that can be found, not {target}: {why}");
    let mut found = tokio::net::lookup_host(target).await.map_err(|error| problem(error.to_string()))?;
    found.next().ok_or_else(|| problem("it has no address".to_owned()))
}

/// Why the JSON could not be written at the end, if that can be told now. A run is too long to lose.
fn unwritable(path: &Path) -> Option<String> {
    let open = std::fs::OpenOptions::new().append(true).create(true).open(path);
    open.err().map(|error| format!("--json {}: {error}", path.display()))
}

/// Says what is wrong with the command line.
fn refuse(problem: &str) -> ExitCode {
    // Nobody is there to tell if standard error is closed.
    let _ = writeln!(std::io::stderr(), "error: {problem}");
    ExitCode::from(EXIT_USAGE)
}

fn publish<R: serde::Serialize + std::fmt::Display>(report: &R, json: Option<&Path>) -> anyhow::Result<()> {
    if let Some(path) = json {
        let mut text = serde_json::to_string_pretty(report).context("writing the report")?;
        text.push('\n');
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    write!(std::io::stdout().lock(), "{report}").context("printing the report")
}

/// A flag that Ctrl-C and SIGTERM set, so that calls are hung up and a spawned node is stopped.
fn interrupt_on_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let (mut signals, flag) = (signal(kind).context("no signals")?, Arc::clone(&flag));
        tokio::spawn(async move {
            if signals.recv().await.is_some() {
                flag.store(true, Ordering::Relaxed);
            }
        });
    }
    Ok(flag)
}

#[cfg(test)]
mod tests;
