//! A desk at which payments are taken: one after the other, each typed in another way, while customer and agent talk, a
//! supervisor listens, the conference is recorded and both calls are streamed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::card::{BRANDS, Card};
use super::office::Told;
use super::paid::{PaidBy, PayFault};
use super::{PEOPLE_EACH, Shop, Way, typing_ms};
use crate::load::floor::finding::FloorFinding;
use crate::load::floor::truth::{Act, Floor, Spot, Who};
use crate::load::node_api::Connection;

/// What is asked for, in this order.
const ITEMS: [&str; 4] = ["payment-card-number", "expiration-date", "security-code", "postal-code"];
/// A date that is not past for a long time, and a postal code; it ends with a key of its own.
const EXPIRY: &str = "0899";
const POSTAL_CODE: &str = "94109";
/// How long the node may take to tell of something, beside the typing.
const TOLD_WITHIN: Duration = Duration::from_secs(6);
/// How long the node is to wait for the next key, in seconds: longer, so that a key that is missing shows as that.
const NEXT_KEY_WITHIN: u32 = 30;
/// How long people may take until they hear each other, and how often that is looked at.
const MEET_LOOKS: u32 = 250;
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// After a payment, until all that was said in it has come.
const SETTLE: Duration = Duration::from_millis(400);
/// How often it is asked whether a recording or an attestation is there, and how often at most: for half a minute.
const ASK_EVERY: Duration = Duration::from_millis(100);
const ASKS_MAX: u32 = 300;
/// The most that a recording's file may have: an hour of two tracks at 16 kHz.
const FILE_BYTES_MAX: usize = 3_600 * 64_000;

/// Takes payments until it is over, one at least.
pub(super) async fn work(shop: &Shop, number: usize, is_over: impl Fn() -> bool) {
    let mut desk = Desk { shop, number, sids: Vec::new(), recording: None, streams: Vec::new(), kept: None };
    let mut payments = 0;
    let done = async {
        desk.open().await?;
        loop {
            desk.take_payment(payments).await?;
            payments += 1;
            if is_over() {
                return desk.close().await;
            }
        }
    };
    if let Err(error) = done.await {
        let act = format!("payment {payments} at desk {number}");
        shop.driver.find(FloorFinding::RequestFailed { act, problem: format!("{error:#}") });
    }
}

struct Desk<'a> {
    shop: &'a Shop,
    number: usize,
    /// The calls of its people.
    sids: Vec<String>,
    /// The conference and the recording of it.
    recording: Option<[String; 2]>,
    streams: Vec<String>,
    kept: Option<Connection>,
}

