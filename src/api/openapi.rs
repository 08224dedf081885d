//! The OpenAPI 3.1 document of this API, made from the handlers: each has its operation above itself, and the documents of
//! the fields that it answers with are theirs in the schemas.
//!
//! What operations have in common is added here: what is in their paths, who may ask, and how it is told that something
//! is wrong. `docs/openapi.json` is the document as it was committed last; a test holds it to this one.

pub(super) mod filters;
pub(super) mod forms;
pub(super) mod lists;

use std::sync::LazyLock;

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::form::JSON;
use super::numbers::Shop;
use super::{
    accounts, applications, browser_calls, call_messages, calls, conference_recordings, conferences, error,
    events, health, keys, notifications, numbers, participants, payments, quality, queues, recording_media,
    recordings, streams,
};

/// How a body is written.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// The document, as it is served and committed.
pub(super) static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let text = serde_json::to_string_pretty(&document());
    text.expect("a tree of texts") + "\n"
});

/// Describes this API: the document itself, in OpenAPI 3.1.
///
/// It holds no secrets, so that it needs no credentials: who writes a client has none yet.
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    tag = "Operation",
    operation_id = "FetchDocument",
    responses((status = 200, body = Value, description = "This document."))
)]
pub(super) async fn fetch() -> impl IntoResponse {
    ([(CONTENT_TYPE, JSON)], DOCUMENT.as_str())
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Confab",
        description = "The control API of a voice media node. It has the paths, parameters and answers of Twilio's voice API \
                       (2010-04-01), and additions of its own under `/v1`. Parameters of a POST are in its body; a list of \
                       values is the parameter repeated. A parameter that asks for what this node cannot do is refused and not \
                       in here, one that nobody documents is ignored. Paths may be given without `.json`."
    ),
    paths(
        accounts::list,
        accounts::create,
        accounts::fetch,
        accounts::update,
        keys::list,
        keys::create,
        keys::fetch,
        keys::update,
        keys::delete,
        applications::list,
        applications::create,
        applications::fetch,
        applications::update,
        applications::delete,
        numbers::list,
        numbers::create,
        numbers::fetch,
        numbers::update,
        numbers::delete,
        calls::list,
        calls::create,
        calls::fetch,
        calls::update,
        calls::delete,
        conferences::list,
        conferences::fetch,
        conferences::update,
        participants::list,
        participants::create,
        participants::fetch,
        participants::update,
        participants::kick,
        queues::list,
        queues::create,
        queues::fetch,
        queues::update,
        queues::delete,
        queues::list_waiters,
        queues::fetch_waiter,
        queues::redirect_waiter,
        notifications::list,
        notifications::fetch,
        notifications::list_of_call,
        notifications::fetch_of_call,
        notifications::events,
        recordings::list,
        recordings::fetch,
        recordings::delete,
        recordings::list_of_call,
        recordings::create,
        recordings::fetch_of_call,
        recordings::update_of_call,
        recordings::delete_of_call,
        streams::create,
        streams::update,
        call_messages::create,
        call_messages::subscribe,
        call_messages::unsubscribe,
        conference_recordings::list,
        conference_recordings::create,
        conference_recordings::fetch,
        conference_recordings::update,
        conference_recordings::delete,
        recording_media::fetch,
        payments::create,
        payments::update,
        payments::attestation,
        payments::attestation_keys,
        browser_calls::create,
        browser_calls::renegotiate,
        browser_calls::hang_up,
        quality::fetch,
        events::follow,
        health::healthz,
        health::metrics,
        fetch,
    ),
    components(schemas(error::Body))
)]
struct Handlers;

pub(super) fn document() -> Value {
    let mut document = serde_json::to_value(Handlers::openapi()).expect("a tree of texts");
    let forms = forms_of(&document);
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        for (name, schema) in schemas {
            if forms.contains(name) { forbid_null(schema) } else { require_all(schema) }
        }
    }
    if let Some(paths) = document["paths"].as_object_mut() {
        add_kinds_of_numbers(paths);
        for (path, operations) in paths {
            operations
                .as_object_mut()
                .into_iter()
                .flat_map(Map::values_mut)
                .for_each(|operation| complete(path, operation));
        }
    }
    document["components"]["securitySchemes"]["account"] = json!({
        "type": "http",
        "scheme": "basic",
        "description": "An account's SID and its auth token, or a key's SID and its secret.",
    });
    document["components"]["securitySchemes"]["browser"] = json!({
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token with a voice grant.",
    });
    document["servers"] = json!([{ "url": "/", "description": "The node that serves this document." }]);
    document
}

