//! The OpenAPI document: that it is the committed one and well-formed, and that it and the handlers say the same, in both
//! directions: paths, methods, parameters, the fields of answers.
//!
//! What handlers take is not read off their source: each operation is asked with all pairs of its parameters, and
//! [`asked`] tells which names the handler looked for meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Map;

use super::*;
use crate::api::form::asked;
use crate::api::openapi::{DOCUMENT, FORM, document};
use crate::api::resources;
use crate::store::StoreSettings;
use crate::telemetry::Metrics;

/// Paths outside of the table of resources: those that want no credentials.
const OPEN: [&str; 3] = ["/healthz", "/metrics", "/v1/openapi.json"];

/// And those that want an access token, and talk in session descriptions.
const OF_BROWSERS: [&str; 2] = ["/v1/browser/calls", "/v1/browser/calls/{call}"];

#[test]
fn the_committed_document_is_this_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    if std::env::var_os("UPDATE_SNAPSHOT").is_some() {
        std::fs::write(&path, DOCUMENT.as_str()).expect("docs can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == *DOCUMENT,
        "docs/openapi.json is not what the handlers say. If what they say is meant, write it with\n\
         UPDATE_SNAPSHOT=1 cargo test --lib openapi\nand commit it."
    );
}

#[tokio::test]
async fn it_is_served_without_credentials() {
    let node = Node::over(Script::default().play());
    let request = Request::get("/v1/openapi.json").body(Body::empty()).expect("a request");
    assert_eq!(node.ask(request).await.ok(), document());
}

#[test]
fn it_is_whole() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for operation in operations(&document) {
        assert!(ids.insert(operation.id()), "{} twice", operation.id());
        let declared = operation.parameters("path").collect::<BTreeSet<_>>();
        let in_path = operation.path.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0));
        assert_eq!(declared, in_path.collect(), "{}", operation.id());
        assert!(operation.json["summary"].is_string(), "{} says not what it does", operation.id());
    }
    for form in document["paths"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, at)| at["post"].get("requestBody"))
        .filter(|form| form["content"].get("application/sdp").is_none())
    {
        let name = form["content"][FORM]["schema"]["$ref"].as_str().expect("a form");
        assert!(
            !document.pointer(&name[1..]).expect("a schema").to_string().contains("null"),
            "{name}: a form has no null"
        );
    }
    for name in references(&document) {
        assert!(document.pointer(&name[1..]).is_some(), "{name} leads nowhere");
    }
}

#[tokio::test]
async fn every_route_is_documented_and_every_operation_served() {
    let node = Node::over(Script::default().play());
    let mut served = BTreeSet::new();
    let elsewhere = OPEN.into_iter().chain(OF_BROWSERS).map(str::to_owned);
    for path in resources().into_iter().map(|(path, _)| path).chain(elsewhere) {
        let asked = path.replace("{account}", &node.account.to_string());
        // No resource takes this method; which ones it does take, the refusal says.
        let answer = node.send("PUT", &asked.replace(['{', '}'], ""), None).await;
        answer.assert_error(405, 20_004);
        let methods = answer.header("allow").split(',').filter(|method| *method != "HEAD");
        served.extend(methods.map(|method| (nameless(&path), method.to_lowercase())));
    }
    let document = document();
    let documented: BTreeSet<_> = operations(&document)
        .map(|operation| (nameless(operation.path), operation.method.to_owned()))
        .collect();
    assert_eq!(documented, served);
}

#[tokio::test]
async fn handlers_take_and_answer_what_is_documented() {
    let document = document();
    for operation in operations(&document) {
        // One never ends, one is no JSON, one wants a file, and some talk in session descriptions.
        let is_other = ["FollowEvents", "FetchMetrics", "FetchRecordingSound"].contains(&operation.id());
        if is_other || operation.path.starts_with("/v1/browser/") {
            continue;
        }
        let trial = Trial::of(operation).await;
        let taken = trial.names_taken().await;
        let documented: BTreeSet<String> = trial.operation.samples().into_keys().collect();
        let ignored: Vec<_> = documented.difference(&taken).collect();
        assert!(ignored.is_empty(), "{} is said to take {ignored:?}", trial.operation.id());
        for name in taken.difference(&documented) {
            let refused = trial.ask(&[name], &[(name, "x".to_owned())]).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{} takes {name}", trial.operation.id());
            let message = refused.json()["message"].to_string();
            assert!(message.contains(name.as_str()), "{} takes {name}: {message}", trial.operation.id());
        }
    }
}

/// Paths, parameters and fields of the original's own document, as far as there is something here that shares them: a line
/// for each operation, and `=>` before what is answered.
const ORIGINAL: &str = include_str!("openapi/original.txt");

/// Parameters that the original does not have, or not there.
const OWN: [(&str, &str); 4] = [
    ("CreateNewKey", "KeyType"),
    ("CreateCall", "CallerDisplayName"),
    ("CreateParticipant", "SendDigits"),
    ("CreateParticipant", "ConferenceRecordingChannels"),
];