impl Desk<'_> {
    fn who(&self, n: usize) -> Who {
        Who(self.number * PEOPLE_EACH + n)
    }

    fn name(&self, n: usize) -> String {
        self.shop.driver.cast.names.of(self.who(n))
    }

    async fn ask(&mut self, method: &str, path: &str, form: &str) -> anyhow::Result<Value> {
        let api = self.shop.driver.api().context("there is no API to be asked")?;
        let path = format!("{}/{path}", api.account_path());
        self.shop.ask(&mut self.kept, method, &path, form).await
    }

    /// Has all call and meet; from then on they are recorded and streamed.
    async fn open(&mut self) -> anyhow::Result<()> {
        let spot = Spot(self.number);
        let [customer, agent, supervisor] = [0, 1, 2].map(|n| self.who(n));
        let driver = &self.shop.driver;
        let mut floor = Floor::new(driver.cast.voices.len());
        for act in [
            Act::Dial { who: customer, into: Some(spot) },
            Act::Dial { who: agent, into: Some(spot) },
            Act::Dial { who: supervisor, into: None },
            Act::Enter { who: supervisor, spot, monitors: true },
        ] {
            ensure!(driver.perform(act, &floor, &mut self.kept).await, "not all are there");
            floor.apply(act);
        }
        self.meet().await?;
        let api = driver.api().context("there is no API to be asked")?;
        for who in [customer, agent, supervisor] {
            self.sids.push(driver.sid_of(api, who).await?);
        }
        let conference = driver.conference_sid(api, spot).await?;
        let path = format!("Conferences/{conference}/Recordings.json");
        let made = self.ask("POST", &path, "RecordingChannels=dual&Trim=do-not-trim").await?;
        self.recording = Some([conference, sid_in(&made)?]);
        for n in 0..2 {
            let url = encoded(&self.shop.office.stream(&self.stream_name(n)));
            let path = format!("Calls/{}/Streams.json", self.sids[n]);
            let made = self.ask("POST", &path, &format!("Url={url}&Track=both_tracks")).await?;
            self.streams.push(sid_in(&made)?);
        }
        Ok(())
    }

    /// Waits until everybody hears whom they should.
    async fn meet(&self) -> anyhow::Result<()> {
        let (voices, records) = (&self.shop.driver.cast.voices, &self.shop.driver.records);
        let [customer, agent, supervisor] = [0, 1, 2].map(|n| self.who(n).0);
        let both = voices[customer].and(voices[agent]);
        for _ in 0..MEET_LOOKS {
            let hears = [(customer, voices[agent]), (agent, voices[customer]), (supervisor, both)];
            if hears.into_iter().all(|(who, voices)| records[who].hears_now(voices)) {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        bail!("they do not hear each other")
    }

    /// The name of a stream of a call; those of a desk begin alike, and no other desk's do.
    fn stream_name(&self, n: usize) -> String {
        format!("desk-{}-{n}", self.number)
    }

    async fn take_payment(&mut self, n: usize) -> anyhow::Result<()> {
        let (way, card) = (Way::ALL[(self.number + n) % Way::ALL.len()], Card::nth(self.number + n));
        self.forget_what_was_heard();
        let mut typed = 0;
        let outcome = self.take_card(n, way, card, &mut typed).await;
        tokio::time::sleep(SETTLE).await;
        let mut right = true;
        if let Err(problem) = &outcome {
            right = false;
            let whose = format!("payment {n} of desk {} by {}", self.number, way.words());
            self.shop.tally().find(PayFault::NotCaptured, &whose, format!("{problem:#}"));
        }
        let paid = PaidBy { payments: 1, right: u64::from(right), keys: typed as u64, ..PaidBy::default() };
        self.listen(way, paid).await
    }

    fn forget_what_was_heard(&self) {
        for n in 0..PEOPLE_EACH {
            let record = &self.shop.driver.records[self.who(n).0];
            drop((record.take(), record.take_sound()));
        }
        drop(self.shop.office.take_sounds(&self.stream_name(0)));
        drop(self.shop.office.take_sounds(&self.stream_name(1)));
    }

    /// Takes a card from the first request to the attestation. What is told must be what was typed.
    async fn take_card(&mut self, n: usize, way: Way, card: Card, typed: &mut usize) -> anyhow::Result<()> {
        let path = format!("Calls/{}/Payments.json", self.sids[0]);
        let form = format!(
            "{}&ChargeAmount=12.50&Timeout={NEXT_KEY_WITHIN}&ValidCardTypes={}",
            self.told_form(n, 0),
            encoded(BRANDS)
        );
        let made = self.ask("POST", &path, &form).await?;
        let payment = sid_in(&made)?;
        let path = format!("Calls/{}/Payments/{payment}.json", self.sids[0]);
        let taken = self.take_items(n, way, card, (&path, &mut *typed)).await;
        if taken.is_err() {
            // It may be over by itself.
            let _ = self.ask("POST", &path, &format!("{}&Status=cancel", self.told_form(n, 9))).await;
            return taken;
        }
        self.check_attestation(&payment, *typed).await
    }

    async fn take_items(
        &mut self,
        n: usize,
        way: Way,
        card: Card,
        (path, typed): (&str, &mut usize),
    ) -> anyhow::Result<()> {
        self.told(0, |told| told.get("Required") == ITEMS.join(",")).await.context("its beginning")?;
        for (at, item) in ITEMS.into_iter().enumerate() {
            self.ask("POST", path, &format!("{}&Capture={item}", self.told_form(n, at + 1))).await?;
            let keys = match at {
                0 => card.number.to_owned(),
                1 => EXPIRY.to_owned(),
                2 => card.code.to_owned(),
                _ => format!("{POSTAL_CODE}#"),
            };
            *typed += keys.len();
            self.shop.driver.press(self.who(0), &keys, way).await?;
            let is_whole = |told: &Told| told.get("Capture") == item && told.get("PartialResult") == "false";
            let is_over = |told: &Told| !told.get("Result").is_empty();
            let told = self.told(keys.len(), |told| is_whole(told) || is_over(told)).await.context(item)?;
            check_item(&told, at, card)?;
        }
        self.ask("POST", path, &format!("{}&Status=complete", self.told_form(n, 5))).await?;
        let told = self.told(0, |told| !told.get("Result").is_empty()).await.context("its result")?;
        let (result, code) = (told.get("Result"), told.get("PaymentConfirmationCode"));
        ensure!(result == "success" && !code.is_empty(), "its result is {result:?}, confirmed by {code:?}");
        Ok(())
    }

    /// The name of a request, and whom to tell.
    fn told_form(&self, n: usize, step: usize) -> String {
        let (name, desk) = (self.shop.driver.name(), self.number);
        let url = encoded(&self.shop.office.callback(desk));
        format!("IdempotencyKey={name}-{desk}-{n}-{step}&StatusCallback={url}")
    }

    /// What is told next that is so, while so many keys are typed.
    async fn told(&self, keys: usize, is_it: impl Fn(&Told) -> bool) -> anyhow::Result<Told> {
        let within = TOLD_WITHIN + Duration::from_millis(typing_ms(keys));
        let told = self.shop.office.wait_for(self.number, within, is_it).await;
        told.with_context(|| {
            format!("it was not told; before was: {}", self.shop.office.told_last(self.number))
        })
    }

    /// The node's own word: it must name everybody who listened, and have let nothing through.
    async fn check_attestation(&mut self, payment: &str, typed: usize) -> anyhow::Result<()> {
        let path = format!("/v1/payments/{payment}/attestation");
        let mut found = Err(anyhow::anyhow!("nobody asked"));
        for _ in 0..ASKS_MAX {
            found = self.shop.ask(&mut self.kept, "GET", &path, "").await;
            if found.is_ok() {
                break;
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        let problem = match &found {
            Ok(found) => self.wrong_in(&found["statement"], typed),
            Err(error) => Some(format!("{error:#}")),
        };
        if let Some(problem) = problem {
            self.shop.tally().find(PayFault::NotAttested, payment, problem);
        }
        Ok(())
    }

    /// What an attestation says otherwise than it was.
    fn wrong_in(&self, statement: &Value, typed: usize) -> Option<String> {
        let (masking, listeners) = (&statement["masking"], &statement["listeners"]);
        let recording = self.recording.iter().map(|[_, recording]| ("recordings", recording));
        let calls = self.sids[1..].iter().map(|sid| ("calls", sid));
        let streams = self.streams.iter().map(|sid| ("streams", sid));
        let is_there = |kind: &str, sid: &String| {
            listeners[kind].as_array().is_some_and(|all| all.iter().any(|known| known == sid))
        };
        if let Some((kind, sid)) =
            calls.chain(recording).chain(streams).find(|(kind, sid)| !is_there(kind, sid))
        {
            return Some(format!("{sid} is not among its {kind}"));
        }
        [("keys_let_through", 0), ("keys_captured", typed), ("keys_lost", 0)]
            .into_iter()
            .find(|(name, expected)| masking[name] != *expected)
            .map(|(name, expected)| format!("{name} is {}, not {expected}", masking[name]))
    }

    /// Searches what came to others during a payment.
    async fn listen(&self, way: Way, mut paid: PaidBy) -> anyhow::Result<()> {
        let (driver, people) = (&self.shop.driver, [0, 1, 2].map(|n| self.who(n)));
        let heard = |who: Who, voice: Who| {
            let glimpses = driver.records[who.0].take();
            let with_voice = glimpses.iter().filter(|glimpse| glimpse.heard.has(driver.cast.voices[voice.0]));
            (glimpses.len() as u64, with_voice.count() as u64)
        };
        (paid.packets, paid.speech) = heard(people[1], people[0]);
        let (packets, speech) = heard(people[0], people[1]);
        let mut places = Vec::new();
        for (n, who) in people.iter().enumerate().skip(1) {
            let record = &driver.records[who.0];
            if record.events() > 0 {
                let what = format!("{} packets", record.events());
                self.shop.tally().find(PayFault::EventRelayed, &self.name(n), what);
            }
            places.push(("legs", self.name(n), record.take_sound(), driver.codec_of(*who).factor()));
        }
        for n in 0..2 {
            let mut streamed = self.shop.office.take_sounds(&self.stream_name(n));
            for track in ["inbound", "outbound"] {
                let name = format!("the {track} stream of {}", self.name(n));
                places.push(("streams", name, streamed.remove(track).unwrap_or_default(), 1));
            }
        }
        let found = self.search(places).await?;
        let mut tally = self.shop.tally();
        for (place, name, found, seconds) in found {
            tally.hear(place, &name, &found, seconds);
        }
        tally.paid.packets += packets;
        tally.paid.speech += speech;
        tally.paid.by_way.entry(way).or_default().add(paid);
        Ok(())
    }

    /// Searches sounds, each at so many times 8 kHz.
    async fn search(&self, places: Vec<Place>) -> anyhow::Result<Vec<Searched>> {
        let ear = Arc::clone(&self.shop.ear);
        let searched = tokio::task::spawn_blocking(move || {
            let search = |(place, name, sound, factor): Place| {
                let seconds = sound.len() as f64 / (8_000 * factor) as f64;
                (place, name, ear.listen(&sound, factor), seconds)
            };
            places.into_iter().map(search).collect()
        });
        searched.await.context("searching for keys")
    }

    /// Ends the recording, and searches it.
    async fn close(&mut self) -> anyhow::Result<()> {
        let Some([conference, recording]) = self.recording.clone() else {
            return Ok(());
        };
        let path = format!("Conferences/{conference}/Recordings/{recording}.json");
        self.ask("POST", &path, "Status=stopped").await?;
        for _ in 0..ASKS_MAX {
            let told = self.ask("GET", &format!("Recordings/{recording}.json"), "").await?;
            if told["status"] == "completed" {
                break;
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        let api = self.shop.driver.api().context("there is no API to be asked")?;
        let path = format!("{}/Recordings/{recording}.wav", api.account_path());
        let file = api.fetch_file(&path, FILE_BYTES_MAX).await.context("its recording")?;
        let (tracks, factor) = tracks_of(&file).context("its recording")?;
        let name = |n: usize| format!("track {n} of the recording of desk {}", self.number);
        let place = |(n, sound)| ("recordings", name(n), sound, factor);
        let found = self.search(tracks.into_iter().enumerate().map(place).collect()).await?;
        let mut tally = self.shop.tally();
        for (place, name, found, seconds) in found {
            tally.hear(place, &name, &found, seconds);
        }
        Ok(())
    }
}

/// A kind of place, whose it is, what was heard there and at how many times 8 kHz.
type Place = (&'static str, String, Vec<i16>, usize);

/// The same with what was found, and how long it is in seconds.
type Searched = (&'static str, String, super::Found, f64);

impl PaidBy {
    fn add(&mut self, other: Self) {
        let Self { payments, right, keys, packets, speech } = other;
        self.payments += payments;
        self.right += right;
        self.keys += keys;
        self.packets += packets;
        self.speech += speech;
    }
}

/// What is told of an item when it is whole, the so many-th.
fn check_item(told: &Told, at: usize, card: Card) -> anyhow::Result<()> {
    let hidden_code = "x".repeat(card.code.len());
    let expected = match at {
        0 => [("PaymentCardNumber", card.masked()), ("PaymentCardType", card.brand.to_owned())],
        1 => [("ExpirationDate", EXPIRY.to_owned()), ("PaymentCardType", card.brand.to_owned())],
        2 => [("SecurityCode", hidden_code), ("PaymentCardNumber", card.masked())],
        _ => [("PaymentCardPostalCode", POSTAL_CODE.to_owned()), ("PaymentCardNumber", card.masked())],
    };
    let item = ITEMS[at];
    for over in ["Result", "ErrorType"] {
        ensure!(told.get(over).is_empty(), "{item}: {over} is {}", told.get(over));
    }
    for (name, value) in expected.into_iter().chain([("Required", ITEMS[at + 1..].join(","))]) {
        ensure!(told.get(name) == value, "{item}: {name} is {:?}, not {value:?}", told.get(name));
    }
    Ok(())
}

/// The tracks of a sound file, and at how many times 8 kHz they are.
fn tracks_of(file: &[u8]) -> anyhow::Result<(Vec<Vec<i16>>, usize)> {
    let reader = hound::WavReader::new(file).context("it is no WAV")?;
    let (tracks, factor) = (usize::from(reader.spec().channels), reader.spec().sample_rate as usize / 8_000);
    let samples: Vec<i16> = reader.into_samples().collect::<Result<_, _>>().context("it ends early")?;
    let track = |n: usize| samples.iter().copied().skip(n).step_by(tracks).collect();
    Ok(((0..tracks).map(track).collect(), factor))
}

fn sid_in(answer: &Value) -> anyhow::Result<String> {
    Ok(answer["sid"].as_str().context("it has no SID")?.to_owned())
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
