//! News of streams, put into the words of the reference (§3.5) and handed to the courier; what went wrong is noted for the
//! application's author, whether they asked to be told or not.

use std::time::SystemTime;

use chrono::SecondsFormat;
use tokio::sync::mpsc;

use super::debugger::{Debugger, Severity};
use super::run::parameters::named;
use crate::call::{HttpMethod, StreamNews, StreamStep, VoiceUrl};
use crate::webhook::{Courier, Job, Method, Payload, Request};

/// Hands on news until the model is gone.
pub async fn deliver_streams(courier: Courier, debugger: Debugger, mut news: mpsc::Receiver<StreamNews>) {
    while let Some(news) = news.recv().await {
        note(&debugger, &news);
        if let Some(job) = news.to.as_ref().and_then(|to| job(&news, to)) {
            // What a full courier does is its own affair, and counted there.
            let _ = courier.send(job);
        }
    }
}

fn note(debugger: &Debugger, news: &StreamNews) {
    let (severity, problem) = match &news.step {
        StreamStep::Failed(problem) => (Severity::Error, problem),
        StreamStep::Noted(problem) => (Severity::Warning, problem),
        StreamStep::Started | StreamStep::Stopped => return,
    };
    let stream = &news.stream;
    let message = format!("The stream {}: {}.", stream.sid, problem.message);
    debugger.note((stream.account, Some(stream.call)), severity, problem.code, &message, None);
}

fn job(news: &StreamNews, to: &VoiceUrl) -> Option<Job> {
    let event = match &news.step {
        StreamStep::Started => "stream-started",
        StreamStep::Failed(_) => "stream-error",
        StreamStep::Stopped => "stream-stopped",
        StreamStep::Noted(_) => return None,
    };
    let stream = &news.stream;
    let mut told = vec![
        named("AccountSid", stream.account),
        named("CallSid", stream.call),
        named("StreamSid", stream.sid),
        named("StreamName", &stream.name),
        named("StreamEvent", event),
        named("Timestamp", news.at.to_rfc3339_opts(SecondsFormat::Millis, true)),
    ];
    if let StreamStep::Failed(problem) = &news.step {
        told.push(named("StreamError", format!("{} - {}", problem.code, problem.message)));
    }
    let method = match to.method {
        HttpMethod::Get => Method::Get,
        HttpMethod::Post => Method::Post,
    };
    let request = Request {
        method,
        payload: Payload::Form(told),
        ..Request::post(to.url.clone(), stream.account.to_string(), Vec::new())
    };
    let key = stream.sid.to_string();
    Some(Job {
        id: format!("{key}-{}", news.number),
        is_last: news.is_last,
        request: request.about(stream.call.to_string()),
        key,
        accepted_at: SystemTime::now(),
    })
}