/// The schemas of form bodies.
fn forms_of(document: &Value) -> Vec<String> {
    let operations = document["paths"].as_object().into_iter().flat_map(Map::values);
    let bodies =
        operations.map(|operations| &operations["post"]["requestBody"]["content"][FORM]["schema"]["$ref"]);
    bodies.filter_map(|name| Some(name.as_str()?.rsplit_once('/')?.1.to_owned())).collect()
}

/// What an answer has it always has, null where it is not known. A property that may be left out is not null then.
fn require_all(schema: &mut Value) {
    for part in schema.get_mut("allOf").and_then(Value::as_array_mut).into_iter().flatten() {
        require_all(part);
    }
    let said = schema["required"].as_array().cloned().unwrap_or_default();
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    let is_required = |name: &str, property: &Value| {
        said.contains(&json!(name)) || property.to_string().contains("\"null\"")
    };
    let required = properties.iter().filter(|(name, property)| is_required(name, property));
    schema["required"] = required.map(|(name, _)| name.as_str()).collect();
}

/// What is not in a form is left out: a form has no null.
fn forbid_null(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(forbid_null),
        Value::Object(fields) => {
            if let Some(kinds) = fields.get_mut("type").and_then(Value::as_array_mut) {
                let kind = kinds.iter_mut().find(|kind| **kind != "null").map(Value::take);
                fields.insert("type".to_owned(), kind.unwrap_or_default());
            }
            if let Some(choices) = fields.get_mut("oneOf").and_then(Value::as_array_mut) {
                choices.retain(|choice| choice["type"] != "null");
                if let [only] = choices.as_mut_slice()
                    && let Value::Object(only) = only.take()
                {
                    fields.remove("oneOf");
                    fields.extend(only);
                }
            }
            fields.values_mut().for_each(forbid_null);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Numbers of each kind have the same operations under a path of their own.
fn add_kinds_of_numbers(paths: &mut Map<String, Value>) {
    let path_of = |shop: Shop| format!("/2010-04-01/Accounts/{{AccountSid}}/{}.json", shop.path());
    let [all, kinds @ ..] = Shop::ALL;
    let Some(operations) = paths.get(&path_of(all)).cloned() else {
        return;
    };
    for kind in kinds {
        let mut operations = operations.clone();
        let name = kind.path().replace('/', "");
        let name = name.strip_prefix("IncomingPhoneNumbers").unwrap_or_default();
        for (verb, method) in [("List", "get"), ("Create", "post")] {
            operations[method]["operationId"] = json!(format!("{verb}IncomingPhoneNumber{name}"));
        }
        paths.insert(path_of(kind), operations);
    }
}

/// Adds what all operations have.
fn complete(path: &str, operation: &mut Value) {
    let is_open =
        !path.starts_with("/2010-04-01/") && !path.starts_with("/v1/") || path == "/v1/openapi.json";
    operation["security"] = match (is_open, path.starts_with("/v1/browser/")) {
        (true, _) => json!([]),
        (false, true) => json!([{ "browser": [] }]),
        (false, false) => json!([{ "account": [] }]),
    };
    if operation["parameters"].is_null() {
        operation["parameters"] = json!([]);
    }
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        parameters.splice(0..0, names_in(path).map(parameter_in_path));
    }
    if !is_open {
        operation["responses"]["default"] = json!({
            "description": "It was not done; the code says why.",
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
        });
    }
}

/// The names of the parameters in a path.
fn names_in(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0))
}

fn parameter_in_path(name: &str) -> Value {
    let description = match name {
        "AccountSid" => "The account in whose name it is done: AC and 32 hexadecimal digits.",
        "CallSid" => "A call: CA and 32 hexadecimal digits.",
        "ConferenceSid" => "A conference: CF and 32 hexadecimal digits.",
        "QueueSid" => "A queue: QU and 32 hexadecimal digits.",
        _ => "What it is done to: two letters and 32 hexadecimal digits.",
    };
    json!({ "name": name, "in": "path", "required": true, "description": description, "schema": { "type": "string" } })
}
