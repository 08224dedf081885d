//! Payments while both talk: customers type cards on their keypads, as tones, as events and in signalling, and everything else
//! that comes from the node is searched for them.
//!
//! ```text
//! customer ──voice, keys──▶ node ──▶ agent, supervisor      ─▶ ear (keys? what is left of them?)
//!                            │ ├───▶ recording of both       ─▶ ear
//!                            │ ├───▶ streams of each track   ─▶ ear (office)
//!                            │ ├───▶ callbacks (office), answers, live feed, files ─▶ search for the card's number
//!                            │ ╰───▶ sandbox, within the node
//!                            ╰─ told of each payment ─▶ is it what was typed? (desk)
//! ```

mod card;
mod desk;
mod ear;
mod keys;
mod office;
mod paid;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;
use tokio::task::JoinSet;

use self::card::{Searched, holds_card};
use self::ear::{Ear, Found};
pub use self::keys::Way;
use self::keys::typing_ms;
pub(super) use self::keys::{Event, Keypad};
use self::office::Office;
pub use self::paid::{Listened, Paid, PaidBy, PayFault};
use super::drive::Driver;
use super::finding::FloorFinding;
use super::judge::Cast;
use super::naming::Names;
use super::phones::Record;
use super::report::FloorReport;
use super::run::{Meters, conclude, driver};
use super::scenario::ScenarioPlan;
use super::voices::Tones;
use crate::load::codec::Codec;
use crate::load::node_api::{Connection, NodeApi};
use crate::load::run::Surroundings;

/// A customer, an agent, a supervisor.
pub(super) const PEOPLE_EACH: usize = 3;
/// The lowest of the customers' tones by number on the grid of voices, and how far apart the two of one are: 2.7 to 3.3 kHz. A
/// voice that breaks off where a key is withheld leaves nothing in the bands of keys from there.
const CUSTOMERS_TONE: usize = 48;
const CUSTOMERS_APART: usize = 6;
/// The same of agents, who never break off: 1.85 to 2.6 kHz.
const AGENTS_TONE: usize = 31;
const AGENTS_APART: usize = 7;
/// More than this in the bands of keys, in dBFS, is too much.
const RESIDUAL_MAX_DBFS: f64 = -60.0;
/// The live feed lets its readers go after ten minutes; it is asked again after this.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// Of 100 packets to customers the agent must be in so many; the others may be where the network or a codec was at fault.
const AGENTS_KEPT_PERCENT_MIN: u64 = 95;
/// A place is searched with a second of sound at least.
const SEARCHED_SECONDS_MIN: f64 = 1.0;

/// The voices at a desk. Desks sound alike in turn: who hears whom is not what is judged here.
pub(super) fn voices_of(desk: usize) -> [Tones; PEOPLE_EACH] {
    let two = |first: usize, apart: usize| Tones::one(first).and(Tones::one(first + apart));
    [
        two(CUSTOMERS_TONE + desk % CUSTOMERS_APART, CUSTOMERS_APART),
        two(AGENTS_TONE + desk % AGENTS_APART, AGENTS_APART),
        Tones::NONE,
    ]
}

/// What all desks share.
struct Shop {
    driver: Driver,
    office: Office,
    ear: Arc<Ear>,
    tally: Mutex<Tally>,
}

/// What was found so far.
#[derive(Default)]
struct Tally {
    paid: Paid,
    faults: BTreeMap<PayFault, (Vec<String>, String)>,
    /// A line of the live feed, as far as it has come.
    line: Vec<u8>,
}

impl Tally {
    fn find(&mut self, fault: PayFault, whose: &str, what: String) {
        let (all, _) = self.faults.entry(fault).or_insert_with(|| (Vec::new(), what));
        if !all.iter().any(|known| known == whose) {
            all.push(whose.to_owned());
        }
    }

    /// What an ear has found in one place.
    fn hear(&mut self, place: &'static str, whose: &str, found: &Found, seconds: f64) {
        let listened = self.paid.listened.entry(place).or_default();
        listened.seconds += seconds;
        listened.keys += found.keys.len() as u64;
        listened.residual_dbfs = listened.residual_dbfs.max(found.residual_dbfs);
        let Found { residual_dbfs, residual_at_ms, .. } = found;
        if let Some((_, at_ms)) = found.keys.first() {
            let what = format!("{} keys, the first after {at_ms} ms", found.keys.len());
            self.find(PayFault::KeyHeard, whose, what);
        } else if *residual_dbfs > RESIDUAL_MAX_DBFS {
            self.find(
                PayFault::Residual,
                whose,
                format!("{residual_dbfs:.1} dBFS after {residual_at_ms} ms"),
            );
        }
        if seconds < SEARCHED_SECONDS_MIN {
            self.find(PayFault::NothingHeard, whose, format!("{seconds:.1} s of sound"));
        }
    }

    fn follow(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend(part);
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.paid.events += u64::from(line.starts_with(b"data:"));
                if holds_card(&line) {
                    self.find(PayFault::CardTold, "the live feed", "an event has it".to_owned());
                }
            }
        }
    }
}