#[test]
fn names_are_those_of_the_original() {
    let document = document();
    let own: BTreeMap<_, _> = operations(&document).map(|operation| (operation.id(), operation)).collect();
    for line in ORIGINAL.lines().filter(|line| !line.starts_with('#')) {
        let (asked, answered) = line.split_once(" =>").expect("parameters => fields");
        let mut words = asked.split_whitespace();
        let (id, method, path) = (words.next(), words.next(), words.next());
        let operation = own.get(id.expect("an id")).unwrap_or_else(|| panic!("{id:?} is not here"));
        assert_eq!((Some(operation.method), Some(operation.path)), (method, path));

        let theirs: BTreeSet<&str> = words.collect();
        for name in operation.samples().keys() {
            let is_own = OWN.contains(&(operation.id(), name.as_str()));
            assert!(
                is_own || theirs.contains(name.as_str()),
                "{}: {name} is not of the original",
                operation.id()
            );
        }
        let fields = operation.answered();
        for name in answered.split_whitespace() {
            assert!(fields.contains(name), "{} does not answer {name}", operation.id());
        }
    }
}

/// An operation of the document.
#[derive(Clone, Copy)]
struct Operation<'a> {
    document: &'a Value,
    path: &'a str,
    method: &'a str,
    json: &'a Value,
}

fn operations(document: &Value) -> impl Iterator<Item = Operation<'_>> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(move |(path, operations)| {
        let operations = operations.as_object().into_iter().flatten();
        operations.map(move |(method, json)| Operation { document, path, method, json })
    })
}

impl<'a> Operation<'a> {
    fn id(self) -> &'a str {
        self.json["operationId"].as_str().expect("an id")
    }

    fn parameters(self, place: &str) -> impl Iterator<Item = &'a str> {
        let all = self.json["parameters"].as_array().into_iter().flatten();
        all.filter(move |parameter| parameter["in"] == place)
            .filter_map(|parameter| parameter["name"].as_str())
    }

    fn form(self) -> &'a Value {
        &self.json["requestBody"]["content"][FORM]["schema"]
    }

    /// Each parameter that it takes in query or body, with a value that it may have.
    fn samples(self) -> BTreeMap<String, String> {
        let query = self.parameters("query").map(|name| (name.to_owned(), plain_sample(name)));
        let form = properties(self.document, self.form());
        let form =
            form.into_iter().map(|(name, schema)| (name.to_owned(), sample(self.document, name, schema)));
        query.chain(form).collect()
    }

    /// What it does not do without.
    fn required(self) -> Vec<&'a str> {
        // Any of three will do, which a schema of forms cannot say; of a recording, and of whom to tell of it, nothing
        // is looked at unless there is to be one.
        let more: &[&str] = match self.id() {
            "CreateCall" => &["Url", "Record"],
            "CreateParticipant" => &["Record"],
            _ => &[],
        };
        required(self.document, self.form()).into_iter().chain(more.iter().copied()).collect()
    }

    /// The fields of what it answers when it was done.
    fn answered(self) -> BTreeSet<&'a str> {
        let done = ["200", "201"].into_iter().map(|status| &self.json["responses"][status]);
        let schemas = done.map(|response| &response["content"]["application/json"]["schema"]);
        schemas.flat_map(|schema| properties(self.document, schema).into_keys()).collect()
    }
}

/// An operation, and a node that it is tried on.
struct Trial<'a> {
    operation: Operation<'a>,
    tour: Tour,
    path: String,
}

impl<'a> Trial<'a> {
    async fn of(operation: Operation<'a>) -> Self {
        let mut script = Script::default();
        let conference = script.conference("tour", 3);
        let calls: Vec<_> = script.participants.iter().map(|seat| seat.call_sid).collect();
        let store = Store::in_memory(StoreSettings::default(), &Metrics::new()).await.expect("memory");
        let tour = Tour { node: Node::with(script.play(), store), conference, calls };
        let path = Self::path(operation, &tour).await;
        Self { operation, tour, path }
    }

    /// The path to something that is there, as far as such a thing can be made.
    async fn path(operation: Operation<'_>, tour: &Tour) -> String {
        let account = tour.node.account.to_string();
        let (call, conference) = (tour.calls[0].to_string(), tour.conference.to_string());
        let queue = made(&tour.node, "Queues", "FriendlyName=first").await;
        let sid = match operation.json["tags"][0].as_str().expect("a tag") {
            "Accounts" => account.clone(),
            "Applications" => made(&tour.node, "Applications", "").await,
            "Calls" => call.clone(),
            "Conferences" => conference.clone(),
            "IncomingPhoneNumbers" => {
                made(&tour.node, "IncomingPhoneNumbers", "PhoneNumber=%2B15550100").await
            }
            "Keys" => made(&tour.node, "Keys", "").await,
            "Queues" => queue.clone(),
            "Recordings" => format!("RE{:032x}", 1),
            "Payments" => format!("PK{:032x}", 1),
            _ => format!("NO{:032x}", 1),
        };
        let path = operation.path.replace("{AccountSid}", &account).replace("{Sid}", &sid);
        path.replace("{CallSid}", &call).replace("{ConferenceSid}", &conference).replace("{QueueSid}", &queue)
    }

