//! Does on a node what a script says: calls, hangs up, and asks the API for everything else. What was asked, when, and when it
//! was answered goes into the journal; what was refused is a finding.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::finding::FloorFinding;
use super::judge::{Cast, Noted};
use super::pay::{Keypad, Way};
use super::phones::{Phone, Phones, Record, Voice};
use super::recording::clicking;
use super::served::Served;
use super::switchboard::Switchboard;
use super::truth::{Act, Floor, Place, Spot, Who};
use super::voices::sound;
use crate::load::codec::{Codec, Track};
use crate::load::histogram::{Histogram, Times};
use crate::load::node_api::{Connection, NodeApi};
use crate::load::wire;

/// Rounds of a sound that are encoded beforehand: enough for a codec with a memory to come to rest.
const ROUNDS: usize = 50;

/// How everybody speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// In tones.
    Tones,
    /// Besides, they click, at moments that this decides.
    Clicks(u64),
    /// Besides, they press keys when they are told to.
    Keys,
}

/// Somebody's call.
#[derive(Clone, Debug)]
struct OnLine {
    /// By which it is hung up.
    call_id: String,
    phone: u64,
}

/// Everything that acts need, for all who act at once.
pub(super) struct Driver {
    pub(super) switchboard: Switchboard,
    pub(super) phones: Phones,
    pub(super) cast: Cast,
    pub(super) records: Vec<Arc<Record>>,
    pub(super) codecs: Vec<Codec>,
    manner: Manner,
    /// What conferences, queues and callers of this run have in front.
    name: String,
    api: Option<(NodeApi, Served)>,
    lines: Mutex<HashMap<Who, OnLine>>,
    /// Who the calls are at the API.
    sids: Mutex<HashMap<Who, String>>,
    next_phone: AtomicU64,
    journal: Mutex<Vec<Noted>>,
    findings: Mutex<Vec<FloorFinding>>,
    answers: Mutex<Histogram>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Driver {
    /// For these people, each with a record; with an API, if more than calling is to be done.
    pub(super) fn new(
        name: String,
        (cast, records, codecs, manner): (Cast, Vec<Arc<Record>>, Vec<Codec>, Manner),
        switchboard: Switchboard,
        api: Option<(NodeApi, Served)>,
    ) -> io::Result<Self> {
        Ok(Self {
            switchboard,
            phones: Phones::start()?,
            cast,
            records,
            codecs,
            manner,
            name,
            api,
            lines: Mutex::default(),
            sids: Mutex::default(),
            next_phone: AtomicU64::new(0),
            journal: Mutex::default(),
            findings: Mutex::default(),
            answers: Mutex::default(),
        })
    }

    /// Does one thing, on the floor as it is before it; whether it was done. What was not is a finding.
    pub(super) async fn perform(&self, act: Act, floor: &Floor, connection: &mut Option<Connection>) -> bool {
        let done = match act {
            Act::Dial { who, into } => self.dial(act, who, into).await,
            Act::HangUp(who) => self.hang_up(act, who).await,
            Act::Enter { .. }
            | Act::Park(_)
            | Act::Kick(_)
            | Act::Mute { .. }
            | Act::Hold { .. }
            | Act::Coach { .. }
            | Act::Barge(_)
            | Act::Monitor(_)
            | Act::Wait(_)
            | Act::Serve { .. }
            | Act::Release { .. } => self.ask(act, floor, connection).await,
        };
        if let Err(error) = &done {
            self.find(FloorFinding::RequestFailed {
                act: self.cast.names.act(act),
                problem: format!("{error:#}"),
            });
        }
        done.is_ok()
    }

    pub(super) fn find(&self, finding: FloorFinding) {
        lock(&self.findings).push(finding);
    }

    pub(super) fn findings(&self) -> Vec<FloorFinding> {
        lock(&self.findings).clone()
    }

    pub(super) fn journal(&self) -> Vec<Noted> {
        lock(&self.journal).clone()
    }

    /// The API that is asked.
    pub(super) fn api(&self) -> Option<&NodeApi> {
        self.api.as_ref().map(|(api, _)| api)
    }

    /// From a request to its answer, ms.
    pub(super) fn answers(&self) -> Times {
        lock(&self.answers).times()
    }

    /// Hangs up on everybody, without a word in the journal: the run is over.
    pub(super) async fn hang_up_all(&self) {
        let lines: Vec<OnLine> = lock(&self.lines).drain().map(|(_, line)| line).collect();
        let mut leaving = tokio::task::JoinSet::new();
        for line in lines {
            let switchboard = self.switchboard.clone();
            leaving.spawn(async move { switchboard.hang_up(line.call_id).await });
        }
        leaving.join_all().await;
    }

    fn conference(&self, spot: Spot) -> String {
        format!("{}-{}", self.name, spot.0)
    }

    fn caller(&self, who: Who) -> String {
        format!("{}-person-{}", self.name, who.0)
    }

    /// Where somebody is by themselves.
    fn alone(&self, who: Who) -> String {
        format!("{}-alone-{}", self.name, who.0)
    }

    fn note(&self, act: Act, asked_ns: i64) {
        let answered_ns = wire::monotonic_ns();
        lock(&self.journal).push(Noted { act, asked_ns, answered_ns });
    }

    async fn dial(&self, act: Act, who: Who, into: Option<Spot>) -> anyhow::Result<()> {
        let conference = into.map_or_else(|| self.alone(who), |spot| self.conference(spot));
        let codec = self.codec_of(who);
        let asked_ns = wire::monotonic_ns();
        let line = self.switchboard.dial(format!("conf-{conference}"), self.caller(who), codec).await;
        let line = line.map_err(anyhow::Error::msg)?;
        let number = self.next_phone.fetch_add(1, Ordering::Relaxed);
        let (voice, record) = (self.voice_of(who, codec), Arc::clone(&self.records[who.0]));
        let phone = Phone::new(number, codec, voice, (line.socket, &line.answer), record)?;
        self.phones.add(phone)?;
        self.note(act, asked_ns);
        lock(&self.lines).insert(who, OnLine { call_id: line.call_id, phone: number });
        lock(&self.sids).remove(&who);
        Ok(())
    }

    /// Who clicks has the codec of the one they talk to: nothing between them changes a sample.
    pub(super) fn codec_of(&self, who: Who) -> Codec {
        let turn = if matches!(self.manner, Manner::Clicks(_)) { who.0 / 2 } else { who.0 };
        self.codecs[turn % self.codecs.len()]
    }

    /// What somebody says.
    fn voice_of(&self, who: Who, codec: Codec) -> Voice {
        let (voice, factor) = (self.cast.voices[who.0], codec.factor());
        match self.manner {
            Manner::Tones => Voice::Round(Track::of(codec, &sound(voice, factor).repeat(ROUNDS), 0)),
            Manner::Clicks(seed) => Voice::Round(Track::of(codec, &clicking(voice, factor, (seed, who)), 0)),
            Manner::Keys => Voice::Keypad(Box::new(Keypad::new(codec, sound(voice, factor)))),
        }
    }

    /// Has somebody press keys, one after the other. As tones and events they are pressed when the phone is at it, in signalling
    /// when the node has answered each.
    pub(super) async fn press(&self, who: Who, keys: &str, way: Way) -> anyhow::Result<()> {
        let line = lock(&self.lines).get(&who).cloned().context("there is no call")?;
        if way != Way::Info {
            return Ok(self.phones.press(line.phone, keys, way)?);
        }
        for key in keys.chars() {
            let is_taken = self.switchboard.press(line.call_id.clone(), key).await;
            ensure!(is_taken, "an INFO was not taken");
        }
        Ok(())
    }

    /// What is in front of all names of this run.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The phone is quiet as soon as the node has agreed, and what it heard until then is kept.
    async fn hang_up(&self, act: Act, who: Who) -> anyhow::Result<()> {
        let line = lock(&self.lines).remove(&who).context("there is no call")?;
        let asked_ns = wire::monotonic_ns();
        let agreed = self.switchboard.hang_up(line.call_id).await;
        self.phones.remove(line.phone)?;
        self.note(act, asked_ns);
        ensure!(agreed, "the BYE was not answered");
        Ok(())
    }

    async fn ask(&self, act: Act, floor: &Floor, connection: &mut Option<Connection>) -> anyhow::Result<()> {
        let (api, served) = self.api.as_ref().context("there is no API to be asked")?;
        let subject = act.subjects()[0];
        let sid = self.sid_of(api, subject).await?;
        let request = match self.script_of(act) {
            Some(page) => {
                let url = encoded(&served.url(&page));
                ("POST", format!("{}/Calls/{sid}.json", api.account_path()), format!("Url={url}&Method=GET"))
            }
            None => {
                let Place::In(spot) = floor.seat(subject).place else {
                    bail!("they are in no conference");
                };
                let conference = self.conference_sid(api, spot).await?;
                let seat = format!("{}/Conferences/{conference}/Participants/{sid}.json", api.account_path());
                let (method, form) = self.seat_form(act, api, served).await?;
                (method, seat, form)
            }
        };
        let (method, path, form) = request;
        let asked_ns = wire::monotonic_ns();
        api.ask(connection, method, &path, &form).await?;
        self.note(act, asked_ns);
        lock(&self.answers).add((wire::monotonic_ns() - asked_ns) as f64 / 1e6);
        Ok(())
    }

    /// The page with the script that does this, if a script does.
    fn script_of(&self, act: Act) -> Option<String> {
        let page = |verb: &str, name: &str, who| format!("{verb}/{name}/{}", self.alone(who));
        let queue = |who: Who| format!("{}-queue-{}", self.name, who.0 / super::script::PEOPLE_EACH);
        Some(match act {
            Act::Enter { who, spot, monitors: true } => page("listen", &self.conference(spot), who),
            Act::Enter { who, spot, monitors: false } => page("seat", &self.conference(spot), who),
            Act::Park(who) | Act::Release { agent: who, .. } => page("seat", &self.alone(who), who),
            Act::Wait(who) => page("queue", &queue(who), who),
            Act::Serve { agent, .. } => page("serve", &queue(agent), agent),
            Act::Dial { .. }
            | Act::HangUp(_)
            | Act::Kick(_)
            | Act::Mute { .. }
            | Act::Hold { .. }
            | Act::Coach { .. }
            | Act::Barge(_)
            | Act::Monitor(_) => return None,
        })
    }

    async fn seat_form(
        &self,
        act: Act,
        api: &NodeApi,
        served: &Served,
    ) -> anyhow::Result<(&'static str, String)> {
        let form = match act {
            Act::Kick(_) => return Ok(("DELETE", String::new())),
            Act::Mute { on, .. } => format!("Muted={on}"),
            Act::Hold { on: true, .. } => format!("Hold=true&HoldUrl={}", encoded(&served.url("hold"))),
            Act::Hold { .. } => "Hold=false".to_owned(),
            Act::Barge(_) => "Muted=false&Coaching=false".to_owned(),
            Act::Monitor(_) => "Muted=true&Coaching=false".to_owned(),
            Act::Coach { whom, .. } => {
                let whom = self.sid_of(api, whom).await?;
                format!("Muted=false&Coaching=true&CallSidToCoach={whom}")
            }
            Act::Dial { .. }
            | Act::HangUp(_)
            | Act::Enter { .. }
            | Act::Park(_)
            | Act::Wait(_)
            | Act::Serve { .. }
            | Act::Release { .. } => bail!("that is no change of a seat"),
        };
        Ok(("POST", form))
    }

    /// The SID of somebody's call.
    pub(super) async fn sid_of(&self, api: &NodeApi, who: Who) -> anyhow::Result<String> {
        if let Some(known) = lock(&self.sids).get(&who) {
            return Ok(known.clone());
        }
        let caller = self.caller(who);
        let list = format!("{}/Calls.json?Status=in-progress&From={caller}", api.account_path());
        let calls = api.fetch(&list).await?;
        let sid =
            calls["calls"][0]["sid"].as_str().with_context(|| format!("it knows no call of {caller}"))?;
        lock(&self.sids).insert(who, sid.to_owned());
        Ok(sid.to_owned())
    }

    /// The conference of that name that is not over.
    pub(super) async fn conference_sid(&self, api: &NodeApi, spot: Spot) -> anyhow::Result<String> {
        let name = self.conference(spot);
        let list = format!("{}/Conferences.json?FriendlyName={name}", api.account_path());
        let found = api.fetch(&list).await?;
        let is_on = |conference: &&Value| conference["status"] != "completed";
        let on = found["conferences"].as_array().and_then(|all| all.iter().find(is_on));
        let sid = on.and_then(|conference| conference["sid"].as_str());
        Ok(sid.with_context(|| format!("it knows no conference {name}"))?.to_owned())
    }
}

pub(super) fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