impl Shop {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the API, and looks for cards in what it answers.
    async fn ask(
        &self,
        connection: &mut Option<Connection>,
        method: &str,
        path: &str,
        form: &str,
    ) -> anyhow::Result<Value> {
        let api = self.driver.api().context("there is no API to be asked")?;
        let answer = api.ask(connection, method, path, form).await;
        let said = match &answer {
            Ok(value) => value.to_string(),
            Err(error) => format!("{error:#}"),
        };
        let mut tally = self.tally();
        tally.paid.answers += 1;
        if holds_card(said.as_bytes()) {
            tally.find(PayFault::CardTold, "the API", format!("the answer to {method} {path}"));
        }
        answer
    }
}

pub(super) async fn run(
    target: SocketAddr,
    plan: &ScenarioPlan,
    surroundings: &Surroundings,
) -> anyhow::Result<FloorReport> {
    let desks = plan.legs / PEOPLE_EACH;
    let voices: Vec<Tones> = (0..desks).flat_map(voices_of).collect();
    let records = voices.iter().map(|_| Arc::new(Record::with_sound())).collect();
    let cast = Cast { voices, hold: Tones::NONE, wait: Tones::NONE, names: Names::Counters };
    let plan =
        ScenarioPlan { legs: desks * PEOPLE_EACH, codecs: codecs(&plan.codecs, desks), ..plan.clone() };
    let mut meters = Meters::before(surroundings);
    let driver = driver(target, (cast, records), &plan, surroundings).await?;
    let api = driver.api().context("there is no API to be asked")?.clone();
    let office = Office::start(driver.switchboard.local().ip()).await.context("no port for callbacks")?;
    let shop = Arc::new(Shop { driver, office, ear: Arc::new(Ear::new()), tally: Mutex::default() });
    let feed = tokio::spawn(follow(api, Arc::clone(&shop)));
    meters.begin();
    let until = Instant::now() + Duration::from_secs(plan.seconds);
    let mut at_work = JoinSet::new();
    for desk in 0..desks {
        let (shop, interrupt) = (Arc::clone(&shop), Arc::clone(&surroundings.interrupt));
        let is_over = move || Instant::now() >= until || interrupt.load(Ordering::Relaxed);
        at_work.spawn(async move { desk::work(&shop, desk, is_over).await });
    }
    at_work.join_all().await;
    feed.abort();
    // However it ended: it holds the shop no more.
    let _ = feed.await;
    let Shop { driver, office, tally, .. } = Arc::into_inner(shop).context("somebody is still at work")?;
    let mut report = conclude(driver, &plan, &meters, &surroundings.interrupt).await?;
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    search(&mut tally, &office, surroundings).await?;
    judge(&mut report, tally);
    Ok(report)
}

/// Each desk has each codec in turn; at none do all have the same, if there are several.
fn codecs(all: &[Codec], desks: usize) -> Vec<Codec> {
    (0..desks * PEOPLE_EACH).map(|n| all[(n / PEOPLE_EACH + n % PEOPLE_EACH) % all.len()]).collect()
}

/// Reads the live feed as long as it is let.
async fn follow(api: NodeApi, shop: Arc<Shop>) {
    loop {
        // What cannot be followed shows in there being no events.
        let _ = api.follow("/v1/events", |bytes| shop.tally().follow(bytes)).await;
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// Looks for cards in what was told, and in what the node has written.
async fn search(tally: &mut Tally, office: &Office, surroundings: &Surroundings) -> anyhow::Result<()> {
    let (callbacks, holding) = office.callbacks();
    tally.paid.callbacks = callbacks;
    if holding > 0 {
        tally.find(PayFault::CardTold, "callbacks", format!("{holding} of {callbacks} have it"));
    }
    if let Some(folder) = surroundings.node_data.clone() {
        let searched = tokio::task::spawn_blocking(move || Searched::below(&folder));
        let searched = searched.await.context("searching the node's files")?;
        tally.paid.files = Some(searched.files);
        for file in searched.holding {
            tally.find(PayFault::CardTold, &file, "a file of the node has it".to_owned());
        }
    }
    if tally.paid.events == 0 {
        tally.find(PayFault::NothingHeard, "the live feed", "no event came".to_owned());
    }
    Ok(())
}

/// Puts what was found into the report.
fn judge(report: &mut FloorReport, mut tally: Tally) {
    let Paid { packets, speech, .. } = tally.paid;
    if speech * 100 < packets * AGENTS_KEPT_PERCENT_MIN {
        let what = format!("{speech} of {packets} packets to customers have the agent's voice");
        tally.find(PayFault::SpeechLost, "agents", what);
    }
    // Keys that are withheld break off a voice: packet by packet nothing can be said of who hears whom.
    let of_packets = |finding: &FloorFinding| {
        matches!(finding, FloorFinding::Hearing { .. } | FloorFinding::NothingJudged)
    };
    report.findings.retain(|finding| !of_packets(finding));
    if !report.has(|finding| *finding == FloorFinding::Interrupted) {
        let faults = tally.faults.into_iter();
        let finding = |(fault, (whose, what))| FloorFinding::Pay { fault, whose, what };
        report.findings.extend(faults.map(finding));
    }
    report.heard.whole = packets + tally.paid.by_way.values().map(|by| by.packets).sum::<u64>();
    report.right = report.findings.is_empty();
    report.paid = Some(tally.paid);
}