    /// Which parameters the handler looks for, given any two and what it does not do without, or only those two.
    async fn names_taken(&self) -> BTreeSet<String> {
        let samples: Vec<(String, String)> = self.operation.samples().into_iter().collect();
        asked::take();
        self.ask(&[], &[]).await;
        for (at, one) in samples.iter().enumerate() {
            for other in &samples[at..] {
                let mut pair = vec![(one.0.as_str(), one.1.clone()), (other.0.as_str(), other.1.clone())];
                pair.dedup();
                self.ask(&[&one.0, &other.0], &pair).await;
                self.send(&pair).await;
            }
        }
        asked::take()
    }

    /// Asks with these, and with what is required but those `without`.
    async fn ask(&self, without: &[&str], given: &[(&str, String)]) -> Answer {
        let samples = self.operation.samples();
        let required = self.operation.required().into_iter().filter(|name| !without.contains(name));
        let required = required.map(|name| (name, samples[name].clone()));
        self.send(&required.chain(given.iter().cloned()).collect::<Vec<_>>()).await
    }

    /// Whatever is answered when it is done has the documented fields.
    async fn send(&self, given: &[(&str, String)]) -> Answer {
        let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish();
        let (method, path) = (self.operation.method.to_uppercase(), &self.path);
        let answer = match method.as_str() {
            "POST" => self.tour.node.send("POST", path, Some(&text)).await,
            _ => self.tour.node.send(&method, &format!("{path}?{text}"), None).await,
        };
        assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        let is_document = self.operation.id() == "FetchDocument";
        if answer.status.is_success() && answer.status != StatusCode::NO_CONTENT && !is_document {
            let json = answer.json();
            let fields: BTreeSet<&str> =
                json.as_object().into_iter().flat_map(Map::keys).map(String::as_str).collect();
            assert_eq!(fields, self.operation.answered(), "{method} {path}");
        }
        answer
    }
}

/// The SID of a new one of its kind.
async fn made(node: &Node, kind: &str, form: &str) -> String {
    let answer = node.send("POST", &format!("{}/{kind}.json", node.prefix()), Some(form)).await;
    answer.json()["sid"].as_str().expect("a SID").to_owned()
}

/// What stands at the end of references.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(name) => document.pointer(&name[1..]).expect("a schema"),
        None => schema,
    }
}

fn properties<'a>(document: &'a Value, schema: &'a Value) -> BTreeMap<&'a str, &'a Value> {
    let schema = resolved(document, schema);
    let parts = schema["allOf"].as_array().into_iter().flatten();
    let own =
        schema["properties"].as_object().into_iter().flatten().map(|(name, schema)| (name.as_str(), schema));
    parts.flat_map(|part| properties(document, part)).chain(own).collect()
}

fn required<'a>(document: &'a Value, schema: &'a Value) -> Vec<&'a str> {
    let schema = resolved(document, schema);
    let parts = schema["allOf"].as_array().into_iter().flatten();
    let own = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    parts.flat_map(|part| required(document, part)).chain(own).collect()
}

/// A value that a parameter may have by its schema; a date is none that a schema knows.
fn sample(document: &Value, name: &str, schema: &Value) -> String {
    let choices = schema["oneOf"].as_array().into_iter().flatten().chain([schema]);
    let choices =
        choices.flat_map(|choice| [choice, &choice["items"]]).map(|choice| resolved(document, choice));
    for choice in choices {
        let word = choice["enum"][0].as_str();
        if let Some(word) = word.or_else(|| choice["oneOf"][0]["const"].as_str()) {
            return word.to_owned();
        }
        let kinds = &choice["type"];
        let is =
            |kind: &str| kinds == kind || kinds.as_array().is_some_and(|kinds| kinds.contains(&kind.into()));
        if is("boolean") {
            return "true".to_owned();
        }
        if is("integer") {
            return choice["minimum"].as_u64().unwrap_or(1).to_string();
        }
    }
    plain_sample(name)
}

fn plain_sample(name: &str) -> String {
    let text = match name {
        "To" => "client:alice",
        "PhoneNumber" => "+442079460123",
        "Page" | "PageSize" => "1",
        _ if name.ends_with("Url") || name.ends_with("Callback") => "https://app.example/",
        _ if name.contains("Time") || name.contains("Date") => "2024-01-31",
        _ => "x",
    };
    text.to_owned()
}

/// A path whose parameters have lost their names, which differ inside and outside.
fn nameless(path: &str) -> String {
    let bare = path.strip_suffix(".json").unwrap_or(path);
    let segments = bare.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

fn references(value: &Value) -> Vec<&str> {
    let own = value["$ref"].as_str();
    let below: Vec<&Value> = match value {
        Value::Object(fields) => fields.values().collect(),
        Value::Array(items) => items.iter().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    below.into_iter().flat_map(references).chain(own).collect()
}
